//! Takes what was committed on its way: messages from the table's stream to the queues of those who work them off, and what sources
//! are to be told to their numbered feeds; both at least once.

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use portal_app::Relaying;
use portal_domain::feed::Told;
use portal_domain::outbox::{Content, Message};
use portal_http::Error;
use portal_store::Store;

/// Something that waits to be taken on its way.
enum Waiting {
    Message(Message),
    Told(Told),
}

/// Relays what is in a batch, in order. What cannot be read comes again and keeps nothing else back; when queue or table
/// are not to be had, the rest of the batch comes again, too. What comes again may be relayed twice.
///
/// # Errors
/// None: what fails is answered with its place in the stream.
pub async fn handle(app: &Relaying, event: Event) -> Result<DynamoDbEventResponse, Error> {
    let mut response = DynamoDbEventResponse::default();
    let mut failed = |place: Option<String>, error: &Error| {
        tracing::warn!(%error, "something is left for the next try");
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = place;
        response.batch_item_failures.push(failure);
    };
    for record in event.records {
        let place = record.change.sequence_number.clone();
        match waiting(record) {
            Ok(None) => {}
            Ok(Some(waiting)) => {
                if let Err(error) = relay(app, &waiting).await {
                    failed(place, &error);
                    break;
                }
            }
            Err(error) => failed(place, &error),
        }
    }
    Ok(response)
}

fn waiting(record: EventRecord) -> Result<Option<Waiting>, Error> {
    if record.event_name != "INSERT" {
        return Ok(None);
    }
    let image = record.change.new_image;
    if let Some(told) = Store::told(image.clone())? {
        return Ok(Some(Waiting::Told(told)));
    }
    Ok(Store::message(image)?.map(Waiting::Message))
}

async fn relay(app: &Relaying, waiting: &Waiting) -> Result<(), Error> {
    match waiting {
        Waiting::Message(message) => {
            let queue = match message.content {
                Content::InviteMail { .. } => &app.mail_queue,
                Content::Export { .. } => &app.export_queue,
            };
            queue.send(serde_json::to_string(message)?).await?;
            // Only now: a message that is still in the outbox did not leave.
            app.store.message_left(message).await?;
        }
        Waiting::Told(told) => app.store.number(told).await?,
    }
    Ok(())
}
