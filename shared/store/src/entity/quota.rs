//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | Q1 | the sessions of a root organization's plan, in the month that was begun last | table | `ORG#{root}` | `QUOTA` |
//!
//! It is there from the first session on, or from the first limit that the operator set.

use portal_domain::id::OrganizationId;
use portal_domain::plan::{Quota, TEAM};
use portal_domain::transaction::Month;

use crate::client::Store;
use crate::entity::{Entity, organization};
use crate::error::StoreError;
use crate::expression::Expression;
use crate::table::Key;
use crate::transaction::{Failing, Transaction};

const SK: &str = "QUOTA";

pub(crate) fn key(root: OrganizationId) -> Key {
    Key {
        pk: organization::partition(root),
        sk: SK.to_owned(),
    }
}

impl Entity for Quota {
    const KIND: &'static str = "quota";

    fn key(&self) -> Key {
        key(self.organization)
    }
}

/// One session more.
pub(crate) fn one_more() -> Expression {
    Expression::new("ADD #used :one").with("one", 1_u64)
}

/// That `month` was begun and has a session left. Of two sandboxes at the end of a month one may be ahead: months go on only.
pub(crate) fn has_left(month: Month) -> Expression {
    Expression::new("#month >= :month AND #used < #limit").with("month", month.to_string())
}

/// That the month which was begun last is `before`, or that none was.
pub(crate) fn was(before: Option<Month>) -> Expression {
    match before {
        None => Expression::new("attribute_not_exists(#pk)"),
        Some(before) => Expression::new("#month = :before").with("before", before.to_string()),
    }
}

/// Sets the limit; of `month` without a session, should there be nothing yet.
pub(crate) fn limit(transaction: Transaction, root: OrganizationId, limit: u32, month: Month) -> Transaction {
    let update = "SET #limit = :limit, #kind = :kind, #organization = :organization, \
        #plan = if_not_exists(#plan, :plan), #month = if_not_exists(#month, :month), \
        #used = if_not_exists(#used, :none)";
    let update = Expression::new(update)
        .with("limit", u64::from(limit))
        .with("kind", Quota::KIND)
        .with("organization", root.to_string())
        .with("plan", TEAM.name)
        .with("month", month.to_string())
        .with("none", 0_u64);
    transaction.update(key(root), update, Expression::default(), Failing::Stale)
}

impl Store {
    /// Q1: the quota of a root organization; none before its first session.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn quota(&self, root: OrganizationId) -> Result<Option<Quota>, StoreError> {
        self.get(&key(root)).await
    }
}
