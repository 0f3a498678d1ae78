//! `GET /v1/changes`.

use std::collections::BTreeMap;

use axum::extract::State;
use jiff::Timestamp;
use portal_app::{FileWeb, Web};
use portal_domain::booking::{Booking, Transition};
use portal_domain::feed::Numbered;
use portal_domain::ingest::RecordType;
use portal_domain::patient::Patient;
use portal_domain::specialist::Specialist;
use portal_domain::token::Scope;
use portal_http::problem::Problem;
use portal_http::{ApiError, LARGEST_PAGE, Query, Reply, Service, View};
use portal_store::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

/// Which part of the feed is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChangesQuery {
    /// The `next_after` of the answer before; 0 begins at the beginning.
    #[serde(default)]
    after: u64,
}

/// A part of the change feed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangesView {
    /// The changes, in order; at most 100.
    items: Vec<ChangeView>,
    /// What to ask for next, now or later. Everything up to this number has been told.
    next_after: u64,
}

/// A change that was made in the portal of a record that the source feeds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangeView {
    /// Its number, rising by one. Those about one record are in the order of their `rev`.
    seq: u64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `bookings`, `patients` or `specialists`.
    #[serde(rename = "type")]
    #[schema(example = "bookings")]
    of: &'static str,
    /// The record's id here.
    #[schema(example = "bok_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    id: String,
    /// What the source calls it.
    external: ChangeNameView,
    /// The revision that the record came to by the change.
    rev: u64,
    /// What is asked of the record by now: of patients and specialists the fields to become so, as in a line; of bookings the
    /// `transition`, its `reason`, and the new `start` and `end` or `specialist_id`. Null when nothing is asked any more. The
    /// source answers with its next line about the record, whether or not it does as it was asked.
    #[schema(value_type = Option<Object>)]
    asks: Option<Value>,
    /// Of specialists, where their review is.
    #[schema(example = "approved")]
    review: Option<&'static str>,
}

/// A name of a record at its source.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangeNameView {
    /// The naming system.
    system: String,
    /// The name in it.
    value: String,
}

impl View for ChangesView {}

/// What is asked of a record, and decided about it.
#[derive(Debug, Clone, Default)]
struct Asked {
    asks: Option<Value>,
    review: Option<&'static str>,
}

impl From<&Booking> for Asked {
    fn from(booking: &Booking) -> Self {
        let asks = booking.pending().map(|request| {
            let (period, specialist) = match request.transition {
                Transition::Reschedule { period } => (Some(period), None),
                Transition::Reassign { specialist } => (None, Some(specialist)),
                _ => (None, None),
            };
            json!({
                "transition": request.transition.as_str(),
                "reason": request.reason.as_ref().map(portal_domain::booking::Reason::as_str),
                "start": period.map(portal_domain::booking::Period::start),
                "end": period.map(portal_domain::booking::Period::end),
                "specialist_id": specialist.map(|id| id.to_string()),
            })
        });
        Self { asks, review: None }
    }
}

impl From<&Patient> for Asked {
    fn from(patient: &Patient) -> Self {
        let asks = patient.requested.as_ref();
        Self {
            asks: asks.map(|requested| json!(requested.wanted)),
            review: None,
        }
    }
}

impl From<&Specialist> for Asked {
    fn from(specialist: &Specialist) -> Self {
        let asks = specialist.requested.as_ref();
        Self {
            asks: asks.map(|requested| json!(requested.wanted)),
            review: Some(specialist.review.status().as_str()),
        }
    }
}

impl ChangeView {
    fn new(numbered: Numbered, asked: &BTreeMap<String, Asked>) -> Self {
        let Numbered { seq, told } = numbered;
        let Asked { asks, review } = asked.get(&told.id).cloned().unwrap_or_default();
        Self {
            seq,
            at: told.at,
            of: told.of.as_str(),
            id: told.id,
            external: ChangeNameView {
                system: told.external.system.to_string(),
                value: told.external.value.to_string(),
            },
            rev: told.rev,
            asks,
            review,
        }
    }
}

/// What is asked of the records of these entries by now, by their ids.
async fn asked(web: &Web, entries: &[Numbered]) -> Result<BTreeMap<String, Asked>, StoreError> {
    let ids = |of: RecordType| {
        let entries = entries.iter().filter(move |entry| entry.told.of == of);
        entries.map(|entry| entry.told.id.as_str())
    };
    let (bookings, patients, specialists) = tokio::try_join!(
        web.store
            .fed_bookings(ids(RecordType::Bookings).filter_map(|id| id.parse().ok())),
        web.store
            .fed_patients(ids(RecordType::Patients).filter_map(|id| id.parse().ok())),
        web.store
            .fed_specialists(ids(RecordType::Specialists).filter_map(|id| id.parse().ok())),
    )?;
    let bookings = bookings
        .iter()
        .map(|record| (record.id.to_string(), record.into()));
    let patients = patients
        .iter()
        .map(|record| (record.id.to_string(), record.into()));
    let specialists = specialists
        .iter()
        .map(|record| (record.id.to_string(), record.into()));
    Ok(bookings.chain(patients).chain(specialists).collect())
}

/// Read what was changed in the portal
///
/// For the platform's own systems, with a service token that has the scope `changes`: every change that members made or asked for
/// of records that the token's source feeds, numbered, each at least once. Ask again with `next_after`; what has been told stays,
/// so that a system that lost its place can begin anew.
#[utoipa::path(get, path = "/v1/changes", tag = "ingest", params(ChangesQuery), security(("service" = [])),
    responses((status = 200, description = "The next changes", body = ChangesView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(token.id = %service.token()))]
pub(crate) async fn list_changes(
    State(FileWeb { web, .. }): State<FileWeb>,
    service: Service,
    Query(query): Query<ChangesQuery>,
) -> Result<Reply, ApiError> {
    service.allows(Scope::Changes)?;
    let page = web
        .store
        .changes(service.source(), query.after, LARGEST_PAGE)
        .await?;
    let asked = asked(&web, &page.items).await?;
    let next_after = page.items.last().map_or(query.after, |last| last.seq);
    let items = page.items.into_iter().map(|entry| ChangeView::new(entry, &asked));
    Ok(Reply::ok(&ChangesView {
        items: items.collect(),
        next_after,
    }))
}
