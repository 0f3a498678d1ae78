//! How notes are fed.

use jiff::Timestamp;

use crate::code::Refusal;
use crate::external::Sourced;
use crate::id::PatientId;
use crate::ingest::refer::{Found, refer};
use crate::ingest::{Feed, RecordType};
use crate::note::{Note, NoteRecord, NoteReferences};

/// What lines about notes are decided by.
#[derive(Debug, Clone)]
pub struct Notes {
    /// When the lines came.
    pub now: Timestamp,
    /// The patients that they name, without those who were deleted: nothing more is written about these.
    pub patients: Found<PatientId>,
}

impl Feed for Notes {
    const TYPE: RecordType = RecordType::Notes;
    type Record = NoteRecord;
    type Kept = Note;
    type Next = Note;

    fn sourced(kept: &Note) -> Option<&Sourced> {
        kept.sourced.as_ref()
    }

    fn taken(&self, record: NoteRecord, sourced: Sourced, kept: Option<&Note>) -> Result<Note, Refusal> {
        let references = NoteReferences {
            patient: *refer(&self.patients, &record.patient, "/patient")?,
        };
        Note::taken(record, references, sourced, kept, self.now)
    }

    fn deleted(&self, kept: &Note, sourced: Sourced) -> Result<Note, Refusal> {
        Ok(kept.deleted(sourced, self.now))
    }
}
