//! Strict JSON (RFC 8259, RFC 7493): one document, no key twice, bounded in every way, refusals that name the field.

use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::code::{Code, FieldError, Refusal};

/// How much one document may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The most levels.
    pub depth: usize,
    /// The most values, all levels together.
    pub values: usize,
}

/// The bounds of a body, and of each line of one that has many.
pub const BOUNDS: Bounds = Bounds {
    depth: 16,
    values: 4_096,
};

/// The one document in `bytes`.
///
/// # Errors
/// [`Code::MalformedBody`] when it is not JSON or has a key twice, [`Code::BodyTooLarge`] when it is too deep or too many.
pub fn document(bytes: &[u8], bounds: Bounds) -> Result<Value, Refusal> {
    let mut wrong = None;
    let mut left = bounds.values;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let shape = Shape {
        depth: bounds.depth,
        left: &mut left,
        wrong: &mut wrong,
    };
    let value = shape
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|_| Code::MalformedBody)?;
    wrong.map_or(Ok(value), |wrong| Err(wrong.into()))
}

/// The elements of the one array in `bytes`, each good or refused for itself.
///
/// # Errors
/// [`Code::MalformedBody`] when the whole is not JSON, [`Code::FieldsInvalid`] when it is no array, [`Code::BodyTooLarge`] when
/// it has more than `most` elements.
pub fn elements(bytes: &[u8], most: usize, bounds: Bounds) -> Result<Vec<Result<Value, Refusal>>, Refusal> {
    if bytes
        .trim_ascii_start()
        .first()
        .is_some_and(|first| *first != b'[')
    {
        document(bytes, bounds)?;
        return Err(Refusal::new(Code::FieldsInvalid, "expected an array"));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let elements = Elements { most, bounds }
        .deserialize(&mut reader)
        .and_then(|elements| reader.end().map(|()| elements))
        .map_err(|_| Code::MalformedBody)?;
    elements.ok_or_else(|| Code::BodyTooLarge.into())
}

/// What `value`, an object, says as a `T`.
///
/// # Errors
/// With the place of the field: [`Code::FieldsInvalid`] or the code of the field's own rule. Values are not told.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, Refusal> {
    let Object(read) = serde_path_to_error::deserialize(value).map_err(|error| {
        let pointer: String = error.path().iter().map(segment).collect();
        field_refusal(pointer, &error.into_inner().to_string())
    })?;
    Ok(read)
}

/// Reads a `T` from an object only: left to itself, serde also takes an array of the fields in their order. For fields that are
/// structures: `#[serde(deserialize_with = "…::object")]`.
///
/// # Errors
/// When it is no object, or not the object of a `T`.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Fields<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
        type Value = T;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_map(Fields(PhantomData))
}

/// `value` in its one spelling: keys in order, no white space.
#[must_use]
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    spell(value, &mut text);
    text
}

fn spell(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { "," });
                spell(item, text);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort();
            text.push('{');
            for (at, key) in keys.into_iter().enumerate() {
                text.push_str(if at == 0 { "" } else { "," });
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                spell(&fields[key], text);
            }
            text.push('}');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

/// A document: always an object.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer).map(Self)
    }
}

fn segment(segment: &serde_path_to_error::Segment) -> String {
    match segment {
        serde_path_to_error::Segment::Seq { index } => format!("/{index}"),
        serde_path_to_error::Segment::Map { key } => {
            format!("/{}", key.replace('~', "~0").replace('/', "~1"))
        }
        _ => String::new(),
    }
}

/// What is wrong with the field at `pointer`. Rules of the domain tell their code at the beginning of their message.
fn field_refusal(pointer: String, message: &str) -> Refusal {
    let (code, detail) = message
        .split_once(": ")
        .and_then(|(name, detail)| {
            Code::ALL
                .iter()
                .find(|code| code.as_str() == name)
                .map(|code| (*code, detail))
        })
        .unwrap_or((Code::FieldsInvalid, message));
    let detail = if code == Code::FieldsInvalid {
        without_values(detail)
    } else {
        detail.to_owned()
    };
    let pointer = if pointer.is_empty() {
        unknown_field(&detail)
    } else {
        pointer
    };
    let error = FieldError {
        pointer,
        code,
        detail: detail.clone().into(),
    };
    Refusal {
        code,
        detail: detail.into(),
        errors: vec![error],
        retry_after: None,
    }
}

/// `invalid type: string "…", expected u32` tells the value: only the expectation is kept. So it is with unknown words.
fn without_values(message: &str) -> String {
    match message.split_once("expected ") {
        Some((_, expected)) if !message.starts_with("unknown field") => format!("expected {expected}"),
        _ => message.to_owned(),
    }
}

fn unknown_field(message: &str) -> String {
    message
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split('`').next())
        .map_or_else(String::new, |f| format!("/{f}"))
}

/// What is wrong with a document that is JSON.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    TooMuch,
    Twice,
}

impl From<Wrong> for Refusal {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::TooMuch => Code::BodyTooLarge.into(),
            Wrong::Twice => Self::new(Code::MalformedBody, "a key is given twice"),
        }
    }
}

/// The value of a document, if nothing is wrong with it. What comes after something wrong is passed over.
struct Shape<'a> {
    depth: usize,
    left: &'a mut usize,
    wrong: &'a mut Option<Wrong>,
}

impl Shape<'_> {
    /// For one more value, one level further down; none if that would be too much.
    fn inner(&mut self) -> Option<Shape<'_>> {
        if let (Some(depth), Some(left)) = (self.depth.checked_sub(1), self.left.checked_sub(1)) {
            *self.left = left;
            Some(Shape {
                depth,
                left: self.left,
                wrong: self.wrong,
            })
        } else {
            self.wrong.get_or_insert(Wrong::TooMuch);
            None
        }
    }
}

impl<'de> DeserializeSeed<'de> for Shape<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shape<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while self.wrong.is_none() {
            let Some(inner) = self.inner() else { break };
            match seq.next_element_seed(inner)? {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while self.wrong.is_none() {
            let Some(key) = map.next_key::<String>()? else {
                return Ok(Value::Object(fields));
            };
            if fields.contains_key(&key) {
                self.wrong.get_or_insert(Wrong::Twice);
            }
            match self.inner() {
                Some(inner) => fields.insert(key, map.next_value_seed(inner)?),
                None => map.next_value::<IgnoredAny>().map(|_| None)?,
            };
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }
}

/// The elements of an array; none if they are too many.
struct Elements {
    most: usize,
    bounds: Bounds,
}

impl<'de> DeserializeSeed<'de> for Elements {
    type Value = Option<Vec<Result<Value, Refusal>>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements {
    type Value = Option<Vec<Result<Value, Refusal>>>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        loop {
            let (mut wrong, mut left) = (None, self.bounds.values);
            let shape = Shape {
                depth: self.bounds.depth,
                left: &mut left,
                wrong: &mut wrong,
            };
            let Some(value) = seq.next_element_seed(shape)? else {
                return Ok(Some(elements));
            };
            if elements.len() == self.most {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
            elements.push(wrong.map_or(Ok(value), |wrong| Err(wrong.into())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::email::EmailAddress;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Body {
        email: EmailAddress,
        #[serde(default)]
        inner: Option<Value>,
    }

    fn parse(text: &[u8]) -> Result<Body, Refusal> {
        read(document(text, BOUNDS)?)
    }

    fn code(text: &str) -> &'static str {
        parse(text.as_bytes()).map_or_else(|refusal| refusal.code.as_str(), |_| "ok")
    }

    fn nested(levels: usize) -> String {
        format!("{}1{}", "[".repeat(levels), "]".repeat(levels))
    }

    #[test]
    fn hostile_documents_are_refused_with_their_code() {
        assert_eq!(code(r#"{"email":"a@example.org"}"#), "ok");
        for malformed in [
            "",
            r#"{"email":"a@example.org","email":"b@example.org"}"#,
            r#"{"email":"a@example.org","inner":[{"a":1,"\u0061":2}]}"#,
            r#"{"email":"a@example.org"} {}"#,
            "\u{feff}{}",
            r#"{"email":"\ud800"}"#,
            r#"{"email":1e999}"#,
        ] {
            assert_eq!(code(malformed), "malformed_body", "{malformed}");
        }
        let many = format!(
            r#"{{"email":"a@example.org","inner":[{}]}}"#,
            vec!["1"; 5_000].join(",")
        );
        for too_much in [nested(100_000), many] {
            assert_eq!(code(&too_much), "body_too_large");
        }
        for invalid in [
            r#"{"email":"a@example.org","role":"admin"}"#,
            r#"{"email":7}"#,
            r#"["a@example.org"]"#,
            "{}",
            "null",
        ] {
            assert_eq!(code(invalid), "fields_invalid", "{invalid}");
        }
        assert_eq!(code(r#"{"email":"nobody"}"#), "email_invalid");
        assert!(parse(b"{\"email\":\"\xff\"}").is_err());
    }

    #[test]
    fn a_refusal_names_the_field_and_not_its_value() {
        let refusal = parse(br#"{"email":"secret@@example.org"}"#).unwrap_err();
        assert_eq!(refusal.errors[0].pointer, "/email");
        assert!(!format!("{refusal:?}").contains("secret"));
        let refusal = parse(br#"{"email":"a@example.org","x":1}"#).unwrap_err();
        assert_eq!(refusal.errors[0].pointer, "/x");
    }

    #[test]
    fn elements_are_good_or_refused_each_for_itself() {
        let text = format!(r#" [{{"a":1}}, {{"a":1,"a":2}}, {}, 7]"#, nested(17));
        let codes: Vec<_> = elements(text.as_bytes(), 4, BOUNDS)
            .unwrap()
            .into_iter()
            .map(|element| element.map_or_else(|refusal| refusal.code.as_str(), |_| "ok"))
            .collect();
        assert_eq!(codes, ["ok", "malformed_body", "body_too_large", "ok"]);
        let whole = |text: &str| elements(text.as_bytes(), 4, BOUNDS).map_err(|refusal| refusal.code);
        assert_eq!(whole("[]").unwrap().len(), 0);
        assert_eq!(whole("[1,2,3,4,5]").unwrap_err(), Code::BodyTooLarge);
        assert_eq!(whole(r#"{"a":1}"#).unwrap_err(), Code::FieldsInvalid);
        for malformed in ["", " ", "[1,", "[1] [2]", "[1,2,3,4,5", "[1,2,3,4,5,}"] {
            assert_eq!(whole(malformed).unwrap_err(), Code::MalformedBody, "{malformed}");
        }
    }

    #[test]
    fn the_canonical_spelling_knows_no_order_of_keys_and_no_white_space() {
        let spelled = |text: &str| canonical(&document(text.as_bytes(), BOUNDS).unwrap());
        let one = spelled(r#"{"b": [1, 2.5, null], "a": {"y": "\u0041\"", "x": true}}"#);
        assert_eq!(one, r#"{"a":{"x":true,"y":"A\""},"b":[1,2.5,null]}"#);
        assert_eq!(one, spelled(&one));
        assert_ne!(spelled("[1,2]"), spelled("[2,1]"));
    }
}
