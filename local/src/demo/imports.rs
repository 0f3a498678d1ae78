//! A file that the platform has brought: it is taken as soon as it is there.

use jiff::{SignedDuration, Timestamp};
use portal_app::Part;
use portal_documents::{Documents, Key};
use portal_domain::change::{Change, Write};
use portal_domain::import::{FileHash, Import, ImportFormat, ImportRequest, Progress, State};
use portal_domain::ingest::RecordType;

use super::ids;
use crate::stack::{Failure, Stack};

/// Two patients of the online practice, and a line that says nothing that could be taken.
const FILE: &str = concat!(
    r#"{"external":{"system":"patients","value":"20001"},"op":"upsert","version":1,"occurred_at":"2026-10-01T08:00:00Z","#,
    r#""data":{"given_name":"Iris","family_name":"Falk","registrations":[{"site":{"system":"sites","value":"online"},"joined_at":"2026-10-01T08:00:00Z"}]}}"#,
    "\n",
    r#"{"external":{"system":"patients","value":"20002"},"op":"upsert","version":1,"occurred_at":"2026-10-01T08:00:00Z","#,
    r#""data":{"given_name":"Tom","family_name":"Falk","registrations":[{"site":{"system":"sites","value":"online"},"joined_at":"2026-10-01T08:00:00Z"}]}}"#,
    "\n",
    r#"{"external":{"system":"patients","value":"20003"},"op":"upsert","version":1,"occurred_at":"2026-10-01T08:00:00Z","#,
    r#""data":{"given_name":"Una","family_name":"Falk","registrations":[{"site":{"system":"sites","value":"closed"},"joined_at":"2026-10-01T08:00:00Z"}]}}"#,
    "\n",
);

/// Brings it, and waits until it is taken.
pub(super) async fn bring(stack: &Stack, now: Timestamp) -> Result<(), Failure> {
    let documents = Documents::build(stack.config(0))?;
    let source = "platform".parse()?;
    let bytes = FILE.as_bytes();
    let import = Import {
        id: ids::IMPORT,
        source,
        token: ids::FEEDER,
        request: ImportRequest::new(
            RecordType::Patients,
            ImportFormat::Ndjson,
            None,
            false,
            bytes.len() as u64,
            FileHash::of(bytes),
        )?,
        state: State::Awaiting,
        progress: Progress::default(),
        runs: 0,
        attempts: 0,
        rev: 1,
        created_at: now - SignedDuration::from_mins(1),
    };
    let key = Key::upload(&import.source, import.id);
    let change = Change::default().write(Write::ImportPut(Box::new(import)));
    stack.app.store.commit(&change, None, now).await?;
    let mut upload = documents.upload(key, ImportFormat::Ndjson.media_type());
    upload.write(bytes).await?;
    upload.finish().await?;
    stack.queues.drain().await;
    Ok(())
}
