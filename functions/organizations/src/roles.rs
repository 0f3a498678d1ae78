//! `/v1/organizations/{organization_id}/roles` and `…/roles/{role_id}`.

use std::collections::BTreeSet;

use axum::extract::State;
use jiff::Timestamp;
use portal_app::Web;
use portal_domain::code::{Code, Refusal};
use portal_domain::id::{OrganizationId, RoleId, SiteId};
use portal_domain::organization::{self, RoleDraft};
use portal_domain::permission::{Permissions, need};
use portal_domain::role::{CustomRole, Grant};
use portal_domain::text::RoleName;
use portal_domain::wish::Wish;
use portal_http::problem::Problem;
use portal_http::{
    ApiError, Idempotent, IfMatch, Json, List, ListView, Member, NoFilter, Paging, Path, Reply, View,
};
use portal_store::Page;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A custom role.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoleView {
    /// Its id, as members and invites name it.
    #[schema(example = "rol_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    id: String,
    /// Its name.
    name: String,
    /// What it holds.
    permissions: Vec<&'static str>,
    /// The sites that its rights on patients, specialists, bookings, money and consents are limited to; null where they are not.
    sites: Option<Vec<String>>,
    /// Whether its holders take provider seats.
    takes_seat: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl View for RoleView {}

impl From<&CustomRole> for RoleView {
    fn from(role: &CustomRole) -> Self {
        Self {
            id: role.id.to_string(),
            name: role.name.as_str().to_owned(),
            permissions: role
                .permissions
                .iter()
                .map(|permission| permission.as_str())
                .collect(),
            sites: role
                .sites
                .as_ref()
                .map(|sites| sites.iter().map(ToString::to_string).collect()),
            takes_seat: role.takes_seat(),
            created_at: role.created_at,
        }
    }
}

/// What a new role is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleCreate {
    /// Its name, 1 to 60 characters.
    #[schema(value_type = String, example = "Front desk")]
    name: RoleName,
    /// What it holds; none that the caller does not hold.
    #[schema(value_type = Vec<String>, example = json!(["members.read"]))]
    permissions: Permissions,
    /// Sites of the organization that its rights on the platform's records are to be limited to.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    sites: Option<BTreeSet<SiteId>>,
}

/// What is to change of a role; what is not given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleUpdate {
    /// Its name.
    #[schema(value_type = Option<String>)]
    name: Option<RoleName>,
    /// What it holds. Whether that includes `sessions.create` cannot change.
    #[schema(value_type = Option<Vec<String>>)]
    permissions: Option<Permissions>,
    /// Another limit to sites; null takes it away.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    sites: Wish<BTreeSet<SiteId>>,
}

type InPath = Path<(OrganizationId, RoleId)>;

/// Create a custom role
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/roles", tag = "roles", request_body = RoleCreate,
    params(("organization_id" = String, Path), ("idempotency-key" = String, Header)),
    responses((status = 201, description = "Created", body = RoleView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn create_role(
    member: Member<need::RolesManage>,
    request: Idempotent<RoleCreate>,
) -> Result<Reply, ApiError> {
    member
        .perform(
            Some(&request.key),
            async || Ok(()),
            |access, (), now| {
                let RoleCreate {
                    name,
                    permissions,
                    sites,
                } = &request.body;
                let draft = RoleDraft {
                    name: name.clone(),
                    grant: Grant {
                        permissions: permissions.clone(),
                        sites: sites.clone(),
                    },
                };
                let (role, change) = access.create_role(draft, now)?;
                let location = format!("/v1/organizations/{}/roles/{}", member.organization, role.id);
                Ok::<_, Refusal>((
                    change,
                    Reply::created(&RoleView::from(&role), location).etag(role.rev),
                ))
            },
        )
        .await
}

/// List custom roles
///
/// In the order in which they were made. Every member may see what roles there are.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/roles", tag = "roles",
    params(("organization_id" = String, Path), Paging),
    responses((status = 200, description = "The custom roles", body = ListView<RoleView>),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn list_roles(
    State(web): State<Web>,
    member: Member<need::Membership>,
    list: List<NoFilter>,
) -> Result<Reply, ApiError> {
    let after = list.after(&web.cursors, member.account())?;
    let (access, ()) = member.beside(async { Ok(()) }).await?;
    // Ids sort by the time at which they were made, by the clock of whoever made them: a page needs their own order.
    let mut roles: Vec<_> = access.organization.roles.iter().map(RoleView::from).collect();
    roles.sort_by(|a, b| a.id.cmp(&b.id));
    let page = Page::of(roles, list.limit, after.as_ref(), |role| role.id.clone());
    Ok(list.reply(&web.cursors, member.account(), page))
}

/// Get a custom role
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/roles/{role_id}", tag = "roles",
    params(("organization_id" = String, Path), ("role_id" = String, Path)),
    responses((status = 200, description = "The role", body = RoleView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn get_role(
    member: Member<need::Membership>,
    Path((_, id)): InPath,
) -> Result<Reply, ApiError> {
    let (access, ()) = member.beside(async { Ok(()) }).await?;
    let role = access.organization.role(id).ok_or(Code::RoleNotFound)?;
    Ok(Reply::ok(&RoleView::from(role)).etag(role.rev))
}

/// Change a custom role
///
/// Its holders have the new permissions from their next request on.
#[utoipa::path(patch, path = "/v1/organizations/{organization_id}/roles/{role_id}", tag = "roles", request_body = RoleUpdate,
    params(("organization_id" = String, Path), ("role_id" = String, Path), ("if-match" = String, Header)),
    responses((status = 200, description = "Changed", body = RoleView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn update_role(
    member: Member<need::RolesManage>,
    Path((_, id)): InPath,
    IfMatch(seen): IfMatch,
    Json(wanted): Json<RoleUpdate>,
) -> Result<Reply, ApiError> {
    member
        .perform(
            None,
            async || Ok(()),
            |access, (), now| {
                let update = organization::RoleUpdate {
                    name: wanted.name.clone(),
                    permissions: wanted.permissions.clone(),
                    sites: wanted.sites.clone(),
                };
                let (role, change) = access.update_role(id, update, seen, now)?;
                Ok::<_, Refusal>((change, Reply::ok(&RoleView::from(&role)).etag(role.rev)))
            },
        )
        .await
}

/// Delete a custom role
///
/// Only when no member holds it. Pending invites to it can no longer be accepted.
#[utoipa::path(delete, path = "/v1/organizations/{organization_id}/roles/{role_id}", tag = "roles",
    params(("organization_id" = String, Path), ("role_id" = String, Path), ("if-match" = String, Header)),
    responses((status = 204, description = "Deleted"),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn delete_role(
    member: Member<need::RolesManage>,
    Path((_, id)): InPath,
    IfMatch(seen): IfMatch,
) -> Result<Reply, ApiError> {
    member
        .perform(
            None,
            async || Ok(()),
            |access, (), now| Ok::<_, Refusal>((access.delete_role(id, seen, now)?, Reply::no_content())),
        )
        .await
}
