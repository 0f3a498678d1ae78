//! What the platform operator does: how much organizations may see, the platform's sites, and who is bound to which.

mod allowance;
mod binding;
mod operator;
mod sites;

use portal_app::PlatformWeb;
use portal_http::Routes;
use utoipa_axum::routes;

/// The routes of this function.
#[must_use]
pub fn routes() -> Routes<PlatformWeb> {
    Routes::default()
        .with(routes!(
            allowance::get_platform_organization,
            allowance::update_platform_organization
        ))
        .with(routes!(binding::bind_site, binding::unbind_site))
        .with(routes!(sites::create_platform_site, sites::list_platform_sites))
        .with(routes!(sites::get_platform_site))
        .with(routes!(sites::list_site_bindings))
}
