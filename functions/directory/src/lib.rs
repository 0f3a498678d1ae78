//! The directories: patients with notes on them, and specialists with their review.

mod notes;
mod patients;
mod specialists;

use portal_app::Web;
use portal_http::Routes;
use utoipa_axum::routes;

/// The routes of this function.
#[must_use]
pub fn routes() -> Routes<Web> {
    Routes::default()
        .with(routes!(patients::list::list_patients))
        .with(routes!(
            patients::get::get_patient,
            patients::update::update_patient
        ))
        .with(routes!(notes::create::create_note, notes::list::list_notes))
        .with(routes!(notes::get::get_note, notes::update::update_note))
        .with(routes!(specialists::list::list_specialists))
        .with(routes!(
            specialists::get::get_specialist,
            specialists::update::update_specialist
        ))
        .with(routes!(specialists::review::review_specialist))
}
