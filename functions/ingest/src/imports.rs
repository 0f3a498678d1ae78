//! Files of lines: asking to bring one, and seeing what became of it.

mod create;
mod get;
mod list;
mod view;

use portal_app::FileWeb;
use portal_http::Routes;
use utoipa_axum::routes;

/// With the routes about imports.
pub(crate) fn with(routes: Routes<FileWeb>) -> Routes<FileWeb> {
    routes
        .with(routes!(create::create_import, list::list_imports))
        .with(routes!(get::get_import))
}
