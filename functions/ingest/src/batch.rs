//! `POST /v1/ingest/{type}`.

use std::collections::BTreeMap;

use axum::extract::State;
use portal_app::FileWeb;
use portal_domain::code::Refusal;
use portal_domain::ingest::{Outcome, RecordType, lines};
use portal_domain::token::Scope;
use portal_feed::{Batch as Feeding, Taken};
use portal_http::problem::Problem;
use portal_http::{ApiError, Batch, Path, Query, Reply, Service, View};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// How a batch is to be taken.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BatchQuery {
    /// `true` decides everything and writes nothing.
    #[serde(default)]
    dry_run: bool,
}

/// What a source says of one record. Sent as a line of NDJSON, or as an element of an array.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only documents what the domain reads")]
pub(crate) struct IngestLine {
    /// What the record is called at its source.
    external: IngestName,
    /// `upsert` says what the record is, `delete` that it is no more.
    #[schema(value_type = String, example = "upsert")]
    op: String,
    /// The source's own version of the record, if it counts them: the higher is the newer.
    #[schema(example = 3)]
    version: Option<u64>,
    /// When the record became so: the later is the newer where there are no versions. At most a day ahead.
    #[schema(value_type = String, format = DateTime)]
    occurred_at: String,
    /// What the record is, all of it; not for `delete`.
    #[schema(value_type = Option<Object>)]
    data: Option<serde_json::Value>,
}

/// A name of a record at its source.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only documents what the domain reads")]
pub(crate) struct IngestName {
    /// The naming system, 1 to 200 visible ASCII characters.
    #[schema(example = "patients")]
    system: String,
    /// The name in it, 1 to 200 visible ASCII characters.
    #[schema(example = "10017")]
    value: String,
}

/// What became of the lines, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IngestView {
    /// How many lines came to each outcome.
    #[schema(example = json!({ "created": 1, "failed": 1 }))]
    counts: BTreeMap<&'static str, usize>,
    /// One result a line.
    results: Vec<IngestResultView>,
}

/// What became of a line.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IngestResultView {
    /// The line, from 0; empty lines do not count.
    row: usize,
    /// `created`, `updated` (deleted too), `unchanged`, `skipped_stale` (a newer state is known), `superseded_in_batch` (another
    /// line says the same or something newer) or `failed`.
    #[schema(example = "created")]
    status: &'static str,
    /// The record's id here, if there is one.
    #[schema(example = "sit_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    id: Option<String>,
    /// Why it failed.
    error: Option<IngestErrorView>,
}

/// Why a line failed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IngestErrorView {
    /// The stable reason. After `busy` and `internal` the line may have been taken: send it again.
    #[schema(example = "text_invalid")]
    code: &'static str,
    /// JSON pointer into the line; null if it is about no field of its own.
    #[schema(example = "/data/name")]
    pointer: Option<String>,
    /// A sentence for people, without values.
    detail: String,
}

impl View for IngestView {}

impl IngestView {
    fn new(taken: Vec<Taken>) -> Self {
        let mut counts = BTreeMap::new();
        for taken in &taken {
            *counts.entry(taken.outcome.as_str()).or_default() += 1;
        }
        let result = |(row, taken): (usize, Taken)| IngestResultView {
            row,
            status: taken.outcome.as_str(),
            id: taken.id,
            error: match taken.outcome {
                Outcome::Failed(refusal) => Some(refusal.into()),
                _ => None,
            },
        };
        Self {
            counts,
            results: taken.into_iter().enumerate().map(result).collect(),
        }
    }
}

impl From<Refusal> for IngestErrorView {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: refusal.code.as_str(),
            pointer: refusal.errors.into_iter().next().map(|error| error.pointer),
            detail: refusal.detail.into_owned(),
        }
    }
}

/// Feed records of a type
///
/// For the platform's own systems, with a service token. At most 4 MB and 1,000 lines, as `application/x-ndjson` or as one array in
/// `application/json`; each line is taken or refused for itself. A line says what a record is, under its name at the source: sent
/// again, late or in another order, the newest state stays. So no `Idempotency-Key` is needed; one that is sent is not looked at.
#[utoipa::path(post, path = "/v1/ingest/{type}", tag = "ingest",
    request_body(content((Vec<IngestLine> = "application/json"), (IngestLine = "application/x-ndjson"))),
    params(("type" = String, Path, description = "`sites`, `patients`, `specialists`, `assignments`, `enrollments`, `bookings`, `transactions` or `notes`"),
           BatchQuery),
    security(("service" = [])),
    responses((status = 200, description = "A result a line", body = IngestView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(token.id = %service.token()))]
pub(crate) async fn ingest_records(
    State(FileWeb { web, .. }): State<FileWeb>,
    service: Service,
    Path(of): Path<RecordType>,
    Query(query): Query<BatchQuery>,
    batch: Batch,
) -> Result<Reply, ApiError> {
    let bearer = service.allows(Scope::Ingest(of))?;
    let now = web.clock.now();
    let lines = lines(&batch.bytes, batch.form, now)?;
    let begun = if query.dry_run {
        bearer.tried(now)
    } else {
        bearer.ingested(of.as_str(), lines.len(), now)
    };
    web.store.commit(&begun, None, now).await?;
    let feeding = Feeding {
        store: &web.store,
        source: service.source(),
        now,
        is_trial: query.dry_run,
    };
    let taken = feeding.take(of, &lines).await?;
    Ok(Reply::ok(&IngestView::new(taken)))
}
