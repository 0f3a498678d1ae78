//! `GET /v1/organizations/{organization_id}/members/{account_id}`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::Code;
use portal_domain::id::{AccountId, OrganizationId};
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::view::MemberView;
use portal_http::{ApiError, Member, Path, Reply};

/// Get a member
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/members/{account_id}", tag = "members",
    params(("organization_id" = String, Path), ("account_id" = String, Path)),
    responses((status = 200, description = "The member", body = MemberView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn get_member(
    State(web): State<Web>,
    member: Member<need::MembersRead>,
    Path((organization, account)): Path<(OrganizationId, AccountId)>,
) -> Result<Reply, ApiError> {
    let (access, found) = member.beside(web.store.member(organization, account)).await?;
    let found = found.ok_or(Code::MemberNotFound)?;
    Ok(Reply::ok(&MemberView::new(&found, &access.organization)).etag(found.rev))
}
