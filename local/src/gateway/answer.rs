//! The function's answer as an HTTP response.

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

/// The response; `None` when the answer is none, or too large.
pub(super) fn response(answer: &Value, largest: usize) -> Option<Response> {
    let status = StatusCode::from_u16(u16::try_from(answer["statusCode"].as_u64()?).ok()?).ok()?;
    let body = match &answer["body"] {
        Value::Null => Vec::new(),
        Value::String(text) if text.len() > largest => return None,
        Value::String(text) if answer["isBase64Encoded"] == true => STANDARD.decode(text).ok()?,
        Value::String(text) => text.clone().into_bytes(),
        _ => return None,
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;

    let headers = response.headers_mut();
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        add(headers, name, value)?;
    }
    for (name, values) in answer["multiValueHeaders"].as_object().into_iter().flatten() {
        for value in values.as_array()? {
            add(headers, name, value)?;
        }
    }
    for cookie in answer["cookies"].as_array().into_iter().flatten() {
        add(headers, header::SET_COOKIE.as_str(), cookie)?;
    }
    // The gateway's guess when a function names no type.
    if !headers.contains_key(header::CONTENT_TYPE) && !answer["body"].is_null() {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain;charset=UTF-8"),
        );
    }
    Some(response)
}

fn add(headers: &mut HeaderMap, name: &str, value: &Value) -> Option<()> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let value = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    // The length is the server's to say: it knows it from the body.
    if name != header::CONTENT_LENGTH {
        headers.append(name, HeaderValue::from_str(&value).ok()?);
    }
    Some(())
}
