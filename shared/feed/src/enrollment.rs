//! Enrollments.

use std::collections::{BTreeMap, BTreeSet};

use portal_domain::change::Write;
use portal_domain::id::{EnrollmentId, PatientId};
use portal_domain::ingest::{Enrollments, RecordType};
use portal_domain::patient::{Enrollment, EnrollmentRecord};
use portal_store::StoreError;

use crate::Batch;
use crate::read::{Asked, Name, Stored};

impl Stored for Enrollments {
    fn names(record: &EnrollmentRecord) -> Vec<Name> {
        let site = record.site.iter().map(|site| (RecordType::Sites, site.clone()));
        site.chain([(RecordType::Patients, record.patient.clone())])
            .collect()
    }

    async fn read(
        batch: &Batch<'_>,
        asked: Asked<'_, Self>,
    ) -> Result<(Self, BTreeMap<String, Enrollment>), StoreError> {
        let patients: BTreeMap<_, PatientId> = asked.found.all(RecordType::Patients);
        let told = asked.records.iter().filter_map(|record| {
            Some(EnrollmentId {
                patient: *patients.get(&record.patient)?,
                sponsor: record.sponsor,
            })
        });
        let ids: BTreeSet<EnrollmentId> = asked.ids().into_iter().chain(told).collect();
        let sponsors = asked.records.iter().map(|record| record.sponsor);
        let (sites, patients, sponsors, found) = tokio::try_join!(
            batch.sites(asked.found),
            batch.living(asked.found),
            batch.sponsors(sponsors),
            batch.store.fed_enrollments(ids)
        )?;
        let enrolled: BTreeMap<EnrollmentId, Enrollment> = found
            .into_iter()
            .map(|enrollment| (enrollment.id(), enrollment))
            .collect();
        let kept = enrolled
            .iter()
            .map(|(id, enrollment)| (id.to_string(), enrollment.clone()));
        let kept = kept.collect();
        let feed = Self {
            now: batch.now,
            sites,
            patients,
            sponsors,
            enrolled,
        };
        Ok((feed, kept))
    }

    fn id(next: &Enrollment) -> String {
        next.id().to_string()
    }

    fn kept(next: &Enrollment) -> Vec<Enrollment> {
        vec![next.clone()]
    }

    fn writes(next: Enrollment, _: Option<&Enrollment>) -> Vec<Write> {
        vec![Write::EnrollmentPut(Box::new(next))]
    }
}
