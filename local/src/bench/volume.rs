//! As many bookings as are wanted, always the same ones: what lists are measured over.

use futures_util::{TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use portal_domain::booking::{Booking, BookingReferences, NOTICE};
use portal_domain::change::{Change, Write};
use portal_domain::external::{ExternalId, Sourced, Stamp};
use portal_domain::id::{BookingId, PatientId, SiteId, SpecialistId};
use portal_store::Store;
use serde_json::json;
use uuid::Uuid;

use crate::stack::Failure;

/// How many patients there are to a booking: each comes ten times.
const BOOKINGS_PER_PATIENT: u64 = 10;
/// How many specialists there are.
const SPECIALISTS: u64 = 500;
/// One booking in this many is still to come.
const TO_COME: u64 = 10;
/// How many minutes of the past and of the future the bookings are spread over.
const PAST: u64 = 2 * 365 * 24 * 60;
const FUTURE: u64 = 60 * 24 * 60;
/// How many bookings are written in one transaction: each is three items, and a transaction takes a hundred.
const TOGETHER: u64 = 33;
/// How many transactions are under way at the same time.
const AT_ONCE: usize = 8;

/// The bookings of one site.
pub(super) struct Volume<'a> {
    pub(super) store: &'a Store,
    pub(super) site: SiteId,
    /// Into how many partitions the site's collections are spread.
    pub(super) shards: u8,
    /// When the present is.
    pub(super) now: Timestamp,
}

/// A number that looks random, the same each time (`SplitMix64`).
const fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A UUIDv7 with a number in it.
const fn id(number: u64) -> Uuid {
    Uuid::from_u128((0x018f_0000_0000_u128 << 80) | (0x7 << 76) | (0x2 << 62) | number as u128)
}

/// The patient of the booking with this number.
pub(super) fn patient(number: u64) -> PatientId {
    PatientId::from_uuid(id(number / BOOKINGS_PER_PATIENT))
}

impl Volume<'_> {
    /// When the booking with this number starts: most of them some time ago, a few some time from now.
    fn start(&self, number: u64) -> Timestamp {
        let random = mixed(number);
        let minutes = |within: u64| SignedDuration::from_mins(i64::try_from(random % within).unwrap_or(0));
        if number.is_multiple_of(TO_COME) {
            self.now + minutes(FUTURE)
        } else {
            self.now - minutes(PAST) - SignedDuration::from_hours(1)
        }
    }

    fn booking(&self, number: u64) -> Result<Booking, Failure> {
        let start = self.start(number);
        let status = match (number.is_multiple_of(TO_COME), mixed(number) % 10) {
            (true, _) => "booked",
            (false, 0) => "cancelled",
            (false, 1) => "noshow",
            (false, _) => "fulfilled",
        };
        let name = ExternalId {
            system: "volume".parse()?,
            value: number.to_string().parse()?,
        };
        let record = serde_json::from_value(json!({
            "site": name, "patient": name, "specialist": name, "service": "Physiotherapy", "status": status,
            "status_by": "patient", "status_reason": "patient_request", "modality": "video",
            "start": start, "end": start + SignedDuration::from_mins(50),
            "price": { "amount_minor": 9_000, "currency": "EUR" },
        }))?;
        let references = BookingReferences {
            site: self.site,
            shards: self.shards,
            patient: patient(number),
            patient_name: Some(format!("Patient {}", number / BOOKINGS_PER_PATIENT).parse()?),
            specialist: SpecialistId::from_uuid(id(mixed(number) % SPECIALISTS)),
            specialist_name: Some(format!("Specialist {}", mixed(number) % SPECIALISTS).parse()?),
            replaces: None,
            notice: NOTICE,
        };
        let sourced = Sourced {
            source: "volume".parse()?,
            external: name,
            stamp: Stamp {
                version: Some(1),
                occurred_at: self.now,
            },
            digest: String::new(),
        };
        let id = BookingId::from_uuid(id(number));
        let shard = id.uuid().as_u128() % u128::from(self.shards.max(1));
        Ok(Booking {
            id,
            shard: u8::try_from(shard)?,
            ..Booking::taken(record, references, sourced, None, self.now)?
        })
    }

    /// Writes the bookings with the numbers from `from` to before `until`.
    pub(super) async fn grow(&self, from: u64, until: u64) -> Result<(), Failure> {
        let transactions = (from..until).step_by(usize::try_from(TOGETHER)?).map(|first| {
            let mut change = Change::default();
            for number in first..until.min(first + TOGETHER) {
                change = change.write(Write::BookingPut(Box::new(self.booking(number)?)));
            }
            Ok::<_, Failure>(change)
        });
        stream::iter(transactions)
            .map_ok(|change| async move { Ok(self.store.commit(&change, None, self.now).await?) })
            .try_buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }
}
