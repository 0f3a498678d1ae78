//! The requests about imports, and files that are brought.

use http::Method;
use portal_domain::import::FileHash;
use portal_domain::ingest::RecordType;
use serde_json::{Value, json};

use super::person::{Person, Request};
use super::{Probe, Scene};
use crate::stack::Failure;

const IMPORTS: &str = "/v1/imports";

/// What asks for an import of these bytes.
pub(super) fn asking(of: &str, file: &[u8]) -> Request {
    let sha256 = FileHash::of(file);
    let body = json!({ "type": of, "format": "ndjson", "length": file.len(), "sha256": sha256 });
    Request::post(IMPORTS, body)
}

impl Probe {
    /// `service` asks for an import of these lines and brings them; the import's id.
    ///
    /// # Errors
    /// When either is refused.
    pub async fn import(&self, service: &Person, of: &str, file: Vec<u8>) -> Result<String, Failure> {
        let asked = service.send(&asking(of, &file)).await?.success()?;
        let upload = &asked.body["upload"];
        let url = upload["url"].as_str().ok_or("a new import has a link")?;
        let mut bringing = self.client.request(Method::PUT, url).body(file);
        for (name, value) in upload["headers"].as_object().into_iter().flatten() {
            bringing = bringing.header(name, value.as_str().unwrap_or_default());
        }
        let brought = bringing.send().await?;
        if !brought.status().is_success() {
            return Err(format!("the file is not taken: {}", brought.text().await?).into());
        }
        asked.id()
    }

    /// An import as its source is told of it.
    ///
    /// # Errors
    /// When it is not told.
    pub async fn imported(&self, service: &Person, import: &str) -> Result<Value, Failure> {
        let told = service.get(&format!("{IMPORTS}/{import}")).await?;
        Ok(told.success()?.body)
    }
}

impl Scene<'_> {
    /// A source imports something of each type, changes it, and deletes it again.
    ///
    /// # Errors
    /// When an import is not completed, or a line fails that should not.
    pub async fn import_everything(&self) -> Result<(), Failure> {
        let service = self.probe.service().await?;
        for of in RecordType::ALL.iter().map(|of| of.as_str()) {
            let line = |version: u64, op: &str, data: Option<Value>| {
                json!({
                    "external": { "system": of, "value": "1" }, "op": op, "version": version,
                    "occurred_at": "2026-01-01T00:00:00Z", "data": data,
                })
            };
            let new = line(1, "upsert", Some(self.record(of, "One")));
            let again = line(2, "upsert", Some(self.record(of, "Two")));
            let other = json!({ "external": {} });
            for (lines, failed) in [(vec![new], 0), (vec![again, other], 1)] {
                let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
                let file = lines.join("\n").into_bytes();
                let import = self.probe.import(&service, of, file).await?;
                self.probe.stack.settle().await?;
                let told = self.probe.imported(&service, &import).await?;
                if told["status"] != "completed" || told["counts"]["failed"] != failed {
                    return Err(format!("the import of {of}: {told}").into());
                }
            }
        }
        // What names others goes before them.
        for of in [
            "notes",
            "transactions",
            "bookings",
            "enrollments",
            "assignments",
            "specialists",
            "patients",
        ] {
            let line = json!({
                "external": { "system": of, "value": "1" }, "op": "delete", "version": 3,
                "occurred_at": "2026-01-01T00:00:00Z",
            });
            let file = format!("{line}\n").into_bytes();
            let import = self.probe.import(&service, of, file).await?;
            self.probe.stack.settle().await?;
            let told = self.probe.imported(&service, &import).await?;
            if told["counts"]["updated"] != 1 {
                return Err(format!("the import of {of} that are deleted: {told}").into());
            }
        }
        Ok(())
    }

    /// What a source says of its first record of a type; `word` is in it where it can be.
    fn record(&self, of: &str, word: &str) -> Value {
        let name = |of: &str| json!({ "system": of, "value": "1" });
        let joined_at = "2026-01-01T00:00:00Z";
        match of {
            "sites" => json!({ "name": format!("Lakeside {word}"), "status": "live" }),
            "patients" => json!({
                "given_name": word, "family_name": "Berg", "registrations": [{ "site": name("sites"), "joined_at": joined_at }],
            }),
            "specialists" => json!({
                "given_name": word, "family_name": "Vogel", "assignments": [{ "site": name("sites"), "joined_at": joined_at }],
            }),
            "assignments" => json!({
                "specialist": name("specialists"), "sites": [name("sites")], "since": joined_at, "specializations": [word],
            }),
            "enrollments" => json!({
                "patient": name("patients"), "sponsor": self.organization, "status": "active",
                "enrolled_at": if word == "One" { joined_at } else { "2026-01-02T00:00:00Z" },
            }),
            "bookings" => json!({
                "site": name("sites"), "patient": name("patients"), "specialist": name("specialists"), "service": word,
                "status": "booked", "modality": "video", "start": "2026-06-01T09:00:00Z", "end": "2026-06-01T09:50:00Z",
            }),
            "transactions" => json!({
                "kind": "payment", "status": if word == "One" { "processing" } else { "succeeded" }, "amount_minor": 9_000,
                "currency": "EUR", "occurred_at": "2026-05-30T09:00:00Z", "site": name("sites"), "patient": name("patients"),
            }),
            _ => json!({ "patient": name("patients"), "text": word, "written_at": joined_at }),
        }
    }

    /// A request of `operation` that succeeds, if it is one of these.
    pub(super) async fn about_imports(&self, operation: &str) -> Result<Option<Request>, Failure> {
        let asking = || asking("patients", b"");
        Ok(match operation {
            "create_import" => Some(asking()),
            "list_imports" => Some(Request::get(IMPORTS)),
            "get_import" => {
                let service = self.probe.service().await?;
                let made = service.send(&asking()).await?.success()?;
                Some(Request::get(format!("{IMPORTS}/{}", made.id()?)))
            }
            _ => None,
        })
    }
}
