//! The resources of a request, and the lines that say the same.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::code::{At, Code, Refusal};
use crate::external::{ExternalId, SourceName};
use crate::fhir::datatype::{identifiers, instant, searched};
use crate::fhir::draft::{State, TypedLine};
use crate::fhir::element::Element;
use crate::fhir::issue::Issue;
use crate::fhir::names::{Alias, Context, Name, Names, Remembered, Resource};
use crate::fhir::{Kind, LogicalId, Options, appointment, patient, practitioner, role, unit};
use crate::ingest::{LARGEST_BATCH, MOST_LINES, Outcome, RecordType};
use crate::json::{self, BOUNDS, Bounds};

/// The most resources of a request.
pub const MOST_ENTRIES: usize = MOST_LINES;

/// The bounds of a Bundle, which is one document.
const BUNDLE: Bounds = Bounds {
    depth: BOUNDS.depth + 4,
    values: 250_000,
};

/// How resources are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One document: a Bundle, or one resource.
    Document,
    /// One resource a line; empty lines are passed over.
    Lines,
}

/// What an entry wants of a resource.
enum Wish {
    /// To be so.
    Put(Value),
    /// To be no more.
    Delete,
}

/// An entry of a request.
struct Entry {
    kind: Kind,
    /// What other entries of the Bundle call it.
    url: Option<String>,
    id: Option<LogicalId>,
    /// The natural key that the request names.
    asked: Option<ExternalId>,
    wish: Wish,
}

/// The resources of a request, each good or refused for itself.
pub struct Batch {
    entries: Vec<Result<Entry, Refusal>>,
    /// As of when they are, unless they say themselves.
    told_at: Option<Timestamp>,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch({} entries)", self.entries.len())
    }
}

/// What an entry comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The type of the resource.
    pub kind: Kind,
    /// The natural key of what it is about.
    pub external: ExternalId,
    /// The id that the resource has where it comes from.
    pub id: Option<LogicalId>,
    /// Which version it is there.
    pub version: Option<u64>,
    /// The lines that say the same, that of the record first.
    pub lines: Vec<TypedLine>,
    /// What became of it, where that is decided already: there is no record of it.
    pub outcome: Option<Outcome>,
    /// What is good to know.
    pub notes: Vec<Issue>,
}

/// What the entries of a batch come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    /// Entry by entry. Places are FHIRPath.
    pub entries: Vec<Result<Told, Refusal>>,
    /// What has to be looked up first: the rest is good when this is empty.
    pub wanted: BTreeSet<Name>,
    /// What is to be remembered of resources, in its next revision.
    pub remembered: Vec<Remembered>,
    /// The ids that are to stand for records.
    pub aliases: Vec<Alias>,
}

impl Batch {
    /// The resources in `body`.
    ///
    /// # Errors
    /// [`Code::BodyTooLarge`]; [`Code::MalformedBody`] when it is not JSON, or without a resource; [`Code::ResourceUnsupported`]
    /// for a Bundle that is no batch; [`Code::FieldsInvalid`] for one whose entries are none.
    pub fn read(body: &[u8], form: Form) -> Result<Self, Refusal> {
        if body.len() > LARGEST_BATCH {
            return Err(Code::BodyTooLarge.into());
        }
        let batch = match form {
            Form::Document => match json::document(body, BUNDLE)? {
                bundle if bundle.get("resourceType") == Some(&"Bundle".into()) => bundled(&bundle)?,
                resource => Self {
                    entries: vec![alone(resource)],
                    told_at: None,
                },
            },
            Form::Lines => {
                let lines = body.split(|byte| *byte == b'\n');
                let written = lines.filter(|line| !line.trim_ascii().is_empty());
                let entries = written.map(|line| json::document(line, BOUNDS).and_then(alone));
                Self {
                    entries: entries.take(MOST_ENTRIES + 1).collect(),
                    told_at: None,
                }
            }
        };
        if batch.entries.len() > MOST_ENTRIES {
            return Err(Code::BodyTooLarge.into());
        }
        if batch.entries.is_empty() {
            return Err(Refusal::new(Code::MalformedBody, "there is no resource"));
        }
        Ok(batch)
    }

    /// How many resources there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none: never so, once it was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The lines that say what the resources do, which came from `source` at `now`. Ask again with what is wanted until nothing
    /// is.
    #[must_use]
    pub fn translated(
        &self,
        source: &SourceName,
        options: &Options,
        names: &Names,
        now: Timestamp,
    ) -> Translation {
        let mut context = Context::new(source, options, names);
        let mut told = BTreeMap::new();
        let mut called = Vec::new();
        for (row, entry) in self.entries.iter().enumerate() {
            let resource = entry.as_ref().map_err(Clone::clone).and_then(|entry| {
                let resource = entry.key(&mut context)?;
                context.enter(&resource, entry.url.as_deref(), entry.id.as_ref());
                Ok((entry, resource))
            });
            match resource {
                Ok((entry, resource)) => called.push((row, entry, resource)),
                Err(refusal) => drop(told.insert(row, Err(refusal))),
            }
        }
        // Those that others name come first, and what all of them belong to before that.
        called.sort_by_key(|(row, entry, _)| (entry.kind, *row));
        for (_, entry, resource) in &called {
            // What cannot be read is refused when its turn comes.
            if let Ok(Some((within, state))) = entry.within(resource, self.told_at, &mut context, now) {
                context.put_within(resource, within, state.stamp());
            }
        }
        for (row, entry, resource) in called {
            told.insert(row, entry.told(&resource, self.told_at, &mut context, now));
        }
        Translation {
            entries: told.into_values().collect(),
            wanted: context.wanted,
            remembered: context.remembered.into_values().collect(),
            aliases: context.aliases,
        }
    }
}

/// The entries of a Bundle, and as of when it is.
fn bundled(bundle: &Value) -> Result<Batch, Refusal> {
    let root = Element::new(bundle, "Bundle");
    root.unread_rules()?;
    match root.text_of("type")? {
        Some("batch") => {}
        Some(_) => {
            return Err(
                Refusal::new(Code::ResourceUnsupported, "only a Bundle of type batch is read")
                    .at("Bundle.type"),
            );
        }
        None => return Err(root.lacks("type")),
    }
    let told_at = instant(&root, "timestamp")?;
    let entries = root.complexes("entry")?;
    Ok(Batch {
        entries: entries.iter().take(MOST_ENTRIES + 1).map(entry).collect(),
        told_at,
    })
}

/// A resource without a Bundle around it.
fn alone(resource: Value) -> Result<Entry, Refusal> {
    let root = Element::new(&resource, "");
    if !resource.is_object() {
        return Err(Refusal::new(Code::FieldsInvalid, "expected a resource"));
    }
    let kind = kind_of(&root)?;
    let id = Element::new(&resource, kind.as_str()).read("id")?;
    Ok(Entry {
        kind,
        url: None,
        id,
        asked: None,
        wish: Wish::Put(resource),
    })
}

fn kind_of(resource: &Element) -> Result<Kind, Refusal> {
    match resource.text_of("resourceType")? {
        Some(kind) => kind.parse().at("resourceType"),
        None => Err(Refusal::from(Code::ElementMissing).at("resourceType")),
    }
}

fn entry(element: &Element) -> Result<Entry, Refusal> {
    let request = element
        .complex("request")?
        .ok_or_else(|| element.lacks("request"))?;
    let unsupported = |name: &str, detail: &'static str| {
        Refusal::new(Code::InteractionUnsupported, detail).at(format!("{}.{name}", request.path()))
    };
    for name in ["ifNoneExist", "ifMatch", "ifNoneMatch", "ifModifiedSince"] {
        if request.get(name).is_some() {
            return Err(unsupported(
                name,
                "a condition is not read: the newest state of a resource stays",
            ));
        }
    }
    let method = request
        .text_of("method")?
        .ok_or_else(|| request.lacks("method"))?;
    let url = request.text_of("url")?.ok_or_else(|| request.lacks("url"))?;
    let invalid = |detail: &'static str| {
        Refusal::new(Code::FieldsInvalid, detail).at(format!("{}.url", request.path()))
    };
    let (path, query) = url
        .split_once('?')
        .map_or((url, None), |(path, query)| (path, Some(query)));
    let mut parts = path.trim_matches('/').split('/');
    let kind: Kind = parts
        .next()
        .unwrap_or_default()
        .parse()
        .at(&format!("{}.url", request.path()))?;
    let id: Option<LogicalId> = match parts.next() {
        Some(id) => Some(id.parse().at(&format!("{}.url", request.path()))?),
        None => None,
    };
    let asked = match query {
        Some(query) => {
            let found = searched(query).filter(|_| id.is_none());
            Some(found.ok_or_else(|| invalid("only a search of the form ?identifier=system|value is read"))?)
        }
        None => None,
    };
    if parts.next().is_some() {
        return Err(invalid("must be a type, or a type and an id"));
    }
    let wish = match method {
        "POST" if id.is_none() && asked.is_none() => Wish::Put(resource(element, kind)?),
        "PUT" if id.is_some() || asked.is_some() => Wish::Put(resource(element, kind)?),
        "DELETE" if id.is_some() || asked.is_some() => Wish::Delete,
        "POST" | "PUT" | "DELETE" => return Err(invalid("is not one of this method")),
        _ => return Err(unsupported("method", "only POST, PUT and DELETE are read")),
    };
    let own = match &wish {
        Wish::Put(resource) => Element::new(resource, kind.as_str()).read("id")?,
        Wish::Delete => None,
    };
    if method == "PUT" && id.is_some() && own != id {
        return Err(invalid("must be that of the resource"));
    }
    Ok(Entry {
        kind,
        url: element.text_of("fullUrl")?.map(str::to_owned),
        id: id.or(own),
        asked,
        wish,
    })
}

/// The resource of an entry, which is of this type.
fn resource(entry: &Element, kind: Kind) -> Result<Value, Refusal> {
    let resource = entry
        .complex("resource")?
        .ok_or_else(|| entry.lacks("resource"))?;
    if kind_of(&resource)? != kind {
        return Err(resource.refused(Code::FieldsInvalid, "is of another type than the request"));
    }
    Ok(resource.value().clone())
}

impl Entry {
    fn refused(&self, code: Code, detail: &'static str, name: &str) -> Refusal {
        Refusal::new(code, detail).at(format!("{}.{name}", self.kind.as_str()))
    }

    /// What it is called: as it was called before, or else by its identifiers, or else by its id.
    fn key(&self, context: &mut Context) -> Result<Resource, Refusal> {
        let called = self.id.as_ref().and_then(|id| context.alias(self.kind, id));
        if let (Some(called), Some(asked)) = (&called, &self.asked)
            && called != asked
        {
            return Err(self.refused(
                Code::ResourceDuplicate,
                "the resource with this id has another identifier",
                "id",
            ));
        }
        let chosen = match (&self.wish, called.is_some()) {
            (Wish::Put(resource), false) => context
                .options
                .chosen(&identifiers(&Element::new(resource, self.kind.as_str()))?),
            _ => None,
        };
        let own = self.id.as_ref().and_then(LogicalId::external);
        let key = called.or_else(|| self.asked.clone()).or(chosen).or(own);
        let key = key.ok_or_else(|| {
            self.refused(
                Code::ElementMissing,
                "a resource has an id, or an identifier with a system and a value",
                "identifier",
            )
        })?;
        Ok((self.kind, key))
    }

    /// What it belongs to, as of which state, if it is of a type that belongs to something.
    fn within(
        &self,
        resource: &Resource,
        told_at: Option<Timestamp>,
        context: &mut Context,
        now: Timestamp,
    ) -> Result<Option<(Option<Resource>, State)>, Refusal> {
        let Wish::Put(value) = &self.wish else {
            return Ok(None);
        };
        let element = Element::new(value, self.kind.as_str());
        let within = match self.kind {
            Kind::Organization | Kind::Location => unit::within(resource, &element, context)?,
            Kind::PractitionerRole => Some(role::practitioner(&element, context)?),
            _ => return Ok(None),
        };
        Ok(Some((within, State::of(&element, told_at, now)?)))
    }

    /// That it says nothing yet.
    fn nothing(&self, resource: &Resource, state: State) -> Told {
        Told {
            kind: self.kind,
            external: resource.1.clone(),
            id: self.id.clone(),
            version: state.version,
            lines: Vec::new(),
            outcome: None,
            notes: Vec::new(),
        }
    }

    /// What it comes to.
    fn told(
        &self,
        resource: &Resource,
        told_at: Option<Timestamp>,
        context: &mut Context,
        now: Timestamp,
    ) -> Result<Told, Refusal> {
        let mut kept = context.recalled(resource);
        let is_anothers = |id: &LogicalId| kept.id.as_ref().is_some_and(|feeding| feeding != id);
        if self.id.as_ref().is_some_and(is_anothers) {
            return Err(self.refused(
                Code::ResourceDuplicate,
                "another resource has this identifier",
                "identifier",
            ));
        }
        let told = match &self.wish {
            Wish::Put(value) => {
                let element = Element::new(value, self.kind.as_str());
                element.unread_rules()?;
                element.unmodified()?;
                let state = State::of(&element, told_at, now)?;
                let told = self.put(resource, &element, state, &mut kept, context, now)?;
                kept.id = self.id.clone().or(kept.id);
                told
            }
            Wish::Delete => {
                let state = State::received(told_at, now);
                let told = self.deleted(resource, state, &mut kept, now)?;
                kept.id = None;
                told
            }
        };
        context.remember(kept);
        if let (Some(id), Wish::Put(_)) = (&self.id, &self.wish) {
            context.call(resource, id);
        }
        Ok(told)
    }

    fn put(
        &self,
        resource: &Resource,
        element: &Element,
        state: State,
        kept: &mut Remembered,
        context: &mut Context,
        now: Timestamp,
    ) -> Result<Told, Refusal> {
        let mut told = self.nothing(resource, state);
        let notes = &mut told.notes;
        match self.kind {
            Kind::Organization | Kind::Location => {
                let within = unit::within(resource, element, context)?;
                told.outcome = Some(unit::settled(kept, element, within, state, context)?);
            }
            Kind::Patient => {
                told.lines =
                    patient::lines(resource, element, state, &mut kept.sponsors, notes, context, now)?;
            }
            Kind::Practitioner => told
                .lines
                .push(practitioner::line(resource, element, state, now)?),
            Kind::PractitionerRole => {
                let whose = role::practitioner(element, context)?;
                if kept.within.as_ref().is_some_and(|within| *within != whose) {
                    return Err(self.refused(
                        Code::FieldFixed,
                        "a role stays that of its practitioner",
                        "practitioner",
                    ));
                }
                told.lines
                    .push(role::line(resource, element, &whose, state, context, now)?);
                kept.within = Some(whose);
            }
            Kind::Appointment => {
                let line = appointment::line(resource, element, state, notes, context, now)?;
                told.lines.push(line);
            }
        }
        Ok(told)
    }

    fn deleted(
        &self,
        resource: &Resource,
        state: State,
        kept: &mut Remembered,
        now: Timestamp,
    ) -> Result<Told, Refusal> {
        let mut told = self.nothing(resource, state);
        let root = self.kind.as_str();
        let deletion = |of| TypedLine::deletion(of, &resource.1, state, root, now);
        match self.kind {
            Kind::Organization | Kind::Location => told.outcome = Some(unit::deleted(kept, state)?),
            Kind::Patient => told.lines = patient::deletions(resource, state, &kept.sponsors, now)?,
            Kind::Practitioner => told.lines.push(deletion(RecordType::Specialists)?),
            Kind::PractitionerRole => told.lines.push(deletion(RecordType::Assignments)?),
            Kind::Appointment => told.lines.push(deletion(RecordType::Bookings)?),
        }
        Ok(told)
    }
}

impl State {
    /// The state that `resource` says it is, or else the one of when it was told.
    fn of(resource: &Element, told_at: Option<Timestamp>, now: Timestamp) -> Result<Self, Refusal> {
        let Some(meta) = resource.complex("meta")? else {
            return Ok(Self::received(told_at, now));
        };
        let version = meta
            .text_of("versionId")?
            .and_then(|version| version.parse().ok());
        let updated = instant(&meta, "lastUpdated")?;
        Ok(Self {
            version,
            occurred_at: updated.or(told_at).unwrap_or(now),
            is_told: updated.or(told_at).is_some() || version.is_some(),
        })
    }

    fn received(told_at: Option<Timestamp>, now: Timestamp) -> Self {
        Self {
            version: None,
            occurred_at: told_at.unwrap_or(now),
            is_told: told_at.is_some(),
        }
    }
}
