//! Notes on patients: written by members for their own organization, or brought by the source for all who see the patient.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::access::{Access, expect_revision};
use crate::audit::Verb;
use crate::change::{Change, Write};
use crate::code::{Code, Refusal};
use crate::external::{ExternalId, Sourced};
use crate::id::{AccountId, NoteId, NotePlace, OrganizationId, PatientId};
use crate::text::{NoteText, PersonName};
use crate::time::Moment;

/// Who wrote a note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Author {
    /// A member.
    Member {
        /// The organization that reads and changes the note, and no other does.
        organization: OrganizationId,
        /// The account.
        account: AccountId,
        /// The name at that time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<PersonName>,
    },
    /// Somebody at the source.
    Source {
        /// The name that it gives.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<PersonName>,
    },
}

impl Author {
    /// The name of whoever wrote it.
    #[must_use]
    pub const fn name(&self) -> Option<&PersonName> {
        match self {
            Self::Member { name, .. } | Self::Source { name } => name.as_ref(),
        }
    }
}

/// A note on a patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Its id.
    pub id: NoteId,
    /// On whom.
    pub patient: PatientId,
    /// By whom.
    pub author: Author,
    /// What it says; nothing once its source deleted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<NoteText>,
    /// When it was written.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub written_at: Timestamp,
    /// Where it comes from; none where a member wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sourced: Option<Sourced>,
    /// Rises with every change.
    pub rev: u64,
    /// When it was made.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub updated_at: Timestamp,
}

/// What a source says of a note.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoteRecord {
    /// On whom.
    pub patient: ExternalId,
    /// What it says.
    pub text: NoteText,
    /// Who wrote it.
    #[serde(default)]
    pub author_name: Option<PersonName>,
    /// When.
    pub written_at: Moment,
}

/// What the names in a note's record stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoteReferences {
    /// The patient.
    pub patient: PatientId,
}

impl Note {
    /// The note after a line of its source; `kept` is what is there.
    ///
    /// # Errors
    /// [`Code::FieldFixed`] at `/patient` for a note that was on another one.
    pub fn taken(
        record: NoteRecord,
        references: NoteReferences,
        sourced: Sourced,
        kept: Option<&Self>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        if kept.is_some_and(|kept| kept.patient != references.patient) {
            return Err(Refusal::from(Code::FieldFixed).at("/patient"));
        }
        Ok(Self {
            id: kept.map_or_else(|| NoteId::mint(now), |kept| kept.id),
            patient: references.patient,
            author: Author::Source {
                name: record.author_name,
            },
            text: Some(record.text),
            written_at: record.written_at.into(),
            sourced: Some(sourced),
            rev: kept.map_or(1, |kept| kept.rev + 1),
            created_at: kept.map_or(now, |kept| kept.created_at),
            updated_at: now,
        })
    }

    /// The note after its source deleted it.
    #[must_use]
    pub fn deleted(&self, sourced: Sourced, now: Timestamp) -> Self {
        Self {
            author: Author::Source { name: None },
            text: None,
            sourced: Some(sourced),
            rev: self.rev + 1,
            updated_at: now,
            ..self.clone()
        }
    }

    /// Where it is kept.
    #[must_use]
    pub const fn place(&self) -> NotePlace {
        NotePlace {
            patient: self.patient,
            note: self.id,
        }
    }

    /// Whether its source deleted it.
    #[must_use]
    pub const fn is_deleted(&self) -> bool {
        self.text.is_none()
    }

    /// Whether members of `organization` who see the patient, and may read notes, read this one.
    #[must_use]
    pub fn is_for(&self, organization: OrganizationId) -> bool {
        match &self.author {
            Author::Member {
                organization: own, ..
            } => *own == organization,
            Author::Source { .. } => !self.is_deleted(),
        }
    }

    /// The note with another text.
    ///
    /// # Errors
    /// [`Code::NoteNotFound`] for a note that is not for the caller's organization, [`Code::SourceOwned`] for one that no member
    /// wrote, [`Code::RevisionMismatch`].
    pub fn update(
        &self,
        access: &Access,
        text: NoteText,
        seen: u64,
        now: Timestamp,
    ) -> Result<(Self, Change), Refusal> {
        if !self.is_for(access.organization.id) {
            return Err(Code::NoteNotFound.into());
        }
        if self.sourced.is_some() {
            return Err(Code::SourceOwned.into());
        }
        expect_revision(self.rev, seen)?;
        let new = Self {
            text: Some(text),
            rev: self.rev + 1,
            updated_at: now,
            ..self.clone()
        };
        let event = access.event(Verb::NoteUpdated, &self.id, now).naming(["text"]);
        Ok((new.clone(), new.put(access, Change::audited(event))))
    }

    fn put(self, access: &Access, change: Change) -> Change {
        change
            .write(Write::NotePut(Box::new(self)))
            .fact(access.organization_active())
            .fact(access.actor_holds())
    }
}

impl Access {
    /// A new note on a patient whom the caller sees.
    #[must_use]
    pub fn create_note(&self, patient: PatientId, text: NoteText, now: Timestamp) -> (Note, Change) {
        let note = Note {
            id: NoteId::mint(now),
            patient,
            author: Author::Member {
                organization: self.organization.id,
                account: self.account(),
                name: self.membership.name.clone(),
            },
            text: Some(text),
            written_at: now,
            sourced: None,
            rev: 1,
            created_at: now,
            updated_at: now,
        };
        let event = self.event(Verb::NoteCreated, &note.id, now);
        (note.clone(), note.put(self, Change::audited(event)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Fact;
    use crate::role::Role;
    use crate::sample::{access, now, organization, sourced};

    fn text(text: &str) -> NoteText {
        text.parse().unwrap()
    }

    fn record(said: &str) -> NoteRecord {
        NoteRecord {
            patient: sourced("patient-1", 1).external,
            text: text(said),
            author_name: Some("Ada Lovelace".parse().unwrap()),
            written_at: now().into(),
        }
    }

    #[test]
    fn a_note_is_for_the_organization_that_wrote_it() {
        let (here, elsewhere) = (organization(), organization());
        let (dana, eve) = (access(&here, Role::Admin), access(&elsewhere, Role::Admin));
        let (note, change) = dana.create_note(PatientId::mint(now()), text("Prefers mornings."), now());
        assert!(note.is_for(here.id) && !note.is_for(elsewhere.id));
        assert_eq!(change.writes, [Write::NotePut(Box::new(note.clone()))]);
        assert!(
            change
                .facts
                .iter()
                .any(|fact| matches!(fact, Fact::ActorHolds(..)))
        );

        let (changed, _) = note.update(&dana, text("Prefers evenings."), 1, now()).unwrap();
        assert_eq!((changed.rev, changed.text), (2, Some(text("Prefers evenings."))));
        let stale = note.update(&dana, text("x"), 2, now()).unwrap_err();
        assert_eq!(stale.code, Code::RevisionMismatch);
        let foreign = note.update(&eve, text("x"), 1, now()).unwrap_err();
        assert_eq!(foreign.code, Code::NoteNotFound);
    }

    #[test]
    fn a_note_of_the_source_is_for_all_and_changed_by_nobody_here() {
        let patient = PatientId::mint(now());
        let references = NoteReferences { patient };
        let note = Note::taken(record("Called."), references, sourced("n1", 1), None, now()).unwrap();
        let here = organization();
        assert!(note.is_for(here.id));
        let refused = note
            .update(&access(&here, Role::Admin), text("x"), 1, now())
            .unwrap_err();
        assert_eq!(refused.code, Code::SourceOwned);

        let again = Note::taken(
            record("Called twice."),
            references,
            sourced("n1", 2),
            Some(&note),
            now(),
        )
        .unwrap();
        assert_eq!((again.id, again.rev), (note.id, 2));
        let other = NoteReferences {
            patient: PatientId::mint(now()),
        };
        let refused =
            Note::taken(record("Called."), other, sourced("n1", 2), Some(&note), now()).unwrap_err();
        assert_eq!(refused.errors[0].pointer, "/patient");

        let gone = again.deleted(sourced("n1", 3), now());
        assert!(gone.is_deleted() && !gone.is_for(here.id));
        assert_eq!((gone.author.name(), gone.rev), (None, 3));
    }

    #[test]
    fn what_it_says_is_in_no_audit_event_and_no_debug_output() {
        let here = organization();
        let dana = access(&here, Role::Admin);
        let (note, created) = dana.create_note(PatientId::mint(now()), text("Afraid of dogs."), now());
        let (_, updated) = note.update(&dana, text("Not afraid of dogs."), 1, now()).unwrap();
        let told = serde_json::to_string(&[created.audit.clone(), updated.audit.clone()]).unwrap();
        assert!(told.contains(&note.id.to_string()) && !told.contains("dogs"));
        assert!(!format!("{note:?} {updated:?}").contains("dogs"));
    }
}
