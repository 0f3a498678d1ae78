//! Query parameters of requests that are no lists.

use axum::extract::FromRequestParts;
use http::request::Parts;
use portal_domain::code::{Code, Refusal};
use serde::de::DeserializeOwned;

use crate::error::ApiError;
use crate::listing;

/// Strict query parameters. Unknown and repeated ones are refused.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let pairs = pairs(parts)?;
        Ok(Self(read(&pairs)?))
    }
}

/// The parameters in the order of their names.
pub(crate) fn pairs(parts: &Parts) -> Result<Vec<(String, String)>, Refusal> {
    let query = parts.uri.query().unwrap_or_default();
    let mut pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    pairs.sort();
    if pairs.windows(2).any(|two| two[0].0 == two[1].0) {
        return Err(Refusal::new(Code::QueryInvalid, "a parameter is repeated"));
    }
    Ok(pairs)
}

/// The parameters in their one spelling.
pub(crate) fn canonical(pairs: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// What parameters say.
pub(crate) fn read<T: DeserializeOwned>(pairs: &[(String, String)]) -> Result<T, Refusal> {
    listing::filters(&canonical(pairs))
}
