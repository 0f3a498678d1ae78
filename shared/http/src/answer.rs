//! Answers: only views leave, never stored records.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderName, HeaderValue, StatusCode};
use portal_app::Cursors;
use portal_domain::code::{Code, Refusal};
use portal_store::entity::idempotency::Record;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ApiError;

/// What may be sent: a type made for an answer, in which each field was put on purpose.
pub trait View: Serialize {}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListView<T: ToSchema> {
    /// The items. A page may be short or empty and still have a next one.
    pub items: Vec<T>,
    /// The cursor of the next page; null on the last.
    pub next_cursor: Option<String>,
}

impl<T: View + ToSchema> View for ListView<T> {}

/// An answer, written down so that it can be kept under an idempotency key and given again byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    is_secret: bool,
}

impl Reply {
    fn with_body(status: StatusCode, view: &impl View) -> Self {
        let body = serde_json::to_string(view).unwrap_or_default();
        Self {
            status: status.as_u16(),
            headers: Vec::new(),
            body,
            is_secret: false,
        }
    }

    /// 200 with `view`.
    #[must_use]
    pub fn ok(view: &impl View) -> Self {
        Self::with_body(StatusCode::OK, view)
    }

    /// `status` with `view`, which is FHIR.
    #[must_use]
    pub fn fhir(status: StatusCode, view: &impl View) -> Self {
        let mut reply = Self::with_body(status, view);
        let media_type = "application/fhir+json".to_owned();
        reply.headers.push((CONTENT_TYPE.to_string(), media_type));
        reply
    }

    /// 201 with the new resource, which is at `location`.
    #[must_use]
    pub fn created(view: &impl View, location: String) -> Self {
        let mut reply = Self::with_body(StatusCode::CREATED, view);
        reply.headers.push((LOCATION.to_string(), location));
        reply
    }

    /// 202 with the new resource at `location`, on which work is still to be done.
    #[must_use]
    pub fn accepted(view: &impl View, location: String) -> Self {
        Self {
            status: StatusCode::ACCEPTED.as_u16(),
            ..Self::created(view, location)
        }
    }

    /// 204.
    #[must_use]
    pub fn no_content() -> Self {
        Self {
            status: StatusCode::NO_CONTENT.as_u16(),
            headers: Vec::new(),
            body: String::new(),
            is_secret: false,
        }
    }

    /// The same answer with the resource's revision as its `ETag`.
    #[must_use]
    pub fn etag(mut self, rev: u64) -> Self {
        self.headers.push((ETAG.to_string(), format!("\"{rev}\"")));
        self
    }

    /// The same answer, of which the table keeps no text that could be read there.
    #[must_use]
    pub fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The body, as one row of a bulk answer.
    #[must_use]
    pub fn body(&self) -> Option<serde_json::Value> {
        serde_json::from_str(&self.body).ok()
    }

    /// Writes the answer into `record`; a secret one so that only `seal` can read it again.
    ///
    /// # Errors
    /// [`Code::Internal`] when it cannot be sealed.
    pub(crate) fn keep(&self, record: Record, seal: &Cursors) -> Result<Record, Refusal> {
        let body = if self.is_secret {
            seal.seal(&self.body, &binding(&record)).ok_or(Code::Internal)?
        } else {
            self.body.clone()
        };
        Ok(record.answered(self.status, self.headers.clone(), body, self.is_secret))
    }

    /// The answer in `record`.
    ///
    /// # Errors
    /// [`Code::Internal`] for a secret one that was sealed with another key.
    pub(crate) fn kept(record: Record, seal: &Cursors) -> Result<Self, Refusal> {
        let body = if record.is_sealed {
            seal.open(&record.body, &binding(&record)).ok_or(Code::Internal)?
        } else {
            record.body
        };
        Ok(Self {
            status: record.status,
            headers: record.headers,
            body,
            is_secret: record.is_sealed,
        })
    }
}

/// What a kept answer is bound to: it is no other request's.
fn binding(record: &Record) -> String {
    format!("answer {} {}", record.owner, record.fingerprint)
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let Ok(status) = StatusCode::from_u16(self.status) else {
            return ApiError::from(Code::Internal).into_response();
        };
        let mut response = (status, self.body).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::NO_CONTENT {
            headers.remove(CONTENT_TYPE);
        } else {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
        response
    }
}
