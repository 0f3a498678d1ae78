//! JSON bodies: strict, and of the usual size.

use axum::extract::{FromRequest, Request};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use portal_domain::code::{Code, Refusal};
use portal_domain::json;
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// The most bytes in a body.
pub const LARGEST_BODY: usize = 64 * 1024;

/// A body.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts.headers, body).await?;
        Ok(Self(parse(&bytes)?))
    }
}

/// The bytes of a JSON body.
pub(crate) async fn read(headers: &HeaderMap, body: axum::body::Body) -> Result<bytes::Bytes, Refusal> {
    let bytes = bytes(body, LARGEST_BODY).await?;
    let is_readable = media_type(headers).as_deref() == Some("application/json") && is_plain(headers);
    if !bytes.is_empty() && !is_readable {
        return Err(Code::MediaTypeUnsupported.into());
    }
    Ok(bytes)
}

/// A body of at most `largest` bytes.
pub(crate) async fn bytes(body: axum::body::Body, largest: usize) -> Result<bytes::Bytes, Refusal> {
    axum::body::to_bytes(body, largest)
        .await
        .map_err(|_| Code::BodyTooLarge.into())
}

/// The one media type that a body is said to be of, in lower case, if its text is UTF-8.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next().and_then(|value| value.to_str().ok()), types.next()) else {
        return None;
    };
    let mut parts = only.split(';').map(|part| part.trim().to_ascii_lowercase());
    let media_type = parts.next()?;
    parts
        .all(|part| part == "charset=utf-8" || part.is_empty())
        .then_some(media_type)
}

/// Whether no coding lies over the body: none is undone here.
pub(crate) fn is_plain(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// The document in `bytes` as `T`.
///
/// # Errors
/// [`Code::MalformedBody`] when it is not JSON, [`Code::BodyTooLarge`] when it is too much of it, and with the place of the field:
/// [`Code::FieldsInvalid`] or the code of the field's own rule.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    if bytes.is_empty() {
        return Err(Refusal::new(Code::MalformedBody, "the body is empty"));
    }
    json::read(json::document(bytes, json::BOUNDS)?)
}
