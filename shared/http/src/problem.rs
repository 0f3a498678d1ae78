//! Problem documents (RFC 9457).

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use portal_domain::code::{Kind, Refusal};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request was refused (RFC 9457). Decide by `code`; texts may change.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem; made from `code`.
    #[schema(example = "urn:organization-portal:problem:invite_expired")]
    r#type: String,
    /// One sentence about this kind of problem.
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 410)]
    status: u16,
    /// What happened here.
    detail: String,
    /// The request's id, as in `x-request-id` and the logs.
    instance: String,
    /// The stable reason; all are listed in `docs/errors.md`.
    #[schema(example = "invite_expired")]
    code: &'static str,
    /// The fields it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
}

/// A field that broke a rule.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldProblem {
    /// JSON pointer (RFC 6901) into the body.
    #[schema(example = "/email")]
    pointer: String,
    /// Why.
    #[schema(example = "email_invalid")]
    code: &'static str,
    /// For people.
    detail: String,
}

impl Problem {
    /// The document of `refusal` in the answer to the request called `instance`.
    #[must_use]
    pub fn new(refusal: &Refusal, instance: &str) -> Self {
        let code = refusal.code;
        let errors = refusal.errors.iter().map(|error| FieldProblem {
            pointer: error.pointer.clone(),
            code: error.code.as_str(),
            detail: error.detail.to_string(),
        });
        Self {
            r#type: format!("urn:organization-portal:problem:{}", code.as_str()),
            title: code.title(),
            status: crate::error::status(code.kind()).as_u16(),
            detail: refusal.detail.to_string(),
            instance: instance.to_owned(),
            code: code.as_str(),
            errors: errors.collect(),
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }
}

/// The response with the document of `refusal` as its body.
pub(crate) fn write(response: &mut Response, refusal: &Refusal, instance: &str) {
    let body = serde_json::to_vec(&Problem::new(refusal, instance)).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(seconds) = refusal.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal.code.kind() == Kind::Unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    headers.remove(http::header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(body);
    debug_assert_ne!(response.status(), StatusCode::OK, "a problem is no success");
}
