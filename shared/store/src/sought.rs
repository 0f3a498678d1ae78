//! What was read by its id, before it is known whether its reader may see it.

use portal_domain::reach::{Reach, Reached};

/// What was found under an id. Ids tell nothing of who may see what they name, and both are read at the same time: so it is given
/// only within the reach of whoever asks, and is else as if it were not there.
#[derive(Debug)]
pub struct Sought<T>(Option<T>);

impl<T: Reached> Sought<T> {
    pub(crate) const fn new(found: Option<T>) -> Self {
        Self(found)
    }

    /// What was found, if `reach` has it.
    #[must_use]
    pub fn within(self, reach: &Reach) -> Option<T> {
        self.0.filter(|found| found.is_within(reach))
    }

    /// The same, found with more.
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Sought<U> {
        Sought(self.0.map(f))
    }
}
