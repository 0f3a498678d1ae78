//! The requests about patients and specialists.

use jiff::Timestamp;
use portal_domain::patient::Patient;
use portal_domain::specialist::Specialist;
use serde_json::{Value, json};

use super::Scene;
use super::cost::Priced;
use super::person::Request;
use super::sites::wide;
use crate::feed;
use crate::stack::Failure;

/// A patient's record.
fn patient_record(site: &str, joined_at: Timestamp) -> Value {
    json!({
        "given_name": "Mia", "family_name": "Okafor", "birth_date": "1990-12-10", "gender": "female",
        "locale": "de-AT", "time_zone": "Europe/Vienna", "referral_source": "insurer",
        "email": "mia.okafor@hillside.example", "phone": "+43 1 234 56 78", "address": ["Ring 1", "1010 Wien"],
        "registrations": [feed::at_site(site, joined_at)],
    })
}

/// The record of a specialist who was put forward.
fn specialist_record(site: &str, joined_at: Timestamp) -> Value {
    json!({
        "given_name": "Greta", "family_name": "Vogel", "email": "greta.vogel@hillside.example",
        "locale": "de-AT", "time_zone": "Europe/Vienna", "languages": ["de", "en"],
        "specializations": ["Sleep", "Anxiety"], "expertise": ["Cognitive behavioural therapy"],
        "education": ["M.Sc. Psychology"], "experience_years": 12, "session_minutes": 50,
        "price": { "amount_minor": 9_000, "currency": "EUR" },
        "availability": [{ "day": "monday", "from": "09:00", "until": "12:00" }],
        "credentials": [{ "kind": "Licence to practise", "number": "L-4711", "check": "verified", "required": true }],
        "submitted_at": joined_at, "assignments": [feed::at_site(site, joined_at)],
    })
}

impl Scene<'_> {
    /// A site that the organization owns.
    async fn own_site(&self) -> Result<String, Failure> {
        let body = json!({ "name": "Riverside" });
        self.founder.post(&self.path("/sites"), body).await?.id()
    }

    async fn patient(&self) -> Result<Patient, Failure> {
        let (site, now) = (self.own_site().await?, self.probe.stack.clock.now());
        let store = &self.probe.stack.app.store;
        feed::patient(store, "mia", patient_record(&site, now), None, now).await
    }

    async fn specialist(&self) -> Result<Specialist, Failure> {
        let (site, now) = (self.own_site().await?, self.probe.stack.clock.now());
        let store = &self.probe.stack.app.store;
        feed::specialist(store, "greta", specialist_record(&site, now), None, now).await
    }

    /// Lets the organization see the whole platform.
    async fn overseeing(&self) -> Result<(), Failure> {
        let mut ceiling = wide();
        ceiling["directory"] = "platform".into();
        let path = format!("/v1/platform/organizations/{}", self.organization);
        let seen = self.operator.get(&path).await?.etag;
        let allowed = Request::patch(path, seen, json!({ "ceiling": ceiling }));
        self.operator.send(&allowed).await?.success()?;
        let path = self.path("/access");
        let seen = self.seen(&path).await?;
        let body = json!({ "scope": "both", "directory": "platform", "registration": "open", "sites": [] });
        let configured = Request::put(path, Some(seen), body);
        self.founder.send(&configured).await?.success().map(drop)
    }

    /// A request of `operation` that succeeds, if it is one of these.
    pub(super) async fn about_directory(&self, operation: &str) -> Result<Option<Request>, Failure> {
        let text = || json!({ "text": "Prefers mornings." });
        Ok(Some(match operation {
            "list_patients" => {
                self.patient().await?;
                Request::get(self.path("/patients"))
            }
            "get_patient" | "update_patient" | "create_note" | "list_notes" | "get_note" | "update_note" => {
                let path = self.path(&format!("/patients/{}", self.patient().await?.id));
                let notes = format!("{path}/notes");
                match operation {
                    "get_patient" => Request::get(path),
                    "update_patient" => {
                        let seen = self.seen(&path).await?;
                        Request::patch(path, seen, json!({ "time_zone": "Europe/Berlin" }))
                    }
                    "create_note" => Request::post(notes, text()),
                    _ => {
                        let note = self.founder.post(&notes, text()).await?;
                        let path = format!("{notes}/{}", note.id()?);
                        match operation {
                            "list_notes" => Request::get(notes),
                            "get_note" => Request::get(path),
                            _ => Request::patch(path, note.etag, json!({ "text": "Prefers evenings." })),
                        }
                    }
                }
            }
            "list_specialists" => {
                self.specialist().await?;
                Request::get(self.path("/specialists"))
            }
            "get_specialist" | "update_specialist" | "review_specialist" => {
                let path = self.path(&format!("/specialists/{}", self.specialist().await?.id));
                let seen = self.seen(&path).await?;
                match operation {
                    "get_specialist" => Request::get(path),
                    "update_specialist" => Request::patch(path, seen, json!({ "session_minutes": 25 })),
                    _ => Request {
                        if_match: Some(seen),
                        ..Request::post(format!("{path}/review"), json!({ "step": "begin" }))
                    },
                }
            }
            _ => return Ok(None),
        }))
    }

    /// What it costs to give another name to a patient who was made here: all copies are written, under other tokens.
    pub(super) async fn renamed(&self) -> Result<Priced, Failure> {
        let patient = self.patient().await?;
        let (store, now) = (&self.probe.stack.app.store, self.probe.stack.clock.now());
        let patient = feed::adopt_patient(store, &patient, now).await?;
        let path = self.path(&format!("/patients/{}", patient.id));
        let seen = self.seen(&path).await?;
        let request = Request::patch(path, seen, json!({ "family_name": "Adichie" }));
        self.probe
            .price(
                "update_patient",
                "made here, another name",
                &self.founder,
                &request,
            )
            .await
    }

    /// What a directory costs in its other orders, searched, and over the whole platform.
    pub(super) async fn directory_in_all_ways(&self, operation: &str) -> Result<Vec<Priced>, Failure> {
        let path = match self.about_directory(operation).await? {
            Some(request) => request.path,
            None => return Ok(Vec::new()),
        };
        let mut priced = Vec::new();
        for (case, query) in [("newest first", "sort=newest"), ("searched", "search=v")] {
            let request = Request::get(format!("{path}?{query}"));
            priced.push(self.probe.price(operation, case, &self.founder, &request).await?);
        }
        self.overseeing().await?;
        for (case, query) in [
            ("the whole platform", "sort=name"),
            ("the whole platform, newest first", "sort=newest"),
        ] {
            let request = Request::get(format!("{path}?{query}"));
            priced.push(self.probe.price(operation, case, &self.founder, &request).await?);
        }
        Ok(priced)
    }
}
