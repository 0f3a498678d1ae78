//! Cuts bytes into rows, whatever pieces they come in: what lies between two pieces is held back until its end comes.

mod lines;
mod table;

use bytes::Bytes;
use jiff::Timestamp;
use portal_domain::code::{Code, Refusal};
use portal_domain::external::ExternalId;
use portal_domain::import::{Mapping, Sheet};
use portal_domain::ingest::{LARGEST_BATCH, Line};
use portal_domain::json;

pub(crate) use self::lines::Lines;
pub(crate) use self::table::Table;

/// What files may begin with, and means nothing.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The largest row: a larger one fails, and is passed over without being held.
const LARGEST_ROW: usize = LARGEST_BATCH;

/// Where a cutter is in the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// How many bytes are before it.
    pub(crate) offset: u64,
    /// How many lines, as an editor counts them, end before it.
    pub(crate) line: u64,
}

/// What a row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// The bytes of one document.
    Document(Vec<u8>),
    /// The cells of a table.
    Cells(Vec<String>),
    /// It cannot be read.
    Refused(Refusal),
}

/// A row of a file, as it was cut out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The number of its first line in the file, from 1.
    pub(crate) number: u64,
    /// How many bytes of it are held, about.
    pub(crate) size: usize,
    /// Where it ends.
    pub(crate) end: Position,
    /// What it says.
    pub(crate) content: Content,
}

/// A row that was read.
pub(crate) struct Row {
    /// The number of its first line in the file, from 1.
    pub(crate) number: u64,
    /// How many bytes of it are held, about.
    pub(crate) size: usize,
    /// Where it ends.
    pub(crate) end: Position,
    /// What it is about, as far as that can be told.
    pub(crate) external: Option<ExternalId>,
    /// Of a table, which of the mapped columns say something.
    pub(crate) told: Vec<bool>,
}

/// How a file is cut and read.
pub(crate) enum Cutter {
    /// A document a line.
    Lines(Lines),
    /// A table, whose header is read.
    Table(Box<Table>, Sheet),
}

impl Cutter {
    /// The next row that ends in `piece`, whose bytes are taken off it.
    pub(crate) fn cut(&mut self, piece: &mut Bytes) -> Option<Cut> {
        match self {
            Self::Lines(lines) => lines.cut(piece),
            Self::Table(table, _) => table.cut(piece),
        }
    }

    /// The last row, if it has no end of its own.
    pub(crate) fn finish(&mut self) -> Option<Cut> {
        match self {
            Self::Lines(lines) => lines.finish(),
            Self::Table(table, _) => table.finish(),
        }
    }

    /// Reads a row at `now`, and what it says.
    pub(crate) fn read(&self, cut: Cut, now: Timestamp) -> (Row, Result<Line, Refusal>) {
        let (value, external, told) = match (cut.content, self) {
            (Content::Document(bytes), _) => {
                let value = json::document(&bytes, json::BOUNDS);
                let external = value.as_ref().ok().and_then(|line| line.get("external").cloned());
                (value, external, Vec::new())
            }
            (Content::Cells(cells), Self::Table(_, sheet)) => {
                let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
                (sheet.line(&cells), sheet.external(&cells), sheet.told(&cells))
            }
            (Content::Cells(_), Self::Lines(_)) => (Err(Code::Internal.into()), None, Vec::new()),
            (Content::Refused(refusal), _) => (Err(refusal), None, Vec::new()),
        };
        let external = external.and_then(|external| serde_json::from_value(external).ok());
        let row = Row {
            number: cut.number,
            size: cut.size,
            end: cut.end,
            external,
            told,
        };
        (row, value.and_then(|value| Line::read(value, now)))
    }

    /// The column that a place in a row came from.
    pub(crate) fn column(&self, pointer: &str, row: &Row) -> Option<&str> {
        match self {
            Self::Table(_, sheet) => sheet.column(pointer, &row.told),
            Self::Lines(_) => None,
        }
    }
}

/// The sheet of a table that begins with `header`.
///
/// # Errors
/// [`Code::ImportHeaderInvalid`].
pub(crate) fn sheet(mapping: &Mapping, header: Option<Cut>) -> Result<Sheet, Refusal> {
    match header.map(|cut| cut.content) {
        Some(Content::Cells(cells)) => {
            let names: Vec<&str> = cells.iter().map(|name| name.trim()).collect();
            Sheet::new(mapping, &names)
        }
        Some(Content::Document(_) | Content::Refused(_)) => Err(Refusal::new(
            Code::ImportHeaderInvalid,
            "the header cannot be read",
        )),
        None => Err(Refusal::new(Code::ImportHeaderInvalid, "there is no header")),
    }
}
