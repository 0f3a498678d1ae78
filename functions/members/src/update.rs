//! `PATCH /v1/organizations/{organization_id}/members/{account_id}`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::{Code, Refusal};
use portal_domain::id::{AccountId, OrganizationId};
use portal_domain::membership::Update;
use portal_domain::permission::need;
use portal_domain::role::Role;
use portal_http::problem::Problem;
use portal_http::view::MemberView;
use portal_http::{ApiError, IfMatch, Json, Member, Path, Reply};
use serde::Deserialize;
use utoipa::ToSchema;

/// What is to change of a member; what is not given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemberUpdate {
    /// `admin`, `provider`, `viewer` or a custom role's id; none that holds more than the caller.
    #[schema(value_type = Option<String>, example = "admin")]
    role: Option<Role>,
    /// For admins: whether they hold sessions too, and so take a seat.
    provides_care: Option<bool>,
}

/// Change a member's role
///
/// The last admin cannot be demoted. Roles that hold sessions take a provider seat.
#[utoipa::path(patch, path = "/v1/organizations/{organization_id}/members/{account_id}", tag = "members", request_body = MemberUpdate,
    params(("organization_id" = String, Path), ("account_id" = String, Path), ("if-match" = String, Header)),
    responses((status = 200, description = "Changed", body = MemberView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn update_member(
    State(web): State<Web>,
    member: Member<need::MembersManage>,
    Path((organization, account)): Path<(OrganizationId, AccountId)>,
    IfMatch(seen): IfMatch,
    Json(wanted): Json<MemberUpdate>,
) -> Result<Reply, ApiError> {
    member
        .perform(
            None,
            || web.store.member(organization, account),
            |access, found, now| {
                let update = Update {
                    role: wanted.role,
                    provides_care: wanted.provides_care,
                };
                let (membership, change) =
                    access.update_member(&found.ok_or(Code::MemberNotFound)?, update, seen, now)?;
                let view = MemberView::new(&membership, &access.organization);
                Ok::<_, Refusal>((change, Reply::ok(&view).etag(membership.rev)))
            },
        )
        .await
}
