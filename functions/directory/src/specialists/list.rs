//! `GET /v1/organizations/{organization_id}/specialists`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::permission::need;
use portal_http::listing::Listing as _;
use portal_http::listing::specialists::{SpecialistFilter, SpecialistRowView};
use portal_http::problem::Problem;
use portal_http::{ApiError, List, ListView, Member, Paging, Reply};

/// List specialists
///
/// By name, or who came last first; of several sites, each specialist once. With filters, at most 1,000 specialists of a site are
/// looked at for a page, which may then be short. A list from too many sites needs `site_id`.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/specialists", tag = "specialists",
    params(("organization_id" = String, Path), Paging, SpecialistFilter),
    responses((status = 200, description = "A page of specialists", body = ListView<SpecialistRowView>),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn list_specialists(
    State(web): State<Web>,
    member: Member<need::SpecialistsRead>,
    list: List<SpecialistFilter>,
) -> Result<Reply, ApiError> {
    let after = list.after(&web.cursors, member.account())?;
    let now = web.clock.now();
    let (access, ()) = member.beside(async { Ok(()) }).await?;
    let page = list
        .filter
        .page(&web.store, &access, now, list.limit, after)
        .await?;
    Ok(list.reply(&web.cursors, member.account(), page))
}
