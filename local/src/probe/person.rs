//! Somebody who asks, and what they are answered.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use http::Method;
use portal_domain::id::AccountId;
use portal_store::request::Tally;
use serde_json::{Value, json};

use super::routes;
use crate::stack::Failure;

/// Somebody; without a token, nobody.
#[derive(Clone)]
pub struct Person {
    /// Their account.
    pub account: AccountId,
    /// What the identity provider calls them.
    pub subject: String,
    /// Their address.
    pub email: String,
    pub(super) token: Option<String>,
    pub(super) base: String,
    pub(super) client: reqwest::Client,
}

/// A request in the making.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub path: String,
    /// Its body.
    pub body: Option<Value>,
    /// The revision that the caller has seen.
    pub if_match: Option<String>,
    /// The key of its effect.
    pub idempotency_key: String,
}

static KEYS: AtomicU32 = AtomicU32::new(0);

impl Request {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        let key = KEYS.fetch_add(1, Ordering::Relaxed);
        Self {
            method,
            path: path.into(),
            body: None,
            if_match: None,
            idempotency_key: format!("key-{key:08}"),
        }
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: impl Into<String>, body: Value) -> Self {
        Self {
            body: Some(body),
            ..Self::new(Method::POST, path)
        }
    }

    pub(super) fn patch(path: impl Into<String>, seen: String, body: Value) -> Self {
        Self {
            body: Some(body),
            if_match: Some(seen),
            ..Self::new(Method::PATCH, path)
        }
    }

    pub(super) fn put(path: impl Into<String>, seen: Option<String>, body: Value) -> Self {
        Self {
            body: Some(body),
            if_match: seen,
            ..Self::new(Method::PUT, path)
        }
    }

    pub(super) fn delete(path: impl Into<String>, seen: Option<String>) -> Self {
        Self {
            if_match: seen,
            ..Self::new(Method::DELETE, path)
        }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The problem's code; empty for a success.
    pub code: String,
    /// The problem's detail.
    pub detail: String,
    /// The body as it came.
    pub text: String,
    /// The body; null if it is no JSON.
    pub body: Value,
    /// The resource's revision.
    pub etag: String,
    /// What the request cost.
    pub cost: Tally,
}

impl Answer {
    async fn of(response: reqwest::Response) -> Result<Self, Failure> {
        let header = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (etag, timing) = (header("etag"), header("server-timing"));
        let status = response.status().as_u16();
        let text = response.text().await?;
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        let of_problem = |name: &str| match status {
            400.. => body[name].as_str().unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        Ok(Self {
            status,
            code: of_problem("code"),
            detail: of_problem("detail"),
            cost: tally(&timing).unwrap_or_default(),
            text,
            body,
            etag,
        })
    }

    /// The answer, if it is a success.
    ///
    /// # Errors
    /// Tells the answer.
    pub fn success(self) -> Result<Self, Failure> {
        match self.status {
            200..300 => Ok(self),
            status => Err(format!("{status} {}", self.text).into()),
        }
    }

    /// The id of the resource.
    pub(super) fn id(&self) -> Result<String, Failure> {
        Ok(self.body["id"].as_str().ok_or("no id")?.to_owned())
    }
}

/// What a `server-timing` header says of the table.
fn tally(timing: &str) -> Option<Tally> {
    let figure = |name: &str| {
        let rest = timing.split_once(&format!("{name}="))?.1;
        rest.split([' ', '"']).next()
    };
    Some(Tally {
        round_trips: figure("round-trips")?.parse().ok()?,
        read_units: figure("read-units")?.parse().ok()?,
        write_units: figure("write-units")?.parse().ok()?,
    })
}

impl Person {
    /// Sends a request.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(&self, request: &Request) -> Result<Answer, Failure> {
        let url = format!("{}{}", self.base, request.path);
        let mut sending = self.client.request(request.method.clone(), url);
        if let Some(token) = &self.token {
            sending = sending.bearer_auth(token);
        }
        if let Some(seen) = &request.if_match {
            sending = sending.header("if-match", seen);
        }
        if request.method == Method::POST {
            sending = sending.header("idempotency-key", &request.idempotency_key);
        }
        if let Some(body) = &request.body {
            sending = sending
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        Answer::of(sending.send().await?).await
    }

    /// The same request as the event that API Gateway makes of it.
    ///
    /// # Errors
    /// When there is no such route.
    pub fn event(&self, operation: &str, request: &Request) -> Result<String, Failure> {
        let route = routes().into_iter().find(|route| route.operation == operation);
        let route = route.ok_or_else(|| format!("there is no {operation}"))?;
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let parameters: BTreeMap<&str, &str> = route
            .path
            .split('/')
            .zip(path.split('/'))
            .filter_map(|(name, value)| Some((name.strip_prefix('{')?.strip_suffix('}')?, value)))
            .collect();
        let mut headers = BTreeMap::from([("host", "bench".to_owned()), ("user-agent", "bench".to_owned())]);
        headers.extend(
            self.token
                .as_ref()
                .map(|token| ("authorization", format!("Bearer {token}"))),
        );
        headers.extend(request.if_match.clone().map(|seen| ("if-match", seen)));
        let key = format!("{} {}", route.method, route.path);
        let event = json!({
            "version": "2.0", "routeKey": key, "rawPath": path, "rawQueryString": query, "headers": headers,
            "pathParameters": parameters, "body": request.body.as_ref().map(Value::to_string),
            "isBase64Encoded": false,
            "requestContext": {
                "accountId": "000000000000", "apiId": "bench", "domainName": "bench", "domainPrefix": "bench",
                "http": { "method": route.method.as_str(), "path": path, "protocol": "HTTP/1.1",
                          "sourceIp": "127.0.0.1", "userAgent": "bench" },
                "requestId": "bench", "routeKey": key, "stage": "$default",
                "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 1_767_225_600_000_u64,
            },
        });
        Ok(event.to_string())
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.send(&Request::get(path)).await?.success()
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Result<Answer, Failure> {
        self.send(&Request::post(path, body)).await?.success()
    }
}
