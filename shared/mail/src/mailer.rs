//! The port to the mail provider: Amazon SES.

use std::fmt;

use aws_sdk_ses::Client;
use aws_sdk_ses::config::Config;
use aws_sdk_ses::config::retry::RetryConfig;
use aws_sdk_ses::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ses::operation::send_raw_email::SendRawEmailError;
use aws_sdk_ses::primitives::Blob;
use aws_sdk_ses::types::{MessageTag, RawMessage};

use crate::outgoing::Outgoing;
use crate::sender::Sender;
use crate::tags;

/// Hands mails to SES.
#[derive(Clone)]
pub struct Mailer {
    client: Client,
    sender: Sender,
    configuration_set: Option<String>,
}

/// Why SES did not take a mail. Holds the error's code only: its message may name the recipient.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The same mail may be taken later: SES is busy, unreachable, paused or set up wrongly.
    #[error("the mail provider did not take the mail this time ({code})")]
    Retry {
        /// The provider's code, or what went wrong on the way to it.
        code: String,
        /// Whether SES may have taken the mail although no answer came: another try may send it twice.
        answer_lost: bool,
    },
    /// This mail will never be taken.
    #[error("the mail provider refuses the mail ({code})")]
    Permanent {
        /// The provider's code.
        code: String,
    },
}

impl SendError {
    /// Whether another try is pointless.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        matches!(self, Self::Permanent { .. })
    }
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailer")
            .field("configuration_set", &self.configuration_set)
            .finish_non_exhaustive()
    }
}

impl Mailer {
    /// A mailer that sends as `sender`. Without a configuration set SES reports no bounces.
    #[must_use]
    pub const fn new(client: Client, sender: Sender, configuration_set: Option<String>) -> Self {
        Self {
            client,
            sender,
            configuration_set,
        }
    }

    /// Sends `mail` and returns the id that SES gave it.
    ///
    /// Tries once: SES knows no idempotency, so whether a lost answer is worth a second mail is for the queue to decide, in the
    /// open, and not for retries that nobody sees.
    ///
    /// # Errors
    /// [`SendError`] tells whether another try makes sense.
    #[tracing::instrument(skip_all, fields(message.id = %mail.reference))]
    pub async fn send(&self, mail: &Outgoing) -> Result<String, SendError> {
        let message = RawMessage::builder()
            .data(Blob::new(mail.mime(&self.sender)))
            .build();
        let output = self
            .client
            .send_raw_email()
            .source(self.sender.address().as_str())
            .destinations(mail.to.as_str())
            .raw_message(message.map_err(|_| refused("InvalidMessage"))?)
            .set_tags(Some(message_tags(&mail.tags)?))
            .set_configuration_set_name(self.configuration_set.clone())
            .customize()
            .config_override(Config::builder().retry_config(RetryConfig::disabled()))
            .send()
            .await
            .map_err(|error| classify(&error))?;
        Ok(output.message_id)
    }
}

/// `tags` as SES takes them.
fn message_tags(tags: &[(String, String)]) -> Result<Vec<MessageTag>, SendError> {
    let tag = |(name, value): &(String, String)| {
        if !tags::is_allowed(name) || !tags::is_allowed(value) {
            return Err(refused("InvalidTag"));
        }
        MessageTag::builder()
            .name(name)
            .value(value)
            .build()
            .map_err(|_| refused("InvalidTag"))
    };
    tags.iter().map(tag).collect()
}

fn refused(code: &str) -> SendError {
    SendError::Permanent {
        code: code.to_owned(),
    }
}

/// What an error of the SDK means for the mail.
///
/// Only what is wrong with this mail is permanent. A mistake of the operator (rights, a missing configuration set, paused sending)
/// keeps the mail: it ends in the dead letters, where an alarm tells, and can be sent once the mistake is gone.
fn classify(error: &SdkError<SendRawEmailError>) -> SendError {
    let retry = |code: &str, answer_lost| SendError::Retry {
        code: code.to_owned(),
        answer_lost,
    };
    match error {
        SdkError::ServiceError(context) => {
            let code = context.err().code().unwrap_or("Unknown");
            match context.err() {
                SendRawEmailError::MessageRejected(_)
                | SendRawEmailError::MailFromDomainNotVerifiedException(_) => refused(code),
                // An address that SES cannot parse has no modeled error.
                _ if matches!(
                    code,
                    "InvalidParameterValue" | "ValidationError" | "InvalidParameterCombination"
                ) =>
                {
                    refused(code)
                }
                _ => retry(
                    code,
                    context.raw().status().is_server_error() && code == "Unknown",
                ),
            }
        }
        SdkError::TimeoutError(_) => retry("Timeout", true),
        SdkError::ResponseError(_) => retry("BadAnswer", true),
        // A connection that was never made is the usual case; one that broke after the request cannot be told from it.
        SdkError::DispatchFailure(_) => retry("Unreachable", true),
        _ => retry("NotSent", false),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use aws_sdk_ses::config::http::HttpResponse;
    use aws_sdk_ses::config::{BehaviorVersion, Credentials, Region};
    use aws_sdk_ses::error::ErrorMetadata;
    use aws_sdk_ses::types::error as modeled;
    use jiff::Timestamp;
    use portal_domain::id::{InviteId, MessageId, OrganizationId};
    use portal_domain::locale::Locale;

    use super::*;
    use crate::invite::Rendered;

    fn service_error(status: u16, error: SendRawEmailError) -> SendError {
        let status = status.try_into().unwrap();
        classify(&SdkError::service_error(
            error,
            HttpResponse::new(status, "".into()),
        ))
    }

    fn meta(code: &str) -> ErrorMetadata {
        ErrorMetadata::builder()
            .code(code)
            .message("ada@example.org is not verified")
            .build()
    }

    #[test]
    fn what_is_wrong_with_the_mail_is_permanent() {
        let rejected = modeled::MessageRejected::builder()
            .meta(meta("MessageRejected"))
            .build();
        let unverified = modeled::MailFromDomainNotVerifiedException::builder()
            .meta(meta("MailFromDomainNotVerifiedException"))
            .build();
        for error in [
            SendRawEmailError::MessageRejected(rejected),
            SendRawEmailError::MailFromDomainNotVerifiedException(unverified),
            SendRawEmailError::generic(meta("InvalidParameterValue")),
        ] {
            let error = service_error(400, error);
            assert!(error.is_permanent(), "{error}");
            assert!(!format!("{error:?} {error}").contains("ada"), "{error:?}");
        }
    }

    #[test]
    fn what_may_pass_or_is_ours_to_mend_is_tried_again() {
        let paused = modeled::AccountSendingPausedException::builder()
            .meta(meta("AccountSendingPausedException"))
            .build();
        let missing = modeled::ConfigurationSetDoesNotExistException::builder()
            .meta(meta("ConfigurationSetDoesNotExist"))
            .build();
        for (status, error) in [
            (400, SendRawEmailError::AccountSendingPausedException(paused)),
            (
                400,
                SendRawEmailError::ConfigurationSetDoesNotExistException(missing),
            ),
            (400, SendRawEmailError::generic(meta("Throttling"))),
            (403, SendRawEmailError::generic(meta("AccessDenied"))),
            (500, SendRawEmailError::generic(meta("InternalFailure"))),
            (503, SendRawEmailError::generic(meta("ServiceUnavailable"))),
            (502, SendRawEmailError::generic(ErrorMetadata::builder().build())),
        ] {
            let error = service_error(status, error);
            assert!(!error.is_permanent(), "{error}");
            assert!(!format!("{error:?} {error}").contains("ada"), "{error:?}");
        }
    }

    #[test]
    fn a_lost_answer_is_told_from_a_clear_no() {
        let timeout: SdkError<SendRawEmailError> = SdkError::timeout_error("late");
        assert_eq!(
            classify(&timeout),
            SendError::Retry {
                code: "Timeout".to_owned(),
                answer_lost: true
            }
        );
        let throttled = service_error(400, SendRawEmailError::generic(meta("Throttling")));
        assert_eq!(
            throttled,
            SendError::Retry {
                code: "Throttling".to_owned(),
                answer_lost: false
            }
        );
    }

    #[test]
    fn a_tag_that_ses_would_refuse_is_refused_before() {
        assert_eq!(
            message_tags(&[("invite".to_owned(), "a b".to_owned())]),
            Err(refused("InvalidTag"))
        );
    }

    /// Answers the requests that come with `answers`, in order, and returns the bodies of the requests.
    fn provider(answers: Vec<(u16, &'static str)>) -> (String, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let answering = std::thread::spawn(move || {
            let answer = |(status, body): (u16, &str)| {
                let (stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream);
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if line == "\r\n" {
                        break;
                    }
                }
                let mut request = vec![0; length];
                reader.read_exact(&mut request).unwrap();
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                reader
                    .get_mut()
                    .write_all(format!("{head}{body}").as_bytes())
                    .unwrap();
                String::from_utf8(request).unwrap()
            };
            answers.into_iter().map(answer).collect()
        });
        (endpoint, answering)
    }

    fn mailer(endpoint: &str) -> Mailer {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .endpoint_url(endpoint)
            .build();
        Mailer::new(
            Client::from_conf(config),
            "Portal <no-reply@portal.example>".parse().unwrap(),
            Some("portal".to_owned()),
        )
    }

    fn mail() -> Outgoing {
        let now = Timestamp::UNIX_EPOCH;
        Outgoing {
            to: "ada@example.org".parse().unwrap(),
            rendered: Rendered {
                subject: "s".to_owned(),
                text: "t".to_owned(),
                html: "<p>h</p>".to_owned(),
                locale: Locale::En,
            },
            reference: MessageId::mint(now),
            tags: tags::of_invite(OrganizationId::mint(now), InviteId::mint(now), 2),
        }
    }

    #[tokio::test]
    async fn one_request_carries_sender_recipient_tags_and_configuration_set() {
        let accepted = "<SendRawEmailResponse xmlns=\"http://ses.amazonaws.com/doc/2010-12-01/\"><SendRawEmailResult>\
            <MessageId>0100-abc</MessageId></SendRawEmailResult></SendRawEmailResponse>";
        let (endpoint, requests) = provider(vec![(200, accepted)]);
        assert_eq!(mailer(&endpoint).send(&mail()).await.unwrap(), "0100-abc");

        let requests = requests.join().unwrap();
        for field in [
            "Action=SendRawEmail",
            "Source=no-reply%40portal.example",
            "Destinations.member.1=ada%40example.org",
            "Tags.member.1.Name=organization",
            "Tags.member.2.Name=invite",
            "Tags.member.3.Name=version",
            "Tags.member.3.Value=2",
            "ConfigurationSetName=portal",
            "RawMessage.Data=",
        ] {
            assert!(
                requests[0].contains(field),
                "{field} is missing in {}",
                requests[0]
            );
        }
        assert!(!requests[0].contains("Destinations.member.2"));
    }

    #[tokio::test]
    async fn a_failure_is_told_after_one_try() {
        let throttled = "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Maximum sending rate exceeded.</Message>\
            </Error><RequestId>r</RequestId></ErrorResponse>";
        let rejected = "<ErrorResponse><Error><Type>Sender</Type><Code>MessageRejected</Code><Message>ada@example.org</Message></Error>\
            <RequestId>r</RequestId></ErrorResponse>";
        let (endpoint, requests) = provider(vec![(400, throttled), (400, rejected), (503, "")]);
        let mailer = mailer(&endpoint);
        assert_eq!(
            mailer.send(&mail()).await,
            Err(SendError::Retry {
                code: "Throttling".to_owned(),
                answer_lost: false
            })
        );
        assert_eq!(mailer.send(&mail()).await, Err(refused("MessageRejected")));
        assert!(!mailer.send(&mail()).await.unwrap_err().is_permanent());
        // Three answers were enough for three calls: nothing was retried unseen.
        assert_eq!(requests.join().unwrap().len(), 3);
    }
}
