//! The hand on the clock: days pass in a request.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use jiff::SignedDuration;
use portal_app::Clock;
use serde::Deserialize;
use serde_json::json;

use crate::problem::{body, problem};

/// A century: beyond it, dates stop being representable somewhere.
const LONGEST_STEP: i64 = 100 * 366 * 24 * 3_600;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    advance_seconds: i64,
}

/// `GET /_local/clock` tells the time; `POST {"advance_seconds": n}` moves it, forwards only: the table's stream and its
/// tokens rely on time that never runs backwards.
pub fn router(clock: &Clock) -> Router {
    Router::new()
        .route("/_local/clock", get(show).post(advance))
        .with_state(clock.clone())
}

async fn show(State(clock): State<Clock>) -> Response {
    Json(json!({ "now": clock.now() })).into_response()
}

async fn advance(State(clock): State<Clock>, bytes: Bytes) -> Response {
    let step: Step = match body(&bytes) {
        Ok(step) => step,
        Err(refused) => return *refused,
    };
    if !(0..=LONGEST_STEP).contains(&step.advance_seconds) {
        return problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "body_invalid",
            "advance_seconds is from 0 to a century",
        );
    }
    clock.advance(SignedDuration::from_secs(step.advance_seconds));
    Json(json!({ "now": clock.now() })).into_response()
}
