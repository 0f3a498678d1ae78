//! `GET /v1/permissions`.

use portal_domain::permission::{PRESETS, Permission, Permissions};
use portal_domain::role::Role;
use portal_http::problem::Problem;
use portal_http::{ApiError, Caller, Reply, View};
use serde::Serialize;
use utoipa::ToSchema;

/// All permissions, what the built-in roles hold of them, and ready-made sets for custom roles.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PermissionMatrixView {
    /// All permissions.
    permissions: Vec<PermissionView>,
    /// The built-in roles.
    roles: Vec<RoleRightsView>,
    /// Ready-made sets for custom roles.
    presets: Vec<PresetView>,
}

/// A permission.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PermissionView {
    /// As roles name it.
    #[schema(example = "members.read")]
    name: &'static str,
    /// What it allows.
    about: &'static str,
}

/// A built-in role.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoleRightsView {
    /// `admin`, `provider` or `viewer`.
    #[schema(example = "viewer")]
    role: String,
    /// What it holds.
    permissions: Vec<&'static str>,
}

/// A ready-made set of permissions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PresetView {
    /// Its name.
    #[schema(example = "compliance")]
    name: &'static str,
    /// Who it is for.
    about: &'static str,
    /// What it holds.
    permissions: Vec<&'static str>,
}

impl View for PermissionMatrixView {}

fn names(permissions: &Permissions) -> Vec<&'static str> {
    permissions.iter().map(|permission| permission.as_str()).collect()
}

/// List permissions
///
/// The matrix of permissions and roles, from the code that decides by it.
#[utoipa::path(get, path = "/v1/permissions", tag = "roles",
    responses((status = 200, description = "The matrix", body = PermissionMatrixView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn list_permissions(_: Caller) -> Result<Reply, ApiError> {
    let permission = |p: &Permission| PermissionView {
        name: p.as_str(),
        about: p.about(),
    };
    let rights = |role: Role| RoleRightsView {
        role: role.to_string(),
        permissions: names(&role.built_in_permissions()),
    };
    let presets = PRESETS.iter().map(|preset| PresetView {
        name: preset.name,
        about: preset.about,
        permissions: preset
            .permissions
            .iter()
            .map(|permission| permission.as_str())
            .collect(),
    });
    Ok(Reply::ok(&PermissionMatrixView {
        permissions: Permission::ALL.iter().map(permission).collect(),
        roles: Role::BUILT_IN.into_iter().map(rights).collect(),
        presets: presets.collect(),
    }))
}
