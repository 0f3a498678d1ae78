//! Two ways past the HTTP client's good manners: events to a function itself, and bytes to the gateway.

use portal_local::consumer::Consumer;
use portal_local::functions;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Answer, Portal};

/// Every route: its function, method and path, from the functions' own descriptions.
pub(crate) fn routes() -> Vec<(&'static str, Method, String)> {
    let described = functions::described().into_iter();
    described
        .flat_map(|function| {
            let routes = functions::routes(&function.document).into_iter();
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
pub(crate) async fn invoke(function: &Consumer, event: &Value) -> Answer {
    let answer = function(event.clone()).await.expect("a function answers");
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
    pub(crate) fn function(&self, name: &str) -> Consumer {
        let function = functions::named(self.config(0), name).expect("a complete configuration");
        function.unwrap_or_else(|| panic!("no function is called {name}"))
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
