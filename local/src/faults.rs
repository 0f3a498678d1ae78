//! Faults on demand: what the cloud does to us now and then, at a chosen rate and from a printed seed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::problem::{body, problem};
use crate::sync::lock;

/// How long a delayed or held operation waits when its rule names no time.
const DEFAULT_DELAY: Duration = Duration::from_millis(5);

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The table refuses for lack of throughput.
    Throttle,
    /// The table answers late.
    Delay,
    /// The table does what was asked, and the answer gets lost.
    LostAnswer,
    /// A transaction meets another one that touches the same item. Also without a draw: while such a rule is set,
    /// transactions that overlap in time and in an item conflict.
    Conflict,
    /// An index answers as it did the last time it was asked.
    StaleIndex,
    /// The stream delivers a batch twice.
    DuplicateStream,
    /// The stream cuts a batch in two, and delivers the second part once more later.
    SplitStream,
    /// The mail provider is away.
    MailDown,
    /// The object store asks to come back later.
    ObjectsDown,
    /// The key service fails.
    KeysDown,
}

/// One kind of fault, how often, and for what.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What goes wrong.
    pub kind: Kind,
    /// The share of operations it happens to: 0 to 1.
    pub rate: f64,
    /// Only this operation (`TransactWriteItems`, `Query`, `SendRawEmail`, `UploadPart`, or a stream consumer's name); absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// For how long, where time plays a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
}

impl Rule {
    /// A rule for every operation.
    #[must_use]
    pub const fn new(kind: Kind, rate: f64) -> Self {
        Self {
            kind,
            rate,
            operation: None,
            delay_ms: None,
        }
    }

    /// The same for one operation only.
    #[must_use]
    pub fn only(self, operation: &str) -> Self {
        Self {
            operation: Some(operation.to_owned()),
            ..self
        }
    }

    /// The same with this delay.
    #[must_use]
    pub fn lasting(self, milliseconds: u64) -> Self {
        Self {
            delay_ms: Some(milliseconds),
            ..self
        }
    }

    /// How long an operation that meets the fault waits.
    pub(crate) fn delay(&self) -> Duration {
        self.delay_ms.map_or(DEFAULT_DELAY, Duration::from_millis)
    }

    fn is_for(&self, kind: Kind, operation: &str) -> bool {
        self.kind == kind && self.operation.as_deref().is_none_or(|only| only == operation)
    }
}

/// The faults in force; clones share them.
#[derive(Clone)]
pub struct Faults(Arc<Mutex<Plan>>);

struct Plan {
    seed: u64,
    random: StdRng,
    rules: Vec<Rule>,
    fired: BTreeMap<Kind, u64>,
}

impl Plan {
    fn new(seed: u64, rules: Vec<Rule>) -> Self {
        Self {
            seed,
            random: StdRng::seed_from_u64(seed),
            rules,
            fired: BTreeMap::new(),
        }
    }
}

/// What `POST /_local/faults` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    seed: Option<u64>,
    rules: Vec<Rule>,
}

/// What `GET /_local/faults` shows.
#[derive(Serialize)]
struct Shown {
    seed: u64,
    rules: Vec<Rule>,
    fired: BTreeMap<Kind, u64>,
}

impl Default for Faults {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Plan::new(0, Vec::new()))))
    }
}

impl Faults {
    /// Puts `rules` in force instead of the earlier ones; the counters start again.
    pub fn set(&self, seed: u64, rules: Vec<Rule>) {
        *lock(&self.0) = Plan::new(seed, rules);
    }

    /// Ends all faults; the counters stay readable.
    pub fn clear(&self) {
        lock(&self.0).rules.clear();
    }

    /// How often a fault of this kind happened since the rules were set.
    #[must_use]
    pub fn fired(&self, kind: Kind) -> u64 {
        lock(&self.0).fired.get(&kind).copied().unwrap_or(0)
    }

    /// `GET`, `POST` and `DELETE /_local/faults`.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/_local/faults", get(show).post(set).delete(clear))
            .with_state(self.clone())
    }

    /// The rule that strikes this operation, if one does; it is counted.
    pub(crate) fn draw(&self, kind: Kind, operation: &str) -> Option<Rule> {
        let plan = &mut *lock(&self.0);
        let rule = plan
            .rules
            .iter()
            .filter(|rule| rule.is_for(kind, operation))
            .find(|rule| plan.random.random_bool(rule.rate))?;
        *plan.fired.entry(kind).or_default() += 1;
        Some(rule.clone())
    }

    /// Whether a rule of this kind is set for the operation, struck or not.
    pub(crate) fn is_set(&self, kind: Kind, operation: &str) -> bool {
        lock(&self.0)
            .rules
            .iter()
            .any(|rule| rule.is_for(kind, operation))
    }

    /// Counts a fault that happened without a draw.
    pub(crate) fn count(&self, kind: Kind) {
        *lock(&self.0).fired.entry(kind).or_default() += 1;
    }

    /// A number below `end` (0 for 0) from the same seed, to choose between forms of a fault.
    pub(crate) fn choose(&self, end: usize) -> usize {
        if end == 0 {
            0
        } else {
            lock(&self.0).random.random_range(0..end)
        }
    }

    fn shown(&self) -> Shown {
        let plan = lock(&self.0);
        Shown {
            seed: plan.seed,
            rules: plan.rules.clone(),
            fired: plan.fired.clone(),
        }
    }
}

async fn show(State(faults): State<Faults>) -> Response {
    Json(faults.shown()).into_response()
}

async fn set(State(faults): State<Faults>, bytes: Bytes) -> Response {
    let wanted: Wanted = match body(&bytes) {
        Ok(wanted) => wanted,
        Err(refused) => return *refused,
    };
    if wanted.rules.iter().any(|rule| !(0.0..=1.0).contains(&rule.rate)) {
        return problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "body_invalid",
            "a rate is a share from 0 to 1",
        );
    }
    faults.set(wanted.seed.unwrap_or_else(rand::random), wanted.rules);
    Json(faults.shown()).into_response()
}

async fn clear(State(faults): State<Faults>) -> Response {
    faults.clear();
    Json(faults.shown()).into_response()
}
