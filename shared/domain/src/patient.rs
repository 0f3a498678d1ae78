//! Patients: who they are, how they are reached, and at which sites they are registered.
//!
//! Who somebody is and how they are reached are two blocks, which two permissions open.

mod enrollment;
mod query;
mod requested;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub use self::enrollment::{Enrollment, EnrollmentRecord, EnrollmentReferences, EnrollmentStatus};
pub use self::query::{PatientQuery, PatientRow};
pub use self::requested::{PatientUpdate, RequestedOfPatient};
use crate::code::{At, Code, Refusal};
use crate::email::EmailAddress;
use crate::external::{ExternalId, Sourced};
use crate::id::{PatientId, SiteId};
use crate::locale::LanguageTag;
use crate::organization::ZoneName;
use crate::person::{FullName, Gender, Phone, Place, Presence, PresenceRecord, born, hidden, presences};
use crate::reach::{Reach, Reached};
use crate::text::{AddressLine, NamePart, ReferralSource};

/// The most sites that one patient is registered at: the copies of a patient at all of them change in one transaction.
pub const MOST_REGISTRATIONS: usize = 5;

/// The most lines of an address.
pub const MOST_ADDRESS_LINES: usize = 8;

/// Where a patient's account is in its life, as it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// In use.
    #[default]
    Active,
    /// Closed for now, by the platform.
    Locked,
    /// Given up.
    Deactivated,
    /// The same person as another patient, who stays.
    Merged,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Active, Self::Locked, Self::Deactivated, Self::Merged];

    /// The status's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Locked => "locked",
            Self::Deactivated => "deactivated",
            Self::Merged => "merged",
        }
    }
}

/// Where a patient's account is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum State {
    /// In use.
    Active,
    /// Closed for now, by the platform.
    Locked,
    /// Given up.
    Deactivated,
    /// The same person as another patient.
    Merged {
        /// The patient who stays.
        into: PatientId,
    },
    /// Its source deleted it: what remains is a tombstone without personal data.
    Deleted {
        /// When.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        at: Timestamp,
    },
}

/// Who a patient is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The name.
    pub name: FullName,
    /// The birth date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<Date>,
    /// The gender that administrations know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gender: Option<Gender>,
    /// The language the person is addressed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<LanguageTag>,
    /// The zone in which times are told to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<ZoneName>,
    /// Through what they came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referral_source: Option<ReferralSource>,
}

/// How a patient is reached, and where they live.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Contact {
    /// The address for mails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailAddress>,
    /// The telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Phone>,
    /// Where they live, line by line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub address: Vec<AddressLine>,
}

hidden!(Identity, Contact, PatientRecord);

/// A patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patient {
    /// Its id.
    pub id: PatientId,
    /// Where the account is in its life.
    #[serde(flatten)]
    pub state: State,
    /// Who it is.
    pub identity: Identity,
    /// How they are reached.
    pub contact: Contact,
    /// Where they are registered, by site.
    pub registrations: Vec<Presence>,
    /// What members want changed and the source has not answered yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<RequestedOfPatient>,
    /// Where it comes from; none where it was made here.
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

/// What a source says of a patient.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatientRecord {
    /// The given names. One of the two names at least.
    #[serde(default)]
    pub given_name: Option<NamePart>,
    /// The family name.
    #[serde(default)]
    pub family_name: Option<NamePart>,
    /// The birth date.
    #[serde(default)]
    pub birth_date: Option<Date>,
    /// The gender that administrations know.
    #[serde(default)]
    pub gender: Option<Gender>,
    /// The language the person is addressed in.
    #[serde(default)]
    pub locale: Option<LanguageTag>,
    /// The zone in which times are told to them.
    #[serde(default)]
    pub time_zone: Option<ZoneName>,
    /// Through what they came.
    #[serde(default)]
    pub referral_source: Option<ReferralSource>,
    /// The address for mails.
    #[serde(default)]
    pub email: Option<EmailAddress>,
    /// The telephone number.
    #[serde(default)]
    pub phone: Option<Phone>,
    /// Where they live, line by line.
    #[serde(default)]
    pub address: Vec<AddressLine>,
    /// Where the account is in its life.
    #[serde(default)]
    pub status: Status,
    /// The patient who stays, of one that is merged.
    #[serde(default)]
    pub merged_into: Option<ExternalId>,
    /// Where they are registered.
    #[serde(default)]
    pub registrations: Vec<PresenceRecord>,
}

/// What the names in a patient's record stand for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PatientReferences {
    /// The patient who stays, of one that is merged.
    pub merged_into: Option<PatientId>,
    /// The sites that were found.
    pub sites: BTreeMap<ExternalId, Place>,
}

impl PatientRecord {
    fn state(&self, references: &PatientReferences, id: PatientId) -> Result<State, Refusal> {
        match (self.status, references.merged_into, &self.merged_into) {
            (Status::Merged, Some(into), _) if into != id => Ok(State::Merged { into }),
            (Status::Merged, ..) => Err(Refusal::new(
                Code::FieldsInvalid,
                "a patient who is merged names another one, who stays",
            )
            .at("/merged_into")),
            (_, _, Some(_)) => Err(Refusal::new(
                Code::FieldsInvalid,
                "only a patient who is merged names another one",
            )
            .at("/merged_into")),
            (Status::Active, ..) => Ok(State::Active),
            (Status::Locked, ..) => Ok(State::Locked),
            (Status::Deactivated, ..) => Ok(State::Deactivated),
        }
    }
}

impl Patient {
    /// The patient after a line of its source; `kept` is what is there.
    ///
    /// What members want changed is settled when the line says so, or tells of a later time.
    ///
    /// # Errors
    /// With the field: [`Code::TextInvalid`] without any name, [`Code::DateInvalid`] for a birth date that cannot be,
    /// [`Code::LimitExceeded`], [`Code::SiteUnknown`], [`Code::FieldsInvalid`] for a site that is named twice, and for a patient
    /// who is merged and names nobody else, or names somebody and is not merged.
    pub fn taken(
        record: PatientRecord,
        references: &PatientReferences,
        sourced: Sourced,
        kept: Option<&Self>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let id = kept.map_or_else(|| PatientId::mint(now), |kept| kept.id);
        if record.address.len() > MOST_ADDRESS_LINES {
            return Err(Refusal::from(Code::LimitExceeded).at("/address"));
        }
        let state = record.state(references, id)?;
        let registrations = presences(
            &record.registrations,
            &references.sites,
            MOST_REGISTRATIONS,
            "/registrations",
            kept.map_or(&[], |kept| &kept.registrations),
            sourced.stamp.occurred_at,
        )?;
        let birth_date = record.birth_date.map(|on| born(on, now));
        let identity = Identity {
            name: FullName::of(record.given_name, record.family_name).at("/family_name")?,
            birth_date: birth_date.transpose().at("/birth_date")?,
            gender: record.gender,
            locale: record.locale,
            time_zone: record.time_zone,
            referral_source: record.referral_source,
        };
        let contact = Contact {
            email: record.email,
            phone: record.phone,
            address: record.address,
        };
        let requested = kept.and_then(|kept| kept.requested.clone());
        Ok(Self {
            id,
            state,
            requested: requested.and_then(|old| old.after(&identity, &contact, sourced.stamp.occurred_at)),
            identity,
            contact,
            registrations,
            sourced: Some(sourced),
            rev: kept.map_or(1, |kept| kept.rev + 1),
            created_at: kept.map_or(now, |kept| kept.created_at),
            updated_at: now,
        })
    }

    /// The patient after its source deleted it: nothing that tells who it was, and in no list.
    #[must_use]
    pub fn deleted(&self, sourced: Sourced, now: Timestamp) -> Self {
        Self {
            state: State::Deleted { at: now },
            identity: Identity {
                name: FullName::erased(),
                birth_date: None,
                gender: None,
                locale: None,
                time_zone: None,
                referral_source: None,
            },
            contact: Contact::default(),
            registrations: Vec::new(),
            requested: None,
            sourced: Some(sourced),
            rev: self.rev + 1,
            updated_at: now,
            ..self.clone()
        }
    }

    /// Where the account is in its life; none once its source deleted it.
    #[must_use]
    pub const fn status(&self) -> Option<Status> {
        match self.state {
            State::Active => Some(Status::Active),
            State::Locked => Some(Status::Locked),
            State::Deactivated => Some(Status::Deactivated),
            State::Merged { .. } => Some(Status::Merged),
            State::Deleted { .. } => None,
        }
    }

    /// Whether its source deleted it.
    #[must_use]
    pub const fn is_deleted(&self) -> bool {
        self.status().is_none()
    }

    /// The sites it is registered at, whether or not they still use them.
    pub fn sites(&self) -> impl Iterator<Item = SiteId> + '_ {
        self.registrations.iter().map(|registration| registration.site)
    }
}

impl Reached for Patient {
    fn is_within(&self, reach: &Reach) -> bool {
        !self.is_deleted() && reach.has_patient_at(self.sites())
    }
}
