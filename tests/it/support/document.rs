//! Files of the project, and how answers are compared with what a document shows.

use std::path::PathBuf;

use serde_json::Value;

/// A path in the project.
pub(crate) fn project(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

/// How `found` differs from `shown`, whose objects may leave out fields, and whose texts may leave out parts with `…`.
pub(crate) fn differences(found: &Value, shown: &Value) -> Vec<String> {
    let mut all = Vec::new();
    compare(found, shown, "", &mut all);
    all
}

fn compare(found: &Value, shown: &Value, place: &str, all: &mut Vec<String>) {
    match (found, shown) {
        (Value::Object(found), Value::Object(shown)) => {
            for (name, shown) in shown {
                let place = format!("{place}/{name}");
                match found.get(name) {
                    Some(found) => compare(found, shown, &place, all),
                    None => all.push(format!("{place} is missing")),
                }
            }
        }
        (Value::Array(found), Value::Array(shown)) if found.len() == shown.len() => {
            for (index, (found, shown)) in found.iter().zip(shown).enumerate() {
                compare(found, shown, &format!("{place}/{index}"), all);
            }
        }
        (Value::String(found), Value::String(shown)) if is_like(found, shown) => {}
        (found, shown) if found == shown => {}
        (found, shown) => all.push(format!("{place} is {found}, not {shown}")),
    }
}

/// Whether `text` is `shown`, in which `…` stands for anything.
pub(crate) fn is_like(text: &str, shown: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}
