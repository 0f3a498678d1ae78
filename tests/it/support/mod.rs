//! What tests talk in: a stack, people who sign in, and clinics they have.

mod answer;
mod clinic;
pub(crate) mod direct;
mod document;
mod invites;
mod log;
mod person;

use std::ops::Deref;

pub(crate) use answer::Answer;
pub(crate) use clinic::Clinic;
pub(crate) use document::{differences, is_like, project};
use jiff::SignedDuration;
pub(crate) use log::Log;
pub(crate) use person::{Person, fresh_key};
use portal_local::stack::{Options, Stack};

/// A stack of its own for every test: in memory, with every function in two sandboxes.
pub(crate) struct Portal {
    stack: Stack,
    client: reqwest::Client,
}

impl Deref for Portal {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        &self.stack
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests follow no redirects that matter and need no timeout"
)]
fn client() -> reqwest::Client {
    reqwest::Client::new()
}

impl Portal {
    /// A new, empty portal.
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// A new, empty portal that runs as `options` say.
    pub(crate) async fn start_with(options: Options) -> Self {
        let stack = Stack::start(options).await.expect("the stack starts");
        Self {
            stack,
            client: client(),
        }
    }

    /// Somebody called `name` who has verified `name@riverside.example`.
    pub(crate) fn person(&self, name: &str) -> Person {
        Person::sign_in(self, name, &format!("{}@riverside.example", name.to_lowercase()))
    }

    /// Somebody who has verified `email`.
    pub(crate) fn person_with(&self, name: &str, email: &str) -> Person {
        Person::sign_in(self, name, email)
    }

    /// A clinic with one admin, Dana.
    pub(crate) async fn clinic(&self) -> Clinic<'_> {
        Clinic::of(self, self.person("Dana"), "Riverside Family Practice").await
    }

    /// Time passes.
    pub(crate) fn wait(&self, time: SignedDuration) {
        self.clock.advance(time);
    }

    pub(crate) fn client(&self) -> reqwest::Client {
        self.client.clone()
    }
}

/// How many rounds the long tests run: a few, or as many as `PORTAL_ROUNDS` says.
#[expect(
    clippy::disallowed_methods,
    reason = "the nightly mode is chosen by the environment"
)]
pub(crate) fn rounds(few: usize) -> usize {
    std::env::var("PORTAL_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(few)
}

pub(crate) const SECOND: SignedDuration = SignedDuration::from_secs(1);
pub(crate) const DAY: SignedDuration = SignedDuration::from_hours(24);
