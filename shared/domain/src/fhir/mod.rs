//! FHIR R4 in: resources of a source, read into the lines that say the same.
//!
//! A resource says what one record is. It is read into lines of ingest, and nothing else decides what becomes of them. What no
//! record here has a field for is passed over, as FHIR demands of those who do not know an element; a modifier that is not
//! known refuses the whole resource.
//!
//! Resources name each other by the ids that they have where they come from, records by external ids. So the ids of a source
//! are remembered ([`Remembered`], [`Alias`]), and with them to which organization a place belongs: a Location is a place of a
//! sub-organization and never makes a site.

mod appointment;
mod batch;
mod datatype;
mod draft;
mod element;
mod issue;
mod names;
mod patient;
mod practitioner;
mod role;
#[cfg(test)]
mod tests;
mod unit;

use serde::{Deserialize, Serialize};

pub use batch::{Batch, Form, MOST_ENTRIES, Told, Translation};
pub use draft::TypedLine;
pub use issue::{Issue, IssueType, Severity};
pub use names::{Alias, Name, Names, Remembered};

use crate::code::{At, Code, Refusal};
use crate::external::{ExternalId, SystemName};
use crate::ingest::RecordType;

/// The naming system of ids that resources have where they come from: the natural key of what has no identifier.
pub const LOGICAL: &str = "fhir";

/// The most naming systems that one request can prefer.
pub const MOST_SYSTEMS: usize = 10;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $wire:literal;)*) => {
        /// A type of resource that is read.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// All of them, those that others name first.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The type's name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }
        }
    };
}

kinds! {
    /// An organization of the source, or a part of one.
    Organization "Organization";
    /// A place of an organization.
    Location "Location";
    /// Somebody who is cared for.
    Patient "Patient";
    /// Somebody who cares for them.
    Practitioner "Practitioner";
    /// What a practitioner does somewhere.
    PractitionerRole "PractitionerRole";
    /// A booking.
    Appointment "Appointment";
}

impl Kind {
    /// The type of the records that resources of this type are about, or say the place of: what a token must be for to send them.
    #[must_use]
    pub const fn of(self) -> RecordType {
        match self {
            Self::Organization | Self::Location => RecordType::Sites,
            Self::Patient => RecordType::Patients,
            Self::Practitioner => RecordType::Specialists,
            Self::PractitionerRole => RecordType::Assignments,
            Self::Appointment => RecordType::Bookings,
        }
    }
}

impl std::str::FromStr for Kind {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let found = Self::ALL.iter().copied().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| Code::ResourceUnsupported.into())
    }
}

/// The id that a resource has where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogicalId(String);

impl LogicalId {
    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The natural key of what has no identifier.
    #[must_use]
    pub fn external(&self) -> Option<ExternalId> {
        Some(ExternalId {
            system: LOGICAL.parse().ok()?,
            value: self.0.parse().ok()?,
        })
    }
}

impl std::str::FromStr for LogicalId {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        if (1..=64).contains(&text.len()) && text.bytes().all(is_part) {
            return Ok(Self(text.to_owned()));
        }
        Err(Refusal::new(
            Code::FieldsInvalid,
            "must be an id of 1 to 64 characters: A to Z, a to z, 0 to 9, hyphen, dot",
        ))
    }
}

impl TryFrom<String> for LogicalId {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<LogicalId> for String {
    fn from(id: LogicalId) -> Self {
        id.0
    }
}

/// How resources of a request are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// The naming systems whose identifiers are natural keys, the first one first; any, if none of them names a resource.
    pub systems: Vec<SystemName>,
    /// The site of what names no organization and no place.
    pub site: Option<ExternalId>,
}

impl Options {
    /// What a request says: naming systems with commas between, and a site as `system|value`.
    ///
    /// # Errors
    /// [`Code::FieldsInvalid`] or [`Code::TextInvalid`], with the name of the parameter.
    pub fn of(systems: Option<&str>, site: Option<&str>) -> Result<Self, Refusal> {
        let systems: Result<Vec<SystemName>, Refusal> = systems
            .into_iter()
            .flat_map(|systems| systems.split(','))
            .map(str::parse)
            .collect();
        let systems = systems.at("systems")?;
        if systems.len() > MOST_SYSTEMS {
            let detail = format!("at most {MOST_SYSTEMS} naming systems");
            return Err(Refusal::new(Code::FieldsInvalid, detail).at("systems"));
        }
        let named = |site: &str| {
            let (system, value) = site
                .split_once('|')
                .ok_or_else(|| Refusal::new(Code::FieldsInvalid, "must be of the form system|value"))?;
            Ok(ExternalId {
                system: system.parse()?,
                value: value.parse()?,
            })
        };
        Ok(Self {
            systems,
            site: site.map(named).transpose().at("site")?,
        })
    }

    /// The natural key among `identifiers`.
    fn chosen(&self, identifiers: &[ExternalId]) -> Option<ExternalId> {
        let preferred = self.systems.iter();
        let mut preferred =
            preferred.filter_map(|system| identifiers.iter().find(|external| external.system == *system));
        preferred.next().or(identifiers.first()).cloned()
    }
}
