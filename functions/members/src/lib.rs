//! Members of an organization: see, change and remove them; and the caller's own account.

mod get;
mod list;
mod me;
mod remove;
mod update;

use portal_app::Web;
use portal_http::Routes;
use utoipa_axum::routes;

/// The routes of this function.
#[must_use]
pub fn routes() -> Routes<Web> {
    Routes::default()
        .with(routes!(list::list_members))
        .with(routes!(
            get::get_member,
            update::update_member,
            remove::remove_member
        ))
        .with(routes!(me::get_me, me::update_me))
}
