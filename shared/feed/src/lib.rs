//! Feeding: takes the lines of a batch into the table, each for itself, whatever becomes of the others.
//!
//! Everything that lines need is read at once; then each record is decided and written for itself, several at a time. What
//! was written stays written when the rest cannot be: sent again, it is known and changes nothing.

mod assignment;
mod booking;
mod enrollment;
mod fhir;
mod note;
mod patient;
mod read;
mod refer;
mod site;
mod specialist;
mod transaction;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use portal_domain::change::{Change, Write};
use portal_domain::code::{Code, Refusal};
use portal_domain::external::{ExternalId, SourceName};
use portal_domain::ingest::{
    Assignments, Bookings, End, Enrollments, Line, Named, Naming, Notes, Outcome, Patients, RecordType,
    Settled, Sites, Specialists, Transactions, groups, settle,
};
use portal_store::{Store, StoreError, pause};
use tokio::time::Instant;

pub use crate::fhir::Resource;
use crate::read::{Group, Pretended, Ready, Stored};

/// How many records are written at the same time.
const AT_ONCE: usize = 16;

/// How often a record is decided anew when others change what its decision rests on.
const ATTEMPTS: u32 = 8;

/// For how long records are begun. Each may take the store's own patience, and whoever asks does not wait for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// A batch, and where it goes.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The table.
    pub store: &'a Store,
    /// Whose records they are.
    pub source: &'a SourceName,
    /// When it came.
    pub now: Timestamp,
    /// Whether everything is decided and nothing written.
    pub is_trial: bool,
}

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The outcome.
    pub outcome: Outcome,
    /// The record that it is about, if there is one.
    pub id: Option<String>,
}

impl Taken {
    const fn failed(refusal: Refusal) -> Self {
        Self {
            outcome: Outcome::Failed(refusal),
            id: None,
        }
    }
}

/// What is on the way: for how long records are still begun, and what there would be by now if this was not only tried.
struct Course {
    until: Instant,
    pretended: Pretended,
}

impl Course {
    fn begin() -> Self {
        Self {
            until: Instant::now() + PATIENCE,
            pretended: Pretended::default(),
        }
    }
}

/// A change that is still to be committed, for the record of this id.
struct Step {
    id: Option<String>,
    change: Change,
}

impl Batch<'_> {
    /// What becomes of each of `lines`, which are about records of one type, in their order.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Broken`] where it could not be read what lines need. What was written before stays.
    pub async fn take(
        &self,
        of: RecordType,
        lines: &[Result<Line, Refusal>],
    ) -> Result<Vec<Taken>, StoreError> {
        self.take_on(of, lines, &mut Course::begin()).await
    }

    /// The same, after lines of other types that are taken together with these.
    async fn take_on(
        &self,
        of: RecordType,
        lines: &[Result<Line, Refusal>],
        course: &mut Course,
    ) -> Result<Vec<Taken>, StoreError> {
        Ok(match of {
            RecordType::Sites => self.feed::<Sites>(lines, course).await?.0,
            RecordType::Patients => {
                let (taken, pretended) = self.feed::<Patients>(lines, course).await?;
                course.pretended.patients.extend(pretended);
                taken
            }
            RecordType::Specialists => {
                let (taken, pretended) = self.feed::<Specialists>(lines, course).await?;
                course.pretended.specialists.extend(pretended);
                taken
            }
            RecordType::Assignments => self.feed::<Assignments>(lines, course).await?.0,
            RecordType::Enrollments => self.feed::<Enrollments>(lines, course).await?.0,
            RecordType::Bookings => self.feed::<Bookings>(lines, course).await?.0,
            RecordType::Transactions => self.feed::<Transactions>(lines, course).await?.0,
            RecordType::Notes => self.feed::<Notes>(lines, course).await?.0,
        })
    }

    /// What becomes of the lines, and the records that there would be if it was not only tried.
    async fn feed<F: Stored>(
        &self,
        lines: &[Result<Line, Refusal>],
        course: &Course,
    ) -> Result<(Vec<Taken>, BTreeMap<ExternalId, F::Kept>), StoreError> {
        let mut all: Vec<Taken> = lines
            .iter()
            .map(|line| Taken::failed(line.as_ref().err().cloned().unwrap_or_else(busy)))
            .collect();
        let mut waiting: Vec<Group<'_>> = groups(lines)
            .into_iter()
            .filter_map(|rows| Group::of::<F>(lines, rows))
            .collect();
        let mut pretended = BTreeMap::new();
        while !waiting.is_empty() {
            let ready = next_wave(&mut waiting);
            let read = Ready::<F>::read(self, &ready, &pretended, &course.pretended).await?;
            let mut records = Vec::with_capacity(ready.len());
            for group in &ready {
                records.push(self.take_group(group, &read, course));
            }
            let taken: Vec<_> = stream::iter(records).buffer_unordered(AT_ONCE).collect().await;
            for (rows, results, kept) in taken {
                for (row, result) in rows.iter().zip(results) {
                    all[*row] = result;
                }
                pretended.extend(kept.into_iter().filter_map(named::<F>));
            }
        }
        Ok((all, pretended))
    }

    /// Takes the lines about one record; again if what that rests on has changed meanwhile.
    async fn take_group<'g, F: Stored>(
        &self,
        group: &'g Group<'_>,
        read: &Ready<F>,
        course: &Course,
    ) -> (&'g [usize], Vec<Taken>, Vec<F::Kept>) {
        let mut anew: Option<Ready<F>> = None;
        for attempt in 0..ATTEMPTS {
            let read = anew.as_ref().unwrap_or(read);
            match self.try_group(group, read, course.until).await {
                Ok((taken, kept)) => return (&group.rows, taken, kept),
                Err((StoreError::Stale, _)) => {}
                Err((error, outcomes)) => {
                    return (&group.rows, unwritten(outcomes, &refusal(error)), Vec::new());
                }
            }
            pause(attempt).await;
            let group_alone = std::slice::from_ref(group);
            match Ready::read(self, group_alone, &BTreeMap::new(), &course.pretended).await {
                Ok(read) => anew = Some(read),
                Err(error) => return (&group.rows, group.failed(&refusal(error)), Vec::new()),
            }
        }
        (&group.rows, group.failed(&busy()), Vec::new())
    }

    /// Decides what becomes of the lines about one record, and writes it.
    async fn try_group<F: Stored>(
        &self,
        group: &Group<'_>,
        read: &Ready<F>,
        until: Instant,
    ) -> Result<(Vec<Taken>, Vec<F::Kept>), (StoreError, Vec<Outcome>)> {
        let known = read
            .known(group.external)
            .map_err(|error| (error, vec![Outcome::Unchanged; group.rows.len()]))?;
        let Settled { outcomes, end } = settle(&read.feed, self.source, &group.lines, &known);
        let pretended = match &end {
            End::Next(next) if self.is_trial => F::kept(next),
            _ => Vec::new(),
        };
        let naming = read.found.naming(F::TYPE, group.external);
        let step = self.step::<F>(group.external, end, known.kept(), naming);
        let written = if step.change.writes.is_empty() || self.is_trial {
            Ok(())
        } else if Instant::now() > until {
            Err(StoreError::Busy)
        } else {
            self.store.commit(&step.change, None, self.now).await
        };
        match written {
            Ok(()) => {
                let taken = outcomes
                    .into_iter()
                    .map(|outcome| told(outcome, step.id.as_deref()));
                Ok((taken.collect(), pretended))
            }
            Err(error) => Err((error, outcomes)),
        }
    }

    /// What is to be committed for a record to end so.
    fn step<F: Stored>(
        &self,
        external: &ExternalId,
        end: End<F::Next>,
        kept: Option<&F::Kept>,
        naming: Option<&Naming>,
    ) -> Step {
        let known = naming.and_then(Naming::id).map(str::to_owned);
        let put = |named: Named| {
            Write::NamingPut(Naming {
                source: self.source.clone(),
                of: F::TYPE,
                external: external.clone(),
                named,
                rev: naming.map_or(1, |naming| naming.rev + 1),
            })
        };
        match end {
            End::Same => Step {
                id: known,
                change: Change::default(),
            },
            End::Gone(mark) => Step {
                id: None,
                change: Change::default().write(put(Named::Gone(mark))),
            },
            End::Next(next) => {
                let id = F::id(&next);
                let change = Change::default().writes(F::writes(next, kept));
                let change = match known {
                    Some(_) => change,
                    None => change.write(put(Named::Record { id: id.clone() })),
                };
                Step { id: Some(id), change }
            }
        }
    }
}

/// A record by what its source calls it.
fn named<F: Stored>(kept: F::Kept) -> Option<(ExternalId, F::Kept)> {
    Some((F::sourced(&kept)?.external.clone(), kept))
}

/// The groups that name no record whose own lines are still waiting, nor one that another of them names: what changes with two
/// records is changed by one after the other. The first that is left where they all name each other.
fn next_wave<'a>(waiting: &mut Vec<Group<'a>>) -> Vec<Group<'a>> {
    let keys: BTreeSet<&'a ExternalId> = waiting.iter().map(|group| group.external).collect();
    let waits = |group: &Group<'_>| {
        let mut others = group.names.iter().filter(|name| *name != group.external);
        others.any(|name| keys.contains(name))
    };
    let mut named = BTreeSet::new();
    let mut is_ready = |group: &Group<'_>| {
        let is_free = !waits(group) && group.names.is_disjoint(&named);
        if is_free {
            named.extend(group.names.iter().cloned());
        }
        is_free
    };
    let all = std::mem::take(waiting).into_iter();
    let (mut ready, later): (Vec<_>, Vec<_>) = all.partition(|group| is_ready(group));
    *waiting = later;
    if ready.is_empty() {
        ready.push(waiting.remove(0));
    }
    ready
}

/// An outcome, with the record it is about.
fn told(outcome: Outcome, id: Option<&str>) -> Taken {
    let id = id.filter(|_| !matches!(outcome, Outcome::Failed(_)));
    Taken {
        id: id.map(str::to_owned),
        outcome,
    }
}

/// What became of lines that were decided and could not be written.
fn unwritten(outcomes: Vec<Outcome>, refusal: &Refusal) -> Vec<Taken> {
    let result = |outcome| match outcome {
        Outcome::Failed(_) | Outcome::SkippedStale => told(outcome, None),
        _ => Taken::failed(refusal.clone()),
    };
    outcomes.into_iter().map(result).collect()
}

fn busy() -> Refusal {
    Code::Busy.into()
}

/// Why a record could not be written. What is our fault is told by the log alone.
fn refusal(error: StoreError) -> Refusal {
    match error {
        StoreError::Refused(refusal) => refusal,
        StoreError::Stale | StoreError::Answered(_) | StoreError::Busy => busy(),
        StoreError::OutOfScope | StoreError::Broken(_) => {
            tracing::error!(%error, "a record could not be written");
            Code::Internal.into()
        }
    }
}
