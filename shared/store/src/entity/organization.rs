//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | O1 | one organization | table | `ORG#{organization}` | `ORG` |
//! | O2 | the organizations of a tree | by-org | `ORG#{root}#TREE` | path |

use std::collections::BTreeSet;

use portal_domain::id::OrganizationId;
use portal_domain::membership::Membership;
use portal_domain::organization::Organization;

use crate::client::Store;
use crate::entity::Entity;
use crate::error::StoreError;
use crate::request;
use crate::table::{Index, Key};

const SK: &str = "ORG";

/// The partition of an organization: its invites, counts and seats are in it too.
pub(crate) fn partition(organization: OrganizationId) -> String {
    format!("ORG#{organization}")
}

pub(crate) fn key(organization: OrganizationId) -> Key {
    Key {
        pk: partition(organization),
        sk: SK.to_owned(),
    }
}

impl Entity for Organization {
    const KIND: &'static str = "organization";

    fn key(&self) -> Key {
        key(self.id)
    }

    fn indexes(&self) -> Vec<(Index, String, String)> {
        let path: Vec<String> = self
            .path
            .iter()
            .chain([&self.id])
            .map(ToString::to_string)
            .collect();
        vec![(
            Index::ByOrg,
            format!("{}#TREE", partition(self.root)),
            path.join("/"),
        )]
    }
}

impl Store {
    /// O1: one organization.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        self.get(&key(id)).await
    }

    /// O1: the organizations of the caller's `memberships`; absent ones are left out.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn organizations(&self, memberships: &[Membership]) -> Result<Vec<Organization>, StoreError> {
        memberships.iter().for_each(request::open_membership);
        let keys: Vec<Key> = memberships
            .iter()
            .map(|membership| key(membership.organization))
            .collect();
        self.get_all(&keys).await
    }

    /// O1: which of these organizations there are: for a source that names the sponsors of its records.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn existing_organizations(
        &self,
        named: impl IntoIterator<Item = OrganizationId>,
    ) -> Result<BTreeSet<OrganizationId>, StoreError> {
        let named = named.into_iter().inspect(|id| request::open_organization(*id));
        let keys: Vec<Key> = named.map(key).collect();
        let found: Vec<Organization> = self.get_all(&keys).await?;
        Ok(found.into_iter().map(|organization| organization.id).collect())
    }
}
