//! The rows of a table (RFC 4180). Cells in quotes may have ends of lines in them.

use bytes::{Buf as _, Bytes};
use csv_core::{ReadRecordResult, Reader};
use portal_domain::code::{Code, Refusal};

use super::{BYTE_ORDER_MARK, Content, Cut, LARGEST_ROW, Position};

/// The most cells of a row.
const MOST_CELLS: usize = 1_000;

/// Cuts at the ends of rows. Empty lines are passed over.
pub(crate) struct Table {
    reader: Reader,
    at: Position,
    /// The number of the line that the row began in; none between rows.
    began: Option<u64>,
    /// How many bytes the row has so far.
    size: usize,
    /// The text of its cells, one behind the other.
    text: Vec<u8>,
    written: usize,
    /// Where each of them ends in it.
    ends: Vec<usize>,
    cells: usize,
    /// Whether it is too large to be held.
    is_too_large: bool,
}

/// What reading on comes to.
enum Read {
    /// There is more to read.
    More,
    /// The piece is used up before the row ends.
    Nothing,
    /// The row.
    Row(Cut),
}

impl Table {
    /// From there on: the beginning of the file or the end of a row.
    pub(crate) fn from(at: Position) -> Self {
        let mut reader = Reader::new();
        // Only the beginning of a file has a mark to pass over: what the reader sees first is none.
        reader.read_record(b"\n", &mut [0], &mut [0]);
        Self {
            reader,
            at,
            began: None,
            size: 0,
            text: vec![0; 4_096],
            written: 0,
            ends: vec![0; MOST_CELLS],
            cells: 0,
            is_too_large: false,
        }
    }

    /// The next row that ends in `piece`.
    pub(crate) fn cut(&mut self, piece: &mut Bytes) -> Option<Cut> {
        if self.at.offset == 0 && piece.starts_with(BYTE_ORDER_MARK) {
            self.pass(piece, BYTE_ORDER_MARK.len());
        }
        loop {
            if self.began.is_none() {
                let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
                let empty = piece.iter().take_while(|byte| is_end(byte)).count();
                self.pass(piece, empty);
                self.began = Some(self.at.line + 1).filter(|_| !piece.is_empty());
            }
            // No bytes would mean the end of the file.
            if piece.is_empty() {
                return None;
            }
            match self.read(piece) {
                Read::Row(cut) => return Some(cut),
                Read::Nothing => return None,
                Read::More => {}
            }
        }
    }

    /// The row that the end of the file ends.
    pub(crate) fn finish(&mut self) -> Option<Cut> {
        self.began?;
        loop {
            match self.read(&mut Bytes::new()) {
                Read::Row(cut) => return Some(cut),
                Read::Nothing => return None,
                Read::More => {}
            }
        }
    }

    /// Takes bytes off a piece.
    fn pass(&mut self, piece: &mut Bytes, length: usize) {
        let lines = piece[..length].split(|byte| *byte == b'\n');
        self.at.line += lines.skip(1).count() as u64;
        self.at.offset += length as u64;
        piece.advance(length);
    }

    fn read(&mut self, piece: &mut Bytes) -> Read {
        let (text, ends) = (&mut self.text[self.written..], &mut self.ends[self.cells..]);
        let (result, taken, written, cells) = self.reader.read_record(piece, text, ends);
        self.pass(piece, taken);
        self.size += taken;
        self.written += written;
        self.cells += cells;
        match result {
            ReadRecordResult::InputEmpty => Read::Nothing,
            ReadRecordResult::OutputFull if self.text.len() < LARGEST_ROW => {
                let larger = (self.text.len() * 2).min(LARGEST_ROW);
                self.text.resize(larger, 0);
                Read::More
            }
            ReadRecordResult::OutputFull => {
                self.is_too_large = true;
                self.written = 0;
                Read::More
            }
            ReadRecordResult::OutputEndsFull => {
                self.is_too_large = true;
                self.cells = 0;
                Read::More
            }
            ReadRecordResult::Record => Read::Row(self.ended()),
            ReadRecordResult::End => {
                self.began = None;
                Read::Nothing
            }
        }
    }

    fn ended(&mut self) -> Cut {
        let number = self.began.take().unwrap_or(self.at.line);
        let size = std::mem::take(&mut self.size);
        let (written, cells) = (std::mem::take(&mut self.written), std::mem::take(&mut self.cells));
        let is_too_large = std::mem::take(&mut self.is_too_large) || size > LARGEST_ROW;
        let (size, content) = if is_too_large {
            (0, Content::Refused(Code::BodyTooLarge.into()))
        } else {
            (size, self.cells(written, cells))
        };
        Cut {
            number,
            size,
            end: self.at,
            content,
        }
    }

    fn cells(&self, written: usize, cells: usize) -> Content {
        let mut start = 0;
        let mut all = Vec::with_capacity(cells);
        for end in &self.ends[..cells] {
            let end = (*end).min(written);
            let Ok(cell) = std::str::from_utf8(&self.text[start..end]) else {
                return Content::Refused(Refusal::new(Code::MalformedBody, "the row is not UTF-8"));
            };
            all.push(cell.to_owned());
            start = end;
        }
        Content::Cells(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All rows of `text`, which comes in pieces of `length` bytes.
    fn all(text: &[u8], from: Position, length: usize) -> Vec<Cut> {
        let start = usize::try_from(from.offset).unwrap();
        let mut table = Table::from(from);
        let mut found = Vec::new();
        for piece in text[start..].chunks(length) {
            let mut piece = Bytes::copy_from_slice(piece);
            while let Some(cut) = table.cut(&mut piece) {
                found.push(cut);
            }
        }
        found.extend(table.finish());
        found
    }

    fn told(cuts: &[Cut]) -> Vec<(u64, Vec<&str>)> {
        let cells = |cut: &'_ Cut| match &cut.content {
            Content::Cells(cells) => cells.clone(),
            other => vec![format!("{other:?}")],
        };
        cuts.iter()
            .map(|cut| {
                (
                    cut.number,
                    cells(cut).into_iter().map(|cell| &*cell.leak()).collect(),
                )
            })
            .collect()
    }

    #[test]
    fn rows_are_the_same_in_whatever_pieces_they_come_and_wherever_one_goes_on() {
        for end in ["\n", "\r\n"] {
            let text = [
                "\u{feff}a,b",
                "1,\"two, \"\"2\"\"\"",
                "",
                "3,\"x\n\r\ny\"",
                "é,",
                "\u{feff}5,6",
                "last,\"one\"",
            ]
            .join(end);
            for text in [text.clone(), format!("{text}{end}"), format!("{text}{end}{end}")] {
                let text = text.as_bytes();
                let whole = all(text, Position::default(), text.len());
                assert_eq!(
                    told(&whole),
                    [
                        (1, vec!["a", "b"]),
                        (2, vec!["1", "two, \"2\""]),
                        (4, vec!["3", "x\n\r\ny"]),
                        (7, vec!["é", ""]),
                        (8, vec!["\u{feff}5", "6"]),
                        (9, vec!["last", "one"]),
                    ]
                );
                // The mark is passed over where it comes whole, as it does in what is read of a bucket.
                for length in 3..text.len() {
                    assert_eq!(all(text, Position::default(), length), whole, "{length}");
                    for (done, cut) in whole.iter().enumerate() {
                        assert_eq!(all(text, cut.end, length), whole[done + 1..], "{length}");
                    }
                }
            }
        }
        for nothing in ["", "\n", "\r\n\r\n", "\u{feff}"] {
            assert!(all(nothing.as_bytes(), Position::default(), 3).is_empty());
        }
    }

    #[test]
    fn a_row_that_cannot_be_held_or_read_fails_alone() {
        let long = "x".repeat(LARGEST_ROW);
        let wide = ",".repeat(MOST_CELLS);
        let text = format!("{long}\n1,2\n\"{long}\n{long}\"\n{wide}\n\n3,4\n");
        let mut text = text.into_bytes();
        text.extend_from_slice(b"5,\xff\n6,7");
        let cuts = all(&text, Position::default(), 1 << 20);
        let codes: Vec<Option<Code>> = cuts
            .iter()
            .map(|cut| match &cut.content {
                Content::Refused(refusal) => Some(refusal.code),
                _ => None,
            })
            .collect();
        let (large, unreadable) = (Some(Code::BodyTooLarge), Some(Code::MalformedBody));
        assert_eq!(codes, [large, None, large, large, None, unreadable, None]);
        assert_eq!(
            told(&[cuts[1].clone(), cuts[4].clone(), cuts[6].clone()]),
            [(2, vec!["1", "2"]), (7, vec!["3", "4"]), (9, vec!["6", "7"])]
        );
    }

    #[test]
    fn a_quote_that_is_never_closed_makes_one_row_of_the_rest() {
        let cuts = all(b"a,b\n1,\"2\n3,4\n", Position::default(), 5);
        assert_eq!(told(&cuts), [(1, vec!["a", "b"]), (2, vec!["1", "2\n3,4\n"])]);
    }
}
