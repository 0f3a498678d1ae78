//! The event: payload format 2.0.

use std::collections::BTreeMap;

use axum::extract::ConnectInfo;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderMap, Version, header};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::net::SocketAddr;

/// Headers that the gateway speaks itself: what a client sends under these names does not reach the function.
const OWN_HEADERS: [&str; 4] = [
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-amzn-trace-id",
    "x-forwarded-for",
];

/// What is known of a request when its event is made.
pub(super) struct Received<'a> {
    pub(super) parts: &'a Parts,
    /// The decoded path.
    pub(super) path: &'a str,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) route_key: &'a str,
    pub(super) body: &'a [u8],
    pub(super) id: &'a str,
    pub(super) now: Timestamp,
}

/// The event as API Gateway sends it: the path decoded, the query as it came, headers in lower case and joined by commas,
/// cookies apart, a body that is not text in base64.
pub(super) fn event(received: &Received<'_>) -> Value {
    let parts = received.parts;
    let query = parts.uri.query().unwrap_or_default();
    let source = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or_else(|| "127.0.0.1".to_owned(), |info| info.ip().to_string());
    let host = text(&parts.headers, header::HOST.as_str());
    let protocol = if parts.version == Version::HTTP_10 {
        "HTTP/1.0"
    } else {
        "HTTP/1.1"
    };

    let mut event = json!({
        "version": "2.0",
        "routeKey": received.route_key,
        "rawPath": received.path,
        "rawQueryString": query,
        "headers": headers(&parts.headers, &source),
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": host,
            "domainPrefix": "local",
            "http": {
                "method": parts.method.as_str(),
                "path": received.path,
                "protocol": protocol,
                "sourceIp": source,
                "userAgent": text(&parts.headers, header::USER_AGENT.as_str()),
            },
            "requestId": received.id,
            "routeKey": received.route_key,
            "stage": "$default",
            "time": received.now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": received.now.as_millisecond(),
        },
        "isBase64Encoded": false,
    });
    let cookies = cookies(&parts.headers);
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !query.is_empty() {
        event["queryStringParameters"] = json!(query_parameters(query));
    }
    if !received.parameters.is_empty() {
        event["pathParameters"] = json!(received.parameters);
    }
    if !received.body.is_empty() {
        match std::str::from_utf8(received.body) {
            Ok(body) if is_text(&parts.headers) => event["body"] = json!(body),
            _ => {
                event["body"] = json!(STANDARD.encode(received.body));
                event["isBase64Encoded"] = json!(true);
            }
        }
    }
    event
}

/// A header as text: bytes outside ASCII are read as Latin-1, as the gateway does.
fn text(headers: &HeaderMap, name: &str) -> String {
    headers
        .get(name)
        .map(|value| value.as_bytes().iter().copied().map(char::from).collect())
        .unwrap_or_default()
}

fn headers(given: &HeaderMap, source: &str) -> Map<String, Value> {
    let mut joined: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, value) in given {
        if name != header::COOKIE && !OWN_HEADERS.contains(&name.as_str()) {
            joined
                .entry(name.as_str())
                .or_default()
                .push(value.as_bytes().iter().copied().map(char::from).collect());
        }
    }
    let mut headers: Map<String, Value> = joined
        .into_iter()
        .map(|(name, values)| (name.to_owned(), json!(values.join(","))))
        .collect();
    // The gateway appends the address it sees to what the client claims.
    let claimed = text(given, "x-forwarded-for");
    let chain = if claimed.is_empty() {
        source.to_owned()
    } else {
        format!("{claimed}, {source}")
    };
    headers.insert("x-forwarded-for".to_owned(), json!(chain));
    headers.insert("x-forwarded-port".to_owned(), json!("443"));
    headers.insert("x-forwarded-proto".to_owned(), json!("https"));
    headers
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let lines = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .map(|cookie| cookie.trim().to_owned())
        .filter(|cookie| !cookie.is_empty())
        .collect()
}

/// Decoded parameters; those given more than once joined by commas.
fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let joined = parameters
            .get(name.as_ref())
            .map(|earlier| format!("{earlier},{value}"));
        parameters.insert(name.into_owned(), joined.unwrap_or_else(|| value.into_owned()));
    }
    parameters
}

/// Whether the gateway passes a body of this type as text.
fn is_text(headers: &HeaderMap) -> bool {
    let kind = text(headers, header::CONTENT_TYPE.as_str()).to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.starts_with("text/")
        || ["application/json", "application/xml", "application/javascript"].contains(&kind)
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
}
