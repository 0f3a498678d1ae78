//! The list of specialists: its filters and its rows.

use jiff::Timestamp;
use portal_domain::access::Access;
use portal_domain::code::{Code, Refusal};
use portal_domain::id::SiteId;
use portal_domain::money::Money;
use portal_domain::projection::Projection;
use portal_domain::reach::Reach;
use portal_domain::search::Search;
use portal_domain::specialist::{ReviewStatus, SpecialistQuery, SpecialistRow};
use portal_domain::time::Moment;
use portal_store::{Page, Position, Store, StoreError};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Listing;
use super::people::{Looking, NameView, PresenceView, PriceView, SortFilter};
use crate::answer::View;

/// Which specialists are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SpecialistFilter {
    /// What words of the name begin with, in any case and without accents.
    search: Option<String>,
    /// Only whose review is there; if not given, anywhere but `archived`.
    #[param(value_type = Option<String>)]
    review: Option<ReviewStatus>,
    /// Only who can be booked now, as far as review and credentials go, or only who cannot.
    listed: Option<bool>,
    /// Only at this site.
    #[param(value_type = Option<String>)]
    site_id: Option<SiteId>,
    /// `name`, the family name first, or `newest` first.
    #[serde(default)]
    sort: Option<SortFilter>,
    /// Only who came from then on (RFC 3339): to the site where they came last, of those that are listed. The newest first.
    #[param(value_type = Option<String>, format = DateTime)]
    joined_from: Option<Moment>,
    /// Only who came before then (RFC 3339). The newest first.
    #[param(value_type = Option<String>, format = DateTime)]
    joined_until: Option<Moment>,
}

impl SpecialistFilter {
    fn query(&self) -> Result<SpecialistQuery, Refusal> {
        let looking = Looking {
            search: self.search.as_deref(),
            sort: self.sort,
            joined_from: self.joined_from,
            joined_until: self.joined_until,
        };
        let look = looking.look()?;
        if look.search.as_ref().is_some_and(Search::is_for_address) {
            return Err(Refusal::new(
                Code::QueryInvalid,
                "specialists are searched by their names",
            ));
        }
        Ok(SpecialistQuery {
            search: look.search,
            review: self.review,
            listed: self.listed,
            site: self.site_id,
            since: look.since,
            until: look.until,
            sort: look.sort,
        })
    }

    /// What is wanted, and the reach within which whoever has `access` may ask for it.
    fn asked_by(&self, access: &Access) -> Result<(SpecialistQuery, Reach), Refusal> {
        Ok((self.query()?, access.reach()?.of_specialists()?))
    }
}

impl Listing for SpecialistFilter {
    type Row = SpecialistRowView;

    const COLUMNS: &'static [&'static str] = &[
        "id",
        "name.full",
        "name.given",
        "name.family",
        "specializations",
        "review",
        "listed",
        "session_minutes",
        "price.amount_minor",
        "price.currency",
        "time_zone",
        "available",
        "assignments",
        "created_at",
    ];

    fn check(&self, access: &Access) -> Result<(), Refusal> {
        self.asked_by(access).map(drop)
    }

    async fn page(
        &self,
        store: &Store,
        access: &Access,
        now: Timestamp,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<SpecialistRowView>, StoreError> {
        let (query, reach) = self.asked_by(access)?;
        let page = store.specialists(&reach, &query, now, limit, after).await?;
        let seen = Seen::of(access, &reach, now);
        Ok(page.map(|row| SpecialistRowView::new(&row, seen)))
    }
}

/// What the caller sees of specialists, and when.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Which parts.
    pub projection: Projection,
    /// Of whom, and where.
    pub reach: &'a Reach,
    /// When.
    pub now: Timestamp,
}

impl<'a> Seen<'a> {
    /// What whoever has `access` sees within `reach` at `now`.
    #[must_use]
    pub fn of(access: &Access, reach: &'a Reach, now: Timestamp) -> Self {
        Self {
            projection: access.projection(reach),
            reach,
            now,
        }
    }

    /// A price, for those who see money.
    #[must_use]
    pub fn price(self, amount: Money) -> Option<PriceView> {
        self.projection.money.then(|| amount.into())
    }

    /// Whether the work at `site` is seen.
    #[must_use]
    pub fn is_shown(self, site: SiteId) -> bool {
        self.reach.has_specialist_at([site])
    }
}

/// A specialist in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpecialistRowView {
    /// The specialist.
    #[schema(example = "spc_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    pub id: String,
    /// The name.
    pub name: NameView,
    /// What they are foremost specialized in, at most three.
    pub specializations: Vec<String>,
    /// `draft`, `submitted`, `in_review`, `changes_requested`, `approved`, `rejected`, `suspended` or `archived`.
    #[schema(example = "approved")]
    pub review: &'static str,
    /// Whether they can be booked, as far as review and credentials go: approved, and every credential that is required is good now.
    pub listed: bool,
    /// How long a session is.
    pub session_minutes: Option<u16>,
    /// What a session costs; null without `transactions.read`.
    pub price: Option<PriceView>,
    /// The IANA zone in which they live.
    #[schema(example = "Europe/Vienna")]
    pub time_zone: Option<String>,
    /// Whether they have any availability.
    pub available: bool,
    /// Where they practise, of the sites that the caller sees.
    pub assignments: Vec<PresenceView>,
    /// When the specialist was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl View for SpecialistRowView {}

impl SpecialistRowView {
    /// The specialist as `seen`.
    #[must_use]
    pub fn new(row: &SpecialistRow, seen: Seen) -> Self {
        Self {
            id: row.id.to_string(),
            name: (&row.name).into(),
            specializations: row
                .specializations
                .iter()
                .map(|line| line.as_str().to_owned())
                .collect(),
            review: row.review.as_str(),
            listed: row.is_listed(seen.now),
            session_minutes: row.session_minutes,
            price: row.price.and_then(|price| seen.price(price)),
            time_zone: row.time_zone.as_ref().map(|zone| zone.as_str().to_owned()),
            available: row.available,
            assignments: PresenceView::of(&row.assignments, |site| seen.is_shown(site)),
            created_at: row.created_at,
        }
    }
}
