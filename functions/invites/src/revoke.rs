//! `DELETE /v1/organizations/{organization_id}/invites/{invite_id}`.

use axum::extract::State;
use portal_app::InviteWeb;
use portal_domain::code::{Code, Refusal};
use portal_domain::id::{InviteId, OrganizationId};
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::{ApiError, IfMatch, Member, Path, Reply};

use crate::view::InviteView;

/// Revoke an invite
///
/// Its link is dead and its seat free. A membership is never touched.
#[utoipa::path(delete, path = "/v1/organizations/{organization_id}/invites/{invite_id}", tag = "invites",
    params(("organization_id" = String, Path), ("invite_id" = String, Path), ("if-match" = String, Header)),
    responses((status = 200, description = "The revoked invite", body = InviteView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn revoke_invite(
    State(InviteWeb { web, .. }): State<InviteWeb>,
    member: Member<need::InvitesManage>,
    Path((organization, id)): Path<(OrganizationId, InviteId)>,
    IfMatch(seen): IfMatch,
) -> Result<Reply, ApiError> {
    member
        .perform(
            None,
            || web.store.invite(organization, id),
            |access, invite, now| {
                let (invite, change) =
                    access.revoke_invite(&invite.ok_or(Code::InviteNotFound)?, seen, now)?;
                Ok::<_, Refusal>((change, Reply::ok(&InviteView::new(&invite, now)).etag(invite.rev)))
            },
        )
        .await
}
