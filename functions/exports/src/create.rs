//! `POST /v1/organizations/{organization_id}/exports`.

use axum::extract::State;
use portal_app::FileWeb;
use portal_domain::access::Access;
use portal_domain::code::{At as _, Refusal};
use portal_domain::export::{ExportFilters, ExportFormat, ExportRequest, ExportedList};
use portal_domain::permission::need;
use portal_http::listing::audit_events::AuditEventFilter;
use portal_http::listing::bookings::BookingFilter;
use portal_http::listing::members::MemberFilter;
use portal_http::listing::patients::PatientFilter;
use portal_http::listing::sessions::OrganizationSessionFilter;
use portal_http::listing::specialists::SpecialistFilter;
use portal_http::listing::transactions::TransactionFilter;
use portal_http::listing::{self, Listing};
use portal_http::problem::Problem;
use portal_http::{ApiError, Idempotent, Member, Reply};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::view::ExportView;

/// What is to be exported.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportCreate {
    /// `bookings`, `transactions`, `patients`, `specialists`, `members`, `sessions` or `audit_events`.
    #[schema(value_type = String, example = "bookings")]
    list: ExportedList,
    /// `csv` or `ndjson`.
    #[schema(value_type = String, example = "csv")]
    format: ExportFormat,
    /// The query parameters of the list's own route, but `limit` and `cursor`.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, String>, example = json!({ "tab": "past" }))]
    filters: ExportFilters,
}

/// Refuses what the list's own route would refuse.
fn check(access: &Access, request: &ExportRequest) -> Result<(), Refusal> {
    fn one<L: Listing>(access: &Access, filters: &ExportFilters) -> Result<(), Refusal> {
        listing::filters::<L>(&listing::query(filters))?.check(access)
    }
    let ask = match request.list {
        ExportedList::Bookings => one::<BookingFilter>,
        ExportedList::Transactions => one::<TransactionFilter>,
        ExportedList::Patients => one::<PatientFilter>,
        ExportedList::Specialists => one::<SpecialistFilter>,
        ExportedList::Members => one::<MemberFilter>,
        ExportedList::Sessions => one::<OrganizationSessionFilter>,
        ExportedList::AuditEvents => one::<AuditEventFilter>,
    };
    ask(access, &request.filters)
}

/// Export a list
///
/// The file has what the list has for the caller, with the same filters, and is written soon after: `GET` the export until it is
/// `done`. It needs the permission of the list, too, when it is asked for, written and taken.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/exports", tag = "exports",
    request_body = ExportCreate,
    params(("organization_id" = String, Path), ("idempotency-key" = String, Header)),
    responses((status = 202, description = "The export, waiting to be written", body = ExportView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn create_export(
    State(_): State<FileWeb>,
    member: Member<need::ExportsCreate>,
    request: Idempotent<ExportCreate>,
) -> Result<Reply, ApiError> {
    let ExportCreate {
        list,
        format,
        filters,
    } = request.body;
    let wanted = ExportRequest::new(list, format, filters).at("/filters")?;
    member
        .perform(
            Some(&request.key),
            || async { Ok(()) },
            |access, (), now| {
                let (export, change) = access.create_export(wanted.clone(), now)?;
                check(access, &wanted).at("/filters")?;
                let location = format!("/v1/organizations/{}/exports/{}", export.organization, export.id);
                let view = ExportView::new(&export, None, access, now);
                Ok::<_, Refusal>((change, Reply::accepted(&view, location)))
            },
        )
        .await
}
