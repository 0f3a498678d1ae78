//! `POST /v1/organizations/{organization_id}/invites/{invite_id}/resend`.

use axum::extract::State;
use portal_app::InviteWeb;
use portal_domain::code::{Code, Refusal};
use portal_domain::id::{InviteId, OrganizationId};
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::{ApiError, Idempotent, Member, Nothing, Path, Reply};

use crate::view::InviteView;

/// Resend an invite
///
/// A new link for 7 days; the old one is dead. An expired invite takes its seat again.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/invites/{invite_id}/resend", tag = "invites",
    params(("organization_id" = String, Path), ("invite_id" = String, Path), ("idempotency-key" = String, Header)),
    responses((status = 200, description = "The new mail is on its way", body = InviteView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn resend_invite(
    State(InviteWeb { web, .. }): State<InviteWeb>,
    member: Member<need::InvitesManage>,
    Path((organization, id)): Path<(OrganizationId, InviteId)>,
    request: Idempotent<Nothing>,
) -> Result<Reply, ApiError> {
    member
        .perform(
            Some(&request.key),
            || web.store.invite(organization, id),
            |access, invite, now| {
                let (invite, change) = access.resend_invite(&invite.ok_or(Code::InviteNotFound)?, now)?;
                Ok::<_, Refusal>((change, Reply::ok(&InviteView::new(&invite, now)).etag(invite.rev)))
            },
        )
        .await
}
