//! Notes.

use std::collections::BTreeMap;

use portal_domain::change::Write;
use portal_domain::ingest::{Notes, RecordType};
use portal_domain::note::{Note, NoteRecord};
use portal_store::StoreError;

use crate::Batch;
use crate::read::{Asked, Name, Stored};

impl Stored for Notes {
    fn names(record: &NoteRecord) -> Vec<Name> {
        vec![(RecordType::Patients, record.patient.clone())]
    }

    async fn read(
        batch: &Batch<'_>,
        asked: Asked<'_, Self>,
    ) -> Result<(Self, BTreeMap<String, Note>), StoreError> {
        let (patients, kept) =
            tokio::try_join!(batch.living(asked.found), batch.store.fed_notes(asked.ids()))?;
        let feed = Self {
            now: batch.now,
            patients,
        };
        let kept = kept.into_iter().map(|note| (note.place().to_string(), note));
        Ok((feed, kept.collect()))
    }

    fn id(next: &Note) -> String {
        next.place().to_string()
    }

    fn kept(next: &Note) -> Vec<Note> {
        vec![next.clone()]
    }

    fn writes(next: Note, _: Option<&Note>) -> Vec<Write> {
        vec![Write::NotePut(Box::new(next))]
    }
}
