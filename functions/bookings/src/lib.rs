//! The bookings that an organization oversees, and the changes it asks of their source.

mod get;
mod list;
mod transition;
mod view;

use portal_app::Web;
use portal_http::Routes;
use utoipa_axum::routes;

/// The routes of this function.
#[must_use]
pub fn routes() -> Routes<Web> {
    Routes::default()
        .with(routes!(list::list_bookings))
        .with(routes!(get::get_booking))
        .with(routes!(transition::request_transition))
}
