//! Locks that a panicking test cannot take down with it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The lock, also after a holder panicked: what these locks guard is whole between any two statements.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
