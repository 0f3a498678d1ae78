//! The bytes of objects and parts: in memory, or in a file each.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::PathBuf;

use aws_lc_rs::digest;
use bytes::Bytes;

/// How much of a file is read at once.
const PIECE: u64 = 256 * 1024;

/// Bytes that were written.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// In memory.
    Memory(Bytes),
    /// In a file.
    File(PathBuf),
}

/// Bytes that are being written.
pub(super) struct Writing {
    sink: Sink,
    digest: digest::Context,
    length: u64,
}

enum Sink {
    Memory(Vec<u8>),
    File(File, PathBuf),
}

/// What was written.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) content: Content,
    pub(super) length: u64,
    /// Names the bytes: 32 hexadecimal digits.
    pub(super) tag: String,
}

impl Writing {
    /// Begins a file at `path`, or something in memory.
    pub(super) fn begin(path: Option<PathBuf>) -> std::io::Result<Self> {
        let sink = match path {
            Some(path) => Sink::File(File::create(&path)?, path),
            None => Sink::Memory(Vec::new()),
        };
        Ok(Self {
            sink,
            digest: digest::Context::new(&digest::SHA256),
            length: 0,
        })
    }

    /// Adds bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.digest.update(bytes);
        self.length += bytes.len() as u64;
        match &mut self.sink {
            Sink::Memory(memory) => {
                memory.extend_from_slice(bytes);
                Ok(())
            }
            Sink::File(file, _) => file.write_all(bytes),
        }
    }

    /// Ends it.
    pub(super) fn finish(self) -> Written {
        let content = match self.sink {
            Sink::Memory(memory) => Content::Memory(memory.into()),
            Sink::File(_, path) => Content::File(path),
        };
        let digest = self.digest.finish();
        let first = digest.as_ref().first_chunk().copied().unwrap_or_default();
        let tag = format!("{:032x}", u128::from_be_bytes(first));
        Written {
            content,
            length: self.length,
            tag,
        }
    }
}

impl Content {
    /// A range of the bytes, piece by piece.
    pub(super) fn read(&self, range: Range<u64>) -> std::io::Result<Pieces> {
        let source = match self {
            Self::Memory(bytes) => Source::Memory(bytes.clone()),
            Self::File(path) => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(range.start))?;
                Source::File(file)
            }
        };
        Ok(Pieces { source, range })
    }

    /// Throws the bytes away; they may be gone already.
    pub(super) fn forget(&self) {
        if let Self::File(path) = self {
            // Whatever is left is thrown away at the next start.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Bytes in pieces.
pub(super) struct Pieces {
    source: Source,
    range: Range<u64>,
}

enum Source {
    Memory(Bytes),
    File(File),
}

impl Iterator for Pieces {
    type Item = std::io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        let length = (self.range.end - self.range.start).min(PIECE);
        if length == 0 {
            return None;
        }
        let start = self.range.start;
        self.range.start += length;
        let of = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        Some(match &mut self.source {
            Source::Memory(bytes) => Ok(bytes.slice(of(start)..of(start + length))),
            Source::File(file) => {
                let mut piece = vec![0; of(length)];
                file.read_exact(&mut piece).map(|()| piece.into())
            }
        })
    }
}
