//! Counts, as those see them who have a reach.

use std::collections::{BTreeMap, BTreeSet};

use super::{Label, Measure, Quarter, Scope, Span};
use crate::id::SiteId;
use crate::reach::{Of, Reach};

/// What was counted within a reach, each person once.
#[derive(Debug, Clone)]
pub struct Counts {
    patients: Seen,
    specialists: Seen,
    events: Seen,
    ever: BTreeMap<Measure, i64>,
    timed: BTreeMap<Quarter, BTreeMap<Measure, i64>>,
}

/// Where something is seen.
#[derive(Debug, Clone)]
enum Seen {
    Nowhere,
    At(BTreeSet<SiteId>),
    Everywhere,
}

impl Seen {
    fn of(reach: &Reach, of: Of) -> Self {
        let is_overseen = match of {
            Of::Patients => reach.has_patients(),
            Of::Specialists => reach.has_specialists(),
            Of::Events => true,
        };
        match reach.sites(of) {
            _ if !is_overseen => Self::Nowhere,
            None => Self::Everywhere,
            Some(sites) => Self::At(sites.into_iter().collect()),
        }
    }

    fn has(&self, scope: Scope, label: &Label) -> bool {
        match (self, scope) {
            (Self::Everywhere, Scope::Platform) => true,
            (Self::At(sites), Scope::Site(site)) => {
                sites.contains(&site) && sites.is_disjoint(&label.elsewhere)
            }
            _ => false,
        }
    }
}

impl Counts {
    /// Nothing yet, to be seen within `reach`.
    #[must_use]
    pub fn within(reach: &Reach) -> Self {
        Self {
            patients: Seen::of(reach, Of::Patients),
            specialists: Seen::of(reach, Of::Specialists),
            events: Seen::of(reach, Of::Events),
            ever: BTreeMap::new(),
            timed: BTreeMap::new(),
        }
    }

    /// Adds what was counted of a scope, if it is within reach and nobody of it is counted elsewhere.
    pub fn add(&mut self, scope: Scope, quarter: Option<Quarter>, label: &Label, count: i64) {
        let seen = match label.measure.of() {
            Of::Patients => &self.patients,
            Of::Specialists => &self.specialists,
            Of::Events => &self.events,
        };
        if seen.has(scope, label) {
            let sums = match quarter {
                None => &mut self.ever,
                Some(quarter) => self.timed.entry(quarter).or_default(),
            };
            let sum = sums.entry(label.measure).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    /// The sums over a stretch of time; without one, of what is counted whenever it was. What is nothing is left out.
    #[must_use]
    pub fn sums(&self, span: Option<Span>) -> BTreeMap<Measure, i64> {
        let Some(Span { from, until }) = span else {
            return kept(self.ever.clone());
        };
        let mut sums: BTreeMap<Measure, i64> = BTreeMap::new();
        for (measure, count) in self.timed.range(from..until.max(from)).flat_map(|(_, sums)| sums) {
            let sum = sums.entry(*measure).or_default();
            *sum = sum.saturating_add(*count);
        }
        kept(sums)
    }
}

/// Less than nothing is for a moment only, while a change that was made later is counted first.
fn kept(mut sums: BTreeMap<Measure, i64>) -> BTreeMap<Measure, i64> {
    sums.retain(|_, sum| *sum > 0);
    sums
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::subsequence;

    use super::*;
    use crate::configuration::{Binding, BindingRole, Directory, Scope as Overseen};
    use crate::patient::tests::{record, taken};
    use crate::patient::{Patient, PatientQuery};
    use crate::person::{Presence, PresenceStatus};
    use crate::role::Role;
    use crate::sample::{access, binding, now, organization};
    use crate::statistics::Counted;

    fn reach(bindings: &[Binding], scope: Overseen, directory: Directory) -> Reach {
        let mut organization = organization();
        organization.configuration.bindings = bindings.to_vec();
        organization.configuration.scope = scope;
        organization.configuration.directory = directory;
        access(&organization, Role::Admin).reach().unwrap()
    }

    #[test]
    fn a_number_is_seen_where_what_it_counts_is() {
        let (ours, shared) = (binding(BindingRole::Owner), binding(BindingRole::Shared));
        let measures = [
            Measure::Bookings(crate::booking::Status::Booked),
            Measure::NewPatients,
            Measure::NewSpecialists,
        ];
        let seen = |reach: &Reach, scope: Scope| {
            let mut counts = Counts::within(reach);
            for measure in measures {
                counts.add(scope, None, &measure.into(), 1);
            }
            measures.map(|measure| counts.sums(None).contains_key(&measure))
        };
        let sites = |scope| reach(&[ours, shared], scope, Directory::Sites);
        let (here, there) = (Scope::Site(ours.site), Scope::Site(shared.site));
        assert_eq!(seen(&sites(Overseen::Both), here), [true; 3]);
        assert_eq!(seen(&sites(Overseen::Both), there), [true, true, false]);
        assert_eq!(seen(&sites(Overseen::Patients), here), [true, true, false]);
        assert_eq!(seen(&sites(Overseen::Specialists), here), [true, false, true]);
        let foreign = Scope::Site(SiteId::mint(now()));
        for scope in [foreign, Scope::Platform] {
            assert_eq!(seen(&sites(Overseen::Both), scope), [false; 3]);
        }
        let all = reach(&[ours], Overseen::Both, Directory::Platform);
        assert_eq!(seen(&all, Scope::Platform), [true; 3]);
        assert_eq!(seen(&all, here), [false; 3]);
    }

    proptest! {
        /// Whoever sees some of the sites counts everybody at them once, when they came to the last of these.
        #[test]
        fn a_person_is_counted_where_lists_have_them(
            people in vec(proptest::option::of(vec((0..4_usize, 0_i64..5), 0..4)), 0..12),
            seen in subsequence(vec![0, 1, 2, 3], 0..=4),
            from in 0_i64..5,
            length in 0_i64..5,
        ) {
            let bindings: Vec<Binding> = (0..4).map(|_| binding(BindingRole::Owner)).collect();
            let day = |day: i64| now() + jiff::SignedDuration::from_hours(24 * day);
            let somebody = |places: &Option<Vec<(usize, i64)>>| -> Patient {
                let mut sites = BTreeMap::new();
                for (site, joined) in places.iter().flatten() {
                    let presence = Presence { site: bindings[*site].site, shards: 1, joined_at: day(*joined), status: PresenceStatus::Active };
                    sites.insert(presence.site, presence);
                }
                Patient { registrations: sites.into_values().collect(), ..taken(record()).unwrap() }
            };
            let people: Vec<Patient> = people.iter().map(somebody).collect();
            let overseen: Vec<Binding> = seen.iter().map(|site| bindings[*site]).collect();
            let reach = reach(&overseen, Overseen::Both, Directory::Sites);
            let mut counts = Counts::within(&reach);
            for count in people.iter().flat_map(Counted::adds_to) {
                counts.add(count.scope, count.quarter, &count.label, count.by);
            }
            let sites = reach.sites(Of::Patients).unwrap();
            let (since, until) = (day(from), day(from + length));
            let query = PatientQuery { since: Some(since), until: Some(until), ..PatientQuery::default() };
            let rows: Vec<_> = people.iter().filter_map(Patient::row).collect();
            let listed = rows.iter().filter(|row| {
                sites.iter().any(|site| row.came_last_to(*site, |site| sites.contains(&site)) && query.matches(row, Some(*site)))
            });
            let span = Span { from: Quarter::of(since), until: Quarter::of(until) };
            let new = counts.sums(Some(span)).get(&Measure::NewPatients).copied().unwrap_or(0);
            prop_assert_eq!(usize::try_from(new).unwrap(), listed.count());
            let there = people.iter().filter(|person| reach.has_patient_at(person.sites())).count();
            let active = Measure::Patients(crate::patient::Status::Active);
            let ever = counts.sums(None).get(&active).copied().unwrap_or(0);
            prop_assert_eq!(usize::try_from(ever).unwrap(), there);
        }
    }
}
