//! What lists show of specialists, and which ones they show: one type behind list, count and export.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Review, ReviewStatus, Specialist};
use crate::id::{SiteId, SpecialistId, compact};
use crate::money::Money;
use crate::organization::ZoneName;
use crate::person::{FullName, Presence, Sort, hidden, joined_at, joined_last};
use crate::search::{Search, tokens};
use crate::text::ProfileLine;

/// How many specializations lists show.
const SHOWN_SPECIALIZATIONS: usize = 3;

/// The time in which an approved specialist has all credentials that are required.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// From when on; since ever if not said.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::millisecond::optional"
    )]
    pub from: Option<Timestamp>,
    /// Until when; for ever if not said.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::millisecond::optional"
    )]
    pub until: Option<Timestamp>,
}

/// What lists show of a specialist: kept once for the platform, once for each site, and once under each token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecialistRow {
    /// The specialist.
    #[serde(with = "compact")]
    pub id: SpecialistId,
    /// The name.
    pub name: FullName,
    /// What they are foremost specialized in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub specializations: Vec<ProfileLine>,
    /// Where the review is.
    pub review: ReviewStatus,
    /// When they can be booked, as far as review and credentials go; never if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listing: Option<Listing>,
    /// How long a session is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_minutes: Option<u16>,
    /// What a session costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// The zone in which they live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<ZoneName>,
    /// Whether they have any availability.
    pub available: bool,
    /// Where they practise, by site.
    pub assignments: Vec<Presence>,
    /// When the specialist was made.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
}

hidden!(SpecialistRow, SpecialistQuery);

impl Listing {
    /// Whether `now` is within it.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| until > now)
    }
}

impl Specialist {
    /// When the specialist can be booked, as far as review and credentials go: only once approved, and while every credential
    /// that is required was checked and is valid. The clock alone ends it.
    #[must_use]
    pub fn listing(&self) -> Option<Listing> {
        if self.is_deleted() || !matches!(self.review, Review::Approved(_)) {
            return None;
        }
        let zone = self.profile.time_zone.clone().unwrap_or_default().zone();
        let required = || self.credentials.iter().filter(|credential| credential.required);
        required()
            .all(|credential| credential.check == super::Check::Verified)
            .then(|| Listing {
                from: required()
                    .filter_map(|credential| credential.begins_at(&zone))
                    .max(),
                until: required()
                    .filter_map(|credential| credential.ends_at(&zone))
                    .min(),
            })
    }

    /// Whether the specialist can be booked at `now`, as far as review and credentials go.
    #[must_use]
    pub fn is_listed(&self, now: Timestamp) -> bool {
        self.listing().is_some_and(|listing| listing.holds(now))
    }

    /// What lists show of it; none once its source deleted it.
    #[must_use]
    pub fn row(&self) -> Option<SpecialistRow> {
        let shown = self.profile.specializations.iter().take(SHOWN_SPECIALIZATIONS);
        (!self.is_deleted()).then(|| SpecialistRow {
            id: self.id,
            name: self.profile.name.clone(),
            specializations: shown.cloned().collect(),
            review: self.review.status(),
            listing: self.listing(),
            session_minutes: self.profile.session_minutes,
            price: self.price.map(|price| price.amount),
            time_zone: self.profile.time_zone.clone(),
            available: !self.profile.availability.is_empty(),
            assignments: self.assignments.clone(),
            created_at: self.created_at,
        })
    }
}

impl SpecialistRow {
    /// What the specialist is found under: words of the name alone.
    #[must_use]
    pub fn tokens(&self) -> Vec<String> {
        tokens(&self.name, None)
    }

    /// Whether the specialist can be booked at `now`, as far as review and credentials go.
    #[must_use]
    pub fn is_listed(&self, now: Timestamp) -> bool {
        self.listing.is_some_and(|listing| listing.holds(now))
    }

    /// Since when the specialist is at `site`, or on the platform where none is meant.
    #[must_use]
    pub fn since(&self, site: Option<SiteId>) -> Timestamp {
        joined_at(&self.assignments, site).unwrap_or(self.created_at)
    }

    /// Whether `site` is where somebody who sees `seen` sites sees the specialist come last: in a list of several sites that is
    /// sorted by when people came, each is given once. Copies with one time have one place in the list, and count as one there.
    #[must_use]
    pub fn came_last_to(&self, site: SiteId, seen: impl Fn(SiteId) -> bool) -> bool {
        joined_last(&self.assignments, site, seen)
    }
}

/// Which specialists are wanted.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SpecialistQuery {
    /// Found so.
    pub search: Option<Search>,
    /// Whose review is there; if not given, anywhere but put away.
    pub review: Option<ReviewStatus>,
    /// Who can be booked now, or who cannot.
    pub listed: Option<bool>,
    /// At this site.
    pub site: Option<SiteId>,
    /// Who came from then on.
    pub since: Option<Timestamp>,
    /// Who came before then.
    pub until: Option<Timestamp>,
    /// In this order.
    pub sort: Sort,
}

impl SpecialistQuery {
    /// Whether a specialist is wanted at `now`, of whom a list of `site`, or of the platform where there is none, has this row.
    #[must_use]
    pub fn matches(&self, row: &SpecialistRow, site: Option<SiteId>, now: Timestamp) -> bool {
        let at = row.since(site);
        let is_found = self
            .search
            .as_ref()
            .is_none_or(|search| search.finds(&row.tokens()));
        let is_there = self
            .site
            .is_none_or(|site| row.assignments.iter().any(|at| at.site == site));
        is_found
            && is_there
            && self
                .review
                .map_or(row.review != ReviewStatus::Archived, |review| {
                    row.review == review
                })
            && self.listed.is_none_or(|listed| row.is_listed(now) == listed)
            && self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at < until)
    }
}
