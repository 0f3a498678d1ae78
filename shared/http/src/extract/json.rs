//! Strict JSON bodies (RFC 8259, RFC 7493): one document, no duplicate keys, bounded in every way.

use std::collections::HashSet;
use std::marker::PhantomData;

use axum::extract::{FromRequest, Request};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use portal_domain::code::{Code, FieldError, Refusal};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::error::ApiError;

/// The most bytes in a body.
pub const LARGEST_BODY: usize = 64 * 1024;
/// The most levels in a body.
pub const DEEPEST_BODY: usize = 16;
/// The most values in a body, all levels together.
pub const MOST_VALUES: usize = 4_096;

/// A body.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts.headers, body).await?;
        Ok(Self(parse(&bytes)?))
    }
}

/// The bytes of a JSON body.
pub(crate) async fn read(headers: &HeaderMap, body: axum::body::Body) -> Result<bytes::Bytes, Refusal> {
    let bytes = axum::body::to_bytes(body, LARGEST_BODY)
        .await
        .map_err(|_| Refusal::from(Code::BodyTooLarge))?;
    let is_readable = is_json(headers) && is_plain(headers);
    if !bytes.is_empty() && !is_readable {
        return Err(Code::MediaTypeUnsupported.into());
    }
    Ok(bytes)
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next().and_then(|value| value.to_str().ok()), types.next()) else {
        return false;
    };
    let mut parts = only.split(';').map(|part| part.trim().to_ascii_lowercase());
    parts.next().as_deref() == Some("application/json")
        && parts.all(|part| part == "charset=utf-8" || part.is_empty())
}

/// Whether no coding lies over the body: none is undone here.
fn is_plain(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Reads a `T` from an object only: left to itself, serde also takes an array of the fields in their order. For fields that are
/// structures: `#[serde(deserialize_with = "portal_http::object")]`.
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

/// A body: always an object.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer).map(Self)
    }
}

/// The document in `bytes` as `T`.
///
/// # Errors
/// [`Code::MalformedBody`] when it is not JSON, [`Code::BodyTooLarge`] when it is too much of it, and with the place of the field:
/// [`Code::FieldsInvalid`] or the code of the field's own rule.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    if bytes.is_empty() {
        return Err(Refusal::new(Code::MalformedBody, "the body is empty"));
    }
    check(bytes)?;
    let mut document = serde_json::Deserializer::from_slice(bytes);
    let Object(body) = serde_path_to_error::deserialize(&mut document).map_err(|error| {
        let pointer: String = error.path().iter().map(segment).collect();
        field_refusal(pointer, &error.into_inner().to_string())
    })?;
    Ok(body)
}

/// One row of a bulk body as `T`, refused on its own.
///
/// # Errors
/// [`Code::FieldsInvalid`] or the code of the field's own rule.
pub fn parse_value<T: DeserializeOwned>(value: &serde_json::Value) -> Result<T, Refusal> {
    parse(value.to_string().as_bytes())
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
    // Where in the document is told by the pointer; the value itself is not told.
    let detail = detail.split(" at line ").next().unwrap_or_default();
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

/// `invalid type: string "…", expected u32` tells the value: only the expectation is kept.
fn without_values(message: &str) -> String {
    match message.split_once("expected ") {
        Some((_, expected)) if !message.starts_with("unknown") => format!("expected {expected}"),
        _ => message.to_owned(),
    }
}

fn unknown_field(message: &str) -> String {
    message
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split('`').next())
        .map_or_else(String::new, |f| format!("/{f}"))
}

/// Refuses what is not one JSON document, or too deep, too many or the same key twice.
fn check(bytes: &[u8]) -> Result<(), Refusal> {
    let mut left = MOST_VALUES;
    let mut document = serde_json::Deserializer::from_slice(bytes);
    let checked = Shape {
        depth: DEEPEST_BODY,
        left: &mut left,
    }
    .deserialize(&mut document)
    .and_then(|()| document.end());
    checked.map_err(|error| match error.to_string() {
        message if message.starts_with(TOO_MUCH) => Code::BodyTooLarge.into(),
        message if message.starts_with(TWICE) => Refusal::new(Code::MalformedBody, TWICE),
        _ => Refusal::from(Code::MalformedBody),
    })
}

const TOO_MUCH: &str = "too deep or too many values";
const TWICE: &str = "a key is given twice";

struct Shape<'a> {
    depth: usize,
    left: &'a mut usize,
}

impl Shape<'_> {
    fn inner<E: serde::de::Error>(&mut self) -> Result<Shape<'_>, E> {
        match (self.depth.checked_sub(1), self.left.checked_sub(1)) {
            (Some(depth), Some(left)) => {
                *self.left = left;
                Ok(Shape {
                    depth,
                    left: self.left,
                })
            }
            _ => Err(E::custom(TOO_MUCH)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Shape<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shape<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(self.inner()?)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !keys.insert(key) {
                return Err(A::Error::custom(TWICE));
            }
            map.next_value_seed(self.inner()?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Body {
        email: portal_domain::email::EmailAddress,
        #[serde(default)]
        inner: Option<serde_json::Value>,
    }

    fn code(text: &str) -> &'static str {
        parse::<Body>(text.as_bytes()).map_or_else(|refusal| refusal.code.as_str(), |_| "ok")
    }

    #[test]
    fn hostile_documents_are_refused_with_their_code() {
        assert_eq!(code(r#"{"email":"a@example.org"}"#), "ok");
        assert_eq!(
            code(r#"{"email":"a@example.org","email":"b@example.org"}"#),
            "malformed_body"
        );
        assert_eq!(code(r#"{"email":"a@example.org"} {}"#), "malformed_body");
        assert_eq!(code("\u{feff}{}"), "malformed_body");
        assert_eq!(code(r#"{"email":"\ud800"}"#), "malformed_body");
        assert_eq!(
            code(&format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000))),
            "body_too_large"
        );
        assert_eq!(
            code(&format!(
                r#"{{"email":"a@example.org","inner":[{}]}}"#,
                vec!["1"; 5_000].join(",")
            )),
            "body_too_large"
        );
        assert_eq!(
            code(r#"{"email":"a@example.org","role":"admin"}"#),
            "fields_invalid"
        );
        assert_eq!(code(r#"{"email":"nobody"}"#), "email_invalid");
        assert_eq!(code(r#"{"email":7}"#), "fields_invalid");
        assert_eq!(code(r#"["a@example.org"]"#), "fields_invalid");
        assert_eq!(code("{}"), "fields_invalid");
        assert!(parse::<Body>(b"{\"email\":\"\xff\"}").is_err());
        assert_eq!(code(r#"{"email":1e999}"#), "malformed_body");
    }

    #[test]
    fn a_refusal_names_the_field_and_not_its_value() {
        let refusal = parse::<Body>(br#"{"email":"secret@@example.org"}"#).unwrap_err();
        assert_eq!(refusal.errors[0].pointer, "/email");
        assert!(!format!("{refusal:?}").contains("secret"));
        let refusal = parse::<Body>(br#"{"email":"a@example.org","x":1}"#).unwrap_err();
        assert_eq!(refusal.errors[0].pointer, "/x");
    }
}
