//! Answers of the local endpoints to people: RFC 9457 problems, strict JSON in.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::json;

/// A problem document.
pub(crate) fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let body = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
    });
    (
        status,
        [(header::CONTENT_TYPE, "application/problem+json")],
        body.to_string(),
    )
        .into_response()
}

/// The body as `T`, or the problem that says what is wrong with it.
///
/// The content type is not looked at: `curl -d` sends the wrong one, and these endpoints are for `curl`.
pub(crate) fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Box<Response>> {
    serde_json::from_slice(bytes).map_err(|error| {
        let (status, code) = if error.is_data() {
            (StatusCode::UNPROCESSABLE_ENTITY, "body_invalid")
        } else {
            (StatusCode::BAD_REQUEST, "body_malformed")
        };
        Box::new(problem(status, code, &error.to_string()))
    })
}
