//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | H1 | the end of an organization's audit chain | table | `CHAIN#{organization}` | `HEAD` |
//! | H2 | its links after a number | table | `CHAIN#{organization}` | `LINK#{number}` |
//! | H3 | whether an event is in it | table | `CHAIN#{organization}` | `EVENT#{event}` |
//! | H4 | how far it is sealed | table | `CHAIN#{organization}` | `SEALED` |
//!
//! Audit events themselves are never written again: what the chain knows of them is in items of its own.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use portal_domain::audit::AuditEvent;
use portal_domain::chain::{Head, Link, Sealed, day, sealing};
use portal_domain::id::{EventId, OrganizationId};
use serde::{Deserialize, Serialize};

use crate::client::{Store, pause};
use crate::entity::{Entity, audit};
use crate::error::StoreError;
use crate::expression::Expression;
use crate::page::{Listing, Page};
use crate::table::Key;
use crate::transaction::{Failing, Transaction};

const HEAD: &str = "HEAD";
const SEALED: &str = "SEALED";
const LINK: &str = "LINK#";
/// Behind all numbers.
const BEHIND: &str = "LINK$";

/// How many events are appended in one transaction: each is two items, beside the head and the due work.
const MOST_AT_ONCE: usize = 48;
/// How often an end is sought while others append.
const ATTEMPTS: u32 = 16;

fn partition(organization: OrganizationId) -> String {
    format!("CHAIN#{organization}")
}

fn key(organization: OrganizationId, sk: impl Into<String>) -> Key {
    Key {
        pk: partition(organization),
        sk: sk.into(),
    }
}

fn place(seq: u64) -> String {
    format!("{LINK}{seq:020}")
}

impl Entity for Head {
    const KIND: &'static str = "chain_head";

    fn key(&self) -> Key {
        key(self.organization, HEAD)
    }
}

impl Entity for Link {
    const KIND: &'static str = "chain_link";

    fn key(&self) -> Key {
        key(self.organization, place(self.seq))
    }
}

impl Entity for Sealed {
    const KIND: &'static str = "chain_sealed";

    fn key(&self) -> Key {
        key(self.organization, SEALED)
    }
}

/// That an event is in the chain.
#[derive(Debug, Serialize, Deserialize)]
struct Linked {
    organization: OrganizationId,
    event: EventId,
    seq: u64,
}

impl Entity for Linked {
    const KIND: &'static str = "chain_event";

    fn key(&self) -> Key {
        linked_key(self.organization, self.event)
    }
}

fn linked_key(organization: OrganizationId, event: EventId) -> Key {
    key(organization, format!("EVENT#{event}"))
}

impl Store {
    /// The audit event in a stream record's new image; nothing if it is another kind of item.
    ///
    /// # Errors
    /// [`StoreError::Broken`] when it is one that cannot be read.
    pub fn audited(image: serde_dynamo::Item) -> Result<Option<AuditEvent>, StoreError> {
        crate::entity::from_image(image)
    }

    /// H1, H3: appends events of one organization to its chain in this order. Those that are in it stay where they are, so that
    /// this may be asked for again.
    ///
    /// # Errors
    /// [`StoreError::Busy`], also while others append to the chain; [`StoreError::Broken`].
    pub async fn chain(
        &self,
        organization: OrganizationId,
        events: &[AuditEvent],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for events in events.chunks(MOST_AT_ONCE) {
            self.chain_some(organization, events, now).await?;
        }
        Ok(())
    }

    async fn chain_some(
        &self,
        organization: OrganizationId,
        events: &[AuditEvent],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for attempt in 0..ATTEMPTS {
            let (head_key, linked_keys) = (
                key(organization, HEAD),
                events.iter().map(|event| linked_key(organization, event.id)),
            );
            let linked_keys: Vec<Key> = linked_keys.collect();
            let (head, linked) =
                tokio::try_join!(self.get::<Head>(&head_key), self.get_all::<Linked>(&linked_keys))?;
            // In a batch an event may come twice, too.
            let mut known: Vec<EventId> = linked.into_iter().map(|linked| linked.event).collect();
            let mut new = Vec::new();
            for event in events {
                if !known.contains(&event.id) {
                    known.push(event.id);
                    new.push(event.clone());
                }
            }
            if new.is_empty() {
                return Ok(());
            }
            let transaction = appended(head, organization, &new, now)?;
            match self.commit_transaction(&transaction).await {
                Err(StoreError::Stale) => pause(attempt).await,
                committed => return committed,
            }
        }
        Err(StoreError::Busy)
    }

    /// H1: the end of an organization's chain; none if it has no entry.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn chain_head(&self, organization: OrganizationId) -> Result<Option<Head>, StoreError> {
        self.get(&key(organization, HEAD)).await
    }

    /// H4: how far an organization's chain is sealed.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn chain_sealed(&self, organization: OrganizationId) -> Result<Sealed, StoreError> {
        let found = self.get(&key(organization, SEALED)).await?;
        Ok(found.unwrap_or_else(|| Sealed::nothing(organization)))
    }

    /// H2: at most `limit` links behind a number, in order.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn chain_links(
        &self,
        organization: OrganizationId,
        after: u64,
        limit: usize,
    ) -> Result<Page<Link>, StoreError> {
        let range = Expression::new("#sk BETWEEN :first AND :behind")
            .with("first", place(after.saturating_add(1)))
            .with("behind", BEHIND);
        self.page(Listing {
            range,
            ..Listing::of(None, partition(organization), limit)
        })
        .await
    }

    /// H3: those of `events` that have a place in the chain: the one that their links say, too.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn chained(
        &self,
        organization: OrganizationId,
        events: impl IntoIterator<Item = EventId>,
    ) -> Result<BTreeSet<EventId>, StoreError> {
        let events = events.into_iter();
        let keys: Vec<Key> = events.map(|event| linked_key(organization, event)).collect();
        let linked: Vec<Linked> = self.get_all(&keys).await?;
        let keys: Vec<Key> = linked
            .iter()
            .map(|linked| key(organization, place(linked.seq)))
            .collect();
        let links: Vec<Link> = self.get_all(&keys).await?;
        Ok(links.into_iter().map(|link| link.event).collect())
    }

    /// The audit events with these ids and times, of those that are there.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn audit_events_at(
        &self,
        organization: OrganizationId,
        places: impl IntoIterator<Item = (EventId, Timestamp)>,
    ) -> Result<BTreeMap<EventId, AuditEvent>, StoreError> {
        let places = places.into_iter();
        let keys: Vec<Key> = places
            .map(|(event, at)| audit::key(organization, event, at))
            .collect();
        let found: Vec<AuditEvent> = self.get_all(&keys).await?;
        Ok(found.into_iter().map(|event| (event.id, event)).collect())
    }

    /// Notes how far a chain is sealed, if it was sealed as far as `from` says; `false` if somebody else has sealed on.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn seal_chain(&self, from: &Sealed, to: &Sealed) -> Result<bool, StoreError> {
        let condition = if from.seq == 0 {
            Expression::new("attribute_not_exists(#pk)")
        } else {
            Expression::new("#seq = :from").with("from", from.seq)
        };
        let transaction = Transaction::default().put(to, condition, Failing::Stale)?;
        match self.commit_transaction(&transaction).await {
            Ok(()) => Ok(true),
            Err(StoreError::Stale) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn appended(
    head: Option<Head>,
    organization: OrganizationId,
    events: &[AuditEvent],
    now: Timestamp,
) -> Result<Transaction, StoreError> {
    let is_last = head.as_ref().map_or_else(
        || Expression::new("attribute_not_exists(#pk)"),
        |head| Expression::new("#seq = :last").with("last", head.seq),
    );
    let head = head.unwrap_or_else(|| Head::before_the_first(organization));
    let (next, links) = head.append(events, now);
    let mut transaction = Transaction::default().put(&next, is_last, Failing::Stale)?;
    for link in &links {
        let linked = Linked {
            organization,
            event: link.event,
            seq: link.seq,
        };
        transaction = transaction
            .create(link, Failing::Stale)?
            .create(&linked, Failing::Stale)?;
    }
    // The first entry of a day makes the day be sealed.
    if day(next.linked_at) != day(head.linked_at) {
        let due = sealing(organization, next.linked_at);
        transaction = transaction.put(&due, Expression::default(), Failing::Stale)?;
    }
    Ok(transaction)
}
