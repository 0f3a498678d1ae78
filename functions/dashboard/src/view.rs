//! What is told at a glance.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portal_domain::access::Access;
use portal_domain::dashboard::{Calendar, Tile, Told, Turnover};
use portal_domain::id::OrganizationId;
use portal_domain::organization::{Settings, ZoneName};
use portal_domain::reach::Reach;
use portal_domain::statistics::{Interval, Span, Stretch, Totals};
use portal_http::View;
use portal_http::listing::bookings::{BookingView, Seen};
use portal_http::listing::transactions::TransactionView;
use serde::Serialize;
use utoipa::ToSchema;

use crate::glance::Glance;

/// A stretch of time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StretchView {
    /// Its first day; null where it begins at the present.
    #[schema(format = Date, example = "2026-05-04")]
    begins_on: Option<String>,
    /// Its first instant.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// The instant before which it ends.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

impl StretchView {
    fn of(span: Span, begins_on: Option<String>) -> Self {
        let (from, until) = span.instants();
        Self {
            begins_on,
            from,
            until,
        }
    }
}

impl From<Stretch> for StretchView {
    fn from(stretch: Stretch) -> Self {
        Self::of(stretch.span, Some(stretch.begins_on.to_string()))
    }
}

/// What the list of a tile comes to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TileAmountView {
    /// In minor units of the currency.
    #[schema(example = 120_000)]
    amount_minor: i64,
    /// The ISO 4217 code.
    #[schema(example = "EUR")]
    currency: String,
}

/// A number, and the list that it is the length of.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TileView {
    /// What it tells: `bookings.` and a status, `bookings.upcoming`, `bookings.overdue`, `patients.new`, `patients.active`,
    /// `specialists.new`, `specialists.approved`, `specialists.to_review`, `transactions.` and a kind, and with `.failed` what did
    /// not go through.
    #[schema(example = "bookings.booked")]
    metric: String,
    /// Of which time: `today`, `month`, `ahead` or `now`.
    #[schema(example = "today")]
    period: &'static str,
    /// The number.
    #[schema(example = 12)]
    value: i64,
    /// Whether it may be more: not more than 1,000 are looked at.
    at_least: bool,
    /// What the list comes to; null unless it is of money in one currency.
    amount: Option<TileAmountView>,
    /// Whether somebody should look at it.
    attention: bool,
    /// What is counted, in a sentence.
    #[schema(example = "Bookings of this status that begin in this time.")]
    definition: &'static str,
    /// The path and query of the list.
    #[schema(example = "/v1/organizations/org_…/bookings?status=booked&from=…&until=…")]
    list: String,
}

impl TileView {
    fn new(tile: &Tile, organization: OrganizationId) -> Self {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(tile.list.parameters())
            .finish();
        let collection = tile.list.collection();
        Self {
            metric: tile.metric.name(),
            period: tile.period.as_str(),
            value: tile.value,
            at_least: tile.at_least,
            amount: tile.amount.map(|amount| TileAmountView {
                amount_minor: amount.amount_minor,
                currency: amount.currency.to_string(),
            }),
            attention: tile.value > 0 && tile.metric.wants_attention(),
            definition: tile.metric.about(),
            list: format!("/v1/organizations/{organization}/{collection}?{query}"),
        }
    }
}

/// The dashboard of an organization.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DashboardView {
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
    /// The organization's time zone, in which days and months are.
    #[schema(example = "Europe/Berlin")]
    time_zone: String,
    /// The present day.
    today: StretchView,
    /// The present month.
    month: StretchView,
    /// The next seven days, today included, from the present quarter of an hour on.
    ahead: StretchView,
    /// The numbers that the caller may see.
    tiles: Vec<TileView>,
    /// The next bookings; null where the caller sees none.
    next_bookings: Option<Vec<BookingView>>,
    /// The last bookings that are settled; null where the caller sees none.
    recent_bookings: Option<Vec<BookingView>>,
    /// The last transactions; null where the caller sees none.
    recent_transactions: Option<Vec<TransactionView>>,
}

impl DashboardView {
    pub(crate) fn new(
        access: &Access,
        reach: &Reach,
        calendar: &Calendar,
        tiles: &[Tile],
        glance: &Glance,
    ) -> Self {
        let (seen, projection) = (Seen::of(access, reach), access.projection(reach));
        let bookings = |rows: &Option<Vec<_>>| {
            let rows = rows.as_ref()?.iter();
            Some(
                rows.map(|row| BookingView::new(row, seen, calendar.now))
                    .collect(),
            )
        };
        let transactions = glance.transactions.as_ref();
        Self {
            as_of: calendar.now,
            time_zone: access.organization.settings.time_zone.as_str().to_owned(),
            today: calendar.today.into(),
            month: calendar.month.into(),
            ahead: StretchView::of(calendar.ahead, None),
            tiles: tiles
                .iter()
                .map(|tile| TileView::new(tile, access.organization.id))
                .collect(),
            next_bookings: bookings(&glance.next),
            recent_bookings: bookings(&glance.recent),
            recent_transactions: transactions.map(|rows| {
                let view = |row| TransactionView::new(row, projection);
                rows.iter().map(view).collect()
            }),
        }
    }
}

impl View for DashboardView {}

/// Transactions of one kind and currency that count.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TurnoverView {
    /// `payment`, `refund`, `earning`, `earning_reversal`, `payout` or `payout_reversal`.
    #[schema(example = "payment")]
    kind: &'static str,
    /// The ISO 4217 code.
    #[schema(example = "EUR")]
    currency: String,
    /// How many.
    #[schema(example = 31)]
    count: i64,
    /// What they come to, in minor units of the currency.
    #[schema(example = 279_000)]
    amount_minor: i64,
}

impl From<&Turnover> for TurnoverView {
    fn from(turnover: &Turnover) -> Self {
        Self {
            kind: turnover.kind.as_str(),
            currency: turnover.amount.currency.to_string(),
            count: turnover.count,
            amount_minor: turnover.amount.amount_minor,
        }
    }
}

/// What happened in a day or month.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatisticsPeriodView {
    /// Which.
    #[serde(flatten)]
    stretch: StretchView,
    /// Bookings that began, by status; null where the caller sees none.
    bookings: Option<BTreeMap<&'static str, i64>>,
    /// Patients who came to the last of the sites where they are seen; null where the caller sees none.
    new_patients: Option<i64>,
    /// Specialists who came so; null where the caller sees none.
    new_specialists: Option<i64>,
    /// Money, by kind and currency; null where the caller sees none.
    money: Option<Vec<TurnoverView>>,
    /// For organizations that oversee whom they sponsor: totals of a month; null before it is closed, and of less than 11 people.
    sponsored: Option<SponsoredView>,
}

/// What a sponsor is told of a month.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SponsoredView {
    /// Bookings that were fulfilled.
    #[schema(example = 57)]
    bookings: u64,
    /// The people who had one.
    #[schema(example = 23)]
    people: u64,
    /// Their part of all whom the organization offers this to now, to four places; null where it has not said how many that are.
    #[schema(example = 0.092)]
    utilization: Option<f64>,
}

impl From<&Told> for StatisticsPeriodView {
    fn from(told: &Told) -> Self {
        let bookings = told.bookings.as_ref();
        let money = told.money.as_ref();
        Self {
            stretch: told.stretch.into(),
            bookings: bookings.map(|bookings| {
                let named = bookings.iter().map(|(status, count)| (status.as_str(), *count));
                named.collect()
            }),
            new_patients: told.new_patients,
            new_specialists: told.new_specialists,
            money: money.map(|money| money.iter().map(TurnoverView::from).collect()),
            sponsored: None,
        }
    }
}

/// A series of days or months.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatisticsView {
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
    /// The organization's time zone, in which days and months are.
    #[schema(example = "Europe/Berlin")]
    time_zone: String,
    /// `day` or `month`.
    #[schema(example = "day")]
    by: &'static str,
    /// The days or months, oldest first.
    periods: Vec<StatisticsPeriodView>,
}

impl StatisticsView {
    pub(crate) fn new(zone: &ZoneName, by: Interval, as_of: Timestamp, told: &[Told]) -> Self {
        Self {
            as_of,
            time_zone: zone.as_str().to_owned(),
            by: by.as_str(),
            periods: told.iter().map(StatisticsPeriodView::from).collect(),
        }
    }
}

impl StatisticsView {
    pub(crate) fn of_totals(
        settings: &Settings,
        by: Interval,
        as_of: Timestamp,
        months: &[Stretch],
        totals: &[Option<Totals>],
    ) -> Self {
        let period = |(month, totals): (&Stretch, &Option<Totals>)| StatisticsPeriodView {
            stretch: (*month).into(),
            bookings: None,
            new_patients: None,
            new_specialists: None,
            money: None,
            sponsored: totals.map(|totals| SponsoredView {
                bookings: totals.bookings,
                people: totals.people,
                utilization: settings
                    .eligible_headcount
                    .map(|eligible| totals.utilization(eligible)),
            }),
        };
        Self {
            periods: months.iter().zip(totals).map(period).collect(),
            ..Self::new(&settings.time_zone, by, as_of, &[])
        }
    }
}

impl View for StatisticsView {}
