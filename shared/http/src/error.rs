//! The one mapping of errors to answers.

use axum::response::{IntoResponse, Response};
use portal_app::SignInError;
use portal_domain::code::{Code, Kind, Refusal};
use portal_store::StoreError;

use http::StatusCode;

use crate::problem::Problem;

/// Why a request is not answered with what it asked for.
#[derive(Debug)]
pub enum ApiError {
    /// A rule forbids it.
    Refused(Box<Refusal>),
    /// What the decision rested on has changed: decide again.
    Stale,
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        Refusal::from(code).into()
    }
}

impl From<SignInError> for ApiError {
    fn from(error: SignInError) -> Self {
        let refusal = Refusal::from(Code::from(error));
        match refusal.code.kind() {
            Kind::Unavailable => refusal.retry_after(1).into(),
            _ => refusal.into(),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(refusal) => refusal.into(),
            StoreError::Stale | StoreError::Answered(_) => Self::Stale,
            StoreError::Busy => Refusal::from(Code::Busy).retry_after(1).into(),
            StoreError::OutOfScope | StoreError::Broken(_) => {
                // The caller learns nothing; the log has the whole story.
                tracing::error!(%error, "a request failed");
                Code::Internal.into()
            }
        }
    }
}

impl ApiError {
    /// The refusal it is answered with.
    fn refusal(self) -> Refusal {
        match self {
            Self::Refused(refusal) => *refusal,
            Self::Stale => Refusal::from(Code::Busy).retry_after(1),
        }
    }

    /// The problem, for one row of a bulk answer to the request called `instance`.
    #[must_use]
    pub fn problem(self, instance: &str) -> Problem {
        Problem::new(&self.refusal(), instance)
    }
}

/// The status of each kind of refusal.
#[must_use]
pub const fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Malformed => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Gone => StatusCode::GONE,
        Kind::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Kind::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for ApiError {
    /// The refusal as an extension: the outer layer, which knows the request's id, writes the body.
    fn into_response(self) -> Response {
        let refusal = self.refusal();
        let mut response = status(refusal.code.kind()).into_response();
        response.extensions_mut().insert(refusal);
        response
    }
}
