//! Documents, one a line.

use bytes::{Buf as _, Bytes};
use portal_domain::code::Code;

use super::{BYTE_ORDER_MARK, Content, Cut, LARGEST_ROW, Position};

/// Cuts at the ends of lines. Empty lines are passed over.
pub(crate) struct Lines {
    at: Position,
    held: Vec<u8>,
    /// How many bytes the line has, of which not all may be held.
    size: usize,
}

impl Lines {
    /// From there on.
    pub(crate) const fn from(at: Position) -> Self {
        Self {
            at,
            held: Vec::new(),
            size: 0,
        }
    }

    /// The next line that ends in `piece` and says something.
    pub(crate) fn cut(&mut self, piece: &mut Bytes) -> Option<Cut> {
        while !piece.is_empty() {
            let end = piece.iter().position(|byte| *byte == b'\n');
            self.hold(&piece[..end.unwrap_or(piece.len())]);
            let taken = end.map_or(piece.len(), |end| end + 1);
            piece.advance(taken);
            self.at.offset += taken as u64;
            if end.is_some() {
                self.at.line += 1;
                if let Some(cut) = self.ended(self.at.line) {
                    return Some(cut);
                }
            }
        }
        None
    }

    /// What comes after the last end of a line.
    pub(crate) fn finish(&mut self) -> Option<Cut> {
        self.ended(self.at.line + 1)
    }

    fn hold(&mut self, bytes: &[u8]) {
        self.size += bytes.len();
        if self.size <= LARGEST_ROW {
            self.held.extend_from_slice(bytes);
        } else {
            self.held = Vec::new();
        }
    }

    fn ended(&mut self, number: u64) -> Option<Cut> {
        let mut held = std::mem::take(&mut self.held);
        let size = std::mem::take(&mut self.size);
        if number == 1 && held.starts_with(BYTE_ORDER_MARK) {
            held.drain(..BYTE_ORDER_MARK.len());
        }
        let held_size = held.len();
        let content = if size > LARGEST_ROW {
            Content::Refused(Code::BodyTooLarge.into())
        } else if held.trim_ascii().is_empty() {
            return None;
        } else {
            Content::Document(held)
        };
        Some(Cut {
            number,
            size: held_size,
            end: self.at,
            content,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All lines of `text`, which comes in pieces of `length` bytes, and where each ends.
    fn all(text: &[u8], from: Position, length: usize) -> Vec<Cut> {
        let start = usize::try_from(from.offset).unwrap();
        let mut lines = Lines::from(from);
        let mut found = Vec::new();
        for piece in text[start..].chunks(length) {
            let mut piece = Bytes::copy_from_slice(piece);
            while let Some(cut) = lines.cut(&mut piece) {
                found.push(cut);
            }
        }
        found.extend(lines.finish());
        found
    }

    #[test]
    fn lines_are_the_same_in_whatever_pieces_they_come_and_wherever_one_goes_on() {
        let text = b"\xef\xbb\xbf{\"a\":1}\r\n\n  \r\n{}\n\n[\xff]\n{\"last\":1}";
        let whole = all(text, Position::default(), text.len());
        let told: Vec<(u64, Vec<u8>)> = whole
            .iter()
            .map(|cut| match &cut.content {
                Content::Document(bytes) => (cut.number, bytes.trim_ascii().to_vec()),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            told,
            [
                (1, b"{\"a\":1}".to_vec()),
                (4, b"{}".to_vec()),
                (6, b"[\xff]".to_vec()),
                (7, b"{\"last\":1}".to_vec()),
            ]
        );
        for length in 1..text.len() {
            assert_eq!(all(text, Position::default(), length), whole, "{length}");
            for (done, cut) in whole.iter().enumerate() {
                assert_eq!(all(text, cut.end, length), whole[done + 1..], "{length}");
            }
        }
        for nothing in ["", "\n", "\r\n \n", "\u{feff}"] {
            assert!(all(nothing.as_bytes(), Position::default(), 1).is_empty());
        }
    }

    #[test]
    fn a_line_that_is_too_long_fails_alone_and_is_not_held() {
        let mut text = vec![b'x'; LARGEST_ROW + 1];
        text.extend_from_slice(b"\n{}\n");
        text.extend(vec![b'y'; LARGEST_ROW]);
        let cuts = all(&text, Position::default(), 1 << 20);
        assert!(matches!(&cuts[0].content, Content::Refused(refusal) if refusal.code == Code::BodyTooLarge));
        assert_eq!(cuts[1].content, Content::Document(b"{}".to_vec()));
        assert!(matches!(&cuts[2].content, Content::Document(held) if held.len() == LARGEST_ROW));
        let mut lines = Lines::from(Position::default());
        lines.cut(&mut Bytes::from(vec![b'x'; 3 * LARGEST_ROW]));
        assert_eq!(lines.held.capacity(), 0);
    }
}
