//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | B1 | that an organization is bound to a site | table | `ORG#{organization}` | `BINDING#{site}` |
//! | B2 | the organizations that are bound to a site | by-site | `SITE#{site}#BINDING` | organization |
//!
//! Decisions about access rest on the bindings inside the organization's item; these are for the way back.

use portal_domain::configuration::Binding;
use portal_domain::id::{OrganizationId, SiteId};
use serde::{Deserialize, Serialize};

use crate::client::Store;
use crate::entity::{Entity, organization, site};
use crate::error::StoreError;
use crate::page::{Listing, Page, Position};
use crate::table::{Index, Key};

const SK: &str = "BINDING#";

pub(crate) fn key(organization: OrganizationId, site: SiteId) -> Key {
    Key {
        pk: organization::partition(organization),
        sk: format!("{SK}{site}"),
    }
}

/// That an organization is bound to a site, as the operator said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The organization.
    pub organization: OrganizationId,
    /// How.
    #[serde(flatten)]
    pub binding: Binding,
}

impl Bound {
    pub(crate) const fn new(organization: OrganizationId, binding: Binding) -> Self {
        Self {
            organization,
            binding,
        }
    }
}

impl Entity for Bound {
    const KIND: &'static str = "binding";

    fn key(&self) -> Key {
        key(self.organization, self.binding.site)
    }

    fn indexes(&self) -> Vec<(Index, String, String)> {
        let partition = format!("{}#BINDING", site::partition(self.binding.site));
        vec![(Index::BySite, partition, self.organization.to_string())]
    }
}

impl Store {
    /// B2: the organizations that are bound to a site, by id.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn bindings(
        &self,
        site: SiteId,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<Bound>, StoreError> {
        let partition = format!("{}#BINDING", site::partition(site));
        let listing = Listing::of(Some(Index::BySite), partition, limit);
        self.page(Listing { after, ..listing }).await
    }
}
