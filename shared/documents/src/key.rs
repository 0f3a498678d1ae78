//! Where documents are in the bucket: the one place for keys. What a key begins with is what lifecycle and rights go by.

use std::fmt;

use portal_domain::external::SourceName;
use portal_domain::id::{ExportId, ImportId, OrganizationId};

/// What the keys of files begin with that sources bring.
pub const UPLOADS: &str = "uploads/";

/// Where a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// A file of one attempt at an export. No two attempts write the same file.
    #[must_use]
    pub fn export(organization: OrganizationId, export: ExportId, attempt: u32, extension: &str) -> Self {
        Self(format!("exports/{organization}/{export}/{attempt}.{extension}"))
    }

    /// The file that a source brings for an import.
    #[must_use]
    pub fn upload(source: &SourceName, import: ImportId) -> Self {
        Self(format!("{UPLOADS}{source}/{import}"))
    }

    /// Whose file for which import is at `key`; none if it is no such file.
    #[must_use]
    pub fn uploaded(key: &str) -> Option<(SourceName, ImportId)> {
        let (source, import) = key.strip_prefix(UPLOADS)?.split_once('/')?;
        Some((source.parse().ok()?, import.parse().ok()?))
    }

    /// The sealed segment of an organization's audit chain whose first entry has this number.
    #[must_use]
    pub fn audit_segment(organization: OrganizationId, first: u64) -> Self {
        Self(format!("audit/{organization}/{first:020}.jsonl"))
    }

    /// A part of the lines that failed in a run of an import. No two runs write the same part.
    #[must_use]
    pub fn import_part(source: &SourceName, import: ImportId, run: u32, part: u32) -> Self {
        Self(format!("imports/{source}/{import}/{run}/{part}.ndjson"))
    }

    /// All lines of an import that failed, put together by a run.
    #[must_use]
    pub fn import_errors(source: &SourceName, import: ImportId, run: u32) -> Self {
        Self(format!("imports/{source}/{import}/{run}/errors.ndjson"))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
