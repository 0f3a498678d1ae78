//! Ids from the path.

use axum::extract::FromRequestParts;
use http::request::Parts;
use portal_domain::code::Code;
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// Typed path parameters. An id that is none names nothing: 404.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(ids)) => Ok(Self(ids)),
            Err(_) => Err(Code::RouteNotFound.into()),
        }
    }
}
