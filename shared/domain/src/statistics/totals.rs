//! What a sponsor is told of those it sponsors, until it has a privacy mode: totals of closed months, and of enough people.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Interval, Stretch};
use crate::access::Access;
use crate::code::{Code, Refusal};
use crate::configuration::Directory;
use crate::id::{PatientId, SiteId};
use crate::organization::Headcount;

/// The fewest people of whom a total tells.
pub const FEWEST_PEOPLE: u64 = 11;

/// How long after its end a month is open to what is told late.
pub const SETTLING: SignedDuration = SignedDuration::from_hours(3 * 24);

/// What took place in a month, of at least [`FEWEST_PEOPLE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Bookings that were fulfilled.
    pub bookings: u64,
    /// The people who had one.
    pub people: u64,
}

impl Totals {
    /// The totals of bookings that were fulfilled, each given by whose it was; none of too few people.
    #[must_use]
    pub fn of(fulfilled: impl IntoIterator<Item = PatientId>) -> Option<Self> {
        let (mut bookings, mut people) = (0, BTreeSet::new());
        for patient in fulfilled {
            bookings += 1;
            people.insert(patient);
        }
        let people = u64::try_from(people.len()).unwrap_or(u64::MAX);
        (people >= FEWEST_PEOPLE).then_some(Self { bookings, people })
    }

    /// Which part its people are of all whom it is offered to, to four places. It is more than 1 where more came than are said to
    /// be eligible.
    #[must_use]
    pub fn utilization(self, eligible: Headcount) -> f64 {
        let people = u32::try_from(self.people).unwrap_or(u32::MAX);
        let part = f64::from(people) / f64::from(u32::from(eligible));
        (part * 10_000.0).round() / 10_000.0
    }
}

impl Stretch {
    /// Whether it is over for so long that what happened in it is told.
    #[must_use]
    pub fn is_settled(self, now: Timestamp) -> bool {
        let (_, until) = self.span.instants();
        now.duration_since(until) >= SETTLING
    }
}

impl Access {
    /// Whether the organization oversees people it sponsors, of whom it is told in totals alone.
    ///
    /// # Errors
    /// [`Code::PrivacyModeRequired`] for anything but the whole organization by month: less time or fewer people could be told apart.
    pub fn is_told_totals(&self, by: Interval, site: Option<SiteId>) -> Result<bool, Refusal> {
        if self.organization.configuration.directory != Directory::Enrolled {
            return Ok(false);
        }
        if by != Interval::Month || site.is_some() || self.grant().sites.is_some() {
            return Err(Code::PrivacyModeRequired.into());
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::Permissions;
    use crate::role::Role;
    use crate::sample::{access, add_role, now, organization};

    #[test]
    fn totals_are_of_enough_people() {
        let people: Vec<PatientId> = (0..12).map(|_| PatientId::mint(now())).collect();
        let of = |distinct: usize| {
            let twice = people.iter().take(distinct).chain(people.iter().take(distinct));
            Totals::of(twice.copied())
        };
        assert_eq!((of(0), of(10)), (None, None));
        assert_eq!(
            of(11),
            Some(Totals {
                bookings: 22,
                people: 11
            })
        );
    }

    #[test]
    fn utilization_is_people_of_those_eligible() {
        let of = |people, eligible: u32| {
            let totals = Totals { bookings: 99, people };
            totals.utilization(Headcount::try_from(eligible).unwrap())
        };
        let told = [of(11, 250), of(11, 11), of(22, 11), of(12, 7_000_000)];
        assert_eq!(format!("{told:?}"), "[0.044, 1.0, 2.0, 0.0]");
        for wrong in [0, 10_000_001] {
            assert_eq!(Headcount::try_from(wrong).unwrap_err().code, Code::FieldsInvalid);
        }
    }

    #[test]
    fn a_month_is_told_of_three_days_after_its_end() {
        let zone = jiff::tz::TimeZone::UTC;
        let month = Interval::Month
            .around("2026-04-17".parse().unwrap(), &zone)
            .unwrap();
        let at = |text: &str| month.is_settled(text.parse().unwrap());
        assert!(!at("2026-05-03T23:59:59Z") && at("2026-05-04T00:00:00Z"));
    }

    #[test]
    fn who_sponsors_people_is_told_of_all_by_month_alone() {
        let mut here = organization();
        let limited = add_role(&mut here, Permissions::new());
        here.roles[0].sites = Some([SiteId::mint(now())].into());
        let told = |here: &crate::organization::Organization, role: Role, by, site| {
            access(here, role)
                .is_told_totals(by, site)
                .map_err(|refusal| refusal.code)
        };
        assert_eq!(told(&here, Role::Admin, Interval::Day, None), Ok(false));
        here.configuration.directory = Directory::Enrolled;
        assert_eq!(told(&here, Role::Admin, Interval::Month, None), Ok(true));
        let (refused, site) = (Err(Code::PrivacyModeRequired), Some(SiteId::mint(now())));
        assert_eq!(told(&here, Role::Admin, Interval::Day, None), refused);
        assert_eq!(told(&here, Role::Admin, Interval::Month, site), refused);
        assert_eq!(told(&here, limited, Interval::Month, None), refused);
    }
}
