//! Patients.

use std::collections::BTreeMap;

use portal_domain::change::Write;
use portal_domain::ingest::{Patients, RecordType};
use portal_domain::patient::{Patient, PatientRecord};
use portal_store::StoreError;

use crate::Batch;
use crate::read::{Asked, Name, Stored};

impl Stored for Patients {
    fn names(record: &PatientRecord) -> Vec<Name> {
        let sites = record.registrations.iter().map(|registration| &registration.site);
        let sites = sites.map(|site| (RecordType::Sites, site.clone()));
        let into = record.merged_into.iter().cloned();
        sites
            .chain(into.map(|into| (RecordType::Patients, into)))
            .collect()
    }

    async fn read(
        batch: &Batch<'_>,
        asked: Asked<'_, Self>,
    ) -> Result<(Self, BTreeMap<String, Patient>), StoreError> {
        let (sites, kept) =
            tokio::try_join!(batch.sites(asked.found), batch.store.fed_patients(asked.ids()))?;
        let mut patients = asked.found.all(RecordType::Patients);
        let pretended = asked.pretended.iter();
        patients.extend(pretended.map(|(name, patient)| (name.clone(), patient.id)));
        let feed = Self {
            now: batch.now,
            sites,
            patients,
        };
        let kept = kept.into_iter().map(|patient| (patient.id.to_string(), patient));
        Ok((feed, kept.collect()))
    }

    fn id(next: &Patient) -> String {
        next.id.to_string()
    }

    fn kept(next: &Patient) -> Vec<Patient> {
        vec![next.clone()]
    }

    fn writes(next: Patient, kept: Option<&Patient>) -> Vec<Write> {
        vec![Write::PatientPut {
            new: Box::new(next),
            old: kept.cloned().map(Box::new),
        }]
    }
}
