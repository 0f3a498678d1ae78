//! One line: whose record, which state of it, and what it is then.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::code::{At, Code, Refusal};
use crate::external::{ExternalId, Stamp};
use crate::ingest::{LARGEST_BATCH, MOST_LINES};
use crate::json::{self, BOUNDS};

/// How far a state may lie ahead of our clock: one that was put into another year would make every later one stale.
const FURTHEST_AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// How a batch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON document a line; empty lines are passed over.
    Lines,
    /// One JSON array.
    Array,
}

/// What a line says of its record.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// It is this.
    Upsert(Value),
    /// It is no more.
    Delete,
}

impl Content {
    /// A hash of what is said, whatever the order of its fields. All deletions have the same.
    #[must_use]
    pub fn digest(&self) -> String {
        let text = match self {
            Self::Upsert(data) => json::canonical(data),
            Self::Delete => String::new(),
        };
        hex(&Sha256::digest(text)[..16])
    }
}

/// The hexadecimal digits of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A line, as far as it is the same for all types.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    /// What the record is called at its source: with source and type, its natural key.
    pub external: ExternalId,
    /// Which state of it this is.
    pub stamp: Stamp,
    /// Whether the source says so itself. Else it is the newest state, unless it is what is known.
    pub is_dated: bool,
    /// What it says.
    pub content: Content,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Line({:?}, …)", self.stamp)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Op {
    Upsert,
    Delete,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    #[serde(deserialize_with = "json::object")]
    external: ExternalId,
    op: Op,
    #[serde(default)]
    version: Option<u64>,
    occurred_at: Timestamp,
    #[serde(default)]
    data: Option<Value>,
}

impl Line {
    /// The line that `value` is, come at `now`.
    ///
    /// # Errors
    /// [`Code::FieldsInvalid`] or the code of the field's own rule, with the field's place in the line.
    pub fn read(value: Value, now: Timestamp) -> Result<Self, Refusal> {
        let invalid = |detail: &'static str| Err(Refusal::new(Code::FieldsInvalid, detail));
        let envelope: Envelope = json::read(value)?;
        if envelope.occurred_at > now + FURTHEST_AHEAD {
            return invalid("lies more than a day ahead").at("/occurred_at");
        }
        let content = match (envelope.op, envelope.data) {
            (Op::Upsert, Some(data)) if data.is_object() => Content::Upsert(data),
            (Op::Upsert, _) => return invalid("expected an object").at("/data"),
            (Op::Delete, None) => Content::Delete,
            (Op::Delete, Some(_)) => return invalid("what is deleted has none").at("/data"),
        };
        // States are kept to the millisecond: what is compared later must be no finer.
        let occurred_at = Timestamp::from_millisecond(envelope.occurred_at.as_millisecond());
        Ok(Self {
            external: envelope.external,
            stamp: Stamp {
                version: envelope.version,
                occurred_at: occurred_at.unwrap_or(envelope.occurred_at),
            },
            is_dated: true,
            content,
        })
    }
}

/// The lines of a batch that came at `now`, each good or refused for itself.
///
/// # Errors
/// [`Code::BodyTooLarge`] for more than [`LARGEST_BATCH`] bytes or [`MOST_LINES`] lines, [`Code::MalformedBody`] without a line or
/// where an array is not well-formed as a whole, [`Code::FieldsInvalid`] where an array is none.
pub fn lines(body: &[u8], form: Form, now: Timestamp) -> Result<Vec<Result<Line, Refusal>>, Refusal> {
    if body.len() > LARGEST_BATCH {
        return Err(Code::BodyTooLarge.into());
    }
    let documents: Vec<Result<Value, Refusal>> = match form {
        Form::Array => json::elements(body, MOST_LINES, BOUNDS)?,
        Form::Lines => {
            let written = |line: &&[u8]| !line.trim_ascii().is_empty();
            let lines: Vec<&[u8]> = body.split(|byte| *byte == b'\n').filter(written).collect();
            if lines.len() > MOST_LINES {
                return Err(Code::BodyTooLarge.into());
            }
            let document = |line: &[u8]| json::document(line, BOUNDS);
            lines.into_iter().map(document).collect()
        }
    };
    if documents.is_empty() {
        return Err(Refusal::new(Code::MalformedBody, "there is no line"));
    }
    let line = |document: Result<Value, Refusal>| document.and_then(|value| Line::read(value, now));
    Ok(documents.into_iter().map(line).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sample::now;

    fn value() -> Value {
        json!({
            "external": { "system": "mrn", "value": "17" },
            "op": "upsert",
            "version": 3,
            "occurred_at": "2026-05-04T08:00:00.1239Z",
            "data": { "name": "North", "zone": { "a": 1, "b": 2 } },
        })
    }

    fn with(pointer: &str, field: Value) -> Value {
        let mut value = value();
        value[pointer] = field;
        value
    }

    fn read(value: Value) -> Result<Line, Refusal> {
        Line::read(value, now())
    }

    #[test]
    fn a_line_says_which_state_of_which_record_it_is() {
        let line = read(value()).unwrap();
        assert_eq!(line.external.value.as_str(), "17");
        assert_eq!(line.stamp.version, Some(3));
        assert_eq!(
            line.stamp.occurred_at,
            "2026-05-04T08:00:00.123Z".parse().unwrap()
        );
        assert!(!format!("{line:?}").contains("North") && !format!("{line:?}").contains("17"));

        let mut deleting = with("op", json!("delete"));
        deleting.as_object_mut().unwrap().remove("data");
        assert!(read(deleting).unwrap().content == Content::Delete);
    }

    #[test]
    fn a_line_that_is_none_is_refused_with_its_place() {
        for (wrong, pointer) in [
            (with("op", json!("patch")), "/op"),
            (with("op", json!("delete")), "/data"),
            (with("data", json!(null)), "/data"),
            (with("data", json!([1])), "/data"),
            (with("version", json!(-1)), "/version"),
            (with("version", json!("3")), "/version"),
            (with("occurred_at", json!("yesterday")), "/occurred_at"),
            (
                with("occurred_at", json!("2026-05-05T09:00:00.001Z")),
                "/occurred_at",
            ),
            (with("external", json!(["mrn", "17"])), "/external"),
            (
                with("external", json!({ "system": "mrn", "value": "1 7" })),
                "/external/value",
            ),
            (with("source", json!("other")), "/source"),
        ] {
            let refusal = read(wrong.clone()).unwrap_err();
            assert_eq!(refusal.errors[0].pointer, pointer, "{wrong}: {refusal:?}");
        }
        assert!(read(json!([])).is_err());
    }

    #[test]
    fn the_digest_is_of_what_is_said_and_not_of_how() {
        let digest = |data: Value| read(with("data", data)).unwrap().content.digest();
        let one = digest(json!({ "name": "North", "zone": { "a": 1, "b": 2 } }));
        assert_eq!(
            one,
            digest(json!({ "zone": { "b": 2, "a": 1 }, "name": "North" }))
        );
        assert_ne!(one, digest(json!({ "name": "North" })));
        assert_ne!(Content::Delete.digest(), digest(json!({})));
    }

    #[test]
    fn both_forms_say_the_same_and_one_bad_line_harms_no_other() {
        let good = value().to_string();
        let text = format!("\n{good}\r\n{{\n  \n{good}{good}\n{good}");
        let read = lines(text.as_bytes(), Form::Lines, now()).unwrap();
        let is_good: Vec<bool> = read.iter().map(Result::is_ok).collect();
        assert_eq!(is_good, [true, false, false, true]);
        assert_eq!(read[1].as_ref().unwrap_err().code, Code::MalformedBody);

        let twice = r#"{"op":1,"op":2}"#;
        let text = format!("[{good}, {twice}, 5, {good}]");
        let array = lines(text.as_bytes(), Form::Array, now()).unwrap();
        let is_good: Vec<bool> = array.iter().map(Result::is_ok).collect();
        assert_eq!(is_good, [true, false, false, true]);
        assert_eq!(array[0], read[0]);
    }

    #[test]
    fn a_batch_is_bounded_and_has_a_line() {
        let code = |text: &str, form| lines(text.as_bytes(), form, now()).unwrap_err().code;
        for (text, form) in [("", Form::Lines), ("\n \r\n", Form::Lines), ("[]", Form::Array)] {
            assert_eq!(code(text, form), Code::MalformedBody, "{text:?}");
        }
        assert_eq!(code("{}", Form::Array), Code::FieldsInvalid);
        let many = "1\n".repeat(MOST_LINES);
        assert_eq!(
            lines(many.as_bytes(), Form::Lines, now()).unwrap().len(),
            MOST_LINES
        );
        assert_eq!(code(&format!("{many}1"), Form::Lines), Code::BodyTooLarge);
        let many = vec!["1"; MOST_LINES + 1].join(",");
        assert_eq!(code(&format!("[{many}]"), Form::Array), Code::BodyTooLarge);
        assert_eq!(
            code(&" ".repeat(LARGEST_BATCH + 1), Form::Lines),
            Code::BodyTooLarge
        );
    }
}
