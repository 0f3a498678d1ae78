//! Whether counts are what a recount gives: a difference is drift once no change can be under way any more that would explain it.

use jiff::{SignedDuration, Timestamp};

use super::Tally;

/// How long a change may be under way to its count: the stream gives up after six hours.
pub const UNDER_WAY: SignedDuration = SignedDuration::from_hours(7);

/// The most differences that are kept in mind, and repaired at once.
const MOST_NOTED: usize = 500;

/// By how much a recount was more than what was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// When it was counted anew.
    pub at: Timestamp,
    /// By how much.
    pub difference: Tally,
}

/// What a recount comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What the counts must be changed by.
    pub repair: Tally,
    /// What to look at again.
    pub note: Note,
}

impl Note {
    /// What comes of a `difference` that was found at `now`, after this one was noted: what was so before, and still is, no
    /// change that is under way can explain. Nothing comes of one that was found too soon after.
    #[must_use]
    pub fn verdict(before: Option<&Self>, difference: Tally, now: Timestamp) -> Option<Verdict> {
        if before.is_some_and(|before| now.duration_since(before.at) < UNDER_WAY) {
            return None;
        }
        let common = before.map(|before| before.difference.clone().common(&difference));
        let repair = common.unwrap_or_default();
        let left = difference.without(repair.clone()).at_most(MOST_NOTED);
        let note = Self {
            at: now,
            difference: left,
        };
        Some(Verdict { repair, note })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::now;
    use crate::statistics::{Measure, Scope};

    fn differing(by: i64) -> Tally {
        let mut tally = Tally::default();
        tally.add(Scope::Platform, None, Measure::NewPatients.into(), by);
        tally
    }

    #[test]
    fn a_difference_is_drift_when_it_stays() {
        let first = Note::verdict(None, differing(2), now()).unwrap();
        assert!(first.repair.is_empty());
        assert_eq!(first.note.difference, differing(2));

        // Soon after, a change may still be under way
        let soon = now() + UNDER_WAY - SignedDuration::from_secs(1);
        assert_eq!(Note::verdict(Some(&first.note), differing(2), soon), None);

        // Later, only what is still so is repaired
        let later = now() + UNDER_WAY;
        let second = Note::verdict(Some(&first.note), differing(2), later).unwrap();
        assert_eq!(second.repair, differing(2));
        assert!(second.note.difference.is_empty());
        let other = Note::verdict(Some(&first.note), differing(3), later).unwrap();
        assert!(other.repair.is_empty());
        assert_eq!(other.note.difference, differing(3));
        let none = Note::verdict(Some(&first.note), Tally::default(), later).unwrap();
        assert!(none.repair.is_empty() && none.note.difference.is_empty());
    }
}
