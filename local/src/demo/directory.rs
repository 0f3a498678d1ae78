//! Who is in the clinic's directories: its patients with a note or two, and its specialists in all stages of their review.

use jiff::{SignedDuration, Timestamp};
use portal_domain::change::{Change, Write};
use portal_domain::id::{AccountId, SiteId};
use portal_domain::note::{Author, Note};
use portal_domain::patient::Patient;
use portal_domain::specialist::{Decided, Review, Specialist};
use serde_json::{Value, json};

use super::ids;
use super::script::Script;
use crate::feed;
use crate::stack::Failure;

/// Whether somebody is at the site online, in the city, or at both.
const ONLINE: &[SiteId] = &[ids::ONLINE];
const CITY: &[SiteId] = &[ids::CITY];
const BOTH: &[SiteId] = &[ids::ONLINE, ids::CITY];

/// Given names, family name, birth date, locale, time zone (missing for some, as in life), referral source, sites.
type Told = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [SiteId],
);

#[rustfmt::skip]
const PATIENTS: &[Told] = &[
    ("Mia",          "Abara",      "1990-12-10", "en-IE", "Europe/Dublin",    "insurer",  BOTH),
    ("Noah",         "Brennan",    "1984-03-02", "en-IE", "Europe/Dublin",    "employer", ONLINE),
    ("Lena",         "Fischer",    "1999-07-21", "de-DE", "Europe/Berlin",    "search",   ONLINE),
    ("Oskar",        "Lind",       "1971-01-30", "sv-SE", "Europe/Stockholm", "insurer",  BOTH),
    ("Amara",        "Okafor",     "1993-05-16", "en-GB", "Europe/London",    "friend",   BOTH),
    ("José",         "Álvarez",    "1988-11-08", "es-ES", "Europe/Madrid",    "insurer",  CITY),
    ("Maria Luisa",  "de la Cruz", "1965-09-27", "es-MX", "",                 "doctor",   CITY),
    ("Wei",          "Zhang",      "2001-02-14", "zh-Hans", "Asia/Shanghai",  "search",   ONLINE),
    ("Ingrid",       "Østergaard", "1978-06-03", "da-DK", "Europe/Copenhagen", "employer", CITY),
    ("Tomasz",       "Kowalski",   "1995-10-19", "pl-PL", "Europe/Warsaw",    "employer", ONLINE),
    ("Anne-Sophie",  "Dubois",     "1982-04-11", "fr-FR", "Europe/Paris",     "friend",   BOTH),
    ("Kofi",         "Mensah",     "1969-08-23", "en-GB", "",                 "doctor",   CITY),
    ("Yuki",         "Tanaka",     "1997-03-29", "ja-JP", "Asia/Tokyo",       "search",   ONLINE),
    ("Ивана",        "Петровић",   "1986-12-01", "sr-Cyrl", "Europe/Belgrade", "insurer", ONLINE),
];

/// Given names, family name, what they are specialized in, sites.
type Practising = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [SiteId],
);

#[rustfmt::skip]
const SPECIALISTS: &[Practising] = &[
    ("Greta",  "Vogel",    &["Sleep", "Anxiety"],           BOTH),
    ("Samuel", "Adeyemi",  &["Grief", "Trauma"],            ONLINE),
    ("Clara",  "Moreau",   &["Couples"],                    CITY),
    ("Henrik", "Dahl",     &["Pain", "Rehabilitation"],     CITY),
    ("Priya",  "Natarajan", &["Children and adolescents"],  ONLINE),
];

/// The name of the patient with this number, the first being 1.
pub(super) fn patient_name(number: usize) -> String {
    let (given, family, ..) = PATIENTS[number - 1];
    format!("{given} {family}")
}

/// The name of the specialist with this number, the first being 1.
pub(super) fn specialist_name(number: usize) -> String {
    let (given, family, ..) = SPECIALISTS[number - 1];
    format!("{given} {family}")
}

fn patient_record(
    (given, family, born, locale, zone, referral, sites): Told,
    number: u64,
    at: Timestamp,
) -> Value {
    let registrations: Vec<Value> = sites
        .iter()
        .map(|site| feed::at_site(&site.to_string(), at))
        .collect();
    json!({
        "given_name": given, "family_name": family, "birth_date": born, "gender": "unknown", "locale": locale,
        "time_zone": (!zone.is_empty()).then_some(zone), "referral_source": referral,
        "email": format!("patient{number}@hillside.example"), "phone": format!("+353 20 912 {number:04}"),
        "address": [format!("{number} Mill Lane"), "Dublin"], "registrations": registrations,
    })
}

fn specialist_record(
    (given, family, specializations, sites): Practising,
    number: u64,
    at: Timestamp,
) -> Value {
    let assignments: Vec<Value> = sites
        .iter()
        .map(|site| feed::at_site(&site.to_string(), at))
        .collect();
    json!({
        "given_name": given, "family_name": family, "email": format!("specialist{number}@hillside.example"),
        "locale": "en-IE", "time_zone": "Europe/Dublin", "languages": ["en"], "specializations": specializations,
        "education": ["M.Sc. Psychology, Riverside University"], "experience_years": 6 + number,
        "session_minutes": 50, "price": { "amount_minor": 8_000 + 500 * number, "currency": "EUR" },
        "availability": [
            { "day": "monday", "from": "09:00", "until": "12:30" }, { "day": "thursday", "from": "13:00", "until": "18:00" },
        ],
        "credentials": [{
            "kind": "Licence to practise", "number": format!("PSY-{number:05}"), "issuer": "State Board", "jurisdiction": "IE",
            "valid_from": "2020-01-01", "valid_to": "2039-12-31", "check": "verified", "required": true,
        }],
        "submitted_at": at, "assignments": assignments,
    })
}

/// The first waits to be looked at; then one is looked at, and the rest are approved but the last, who has to hand something in.
fn review(number: u64, by: AccountId, at: Timestamp) -> Result<Review, Failure> {
    let decided = |reason: Option<&str>| -> Result<Decided, Failure> {
        let reason = reason.map(str::parse).transpose()?;
        Ok(Decided { by, at, reason })
    };
    Ok(match number {
        1 => Review::Submitted { at },
        2 => Review::InReview(decided(None)?),
        5 => Review::ChangesRequested(decided(Some("The licence's second page is missing."))?),
        _ => Review::Approved(decided(None)?),
    })
}

/// Patients, notes and specialists, fed since the clinic `began`.
pub(super) fn write(script: &mut Script, founder: AccountId, began: Timestamp) -> Result<(), Failure> {
    let later = |number: u64| began + SignedDuration::from_hours(24 + 7 * i64::try_from(number).unwrap_or(0));
    for (told, number) in PATIENTS.iter().zip(1..) {
        let at = later(number);
        let record = patient_record(*told, number, at);
        let patient = Patient {
            id: ids::patient(number),
            ..feed::told_patient(&format!("p-{number}"), record, None, at)?
        };
        let new = Box::new(patient);
        script.add_alone(Change::default().write(Write::PatientPut { new, old: None }));
    }
    for (practising, number) in SPECIALISTS.iter().zip(1..) {
        let at = later(number);
        let record = specialist_record(*practising, number, at);
        let specialist = Specialist {
            id: ids::specialist(number),
            review: review(number, founder, at)?,
            ..feed::told_specialist(&format!("s-{number}"), record, None, at)?
        };
        let new = Box::new(specialist);
        script.add_alone(Change::default().write(Write::SpecialistPut { new, old: None }));
    }
    for (number, text) in [
        (1, "Prefers mornings."),
        (2, "Asked to be called back about the invoice."),
    ] {
        let at = later(100 + number);
        let note = Note {
            id: ids::note(number),
            patient: ids::patient(1),
            author: Author::Member {
                organization: ids::RIVERSIDE,
                account: founder,
                name: Some("Dana Whitfield".parse()?),
            },
            text: Some(text.parse()?),
            written_at: at,
            sourced: None,
            rev: 1,
            created_at: at,
            updated_at: at,
        };
        script.add(Change::default().write(Write::NotePut(Box::new(note))));
    }
    Ok(())
}
