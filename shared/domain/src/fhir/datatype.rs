//! The data types of FHIR R4, as far as they are read here.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::code::{At, Code, Refusal};
use crate::external::{ExternalId, ExternalValue, SystemName};
use crate::fhir::element::Element;
use crate::fhir::{Kind, LogicalId};
use crate::locale::LanguageTag;
use crate::organization::ZoneName;

/// The extension by which FHIR tells a time zone.
const TIME_ZONE: &str = "http://hl7.org/fhir/StructureDefinition/timezone";

/// The naming system of languages.
const LANGUAGES: &str = "urn:ietf:bcp:47";

/// A date, or a time, as exact as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// All that is known is the year, or the month: from the first day to the last.
    Span(Date, Date),
    /// A day.
    Day(Date),
    /// An instant.
    Instant(Timestamp),
}

impl Told {
    /// The first day on which it may be.
    pub(super) fn first_day(self) -> Date {
        match self {
            Self::Span(day, _) | Self::Day(day) => day,
            Self::Instant(at) => at.to_zoned(TimeZone::UTC).date(),
        }
    }

    /// The last day on which it may be.
    pub(super) fn last_day(self) -> Date {
        match self {
            Self::Span(_, day) | Self::Day(day) => day,
            Self::Instant(at) => at.to_zoned(TimeZone::UTC).date(),
        }
    }

    /// The first instant at which it may be, by the days of UTC.
    pub(super) fn begin(self) -> Option<Timestamp> {
        match self {
            Self::Instant(at) => Some(at),
            Self::Span(day, _) | Self::Day(day) => start_of(day),
        }
    }

    /// The first instant at which it is over, by the days of UTC.
    pub(super) fn end(self) -> Option<Timestamp> {
        match self {
            Self::Instant(at) => Some(at),
            Self::Span(_, day) | Self::Day(day) => start_of(day.tomorrow().ok()?),
        }
    }
}

fn start_of(day: Date) -> Option<Timestamp> {
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Whether `text` has the shape of `mask`, in which `0` stands for a digit.
fn is_shaped(text: &str, mask: &str) -> bool {
    text.len() == mask.len()
        && text.bytes().zip(mask.bytes()).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            shape => byte == shape,
        })
}

/// A FHIR `instant`.
fn instant_in(text: &str) -> Option<Timestamp> {
    let (local, rest) = text.split_at_checked("0000-00-00T00:00:00".len())?;
    let zone = rest
        .trim_start_matches('.')
        .trim_start_matches(|c: char| c.is_ascii_digit());
    let fraction = &rest[..rest.len() - zone.len()];
    let has_fraction = fraction.is_empty() || (fraction.starts_with('.') && fraction.len() > 1);
    let has_zone = zone == "Z" || is_shaped(zone, "+00:00") || is_shaped(zone, "-00:00");
    let is_one = is_shaped(local, "0000-00-00T00:00:00") && has_fraction && has_zone;
    text.parse().ok().filter(|_| is_one)
}

fn told(text: &str) -> Option<Told> {
    let day = |text: &str| text.parse::<Date>().ok();
    if is_shaped(text, "0000") {
        return Some(Told::Span(
            day(&format!("{text}-01-01"))?,
            day(&format!("{text}-12-31"))?,
        ));
    }
    if is_shaped(text, "0000-00") {
        let first = day(&format!("{text}-01"))?;
        return Some(Told::Span(first, first.last_of_month()));
    }
    if is_shaped(text, "0000-00-00") {
        return day(text).map(Told::Day);
    }
    instant_in(text).map(Told::Instant)
}

/// The child `name` of the type `instant`.
pub(super) fn instant(of: &Element, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let read = |child: Element| {
        instant_in(child.text()?).ok_or_else(|| {
            child.refused(
                Code::DateInvalid,
                "must be an instant such as 2026-05-04T09:00:00Z",
            )
        })
    };
    of.get(name).map(read).transpose()
}

/// The child `name` of the type `dateTime`.
pub(super) fn date_time(of: &Element, name: &str) -> Result<Option<Told>, Refusal> {
    let read = |child: Element| {
        told(child.text()?).ok_or_else(|| {
            child.refused(
                Code::DateInvalid,
                "must be a date such as 2026, 2026-05 or 2026-05-04, or an instant",
            )
        })
    };
    of.get(name).map(read).transpose()
}

/// The child `name` of the type `date`.
pub(super) fn date(of: &Element, name: &str) -> Result<Option<Told>, Refusal> {
    let told = date_time(of, name)?;
    if let (Some(Told::Instant(_)), Some(child)) = (told, of.get(name)) {
        return Err(child.refused(Code::DateInvalid, "must be a date without a time"));
    }
    Ok(told)
}

/// A time of a day, to the minute.
pub(super) fn clock_time(of: &Element, name: &str) -> Result<Option<String>, Refusal> {
    let read = |child: Element| {
        let text = child.text()?;
        let (time, fraction) = text.split_at_checked("00:00:00".len()).unwrap_or((text, ""));
        let is_fraction =
            |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let is_exact = fraction.is_empty() || fraction.strip_prefix('.').is_some_and(is_fraction);
        let is_time = is_shaped(time, "00:00:00") && is_exact && time.parse::<jiff::civil::Time>().is_ok();
        match time.get(.."00:00".len()).filter(|_| is_time) {
            Some(minute) => Ok(minute.to_owned()),
            None => Err(child.refused(Code::FieldsInvalid, "must be a time such as 09:30:00")),
        }
    };
    of.get(name).map(read).transpose()
}

/// The start and the end of the child `name` of the type `Period`.
pub(super) fn period(of: &Element, name: &str) -> Result<(Option<Told>, Option<Told>), Refusal> {
    match of.complex(name)? {
        Some(period) => Ok((date_time(&period, "start")?, date_time(&period, "end")?)),
        None => Ok((None, None)),
    }
}

/// `start` and so many minutes.
pub(super) fn later(start: Timestamp, minutes: u32) -> Option<Timestamp> {
    start
        .checked_add(SignedDuration::from_mins(i64::from(minutes)))
        .ok()
}

/// What is in use no more: an identifier, a name, an address.
fn is_old(element: &Element) -> Result<bool, Refusal> {
    let told = element.text_of("use")?;
    Ok(matches!(told, Some("old" | "maiden")))
}

/// The external id that an element of the type `Identifier` tells; none without a naming system.
pub(super) fn identifier(element: &Element) -> Result<Option<ExternalId>, Refusal> {
    let system: Option<SystemName> = element.read("system")?;
    let value: Option<ExternalValue> = element.read("value")?;
    Ok(system
        .zip(value)
        .map(|(system, value)| ExternalId { system, value }))
}

/// The identifiers of a resource that are in use.
pub(super) fn identifiers(of: &Element) -> Result<Vec<ExternalId>, Refusal> {
    let mut found = Vec::new();
    for element in of.complexes("identifier")? {
        let has_both = element.get("system").is_some() && element.get("value").is_some();
        if has_both && !is_old(&element)? {
            found.extend(identifier(&element)?);
        }
    }
    Ok(found)
}

/// Some of the children `name` that are in use, the best first: those for which `rank` tells the least.
fn ranked<'a>(
    of: &Element<'a>,
    name: &str,
    rank: impl Fn(&Element<'a>) -> Result<Option<u32>, Refusal>,
) -> Result<Vec<Element<'a>>, Refusal> {
    let mut found = Vec::new();
    for element in of.complexes(name)? {
        if let Some(rank) = rank(&element)?
            && !is_old(&element)?
        {
            found.push((rank, element));
        }
    }
    found.sort_by_key(|(rank, _)| *rank);
    Ok(found.into_iter().map(|(_, element)| element).collect())
}

/// A text and the place it stands at.
pub(super) type Placed = (String, String);

/// A person's given names and family name: the official name, or else the one that is used most.
pub(super) struct PersonNames {
    pub(super) given: Option<Placed>,
    pub(super) family: Option<Placed>,
}

/// The name of a person.
pub(super) fn person_names(of: &Element) -> Result<PersonNames, Refusal> {
    let names = ranked(of, "name", |name| {
        Ok(match name.text_of("use")? {
            Some("official") => Some(0),
            Some("usual") => Some(1),
            None => Some(2),
            Some("temp") => Some(4),
            Some("anonymous") => None,
            Some(_) => Some(3),
        })
    })?;
    for name in names {
        let mut given = Vec::new();
        for part in name.list("given")? {
            given.push(part.text()?);
        }
        let given = (!given.is_empty()).then(|| (given.join(" "), format!("{}.given", name.path())));
        let text = |child: &str| -> Result<Option<Placed>, Refusal> {
            let text = name.text_of(child)?;
            Ok(text.map(|text| (text.to_owned(), format!("{}.{child}", name.path()))))
        };
        let family = text("family")?;
        let family = if given.is_none() && family.is_none() {
            text("text")?
        } else {
            family
        };
        if given.is_some() || family.is_some() {
            return Ok(PersonNames { given, family });
        }
    }
    Err(of.lacks("name"))
}

/// The value of the best contact point of one of these systems.
pub(super) fn contact_point(of: &Element, systems: &[&str]) -> Result<Option<Placed>, Refusal> {
    let points = ranked(of, "telecom", |point| {
        let is_one = point
            .text_of("system")?
            .is_some_and(|system| systems.contains(&system));
        let rank = point.count("rank")?.unwrap_or(u32::MAX);
        Ok((is_one && point.get("value").is_some()).then_some(rank))
    })?;
    let Some(value) = points.first().and_then(|point| point.get("value")) else {
        return Ok(None);
    };
    Ok(Some((value.text()?.to_owned(), value.path().to_owned())))
}

/// The lines of the best address: where somebody lives, rather than where mail goes.
pub(super) fn address_lines(of: &Element) -> Result<Vec<Placed>, Refusal> {
    let addresses = ranked(of, "address", |address| {
        let home = match address.text_of("use")? {
            Some("home") => 0,
            None => 1,
            Some(_) => 2,
        };
        let postal = u32::from(address.text_of("type")? == Some("postal"));
        Ok(Some(home * 2 + postal))
    })?;
    let Some(address) = addresses.first() else {
        return Ok(Vec::new());
    };
    let mut lines = Vec::new();
    for line in address.list("line")? {
        lines.push((line.text()?.to_owned(), line.path().to_owned()));
    }
    let mut town = Vec::new();
    for name in ["city", "state", "postalCode"] {
        town.extend(address.text_of(name)?);
    }
    if !town.is_empty() {
        lines.push((town.join(" "), format!("{}.city", address.path())));
    }
    if let Some(country) = address.text_of("country")? {
        lines.push((country.to_owned(), format!("{}.country", address.path())));
    }
    if let (true, Some(text)) = (lines.is_empty(), address.text_of("text")?) {
        let texts = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.extend(texts.map(|line| (line.to_owned(), format!("{}.text", address.path()))));
    }
    Ok(lines)
}

/// The codes of an element of the type `CodeableConcept`.
pub(super) fn codes<'a>(concept: &Element<'a>) -> Result<Vec<&'a str>, Refusal> {
    let mut codes = Vec::new();
    for coding in concept.complexes("coding")? {
        codes.extend(coding.text_of("code")?);
    }
    Ok(codes)
}

/// What an element of the type `CodeableConcept` is called by people: its text, or else a coding's display or code.
pub(super) fn concept(concept: &Element) -> Result<Option<Placed>, Refusal> {
    let codings = concept.complexes("coding")?;
    let texts = std::iter::once((concept, "text"))
        .chain(codings.iter().map(|coding| (coding, "display")))
        .chain(codings.iter().map(|coding| (coding, "code")));
    for (element, name) in texts {
        if let Some(text) = element.text_of(name)? {
            return Ok(Some((text.to_owned(), format!("{}.{name}", element.path()))));
        }
    }
    Ok(None)
}

/// The language that an element of the type `CodeableConcept` tells; none if it is told in another naming system.
pub(super) fn language(concept: &Element) -> Result<Option<LanguageTag>, Refusal> {
    for coding in concept.complexes("coding")? {
        if matches!(coding.text_of("system")?, None | Some(LANGUAGES)) {
            return coding.read("code");
        }
    }
    Ok(None)
}

/// The time zone that a resource tells by an extension.
pub(super) fn time_zone(of: &Element) -> Result<Option<(ZoneName, String)>, Refusal> {
    let Some(zone) = of.extension(TIME_ZONE, &["valueCode", "valueString"])? else {
        return Ok(None);
    };
    let name = ZoneName::try_from(zone.text()?.to_owned()).at(zone.path())?;
    Ok(Some((name, zone.path().to_owned())))
}

/// What an element of the type `Reference` points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// What is called so: by an identifier, or a search for one.
    Named(Option<Kind>, ExternalId),
    /// What has this id where it comes from.
    Literal(Kind, LogicalId),
    /// An entry of the same Bundle.
    Entry(String),
    /// A resource inside this one.
    Contained(String),
    /// A resource of a type that is not read.
    Other,
    /// A text for people.
    Nothing,
}

impl Target {
    /// What `reference` points at.
    pub(super) fn of(reference: &Element) -> Result<Self, Refusal> {
        let refused = |detail| Err(reference.refused(Code::FieldsInvalid, detail));
        let told = reference.text_of("type")?;
        let kind = match told.map(str::parse::<Kind>) {
            None => None,
            Some(Ok(kind)) => Some(kind),
            Some(Err(_)) => return Ok(Self::Other),
        };
        let Some(text) = reference.text_of("reference")? else {
            let identifier = reference.complex("identifier")?;
            let named = identifier.as_ref().map(identifier_of).transpose()?;
            return Ok(named.map_or(Self::Nothing, |external| Self::Named(kind, external)));
        };
        if let Some(id) = text.strip_prefix('#') {
            return Ok(Self::Contained(id.to_owned()));
        }
        if text.starts_with("urn:") {
            return Ok(Self::Entry(text.to_owned()));
        }
        if let Some((kind, query)) = text.split_once('?') {
            let kind = kind.rsplit('/').next().unwrap_or_default();
            return match kind.parse() {
                Ok(kind) => match searched(query) {
                    Some(external) => Ok(Self::Named(Some(kind), external)),
                    None => refused("only a search of the form ?identifier=system|value is read"),
                },
                Err(_) => Ok(Self::Other),
            };
        }
        let text = text.split("/_history/").next().unwrap_or(text);
        let Some((base, id)) = text.rsplit_once('/') else {
            return refused("must be a reference such as Patient/23");
        };
        let kind = base.rsplit('/').next().unwrap_or_default();
        match (kind.parse(), id.parse()) {
            (Ok(kind), Ok(id)) => Ok(Self::Literal(kind, id)),
            (Err(_), _) if kind.starts_with(|c: char| c.is_ascii_uppercase()) => Ok(Self::Other),
            _ => refused("must be a reference such as Patient/23"),
        }
    }
}

fn identifier_of(element: &Element) -> Result<ExternalId, Refusal> {
    identifier(element)?.ok_or_else(|| element.refused(Code::ElementMissing, "needs a system and a value"))
}

/// The identifier that a search such as `identifier=system|value` is for.
pub(super) fn searched(query: &str) -> Option<ExternalId> {
    let token = unescaped(query.strip_prefix("identifier=")?)?;
    let (system, value) = token.split_once('|')?;
    Some(ExternalId {
        system: system.parse().ok()?,
        value: value.parse().ok()?,
    })
}

/// `text` without its percent-encoding.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
