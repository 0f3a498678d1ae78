//! Leases: one attempt at a time has a piece of work for itself, and work that no attempt can do has an end.

use jiff::SignedDuration;

use crate::change::Change;

/// How long an attempt has its work for itself: longer than a function can run.
pub const LEASE: SignedDuration = SignedDuration::from_mins(16);
/// How many attempts may come to nothing.
pub const MOST_ATTEMPTS: u32 = 4;

/// What whoever is called to a piece of work finds.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim<W> {
    /// Nothing is left to do.
    Settled,
    /// Another attempt is at it, or may be.
    Taken,
    /// Too many attempts came to nothing: this change gives it up.
    GivenUp(Box<Change>),
    /// It is this attempt's, once the change is committed.
    Claimed(Box<W>, Box<Change>),
}
