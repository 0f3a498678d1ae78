//! Sites.

use std::collections::BTreeMap;

use portal_domain::change::Write;
use portal_domain::ingest::Sites;
use portal_domain::site::{Site, SiteRecord};
use portal_store::StoreError;

use crate::Batch;
use crate::read::{Asked, Name, Stored};

impl Stored for Sites {
    fn names(_: &SiteRecord) -> Vec<Name> {
        Vec::new()
    }

    async fn read(
        batch: &Batch<'_>,
        asked: Asked<'_, Self>,
    ) -> Result<(Self, BTreeMap<String, Site>), StoreError> {
        let sites = batch.store.sites(asked.ids()).await?;
        let kept = sites.into_iter().map(|site| (site.id.to_string(), site));
        Ok((Self { now: batch.now }, kept.collect()))
    }

    fn id(next: &Site) -> String {
        next.id.to_string()
    }

    fn kept(next: &Site) -> Vec<Site> {
        vec![next.clone()]
    }

    fn writes(next: Site, kept: Option<&Site>) -> Vec<Write> {
        vec![match kept {
            None => Write::SiteCreate(next),
            Some(_) => Write::SiteReplace(next),
        }]
    }
}
