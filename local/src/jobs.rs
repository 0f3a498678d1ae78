//! The schedules: each job at every full hour of the stack's clock, and at once when asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use portal_app::Clock;
use serde_json::{Value, json};

use crate::consumer::Consumer;
use crate::problem::problem;
use crate::random::random_id;

/// The scheduled functions.
#[derive(Clone)]
pub(crate) struct Jobs {
    clock: Clock,
    jobs: Arc<BTreeMap<&'static str, Consumer>>,
}

impl Jobs {
    pub(crate) fn new(clock: &Clock, jobs: impl IntoIterator<Item = (&'static str, Consumer)>) -> Self {
        Self {
            clock: clock.clone(),
            jobs: Arc::new(jobs.into_iter().collect()),
        }
    }

    /// Runs the job called `name` with the event of a schedule; `None` if there is no such job.
    pub(crate) async fn run(&self, name: &str) -> Option<Result<Value, String>> {
        let job = self.jobs.get(name)?;
        let event = json!({
            "version": "0", "id": random_id(), "detail-type": "Scheduled Event", "source": "aws.scheduler",
            "account": "000000000000", "time": self.clock.now(), "region": "eu-central-1",
            "resources": [format!("arn:aws:scheduler:eu-central-1:000000000000:schedule/default/{name}")], "detail": {},
        });
        Some(job(event).await)
    }

    /// Runs every job whenever an hour of the stack's clock is over.
    pub(crate) async fn run_hourly(self) {
        let hour = |jobs: &Self| jobs.clock.now().as_second().div_euclid(3_600);
        let mut last = hour(&self);
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            let now = hour(&self);
            if now == last {
                continue;
            }
            last = now;
            for name in self.jobs.keys() {
                if let Some(Err(error)) = self.run(name).await {
                    tracing::warn!(job = name, error, "a scheduled run failed");
                }
            }
        }
    }

    /// `GET /_local/jobs` lists the jobs, `POST /_local/jobs/{name}` runs one and answers with its report.
    pub(crate) fn router(&self) -> Router {
        Router::new()
            .route("/_local/jobs", get(list))
            .route("/_local/jobs/{name}", post(run))
            .with_state(self.clone())
    }
}

async fn list(State(jobs): State<Jobs>) -> Response {
    Json(json!({ "jobs": jobs.jobs.keys().collect::<Vec<_>>() })).into_response()
}

async fn run(State(jobs): State<Jobs>, Path(name): Path<String>) -> Response {
    match jobs.run(&name).await {
        Some(Ok(report)) => Json(report).into_response(),
        Some(Err(error)) => problem(StatusCode::INTERNAL_SERVER_ERROR, "job_failed", &error),
        None => problem(
            StatusCode::NOT_FOUND,
            "job_unknown",
            "GET /_local/jobs lists the jobs",
        ),
    }
}
