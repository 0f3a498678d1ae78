//! One mail, as sent to one recipient.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use mail_parser::MessageParser;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Bounce, Event};

/// A mail to one recipient.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mail {
    /// The id that SES gave it; shared by the recipients of one sending.
    pub id: String,
    /// When it was sent.
    pub at: Timestamp,
    /// The sender, as in the mail's own header.
    pub from: String,
    /// The recipient.
    pub to: String,
    /// The subject, decoded.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// Where its links go, each once, in order.
    pub links: Vec<String>,
    /// The tags it was sent with, and the configuration set.
    pub tags: BTreeMap<String, Vec<String>>,
}

/// What a sending consists of, before it is one mail per recipient.
pub(super) struct Sending {
    pub(super) id: String,
    pub(super) at: Timestamp,
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
    pub(super) tags: BTreeMap<String, Vec<String>>,
}

impl Sending {
    /// Reads a raw mail; `None` when it is none. `to` wins over the mail's own headers.
    pub(super) fn from_raw(
        raw: &[u8],
        id: String,
        at: Timestamp,
        to: Vec<String>,
        tags: BTreeMap<String, Vec<String>>,
    ) -> Option<Self> {
        let parsed = MessageParser::default().parse(raw)?;
        let first = |address: Option<&mail_parser::Address<'_>>| {
            let first = address
                .and_then(mail_parser::Address::first)
                .and_then(mail_parser::Addr::address);
            first.unwrap_or_default().to_owned()
        };
        let named: Vec<String> = [parsed.to(), parsed.cc(), parsed.bcc()]
            .into_iter()
            .flatten()
            .flat_map(|address| {
                address
                    .iter()
                    .filter_map(mail_parser::Addr::address)
                    .map(str::to_owned)
            })
            .collect();
        // The parser makes an HTML body out of text and the other way round; here only what was sent counts.
        let text = parsed
            .text_bodies()
            .find(|part| part.is_text() && !part.is_text_html());
        let html = parsed.html_bodies().find(|part| part.is_text_html());
        let contents = |part: Option<&mail_parser::MessagePart<'_>>| {
            part.and_then(|part| part.text_contents())
                .unwrap_or_default()
                .to_owned()
        };
        Some(Self {
            id,
            at,
            from: first(parsed.from()),
            to: if to.is_empty() { named } else { to },
            subject: parsed.subject().unwrap_or_default().to_owned(),
            text: contents(text),
            html: contents(html),
            tags,
        })
    }

    /// One mail per recipient.
    pub(super) fn mails(self) -> impl Iterator<Item = Mail> {
        let links = links(&self.html, &self.text);
        self.to.into_iter().map(move |to| Mail {
            id: self.id.clone(),
            at: self.at,
            from: self.from.clone(),
            to,
            subject: self.subject.clone(),
            text: self.text.clone(),
            html: self.html.clone(),
            links: links.clone(),
            tags: self.tags.clone(),
        })
    }
}

impl Mail {
    /// The event that SES publishes about it.
    pub(super) fn event(&self, event: Event, bounce: Bounce, now: Timestamp) -> Value {
        let mail = json!({
            "timestamp": self.at,
            "source": self.from,
            "sourceArn": "arn:aws:ses:local:000000000000:identity/local",
            "sendingAccountId": "000000000000",
            "messageId": self.id,
            "destination": [self.to],
            "headersTruncated": false,
            "headers": [],
            "commonHeaders": { "from": [self.from], "to": [self.to], "messageId": self.id, "subject": self.subject },
            "tags": self.tags,
        });
        match event {
            Event::Bounce => {
                let (kind, subtype, status) = match bounce {
                    Bounce::Permanent => ("Permanent", "General", "5.1.1"),
                    Bounce::Transient => ("Transient", "MailboxFull", "4.2.2"),
                };
                let recipient = json!({ "emailAddress": self.to, "action": "failed", "status": status });
                let bounce = json!({
                    "bounceType": kind, "bounceSubType": subtype, "bouncedRecipients": [recipient],
                    "timestamp": now, "feedbackId": self.id, "reportingMTA": "dns; local",
                });
                json!({ "eventType": "Bounce", "bounce": bounce, "mail": mail })
            }
            Event::Complaint => {
                let complaint = json!({
                    "complainedRecipients": [{ "emailAddress": self.to }], "timestamp": now, "feedbackId": self.id,
                    "complaintFeedbackType": "abuse",
                });
                json!({ "eventType": "Complaint", "complaint": complaint, "mail": mail })
            }
            Event::Reject => {
                json!({ "eventType": "Reject", "reject": { "reason": "Bad content" }, "mail": mail })
            }
        }
    }
}

/// The web addresses that the mail links to; of a mail without HTML, those in its text.
fn links(html: &str, text: &str) -> Vec<String> {
    let found: Vec<Cow<'_, str>> = if html.is_empty() {
        text.split_whitespace().map(Cow::Borrowed).collect()
    } else {
        let quoted = |quote: char| {
            html.split("href=")
                .skip(1)
                .filter_map(move |rest| rest.strip_prefix(quote)?.split(quote).next())
        };
        quoted('"')
            .chain(quoted('\''))
            .map(html_escape::decode_html_entities)
            .collect()
    };
    let mut links: Vec<String> = Vec::new();
    for link in found {
        let is_web = link.starts_with("http://") || link.starts_with("https://");
        if is_web && !links.iter().any(|known| *known == link) {
            links.push(link.into_owned());
        }
    }
    links
}
