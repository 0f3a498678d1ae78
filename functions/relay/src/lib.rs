//! Takes messages from the table's stream to the queue that sends them, at least once.

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use portal_app::Relaying;
use portal_http::Error;
use portal_store::Store;

/// Relays the messages of a batch, in order. The first that fails, and all after it, come again.
///
/// # Errors
/// None: what fails is answered with its place in the stream.
pub async fn handle(app: &Relaying, event: Event) -> Result<DynamoDbEventResponse, Error> {
    let mut response = DynamoDbEventResponse::default();
    for record in event.records {
        let place = record.change.sequence_number.clone();
        if let Err(error) = relay(app, record).await {
            tracing::warn!(%error, "a message is left for the next try");
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = place;
            response.batch_item_failures.push(failure);
            break;
        }
    }
    Ok(response)
}

async fn relay(app: &Relaying, record: EventRecord) -> Result<(), Error> {
    if record.event_name != "INSERT" {
        return Ok(());
    }
    let Some(message) = Store::message(record.change.new_image)? else {
        return Ok(());
    };
    app.mail_queue.send(serde_json::to_string(&message)?).await?;
    // Only now: a message that is still in the outbox did not leave.
    app.store.message_left(&message).await?;
    Ok(())
}
