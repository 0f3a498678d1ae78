//! The queues between the outbox and those who work it off.

use aws_sdk_sqs::error::DisplayErrorContext;

/// A queue that messages are put into. Reading is the service's: it calls the consumer.
#[derive(Debug, Clone)]
pub struct Queue {
    client: aws_sdk_sqs::Client,
    url: String,
}

/// A message that could not be queued.
#[derive(Debug, thiserror::Error)]
#[error("the queue did not take the message: {0}")]
pub struct QueueError(String);

impl Queue {
    /// The queue at `url`.
    #[must_use]
    pub fn new(client: aws_sdk_sqs::Client, url: &str) -> Self {
        Self {
            client,
            url: url.to_owned(),
        }
    }

    /// Queues a message.
    ///
    /// # Errors
    /// [`QueueError`] when it is not certain that the queue has it; it may then have it all the same.
    pub async fn send(&self, body: String) -> Result<(), QueueError> {
        let sent = self
            .client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .send()
            .await;
        sent.map(drop)
            .map_err(|error| QueueError(DisplayErrorContext(error).to_string()))
    }
}
