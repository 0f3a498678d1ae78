//! What is wanted of a field that may be empty: keep it, empty it, or fill it.

use serde::{Deserialize, Deserializer};

/// A wish for an optional field. In JSON: not given, `null`, or a value; mark the field `#[serde(default)]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wish<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It becomes empty.
    Clear,
    /// It becomes this.
    Set(T),
}

impl<T> Wish<T> {
    /// What the field is afterwards.
    #[must_use]
    pub fn over(self, old: Option<T>) -> Option<T> {
        match self {
            Self::Keep => old,
            Self::Clear => None,
            Self::Set(new) => Some(new),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Wish<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        field: Wish<u8>,
    }

    #[test]
    fn nothing_null_and_a_value_are_told_apart() {
        let read = |text: &str| serde_json::from_str::<Body>(text).map(|body| body.field).ok();
        assert_eq!(read("{}"), Some(Wish::Keep));
        assert_eq!(read(r#"{"field":null}"#), Some(Wish::Clear));
        assert_eq!(read(r#"{"field":3}"#), Some(Wish::Set(3)));
        assert_eq!(read(r#"{"field":"x"}"#), None);
        let after = |wish: Wish<u8>| wish.over(Some(1));
        assert_eq!(
            [Wish::Keep, Wish::Clear, Wish::Set(3)].map(after),
            [Some(1), None, Some(3)]
        );
    }
}
