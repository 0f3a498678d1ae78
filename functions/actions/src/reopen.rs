//! `POST /v1/organizations/{organization_id}/actions/{action_id}/reopen`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::action::Step;
use portal_domain::id::{ActionId, OrganizationId};
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::{ApiError, Idempotent, IfMatch, Member, Nothing, Path, Reply};

use crate::handling::handled;
use crate::view::ActionView;

/// Reopen an action
///
/// Whether it waits or was dismissed.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/actions/{action_id}/reopen", tag = "actions",
    params(("organization_id" = String, Path), ("action_id" = String, Path), ("idempotency-key" = String, Header),
           ("if-match" = String, Header)),
    responses((status = 200, description = "Open again", body = ActionView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn reopen_action(
    State(web): State<Web>,
    member: Member<need::ActionsManage>,
    Path((organization, action)): Path<(OrganizationId, ActionId)>,
    IfMatch(seen): IfMatch,
    request: Idempotent<Nothing>,
) -> Result<Reply, ApiError> {
    member
        .perform(
            Some(&request.key),
            || web.store.action(organization, action),
            |access, sought, now| handled(access, sought, Step::Reopen, seen, now),
        )
        .await
}
