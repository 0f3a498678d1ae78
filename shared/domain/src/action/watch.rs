//! What is watched of a subject: what rules found in it when they looked last, and when they look again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::rule::Rule;
use super::rules::Record;
use super::{Action, Cause, Place, Subject};
use crate::change::{Change, Write};
use crate::due::{Due, Job};

/// That a rule finds something about a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// Whose the action is.
    #[serde(flatten)]
    pub place: Place,
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
    /// Since when.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub opened_at: Timestamp,
}

impl Finding {
    fn is_same(&self, rule: Rule, place: Place) -> bool {
        (self.rule, self.place) == (rule, place)
    }
}

/// What is open about a subject. There is none where nothing is open and time alone changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// What.
    pub subject: Subject,
    /// What was found.
    pub open: Vec<Finding>,
    /// When rules are to look again.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::millisecond::optional"
    )]
    pub due: Option<Timestamp>,
    /// Rises with every change, and above that of a watch that ended.
    pub rev: u64,
}

impl Watch {
    /// What changes when all rules look at `subject` at `now`, after `kept` was found; `None` if nothing does.
    ///
    /// The record is as it is now, not as some event about it said, so that it does not matter how often or in which order events
    /// come. What two who look at the same time write is decided by the watch's revision.
    #[must_use]
    pub fn judged(
        kept: Option<&Self>,
        subject: Subject,
        record: Option<&Record>,
        now: Timestamp,
    ) -> Option<Change> {
        let before = kept.map(|kept| kept.open.as_slice()).unwrap_or_default();
        let (open, due) = record.map_or_else(Default::default, |record| look(record, before, now));
        let due_before = kept.and_then(|kept| kept.due);
        if open == before && due == due_before {
            return None;
        }
        let news = open.iter().filter(|found| !before.contains(found));
        let opened = news.map(|found| Action::of(subject, found));
        let is_left = |old: &&Finding| open.iter().any(|found| found.is_same(old.rule, old.place));
        let gone = before.iter().filter(|old| !is_left(old));
        let closed = gone.map(|old| Action {
            closed_at: Some(now),
            ..Action::of(subject, old)
        });
        let change = Change::default().writes(opened.chain(closed).map(Write::ActionPut));
        let change = if due == due_before {
            change
        } else {
            let at = |at| Due {
                at,
                job: Job::SweepActions { subject },
            };
            change
                .writes(due_before.map(|due| Write::DueDelete(at(due))))
                .writes(due.map(|due| Write::DuePut(at(due))))
        };
        Some(change.write(Self::next(kept, subject, open, due, now)?))
    }

    /// The write of the watch itself; `None` if there is none and need be none.
    fn next(
        kept: Option<&Self>,
        subject: Subject,
        open: Vec<Finding>,
        due: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Write> {
        if open.is_empty() && due.is_none() {
            return kept.cloned().map(Write::WatchDelete);
        }
        // A watch that begins anew has a revision that none had before.
        let clock = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let old = kept.map(|kept| kept.rev);
        let new = Self {
            subject,
            open,
            due,
            rev: old.map_or(clock, |old| clock.max(old + 1)),
        };
        Some(Write::WatchPut { new, old })
    }
}

/// What all rules find in `record`, and when one of them may find something else. What was found before is found since then.
fn look(record: &Record, before: &[Finding], now: Timestamp) -> (Vec<Finding>, Option<Timestamp>) {
    let places = record.places();
    if places.is_empty() {
        return (Vec::new(), None);
    }
    let (mut open, mut due) = (Vec::new(), None);
    for rule in Rule::ALL {
        let verdict = rule.judge(record, now);
        due = due.into_iter().chain(verdict.again_at).min();
        let Some(cause) = verdict.cause else { continue };
        open.extend(places.iter().map(|place| {
            let known = before.iter().find(|found| found.is_same(*rule, *place));
            Finding {
                rule: *rule,
                place: *place,
                cause: cause.clone(),
                opened_at: known.map_or(now, |known| known.opened_at),
            }
        }));
    }
    (open, due)
}
