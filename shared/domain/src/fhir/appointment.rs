//! Appointments: one patient with one specialist, as far as a booking is.

use jiff::Timestamp;
use serde_json::json;

use crate::booking::{Modality, Participation, Party, Status};
use crate::code::{Code, Refusal};
use crate::external::ExternalId;
use crate::fhir::Kind;
use crate::fhir::datatype::{Placed, codes, concept, instant, later};
use crate::fhir::draft::{Draft, State, TypedLine};
use crate::fhir::element::Element;
use crate::fhir::issue::Issue;
use crate::fhir::names::{Context, Resource};
use crate::ingest::RecordType;

/// Our extension by which an Appointment tells how people meet: as `valueCode`, one of the words of a booking's modality.
const MODALITY: &str = "urn:organization-portal:modality";

/// The extension by which R5's `Appointment.virtualService` is told in R4.
const VIRTUAL_SERVICE: &str =
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-Appointment.virtualService";

/// The code of a virtual encounter (v3 `ActCode`).
const VIRTUAL: &str = "VR";

/// The role of whom an appointment is with, among several (v3 `ParticipationType`).
const PRIMARY_PERFORMER: &str = "PPRF";

/// What a booking is for that does not say so.
const SERVICE: &str = "Appointment";

/// The reason of what has none: FHIR needs none.
const UNSPECIFIED: &str = "unspecified";

/// The longest reason that is taken as it is.
const LONGEST_REASON: usize = 60;

/// Somebody who takes part, and what they say to it.
struct Participant {
    who: Resource,
    path: String,
    says: Participation,
    status_path: String,
    is_primary: bool,
}

/// Who takes part, as far as bookings know them, and where.
struct Participants {
    patient: Participant,
    specialist: Participant,
    places: Vec<(Resource, String)>,
}

fn invariant(appointment: &Element, detail: &'static str) -> Refusal {
    Refusal::new(Code::ParticipantsInvalid, detail).at(format!("{}.participant", appointment.path()))
}

fn participants(
    appointment: &Element,
    notes: &mut Vec<Issue>,
    context: &mut Context,
) -> Result<Participants, Refusal> {
    let (mut patients, mut specialists, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for told in appointment.complexes("participant")? {
        let says: Participation = told.read("status")?.ok_or_else(|| told.lacks("status"))?;
        let Some(actor) = told.complex("actor")? else {
            continue;
        };
        let Some(who) = context.target(&actor, appointment, None)? else {
            continue;
        };
        let mut is_primary = false;
        for role in told.complexes("type")? {
            is_primary |= codes(&role)?.contains(&PRIMARY_PERFORMER);
        }
        let path = actor.path().to_owned();
        let participant = |who| Participant {
            who,
            path: path.clone(),
            says,
            status_path: format!("{}.status", told.path()),
            is_primary,
        };
        match who.0 {
            Kind::Patient => patients.push(participant(who)),
            Kind::Practitioner => specialists.push(participant(who)),
            Kind::PractitionerRole => match context.around(&who) {
                Some(practitioner) => specialists.push(participant(practitioner)),
                None => return Err(actor.refused(Code::ReferenceUnknown, "is no role that was told of")),
            },
            Kind::Location | Kind::Organization => places.push((who, path)),
            Kind::Appointment => {
                return Err(actor.refused(Code::FieldsInvalid, "cannot take part in an appointment"));
            }
        }
    }
    let several = patients.len() > 1;
    let patient = patients.pop().filter(|_| !several);
    let patient =
        patient.ok_or_else(|| invariant(appointment, "exactly one Patient takes part in a booking"))?;
    let first = specialists
        .iter()
        .position(|participant| participant.is_primary)
        .unwrap_or(0);
    if specialists.is_empty() {
        return Err(invariant(
            appointment,
            "at least one Practitioner takes part in a booking",
        ));
    }
    let specialist = specialists.swap_remove(first);
    if specialists.iter().any(|other| other.who != specialist.who) {
        notes.push(Issue::note(
            "A booking is with one specialist: the first primary performer, or else the first Practitioner. Others are not taken.",
            Some("Appointment.participant"),
        ));
    }
    Ok(Participants {
        patient,
        specialist,
        places,
    })
}

/// The site of an appointment: that of its places, or else the one that the request says.
fn site(
    appointment: &Element,
    places: &[(Resource, String)],
    context: &mut Context,
) -> Result<(ExternalId, String), Refusal> {
    for (place, path) in places {
        if let Some(site) = context.site_of(place) {
            return Ok((site, path.clone()));
        }
    }
    if let Some(site) = context.options.site.clone() {
        return Ok((site, appointment.path().to_owned()));
    }
    match places.first() {
        Some((place, path)) => Ok((place.1.clone(), path.clone())),
        None => Err(Refusal::new(
            Code::ElementMissing,
            "a participating Location, or the parameter site of the request, tells where it is",
        )
        .at(format!("{}.participant", appointment.path()))),
    }
}

/// The concepts that tell what an appointment is for, the most telling first.
fn purposes<'a>(appointment: &Element<'a>) -> Result<Vec<Element<'a>>, Refusal> {
    let mut found = appointment.complexes("serviceType")?;
    found.extend(appointment.complexes("serviceCategory")?);
    found.extend(appointment.complex("appointmentType")?);
    Ok(found)
}

fn service(appointment: &Element) -> Result<Placed, Refusal> {
    for purpose in purposes(appointment)? {
        if let Some(service) = concept(&purpose)? {
            return Ok(service);
        }
    }
    Ok((SERVICE.to_owned(), appointment.path().to_owned()))
}

fn modality(appointment: &Element, is_somewhere: bool) -> Result<(Modality, String), Refusal> {
    for extension in appointment.complexes("extension")? {
        match extension.text_of("url")? {
            Some(MODALITY) => {
                let told = extension.read("valueCode")?;
                let told = told.ok_or_else(|| extension.lacks("valueCode"))?;
                return Ok((told, extension.path().to_owned()));
            }
            Some(VIRTUAL_SERVICE) => return Ok((Modality::Video, extension.path().to_owned())),
            _ => {}
        }
    }
    for purpose in purposes(appointment)? {
        if codes(&purpose)?.contains(&VIRTUAL) {
            return Ok((Modality::Video, purpose.path().to_owned()));
        }
    }
    let told = if is_somewhere {
        Modality::InPerson
    } else {
        Modality::Video
    };
    Ok((told, appointment.path().to_owned()))
}

/// The first and the last instant; an appointment may tell how long it is in place of its end.
fn say_period(appointment: &Element, draft: &mut Draft) -> Result<(), Refusal> {
    let start = instant(appointment, "start")?;
    let told = instant(appointment, "end")?;
    let minutes = appointment.count("minutesDuration")?;
    let end = match (start, told, minutes) {
        (Some(start), None, Some(minutes)) => later(start, minutes).map(|end| (end, "minutesDuration")),
        (_, told, _) => told.map(|end| (end, "end")),
    };
    if let Some(start) = start {
        draft.say("start", start.to_string(), "Appointment.start");
    }
    if let Some((end, name)) = end {
        draft.say("end", end.to_string(), &format!("Appointment.{name}"));
    }
    Ok(())
}

/// Who is behind a reason of HL7's `appointment-cancellation-reason`.
fn party(reason: &str) -> Party {
    match reason.split('-').next() {
        Some("pat") => Party::Patient,
        Some("prov") => Party::Specialist,
        _ => Party::Organization,
    }
}

/// Why it is as it is. A booking that ends, or is corrected, needs a reason; in FHIR that of a cancellation is optional, and
/// others have none.
fn say_reason(appointment: &Element, status: Status, draft: &mut Draft) -> Result<(), Refusal> {
    let told = appointment.complex("cancelationReason")?;
    let has_one = matches!(status, Status::Cancelled | Status::NoShow);
    let reason = match &told {
        Some(told) if !has_one => {
            return Err(told.refused(
                Code::InvariantBroken,
                "only what was cancelled, or where somebody did not come, has one",
            ));
        }
        Some(told) => codes(told)?.first().map(|code| code.to_ascii_lowercase()),
        None => None,
    };
    let is_plain = |reason: &String| {
        let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        reason.len() <= LONGEST_REASON && reason.bytes().all(is_part)
    };
    let reason = reason.filter(is_plain).unwrap_or_else(|| UNSPECIFIED.to_owned());
    let path = told.map_or_else(|| "Appointment.status".to_owned(), |told| told.path().to_owned());
    if status == Status::Cancelled {
        draft.say("status_by", party(&reason).as_str(), &path);
    }
    if !status.is_open() {
        draft.say("status_reason", reason, &path);
    }
    Ok(())
}

/// The line that says what `appointment` does, as of `state`.
pub(super) fn line(
    of: &Resource,
    appointment: &Element,
    state: State,
    notes: &mut Vec<Issue>,
    context: &mut Context,
    now: Timestamp,
) -> Result<TypedLine, Refusal> {
    let mut draft = Draft::new(RecordType::Bookings, of.1.clone(), appointment.path());
    let status: Status = appointment
        .read("status")?
        .ok_or_else(|| appointment.lacks("status"))?;
    draft.say("status", status.as_str(), "Appointment.status");
    let Participants {
        patient,
        specialist,
        places,
    } = participants(appointment, notes, context)?;
    let (site, path) = site(appointment, &places, context)?;
    draft.name("site", &site, &path);
    draft.name("patient", &patient.who.1, &patient.path);
    draft.name("specialist", &specialist.who.1, &specialist.path);
    draft.say(
        "participants",
        json!({ "patient": patient.says.as_str(), "specialist": specialist.says.as_str() }),
        "Appointment.participant",
    );
    draft.place("participants/patient", &patient.status_path);
    draft.place("participants/specialist", &specialist.status_path);
    draft.say_text("service", Some(service(appointment)?));
    let is_somewhere = places.iter().any(|(place, _)| place.0 == Kind::Location);
    let (modality, path) = modality(appointment, is_somewhere)?;
    draft.say("modality", modality.as_str(), &path);
    say_period(appointment, &mut draft)?;
    say_reason(appointment, status, &mut draft)?;
    draft.line(state, now)
}
