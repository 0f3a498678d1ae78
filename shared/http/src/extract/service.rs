//! One of the platform's own systems.

use axum::extract::FromRequestParts;
use http::request::Parts;
use portal_app::Web;
use portal_domain::audit::Origin;
use portal_domain::code::{Code, Refusal};
use portal_domain::external::SourceName;
use portal_domain::id::{OrganizationId, TokenId};
use portal_domain::token::{self, Scope, TokenSecret};
use portal_store::request;

use crate::error::ApiError;
use crate::extract::caller;

/// The bearer of a service token's secret. Says which source it speaks for; what it may do is asked with [`Self::allows`].
///
/// Read anew for every request: a revoked token is refused on the next one. Whatever is wrong with a secret, the answer is
/// the same.
#[derive(Debug, Clone)]
pub struct Service(token::Service);

impl<S: AsRef<Web> + Send + Sync> FromRequestParts<S> for Service {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let web = state.as_ref();
        let secret = caller::bearer(&parts.headers)
            .and_then(TokenSecret::read)
            .ok_or(Code::Unauthenticated)?;
        let now = web.clock.now();
        let credential = web
            .store
            .credential(&secret.hash())
            .await?
            .filter(|credential| credential.is_open(now))
            .ok_or(Code::Unauthenticated)?;
        request::open_source(&credential.source);
        request::open_organization(OrganizationId::PLATFORM);
        if let Some(hour) = credential.use_to_note(now) {
            // No request fails because it could not be noted that it was made.
            if let Err(error) = web.store.token_used(&credential, hour).await {
                tracing::warn!(%error, "the use of a token was not noted");
            }
        }
        let origin = parts.extensions.get::<Origin>().cloned().unwrap_or_default();
        Ok(Self(token::Service { credential, origin }))
    }
}

impl Service {
    /// The token.
    #[must_use]
    pub fn token(&self) -> TokenId {
        self.0.credential.token
    }

    /// Whose records it feeds.
    #[must_use]
    pub fn source(&self) -> &SourceName {
        &self.0.credential.source
    }

    /// The service, whatever its token was given for.
    #[must_use]
    pub const fn bearer(&self) -> &token::Service {
        &self.0
    }

    /// Whether its token was given for something.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.0.credential.allows(scope).is_ok()
    }

    /// The service, for something its token was given for.
    ///
    /// # Errors
    /// [`Code::TokenScopeMissing`].
    pub fn allows(&self, scope: Scope) -> Result<&token::Service, Refusal> {
        self.0.credential.allows(scope)?;
        Ok(&self.0)
    }
}
