//! Bookings: appointments of a patient with a specialist, as the platform tells them.
//!
//! The platform owns a booking. What is decided here about it is asked of the platform, stands beside the booking while it is
//! not answered, and is settled by what the platform tells next.

mod query;
mod record;
mod request;
mod row;
#[cfg(test)]
pub(crate) mod sample;
mod status;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::code::{Code, Refusal};
use crate::external::Sourced;
use crate::id::{BookingId, OrganizationId, PatientId, SiteId, SpecialistId};
use crate::money::Money;
use crate::organization::ZoneName;
use crate::reach::{Reach, Reached};
use crate::text::{PersonName, ServiceName};

pub use query::{BookingQuery, OVERDUE_AFTER, Order, Tab};
pub use record::{BookingRecord, BookingReferences, NOTICE};
pub use request::{Outcome, Request, Transition};
pub use row::{BookingRow, LONGEST_IN_ROW};
pub(crate) use status::words;
pub use status::{Course, LONGEST_REASON, Modality, Participation, Party, Reason, Status};

/// When a booking takes place, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// Its first instant.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    start: Timestamp,
    /// The instant at which it is over.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    end: Timestamp,
}

impl Period {
    /// From `start` until `end`.
    ///
    /// # Errors
    /// [`Code::FieldsInvalid`] at `/end` for one that does not come after the start, at `/start` for one before 1970.
    pub fn new(start: Timestamp, end: Timestamp) -> Result<Self, Refusal> {
        let whole = |at: Timestamp| Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
        let (start, end) = (whole(start), whole(end));
        if start < Timestamp::UNIX_EPOCH {
            return Err(Refusal::new(Code::FieldsInvalid, "must not be before 1970").at("/start"));
        }
        if end <= start {
            return Err(Refusal::new(Code::FieldsInvalid, "must come after the start").at("/end"));
        }
        Ok(Self { start, end })
    }

    /// Its first instant.
    #[must_use]
    pub const fn start(self) -> Timestamp {
        self.start
    }

    /// The instant at which it is over.
    #[must_use]
    pub const fn end(self) -> Timestamp {
        self.end
    }
}

/// Where a booking is in its life, with what is true only then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status")]
pub enum State {
    /// Waiting for a time.
    #[serde(rename = "waitlist")]
    Waitlist,
    /// A time is offered.
    #[serde(rename = "proposed")]
    Proposed {
        /// Until when it can be agreed to.
        #[serde(default, with = "jiff::fmt::serde::timestamp::millisecond::optional")]
        expires_at: Option<Timestamp>,
    },
    /// Some have agreed, others have not answered.
    #[serde(rename = "pending")]
    Pending {
        /// Until when it can be agreed to.
        #[serde(default, with = "jiff::fmt::serde::timestamp::millisecond::optional")]
        expires_at: Option<Timestamp>,
    },
    /// Agreed.
    #[serde(rename = "booked")]
    Booked,
    /// The patient is there.
    #[serde(rename = "arrived")]
    Arrived,
    /// The patient is ready for the specialist.
    #[serde(rename = "checked-in")]
    CheckedIn,
    /// It took place.
    #[serde(rename = "fulfilled")]
    Fulfilled,
    /// It will not take place.
    #[serde(rename = "cancelled")]
    Cancelled {
        /// By whom, when and why.
        cancellation: Cancellation,
    },
    /// Somebody did not come.
    #[serde(rename = "noshow")]
    NoShow,
    /// It should never have been recorded.
    #[serde(rename = "entered-in-error")]
    EnteredInError,
}

impl State {
    /// Its status.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Waitlist => Status::Waitlist,
            Self::Proposed { .. } => Status::Proposed,
            Self::Pending { .. } => Status::Pending,
            Self::Booked => Status::Booked,
            Self::Arrived => Status::Arrived,
            Self::CheckedIn => Status::CheckedIn,
            Self::Fulfilled => Status::Fulfilled,
            Self::Cancelled { .. } => Status::Cancelled,
            Self::NoShow => Status::NoShow,
            Self::EnteredInError => Status::EnteredInError,
        }
    }
}

/// The end of a booking that did not take place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancellation {
    /// Who cancelled it.
    pub by: Party,
    /// Why.
    pub reason: Reason,
    /// Whether that was within the notice before its start. Fixed with the cancellation: no later line changes it.
    pub late: bool,
    /// When. Fixed as well.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
}

/// What its two people say to a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Participants {
    /// The patient.
    pub patient: Participation,
    /// The specialist.
    pub specialist: Participation,
}

impl Participants {
    /// Whether both come.
    #[must_use]
    pub fn have_accepted(self) -> bool {
        [self.patient, self.specialist]
            .iter()
            .all(|one| *one == Participation::Accepted)
    }
}

/// One step in the life of a booking: an entry of its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingStep {
    /// The revision of the booking that it made.
    pub rev: u64,
    /// What the booking became.
    pub status: Status,
    /// When.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// By whom, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Party>,
    /// Why, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// An appointment of a patient with a specialist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// Its id.
    pub id: BookingId,
    /// The site it was made at.
    pub site: SiteId,
    /// Which of the partitions of its site's collection holds it. Fixed when it is first taken.
    pub shard: u8,
    /// Whose.
    pub patient: PatientId,
    /// The patient's name: a copy for lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient_name: Option<PersonName>,
    /// With whom.
    pub specialist: SpecialistId,
    /// The specialist's name: a copy for lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub specialist_name: Option<PersonName>,
    /// The organization that pays for it, if one does. Never another one later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<OrganizationId>,
    /// What it is for.
    pub service: ServiceName,
    /// Where it is in its life.
    #[serde(flatten)]
    pub state: State,
    /// What made it so: the last entry of its history.
    pub step: BookingStep,
    /// What its people say.
    pub participants: Participants,
    /// When it takes place; none while that is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// The patient's time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient_time_zone: Option<ZoneName>,
    /// The specialist's time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub specialist_time_zone: Option<ZoneName>,
    /// How they meet.
    pub modality: Modality,
    /// What it costs, as agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// The booking it was made in place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<BookingId>,
    /// The booking that was made in place of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<BookingId>,
    /// What a member asked for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<Request>,
    /// Where it comes from.
    pub sourced: Option<Sourced>,
    /// Whether its source has deleted it: it is in no list any more.
    #[serde(default)]
    pub deleted: bool,
    /// Rises with every change.
    pub rev: u64,
    /// When it was first taken.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub updated_at: Timestamp,
}

impl Booking {
    /// Its status.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.state.status()
    }

    /// When it takes place first; none while that is open.
    #[must_use]
    pub fn start(&self) -> Option<Timestamp> {
        self.period.map(Period::start)
    }

    /// When it is over; none while that is open.
    #[must_use]
    pub fn end(&self) -> Option<Timestamp> {
        self.period.map(Period::end)
    }

    /// How it was cancelled, if it was.
    #[must_use]
    pub const fn cancellation(&self) -> Option<&Cancellation> {
        match &self.state {
            State::Cancelled { cancellation } => Some(cancellation),
            _ => None,
        }
    }

    /// Until when it can be agreed to, while it waits for that.
    #[must_use]
    pub const fn expires_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Proposed { expires_at } | State::Pending { expires_at } => expires_at,
            _ => None,
        }
    }

    /// The entry that this revision adds to the history; none if it only changed otherwise.
    #[must_use]
    pub fn new_step(&self) -> Option<&BookingStep> {
        (self.step.rev == self.rev).then_some(&self.step)
    }

    /// The booking with what its people are called now in place of the copies it has; none where it has them so already, or
    /// was deleted.
    #[must_use]
    pub fn calling(
        &self,
        patient: Option<PersonName>,
        specialist: Option<PersonName>,
        now: Timestamp,
    ) -> Option<Self> {
        let is_so = self.patient_name == patient && self.specialist_name == specialist;
        (!is_so && !self.deleted).then(|| Self {
            patient_name: patient,
            specialist_name: specialist,
            ..self.next(now)
        })
    }

    fn next(&self, now: Timestamp) -> Self {
        Self {
            rev: self.rev + 1,
            updated_at: now,
            ..self.clone()
        }
    }
}

impl Reached for Booking {
    fn is_within(&self, reach: &Reach) -> bool {
        !self.deleted && reach.has_site(self.site)
    }
}

/// Whether cancelling at `at` what takes place in `period` is within `notice` before it.
fn is_late(period: Option<Period>, at: Timestamp, notice: SignedDuration) -> bool {
    period.is_some_and(|period| period.start.duration_since(at) < notice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::now;

    #[test]
    fn a_period_ends_after_it_begins() {
        let hour = SignedDuration::from_hours(1);
        let pointer = |start: Timestamp, end: Timestamp| {
            let refusal = Period::new(start, end).unwrap_err();
            refusal.errors[0].pointer.clone()
        };
        assert!(Period::new(now(), now() + hour).is_ok());
        assert_eq!(pointer(now(), now()), "/end");
        assert_eq!(pointer(now(), now() - hour), "/end");
        assert_eq!(pointer(Timestamp::UNIX_EPOCH - hour, now()), "/start");
    }

    #[test]
    fn a_period_is_kept_to_the_millisecond() {
        let nano = SignedDuration::from_nanos(1);
        let exact = Period::new(now(), now() + SignedDuration::from_mins(50)).unwrap();
        let finer = Period::new(now() + nano, now() + SignedDuration::from_mins(50) + nano).unwrap();
        assert_eq!(exact, finer);
        let stored = serde_json::to_value(exact).unwrap();
        assert_eq!(serde_json::from_value::<Period>(stored).unwrap(), exact);
    }

    #[test]
    fn within_the_notice_is_late_and_so_is_afterwards() {
        let (notice, minute) = (SignedDuration::from_hours(24), SignedDuration::from_mins(1));
        let period = Period::new(now(), now() + minute).unwrap();
        let late = |before: SignedDuration| is_late(Some(period), now() - before, notice);
        assert!(!late(notice) && !late(notice + minute));
        assert!(late(notice - minute) && late(SignedDuration::ZERO) && late(-notice));
        assert!(!is_late(None, now(), notice));
    }
}
