//! Takes the lines of a piece, as if they came in a batch.

use portal_app::Importing;
use portal_domain::code::{Code, Refusal};
use portal_domain::import::Import;
use portal_domain::ingest::{Line, Outcome};
use portal_feed::{Batch, Taken};
use portal_store::{StoreError, pause};

/// How often lines that were not taken for want of time, or by a fault of ours, are tried again without one of them being taken.
const ATTEMPTS: u32 = 5;
/// From which attempt on [`pause`] is long enough for a table that is too busy.
const PATIENT: u32 = 3;

/// Whether a line may be taken when it is tried again.
fn is_passing(taken: &Taken) -> bool {
    matches!(&taken.outcome, Outcome::Failed(refusal) if matches!(refusal.code, Code::Busy | Code::Internal))
}

/// What becomes of each of `lines`, in their order.
///
/// # Errors
/// As [`Batch::take`].
pub(crate) async fn take(
    app: &Importing,
    import: &Import,
    lines: &[Result<Line, Refusal>],
) -> Result<Vec<Taken>, StoreError> {
    let batch = || Batch {
        store: &app.store,
        source: &import.source,
        now: app.clock.now(),
        is_trial: import.request.is_trial,
    };
    let mut all = batch().take(import.of(), lines).await?;
    let mut failed = 0;
    while failed < ATTEMPTS {
        let again: Vec<usize> = (0..all.len()).filter(|row| is_passing(&all[*row])).collect();
        if again.is_empty() {
            break;
        }
        pause(PATIENT + failed).await;
        let lines: Vec<_> = again.iter().map(|row| lines[*row].clone()).collect();
        let anew = batch().take(import.of(), &lines).await?;
        failed = if anew.iter().all(is_passing) {
            failed + 1
        } else {
            0
        };
        for (row, taken) in again.into_iter().zip(anew) {
            all[row] = taken;
        }
    }
    Ok(all)
}
