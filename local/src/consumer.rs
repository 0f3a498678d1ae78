//! What takes events: a function, as an event source mapping sees it.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::Value;

/// A function that takes an event's JSON and gives its answer's, or says why it failed.
pub type Consumer = Arc<dyn Fn(Value) -> BoxFuture<'static, Result<Value, String>> + Send + Sync>;

/// What a batch came to.
pub(crate) enum Outcome {
    /// All of it is done.
    Done,
    /// These are not; the rest is.
    Failed(BTreeSet<String>),
    /// Nothing counts as done, for this reason.
    Refused(String),
}

/// Hands `event` to the consumer and reads its partial batch response as Lambda does: an identifier that was not in the
/// batch, or an answer that is none, fails the whole batch.
pub(crate) async fn invoke(consumer: &Consumer, event: Value, ids: &[String]) -> Outcome {
    // In a task of its own, so that a panic fails the batch and not the pump.
    let answer = match tokio::spawn(consumer(event)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(reason)) => return Outcome::Refused(reason),
        Err(error) => return Outcome::Refused(format!("the consumer ended early: {error}")),
    };
    let failures = match &answer["batchItemFailures"] {
        Value::Null => return Outcome::Done,
        Value::Array(failures) => failures,
        _ => return Outcome::Refused("batchItemFailures is not a list".to_owned()),
    };
    let mut failed = BTreeSet::new();
    for failure in failures {
        match failure["itemIdentifier"].as_str() {
            Some(id) if ids.iter().any(|known| known == id) => failed.insert(id.to_owned()),
            _ => {
                return Outcome::Refused(
                    "batchItemFailures names an item that is not in the batch".to_owned(),
                );
            }
        };
    }
    if failed.is_empty() {
        Outcome::Done
    } else {
        Outcome::Failed(failed)
    }
}
