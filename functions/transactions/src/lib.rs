//! The money of the people that an organization oversees: the ledger, a booking's trail, a specialist's month.

mod get;
mod list;
mod statement;
mod trail;
mod view;

use portal_app::Web;
use portal_http::Routes;
use utoipa_axum::routes;

/// The routes of this function.
#[must_use]
pub fn routes() -> Routes<Web> {
    Routes::default()
        .with(routes!(list::list_transactions))
        .with(routes!(get::get_transaction))
        .with(routes!(trail::get_money_trail))
        .with(routes!(statement::get_statement))
}
