//! How jobs work off what has fallen due.

use portal_domain::due::Due;
use portal_store::StoreError;
use portal_store::entity::due::Worker;
use serde::Serialize;

use crate::parts::App;

/// What a run of a job did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Work that was done.
    pub done: u32,
    /// Work that had settled itself meanwhile, or was done by an earlier run.
    pub settled: u32,
    /// What could not be done now; the next run tries again.
    pub left: u32,
}

/// Works off what is due for `worker`, oldest first: `work` says whether there was anything left to do. A run that stops in
/// the middle is continued by the next; a run that has nothing left moves the mark from which the next begins. A first run
/// looks `lookback_hours` back.
///
/// # Errors
/// When the list of due work cannot be read. Single pieces that fail are left for the next run.
pub async fn work_off<F: Future<Output = Result<bool, StoreError>>>(
    app: &App,
    worker: Worker,
    lookback_hours: i64,
    work: impl Fn(App, Due) -> F,
) -> Result<Report, StoreError> {
    let now = app.clock.now();
    let mut report = Report::default();
    for slot in app.store.due_slots(worker, lookback_hours, now).await? {
        let mut after = None;
        loop {
            let page = app.store.due(slot, after).await?;
            for due in page.items.iter().filter(|due| due.at <= now) {
                match work(app.clone(), *due).await {
                    Ok(true) => report.done += 1,
                    Ok(false) => report.settled += 1,
                    Err(error) => {
                        tracing::warn!(%error, job = worker.name(), "due work is left for the next run");
                        report.left += 1;
                    }
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    if report.left == 0 {
        app.store.due_done(worker, now).await?;
    }
    tracing::info!(
        job = worker.name(),
        done = report.done,
        settled = report.settled,
        left = report.left,
        "worked off"
    );
    Ok(report)
}
