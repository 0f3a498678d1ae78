//! The mailbox: takes what the SES client sends, keeps it, and shows it to people and tests.

mod endpoint;
mod message;
mod page;

use std::collections::VecDeque;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode, header};
use portal_app::Clock;
use serde::Deserialize;
use serde_json::{Value, json};

pub use self::message::Mail;

use crate::faults::Faults;
use crate::problem::{body, problem};
use crate::sync::lock;

/// How many mails are kept.
const KEPT: usize = 2_000;

/// Takes a delivery event, as SES would publish it.
pub type Feedback = Arc<dyn Fn(Value) + Send + Sync>;

/// The mailbox of the whole world; clones share it.
#[derive(Clone)]
pub struct Mailbox(Arc<Inner>);

struct Inner {
    clock: Clock,
    faults: Faults,
    file: Option<PathBuf>,
    feedback: Feedback,
    mails: Mutex<VecDeque<Mail>>,
}

/// What happened to a mail after it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// It could not be delivered.
    Bounce,
    /// The recipient called it unwanted.
    Complaint,
    /// The mail service found it harmful and did not send it.
    Reject,
}

/// Whether a bounce is for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bounce {
    /// No such mailbox.
    #[default]
    Permanent,
    /// The mailbox is full, or its server away.
    Transient,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeedbackWanted {
    to: String,
    #[serde(rename = "type")]
    event: Event,
    #[serde(default)]
    bounce_type: Bounce,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    to: Option<String>,
    mail: Option<String>,
}

impl Mailbox {
    /// The mailbox, with what `file` kept of it. Bounces, complaints and rejections go to `feedback`.
    #[must_use]
    pub fn new(clock: &Clock, faults: &Faults, file: Option<&Path>, feedback: Feedback) -> Self {
        let kept = file
            .and_then(|path| std::fs::read_to_string(path).ok())
            .unwrap_or_default();
        // A line that was cut by a sudden end is not worth a refusal to start.
        let mails = kept
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let file = file.map(Path::to_owned);
        Self(Arc::new(Inner {
            clock: clock.clone(),
            faults: faults.clone(),
            file,
            feedback,
            mails: Mutex::new(mails),
        }))
    }

    /// The mails to an address, newest first.
    #[must_use]
    pub fn messages(&self, to: &str) -> Vec<Mail> {
        self.select(Some(to))
    }

    /// All mails, newest first.
    #[must_use]
    pub fn all(&self) -> Vec<Mail> {
        self.select(None)
    }

    /// Throws all mails away.
    pub fn clear(&self) {
        lock(&self.0.mails).clear();
        if let Some(path) = &self.0.file {
            report(std::fs::write(path, ""));
        }
    }

    /// Lets the newest mail to `to` bounce or be complained about; says whether there is one.
    #[must_use]
    pub fn report(&self, to: &str, event: Event, bounce: Bounce) -> bool {
        let mail = self.messages(to).into_iter().next();
        if let Some(mail) = &mail {
            (self.0.feedback)(mail.event(event, bounce, self.0.clock.now()));
        }
        mail.is_some()
    }

    /// The SES endpoint `POST /_local/aws/ses/`, and `/_local/mailbox` for people and tests.
    pub fn router(&self) -> Router {
        endpoint::router()
            .route("/_local/mailbox", get(show).delete(clear))
            .route("/_local/mailbox/feedback", post(feedback))
            .with_state(self.clone())
    }

    fn keep(&self, mail: Mail) {
        if let Some(path) = &self.0.file {
            let line = serde_json::to_string(&mail).map_err(std::io::Error::other);
            let opened = || std::fs::OpenOptions::new().create(true).append(true).open(path);
            report(line.and_then(|line| writeln!(opened()?, "{line}")));
        }
        let mut mails = lock(&self.0.mails);
        if mails.len() == KEPT {
            mails.pop_front();
        }
        mails.push_back(mail);
    }

    fn select(&self, to: Option<&str>) -> Vec<Mail> {
        let wanted = |mail: &&Mail| to.is_none_or(|to| mail.to.eq_ignore_ascii_case(to));
        lock(&self.0.mails).iter().rev().filter(wanted).cloned().collect()
    }
}

fn report(written: std::io::Result<()>) {
    if let Err(error) = written {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the mailbox was not saved"
        );
    }
}

async fn show(
    State(mailbox): State<Mailbox>,
    headers: HeaderMap,
    filter: Result<Query<Filter>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let Ok(Query(filter)) = filter else {
        return problem(
            StatusCode::BAD_REQUEST,
            "query_invalid",
            "the mailbox takes `to`, and for the page `mail`",
        );
    };
    let mails = mailbox.select(filter.to.as_deref());
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .unwrap_or_default();
    if accept.contains("text/html") {
        page::page(&mails, filter.to.as_deref(), filter.mail.as_deref())
    } else {
        Json(mails).into_response()
    }
}

async fn clear(State(mailbox): State<Mailbox>) -> StatusCode {
    mailbox.clear();
    StatusCode::NO_CONTENT
}

async fn feedback(State(mailbox): State<Mailbox>, bytes: Bytes) -> Response {
    let wanted: FeedbackWanted = match body(&bytes) {
        Ok(wanted) => wanted,
        Err(refused) => return *refused,
    };
    if mailbox.report(&wanted.to, wanted.event, wanted.bounce_type) {
        (StatusCode::ACCEPTED, Json(json!({}))).into_response()
    } else {
        problem(
            StatusCode::NOT_FOUND,
            "mail_not_found",
            "no mail was sent to this address",
        )
    }
}
