//! A line as it is drawn from a resource: what it says, and from which element each field comes.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::code::Refusal;
use crate::external::{ExternalId, Stamp};
use crate::fhir::datatype::Placed;
use crate::ingest::{Line, RecordType};

/// Which state of a resource this is.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    pub(super) version: Option<u64>,
    pub(super) occurred_at: Timestamp,
    /// Whether the source says so itself.
    pub(super) is_told: bool,
}

impl State {
    /// The stamp that a line has as of this state: to the millisecond.
    pub(super) fn stamp(self) -> Stamp {
        let at = Timestamp::from_millisecond(self.occurred_at.as_millisecond());
        Stamp {
            version: self.version,
            occurred_at: at.unwrap_or(self.occurred_at),
        }
    }
}

/// Elements by the pointers of the fields that come from them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Places(Vec<(String, String)>);

impl Places {
    fn note(&mut self, pointer: String, path: impl Into<String>) {
        self.0.push((pointer, path.into()));
    }

    /// The element that the field at `pointer` of a line comes from: that of the nearest field around it.
    fn of(&self, pointer: &str) -> &str {
        let around = |field: &str| {
            pointer
                .strip_prefix(field)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let fields = self.0.iter().filter(|(field, _)| around(field));
        fields
            .max_by_key(|(field, _)| field.len())
            .map_or("", |(_, path)| path)
    }

    /// The refusal with the elements in place of the fields.
    fn told(&self, mut refusal: Refusal) -> Refusal {
        for error in &mut refusal.errors {
            error.pointer = self.of(&error.pointer).to_owned();
        }
        refusal
    }
}

/// What a line says, while it is drawn.
pub(super) struct Draft {
    of: RecordType,
    external: ExternalId,
    data: Map<String, Value>,
    places: Places,
}

impl Draft {
    /// A line that says nothing yet of the record `external`; what is said without an element is said of `root`.
    pub(super) fn new(of: RecordType, external: ExternalId, root: &str) -> Self {
        let mut places = Places::default();
        places.note(String::new(), root);
        places.note("/external".to_owned(), format!("{root}.identifier"));
        places.note("/occurred_at".to_owned(), format!("{root}.meta.lastUpdated"));
        Self {
            of,
            external,
            data: Map::new(),
            places,
        }
    }

    /// Says `value` of `field`, as the element at `path` does.
    pub(super) fn say(&mut self, field: &str, value: impl Into<Value>, path: &str) {
        self.places.note(format!("/data/{field}"), path);
        self.data.insert(field.to_owned(), value.into());
    }

    /// The same, if there is something to say.
    pub(super) fn say_text(&mut self, field: &str, placed: Option<Placed>) {
        if let Some((text, path)) = placed {
            self.say(field, text, &path);
        }
    }

    /// Says `texts` of `field`, one after the other.
    pub(super) fn say_texts(&mut self, field: &str, texts: Vec<Placed>) {
        for (at, (_, path)) in texts.iter().enumerate() {
            self.places.note(format!("/data/{field}/{at}"), path.as_str());
        }
        let texts: Vec<Value> = texts.into_iter().map(|(text, _)| text.into()).collect();
        if !texts.is_empty() {
            self.data.insert(field.to_owned(), texts.into());
        }
    }

    /// The field at `pointer` inside what is said comes from the element at `path`.
    pub(super) fn place(&mut self, pointer: &str, path: &str) {
        self.places.note(format!("/data/{pointer}"), path);
    }

    /// Says of `field` which record it is.
    pub(super) fn name(&mut self, field: &str, external: &ExternalId, path: &str) {
        self.say(field, named(external), path);
    }

    /// The line.
    ///
    /// # Errors
    /// What a line refuses, with the elements it comes from.
    pub(super) fn line(self, state: State, now: Timestamp) -> Result<TypedLine, Refusal> {
        let mut value = json!({
            "external": named(&self.external),
            "op": "upsert",
            "occurred_at": state.occurred_at.to_string(),
            "data": self.data,
        });
        if let Some(version) = state.version {
            value["version"] = version.into();
        }
        let line = Line::read(value, now).map_err(|refusal| self.places.told(refusal))?;
        Ok(TypedLine {
            of: self.of,
            line: Line {
                is_dated: state.is_told,
                ..line
            },
            places: self.places,
        })
    }
}

/// A record as lines name it.
pub(super) fn named(external: &ExternalId) -> Value {
    json!({ "system": external.system.as_str(), "value": external.value.as_str() })
}

/// A line of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedLine {
    /// The type.
    pub of: RecordType,
    /// The line.
    pub line: Line,
    places: Places,
}

impl TypedLine {
    /// A line that deletes the record `external`.
    pub(super) fn deletion(
        of: RecordType,
        external: &ExternalId,
        state: State,
        root: &str,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let mut places = Places::default();
        places.note(String::new(), root);
        let value = json!({
            "external": named(external),
            "op": "delete",
            "occurred_at": state.occurred_at.to_string(),
        });
        let line = Line::read(value, now).map_err(|refusal| places.told(refusal))?;
        Ok(Self {
            of,
            line: Line {
                is_dated: state.is_told,
                ..line
            },
            places,
        })
    }

    /// A refusal of this line, with the elements of the resource in place of the line's fields.
    #[must_use]
    pub fn refused(&self, refusal: Refusal) -> Refusal {
        self.places.told(refusal)
    }
}
