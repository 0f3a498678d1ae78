//! What natural keys stand for.

use serde::{Deserialize, Serialize};

use crate::external::{ExternalId, SourceName};
use crate::ingest::{Mark, RecordType};

/// What a source's name for a record stands for: with source and type, a natural key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Naming {
    /// The source.
    pub source: SourceName,
    /// The type of the record.
    #[serde(rename = "type")]
    pub of: RecordType,
    /// What it is called.
    pub external: ExternalId,
    /// What that stands for.
    #[serde(flatten)]
    pub named: Named,
    /// Rises with every change.
    pub rev: u64,
}

/// What a natural key stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "named")]
pub enum Named {
    /// A record, for good.
    Record {
        /// Its id.
        id: String,
    },
    /// Nothing yet, but it was deleted already: what comes later may be older than that.
    Gone(Mark),
}

impl Naming {
    /// The id of the record.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match &self.named {
            Named::Record { id } => Some(id),
            Named::Gone(_) => None,
        }
    }
}
