//! Lists: strict query parameters, and cursors that work only where they were given.

use std::fmt::Display;

use axum::extract::FromRequestParts;
use http::request::Parts;
use portal_app::Cursors;
use portal_domain::code::{Code, Refusal};
use portal_store::{Page, Position};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::{IntoParams, ToSchema};

use crate::answer::{ListView, Reply, View};
use crate::error::ApiError;
use crate::extract::query;

const DEFAULT_LIMIT: usize = 25;
/// The most items on a page.
pub const LARGEST_PAGE: usize = 100;

/// The parameters of every list.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only documents the parameters that `List` reads")]
pub struct Paging {
    /// The most items on the page, 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 25)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before, with the same filters.
    cursor: Option<String>,
}

/// The filters of a list that has none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoFilter {}

/// A list request: `limit`, `cursor` and the filters `F`. Unknown and repeated parameters are refused.
#[derive(Debug)]
pub struct List<F> {
    /// The filters.
    pub filter: F,
    /// The most items wanted.
    pub limit: usize,
    cursor: Option<String>,
    /// Path and filters: what a cursor is bound to, with the caller.
    place: String,
}

impl<S: Send + Sync, F: DeserializeOwned> FromRequestParts<S> for List<F> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut pairs = query::pairs(parts)?;
        let mut take = |name: &str| {
            pairs
                .iter()
                .position(|(key, _)| key == name)
                .map(|at| pairs.remove(at).1)
        };
        let cursor = take("cursor");
        let limit = match take("limit") {
            None => DEFAULT_LIMIT,
            Some(text) => parse_limit(&text)
                .ok_or_else(|| Refusal::new(Code::QueryInvalid, "limit must be a number from 1 to 100"))?,
        };
        Ok(Self {
            filter: query::read(&pairs)?,
            limit,
            cursor,
            place: format!("{}?{}", parts.uri.path(), query::canonical(&pairs)),
        })
    }
}

fn parse_limit(text: &str) -> Option<usize> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= 3;
    text.parse()
        .ok()
        .filter(|limit| is_plain && (1..=LARGEST_PAGE).contains(limit))
}

impl<F> List<F> {
    fn binding(&self, caller: impl Display + Copy) -> String {
        format!("{caller} {}", self.place)
    }

    /// Where the page begins.
    ///
    /// # Errors
    /// [`Code::CursorInvalid`] when the cursor was not given to this caller, an account or a source, for this list and these filters.
    pub fn after(&self, cursors: &Cursors, caller: impl Display + Copy) -> Result<Option<Position>, Refusal> {
        let Some(cursor) = &self.cursor else {
            return Ok(None);
        };
        cursors
            .open(cursor, &self.binding(caller))
            .map(Some)
            .ok_or_else(|| Code::CursorInvalid.into())
    }

    /// The answer with `page`.
    #[must_use]
    pub fn reply<T: View + ToSchema>(
        &self,
        cursors: &Cursors,
        caller: impl Display + Copy,
        page: Page<T>,
    ) -> Reply {
        Reply::ok(&self.view(cursors, caller, page))
    }

    /// `page` as it is told.
    #[must_use]
    pub fn view<T: View + ToSchema>(
        &self,
        cursors: &Cursors,
        caller: impl Display + Copy,
        page: Page<T>,
    ) -> ListView<T> {
        let next_cursor = page
            .next
            .and_then(|position| cursors.seal(&position, &self.binding(caller)));
        ListView {
            items: page.items,
            next_cursor,
        }
    }
}
