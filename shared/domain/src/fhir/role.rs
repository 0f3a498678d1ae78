//! Roles of practitioners: at which sites, in which specialties and when.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::code::{Code, Refusal};
use crate::external::ExternalId;
use crate::fhir::Kind;
use crate::fhir::datatype::{Told, clock_time, concept, period};
use crate::fhir::draft::{Draft, State, TypedLine, named};
use crate::fhir::element::Element;
use crate::fhir::names::{Context, Resource};
use crate::ingest::RecordType;

/// The days of the week, as FHIR and as we call them.
const DAYS: [(&str, &str); 7] = [
    ("mon", "monday"),
    ("tue", "tuesday"),
    ("wed", "wednesday"),
    ("thu", "thursday"),
    ("fri", "friday"),
    ("sat", "saturday"),
    ("sun", "sunday"),
];

/// The practitioner whose role it is.
pub(super) fn practitioner(role: &Element, context: &mut Context) -> Result<Resource, Refusal> {
    let reference = role
        .complex("practitioner")?
        .ok_or_else(|| role.lacks("practitioner"))?;
    match context.target(&reference, role, Some(Kind::Practitioner))? {
        Some(found) if found.0 == Kind::Practitioner => Ok(found),
        _ => Err(reference.refused(Code::FieldsInvalid, "must be a Practitioner")),
    }
}

/// The sites at which the role is: those of its places, or of its organization.
fn sites(role: &Element, context: &mut Context) -> Result<Vec<(ExternalId, String)>, Refusal> {
    let mut named = Vec::new();
    for location in role.complexes("location")? {
        let found = context.target(&location, role, Some(Kind::Location))?;
        named.extend(found.map(|found| (found, location.path().to_owned())));
    }
    let places = named.len();
    if let Some(organization) = role.complex("organization")? {
        let found = context.target(&organization, role, Some(Kind::Organization))?;
        named.extend(found.map(|found| (found, organization.path().to_owned())));
    }
    let mut told = BTreeSet::new();
    let mut sites = Vec::new();
    for (at, (found, path)) in named.iter().enumerate() {
        // What the organization is called counts where no place is at a site.
        if at >= places && !sites.is_empty() {
            break;
        }
        let site = context.site_of(found);
        sites.extend(
            site.filter(|site| told.insert(site.clone()))
                .map(|site| (site, path.clone())),
        );
    }
    if let (true, Some(((_, external), path))) = (sites.is_empty(), named.pop()) {
        sites.push((external, path));
    }
    if let (true, Some(site)) = (sites.is_empty(), context.options.site.clone()) {
        sites.push((site, role.path().to_owned()));
    }
    Ok(sites)
}

/// The windows of a week that an `availableTime` tells.
fn windows(available: &Element) -> Result<Vec<Value>, Refusal> {
    let mut days = Vec::new();
    for day in available.list("daysOfWeek")? {
        let text = day.text()?;
        let found = DAYS.iter().find(|(code, _)| *code == text);
        let (_, ours) =
            found.ok_or_else(|| day.refused(Code::FieldsInvalid, "must be a day from mon to sun"))?;
        days.push(*ours);
    }
    if days.is_empty() {
        days.extend(DAYS.iter().map(|(_, ours)| *ours));
    }
    let from = clock_time(available, "availableStartTime")?;
    let until = clock_time(available, "availableEndTime")?;
    let is_all_day = available.flag("allDay")? == Some(true);
    let from = from.filter(|_| !is_all_day).unwrap_or_else(|| "00:00".to_owned());
    let until = until.filter(|_| !is_all_day).map_or_else(
        || "24:00".to_owned(),
        |until| {
            if until == "00:00" {
                "24:00".to_owned()
            } else {
                until
            }
        },
    );
    let window = |day: &&str| json!({ "day": day, "from": from, "until": until });
    Ok(days.iter().map(window).collect())
}

/// The line that says what `role`, one of the specialist `whose`, does, as of `state`.
pub(super) fn line(
    of: &Resource,
    role: &Element,
    whose: &Resource,
    state: State,
    context: &mut Context,
    now: Timestamp,
) -> Result<TypedLine, Refusal> {
    let mut draft = Draft::new(RecordType::Assignments, of.1.clone(), role.path());
    draft.name("specialist", &whose.1, "PractitionerRole.practitioner");
    let sites = sites(role, context)?;
    if !sites.is_empty() {
        for (at, (_, path)) in sites.iter().enumerate() {
            draft.place(&format!("sites/{at}"), path);
        }
        let sites: Vec<Value> = sites.iter().map(|(site, _)| named(site)).collect();
        draft.say("sites", sites, "PractitionerRole.location");
    }
    let (since, until) = period(role, "period")?;
    if let Some(since) = since.and_then(Told::begin) {
        draft.say("since", since.to_string(), "PractitionerRole.period.start");
    }
    if let Some(until) = until.and_then(Told::end) {
        draft.say("until", until.to_string(), "PractitionerRole.period.end");
    }
    if role.flag("active")? == Some(false) {
        draft.say("status", "inactive", "PractitionerRole.active");
    }
    let mut specialties = Vec::new();
    for specialty in role.complexes("specialty")? {
        specialties.extend(concept(&specialty)?);
    }
    draft.say_texts("specializations", specialties);
    let mut availability = Vec::new();
    for available in role.complexes("availableTime")? {
        for window in windows(&available)? {
            draft.place(&format!("availability/{}", availability.len()), available.path());
            availability.push(window);
        }
    }
    if !availability.is_empty() {
        draft.say("availability", availability, "PractitionerRole.availableTime");
    }
    draft.line(state, now)
}
