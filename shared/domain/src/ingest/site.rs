//! How sites are fed.

use jiff::Timestamp;

use crate::code::Refusal;
use crate::external::Sourced;
use crate::ingest::{Feed, RecordType};
use crate::site::{Site, SiteRecord, Status};

/// Sites stand for themselves: nothing is read for them.
#[derive(Debug, Clone, Copy)]
pub struct Sites {
    /// When the lines came.
    pub now: Timestamp,
}

impl Feed for Sites {
    const TYPE: RecordType = RecordType::Sites;
    type Record = SiteRecord;
    type Kept = Site;
    type Next = Site;

    fn sourced(kept: &Site) -> Option<&Sourced> {
        kept.sourced.as_ref()
    }

    fn taken(&self, record: SiteRecord, sourced: Sourced, kept: Option<&Site>) -> Result<Site, Refusal> {
        Site::taken(record, sourced, kept, self.now)
    }

    /// Organizations are bound to it, and what happened there stays: it is closed for good.
    fn deleted(&self, kept: &Site, sourced: Sourced) -> Result<Site, Refusal> {
        let mut record = kept.record.clone();
        record.status = Status::Archived;
        Site::taken(record, sourced, Some(kept), self.now)
    }
}
