//! What is told of notes.

use jiff::Timestamp;
use portal_domain::note::{Author, Note};
use portal_domain::projection::Projection;
use portal_http::View;
use serde::Serialize;
use utoipa::ToSchema;

/// A note on a patient.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoteView {
    /// The note.
    #[schema(example = "not_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    id: String,
    /// On whom.
    patient_id: String,
    /// What it says; null without `patients.read`: nobody reads about somebody whom they may not know.
    text: Option<String>,
    /// Who wrote it.
    author: NoteAuthorView,
    /// The name of the system that the note comes from; null where a member wrote it.
    source: Option<String>,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    written_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// Who wrote a note.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoteAuthorView {
    /// The account of a member; null for a note that comes from another system.
    account_id: Option<String>,
    /// The name at that time.
    name: Option<String>,
}

impl View for NoteView {}

impl NoteView {
    pub(crate) fn new(note: &Note, projection: Projection) -> Self {
        let text = note.text.as_ref().filter(|_| projection.notes);
        Self {
            id: note.id.to_string(),
            patient_id: note.patient.to_string(),
            text: text.map(|text| text.as_str().to_owned()),
            author: (&note.author).into(),
            source: note.sourced.as_ref().map(|sourced| sourced.source.to_string()),
            written_at: note.written_at,
            updated_at: note.updated_at,
        }
    }
}

impl From<&Author> for NoteAuthorView {
    fn from(author: &Author) -> Self {
        let account = match author {
            Author::Member { account, .. } => Some(account.to_string()),
            Author::Source { .. } => None,
        };
        Self {
            account_id: account,
            name: author.name().map(|name| name.as_str().to_owned()),
        }
    }
}
