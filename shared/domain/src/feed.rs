//! The change feed: what is changed here of records that a source feeds, told to that source.
//!
//! An entry names the record and its revision, never what it says: whoever reads the feed is given what is asked of the record by
//! then. So nothing of a person stays in the feed when the record is deleted.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::external::{ExternalId, SourceName, Sourced};
use crate::ingest::RecordType;

/// That something was changed here of a record that a source feeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Whom it is told to.
    pub source: SourceName,
    /// The type of the record.
    #[serde(rename = "type")]
    pub of: RecordType,
    /// Its id.
    pub id: String,
    /// What the source calls it.
    pub external: ExternalId,
    /// The revision that it came to.
    pub rev: u64,
    /// When.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
}

/// An entry of the feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbered {
    /// Its number: the next one of the source's feed. Those about one record are in the order of its revisions.
    pub seq: u64,
    /// What it tells.
    #[serde(flatten)]
    pub told: Told,
}

impl Told {
    /// What is told of a record that came to `rev` at `at`; nothing if nobody feeds it.
    #[must_use]
    pub fn of(
        sourced: Option<&Sourced>,
        of: RecordType,
        id: &impl ToString,
        rev: u64,
        at: Timestamp,
    ) -> Option<Self> {
        let sourced = sourced?;
        Some(Self {
            source: sourced.source.clone(),
            of,
            id: id.to_string(),
            external: sourced.external.clone(),
            rev,
            at,
        })
    }
}
