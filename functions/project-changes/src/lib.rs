//! Follows the table's stream: every change of a record is counted once, however often it comes and in whichever order; copies of
//! names follow what people are called; and rules look at what has changed, which opens and closes actions.
//!
//! All that is in one function because a shard of the stream serves two readers well, and the relay is the other one.

use std::collections::BTreeSet;

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use portal_app::App;
use portal_domain::action::Subject;
use portal_http::Error;
use portal_store::StoreError;
use portal_store::entity::statistic::Change;

/// Counts the changes of a batch, brings names up to date, and looks at what the changes are about as it is now, each once. One
/// that cannot be read comes again and keeps no other back; when the table is not to be had, the rest of the batch comes again.
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
    let (mut changes, mut readable) = (Vec::new(), Vec::new());
    for record in event.records {
        match change(&record) {
            Ok(change) => {
                changes.extend(change);
                readable.push(record);
            }
            Err(error) => failed(record.change.sequence_number.clone(), &error),
        }
    }
    if let Err(error) = app.store.count(changes, app.clock.now()).await {
        failed(first, &error);
        return Ok(response);
    }
    let mut seen = BTreeSet::new();
    for record in readable {
        let place = record.change.sequence_number.clone();
        match follow(app, record, &mut seen).await {
            Ok(()) => {}
            Err(error @ StoreError::Broken(_)) => failed(place, &error),
            Err(error) => {
                failed(place, &error);
                break;
            }
        }
    }
    Ok(response)
}

fn change(record: &EventRecord) -> Result<Option<Change>, StoreError> {
    let change = &record.change;
    Change::of(change.old_image.clone(), change.new_image.clone())
}

/// Lets names follow a record, and rules look at what it is about, but for what was seen already: that was looked at after all
/// changes of the batch.
async fn follow(app: &App, record: EventRecord, seen: &mut BTreeSet<Subject>) -> Result<(), StoreError> {
    if record.event_name == "REMOVE" {
        return Ok(());
    }
    let (old, new) = (record.change.old_image, record.change.new_image);
    app.store.follow_names(old, new.clone(), app.clock.now()).await?;
    for subject in app.store.concerned(new).await? {
        if !seen.contains(&subject) {
            app.store.judge(subject, app.clock.now()).await?;
            seen.insert(subject);
        }
    }
    Ok(())
}
