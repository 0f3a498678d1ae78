//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | RS1 | what is remembered of a source's resources | table | `EXTERNAL#{source}#{Type}#{system}#{name}` | `RESOURCE` |
//! | RS2 | for which records the ids of its resources stand | table | `EXTERNAL#{source}#{Type}#{id}` | `ALIAS` |

use portal_domain::external::{ExternalId, SourceName};
use portal_domain::fhir::{Alias, Kind, LogicalId, Remembered};

use crate::client::Store;
use crate::entity::{Entity, naming};
use crate::error::StoreError;
use crate::table::Key;

const RESOURCE: &str = "RESOURCE";
const ALIAS: &str = "ALIAS";

fn resource(source: &SourceName, kind: Kind, external: &ExternalId) -> Key {
    Key {
        pk: naming::partition(source, kind.as_str(), external),
        sk: RESOURCE.to_owned(),
    }
}

fn alias(source: &SourceName, kind: Kind, id: &LogicalId) -> Key {
    Key {
        pk: format!("{}{}", naming::prefix(source, kind.as_str()), id.as_str()),
        sk: ALIAS.to_owned(),
    }
}

impl Entity for Remembered {
    const KIND: &'static str = "resource";

    fn key(&self) -> Key {
        resource(&self.source, self.kind, &self.external)
    }
}

impl Entity for Alias {
    const KIND: &'static str = "alias";

    fn key(&self) -> Key {
        alias(&self.source, self.kind, &self.id)
    }
}

impl Store {
    /// RS1: what is remembered of these resources of a source, in no order; those that were never told of are left out.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`], [`StoreError::OutOfScope`] for another source than the caller's.
    pub async fn resources(
        &self,
        source: &SourceName,
        named: impl IntoIterator<Item = (Kind, &ExternalId)>,
    ) -> Result<Vec<Remembered>, StoreError> {
        let named = named.into_iter();
        let keys: Vec<Key> = named
            .map(|(kind, external)| resource(source, kind, external))
            .collect();
        self.get_all(&keys).await
    }

    /// RS2: for which records these ids of a source's resources stand, in no order; those that stand for none are left out.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`], [`StoreError::OutOfScope`] for another source than the caller's.
    pub async fn aliases(
        &self,
        source: &SourceName,
        ids: impl IntoIterator<Item = (Kind, &LogicalId)>,
    ) -> Result<Vec<Alias>, StoreError> {
        let keys: Vec<Key> = ids
            .into_iter()
            .map(|(kind, id)| alias(source, kind, id))
            .collect();
        self.get_all(&keys).await
    }
}
