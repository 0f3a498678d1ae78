//! What is said of a file before it is brought.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::code::{At, Code, Refusal};
use crate::import::{ImportFormat, Mapping};
use crate::ingest::{RecordType, hex};

/// The most bytes of a file.
pub const LARGEST_FILE: u64 = 200 * 1024 * 1024;

/// The SHA-256 of a file: 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileHash([u8; 32]);

impl FileHash {
    /// The hash of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The bare bytes.
    #[must_use]
    pub const fn bytes(self) -> [u8; 32] {
        self.0
    }
}

impl std::str::FromStr for FileHash {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let digits = text.as_bytes();
        let is_plain = |digit: &u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(digit);
        if digits.len() != 64 || !digits.iter().all(is_plain) {
            return Err(Refusal::new(
                Code::FieldsInvalid,
                "expected 64 hexadecimal digits, lower case",
            ));
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0);
            *byte = u8::try_from(value(pair[0]) * 16 + value(pair[1])).unwrap_or(0);
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for FileHash {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<FileHash> for String {
    fn from(hash: FileHash) -> Self {
        hex(&hash.0)
    }
}

/// What is to be brought, and how it is to be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportRequest {
    /// The type of its records.
    #[serde(rename = "type")]
    pub of: RecordType,
    /// The form of the file.
    pub format: ImportFormat,
    /// Of a table, how its columns become lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<Mapping>,
    /// Whether everything is decided and nothing written.
    pub is_trial: bool,
    /// How many bytes the file has.
    pub length: u64,
    /// Their SHA-256.
    pub sha256: FileHash,
}

impl ImportRequest {
    /// What is to be brought.
    ///
    /// # Errors
    /// With the place in the request: [`Code::ImportTooLarge`], [`Code::FieldsInvalid`] for a mapping that can make no line, is
    /// missing for a table, or is given where there is none.
    pub fn new(
        of: RecordType,
        format: ImportFormat,
        mapping: Option<Mapping>,
        is_trial: bool,
        length: u64,
        sha256: FileHash,
    ) -> Result<Self, Refusal> {
        if length > LARGEST_FILE {
            return Err(Refusal::from(Code::ImportTooLarge).at("/length"));
        }
        match (format, &mapping) {
            (ImportFormat::Csv, Some(mapping)) => {
                mapping.check(of).map_err(|refusal| refusal.within("/mapping"))?;
            }
            (ImportFormat::Ndjson, None) => {}
            (ImportFormat::Csv, None) => {
                return Err(Refusal::new(Code::FieldsInvalid, "a table needs a mapping")).at("/mapping");
            }
            (ImportFormat::Ndjson, Some(_)) => {
                return Err(Refusal::new(Code::FieldsInvalid, "only a table has one")).at("/mapping");
            }
        }
        Ok(Self {
            of,
            format,
            mapping,
            is_trial,
            length,
            sha256,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_one_spelling() {
        let text = "00ff".repeat(16);
        let hash: FileHash = text.parse().unwrap();
        assert_eq!(hash.bytes()[..4], [0, 255, 0, 255]);
        assert_eq!(String::from(hash), text);
        assert!(String::from(FileHash::of(b"")).starts_with("e3b0c442"));
        for wrong in ["", "00", &"0G".repeat(32), &"FF".repeat(32), &"é".repeat(32)] {
            assert!(wrong.parse::<FileHash>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_is_bounded_and_only_a_table_is_mapped() {
        let hash = || "00".repeat(32).parse().unwrap();
        let new = |format, mapping, length| {
            ImportRequest::new(RecordType::Sites, format, mapping, false, length, hash())
        };
        assert!(new(ImportFormat::Ndjson, None, LARGEST_FILE).is_ok());
        assert!(new(ImportFormat::Ndjson, None, 0).is_ok());
        for (refused, pointer) in [
            (new(ImportFormat::Ndjson, None, LARGEST_FILE + 1), "/length"),
            (new(ImportFormat::Csv, None, 1), "/mapping"),
            (new(ImportFormat::Ndjson, Some(Mapping::default()), 1), "/mapping"),
            (
                new(ImportFormat::Csv, Some(Mapping::default()), 1),
                "/mapping/columns",
            ),
        ] {
            assert_eq!(refused.unwrap_err().errors[0].pointer, pointer);
        }
    }
}
