//! Assignments of specialists.

use std::collections::{BTreeMap, BTreeSet};

use portal_domain::change::Write;
use portal_domain::id::{AssignmentPlace, SpecialistId};
use portal_domain::ingest::{Assigned, AssignmentTaken, Assignments, RecordType};
use portal_domain::specialist::{AssignmentRecord, Specialist};
use portal_store::StoreError;

use crate::Batch;
use crate::read::{Asked, Name, Stored};

impl Stored for Assignments {
    fn names(record: &AssignmentRecord) -> Vec<Name> {
        let sites = record.sites.iter().map(|site| (RecordType::Sites, site.clone()));
        let whose = (RecordType::Specialists, record.specialist.clone());
        sites.chain([whose]).collect()
    }

    async fn read(
        batch: &Batch<'_>,
        asked: Asked<'_, Self>,
    ) -> Result<(Self, BTreeMap<String, Assigned>), StoreError> {
        let places: BTreeSet<AssignmentPlace> = asked.ids();
        let whose: BTreeSet<SpecialistId> = places.iter().map(|place| place.specialist).collect();
        let (sites, specialists, assigned) = tokio::try_join!(
            batch.sites(asked.found),
            batch.specialists(asked.found),
            batch.store.fed_specialists(whose)
        )?;
        let by_id: BTreeMap<SpecialistId, Specialist> = assigned
            .into_iter()
            .map(|specialist| (specialist.id, specialist))
            .collect();
        let kept = places.into_iter().filter_map(|place| {
            let assigned = Assigned {
                assignment: place.assignment,
                specialist: by_id.get(&place.specialist)?.clone(),
            };
            Some((place.to_string(), assigned))
        });
        let feed = Self {
            now: batch.now,
            sites,
            specialists,
        };
        Ok((feed, kept.collect()))
    }

    fn id(next: &AssignmentTaken) -> String {
        next.next.place().to_string()
    }

    fn kept(next: &AssignmentTaken) -> Vec<Assigned> {
        vec![next.next.clone()]
    }

    fn writes(next: AssignmentTaken, _: Option<&Assigned>) -> Vec<Write> {
        vec![Write::SpecialistPut {
            new: Box::new(next.next.specialist),
            old: Some(Box::new(next.before)),
        }]
    }
}
