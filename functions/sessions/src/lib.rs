//! The sessions that providers hold, what their organizations see of them, and the devices of whoever takes part.

mod devices;
mod end;
mod get;
mod list;
mod of_organization;
mod start;
mod update;
mod view;

use portal_app::Web;
use portal_http::Routes;
use utoipa_axum::routes;

/// The routes of this function.
#[must_use]
pub fn routes() -> Routes<Web> {
    Routes::default()
        .with(routes!(list::list_sessions, start::start_session))
        .with(routes!(get::get_session, update::update_session))
        .with(routes!(end::end_session))
        .with(routes!(of_organization::list_organization_sessions))
        .with(routes!(of_organization::get_organization_session))
        .with(routes!(devices::list_devices, devices::register_device))
        .with(routes!(devices::get_device, devices::revoke_device))
}
