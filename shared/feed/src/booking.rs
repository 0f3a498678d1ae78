//! Bookings.

use std::collections::{BTreeMap, BTreeSet};

use portal_domain::booking::{Booking, BookingRecord, NOTICE};
use portal_domain::change::Write;
use portal_domain::id::BookingId;
use portal_domain::ingest::{BookingTaken, Bookings, RecordType};
use portal_store::StoreError;

use crate::Batch;
use crate::read::{Asked, Name, Stored};
use crate::refer::by_name;

impl Stored for Bookings {
    fn names(record: &BookingRecord) -> Vec<Name> {
        let replaces = record.replaces.iter().cloned();
        replaces
            .map(|replaces| (RecordType::Bookings, replaces))
            .chain([
                (RecordType::Sites, record.site.clone()),
                (RecordType::Patients, record.patient.clone()),
                (RecordType::Specialists, record.specialist.clone()),
            ])
            .collect()
    }

    async fn read(
        batch: &Batch<'_>,
        asked: Asked<'_, Self>,
    ) -> Result<(Self, BTreeMap<String, Booking>), StoreError> {
        let names: BTreeMap<_, BookingId> = asked.found.all(RecordType::Bookings);
        let ids: BTreeSet<BookingId> = asked.ids().into_iter().chain(names.values().copied()).collect();
        let sponsors = asked.records.iter().filter_map(|record| record.sponsor);
        let (sites, patients, specialists, sponsors, found) = tokio::try_join!(
            batch.sites(asked.found),
            batch.patients(asked.found),
            batch.specialists(asked.found),
            batch.sponsors(sponsors),
            batch.store.fed_bookings(ids)
        )?;
        let kept = found
            .iter()
            .map(|booking| (booking.id.to_string(), booking.clone()));
        let kept = kept.collect();
        let mut bookings = by_name(names, found.into_iter().map(|booking| (booking.id, booking)));
        bookings.extend(asked.pretended.clone());
        let feed = Self {
            now: batch.now,
            notice: NOTICE,
            sites,
            patients,
            specialists,
            sponsors,
            bookings,
        };
        Ok((feed, kept))
    }

    fn id(next: &BookingTaken) -> String {
        next.booking.id.to_string()
    }

    fn kept(next: &BookingTaken) -> Vec<Booking> {
        next.replaced.iter().chain([&next.booking]).cloned().collect()
    }

    fn writes(next: BookingTaken, _: Option<&Booking>) -> Vec<Write> {
        let changed = next.replaced.into_iter().chain([next.booking]);
        changed
            .map(|booking| Write::BookingPut(Box::new(booking)))
            .collect()
    }
}
