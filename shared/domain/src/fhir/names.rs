//! What resources are called where they come from, and what they belong to there.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::code::{Code, Refusal};
use crate::external::{Age, ExternalId, SourceName, Stamp};
use crate::fhir::datatype::{Target, identifiers};
use crate::fhir::element::Element;
use crate::fhir::{Kind, LOGICAL, LogicalId, Options};
use crate::id::OrganizationId;
use crate::ingest::Mark;

/// How many organizations a place can be inside of.
const DEEPEST: usize = 6;

/// A resource by its type and natural key.
pub(super) type Resource = (Kind, ExternalId);

/// For which record the id of a resource stands, for good: whatever its identifiers are later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// The source.
    pub source: SourceName,
    /// The type of the resource.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Its id.
    pub id: LogicalId,
    /// The natural key of the record.
    pub external: ExternalId,
}

/// What is kept of a resource beside its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// The source.
    pub source: SourceName,
    /// The type of the resource.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The natural key of the record.
    pub external: ExternalId,
    /// The resource that feeds the record: no other one may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<LogicalId>,
    /// What it belongs to: a place to an organization, an organization to a greater one, a role to a practitioner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<(Kind, ExternalId)>,
    /// The organizations that it has named as a patient's sponsor, ever.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub sponsors: BTreeSet<OrganizationId>,
    /// Which state of it was taken, of one that has no record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// Rises with every change.
    pub rev: u64,
}

/// Something to look up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// For which record an id stands.
    Alias(Kind, LogicalId),
    /// What is remembered of a resource.
    Resource(Kind, ExternalId),
    /// Whether a site is called so.
    Site(ExternalId),
}

/// What was looked up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    aliases: BTreeMap<(Kind, LogicalId), Option<ExternalId>>,
    resources: BTreeMap<Resource, Option<Remembered>>,
    sites: BTreeMap<ExternalId, bool>,
}

impl Names {
    /// Nothing is known of `name`, as far as [`Self::learn`] and its like do not say otherwise.
    pub fn look(&mut self, name: Name) {
        match name {
            Name::Alias(kind, id) => drop(self.aliases.entry((kind, id)).or_default()),
            Name::Resource(kind, external) => drop(self.resources.entry((kind, external)).or_default()),
            Name::Site(external) => drop(self.sites.entry(external).or_default()),
        }
    }

    /// For which record an id stands.
    pub fn learn_alias(&mut self, alias: Alias) {
        self.aliases.insert((alias.kind, alias.id), Some(alias.external));
    }

    /// What is remembered of a resource.
    pub fn learn(&mut self, remembered: Remembered) {
        let key = (remembered.kind, remembered.external.clone());
        self.resources.insert(key, Some(remembered));
    }

    /// That a site is called so.
    pub fn learn_site(&mut self, external: ExternalId) {
        self.sites.insert(external, true);
    }
}

/// What the resources of a batch are called and belong to, beside what was looked up.
pub(super) struct Context<'a> {
    pub(super) source: &'a SourceName,
    pub(super) options: &'a Options,
    names: &'a Names,
    /// What is not looked up yet, and would have been needed.
    pub(super) wanted: BTreeSet<Name>,
    urls: BTreeMap<&'a str, Resource>,
    ids: BTreeMap<(Kind, LogicalId), ExternalId>,
    within: BTreeMap<Resource, (Option<Resource>, Stamp)>,
    /// What is to be remembered.
    pub(super) remembered: BTreeMap<Resource, Remembered>,
    /// The ids that are to stand for records.
    pub(super) aliases: Vec<Alias>,
}

impl<'a> Context<'a> {
    pub(super) fn new(source: &'a SourceName, options: &'a Options, names: &'a Names) -> Self {
        Self {
            source,
            options,
            names,
            wanted: BTreeSet::new(),
            urls: BTreeMap::new(),
            ids: BTreeMap::new(),
            within: BTreeMap::new(),
            remembered: BTreeMap::new(),
            aliases: Vec::new(),
        }
    }

    /// The record that an id stands for, if that was ever told.
    pub(super) fn alias(&mut self, kind: Kind, id: &LogicalId) -> Option<ExternalId> {
        let key = (kind, id.clone());
        if let Some(external) = self.ids.get(&key) {
            return Some(external.clone());
        }
        let found = self.names.aliases.get(&key);
        if found.is_none() {
            self.wanted.insert(Name::Alias(kind, id.clone()));
        }
        found.cloned().flatten()
    }

    /// What is remembered of a resource, as it is before this batch.
    pub(super) fn known(&mut self, resource: &Resource) -> Option<&'a Remembered> {
        let found = self.names.resources.get(resource);
        if found.is_none() {
            self.wanted.insert(Name::Resource(resource.0, resource.1.clone()));
        }
        found.and_then(Option::as_ref)
    }

    /// The same, as this batch has it so far, or as it is where nothing is known.
    pub(super) fn recalled(&mut self, resource: &Resource) -> Remembered {
        if let Some(remembered) = self.remembered.get(resource) {
            return remembered.clone();
        }
        self.known(resource).cloned().unwrap_or_else(|| Remembered {
            source: self.source.clone(),
            kind: resource.0,
            external: resource.1.clone(),
            id: None,
            within: None,
            sponsors: BTreeSet::new(),
            mark: None,
            rev: 0,
        })
    }

    /// Remembers a resource, if it is not as it was.
    pub(super) fn remember(&mut self, remembered: Remembered) {
        let key = (remembered.kind, remembered.external.clone());
        let known = self.known(&key);
        let rev = known.map_or(0, |known| known.rev);
        let same = Remembered {
            rev,
            ..remembered.clone()
        };
        if known == Some(&same) {
            self.remembered.remove(&key);
        } else {
            let rev = rev + 1;
            self.remembered.insert(key, Remembered { rev, ..remembered });
        }
    }

    /// An entry of this batch: what it is called, inside of the Bundle and outside.
    pub(super) fn enter(&mut self, resource: &Resource, url: Option<&'a str>, id: Option<&LogicalId>) {
        if let Some(url) = url {
            self.urls.insert(url, resource.clone());
        }
        if let Some(id) = id {
            self.ids.insert((resource.0, id.clone()), resource.1.clone());
        }
    }

    /// Lets an id stand for a record from now on.
    pub(super) fn call(&mut self, resource: &Resource, id: &LogicalId) {
        let is_known = matches!(self.names.aliases.get(&(resource.0, id.clone())), Some(Some(_)));
        let is_told = |alias: &Alias| (alias.kind, &alias.id) == (resource.0, id);
        if !is_known && !self.aliases.iter().any(is_told) {
            self.aliases.push(Alias {
                source: self.source.clone(),
                kind: resource.0,
                id: id.clone(),
                external: resource.1.clone(),
            });
        }
    }

    /// A resource of this batch belongs to another one, as of `stamp`: what is known to be newer stays.
    pub(super) fn put_within(&mut self, resource: &Resource, within: Option<Resource>, stamp: Stamp) {
        let known = self.known(resource).and_then(|known| known.mark.as_ref());
        let told = self.within.get(resource).map(|(_, told)| *told);
        let newest = told.or(known.map(|mark| mark.stamp));
        if newest.is_none_or(|newest| stamp.against(newest) != Age::Older) {
            self.within.insert(resource.clone(), (within, stamp));
        }
    }

    /// What a resource belongs to.
    pub(super) fn around(&mut self, resource: &Resource) -> Option<Resource> {
        let within = match self.within.get(resource) {
            Some((within, _)) => within.clone(),
            None => self.known(resource).and_then(|known| known.within.clone()),
        };
        within.map(|within| self.called_now(within))
    }

    /// A resource that was named by its id before it was told of: as it is called since then.
    fn called_now(&mut self, resource: Resource) -> Resource {
        let (kind, external) = &resource;
        let id = external.value.as_str().parse().ok();
        let id = id.filter(|_| external.system.as_str() == LOGICAL);
        match id.and_then(|id| self.alias(*kind, &id)) {
            Some(called) => (*kind, called),
            None => resource,
        }
    }

    fn is_site(&mut self, external: &ExternalId) -> bool {
        let found = self.names.sites.get(external).copied();
        if found.is_none() {
            self.wanted.insert(Name::Site(external.clone()));
        }
        found.unwrap_or(false)
    }

    /// The site at which an organization or a place is: the first one on the way from it to what it belongs to.
    pub(super) fn site_of(&mut self, resource: &Resource) -> Option<ExternalId> {
        let mut at = resource.clone();
        for _ in 0..=DEEPEST {
            if at.0 == Kind::Organization && self.is_site(&at.1) {
                return Some(at.1);
            }
            at = self.around(&at)?;
        }
        None
    }

    /// Whether `resource` is on the way from `from` to what that belongs to, or the way is too long to say.
    pub(super) fn leads_to(&mut self, from: &Resource, resource: &Resource) -> bool {
        let mut at = from.clone();
        for _ in 0..=DEEPEST {
            if at == *resource {
                return true;
            }
            match self.around(&at) {
                Some(within) => at = within,
                None => return false,
            }
        }
        true
    }

    /// What a reference of `resource` points at; none if that is nothing that is read here. An identifier without a type is of
    /// the `expected` one.
    ///
    /// # Errors
    /// When it is no reference, or one into the resource or the Bundle to what is not there.
    pub(super) fn target(
        &mut self,
        reference: &Element,
        resource: &Element,
        expected: Option<Kind>,
    ) -> Result<Option<Resource>, Refusal> {
        match Target::of(reference)? {
            Target::Named(kind, external) => match kind.or(expected) {
                Some(kind) => Ok(Some((kind, external))),
                None => Err(reference.refused(Code::FieldsInvalid, "needs a type beside the identifier")),
            },
            Target::Literal(kind, id) => {
                let external = self.alias(kind, &id).or_else(|| id.external());
                Ok(external.map(|external| (kind, external)))
            }
            Target::Entry(url) => match self.urls.get(url.as_str()) {
                Some(found) => Ok(Some(found.clone())),
                None => Err(reference.refused(
                    Code::ReferenceUnknown,
                    "is no entry of the Bundle that could be read",
                )),
            },
            Target::Contained(id) => self.contained(&id, reference, resource),
            Target::Other | Target::Nothing => Ok(None),
        }
    }

    fn contained(
        &self,
        id: &str,
        reference: &Element,
        resource: &Element,
    ) -> Result<Option<Resource>, Refusal> {
        for contained in resource.complexes("contained")? {
            if contained.text_of("id")? != Some(id) {
                continue;
            }
            let Some(Ok(kind)) = contained.text_of("resourceType")?.map(str::parse) else {
                return Ok(None);
            };
            return match self.options.chosen(&identifiers(&contained)?) {
                Some(external) => Ok(Some((kind, external))),
                None => Err(contained.lacks("identifier")),
            };
        }
        Err(reference.refused(Code::ReferenceUnknown, "is not contained in the resource"))
    }
}
