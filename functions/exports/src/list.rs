//! `GET /v1/organizations/{organization_id}/exports`.

use axum::extract::State;
use portal_app::FileWeb;
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::{ApiError, List, ListView, Member, NoFilter, Paging, Reply};

use crate::view::ExportView;

/// List one's exports
///
/// Newest first, without links. Nobody sees those of others: their filters may name people.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/exports", tag = "exports",
    params(("organization_id" = String, Path), Paging),
    responses((status = 200, description = "A page of exports", body = ListView<ExportView>),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn list_exports(
    State(FileWeb { web, .. }): State<FileWeb>,
    member: Member<need::ExportsCreate>,
    list: List<NoFilter>,
) -> Result<Reply, ApiError> {
    let after = list.after(&web.cursors, member.account())?;
    let exports = web
        .store
        .exports(member.organization, member.account(), list.limit, after);
    let (access, page) = member.beside(exports).await?;
    let now = web.clock.now();
    let page = page.map(|export| ExportView::new(&export, None, &access, now));
    Ok(list.reply(&web.cursors, member.account(), page))
}
