//! Records as a source tells them, written into the table without its requests: for scenes that need people to be there.
//!
//! In these, a source calls a site by the id that it has here, and patients and specialists as it likes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portal_domain::change::{Change, Write};
use portal_domain::external::{ExternalId, Sourced, Stamp};
use portal_domain::id::{OrganizationId, PatientId};
use portal_domain::note::{Note, NoteRecord, NoteReferences};
use portal_domain::patient::{
    Enrollment, EnrollmentRecord, EnrollmentReferences, Patient, PatientRecord, PatientReferences,
};
use portal_domain::person::{Place, PresenceRecord};
use portal_domain::specialist::{Specialist, SpecialistRecord, SpecialistReferences};
use portal_store::Store;
use serde_json::{Value, json};

use crate::stack::Failure;

/// The name of the source.
pub const SOURCE: &str = "platform";

/// What the source calls `value`: in visible ASCII, whatever that is written in.
fn external(value: &str) -> Result<ExternalId, Failure> {
    let value = value.escape_default().to_string().replace(' ', "_");
    Ok(serde_json::from_value(
        json!({ "system": "urn:portal:scene", "value": value }),
    )?)
}

/// That somebody is at `site` since `joined_at`, as the source says it.
#[must_use]
pub fn at_site(site: &str, joined_at: Timestamp) -> Value {
    json!({ "site": { "system": "urn:portal:scene", "value": site }, "joined_at": joined_at })
}

fn sourced(name: &str, now: Timestamp) -> Result<Sourced, Failure> {
    Ok(Sourced {
        source: SOURCE.parse()?,
        // Names in naming systems have no blanks.
        external: external(&name.replace(' ', "-"))?,
        stamp: Stamp {
            version: None,
            occurred_at: now,
        },
        digest: String::new(),
    })
}

fn places(presences: &[PresenceRecord]) -> Result<BTreeMap<ExternalId, Place>, Failure> {
    let mut places = BTreeMap::new();
    for presence in presences {
        let site = presence.site.value.as_str().parse()?;
        places.insert(presence.site.clone(), Place { site, shards: 1 });
    }
    Ok(places)
}

async fn write(store: &Store, write: Write, now: Timestamp) -> Result<(), Failure> {
    Ok(store.commit(&Change::default().write(write), None, now).await?)
}

/// The patient called `name`, in place of the one that is there, as `record` says.
///
/// # Errors
/// When the record breaks a rule.
pub fn told_patient(
    name: &str,
    record: Value,
    kept: Option<&Patient>,
    now: Timestamp,
) -> Result<Patient, Failure> {
    let record: PatientRecord = serde_json::from_value(record)?;
    let references = PatientReferences {
        merged_into: record
            .merged_into
            .as_ref()
            .map(|patient| patient.value.as_str().parse())
            .transpose()?,
        sites: places(&record.registrations)?,
    };
    Ok(Patient::taken(
        record,
        &references,
        sourced(name, now)?,
        kept,
        now,
    )?)
}

/// The same, written.
///
/// # Errors
/// When the record breaks a rule or is not written.
pub async fn patient(
    store: &Store,
    name: &str,
    record: Value,
    kept: Option<&Patient>,
    now: Timestamp,
) -> Result<Patient, Failure> {
    put_patient(store, told_patient(name, record, kept, now)?, kept, now).await
}

/// The patient as the source has deleted it.
///
/// # Errors
/// When that is not written.
pub async fn delete_patient(store: &Store, kept: &Patient, now: Timestamp) -> Result<Patient, Failure> {
    put_patient(store, kept.deleted(sourced("gone", now)?, now), Some(kept), now).await
}

/// The patient as one that nobody feeds.
///
/// # Errors
/// When that is not written.
pub async fn adopt_patient(store: &Store, kept: &Patient, now: Timestamp) -> Result<Patient, Failure> {
    let adopted = Patient {
        sourced: None,
        rev: kept.rev + 1,
        ..kept.clone()
    };
    put_patient(store, adopted, Some(kept), now).await
}

async fn put_patient(
    store: &Store,
    patient: Patient,
    kept: Option<&Patient>,
    now: Timestamp,
) -> Result<Patient, Failure> {
    let put = Write::PatientPut {
        new: Box::new(patient.clone()),
        old: kept.cloned().map(Box::new),
    };
    write(store, put, now).await?;
    Ok(patient)
}

/// The specialist called `name`, in place of the one that is there, as `record` says.
///
/// # Errors
/// When the record breaks a rule.
pub fn told_specialist(
    name: &str,
    record: Value,
    kept: Option<&Specialist>,
    now: Timestamp,
) -> Result<Specialist, Failure> {
    let record: SpecialistRecord = serde_json::from_value(record)?;
    let references = SpecialistReferences {
        sites: places(&record.assignments)?,
    };
    Ok(Specialist::taken(
        record,
        &references,
        sourced(name, now)?,
        kept,
        now,
    )?)
}

/// The same, written.
///
/// # Errors
/// When the record breaks a rule or is not written.
pub async fn specialist(
    store: &Store,
    name: &str,
    record: Value,
    kept: Option<&Specialist>,
    now: Timestamp,
) -> Result<Specialist, Failure> {
    let specialist = told_specialist(name, record, kept, now)?;
    let put = Write::SpecialistPut {
        new: Box::new(specialist.clone()),
        old: kept.cloned().map(Box::new),
    };
    write(store, put, now).await?;
    Ok(specialist)
}

/// A note of the source on a patient.
///
/// # Errors
/// When the note breaks a rule or is not written.
pub async fn note(store: &Store, patient: PatientId, text: &str, now: Timestamp) -> Result<Note, Failure> {
    let record = NoteRecord {
        patient: external("patient")?,
        text: text.parse()?,
        author_name: Some("Nora Lind".parse()?),
        written_at: now.into(),
    };
    let note = Note::taken(
        record,
        NoteReferences { patient },
        sourced("note", now)?,
        None,
        now,
    )?;
    write(store, Write::NotePut(Box::new(note.clone())), now).await?;
    Ok(note)
}

/// The enrollment of a patient by `sponsor`.
///
/// # Errors
/// When that is not written.
pub async fn enrollment(
    store: &Store,
    patient: PatientId,
    sponsor: OrganizationId,
    now: Timestamp,
) -> Result<Enrollment, Failure> {
    let record: EnrollmentRecord = serde_json::from_value(json!({
        "patient": external("patient")?, "sponsor": sponsor, "status": "active", "enrolled_at": now,
        "eligibility_reference": "E-1001",
    }))?;
    let references = EnrollmentReferences { patient, site: None };
    let enrollment = Enrollment::taken(record, references, sourced("enrollment", now)?, None, now)?;
    write(store, Write::EnrollmentPut(Box::new(enrollment.clone())), now).await?;
    Ok(enrollment)
}
