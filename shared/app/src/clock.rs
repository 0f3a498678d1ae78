//! The one place where time comes from.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// The time, to the millisecond. Tests and the local stack can put it forward; all clones move together.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    ahead_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The machine's time.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// Now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where time comes from")]
    pub fn now(&self) -> Timestamp {
        let now = Timestamp::now().as_millisecond() + self.ahead_ms.load(Ordering::Relaxed);
        Timestamp::from_millisecond(now).unwrap_or(Timestamp::MAX)
    }

    /// Moves this clock and its clones.
    pub fn advance(&self, by: SignedDuration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(0);
        self.ahead_ms.fetch_add(by, Ordering::Relaxed);
    }
}
