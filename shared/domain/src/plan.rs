//! Plans as data, and the seats they give.

use serde::{Deserialize, Serialize};

use crate::id::OrganizationId;

/// What a plan gives. Figures are data: changing one here changes what is enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Its stable name.
    pub name: &'static str,
    /// Provider seats.
    pub seats: u32,
}

/// The plan every organization starts with.
pub const TEAM: Plan = Plan {
    name: "team",
    seats: 10,
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
