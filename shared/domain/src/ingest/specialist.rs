//! How specialists are fed.

use jiff::Timestamp;

use crate::code::Refusal;
use crate::external::Sourced;
use crate::ingest::refer::{Found, places};
use crate::ingest::{Feed, RecordType};
use crate::person::Place;
use crate::specialist::{Specialist, SpecialistRecord, SpecialistReferences};

/// What lines about specialists are decided by.
#[derive(Debug, Clone)]
pub struct Specialists {
    /// When the lines came.
    pub now: Timestamp,
    /// The sites that they name.
    pub sites: Found<Place>,
}

impl Feed for Specialists {
    const TYPE: RecordType = RecordType::Specialists;
    type Record = SpecialistRecord;
    type Kept = Specialist;
    type Next = Specialist;

    fn sourced(kept: &Specialist) -> Option<&Sourced> {
        kept.sourced.as_ref()
    }

    fn taken(
        &self,
        record: SpecialistRecord,
        sourced: Sourced,
        kept: Option<&Specialist>,
    ) -> Result<Specialist, Refusal> {
        let references = SpecialistReferences {
            sites: places(&self.sites, &record.assignments),
        };
        Specialist::taken(record, &references, sourced, kept, self.now)
    }

    fn deleted(&self, kept: &Specialist, sourced: Sourced) -> Result<Specialist, Refusal> {
        Ok(kept.deleted(sourced, self.now))
    }
}
