//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | S1 | the seats of a root organization | table | `ORG#{root}` | `SEATS` |

use portal_domain::id::OrganizationId;
use portal_domain::plan::Seats;

use crate::client::Store;
use crate::entity::{Entity, organization};
use crate::error::StoreError;
use crate::expression::Expression;
use crate::table::Key;
use crate::transaction::{Failing, Transaction};

const SK: &str = "SEATS";

pub(crate) fn key(root: OrganizationId) -> Key {
    Key {
        pk: organization::partition(root),
        sk: SK.to_owned(),
    }
}

impl Entity for Seats {
    const KIND: &'static str = "seats";

    fn key(&self) -> Key {
        key(self.organization)
    }
}

/// Changes the number of used seats.
pub(crate) fn by(seats: i64) -> Expression {
    Expression::new("ADD #used :seats").with("seats", seats)
}

fn limited(limit: u32) -> Expression {
    Expression::new("SET #limit = :limit").with("limit", u64::from(limit))
}

/// Sets the limit.
pub(crate) fn limit(transaction: Transaction, root: OrganizationId, limit: u32) -> Transaction {
    let exists = Expression::new("attribute_exists(#pk)");
    transaction.update(key(root), limited(limit), exists, Failing::Stale)
}

impl Store {
    /// S1: the seats of a root organization.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn seats(&self, root: OrganizationId) -> Result<Option<Seats>, StoreError> {
        self.get(&key(root)).await
    }

    /// Sets the limit of a root organization's seats, as a change of plan does. It may be below what is used.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn set_seat_limit(&self, root: OrganizationId, limit: u32) -> Result<bool, StoreError> {
        self.update(
            &key(root),
            &limited(limit),
            &Expression::new("attribute_exists(#pk)"),
        )
        .await
    }
}
