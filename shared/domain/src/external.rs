//! Records that the platform owns: who they come from, what they are called there, and which of two is newer.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::code::{Code, Refusal};

macro_rules! tokens {
    ($($(#[$doc:meta])* $name:ident ..= $longest:literal, $about:literal, $is_allowed:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Refusal;

            fn try_from(text: String) -> Result<Self, Refusal> {
                let is_allowed: fn(u8) -> bool = $is_allowed;
                if (1..=$longest).contains(&text.len()) && text.bytes().all(is_allowed) {
                    return Ok(Self(text));
                }
                Err(Refusal::new(
                    Code::TextInvalid,
                    concat!("must have 1 to ", $longest, " characters of ", $about),
                ))
            }
        }

        impl std::str::FromStr for $name {
            type Err = Refusal;

            fn from_str(text: &str) -> Result<Self, Refusal> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }
    )*};
}

/// Source names are parts of keys: no `#` in them, and one spelling each.
const fn is_of_source_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

tokens! {
    /// The name of a system that feeds records: no source can touch what another one feeds.
    SourceName ..= 40, "a to z, 0 to 9 and the hyphen", is_of_source_name;
    /// The naming system of an external id inside its source, such as `mrn` or a URI.
    SystemName ..= 200, "visible ASCII", |byte| byte.is_ascii_graphic();
    /// What a record is called in its naming system.
    ExternalValue ..= 200, "visible ASCII", |byte| byte.is_ascii_graphic();
}

/// What a record is called where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalId {
    /// The naming system.
    pub system: SystemName,
    /// The name in it.
    pub value: ExternalValue,
}

/// Which state of a record this is: the source counts versions, or tells when it was so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The source's own version, if it counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// When the record became so at the source.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub occurred_at: Timestamp,
}

/// How a record that comes in relates to the one that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Newer: it is taken.
    Newer,
    /// The same state of the record.
    Same,
    /// Older: it is left.
    Older,
}

impl Stamp {
    /// How `self`, which comes in, relates to `kept`: by version where both have one, else by time.
    #[must_use]
    pub fn against(self, kept: Self) -> Age {
        let order = match (self.version, kept.version) {
            (Some(ours), Some(theirs)) => ours.cmp(&theirs),
            _ => self.occurred_at.cmp(&kept.occurred_at),
        };
        match order {
            std::cmp::Ordering::Greater => Age::Newer,
            std::cmp::Ordering::Equal => Age::Same,
            std::cmp::Ordering::Less => Age::Older,
        }
    }
}

/// Where a record comes from, and in which state it was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sourced {
    /// The source.
    pub source: SourceName,
    /// What it is called there.
    pub external: ExternalId,
    /// The state that was taken last.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// A hash of the content that was taken: the same state with another content is a conflict.
    pub digest: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(version: Option<u64>, second: i64) -> Stamp {
        Stamp {
            version,
            occurred_at: Timestamp::from_second(second).unwrap(),
        }
    }

    #[test]
    fn versions_decide_where_both_have_one_and_times_elsewhere() {
        assert_eq!(stamp(Some(2), 1).against(stamp(Some(1), 9)), Age::Newer);
        assert_eq!(stamp(Some(1), 9).against(stamp(Some(2), 1)), Age::Older);
        assert_eq!(stamp(Some(1), 9).against(stamp(Some(1), 1)), Age::Same);
        assert_eq!(stamp(Some(1), 2).against(stamp(None, 1)), Age::Newer);
        assert_eq!(stamp(None, 1).against(stamp(None, 2)), Age::Older);
        assert_eq!(stamp(None, 1).against(stamp(None, 1)), Age::Same);
    }

    #[test]
    fn names_of_other_systems_are_visible_ascii() {
        for text in ["", " ", "a b", "a\n", "ä", &"x".repeat(201)] {
            assert!(text.parse::<ExternalValue>().is_err(), "{text:?}");
        }
        for text in ["Main", "a#b", "a_b", &"x".repeat(41)] {
            assert!(text.parse::<SourceName>().is_err(), "{text:?}");
        }
        assert!("platform-1".parse::<SourceName>().is_ok());
        assert!("urn:oid:1.2.3#4".parse::<SystemName>().is_ok());
    }
}
