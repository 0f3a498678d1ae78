//! Sends the mails that changes caused, once each as far as that can be had, and notes which do not arrive.

mod feedback;
mod invite;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use portal_app::Mailing;
use portal_domain::outbox::{Content, Message};
use portal_http::Error;

/// Works off a batch: mails to send, and what the mail service says of those sent. What fails comes again on its own.
///
/// # Errors
/// None: what fails is answered by its id.
pub async fn handle(app: &Mailing, event: SqsEvent) -> Result<SqsBatchResponse, Error> {
    let mut response = SqsBatchResponse::default();
    for record in event.records {
        let body = record.body.unwrap_or_default();
        if let Err(error) = work(app, &body).await {
            tracing::warn!(%error, "a mail is left for the next try");
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = record.message_id.unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
    }
    Ok(response)
}

async fn work(app: &Mailing, body: &str) -> Result<(), Error> {
    match serde_json::from_str::<Message>(body) {
        Ok(message) => match message.content {
            Content::InviteMail {
                organization,
                invite,
                version,
            } => invite::send(app, message.id, (organization, invite), version).await,
            Content::Export { .. } => Err("this is no mail".into()),
        },
        Err(_) => feedback::note(app, body).await,
    }
}
