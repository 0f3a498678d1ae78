//! How jobs work off what has fallen due.

use portal_domain::due::Due;
use portal_store::StoreError;
use portal_store::entity::due::Worker;
use serde::Serialize;

use crate::parts::App;

/// How often a piece of work is looked at anew because something about it has changed meanwhile.
const LOOKS: u32 = 8;

/// What a run of a job did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Work that was done.
    pub done: u32,
    /// Work that had settled itself meanwhile, or was done by an earlier run.
    pub settled: u32,
}

/// Works off what is due for `worker`, oldest first: `work` says whether there was anything left to do. A run that stops in
/// the middle is continued by the next; a run that has nothing left moves the mark from which the next begins. A first run
/// looks `lookback_hours` back. A piece that fails keeps no other from being done, and is left for the next run.
///
/// # Errors
/// When the list of due work cannot be read; when anything is left, with what the first such piece failed of.
pub async fn work_off<F: Future<Output = Result<bool, StoreError>>>(
    app: &App,
    worker: Worker,
    lookback_hours: i64,
    work: impl Fn(App, Due) -> F,
) -> Result<Report, StoreError> {
    let now = app.clock.now();
    let mut report = Report::default();
    let mut left = Vec::new();
    for slot in app.store.due_slots(worker, lookback_hours, now).await? {
        let mut after = None;
        loop {
            let page = app.store.due(slot, after).await?;
            for due in page.items.iter().filter(|due| due.at <= now) {
                match looked_at_anew(|| work(app.clone(), *due)).await {
                    Ok(true) => report.done += 1,
                    Ok(false) => report.settled += 1,
                    Err(error) => {
                        tracing::warn!(%error, job = worker.name(), "due work is left for the next run");
                        left.push(error);
                    }
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    tracing::info!(
        job = worker.name(),
        done = report.done,
        settled = report.settled,
        left = left.len(),
        "worked off"
    );
    // Told as a failure, so that the run is tried again, and somebody hears of what cannot be done.
    if let Some(error) = left.into_iter().next() {
        return Err(error);
    }
    app.store.due_done(worker, now).await?;
    Ok(report)
}

/// The piece of work, begun again when somebody else was quicker.
async fn looked_at_anew<F: Future<Output = Result<bool, StoreError>>>(
    work: impl Fn() -> F,
) -> Result<bool, StoreError> {
    for _ in 1..LOOKS {
        match work().await {
            Err(StoreError::Stale) => {}
            worked => return worked,
        }
    }
    work().await
}
