//! What is read for the lines of a batch, all at once.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use portal_domain::change::Write;
use portal_domain::code::Refusal;
use portal_domain::external::ExternalId;
use portal_domain::ingest::{Content, Feed, Known, Line, Named, Naming, RecordType};
use portal_domain::json;
use portal_domain::patient::Patient;
use portal_domain::specialist::Specialist;
use portal_store::StoreError;

use crate::{Batch, Taken};

/// The lines of a batch about one record.
pub(crate) struct Group<'a> {
    /// Where they are in the batch.
    pub(crate) rows: Vec<usize>,
    /// The lines.
    pub(crate) lines: Vec<&'a Line>,
    /// What the record is called.
    pub(crate) external: &'a ExternalId,
    /// The records of the same type that they name.
    pub(crate) names: BTreeSet<ExternalId>,
}

impl<'a> Group<'a> {
    /// The group of the lines at `rows`.
    pub(crate) fn of<F: Stored>(lines: &'a [Result<Line, Refusal>], rows: Vec<usize>) -> Option<Self> {
        let lines: Vec<&Line> = rows.iter().filter_map(|row| lines[*row].as_ref().ok()).collect();
        let external = &lines.first()?.external;
        let records = records::<F>(&lines);
        let names = records.iter().flat_map(F::names);
        Some(Self {
            names: names
                .filter(|(of, _)| *of == F::TYPE)
                .map(|(_, name)| name)
                .collect(),
            external,
            lines,
            rows,
        })
    }
}

impl Group<'_> {
    /// All its lines, refused.
    pub(crate) fn failed(&self, refusal: &Refusal) -> Vec<Taken> {
        let failed = || Taken::failed(refusal.clone());
        std::iter::repeat_with(failed).take(self.rows.len()).collect()
    }
}

/// What lines say; those that say nothing that can be read are refused later.
fn records<F: Stored>(lines: &[&Line]) -> Vec<F::Record> {
    let record = |line: &&Line| match &line.content {
        Content::Upsert(data) => json::read(data.clone()).ok(),
        Content::Delete => None,
    };
    lines.iter().filter_map(record).collect()
}

/// The name of a record of some type.
pub(crate) type Name = (RecordType, ExternalId);

/// A type of record whose lines are taken here: what is to be read for them, and how they are written.
pub(crate) trait Stored:
    Feed<Kept: Clone + Send + Sync, Next: Send, Record: Send + Sync> + Send + Sync + Sized
{
    /// The records that one names.
    fn names(record: &Self::Record) -> Vec<Name>;

    /// What is kept under the ids of `asked`, by id, and all else that its lines are decided by.
    fn read(
        batch: &Batch<'_>,
        asked: Asked<'_, Self>,
    ) -> impl Future<Output = Result<(Self, BTreeMap<String, Self::Kept>), StoreError>> + Send;

    /// The id of a record.
    fn id(next: &Self::Next) -> String;

    /// What is kept from then on, of the record and of others that change with it.
    fn kept(next: &Self::Next) -> Vec<Self::Kept>;

    /// What is to be written for it.
    fn writes(next: Self::Next, kept: Option<&Self::Kept>) -> Vec<Write>;
}

/// What lines are about.
pub(crate) struct Asked<'a, F: Stored> {
    /// What the names in them stand for.
    pub(crate) found: &'a Found,
    /// The ids of the records that they are about.
    pub(crate) ids: BTreeSet<String>,
    /// What they say.
    pub(crate) records: Vec<F::Record>,
    /// Records that would be kept by now if this was not only tried.
    pub(crate) pretended: &'a BTreeMap<ExternalId, F::Kept>,
}

impl<F: Stored> Asked<'_, F> {
    /// The ids of the records that lines are about.
    pub(crate) fn ids<I: FromStr + Ord>(&self) -> BTreeSet<I> {
        self.ids.iter().filter_map(|id| id.parse().ok()).collect()
    }
}

/// Records of other types that would be kept by now if this was not only tried, by their names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pretended {
    pub(crate) patients: BTreeMap<ExternalId, Patient>,
    pub(crate) specialists: BTreeMap<ExternalId, Specialist>,
}

/// What names of a source stand for.
#[derive(Debug)]
pub(crate) struct Found {
    namings: BTreeMap<Name, Naming>,
    /// What else they would stand for.
    pub(crate) pretended: Pretended,
}

impl Found {
    /// What a name stands for.
    pub(crate) fn naming(&self, of: RecordType, external: &ExternalId) -> Option<&Naming> {
        self.namings.get(&(of, external.clone()))
    }

    /// The ids of all records of a type.
    pub(crate) fn all<I: FromStr>(&self, of: RecordType) -> BTreeMap<ExternalId, I> {
        let all = self.namings.iter().filter(|((kind, _), _)| *kind == of);
        all.filter_map(|((_, name), naming)| Some((name.clone(), naming.id()?.parse().ok()?)))
            .collect()
    }
}

/// All that the lines of some groups are decided by.
pub(crate) struct Ready<F: Stored> {
    pub(crate) feed: F,
    pub(crate) found: Found,
    kept: BTreeMap<String, F::Kept>,
}

impl<F: Stored> Ready<F> {
    /// Reads what `groups` need: first what names stand for, then the records.
    pub(crate) async fn read(
        batch: &Batch<'_>,
        groups: &[Group<'_>],
        pretended: &BTreeMap<ExternalId, F::Kept>,
        others: &Pretended,
    ) -> Result<Self, StoreError> {
        let records: Vec<F::Record> = groups
            .iter()
            .flat_map(|group| records::<F>(&group.lines))
            .collect();
        let own = groups.iter().map(|group| (F::TYPE, group.external.clone()));
        let names: BTreeSet<Name> = own.chain(records.iter().flat_map(F::names)).collect();
        let names = names.iter().map(|(of, external)| (*of, external));
        let namings = batch.store.namings(batch.source, names).await?;
        let by_name = |naming: Naming| ((naming.of, naming.external.clone()), naming);
        let found = Found {
            namings: namings.into_iter().map(by_name).collect(),
            pretended: others.clone(),
        };
        let ids = groups
            .iter()
            .filter_map(|group| found.naming(F::TYPE, group.external)?.id())
            .map(str::to_owned)
            .collect();
        let asked = Asked {
            found: &found,
            ids,
            records,
            pretended,
        };
        let (feed, kept) = F::read(batch, asked).await?;
        Ok(Self { feed, found, kept })
    }

    /// What is known of a record.
    ///
    /// # Errors
    /// [`StoreError::Broken`] where its name stands for a record that is not there.
    pub(crate) fn known(&self, external: &ExternalId) -> Result<Known<F::Kept>, StoreError> {
        match self.found.naming(F::TYPE, external).map(|naming| &naming.named) {
            None => Ok(Known::Nothing),
            Some(Named::Gone(mark)) => Ok(Known::Gone(mark.clone())),
            Some(Named::Record { id }) => match self.kept.get(id) {
                Some(kept) => Ok(Known::Kept(kept.clone())),
                None => Err(StoreError::Broken(format!(
                    "a name stands for {id}, which is not there"
                ))),
            },
        }
    }
}
