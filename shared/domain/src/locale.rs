//! The languages the product speaks, and those that people do.

use serde::{Deserialize, Serialize};

use crate::code::{Code, Refusal};

/// A language with a complete catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Locale {
    /// English, the fallback.
    #[default]
    En,
    /// German.
    De,
    /// Spanish.
    Es,
}

impl Locale {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::En, Self::De, Self::Es];

    /// The BCP 47 tag.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
            Self::Es => "es",
        }
    }
}

impl std::str::FromStr for Locale {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::ALL
            .into_iter()
            .find(|locale| locale.as_str() == text)
            .ok_or_else(|| Code::LocaleUnsupported.into())
    }
}

impl TryFrom<String> for Locale {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<Locale> for String {
    fn from(locale: Locale) -> Self {
        locale.as_str().to_owned()
    }
}

/// A language that a person uses: a well-formed BCP 47 tag (RFC 5646 §2.1) of language, script, region and variants, in its
/// conventional case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LanguageTag(String);

impl LanguageTag {
    /// The tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The longest tag.
const LONGEST_TAG: usize = 35;

impl std::str::FromStr for LanguageTag {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refused = || Refusal::from(Code::LanguageTagInvalid);
        if text.len() > LONGEST_TAG {
            return Err(refused());
        }
        let is_alphabetic = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphabetic());
        let is_numeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let mut parts = text.split('-');
        let language = parts
            .next()
            .filter(|part| (2..=3).contains(&part.len()) && is_alphabetic(part));
        let mut tag = language.ok_or_else(refused)?.to_ascii_lowercase();
        // Each sort of subtag comes after the ones before it, script and region once.
        let mut reached = 0;
        for part in parts {
            let (sort, spelled) = match part.len() {
                4 if is_alphabetic(part) => (1, titled(part)),
                2 if is_alphabetic(part) => (2, part.to_ascii_uppercase()),
                3 if is_numeric(part) => (2, part.to_owned()),
                4 if part.as_bytes().first().is_some_and(u8::is_ascii_digit) => {
                    (3, part.to_ascii_lowercase())
                }
                5..=8 => (3, part.to_ascii_lowercase()),
                _ => return Err(refused()),
            };
            let is_in_place = sort > reached || (sort == 3 && reached == 3);
            if !is_in_place || !part.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(refused());
            }
            reached = sort;
            tag = format!("{tag}-{spelled}");
        }
        Ok(Self(tag))
    }
}

fn titled(part: &str) -> String {
    let (first, rest) = part.split_at(1);
    format!("{}{}", first.to_ascii_uppercase(), rest.to_ascii_lowercase())
}

impl TryFrom<String> for LanguageTag {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<LanguageTag> for String {
    fn from(tag: LanguageTag) -> Self {
        tag.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_has_one_spelling() {
        for (text, spelled) in [
            ("de", "de"),
            ("DE-at", "de-AT"),
            ("zh-HANT-hk", "zh-Hant-HK"),
            ("es-419", "es-419"),
            ("sl-IT-NEDIS", "sl-IT-nedis"),
            ("de-1996", "de-1996"),
            ("gsw", "gsw"),
        ] {
            assert_eq!(text.parse::<LanguageTag>().unwrap().as_str(), spelled);
        }
    }

    #[test]
    fn what_is_no_language_tag_is_refused() {
        for text in [
            "",
            "d",
            "english",
            "de_AT",
            "de-",
            "-de",
            "de--AT",
            "de-AT-AT",
            "de-AT-Latn",
            "de-a",
            "d1",
            "de-ä",
            "de-x-private",
            "de-AT-x",
            "de-nedis-AT",
            "de-é234",
            "de-Latn-Latn-Latn-Latn-Latn-Latn-Latn-Latn",
        ] {
            let refused = text.parse::<LanguageTag>().unwrap_err();
            assert_eq!(refused.code, Code::LanguageTagInvalid, "{text}");
        }
    }
}
