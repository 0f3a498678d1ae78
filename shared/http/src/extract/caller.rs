//! Somebody who is signed in.

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use portal_app::Web;
use portal_domain::account::Identity;
use portal_domain::audit::Origin;
use portal_domain::code::Code;
use portal_store::request;

use crate::error::ApiError;

/// The bearer of a valid access token. Says who they are, and nothing about what they may do.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub identity: Identity,
    /// From where.
    pub origin: Origin,
    pub(crate) web: Web,
}

impl<S: AsRef<Web> + Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let web = state.as_ref();
        let token = bearer(&parts.headers).ok_or(Code::Unauthenticated)?;
        let identity = web.identities.verify(token).await?;
        request::open_account(identity.account);
        let origin = parts.extensions.get::<Origin>().cloned().unwrap_or_default();
        Ok(Self {
            identity,
            origin,
            web: web.clone(),
        })
    }
}

/// The token of the one header with RFC 6750 §2.1 credentials.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(credentials), None) = (given.next(), given.next()) else {
        return None;
    };
    let (scheme, token) = credentials.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ')).then_some(token)
}
