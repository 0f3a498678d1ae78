//! `GET /v1/organizations/{organization_id}`.

use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::{ApiError, Member, Reply};

use crate::view::OrganizationView;

/// Get an organization
///
/// With the caller's role and permissions in it. During a dissolution it works for those who may cancel it.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}", tag = "organizations",
    params(("organization_id" = String, Path)),
    responses((status = 200, description = "The organization", body = OrganizationView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn get_organization(member: Member<need::Membership>) -> Result<Reply, ApiError> {
    let (access, ()) = member.until_final().beside(async { Ok(()) }).await?;
    Ok(Reply::ok(&OrganizationView::changed(&access.organization, &access)).etag(access.organization.rev))
}
