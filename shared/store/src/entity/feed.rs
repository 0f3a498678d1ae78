//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | F1 | what is to be told of a record and has no number yet, by revision | table | `TOLD#{source}` | `{type}#{record}#{rev}` |
//! | F2 | the last number of a source's feed | table | `FEED#{source}` | `HEAD` |
//! | F3 | a source's feed after a number | table | `FEED#{source}` | `SEQ#{number}` |
//!
//! What is to be told is written with the change itself, and numbered when the stream brings it: so every change is told, and who
//! has read up to a number has missed nothing that comes to a lower one later.

use portal_domain::external::SourceName;
use portal_domain::feed::{Numbered, Told};
use serde::{Deserialize, Serialize};

use crate::client::{Store, pause};
use crate::entity::Entity;
use crate::error::StoreError;
use crate::expression::Expression;
use crate::page::{Listing, Page};
use crate::table::Key;
use crate::transaction::{Failing, Transaction};

/// What something to be told is called in the stream's records.
pub const KIND: &str = "told";

const HEAD: &str = "HEAD";
const SEQ: &str = "SEQ#";
/// Behind all numbers.
const BEHIND: &str = "SEQ$";
/// How often a number is sought while others take one.
const ATTEMPTS: u32 = 16;

fn feed(source: &SourceName) -> String {
    format!("FEED#{source}")
}

fn place(seq: u64) -> String {
    format!("{SEQ}{seq:020}")
}

fn record(told: &Told) -> String {
    format!("{}#{}#", told.of.as_str(), told.id)
}

fn waiting(source: &SourceName) -> String {
    format!("TOLD#{source}")
}

impl Entity for Told {
    const KIND: &'static str = KIND;

    fn key(&self) -> Key {
        Key {
            pk: waiting(&self.source),
            sk: format!("{}{:020}", record(self), self.rev),
        }
    }
}

impl Entity for Numbered {
    const KIND: &'static str = "change";

    fn key(&self) -> Key {
        Key {
            pk: feed(&self.told.source),
            sk: place(self.seq),
        }
    }
}

/// The last number of a feed.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    source: SourceName,
    seq: u64,
}

fn head(source: &SourceName) -> Key {
    Key {
        pk: feed(source),
        sk: HEAD.to_owned(),
    }
}

impl Entity for Head {
    const KIND: &'static str = "feed";

    fn key(&self) -> Key {
        head(&self.source)
    }
}

pub(crate) fn put(transaction: Transaction, told: &Told) -> Result<Transaction, StoreError> {
    transaction.create(told, Failing::Stale)
}

impl Store {
    /// What is to be told, in a stream record's new image; nothing if it is another kind of item.
    ///
    /// # Errors
    /// [`StoreError::Broken`] when it is one that cannot be read.
    pub fn told(image: serde_dynamo::Item) -> Result<Option<Told>, StoreError> {
        crate::entity::from_image(image)
    }

    /// F1, F2: gives numbers to what is to be told of a record up to this, in the order of its revisions. What has a number is
    /// left as it is, so that it may be asked for again.
    ///
    /// # Errors
    /// [`StoreError::Busy`], also while others take numbers of the feed; [`StoreError::Broken`].
    pub async fn number(&self, told: &Told) -> Result<(), StoreError> {
        let (mut attempt, source) = (0, &told.source);
        while attempt < ATTEMPTS {
            let listing = Listing {
                range: Expression::new("begins_with(#sk, :record)").with("record", record(told)),
                ..Listing::of(None, waiting(source), 1)
            };
            let key = head(source);
            let (page, last) = tokio::try_join!(self.page::<Told>(listing), self.get::<Head>(&key))?;
            let Some(first) = page.items.into_iter().find(|first| first.rev <= told.rev) else {
                return Ok(());
            };
            let seen = last.map(|head| head.seq);
            let seq = seen.unwrap_or(0) + 1;
            let is_next = match seen {
                None => Expression::new("attribute_not_exists(#pk)"),
                Some(seen) => Expression::new("#seq = :seen").with("seen", seen),
            };
            let next = Head {
                source: source.clone(),
                seq,
            };
            let is_waiting = Expression::new("attribute_exists(#pk)");
            let key = first.key();
            let numbered = Numbered { seq, told: first };
            let transaction = Transaction::default()
                .put(&next, is_next, Failing::Stale)?
                .create(&numbered, Failing::Stale)?
                .delete(key, is_waiting, Failing::Stale);
            match self.commit_transaction(&transaction).await {
                Ok(()) => attempt = 0,
                Err(StoreError::Stale) => {
                    pause(attempt).await;
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy)
    }

    /// F3: at most `limit` entries of a source's feed after a number, in order.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`], [`StoreError::OutOfScope`] for another source than the caller's.
    pub async fn changes(
        &self,
        source: &SourceName,
        after: u64,
        limit: usize,
    ) -> Result<Page<Numbered>, StoreError> {
        let range = Expression::new("#sk BETWEEN :first AND :behind")
            .with("first", place(after.saturating_add(1)))
            .with("behind", BEHIND);
        self.page(Listing {
            range,
            ..Listing::of(None, feed(source), limit)
        })
        .await
    }
}
