//! Takes what was committed on its way: messages from the table's stream to the queues of those who work them off, what sources
//! are to be told to their numbered feeds, and audit events to the chain of their organization; all at least once.

use std::collections::{BTreeMap, BTreeSet};

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use futures_util::future::join_all;
use portal_app::Relaying;
use portal_domain::audit::AuditEvent;
use portal_domain::feed::Told;
use portal_domain::id::OrganizationId;
use portal_domain::outbox::{Content, Message};
use portal_http::Error;
use portal_store::Store;

/// Something that waits to be taken on its way.
enum Waiting {
    Message(Message),
    Told(Told),
    Audited(AuditEvent),
}

/// The chain of one organization at a time, and so many organizations at once.
const CHAINS_AT_ONCE: usize = 8;

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
    let mut readable = Vec::new();
    for record in event.records {
        let place = record.change.sequence_number.clone();
        match waiting(record) {
            Ok(waiting) => readable.extend(waiting.map(|waiting| (place, waiting))),
            Err(error) => failed(place, &error),
        }
    }
    let unchained = chain(app, &readable).await;
    for (place, waiting) in &readable {
        let relayed = match waiting {
            Waiting::Message(message) => leave(app, message).await,
            Waiting::Told(told) => app.store.number(told).await.map_err(Error::from),
            // All of its organization in the batch comes again: what is in the chain stays where it is.
            Waiting::Audited(event) if unchained.contains(&event.organization) => {
                Err("the event is not in its chain".into())
            }
            Waiting::Audited(_) => Ok(()),
        };
        if let Err(error) = relayed {
            failed(place.clone(), &error);
            break;
        }
    }
    Ok(response)
}

/// Appends the audit events of a batch to their organizations' chains, and says whose could not be.
async fn chain(app: &Relaying, readable: &[(Option<String>, Waiting)]) -> BTreeSet<OrganizationId> {
    let mut events: BTreeMap<OrganizationId, Vec<AuditEvent>> = BTreeMap::new();
    for (_, waiting) in readable {
        if let Waiting::Audited(event) = waiting {
            events.entry(event.organization).or_default().push(event.clone());
        }
    }
    let all: Vec<_> = events.into_iter().collect();
    let mut unchained = BTreeSet::new();
    for some in all.chunks(CHAINS_AT_ONCE) {
        let chained = some.iter().map(async |(organization, events)| {
            let chained = app.store.chain(*organization, events, app.clock.now()).await;
            (*organization, chained)
        });
        for (organization, chained) in join_all(chained).await {
            if let Err(error) = chained {
                tracing::warn!(%error, organization.id = %organization, "audit events are left for the next try");
                unchained.insert(organization);
            }
        }
    }
    unchained
}

fn waiting(record: EventRecord) -> Result<Option<Waiting>, Error> {
    if record.event_name != "INSERT" {
        return Ok(None);
    }
    let image = record.change.new_image;
    if let Some(told) = Store::told(image.clone())? {
        return Ok(Some(Waiting::Told(told)));
    }
    if let Some(event) = Store::audited(image.clone())? {
        return Ok(Some(Waiting::Audited(event)));
    }
    Ok(Store::message(image)?.map(Waiting::Message))
}

async fn leave(app: &Relaying, message: &Message) -> Result<(), Error> {
    let queue = match message.content {
        Content::InviteMail { .. } => &app.mail_queue,
        Content::Export { .. } => &app.export_queue,
    };
    queue.send(serde_json::to_string(message)?).await?;
    // Only now: a message that is still in the outbox did not leave.
    app.store.message_left(message).await?;
    Ok(())
}
