//! The queues: the SQS client's protocol in, batches with retries and dead letters out.

mod endpoint;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use portal_app::Clock;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::consumer::{Consumer, Outcome, invoke};
use crate::random::random_id;
use crate::sync::lock;

/// A batch's size: what SQS allows without a batching window.
const BATCH: usize = 10;
/// How long the delivery sleeps when nobody tells it of a message: delayed ones become due by a clock that may be moved.
const IDLE: Duration = Duration::from_millis(500);

/// How a queue delivers; the settings of its redrive policy and visibility timeout.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// After so many receptions without success a message is a dead letter.
    pub max_receive_count: u32,
    /// How long a failed message stays invisible, times its receptions: the visibility timeout, in local time.
    pub pause: Duration,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            max_receive_count: 5,
            pause: Duration::from_millis(10),
        }
    }
}

/// A message.
#[derive(Debug, Clone, Serialize)]
pub struct Message {
    /// Its id; also its receipt handle.
    pub id: String,
    /// Its text.
    pub body: String,
    /// Its attributes, as the client sent them.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub attributes: Value,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// How often it was received.
    pub received: u32,
    /// Not delivered before this time of the stack's clock.
    #[serde(skip)]
    due_at: Timestamp,
    /// Not delivered before this moment of the machine's.
    #[serde(skip)]
    retry_at: Instant,
}

#[derive(Default)]
struct Queue {
    delivery: Delivery,
    consumer: Option<Consumer>,
    waiting: VecDeque<Message>,
    in_flight: usize,
    dead: Vec<Message>,
}

/// All queues; clones share them.
#[derive(Clone)]
pub struct Queues(Arc<Inner>);

struct Inner {
    clock: Clock,
    queues: Mutex<BTreeMap<String, Queue>>,
    changed: Notify,
}

/// Nothing is called so.
#[derive(Debug, thiserror::Error)]
#[error("the queue {0} does not exist")]
pub struct NoSuchQueue(pub String);

impl Queues {
    /// No queues yet.
    #[must_use]
    pub fn new(clock: &Clock) -> Self {
        Self(Arc::new(Inner {
            clock: clock.clone(),
            queues: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// Adds a queue; one that is there keeps its messages and gets the settings.
    pub fn create(&self, name: &str, delivery: Delivery) {
        lock(&self.0.queues).entry(name.to_owned()).or_default().delivery = delivery;
    }

    /// Lets `consumer` have the queue's messages, which it adds when it does not exist.
    pub fn register(&self, name: &str, consumer: Consumer) {
        lock(&self.0.queues).entry(name.to_owned()).or_default().consumer = Some(consumer);
        self.0.changed.notify_one();
    }

    /// Sends a message and gives its id.
    ///
    /// # Errors
    /// When there is no such queue.
    pub fn send(&self, name: &str, body: &str) -> Result<String, NoSuchQueue> {
        self.push(name, body, Value::Null, 0)
    }

    /// The queue's dead letters, oldest first.
    #[must_use]
    pub fn dead_letters(&self, name: &str) -> Vec<Message> {
        lock(&self.0.queues)
            .get(name)
            .map(|queue| queue.dead.clone())
            .unwrap_or_default()
    }

    /// How many messages wait or are being handled.
    #[must_use]
    pub fn depth(&self, name: &str) -> usize {
        lock(&self.0.queues)
            .get(name)
            .map_or(0, |queue| queue.waiting.len() + queue.in_flight)
    }

    /// Delivers until no message is left that is due, or only such as nobody takes; says how many deliveries there were.
    /// Waits for retries, not for delayed messages.
    pub async fn drain(&self) -> usize {
        let mut deliveries = 0;
        loop {
            match self.next() {
                Next::Batch(name, consumer, batch) => {
                    deliveries += batch.len();
                    self.deliver(&name, &consumer, batch).await;
                }
                Next::Wait(until) => tokio::time::sleep_until(until).await,
                Next::Nothing => return deliveries,
            }
        }
    }

    /// Delivers for as long as it is polled.
    pub async fn run(self) {
        loop {
            self.drain().await;
            // An early end of the wait is as good as a message: there is nothing to tell apart.
            let _ = tokio::time::timeout(IDLE, self.0.changed.notified()).await;
        }
    }

    /// The SQS endpoint `POST /_local/aws/sqs/` and `GET /_local/queues`.
    pub fn router(&self) -> Router {
        endpoint::router()
            .route("/_local/queues", get(show))
            .with_state(self.clone())
    }

    fn push(
        &self,
        name: &str,
        body: &str,
        attributes: Value,
        delay_seconds: i64,
    ) -> Result<String, NoSuchQueue> {
        let mut queues = lock(&self.0.queues);
        let queue = queues.get_mut(name).ok_or_else(|| NoSuchQueue(name.to_owned()))?;
        let sent_at = self.0.clock.now();
        let due_at = sent_at
            .checked_add(SignedDuration::from_secs(delay_seconds))
            .unwrap_or(Timestamp::MAX);
        let message = Message {
            id: random_id().to_string(),
            body: body.to_owned(),
            attributes,
            sent_at,
            received: 0,
            due_at,
            retry_at: Instant::now(),
        };
        let id = message.id.clone();
        queue.waiting.push_back(message);
        self.0.changed.notify_one();
        Ok(id)
    }

    /// What to do now.
    fn next(&self) -> Next {
        let (now, moment) = (self.0.clock.now(), Instant::now());
        let mut earliest: Option<Instant> = None;
        for (name, queue) in lock(&self.0.queues).iter_mut() {
            let Some(consumer) = queue.consumer.clone() else {
                continue;
            };
            let batch = queue.take(BATCH, now, moment);
            if !batch.is_empty() {
                return Next::Batch(name.clone(), consumer, batch);
            }
            let retries = queue
                .waiting
                .iter()
                .filter(|message| message.due_at <= now)
                .map(|message| message.retry_at);
            earliest = earliest.into_iter().chain(retries).min();
            // Another drain has the messages: its failures may come back.
            if queue.in_flight > 0 {
                earliest = Some(earliest.unwrap_or(moment + queue.delivery.pause));
            }
        }
        earliest.map_or(Next::Nothing, Next::Wait)
    }

    async fn deliver(&self, name: &str, consumer: &Consumer, batch: Vec<Message>) {
        let ids: Vec<String> = batch.iter().map(|message| message.id.clone()).collect();
        let records: Vec<Value> = batch.iter().map(|message| record(name, message)).collect();
        let outcome = invoke(consumer, json!({ "Records": records }), &ids).await;

        let mut queues = lock(&self.0.queues);
        let Some(queue) = queues.get_mut(name) else { return };
        queue.in_flight = queue.in_flight.saturating_sub(batch.len());
        for message in batch {
            let failed = match &outcome {
                Outcome::Done => false,
                Outcome::Failed(failed) => failed.contains(&message.id),
                Outcome::Refused(reason) => {
                    tracing::warn!(
                        queue = name,
                        message = message.id,
                        reason,
                        "a message was not handled"
                    );
                    true
                }
            };
            if failed {
                queue.put_back(message);
            }
        }
    }
}

impl Queue {
    /// Takes up to `most` messages that are due.
    fn take(&mut self, most: usize, now: Timestamp, moment: Instant) -> Vec<Message> {
        let mut taken = Vec::new();
        let mut index = 0;
        while taken.len() < most
            && let Some(message) = self.waiting.get(index)
        {
            if message.due_at > now || message.retry_at > moment {
                index += 1;
            } else if let Some(mut message) = self.waiting.remove(index) {
                message.received += 1;
                taken.push(message);
            }
        }
        self.in_flight += taken.len();
        taken
    }

    /// A message that was not handled: again later, or a dead letter.
    fn put_back(&mut self, mut message: Message) {
        if message.received >= self.delivery.max_receive_count {
            self.dead.push(message);
        } else {
            message.retry_at = Instant::now() + self.delivery.pause * message.received;
            self.waiting.push_back(message);
        }
    }
}

enum Next {
    Batch(String, Consumer, Vec<Message>),
    Wait(Instant),
    Nothing,
}

/// A message as Lambda sends it.
fn record(queue: &str, message: &Message) -> Value {
    let sent = message.sent_at.as_millisecond().to_string();
    let attributes: BTreeMap<&String, Value> = message
        .attributes
        .as_object()
        .into_iter()
        .flatten()
        .map(lambda_attribute)
        .collect();
    json!({
        "messageId": message.id,
        "receiptHandle": message.id,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": message.received.to_string(),
            "SentTimestamp": sent,
            "SenderId": "000000000000",
            "ApproximateFirstReceiveTimestamp": sent,
        },
        "messageAttributes": attributes,
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:local:000000000000:{queue}"),
        "awsRegion": "local",
    })
}

/// A message attribute, which the API and the event spell differently.
fn lambda_attribute<'a>((name, value): (&'a String, &Value)) -> (&'a String, Value) {
    let attribute = json!({
        "stringValue": value["StringValue"],
        "binaryValue": value["BinaryValue"],
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": value["DataType"],
    });
    (name, attribute)
}

async fn show(State(queues): State<Queues>) -> axum::Json<Value> {
    let shown: Vec<Value> = lock(&queues.0.queues)
        .iter()
        .map(|(name, queue)| {
            json!({ "name": name, "waiting": queue.waiting.len(), "in_flight": queue.in_flight, "dead_letters": queue.dead })
        })
        .collect();
    axum::Json(json!(shown))
}
