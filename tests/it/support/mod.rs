//! What tests talk in: a stack, people who sign in, and clinics they have.

mod answer;
mod clinic;
pub(crate) mod direct;
pub(crate) mod directory;
mod document;
mod exports;
pub(crate) mod imports;
mod invites;
pub(crate) mod ledger;
mod log;
mod person;

mod platform;
pub(crate) mod records;
pub(crate) mod service;
pub(crate) mod sessions;
pub(crate) mod statistics;

use std::future::poll_fn;
use std::ops::Deref;
use std::pin::pin;
use std::task::Poll;

pub(crate) use answer::Answer;
pub(crate) use clinic::Clinic;
pub(crate) use document::{differences, is_like, project};
pub(crate) use exports::Taken;
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

    /// A client of the object store.
    pub(crate) fn s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::new(&self.config(0).aws)
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

/// The seed of what a test chooses at random: another one each time, or what `PORTAL_SEED` says, to see a failure again.
#[expect(clippy::disallowed_methods, reason = "a failure is repeated by its seed")]
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("PORTAL_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| u64::from(rand::random::<u32>()));
    println!("PORTAL_SEED={seed}");
    seed
}

/// Everything at the same time; the results in order.
pub(crate) async fn at_once<F: Future>(all: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    futures_util::future::join_all(all).await
}

/// Lets `work` be woken `most` times and then kills it, as the end of a sandbox does; what it came to if it was done before.
pub(crate) async fn killed_after<F: Future>(most: usize, work: F) -> Option<F::Output> {
    let mut woken = 0;
    killed_once(
        || {
            woken += 1;
            woken > most
        },
        work,
    )
    .await
}

/// Kills `work` the first time that it waits once `is_time` says so; what it came to if it was done before.
pub(crate) async fn killed_once<F: Future>(mut is_time: impl FnMut() -> bool, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if is_time() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// An answer that was insisted on.
#[derive(Debug, Clone)]
pub(crate) struct Insisted {
    pub(crate) answer: Answer,
    /// Whether it was busy before: then it may have been done without being told so.
    pub(crate) was_busy: bool,
}

impl Deref for Insisted {
    type Target = Answer;

    fn deref(&self) -> &Answer {
        &self.answer
    }
}

/// Asks until the answer is not that it is too busy, as clients do.
pub(crate) async fn insist<F: Future<Output = Answer>>(ask: impl Fn() -> F) -> Insisted {
    for tries in 0..50 {
        let answer = ask().await;
        if answer.status != 503 {
            let was_busy = tries > 0;
            return Insisted { answer, was_busy };
        }
        assert_eq!(answer.code(), "busy", "{}", answer.text);
    }
    panic!("busy for good");
}

pub(crate) const SECOND: SignedDuration = SignedDuration::from_secs(1);
pub(crate) const DAY: SignedDuration = SignedDuration::from_hours(24);
