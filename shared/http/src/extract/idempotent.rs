//! Requests that have their effect once, however often they are sent.

use aws_lc_rs::digest::{Context, SHA256};
use axum::extract::{FromRequest, Request};
use base64::Engine;
use jiff::Timestamp;
use portal_domain::code::{Code, Refusal};
use portal_store::entity::idempotency::{Owner, Record};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::ApiError;
use crate::extract::json;

/// A request with its `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header; the value bare or as a quoted string).
#[derive(Debug)]
pub struct Idempotent<T> {
    /// The body.
    pub body: T,
    /// The key, and what it stands for.
    pub key: Key,
}

/// An idempotency key and the request it was first sent with.
#[derive(Debug, Clone)]
pub struct Key {
    key: String,
    fingerprint: String,
}

/// No body, or an empty object.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

impl Key {
    /// The key's text.
    pub(crate) fn text(&self) -> &str {
        &self.key
    }

    /// The key of one row of a bulk request.
    #[must_use]
    pub fn row(&self, row: usize) -> Self {
        Self {
            key: format!("{}#{row}", self.key),
            fingerprint: self.fingerprint.clone(),
        }
    }

    /// A record for the answer to this request.
    pub(crate) fn record(&self, owner: impl Into<Owner>, now: Timestamp) -> Record {
        Record::new(owner, &self.key, self.fingerprint.clone(), now)
    }

    /// The answer that was given before, if the request is the same.
    ///
    /// # Errors
    /// [`Code::IdempotencyKeyReused`] when it is another.
    pub(crate) fn check(&self, record: Record) -> Result<Record, Refusal> {
        if record.fingerprint == self.fingerprint {
            Ok(record)
        } else {
            Err(Code::IdempotencyKeyReused.into())
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Idempotent<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let mut keys = parts.headers.get_all("idempotency-key").iter();
        let key = keys.next().ok_or(Code::IdempotencyKeyMissing)?;
        let key = key
            .to_str()
            .ok()
            .map(|key| key.trim().trim_matches('"'))
            .unwrap_or_default()
            .to_owned();
        let is_plain = (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain || keys.next().is_some() {
            return Err(Code::IdempotencyKeyInvalid.into());
        }
        let bytes = json::read(&parts.headers, body).await?;
        let body = json::parse(if bytes.is_empty() { b"{}" } else { &bytes })?;
        let mut digest = Context::new(&SHA256);
        for part in [
            parts.method.as_str().as_bytes(),
            parts.uri.path().as_bytes(),
            &bytes,
        ] {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let fingerprint = base64::prelude::BASE64_STANDARD_NO_PAD.encode(digest.finish());
        Ok(Self {
            body,
            key: Key { key, fingerprint },
        })
    }
}
