//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | K1 | the answer to a request made before | table | `IDEMPOTENCY#{owner}#{hash of key}` | `IDEMPOTENCY` |
//!
//! The record commits with the effect: whoever loses a race finds the winner's answer, and a lost answer is found again.

use jiff::{SignedDuration, Timestamp};
use portal_domain::external::SourceName;
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

/// Whose keys they are: an account's, or a source's. The id of no account is the name of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(String);

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<AccountId> for Owner {
    fn from(account: AccountId) -> Self {
        Self(account.to_string())
    }
}

impl From<&SourceName> for Owner {
    fn from(source: &SourceName) -> Self {
        Self(source.to_string())
    }
}

/// The answer to a request, kept under its idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Whose request.
    #[serde(rename = "account")]
    pub owner: Owner,
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
    pub fn new(owner: impl Into<Owner>, key: &str, fingerprint: String, now: Timestamp) -> Self {
        let expires_at = now + KEPT;
        Self {
            owner: owner.into(),
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

fn key(owner: &Owner, hash: &str) -> Key {
    Key {
        pk: format!("IDEMPOTENCY#{owner}#{hash}"),
        sk: SK.to_owned(),
    }
}

impl Entity for Record {
    const KIND: &'static str = "idempotency";

    fn key(&self) -> Key {
        key(&self.owner, &self.key)
    }

    fn ends_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

impl Store {
    /// K1: the answer that was given to this owner's request with this key, if it is still kept.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn answer(
        &self,
        owner: impl Into<Owner>,
        idempotency_key: &str,
        now: Timestamp,
    ) -> Result<Option<Record>, StoreError> {
        let record: Option<Record> = self.get(&key(&owner.into(), &hashed(idempotency_key))).await?;
        Ok(record.filter(|record| record.expires_at > now))
    }
}
