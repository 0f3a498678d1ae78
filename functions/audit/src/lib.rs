//! The audit log of an organization.

mod list;

use portal_app::Web;
use portal_http::Routes;
use utoipa_axum::routes;

/// The routes of this function.
#[must_use]
pub fn routes() -> Routes<Web> {
    Routes::default().with(routes!(list::list_audit_events))
}
