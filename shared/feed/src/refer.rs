//! Reads what the names in lines stand for.

use std::collections::{BTreeMap, BTreeSet};

use portal_domain::external::ExternalId;
use portal_domain::id::{OrganizationId, PatientId, SiteId, SpecialistId};
use portal_domain::ingest::{Found as Named, RecordType};
use portal_domain::patient::Patient;
use portal_domain::person::Place;
use portal_domain::specialist::Specialist;
use portal_store::StoreError;

use crate::Batch;
use crate::read::Found;

/// What was found under the ids that names stand for, by these names.
pub(crate) fn by_name<I: Ord, R: Clone>(
    names: BTreeMap<ExternalId, I>,
    found: impl IntoIterator<Item = (I, R)>,
) -> Named<R> {
    let found: BTreeMap<I, R> = found.into_iter().collect();
    names
        .into_iter()
        .filter_map(|(name, id)| Some((name, found.get(&id)?.clone())))
        .collect()
}

impl Batch<'_> {
    /// The sites that are named.
    pub(crate) async fn sites(&self, found: &Found) -> Result<Named<Place>, StoreError> {
        let names: BTreeMap<_, SiteId> = found.all(RecordType::Sites);
        let sites = self.store.sites(names.values().copied()).await?;
        let place = |site: portal_domain::site::Site| Place {
            site: site.id,
            shards: site.shards,
        };
        let places = sites.into_iter().map(place);
        Ok(by_name(names, places.map(|place| (place.site, place))))
    }

    /// The patients that are named.
    pub(crate) async fn patients(&self, found: &Found) -> Result<Named<Patient>, StoreError> {
        let names: BTreeMap<_, PatientId> = found.all(RecordType::Patients);
        let patients = self.store.fed_patients(names.values().copied()).await?;
        let by_id = patients.into_iter().map(|patient| (patient.id, patient));
        let mut all = by_name(names, by_id);
        all.extend(found.pretended.patients.clone());
        Ok(all)
    }

    /// The patients that are named and were not deleted.
    pub(crate) async fn living(&self, found: &Found) -> Result<Named<PatientId>, StoreError> {
        let patients = self.patients(found).await?.into_iter();
        let living = patients.filter(|(_, patient)| !patient.is_deleted());
        Ok(living.map(|(name, patient)| (name, patient.id)).collect())
    }

    /// The specialists that are named.
    pub(crate) async fn specialists(&self, found: &Found) -> Result<Named<Specialist>, StoreError> {
        let names: BTreeMap<_, SpecialistId> = found.all(RecordType::Specialists);
        let specialists = self.store.fed_specialists(names.values().copied()).await?;
        let by_id = specialists
            .into_iter()
            .map(|specialist| (specialist.id, specialist));
        let mut all = by_name(names, by_id);
        all.extend(found.pretended.specialists.clone());
        Ok(all)
    }

    /// Which of these organizations there are.
    pub(crate) async fn sponsors(
        &self,
        named: impl IntoIterator<Item = OrganizationId>,
    ) -> Result<BTreeSet<OrganizationId>, StoreError> {
        self.store.existing_organizations(named).await
    }
}
