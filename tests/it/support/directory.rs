//! Patients and specialists, as their source tells of them.

use jiff::Timestamp;
use portal_domain::access::{Access, Phase};
use portal_domain::account::{Account, Identity};
use portal_domain::audit::Origin;
use portal_domain::configuration::{Configuration, Directory};
use portal_domain::id::{AccountId, OrganizationId};
use portal_domain::membership::Membership;
use portal_domain::note::Note;
use portal_domain::organization::{Organization, Settings, State};
use portal_domain::patient::{Enrollment, Patient};
use portal_domain::reach::Reach;
use portal_domain::role::Role;
use portal_domain::specialist::Specialist;
use portal_local::feed;
use serde_json::{Value, json};

use super::{Person, Portal};

/// `record` with the fields of `more` over its own.
fn with(mut record: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().expect("fields") {
        record[name] = value.clone();
    }
    record
}

/// The reach of somebody who sees the whole platform.
fn everything() -> Reach {
    let now = Timestamp::UNIX_EPOCH;
    let id = OrganizationId::mint(now);
    let mut organization = Organization {
        id,
        root: id,
        path: Vec::new(),
        name: "Everything".parse().expect("a name"),
        state: State::Active,
        settings: Settings::default(),
        configuration: Configuration::default(),
        roles: Vec::new(),
        access_rev: 1,
        rev: 1,
        created_at: now,
        updated_at: now,
    };
    organization.configuration.directory = Directory::Platform;
    let identity = Identity {
        account: AccountId::of("tests", "everybody"),
        verified_email: None,
        name: None,
    };
    let (account, email) = (
        Account::first_seen(&identity, now),
        "everybody@riverside.example".parse(),
    );
    let email = email.expect("an address");
    let membership = Membership::new(&account, email, &organization, Role::Admin, now);
    let access = Access::resolve(
        Some(organization),
        vec![membership],
        None,
        Phase::Active,
        Origin::default(),
        now,
    );
    access.expect("a right").reach().expect("a reach")
}

impl Portal {
    fn at_sites(&self, sites: &[&str]) -> Vec<Value> {
        let now = self.clock.now();
        sites.iter().map(|site| feed::at_site(site, now)).collect()
    }

    /// The record of somebody called so, who is at `sites` since now, with `more` fields.
    pub(crate) fn patient_record(&self, name: &str, sites: &[&str], more: &Value) -> Value {
        let (given, family) = name.split_once(' ').unwrap_or((name, name));
        let local: String = given.chars().filter(char::is_ascii_alphabetic).collect();
        let email = match local.as_str() {
            "" => "somebody@hillside.example".to_owned(),
            local => format!("{}@hillside.example", local.to_ascii_lowercase()),
        };
        let record = json!({
            "given_name": given, "family_name": family, "email": email, "time_zone": "Europe/London",
            "registrations": self.at_sites(sites),
        });
        with(record, more)
    }

    /// A new patient of this name at `sites`.
    pub(crate) async fn patient(&self, name: &str, sites: &[&str]) -> Patient {
        self.patient_with(name, sites, &json!({})).await
    }

    /// A new patient with `more` fields.
    pub(crate) async fn patient_with(&self, name: &str, sites: &[&str], more: &Value) -> Patient {
        let (record, now) = (self.patient_record(name, sites, more), self.clock.now());
        let told = feed::patient(&self.app.store, name, record, None, now).await;
        told.expect("a patient")
    }

    /// The source tells of a patient again.
    pub(crate) async fn told_again(&self, patient: &Patient, record: Value) -> Patient {
        let (store, now) = (&self.app.store, self.clock.now());
        let kept = self.known_patient(patient).await;
        let told = feed::patient(store, "again", record, Some(&kept), now).await;
        told.expect("a patient")
    }

    /// The source deletes a patient.
    pub(crate) async fn delete_patient(&self, patient: &Patient) {
        let (store, now) = (&self.app.store, self.clock.now());
        feed::delete_patient(store, patient, now).await.expect("deleted");
    }

    /// A new patient whom no source feeds.
    pub(crate) async fn own_patient(&self, name: &str, sites: &[&str]) -> Patient {
        let (patient, now) = (self.patient(name, sites).await, self.clock.now());
        let adopted = feed::adopt_patient(&self.app.store, &patient, now).await;
        adopted.expect("a patient")
    }

    /// A patient as the table has it, whoever may see it.
    pub(crate) async fn known_patient(&self, patient: &Patient) -> Patient {
        let sought = self.app.store.patient(patient.id).await.expect("readable");
        sought.within(&everything()).expect("there")
    }

    /// A note on a patient that the source brings.
    pub(crate) async fn told_note(&self, patient: &Patient, text: &str) -> Note {
        let (store, now) = (&self.app.store, self.clock.now());
        feed::note(store, patient.id, text, now).await.expect("a note")
    }

    /// An organization enrolls a patient.
    pub(crate) async fn enrolled(&self, patient: &Patient, sponsor: OrganizationId) -> Enrollment {
        let (store, now) = (&self.app.store, self.clock.now());
        let enrollment = feed::enrollment(store, patient.id, sponsor, now).await;
        enrollment.expect("an enrollment")
    }

    /// The record of a specialist called so, who practises at `sites` since now and is put forward, with `more` fields.
    pub(crate) fn specialist_record(&self, name: &str, sites: &[&str], more: &Value) -> Value {
        let (given, family) = name.split_once(' ').unwrap_or((name, name));
        let record = json!({
            "given_name": given, "family_name": family, "email": "doctor@hillside.example",
            "time_zone": "Europe/Berlin", "specializations": ["Sleep"], "session_minutes": 50,
            "price": { "amount_minor": 9_000, "currency": "EUR" }, "submitted_at": self.clock.now(),
            "assignments": self.at_sites(sites),
        });
        with(record, more)
    }

    /// A new specialist of this name at `sites`.
    pub(crate) async fn specialist(&self, name: &str, sites: &[&str]) -> Specialist {
        self.specialist_with(name, sites, &json!({})).await
    }

    /// A new specialist with `more` fields.
    pub(crate) async fn specialist_with(&self, name: &str, sites: &[&str], more: &Value) -> Specialist {
        let (record, now) = (self.specialist_record(name, sites, more), self.clock.now());
        let told = feed::specialist(&self.app.store, name, record, None, now).await;
        told.expect("a specialist")
    }

    /// The source tells of a specialist again.
    pub(crate) async fn specialist_again(&self, specialist: &Specialist, record: Value) -> Specialist {
        let (store, now) = (&self.app.store, self.clock.now());
        let sought = store.specialist(specialist.id).await.expect("readable");
        let kept = sought.within(&everything()).expect("there");
        let told = feed::specialist(store, "again", record, Some(&kept), now).await;
        told.expect("a specialist")
    }
}

/// The whole names in a list, in its order.
pub(crate) async fn names(person: &Person, path: &str) -> Vec<String> {
    let items = person.all(path).await;
    let name = |item: &Value| item["name"]["full"].as_str().expect("a name").to_owned();
    items.iter().map(name).collect()
}
