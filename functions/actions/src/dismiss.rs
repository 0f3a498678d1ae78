//! `POST /v1/organizations/{organization_id}/actions/{action_id}/dismiss`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::action::Step;
use portal_domain::id::{ActionId, OrganizationId};
use portal_domain::permission::need;
use portal_domain::text::DismissalReason;
use portal_http::problem::Problem;
use portal_http::{ApiError, Idempotent, IfMatch, Member, Path, Reply};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::handling::handled;
use crate::view::ActionView;

/// Why an action is not to be seen to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DismissalCreate {
    /// 1 to 500 characters.
    #[schema(value_type = String, example = "Agreed with the platform.")]
    reason: DismissalReason,
}

/// Dismiss an action
///
/// It is not seen to, for this organization, until it is taken up again or its cause comes back after it was gone.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/actions/{action_id}/dismiss", tag = "actions", request_body = DismissalCreate,
    params(("organization_id" = String, Path), ("action_id" = String, Path), ("idempotency-key" = String, Header),
           ("if-match" = String, Header)),
    responses((status = 200, description = "Dismissed", body = ActionView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn dismiss_action(
    State(web): State<Web>,
    member: Member<need::ActionsManage>,
    Path((organization, action)): Path<(OrganizationId, ActionId)>,
    IfMatch(seen): IfMatch,
    request: Idempotent<DismissalCreate>,
) -> Result<Reply, ApiError> {
    member
        .perform(
            Some(&request.key),
            || web.store.action(organization, action),
            |access, sought, now| {
                handled(
                    access,
                    sought,
                    Step::Dismiss(request.body.reason.clone()),
                    seen,
                    now,
                )
            },
        )
        .await
}
