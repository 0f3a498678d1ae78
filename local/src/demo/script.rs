//! What is to be written, in the order in which it can be.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use portal_domain::audit::{Actor, AuditEvent, Origin, Verb};
use portal_domain::change::{Change, Write};
use portal_domain::id::{EventId, OrganizationId};

use super::ids;

/// The most operations that DynamoDB takes in one transaction.
const MOST_OPERATIONS: usize = 100;

/// The changes that make up the demo.
#[derive(Default)]
pub(super) struct Script {
    first: Vec<Change>,
    then: Vec<Change>,
    alone: Vec<Change>,
    events: u64,
}

impl Script {
    /// Something that the rest is added to.
    pub(super) fn begin(&mut self, change: Change) {
        self.first.push(change);
    }

    /// Something that is independent of all else.
    pub(super) fn add(&mut self, change: Change) {
        self.then.push(change);
    }

    /// Something that is independent of all else, and much by itself.
    pub(super) fn add_alone(&mut self, change: Change) {
        self.alone.push(change);
    }

    /// An audit event with an id of its own.
    pub(super) fn event(
        &mut self,
        organization: OrganizationId,
        verb: Verb,
        actor: Actor,
        object: &impl ToString,
        at: Timestamp,
    ) -> AuditEvent {
        self.events += 1;
        let origin = match &actor {
            Actor::System { .. } | Actor::Service { .. } => Origin::default(),
            Actor::Account { id, .. } => Origin {
                request_id: ids::at(at.as_millisecond(), self.events).to_string(),
                // The addresses of RFC 5737 §3 belong to nobody.
                ip: Some(format!("203.0.113.{}", 1 + id.uuid().as_u128() % 250)),
                user_agent: Some(
                    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(),
                ),
            },
        };
        AuditEvent {
            id: EventId::from_uuid(ids::at(at.as_millisecond(), self.events)),
            ..AuditEvent::new(organization, verb, actor, object, &origin, at)
        }
    }

    /// The log of each organization, in order.
    pub(super) fn logs(&self) -> BTreeMap<OrganizationId, Vec<AuditEvent>> {
        let mut logs: BTreeMap<_, Vec<AuditEvent>> = BTreeMap::new();
        let changes = [&self.first, &self.then, &self.alone].into_iter().flatten();
        for event in changes.flat_map(|change| &change.audit) {
            logs.entry(event.organization).or_default().push(event.clone());
        }
        for log in logs.values_mut() {
            log.sort_by_key(|event| (event.at, event.id));
        }
        logs
    }

    /// The changes, in as few transactions as they fit into; those of one stage can be committed at the same time.
    pub(super) fn in_stages(self) -> [Vec<Change>; 2] {
        let then = batched(self.then).into_iter().chain(self.alone);
        [batched(self.first), then.collect()]
    }
}

fn batched(changes: Vec<Change>) -> Vec<Change> {
    let size = |change: &Change| change.writes.iter().map(operations).sum::<usize>() + change.audit.len();
    let mut batches: Vec<Change> = Vec::new();
    for change in changes {
        match batches.last_mut() {
            Some(last) if size(last) + size(&change) <= MOST_OPERATIONS => {
                last.writes.extend(change.writes);
                last.audit.extend(change.audit);
            }
            _ => batches.push(change),
        }
    }
    batches
}

/// How many items a write puts.
const fn operations(write: &Write) -> usize {
    match write {
        // Itself, its row, and an entry of its history; or itself, its row, and the row in its booking.
        Write::BookingPut(_) | Write::TransactionPut { .. } => 3,
        _ => 1,
    }
}

/// So many hours before `now`.
pub(super) fn hours_ago(now: Timestamp, hours: i64) -> Timestamp {
    now.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(now)
}
