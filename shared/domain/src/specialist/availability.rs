//! When specialists hold sessions: windows that come every week, in the specialist's time zone.

use serde::{Deserialize, Serialize};

use crate::code::{Code, Refusal};

/// The most windows of a week.
const MOST_WINDOWS: usize = 50;

/// The minutes of a day.
const DAY: u16 = 24 * 60;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Day {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl Day {
    /// The day's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Monday => "monday",
            Self::Tuesday => "tuesday",
            Self::Wednesday => "wednesday",
            Self::Thursday => "thursday",
            Self::Friday => "friday",
            Self::Saturday => "saturday",
            Self::Sunday => "sunday",
        }
    }
}

/// A time on a clock, to the minute: `00:00` to `24:00`, which ends a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClockTime(u16);

impl std::fmt::Display for ClockTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl std::str::FromStr for ClockTime {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let two = |digits: &[u8]| -> Option<u16> {
            let digit = |at: usize| digits.get(at).filter(|byte| byte.is_ascii_digit());
            Some(u16::from(digit(0)? - b'0') * 10 + u16::from(digit(1)? - b'0'))
        };
        let minutes = match text.as_bytes() {
            [hours @ .., b':', a, b] if hours.len() == 2 => {
                two(hours).zip(two(&[*a, *b])).filter(|(_, minute)| *minute < 60)
            }
            _ => None,
        };
        let minutes = minutes.map(|(hour, minute)| hour * 60 + minute);
        minutes
            .filter(|minutes| *minutes <= DAY)
            .map(Self)
            .ok_or_else(|| {
                Refusal::new(
                    Code::FieldsInvalid,
                    "must be a time of the form 09:30, at most 24:00",
                )
            })
    }
}

impl TryFrom<String> for ClockTime {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<ClockTime> for String {
    fn from(time: ClockTime) -> Self {
        time.to_string()
    }
}

/// A window of every week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The day.
    pub day: Day,
    /// When it begins.
    pub from: ClockTime,
    /// When it ends.
    pub until: ClockTime,
}

/// The windows of a week, in order, none over another.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<Window>", into = "Vec<Window>")]
pub struct Availability(Vec<Window>);

impl Availability {
    /// The windows.
    #[must_use]
    pub fn windows(&self) -> &[Window] {
        &self.0
    }

    /// These windows, those that touch or overlap as one.
    ///
    /// # Errors
    /// [`Code::LimitExceeded`].
    pub(super) fn joined(windows: impl Iterator<Item = Window>) -> Result<Self, Refusal> {
        let mut windows: Vec<Window> = windows.collect();
        windows.sort_unstable();
        let mut joined: Vec<Window> = Vec::new();
        for window in windows {
            match joined.last_mut() {
                Some(last) if last.day == window.day && window.from <= last.until => {
                    last.until = last.until.max(window.until);
                }
                _ => joined.push(window),
            }
        }
        joined.try_into()
    }

    /// Whether there is no window.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Vec<Window>> for Availability {
    type Error = Refusal;

    fn try_from(mut windows: Vec<Window>) -> Result<Self, Refusal> {
        if windows.len() > MOST_WINDOWS {
            let detail = format!("must be {MOST_WINDOWS} windows at most");
            return Err(Refusal::new(Code::LimitExceeded, detail));
        }
        windows.sort_unstable();
        let overlap = |pair: &[Window]| match pair {
            [first, second] => first.day == second.day && second.from < first.until,
            _ => false,
        };
        if windows.iter().any(|window| window.from >= window.until) {
            return Err(Refusal::new(Code::FieldsInvalid, "a window ends after it begins"));
        }
        if windows.windows(2).any(overlap) {
            return Err(Refusal::new(Code::FieldsInvalid, "windows do not overlap"));
        }
        Ok(Self(windows))
    }
}

impl From<Availability> for Vec<Window> {
    fn from(availability: Availability) -> Self {
        availability.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(day: Day, from: &str, until: &str) -> Window {
        Window {
            day,
            from: from.parse().unwrap(),
            until: until.parse().unwrap(),
        }
    }

    #[test]
    fn a_time_has_one_spelling() {
        for time in ["00:00", "09:30", "23:59", "24:00"] {
            assert_eq!(time.parse::<ClockTime>().unwrap().to_string(), time);
        }
        for text in [
            "",
            "9:30",
            "09:3",
            "0930",
            "09:60",
            "24:01",
            "25:00",
            "-1:00",
            "09:30:00",
            "aa:bb",
            "٠٩:٣٠",
        ] {
            assert!(text.parse::<ClockTime>().is_err(), "{text}");
        }
    }

    #[test]
    fn windows_are_in_order_and_none_is_over_another() {
        use Day::{Friday, Monday};
        let of = |windows: &[Window]| Availability::try_from(windows.to_vec());
        let afternoon = window(Monday, "13:00", "24:00");
        let week = of(&[
            window(Friday, "08:00", "12:00"),
            afternoon,
            window(Monday, "08:00", "13:00"),
        ])
        .unwrap();
        assert!(week.windows().is_sorted() && week.windows().len() == 3);
        for refused in [
            vec![window(Monday, "08:00", "08:00")],
            vec![window(Monday, "09:00", "08:00")],
            vec![afternoon, afternoon],
            vec![afternoon, window(Monday, "12:00", "13:01")],
            vec![window(Monday, "00:00", "24:00"), afternoon],
        ] {
            assert_eq!(of(&refused).unwrap_err().code, Code::FieldsInvalid);
        }
        let many: Vec<_> = (0..51)
            .map(|at| window(Monday, &format!("{:02}:{:02}", at / 6, at % 6 * 10), "24:00"))
            .collect();
        assert_eq!(of(&many).unwrap_err().code, Code::LimitExceeded);
    }

    proptest! {
        #[test]
        fn a_week_reads_back_as_it_was_stored(times in prop::collection::btree_set(0_u16..1_440, 0..40)) {
            let times: Vec<_> = times.into_iter().collect();
            let windows = times.chunks_exact(2).map(|pair| Window {
                day: Day::Sunday, from: ClockTime(pair[0]), until: ClockTime(pair[1]),
            });
            let week = Availability::try_from(windows.collect::<Vec<_>>()).unwrap();
            let stored = serde_json::to_value(&week).unwrap();
            prop_assert_eq!(serde_json::from_value::<Availability>(stored).unwrap(), week);
        }
    }
}
