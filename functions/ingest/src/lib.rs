//! What the platform's own systems call: they feed records, and are told of what was changed here.

mod batch;
mod changes;
mod fhir;
mod imports;

use portal_app::FileWeb;
use portal_http::Routes;
use utoipa_axum::routes;

/// The routes of this function.
#[must_use]
pub fn routes() -> Routes<FileWeb> {
    let routes = Routes::default()
        .with(routes!(batch::ingest_records))
        .with(routes!(changes::list_changes))
        .with(routes!(fhir::take_resources));
    imports::with(routes)
}
