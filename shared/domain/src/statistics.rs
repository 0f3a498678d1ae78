//! Statistics: what is counted of records, in quarters of an hour, so that a day or month of any time zone is a sum of them.
//!
//! All offsets from UTC in use are multiples of 15 minutes, so days and months begin where quarters do, whatever the zone and
//! whatever its daylight saving. One count therefore serves every organization that sees a site, and another time zone needs no
//! counting anew.

mod counts;
mod drift;
mod measure;
mod tally;
mod totals;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::code::{Code, Refusal};
use crate::reach::{MOST_SOURCES, Of, Reach};

pub use counts::Counts;
pub use drift::{Note, UNDER_WAY, Verdict};
pub use measure::{Label, Measure};
pub use tally::{Count, Counted, Scope, Slot, Tally};
pub use totals::{FEWEST_PEOPLE, SETTLING, Totals};

/// Seconds in a quarter of an hour.
const SECONDS: i64 = 900;
/// Quarters in an hour.
const QUARTERS: i64 = 4;
/// Hours in a day of UTC.
const HOURS: i64 = 24;

/// The most days of a series by day.
pub const MOST_DAYS: usize = 92;
/// The most months of a series by month.
pub const MOST_MONTHS: usize = 24;
/// The most days over all scopes that one series is summed from.
pub const MOST_SUMMED: i64 = 3_000;

/// A quarter of an hour of UTC, counted from 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quarter(i64);

impl Quarter {
    /// The quarter in which `at` is; nothing is counted before 1970.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(at.as_second().div_euclid(SECONDS).max(0))
    }

    /// The quarter with this number of an hour of UTC.
    #[must_use]
    pub const fn in_hour(hour: Hour, number: u8) -> Self {
        Self(hour.0 * QUARTERS + number as i64)
    }

    /// Its hour of UTC.
    #[must_use]
    pub const fn hour(self) -> Hour {
        Hour(self.0.div_euclid(QUARTERS))
    }

    /// Its number in that hour: 0 to 3.
    #[must_use]
    pub fn number(self) -> u8 {
        u8::try_from(self.0.rem_euclid(QUARTERS)).unwrap_or(0)
    }

    /// Its first instant.
    #[must_use]
    pub fn begins_at(self) -> Timestamp {
        Timestamp::from_second(self.0.saturating_mul(SECONDS)).unwrap_or(Timestamp::MAX)
    }
}

/// An hour of UTC, counted from 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hour(i64);

impl std::fmt::Display for Hour {
    /// As `2026-05-04T09`, so that hours are sorted as their texts are.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let begin = Quarter::in_hour(*self, 0).begins_at().to_string();
        f.write_str(begin.get(..13).unwrap_or(&begin))
    }
}

impl std::str::FromStr for Hour {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let begin = format!("{text}:00:00Z").parse::<Timestamp>();
        let hour = begin.map(|begin| Quarter::of(begin).hour()).ok();
        hour.filter(|hour| hour.to_string() == text)
            .ok_or_else(|| Refusal::new(Code::QueryInvalid, "there is no such hour"))
    }
}

/// A stretch of time: from the first quarter to before the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first quarter in it.
    pub from: Quarter,
    /// The first quarter behind it.
    pub until: Quarter,
}

impl Span {
    /// Whether a quarter is in it.
    #[must_use]
    pub fn has(self, quarter: Quarter) -> bool {
        (self.from..self.until).contains(&quarter)
    }

    /// The instant that it begins at, and the one that it ends before: lists are filtered by them.
    #[must_use]
    pub fn instants(self) -> (Timestamp, Timestamp) {
        (self.from.begins_at(), self.until.begins_at())
    }

    /// The first and the last hour of UTC that it touches.
    #[must_use]
    pub const fn hours(self) -> (Hour, Hour) {
        (self.from.hour(), Quarter(self.until.0 - 1).hour())
    }

    /// Of two stretches and what is between them.
    #[must_use]
    pub fn to(self, later: Self) -> Self {
        Self {
            until: later.until,
            ..self
        }
    }

    /// The days of UTC that it touches, rounded up.
    const fn days(self) -> i64 {
        (self.until.0 - self.from.0) / (QUARTERS * HOURS) + 1
    }
}

/// Whose counts are summed up for those who see `reach`.
///
/// # Errors
/// [`Code::SiteFilterRequired`] for more sites than a list is merged from.
pub fn scopes(reach: &Reach) -> Result<Vec<Scope>, Refusal> {
    let Some(sites) = reach.sites(Of::Events) else {
        return Ok(vec![Scope::Platform]);
    };
    if sites.len() > MOST_SOURCES {
        return Err(Code::SiteFilterRequired.into());
    }
    Ok(sites.into_iter().map(Scope::Site).collect())
}

/// Refuses a series over more than can be summed up at once.
///
/// # Errors
/// [`Code::SiteFilterRequired`].
pub fn summable(scopes: &[Scope], span: Span) -> Result<(), Refusal> {
    let scopes = i64::try_from(scopes.len()).unwrap_or(i64::MAX);
    if scopes.saturating_mul(span.days()) > MOST_SUMMED {
        return Err(Refusal::new(
            Code::SiteFilterRequired,
            "a series over so many sites and so long a time needs site_id, or a shorter time",
        ));
    }
    Ok(())
}

/// How finely a series is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// By day of the organization's time zone.
    Day,
    /// By calendar month of it.
    Month,
}

/// A day or a month of a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Its first day.
    pub begins_on: Date,
    /// When it is.
    pub span: Span,
}

impl Interval {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// Where a series begins that ends before `until`, if nobody says: 30 days earlier, or with the twelfth month.
    #[must_use]
    pub fn before(self, until: Date) -> Date {
        let last = until.saturating_sub(jiff::Span::new().days(1));
        match self {
            Self::Day => until.saturating_sub(jiff::Span::new().days(30)),
            Self::Month => last.first_of_month().saturating_sub(jiff::Span::new().months(11)),
        }
    }

    /// The day or month of `zone` that `date` is in.
    ///
    /// # Errors
    /// [`Code::QueryInvalid`] at the end of the calendar.
    pub fn around(self, date: Date, zone: &TimeZone) -> Result<Stretch, Refusal> {
        let begins_on = match self {
            Self::Day => date,
            Self::Month => date.first_of_month(),
        };
        let last = match self {
            Self::Day => date,
            Self::Month => date.last_of_month(),
        };
        let next = last.tomorrow().map_err(|_| outside())?;
        let span = Span {
            from: begin_of(begins_on, zone)?,
            until: begin_of(next, zone)?,
        };
        Ok(Stretch { begins_on, span })
    }

    /// The days or months of `zone` from the one that `from` is in to the last that begins before `until`.
    ///
    /// # Errors
    /// [`Code::QueryInvalid`] for a range that ends before it begins, or has more than [`MOST_DAYS`] or [`MOST_MONTHS`].
    pub fn series(self, from: Date, until: Date, zone: &TimeZone) -> Result<Vec<Stretch>, Refusal> {
        let refused = |why: &'static str| Refusal::new(Code::QueryInvalid, why);
        if until <= from {
            return Err(refused("the range ends before it begins"));
        }
        let (most, too_many) = match self {
            Self::Day => (MOST_DAYS, "a series by day has at most 92 days"),
            Self::Month => (MOST_MONTHS, "a series by month has at most 24 months"),
        };
        let mut all = Vec::new();
        let mut next = from;
        while next < until {
            if all.len() == most {
                return Err(refused(too_many));
            }
            let stretch = self.around(next, zone)?;
            let last = match self {
                Self::Day => stretch.begins_on,
                Self::Month => stretch.begins_on.last_of_month(),
            };
            all.push(stretch);
            next = last.tomorrow().map_err(|_| outside())?;
        }
        Ok(all)
    }
}

fn outside() -> Refusal {
    Refusal::new(Code::QueryInvalid, "the range lies outside of the calendar")
}

/// The quarter in which a day begins: at midnight, or at the first time there is, where clocks are put forward at midnight.
fn begin_of(date: Date, zone: &TimeZone) -> Result<Quarter, Refusal> {
    let begin = date.to_zoned(zone.clone()).map_err(|_| outside())?;
    Ok(Quarter::of(begin.timestamp()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    const ZONES: &[&str] = &[
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "America/Sao_Paulo",
        "Pacific/Apia",
        "Pacific/Chatham",
    ];

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn quarters(span: Span) -> i64 {
        span.until.0 - span.from.0
    }

    #[test]
    fn a_day_has_as_many_quarters_as_its_zone_gives_it() {
        let of = |name: &str, day: &str| {
            let day = Interval::Day.around(date(day), &zone(name)).unwrap();
            quarters(day.span)
        };
        assert_eq!(of("UTC", "2026-03-29"), 96);
        assert_eq!(of("Europe/Berlin", "2026-03-29"), 92);
        assert_eq!(of("Europe/Berlin", "2026-10-25"), 100);
        assert_eq!(of("Australia/Lord_Howe", "2026-04-05"), 98);
        assert_eq!(of("Asia/Kathmandu", "2026-03-29"), 96);
        // Midnight did not exist there that day.
        assert_eq!(of("America/Sao_Paulo", "2018-11-04"), 92);
    }

    #[test]
    fn a_month_is_all_its_days() {
        let month = Interval::Month.around(date("2026-03-17"), &zone("Europe/Berlin"));
        let Stretch { begins_on, span } = month.unwrap();
        assert_eq!(begins_on, date("2026-03-01"));
        assert_eq!(quarters(span), 31 * 96 - 4);
    }

    #[test]
    fn a_series_is_of_bounded_length_and_not_reversed() {
        let (first, berlin) = (date("2026-01-01"), zone("Europe/Berlin"));
        let length = |interval: Interval, until: &str| {
            let all = interval.series(first, date(until), &berlin);
            all.map(|all| all.len()).ok()
        };
        assert_eq!(length(Interval::Day, "2026-01-02"), Some(1));
        assert_eq!(length(Interval::Day, "2026-04-03"), Some(92));
        assert_eq!(length(Interval::Day, "2026-04-04"), None);
        assert_eq!(length(Interval::Month, "2026-01-02"), Some(1));
        assert_eq!(length(Interval::Month, "2028-01-01"), Some(24));
        assert_eq!(length(Interval::Month, "2028-01-02"), None);
        for until in ["2026-01-01", "2025-12-31"] {
            assert_eq!(length(Interval::Day, until), None);
        }
        let end = Interval::Month.series(date("9999-12-01"), date("9999-12-31"), &berlin);
        assert_eq!(end.unwrap_err().code, Code::QueryInvalid);
    }

    #[test]
    fn a_series_is_of_thirty_days_or_twelve_months_if_nobody_says() {
        for until in ["2026-03-31", "2026-04-01", "2026-03-01"].map(date) {
            for (interval, length) in [(Interval::Day, 30), (Interval::Month, 12)] {
                let all = interval.series(interval.before(until), until, &TimeZone::UTC);
                assert_eq!(all.unwrap().len(), length);
            }
        }
    }

    #[test]
    fn what_is_summed_at_once_is_bounded() {
        let year = |scopes: usize| {
            let span = Span {
                from: Quarter(0),
                until: Quarter(364 * 96),
            };
            summable(&vec![Scope::Platform; scopes], span)
        };
        assert!(year(8).is_ok());
        assert_eq!(year(9).unwrap_err().code, Code::SiteFilterRequired);
    }

    #[test]
    fn hours_are_sorted_as_their_texts() {
        let hour = Quarter::of("2026-05-04T09:59:59Z".parse().unwrap()).hour();
        assert_eq!(hour.to_string(), "2026-05-04T09");
        assert_eq!("2026-05-04T09".parse(), Ok(hour));
        assert!(Hour(9).to_string() < Hour(10).to_string() && Hour(23).to_string() < Hour(24).to_string());
        for text in ["", "2026-05-04", "2026-05-04T24", "2026-05-04T9", "EVER"] {
            assert!(text.parse::<Hour>().is_err(), "{text}");
        }
    }

    proptest! {
        /// Every instant of a range is in exactly one of its days, and in exactly one of its months.
        #[test]
        fn a_series_leaves_no_gap_and_does_not_overlap(name in select(ZONES), start in 0_i64..20_000, days in 1_i64..90, offset in 0_i64..86_400) {
            let zone = zone(name);
            let first = date("1975-01-01").checked_add(jiff::Span::new().days(start)).unwrap();
            let until = first.checked_add(jiff::Span::new().days(days)).unwrap();
            for interval in [Interval::Day, Interval::Month] {
                let all = interval.series(first, until, &zone).unwrap();
                prop_assert!(all.windows(2).all(|two| two[0].span.until == two[1].span.from));
                let at = first.to_zoned(zone.clone()).unwrap().timestamp() + jiff::SignedDuration::from_secs(offset);
                let local = at.to_zoned(zone.clone()).date();
                if local < until {
                    let found: Vec<_> = all.iter().filter(|stretch| stretch.span.has(Quarter::of(at))).collect();
                    prop_assert_eq!(found.len(), 1);
                    let named = match interval { Interval::Day => local, Interval::Month => local.first_of_month() };
                    prop_assert_eq!(found[0].begins_on, named);
                    let (from, until) = found[0].span.instants();
                    prop_assert!(from <= at && at < until);
                }
            }
        }
    }
}
