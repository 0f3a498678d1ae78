//! The dashboard: numbers at a glance, each the length of a list.
//!
//! A tile is its list's query, and its number is counted by that query. So a number and its list can differ by nothing but the
//! moment that a change needs to be counted.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::access::Access;
use crate::booking::{BookingQuery, Status, Tab};
use crate::code::{Code, Refusal};
use crate::id::SiteId;
use crate::money::{Currency, MOST_MINOR, Money};
use crate::organization::ZoneName;
use crate::patient::{PatientQuery, Status as PatientStatus};
use crate::person::Sort;
use crate::projection::Projection;
use crate::reach::Reach;
use crate::specialist::{ReviewStatus, SpecialistQuery};
use crate::statistics::{Counts, Interval, Measure, Quarter, Span, Stretch};
use crate::transaction::{Kind, Party, Status as EntryStatus, TransactionQuery};

/// How many days "the next days" are, today included.
const DAYS_AHEAD: i64 = 7;

/// More than so many are not counted where counting means looking at each.
pub const MOST_LOOKED_AT: usize = 1_000;

/// The times that a dashboard is about, in the time zone of its organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// The present.
    pub now: Timestamp,
    /// The present day.
    pub today: Stretch,
    /// The present month.
    pub month: Stretch,
    /// From the present quarter of an hour to the end of the seventh day.
    pub ahead: Span,
}

impl Calendar {
    /// The calendar at `now`.
    ///
    /// # Errors
    /// [`Code::QueryInvalid`] at the end of the calendar.
    pub fn at(now: Timestamp, zone: &ZoneName) -> Result<Self, Refusal> {
        let zone: TimeZone = zone.zone();
        let date = now.to_zoned(zone.clone()).date();
        let last = date.saturating_add(jiff::Span::new().days(DAYS_AHEAD - 1));
        Ok(Self {
            now,
            today: Interval::Day.around(date, &zone)?,
            month: Interval::Month.around(date, &zone)?,
            ahead: Span {
                from: Quarter::of(now),
                until: Interval::Day.around(last, &zone)?.span.until,
            },
        })
    }

    /// All of these times together.
    #[must_use]
    pub fn whole(&self) -> Span {
        Span {
            from: self.month.span.from,
            until: self.month.span.until.max(self.ahead.until),
        }
    }
}

/// The list that a tile is the length of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// Bookings.
    Bookings(BookingQuery),
    /// Patients.
    Patients(PatientQuery),
    /// Specialists.
    Specialists(SpecialistQuery),
    /// Transactions.
    Transactions(TransactionQuery),
}

fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let words: Vec<&str> = words.into_iter().collect();
    (!words.is_empty()).then(|| words.join(","))
}

impl Listed {
    /// The collection's name in paths.
    #[must_use]
    pub const fn collection(&self) -> &'static str {
        match self {
            Self::Bookings(_) => "bookings",
            Self::Patients(_) => "patients",
            Self::Specialists(_) => "specialists",
            Self::Transactions(_) => "transactions",
        }
    }

    /// The query as the list takes it.
    #[must_use]
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let instant = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let site = |site: Option<SiteId>| site.map(|site| site.to_string());
        let newest = |sort: Sort| (sort == Sort::Newest).then(|| "newest".to_owned());
        let all = match self {
            Self::Bookings(query) => vec![
                ("tab", query.tab.map(|tab| tab.as_str().to_owned())),
                (
                    "status",
                    words(query.statuses.iter().map(|status| status.as_str())),
                ),
                ("from", instant(query.from)),
                ("until", instant(query.until)),
                ("site_id", site(query.site)),
            ],
            Self::Patients(query) => vec![
                ("status", query.status.map(|status| status.as_str().to_owned())),
                ("sort", newest(query.sort)),
                ("joined_from", instant(query.since)),
                ("joined_until", instant(query.until)),
                ("site_id", site(query.site)),
            ],
            Self::Specialists(query) => vec![
                ("review", query.review.map(|review| review.as_str().to_owned())),
                ("sort", newest(query.sort)),
                ("joined_from", instant(query.since)),
                ("joined_until", instant(query.until)),
                ("site_id", site(query.site)),
            ],
            Self::Transactions(query) => vec![
                ("kind", words(query.kinds.iter().map(|kind| kind.as_str()))),
                (
                    "status",
                    words(query.statuses.iter().map(|status| status.as_str())),
                ),
                ("currency", query.currency.map(|currency| currency.to_string())),
                ("from", instant(query.from)),
                ("until", instant(query.until)),
                ("site_id", site(query.site)),
            ],
        };
        let given = |(name, value): (&'static str, Option<String>)| Some((name, value?));
        all.into_iter().filter_map(given).collect()
    }

    /// The time that it is limited to.
    fn span(&self) -> Option<Span> {
        let (from, until) = match self {
            Self::Bookings(query) => (query.from, query.until),
            Self::Patients(query) => (query.since, query.until),
            Self::Specialists(query) => (query.since, query.until),
            Self::Transactions(query) => (query.from, query.until),
        };
        Some(Span {
            from: Quarter::of(from?),
            until: Quarter::of(until?),
        })
    }

    /// Whether what a measure counts is in the list.
    fn has(&self, measure: Measure) -> bool {
        match (self, measure) {
            (Self::Bookings(query), Measure::Bookings(status)) => query.possible().contains(&status),
            (Self::Patients(_), Measure::NewPatients) | (Self::Specialists(_), Measure::NewSpecialists) => {
                true
            }
            (Self::Patients(query), Measure::Patients(status)) => query.status == Some(status),
            (Self::Specialists(query), Measure::Specialists(review)) => query.review == Some(review),
            (Self::Transactions(query), Measure::Entries(kind, status, currency)) => {
                query.kinds.contains(&kind)
                    && query.statuses.contains(&status)
                    && query.currency.is_none_or(|wanted| wanted == currency)
            }
            _ => false,
        }
    }

    /// Its length, by what was counted.
    fn length(&self, counts: &Counts) -> i64 {
        let sums = counts.sums(self.span());
        sums.into_iter()
            .filter(|(measure, _)| self.has(*measure))
            .map(|(_, sum)| sum)
            .sum()
    }

    /// What its entries come to.
    fn amount_minor(&self, counts: &Counts) -> i64 {
        let sums = counts.sums(self.span());
        let is_of = |measure: &Measure| match *measure {
            Measure::Amount(kind, status, currency) => self.has(Measure::Entries(kind, status, currency)),
            _ => false,
        };
        let amounts = sums.into_iter().filter(|(measure, _)| is_of(measure));
        amounts.fold(0, |sum: i64, (_, amount)| sum.saturating_add(amount))
    }
}

/// What a tile tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Bookings of a status, by their start.
    Bookings(Status),
    /// Bookings that are expected in the next days.
    Upcoming,
    /// Bookings of which nobody has said how they ended.
    Overdue,
    /// Patients who came.
    NewPatients,
    /// Patients whose account is in use.
    ActivePatients,
    /// Specialists who came.
    NewSpecialists,
    /// Specialists who may practise.
    ApprovedSpecialists,
    /// Specialists who wait for a review.
    SpecialistsToReview,
    /// Entries of a kind that count, and what they come to.
    Entries(Kind),
    /// Entries of a kind that did not go through.
    Failed(Kind),
}

impl Metric {
    /// Its name.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Bookings(status) => format!("bookings.{}", status.as_str()),
            Self::Upcoming => "bookings.upcoming".to_owned(),
            Self::Overdue => "bookings.overdue".to_owned(),
            Self::NewPatients => "patients.new".to_owned(),
            Self::ActivePatients => "patients.active".to_owned(),
            Self::NewSpecialists => "specialists.new".to_owned(),
            Self::ApprovedSpecialists => "specialists.approved".to_owned(),
            Self::SpecialistsToReview => "specialists.to_review".to_owned(),
            Self::Entries(kind) => format!("transactions.{}", kind.as_str()),
            Self::Failed(kind) => format!("transactions.{}.failed", kind.as_str()),
        }
    }

    /// What it counts, in a sentence.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Bookings(_) => "Bookings of this status that begin in this time.",
            Self::Upcoming => {
                "Bookings that are open and begin within seven days, today included, from the present quarter of an hour on."
            }
            Self::Overdue => {
                "Bookings that should have been over an hour ago and were not fulfilled, cancelled or missed."
            }
            Self::NewPatients => {
                "Patients who came in this time to the last of the sites where they are seen."
            }
            Self::ActivePatients => "Patients whose account is in use, each once.",
            Self::NewSpecialists => {
                "Specialists who came in this time to the last of the sites where they are seen."
            }
            Self::ApprovedSpecialists => "Specialists whose review has approved them, each once.",
            Self::SpecialistsToReview => {
                "Specialists who were put forward for a review that nobody has begun."
            }
            Self::Entries(Kind::Payment) => {
                "Payments of this currency that succeeded, by the time they happened."
            }
            Self::Entries(_) => {
                "Transactions of this kind and currency that did not fail and were not stopped, by the time they happened."
            }
            Self::Failed(_) => {
                "Transactions of this kind that did not go through, by the time they happened."
            }
        }
    }

    /// Whether it asks somebody to do something, if it is not nothing.
    #[must_use]
    pub const fn wants_attention(self) -> bool {
        matches!(self, Self::Overdue | Self::SpecialistsToReview | Self::Failed(_))
    }
}

/// The time that a tile is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// The present day.
    Today,
    /// The present month.
    Month,
    /// The next seven days.
    Ahead,
    /// The present moment.
    Now,
}

impl Period {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Today => "today",
            Self::Month => "month",
            Self::Ahead => "ahead",
            Self::Now => "now",
        }
    }
}

/// A number and the list that it is the length of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// What it tells.
    pub metric: Metric,
    /// Of which time.
    pub period: Period,
    /// Its list.
    pub list: Listed,
    /// The number.
    pub value: i64,
    /// Whether it may be more: not all was looked at.
    pub at_least: bool,
    /// What the list comes to, where that is money of one currency.
    pub amount: Option<Money>,
}

/// The bookings at `site` that are overdue.
#[must_use]
pub fn overdue(site: Option<SiteId>) -> BookingQuery {
    BookingQuery {
        tab: Some(Tab::Overdue),
        site,
        ..BookingQuery::default()
    }
}

/// The bookings at `site` that are to come, the next one first.
#[must_use]
pub fn next(site: Option<SiteId>, now: Timestamp) -> BookingQuery {
    BookingQuery {
        tab: Some(Tab::Active),
        from: Some(now),
        site,
        ..BookingQuery::default()
    }
}

/// The bookings at `site` that have been, the last one first.
#[must_use]
pub fn recent(site: Option<SiteId>, now: Timestamp) -> BookingQuery {
    BookingQuery {
        tab: Some(Tab::Past),
        until: Some(now),
        site,
        ..BookingQuery::default()
    }
}

/// What makes the tiles of one dashboard.
struct Maker<'a> {
    calendar: &'a Calendar,
    site: Option<SiteId>,
    counts: &'a Counts,
}

impl Maker<'_> {
    fn instants(&self, period: Period) -> (Option<Timestamp>, Option<Timestamp>) {
        let span = match period {
            Period::Today => self.calendar.today.span,
            Period::Month => self.calendar.month.span,
            Period::Ahead => self.calendar.ahead,
            Period::Now => return (None, None),
        };
        let (from, until) = span.instants();
        (Some(from), Some(until))
    }

    fn tile(&self, metric: Metric, period: Period, list: Listed) -> Tile {
        Tile {
            metric,
            period,
            value: list.length(self.counts),
            at_least: false,
            amount: None,
            list,
        }
    }

    fn bookings(&self, metric: Metric, period: Period, statuses: impl IntoIterator<Item = Status>) -> Tile {
        let (from, until) = self.instants(period);
        let query = BookingQuery {
            statuses: statuses.into_iter().collect(),
            from,
            until,
            site: self.site,
            ..BookingQuery::default()
        };
        self.tile(metric, period, Listed::Bookings(query))
    }

    fn patients(&self, metric: Metric, period: Period, status: Option<PatientStatus>) -> Tile {
        let (since, until) = self.instants(period);
        let query = PatientQuery {
            status,
            since,
            until,
            sort: sorted(since),
            site: self.site,
            ..PatientQuery::default()
        };
        self.tile(metric, period, Listed::Patients(query))
    }

    fn specialists(&self, metric: Metric, period: Period, review: Option<ReviewStatus>) -> Tile {
        let (since, until) = self.instants(period);
        let query = SpecialistQuery {
            review,
            since,
            until,
            sort: sorted(since),
            site: self.site,
            ..SpecialistQuery::default()
        };
        self.tile(metric, period, Listed::Specialists(query))
    }

    fn transactions(
        &self,
        (metric, kind): (Metric, Kind),
        period: Period,
        statuses: &[EntryStatus],
        currency: Option<Currency>,
    ) -> Result<Tile, Refusal> {
        let (from, until) = self.instants(period);
        let query = TransactionQuery {
            kinds: BTreeSet::from([kind]),
            statuses: statuses.iter().copied().collect(),
            from,
            until,
            site: self.site,
            currency,
            ..TransactionQuery::default()
        };
        let tile = self.tile(metric, period, Listed::Transactions(query));
        let amount = currency.map(|currency| exact(tile.list.amount_minor(self.counts), currency));
        Ok(Tile {
            amount: amount.transpose()?,
            ..tile
        })
    }

    /// The currencies of the entries of a kind that count in a time.
    fn currencies(&self, kind: Kind, span: Span) -> BTreeSet<Currency> {
        let counting = |measure: Measure| match measure {
            Measure::Entries(of, status, currency) if of == kind && kind.counting().contains(&status) => {
                Some(currency)
            }
            _ => None,
        };
        let sums = self.counts.sums(Some(span));
        sums.into_keys().filter_map(counting).collect()
    }

    fn all_bookings(&self, overdue_bookings: &LookedAt) -> Vec<Tile> {
        let of = |period: Period| {
            let of = move |status: &Status| self.bookings(Metric::Bookings(*status), period, [*status]);
            Status::ALL.iter().map(of)
        };
        let open = Status::ALL.iter().copied().filter(|status| status.is_open());
        let upcoming = self.bookings(Metric::Upcoming, Period::Ahead, open);
        let list = Listed::Bookings(overdue(self.site));
        let overdue = Tile {
            value: i64::try_from(overdue_bookings.found).unwrap_or(i64::MAX),
            at_least: !overdue_bookings.is_all,
            ..self.tile(Metric::Overdue, Period::Now, list)
        };
        let stretches = of(Period::Today).chain(of(Period::Month));
        stretches.chain([upcoming, overdue]).collect()
    }

    fn all_patients(&self) -> Vec<Tile> {
        let active = Some(PatientStatus::Active);
        vec![
            self.patients(Metric::NewPatients, Period::Today, None),
            self.patients(Metric::NewPatients, Period::Month, None),
            self.patients(Metric::ActivePatients, Period::Now, active),
        ]
    }

    fn all_specialists(&self) -> Vec<Tile> {
        let (approved, submitted) = (Some(ReviewStatus::Approved), Some(ReviewStatus::Submitted));
        vec![
            self.specialists(Metric::NewSpecialists, Period::Today, None),
            self.specialists(Metric::NewSpecialists, Period::Month, None),
            self.specialists(Metric::ApprovedSpecialists, Period::Now, approved),
            self.specialists(Metric::SpecialistsToReview, Period::Now, submitted),
        ]
    }

    fn all_transactions(&self, kind: Kind) -> Result<Vec<Tile>, Refusal> {
        let mut tiles = Vec::new();
        for (period, span) in [
            (Period::Today, self.calendar.today.span),
            (Period::Month, self.calendar.month.span),
        ] {
            for currency in self.currencies(kind, span) {
                let of = (Metric::Entries(kind), kind);
                tiles.push(self.transactions(of, period, kind.counting(), Some(currency))?);
            }
        }
        if matches!(kind, Kind::Payment | Kind::Payout) {
            let of = (Metric::Failed(kind), kind);
            tiles.push(self.transactions(of, Period::Month, &[EntryStatus::Failed], None)?);
        }
        Ok(tiles)
    }
}

/// How long a list is of which each item had to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookedAt {
    /// How many were found.
    pub found: usize,
    /// Whether these are all.
    pub is_all: bool,
}

impl LookedAt {
    /// Nothing, where nothing was looked for.
    pub const NONE: Self = Self {
        found: 0,
        is_all: true,
    };
}

/// Who came in a time is told by the list that is sorted so.
const fn sorted(since: Option<Timestamp>) -> Sort {
    if since.is_some() { Sort::Newest } else { Sort::Name }
}

/// An amount that every reader of JSON reads as it is.
fn exact(amount_minor: i64, currency: Currency) -> Result<Money, Refusal> {
    if amount_minor.abs() > MOST_MINOR {
        return Err(Code::SumTooLarge.into());
    }
    Ok(Money {
        amount_minor,
        currency,
    })
}

impl Calendar {
    /// The tiles for whoever has `access`, of what `counts` has within `reach`, which is at `site` if one is given.
    ///
    /// # Errors
    /// [`Code::SumTooLarge`].
    pub fn tiles(
        &self,
        access: &Access,
        reach: &Reach,
        site: Option<SiteId>,
        counts: &Counts,
        overdue_bookings: &LookedAt,
    ) -> Result<Vec<Tile>, Refusal> {
        let seen = access.projection(reach);
        let make = Maker {
            calendar: self,
            site,
            counts,
        };
        let mut tiles = Vec::new();
        if seen.bookings {
            tiles.extend(make.all_bookings(overdue_bookings));
        }
        if seen.patients {
            tiles.extend(make.all_patients());
        }
        if seen.specialists {
            tiles.extend(make.all_specialists());
        }
        let is_overseen = |kind: &Kind| match kind.party() {
            Party::Patient => reach.has_patients(),
            Party::Specialist => reach.has_specialists(),
        };
        for kind in Kind::ALL
            .iter()
            .copied()
            .filter(is_overseen)
            .filter(|_| seen.money)
        {
            tiles.extend(make.all_transactions(kind)?);
        }
        Ok(tiles)
    }
}

/// What was counted in a day or month, as far as its reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Which.
    pub stretch: Stretch,
    /// Bookings that began, by status.
    pub bookings: Option<BTreeMap<Status, i64>>,
    /// Patients who came.
    pub new_patients: Option<i64>,
    /// Specialists who came.
    pub new_specialists: Option<i64>,
    /// Entries of the ledger that count, and what they come to, by kind and currency.
    pub money: Option<Vec<Turnover>>,
}

/// Entries of a kind that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turnover {
    /// The kind.
    pub kind: Kind,
    /// How many.
    pub count: i64,
    /// What they come to.
    pub amount: Money,
}

impl Stretch {
    /// What was counted in it, for those who see `seen`.
    ///
    /// # Errors
    /// [`Code::SumTooLarge`].
    pub fn told(self, counts: &Counts, seen: Projection) -> Result<Told, Refusal> {
        let sums = counts.sums(Some(self.span));
        let of = |measure: Measure| sums.get(&measure).copied().unwrap_or(0);
        let bookings = Status::ALL
            .iter()
            .map(|status| (*status, of(Measure::Bookings(*status))));
        let money = seen.money.then(|| turnover(&sums)).transpose()?;
        Ok(Told {
            stretch: self,
            bookings: seen.bookings.then(|| bookings.collect()),
            new_patients: seen.patients.then(|| of(Measure::NewPatients)),
            new_specialists: seen.specialists.then(|| of(Measure::NewSpecialists)),
            money,
        })
    }
}

fn turnover(sums: &BTreeMap<Measure, i64>) -> Result<Vec<Turnover>, Refusal> {
    let mut all: BTreeMap<(Kind, Currency), (i64, i64)> = BTreeMap::new();
    for (measure, sum) in sums {
        match *measure {
            Measure::Entries(kind, status, currency) if kind.counting().contains(&status) => {
                all.entry((kind, currency)).or_default().0 += sum;
            }
            Measure::Amount(kind, status, currency) if kind.counting().contains(&status) => {
                let amount = &mut all.entry((kind, currency)).or_default().1;
                *amount = amount.saturating_add(*sum);
            }
            _ => {}
        }
    }
    let turnover = |((kind, currency), (count, minor))| {
        let amount = exact(minor, currency)?;
        Ok(Turnover { kind, count, amount })
    };
    all.into_iter().map(turnover).collect()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::configuration::{BindingRole, Configuration};
    use crate::organization::Organization;
    use crate::role::Role;
    use crate::sample::{access, add_role_of, binding, now, organization};
    use crate::statistics::{Counted, Scope};
    use crate::transaction::TransactionRow;
    use crate::transaction::sample::any_row;

    fn calendar(zone: &str) -> Calendar {
        let zone = ZoneName::try_from(zone.to_owned()).unwrap();
        Calendar::at(now(), &zone).unwrap()
    }

    fn shown(organization: &Organization, role: Role) -> BTreeSet<String> {
        let access = access(organization, role);
        let reach = access.reach().unwrap();
        let counts = Counts::within(&reach);
        let tiles = calendar("UTC").tiles(&access, &reach, None, &counts, &LookedAt::NONE);
        let name = |tile: &Tile| {
            let name = tile.metric.name();
            name.split('.').next().unwrap_or_default().to_owned()
        };
        tiles.unwrap().iter().map(name).collect()
    }

    #[test]
    fn a_calendar_is_that_of_the_organization() {
        // It is 09:00 on the fourth of May in UTC.
        let at = |zone: &str| {
            let calendar = calendar(zone);
            (
                calendar.today.begins_on.to_string(),
                calendar.ahead.instants().1.to_string(),
            )
        };
        let told = |today: &str, until: &str| (today.to_owned(), until.to_owned());
        assert_eq!(at("UTC"), told("2026-05-04", "2026-05-11T00:00:00Z"));
        assert_eq!(at("Pacific/Apia"), told("2026-05-04", "2026-05-10T11:00:00Z"));
        assert_eq!(
            at("Pacific/Kiritimati"),
            told("2026-05-04", "2026-05-10T10:00:00Z")
        );
        assert_eq!(at("Pacific/Honolulu"), told("2026-05-03", "2026-05-10T10:00:00Z"));
    }

    #[test]
    fn tiles_are_for_those_who_see_their_lists() {
        let mut here = organization();
        let all = ["bookings", "patients", "specialists", "transactions"].map(str::to_owned);
        assert_eq!(shown(&here, Role::Admin), all.clone().into());
        assert!(shown(&here, Role::Viewer).is_empty());
        for name in &all {
            let role = add_role_of(&mut here, &[&format!("{name}.read")]);
            assert_eq!(shown(&here, role), [name.clone()].into());
        }
        let scoped = |scope: crate::configuration::Scope| {
            let mut organization = organization();
            organization.configuration = Configuration {
                scope,
                ..Configuration::default()
            };
            shown(&organization, Role::Admin)
        };
        let without = |name: &str| all.iter().filter(|shown| *shown != name).cloned().collect();
        assert_eq!(
            scoped(crate::configuration::Scope::Patients),
            without("specialists")
        );
        assert_eq!(
            scoped(crate::configuration::Scope::Specialists),
            without("patients")
        );
    }

    #[test]
    fn a_list_is_named_by_its_parameters() {
        let site = SiteId::mint(now());
        let query = BookingQuery {
            statuses: [Status::Booked, Status::Arrived].into(),
            from: Some(now()),
            ..overdue(Some(site))
        };
        let told: Vec<String> = Listed::Bookings(query)
            .parameters()
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let expected = [
            "tab=overdue",
            "status=booked,arrived",
            "from=2026-05-04T09:00:00Z",
            &format!("site_id={site}"),
        ];
        assert_eq!(told, expected);
    }

    proptest! {
        /// A tile's number is how many entries its query wants, and its amount what they come to.
        #[test]
        fn a_tile_counts_what_its_query_wants(mut rows in vec(any_row(), 0..40)) {
            let ours = binding(BindingRole::Owner);
            let mut here = organization();
            here.configuration.bindings = vec![ours];
            let access = access(&here, Role::Admin);
            let reach = access.reach().unwrap();
            for row in &mut rows {
                row.site = ours.site;
            }
            let mut counts = Counts::within(&reach);
            for count in rows.iter().flat_map(Counted::adds_to) {
                counts.add(count.scope, count.quarter, &count.label, count.by);
            }
            let tiles = calendar("Europe/Berlin").tiles(&access, &reach, None, &counts, &LookedAt::NONE).unwrap();
            for tile in &tiles {
                let Listed::Transactions(query) = &tile.list else { continue };
                let wanted: Vec<&TransactionRow> = rows.iter().filter(|row| query.matches(row)).collect();
                prop_assert_eq!(tile.value, i64::try_from(wanted.len()).unwrap());
                let sum = wanted.iter().map(|row| row.amount.amount_minor).sum::<i64>();
                prop_assert!(tile.amount.is_none_or(|amount| amount.amount_minor == sum));
            }
            let month = calendar("Europe/Berlin").month;
            let told = month.told(&counts, access.projection(&reach)).unwrap();
            let counted = tiles.iter().filter(|tile| tile.period == Period::Month && tile.amount.is_some());
            prop_assert_eq!(told.money.unwrap().len(), counted.count());
            prop_assert!(scopes_of(&reach) == [Scope::Site(ours.site)]);
        }

        #[test]
        fn what_counts_has_a_counting_status(row in any_row()) {
            prop_assert_eq!(row.counts(), row.kind().counting().contains(&row.status()));
        }
    }

    fn scopes_of(reach: &Reach) -> Vec<Scope> {
        crate::statistics::scopes(reach).unwrap()
    }
}
