//! Frees the seats that expired invites hold. Runs hourly; nothing waits for it: expiry is decided by the clock, and an invite that
//! needs a seat takes one over from an expired invite by itself.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use portal_app::{App, Report, work_off};
use portal_domain::due::{Due, Job};
use portal_http::Error;
use portal_store::StoreError;
use portal_store::entity::due::Worker;

/// How far back a first run looks: an invite's lifetime and a day.
const LOOKBACK_HOURS: i64 = 8 * 24;

/// Expires what is due.
///
/// # Errors
/// When the list of due work cannot be read, or invites are left for the next run.
pub async fn handle(app: &App, _: EventBridgeEvent) -> Result<Report, Error> {
    Ok(work_off(app, Worker::ExpireInvites, LOOKBACK_HOURS, expire).await?)
}

/// Whether the invite was expired now; else there was nothing left to do.
async fn expire(app: App, due: Due) -> Result<bool, StoreError> {
    let Job::ExpireInvite { organization, invite } = due.job else {
        return Ok(false);
    };
    let found = app.store.invite(organization, invite).await?;
    let now = app.clock.now();
    match found
        .as_ref()
        .and_then(|invite| invite.expired("expire-invites", now))
    {
        Some(change) => app.store.commit(&change, None, now).await.map(|()| true),
        None => app.store.due_settled(&due).await.map(|()| false),
    }
}
