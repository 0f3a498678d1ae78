//! What patients and specialists have in common as people: names, how they are reached, and that none of it is logged.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::code::{Code, Refusal};
use crate::external::ExternalId;
use crate::id::{SiteId, compact};
use crate::text::{NamePart, PersonName, folded};
use crate::time::Moment;

/// The longest part of a name that is sorted by: folding can make many bytes of one character.
const SORTED: usize = 120;

/// Earlier than anybody was born who is alive.
const EARLIEST_BIRTH: Date = date(1850, 1, 1);

/// How far the clocks of people are ahead of UTC where they are most.
const EARLIEST_DAY: SignedDuration = SignedDuration::from_hours(14);

/// Lets types of personal data show nothing but their name in debug output.
macro_rules! hidden {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}
pub(crate) use hidden;

/// A person's name. Some people have given names only, some a family name only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FullName {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    given: Option<NamePart>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    family: Option<NamePart>,
}

hidden!(FullName);

impl FullName {
    /// A name of at least one part.
    ///
    /// # Errors
    /// [`Code::TextInvalid`] when there is none, or when they are too long together.
    pub fn of(given: Option<NamePart>, family: Option<NamePart>) -> Result<Self, Refusal> {
        if given.is_none() && family.is_none() {
            return Err(Refusal::new(
                Code::TextInvalid,
                "a person has given names or a family name",
            ));
        }
        let name = Self { given, family };
        joined([&name.given, &name.family]).parse::<PersonName>()?;
        Ok(name)
    }

    /// What is left of a name when its record was deleted.
    pub(crate) const fn erased() -> Self {
        Self {
            given: None,
            family: None,
        }
    }

    /// The given names.
    #[must_use]
    pub const fn given(&self) -> Option<&NamePart> {
        self.given.as_ref()
    }

    /// The family name.
    #[must_use]
    pub const fn family(&self) -> Option<&NamePart> {
        self.family.as_ref()
    }

    /// The name as people read it; none once its record was deleted.
    #[must_use]
    pub fn display(&self) -> Option<PersonName> {
        joined([&self.given, &self.family]).parse().ok()
    }

    /// The name as directories are sorted by it: the family name first, folded.
    #[must_use]
    pub fn sorted_by(&self) -> String {
        self.by_family().chars().take(SORTED).collect()
    }

    /// The folded name, the family name first.
    pub(crate) fn by_family(&self) -> String {
        folded(&joined([&self.family, &self.given]))
    }
}

fn joined(parts: [&Option<NamePart>; 2]) -> String {
    let parts: Vec<&str> = parts.into_iter().flatten().map(NamePart::as_str).collect();
    parts.join(" ")
}

/// A telephone number as people write it. Personal data: hidden in debug output.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Phone(String);

hidden!(Phone);

impl Phone {
    /// The number.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Phone {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let text = text.trim();
        let is_part = |byte: u8| byte.is_ascii_digit() || b" +()-./*#,;x".contains(&byte);
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        if text.len() > 40 || digits < 3 || !text.bytes().all(is_part) {
            return Err(Refusal::new(
                Code::PhoneInvalid,
                "must have 3 digits or more, at most 40 characters, and only digits, spaces and +()-./*#,;x",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Phone {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<Phone> for String {
    fn from(phone: Phone) -> Self {
        phone.0
    }
}

/// A gender as administrations know it (FHIR `administrative-gender`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gender {
    /// Male.
    Male,
    /// Female.
    Female,
    /// Neither.
    Other,
    /// Not known.
    Unknown,
}

impl Gender {
    /// The code as it is sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Male => "male",
            Self::Female => "female",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }
}

/// A birth date that somebody can have who lives at `now`.
///
/// # Errors
/// [`Code::DateInvalid`].
pub(crate) fn born(on: Date, now: Timestamp) -> Result<Date, Refusal> {
    let today = (now + EARLIEST_DAY).to_zoned(TimeZone::UTC).date();
    if (EARLIEST_BIRTH..=today).contains(&on) {
        Ok(on)
    } else {
        Err(Refusal::new(Code::DateInvalid, "nobody was born then"))
    }
}

/// A site that a person's record names, as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The site.
    pub site: SiteId,
    /// Into how many partitions its collections are spread.
    pub shards: u8,
}

/// Whether somebody uses a site, or works there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PresenceStatus {
    /// They do.
    #[default]
    Active,
    /// They did.
    Inactive,
}

impl PresenceStatus {
    /// The status's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
        }
    }
}

/// Somebody at a site: a patient's registration, a specialist's assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// The site.
    #[serde(with = "compact")]
    pub site: SiteId,
    /// Into how many partitions the site's collections are spread.
    pub shards: u8,
    /// When they came.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub joined_at: Timestamp,
    /// Whether they are still there.
    pub status: PresenceStatus,
}

/// What a source says of somebody at a site.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresenceRecord {
    /// The site.
    pub site: ExternalId,
    /// When they came; as it was told before, or at the line's time, if not given.
    #[serde(default)]
    pub joined_at: Option<Moment>,
    /// Whether they are still there.
    #[serde(default)]
    pub status: PresenceStatus,
}

/// Where a person is, by site: at most `most` sites, each found among `sites`. When they came, if that is not told, is what is
/// `known` of the site, or else `occurred_at`.
///
/// # Errors
/// At its place in `field`: [`Code::SiteUnknown`], and [`Code::FieldsInvalid`] for a site that is named twice; at `field`,
/// [`Code::LimitExceeded`].
pub(crate) fn presences(
    records: &[PresenceRecord],
    sites: &BTreeMap<ExternalId, Place>,
    most: usize,
    field: &str,
    known: &[Presence],
    occurred_at: Timestamp,
) -> Result<Vec<Presence>, Refusal> {
    if records.len() > most {
        let detail = format!("must be {most} sites at most");
        return Err(Refusal::new(Code::LimitExceeded, detail).at(field));
    }
    let mut found = BTreeMap::new();
    for (at, record) in records.iter().enumerate() {
        let refused = |refusal: Refusal| refusal.at(format!("{field}/{at}/site"));
        let place = sites.get(&record.site);
        let place = place.ok_or_else(|| refused(Code::SiteUnknown.into()))?;
        let presence = Presence {
            site: place.site,
            shards: place.shards,
            joined_at: record
                .joined_at
                .map(Timestamp::from)
                .or_else(|| joined_at(known, Some(place.site)))
                .unwrap_or(occurred_at),
            status: record.status,
        };
        if found.insert(place.site, presence).is_some() {
            return Err(refused(Refusal::new(
                Code::FieldsInvalid,
                "the site is named twice",
            )));
        }
    }
    Ok(found.into_values().collect())
}

/// When somebody came to `site`.
pub(crate) fn joined_at(presences: &[Presence], site: Option<SiteId>) -> Option<Timestamp> {
    let there = presences.iter().find(|presence| Some(presence.site) == site);
    there.map(|presence| presence.joined_at)
}

/// Whether somebody came to `site`, which is seen, and to no other site that is seen later.
pub(crate) fn joined_last(presences: &[Presence], site: SiteId, seen: impl Fn(SiteId) -> bool) -> bool {
    let there = presences.iter().filter(|presence| seen(presence.site));
    let last = there.map(|presence| presence.joined_at).max();
    seen(site) && last.is_some() && last == joined_at(presences, Some(site))
}

/// The order of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// By family name.
    #[default]
    Name,
    /// Who came last first.
    Newest,
}

/// The wanted value, if it is not what is there.
pub(crate) fn news<T: PartialEq>(wanted: Option<T>, present: Option<&T>) -> Option<T> {
    wanted.filter(|wanted| Some(wanted) != present)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::now;

    fn name(given: &str, family: &str) -> FullName {
        let part = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
        FullName::of(part(given), part(family)).unwrap()
    }

    fn shown(name: &FullName) -> String {
        name.display().map(String::from).unwrap_or_default()
    }

    #[test]
    fn a_name_has_one_part_at_least_and_is_not_too_long() {
        assert_eq!(shown(&name("Ada", "")), "Ada");
        assert_eq!(shown(&name("", "Lovelace")), "Lovelace");
        assert_eq!(shown(&name("Ada", "Lovelace")), "Ada Lovelace");
        assert_eq!(FullName::erased().display(), None);
        let part = |length: usize| "x".repeat(length).parse().ok();
        assert!(FullName::of(part(49), part(50)).is_ok());
        for (given, family) in [(None, None), (part(50), part(50))] {
            assert_eq!(FullName::of(given, family).unwrap_err().code, Code::TextInvalid);
        }
    }

    #[test]
    fn names_are_sorted_by_family_without_accents_and_case() {
        let mut names = [
            name("Zoe", "Álvarez"),
            name("Ada", "alvarez"),
            name("Ben", "Zuse"),
            name("Cher", ""),
        ];
        names.sort_by_key(FullName::sorted_by);
        assert_eq!(
            names.map(|name| shown(&name)),
            ["Ada alvarez", "Zoe Álvarez", "Cher", "Ben Zuse"]
        );
        let long = name(&"\u{fdfa}".repeat(40), &"\u{fdfa}".repeat(59));
        assert!(long.sorted_by().len() <= 480, "a key holds 1,024 bytes");
    }

    #[test]
    fn a_number_is_what_people_write_as_one() {
        for number in [
            "(03) 5555 6473",
            "+31612345678",
            " 0205568263 ",
            "+1 555-0100 x12",
        ] {
            assert_eq!(number.parse::<Phone>().unwrap().as_str(), number.trim());
        }
        for number in [
            "",
            "12",
            "call me",
            "123\n456",
            "١٢٣٤",
            "1\u{202e}234",
            &"1".repeat(41),
        ] {
            let refused = number.parse::<Phone>().unwrap_err();
            assert_eq!(refused.code, Code::PhoneInvalid, "{number}");
        }
    }

    #[test]
    fn nobody_is_born_tomorrow_anywhere() {
        // It is 2026-05-04 09:00 in UTC, and still the same day where clocks are 14 hours ahead.
        assert!(born(date(2026, 5, 4), now()).is_ok());
        assert!(born(date(2026, 5, 5), now()).is_err());
        assert!(born(date(2026, 5, 5), now() + SignedDuration::from_hours(1)).is_ok());
        assert!(born(date(1850, 1, 1), now()).is_ok());
        assert_eq!(
            born(date(1849, 12, 31), now()).unwrap_err().code,
            Code::DateInvalid
        );
    }

    #[test]
    fn personal_data_does_not_show_in_debug_output() {
        let shown = format!(
            "{:?} {:?}",
            name("Ada", "Lovelace"),
            "555 0100".parse::<Phone>().unwrap()
        );
        assert_eq!(shown, "FullName(…) Phone(…)");
    }
}
