//! The clinic's bookings, around the present: some to come, some of today, some settled, one that nobody has said the end of.

use jiff::{SignedDuration, Timestamp};
use portal_domain::booking::{
    Booking, BookingRecord, BookingReferences, Modality, NOTICE, Participants, Participation, Party, Period,
    Status,
};
use portal_domain::change::{Change, Write};
use portal_domain::code::Refusal;
use portal_domain::external::{ExternalId, Sourced, Stamp};
use portal_domain::id::SiteId;
use portal_domain::money::Money;

use super::script::Script;
use super::{directory, ids};

/// Site, numbers of the patient and the specialist, what for, status, hours from now to its start, minutes, how, and what it costs.
type Planned = (
    SiteId,
    usize,
    usize,
    &'static str,
    Status,
    i64,
    i64,
    Modality,
    i64,
);

#[rustfmt::skip]
const PLANNED: [Planned; 14] = [
    (ids::ONLINE, 1, 1, "Physiotherapy",        Status::Booked,    50, 50, Modality::Video,    9_000),
    (ids::ONLINE, 2, 1, "Physiotherapy",        Status::Booked,    74, 50, Modality::Video,    9_000),
    (ids::ONLINE, 3, 2, "Nutrition counseling", Status::Pending,   98, 30, Modality::Audio,    6_000),
    (ids::ONLINE, 4, 2, "Nutrition counseling", Status::Proposed, 122, 30, Modality::Chat,     4_500),
    (ids::CITY,   5, 3, "First consultation",   Status::Booked,     6, 60, Modality::InPerson, 12_000),
    (ids::CITY,   6, 3, "Follow-up",            Status::Arrived,    0, 45, Modality::InPerson, 8_000),
    (ids::CITY,   1, 3, "Follow-up",            Status::Booked,   -20, 45, Modality::InPerson, 8_000),
    (ids::ONLINE, 2, 1, "Physiotherapy",        Status::Fulfilled, -50, 50, Modality::Video,   9_000),
    (ids::ONLINE, 3, 1, "Physiotherapy",        Status::Cancelled, -74, 50, Modality::Video,   9_000),
    (ids::CITY,   4, 3, "First consultation",   Status::NoShow,    -98, 60, Modality::InPerson, 12_000),
    (ids::ONLINE, 5, 2, "Nutrition counseling", Status::Fulfilled, -122, 30, Modality::Audio,  6_000),
    (ids::CITY,   6, 3, "First consultation",   Status::Fulfilled, -146, 60, Modality::InPerson, 12_000),
    (ids::ONLINE, 4, 1, "Physiotherapy",        Status::Cancelled, -170, 50, Modality::Video,  9_000),
    (ids::ONLINE, 1, 2, "Nutrition counseling", Status::Fulfilled, -194, 30, Modality::Video,  6_000),
];

fn external(system: &str, number: usize) -> Result<ExternalId, Refusal> {
    Ok(ExternalId {
        system: system.parse()?,
        value: number.to_string().parse()?,
    })
}

/// What the platform says of it.
fn record(number: usize, planned: &Planned, now: Timestamp) -> Result<BookingRecord, Refusal> {
    let (_, patient, specialist, service, status, hours, minutes, modality, amount_minor) = *planned;
    // On the hour, as people meet.
    let hour = SignedDuration::from_hours(1);
    let this_hour = Timestamp::from_second(now.as_second() / 3_600 * 3_600).unwrap_or(now);
    let start = this_hour
        .checked_add(SignedDuration::from_hours(hours))
        .unwrap_or(now);
    let period = Period::new(start, start + SignedDuration::from_mins(minutes))?;
    let is_cancelled = status == Status::Cancelled;
    let told_at = match status {
        // One in time, the other too late.
        Status::Cancelled if number.is_multiple_of(2) => start - hour * 72,
        Status::Cancelled => start - hour * 3,
        Status::Fulfilled => period.end(),
        Status::NoShow => start + hour / 4,
        _ => now - hour * 24,
    };
    let is_agreed = !matches!(status, Status::Proposed | Status::Pending);
    Ok(BookingRecord {
        site: external("site", 1)?,
        patient: external("patient", patient)?,
        specialist: external("specialist", specialist)?,
        sponsor: None,
        service: service.parse()?,
        status,
        status_at: Some(told_at.into()),
        status_by: is_cancelled.then_some(Party::Patient),
        status_reason: is_cancelled.then(|| "patient_request".parse()).transpose()?,
        participants: Some(Participants {
            patient: if is_agreed {
                Participation::Accepted
            } else {
                Participation::NeedsAction
            },
            specialist: Participation::Accepted,
        }),
        start: Some(period.start().into()),
        end: Some(period.end().into()),
        patient_time_zone: Some("Europe/Dublin".to_owned().try_into()?),
        specialist_time_zone: Some("Europe/Dublin".to_owned().try_into()?),
        modality,
        price: Some(Money {
            amount_minor,
            currency: "EUR".parse()?,
        }),
        expires_at: (!is_agreed).then(|| (start - hour * 24).into()),
        replaces: None,
    })
}

/// All of them.
pub(super) fn write(script: &mut Script, now: Timestamp) -> Result<Vec<Booking>, Refusal> {
    let mut all = Vec::new();
    for (number, planned) in PLANNED.iter().enumerate() {
        let (site, patient, specialist, ..) = *planned;
        let references = BookingReferences {
            site,
            shards: 1,
            patient: ids::patient(patient as u64),
            patient_name: Some(directory::patient_name(patient).parse()?),
            specialist: ids::specialist(specialist as u64),
            specialist_name: Some(directory::specialist_name(specialist).parse()?),
            replaces: None,
            notice: NOTICE,
        };
        let sourced = Sourced {
            source: "platform".parse()?,
            external: external("booking", number)?,
            stamp: Stamp {
                version: Some(1),
                occurred_at: now,
            },
            digest: String::new(),
        };
        let taken = Booking::taken(record(number, planned, now)?, references, sourced, None, now)?;
        let booking = Booking {
            id: ids::booking(number as u64),
            ..taken
        };
        script.add(Change::default().write(Write::BookingPut(Box::new(booking.clone()))));
        all.push(booking);
    }
    Ok(all)
}
