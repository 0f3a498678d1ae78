//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | L1 | uses of a limit by a subject in a window | table | `LIMIT#{limit}#{hash of subject}#{window}` | `LIMIT` |

use jiff::Timestamp;
use portal_domain::code::{Code, Refusal};
use portal_domain::limit::Use;
use serde::{Deserialize, Serialize};

use crate::client::Store;
use crate::entity::Entity;
use crate::error::StoreError;
use crate::expression::Expression;
use crate::table::{KIND, Key, TTL, hashed};
use crate::transaction::{Failing, Transaction};

const SK: &str = "LIMIT";

fn key(limit_use: &Use) -> Key {
    let (name, subject) = (limit_use.limit.name, hashed(&limit_use.subject));
    Key {
        pk: format!("LIMIT#{name}#{subject}#{}", limit_use.window.as_second()),
        sk: SK.to_owned(),
    }
}

/// The uses of a limit in one window.
#[derive(Debug, Serialize, Deserialize)]
struct Counter {
    pk: String,
    uses: u32,
}

impl Entity for Counter {
    const KIND: &'static str = "limit";

    fn key(&self) -> Key {
        Key {
            pk: self.pk.clone(),
            sk: SK.to_owned(),
        }
    }
}

fn one_more(limit_use: &Use) -> Expression {
    let keep = u64::try_from(limit_use.ends_at().as_second()).unwrap_or(0);
    Expression::new(format!("SET #{KIND} = :kind, #{TTL} = :ttl ADD #uses :one"))
        .with("kind", Counter::KIND)
        .with("ttl", keep)
        .with("one", 1_u64)
}

/// Counts one more use, if the limit allows it.
pub(crate) fn count(transaction: Transaction, limit_use: &Use, now: Timestamp) -> Transaction {
    let below = Expression::new("attribute_not_exists(#uses) OR #uses < :most")
        .with("most", u64::from(limit_use.limit.most));
    transaction.update(
        key(limit_use),
        one_more(limit_use),
        below,
        Failing::Limit(limit_use.retry_after(now)),
    )
}

impl Store {
    /// L1: refuses when a limit is used up.
    ///
    /// # Errors
    /// [`StoreError::Refused`] with [`Code::RateLimited`]; [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn within(&self, limit_use: &Use, now: Timestamp) -> Result<(), StoreError> {
        let counter: Option<Counter> = self.get(&key(limit_use)).await?;
        if counter.is_some_and(|counter| counter.uses >= limit_use.limit.most) {
            return Err(Refusal::from(Code::RateLimited)
                .retry_after(limit_use.retry_after(now))
                .into());
        }
        Ok(())
    }

    /// Counts a use that no transaction carries, such as a failed try.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn used(&self, limit_use: &Use) -> Result<(), StoreError> {
        self.update(&key(limit_use), &one_more(limit_use), &Expression::default())
            .await?;
        Ok(())
    }
}
