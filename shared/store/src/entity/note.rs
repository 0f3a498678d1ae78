//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | T2 | one note on a patient | table | `PATIENT#{patient}` | `NOTE#{note}` |
//! | T3 | the notes on a patient that are for an organization, newest first | table | `PATIENT#{patient}` | `NOTE#{note}` (by creation) |

use portal_domain::id::{NoteId, NotePlace, OrganizationId, PatientId};
use portal_domain::note::Note;

use crate::client::Store;
use crate::entity::{Entity, patient};
use crate::error::StoreError;
use crate::expression::Expression;
use crate::page::{Listing, Page, Position};
use crate::table::Key;
use crate::transaction::{Failing, Transaction};

const SK: &str = "NOTE#";

fn key(patient: PatientId, note: NoteId) -> Key {
    Key {
        pk: patient::partition(patient),
        sk: format!("{SK}{note}"),
    }
}

impl Entity for Note {
    const KIND: &'static str = "note";

    fn key(&self) -> Key {
        key(self.patient, self.id)
    }
}

/// Puts a note in the revision after the one that was read.
pub(crate) fn put(transaction: Transaction, note: &Note) -> Result<Transaction, StoreError> {
    match note.rev {
        1 => transaction.create(note, Failing::Stale),
        rev => transaction.replace(note, rev),
    }
}

impl Store {
    /// T2: one note on a patient, if it is for `organization`. Whoever asks makes sure that the patient is within their reach.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn note(
        &self,
        organization: OrganizationId,
        patient: PatientId,
        note: NoteId,
    ) -> Result<Option<Note>, StoreError> {
        let found: Option<Note> = self.get(&key(patient, note)).await?;
        Ok(found.filter(|note| note.is_for(organization)))
    }

    /// T2: these notes, whoever may see them: for the source that feeds them. Absent ones are left out.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn fed_notes(&self, ids: impl IntoIterator<Item = NotePlace>) -> Result<Vec<Note>, StoreError> {
        let keys: Vec<Key> = ids
            .into_iter()
            .map(|place| key(place.patient, place.note))
            .collect();
        self.get_all(&keys).await
    }

    /// T3: the notes on a patient that are for `organization`, newest first. Whoever asks makes sure that the patient is within
    /// their reach.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn notes(
        &self,
        organization: OrganizationId,
        patient: PatientId,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<Note>, StoreError> {
        let is_for = "attribute_exists(#text) AND \
            (attribute_not_exists(#author.#organization) OR #author.#organization = :organization)";
        let listing = Listing {
            range: Expression::new("begins_with(#sk, :notes)").with("notes", SK),
            filter: Expression::new(is_for).with("organization", organization.to_string()),
            newest_first: true,
            after,
            ..Listing::of(None, patient::partition(patient), limit)
        };
        Ok(self
            .page(listing)
            .await?
            .keeping(|note: &Note| note.is_for(organization)))
    }
}
