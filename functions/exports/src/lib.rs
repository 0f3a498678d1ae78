//! Lists as files: asking for one, and taking it.

mod create;
mod get;
mod list;
mod view;

use portal_app::FileWeb;
use portal_http::Routes;
use utoipa_axum::routes;

/// The routes of this function.
#[must_use]
pub fn routes() -> Routes<FileWeb> {
    Routes::default()
        .with(routes!(create::create_export, list::list_exports))
        .with(routes!(get::get_export))
}
