//! `GET /v1/organizations/{organization_id}/sites`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::view::SiteView;
use portal_http::{ApiError, List, ListView, Member, NoFilter, Paging, Reply};
use portal_store::Page;

/// List sites
///
/// Those that the organization is bound to and the caller's role is not kept from, in the order in which they were made.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/sites", tag = "sites",
    params(("organization_id" = String, Path), Paging),
    responses((status = 200, description = "A page of sites", body = ListView<SiteView>),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn list_sites(
    State(web): State<Web>,
    member: Member<need::Membership>,
    list: List<NoFilter>,
) -> Result<Reply, ApiError> {
    let after = list.after(&web.cursors, member.account())?;
    let (access, ()) = member.beside(async { Ok(()) }).await?;
    let ids = access.sites().map(|binding| binding.site).collect();
    let page = Page::of(ids, list.limit, after.as_ref(), ToString::to_string);
    let sites = web.store.sites(page.items.iter().copied()).await?;
    let page = Page {
        items: sites.iter().map(SiteView::from).collect(),
        next: page.next,
    };
    Ok(list.reply(&web.cursors, member.account(), page))
}
