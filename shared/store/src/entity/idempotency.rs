//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | K1 | the answer to a request made before | table | `IDEMPOTENCY#{account}#{hash of key}` | `IDEMPOTENCY` |
//!
//! The record commits with the effect: whoever loses a race finds the winner's answer, and a lost answer is found again.

use jiff::{SignedDuration, Timestamp};
use portal_domain::id::AccountId;
use serde::{Deserialize, Serialize};

use crate::client::Store;
use crate::entity::Entity;
use crate::error::StoreError;
use crate::expression::Expression;
use crate::table::{Key, hashed};

const SK: &str = "IDEMPOTENCY";

/// How long an answer is given again.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// The answer to a request, kept under its idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Whose request.
    pub account: AccountId,
    /// The hash of the key.
    key: String,
    /// A hash of the request: method, path and body.
    pub fingerprint: String,
    /// The status of the answer.
    pub status: u16,
    /// The answer's headers that are part of it (`etag`, `location`).
    pub headers: Vec<(String, String)>,
    /// The answer's body.
    pub body: String,
    /// Whether the body is sealed: an answer that shows a secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_sealed: bool,
    /// Until when it is given again.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    expires_at: Timestamp,
}

impl Record {
    /// A record of an answer given at `now`, still to be filled.
    #[must_use]
    pub fn new(account: AccountId, key: &str, fingerprint: String, now: Timestamp) -> Self {
        let expires_at = now + KEPT;
        Self {
            account,
            key: hashed(key),
            fingerprint,
            status: 0,
            headers: Vec::new(),
            body: String::new(),
            is_sealed: false,
            expires_at,
        }
    }

    /// The record with the answer.
    #[must_use]
    pub fn answered(
        self,
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
        is_sealed: bool,
    ) -> Self {
        Self {
            status,
            headers,
            body,
            is_sealed,
            ..self
        }
    }

    /// The condition that no answer that is still given was recorded under the key.
    pub(crate) fn is_first(now: Timestamp) -> Expression {
        Expression::new("attribute_not_exists(#pk) OR #expires_at <= :now").with("now", now)
    }
}

fn key(account: AccountId, hash: &str) -> Key {
    Key {
        pk: format!("IDEMPOTENCY#{account}#{hash}"),
        sk: SK.to_owned(),
    }
}

impl Entity for Record {
    const KIND: &'static str = "idempotency";

    fn key(&self) -> Key {
        key(self.account, &self.key)
    }

    fn ends_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

impl Store {
    /// K1: the answer that was given to this account's request with this key, if it is still kept.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn answer(
        &self,
        account: AccountId,
        idempotency_key: &str,
        now: Timestamp,
    ) -> Result<Option<Record>, StoreError> {
        let record: Option<Record> = self.get(&key(account, &hashed(idempotency_key))).await?;
        Ok(record.filter(|record| record.expires_at > now))
    }
}
