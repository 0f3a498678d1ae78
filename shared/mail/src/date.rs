//! A moment in words.

use jiff::Zoned;

/// The parts of a date that a text puts in its language's order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DateParts<'a> {
    /// The day of the month.
    pub(crate) day: i8,
    /// The month's name.
    pub(crate) month: &'a str,
    /// The year.
    pub(crate) year: i16,
    /// Hours and minutes on a 24-hour clock. Seconds are cut, never rounded up: a deadline may only look earlier than it is.
    pub(crate) time: String,
    /// The time zone's name, or its offset if it has none.
    pub(crate) zone: String,
}

impl<'a> DateParts<'a> {
    /// The parts of `moment`, with the month's name from `months`.
    pub(crate) fn of(moment: &Zoned, months: &'a [String; 12]) -> Self {
        let month = usize::try_from(moment.month() - 1)
            .ok()
            .and_then(|index| months.get(index));
        Self {
            day: moment.day(),
            month: month.map_or("", String::as_str),
            year: moment.year(),
            time: format!("{:02}:{:02}", moment.hour(), moment.minute()),
            zone: moment.time_zone().iana_name().map_or_else(
                || format!("UTC{}", moment.offset()),
                |name| name.replace('_', " "),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::{TimeZone, offset};

    use super::*;

    fn months() -> [String; 12] {
        std::array::from_fn(|index| format!("month {}", index + 1))
    }

    #[test]
    fn the_moment_is_told_in_its_zone_with_the_zones_name() {
        let months = months();
        let moment: jiff::Timestamp = "2025-12-31T23:30:59Z".parse().unwrap();
        let told = |zone: TimeZone| {
            let parts = DateParts::of(&moment.to_zoned(zone), &months);
            format!(
                "{} {} {} {} {}",
                parts.day, parts.month, parts.year, parts.time, parts.zone
            )
        };
        assert_eq!(
            told(TimeZone::get("Europe/Berlin").unwrap()),
            "1 month 1 2026 00:30 Europe/Berlin"
        );
        assert_eq!(
            told(TimeZone::get("America/New_York").unwrap()),
            "31 month 12 2025 18:30 America/New York"
        );
        assert_eq!(told(TimeZone::UTC), "31 month 12 2025 23:30 UTC");
        assert_eq!(told(TimeZone::fixed(offset(-3))), "31 month 12 2025 20:30 UTC-03");
    }
}
