//! Which bookings are wanted: the one question that lists, tiles and exports share.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::access::Access;
use crate::booking::status::words;
use crate::booking::{Booking, Modality, Status};
use crate::code::{Code, Refusal};
use crate::id::{PatientId, SiteId, SpecialistId};
use crate::permission::Permission;
use crate::reach::Reach;

/// How long after its end a booking may stand as it is before it is overdue.
pub const OVERDUE_AFTER: SignedDuration = SignedDuration::from_hours(1);

words! {
    /// The tabs of the list: each booking is in one of them, by its status, its end and the clock.
    Tab {
        /// Something is still expected of it.
        Active = "active",
        /// It should have taken place, and nobody has said whether it did.
        Overdue = "overdue",
        /// It is settled.
        Past = "past",
    }
}

impl Tab {
    /// The tab of a booking with this `status` that is over at `end`.
    #[must_use]
    pub fn of(status: Status, end: Option<Timestamp>, now: Timestamp) -> Self {
        match status {
            closed if !closed.is_open() => Self::Past,
            expected if expected.is_expected() && end.is_some_and(|end| end < Self::overdue_before(now)) => {
                Self::Overdue
            }
            _ => Self::Active,
        }
    }

    /// What was to be over before this instant is overdue.
    #[must_use]
    pub fn overdue_before(now: Timestamp) -> Timestamp {
        now - OVERDUE_AFTER
    }
}

/// In which order a list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// What comes first, first.
    Ascending,
    /// What comes last, first.
    Descending,
}

/// Which bookings are wanted; what is not said does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingQuery {
    /// Only of this tab.
    #[serde(default)]
    pub tab: Option<Tab>,
    /// Only of these statuses; of all if none is given.
    #[serde(default)]
    pub statuses: BTreeSet<Status>,
    /// Only those that start then or later.
    #[serde(default, with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub from: Option<Timestamp>,
    /// Only those that start before.
    #[serde(default, with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub until: Option<Timestamp>,
    /// Only of this patient.
    #[serde(default)]
    pub patient: Option<PatientId>,
    /// Only with this specialist.
    #[serde(default)]
    pub specialist: Option<SpecialistId>,
    /// Only at this site.
    #[serde(default)]
    pub site: Option<SiteId>,
    /// Only of this modality.
    #[serde(default)]
    pub modality: Option<Modality>,
}

impl BookingQuery {
    /// The same, if it makes sense.
    ///
    /// # Errors
    /// [`Code::QueryInvalid`] for a range of time that ends before it begins.
    pub fn checked(self) -> Result<Self, Refusal> {
        match (self.from, self.until) {
            (Some(from), Some(until)) if until < from => Err(Refusal::new(
                Code::QueryInvalid,
                "the range of time ends before it begins",
            )),
            _ => Ok(self),
        }
    }

    /// The reach within which whoever has `access` may ask this. Who sees no patients cannot find out which bookings are one's, and
    /// who sees no specialists not which are another's.
    ///
    /// # Errors
    /// As [`Access::reach`] and [`Reach::at`]; for a patient or specialist [`Code::ScopeExcludes`] where the organization oversees
    /// none, and [`Code::PermissionMissing`].
    pub fn reach(&self, access: &Access) -> Result<Reach, Refusal> {
        let mut reach = access.reach()?.at(self.site)?;
        if self.patient.is_some() {
            reach = reach.of_patients()?;
            access.must_hold(Permission::PatientsRead)?;
        }
        if self.specialist.is_some() {
            reach = reach.of_specialists()?;
            access.must_hold(Permission::SpecialistsRead)?;
        }
        Ok(reach)
    }

    /// Whether `booking` is wanted.
    #[must_use]
    pub fn matches(&self, booking: &Booking, now: Timestamp) -> bool {
        let (status, start) = (booking.status(), booking.start());
        !booking.deleted
            && self
                .tab
                .is_none_or(|tab| tab == Tab::of(status, booking.end(), now))
            && (self.statuses.is_empty() || self.statuses.contains(&status))
            && self
                .from
                .is_none_or(|from| start.is_some_and(|start| start >= from))
            && self
                .until
                .is_none_or(|until| start.is_some_and(|start| start < until))
            && self.patient.is_none_or(|patient| patient == booking.patient)
            && self
                .specialist
                .is_none_or(|specialist| specialist == booking.specialist)
            && self.site.is_none_or(|site| site == booking.site)
            && self.modality.is_none_or(|modality| modality == booking.modality)
    }

    /// Which of its statuses a booking of the tab can have.
    #[must_use]
    pub fn possible(&self) -> BTreeSet<Status> {
        let is_possible = |status: &Status| {
            let is_of_tab = match self.tab {
                None => true,
                Some(Tab::Active) => status.is_open(),
                Some(Tab::Overdue) => status.is_expected(),
                Some(Tab::Past) => !status.is_open(),
            };
            is_of_tab && (self.statuses.is_empty() || self.statuses.contains(status))
        };
        Status::ALL.iter().copied().filter(is_possible).collect()
    }

    /// In which order they are wanted, by their start: what is to come from the next one on, what has been from the last one back.
    #[must_use]
    pub const fn order(&self) -> Order {
        match self.tab {
            Some(Tab::Active | Tab::Overdue) => Order::Ascending,
            Some(Tab::Past) | None => Order::Descending,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    use super::*;
    use crate::booking::sample::{HOUR, booked, bookings, line};
    use crate::configuration::{Directory, Scope};
    use crate::organization::Organization;
    use crate::role::Role;
    use crate::sample::{access, add_role, now, organization};

    #[test]
    fn a_booking_is_overdue_when_its_time_of_grace_is_over() {
        let end = now();
        let tab = |status: Status, later: SignedDuration| Tab::of(status, Some(end), end + later);
        let moment = SignedDuration::from_millis(1);
        for status in [Status::Booked, Status::Arrived, Status::CheckedIn] {
            assert_eq!(tab(status, -HOUR), Tab::Active);
            assert_eq!(tab(status, OVERDUE_AFTER), Tab::Active);
            assert_eq!(tab(status, OVERDUE_AFTER + moment), Tab::Overdue);
        }
        for status in [Status::Waitlist, Status::Proposed, Status::Pending] {
            assert_eq!(tab(status, OVERDUE_AFTER + moment), Tab::Active);
        }
        for status in [
            Status::Fulfilled,
            Status::Cancelled,
            Status::NoShow,
            Status::EnteredInError,
        ] {
            assert_eq!(tab(status, -HOUR), Tab::Past);
        }
    }

    #[test]
    fn a_range_holds_its_beginning_and_not_its_end() {
        let booking = booked();
        let start = booking.start().unwrap();
        let within = |from: Option<Timestamp>, until: Option<Timestamp>| {
            let query = BookingQuery {
                from,
                until,
                ..BookingQuery::default()
            };
            query.matches(&booking, now())
        };
        let moment = SignedDuration::from_millis(1);
        assert!(within(Some(start), Some(start + moment)));
        assert!(!within(Some(start + moment), None) && !within(None, Some(start)));
        let backwards = BookingQuery {
            from: Some(start),
            until: Some(start - moment),
            ..BookingQuery::default()
        };
        assert_eq!(backwards.checked().unwrap_err().code, Code::QueryInvalid);
    }

    #[test]
    fn what_was_deleted_is_never_wanted() {
        let gone = booked().deleted(line(now()), now());
        assert!(!BookingQuery::default().matches(&gone, now()));
        assert!(BookingQuery::default().matches(&booked(), now()));
    }

    #[test]
    fn whose_and_where_it_is_must_be_as_wanted() {
        let (booking, other) = (booked(), booked());
        let wanted = |of: &Booking| {
            let by = |query: BookingQuery| query.matches(&booking, now());
            [
                by(BookingQuery {
                    patient: Some(of.patient),
                    ..BookingQuery::default()
                }),
                by(BookingQuery {
                    specialist: Some(of.specialist),
                    ..BookingQuery::default()
                }),
                by(BookingQuery {
                    site: Some(of.site),
                    ..BookingQuery::default()
                }),
            ]
        };
        assert_eq!(wanted(&booking), [true; 3]);
        assert_eq!(wanted(&other), [false; 3]);
    }

    #[test]
    fn who_does_not_see_people_does_not_ask_for_theirs() {
        let patient = BookingQuery {
            patient: Some(PatientId::mint(now())),
            ..BookingQuery::default()
        };
        let specialist = BookingQuery {
            specialist: Some(SpecialistId::mint(now())),
            ..BookingQuery::default()
        };
        let elsewhere = BookingQuery {
            site: Some(SiteId::mint(now())),
            ..BookingQuery::default()
        };
        let mut here = organization();
        let role = add_role(&mut here, [Permission::BookingsRead].into());
        let refused = |organization: &Organization, role: Role| {
            [&patient, &specialist, &elsewhere, &BookingQuery::default()].map(|query| {
                let reach = query.reach(&access(organization, role));
                reach.err().map(|refusal| refusal.code)
            })
        };
        let (missing, absent) = (Some(Code::PermissionMissing), Some(Code::SiteNotFound));
        assert_eq!(refused(&here, Role::Admin), [None, None, absent, None]);
        assert_eq!(refused(&here, role), [missing, missing, absent, None]);
        let excluded = Some(Code::ScopeExcludes);
        here.configuration.scope = Scope::Patients;
        assert_eq!(refused(&here, Role::Admin), [None, excluded, absent, None]);
        here.configuration.scope = Scope::Specialists;
        assert_eq!(refused(&here, Role::Admin), [excluded, None, absent, None]);
        here.configuration.directory = Directory::Enrolled;
        assert_eq!(refused(&here, Role::Admin), [Some(Code::PrivacyModeRequired); 4]);
    }

    proptest! {
        #[test]
        fn each_booking_is_in_one_tab(booking in bookings(), hours in -100_i32..100) {
            let now = now() + HOUR * hours;
            let tabs = Tab::ALL.iter().filter(|tab| {
                let query = BookingQuery { tab: Some(**tab), ..BookingQuery::default() };
                query.matches(&booking, now)
            });
            prop_assert_eq!(tabs.count(), 1);
        }

        #[test]
        fn what_matches_has_a_possible_status(
            booking in bookings(),
            tab in proptest::option::of(select(Tab::ALL)),
            statuses in subsequence(Status::ALL, 0..=Status::ALL.len()),
        ) {
            let query = BookingQuery { tab, statuses: statuses.into_iter().collect(), ..BookingQuery::default() };
            if query.matches(&booking, now()) {
                prop_assert!(query.possible().contains(&booking.status()));
            }
        }

        #[test]
        fn a_query_reads_back_as_it_was_stored(
            tab in proptest::option::of(select(Tab::ALL)),
            statuses in subsequence(Status::ALL, 0..=Status::ALL.len()),
            modality in proptest::option::of(select(Modality::ALL)),
        ) {
            let statuses = statuses.into_iter().collect();
            let query = BookingQuery { tab, statuses, modality, from: Some(now()), ..BookingQuery::default() };
            let stored = serde_json::to_value(&query).unwrap();
            prop_assert_eq!(serde_json::from_value::<BookingQuery>(stored).unwrap(), query);
        }
    }
}
