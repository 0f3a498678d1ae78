//! Where documents are in the bucket: the one place for keys. What a key begins with is what lifecycle and rights go by.

use std::fmt;

use portal_domain::id::{ExportId, OrganizationId};

/// Where a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// A file of one attempt at an export. No two attempts write the same file.
    #[must_use]
    pub fn export(organization: OrganizationId, export: ExportId, attempt: u32, extension: &str) -> Self {
        Self(format!("exports/{organization}/{export}/{attempt}.{extension}"))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
