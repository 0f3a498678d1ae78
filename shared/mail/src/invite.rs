//! The mail that carries an invite's link.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::{HtmlEscape, Value, context};
use portal_domain::locale::Locale;

use crate::date::DateParts;
use crate::inert::inert;
use crate::template::{Part, Templates};

/// What an invite mail tells: all that it needs and nothing else about anyone.
///
/// Holds names and a secret link, so it has no debug output.
#[derive(Clone, Copy)]
pub struct InviteMail<'a> {
    /// The organization that invites.
    pub organization_name: &'a str,
    /// Who invites, if they have a name.
    pub inviter_name: Option<&'a str>,
    /// The role that is offered.
    pub role: RoleLabel<'a>,
    /// Where the invite is answered: an absolute address with the secret token in it.
    pub link: &'a str,
    /// When the link stops working.
    pub expires_at: Timestamp,
    /// The organization's time zone, in which the expiry is told.
    pub time_zone: &'a TimeZone,
    /// The language of the mail.
    pub locale: Locale,
    /// Whether an earlier mail with another link went out before.
    pub reminder: bool,
}

/// A role as a mail names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleLabel<'a> {
    /// The fixed role of those who give care; named in the mail's language.
    Provider,
    /// The fixed role of those who look; named in the mail's language.
    Viewer,
    /// A role of the organization's own, by the name it was given.
    Custom(&'a str),
}

/// A mail in words, not yet addressed.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The subject: one line.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part: the same as the text, and nothing that is loaded from elsewhere.
    pub html: String,
    /// The language of all three.
    pub locale: Locale,
}

impl fmt::Debug for Rendered {
    /// Names and links stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered")
            .field("locale", &self.locale)
            .finish_non_exhaustive()
    }
}

/// Why there is no mail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// A template or catalogue of this crate is broken.
    #[error("a mail template is broken: {0}")]
    Template(String),
    /// The link is not one that a mail may carry.
    #[error("the link of a mail must be an absolute http or https address in the characters of RFC 3986")]
    Link,
}

impl From<minijinja::Error> for MailError {
    fn from(error: minijinja::Error) -> Self {
        Self::Template(error.to_string())
    }
}

impl InviteMail<'_> {
    /// The mail in its language, every value as inert text.
    ///
    /// # Errors
    /// [`MailError::Link`] if the link is no plain web address; [`MailError::Template`] never, unless a file of this crate is
    /// broken.
    pub fn render(&self) -> Result<Rendered, MailError> {
        if !is_plain_web_address(self.link) {
            return Err(MailError::Link);
        }
        let templates = Templates::of_invite(self.locale)?;
        let names = self.names(templates);
        let expires = self.expires(templates)?;

        let text = self.values(templates, &names, &expires, &|name| name.into(), self.link.into());
        let subject = templates.render(Part::Subject, &text)?;

        // The title and the hidden preview take the subject and the date, which are plain; names in the body are isolated, so
        // that one in another script does not reorder the sentence around it.
        let isolated = |name: &str| Value::from_safe_string(format!("<bdi>{}</bdi>", HtmlEscape(name)));
        // The checked link needs this one escape; the template engine would also rewrite its slashes.
        let link = Value::from_safe_string(self.link.replace('&', "&amp;"));
        let html = context! { subject => subject.as_str(), ..self.values(templates, &names, &expires, &isolated, link) };

        Ok(Rendered {
            text: templates.render(Part::Text, &text)?,
            html: templates.render(Part::Html, &html)?,
            subject,
            locale: self.locale,
        })
    }

    fn names(&self, templates: &Templates) -> Names {
        let roles = &templates.catalogue.roles;
        Names {
            organization: inert(self.organization_name),
            inviter: self.inviter_name.map(inert).filter(|name| !name.is_empty()),
            role: match self.role {
                RoleLabel::Provider => roles.provider.clone(),
                RoleLabel::Viewer => roles.viewer.clone(),
                RoleLabel::Custom(name) => inert(name),
            },
        }
    }

    fn expires(&self, templates: &Templates) -> Result<String, MailError> {
        let moment = self.expires_at.to_zoned(self.time_zone.clone());
        let DateParts {
            day,
            month,
            year,
            time,
            zone,
        } = DateParts::of(&moment, &templates.catalogue.months);
        templates.render(Part::Date, &context! { day, month, year, time, zone })
    }

    fn values(
        &self,
        templates: &Templates,
        names: &Names,
        expires: &str,
        shown: &dyn Fn(&str) -> Value,
        link: Value,
    ) -> Value {
        let direction = templates.catalogue.direction;
        context! {
            lang => self.locale.as_str(),
            dir => direction.as_str(),
            start => direction.start(),
            organization => shown(&names.organization),
            inviter => names.inviter.as_deref().map(shown),
            role => shown(&names.role),
            reminder => self.reminder,
            expires,
            link,
        }
    }
}

/// The names that a mail shows, made inert.
struct Names {
    organization: String,
    inviter: Option<String>,
    role: String,
}

/// Whether `link` is an absolute web address in characters that mean nothing in HTML but `&`, and end no line.
fn is_plain_web_address(link: &str) -> bool {
    let rest = link
        .strip_prefix("https://")
        .or_else(|| link.strip_prefix("http://"));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@%=&+".contains(&byte);
    rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '['))
        && link.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "https://portal.example/invites#token=v1.abc-DEF_123&x=1";

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    fn mail(time_zone: &TimeZone) -> InviteMail<'_> {
        InviteMail {
            organization_name: "Praxis Müller",
            inviter_name: Some("Ada Lovelace"),
            role: RoleLabel::Provider,
            link: LINK,
            expires_at: "2025-11-28T13:30:45Z".parse().unwrap(),
            time_zone,
            locale: Locale::En,
            reminder: false,
        }
    }

    /// The text that a reader of the HTML part sees: tags out, entities back.
    fn seen(html: &str) -> String {
        let body = &html[html.find("<body").unwrap()..];
        let mut text = String::new();
        let mut inside = false;
        for character in body.chars() {
            match character {
                '<' => inside = true,
                '>' => inside = false,
                _ if !inside => text.push(character),
                _ => {}
            }
        }
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#x27;", "'")
            .replace("&#x2f;", "/")
            .replace("&amp;", "&")
    }

    #[test]
    fn each_language_tells_who_invites_to_what_until_when_and_why() {
        let zone = berlin();
        for (locale, subject, role, date) in [
            (
                Locale::En,
                "Praxis Müller invites you",
                "Provider",
                "28 November 2025, 14:30 (Europe/Berlin)",
            ),
            (
                Locale::De,
                "Praxis Müller lädt Sie ein",
                "Fachkraft",
                "28. November 2025, 14:30 Uhr (Europe/Berlin)",
            ),
            (
                Locale::Es,
                "Praxis Müller le envía una invitación",
                "Profesional",
                "28 de noviembre de 2025, 14:30 h (Europe/Berlin)",
            ),
        ] {
            let rendered = InviteMail {
                locale,
                ..mail(&zone)
            }
            .render()
            .unwrap();
            assert_eq!(rendered.subject, subject);
            for part in [rendered.text.clone(), seen(&rendered.html)] {
                for told in ["Praxis Müller", "Ada Lovelace", role, date, LINK] {
                    assert!(part.contains(told), "{told:?} is missing in {part}");
                }
                assert!(
                    !part.contains("{{") && !part.contains("[[") && !part.contains("{%"),
                    "{part}"
                );
            }
            assert!(
                rendered
                    .html
                    .contains(&format!("<html lang=\"{}\" dir=\"ltr\"", locale.as_str())),
                "{}",
                rendered.html
            );
        }
    }

    #[test]
    fn the_html_has_one_link_and_loads_nothing() {
        let zone = berlin();
        for locale in Locale::ALL {
            let html = InviteMail {
                locale,
                ..mail(&zone)
            }
            .render()
            .unwrap()
            .html;
            assert_eq!(html.matches("href=").count(), 1, "{html}");
            assert_eq!(
                html.matches(&format!("href=\"{}\"", LINK.replace('&', "&amp;")))
                    .count(),
                1,
                "{html}"
            );
            for trace in ["<img", "<link", "<script", "<form", "src=", "url(", "@import"] {
                assert!(!html.contains(trace), "{trace}");
            }
        }
    }

    #[test]
    fn a_reminder_says_that_the_earlier_link_is_dead() {
        let zone = berlin();
        for locale in Locale::ALL {
            let first = InviteMail {
                locale,
                ..mail(&zone)
            }
            .render()
            .unwrap();
            let again = InviteMail {
                locale,
                reminder: true,
                ..mail(&zone)
            }
            .render()
            .unwrap();
            assert_ne!(first.subject, again.subject);
            assert!(again.subject.ends_with(&first.subject));
            assert!(again.text.len() > first.text.len() && again.html.len() > first.html.len());
        }
    }

    #[test]
    fn an_inviter_without_a_name_leaves_no_hole() {
        let zone = berlin();
        for inviter_name in [None, Some(""), Some(" \u{200b} ")] {
            let rendered = InviteMail {
                inviter_name,
                ..mail(&zone)
            }
            .render()
            .unwrap();
            let sentence = "You are invited to join Praxis Müller with the role “Provider”.";
            assert!(rendered.text.contains(sentence), "{}", rendered.text);
            assert!(seen(&rendered.html).contains(sentence), "{}", rendered.html);
        }
    }

    #[test]
    fn the_text_part_has_no_more_than_one_empty_line_in_a_row() {
        let zone = berlin();
        for reminder in [false, true] {
            let text = InviteMail {
                reminder,
                ..mail(&zone)
            }
            .render()
            .unwrap()
            .text;
            assert!(!text.contains("\n\n\n") && text.starts_with("Praxis"), "{text:?}");
        }
    }

    #[test]
    fn a_custom_role_goes_by_its_own_name() {
        let zone = berlin();
        let rendered = InviteMail {
            role: RoleLabel::Custom("Front desk"),
            locale: Locale::De,
            ..mail(&zone)
        }
        .render()
        .unwrap();
        assert!(rendered.text.contains("„Front desk“"), "{}", rendered.text);
    }

    #[test]
    fn hostile_names_are_inert_text() {
        let zone = berlin();
        let names = [
            ("<script>alert(1)</script>", "<script>alert(1)</script>"),
            (
                "<a href=\"https://evil.example\">x</a>",
                "<a href=\"https: //evil. example\">x</a>",
            ),
            ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
            ("\"><svg/onload=alert(1)>", "\"><svg/onload=alert(1)>"),
            ("--><!--[if mso]>", "--><!--[if mso]>"),
            ("</title></bdi></td>", "</title></bdi></td>"),
            (
                "<mj-button href='x'>go</mj-button>",
                "<mj-button href='x'>go</mj-button>",
            ),
            ("{{ link }}", "{{ link }}"),
            ("{% include 'invite.txt' %}", "{% include 'invite. txt' %}"),
            ("{# gone #}", "{# gone #}"),
            ("[[reason]]", "[[reason]]"),
            ("&lt;b&gt; &amp; &#60;", "&lt;b&gt; &amp; &#60;"),
            ("https://evil.example/login", "https: //evil. example/login"),
            ("www.evil.example", "www. evil. example"),
            ("eve@evil.example", "eve @ evil. example"),
            (
                "Ada\r\nBcc: eve@evil.example\r\n\r\n<b>",
                "Ada Bcc: eve @ evil. example <b>",
            ),
            ("x\u{202e}\u{2066}\u{200b}y\0z", "xy z"),
            ("javascript:alert(1)", "javascript: alert(1)"),
        ];
        for (name, shown) in names {
            for (slot, hostile) in [
                (
                    "organization",
                    InviteMail {
                        organization_name: name,
                        ..mail(&zone)
                    },
                ),
                (
                    "inviter",
                    InviteMail {
                        inviter_name: Some(name),
                        ..mail(&zone)
                    },
                ),
                (
                    "role",
                    InviteMail {
                        role: RoleLabel::Custom(name),
                        ..mail(&zone)
                    },
                ),
            ] {
                let honest = mail(&zone).render().unwrap();
                let rendered = hostile.render().unwrap();
                let html = &rendered.html;
                let bdi = format!("<bdi>{}</bdi>", HtmlEscape(shown));
                assert!(
                    html.contains(&bdi),
                    "{slot} {name:?} is not shown as {bdi} in {html}"
                );
                assert!(
                    rendered.text.contains(shown),
                    "{slot} {name:?}: {}",
                    rendered.text
                );
                assert_eq!(
                    tags(html),
                    tags(&honest.html),
                    "{slot} {name:?} adds or removes a tag"
                );
                assert_eq!(html.matches("href=\"").count(), 1, "{slot} {name:?}");
                assert!(
                    !rendered.subject.chars().any(char::is_control),
                    "{slot} {name:?}: {:?}",
                    rendered.subject
                );
                assert!(!html.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\0']));
            }
        }
    }

    /// How many times each character of a tag occurs: equal counts mean that no name opened or closed one.
    fn tags(html: &str) -> (usize, usize) {
        (html.matches('<').count(), html.matches('>').count())
    }

    #[test]
    fn only_a_plain_web_address_is_a_link() {
        let zone = berlin();
        for link in [
            "http://127.0.0.1:9000/i#t=a.b",
            "https://portal.example/i?t=1",
            "http://[::1]:9000/i",
        ] {
            assert!(InviteMail { link, ..mail(&zone) }.render().is_ok(), "{link}");
        }
        for link in [
            "",
            "/invites",
            "//evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://",
            "https:///x",
            "HTTPS://portal.example",
            "https://portal.example/\" onclick=\"x",
            "https://portal.example/\r\nBcc: x",
            "https://portal.example/<b>",
            "https://portal.example/ä",
            "https://portal.example/'",
            "https://portal.example/a b",
        ] {
            assert_eq!(
                InviteMail { link, ..mail(&zone) }.render(),
                Err(MailError::Link),
                "{link:?}"
            );
        }
    }

    #[test]
    fn debug_output_hides_names_and_links() {
        let zone = berlin();
        let debug = format!("{:?}", mail(&zone).render().unwrap());
        assert_eq!(debug, "Rendered { locale: En, .. }");
    }
}
