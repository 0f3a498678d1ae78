//! What SES reports about mails it has taken: the events of a configuration set, through SNS with raw delivery to a queue.

use std::collections::BTreeMap;
use std::str::FromStr;

use portal_domain::id::{InviteId, OrganizationId};
use serde::Deserialize;

use crate::tags;

/// What SNS publishes once, in words, when SES is connected to a topic. It is not JSON and tells nothing.
const GREETING: &str = "Successfully validated SNS topic";

/// A report that a mail did not arrive or was not wanted. It holds no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feedback {
    /// The organization that the mail spoke for, if it was tagged with one.
    pub organization: Option<OrganizationId>,
    /// The invite whose link the mail carried, if it was tagged with one.
    pub invite: Option<InviteId>,
    /// The version of that link, if it was tagged with one: a report about an old mail says nothing about a newer one.
    pub version: Option<u32>,
    /// What happened.
    pub kind: Kind,
}

/// What happened to a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It did not arrive.
    Bounce {
        /// Whether another try is pointless. SES itself retries what is not.
        permanent: bool,
    },
    /// Its recipient called it spam.
    Complaint,
    /// It was taken and then, for what is in it, not sent.
    Reject,
}

/// The report cannot be read. Says where, not what: a report is full of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the report of the mail provider cannot be read at line {line}, column {column}")]
pub struct FeedbackError {
    line: usize,
    column: usize,
}

/// The parts of a report that matter. Everything else, addresses above all, is skipped while reading.
#[derive(Deserialize)]
struct Report {
    /// `notificationType` is its name in the older feedback notifications.
    #[serde(rename = "eventType", alias = "notificationType")]
    event: String,
    bounce: Option<Bounce>,
    #[serde(default)]
    mail: Mail,
}

#[derive(Deserialize)]
struct Bounce {
    #[serde(rename = "bounceType")]
    kind: String,
}

#[derive(Default, Deserialize)]
struct Mail {
    #[serde(default)]
    tags: BTreeMap<String, Vec<String>>,
}

impl Mail {
    /// The tag called `name`. One of another form is as good as none: whoever may send with the account may set tags.
    fn tag<T: FromStr>(&self, name: &str) -> Option<T> {
        self.tags.get(name)?.first()?.parse().ok()
    }
}

/// The bounce, complaint or rejection that `body` reports; `None` for a report about anything else, such as a delivery.
///
/// # Errors
/// [`FeedbackError`] if it is not a report of SES.
pub fn parse(body: &str) -> Result<Option<Feedback>, FeedbackError> {
    if body.starts_with(GREETING) {
        return Ok(None);
    }
    let unreadable = |error: serde_json::Error| FeedbackError {
        line: error.line(),
        column: error.column(),
    };
    let report: Report = serde_json::from_str(body).map_err(unreadable)?;
    let kind = match report.event.as_str() {
        // "Undetermined" counts as passing: an invite is given up only for a certain reason.
        "Bounce" => Kind::Bounce {
            permanent: report.bounce.is_some_and(|bounce| bounce.kind == "Permanent"),
        },
        "Complaint" => Kind::Complaint,
        "Reject" => Kind::Reject,
        _ => return Ok(None),
    };
    Ok(Some(Feedback {
        organization: report.mail.tag(tags::ORGANIZATION),
        invite: report.mail.tag(tags::INVITE),
        version: report.mail.tag(tags::VERSION),
        kind,
    }))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;

    fn organization() -> OrganizationId {
        OrganizationId::mint(Timestamp::UNIX_EPOCH)
    }

    /// A report with the fields that SES sends around those that are read.
    fn report(event_key: &str, event: &str, detail: &Value, tags: &Value) -> String {
        json!({
            event_key: event,
            "mail": {
                "timestamp": "2025-11-21T10:00:00.000Z",
                "source": "no-reply@portal.example",
                "messageId": "0100-abc",
                "destination": ["ada@example.org"],
                "headersTruncated": false,
                "headers": [{ "name": "To", "value": "ada@example.org" }],
                "commonHeaders": { "to": ["ada@example.org"], "subject": "Praxis Müller invites you" },
                "tags": tags,
            },
            "bounce": detail,
        })
        .to_string()
    }

    fn bounce(kind: &str) -> Value {
        json!({
            "bounceType": kind,
            "bounceSubType": "General",
            "bouncedRecipients": [{ "emailAddress": "ada@example.org", "diagnosticCode": "smtp; 550 5.1.1 ada@example.org unknown" }],
            "timestamp": "2025-11-21T10:00:01.000Z",
        })
    }

    #[test]
    fn a_bounce_names_the_invite_and_the_version_of_its_link() {
        let (organization, invite) = (organization(), InviteId::mint(Timestamp::UNIX_EPOCH));
        let tags = json!({
            "ses:configuration-set": ["portal"],
            "organization": [organization.to_string()],
            "invite": [invite.to_string()],
            "version": ["3"],
        });
        for (kind, permanent) in [("Permanent", true), ("Transient", false), ("Undetermined", false)] {
            for key in ["eventType", "notificationType"] {
                let feedback = parse(&report(key, "Bounce", &bounce(kind), &tags))
                    .unwrap()
                    .unwrap();
                assert_eq!(
                    feedback,
                    Feedback {
                        organization: Some(organization),
                        invite: Some(invite),
                        version: Some(3),
                        kind: Kind::Bounce { permanent }
                    }
                );
                assert!(!format!("{feedback:?}").contains('@'));
            }
        }
    }

    #[test]
    fn complaints_and_rejections_are_told_from_bounces() {
        let organization = organization();
        let complaint = json!({
            "eventType": "Complaint",
            "complaint": { "complainedRecipients": [{ "emailAddress": "ada@example.org" }], "complaintFeedbackType": "abuse" },
            "mail": { "tags": { "organization": [organization.to_string()] } },
        });
        let reject = json!({
            "eventType": "Reject",
            "reject": { "reason": "Bad content" },
            "mail": { "tags": { "organization": [organization.to_string()] } },
        });
        for (body, kind) in [(complaint, Kind::Complaint), (reject, Kind::Reject)] {
            let feedback = parse(&body.to_string()).unwrap().unwrap();
            assert_eq!(feedback.kind, kind);
            assert_eq!(
                (feedback.organization, feedback.invite, feedback.version),
                (Some(organization), None, None)
            );
        }
    }

    #[test]
    fn tags_of_another_form_are_no_tags() {
        for tags in [
            json!({}),
            json!({ "organization": [], "version": ["-1"], "invite": ["org_1"] }),
            json!({ "version": ["99999999999"] }),
        ] {
            let feedback = parse(&report("eventType", "Bounce", &bounce("Permanent"), &tags))
                .unwrap()
                .unwrap();
            assert_eq!(
                (feedback.organization, feedback.invite, feedback.version),
                (None, None, None),
                "{tags}"
            );
        }
        let older = json!({ "notificationType": "Bounce", "bounce": bounce("Permanent"), "mail": { "messageId": "1" } });
        assert!(parse(&older.to_string()).unwrap().is_some());
    }

    #[test]
    fn other_events_say_nothing() {
        for event in [
            "Send",
            "Delivery",
            "Open",
            "Click",
            "DeliveryDelay",
            "Rendering Failure",
            "Subscription",
            "AmazonSnsSubscriptionSucceeded",
        ] {
            assert_eq!(
                parse(&report("eventType", event, &Value::Null, &json!({}))),
                Ok(None),
                "{event}"
            );
        }
        assert_eq!(
            parse("Successfully validated SNS topic for Amazon SES event publishing."),
            Ok(None)
        );
    }

    #[test]
    fn what_is_no_report_is_an_error_that_repeats_nothing_of_it() {
        let not_raw = json!({ "Type": "Notification", "Message": "{}" }).to_string();
        for body in [
            "",
            "{",
            "null",
            "[]",
            "\"ada@example.org\"",
            "{\"eventType\": {\"ada@example.org\": 1}}",
            not_raw.as_str(),
        ] {
            let error = parse(body).unwrap_err();
            assert!(!error.to_string().contains("ada"), "{error}");
        }
        let wrong = json!({ "eventType": "Bounce", "mail": { "tags": "ada@example.org" } }).to_string();
        assert!(!parse(&wrong).unwrap_err().to_string().contains("ada"));
    }
}
