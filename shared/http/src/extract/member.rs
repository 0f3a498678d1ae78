//! A member of the organization in the path, with a permission.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use http::request::Parts;
use portal_app::Web;
use portal_domain::access::Phase;
use portal_domain::code::Code;
use portal_domain::id::{AccountId, OrganizationId};
use portal_domain::permission::Need;
use portal_store::request;
use serde::Deserialize;

use crate::error::ApiError;
use crate::extract::caller::Caller;

/// The caller as a member of the organization in the path who needs the permission `P`.
///
/// The right itself is read beside the data that the handler wants, in one round trip: nothing of the data can be had without
/// it ([`Member::beside`], [`Member::perform`](crate::perform)).
#[derive(Debug, Clone)]
pub struct Member<P> {
    /// Who.
    pub caller: Caller,
    /// Where.
    pub organization: OrganizationId,
    pub(crate) phase: Phase,
    needed: PhantomData<P>,
}

#[derive(Deserialize)]
struct InPath {
    organization_id: OrganizationId,
}

impl<S: AsRef<Web> + Send + Sync, P: Need> FromRequestParts<S> for Member<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let path = axum::extract::Path::<InPath>::from_request_parts(parts, state).await;
        let organization = path.map_err(|_| Code::OrganizationNotFound)?.0.organization_id;
        Ok(Self::named(caller, organization))
    }
}

impl<P> Member<P> {
    /// `caller` as a member of `organization`, which a body names.
    #[must_use]
    pub fn named(caller: Caller, organization: OrganizationId) -> Self {
        request::enter_organization(organization);
        Self {
            caller,
            organization,
            phase: Phase::Active,
            needed: PhantomData,
        }
    }

    /// The same, also while the organization is being dissolved.
    #[must_use]
    pub fn until_final(mut self) -> Self {
        self.phase = Phase::UntilFinal;
        self
    }

    /// The caller's account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.caller.identity.account
    }
}
