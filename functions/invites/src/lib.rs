//! Invites: offer membership by e-mail; see, resend and revoke offers; answer them.

mod accept;
mod answer;
mod bulk;
mod create;
mod decline;
mod get;
mod list;
mod preview;
mod resend;
mod revoke;
mod view;

use portal_app::InviteWeb;
use portal_http::Routes;
use utoipa_axum::routes;

/// The routes of this function.
#[must_use]
pub fn routes() -> Routes<InviteWeb> {
    Routes::default()
        .with(routes!(create::create_invite, list::list_invites))
        .with(routes!(bulk::create_invites))
        .with(routes!(get::get_invite, revoke::revoke_invite))
        .with(routes!(resend::resend_invite))
        .with(routes!(preview::preview_invite))
        .with(routes!(accept::accept_invite))
        .with(routes!(decline::decline_invite))
}
