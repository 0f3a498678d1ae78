//! `GET /v1/organizations/{organization_id}/audit-events`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::permission::need;
use portal_http::listing::audit_events::{AuditEventFilter, AuditEventView};
use portal_http::problem::Problem;
use portal_http::{ApiError, List, ListView, Member, Paging, Reply};

/// List audit events
///
/// Newest first. Without actor or object a page ends with its month, and may be empty and still have a next one.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/audit-events", tag = "audit",
    params(("organization_id" = String, Path), Paging, AuditEventFilter),
    responses((status = 200, description = "A page of events", body = ListView<AuditEventView>),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn list_audit_events(
    State(web): State<Web>,
    member: Member<need::AuditRead>,
    list: List<AuditEventFilter>,
) -> Result<Reply, ApiError> {
    let wanted = list.filter.wanted()?;
    let after = list.after(&web.cursors, member.account())?;
    let events = web
        .store
        .audit_events(member.organization, &wanted, web.clock.now(), list.limit, after);
    let member = member.until_final();
    let (_, page) = member.beside(events).await?;
    Ok(list.reply(&web.cursors, member.account(), page.map(AuditEventView::from)))
}
