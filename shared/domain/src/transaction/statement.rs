//! A specialist's month: every entry of it, and what they come to.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::code::{Code, Refusal};
use crate::id::SpecialistId;

use super::{MOST_AT_ONCE, Party, Totals, TransactionQuery, TransactionRow};

/// A calendar month, spelled `2026-05`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Month(Date);

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

impl std::str::FromStr for Month {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let first = |text: &str| format!("{text}-01").parse::<Date>().ok().map(Self);
        let month = (text.len() == 7).then(|| first(text)).flatten();
        // One spelling each, and none that has no neighbours to be told apart from.
        month
            .filter(|month| month.to_string() == text && (1970..=9990).contains(&month.0.year()))
            .ok_or_else(|| Refusal::new(Code::QueryInvalid, "not a month of the form 2026-05"))
    }
}

impl TryFrom<String> for Month {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.to_string()
    }
}

impl Month {
    /// The month of UTC that `at` is in.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(at.to_zoned(TimeZone::UTC).date().first_of_month())
    }

    /// The instant of UTC at which it is over.
    #[must_use]
    pub fn ends_at(self) -> Timestamp {
        self.next().begins_at(&TimeZone::UTC)
    }

    /// The month after this one.
    fn next(self) -> Self {
        Self(self.0.last_of_month().tomorrow().unwrap_or(self.0))
    }

    /// Its first instant in `zone`: midnight, or the first that a change of the clock leaves of that day.
    fn begins_at(self, zone: &TimeZone) -> Timestamp {
        self.0
            .to_zoned(zone.clone())
            .map_or(Timestamp::UNIX_EPOCH, |midnight| midnight.timestamp())
    }

    /// The entries of `specialist` in this month of `zone`: the list with this filter has the lines of the statement.
    #[must_use]
    pub fn query(self, specialist: SpecialistId, zone: &TimeZone) -> TransactionQuery {
        TransactionQuery {
            party: Some(Party::Specialist),
            specialist: Some(specialist),
            from: Some(self.begins_at(zone)),
            until: Some(self.next().begins_at(zone)),
            ..TransactionQuery::default()
        }
    }
}

/// What a specialist earned, lost and was paid in one month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The entries, oldest first; also those that failed, which come to nothing.
    pub lines: Vec<TransactionRow>,
    /// What they come to, a total for each currency.
    pub totals: Vec<Totals>,
}

impl Statement {
    /// The statement of what `query` wants among `entries`.
    ///
    /// # Errors
    /// [`Code::TooManyEntries`] for more than [`MOST_AT_ONCE`], [`Code::SumTooLarge`].
    pub fn of(query: &TransactionQuery, entries: Vec<TransactionRow>) -> Result<Self, Refusal> {
        if entries.len() > MOST_AT_ONCE {
            return Err(Code::TooManyEntries.into());
        }
        let mut lines: Vec<_> = entries.into_iter().filter(|entry| query.matches(entry)).collect();
        lines.sort_by_key(|entry| (entry.occurred_at, entry.id));
        let totals = Totals::of(&lines)?;
        Ok(Self { lines, totals })
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::Person;
    use super::super::sample::{any_row, earning, euros};
    use super::*;

    fn month(text: &str) -> Month {
        text.parse().unwrap()
    }

    fn bounds(text: &str, zone: &str) -> (Timestamp, Timestamp) {
        let specialist = earning(euros(1)).row.person.specialist().unwrap();
        let query = month(text).query(specialist, &TimeZone::get(zone).unwrap());
        (query.from.unwrap(), query.until.unwrap())
    }

    #[test]
    fn a_month_has_one_spelling() {
        assert_eq!(month("2026-05").to_string(), "2026-05");
        for text in [
            "",
            "2026",
            "2026-5",
            "2026-00",
            "2026-13",
            "2026-05-",
            "26-05",
            "+026-05",
            "2026-05-01",
            "2026/05",
            "1969-12",
            "9999-12",
            "２０２６-05",
        ] {
            assert_eq!(
                text.parse::<Month>().unwrap_err().code,
                Code::QueryInvalid,
                "{text}"
            );
        }
    }

    #[test]
    fn a_month_is_the_zones_own_and_follows_its_clocks() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(
            bounds("2026-03", "Europe/Berlin"),
            (at("2026-02-28T23:00:00Z"), at("2026-03-31T22:00:00Z"))
        );
        assert_eq!(
            bounds("2026-12", "Pacific/Auckland"),
            (at("2026-11-30T11:00:00Z"), at("2026-12-31T11:00:00Z"))
        );
        // In Paraguay the clock sprang over midnight of the first of October 2023.
        let (begins, _) = bounds("2023-10", "America/Asuncion");
        assert_eq!(begins, at("2023-10-01T04:00:00Z"));
    }

    proptest! {
        #[test]
        fn months_follow_each_other_without_gap_or_overlap(
            year in 1970_i16..=9989, number in 1_i8..=12,
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/Asuncion", "Asia/Kathmandu", "Pacific/Apia"]),
        ) {
            let first = month(&format!("{year:04}-{number:02}"));
            let (begins, ends) = bounds(&first.to_string(), zone);
            let (next, _) = bounds(&first.next().to_string(), zone);
            prop_assert_eq!(ends, next);
            // The shortest is the month of which Samoa skipped a day.
            prop_assert!(ends.duration_since(begins) >= SignedDuration::from_hours(27 * 24));
        }

        #[test]
        fn the_totals_of_a_statement_are_the_sums_of_its_lines(
            entries in vec(any_row(), 0..40), own in vec(any::<bool>(), 40),
        ) {
            // Given entries of one specialist among those of others
            let specialist = earning(euros(1)).row.person.specialist().unwrap();
            let entries: Vec<_> = entries.into_iter().zip(own).map(|(entry, is_own)| match entry.person {
                Person::Specialist { ref name, .. } if is_own => {
                    let person = Person::Specialist { specialist, name: name.clone() };
                    TransactionRow { person, ..entry }
                }
                _ => entry,
            }).collect();
            let query = month("2026-05").query(specialist, &TimeZone::UTC);

            // When the month is stated
            let statement = Statement::of(&query, entries.clone()).unwrap();

            // Then its lines are the filtered list, and its totals are their sums
            let listed = entries.iter().filter(|entry| query.matches(entry)).count();
            prop_assert_eq!(statement.lines.len(), listed);
            prop_assert!(statement.lines.iter().all(|line| line.person.specialist() == Some(specialist)));
            prop_assert!(statement.lines.is_sorted_by_key(|line| line.occurred_at));
            for total in &statement.totals {
                let sum: i64 = statement.lines.iter()
                    .filter(|line| line.amount.currency == total.currency)
                    .map(TransactionRow::balance_minor)
                    .sum();
                prop_assert_eq!(total.balance_minor, sum);
                prop_assert_eq!((total.paid_minor, total.refunded_minor), (0, 0));
            }
        }
    }
}
