//! What is counted, and what it would be.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use portal_domain::statistics::{Quarter, Scope, Span, Tally};
use portal_local::dynamodb::Dynamo;
use portal_local::stack::{TABLE, project_changes_mapping};
use serde_json::{Value, json};

use super::Portal;

/// All time.
fn ever() -> Span {
    let at = |text: &str| Quarter::of(text.parse().expect("an instant"));
    Span {
        from: at("1970-01-01T00:00:00Z"),
        until: at("2100-01-01T00:00:00Z"),
    }
}

/// Forgets all counts, as a table does that was restored without them.
pub(crate) fn forget_counts(dynamo: &Dynamo, items: &[Value]) {
    for item in items.iter().filter(|item| item["kind"]["S"] == "statistics") {
        let key = json!({ "pk": item["pk"], "sk": item["sk"] });
        let request = json!({ "TableName": TABLE, "Key": key });
        let request = serde_json::from_value(request).expect("a request");
        dynamo.database().delete_item(request).expect("it is there");
    }
}

impl Portal {
    /// Everything that was counted of these scopes, once all is delivered.
    pub(crate) async fn counted(&self, scopes: &[Scope]) -> Tally {
        self.settle().await.expect("all is delivered");
        let mut all = Tally::default();
        for scope in scopes {
            let counted = self.app.store.counted(*scope, ever()).await;
            all = all.and(counted.expect("readable"));
        }
        all
    }

    /// The records of the stream that are counted, from now on.
    pub(crate) fn witnessed(&self) -> Arc<Mutex<Vec<Value>>> {
        let seen: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = Arc::clone(&seen);
        let witness = move |event: Value| {
            let records = event["Records"].as_array().cloned().unwrap_or_default();
            kept.lock().expect("nobody panicked").extend(records);
            async { Ok(json!({ "batchItemFailures": [] })) }.boxed()
        };
        self.stream
            .register("witness", project_changes_mapping(), Arc::new(witness));
        seen
    }
}
