//! Instants that others tell.

use jiff::Timestamp;
use serde::Deserialize;

use crate::code::{Code, Refusal};

/// An instant as somebody else tells it, by RFC 3339, to the millisecond. What is none is refused without being repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Moment(Timestamp);

impl From<Moment> for Timestamp {
    fn from(moment: Moment) -> Self {
        moment.0
    }
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self(Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at))
    }
}

impl std::str::FromStr for Moment {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let at: Timestamp = text.parse().map_err(|_| {
            Refusal::new(
                Code::FieldsInvalid,
                "must be an instant such as 2026-05-04T09:00:00Z",
            )
        })?;
        Ok(at.into())
    }
}

impl TryFrom<String> for Moment {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_kept_to_the_millisecond() {
        let told = |text: &str| Timestamp::from(text.parse::<Moment>().unwrap()).to_string();
        assert_eq!(told("2026-05-04T09:00:00.123456789Z"), "2026-05-04T09:00:00.123Z");
        assert_eq!(told("2026-05-04T11:00:00+02:00"), "2026-05-04T09:00:00Z");
    }

    #[test]
    fn what_is_no_instant_is_not_repeated() {
        for text in [
            "",
            "secret",
            "2026-05-04",
            "2026-05-04T09:00:00",
            "1777885200",
            "2026-13-04T09:00:00Z",
        ] {
            let refusal = text.parse::<Moment>().unwrap_err();
            assert_eq!(refusal.code, Code::FieldsInvalid);
            assert!(!refusal.detail.contains("secret") && !refusal.detail.contains("13-"));
        }
    }
}
