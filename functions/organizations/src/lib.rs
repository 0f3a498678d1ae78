//! Organizations: create, see, configure, leave and dissolve them, and their custom roles.

mod access;
mod create;
mod dissolution;
mod get;
mod leave;
mod list;
mod permissions;
mod roles;
mod update;
mod view;

use portal_app::Web;
use portal_http::Routes;
use utoipa_axum::routes;

/// The routes of this function.
#[must_use]
pub fn routes() -> Routes<Web> {
    Routes::default()
        .with(routes!(create::create_organization, list::list_organizations))
        .with(routes!(get::get_organization, update::update_organization))
        .with(routes!(access::get_access, access::update_access))
        .with(routes!(leave::leave_organization))
        .with(routes!(
            dissolution::dissolve_organization,
            dissolution::cancel_dissolution
        ))
        .with(routes!(roles::create_role, roles::list_roles))
        .with(routes!(roles::get_role, roles::update_role, roles::delete_role))
        .with(routes!(permissions::list_permissions))
}
