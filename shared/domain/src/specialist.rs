//! Specialists: what they can do, where and when they do it, for which price, and whether they may.
//!
//! Whether somebody may practise is decided here: a source can submit a specialist for review, and never approve one.

mod assignment;
mod availability;
mod credential;
mod query;
mod requested;
mod review;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::assignment::{Assignment, AssignmentRecord, MOST_TOLD_APART, Parts, Work};
pub use self::availability::{Availability, ClockTime, Day, Window};
pub use self::credential::{Check, Credential, CredentialStatus, EXPIRING, MOST_CREDENTIALS};
pub use self::query::{Listing, SpecialistQuery, SpecialistRow};
pub use self::requested::{RequestedOfSpecialist, SpecialistUpdate};
pub use self::review::{Decided, Review, ReviewStatus, Step};
use crate::access::Access;
use crate::code::{At, Code, Refusal};
use crate::configuration::BindingRole;
use crate::email::EmailAddress;
use crate::external::{ExternalId, Sourced};
use crate::feed::Told;
use crate::id::{SiteId, SpecialistId};
use crate::ingest::RecordType;
use crate::locale::LanguageTag;
use crate::money::Money;
use crate::organization::ZoneName;
use crate::person::{FullName, Phone, Place, Presence, PresenceRecord, hidden, presences};
use crate::reach::{Of, Reach, Reached};
use crate::text::{NamePart, ProfileLine};
use crate::time::Moment;

/// The most sites that one specialist is assigned to: the copies of a specialist at all of them change in one transaction.
pub const MOST_ASSIGNMENTS: usize = 6;

/// The most lines of specializations, of expertise and of education.
pub const MOST_LINES: usize = 20;

/// The most languages.
pub const MOST_LANGUAGES: usize = 20;

/// The longest experience, in years.
const LONGEST_EXPERIENCE: u8 = 80;

/// The shortest and the longest session, in minutes.
const SESSION: std::ops::RangeInclusive<u16> = 5..=480;

/// What a session costs from a time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// From when on.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub from: Timestamp,
    /// How much.
    pub amount: Money,
}

/// Who a specialist is, and what they offer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The name.
    pub name: FullName,
    /// The address for mails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailAddress>,
    /// The telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Phone>,
    /// The language the person is addressed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<LanguageTag>,
    /// The zone in which they live, and their availability is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<ZoneName>,
    /// The languages in which they hold sessions.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub languages: BTreeSet<LanguageTag>,
    /// What they are specialized in, the foremost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub specializations: Vec<ProfileLine>,
    /// What else they are experienced in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expertise: Vec<ProfileLine>,
    /// Where and what they learned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub education: Vec<ProfileLine>,
    /// For how many years they have practised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experience_years: Option<u8>,
    /// How long a session is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_minutes: Option<u16>,
    /// When they hold sessions, every week.
    #[serde(default, skip_serializing_if = "Availability::is_empty")]
    pub availability: Availability,
}

hidden!(Profile, SpecialistRecord);

/// A specialist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Specialist {
    /// Its id.
    pub id: SpecialistId,
    /// Who it is.
    pub profile: Profile,
    /// What a session costs now. What it cost before is kept beside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// What proves that they may practise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<Credential>,
    /// Whether they may, as this product decides.
    pub review: Review,
    /// Where they practise, by site.
    pub assignments: Vec<Presence>,
    /// The parts that sites, specializations and availability are put together from, where they are told in parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
    /// What members want changed and the source has not answered yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<RequestedOfSpecialist>,
    /// Where it comes from; none where it was made here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sourced: Option<Sourced>,
    /// When its source deleted it: what remains is a tombstone without personal data.
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

/// What a source says of a specialist.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecialistRecord {
    /// The given names. One of the two names at least.
    #[serde(default)]
    pub given_name: Option<NamePart>,
    /// The family name.
    #[serde(default)]
    pub family_name: Option<NamePart>,
    /// The address for mails.
    #[serde(default)]
    pub email: Option<EmailAddress>,
    /// The telephone number.
    #[serde(default)]
    pub phone: Option<Phone>,
    /// The language the person is addressed in.
    #[serde(default)]
    pub locale: Option<LanguageTag>,
    /// The zone in which they live, and their availability is.
    #[serde(default)]
    pub time_zone: Option<ZoneName>,
    /// The languages in which they hold sessions.
    #[serde(default)]
    pub languages: BTreeSet<LanguageTag>,
    /// What they are specialized in, the foremost first.
    #[serde(default)]
    pub specializations: Vec<ProfileLine>,
    /// What else they are experienced in.
    #[serde(default)]
    pub expertise: Vec<ProfileLine>,
    /// Where and what they learned.
    #[serde(default)]
    pub education: Vec<ProfileLine>,
    /// For how many years they have practised.
    #[serde(default)]
    pub experience_years: Option<u8>,
    /// How long a session is.
    #[serde(default)]
    pub session_minutes: Option<u16>,
    /// What a session costs since this line's time.
    #[serde(default)]
    pub price: Option<Money>,
    /// When they hold sessions, every week.
    #[serde(default)]
    pub availability: Availability,
    /// What proves that they may practise.
    #[serde(default)]
    pub credentials: Vec<Credential>,
    /// When they were last put forward for review.
    #[serde(default)]
    pub submitted_at: Option<Moment>,
    /// Where they practise.
    #[serde(default)]
    pub assignments: Vec<PresenceRecord>,
    /// Whether they practise at all.
    #[serde(default = "active")]
    pub active: bool,
}

const fn active() -> bool {
    true
}

/// What the names in a specialist's record stand for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpecialistReferences {
    /// The sites that were found.
    pub sites: BTreeMap<ExternalId, Place>,
}

/// Refuses a price that is none.
fn priced(amount: Money) -> Result<Money, Refusal> {
    if amount.amount_minor < 0 {
        return Err(Refusal::new(Code::FieldsInvalid, "a price is not negative").at("/price/amount_minor"));
    }
    Ok(amount)
}

/// Refuses a session that is too short or too long.
fn lasting(minutes: u16) -> Result<u16, Refusal> {
    if SESSION.contains(&minutes) {
        return Ok(minutes);
    }
    let detail = format!("must be {} to {} minutes", SESSION.start(), SESSION.end());
    Err(Refusal::new(Code::FieldsInvalid, detail).at("/session_minutes"))
}

impl Profile {
    fn checked(self) -> Result<Self, Refusal> {
        let too_many = |field: &str| Err(Refusal::from(Code::LimitExceeded).at(field));
        for (field, lines) in [
            ("/specializations", &self.specializations),
            ("/expertise", &self.expertise),
            ("/education", &self.education),
        ] {
            if lines.len() > MOST_LINES {
                return too_many(field);
            }
        }
        if self.languages.len() > MOST_LANGUAGES {
            return too_many("/languages");
        }
        if self
            .experience_years
            .is_some_and(|years| years > LONGEST_EXPERIENCE)
        {
            let detail = format!("must be {LONGEST_EXPERIENCE} years at most");
            return Err(Refusal::new(Code::FieldsInvalid, detail).at("/experience_years"));
        }
        self.session_minutes.map(lasting).transpose()?;
        Ok(self)
    }

    fn erased() -> Self {
        Self {
            name: FullName::erased(),
            email: None,
            phone: None,
            locale: None,
            time_zone: None,
            languages: BTreeSet::new(),
            specializations: Vec::new(),
            expertise: Vec::new(),
            education: Vec::new(),
            experience_years: None,
            session_minutes: None,
            availability: Availability::default(),
        }
    }
}

impl Specialist {
    /// The specialist after a line of its source; `kept` is what is there.
    ///
    /// The review is not the source's: it can only put somebody forward who is a draft, or was asked for changes before that.
    /// What members want changed is settled when the line says so, or tells of a later time.
    ///
    /// # Errors
    /// With the field: [`Code::TextInvalid`] without any name, [`Code::LimitExceeded`], [`Code::SiteUnknown`],
    /// [`Code::DateInvalid`] for a credential that ends before it begins, [`Code::FieldsInvalid`] for a number out of its range, a
    /// site that is named twice, or windows that overlap.
    pub fn taken(
        record: SpecialistRecord,
        references: &SpecialistReferences,
        sourced: Sourced,
        kept: Option<&Self>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let occurred_at = sourced.stamp.occurred_at;
        let presences = presences(
            &record.assignments,
            &references.sites,
            MOST_ASSIGNMENTS,
            "/assignments",
            kept.map_or(&[], Self::own_presences),
            occurred_at,
        )?;
        credential::check(&record.credentials)?;
        let amount = record.price.map(priced).transpose()?;
        let profile = Profile {
            name: FullName::of(record.given_name, record.family_name).at("/family_name")?,
            email: record.email,
            phone: record.phone,
            locale: record.locale,
            time_zone: record.time_zone,
            languages: record.languages,
            specializations: Vec::new(),
            expertise: record.expertise,
            education: record.education,
            experience_years: record.experience_years,
            session_minutes: record.session_minutes,
            availability: Availability::default(),
        }
        .checked()?;
        let parts = Parts {
            own: Work {
                presences,
                specializations: record.specializations,
                availability: record.availability,
            },
            is_active: record.active,
            assignments: kept.map_or_else(Vec::new, Self::told_apart),
        };
        let before = kept.and_then(|kept| kept.price);
        let price = amount.map(|amount| match before {
            Some(price) if price.amount == amount => price,
            _ => Price {
                from: occurred_at,
                amount,
            },
        });
        let review = kept.map_or(Review::Draft, |kept| kept.review.clone());
        let requested = kept.and_then(|kept| kept.requested.clone());
        let taken = Self {
            id: kept.map_or_else(|| SpecialistId::mint(now), |kept| kept.id),
            profile,
            price,
            credentials: record.credentials,
            review: match record.submitted_at {
                Some(at) => review.put_forward(at.into()),
                None => review,
            },
            assignments: Vec::new(),
            parts: None,
            requested: None,
            sourced: Some(sourced),
            deleted_at: None,
            rev: kept.map_or(1, |kept| kept.rev + 1),
            created_at: kept.map_or(now, |kept| kept.created_at),
            updated_at: now,
        };
        let taken = taken.put_together(parts, "/assignments")?;
        Ok(Self {
            requested: requested.and_then(|old| old.after(&taken.profile, price, occurred_at)),
            ..taken
        })
    }

    /// The specialist after its source deleted it: nothing that tells who it was, and in no list. How the review went stays.
    #[must_use]
    pub fn deleted(&self, sourced: Sourced, now: Timestamp) -> Self {
        Self {
            profile: Profile::erased(),
            price: None,
            credentials: Vec::new(),
            assignments: Vec::new(),
            parts: None,
            requested: None,
            sourced: Some(sourced),
            deleted_at: Some(now),
            rev: self.rev + 1,
            updated_at: now,
            ..self.clone()
        }
    }

    /// Whether its source deleted it.
    #[must_use]
    pub const fn is_deleted(&self) -> bool {
        self.deleted_at.is_some()
    }

    /// That its source learns what was asked or decided now.
    fn told(&self, now: Timestamp) -> Option<Told> {
        Told::of(
            self.sourced.as_ref(),
            RecordType::Specialists,
            &self.id,
            self.rev,
            now,
        )
    }

    /// Refuses those with whom the specialist is only shared: they see, and whoever runs a site of the specialist's decides.
    fn may_be_managed(&self, access: &Access) -> Result<(), Refusal> {
        let is_owner = |site: SiteId| {
            let binding = access.site(site);
            binding.is_ok_and(|binding| binding.active && binding.role == BindingRole::Owner)
        };
        let sees_the_platform = access.reach()?.sites(Of::Specialists).is_none();
        if sees_the_platform || self.sites().any(is_owner) {
            return Ok(());
        }
        Err(Refusal::new(
            Code::SiteNotBound,
            "the specialist is shared with the organization, and practises at no site of its own",
        ))
    }

    /// The sites it is assigned to, whether or not they still practise there.
    pub fn sites(&self) -> impl Iterator<Item = SiteId> + '_ {
        self.assignments.iter().map(|assignment| assignment.site)
    }
}

impl Reached for Specialist {
    fn is_within(&self, reach: &Reach) -> bool {
        !self.is_deleted() && reach.has_specialist_at(self.sites())
    }
}
