//! The requests about service tokens, and those that are made with one.

use portal_domain::ingest::RecordType;
use serde_json::{Value, json};

use super::person::{Person, Request};
use super::{Probe, Scene};
use crate::stack::Failure;

const TOKENS: &str = "/v1/platform/service-tokens";

/// A token for all that there is to feed.
fn token() -> Value {
    let types = RecordType::ALL.iter().map(|of| of.as_str());
    let scopes: Vec<&str> = types.chain(["changes"]).collect();
    json!({ "source": "platform", "scopes": scopes })
}

impl Probe {
    /// One of the platform's own systems, with a service token that was not used yet.
    ///
    /// # Errors
    /// When the operator cannot make one.
    pub async fn service(&self) -> Result<Person, Failure> {
        let made = self.operator()?.post(TOKENS, token()).await?;
        let secret = made.body["secret"].as_str().ok_or("a new token has a secret")?;
        Ok(Person {
            token: Some(secret.to_owned()),
            ..self.person()?
        })
    }

    /// Lets a source tell of a patient, and that it is no more.
    ///
    /// # Errors
    /// When a batch is refused.
    pub async fn patient_who_goes(&self) -> Result<(), Failure> {
        let service = self.service().await?;
        for batch in [site(), patient(), gone_patient()] {
            service.send(&batch).await?.success()?;
        }
        Ok(())
    }
}

/// A batch of one line about the record called `value`, in a version of it.
fn batch(of: &str, value: &str, version: u64, op: &str, data: Option<&Value>) -> Request {
    let line = json!({
        "external": { "system": of, "value": value }, "op": op, "version": version, "occurred_at": "2026-01-01T00:00:00Z",
        "data": data,
    });
    Request::post(format!("/v1/ingest/{of}"), json!([line]))
}

/// A batch of a site that is not known.
pub(super) fn site() -> Request {
    let data = json!({ "name": "Lakeside Online", "status": "live" });
    batch("sites", "lakeside", 1, "upsert", Some(&data))
}

/// A batch of a patient of that site.
pub(super) fn patient() -> Request {
    let data = json!({
        "given_name": "Mia", "family_name": "Berg",
        "registrations": [{ "site": { "system": "sites", "value": "lakeside" }, "joined_at": "2026-01-01T00:00:00Z" }],
    });
    batch("patients", "mia", 1, "upsert", Some(&data))
}

/// A batch of one line that deletes the patient.
pub(super) fn gone_patient() -> Request {
    batch("patients", "mia", 2, "delete", None)
}

/// A patient in FHIR who is not known.
pub(super) fn resource() -> Request {
    let patient = json!({
        "resourceType": "Patient", "id": "17", "meta": { "versionId": "1", "lastUpdated": "2026-01-01T00:00:00Z" },
        "identifier": [{ "system": "mrn", "value": "17" }], "name": [{ "family": "Berg", "given": ["Mia"] }],
    });
    Request::post("/v1/fhir/R4", patient)
}

impl Scene<'_> {
    /// A request of `operation` that succeeds, if it is one of these.
    pub(super) async fn about_services(&self, operation: &str) -> Result<Option<Request>, Failure> {
        Ok(Some(match operation {
            "create_service_token" => Request::post(TOKENS, token()),
            "list_service_tokens" => Request::get(TOKENS),
            "get_service_token" | "rotate_service_token" | "revoke_service_token" => {
                let made = self.operator.post(TOKENS, token()).await?;
                let path = format!("{TOKENS}/{}", made.id()?);
                match operation {
                    "get_service_token" => Request::get(path),
                    "revoke_service_token" => Request::delete(path, Some(made.etag)),
                    _ => Request::post(format!("{path}/rotate"), json!({ "overlap_seconds": 60 })),
                }
            }
            "ingest_records" => site(),
            "list_changes" => Request::get("/v1/changes"),
            "take_resources" => resource(),
            _ => return self.about_imports(operation).await,
        }))
    }
}
