//! Two ways past the HTTP client's good manners: events to a function itself, and bytes to the gateway.

use lambda_http::request::LambdaRequest;
use lambda_runtime::{Context, LambdaEvent};
use portal_app::{InviteWeb, Part as _, Web};
use portal_http::Function;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::ServiceExt as _;

use super::{Answer, Portal};

/// Every route: its function, method and path, from the functions' own descriptions.
pub(crate) fn routes() -> Vec<(&'static str, Method, String)> {
    let described = portal_local::functions::described().into_iter();
    described
        .flat_map(|function| {
            let routes = portal_local::functions::routes(&function.document).into_iter();
            routes.map(move |(method, path)| (function.name, method, path))
        })
        .collect()
}

/// The event of a request with these headers; the path is decoded already, as the gateway hands it over.
pub(crate) fn event(method: &Method, path: &str, headers: &[(&str, &str)]) -> Value {
    let headers: Value = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000", "apiId": "local", "domainName": "api.portal.example", "domainPrefix": "api",
            "http": { "method": method.as_str(), "path": path, "protocol": "HTTP/1.1", "sourceIp": "198.51.100.7", "userAgent": "test" },
            "requestId": "direct-request", "routeKey": "$default", "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 1_767_225_600_000_u64,
        },
        "isBase64Encoded": false,
    })
}

/// The function's answer to an event.
pub(crate) async fn invoke(function: &Function, event: &Value) -> Answer {
    let request: LambdaRequest =
        serde_json::from_str(&event.to_string()).expect("an event that a function reads");
    let answer = function
        .clone()
        .oneshot(LambdaEvent::new(request, Context::default()))
        .await
        .expect("a function answers");
    let answer = serde_json::to_value(answer).expect("an answer that the gateway reads");
    let of = |member: &str| answer[member].as_object().cloned().unwrap_or_default();
    let several = of("multiValueHeaders").into_iter().flat_map(|(name, values)| {
        let values = values.as_array().cloned().unwrap_or_default();
        values.into_iter().map(move |value| (name.clone(), value))
    });
    let headers: HeaderMap = of("headers")
        .into_iter()
        .chain(several)
        .map(|(name, value)| {
            let value = value.as_str().unwrap_or_default();
            (
                HeaderName::try_from(name).expect("a header's name"),
                HeaderValue::try_from(value).expect("a header's value"),
            )
        })
        .collect();
    Answer {
        status: u16::try_from(answer["statusCode"].as_u64().expect("a status")).expect("a status"),
        headers,
        text: answer["body"].as_str().unwrap_or_default().to_owned(),
    }
}

impl Portal {
    /// The function called `name`, in a sandbox of its own.
    pub(crate) fn function(&self, name: &str) -> Function {
        let web = || Web::build(self.config(0)).expect("a complete configuration");
        match name {
            "organizations" => organizations::routes().into_function(&web()),
            "invites" => invites::routes()
                .into_function(&InviteWeb::build(self.config(0)).expect("a complete configuration")),
            "members" => members::routes().into_function(&web()),
            "audit" => audit::routes().into_function(&web()),
            other => panic!("no function behind the gateway is called {other}"),
        }
    }

    /// What the gateway answers to these very bytes; `head` is a request line and headers.
    pub(crate) async fn exchange(&self, head: &str, body: &[u8]) -> Answer {
        let host = self.base.trim_start_matches("http://");
        let mut stream = tokio::net::TcpStream::connect(host)
            .await
            .expect("the gateway listens");
        let message = format!(
            "{head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut answer = Vec::new();
        // A refusal may come, and the connection end, before all was sent.
        let _ = stream.write_all(message.as_bytes()).await;
        let _ = stream.write_all(body).await;
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).expect("an answer is text");
        let (head, text) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| {
                (
                    HeaderName::try_from(name).expect("a header's name"),
                    HeaderValue::try_from(value).expect("a header's value"),
                )
            });
        Answer {
            status: status.and_then(|status| status.parse().ok()).expect("a status"),
            headers: headers.collect(),
            text: text.to_owned(),
        }
    }

    /// The gateway's host and port, as a `Host` header has it.
    pub(crate) fn host(&self) -> &str {
        self.base.trim_start_matches("http://")
    }
}
