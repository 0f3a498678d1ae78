//! What the caller has seen.

use axum::extract::FromRequestParts;
use http::header::IF_MATCH;
use http::request::Parts;
use portal_domain::code::Code;

use crate::error::ApiError;

/// The revision in `If-Match` (RFC 9110 §13.1.1): required wherever a resource is changed, so that nobody overwrites what
/// they have not seen.
#[derive(Debug, Clone, Copy)]
pub struct IfMatch(pub u64);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut given = parts.headers.get_all(IF_MATCH).iter();
        let seen = given.next().ok_or(Code::RevisionMissing)?;
        let tag = seen
            .to_str()
            .ok()
            .and_then(|tag| tag.strip_prefix('"')?.strip_suffix('"'));
        match (tag.and_then(|tag| tag.parse().ok()), given.next()) {
            (Some(rev), None) => Ok(Self(rev)),
            // Another tag, a list or `*` is not what we gave.
            _ => Err(Code::RevisionMismatch.into()),
        }
    }
}
