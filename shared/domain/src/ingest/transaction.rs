//! How transactions are fed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::code::{Code, Refusal};
use crate::external::Sourced;
use crate::id::{BookingId, OrganizationId, TransactionId};
use crate::ingest::refer::{Found, refer, refer_if, sponsored};
use crate::ingest::{Feed, RecordType};
use crate::patient::Patient;
use crate::person::Place;
use crate::specialist::Specialist;
use crate::transaction::{Person, Taken, Transaction, TransactionRecord, TransactionReferences};

/// What lines about transactions are decided by.
#[derive(Debug, Clone)]
pub struct Transactions {
    /// When the lines came.
    pub now: Timestamp,
    /// The sites that they name.
    pub sites: Found<Place>,
    /// The patients that they name.
    pub patients: Found<Patient>,
    /// The specialists that they name.
    pub specialists: Found<Specialist>,
    /// The organizations that they name.
    pub sponsors: BTreeSet<OrganizationId>,
    /// The bookings that they name.
    pub bookings: Found<BookingId>,
    /// The transactions that they name.
    pub transactions: Found<TransactionId>,
    /// These, and what known refunds and reversals are of.
    pub entries: BTreeMap<TransactionId, Transaction>,
}

/// What a line about a transaction comes to.
#[derive(Debug, Clone)]
pub struct TransactionTaken {
    /// The transaction, and what it gives a part back of.
    pub taken: Taken,
    /// What it gives a part back of, as it was read.
    pub parent: Option<Transaction>,
}

impl Transactions {
    /// Whose money it is.
    fn person(&self, record: &TransactionRecord) -> Result<Option<Person>, Refusal> {
        let patient = refer_if(&self.patients, record.patient.as_ref(), "/patient")?;
        let specialist = refer_if(&self.specialists, record.specialist.as_ref(), "/specialist")?;
        Ok(match (patient, specialist) {
            (None, None) => None,
            (Some(patient), None) => Some(patient.into()),
            (None, Some(specialist)) => Some(specialist.into()),
            (Some(_), Some(_)) => {
                let refusal = Refusal::new(Code::FieldsInvalid, "money is a patient's or a specialist's");
                return Err(refusal.at("/specialist"));
            }
        })
    }
}

impl Feed for Transactions {
    const TYPE: RecordType = RecordType::Transactions;
    type Record = TransactionRecord;
    type Kept = Transaction;
    type Next = TransactionTaken;

    fn sourced(kept: &Transaction) -> Option<&Sourced> {
        kept.sourced.as_ref()
    }

    fn taken(
        &self,
        record: TransactionRecord,
        sourced: Sourced,
        kept: Option<&Transaction>,
    ) -> Result<TransactionTaken, Refusal> {
        sponsored(&self.sponsors, record.sponsor)?;
        let place = refer(&self.sites, &record.site, "/site")?;
        let parent = refer_if(&self.transactions, record.parent.as_ref(), "/parent")?;
        let parent = parent.and_then(|parent| self.entries.get(parent)).cloned();
        let references = TransactionReferences {
            site: place.site,
            shards: place.shards,
            person: self.person(&record)?,
            booking: refer_if(&self.bookings, record.booking.as_ref(), "/booking")?.copied(),
            parent: parent.clone(),
        };
        let taken = Transaction::taken(record, references, sourced, kept, self.now)?;
        Ok(TransactionTaken { taken, parent })
    }

    fn deleted(&self, kept: &Transaction, sourced: Sourced) -> Result<TransactionTaken, Refusal> {
        let parent = kept.row.parent().and_then(|parent| self.entries.get(&parent));
        Ok(TransactionTaken {
            taken: kept.tombstone(parent, sourced, self.now)?,
            parent: parent.cloned(),
        })
    }
}
