//! The actions that an organization sees, and what it makes of them.

mod assign;
mod dismiss;
mod get;
mod handling;
mod list;
mod reopen;
mod snooze;
mod view;

use portal_app::Web;
use portal_http::Routes;
use utoipa_axum::routes;

/// The routes of this function.
#[must_use]
pub fn routes() -> Routes<Web> {
    Routes::default()
        .with(routes!(list::list_actions))
        .with(routes!(get::get_action))
        .with(routes!(assign::assign_action))
        .with(routes!(snooze::snooze_action))
        .with(routes!(dismiss::dismiss_action))
        .with(routes!(reopen::reopen_action))
}
