//! The table: an embedded DynamoDB behind the SDK's own protocol, with the faults of the real one on demand.

mod answer;
mod conflict;
mod dispatch;
mod operation;
mod rights;
mod stale;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::Response;
use axum::routing::post;
use dynoxide::{Database, DynoxideError};
use http::{HeaderMap, header};
use portal_app::Clock;
use serde_json::Value;
use tokio::sync::Notify;

pub use self::operation::{Access, Key, Operation};
pub use self::rights::{Right, granted};

use self::answer::Answer;
use self::conflict::{Entry, InFlight};
use self::operation::Schemas;
use self::rights::Roles;
use self::stale::Earlier;
use crate::faults::{Faults, Kind};
use crate::random::random_id;
use crate::sync::lock;
use crate::template::Template;

/// How many operations are remembered.
const REMEMBERED: usize = 10_000;
/// What a request may weigh: DynamoDB's own limit.
const LARGEST_REQUEST: usize = 16 * 1024 * 1024;

/// The embedded database; clones share it.
#[derive(Clone)]
pub struct Dynamo(Arc<Inner>);

struct Inner {
    database: Database,
    faults: Faults,
    schemas: Schemas,
    roles: Roles,
    in_flight: InFlight,
    earlier: Earlier,
    operations: Mutex<VecDeque<Operation>>,
    changed: Notify,
}

impl Dynamo {
    /// Opens the database in the file at `path`, or a new one in memory.
    ///
    /// In memory, the stream's times and the deletion of expired items follow `clock`; a file follows the machine's time,
    /// so items that a moved clock made expire later than they could. Expiry never relies on deletion.
    ///
    /// Functions may do what their roles in `template` give them.
    ///
    /// # Errors
    /// When the file cannot be opened as a database.
    pub fn open(
        path: Option<&Path>,
        clock: &Clock,
        faults: &Faults,
        template: &Template,
    ) -> Result<Self, DynoxideError> {
        let database = match path {
            Some(path) => indexed(&path.to_string_lossy())?,
            None => in_memory(clock)?,
        };
        Ok(Self(Arc::new(Inner {
            database,
            faults: faults.clone(),
            schemas: Schemas::default(),
            roles: Roles::of(template),
            in_flight: InFlight::default(),
            earlier: Earlier::default(),
            operations: Mutex::default(),
            changed: Notify::new(),
        })))
    }

    /// Makes a table from a `CreateTable` request and lets its items expire as an `UpdateTimeToLive` request says. A table that
    /// is there stays as it is.
    ///
    /// # Errors
    /// When a request is not a valid one.
    pub fn create_table(
        &self,
        definition: &Value,
        time_to_live: Option<&Value>,
    ) -> Result<(), DynoxideError> {
        let invalid = |error: serde_json::Error| DynoxideError::ValidationException(error.to_string());
        match self
            .0
            .database
            .create_table(serde_json::from_value(definition.clone()).map_err(invalid)?)
        {
            Ok(_) => {}
            Err(DynoxideError::ResourceInUseException(_)) => return Ok(()),
            Err(error) => return Err(error),
        }
        if let Some(request) = time_to_live {
            self.0
                .database
                .update_time_to_live(serde_json::from_value(request.clone()).map_err(invalid)?)?;
        }
        Ok(())
    }

    /// The database itself, past the endpoint, its faults and its record.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.0.database
    }

    /// The latest operations that the endpoint was asked for, oldest first, answered or not.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        lock(&self.0.operations).iter().cloned().collect()
    }

    /// How many of them there are.
    #[must_use]
    pub fn operation_count(&self) -> usize {
        lock(&self.0.operations).len()
    }

    /// Forgets the operations so far.
    pub fn clear_operations(&self) {
        lock(&self.0.operations).clear();
    }

    /// Deletes what has expired, as DynamoDB does sooner or later; says how many items.
    ///
    /// # Errors
    /// When the database fails.
    pub fn sweep_ttl(&self) -> Result<usize, DynoxideError> {
        let deleted = self.0.database.sweep_ttl()?;
        if deleted > 0 {
            self.0.changed.notify_one();
        }
        Ok(deleted)
    }

    /// Returns after the next write.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// The endpoint: `POST /_local/aws/dynamodb`.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/_local/aws/dynamodb", post(endpoint))
            .route("/_local/aws/dynamodb/", post(endpoint))
            .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
            .with_state(self.clone())
    }

    /// One request, with whatever the faults make of it.
    async fn serve(&self, target: &str, caller: String, text: Bytes) -> Answer {
        let Ok(request) = serde_json::from_slice::<Value>(&text) else {
            return Answer::malformed();
        };
        let keys = operation::keys(&self.0.database, &self.0.schemas, target, &request);
        let operation = Operation {
            target: target.to_owned(),
            caller,
            keys: keys.clone(),
        };
        let lacking = self.0.roles.lacking(&operation);
        self.remember(operation);
        if let Some(right) = lacking {
            return Answer::denied(&right);
        }

        let faults = &self.0.faults;
        if let Some(rule) = faults.draw(Kind::Delay, target) {
            tokio::time::sleep(rule.delay()).await;
        }
        if faults.draw(Kind::Throttle, target).is_some() {
            return Answer::throttled(target, &request, faults);
        }
        let flight = match self.enter(target, &request, &keys).await {
            Ok(flight) => flight,
            Err(answer) => return answer,
        };

        let question = stale::question(target, &request);
        if let Some(question) = &question
            && faults.is_set(Kind::StaleIndex, target)
            && let Some(earlier) = self.0.earlier.answer(question)
            && faults.draw(Kind::StaleIndex, target).is_some()
        {
            return earlier;
        }

        let answer = self.apply(target, text).await;
        drop(flight);
        if let (Some(question), true) = (question, answer.is_success()) {
            self.0.earlier.remember(question, &answer);
        }
        if is_write(target) {
            self.0.changed.notify_one();
        }
        if faults.draw(Kind::LostAnswer, target).is_some() {
            return Answer::lost(faults);
        }
        answer
    }

    /// Runs the operation to its end even when the client goes away meanwhile, as DynamoDB does.
    async fn apply(&self, target: &str, text: Bytes) -> Answer {
        let (database, target) = (self.0.database.clone(), target.to_owned());
        tokio::task::spawn_blocking(move || dispatch::dispatch(&database, &target, &text))
            .await
            .unwrap_or_else(|_| Answer::internal_error())
    }

    /// Takes the operation's items for its duration, or says which conflict it met. Does nothing while no rule asks for it.
    async fn enter(
        &self,
        target: &str,
        request: &Value,
        keys: &[Key],
    ) -> Result<Option<conflict::Flight>, Answer> {
        let faults = &self.0.faults;
        if !conflict::can_conflict(target) || !faults.is_set(Kind::Conflict, target) {
            return Ok(None);
        }
        let items = conflict::items(keys);
        if faults.draw(Kind::Conflict, target).is_some() {
            return Err(Answer::conflict(
                target,
                items.len(),
                &[faults.choose(items.len())],
            ));
        }
        let flight = match self
            .0
            .in_flight
            .enter(target, request["ClientRequestToken"].as_str(), &items)
        {
            Entry::Admitted(flight) => flight,
            Entry::InProgress => return Err(Answer::in_progress()),
            Entry::Overlaps(indexes) => {
                faults.count(Kind::Conflict);
                return Err(Answer::conflict(target, items.len(), &indexes));
            }
        };
        if let Some(rule) = faults.draw(Kind::Conflict, target) {
            tokio::time::sleep(rule.delay()).await;
        } else {
            // Without a turn for the others, two operations in one process would seldom overlap.
            tokio::time::sleep(Duration::ZERO).await;
        }
        Ok(Some(flight))
    }

    fn remember(&self, operation: Operation) {
        let mut operations = lock(&self.0.operations);
        if operations.len() == REMEMBERED {
            operations.pop_front();
        }
        operations.push_back(operation);
    }
}

/// Whether an operation can leave something in the stream.
fn is_write(target: &str) -> bool {
    matches!(
        target,
        "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem" | "TransactWriteItems"
    )
}

async fn endpoint(State(dynamo): State<Dynamo>, headers: HeaderMap, text: Bytes) -> Response {
    let target = headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok());
    let Some((_, target)) = target.and_then(|target| target.split_once('.')) else {
        return Answer::unknown_operation().into_response();
    };
    dynamo.serve(target, caller(&headers), text).await.into_response()
}

/// The access key of the request's signature; empty without one.
fn caller(headers: &HeaderMap) -> String {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|signature| signature.to_str().ok())
        .and_then(|signature| signature.split_once("Credential=")?.1.split('/').next())
        .unwrap_or_default()
        .to_owned()
}

/// A database of which nothing is left when the stack stops.
fn in_memory(clock: &Clock) -> Result<Database, DynoxideError> {
    // The engine gives nobody its connection, and its memory is its own: it takes over a database that two can open.
    let blank = format!("file:{}?mode=memory&cache=shared", random_id());
    let shared = indexed(&blank)?;
    let database = Database::memory_with_clock(Arc::new(StackClock(clock.clone())))?;
    database.restore_from(&blank)?;
    drop(shared);
    Ok(database)
}

/// A database at a path, or the URI of one in memory. It finds the last record of the stream by an index: the engine, which asks
/// for it with each write, has none and would look at all the records there are.
fn indexed(path: &str) -> Result<Database, DynoxideError> {
    let database = Database::new(path)?;
    rusqlite::Connection::open(path)?.execute_batch(
        "CREATE INDEX IF NOT EXISTS stream_in_order ON _stream_records (table_name, CAST(sequence_number AS INTEGER))",
    )?;
    Ok(database)
}

/// The stack's clock as the database asks for it.
struct StackClock(Clock);

impl dynoxide::storage_backend::Clock for StackClock {
    fn now_unix_secs(&self) -> u64 {
        u64::try_from(self.0.now().as_second()).unwrap_or_default()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        self.0.now().as_duration().as_secs_f64()
    }
}
