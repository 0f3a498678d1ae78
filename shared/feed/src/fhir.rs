//! Resources of FHIR R4: what their names stand for is looked up, their lines are fed, and what lines do not hold is remembered.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use portal_domain::change::{Change, Write};
use portal_domain::code::Refusal;
use portal_domain::external::ExternalId;
use portal_domain::fhir::{self, Alias, Kind, Name, Names, Options, Remembered, Told, Translation};
use portal_domain::ingest::{Line, Outcome, RecordType};
use portal_store::StoreError;

use crate::{AT_ONCE, Batch, Course, Taken, busy, refusal};

/// How often more is looked up: ids, then resources, then each of what these are inside of, and what that is called by now.
const ROUNDS: u32 = 24;

/// What became of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// What it was read as.
    pub told: Told,
    /// The outcome.
    pub outcome: Outcome,
    /// The record that it is about, if there is one.
    pub record: Option<String>,
}

/// What became of each entry so far.
type Entries = Vec<Result<Resource, Refusal>>;

impl Batch<'_> {
    /// What becomes of each of `resources`, in their order: those that others name are taken first. `allows` refuses types of
    /// records that the caller may not feed.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Broken`] where it could not be read what they need. What was written before stays.
    pub async fn take_resources(
        &self,
        resources: &fhir::Batch,
        options: &Options,
        allows: impl Fn(RecordType) -> Result<(), Refusal>,
    ) -> Result<Vec<Result<Resource, Refusal>>, StoreError> {
        let translation = self.translated(resources, options).await?;
        let begun = |told: Result<Told, Refusal>| {
            let told = told?;
            let types = told.lines.iter().map(|typed| typed.of).chain([told.kind.of()]);
            types.into_iter().try_for_each(&allows)?;
            Ok(Resource {
                outcome: told.outcome.clone().unwrap_or(Outcome::Unchanged),
                told,
                record: None,
            })
        };
        let mut entries: Entries = translation.entries.into_iter().map(begun).collect();
        let mut course = Course::begin();
        for of in RecordType::ALL {
            self.take_lines(*of, &mut entries, &mut course).await?;
        }
        if !self.is_trial {
            self.remember(translation.remembered, &translation.aliases, &mut entries)
                .await;
        }
        Ok(entries)
    }

    /// The lines that `resources` come to, after everything they name was looked up.
    async fn translated(
        &self,
        resources: &fhir::Batch,
        options: &Options,
    ) -> Result<Translation, StoreError> {
        let mut names = Names::default();
        for _ in 0..ROUNDS {
            let translation = resources.translated(self.source, options, &names, self.now);
            if translation.wanted.is_empty() {
                return Ok(translation);
            }
            self.look(translation.wanted, &mut names).await?;
        }
        Err(StoreError::Broken("there is always more to look up".to_owned()))
    }

    /// Looks up `wanted`.
    async fn look(&self, wanted: BTreeSet<Name>, names: &mut Names) -> Result<(), StoreError> {
        let (mut ids, mut resources, mut sites) = (Vec::new(), Vec::new(), Vec::new());
        for name in &wanted {
            match name {
                Name::Alias(kind, id) => ids.push((*kind, id)),
                Name::Resource(kind, external) => resources.push((*kind, external)),
                Name::Site(external) => sites.push((RecordType::Sites, external)),
            }
        }
        let (aliases, resources, sites) = tokio::try_join!(
            self.store.aliases(self.source, ids),
            self.store.resources(self.source, resources),
            self.store.namings(self.source, sites)
        )?;
        for name in wanted {
            names.look(name);
        }
        for alias in aliases {
            names.learn_alias(alias);
        }
        for resource in resources {
            names.learn(resource);
        }
        for naming in sites.into_iter().filter(|naming| naming.id().is_some()) {
            names.learn_site(naming.external);
        }
        Ok(())
    }

    /// Feeds the lines of a type, of those entries that nothing was refused of.
    async fn take_lines(
        &self,
        of: RecordType,
        entries: &mut Entries,
        course: &mut Course,
    ) -> Result<(), StoreError> {
        let mut places = Vec::new();
        let mut lines: Vec<Result<Line, Refusal>> = Vec::new();
        for (row, entry) in entries.iter().enumerate() {
            let told = entry
                .iter()
                .flat_map(|resource| resource.told.lines.iter().enumerate());
            for (at, typed) in told.filter(|(_, typed)| typed.of == of) {
                places.push((row, at));
                lines.push(Ok(typed.line.clone()));
            }
        }
        if lines.is_empty() {
            return Ok(());
        }
        let taken = self.take_on(of, &lines, course).await?;
        for ((row, at), taken) in places.into_iter().zip(taken) {
            let entry = std::mem::replace(&mut entries[row], Err(busy()));
            entries[row] = entry.and_then(|resource| resource.after(at, taken));
        }
        Ok(())
    }

    /// Remembers what belongs to resources that were taken. What cannot be remembered was taken all the same: sent again, it is.
    async fn remember(&self, remembered: Vec<Remembered>, aliases: &[Alias], entries: &mut Entries) {
        let mut rows: BTreeMap<(Kind, ExternalId), Vec<usize>> = BTreeMap::new();
        for (row, entry) in entries.iter().enumerate() {
            if let Ok(Resource { told, outcome, .. }) = entry
                && *outcome != Outcome::SkippedStale
            {
                let key = (told.kind, told.external.clone());
                rows.entry(key).or_default().push(row);
            }
        }
        let mut writing = Vec::new();
        for resource in remembered {
            let key = (resource.kind, resource.external.clone());
            let Some(rows) = rows.remove(&key) else { continue };
            let called = aliases
                .iter()
                .filter(|alias| alias.kind == key.0 && alias.external == key.1);
            let change = Change::default().writes(called.cloned().map(Write::AliasCreate));
            let change = change.write(Write::ResourcePut(Box::new(resource)));
            writing.push(async move { (rows, self.store.commit(&change, None, self.now).await) });
        }
        let written: Vec<_> = stream::iter(writing).buffer_unordered(AT_ONCE).collect().await;
        for (rows, result) in written {
            if let Err(error) = result {
                let refusal = refusal(error);
                for row in rows {
                    entries[row] = Err(refusal.clone());
                }
            }
        }
    }
}

impl Resource {
    /// The resource after what became of one of its lines. The first is that of the record.
    fn after(self, at: usize, taken: Taken) -> Result<Self, Refusal> {
        let is_first = at == 0;
        let outcome = match taken.outcome {
            Outcome::Failed(refusal) => return Err(self.told.lines[at].refused(refusal)),
            outcome if is_first => outcome,
            Outcome::Created | Outcome::Updated if self.outcome == Outcome::Unchanged => Outcome::Updated,
            _ => self.outcome,
        };
        Ok(Self {
            outcome,
            record: if is_first { taken.id } else { self.record },
            told: self.told,
        })
    }
}
