//! Credentials: what proves that somebody may practise, checked by people and ended by the clock.

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::code::{Code, Refusal};
use crate::person::hidden;
use crate::text::CredentialText;

/// The most credentials of a specialist.
pub const MOST_CREDENTIALS: usize = 10;

/// For how long before its end a credential is expiring.
pub const EXPIRING: SignedDuration = SignedDuration::from_hours(60 * 24);

/// Days that a credential can begin or end on.
const DATES: std::ops::RangeInclusive<Date> = date(1900, 1, 1)..=date(2200, 12, 31);

/// Whether somebody has checked a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Nobody has.
    #[default]
    Unverified,
    /// It is genuine.
    Verified,
    /// Whoever issued it took it back.
    Revoked,
}

/// A credential of a specialist.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// What it is, such as a licence to practise.
    pub kind: CredentialText,
    /// Its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<CredentialText>,
    /// Who issued it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<CredentialText>,
    /// Where it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jurisdiction: Option<CredentialText>,
    /// The first day on which it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Date>,
    /// The last day on which it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<Date>,
    /// Whether somebody has checked it.
    #[serde(default)]
    pub check: Check,
    /// Whether the specialist may not practise without it.
    #[serde(default)]
    pub required: bool,
}

hidden!(Credential);

/// What a credential is worth at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialStatus {
    /// Nobody has checked it.
    Unverified,
    /// Good from a later day on.
    Upcoming,
    /// Good.
    Verified,
    /// Good, and not for long any more.
    Expiring,
    /// Its last day is over.
    Expired,
    /// Taken back.
    Revoked,
}

impl CredentialStatus {
    /// The status's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Upcoming => "upcoming",
            Self::Verified => "verified",
            Self::Expiring => "expiring",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// Whether it proves anything now.
    #[must_use]
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Verified | Self::Expiring)
    }
}

impl Credential {
    /// From when on it is valid; `None` since ever.
    #[must_use]
    pub fn begins_at(&self, zone: &TimeZone) -> Option<Timestamp> {
        begin_of(self.valid_from?, zone)
    }

    /// From when on it is valid no more: its last day counts. `None` for never.
    #[must_use]
    pub fn ends_at(&self, zone: &TimeZone) -> Option<Timestamp> {
        begin_of(self.valid_to?.tomorrow().ok()?, zone)
    }

    /// What it is worth at `now`, by the days of `zone`.
    #[must_use]
    pub fn status(&self, zone: &TimeZone, now: Timestamp) -> CredentialStatus {
        let ends_at = self.ends_at(zone);
        match self.check {
            Check::Revoked => CredentialStatus::Revoked,
            _ if ends_at.is_some_and(|end| end <= now) => CredentialStatus::Expired,
            Check::Unverified => CredentialStatus::Unverified,
            Check::Verified if self.begins_at(zone).is_some_and(|begin| begin > now) => {
                CredentialStatus::Upcoming
            }
            Check::Verified if ends_at.is_some_and(|end| end.duration_since(now) <= EXPIRING) => {
                CredentialStatus::Expiring
            }
            Check::Verified => CredentialStatus::Verified,
        }
    }
}

fn begin_of(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    day.to_zoned(zone.clone()).ok().map(|begin| begin.timestamp())
}

/// Refuses credentials that cannot be.
///
/// # Errors
/// [`Code::LimitExceeded`]; [`Code::DateInvalid`] at the field.
pub(super) fn check(credentials: &[Credential]) -> Result<(), Refusal> {
    if credentials.len() > MOST_CREDENTIALS {
        return Err(Refusal::from(Code::LimitExceeded).at("/credentials"));
    }
    for (at, credential) in credentials.iter().enumerate() {
        let refused = |why: &'static str, field: &str| {
            Err(Refusal::new(Code::DateInvalid, why).at(format!("/credentials/{at}/{field}")))
        };
        for (field, day) in [
            ("valid_from", credential.valid_from),
            ("valid_to", credential.valid_to),
        ] {
            if day.is_some_and(|day| !DATES.contains(&day)) {
                return refused("must be a day from 1900 to 2200", field);
            }
        }
        if matches!((credential.valid_from, credential.valid_to), (Some(from), Some(to)) if to < from) {
            return refused("it ends before it begins", "valid_to");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specialist::tests::licence;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_clock_ends_a_credential_after_its_last_day_where_the_specialist_is() {
        let licence = licence(Some(date(2026, 1, 1)), Some(date(2026, 12, 31)));
        for (zone, now, status) in [
            ("UTC", "2025-12-31T23:59:59Z", CredentialStatus::Upcoming),
            ("UTC", "2026-01-01T00:00:00Z", CredentialStatus::Verified),
            ("UTC", "2026-11-01T23:59:59Z", CredentialStatus::Verified),
            ("UTC", "2026-11-02T00:00:00Z", CredentialStatus::Expiring),
            ("UTC", "2026-12-31T23:59:59Z", CredentialStatus::Expiring),
            ("UTC", "2027-01-01T00:00:00Z", CredentialStatus::Expired),
            (
                "America/Los_Angeles",
                "2027-01-01T07:59:59Z",
                CredentialStatus::Expiring,
            ),
            (
                "America/Los_Angeles",
                "2027-01-01T08:00:00Z",
                CredentialStatus::Expired,
            ),
            (
                "Pacific/Auckland",
                "2026-12-31T11:00:00Z",
                CredentialStatus::Expired,
            ),
        ] {
            let found = licence.status(&self::zone(zone), at(now));
            assert_eq!(found, status, "{now} in {zone}");
        }
    }

    #[test]
    fn what_nobody_checked_or_was_taken_back_proves_nothing() {
        let with = |check: Check, valid_to: Option<Date>| Credential {
            check,
            ..licence(None, valid_to)
        };
        let status = |credential: Credential| credential.status(&TimeZone::UTC, at("2026-05-04T09:00:00Z"));
        let past = Some(date(2026, 5, 3));
        assert_eq!(status(with(Check::Verified, None)), CredentialStatus::Verified);
        assert_eq!(
            status(with(Check::Unverified, None)),
            CredentialStatus::Unverified
        );
        assert_eq!(status(with(Check::Unverified, past)), CredentialStatus::Expired);
        assert_eq!(status(with(Check::Revoked, past)), CredentialStatus::Revoked);
        for check in [Check::Unverified, Check::Revoked] {
            assert!(!status(with(check, None)).is_good());
        }
    }

    #[test]
    fn days_that_cannot_be_are_refused_at_their_field() {
        let refused = |from: Option<Date>, to: Option<Date>| {
            let refusal = check(&[licence(None, None), licence(from, to)]).unwrap_err();
            (refusal.code, refusal.errors[0].pointer.clone())
        };
        let day = date(2026, 5, 4);
        assert_eq!(
            refused(Some(day), day.yesterday().ok()),
            (Code::DateInvalid, "/credentials/1/valid_to".to_owned())
        );
        assert_eq!(
            refused(Some(date(1899, 12, 31)), None).1,
            "/credentials/1/valid_from"
        );
        assert_eq!(
            refused(None, Some(date(9999, 12, 31))).1,
            "/credentials/1/valid_to"
        );
        assert!(check(&[licence(Some(day), Some(day))]).is_ok());
        let many = vec![licence(None, None); MOST_CREDENTIALS + 1];
        assert_eq!(check(&many).unwrap_err().code, Code::LimitExceeded);
    }
}
