//! Bodies of FHIR resources: as large as a batch of lines, and each resource for itself.

use axum::extract::{FromRequest, Request};
use portal_domain::code::{Code, Refusal};
use portal_domain::fhir::Form;
use portal_domain::ingest::LARGEST_BATCH;

use crate::error::ApiError;
use crate::extract::json;

/// A body of resources, still unread: a Bundle or one resource as `application/fhir+json` or `application/json`, or one resource a
/// line as `application/fhir+ndjson` or `application/x-ndjson`. At most [`LARGEST_BATCH`] bytes.
#[derive(Debug)]
pub struct Resources {
    /// How it is written.
    pub form: Form,
    /// The resources.
    pub bytes: bytes::Bytes,
}

impl<S: Send + Sync> FromRequest<S> for Resources {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = json::bytes(body, LARGEST_BATCH).await?;
        let form = match json::media_type(&parts.headers).as_deref() {
            Some("application/fhir+json" | "application/json") => Some(Form::Document),
            Some("application/fhir+ndjson" | "application/x-ndjson") => Some(Form::Lines),
            _ => None,
        };
        match form.filter(|_| json::is_plain(&parts.headers)) {
            Some(form) => Ok(Self { form, bytes }),
            None => Err(Refusal::new(
                Code::MediaTypeUnsupported,
                "send application/fhir+json or application/fhir+ndjson",
            )
            .into()),
        }
    }
}
