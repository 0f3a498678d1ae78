//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | EX1 | one export | table | `ORG#{organization}` | `EXPORT#{export}` |
//! | EX2 | what somebody exported of an organization | by-org | `ORG#{organization}#EXPORT#{account}` | export (by creation) |

use jiff::Timestamp;
use portal_domain::export::{Export, REMEMBERED};
use portal_domain::id::{AccountId, ExportId, OrganizationId};

use crate::client::Store;
use crate::entity::{Entity, organization};
use crate::error::StoreError;
use crate::page::{Listing, Page, Position};
use crate::table::{Index, Key};
use crate::transaction::{Failing, Transaction};

const SK: &str = "EXPORT#";

fn key((organization, export): (OrganizationId, ExportId)) -> Key {
    Key {
        pk: organization::partition(organization),
        sk: format!("{SK}{export}"),
    }
}

fn list(organization: OrganizationId, account: AccountId) -> String {
    format!("{}#{SK}{account}", organization::partition(organization))
}

impl Entity for Export {
    const KIND: &'static str = "export";

    fn key(&self) -> Key {
        key((self.organization, self.id))
    }

    fn indexes(&self) -> Vec<(Index, String, String)> {
        vec![(
            Index::ByOrg,
            list(self.organization, self.requested_by),
            self.id.to_string(),
        )]
    }

    fn ends_at(&self) -> Option<Timestamp> {
        // Its file is gone long before.
        Some(self.created_at + REMEMBERED)
    }
}

/// Puts an export in the revision after the one that was read, or a new one.
pub(crate) fn put(transaction: Transaction, export: &Export) -> Result<Transaction, StoreError> {
    match export.rev {
        1 => transaction.create(export, Failing::Stale),
        rev => transaction.replace(export, rev),
    }
}

impl Store {
    /// EX1: one export.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn export(
        &self,
        organization: OrganizationId,
        export: ExportId,
    ) -> Result<Option<Export>, StoreError> {
        self.get(&key((organization, export))).await
    }

    /// EX2: what `account` exported of an organization, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn exports(
        &self,
        organization: OrganizationId,
        account: AccountId,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<Export>, StoreError> {
        self.page(Listing {
            newest_first: true,
            after,
            ..Listing::of(Some(Index::ByOrg), list(organization, account), limit)
        })
        .await
    }
}
