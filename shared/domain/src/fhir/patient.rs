//! Patients, and who sponsors them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::code::{Code, Refusal};
use crate::external::ExternalId;
use crate::fhir::datatype::{
    Told, address_lines, contact_point, date, date_time, language, person_names, time_zone,
};
use crate::fhir::draft::{Draft, State, TypedLine, named};
use crate::fhir::element::Element;
use crate::fhir::issue::Issue;
use crate::fhir::names::{Context, Resource};
use crate::fhir::{Kind, LOGICAL};
use crate::id::OrganizationId;
use crate::ingest::{RecordType, hex};
use crate::person::Gender;

const GENDERS: [Gender; 4] = [Gender::Male, Gender::Female, Gender::Other, Gender::Unknown];

/// The natural key of the enrollment of a patient with a sponsor: no resource has one.
fn enrollment_id(patient: &ExternalId, sponsor: OrganizationId) -> Result<ExternalId, Refusal> {
    let digest = Sha256::digest(format!("{} {}", patient.system, patient.value));
    Ok(ExternalId {
        system: LOGICAL.parse()?,
        value: format!("{}~{sponsor}", hex(&digest[..16])).parse()?,
    })
}

/// Whom `Patient.managingOrganization` names.
enum Manager {
    /// An organization of ours, which sponsors them.
    Sponsor(OrganizationId),
    /// The site they are registered at.
    Site(ExternalId),
}

fn manager(patient: &Element, context: &mut Context) -> Result<Option<(Manager, String)>, Refusal> {
    let Some(reference) = patient.complex("managingOrganization")? else {
        let site = context.options.site.clone();
        return Ok(site.map(|site| (Manager::Site(site), patient.path().to_owned())));
    };
    let path = reference.path().to_owned();
    let identifier = reference.complex("identifier")?;
    let called = match &identifier {
        Some(identifier) => identifier.text_of("value")?,
        None => reference
            .text_of("reference")?
            .and_then(|text| text.rsplit('/').next()),
    };
    if let Some(sponsor) = called.and_then(|called| called.parse().ok()) {
        return Ok(Some((Manager::Sponsor(sponsor), path)));
    }
    let found = context.target(&reference, patient, Some(Kind::Organization))?;
    let Some(organization) = found else {
        return Ok(None);
    };
    if organization.0 != Kind::Organization {
        return Err(reference.refused(Code::FieldsInvalid, "is of another type"));
    }
    let site = context.site_of(&organization).unwrap_or(organization.1);
    Ok(Some((Manager::Site(site), path)))
}

/// The patient who stays, of one who was the same as another.
fn replaced_by(patient: &Element, context: &mut Context) -> Result<Option<(ExternalId, String)>, Refusal> {
    for link in patient.complexes("link")? {
        let is_end = match link.text_of("type")? {
            Some("replaced-by") => true,
            Some("replaces" | "refer" | "seealso") => false,
            Some(_) => return Err(link.refused(Code::FieldsInvalid, "has a type that is none")),
            None => return Err(link.lacks("type")),
        };
        let other = link.complex("other")?.ok_or_else(|| link.lacks("other"))?;
        if let (true, Some((Kind::Patient, external))) =
            (is_end, context.target(&other, patient, Some(Kind::Patient))?)
        {
            return Ok(Some((external, other.path().to_owned())));
        }
    }
    Ok(None)
}

/// Whether somebody has died: their account is given up.
fn has_died(patient: &Element) -> Result<bool, Refusal> {
    let died = patient.flag("deceasedBoolean")? == Some(true);
    Ok(died || date_time(patient, "deceasedDateTime")?.is_some())
}

fn say_language(patient: &Element, draft: &mut Draft) -> Result<(), Refusal> {
    let told = patient.complexes("communication")?;
    let only = told.len() == 1;
    for communication in told {
        if only || communication.flag("preferred")? == Some(true) {
            let Some(concept) = communication.complex("language")? else {
                return Err(communication.lacks("language"));
            };
            if let Some(tag) = language(&concept)? {
                draft.say("locale", String::from(tag), concept.path());
            }
            return Ok(());
        }
    }
    Ok(())
}

fn say_birth(patient: &Element, draft: &mut Draft, notes: &mut Vec<Issue>) -> Result<(), Refusal> {
    match date(patient, "birthDate")? {
        Some(Told::Day(day)) => draft.say("birth_date", day.to_string(), "Patient.birthDate"),
        Some(_) => notes.push(Issue::note(
            "A birth date that is not a whole day is not taken.",
            Some("Patient.birthDate"),
        )),
        None => {}
    }
    Ok(())
}

/// The lines that say what `patient` does, as of `state`.
pub(super) fn lines(
    of: &Resource,
    patient: &Element,
    state: State,
    sponsors: &mut BTreeSet<OrganizationId>,
    notes: &mut Vec<Issue>,
    context: &mut Context,
    now: Timestamp,
) -> Result<Vec<TypedLine>, Refusal> {
    let mut draft = Draft::new(RecordType::Patients, of.1.clone(), patient.path());
    let names = person_names(patient)?;
    draft.say_text("given_name", names.given);
    draft.say_text("family_name", names.family);
    draft.say_text("email", contact_point(patient, &["email"])?);
    draft.say_text("phone", contact_point(patient, &["phone", "sms"])?);
    draft.say_texts("address", address_lines(patient)?);
    say_birth(patient, &mut draft, notes)?;
    if let Some(told) = patient.get("gender") {
        let text = told.text()?;
        let gender = GENDERS.iter().find(|gender| gender.as_str() == text);
        let gender = gender
            .ok_or_else(|| told.refused(Code::FieldsInvalid, "is none of male, female, other, unknown"))?;
        draft.say("gender", gender.as_str(), told.path());
    }
    say_language(patient, &mut draft)?;
    if let Some((zone, path)) = time_zone(patient)? {
        draft.say("time_zone", zone.as_str(), &path);
    }
    let is_active = patient.flag("active")?.unwrap_or(true) && !has_died(patient)?;
    if let Some((other, path)) = replaced_by(patient, context)? {
        draft.say("status", "merged", &path);
        draft.name("merged_into", &other, &path);
    } else if !is_active {
        draft.say("status", "deactivated", "Patient.active");
    }
    let mut sponsor = None;
    match manager(patient, context)? {
        Some((Manager::Site(site), path)) => {
            draft.say(
                "registrations",
                vec![serde_json::json!({ "site": named(&site) })],
                &path,
            );
        }
        Some((Manager::Sponsor(id), _)) => sponsor = Some(id),
        None => {}
    }
    let mut lines = vec![draft.line(state, now)?];
    sponsors.extend(sponsor);
    for known in sponsors.iter() {
        let path = format!("{}.managingOrganization", patient.path());
        let mut draft = Draft::new(RecordType::Enrollments, enrollment_id(&of.1, *known)?, &path);
        draft.name("patient", &of.1, &path);
        draft.say("sponsor", known.to_string(), &path);
        let status = match (sponsor == Some(*known), is_active) {
            (true, true) => "active",
            (true, false) => "inactive",
            (false, _) => "closed",
        };
        draft.say("status", status, &path);
        lines.push(draft.line(state, now)?);
    }
    Ok(lines)
}

/// The lines that delete a patient, and end what sponsors they had.
pub(super) fn deletions(
    of: &Resource,
    state: State,
    sponsors: &BTreeSet<OrganizationId>,
    now: Timestamp,
) -> Result<Vec<TypedLine>, Refusal> {
    let root = Kind::Patient.as_str();
    let ended = sponsors.iter().map(|sponsor| {
        let external = enrollment_id(&of.1, *sponsor)?;
        TypedLine::deletion(RecordType::Enrollments, &external, state, root, now)
    });
    let patient = TypedLine::deletion(RecordType::Patients, &of.1, state, root, now);
    std::iter::once(patient).chain(ended).collect()
}
