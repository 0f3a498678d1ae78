//! Takes the lines of files that sources bring, piece by piece: what a run leaves, the next goes on with.

mod cut;
mod failures;
mod pieces;
mod run;
mod take;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use portal_app::Importing;
use portal_documents::Key;
use portal_http::Error;
use serde::Deserialize;

/// What calls a run.
pub(crate) struct Message {
    /// Its id: the same when it comes again.
    pub(crate) id: String,
    /// Its text.
    pub(crate) body: String,
}

/// That an object was made, as the event bus tells it.
#[derive(Deserialize)]
struct ObjectCreated {
    detail: Detail,
}

#[derive(Deserialize)]
struct Detail {
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    key: String,
}

/// Goes on with the imports whose files were brought. What fails comes again on its own.
///
/// # Errors
/// None: what fails is answered by its id.
pub async fn handle(app: &Importing, event: SqsEvent) -> Result<SqsBatchResponse, Error> {
    let mut response = SqsBatchResponse::default();
    for record in event.records {
        let message = Message {
            id: record.message_id.unwrap_or_default(),
            body: record.body.unwrap_or_default(),
        };
        if let Err(error) = Box::pin(work(app, &message)).await {
            tracing::warn!(%error, "an import is left for the next run");
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message.id;
            response.batch_item_failures.push(failure);
        }
    }
    Ok(response)
}

async fn work(app: &Importing, message: &Message) -> Result<(), Error> {
    let event: ObjectCreated = serde_json::from_str(&message.body)?;
    let brought = Key::uploaded(&event.detail.object.key);
    let import = match &brought {
        Some((source, import)) => app.store.import(source, *import).await?,
        None => None,
    };
    if let Some(import) = import {
        return run::import(app, import, message).await;
    }
    tracing::warn!("a file was brought that nobody asked for");
    Ok(())
}
