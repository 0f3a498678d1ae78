//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | IM1 | one import of a source | table | `IMPORT#{source}` | import |
//! | IM2 | the imports of a source, by creation | table | `IMPORT#{source}` | import |

use jiff::Timestamp;
use portal_domain::external::SourceName;
use portal_domain::id::ImportId;
use portal_domain::import::{Import, REMEMBERED};

use crate::client::Store;
use crate::entity::Entity;
use crate::error::StoreError;
use crate::page::{Listing, Page, Position};
use crate::table::Key;
use crate::transaction::{Failing, Transaction};

fn partition(source: &SourceName) -> String {
    format!("IMPORT#{source}")
}

fn key(source: &SourceName, import: ImportId) -> Key {
    Key {
        pk: partition(source),
        sk: import.to_string(),
    }
}

impl Entity for Import {
    const KIND: &'static str = "import";

    fn key(&self) -> Key {
        key(&self.source, self.id)
    }

    fn ends_at(&self) -> Option<Timestamp> {
        // Its files are gone long before.
        Some(self.created_at + REMEMBERED)
    }
}

/// Puts an import in the revision after the one that was read, or a new one.
pub(crate) fn put(transaction: Transaction, import: &Import) -> Result<Transaction, StoreError> {
    match import.rev {
        1 => transaction.create(import, Failing::Stale),
        rev => transaction.replace(import, rev),
    }
}

impl Store {
    /// IM1: one import of a source.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn import(&self, source: &SourceName, import: ImportId) -> Result<Option<Import>, StoreError> {
        self.get(&key(source, import)).await
    }

    /// IM2: the imports of a source, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn imports(
        &self,
        source: &SourceName,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<Import>, StoreError> {
        self.page(Listing {
            newest_first: true,
            after,
            ..Listing::of(None, partition(source), limit)
        })
        .await
    }
}
