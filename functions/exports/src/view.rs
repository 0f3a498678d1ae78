//! What is told of an export, to the one who asked for it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portal_documents::Link;
use portal_domain::access::Access;
use portal_domain::export::{Export, ExportFile, State};
use portal_http::View;
use serde::Serialize;
use utoipa::ToSchema;

/// A list as a file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportView {
    /// Its id.
    #[schema(example = "exp_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    id: String,
    /// `bookings`, `transactions`, `patients`, `specialists`, `members` or `audit_events`.
    #[schema(example = "bookings")]
    list: &'static str,
    /// `csv` or `ndjson`.
    #[schema(example = "csv")]
    format: &'static str,
    /// The list's query parameters.
    filters: BTreeMap<String, String>,
    /// `waiting`, `running`, `done`, `failed`, `expired`, or `outdated` when the caller's rights have changed since it was written.
    #[schema(example = "done")]
    status: &'static str,
    /// Why it failed: a code as refusals have it.
    code: Option<String>,
    /// The file, once it is written.
    file: Option<ExportFileView>,
    /// Links to it; only for a single export that is done.
    links: Option<ExportLinkView>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// A file that was written.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportFileView {
    /// How many rows it has, without the header.
    #[schema(example = 1_204)]
    rows: u64,
    /// How many bytes it has.
    #[schema(example = 301_877)]
    bytes: u64,
    /// Their SHA-256, in hexadecimal digits.
    sha256: String,
    /// When it was finished.
    #[schema(value_type = String, format = DateTime)]
    written_at: Timestamp,
    /// When it is deleted.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Where a file is for some minutes. Whoever has a link has the file.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportLinkView {
    /// The file.
    url: String,
    /// What is said of it: columns, rows, SHA-256, filters, by whom and when.
    manifest_url: String,
    /// Until when both work.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl std::fmt::Debug for ExportLinkView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ExportLinkView(until {})", self.expires_at)
    }
}

impl ExportLinkView {
    pub(crate) fn of((file, manifest): &(Link, Link)) -> Self {
        Self {
            url: file.url.clone(),
            manifest_url: manifest.url.clone(),
            expires_at: file.expires_at.min(manifest.expires_at),
        }
    }
}

impl From<&ExportFile> for ExportFileView {
    fn from(file: &ExportFile) -> Self {
        Self {
            rows: file.rows,
            bytes: file.bytes,
            sha256: file.sha256.clone(),
            written_at: file.written_at,
            expires_at: file.expires_at(),
        }
    }
}

impl ExportView {
    pub(crate) fn new(
        export: &Export,
        links: Option<ExportLinkView>,
        access: &Access,
        now: Timestamp,
    ) -> Self {
        let (code, file) = match &export.state {
            State::Failed { code, .. } => (Some(code.clone()), None),
            State::Done { file } => (None, Some(file.into())),
            State::Waiting | State::Running { .. } => (None, None),
        };
        Self {
            id: export.id.to_string(),
            list: export.request.list.as_str(),
            format: export.request.format.as_str(),
            filters: export.request.filters.clone(),
            status: export.status(access, now),
            code,
            file,
            links,
            created_at: export.created_at,
        }
    }
}

impl View for ExportView {}
