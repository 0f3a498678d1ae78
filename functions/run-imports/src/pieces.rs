//! The rows of a file in the bucket, in pieces that are taken together. No more of the file is held than one range of it and one
//! piece, and a row that did not fit into that.

use bytes::Bytes;
use jiff::Timestamp;
use portal_app::{Clock, Failed};
use portal_documents::{Documents, Key};
use portal_domain::code::{Code, Refusal};
use portal_domain::import::{Import, ImportFormat};
use portal_domain::ingest::{LARGEST_BATCH, Line, MOST_LINES};

use crate::cut::{Cut, Cutter, Lines, Position, Row, Table, sheet};

/// How much of the file is read at once. Ranges are read to their end before their rows are taken, so that no connection waits
/// for the table.
const RANGE: u64 = 2 * 1024 * 1024;

/// The bytes of the file, range by range.
struct Source<'a> {
    documents: &'a Documents,
    key: Key,
    length: u64,
    /// How many bytes are before those that are read next.
    offset: u64,
    /// What was read and not cut yet.
    range: Bytes,
}

impl Source<'_> {
    /// Reads the next range; `false` at the end of the file.
    async fn read(&mut self) -> Result<bool, Failed> {
        if self.offset >= self.length {
            return Ok(false);
        }
        let most = RANGE.min(self.length - self.offset);
        let range = self.documents.piece(&self.key, self.offset, most).await?;
        let range = range.filter(|range| !range.is_empty());
        self.range = range.ok_or(Code::ImportFileGone)?;
        self.offset += self.range.len() as u64;
        Ok(true)
    }
}

/// Rows that are taken together.
#[derive(Default)]
pub(crate) struct Piece {
    /// The rows.
    pub(crate) rows: Vec<Row>,
    /// What each of them says.
    pub(crate) lines: Vec<Result<Line, Refusal>>,
    size: usize,
}

impl Piece {
    /// Whether a row can be one of these.
    fn has_room_for(&self, row: &Row) -> bool {
        self.rows.is_empty() || (self.rows.len() < MOST_LINES && self.size + row.size <= LARGEST_BATCH)
    }

    fn add(&mut self, row: Row, line: Result<Line, Refusal>) {
        self.size += row.size;
        self.rows.push(row);
        self.lines.push(line);
    }

    /// Where it ends.
    pub(crate) fn end(&self) -> Option<Position> {
        self.rows.last().map(|row| row.end)
    }
}

/// What is left of the file.
pub(crate) struct Pieces<'a> {
    source: Source<'a>,
    clock: &'a Clock,
    cutter: Cutter,
    /// A row that did not fit into the piece before.
    left: Option<(Row, Result<Line, Refusal>)>,
}

impl<'a> Pieces<'a> {
    /// The rows that an import has still to take. Pieces are cut alike wherever one goes on: at the end of a piece.
    ///
    /// # Errors
    /// [`Code::ImportHeaderInvalid`]; [`Code::ImportFileGone`]; when the bucket cannot be read.
    pub(crate) async fn of(
        import: &Import,
        documents: &'a Documents,
        clock: &'a Clock,
    ) -> Result<Self, Failed> {
        let at = Position {
            offset: import.progress.offset,
            line: import.progress.line,
        };
        let mut source = Source {
            documents,
            key: Key::upload(&import.source, import.id),
            length: import.request.length,
            offset: 0,
            range: Bytes::new(),
        };
        let cutter = match (import.request.format, &import.request.mapping) {
            (ImportFormat::Ndjson, _) | (_, None) => {
                source.offset = at.offset;
                Cutter::Lines(Lines::from(at))
            }
            (ImportFormat::Csv, Some(mapping)) => {
                let mut table = Table::from(Position::default());
                let header = header(&mut table, &mut source).await?;
                let sheet = sheet(mapping, header)?;
                if at.offset > 0 {
                    source.offset = at.offset;
                    source.range = Bytes::new();
                    table = Table::from(at);
                }
                Cutter::Table(Box::new(table), sheet)
            }
        };
        Ok(Self {
            source,
            clock,
            cutter,
            left: None,
        })
    }

    /// How rows are cut.
    pub(crate) const fn cutter(&self) -> &Cutter {
        &self.cutter
    }

    /// The next rows to take; none at the end of the file.
    ///
    /// # Errors
    /// [`Code::ImportFileGone`]; when the bucket cannot be read.
    pub(crate) async fn next(&mut self) -> Result<Option<Piece>, Failed> {
        let now = self.clock.now();
        let mut piece = Piece::default();
        loop {
            let row = match self.left.take() {
                Some(row) => Some(row),
                None => self.row(now).await?,
            };
            match row {
                Some((row, line)) if piece.has_room_for(&row) => piece.add(row, line),
                Some(row) => {
                    self.left = Some(row);
                    return Ok(Some(piece));
                }
                None => return Ok(Some(piece).filter(|piece| !piece.rows.is_empty())),
            }
        }
    }

    async fn row(&mut self, now: Timestamp) -> Result<Option<(Row, Result<Line, Refusal>)>, Failed> {
        loop {
            if let Some(cut) = self.cutter.cut(&mut self.source.range) {
                return Ok(Some(self.cutter.read(cut, now)));
            }
            if !self.source.read().await? {
                let last = self.cutter.finish();
                return Ok(last.map(|cut| self.cutter.read(cut, now)));
            }
        }
    }
}

/// The first row of a table; none if it has none.
async fn header(table: &mut Table, source: &mut Source<'_>) -> Result<Option<Cut>, Failed> {
    loop {
        if let Some(cut) = table.cut(&mut source.range) {
            return Ok(Some(cut));
        }
        if !source.read().await? {
            return Ok(table.finish());
        }
    }
}
