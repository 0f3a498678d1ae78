//! A mail on its way to one person.

use std::fmt;

use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::text::Text;
use mail_builder::mime::MimePart;
use portal_domain::email::EmailAddress;
use portal_domain::id::MessageId;

use crate::invite::Rendered;
use crate::sender::Sender;

/// A mail with its one recipient.
#[derive(Clone)]
pub struct Outgoing {
    /// Who gets it.
    pub to: EmailAddress,
    /// What it says.
    pub rendered: Rendered,
    /// The outbox item it comes from. A second delivery of one item has the same reference, so mail programs can show it once.
    pub reference: MessageId,
    /// What it is about, for the provider's reports: see [`crate::tags`].
    pub tags: Vec<(String, String)>,
}

impl fmt::Debug for Outgoing {
    /// Addresses, names and links stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("reference", &self.reference)
            .finish_non_exhaustive()
    }
}

impl Outgoing {
    /// The MIME message (RFC 5322): one recipient, text and HTML as alternatives, marked as sent by a machine (RFC 3834), so that
    /// no absence note answers it.
    ///
    /// No value can end a header: addresses and references are of types that hold no line end, and the subject and the sender's
    /// name lose theirs here. The date is the machine's; SES replaces it, and the message id, with its own.
    #[must_use]
    pub fn mime(&self, sender: &Sender) -> Vec<u8> {
        let reference = self.reference.to_string();
        let message_id = format!("{reference}@{}", sender.address().domain().as_str());
        let language = self.rendered.locale.as_str();

        let message = MessageBuilder::new()
            .from(Address::new_address(
                sender.name().map(one_line),
                sender.address().as_str(),
            ))
            .to(Address::new_address(None::<&str>, self.to.as_str()))
            .subject(one_line(&self.rendered.subject))
            .message_id(message_id)
            .header("Auto-Submitted", Text::new("auto-generated"))
            .header("X-Auto-Response-Suppress", Text::new("All"))
            .header("X-Entity-Ref-ID", Text::new(reference))
            .header("Content-Language", Text::new(language))
            .body(MimePart::new(
                "multipart/alternative",
                vec![
                    MimePart::new("text/plain", lines(&self.rendered.text)),
                    MimePart::new("text/html", lines(&self.rendered.html)),
                ],
            ));
        let mut bytes = Vec::new();
        message.serialize(&mut bytes);
        bytes
    }
}

/// `text` with a space for each control character, and inside what a reader would take for an encoded word (RFC 2047).
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ").replace("=?", "= ?")
}

/// `text` without carriage returns: a bare one is no line end in a message, but some programs take it for one.
fn lines(text: &str) -> String {
    text.replace('\r', "")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use mail_parser::{Addr, Message, MessageParser};
    use portal_domain::locale::Locale;

    use super::*;

    fn outgoing(subject: &str) -> Outgoing {
        Outgoing {
            to: "ada+1@example.org".parse().unwrap(),
            rendered: Rendered {
                subject: subject.to_owned(),
                text: "Grüße\n.\nFrom here\n".to_owned(),
                html: "<p>Grüße</p>".to_owned(),
                locale: Locale::De,
            },
            reference: MessageId::mint(Timestamp::UNIX_EPOCH),
            tags: Vec::new(),
        }
    }

    fn sender() -> Sender {
        "Praxis, Portal <no-reply@portal.example>".parse().unwrap()
    }

    /// The names of the headers before the first empty line, as they stand in the bytes.
    fn header_names(mime: &[u8]) -> Vec<String> {
        let text = std::str::from_utf8(mime).unwrap();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
        lines
            .map(|line| line.split_once(':').unwrap_or((line, "")).0.to_ascii_lowercase())
            .collect()
    }

    fn recipients(message: &Message<'_>) -> Vec<String> {
        let address = |addr: &Addr<'_>| addr.address.clone().unwrap_or_default().into_owned();
        message.to().unwrap().iter().map(address).collect()
    }

    #[test]
    fn a_mail_program_reads_back_what_was_written() {
        let outgoing = outgoing("Praxis Müller lädt Sie ein");
        let mime = outgoing.mime(&sender());
        let message = MessageParser::default().parse(&mime).unwrap();

        assert_eq!(message.subject(), Some("Praxis Müller lädt Sie ein"));
        assert_eq!(
            message.from().unwrap().first().unwrap().name(),
            Some("Praxis, Portal")
        );
        assert_eq!(
            message.from().unwrap().first().unwrap().address(),
            Some("no-reply@portal.example")
        );
        assert_eq!(recipients(&message), ["ada+1@example.org"]);
        assert_eq!(
            message.body_text(0).unwrap().replace("\r\n", "\n"),
            outgoing.rendered.text
        );
        assert_eq!(message.body_html(0).unwrap(), outgoing.rendered.html);
        assert_eq!(
            (
                message.text_body_count(),
                message.html_body_count(),
                message.attachment_count()
            ),
            (1, 1, 0)
        );
        assert!(message.root_part().content_type_is("multipart", "alternative"));
        let header = |name: &str| message.header_raw(name).map(str::trim).map(str::to_owned);
        assert_eq!(header("Auto-Submitted").as_deref(), Some("auto-generated"));
        assert_eq!(header("X-Auto-Response-Suppress").as_deref(), Some("All"));
        assert_eq!(header("Content-Language").as_deref(), Some("de"));
        assert_eq!(header("X-Entity-Ref-ID"), Some(outgoing.reference.to_string()));
        assert_eq!(
            message.message_id(),
            Some(format!("{}@portal.example", outgoing.reference).as_str())
        );
    }

    trait ContentTypeIs {
        fn content_type_is(&self, kind: &str, subtype: &str) -> bool;
    }

    impl ContentTypeIs for mail_parser::MessagePart<'_> {
        fn content_type_is(&self, kind: &str, subtype: &str) -> bool {
            use mail_parser::MimeHeaders;
            self.content_type()
                .is_some_and(|found| found.c_type == kind && found.c_subtype.as_deref() == Some(subtype))
        }
    }

    #[test]
    fn no_value_adds_a_header_or_a_recipient() {
        let expected = header_names(&outgoing("plain").mime(&sender()));
        assert_eq!(expected.iter().filter(|name| *name == "to").count(), 1);
        for hostile in [
            "a\r\nBcc: eve@evil.example",
            "a\nBcc: eve@evil.example",
            "a\rBcc: eve@evil.example",
            "a\r\n\r\n<b>body</b>",
            "a\r\n Bcc: folded",
            "\u{85}Bcc: x\u{2028}Cc: y",
            "=?utf-8?q?=0D=0ABcc:_eve@evil.example?=",
            "a\0b",
            &"long ".repeat(400),
            &"ü".repeat(900),
        ] {
            let mime = outgoing(hostile).mime(&sender());
            assert_eq!(header_names(&mime), expected, "{hostile:?}");
            let message = MessageParser::default().parse(&mime).unwrap();
            assert_eq!(recipients(&message), ["ada+1@example.org"], "{hostile:?}");
            assert!(message.cc().is_none() && message.bcc().is_none(), "{hostile:?}");
            assert!(
                !message.subject().unwrap_or_default().contains("\r\nBcc"),
                "{hostile:?}"
            );
        }
    }

    #[test]
    fn lines_end_as_smtp_wants_them_and_are_short_enough() {
        let mut outgoing = outgoing(&"ü".repeat(900));
        outgoing.rendered.html = "x".repeat(5_000);
        outgoing.rendered.text = "a\nb\r\nc\rd".to_owned();
        let mime = outgoing.mime(&sender());
        let text = std::str::from_utf8(&mime).unwrap();
        assert!(
            text.split("\r\n")
                .all(|line| line.len() <= 998 && !line.contains(['\r', '\n']) && line.is_ascii()),
            "{text}"
        );
    }

    #[test]
    fn debug_output_hides_the_recipient() {
        assert!(!format!("{:?}", outgoing("Ada")).contains("ada"));
    }
}
