//! SES's query protocol: a form in, XML out.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{StatusCode, header};

use super::Mailbox;
use super::message::Sending;
use crate::faults::Kind;
use crate::random::random_id;

/// What a mail may weigh in its encoded form: SES's limit of 40 MB is far from anything sent here.
const LARGEST_REQUEST: usize = 16 * 1024 * 1024;

pub(super) fn router() -> Router<Mailbox> {
    Router::new()
        .route("/_local/aws/ses", post(endpoint))
        .route("/_local/aws/ses/", post(endpoint))
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
}

type Form = BTreeMap<String, String>;

/// A refusal: status, SES's code, and words.
struct Refused(StatusCode, &'static str, &'static str);

async fn endpoint(State(mailbox): State<Mailbox>, bytes: Bytes) -> Response {
    let form: Form = serde_urlencoded::from_bytes(&bytes).unwrap_or_default();
    let action = form.get("Action").map(String::as_str).unwrap_or_default();
    let (status, xml) = match send(&mailbox, action, &form) {
        Ok(id) => (
            StatusCode::OK,
            format!(
                "<{action}Response xmlns=\"http://ses.amazonaws.com/doc/2010-12-01/\"><{action}Result><MessageId>{id}</MessageId>\
                 </{action}Result><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{action}Response>"
            ),
        ),
        Err(Refused(status, code, message)) => {
            let side = if status.is_server_error() {
                "Receiver"
            } else {
                "Sender"
            };
            let id = random_id();
            (
                status,
                format!(
                    "<ErrorResponse xmlns=\"http://ses.amazonaws.com/doc/2010-12-01/\"><Error><Type>{side}</Type><Code>{code}</Code>\
                     <Message>{message}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>"
                ),
            )
        }
    };
    (status, [(header::CONTENT_TYPE, "text/xml")], xml).into_response()
}

/// Takes one sending and gives its id.
fn send(mailbox: &Mailbox, action: &str, form: &Form) -> Result<String, Refused> {
    const INVALID: StatusCode = StatusCode::BAD_REQUEST;
    if !matches!(action, "SendRawEmail" | "SendEmail") {
        return Err(Refused(
            INVALID,
            "InvalidAction",
            "The action is not served here.",
        ));
    }
    let faults = &mailbox.0.faults;
    if faults.draw(Kind::MailDown, action).is_some() {
        return Err(if faults.choose(2) == 0 {
            Refused(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                "Service is currently unavailable.",
            )
        } else {
            Refused(INVALID, "Throttling", "Maximum sending rate exceeded.")
        });
    }
    let (id, at, tags) = (random_id().to_string(), mailbox.0.clock.now(), tags(form));
    let sending = if action == "SendRawEmail" {
        let raw = form
            .get("RawMessage.Data")
            .and_then(|data| STANDARD.decode(data).ok());
        let raw = raw.ok_or(Refused(
            INVALID,
            "InvalidParameterValue",
            "RawMessage.Data is not base64.",
        ))?;
        let parsed = Sending::from_raw(&raw, id.clone(), at, list(form, "Destinations"), tags);
        parsed.ok_or(Refused(
            INVALID,
            "InvalidParameterValue",
            "The raw message is not a mail.",
        ))?
    } else {
        let text = |name: &str| form.get(name).cloned().unwrap_or_default();
        Sending {
            id: id.clone(),
            at,
            from: text("Source"),
            to: ["To", "Cc", "Bcc"]
                .iter()
                .flat_map(|kind| list(form, &format!("Destination.{kind}Addresses")))
                .collect(),
            subject: text("Message.Subject.Data"),
            text: text("Message.Body.Text.Data"),
            html: text("Message.Body.Html.Data"),
            tags,
        }
    };
    if sending.to.is_empty() {
        return Err(Refused(
            INVALID,
            "InvalidParameterValue",
            "The mail has no recipient.",
        ));
    }
    sending.mails().for_each(|mail| mailbox.keep(mail));
    Ok(id)
}

/// The members of a list parameter, in order.
fn list(form: &Form, name: &str) -> Vec<String> {
    (1..)
        .map_while(|index| form.get(&format!("{name}.member.{index}")).cloned())
        .collect()
}

/// The mail's tags as its events name them.
fn tags(form: &Form) -> BTreeMap<String, Vec<String>> {
    let pairs = (1..).map_while(|index| {
        let name = form.get(&format!("Tags.member.{index}.Name"))?.clone();
        let value = form
            .get(&format!("Tags.member.{index}.Value"))
            .cloned()
            .unwrap_or_default();
        Some((name, vec![value]))
    });
    let set = form
        .get("ConfigurationSetName")
        .map(|set| ("ses:configuration-set".to_owned(), vec![set.clone()]));
    pairs.chain(set).collect()
}
