//! Copies of people's names in bookings and transactions, which follow what the people are called.
//!
//! Whoever writes a copy has read the person before, who may be called otherwise by then. So both are looked at after they were
//! written: a person who is called otherwise is followed to what is theirs, and a new copy is compared with the person.

use futures_util::{TryStreamExt as _, stream};
use jiff::Timestamp;
use portal_domain::booking::{Booking, BookingRow};
use portal_domain::change::{Change, Write};
use portal_domain::id::{BookingId, PatientId, SpecialistId, TransactionId};
use portal_domain::patient::Patient;
use portal_domain::specialist::Specialist;
use portal_domain::text::PersonName;
use portal_domain::transaction::{Person, Transaction as LedgerEntry};

use crate::client::{Item, Store, pause};
use crate::entity::{Entity, booking, from_item, patient, specialist, transaction};
use crate::error::StoreError;
use crate::page::{Listing, Page};
use crate::table::{Index, KIND};

/// How many copies are brought up to date at the same time.
const AT_ONCE: usize = 16;
/// How many rows are read at once.
const PAGE: usize = 500;
/// How often a copy is tried again that others change meanwhile.
const ATTEMPTS: u32 = 8;

/// What holds a copy of somebody's name.
#[derive(Debug, Clone, Copy)]
enum Copy {
    Booking(BookingId),
    Transaction(TransactionId),
}

impl Store {
    /// Brings names up to date after a change in the stream, by its images: those in what a person has, if it is a person who is
    /// called otherwise now; those in the record itself, if it has copies. That it comes again changes nothing.
    ///
    /// A person's records are found by an index, which may be some moments behind the table.
    ///
    /// # Errors
    /// [`StoreError::Broken`] when an image cannot be read; [`StoreError::Stale`], [`StoreError::Busy`]: some copies may be up to
    /// date already.
    pub async fn follow_names(
        &self,
        old: serde_dynamo::Item,
        new: serde_dynamo::Item,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (old, new): (Item, Item) = (old.into(), new.into());
        let kind = new.get(KIND).and_then(|kind| kind.as_s().ok().cloned());
        match kind.as_deref() {
            Some(Patient::KIND) => match renamed(old, new, called_patient)? {
                Some(patient) => self.follow_patient(patient.id, now).await,
                None => Ok(()),
            },
            Some(Specialist::KIND) => match renamed(old, new, called_specialist)? {
                Some(specialist) => self.follow_specialist(specialist.id, now).await,
                None => Ok(()),
            },
            Some(Booking::KIND) => {
                let booking: Booking = from_item(new)?;
                match self.calling(&booking, now).await? {
                    Some(_) => self.bring(Copy::Booking(booking.id), now).await,
                    None => Ok(()),
                }
            }
            Some(LedgerEntry::KIND) => {
                let entry: LedgerEntry = from_item(new)?;
                match self.entry_calling(&entry, now).await? {
                    Some(_) => self.bring(Copy::Transaction(entry.row.id), now).await,
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    async fn follow_patient(&self, patient: PatientId, now: Timestamp) -> Result<(), StoreError> {
        for is_open in [true, false] {
            self.follow_bookings(booking::of_patient(patient, is_open), now)
                .await?;
        }
        self.follow_transactions(transaction::of_patient(patient), now)
            .await
    }

    async fn follow_specialist(&self, specialist: SpecialistId, now: Timestamp) -> Result<(), StoreError> {
        for is_open in [true, false] {
            self.follow_bookings(booking::of_specialist(specialist, is_open), now)
                .await?;
        }
        self.follow_transactions(transaction::of_specialist(specialist), now)
            .await
    }

    async fn follow_bookings(&self, list: (Index, String), now: Timestamp) -> Result<(), StoreError> {
        self.follow::<BookingRow>(list, |row| Copy::Booking(row.id), now)
            .await
    }

    async fn follow_transactions(&self, list: (Index, String), now: Timestamp) -> Result<(), StoreError> {
        self.follow::<transaction::Listed>(list, |row| Copy::Transaction(row.0.id), now)
            .await
    }

    async fn follow<R: Entity>(
        &self,
        (index, partition): (Index, String),
        copy: impl Fn(&R) -> Copy,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let listing = Listing {
                after,
                ..Listing::of(Some(index), partition.clone(), PAGE)
            };
            let page: Page<R> = self.page(listing).await?;
            let copies: Vec<Copy> = page.items.iter().map(&copy).collect();
            let each = copies.into_iter().map(|copy| Ok(self.bring(copy, now)));
            stream::iter(each)
                .try_buffer_unordered(AT_ONCE)
                .try_collect::<Vec<()>>()
                .await?;
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Brings one record up to date; again if it changes meanwhile.
    async fn bring(&self, copy: Copy, now: Timestamp) -> Result<(), StoreError> {
        for attempt in 0..ATTEMPTS {
            let Some(write) = self.late(copy, now).await? else {
                return Ok(());
            };
            match self.commit(&Change::default().write(write), None, now).await {
                Ok(()) => return Ok(()),
                Err(StoreError::Stale) => pause(attempt).await,
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Stale)
    }

    /// What is to be written where a record has old names.
    async fn late(&self, copy: Copy, now: Timestamp) -> Result<Option<Write>, StoreError> {
        match copy {
            Copy::Booking(id) => {
                let Some(booking) = self.get::<Booking>(&booking::record_key(id)).await? else {
                    return Ok(None);
                };
                let next = self.calling(&booking, now).await?;
                Ok(next.map(|booking| Write::BookingPut(Box::new(booking))))
            }
            Copy::Transaction(id) => {
                let Some(old) = self.get::<LedgerEntry>(&transaction::record_key(id)).await? else {
                    return Ok(None);
                };
                let next = self.entry_calling(&old, now).await?;
                Ok(next.map(|new| Write::TransactionPut {
                    new: Box::new(new),
                    old: Some(Box::new(old)),
                }))
            }
        }
    }

    /// A booking with what its people are called now; none if it has that.
    async fn calling(&self, booking: &Booking, now: Timestamp) -> Result<Option<Booking>, StoreError> {
        let (patient, specialist) = tokio::try_join!(
            self.patient_name(booking.patient),
            self.specialist_name(booking.specialist)
        )?;
        let patient = patient.unwrap_or_else(|| booking.patient_name.clone());
        let specialist = specialist.unwrap_or_else(|| booking.specialist_name.clone());
        Ok(booking.calling(patient, specialist, now))
    }

    /// A transaction with what its person is called now; none if it has that.
    async fn entry_calling(
        &self,
        entry: &LedgerEntry,
        now: Timestamp,
    ) -> Result<Option<LedgerEntry>, StoreError> {
        let name = match entry.row.person {
            Person::Patient { patient, .. } => self.patient_name(patient).await?,
            Person::Specialist { specialist, .. } => self.specialist_name(specialist).await?,
        };
        Ok(name.and_then(|name| entry.calling(name, now)))
    }

    /// What a patient is called now, which may be nothing; none where there is none, and nobody can tell.
    async fn patient_name(&self, id: PatientId) -> Result<Option<Option<PersonName>>, StoreError> {
        let patient: Option<Patient> = self.get(&patient::key(id)).await?;
        Ok(patient.as_ref().map(called_patient))
    }

    /// What a specialist is called now, which may be nothing; none where there is none, and nobody can tell.
    async fn specialist_name(&self, id: SpecialistId) -> Result<Option<Option<PersonName>>, StoreError> {
        let specialist: Option<Specialist> = self.get(&specialist::record_key(id)).await?;
        Ok(specialist.as_ref().map(called_specialist))
    }
}

fn called_patient(patient: &Patient) -> Option<PersonName> {
    patient.identity.name.display()
}

fn called_specialist(specialist: &Specialist) -> Option<PersonName> {
    specialist.profile.name.display()
}

/// The person as it is, if it was called otherwise before. Nothing has a copy of somebody's name who is new.
fn renamed<P: Entity>(
    old: Item,
    new: Item,
    called: impl Fn(&P) -> Option<PersonName>,
) -> Result<Option<P>, StoreError> {
    if old.is_empty() {
        return Ok(None);
    }
    let (old, new): (P, P) = (from_item(old)?, from_item(new)?);
    Ok((called(&old) != called(&new)).then_some(new))
}
