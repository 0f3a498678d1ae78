//! The list of members: its filters.

use jiff::Timestamp;
use portal_domain::access::Access;
use portal_domain::code::{Code, Refusal};
use portal_domain::role::Role;
use portal_domain::text::folded;
use portal_store::entity::membership::Wanted;
use portal_store::{Page, Position, Store, StoreError};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Listing;
use crate::view::MemberView;

/// Which members are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MemberFilter {
    /// Part of the name or address, in any case and without accents; 1 to 100 characters.
    search: Option<String>,
    /// Only this role.
    role: Option<String>,
}

impl MemberFilter {
    /// What is wanted.
    ///
    /// # Errors
    /// [`Code::QueryInvalid`].
    pub fn wanted(&self) -> Result<Wanted, Refusal> {
        let refused = |why: &'static str| Refusal::new(Code::QueryInvalid, why);
        let role: Option<Role> = self
            .role
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|_| refused("there is no such role"))?;
        match &self.search {
            Some(search) if folded(search).is_empty() || search.chars().count() > 100 => {
                Err(refused("search must have 1 to 100 characters"))
            }
            search => Ok(Wanted {
                search: search.clone(),
                role,
            }),
        }
    }
}

impl Listing for MemberFilter {
    type Row = MemberView;

    const COLUMNS: &'static [&'static str] = &[
        "id",
        "organization_id",
        "name",
        "email",
        "role",
        "provides_care",
        "takes_seat",
        "domain_allowed",
        "joined_at",
        "last_active_at",
    ];

    fn check(&self, _: &Access) -> Result<(), Refusal> {
        self.wanted().map(drop)
    }

    async fn page(
        &self,
        store: &Store,
        access: &Access,
        _: Timestamp,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<MemberView>, StoreError> {
        let wanted = self.wanted()?;
        let organization = &access.organization;
        let page = store.members(organization.id, &wanted, limit, after).await?;
        Ok(page.map(|membership| MemberView::new(&membership, organization)))
    }
}
