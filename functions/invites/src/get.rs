//! `GET /v1/organizations/{organization_id}/invites/{invite_id}`.

use axum::extract::State;
use portal_app::InviteWeb;
use portal_domain::code::Code;
use portal_domain::id::{InviteId, OrganizationId};
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::{ApiError, Member, Path, Reply};

use crate::view::InviteView;

/// Get an invite
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/invites/{invite_id}", tag = "invites",
    params(("organization_id" = String, Path), ("invite_id" = String, Path)),
    responses((status = 200, description = "The invite", body = InviteView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn get_invite(
    State(InviteWeb { web, .. }): State<InviteWeb>,
    member: Member<need::InvitesRead>,
    Path((organization, id)): Path<(OrganizationId, InviteId)>,
) -> Result<Reply, ApiError> {
    let (_, invite) = member.beside(web.store.invite(organization, id)).await?;
    let invite = invite.ok_or(Code::InviteNotFound)?;
    Ok(Reply::ok(&InviteView::new(&invite, web.clock.now())).etag(invite.rev))
}
