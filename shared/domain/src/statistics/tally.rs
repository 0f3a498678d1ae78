//! By how much counts change.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Hour, Label, Measure, Quarter};
use crate::booking::{Booking, BookingRow};
use crate::id::SiteId;
use crate::patient::{Patient, PatientRow, Status as PatientStatus};
use crate::person::Presence;
use crate::specialist::{ReviewStatus, Specialist, SpecialistRow};
use crate::transaction::{Transaction, TransactionRow};

/// Whose records are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Those of a site.
    Site(SiteId),
    /// All of the platform's.
    Platform,
}

/// One number that a record adds to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Whose.
    pub scope: Scope,
    /// When; none for what is counted whenever it was.
    pub quarter: Option<Quarter>,
    /// Of what.
    pub label: Label,
    /// How much it adds.
    pub by: i64,
}

/// A record of which something is counted.
pub trait Counted {
    /// What it adds to.
    fn adds_to(&self) -> Vec<Count>;
}

/// By how much counts change: of a scope, in a quarter, of a label. What does not change is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<(Scope, Option<Quarter>, Label), i64>);

/// The changes of one scope in one hour, or of what has none.
pub type Slot = (Scope, Option<Hour>);

impl Tally {
    /// What a record adds to.
    #[must_use]
    pub fn of(record: &impl Counted) -> Self {
        let mut tally = Self::default();
        for Count {
            scope,
            quarter,
            label,
            by,
        } in record.adds_to()
        {
            tally.add(scope, quarter, label, by);
        }
        tally
    }

    /// What changes when `old` becomes `new`: nothing if all that is counted of them is alike.
    #[must_use]
    pub fn between<T: Counted>(old: Option<&T>, new: Option<&T>) -> Self {
        let of = |record: Option<&T>| record.map(Self::of).unwrap_or_default();
        of(new).without(of(old))
    }

    /// The same, with so much more of a count.
    pub fn add(&mut self, scope: Scope, quarter: Option<Quarter>, label: Label, by: i64) {
        let key = (scope, quarter, label);
        let sum = self.0.get(&key).copied().unwrap_or(0).saturating_add(by);
        if sum == 0 {
            self.0.remove(&key);
        } else {
            self.0.insert(key, sum);
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        for ((scope, quarter, label), by) in other.0 {
            self.add(scope, quarter, label, by);
        }
        self
    }

    /// This one, less another.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        let less = other.0.into_iter().map(|(key, by)| (key, by.saturating_neg()));
        self.and(Self(less.collect()))
    }

    /// What it holds of these.
    #[must_use]
    pub fn keeping(mut self, wanted: impl Fn(Scope, Option<Quarter>, &Label) -> bool) -> Self {
        self.0
            .retain(|(scope, quarter, label), _| wanted(*scope, *quarter, label));
        self
    }

    /// What both hold alike.
    #[must_use]
    pub fn common(mut self, other: &Self) -> Self {
        self.0.retain(|key, by| other.0.get(key) == Some(by));
        self
    }

    /// At most so many of its counts.
    #[must_use]
    pub fn at_most(self, most: usize) -> Self {
        Self(self.0.into_iter().take(most).collect())
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many counts change.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The changes, by scope and hour.
    #[must_use]
    pub fn by_slot(&self) -> BTreeMap<Slot, Vec<(Option<Quarter>, Label, i64)>> {
        let mut slots: BTreeMap<Slot, Vec<_>> = BTreeMap::new();
        for ((scope, quarter, label), by) in &self.0 {
            let slot = (*scope, quarter.map(Quarter::hour));
            let slot = slots.entry(slot).or_default();
            slot.push((*quarter, label.clone(), *by));
        }
        slots
    }
}

/// The same at a site and on the platform.
fn both(site: SiteId, at: Timestamp, measure: Measure, by: i64) -> [Count; 2] {
    [Scope::Site(site), Scope::Platform].map(|scope| Count {
        scope,
        quarter: Some(Quarter::of(at)),
        label: measure.into(),
        by,
    })
}

impl Counted for BookingRow {
    fn adds_to(&self) -> Vec<Count> {
        let measure = Measure::Bookings(self.status);
        let counts = self.start.map(|start| both(self.site, start, measure, 1));
        counts.into_iter().flatten().collect()
    }
}

impl Counted for Booking {
    fn adds_to(&self) -> Vec<Count> {
        if self.deleted {
            return Vec::new();
        }
        self.row().adds_to()
    }
}

impl Counted for TransactionRow {
    fn adds_to(&self) -> Vec<Count> {
        let (kind, status, currency) = (self.kind(), self.status(), self.amount.currency);
        [
            (Measure::Entries(kind, status, currency), 1),
            (Measure::Amount(kind, status, currency), self.amount.amount_minor),
        ]
        .into_iter()
        .flat_map(|(measure, by)| both(self.site, self.occurred_at, measure, by))
        .collect()
    }
}

impl Counted for Transaction {
    fn adds_to(&self) -> Vec<Count> {
        if self.deleted {
            return Vec::new();
        }
        self.row.adds_to()
    }
}

/// Somebody at each of their sites and on the platform: of `measure` whenever they came, and of `new` when they came, if they are
/// told of as new.
fn person(
    presences: &[Presence],
    created_at: Timestamp,
    measure: Measure,
    new: Option<Measure>,
) -> Vec<Count> {
    let came = |presence: &Presence| (presence.joined_at, presence.site);
    let at_sites = presences.iter().map(|here| {
        let later = presences.iter().filter(|other| came(other) > came(here));
        let elsewhere = later.map(|other| other.site).collect();
        (Scope::Site(here.site), here.joined_at, elsewhere)
    });
    let on_platform = (Scope::Platform, created_at, BTreeSet::new());
    at_sites
        .chain([on_platform])
        .flat_map(|(scope, at, elsewhere)| {
            let ever = [(None, measure)].into_iter();
            let all = ever.chain(new.map(|new| (Some(Quarter::of(at)), new)));
            all.map(move |(quarter, measure)| {
                let elsewhere = elsewhere.clone();
                Count {
                    scope,
                    quarter,
                    label: Label { measure, elsewhere },
                    by: 1,
                }
            })
        })
        .collect()
}

impl Counted for PatientRow {
    fn adds_to(&self) -> Vec<Count> {
        let new = (self.status != PatientStatus::Merged).then_some(Measure::NewPatients);
        let measure = Measure::Patients(self.status);
        person(&self.registrations, self.created_at, measure, new)
    }
}

impl Counted for Patient {
    fn adds_to(&self) -> Vec<Count> {
        self.row().map(|row| row.adds_to()).unwrap_or_default()
    }
}

impl Counted for SpecialistRow {
    fn adds_to(&self) -> Vec<Count> {
        let new = (self.review != ReviewStatus::Archived).then_some(Measure::NewSpecialists);
        let measure = Measure::Specialists(self.review);
        person(&self.assignments, self.created_at, measure, new)
    }
}

impl Counted for Specialist {
    fn adds_to(&self) -> Vec<Count> {
        self.row().map(|row| row.adds_to()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::booking::sample::booked;
    use crate::patient::tests::{record, taken};
    use crate::sample::{now, sourced};
    use crate::transaction::sample::any_row;

    /// Something that counts at an instant.
    struct At(i64, i64);

    impl Counted for At {
        fn adds_to(&self) -> Vec<Count> {
            let at = Timestamp::from_second(self.0).unwrap();
            let site = SiteId::from_uuid(uuid::Uuid::nil());
            both(site, at, Measure::NewPatients, self.1).to_vec()
        }
    }

    #[test]
    fn what_does_not_change_is_not_counted_again() {
        assert!(Tally::between(Some(&At(0, 1)), Some(&At(899, 1))).is_empty());
        let moved = Tally::between(Some(&At(0, 1)), Some(&At(900, 1)));
        assert_eq!(moved.len(), 4);
        assert_eq!(moved.by_slot().len(), 2);
        let back = Tally::between(Some(&At(900, 1)), Some(&At(0, 1)));
        assert!(moved.and(back).is_empty());
    }

    #[test]
    fn what_was_deleted_is_not_counted() {
        let (booking, ada) = (booked(), taken(record()).unwrap());
        assert!(!Tally::of(&booking).is_empty() && !Tally::of(&ada).is_empty());
        let gone = booking.deleted(sourced("1", 2), now());
        let erased = ada.deleted(sourced("1", 2), now());
        assert!(Tally::of(&gone).is_empty() && Tally::of(&erased).is_empty());
    }

    proptest! {
        /// However records come, change and go, the sums are those of what is there.
        #[test]
        fn counts_are_what_a_recount_gives(steps in proptest::collection::vec((0..4_usize, proptest::option::of((0_i64..4_000_000, 1_i64..9))), 0..40)) {
            let mut records: [Option<At>; 4] = [None, None, None, None];
            let mut tally = Tally::default();
            for (which, next) in steps {
                let next = next.map(|(second, by)| At(second, by));
                tally = tally.and(Tally::between(records[which].as_ref(), next.as_ref()));
                records[which] = next;
            }
            let recount = records.iter().flatten().fold(Tally::default(), |all, record| all.and(Tally::of(record)));
            prop_assert_eq!(tally, recount);
        }

        #[test]
        fn an_entry_is_counted_once_at_its_site_and_once_on_the_platform(row in any_row()) {
            for scope in [Scope::Site(row.site), Scope::Platform] {
                let here = Tally::of(&row).keeping(|of, _, _| of == scope);
                let sums: Vec<i64> = here.by_slot().into_values().flatten().map(|(.., by)| by).collect();
                prop_assert_eq!(sums, [1, row.amount.amount_minor]);
            }
        }
    }
}
