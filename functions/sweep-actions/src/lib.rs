//! Lets rules look again at what they find something else in by time alone: what is overdue, expires or has expired. Runs hourly.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use portal_app::{App, Report, work_off};
use portal_domain::due::{Due, Job};
use portal_http::Error;
use portal_store::StoreError;
use portal_store::entity::due::Worker;

/// How far back a first run looks: there is no work older than the first deployment that has the job.
const LOOKBACK_HOURS: i64 = 8 * 24;

/// Looks at what is due.
///
/// # Errors
/// When the list of due work cannot be read, or something is left for the next run.
pub async fn handle(app: &App, _: EventBridgeEvent) -> Result<Report, Error> {
    Ok(work_off(app, Worker::SweepActions, LOOKBACK_HOURS, look).await?)
}

/// Whether anything was opened, closed or changed; else there was nothing left to do.
async fn look(app: App, due: Due) -> Result<bool, StoreError> {
    let Job::SweepActions { subject } = due.job else {
        return Ok(false);
    };
    let has_changed = app.store.judge(subject, app.clock.now()).await?;
    // A change takes its due work with it. What no watch knows of is forgotten.
    if !has_changed {
        app.store.due_settled(&due).await?;
    }
    Ok(has_changed)
}
