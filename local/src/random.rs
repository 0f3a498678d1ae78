//! Ids of things that come and go with the process: requests, messages, codes.

use uuid::{Builder, Uuid};

/// An id nobody can guess. Not for what is stored in the table: its ids sort by time and are minted by their types.
pub(crate) fn random_id() -> Uuid {
    Builder::from_random_bytes(rand::random()).into_uuid()
}
