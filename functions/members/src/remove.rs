//! `DELETE /v1/organizations/{organization_id}/members/{account_id}`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::{Code, Refusal};
use portal_domain::id::{AccountId, OrganizationId};
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::{ApiError, IfMatch, Member, Path, Reply};

/// Remove a member
///
/// Their access ends with their next request; their account stays. The last admin cannot be removed.
#[utoipa::path(delete, path = "/v1/organizations/{organization_id}/members/{account_id}", tag = "members",
    params(("organization_id" = String, Path), ("account_id" = String, Path), ("if-match" = String, Header)),
    responses((status = 204, description = "Removed"),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn remove_member(
    State(web): State<Web>,
    member: Member<need::MembersManage>,
    Path((organization, account)): Path<(OrganizationId, AccountId)>,
    IfMatch(seen): IfMatch,
) -> Result<Reply, ApiError> {
    member
        .perform(
            None,
            || web.store.member(organization, account),
            |access, found, now| {
                let change = access.remove_member(&found.ok_or(Code::MemberNotFound)?, seen, now)?;
                Ok::<_, Refusal>((change, Reply::no_content()))
            },
        )
        .await
}
