//! The clinic's money: what its bookings brought, what came back of that, what was paid out, and what does not fit.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use portal_domain::booking::Booking;
use portal_domain::change::{Change, Write};
use portal_domain::code::Refusal;
use portal_domain::external::{ExternalId, Sourced, Stamp};
use portal_domain::transaction::{
    Kind, Party, Person, Status, Transaction, TransactionRecord, TransactionReferences,
};

use super::ids;
use super::script::Script;

/// Number, what it is, for or with the specialist of which booking, how much, what others keep of it, how it stands, hours from
/// the start of the booking, and the number of what it gives a part back of.
type Planned = (u64, Kind, usize, i64, i64, Status, i64, Option<u64>);

#[rustfmt::skip]
const PLANNED: [Planned; 19] = [
    ( 0, Kind::Payment,   0,  9_000,   285, Status::Succeeded, -60, None),
    ( 1, Kind::Payment,   1,  9_000,     0, Status::Failed,    -90, None),
    ( 2, Kind::Payment,   7,  9_000,   285, Status::Succeeded, -48, None),
    ( 3, Kind::Earning,   7,  7_200, 1_800, Status::Available,   1, None),
    // Cancelled in time, and given back.
    ( 4, Kind::Payment,   8,  9_000,   285, Status::Succeeded, -90, None),
    ( 5, Kind::Refund,    8,  9_000,     0, Status::Succeeded, -71, Some(4)),
    // Missed, and owed nevertheless.
    ( 6, Kind::Payment,   9, 12_000,   380, Status::Succeeded, -48, None),
    ( 7, Kind::Earning,   9,  9_600, 2_400, Status::Available,   2, None),
    // Kept, and never paid.
    ( 8, Kind::Earning,  10,  4_800, 1_200, Status::Pending,     1, None),
    // A part was given back, and the specialist kept all.
    ( 9, Kind::Payment,  11, 12_000,   380, Status::Succeeded, -48, None),
    (10, Kind::Refund,   11,  3_000,     0, Status::Pending,    20, Some(9)),
    (11, Kind::Earning,  11,  9_600, 2_400, Status::Available,   1, None),
    (12, Kind::Payment,  13,  6_000,   205, Status::Succeeded, -48, None),
    (13, Kind::Earning,  13,  4_800, 1_200, Status::Available,   1, None),
    (14, Kind::Refund,   13,  2_000,     0, Status::Succeeded,  30, Some(12)),
    (15, Kind::EarningReversal, 13, 1_600, 0, Status::Available, 31, Some(13)),
    (16, Kind::Payout,   11, 19_200,     0, Status::Paid,       90, None),
    (17, Kind::Payout,    7,  7_200,     0, Status::Failed,     30, None),
    (18, Kind::Payout,   13,  3_200,     0, Status::InTransit, 150, None),
];

fn external(system: &str, value: String) -> Result<ExternalId, Refusal> {
    Ok(ExternalId {
        system: system.parse()?,
        value: value.try_into()?,
    })
}

/// What the platform says of it.
fn record(planned: &Planned, booking: &Booking, now: Timestamp) -> Result<TransactionRecord, Refusal> {
    let (_, kind, _, amount_minor, fee_minor, status, hours, parent) = *planned;
    let start = booking.start().unwrap_or(now);
    let at = start
        .checked_add(SignedDuration::from_hours(hours))
        .unwrap_or(now);
    let named = |is: bool, system: &str| is.then(|| external(system, "1".to_owned())).transpose();
    let has_fee = matches!(kind, Kind::Payment | Kind::Earning);
    let failure = match (kind, status) {
        (Kind::Payment, Status::Failed) => Some("card_declined"),
        (_, Status::Failed) => Some("account_closed"),
        _ => None,
    };
    let failure = failure.map(|code| serde_json::json!({ "code": code }));
    Ok(TransactionRecord {
        kind,
        status,
        amount_minor,
        currency: "EUR".parse()?,
        fee_minor: has_fee.then_some(fee_minor),
        net_minor: None,
        // Nothing has happened that is still to come.
        occurred_at: at.min(now).into(),
        available_on: Some(at.to_zoned(jiff::tz::TimeZone::UTC).date()),
        site: external("site", "1".to_owned())?,
        patient: named(kind.party() == Party::Patient, "patient")?,
        specialist: named(kind.party() == Party::Specialist, "specialist")?,
        booking: named(kind != Kind::Payout, "booking")?,
        parent: named(parent.is_some(), "stripe")?,
        sponsor: None,
        failure: failure.and_then(|failure| serde_json::from_value(failure).ok()),
    })
}

fn person(kind: Kind, booking: &Booking) -> Person {
    match kind.party() {
        Party::Patient => Person::Patient {
            patient: booking.patient,
            name: booking.patient_name.clone(),
        },
        Party::Specialist => Person::Specialist {
            specialist: booking.specialist,
            name: booking.specialist_name.clone(),
        },
    }
}

/// All of it, as it stands in the end, for these bookings.
pub(super) fn write(script: &mut Script, bookings: &[Booking], now: Timestamp) -> Result<(), Refusal> {
    let mut ledger: BTreeMap<u64, Transaction> = BTreeMap::new();
    for planned in &PLANNED {
        let (number, kind, booking, .., parent) = *planned;
        let booking = &bookings[booking];
        let references = TransactionReferences {
            site: booking.site,
            shards: 1,
            person: Some(person(kind, booking)),
            booking: (kind != Kind::Payout).then_some(booking.id),
            parent: parent.and_then(|parent| ledger.get(&parent).cloned()),
        };
        let sourced = Sourced {
            source: "platform".parse()?,
            external: external("stripe", format!("demo_{number}"))?,
            stamp: Stamp {
                version: Some(1),
                occurred_at: now,
            },
            digest: String::new(),
        };
        let record = record(planned, booking, now)?;
        let mut taken = Transaction::taken(record, references, sourced, None, now)?;
        taken.entry.row.id = ids::transaction(number);
        ledger.insert(number, taken.entry);
        if let (Some(number), Some(whole)) = (parent, taken.parent) {
            ledger.insert(number, whole);
        }
    }
    for new in ledger.into_values() {
        let put = Write::TransactionPut {
            new: Box::new(new),
            old: None,
        };
        script.add(Change::default().write(put));
    }
    Ok(())
}
