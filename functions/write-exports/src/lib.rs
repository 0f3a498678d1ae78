//! Writes the files of exports: the pages of a list, one after the other, in parts of bounded size.

mod encode;
mod write;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use portal_app::Exporting;
use portal_domain::outbox::{Content, Message};
use portal_http::Error;

/// Works off a batch of exports. What fails comes again on its own.
///
/// # Errors
/// None: what fails is answered by its id.
pub async fn handle(app: &Exporting, event: SqsEvent) -> Result<SqsBatchResponse, Error> {
    let mut response = SqsBatchResponse::default();
    for record in event.records {
        let body = record.body.unwrap_or_default();
        if let Err(error) = Box::pin(work(app, &body)).await {
            tracing::warn!(%error, "an export is left for the next try");
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = record.message_id.unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
    }
    Ok(response)
}

async fn work(app: &Exporting, body: &str) -> Result<(), Error> {
    let message: Message = serde_json::from_str(body)?;
    match message.content {
        Content::Export { organization, export } => write::export(app, organization, export).await,
        Content::InviteMail { .. } => Err("this is no export".into()),
    }
}
