//! Object Lock: which versions may not be deleted, and until when. There is no way around it: what asks to bypass a retention is
//! refused, also in governance mode, as for somebody without the right to.

use jiff::{SignedDuration, Timestamp};
use s3s::dto::{
    ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockMode, ObjectLockRetention,
    ObjectLockRetentionMode,
};
use s3s::{S3Error, S3ErrorCode, S3Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How firm a retention is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Mode {
    /// It may be shortened by those with a right of their own, which nobody has here.
    Governance,
    /// Nobody shortens it.
    Compliance,
}

/// Until when a version is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// How firmly.
    pub mode: Mode,
    /// Until when.
    pub until: Timestamp,
}

/// What a bucket says of the locks of its versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Locking {
    /// There are none.
    #[default]
    Off,
    /// Versions can be locked; each is from the beginning, if there is a default.
    On {
        /// How firmly and for how many days a new version is kept that says nothing of it.
        default: Option<(Mode, u32)>,
    },
}

impl Locking {
    /// As the properties of a bucket in the template say. Days that are a parameter of the deployment are its default.
    #[must_use]
    pub fn of(properties: &Value, parameter: impl Fn(&str) -> Value) -> Self {
        if properties["ObjectLockEnabled"] != true {
            return Self::Off;
        }
        let value = |name: &str| {
            let given = &properties["ObjectLockConfiguration"]["Rule"]["DefaultRetention"][name];
            given["Ref"].as_str().map_or_else(|| given.clone(), &parameter)
        };
        let mode = serde_json::from_value(value("Mode")).ok();
        let days = value("Days").as_u64().and_then(|days| u32::try_from(days).ok());
        Self::On {
            default: mode.zip(days),
        }
    }
}

/// The locks of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Lock {
    /// Until when it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retention: Option<Retention>,
    /// Whether it is kept until somebody says otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_held: bool,
}

/// What a request to make a version says of its locks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted {
    pub(super) retention: Option<Retention>,
    pub(super) is_held: bool,
}

fn invalid<T>(why: &'static str) -> S3Result<T> {
    Err(S3Error::with_message(S3ErrorCode::InvalidRequest, why))
}

fn time(at: &s3s::dto::Timestamp) -> S3Result<Timestamp> {
    let text = serde_json::to_value(at).ok();
    let parsed = text
        .as_ref()
        .and_then(Value::as_str)
        .and_then(|text| text.parse().ok());
    parsed.map_or_else(|| invalid("the date of a retention cannot be read"), Ok)
}

fn mode(text: &str) -> S3Result<Mode> {
    match text {
        ObjectLockRetentionMode::COMPLIANCE => Ok(Mode::Compliance),
        ObjectLockRetentionMode::GOVERNANCE => Ok(Mode::Governance),
        _ => invalid("there is no such mode of retention"),
    }
}

fn is_on(status: &ObjectLockLegalHoldStatus) -> S3Result<bool> {
    match status.as_str() {
        ObjectLockLegalHoldStatus::ON => Ok(true),
        ObjectLockLegalHoldStatus::OFF => Ok(false),
        _ => invalid("a legal hold is ON or OFF"),
    }
}

impl Wanted {
    /// What the headers of a request say.
    ///
    /// # Errors
    /// `InvalidRequest` where half of a retention is given, or what cannot be read.
    pub(super) fn of(
        mode_of: Option<&ObjectLockMode>,
        until: Option<&s3s::dto::Timestamp>,
        hold: Option<&ObjectLockLegalHoldStatus>,
    ) -> S3Result<Self> {
        let retention = match (mode_of, until) {
            (Some(wanted), Some(until)) => Some(Retention {
                mode: mode(wanted.as_str())?,
                until: time(until)?,
            }),
            (None, None) => None,
            _ => return invalid("a retention has a mode and a date"),
        };
        Ok(Self {
            retention,
            is_held: hold.map(is_on).transpose()?.unwrap_or(false),
        })
    }

    /// The locks of a version that is made now in a bucket with this locking.
    ///
    /// # Errors
    /// `InvalidRequest` where the bucket has none, or the date is over.
    pub(super) fn within(self, locking: Locking, now: Timestamp) -> S3Result<Lock> {
        let Locking::On { default } = locking else {
            if self.retention.is_some() || self.is_held {
                return invalid("the bucket has no object lock");
            }
            return Ok(Lock::default());
        };
        if self.retention.is_some_and(|retention| retention.until <= now) {
            return invalid("the date of a retention must be in the future");
        }
        let default = default.map(|(mode, days)| Retention {
            mode,
            until: now + SignedDuration::from_hours(24 * i64::from(days)),
        });
        Ok(Lock {
            retention: self.retention.or(default),
            is_held: self.is_held,
        })
    }
}

impl Lock {
    /// Whether the version may not be deleted now.
    pub(super) fn holds(&self, now: Timestamp) -> bool {
        self.is_held || self.retention.is_some_and(|retention| retention.until > now)
    }

    /// These locks with another retention.
    ///
    /// # Errors
    /// `AccessDenied` for a shorter or softer one while the present one holds.
    pub(super) fn retained(self, wanted: &ObjectLockRetention, now: Timestamp) -> S3Result<Self> {
        let retention = match (&wanted.mode, &wanted.retain_until_date) {
            (Some(wanted), Some(until)) => Some(Retention {
                mode: mode(wanted.as_str())?,
                until: time(until)?,
            }),
            (None, None) => None,
            _ => return invalid("a retention has a mode and a date"),
        };
        if retention.is_some_and(|retention| retention.until <= now) {
            return invalid("the date of a retention must be in the future");
        }
        if let Some(present) = self.retention.filter(|present| present.until > now) {
            let is_firmer = retention.is_some_and(|wanted| {
                let keeps_mode = present.mode == Mode::Governance || wanted.mode == Mode::Compliance;
                keeps_mode && wanted.until >= present.until
            });
            if !is_firmer {
                let why = "the retention of the version can only be made longer";
                return Err(S3Error::with_message(S3ErrorCode::AccessDenied, why));
            }
        }
        Ok(Self { retention, ..self })
    }

    /// These locks with the hold set or lifted.
    ///
    /// # Errors
    /// `InvalidRequest` for what is neither.
    pub(super) fn held(self, wanted: Option<&ObjectLockLegalHold>) -> S3Result<Self> {
        match wanted.and_then(|hold| hold.status.as_ref()) {
            Some(status) => Ok(Self {
                is_held: is_on(status)?,
                ..self
            }),
            None => invalid("a legal hold is ON or OFF"),
        }
    }
}

impl Mode {
    /// As the protocol spells it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Governance => ObjectLockRetentionMode::GOVERNANCE,
            Self::Compliance => ObjectLockRetentionMode::COMPLIANCE,
        }
    }
}
