//! Follows the table's stream and keeps the statistics: every change of a record is counted once, however often it comes and in
//! whichever order.

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use portal_app::App;
use portal_http::Error;
use portal_store::StoreError;
use portal_store::entity::statistic::Change;

/// Counts the changes of a batch. One that cannot be read comes again and keeps no other back; when the table is not to be had,
/// the whole batch comes again.
///
/// # Errors
/// None: what fails is answered with its place in the stream.
pub async fn handle(app: &App, event: Event) -> Result<DynamoDbEventResponse, Error> {
    let mut response = DynamoDbEventResponse::default();
    let mut failed = |place: Option<String>, error: &StoreError| {
        tracing::warn!(%error, "a change is left for the next try");
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = place;
        response.batch_item_failures.push(failure);
    };
    let first = event.records.first();
    let first = first.and_then(|record| record.change.sequence_number.clone());
    let mut changes = Vec::new();
    for record in event.records {
        let place = record.change.sequence_number.clone();
        match change(record) {
            Ok(change) => changes.extend(change),
            Err(error) => failed(place, &error),
        }
    }
    if let Err(error) = app.store.count(changes, app.clock.now()).await {
        failed(first, &error);
    }
    Ok(response)
}

fn change(record: EventRecord) -> Result<Option<Change>, StoreError> {
    Change::of(record.change.old_image, record.change.new_image)
}
