//! What of the SQS protocol (AWS JSON 1.0) the functions and curious people use.
//!
//! Answers carry no digests of the message: the Rust client does not look at them.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{NoSuchQueue, Queues};
use crate::sync::lock;

/// What a message, or all of a batch, may weigh: SQS's own limit.
const LARGEST_REQUEST: usize = 1024 * 1024;

pub(super) fn router() -> Router<Queues> {
    Router::new()
        .route("/_local/aws/sqs", post(endpoint))
        .route("/_local/aws/sqs/", post(endpoint))
        .route("/_local/aws/sqs/{queue}", post(endpoint))
        .layer(DefaultBodyLimit::max(2 * LARGEST_REQUEST))
}

/// A refusal as SQS words it.
struct Refused {
    kind: &'static str,
    message: String,
}

impl Refused {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

impl From<NoSuchQueue> for Refused {
    fn from(error: NoSuchQueue) -> Self {
        Self::new("QueueDoesNotExist", error.to_string())
    }
}

async fn endpoint(State(queues): State<Queues>, headers: HeaderMap, text: Bytes) -> Response {
    let target = headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .unwrap_or_default();
    let served = serve(&queues, target, &text);
    let missing = served
        .as_ref()
        .is_err_and(|refused| refused.kind == "QueueDoesNotExist");
    let (status, body) = match served {
        Ok(body) => (StatusCode::OK, body),
        Err(Refused { kind, message }) => (
            StatusCode::BAD_REQUEST,
            json!({ "__type": format!("com.amazonaws.sqs#{kind}"), "message": message }),
        ),
    };
    let mut response = (
        status,
        [(header::CONTENT_TYPE, "application/x-amz-json-1.0")],
        body.to_string(),
    )
        .into_response();
    if missing {
        // The client knows this error only by the name it had in the older protocol.
        let name = HeaderValue::from_static("AWS.SimpleQueueService.NonExistentQueue;Sender");
        response.headers_mut().insert("x-amzn-query-error", name);
    }
    response
}

fn serve(queues: &Queues, target: &str, text: &[u8]) -> Result<Value, Refused> {
    let request: Value =
        serde_json::from_slice(text).map_err(|error| Refused::new("InvalidAddress", error.to_string()))?;
    let name = || -> Result<&str, Refused> {
        let url = request["QueueUrl"]
            .as_str()
            .ok_or_else(|| Refused::new("InvalidAddress", "QueueUrl is missing"))?;
        Ok(url.trim_end_matches('/').rsplit('/').next().unwrap_or(url))
    };
    match target {
        "AmazonSQS.SendMessage" => send(queues, name()?, &request),
        "AmazonSQS.SendMessageBatch" => send_batch(queues, name()?, &request),
        "AmazonSQS.ReceiveMessage" => receive(queues, name()?, &request),
        "AmazonSQS.DeleteMessage" => delete(queues, name()?, &request),
        "AmazonSQS.GetQueueAttributes" => {
            let attributes = json!({ "ApproximateNumberOfMessages": queues.depth(name()?).to_string() });
            Ok(json!({ "Attributes": attributes }))
        }
        _ => Err(Refused::new(
            "UnsupportedOperation",
            format!("{target} is not served here"),
        )),
    }
}

fn send(queues: &Queues, name: &str, entry: &Value) -> Result<Value, Refused> {
    let body = entry["MessageBody"].as_str().filter(|body| !body.is_empty());
    let body = body.ok_or_else(|| Refused::new("InvalidMessageContents", "MessageBody is missing"))?;
    if body.len() > LARGEST_REQUEST {
        return Err(Refused::new("InvalidMessageContents", "the message is too large"));
    }
    let delay = entry["DelaySeconds"].as_i64().unwrap_or(0);
    let id = queues.push(name, body, entry["MessageAttributes"].clone(), delay)?;
    Ok(json!({ "MessageId": id }))
}

fn send_batch(queues: &Queues, name: &str, request: &Value) -> Result<Value, Refused> {
    let entries = request["Entries"].as_array().map_or(&[][..], Vec::as_slice);
    if entries.is_empty() {
        return Err(Refused::new("EmptyBatchRequest", "the batch has no entries"));
    }
    if entries.len() > super::BATCH {
        return Err(Refused::new(
            "TooManyEntriesInBatchRequest",
            "a batch has at most ten entries",
        ));
    }
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for entry in entries {
        let id = &entry["Id"];
        match send(queues, name, entry) {
            Ok(sent) => {
                done.push(json!({ "Id": id, "MessageId": sent["MessageId"], "MD5OfMessageBody": "" }));
            }
            Err(Refused {
                kind: "QueueDoesNotExist",
                message,
            }) => {
                return Err(Refused {
                    kind: "QueueDoesNotExist",
                    message,
                });
            }
            Err(Refused { kind, message }) => {
                failed.push(json!({ "Id": id, "Code": kind, "Message": message, "SenderFault": true }));
            }
        }
    }
    Ok(json!({ "Successful": done, "Failed": failed }))
}

/// Messages stay invisible for the queue's pause, counted from now.
fn receive(queues: &Queues, name: &str, request: &Value) -> Result<Value, Refused> {
    let most = request["MaxNumberOfMessages"]
        .as_u64()
        .and_then(|most| usize::try_from(most).ok())
        .unwrap_or(1);
    let mut all = lock(&queues.0.queues);
    let queue = all.get_mut(name).ok_or_else(|| NoSuchQueue(name.to_owned()))?;
    let taken = queue.take(most.clamp(1, super::BATCH), queues.0.clock.now(), Instant::now());
    queue.in_flight = queue.in_flight.saturating_sub(taken.len());
    let messages: Vec<Value> = taken
        .iter()
        .map(|message| json!({ "MessageId": message.id, "ReceiptHandle": message.id, "Body": message.body }))
        .collect();
    for message in taken {
        queue.put_back(message);
    }
    Ok(json!({ "Messages": messages }))
}

fn delete(queues: &Queues, name: &str, request: &Value) -> Result<Value, Refused> {
    let handle = request["ReceiptHandle"].as_str().unwrap_or_default();
    let mut all = lock(&queues.0.queues);
    let queue = all.get_mut(name).ok_or_else(|| NoSuchQueue(name.to_owned()))?;
    queue.waiting.retain(|message| message.id != handle);
    Ok(json!({}))
}
