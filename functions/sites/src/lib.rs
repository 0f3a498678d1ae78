//! The sites of an organization: those it runs, and those that are shared with it.

mod create;
mod get;
mod list;
mod update;

use portal_app::Web;
use portal_http::Routes;
use utoipa_axum::routes;

/// The routes of this function.
#[must_use]
pub fn routes() -> Routes<Web> {
    Routes::default()
        .with(routes!(create::create_site, list::list_sites))
        .with(routes!(get::get_site, update::update_site))
}
