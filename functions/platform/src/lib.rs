//! What the platform operator does: how much organizations may see, the platform's sites, who is bound to which, and service
//! tokens.

mod allowance;
mod binding;
mod operator;
mod sites;
mod tokens;

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
        .with(routes!(tokens::create_service_token, tokens::list_service_tokens))
        .with(routes!(tokens::get_service_token, tokens::revoke_service_token))
        .with(routes!(tokens::rotate_service_token))
}
