//! How bookings are fed.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::booking::{Booking, BookingRecord, BookingReferences};
use crate::code::Refusal;
use crate::external::Sourced;
use crate::id::OrganizationId;
use crate::ingest::refer::{Found, refer, refer_if, sponsored};
use crate::ingest::{Feed, RecordType};
use crate::patient::Patient;
use crate::person::Place;
use crate::specialist::Specialist;

/// What lines about bookings are decided by.
#[derive(Debug, Clone)]
pub struct Bookings {
    /// When the lines came.
    pub now: Timestamp,
    /// How long before its start a booking is cancelled without being late.
    pub notice: SignedDuration,
    /// The sites that they name.
    pub sites: Found<Place>,
    /// The patients that they name.
    pub patients: Found<Patient>,
    /// The specialists that they name.
    pub specialists: Found<Specialist>,
    /// The organizations that they name.
    pub sponsors: BTreeSet<OrganizationId>,
    /// The bookings that they name.
    pub bookings: Found<Booking>,
}

/// What a line about a booking comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct BookingTaken {
    /// The booking.
    pub booking: Booking,
    /// The one that it replaces, which tells of that from now on.
    pub replaced: Option<Booking>,
}

impl Feed for Bookings {
    const TYPE: RecordType = RecordType::Bookings;
    type Record = BookingRecord;
    type Kept = Booking;
    type Next = BookingTaken;

    fn sourced(kept: &Booking) -> Option<&Sourced> {
        kept.sourced.as_ref()
    }

    fn taken(
        &self,
        record: BookingRecord,
        sourced: Sourced,
        kept: Option<&Booking>,
    ) -> Result<BookingTaken, Refusal> {
        sponsored(&self.sponsors, record.sponsor)?;
        let place = refer(&self.sites, &record.site, "/site")?;
        let patient = refer(&self.patients, &record.patient, "/patient")?;
        let specialist = refer(&self.specialists, &record.specialist, "/specialist")?;
        let old = refer_if(&self.bookings, record.replaces.as_ref(), "/replaces")?;
        let references = BookingReferences {
            site: place.site,
            shards: place.shards,
            patient: patient.id,
            patient_name: patient.identity.name.display(),
            specialist: specialist.id,
            specialist_name: specialist.profile.name.display(),
            replaces: old.cloned(),
            notice: self.notice,
        };
        let booking = Booking::taken(record, references, sourced, kept, self.now)?;
        Ok(BookingTaken {
            replaced: old.and_then(|old| old.replaced_by(booking.id, self.now)),
            booking,
        })
    }

    fn deleted(&self, kept: &Booking, sourced: Sourced) -> Result<BookingTaken, Refusal> {
        Ok(BookingTaken {
            booking: kept.deleted(sourced, self.now),
            replaced: None,
        })
    }
}
