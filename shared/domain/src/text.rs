//! Text that people type and others read: names without control, invisible or direction-changing characters.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use crate::code::{Code, Refusal};

/// `text` in NFC without outer white space, or why it cannot be shown safely to others.
///
/// Control, format (bidi, zero width), private-use and unassigned characters and line separators are refused: they hide or
/// reorder what a reader sees (Unicode TR 36). More than two combining marks in a row are refused too.
fn shown(text: &str, longest: usize) -> Result<String, Refusal> {
    let text: String = text.trim().nfc().collect();
    let length = text.chars().count();
    if length == 0 || length > longest {
        return Err(Refusal::new(
            Code::TextInvalid,
            format!("must have 1 to {longest} characters"),
        ));
    }
    let mut marks = 0;
    for character in text.chars() {
        marks = if is_mark(character) { marks + 1 } else { 0 };
        if is_hidden(character) || marks > 2 {
            return Err(Refusal::new(
                Code::TextInvalid,
                "has characters that are invisible or change how the text is shown",
            ));
        }
    }
    Ok(text)
}

fn is_hidden(character: char) -> bool {
    use GeneralCategory as G;
    matches!(
        character.general_category(),
        G::Control
            | G::Format
            | G::PrivateUse
            | G::Unassigned
            | G::Surrogate
            | G::LineSeparator
            | G::ParagraphSeparator
    )
}

fn is_mark(character: char) -> bool {
    use GeneralCategory as G;
    matches!(character.general_category(), G::NonspacingMark | G::EnclosingMark)
}

/// `text` as it is searched: compatibility-folded, lower case, single spaces.
#[must_use]
pub fn folded(text: &str) -> String {
    let lower: String = text
        .nfkd()
        .filter(|c| !is_mark(*c))
        .collect::<String>()
        .to_lowercase();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The longest part of a name that is sorted by: folding can make many letters of one, and keys and cursors are bounded.
const SORTED: usize = 200;

/// `name` as it is sorted: folded, and not endless.
#[must_use]
pub fn sorted(name: &str) -> String {
    folded(name).chars().take(SORTED).collect()
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident ..= $longest:literal, $debug:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Refusal;

            fn try_from(text: String) -> Result<Self, Refusal> {
                shown(&text, $longest).map(Self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = Refusal;

            fn from_str(text: &str) -> Result<Self, Refusal> {
                shown(text, $longest).map(Self)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let shown: fn(&str) -> &str = $debug;
                write!(f, "{}({})", stringify!($name), shown(&self.0))
            }
        }
    )*};
}

names! {
    /// The display name of an organization.
    OrganizationName ..= 100, |text| text;
    /// The name of a site, as its patients know it.
    SiteName ..= 100, |text| text;
    /// The name of a custom role.
    RoleName ..= 60, |text| text;
    /// What a booking is for. Tells about its patient: hidden in debug output.
    ServiceName ..= 100, |_| "…";
    /// The name of a person. Personal data: hidden in debug output.
    PersonName ..= 100, |_| "…";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_composed() {
        let name: OrganizationName = "  Praxis Mu\u{308}ller ".parse().unwrap();
        assert_eq!(name.as_str(), "Praxis Müller");
    }

    #[test]
    fn hidden_characters_are_refused() {
        for text in [
            "a\u{202e}b",
            "a\u{200b}b",
            "a\0b",
            "a\r\nb",
            "a\u{2028}b",
            "a\u{feff}",
            "",
            "   ",
            "a\u{300}\u{301}\u{302}\u{303}",
        ] {
            assert!(text.parse::<PersonName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_persons_name_does_not_show_in_debug_output() {
        let name: PersonName = "Ada Lovelace".parse().unwrap();
        assert!(!format!("{name:?}").contains("Ada"));
    }

    #[test]
    fn folding_ignores_case_accents_and_width() {
        assert_eq!(folded("  Ｊosé   ÁLVAREZ "), "jose alvarez");
    }

    #[test]
    fn what_is_sorted_by_is_bounded_however_a_name_unfolds() {
        assert_eq!(sorted("José"), "jose");
        assert!(folded(&"ﷺ".repeat(100)).len() > 3_000);
        assert_eq!(sorted(&"ﷺ".repeat(100)).chars().count(), SORTED);
    }
}
