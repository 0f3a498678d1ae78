//! Enrollments: patients whom an organization sponsors.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::code::{Code, Refusal};
use crate::external::{ExternalId, Sourced};
use crate::id::{EnrollmentId, OrganizationId, PatientId, SiteId};
use crate::text::EligibilityReference;
use crate::time::Moment;

/// How far an enrollment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnrollmentStatus {
    /// Told of it.
    Invited,
    /// Signed up.
    Registered,
    /// Uses it.
    Active,
    /// Does not, for now.
    Inactive,
    /// No longer entitled.
    Closed,
}

impl EnrollmentStatus {
    /// The status's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Registered => "registered",
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Closed => "closed",
        }
    }
}

/// That an organization sponsors a patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrollment {
    /// The patient.
    pub patient: PatientId,
    /// The organization. It never changes.
    pub sponsor: OrganizationId,
    /// The site it is for; all of them if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteId>,
    /// How far it is.
    pub status: EnrollmentStatus,
    /// Since when.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub enrolled_at: Timestamp,
    /// Until when, once it is over.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::millisecond::optional"
    )]
    pub ended_at: Option<Timestamp>,
    /// What the sponsor knows the person by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eligibility_reference: Option<EligibilityReference>,
    /// Where it comes from.
    pub sourced: Sourced,
    /// When its source deleted it.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::millisecond::optional"
    )]
    pub deleted_at: Option<Timestamp>,
    /// Rises with every change.
    pub rev: u64,
    /// When it was made.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub updated_at: Timestamp,
}

/// What a source says of an enrollment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrollmentRecord {
    /// The patient.
    pub patient: ExternalId,
    /// The organization, by the id it has here: organizations come from no source.
    pub sponsor: OrganizationId,
    /// The site it is for; all of them if none is named.
    #[serde(default)]
    pub site: Option<ExternalId>,
    /// How far it is.
    pub status: EnrollmentStatus,
    /// Since when; as it was told before, or since the line's time, if not given.
    #[serde(default)]
    pub enrolled_at: Option<Moment>,
    /// Until when, once it is over.
    #[serde(default)]
    pub ended_at: Option<Moment>,
    /// What the sponsor knows the person by.
    #[serde(default)]
    pub eligibility_reference: Option<EligibilityReference>,
}

/// What the names in an enrollment's record stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnrollmentReferences {
    /// The patient.
    pub patient: PatientId,
    /// The site, if one is named.
    pub site: Option<SiteId>,
}

impl EnrollmentRecord {
    fn checked(&self, enrolled_at: Timestamp) -> Result<(), Refusal> {
        let Some(ended_at) = self.ended_at else {
            return Ok(());
        };
        let is_over = matches!(self.status, EnrollmentStatus::Inactive | EnrollmentStatus::Closed);
        if Timestamp::from(ended_at) < enrolled_at {
            return Err(Refusal::new(Code::DateInvalid, "it ended before it began").at("/ended_at"));
        }
        if !is_over {
            return Err(Refusal::new(Code::FieldsInvalid, "it is not over").at("/ended_at"));
        }
        Ok(())
    }
}

impl Enrollment {
    /// The enrollment after a line of its source; `kept` is what there is of this patient with this sponsor.
    ///
    /// # Errors
    /// With the field: [`Code::DateInvalid`] when it ended before it began, [`Code::FieldsInvalid`] when it has an end and is not
    /// over; [`Code::FieldFixed`] for a name that stood for an enrollment of another patient or sponsor;
    /// [`Code::AlreadyEnrolled`] when the source calls it otherwise.
    pub fn taken(
        record: EnrollmentRecord,
        references: EnrollmentReferences,
        sourced: Sourced,
        kept: Option<&Self>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let known = kept.filter(|kept| kept.deleted_at.is_none());
        let enrolled_at = record
            .enrolled_at
            .map(Timestamp::from)
            .or(known.map(|known| known.enrolled_at))
            .unwrap_or(sourced.stamp.occurred_at);
        record.checked(enrolled_at)?;
        if let Some(kept) = kept {
            let fixed = |pointer| Err(Refusal::from(Code::FieldFixed).at(pointer));
            if kept.patient != references.patient {
                return fixed("/patient");
            }
            if kept.sponsor != record.sponsor {
                return fixed("/sponsor");
            }
            let is_named_so =
                (&kept.sourced.source, &kept.sourced.external) == (&sourced.source, &sourced.external);
            if !is_named_so && kept.deleted_at.is_none() {
                return Err(Refusal::from(Code::AlreadyEnrolled).at("/patient"));
            }
        }
        Ok(Self {
            patient: references.patient,
            sponsor: record.sponsor,
            site: references.site,
            status: record.status,
            enrolled_at,
            ended_at: record.ended_at.map(Timestamp::from),
            eligibility_reference: record.eligibility_reference,
            sourced,
            deleted_at: None,
            rev: kept.map_or(1, |kept| kept.rev + 1),
            created_at: kept.map_or(now, |kept| kept.created_at),
            updated_at: now,
        })
    }

    /// The enrollment after its source deleted it.
    #[must_use]
    pub fn deleted(&self, sourced: Sourced, now: Timestamp) -> Self {
        Self {
            eligibility_reference: None,
            sourced,
            deleted_at: Some(now),
            rev: self.rev + 1,
            updated_at: now,
            ..self.clone()
        }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> EnrollmentId {
        EnrollmentId {
            patient: self.patient,
            sponsor: self.sponsor,
        }
    }
}
