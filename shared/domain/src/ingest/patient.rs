//! How patients are fed.

use jiff::Timestamp;

use crate::code::Refusal;
use crate::external::Sourced;
use crate::id::PatientId;
use crate::ingest::refer::{Found, places, refer_if};
use crate::ingest::{Feed, RecordType};
use crate::patient::{Patient, PatientRecord, PatientReferences};
use crate::person::Place;

/// What lines about patients are decided by.
#[derive(Debug, Clone)]
pub struct Patients {
    /// When the lines came.
    pub now: Timestamp,
    /// The sites that they name.
    pub sites: Found<Place>,
    /// The patients that they name.
    pub patients: Found<PatientId>,
}

impl Feed for Patients {
    const TYPE: RecordType = RecordType::Patients;
    type Record = PatientRecord;
    type Kept = Patient;
    type Next = Patient;

    fn sourced(kept: &Patient) -> Option<&Sourced> {
        kept.sourced.as_ref()
    }

    fn taken(
        &self,
        record: PatientRecord,
        sourced: Sourced,
        kept: Option<&Patient>,
    ) -> Result<Patient, Refusal> {
        let into = refer_if(&self.patients, record.merged_into.as_ref(), "/merged_into")?;
        let references = PatientReferences {
            merged_into: into.copied(),
            sites: places(&self.sites, &record.registrations),
        };
        Patient::taken(record, &references, sourced, kept, self.now)
    }

    fn deleted(&self, kept: &Patient, sourced: Sourced) -> Result<Patient, Refusal> {
        Ok(kept.deleted(sourced, self.now))
    }
}
