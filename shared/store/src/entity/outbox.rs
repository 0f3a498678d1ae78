//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | X1 | messages waiting to leave | table | `OUTBOX#{shard}` | time, message |
//!
//! The stream brings each message to the relay, which deletes it once the queue has it.

use jiff::{SignedDuration, Timestamp};
use portal_domain::outbox::Message;

use crate::client::Store;
use crate::entity::Entity;
use crate::error::StoreError;
use crate::table::{Key, sortable};

const SHARDS: u128 = 8;

/// What a message is called in the stream's records.
pub const KIND: &str = "outbox";

fn key(message: &Message) -> Key {
    let shard = message.id.uuid().as_u128() % SHARDS;
    Key {
        pk: format!("OUTBOX#{shard}"),
        sk: format!("{}#{}", sortable(message.at), message.id),
    }
}

impl Entity for Message {
    const KIND: &'static str = KIND;

    fn key(&self) -> Key {
        key(self)
    }

    fn ends_at(&self) -> Option<Timestamp> {
        // The link in it has expired by then.
        Some(self.at + SignedDuration::from_hours(8 * 24))
    }
}

impl Store {
    /// The message in a stream record's new image; nothing if it is another kind of item.
    ///
    /// # Errors
    /// [`StoreError::Broken`] when it is a message that cannot be read.
    pub fn message(image: serde_dynamo::Item) -> Result<Option<Message>, StoreError> {
        crate::entity::from_image(image)
    }

    /// Forgets a message that has left.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn message_left(&self, message: &Message) -> Result<(), StoreError> {
        self.delete(&key(message)).await
    }
}
