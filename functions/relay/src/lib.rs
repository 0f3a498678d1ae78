//! Takes messages from the table's stream to the queue that sends them, at least once.

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use portal_app::Relaying;
use portal_domain::outbox::Message;
use portal_http::Error;
use portal_store::Store;

/// Relays the messages of a batch, in order. One that cannot be read comes again and keeps no other back; when queue or table
/// are not to be had, the rest of the batch comes again, too. What comes again may be relayed twice.
///
/// # Errors
/// None: what fails is answered with its place in the stream.
pub async fn handle(app: &Relaying, event: Event) -> Result<DynamoDbEventResponse, Error> {
    let mut response = DynamoDbEventResponse::default();
    let mut failed = |place: Option<String>, error: &Error| {
        tracing::warn!(%error, "a message is left for the next try");
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = place;
        response.batch_item_failures.push(failure);
    };
    for record in event.records {
        let place = record.change.sequence_number.clone();
        match message(record) {
            Ok(None) => {}
            Ok(Some(message)) => {
                if let Err(error) = relay(app, &message).await {
                    failed(place, &error);
                    break;
                }
            }
            Err(error) => failed(place, &error),
        }
    }
    Ok(response)
}

fn message(record: EventRecord) -> Result<Option<Message>, Error> {
    if record.event_name != "INSERT" {
        return Ok(None);
    }
    Ok(Store::message(record.change.new_image)?)
}

async fn relay(app: &Relaying, message: &Message) -> Result<(), Error> {
    app.mail_queue.send(serde_json::to_string(message)?).await?;
    // Only now: a message that is still in the outbox did not leave.
    app.store.message_left(message).await?;
    Ok(())
}
