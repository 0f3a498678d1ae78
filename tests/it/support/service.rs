//! One of the platform's own systems, and what it feeds.

use std::ops::Deref;

use portal_domain::ingest::RecordType;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, Person, Portal};

/// A system with a service token.
#[derive(Clone)]
pub(crate) struct Service {
    bearer: Person,
}

/// Its requests carry its secret.
impl Deref for Service {
    type Target = Person;

    fn deref(&self) -> &Person {
        &self.bearer
    }
}

/// The path of all service tokens.
pub(crate) const TOKENS: &str = "/v1/platform/service-tokens";

impl Portal {
    /// The system called `source`, which may feed everything, and read what was changed.
    pub(crate) async fn service(&self, source: &str) -> Service {
        let types = RecordType::ALL.iter().map(|of| of.as_str());
        let scopes: Vec<&str> = types.chain(["changes"]).collect();
        let wanted = json!({ "source": source, "scopes": scopes });
        let made = self.operator().post(TOKENS, wanted).await.expect(201);
        self.service_with(&made.text_at("/secret"))
    }

    /// A system with this secret.
    pub(crate) fn service_with(&self, secret: &str) -> Service {
        Service {
            bearer: self.person("service").with_token(secret),
        }
    }
}

impl Service {
    /// Sends lines about records of a type, as NDJSON.
    pub(crate) async fn feed(&self, of: &str, lines: &[Value]) -> Answer {
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        let body = lines.join("\n");
        self.send(of, "application/x-ndjson", body).await
    }

    /// Sends a batch as it is.
    pub(crate) async fn send(&self, of: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.bearer.request(Method::POST, &format!("/v1/ingest/{of}"));
        request.raw(content_type, body).send().await
    }

    /// What became of each of these lines, in a word.
    pub(crate) async fn outcomes(&self, of: &str, lines: &[Value]) -> Vec<String> {
        self.feed(of, lines).await.expect(200).outcomes()
    }
}

impl Answer {
    /// What became of each line of a batch, in a word; of those that failed, why and where.
    pub(crate) fn outcomes(&self) -> Vec<String> {
        let results = self.json()["results"].as_array().cloned().unwrap_or_default();
        let outcome = |(row, result): (usize, &Value)| {
            assert_eq!(result["row"], row, "{result}");
            let status = result["status"].as_str().unwrap_or_default();
            match &result["error"] {
                Value::Null => status.to_owned(),
                error => {
                    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
                    format!("{status} {} {}", text("code"), text("pointer"))
                        .trim_end()
                        .to_owned()
                }
            }
        };
        results.iter().enumerate().map(outcome).collect()
    }
}

/// A line that says what a record is in a version.
pub(crate) fn upsert(system: &str, name: &str, version: u64, data: &Value) -> Value {
    json!({
        "external": { "system": system, "value": name }, "op": "upsert", "version": version,
        "occurred_at": "2026-01-01T00:00:00Z", "data": data,
    })
}

/// A line that says that a record is no more, in a version.
pub(crate) fn delete(system: &str, name: &str, version: u64) -> Value {
    json!({
        "external": { "system": system, "value": name }, "op": "delete", "version": version,
        "occurred_at": "2026-01-01T00:00:00Z",
    })
}
