//! Layouts and texts, joined once per language.

use std::sync::LazyLock;

use minijinja::{Environment, UndefinedBehavior, Value};
use mrml::prelude::render::RenderOptions;
use portal_domain::locale::Locale;

use crate::catalogue::Catalogue;
use crate::invite::MailError;

/// The subject line.
const SUBJECT: &str = "{% if reminder %}[[subject_again]]{% else %}[[subject]]{% endif %}";
/// A moment, in the order of the language.
const DATE: &str = "[[date]]";
/// The text part.
const TEXT: &str = include_str!("../templates/invite.txt");
/// The HTML part, in MJML.
const HTML: &str = include_str!("../templates/invite.mjml");

/// All layouts of the invite mail.
#[cfg(test)]
pub(crate) const LAYOUTS: [&str; 4] = [SUBJECT, DATE, TEXT, HTML];

/// The parts of a mail, by the name of their template. A name that ends in `.html` turns escaping on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    /// The subject line.
    Subject,
    /// A moment inside a text.
    Date,
    /// The text part.
    Text,
    /// The HTML part.
    Html,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject.txt",
            Self::Date => "date.txt",
            Self::Text => "invite.txt",
            Self::Html => "invite.html",
        }
    }
}

/// The invite mail in one language, ready for its values.
pub(crate) struct Templates {
    /// The words of the language.
    pub(crate) catalogue: Catalogue,
    environment: Environment<'static>,
}

type Loaded<T> = LazyLock<Result<T, MailError>>;

// Each step runs once per process and only when it is needed: most cold starts of the consumer send mails in one language. The
// layout becomes HTML before any value is near it, so a value is never read as MJML; the texts go in before the template is
// parsed, so a value is never read as a template.
static HTML_LAYOUT: Loaded<String> = LazyLock::new(html_layout);
static EN: Loaded<Templates> = LazyLock::new(|| Templates::load(Locale::En));
static DE: Loaded<Templates> = LazyLock::new(|| Templates::load(Locale::De));
static ES: Loaded<Templates> = LazyLock::new(|| Templates::load(Locale::Es));

impl Templates {
    /// The invite mail in `locale`.
    ///
    /// # Errors
    /// Only if a file of this crate is broken, which its tests rule out.
    pub(crate) fn of_invite(locale: Locale) -> Result<&'static Self, MailError> {
        let loaded = match locale {
            Locale::En => &EN,
            Locale::De => &DE,
            Locale::Es => &ES,
        };
        loaded.as_ref().map_err(MailError::clone)
    }

    fn load(locale: Locale) -> Result<Self, MailError> {
        let catalogue = Catalogue::of_invite(locale)?;
        let html = HTML_LAYOUT.as_ref().map_err(MailError::clone)?;

        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        for (part, layout) in [(Part::Subject, SUBJECT), (Part::Date, DATE), (Part::Text, TEXT)] {
            environment.add_template_owned(part.name(), catalogue.fill(layout, str::to_owned)?)?;
        }
        environment.add_template_owned(Part::Html.name(), catalogue.fill(html, escaped)?)?;
        Ok(Self {
            catalogue,
            environment,
        })
    }

    /// `part` with `values` in their places.
    pub(crate) fn render(&self, part: Part, values: &Value) -> Result<String, MailError> {
        Ok(self.environment.get_template(part.name())?.render(values)?)
    }
}

/// The layout of the HTML part as HTML, its places for texts and values still open.
fn html_layout() -> Result<String, MailError> {
    let broken = |error: &dyn std::error::Error| MailError::Template(error.to_string());
    let mjml = mrml::parse(HTML).map_err(|error| broken(&error))?;
    // No web fonts: a mail loads nothing from anywhere.
    let options = RenderOptions {
        disable_comments: true,
        social_icon_origin: None,
        fonts: std::collections::HashMap::new(),
    };
    mjml.element.render(&options).map_err(|error| broken(&error))
}

/// A translator's text as HTML. Braces stay, quotes need no escape outside of attributes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_keeps_every_place() {
        let html = html_layout().unwrap();
        for place in [
            "{{ lang }}",
            "{{ dir }}",
            "{{ start }}",
            "{{ subject }}",
            "{{ link }}",
            "{% if reminder %}",
            "[[reason]]",
        ] {
            assert!(html.contains(place), "{place} is lost in {html}");
        }
    }

    #[test]
    fn the_layout_loads_nothing_from_elsewhere() {
        let html = html_layout().unwrap();
        for trace in [
            "<img",
            "<link",
            "<script",
            "<iframe",
            "src=",
            "url(",
            "@import",
            "background=",
            "https://",
        ] {
            assert!(!html.contains(trace), "{trace} in {html}");
        }
    }
}
