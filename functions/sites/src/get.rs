//! `GET /v1/organizations/{organization_id}/sites/{site_id}`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::Code;
use portal_domain::id::{OrganizationId, SiteId};
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::view::SiteView;
use portal_http::{ApiError, Member, Path, Reply};

/// Get a site
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/sites/{site_id}", tag = "sites",
    params(("organization_id" = String, Path), ("site_id" = String, Path)),
    responses((status = 200, description = "The site", body = SiteView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn get_site(
    State(web): State<Web>,
    member: Member<need::Membership>,
    Path((_, site)): Path<(OrganizationId, SiteId)>,
) -> Result<Reply, ApiError> {
    let (access, found) = member.beside(web.store.site(site)).await?;
    access.site(site)?;
    let found = found.ok_or(Code::SiteNotFound)?;
    Ok(Reply::ok(&SiteView::from(&found)).etag(found.rev))
}
