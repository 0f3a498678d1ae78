//! Actions: what a rule finds in the records that somebody should see to, with the step that does so.
//!
//! An action is never written by people. It is opened when its cause is there, and closes itself when the cause is gone. What an
//! organization makes of it (who sees to it, that it waits, that it is none) stands apart, so that two organizations which see
//! the same site do not see each other's.

mod handling;
mod rule;
mod rules;
mod sight;
#[cfg(test)]
mod tests;
mod watch;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::handling::{Case, Dismissal, Handling, Status, Step};
pub use self::rule::{NextStep, Rule, Severity, Sphere, SubjectKind};
pub use self::rules::{Record, Standing};
pub use self::sight::{ActionQuery, Sight};
pub use self::watch::{Finding, Watch};
use crate::code::{Code, Refusal};
use crate::id::{
    ActionId, BookingId, InvitePlace, OrganizationId, PatientId, SiteId, SpecialistId, TransactionId,
};
use crate::reach::{Reach, Reached};

/// How long an action is kept once its cause is gone.
pub const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

macro_rules! subjects {
    ($($(#[$doc:meta])* $name:ident($id:ident);)*) => {
        /// What an action is about. Stored and sent as its id, whose prefix tells what it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum Subject {
            $($(#[$doc])* $name($id),)*
        }

        impl Subject {
            /// What it is.
            #[must_use]
            pub const fn kind(self) -> SubjectKind {
                match self { $(Self::$name(_) => SubjectKind::$name,)* }
            }
        }

        impl std::fmt::Display for Subject {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self { $(Self::$name(id) => id.fmt(f),)* }
            }
        }

        impl std::str::FromStr for Subject {
            type Err = Refusal;

            fn from_str(text: &str) -> Result<Self, Refusal> {
                $(if let Ok(id) = text.parse::<$id>() {
                    return Ok(Self::$name(id));
                })*
                Err(Refusal::new(Code::IdInvalid, "not the id of anything that actions are about"))
            }
        }
    };
}

subjects! {
    /// A patient.
    Patient(PatientId);
    /// A specialist.
    Specialist(SpecialistId);
    /// A booking.
    Booking(BookingId);
    /// A transaction.
    Transaction(TransactionId);
    /// An invite of an organization.
    Invite(InvitePlace);
    /// An organization as a whole.
    Organization(OrganizationId);
    /// A site.
    Site(SiteId);
}

impl Subject {
    /// Its id alone, as the routes about it have it.
    #[must_use]
    pub fn id(self) -> String {
        match self {
            Self::Invite(place) => place.invite.to_string(),
            other => other.to_string(),
        }
    }
}

impl TryFrom<String> for Subject {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.to_string()
    }
}

/// Whose an action is: what decides who sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "place")]
pub enum Place {
    /// A site's: whoever sees the site's records sees it.
    Site {
        /// The site.
        site: SiteId,
        /// Which of the partitions of the site's collections holds it.
        shard: u8,
    },
    /// An organization's own.
    Organization {
        /// The organization.
        organization: OrganizationId,
    },
}

impl Place {
    /// The site's place for what has this number.
    pub(crate) fn at(site: SiteId, number: u128, shards: u8) -> Self {
        let shard = number % u128::from(shards.max(1));
        Self::Site {
            site,
            shard: u8::try_from(shard).unwrap_or(0),
        }
    }

    /// The site, if it is one's.
    #[must_use]
    pub const fn site(self) -> Option<SiteId> {
        match self {
            Self::Site { site, .. } => Some(site),
            Self::Organization { .. } => None,
        }
    }

    /// The id of the site or organization.
    fn id(self) -> String {
        match self {
            Self::Site { site, .. } => site.to_string(),
            Self::Organization { organization } => organization.to_string(),
        }
    }
}

/// A field that a record lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// An address for mails or a telephone number.
    Contact,
    /// The language in which somebody is addressed.
    Locale,
    /// The languages in which somebody holds sessions.
    Languages,
    /// What somebody is specialized in.
    Specializations,
    /// How long a session is.
    SessionMinutes,
}

impl Field {
    /// The field's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Locale => "locale",
            Self::Languages => "languages",
            Self::Specializations => "specializations",
            Self::SessionMinutes => "session_minutes",
        }
    }
}

/// Why a rule finds something. It names fields, never what is in them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The instant it is about: when something ends, ended, or is to begin.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::millisecond::optional"
    )]
    pub at: Option<Timestamp>,
    /// What is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
}

impl Cause {
    pub(crate) fn at(at: Timestamp) -> Self {
        Self {
            at: Some(at),
            ..Self::default()
        }
    }
}

/// An action: that a rule finds something about a subject, as it is for everybody who sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Its id.
    pub id: ActionId,
    /// The rule.
    pub rule: Rule,
    /// Whose it is.
    #[serde(flatten)]
    pub place: Place,
    /// What it is about.
    pub subject: Subject,
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
    /// When the rule first found it; anew when it closed meanwhile.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub opened_at: Timestamp,
    /// Since when its cause is gone; none while it is open.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::millisecond::optional"
    )]
    pub closed_at: Option<Timestamp>,
}

impl Action {
    /// What `rule` found about `subject`.
    #[must_use]
    pub fn of(subject: Subject, found: &Finding) -> Self {
        Self {
            id: ActionId::of(found.rule.as_str(), &found.place.id(), &subject.to_string()),
            rule: found.rule,
            place: found.place,
            subject,
            cause: found.cause.clone(),
            opened_at: found.opened_at,
            closed_at: None,
        }
    }
}

impl Reached for Action {
    fn is_within(&self, reach: &Reach) -> bool {
        self.rule.is_within(self.place, reach)
    }
}
