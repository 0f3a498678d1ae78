//! Somebody who acts for the platform.

use axum::extract::FromRequestParts;
use http::request::Parts;
use portal_app::PlatformWeb;
use portal_domain::code::Code;
use portal_domain::id::{AccountId, OrganizationId};
use portal_domain::operator;
use portal_http::{ApiError, Caller};
use portal_store::request;
use serde::Deserialize;

/// A caller whose verified address is one of the operators'. Read from the configuration, so that nobody becomes one by a
/// request.
#[derive(Debug, Clone)]
pub(crate) struct Operator {
    /// Who.
    pub(crate) caller: Caller,
}

#[derive(Deserialize)]
struct InPath {
    organization_id: OrganizationId,
}

impl FromRequestParts<PlatformWeb> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &PlatformWeb) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let address = caller.identity.verified_email.as_ref();
        if !address.is_some_and(|address| state.operators.contains(address)) {
            return Err(Code::OperatorRequired.into());
        }
        let path = axum::extract::Path::<InPath>::from_request_parts(parts, state).await;
        let organization = path.map_or(OrganizationId::PLATFORM, |path| path.0.organization_id);
        request::open_organization(organization);
        Ok(Self { caller })
    }
}

impl Operator {
    /// The operator's account.
    pub(crate) const fn account(&self) -> AccountId {
        self.caller.identity.account
    }

    /// The operator, as decisions name them.
    pub(crate) fn acting(&self) -> operator::Operator {
        operator::Operator {
            account: self.account(),
            origin: self.caller.origin.clone(),
        }
    }
}
