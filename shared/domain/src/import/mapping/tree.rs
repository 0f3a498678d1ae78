//! A line as a tree whose leaves are cells and constants.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{CellType, cell, invalid};
use crate::code::Refusal;

/// The most levels of a line.
const DEEPEST: usize = 8;
/// The most elements of a list.
const LONGEST_LIST: usize = 50;
/// The longest pointer.
const LONGEST: usize = 200;

/// What stands at the end of a pointer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Leaf {
    /// A cell of the column with this number.
    Cell { column: usize, cells: CellType },
    /// The same in all lines.
    Constant(Value),
}

/// A part of a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Leaf(Leaf),
    Object(BTreeMap<String, Node>),
    List(Vec<Node>),
}

impl Default for Node {
    fn default() -> Self {
        Self::Object(BTreeMap::new())
    }
}

/// The parts of a JSON pointer (RFC 6901).
///
/// # Errors
/// Where it is none, points at the whole, or is too long or too deep.
pub(super) fn segments(pointer: &str) -> Result<Vec<String>, Refusal> {
    let rest = pointer
        .strip_prefix('/')
        .ok_or_else(|| invalid("expected a JSON pointer"))?;
    let segments: Vec<String> = rest
        .split('/')
        .map(|segment| segment.replace("~1", "/").replace("~0", "~"))
        .collect();
    let is_empty = segments.iter().any(String::is_empty);
    if is_empty || pointer.len() > LONGEST || segments.len() > DEEPEST {
        return Err(invalid("expected a JSON pointer to a place in a line"));
    }
    Ok(segments)
}

/// The place in a list that a segment names.
fn place(segment: &str) -> Option<usize> {
    let place: usize = segment.parse().ok()?;
    (place.to_string() == segment).then_some(place)
}

/// What a part of a line comes to for a row.
pub(super) struct Filled {
    /// What it says; nothing if it is left out.
    pub(super) value: Option<Value>,
    /// Whether a cell can be in it, and whether one says something.
    cells: Option<bool>,
}

impl Filled {
    /// A part that is made of these: left out if there are cells in it and none says anything.
    fn of(parts: &[Option<bool>], value: impl FnOnce() -> Value) -> Self {
        let cells = parts.iter().flatten().copied().reduce(|one, other| one || other);
        Self {
            value: (cells != Some(false)).then(value),
            cells,
        }
    }
}

impl Node {
    /// Puts a leaf at a place.
    ///
    /// # Errors
    /// Where something is there already, above it, or below.
    pub(super) fn insert(&mut self, place: &[String], leaf: Leaf) -> Result<(), Refusal> {
        let taken = || invalid("something else goes there already");
        let (Self::Object(fields), Some((first, rest))) = (self, place.split_first()) else {
            return Err(taken());
        };
        if rest.is_empty() {
            return match fields.insert(first.clone(), Self::Leaf(leaf)) {
                None => Ok(()),
                Some(_) => Err(taken()),
            };
        }
        fields.entry(first.clone()).or_default().insert(rest, leaf)
    }

    /// The same, with lists where names are numbers.
    ///
    /// # Errors
    /// Where the numbers are not those from 0 on.
    pub(super) fn with_lists(self) -> Result<Self, Refusal> {
        let Self::Object(fields) = self else {
            return Ok(self);
        };
        let places: Vec<usize> = fields.keys().filter_map(|name| place(name)).collect();
        if places.is_empty() {
            let inner = fields
                .into_iter()
                .map(|(name, node)| Ok((name, node.with_lists()?)));
            return Ok(Self::Object(inner.collect::<Result<_, Refusal>>()?));
        }
        let length = fields.len();
        if length > LONGEST_LIST || places.len() != length || !places.iter().all(|place| *place < length) {
            return Err(invalid(
                "the elements of a list are numbered from 0, without gaps",
            ));
        }
        let mut elements: Vec<(usize, Self)> = Vec::with_capacity(length);
        for (name, node) in fields {
            elements.push((place(&name).unwrap_or_default(), node.with_lists()?));
        }
        elements.sort_by_key(|(place, _)| *place);
        Ok(Self::List(elements.into_iter().map(|(_, node)| node).collect()))
    }

    /// One of its fields.
    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.get(name),
            Self::Leaf(_) | Self::List(_) => None,
        }
    }

    /// Whether something goes to this place.
    pub(super) fn has(&self, pointer: &str) -> bool {
        let mut names = pointer.split('/').skip(1);
        names.try_fold(self, Self::field).is_some()
    }

    /// What it says for a row whose mapped columns have these cells. It is at `pointer` of the line.
    ///
    /// # Errors
    /// With the place of a cell that is not of its type.
    pub(super) fn fill(&self, row: &[&str], pointer: &str) -> Result<Filled, Refusal> {
        match self {
            Self::Leaf(Leaf::Constant(value)) => Ok(Filled {
                value: Some(value.clone()),
                cells: None,
            }),
            Self::Leaf(Leaf::Cell { column, cells }) => {
                let value = cell(row[*column], *cells).map_err(|refusal| refusal.at(pointer))?;
                Ok(Filled {
                    cells: Some(value.is_some()),
                    value,
                })
            }
            Self::Object(fields) => {
                let mut object = Map::new();
                let mut cells = Vec::with_capacity(fields.len());
                for (name, node) in fields {
                    let inner = node.fill(row, &format!("{pointer}/{}", super::escaped(name)))?;
                    cells.push(inner.cells);
                    if let Some(value) = inner.value {
                        object.insert(name.clone(), value);
                    }
                }
                Ok(Filled::of(&cells, || object.into()))
            }
            Self::List(nodes) => {
                let mut list = Vec::new();
                let mut cells = Vec::with_capacity(nodes.len());
                for node in nodes {
                    let inner = node.fill(row, &format!("{pointer}/{}", list.len()))?;
                    cells.push(inner.cells);
                    list.extend(inner.value);
                }
                Ok(Filled::of(&cells, || list.into()))
            }
        }
    }

    /// Whether a cell can be in it, and whether one says something, by which columns do.
    fn says(&self, told: &[bool]) -> Option<bool> {
        let any = |nodes: &mut dyn Iterator<Item = &Self>| {
            nodes
                .filter_map(|node| node.says(told))
                .reduce(|one, other| one || other)
        };
        match self {
            Self::Leaf(Leaf::Constant(_)) => None,
            Self::Leaf(Leaf::Cell { column, .. }) => Some(told.get(*column).copied().unwrap_or(false)),
            Self::Object(fields) => any(&mut fields.values()),
            Self::List(nodes) => any(&mut nodes.iter()),
        }
    }

    /// The column that goes to a place of a line, or else one that goes below it, in a row in which those that `told` says
    /// something.
    pub(super) fn column(&self, place: &[String], told: &[bool]) -> Option<usize> {
        match (self, place.split_first()) {
            (Self::Leaf(Leaf::Constant(_)), _) => None,
            (Self::Leaf(Leaf::Cell { column, .. }), _) => Some(*column),
            (Self::Object(fields), Some((first, rest))) => fields.get(first)?.column(rest, told),
            (Self::List(nodes), Some((first, rest))) => {
                let mut there = nodes.iter().filter(|node| node.says(told) != Some(false));
                there.nth(self::place(first)?)?.column(rest, told)
            }
            (Self::Object(fields), None) => {
                // The name of something tells more of it than its naming system.
                let first = fields.get("value").and_then(|node| node.column(place, told));
                first.or_else(|| fields.values().find_map(|node| node.column(place, told)))
            }
            (Self::List(nodes), None) => nodes.iter().find_map(|node| node.column(place, told)),
        }
    }
}
