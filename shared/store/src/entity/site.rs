//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | W1 | one site, or several | table | `SITE#{site}` | `SITE` |
//! | W2 | all sites of the platform | by-org | `PLATFORM#SITE` | site (by creation) |

use portal_domain::id::SiteId;
use portal_domain::site::Site;

use crate::client::Store;
use crate::entity::Entity;
use crate::error::StoreError;
use crate::page::{Listing, Page, Position};
use crate::table::{Index, Key};

const SK: &str = "SITE";

/// The partition of one of the platform's collections, or what such partitions begin with.
pub(crate) fn platform(collection: &str) -> String {
    format!("PLATFORM#{collection}")
}

/// The partition of a site; its collections in the indexes begin with it.
pub(crate) fn partition(site: SiteId) -> String {
    format!("SITE#{site}")
}

fn key(site: SiteId) -> Key {
    Key {
        pk: partition(site),
        sk: SK.to_owned(),
    }
}

impl Entity for Site {
    const KIND: &'static str = "site";

    fn key(&self) -> Key {
        key(self.id)
    }

    fn indexes(&self) -> Vec<(Index, String, String)> {
        vec![(Index::ByOrg, platform(SK), self.id.to_string())]
    }
}

impl Store {
    /// W1: one site. Whoever asks makes sure that it is within the caller's reach.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn site(&self, site: SiteId) -> Result<Option<Site>, StoreError> {
        self.get(&key(site)).await
    }

    /// W1: these sites, by id; absent ones are left out.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn sites(&self, sites: impl IntoIterator<Item = SiteId>) -> Result<Vec<Site>, StoreError> {
        let keys: Vec<Key> = sites.into_iter().map(key).collect();
        let mut found: Vec<Site> = self.get_all(&keys).await?;
        found.sort_by_key(|site| site.id);
        Ok(found)
    }

    /// W2: all sites, by creation.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn all_sites(&self, limit: usize, after: Option<Position>) -> Result<Page<Site>, StoreError> {
        let listing = Listing::of(Some(Index::ByOrg), platform(SK), limit);
        self.page(Listing { after, ..listing }).await
    }
}
