//! Yesterday's answers: an index follows its table with a delay, and a query may see it as it was.

use std::collections::BTreeMap;
use std::sync::Mutex;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::Answer;
use crate::sync::lock;

/// How many questions are remembered; then all are forgotten at once.
const REMEMBERED: usize = 5_000;

/// The last answer to each question.
#[derive(Default)]
pub(super) struct Earlier(Mutex<BTreeMap<String, Answer>>);

impl Earlier {
    pub(super) fn answer(&self, question: &str) -> Option<Answer> {
        lock(&self.0).get(question).cloned()
    }

    pub(super) fn remember(&self, question: String, answer: &Answer) {
        let mut answers = lock(&self.0);
        if answers.len() >= REMEMBERED {
            answers.clear();
        }
        answers.insert(question, answer.clone());
    }
}

/// What makes two queries of an index the same question: everything but the times in it, which move on between two
/// askings, and what is asked about the capacity. Of other operations: nothing, since they are never stale.
pub(super) fn question(target: &str, request: &Value) -> Option<String> {
    if target != "Query" || !request["IndexName"].is_string() {
        return None;
    }
    let values: Vec<(&String, &Value)> = request["ExpressionAttributeValues"]
        .as_object()?
        .iter()
        .filter(|(_, value)| !is_time(value))
        .collect();
    let question = json!([
        request["TableName"],
        request["IndexName"],
        request["KeyConditionExpression"],
        request["FilterExpression"],
        request["ProjectionExpression"],
        request["Select"],
        request["Limit"],
        request["ScanIndexForward"],
        request["ExclusiveStartKey"],
        values,
    ]);
    Some(question.to_string())
}

/// Numbers, and text that is a time or, as in sort keys, a number.
fn is_time(value: &Value) -> bool {
    let is_time_text =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) || text.parse::<Timestamp>().is_ok();
    value["N"].is_string() || value["S"].as_str().is_some_and(is_time_text)
}
