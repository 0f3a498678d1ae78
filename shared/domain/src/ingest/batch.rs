//! What the lines about one record come to, beside what is known of it.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::code::{Code, Refusal};
use crate::external::{Age, ExternalId, SourceName, Sourced, Stamp};
use crate::ingest::{Content, Line, Outcome, RecordType};
use crate::json;

/// How a type of record is fed: what its lines come to beside what was read for them.
pub trait Feed {
    /// The type.
    const TYPE: RecordType;
    /// What a line says.
    type Record: DeserializeOwned;
    /// What is kept.
    type Kept;
    /// What is to be written.
    type Next;

    /// Where a record comes from, and in which state it was taken; none if nobody feeds it.
    fn sourced(kept: &Self::Kept) -> Option<&Sourced>;

    /// What `record` makes of what is kept; what the portal owns of it stays.
    ///
    /// # Errors
    /// The rule that `record` breaks, with the place of the field in it.
    fn taken(
        &self,
        record: Self::Record,
        sourced: Sourced,
        kept: Option<&Self::Kept>,
    ) -> Result<Self::Next, Refusal>;

    /// What is left of a record that its source deletes: that it was there, and in which version it went.
    ///
    /// # Errors
    /// The rule that forbids it.
    fn deleted(&self, kept: &Self::Kept, sourced: Sourced) -> Result<Self::Next, Refusal>;
}

/// Whether something is said of a record, and the last of it is not that it is no more.
fn is_living<F: Feed>(kept: &F::Kept) -> bool {
    F::sourced(kept).is_some_and(|sourced| sourced.digest != Content::Delete.digest())
}

/// Which state of a record was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The state.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// A hash of what it said.
    pub digest: String,
}

impl From<&Sourced> for Mark {
    fn from(sourced: &Sourced) -> Self {
        Self {
            stamp: sourced.stamp,
            digest: sourced.digest.clone(),
        }
    }
}

/// What is known under a natural key.
#[derive(Debug, Clone, PartialEq)]
pub enum Known<K> {
    /// Nothing.
    Nothing,
    /// That it was deleted before it was ever told of.
    Gone(Mark),
    /// A record, which may be deleted.
    Kept(K),
}

impl<K> Known<K> {
    fn mark<F: Feed<Kept = K>>(&self) -> Option<Mark> {
        match self {
            Self::Nothing => None,
            Self::Gone(mark) => Some(mark.clone()),
            Self::Kept(kept) => F::sourced(kept).map(Mark::from),
        }
    }

    /// The record.
    pub const fn kept(&self) -> Option<&K> {
        match self {
            Self::Kept(kept) => Some(kept),
            Self::Nothing | Self::Gone(_) => None,
        }
    }
}

/// What is to be known under a natural key afterwards.
#[derive(Debug, Clone, PartialEq)]
pub enum End<N> {
    /// What is known already.
    Same,
    /// A record after a line.
    Next(N),
    /// That it was deleted before it was ever told of.
    Gone(Mark),
}

/// What the lines about one record come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled<N> {
    /// What became of each line, in their order.
    pub outcomes: Vec<Outcome>,
    /// What is to be written.
    pub end: End<N>,
}

/// The lines of a batch by their natural keys: the places of those about one record together, in their order.
#[must_use]
pub fn groups(lines: &[Result<Line, Refusal>]) -> Vec<Vec<usize>> {
    let mut places: BTreeMap<&ExternalId, usize> = BTreeMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (row, line) in lines.iter().enumerate() {
        let Ok(line) = line else { continue };
        let place = *places.entry(&line.external).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push(row);
    }
    groups
}

/// Takes `lines`, which are about one record of `source`, as if they had come one after the other, and writes once.
///
/// The newest state that breaks no rule stays; of lines that say the same, the last counts.
pub fn settle<F: Feed>(
    feed: &F,
    source: &SourceName,
    lines: &[&Line],
    known: &Known<F::Kept>,
) -> Settled<F::Next> {
    let mut mark = known.mark::<F>();
    let mut settled = Settled {
        outcomes: Vec::with_capacity(lines.len()),
        end: End::Same,
    };
    // The line of this batch that says what is so up to here.
    let mut winner: Option<usize> = None;
    for (row, line) in lines.iter().enumerate() {
        let sourced = sourced(source, line);
        let is_told = mark.as_ref().is_some_and(|mark| mark.digest == sourced.digest);
        let age = match &mark {
            Some(_) if is_told && !line.is_dated => Age::Same,
            Some(mark) => line.stamp.against(mark.stamp),
            None => Age::Newer,
        };
        let outcome = match (age, winner) {
            (Age::Older, None) => Outcome::SkippedStale,
            (Age::Older, Some(_)) => Outcome::SupersededInBatch,
            (Age::Same, _) if !is_told => Outcome::Failed(Code::VersionConflict.into()),
            (Age::Same, None) => Outcome::Unchanged,
            (Age::Same, Some(earlier)) => settled.outcomes[earlier].clone(),
            (Age::Newer, _) => match next(feed, line, sourced.clone(), known.kept()) {
                Ok((outcome, end)) => {
                    mark = Some(Mark::from(&sourced));
                    settled.end = end;
                    outcome
                }
                Err(refusal) => Outcome::Failed(refusal),
            },
        };
        let is_winner = matches!(outcome, Outcome::Created | Outcome::Updated | Outcome::Unchanged);
        if is_winner && let Some(earlier) = winner.replace(row) {
            settled.outcomes[earlier] = Outcome::SupersededInBatch;
        }
        settled.outcomes.push(outcome);
    }
    settled
}

fn sourced(source: &SourceName, line: &Line) -> Sourced {
    Sourced {
        source: source.clone(),
        external: line.external.clone(),
        stamp: line.stamp,
        digest: line.content.digest(),
    }
}

/// What a line that is newer than what is known comes to.
fn next<F: Feed>(
    feed: &F,
    line: &Line,
    sourced: Sourced,
    kept: Option<&F::Kept>,
) -> Result<(Outcome, End<F::Next>), Refusal> {
    let is_living = kept.is_some_and(is_living::<F>);
    match &line.content {
        Content::Upsert(data) => {
            let next = json::read(data.clone()).and_then(|record| feed.taken(record, sourced, kept));
            let next = next.map_err(|refusal| refusal.within("/data"))?;
            let outcome = if is_living {
                Outcome::Updated
            } else {
                Outcome::Created
            };
            Ok((outcome, End::Next(next)))
        }
        Content::Delete => {
            let outcome = if is_living {
                Outcome::Updated
            } else {
                Outcome::Unchanged
            };
            let end = match kept {
                Some(kept) => End::Next(feed.deleted(kept, sourced)?),
                None => End::Gone(Mark::from(&sourced)),
            };
            Ok((outcome, end))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;
    use serde_json::json;

    use super::*;
    use crate::sample::now;

    /// A record with one rule: its number is not negative.
    #[derive(Debug, Clone, PartialEq)]
    struct Thing {
        number: i64,
        sourced: Sourced,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct ThingRecord {
        number: i64,
    }

    struct Things;

    impl Feed for Things {
        const TYPE: RecordType = RecordType::Sites;
        type Record = ThingRecord;
        type Kept = Thing;
        type Next = Thing;

        fn sourced(kept: &Thing) -> Option<&Sourced> {
            Some(&kept.sourced)
        }

        fn taken(&self, record: ThingRecord, sourced: Sourced, _: Option<&Thing>) -> Result<Thing, Refusal> {
            if record.number < 0 {
                return Err(Refusal::from(Code::FieldsInvalid).at("/number"));
            }
            let number = record.number;
            Ok(Thing { number, sourced })
        }

        fn deleted(&self, kept: &Thing, sourced: Sourced) -> Result<Thing, Refusal> {
            let number = kept.number;
            Ok(Thing { number, sourced })
        }
    }

    fn source() -> SourceName {
        "platform".parse().unwrap()
    }

    /// State `version` of record `key`: this number, or its end.
    fn line(key: u8, version: u64, number: Option<i64>) -> Line {
        Line {
            external: ExternalId {
                system: "things".parse().unwrap(),
                value: key.to_string().parse().unwrap(),
            },
            stamp: Stamp {
                version: Some(version),
                occurred_at: now(),
            },
            is_dated: true,
            content: number.map_or(Content::Delete, |number| {
                Content::Upsert(json!({ "number": number }))
            }),
        }
    }

    /// All that is known, and how batches change it.
    #[derive(Debug, Default)]
    struct World(BTreeMap<ExternalId, Known<Thing>>);

    impl World {
        fn take(&mut self, batch: &[Line]) -> Vec<Outcome> {
            let lines: Vec<_> = batch.iter().cloned().map(Ok).collect();
            let mut outcomes = vec![Outcome::Unchanged; batch.len()];
            for group in groups(&lines) {
                let lines: Vec<&Line> = group.iter().map(|row| &batch[*row]).collect();
                let known = self.0.entry(lines[0].external.clone()).or_insert(Known::Nothing);
                let settled = settle(&Things, &source(), &lines, known);
                match settled.end {
                    End::Same => {}
                    End::Next(thing) => *known = Known::Kept(thing),
                    End::Gone(mark) => *known = Known::Gone(mark),
                }
                for (row, outcome) in group.into_iter().zip(settled.outcomes) {
                    outcomes[row] = outcome;
                }
            }
            outcomes
        }

        /// What can be seen of it: the living records, and which state of each record is known.
        fn seen(&self) -> BTreeMap<&ExternalId, (Option<Mark>, Option<i64>)> {
            let living = |known: &Known<Thing>| {
                let kept = known.kept().filter(|thing| is_living::<Things>(thing));
                kept.map(|thing| thing.number)
            };
            self.0
                .iter()
                .map(|(key, known)| (key, (known.mark::<Things>(), living(known))))
                .collect()
        }
    }

    fn words(outcomes: &[Outcome]) -> Vec<&'static str> {
        outcomes.iter().map(Outcome::as_str).collect()
    }

    #[test]
    fn each_outcome_has_its_case() {
        let mut world = World::default();
        let mut take = |batch: &[Line]| words(&world.take(batch));
        assert_eq!(take(&[line(1, 2, Some(20))]), ["created"]);
        assert_eq!(take(&[line(1, 2, Some(20))]), ["unchanged"]);
        assert_eq!(take(&[line(1, 1, Some(10))]), ["skipped_stale"]);
        assert_eq!(take(&[line(1, 2, Some(21))]), ["failed"]);
        assert_eq!(take(&[line(1, 3, Some(30))]), ["updated"]);
        assert_eq!(take(&[line(1, 4, Some(-1))]), ["failed"]);
        // What is deleted and comes again is new; a state from before its end is stale.
        assert_eq!(take(&[line(1, 5, None)]), ["updated"]);
        assert_eq!(take(&[line(1, 6, None)]), ["unchanged"]);
        assert_eq!(take(&[line(1, 4, Some(40))]), ["skipped_stale"]);
        assert_eq!(take(&[line(1, 7, Some(70))]), ["created"]);
        // An end that comes before the record.
        assert_eq!(take(&[line(2, 5, None)]), ["unchanged"]);
        assert_eq!(take(&[line(2, 4, Some(40))]), ["skipped_stale"]);
        assert_eq!(take(&[line(2, 6, Some(60))]), ["created"]);
    }

    #[test]
    fn of_several_lines_about_one_record_the_newest_counts_and_of_equal_ones_the_last() {
        let taken = |batch: &[Line]| words(&World::default().take(batch));
        let (one, two) = (line(1, 1, Some(1)), line(1, 2, Some(2)));
        assert_eq!(
            taken(&[one.clone(), two.clone()]),
            ["superseded_in_batch", "created"]
        );
        assert_eq!(
            taken(&[two.clone(), one.clone()]),
            ["created", "superseded_in_batch"]
        );
        assert_eq!(
            taken(&[two.clone(), two.clone(), line(2, 1, Some(1))]),
            ["superseded_in_batch", "created", "created"]
        );
        // A state that is told in two ways, and one that breaks a rule, harm neither the others nor each other.
        assert_eq!(
            taken(&[two.clone(), line(1, 2, Some(3)), one.clone()]),
            ["created", "failed", "superseded_in_batch"]
        );
        assert_eq!(taken(&[one, line(1, 3, Some(-1))]), ["created", "failed"]);
        assert_eq!(
            taken(&[two, line(1, 3, None)]),
            ["superseded_in_batch", "unchanged"]
        );
    }

    #[test]
    fn what_is_not_dated_is_the_newest_unless_it_is_what_is_known() {
        let mut world = World::default();
        let mut take = |number: i64, second: i64| {
            let mut line = line(1, 0, Some(number));
            line.is_dated = false;
            line.stamp = Stamp {
                version: None,
                occurred_at: now() + jiff::SignedDuration::from_secs(second),
            };
            words(&world.take(&[line]))
        };
        assert_eq!(take(1, 0), ["created"]);
        assert_eq!(take(1, 1), ["unchanged"]);
        assert_eq!(take(2, 2), ["updated"]);
        assert_eq!(take(1, 3), ["updated"]);
    }

    #[test]
    fn a_refusal_names_the_place_in_the_line() {
        let mut world = World::default();
        let outcomes = world.take(&[line(1, 1, Some(-1))]);
        let Outcome::Failed(refusal) = &outcomes[0] else {
            panic!("{outcomes:?}")
        };
        assert_eq!(refusal.errors[0].pointer, "/data/number");

        let mut conflict = world.take(&[line(2, 1, Some(1)), line(2, 1, Some(2))]);
        let Some(Outcome::Failed(refusal)) = conflict.pop() else {
            panic!("{conflict:?}")
        };
        assert_eq!(refusal.code, Code::VersionConflict);
    }

    /// Lines of few records, each state of a record told in one way only: some break a rule, some delete.
    fn told() -> impl Strategy<Value = Vec<Line>> {
        let number = |key: u8, version: u64| match (u64::from(key) + version) % 5 {
            0 => None,
            1 => Some(-1),
            other => Some(i64::try_from(other + version * 10).unwrap()),
        };
        let line =
            (0_u8..4, 0_u64..8).prop_map(move |(key, version)| line(key, version, number(key, version)));
        proptest::collection::vec(line, 0..24)
    }

    proptest! {
        #[test]
        fn any_order_any_repetition_and_any_batches_end_in_the_same_state(
            (first, shuffled) in told().prop_flat_map(|lines| (Just(lines.clone()), Just(lines).prop_shuffle())),
            again in proptest::collection::vec(any::<Index>(), 0..8),
            cuts in proptest::collection::vec(any::<Index>(), 0..6),
        ) {
            let mut whole = World::default();
            whole.take(&first);

            let mut other = shuffled;
            for index in again.iter().filter(|_| !first.is_empty()) {
                other.push(index.get(&first).clone());
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(other.len() + 1)).collect();
            cuts.extend([0, other.len()]);
            cuts.sort_unstable();
            let mut parts = World::default();
            for cut in cuts.windows(2) {
                parts.take(&other[cut[0]..cut[1]]);
            }

            // A line that was refused leaves no trace, not even that its record was asked for.
            let seen = |world: &World| {
                let seen = world.seen().into_iter().filter(|(_, (mark, _))| mark.is_some());
                seen.map(|(key, state)| (key.clone(), state)).collect::<Vec<_>>()
            };
            prop_assert_eq!(seen(&whole), seen(&parts));
        }

        #[test]
        fn what_was_taken_once_changes_nothing_when_it_comes_again(lines in told()) {
            let mut world = World::default();
            world.take(&lines);
            let before: Vec<_> = world.0.values().cloned().collect();
            let again = world.take(&lines);
            prop_assert_eq!(before, world.0.values().cloned().collect::<Vec<_>>());
            prop_assert!(!again.iter().any(|outcome| matches!(outcome, Outcome::Created | Outcome::Updated)));
        }
    }
}
