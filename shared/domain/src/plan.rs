//! Plans as data, and the seats and sessions they give.

use serde::{Deserialize, Serialize};

use crate::id::OrganizationId;
use crate::transaction::Month;

/// What a plan gives. Figures are data: changing one here changes what is enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Its stable name.
    pub name: &'static str,
    /// Provider seats.
    pub seats: u32,
    /// Sessions a month, of all its organizations together.
    pub sessions: u32,
}

/// The plan every organization starts with.
pub const TEAM: Plan = Plan {
    name: "team",
    seats: 10,
    sessions: 1_000,
};

/// The seats of a root organization: one item, since a condition cannot compare two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seats {
    /// The root organization.
    pub organization: OrganizationId,
    /// The plan's name.
    pub plan: String,
    /// Seats of providers and of pending invites that hold one.
    pub used: u32,
    /// The most that may be used.
    pub limit: u32,
}

impl Seats {
    /// The seats of a new organization on `plan`.
    #[must_use]
    pub fn of(plan: &Plan, organization: OrganizationId) -> Self {
        Self {
            organization,
            plan: plan.name.to_owned(),
            used: 0,
            limit: plan.seats,
        }
    }
}

/// What a change does to the number of used seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeatChange {
    /// One more, if the limit allows.
    Take,
    /// One less.
    Release,
    /// None.
    Keep,
}

impl SeatChange {
    /// From whether a seat was taken before to whether one is after.
    #[must_use]
    pub const fn between(before: bool, after: bool) -> Self {
        match (before, after) {
            (false, true) => Self::Take,
            (true, false) => Self::Release,
            _ => Self::Keep,
        }
    }
}

/// The sessions of a root organization in the month that was begun last: one item, since a condition cannot compare two. There is
/// none before the first session.
///
/// Months are those of UTC, for a root and what is below it in whichever zones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// The root organization.
    pub organization: OrganizationId,
    /// The plan's name.
    pub plan: String,
    /// The month.
    pub month: Month,
    /// Sessions that were started in it.
    pub used: u32,
    /// The most that may be.
    pub limit: u32,
}

/// How much of a quota is used, as far as somebody is warned of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QuotaLevel {
    /// Less than is warned of.
    Low,
    /// 80 % and more.
    Near,
    /// 95 % and more.
    AlmostReached,
    /// All.
    Reached,
}

impl Quota {
    /// The quota with the first session of `month`, after that of an earlier month. None where `month` was begun before, or no
    /// session is allowed in it.
    #[must_use]
    pub fn begun(before: Option<&Self>, root: OrganizationId, month: Month) -> Option<Self> {
        let (plan, limit) = match before {
            Some(before) if before.month >= month => return None,
            Some(before) => (before.plan.clone(), before.limit),
            None => (TEAM.name.to_owned(), TEAM.sessions),
        };
        (limit > 0).then_some(Self {
            organization: root,
            plan,
            month,
            used: 1,
            limit,
        })
    }

    /// How many sessions there are in `month`.
    #[must_use]
    pub fn used_in(&self, month: Month) -> u32 {
        if self.month == month { self.used } else { 0 }
    }

    /// How much of it is used in `month`.
    #[must_use]
    pub fn level(&self, month: Month) -> QuotaLevel {
        let (used, limit) = (u64::from(self.used_in(month)), u64::from(self.limit));
        let is_at = |percent: u64| used * 100 >= limit * percent;
        if used >= limit {
            QuotaLevel::Reached
        } else if is_at(95) {
            QuotaLevel::AlmostReached
        } else if is_at(80) {
            QuotaLevel::Near
        } else {
            QuotaLevel::Low
        }
    }
}

/// That a change takes one session of a root organization's quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaEffect {
    /// The root organization.
    pub root: OrganizationId,
    /// Of which month.
    pub month: Month,
    /// What that does to the quota.
    pub step: QuotaStep,
}

/// What taking one session does to a quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaStep {
    /// One more of a month that was begun, if the limit allows.
    Take,
    /// This is the quota from now on, in place of that of the earlier month, if there was one.
    Begin(Quota, Option<Month>),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::now;

    fn month(text: &str) -> Month {
        text.parse().unwrap()
    }

    fn quota(used: u32, limit: u32) -> Quota {
        Quota {
            organization: OrganizationId::mint(now()),
            plan: TEAM.name.to_owned(),
            month: month("2026-05"),
            used,
            limit,
        }
    }

    #[test]
    fn a_month_begins_once_and_keeps_the_limit() {
        let root = OrganizationId::mint(now());
        let first = Quota::begun(None, root, month("2026-05")).unwrap();
        assert_eq!((first.used, first.limit), (1, TEAM.sessions));
        let before = quota(7, 7);
        for begun in ["2026-05", "2026-04"] {
            assert_eq!(Quota::begun(Some(&before), root, month(begun)), None, "{begun}");
        }
        let next = Quota::begun(Some(&before), root, month("2026-06")).unwrap();
        assert_eq!((next.used, next.limit), (1, 7));
        assert_eq!(Quota::begun(Some(&quota(0, 0)), root, month("2026-06")), None);
    }

    #[test]
    fn somebody_is_warned_at_80_95_and_100_percent() {
        let level = |used, limit| quota(used, limit).level(month("2026-05"));
        assert_eq!(level(79, 100), QuotaLevel::Low);
        assert_eq!(level(80, 100), QuotaLevel::Near);
        assert_eq!(level(94, 100), QuotaLevel::Near);
        assert_eq!(level(95, 100), QuotaLevel::AlmostReached);
        assert_eq!(level(99, 100), QuotaLevel::AlmostReached);
        assert_eq!(level(100, 100), QuotaLevel::Reached);
        assert_eq!(level(5, 3), QuotaLevel::Reached);
        assert_eq!(level(0, 0), QuotaLevel::Reached);
        assert_eq!(level(3_999_999_999, u32::MAX), QuotaLevel::Near);
        // What was used last month is no matter.
        assert_eq!(quota(100, 100).level(month("2026-06")), QuotaLevel::Low);
    }

    proptest! {
        #[test]
        fn more_use_is_never_a_lower_level(used in 0_u32..2_000, limit in 1_u32..2_000) {
            let level = |used| quota(used, limit).level(month("2026-05"));
            prop_assert!(level(used) <= level(used + 1));
            prop_assert_eq!(level(used) == QuotaLevel::Reached, used >= limit);
        }
    }
}
