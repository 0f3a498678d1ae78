//! The table's stream on its way to the functions, as an event source mapping carries it: in order, in batches, at least
//! once, with partial batch responses, bisection and a bounded number of attempts.

mod pattern;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use dynoxide::DynoxideError;
use dynoxide::actions::get_records::Record;
use serde::Serialize;
use serde_json::{Value, json};

use crate::consumer::{Consumer, Outcome, invoke};
use crate::dynamodb::Dynamo;
use crate::faults::{Faults, Kind};
use crate::sync::lock;

/// How long the pump sleeps when nobody tells it of a write.
const IDLE: Duration = Duration::from_millis(500);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How a consumer wants its records; the settings of the event source mapping in the template.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// At most so many records at once.
    pub batch_size: usize,
    /// How often records are tried again before they go to the failed ones.
    pub retries: u32,
    /// The pause before the first retry; it doubles.
    pub pause: Duration,
    /// Event patterns, as in `FilterCriteria`: a record that matches none is skipped. Empty: all records.
    pub filters: Vec<Value>,
}

impl Default for Mapping {
    fn default() -> Self {
        Self {
            batch_size: 100,
            retries: 5,
            pause: Duration::from_millis(2),
            filters: Vec::new(),
        }
    }
}

/// A record that was given up.
#[derive(Debug, Clone, Serialize)]
pub struct Undelivered {
    /// The consumer that did not take it.
    pub consumer: String,
    /// What it said last.
    pub reason: String,
    /// The record.
    pub record: Value,
}

/// The pump; clones share it.
#[derive(Clone)]
pub struct Stream(Arc<Inner>);

struct Inner {
    dynamo: Dynamo,
    table: String,
    faults: Faults,
    checkpoint: Option<PathBuf>,
    positions: Mutex<BTreeMap<String, String>>,
    sinks: Mutex<Vec<Arc<Sink>>>,
    failed: Mutex<Vec<Undelivered>>,
}

/// A consumer and where it is.
struct Sink {
    name: String,
    mapping: Mapping,
    consumer: Consumer,
    /// Held for the length of a delivery: one batch at a time keeps the order. Holds the records to deliver once more.
    turn: tokio::sync::Mutex<Vec<Value>>,
}

/// Why the stream cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The database failed.
    #[error("the stream cannot be read")]
    Database(#[from] DynoxideError),
    /// The database answered something else than a stream.
    #[error("the stream's answer has another form")]
    Form(#[from] serde_json::Error),
    /// The table has no stream.
    #[error("the table has no stream")]
    Missing,
}

impl Stream {
    /// The stream of `table`. With a `checkpoint` file it goes on where it stopped, else at the beginning.
    #[must_use]
    pub fn new(dynamo: &Dynamo, table: &str, faults: &Faults, checkpoint: Option<&Path>) -> Self {
        let saved = checkpoint.and_then(|path| std::fs::read(path).ok());
        let positions = saved
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Self(Arc::new(Inner {
            dynamo: dynamo.clone(),
            table: table.to_owned(),
            faults: faults.clone(),
            checkpoint: checkpoint.map(Path::to_owned),
            positions: Mutex::new(positions),
            sinks: Mutex::default(),
            failed: Mutex::default(),
        }))
    }

    /// Lets `consumer` have the records from now on (or from its checkpoint).
    pub fn register(&self, name: &str, mapping: Mapping, consumer: Consumer) {
        let turn = tokio::sync::Mutex::default();
        lock(&self.0.sinks).push(Arc::new(Sink {
            name: name.to_owned(),
            mapping,
            consumer,
            turn,
        }));
    }

    /// Delivers what there is, to every consumer, until nothing is left; says how many records were read.
    ///
    /// # Errors
    /// When the stream cannot be read. A consumer that fails is no error: its records end in [`Stream::failed`].
    pub async fn drain(&self) -> Result<usize, StreamError> {
        let sinks = lock(&self.0.sinks).clone();
        let mut total = 0;
        loop {
            let mut moved = 0;
            for sink in &sinks {
                moved += self.step(sink).await?;
            }
            if moved == 0 {
                return Ok(total);
            }
            total += moved;
        }
    }

    /// Delivers for as long as it is polled: after each write, and now and then.
    pub async fn run(self) {
        loop {
            if let Err(error) = self.drain().await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the stream stopped for a moment"
                );
            }
            // An early end of the wait is as good as a write: there is nothing to tell apart.
            let _ = tokio::time::timeout(IDLE, self.0.dynamo.changed()).await;
        }
    }

    /// The records that were given up.
    #[must_use]
    pub fn failed(&self) -> Vec<Undelivered> {
        lock(&self.0.failed).clone()
    }

    /// `GET /_local/stream`: each consumer's position and what it did not take.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/_local/stream", get(show))
            .with_state(self.clone())
    }

    /// Delivers the next batch to one consumer; says how many records that were.
    async fn step(&self, sink: &Sink) -> Result<usize, StreamError> {
        let mut again = sink.turn.lock().await;
        let records = self.read(sink).await?;
        let Some(last) = records
            .last()
            .map(|record| record.dynamodb.sequence_number.clone())
        else {
            let rest = std::mem::take(&mut *again);
            let count = rest.len();
            self.deliver(sink, rest).await;
            return Ok(count);
        };
        let count = records.len();
        let batch = self.wanted(sink, &records)?;
        let replayed = std::mem::take(&mut *again);
        *again = self.deliver_with_faults(sink, batch).await;
        self.deliver(sink, replayed).await;
        self.save(&sink.name, last);
        Ok(count)
    }

    /// The records after the consumer's position.
    async fn read(&self, sink: &Sink) -> Result<Vec<Record>, StreamError> {
        let position = lock(&self.0.positions).get(&sink.name).cloned();
        let (dynamo, table, limit) = (
            self.0.dynamo.clone(),
            self.0.table.clone(),
            sink.mapping.batch_size,
        );
        let read = move || -> Result<Vec<Record>, StreamError> {
            let database = dynamo.database();
            let iterator = json!({
                "StreamArn": arn(&dynamo, &table)?,
                "ShardId": dynoxide::streams::shard_id(&table),
                "ShardIteratorType": if position.is_some() { "AFTER_SEQUENCE_NUMBER" } else { "TRIM_HORIZON" },
                "SequenceNumber": position,
            });
            let iterator = database
                .get_shard_iterator(serde_json::from_value(iterator)?)?
                .shard_iterator;
            let request = json!({ "ShardIterator": iterator, "Limit": limit });
            Ok(database.get_records(serde_json::from_value(request)?)?.records)
        };
        tokio::task::spawn_blocking(read)
            .await
            .map_err(|_| StreamError::Missing)?
    }

    /// The records that the consumer's filters let through, as Lambda sends them.
    fn wanted(&self, sink: &Sink, records: &[Record]) -> Result<Vec<Value>, StreamError> {
        let source = arn(&self.0.dynamo, &self.0.table)?;
        let mut batch = Vec::new();
        for record in records {
            let mut record = serde_json::to_value(record)?;
            record["eventSourceARN"] = json!(source);
            let filters = &sink.mapping.filters;
            if filters.is_empty() || filters.iter().any(|filter| pattern::matches(filter, &record)) {
                batch.push(record);
            }
        }
        Ok(batch)
    }

    /// Delivers a batch, perhaps in two, perhaps twice; gives back what is to be delivered once more later.
    async fn deliver_with_faults(&self, sink: &Sink, mut batch: Vec<Value>) -> Vec<Value> {
        if batch.is_empty() {
            return batch;
        }
        let (faults, mut again) = (&self.0.faults, Vec::new());
        if faults.draw(Kind::SplitStream, &sink.name).is_some() {
            let tail = batch.split_off(faults.choose(batch.len()));
            self.deliver(sink, std::mem::replace(&mut batch, tail.clone()))
                .await;
            again = tail;
        }
        if faults.draw(Kind::DuplicateStream, &sink.name).is_some() {
            self.deliver(sink, batch.clone()).await;
        }
        self.deliver(sink, batch).await;
        again
    }

    /// Delivers a batch until each record is taken or given up.
    ///
    /// As with the real mapping, a reported failure repeats everything from the first failed record on, an error halves the
    /// batch, and halving costs no attempt. What is repeated is given up together.
    async fn deliver(&self, sink: &Sink, batch: Vec<Value>) {
        let mut work = vec![(batch, 0)];
        while let Some((mut batch, attempt)) = work.pop() {
            if batch.is_empty() {
                continue;
            }
            let ids: Vec<String> = batch.iter().map(|record| sequence(record).to_owned()).collect();
            let reason = match invoke(&sink.consumer, json!({ "Records": batch }), &ids).await {
                Outcome::Done => continue,
                Outcome::Failed(failed) => {
                    let done = ids.iter().position(|id| failed.contains(id)).unwrap_or(0);
                    batch.drain(..done);
                    // What came before the failure is done: the count of attempts begins anew for the rest.
                    if done > 0 {
                        work.push((batch, 0));
                        continue;
                    }
                    "the consumer reported the record as failed".to_owned()
                }
                Outcome::Refused(reason) if batch.len() > 1 => {
                    tracing::warn!(consumer = sink.name, reason, "a batch is halved");
                    let second = batch.split_off(batch.len() / 2);
                    work.push((second, attempt));
                    work.push((batch, attempt));
                    continue;
                }
                Outcome::Refused(reason) => reason,
            };
            if attempt < sink.mapping.retries {
                tokio::time::sleep(
                    sink.mapping
                        .pause
                        .saturating_mul(1 << attempt.min(16))
                        .min(LONGEST_PAUSE),
                )
                .await;
                work.push((batch, attempt + 1));
            } else {
                tracing::error!(consumer = sink.name, reason, "records were given up");
                lock(&self.0.failed).extend(batch.into_iter().map(|record| Undelivered {
                    consumer: sink.name.clone(),
                    reason: reason.clone(),
                    record,
                }));
            }
        }
    }

    fn save(&self, consumer: &str, position: String) {
        let mut positions = lock(&self.0.positions);
        positions.insert(consumer.to_owned(), position);
        if let Some(path) = &self.0.checkpoint {
            let saved = serde_json::to_vec(&*positions)
                .map_err(std::io::Error::other)
                .and_then(|bytes| std::fs::write(path, bytes));
            if let Err(error) = saved {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the stream's position was not saved"
                );
            }
        }
    }
}

/// The stream's name.
fn arn(dynamo: &Dynamo, table: &str) -> Result<String, StreamError> {
    let request = serde_json::from_value(json!({ "TableName": table }))?;
    let described = serde_json::to_value(dynamo.database().describe_table(request)?)?;
    described["Table"]["LatestStreamArn"]
        .as_str()
        .map(str::to_owned)
        .ok_or(StreamError::Missing)
}

fn sequence(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default()
}

async fn show(State(stream): State<Stream>) -> Json<Value> {
    let positions = lock(&stream.0.positions).clone();
    Json(json!({ "positions": positions, "failed": stream.failed() }))
}
