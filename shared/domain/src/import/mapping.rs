//! How the columns of a table become lines.

mod fields;
mod tree;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::tree::{Leaf, Node, segments};
use crate::booking::words;
use crate::code::{At, Code, Refusal};
use crate::ingest::RecordType;
use crate::json;

/// The most columns, and the most constants.
const MOST: usize = 100;
/// The longest name of a column.
const LONGEST_NAME: usize = 200;
/// The most bytes of all constants together.
const LARGEST_CONSTANTS: usize = 8 * 1024;

words! {
    /// What the text of a cell is in the line.
    CellType {
        /// Itself.
        Text = "text",
        /// A number, written as in JSON.
        Number = "number",
        /// `true` or `false`.
        Boolean = "boolean",
    }
}

/// Where a column goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Spelt")]
pub struct Target {
    /// JSON pointer into the line.
    pub pointer: String,
    /// What its cells are there.
    #[serde(rename = "type")]
    pub cells: CellType,
}

/// A target as it is sent: its pointer alone, where cells are text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Spelt {
    Short(String),
    Long(Long),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Long {
    pointer: String,
    #[serde(rename = "type")]
    cells: CellType,
}

impl From<Spelt> for Target {
    fn from(spelt: Spelt) -> Self {
        let (pointer, cells) = match spelt {
            Spelt::Short(pointer) => (pointer, CellType::Text),
            Spelt::Long(Long { pointer, cells }) => (pointer, cells),
        };
        Self { pointer, cells }
    }
}

/// How a table's columns become lines: each to its place, beside what all lines say alike. Columns that are not named here are
/// passed over.
///
/// An empty cell says nothing. An object or an element of a list none of whose columns says anything is left out, with what is
/// constant in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Where columns go, by their names in the header.
    #[serde(default)]
    pub columns: BTreeMap<String, Target>,
    /// What all lines say, by JSON pointers into them.
    #[serde(default)]
    pub constants: BTreeMap<String, Value>,
}

fn invalid(detail: &'static str) -> Refusal {
    Refusal::new(Code::FieldsInvalid, detail)
}

/// A name as one segment of a pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

impl Mapping {
    /// Refuses a mapping that can make no line about a record of this type.
    ///
    /// # Errors
    /// [`Code::FieldsInvalid`] with the place in the mapping.
    pub fn check(&self, of: RecordType) -> Result<(), Refusal> {
        if self.columns.len() > MOST {
            return Err(invalid("too many columns")).at("/columns");
        }
        let size: usize = self.constants.values().map(|value| value.to_string().len()).sum();
        if self.constants.len() > MOST || size > LARGEST_CONSTANTS {
            return Err(invalid("too many constants")).at("/constants");
        }
        for (name, target) in &self.columns {
            let is_name = (1..=LONGEST_NAME).contains(&name.len());
            let checked = if is_name {
                column_fits(of, target)
            } else {
                Err(invalid("a column has a name of 1 to 200 bytes"))
            };
            checked.at(&format!("/columns/{}", escaped(name)))?;
        }
        for (pointer, value) in &self.constants {
            constant_fits(of, pointer, value).at(&format!("/constants/{}", escaped(pointer)))?;
        }
        let root = self.tree()?;
        for (field, pointer) in [
            ("nothing goes to /external/system", "/external/system"),
            ("nothing goes to /op", "/op"),
            ("nothing goes to /occurred_at", "/occurred_at"),
        ] {
            if !root.has(pointer) {
                return Err(invalid(field)).at("/columns");
            }
        }
        let is_named = |target: &Target| target.pointer == "/external/value";
        if !self.columns.values().any(is_named) {
            return Err(invalid("no column goes to /external/value")).at("/columns");
        }
        Ok(())
    }

    /// The line as a tree, its leaves cells and constants.
    fn tree(&self) -> Result<Node, Refusal> {
        let mut root = Node::default();
        for (number, (name, target)) in self.columns.iter().enumerate() {
            let leaf = Leaf::Cell {
                column: number,
                cells: target.cells,
            };
            root.insert(&segments(&target.pointer)?, leaf)
                .at(&format!("/columns/{}", escaped(name)))?;
        }
        for (pointer, value) in &self.constants {
            root.insert(&segments(pointer)?, Leaf::Constant(value.clone()))
                .at(&format!("/constants/{}", escaped(pointer)))?;
        }
        root.with_lists().at("/columns")
    }
}

/// The places in a line, outside of `data`, where a cell can go.
fn envelope(segments: &[String]) -> Option<CellType> {
    let place: Vec<&str> = segments.iter().map(String::as_str).collect();
    match place[..] {
        ["version"] => Some(CellType::Number),
        ["op" | "occurred_at"] | ["external", "system" | "value"] => Some(CellType::Text),
        _ => None,
    }
}

/// Whether a place is one of a field of the record.
fn is_field(of: RecordType, segments: &[String]) -> bool {
    match segments {
        [data, field, ..] => data == "data" && fields::of(of).contains(&field.as_str()),
        _ => false,
    }
}

fn column_fits(of: RecordType, target: &Target) -> Result<(), Refusal> {
    let segments = segments(&target.pointer)?;
    match envelope(&segments) {
        Some(cells) if cells == target.cells => Ok(()),
        Some(CellType::Number) => Err(invalid("a version is a number")),
        Some(_) => Err(invalid("this is text")),
        None if is_field(of, &segments) => Ok(()),
        None => Err(invalid("a line has no such place")),
    }
}

fn constant_fits(of: RecordType, pointer: &str, value: &Value) -> Result<(), Refusal> {
    let segments = segments(pointer)?;
    let fits = match envelope(&segments) {
        Some(CellType::Number) => value.is_u64(),
        Some(_) if segments[0] == "op" => value == "upsert" || value == "delete",
        Some(_) => value.is_string(),
        None if is_field(of, &segments) => true,
        None => return Err(invalid("a line has no such place")),
    };
    if fits {
        Ok(())
    } else {
        Err(invalid("a line says no such thing there"))
    }
}

/// A mapping over the header of a table.
#[derive(Debug)]
pub struct Sheet {
    root: Node,
    /// The names of the mapped columns.
    names: Vec<String>,
    /// Where each of them is in a row.
    places: Vec<usize>,
    /// How many cells a row has.
    width: usize,
}

impl Sheet {
    /// The table that begins with `header`.
    ///
    /// # Errors
    /// [`Code::ImportHeaderInvalid`] where a column is missing, or there twice.
    pub fn new(mapping: &Mapping, header: &[&str]) -> Result<Self, Refusal> {
        let wrong = |what: &str, name: &str| {
            let detail = format!("the header has {what} column \"{name}\"");
            Refusal::new(Code::ImportHeaderInvalid, detail)
        };
        let mut places = Vec::with_capacity(mapping.columns.len());
        for name in mapping.columns.keys() {
            let mut found = header.iter().enumerate().filter(|(_, there)| **there == name);
            let (place, _) = found.next().ok_or_else(|| wrong("no", name))?;
            if found.next().is_some() {
                return Err(wrong("more than one", name));
            }
            places.push(place);
        }
        Ok(Self {
            root: mapping.tree()?,
            names: mapping.columns.keys().cloned().collect(),
            places,
            width: header.len(),
        })
    }

    /// The line that a row of cells is.
    ///
    /// # Errors
    /// [`Code::MalformedBody`] for a row of another width, [`Code::FieldsInvalid`] for a cell that is not of its type.
    pub fn line(&self, row: &[&str]) -> Result<Value, Refusal> {
        if row.len() != self.width {
            return Err(Refusal::new(
                Code::MalformedBody,
                "the row has more or fewer cells than the header",
            ));
        }
        let filled = self.root.fill(&self.cells(row), "")?;
        Ok(filled.value.unwrap_or_default())
    }

    /// What the line of a row would be about, also if nothing else in it is right.
    #[must_use]
    pub fn external(&self, row: &[&str]) -> Option<Value> {
        let external = self.root.field("external")?;
        external.fill(&self.cells(row), "/external").ok()?.value
    }

    /// The cells of the mapped columns, as far as the row has them.
    fn cells<'r>(&self, row: &[&'r str]) -> Vec<&'r str> {
        let cell = |place: &usize| row.get(*place).copied().unwrap_or_default();
        self.places.iter().map(cell).collect()
    }

    /// Which of the mapped columns say something in a row.
    #[must_use]
    pub fn told(&self, row: &[&str]) -> Vec<bool> {
        self.cells(row).iter().map(|cell| !cell.is_empty()).collect()
    }

    /// The column that the place `pointer` of a line came from, of a row in which those that `told` says something.
    #[must_use]
    pub fn column(&self, pointer: &str, told: &[bool]) -> Option<&str> {
        let place = segments(pointer).ok()?;
        let column = self.root.column(&place, told)?;
        self.names.get(column).map(String::as_str)
    }
}

/// What a cell is in the line; nothing if it is empty.
fn cell(text: &str, cells: CellType) -> Result<Option<Value>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    match cells {
        CellType::Text => Ok(Some(text.into())),
        CellType::Number => match json::document(text.as_bytes(), json::BOUNDS) {
            Ok(number) if number.is_number() => Ok(Some(number)),
            _ => Err(invalid("expected a number")),
        },
        CellType::Boolean => match text {
            "true" => Ok(Some(true.into())),
            "false" => Ok(Some(false.into())),
            _ => Err(invalid("expected true or false")),
        },
    }
}

#[cfg(test)]
mod tests;
