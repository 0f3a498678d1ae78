//! Transactions.

use std::collections::{BTreeMap, BTreeSet};

use portal_domain::change::Write;
use portal_domain::id::TransactionId;
use portal_domain::ingest::{RecordType, TransactionTaken, Transactions};
use portal_domain::transaction::{Transaction, TransactionRecord};
use portal_store::StoreError;

use crate::Batch;
use crate::read::{Asked, Name, Stored};

impl Batch<'_> {
    /// These transactions, and what they give a part back of.
    async fn entries(
        &self,
        ids: BTreeSet<TransactionId>,
    ) -> Result<BTreeMap<TransactionId, Transaction>, StoreError> {
        let mut entries: BTreeMap<_, _> = self.by_id(ids).await?.collect();
        let parents = entries.values().filter_map(|entry| entry.row.parent());
        let missing: BTreeSet<_> = parents.filter(|parent| !entries.contains_key(parent)).collect();
        entries.extend(self.by_id(missing).await?);
        Ok(entries)
    }

    async fn by_id(
        &self,
        ids: BTreeSet<TransactionId>,
    ) -> Result<impl Iterator<Item = (TransactionId, Transaction)>, StoreError> {
        let found = self.store.fed_transactions(ids).await?;
        Ok(found.into_iter().map(|entry| (entry.row.id, entry)))
    }
}

impl Stored for Transactions {
    fn names(record: &TransactionRecord) -> Vec<Name> {
        let named = [
            (RecordType::Patients, &record.patient),
            (RecordType::Specialists, &record.specialist),
            (RecordType::Bookings, &record.booking),
            (RecordType::Transactions, &record.parent),
        ];
        let named = named
            .into_iter()
            .filter_map(|(of, name)| Some((of, name.clone()?)));
        named.chain([(RecordType::Sites, record.site.clone())]).collect()
    }

    async fn read(
        batch: &Batch<'_>,
        asked: Asked<'_, Self>,
    ) -> Result<(Self, BTreeMap<String, Transaction>), StoreError> {
        let mut transactions: BTreeMap<_, TransactionId> = asked.found.all(RecordType::Transactions);
        let ids = asked.ids().into_iter().chain(transactions.values().copied());
        let ids = ids.collect();
        let sponsors = asked.records.iter().filter_map(|record| record.sponsor);
        let (sites, patients, specialists, sponsors, mut entries) = tokio::try_join!(
            batch.sites(asked.found),
            batch.patients(asked.found),
            batch.specialists(asked.found),
            batch.sponsors(sponsors),
            batch.entries(ids)
        )?;
        let kept = entries.iter().map(|(id, entry)| (id.to_string(), entry.clone()));
        let kept = kept.collect();
        for (name, entry) in asked.pretended {
            transactions.insert(name.clone(), entry.row.id);
            entries.insert(entry.row.id, entry.clone());
        }
        let feed = Self {
            now: batch.now,
            sites,
            patients,
            specialists,
            sponsors,
            bookings: asked.found.all(RecordType::Bookings),
            transactions,
            entries,
        };
        Ok((feed, kept))
    }

    fn id(next: &TransactionTaken) -> String {
        next.taken.entry.row.id.to_string()
    }

    fn kept(next: &TransactionTaken) -> Vec<Transaction> {
        let parent = next.taken.parent.iter();
        parent.chain([&next.taken.entry]).cloned().collect()
    }

    fn writes(next: TransactionTaken, kept: Option<&Transaction>) -> Vec<Write> {
        next.taken.writes(kept.cloned(), next.parent)
    }
}
