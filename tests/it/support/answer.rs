//! An answer, ready to be looked at.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// Status, headers and body.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        Self {
            status,
            headers,
            text: response.text().await.expect("an answer has a readable body"),
        }
    }

    /// The body as JSON; null when it is empty.
    pub(crate) fn json(&self) -> Value {
        if self.text.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// The problem's code; empty for a success.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The text at a JSON pointer.
    pub(crate) fn text_at(&self, pointer: &str) -> String {
        let body = self.json();
        let found = body
            .pointer(pointer)
            .unwrap_or_else(|| panic!("no {pointer} in {body}"));
        found.as_str().map_or_else(|| found.to_string(), str::to_owned)
    }

    /// The `id` of the resource.
    pub(crate) fn id(&self) -> String {
        self.text_at("/id")
    }

    /// The `items` of a list.
    pub(crate) fn items(&self) -> Vec<Value> {
        self.json()["items"]
            .as_array()
            .unwrap_or_else(|| panic!("no items in {}", self.text))
            .clone()
    }

    /// The next page's cursor.
    pub(crate) fn next_cursor(&self) -> Option<String> {
        self.json()["next_cursor"].as_str().map(str::to_owned)
    }

    /// A header's text; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> String {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    }

    /// The resource's `ETag`.
    pub(crate) fn etag(&self) -> String {
        self.header("etag")
    }

    /// Round trips, read units and write units, from `server-timing`.
    pub(crate) fn cost(&self) -> (u32, f64, f64) {
        let timing = self.header("server-timing");
        let number = |name: &str| {
            let rest = timing
                .split_once(&format!("{name}="))
                .unwrap_or_else(|| panic!("no {name} in {timing}"))
                .1;
            rest.split([' ', '"']).next().unwrap().parse::<f64>().unwrap()
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small count"
        )]
        (
            number("round-trips") as u32,
            number("read-units"),
            number("write-units"),
        )
    }

    /// Fails the test unless the status is `status`.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Fails the test unless it is refused with `status` and `code`.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, code: &str) -> Self {
        assert_eq!(
            (self.status, self.code().as_str()),
            (status, code),
            "{}",
            self.text
        );
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.text_at("/instance"), self.header("x-request-id"));
        self
    }
}
