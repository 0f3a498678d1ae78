//! Lists that are paged through by clients and written into files by exports: one query and one view for both.

pub mod audit_events;
pub mod bookings;
pub mod members;
pub mod patients;
pub mod people;
pub mod sessions;
pub mod specialists;
pub mod transactions;

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::Timestamp;
use portal_domain::access::Access;
use portal_domain::code::{Code, Refusal};
use portal_store::{Page, Position, Store, StoreError};
use serde::de::DeserializeOwned;

use crate::answer::View;

/// A list: the filters that its route takes, and what they find for whoever asks.
pub trait Listing: DeserializeOwned + Send + Sync {
    /// What is told of an item.
    type Row: View + Send;

    /// What a row is made of, as paths into it with dots: all that a list tells of an item, in the order of a table's columns.
    const COLUMNS: &'static [&'static str];

    /// Whether whoever has `access` may ask this.
    ///
    /// # Errors
    /// As [`Self::page`], as far as it follows from the filters and the access alone.
    fn check(&self, access: &Access) -> Result<(), Refusal>;

    /// A page of the list, as whoever has `access` sees it.
    ///
    /// # Errors
    /// As a refusal: [`Code::QueryInvalid`], and what the reach or the projection of the caller excludes.
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    fn page(
        &self,
        store: &Store,
        access: &Access,
        now: Timestamp,
        limit: usize,
        after: Option<Position>,
    ) -> impl Future<Output = Result<Page<Self::Row>, StoreError>> + Send;
}

/// The filters in a query string whose parameters are in order.
///
/// # Errors
/// [`Code::QueryInvalid`], without what was sent.
pub fn filters<F: DeserializeOwned>(query: &str) -> Result<F, Refusal> {
    serde_urlencoded::from_str(query).map_err(|error| {
        // The parser's message may repeat what was sent.
        refused(match error.to_string() {
            message if message.contains("unknown field") => "there is no such parameter",
            _ => "a parameter is not of the form it needs",
        })
    })
}

/// The query string of filters by name.
#[must_use]
pub fn query(filters: &BTreeMap<String, String>) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(filters)
        .finish()
}

fn refused(why: &'static str) -> Refusal {
    Refusal::new(Code::QueryInvalid, why)
}

fn parsed<T: FromStr>(text: Option<&String>, why: &'static str) -> Result<Option<T>, Refusal> {
    text.map(|text| text.parse())
        .transpose()
        .map_err(|_| refused(why))
}
