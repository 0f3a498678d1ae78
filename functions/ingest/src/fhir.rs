//! `POST /v1/fhir/R4`.

use axum::extract::State;
use axum::http::StatusCode;
use portal_app::FileWeb;
use portal_domain::code::Refusal;
use portal_domain::fhir::{Batch, Issue, Options};
use portal_domain::ingest::Outcome;
use portal_domain::token::Scope;
use portal_feed::{Batch as Feeding, Resource};
use portal_http::problem::Problem;
use portal_http::{ApiError, Query, Reply, Resources, Service, View, status};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

/// The naming system of our codes in an outcome.
const CODES: &str = "urn:organization-portal:code";

/// Our extension by which an entry's answer tells the id of the record that it is about.
const RECORD: &str = "urn:organization-portal:record";

/// What a request that is no person's counts as in the audit log, in place of a type of records.
const FHIR: &str = "fhir";

/// How resources are to be taken.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ResourcesQuery {
    /// `true` decides everything and writes nothing.
    #[serde(default)]
    dry_run: bool,
    /// The naming systems whose identifiers are natural keys, commas between, the first one first; any, if none of them names
    /// a resource.
    #[param(example = "urn:oid:1.2.36.146.595.217.0.1")]
    systems: Option<String>,
    /// The site of what names no organization and no place, as `system|value` of its external id.
    #[param(example = "sites|north")]
    site: Option<String>,
}

impl ResourcesQuery {
    /// How resources are read, and the resources in `body`.
    fn read(&self, body: &Resources) -> Result<(Options, Batch), Refusal> {
        let options = Options::of(self.systems.as_deref(), self.site.as_deref())?;
        Ok((options, Batch::read(&body.bytes, body.form)?))
    }
}

/// A FHIR R4 Bundle of type `batch-response`: one entry a resource, in their order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(value_type = Object)]
#[serde(transparent)]
pub(crate) struct BundleView(Value);

/// A FHIR R4 `OperationOutcome`.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct OutcomeView(Value);

impl View for BundleView {}

impl View for OutcomeView {}

impl BundleView {
    fn new(entries: Vec<Result<Resource, Refusal>>) -> Self {
        let response = |entry: Result<Resource, Refusal>| match entry {
            Ok(resource) => taken(&resource),
            Err(refusal) => refused(&refusal),
        };
        let entries: Vec<Value> = entries
            .into_iter()
            .map(|entry| json!({ "response": response(entry) }))
            .collect();
        Self(json!({ "resourceType": "Bundle", "type": "batch-response", "entry": entries }))
    }
}

impl OutcomeView {
    fn new(issues: &[Issue]) -> Self {
        let issues: Vec<Value> = issues.iter().map(issue).collect();
        Self(json!({ "resourceType": "OperationOutcome", "issue": issues }))
    }
}

/// An issue: what sort, our code, where, and a sentence without values.
fn issue(issue: &Issue) -> Value {
    let mut told = json!({
        "severity": issue.severity.as_str(),
        "code": issue.sort.as_str(),
        "diagnostics": issue.text,
    });
    if let Some(code) = issue.code {
        told["details"] = json!({ "coding": [{ "system": CODES, "code": code.as_str() }] });
    }
    if let Some(expression) = &issue.expression {
        told["expression"] = json!([expression]);
    }
    told
}

/// The answer to a body that is no batch.
fn no_batch(refusal: &Refusal) -> Reply {
    let outcome = OutcomeView::new(&Issue::refused(refusal));
    Reply::fhir(status(refusal.code.kind()), &outcome)
}

/// The answer to a resource that was refused.
fn refused(refusal: &Refusal) -> Value {
    let status = status(refusal.code.kind());
    json!({ "status": status.as_str(), "outcome": OutcomeView::new(&Issue::refused(refusal)) })
}

/// The answer to one that was taken, or says nothing new.
fn taken(resource: &Resource) -> Value {
    let told = &resource.told;
    let status = match resource.outcome {
        Outcome::Created => "201",
        _ => "200",
    };
    let mut response = json!({ "status": status });
    if let Some(id) = &told.id {
        response["location"] = format!("{}/{}", told.kind.as_str(), id.as_str()).into();
    }
    if let Some(version) = told.version {
        response["etag"] = format!("W/\"{version}\"").into();
    }
    if let Some(record) = &resource.record {
        response["extension"] = json!([{ "url": RECORD, "valueString": record }]);
    }
    let passed_over = match resource.outcome {
        Outcome::SkippedStale => Some("A newer state of the resource is known. This one was not taken."),
        Outcome::SupersededInBatch => Some("Another entry says the same or something newer."),
        _ => None,
    };
    let mut issues = told.notes.clone();
    issues.extend(passed_over.map(|text| Issue::note(text, None)));
    if !issues.is_empty() {
        response["outcome"] = json!(OutcomeView::new(&issues));
    }
    response
}

/// Take FHIR R4 resources
///
/// For the platform's own systems, with a service token. A Bundle of type `batch`, one resource, or one resource a line (NDJSON), at
/// most 4 MB and 1,000 resources: Patient, Practitioner, `PractitionerRole`, Organization, Location, Appointment. Each is taken or
/// refused for itself, by the rules of feeding records: sent again, late or in another order, the newest state stays. The token needs
/// the scopes of the records that the resources are about. `docs/fhir.md` says which element becomes which field.
#[utoipa::path(post, path = "/v1/fhir/R4", tag = "ingest",
    request_body(content((Object = "application/fhir+json"), (Object = "application/fhir+ndjson"))),
    params(ResourcesQuery),
    security(("service" = [])),
    responses((status = 200, description = "An answer an entry", body = BundleView, content_type = "application/fhir+json"),
              (status = "4XX", description = "See `code`. What is no batch at all is answered with an `OperationOutcome` instead",
               body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(token.id = %service.token()))]
pub(crate) async fn take_resources(
    State(FileWeb { web, .. }): State<FileWeb>,
    service: Service,
    Query(query): Query<ResourcesQuery>,
    body: Resources,
) -> Result<Reply, ApiError> {
    let (options, resources) = match query.read(&body) {
        Ok(read) => read,
        Err(refusal) => return Ok(no_batch(&refusal)),
    };
    let now = web.clock.now();
    let bearer = service.bearer();
    let begun = if query.dry_run {
        bearer.tried(now)
    } else {
        bearer.ingested(FHIR, resources.len(), now)
    };
    web.store.commit(&begun, None, now).await?;
    let feeding = Feeding {
        store: &web.store,
        source: service.source(),
        now,
        is_trial: query.dry_run,
    };
    let allows = |of| service.allows(Scope::Ingest(of)).map(drop);
    let taken = feeding.take_resources(&resources, &options, allows).await?;
    Ok(Reply::fhir(StatusCode::OK, &BundleView::new(taken)))
}
