//! What happens in an organization, at a glance: the dashboard's numbers and lists, and series by day and month.

mod glance;
mod series;
mod view;

use portal_app::Web;
use portal_http::Routes;
use utoipa_axum::routes;

/// The routes of this function.
#[must_use]
pub fn routes() -> Routes<Web> {
    Routes::default()
        .with(routes!(glance::get_dashboard))
        .with(routes!(series::get_statistics))
}
