//! `POST /v1/organizations/{organization_id}/leave`.

use portal_domain::code::Refusal;
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::{ApiError, Member, Reply};

/// Leave an organization
///
/// The caller's account stays. The last admin cannot leave.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/leave", tag = "organizations",
    params(("organization_id" = String, Path)),
    responses((status = 204, description = "The caller is no member any more"),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn leave_organization(member: Member<need::Membership>) -> Result<Reply, ApiError> {
    member
        .perform(
            None,
            async || Ok(()),
            |access, (), now| Ok::<_, Refusal>((access.leave(now)?, Reply::no_content())),
        )
        .await
}
