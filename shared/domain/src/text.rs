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
    checked(text, longest, |_| false)
}

/// The same for texts of several lines: line feeds and tabs are part of them.
fn written(text: &str, longest: usize) -> Result<String, Refusal> {
    checked(&text.replace("\r\n", "\n"), longest, |character| {
        matches!(character, '\n' | '\t')
    })
}

fn checked(text: &str, longest: usize, is_layout: impl Fn(char) -> bool) -> Result<String, Refusal> {
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
        if (is_hidden(character) && !is_layout(character)) || marks > 2 {
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

macro_rules! texts {
    ($rule:ident: $($(#[$doc:meta])* $name:ident ..= $longest:literal, $debug:expr;)*) => {$(
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
                $rule(&text, $longest).map(Self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = Refusal;

            fn from_str(text: &str) -> Result<Self, Refusal> {
                $rule(text, $longest).map(Self)
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

macro_rules! names {
    ($($names:tt)*) => { texts! { shown: $($names)* } };
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
    /// What a provider calls a session. Often names a patient: hidden in debug output.
    SessionName ..= 100, |_| "…";
    /// What somebody calls a device of theirs. Often names its owner: hidden in debug output.
    DeviceName ..= 60, |_| "…";
    /// A person's given names or family names. Personal data: hidden in debug output.
    NamePart ..= 60, |_| "…";
    /// A line of a person's address. Personal data: hidden in debug output.
    AddressLine ..= 100, |_| "…";
    /// Through what a patient came. Personal data: hidden in debug output.
    ReferralSource ..= 60, |_| "…";
    /// What a sponsor knows an enrolled person by. Personal data: hidden in debug output.
    EligibilityReference ..= 100, |_| "…";
    /// A specialization, an area of expertise or a degree of a specialist. Personal data: hidden in debug output.
    ProfileLine ..= 200, |_| "…";
    /// What a credential is, its number, who issued it or where it is good. Personal data: hidden in debug output.
    CredentialText ..= 100, |_| "…";
}

texts! {
    written:
    /// The text of a note on a patient. Personal data: hidden in debug output.
    NoteText ..= 10_000, |_| "…";
    /// Why a specialist was reviewed so. Personal data: hidden in debug output.
    ReviewReason ..= 1_000, |_| "…";
    /// Why an action was dismissed. May name somebody: hidden in debug output.
    DismissalReason ..= 500, |_| "…";
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
    fn a_text_of_several_lines_keeps_them_and_hides_nothing() {
        let text: NoteText = " Called at noon.\r\n\tNo answer.\n".parse().unwrap();
        assert_eq!(text.as_str(), "Called at noon.\n\tNo answer.");
        for hidden in ["a\rb", "a\0b", "a\u{202e}b", "a\u{2028}b", "\n", ""] {
            assert!(hidden.parse::<NoteText>().is_err(), "{hidden:?}");
        }
        assert!("x".repeat(10_001).parse::<NoteText>().is_err());
        assert!("a\nb".parse::<NamePart>().is_err());
        assert!(!format!("{text:?}").contains("noon"));
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
