//! Bodies of many lines: larger than others, and each line for itself.

use axum::extract::{FromRequest, Request};
use portal_domain::code::{Code, Refusal};
use portal_domain::ingest::{Form, LARGEST_BATCH};

use crate::error::ApiError;
use crate::extract::json;

/// A body of lines, still unread: `application/x-ndjson`, or one array as `application/json`. At most [`LARGEST_BATCH`] bytes.
#[derive(Debug)]
pub struct Batch {
    /// How it is written.
    pub form: Form,
    /// The lines.
    pub bytes: bytes::Bytes,
}

impl<S: Send + Sync> FromRequest<S> for Batch {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = json::bytes(body, LARGEST_BATCH).await?;
        let form = match json::media_type(&parts.headers).as_deref() {
            Some("application/x-ndjson") => Some(Form::Lines),
            Some("application/json") => Some(Form::Array),
            _ => None,
        };
        match form.filter(|_| json::is_plain(&parts.headers)) {
            Some(form) => Ok(Self { form, bytes }),
            None => Err(Refusal::new(
                Code::MediaTypeUnsupported,
                "send application/x-ndjson, or an array as application/json",
            )
            .into()),
        }
    }
}
