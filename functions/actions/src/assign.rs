//! `POST /v1/organizations/{organization_id}/actions/{action_id}/assign`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::action::Step;
use portal_domain::id::{AccountId, ActionId, OrganizationId};
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::{ApiError, Idempotent, IfMatch, Member, Path, Reply};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::handling::handled;
use crate::view::ActionView;

/// Who is to see to an action.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssignmentCreate {
    /// The account of a member; null for nobody.
    #[schema(value_type = Option<String>)]
    account_id: Option<AccountId>,
}

/// Assign an action
///
/// To a member of this organization who may see it, or to nobody.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/actions/{action_id}/assign", tag = "actions", request_body = AssignmentCreate,
    params(("organization_id" = String, Path), ("action_id" = String, Path), ("idempotency-key" = String, Header),
           ("if-match" = String, Header)),
    responses((status = 200, description = "Assigned", body = ActionView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn assign_action(
    State(web): State<Web>,
    member: Member<need::ActionsManage>,
    Path((organization, action)): Path<(OrganizationId, ActionId)>,
    IfMatch(seen): IfMatch,
    request: Idempotent<AssignmentCreate>,
) -> Result<Reply, ApiError> {
    let account = request.body.account_id;
    let read = || async {
        let assignee = async {
            match account {
                Some(account) => web.store.member(organization, account).await,
                None => Ok(None),
            }
        };
        tokio::try_join!(web.store.action(organization, action), assignee)
    };
    member
        .perform(Some(&request.key), read, |access, (sought, assignee), now| {
            let member = assignee.map(Box::new);
            handled(access, sought, Step::Assign { account, member }, seen, now)
        })
        .await
}
