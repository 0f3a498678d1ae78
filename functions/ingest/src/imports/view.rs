//! What is told of an import.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portal_documents::Link;
use portal_domain::import::{Counts, Import, State};
use portal_http::View;
use serde::Serialize;
use utoipa::ToSchema;

/// A file of lines that is taken piece by piece.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ImportView {
    /// Its id.
    #[schema(example = "imp_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    id: String,
    /// The type of its records.
    #[serde(rename = "type")]
    #[schema(example = "patients")]
    of: &'static str,
    /// `ndjson` or `csv`.
    #[schema(example = "ndjson")]
    format: &'static str,
    /// Whether everything is decided and nothing written.
    dry_run: bool,
    /// `awaiting_upload`, `expired` (the file did not come within 24 hours), `queued` (it goes on soon), `running`, `completed` or
    /// `failed`. What was taken before it failed stays.
    #[schema(example = "running")]
    status: &'static str,
    /// Why it failed: a code as refusals have it.
    code: Option<String>,
    /// A sentence for people, why it failed.
    detail: Option<String>,
    /// How many bytes the file has.
    #[schema(example = 68_000_000)]
    length: u64,
    /// How many of them are taken.
    #[schema(example = 34_000_000)]
    taken: u64,
    /// What became of the lines so far.
    counts: ImportCountsView,
    /// The lines that failed, once it has ended and if some did.
    errors: Option<ImportErrorsView>,
    /// Where to bring the file; only in answer to the request for the import, while the file is awaited.
    upload: Option<ImportUploadView>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was completed or failed.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

/// How many lines came to each outcome, as those of a batch do; empty lines do not count.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ImportCountsView {
    /// All lines so far: the sum of the others.
    lines: u64,
    /// New records.
    created: u64,
    /// Records that are other now, or deleted.
    updated: u64,
    /// What was known already.
    unchanged: u64,
    /// Older than what is known.
    skipped_stale: u64,
    /// Followed by the same or something newer among the thousand lines that were taken together.
    superseded_in_batch: u64,
    /// Refused.
    failed: u64,
}

/// The file of the lines that failed. Whoever has the link has the file.
#[derive(Serialize, ToSchema)]
pub(crate) struct ImportErrorsView {
    /// How many bytes it has.
    bytes: u64,
    /// When it is deleted.
    #[schema(value_type = String, format = DateTime)]
    kept_until: Timestamp,
    /// Where it is for some minutes; only for a single import.
    url: Option<String>,
    /// Until when the link works.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for ImportErrorsView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ImportErrorsView({} bytes)", self.bytes)
    }
}

/// Where the file is to be brought, once. Whoever has the link can bring it, and nothing else.
#[derive(Serialize, ToSchema)]
pub(crate) struct ImportUploadView {
    /// Always `PUT`.
    #[schema(example = "PUT")]
    method: &'static str,
    /// Where to.
    url: String,
    /// The headers that must be sent, exactly so.
    #[schema(example = json!({ "content-type": "application/x-ndjson" }))]
    headers: BTreeMap<String, String>,
    /// Until when it can begin. Ask again with the same key for another link.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl std::fmt::Debug for ImportUploadView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ImportUploadView(until {})", self.expires_at)
    }
}

impl From<Link> for ImportUploadView {
    fn from(link: Link) -> Self {
        Self {
            method: "PUT",
            url: link.url,
            headers: link.headers.into_iter().collect(),
            expires_at: link.expires_at,
        }
    }
}

impl From<Counts> for ImportCountsView {
    fn from(counts: Counts) -> Self {
        Self {
            lines: counts.total(),
            created: counts.created,
            updated: counts.updated,
            unchanged: counts.unchanged,
            skipped_stale: counts.skipped_stale,
            superseded_in_batch: counts.superseded_in_batch,
            failed: counts.failed,
        }
    }
}

impl View for ImportView {}

impl ImportView {
    pub(crate) fn new(
        import: &Import,
        upload: Option<ImportUploadView>,
        errors: Option<Link>,
        now: Timestamp,
    ) -> Self {
        let (code, detail, ended_at) = match &import.state {
            State::Failed { code, detail, at, .. } => (Some(code.clone()), Some(detail.clone()), Some(*at)),
            State::Completed { at, .. } => (None, None, Some(*at)),
            State::Awaiting | State::Queued | State::Running { .. } => (None, None, None),
        };
        Self {
            id: import.id.to_string(),
            of: import.of().as_str(),
            format: import.request.format.as_str(),
            dry_run: import.request.is_trial,
            status: import.status(now),
            code,
            detail,
            length: import.request.length,
            taken: import.progress.offset,
            counts: import.progress.counts.into(),
            errors: import.errors().map(|(file, kept_until)| ImportErrorsView {
                bytes: file.bytes,
                kept_until,
                expires_at: errors.as_ref().map(|link| link.expires_at),
                url: errors.map(|link| link.url),
            }),
            upload,
            created_at: import.created_at,
            ended_at,
        }
    }
}
