//! Bookings for the tests of this crate.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;

use crate::booking::{
    Booking, BookingRecord, BookingReferences, Modality, NOTICE, Participants, Participation, Party, Period,
    Reason, Status, Transition,
};
use crate::code::Refusal;
use crate::external::{ExternalId, Sourced, Stamp};
use crate::id::{AccountId, OrganizationId, PatientId, SiteId, SpecialistId};
use crate::sample::now;

pub(crate) const HOUR: SignedDuration = SignedDuration::from_hours(1);

pub(crate) fn reason(code: &str) -> Reason {
    code.parse().unwrap()
}

pub(crate) fn external(system: &str, value: &str) -> ExternalId {
    ExternalId {
        system: system.parse().unwrap(),
        value: value.parse().unwrap(),
    }
}

/// What the platform says of a booking two days ahead that lasts fifty minutes.
pub(crate) fn record(status: Status) -> BookingRecord {
    let start = now() + HOUR * 48;
    let is_cancelled = status == Status::Cancelled;
    BookingRecord {
        site: external("site", "lakeside"),
        patient: external("patient", "17"),
        specialist: external("specialist", "4"),
        sponsor: None,
        service: "Physiotherapy".parse().unwrap(),
        status,
        status_at: None,
        status_by: is_cancelled.then_some(Party::Patient),
        status_reason: is_cancelled.then(|| reason("patient_request")),
        participants: Some(Participants {
            patient: Participation::Accepted,
            specialist: Participation::Accepted,
        }),
        start: Some(start.into()),
        end: Some((start + SignedDuration::from_mins(50)).into()),
        patient_time_zone: None,
        specialist_time_zone: None,
        modality: Modality::Video,
        price: None,
        expires_at: None,
        replaces: None,
    }
}

pub(crate) fn references() -> BookingReferences {
    BookingReferences {
        site: SiteId::mint(now()),
        shards: 4,
        patient: PatientId::mint(now()),
        patient_name: Some("Mia Berg".parse().unwrap()),
        specialist: SpecialistId::mint(now()),
        specialist_name: Some("Noah Okoro".parse().unwrap()),
        replaces: None,
        notice: NOTICE,
    }
}

/// The line in which the source tells the state at `at`.
pub(crate) fn line(at: Timestamp) -> Sourced {
    Sourced {
        source: "platform".parse().unwrap(),
        external: external("booking", "1"),
        stamp: Stamp {
            version: None,
            occurred_at: at,
        },
        digest: String::new(),
    }
}

/// The references of a line about `booking`.
pub(crate) fn same(booking: &Booking) -> BookingReferences {
    BookingReferences {
        site: booking.site,
        shards: 4,
        patient: booking.patient,
        patient_name: booking.patient_name.clone(),
        specialist: booking.specialist,
        specialist_name: booking.specialist_name.clone(),
        replaces: None,
        notice: NOTICE,
    }
}

/// A booking that the first line about it tells with this status.
pub(crate) fn booking(status: Status) -> Booking {
    Booking::taken(record(status), references(), line(now()), None, now()).unwrap()
}

pub(crate) fn booked() -> Booking {
    booking(Status::Booked)
}

/// The booking after a line about one hour later.
pub(crate) fn told(kept: &Booking, record: BookingRecord) -> Result<Booking, Refusal> {
    let at = now() + HOUR;
    Booking::taken(record, same(kept), line(at), Some(kept), at)
}

pub(crate) fn dana() -> (OrganizationId, AccountId) {
    (OrganizationId::mint(now()), AccountId::of("sample", "dana"))
}

/// A booked one that a member has asked to be cancelled.
pub(crate) fn pending_request() -> Booking {
    let reason = Some(reason("specialist_ill"));
    booked()
        .request(Transition::Cancel, reason, dana(), now())
        .unwrap()
}

pub(crate) fn statuses() -> impl Strategy<Value = Status> {
    select(Status::ALL)
}

/// Bookings of every status, around now, some without a time where that may be.
pub(crate) fn bookings() -> impl Strategy<Value = Booking> {
    let modality = select(Modality::ALL);
    (statuses(), modality, -72_i64..72, 1_i64..200, any::<bool>()).prop_map(
        |(status, modality, hours, minutes, is_timed)| {
            let start = now() + HOUR * i32::try_from(hours).unwrap();
            let period = Period::new(start, start + SignedDuration::from_mins(minutes)).unwrap();
            let is_timed = is_timed || !status.may_lack_time();
            let record = BookingRecord {
                modality,
                start: is_timed.then(|| period.start().into()),
                end: is_timed.then(|| period.end().into()),
                ..record(status)
            };
            Booking::taken(record, references(), line(now()), None, now()).unwrap()
        },
    )
}
