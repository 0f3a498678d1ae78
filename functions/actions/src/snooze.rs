//! `POST /v1/organizations/{organization_id}/actions/{action_id}/snooze`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::action::Step;
use portal_domain::id::{ActionId, OrganizationId};
use portal_domain::permission::need;
use portal_domain::time::Moment;
use portal_http::problem::Problem;
use portal_http::{ApiError, Idempotent, IfMatch, Member, Path, Reply};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::handling::handled;
use crate::view::ActionView;

/// Until when an action is to wait.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SnoozeCreate {
    /// In the future.
    #[schema(value_type = String, format = DateTime)]
    until: Moment,
}

/// Snooze an action
///
/// It waits until then, for this organization, and is open again by itself.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/actions/{action_id}/snooze", tag = "actions", request_body = SnoozeCreate,
    params(("organization_id" = String, Path), ("action_id" = String, Path), ("idempotency-key" = String, Header),
           ("if-match" = String, Header)),
    responses((status = 200, description = "It waits", body = ActionView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn snooze_action(
    State(web): State<Web>,
    member: Member<need::ActionsManage>,
    Path((organization, action)): Path<(OrganizationId, ActionId)>,
    IfMatch(seen): IfMatch,
    request: Idempotent<SnoozeCreate>,
) -> Result<Reply, ApiError> {
    member
        .perform(
            Some(&request.key),
            || web.store.action(organization, action),
            |access, sought, now| handled(access, sought, Step::Snooze(request.body.until.into()), seen, now),
        )
        .await
}
