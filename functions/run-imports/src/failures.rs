//! The lines that failed, as their source is told of them: where and why, and what they are called. Nothing else of them.
//!
//! Each piece leaves a part under a key of its run's own; the import's progress says which parts count. At the end they are put
//! together.

use portal_app::{Failed, Importing};
use portal_documents::Key;
use portal_domain::code::Code;
use portal_domain::external::ExternalId;
use portal_domain::import::{ErrorFile, Import};
use portal_domain::ingest::Outcome;
use portal_feed::Taken;
use serde::Serialize;

use crate::cut::{Cutter, Row};

const MEDIA_TYPE: &str = "application/x-ndjson";
/// The most characters of a pointer: what follows are names of fields that nobody knows.
const LONGEST_POINTER: usize = 200;

/// A line that failed.
#[derive(Serialize)]
struct Failure<'a> {
    /// Its number in the file, from 1.
    line: u64,
    /// What it is about, as far as that can be read.
    external: Option<&'a ExternalId>,
    /// The stable reason.
    code: &'static str,
    /// The place in the line.
    pointer: Option<String>,
    /// Of a table, the column.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<&'a str>,
}

/// The lines of a piece that failed.
///
/// # Errors
/// When they cannot be written as JSON.
pub(crate) fn of(rows: &[Row], taken: &[Taken], cutter: &Cutter) -> Result<Vec<u8>, serde_json::Error> {
    let mut lines = Vec::new();
    for (row, taken) in rows.iter().zip(taken) {
        let Outcome::Failed(refusal) = &taken.outcome else {
            continue;
        };
        let pointer = refusal.errors.first().map(|error| error.pointer.as_str());
        let failure = Failure {
            line: row.number,
            external: row.external.as_ref(),
            code: refusal.code.as_str(),
            pointer: pointer.map(|pointer| pointer.chars().take(LONGEST_POINTER).collect()),
            column: pointer.and_then(|pointer| cutter.column(pointer, row)),
        };
        serde_json::to_writer(&mut lines, &failure)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Leaves the next part of a run.
///
/// # Errors
/// When the bucket does not take it.
pub(crate) async fn leave(app: &Importing, import: &Import, lines: &[u8]) -> Result<(), Failed> {
    let part = import.progress.next_part(import.runs);
    let key = Key::import_part(&import.source, import.id, import.runs, part);
    let mut upload = app.documents.upload(key, MEDIA_TYPE);
    upload.write(lines).await?;
    upload.finish().await?;
    Ok(())
}

/// Puts all parts together; none if no line failed.
///
/// # Errors
/// When the bucket does not do it, or has lost a part.
pub(crate) async fn join(app: &Importing, import: &Import) -> Result<Option<ErrorFile>, Failed> {
    if import.progress.parts.is_empty() {
        return Ok(None);
    }
    let key = Key::import_errors(&import.source, import.id, import.runs);
    let mut upload = app.documents.upload(key, MEDIA_TYPE);
    for parts in &import.progress.parts {
        for part in 0..parts.count {
            let key = Key::import_part(&import.source, import.id, parts.run, part);
            let reading = app.documents.read(&key, 0).await?;
            let mut reading = reading.ok_or(Code::ImportFileGone)?;
            while let Some(bytes) = reading.next().await? {
                upload.write(&bytes).await?;
            }
        }
    }
    let stored = upload.finish().await?;
    Ok(Some(ErrorFile {
        run: import.runs,
        bytes: stored.length,
    }))
}
