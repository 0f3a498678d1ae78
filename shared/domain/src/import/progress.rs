//! How far an import is, exactly: what a run that dies leaves to the next.

use serde::{Deserialize, Serialize};

use crate::ingest::Outcome;

/// How many lines came to each outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// New records.
    pub created: u64,
    /// Records that are other now, or deleted.
    pub updated: u64,
    /// What was known already.
    pub unchanged: u64,
    /// Older than what is known.
    pub skipped_stale: u64,
    /// Followed by the same or something newer among the lines taken together.
    pub superseded_in_batch: u64,
    /// Refused.
    pub failed: u64,
}

impl Counts {
    /// Counts a line.
    pub const fn add(&mut self, outcome: &Outcome) {
        let count = match outcome {
            Outcome::Created => &mut self.created,
            Outcome::Updated => &mut self.updated,
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::SkippedStale => &mut self.skipped_stale,
            Outcome::SupersededInBatch => &mut self.superseded_in_batch,
            Outcome::Failed(_) => &mut self.failed,
        };
        *count += 1;
    }

    /// All lines.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.created
            + self.updated
            + self.unchanged
            + self.skipped_stale
            + self.superseded_in_batch
            + self.failed
    }
}

/// How many files with lines that failed a run has left, of pieces that count. Those of a piece that was not noted as taken are
/// nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// The run.
    pub run: u32,
    /// How many: they are numbered from 0.
    pub count: u32,
}

/// How far the lines of a file were taken. Always at the end of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The byte at which it goes on.
    pub offset: u64,
    /// How many lines, as an editor counts them, lie before that.
    pub line: u64,
    /// What became of those.
    pub counts: Counts,
    /// Where the lines are that failed, by runs in their order.
    pub parts: Vec<Parts>,
}

impl Progress {
    /// The number of the next file with lines that failed, of a run.
    #[must_use]
    pub fn next_part(&self, run: u32) -> u32 {
        match self.parts.last() {
            Some(parts) if parts.run == run => parts.count,
            _ => 0,
        }
    }

    /// Notes that a run has left one more file with lines that failed.
    pub fn add_part(&mut self, run: u32) {
        match self.parts.last_mut() {
            Some(parts) if parts.run == run => parts.count += 1,
            _ => self.parts.push(Parts { run, count: 1 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;

    #[test]
    fn every_outcome_is_counted_once() {
        let mut counts = Counts::default();
        let all = [
            Outcome::Created,
            Outcome::Updated,
            Outcome::Unchanged,
            Outcome::SkippedStale,
            Outcome::SupersededInBatch,
            Outcome::Failed(Code::Busy.into()),
        ];
        for outcome in &all {
            counts.add(outcome);
            counts.add(outcome);
        }
        assert_eq!(counts.total(), 2 * all.len() as u64);
        let told = serde_json::to_value(counts).unwrap();
        for outcome in &all {
            assert_eq!(told[outcome.as_str()], 2, "{told}");
        }
    }

    #[test]
    fn files_are_numbered_anew_in_each_run() {
        let mut progress = Progress::default();
        for (run, number) in [(1, 0), (1, 1), (4, 0), (4, 1), (4, 2)] {
            assert_eq!(progress.next_part(run), number);
            progress.add_part(run);
        }
        assert_eq!(
            progress.parts,
            [Parts { run: 1, count: 2 }, Parts { run: 4, count: 3 }]
        );
    }
}
