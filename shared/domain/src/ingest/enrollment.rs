//! How enrollments are fed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::code::Refusal;
use crate::external::Sourced;
use crate::id::{EnrollmentId, OrganizationId, PatientId};
use crate::ingest::refer::{Found, refer, refer_if, sponsored};
use crate::ingest::{Feed, RecordType};
use crate::patient::{Enrollment, EnrollmentRecord, EnrollmentReferences};
use crate::person::Place;

/// What lines about enrollments are decided by.
#[derive(Debug, Clone)]
pub struct Enrollments {
    /// When the lines came.
    pub now: Timestamp,
    /// The sites that they name.
    pub sites: Found<Place>,
    /// The patients that they name, without those who were deleted.
    pub patients: Found<PatientId>,
    /// The organizations that they name.
    pub sponsors: BTreeSet<OrganizationId>,
    /// What there is of these patients with these organizations, whatever it is called.
    pub enrolled: BTreeMap<EnrollmentId, Enrollment>,
}

impl Feed for Enrollments {
    const TYPE: RecordType = RecordType::Enrollments;
    type Record = EnrollmentRecord;
    type Kept = Enrollment;
    type Next = Enrollment;

    fn sourced(kept: &Enrollment) -> Option<&Sourced> {
        Some(&kept.sourced)
    }

    fn taken(
        &self,
        record: EnrollmentRecord,
        sourced: Sourced,
        kept: Option<&Enrollment>,
    ) -> Result<Enrollment, Refusal> {
        sponsored(&self.sponsors, Some(record.sponsor))?;
        let site = refer_if(&self.sites, record.site.as_ref(), "/site")?;
        let references = EnrollmentReferences {
            patient: *refer(&self.patients, &record.patient, "/patient")?,
            site: site.map(|place| place.site),
        };
        let id = EnrollmentId {
            patient: references.patient,
            sponsor: record.sponsor,
        };
        let kept = kept.or_else(|| self.enrolled.get(&id));
        Enrollment::taken(record, references, sourced, kept, self.now)
    }

    fn deleted(&self, kept: &Enrollment, sourced: Sourced) -> Result<Enrollment, Refusal> {
        Ok(kept.deleted(sourced, self.now))
    }
}
