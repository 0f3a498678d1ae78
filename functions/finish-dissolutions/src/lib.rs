//! Ends organizations whose grace period is over: their members and open invites go, then the organization itself. A run that
//! stops in the middle is continued by the next.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use portal_app::{App, Report, work_off};
use portal_domain::due::{Due, Job};
use portal_domain::organization::Organization;
use portal_http::Error;
use portal_store::StoreError;
use portal_store::entity::due::Worker;
use portal_store::entity::membership::Wanted;

/// How far back a first run looks: a day more than the grace period.
const LOOKBACK_HOURS: i64 = 31 * 24;
const PAGE: usize = 100;

/// Ends what is due.
///
/// # Errors
/// When the list of due work cannot be read, or organizations are left for the next run.
pub async fn handle(app: &App, _: EventBridgeEvent) -> Result<Report, Error> {
    Ok(work_off(app, Worker::FinishDissolutions, LOOKBACK_HOURS, finish).await?)
}

/// Whether the organization ended now; else there was nothing left to do.
async fn finish(app: App, due: Due) -> Result<bool, StoreError> {
    let Job::FinishDissolution { organization } = due.job else {
        return Ok(false);
    };
    let found = app.store.organization(organization).await?;
    let now = app.clock.now();
    match found
        .as_ref()
        .and_then(|organization| Some((organization, organization.dissolved(now)?)))
    {
        Some((organization, change)) => {
            remove_members(&app, organization).await?;
            end_invites(&app, organization).await?;
            app.store.commit(&change, None, now).await.map(|()| true)
        }
        None => app.store.due_settled(&due).await.map(|()| false),
    }
}

async fn remove_members(app: &App, organization: &Organization) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let page = app
            .store
            .members(organization.id, &Wanted::default(), PAGE, after)
            .await?;
        for listed in &page.items {
            let now = app.clock.now();
            // The list is a hint: the membership itself is what ends.
            let membership = app.store.member(organization.id, listed.account).await?;
            if let Some(change) = membership.and_then(|membership| membership.ending_with(organization, now))
            {
                app.store.commit(&change, None, now).await?;
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn end_invites(app: &App, organization: &Organization) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let now = app.clock.now();
        let page = app.store.invites(organization.id, None, now, PAGE, after).await?;
        for listed in &page.items {
            let invite = app.store.invite(organization.id, listed.id).await?;
            if let Some(change) = invite.and_then(|invite| invite.ended_with(organization, now)) {
                app.store.commit(&change, None, now).await?;
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}
