//! The words of a mail in one language.

use std::collections::BTreeMap;

use portal_domain::locale::Locale;
use serde::Deserialize;

use crate::invite::MailError;

/// Where a layout takes a text from the catalogue: `[[key]]`.
const OPEN: &str = "[[";
const CLOSE: &str = "]]";

/// The texts of one mail in one language, as its translator wrote them.
///
/// A text may name values as `{{ organization }}`. The files are part of the program, so their texts are trusted and the values
/// are not.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Catalogue {
    /// The direction of the script.
    pub(crate) direction: Direction,
    /// The names of the fixed roles.
    pub(crate) roles: Roles,
    /// January to December, as they stand inside a date.
    pub(crate) months: [String; 12],
    /// The sentences, by key.
    pub(crate) texts: BTreeMap<String, String>,
}

/// The direction of a script, as HTML spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    /// Left to right.
    Ltr,
    /// Right to left.
    Rtl,
}

impl Direction {
    /// The value of the `dir` attribute.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ltr => "ltr",
            Self::Rtl => "rtl",
        }
    }

    /// The side where a line starts: mail programs know no `text-align: start`.
    pub(crate) const fn start(self) -> &'static str {
        match self {
            Self::Ltr => "left",
            Self::Rtl => "right",
        }
    }
}

/// The names of the roles that every organization has and that one can be invited with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Roles {
    /// Who gives care.
    pub(crate) provider: String,
    /// Who may look.
    pub(crate) viewer: String,
}

impl Catalogue {
    /// The texts of the invite mail in `locale`.
    pub(crate) fn of_invite(locale: Locale) -> Result<Self, MailError> {
        let source = match locale {
            Locale::En => include_str!("../templates/invite.en.json"),
            Locale::De => include_str!("../templates/invite.de.json"),
            Locale::Es => include_str!("../templates/invite.es.json"),
        };
        serde_json::from_str(source).map_err(|error| MailError::Template(error.to_string()))
    }

    /// `layout` with every `[[key]]` replaced by its text, passed through `prepared`.
    ///
    /// # Errors
    /// A key without a text: a mail is never sent with a hole in it.
    pub(crate) fn fill(&self, layout: &str, prepared: impl Fn(&str) -> String) -> Result<String, MailError> {
        let mut filled = String::with_capacity(layout.len() + 1_024);
        let mut rest = layout;
        while let Some((before, after)) = rest.split_once(OPEN) {
            let (key, after) = after
                .split_once(CLOSE)
                .ok_or_else(|| MailError::Template("a key is not closed".to_owned()))?;
            let text = self
                .texts
                .get(key)
                .ok_or_else(|| MailError::Template(format!("no text for the key {key}")))?;
            filled.push_str(before);
            filled.push_str(&prepared(text));
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::template::LAYOUTS;

    fn catalogues() -> Vec<(Locale, Catalogue)> {
        Locale::ALL
            .into_iter()
            .map(|locale| (locale, Catalogue::of_invite(locale).unwrap()))
            .collect()
    }

    fn between<'a>(text: &'a str, open: &str, close: &str) -> BTreeSet<&'a str> {
        text.split(open)
            .skip(1)
            .filter_map(|part| part.split_once(close))
            .map(|(inside, _)| inside.trim())
            .collect()
    }

    #[test]
    fn every_language_has_exactly_the_texts_that_the_layouts_ask_for() {
        let asked: BTreeSet<&str> = LAYOUTS
            .iter()
            .flat_map(|layout| between(layout, OPEN, CLOSE))
            .collect();
        for (locale, catalogue) in catalogues() {
            let has: BTreeSet<&str> = catalogue.texts.keys().map(String::as_str).collect();
            assert_eq!(has, asked, "{locale:?}");
            assert!(
                catalogue.texts.values().all(|text| !text.trim().is_empty()),
                "{locale:?}"
            );
        }
    }

    #[test]
    fn every_language_names_the_same_values_in_a_text() {
        let all = catalogues();
        let (_, english) = &all[0];
        for (locale, catalogue) in &all {
            for (key, text) in &catalogue.texts {
                assert_eq!(
                    between(text, "{{", "}}"),
                    between(&english.texts[key], "{{", "}}"),
                    "{locale:?} {key}"
                );
            }
        }
    }

    #[test]
    fn texts_are_calm() {
        for (locale, catalogue) in catalogues() {
            for (key, text) in &catalogue.texts {
                assert!(!text.contains(['!', '¡']), "{locale:?} {key} shouts");
            }
        }
    }

    #[test]
    fn twelve_different_months_and_two_different_roles() {
        for (locale, catalogue) in catalogues() {
            assert_eq!(
                catalogue.months.iter().collect::<BTreeSet<_>>().len(),
                12,
                "{locale:?}"
            );
            assert_ne!(catalogue.roles.provider, catalogue.roles.viewer, "{locale:?}");
        }
    }

    #[test]
    fn a_key_without_a_text_is_an_error() {
        let (_, catalogue) = catalogues().remove(0);
        assert!(catalogue.fill("[[no_such_key]]", str::to_owned).is_err());
        assert!(catalogue.fill("[[heading", str::to_owned).is_err());
    }
}
