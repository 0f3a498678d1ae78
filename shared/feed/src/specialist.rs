//! Specialists.

use std::collections::BTreeMap;

use portal_domain::change::Write;
use portal_domain::ingest::{RecordType, Specialists};
use portal_domain::specialist::{Specialist, SpecialistRecord};
use portal_store::StoreError;

use crate::Batch;
use crate::read::{Asked, Name, Stored};

impl Stored for Specialists {
    fn names(record: &SpecialistRecord) -> Vec<Name> {
        let sites = record.assignments.iter().map(|assignment| &assignment.site);
        sites.map(|site| (RecordType::Sites, site.clone())).collect()
    }

    async fn read(
        batch: &Batch<'_>,
        asked: Asked<'_, Self>,
    ) -> Result<(Self, BTreeMap<String, Specialist>), StoreError> {
        let (sites, kept) =
            tokio::try_join!(batch.sites(asked.found), batch.store.fed_specialists(asked.ids()))?;
        let feed = Self {
            now: batch.now,
            sites,
        };
        let kept = kept
            .into_iter()
            .map(|specialist| (specialist.id.to_string(), specialist));
        Ok((feed, kept.collect()))
    }

    fn id(next: &Specialist) -> String {
        next.id.to_string()
    }

    fn kept(next: &Specialist) -> Vec<Specialist> {
        vec![next.clone()]
    }

    fn writes(next: Specialist, kept: Option<&Specialist>) -> Vec<Write> {
        vec![Write::SpecialistPut {
            new: Box::new(next),
            old: kept.cloned().map(Box::new),
        }]
    }
}
