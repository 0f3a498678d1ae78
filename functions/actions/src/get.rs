//! `GET /v1/organizations/{organization_id}/actions/{action_id}`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::Code;
use portal_domain::id::{ActionId, OrganizationId};
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::{ApiError, Member, Path, Reply};

use crate::view::ActionView;

/// Get an action
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/actions/{action_id}", tag = "actions",
    params(("organization_id" = String, Path), ("action_id" = String, Path)),
    responses((status = 200, description = "The action", body = ActionView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn get_action(
    State(web): State<Web>,
    member: Member<need::ActionsRead>,
    Path((organization, action)): Path<(OrganizationId, ActionId)>,
) -> Result<Reply, ApiError> {
    let (access, sought) = member.beside(web.store.action(organization, action)).await?;
    let sight = access.sight()?;
    let found = sought.within(&sight.reach);
    let case = found
        .filter(|case| sight.shows(&case.action))
        .ok_or(Code::ActionNotFound)?;
    Ok(Reply::ok(&ActionView::new(&case, organization, web.clock.now())).etag(case.rev()))
}
