//! What can go wrong between a decision and its commit.

use portal_domain::code::Refusal;

use crate::entity::idempotency::Record;

/// Why a read or a commit did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something the decision rested on has changed: read and decide again.
    #[error("the facts of the decision have changed")]
    Stale,
    /// A rule that only the table can check was broken.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Another request with the same idempotency key was first; this is its answer.
    #[error("the request was answered before")]
    Answered(Box<Record>),
    /// Contention or throttling lasted longer than a caller should wait.
    #[error("the table is too busy")]
    Busy,
    /// A request would have touched a key outside what its caller may touch. A defect: nothing was sent.
    #[error("a key outside the request's scope")]
    OutOfScope,
    /// An item that does not read as what it should be, or a fault of the service.
    #[error("{0}")]
    Broken(String),
}

impl From<serde_dynamo::Error> for StoreError {
    fn from(error: serde_dynamo::Error) -> Self {
        Self::Broken(format!("an item cannot be read or written: {error}"))
    }
}
