//! Conflicts between transactions: which items are in whose hands right now.
//!
//! The embedded database carries out one operation after the other, so two transactions never meet in it. In the cloud they
//! do, and the later one is cancelled.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::operation::Key;
use crate::sync::lock;

/// An item: its table and primary key.
pub(super) type Item = (String, String, Option<String>);

/// Who holds an item.
struct Holder {
    flight: u64,
    transaction: bool,
}

#[derive(Default)]
struct Held {
    next: u64,
    items: BTreeMap<Item, Vec<Holder>>,
    tokens: BTreeMap<String, u64>,
}

/// The items of all operations under way.
#[derive(Default, Clone)]
pub(super) struct InFlight(Arc<Mutex<Held>>);

/// Whether an operation may begin.
pub(super) enum Entry {
    /// It may; it ends when the flight is dropped.
    Admitted(Flight),
    /// A call with the same token has not ended.
    InProgress,
    /// Others hold the items at these indexes.
    Overlaps(Vec<usize>),
}

/// An operation under way.
pub(super) struct Flight {
    id: u64,
    held: InFlight,
}

/// Whether the operation can meet a transaction, or is one.
pub(super) fn can_conflict(target: &str) -> bool {
    matches!(
        target,
        "TransactWriteItems" | "TransactGetItems" | "PutItem" | "UpdateItem" | "DeleteItem"
    )
}

/// The items among the keys, one per item of the request, in order.
pub(super) fn items(keys: &[Key]) -> Vec<Item> {
    let primary = keys.iter().filter(|key| key.index.is_none());
    primary
        .map(|key| (key.table.clone(), key.partition.clone(), key.sort.clone()))
        .collect()
}

impl InFlight {
    /// Takes the items, unless a transaction has one of them, or this is a transaction and anybody has.
    pub(super) fn enter(&self, target: &str, token: Option<&str>, items: &[Item]) -> Entry {
        let transaction = target == "TransactWriteItems";
        let held = &mut *lock(&self.0);
        if token.is_some_and(|token| held.tokens.contains_key(token)) {
            return Entry::InProgress;
        }
        let is_held = |item: &Item| {
            held.items
                .get(item)
                .is_some_and(|by| transaction || by.iter().any(|holder| holder.transaction))
        };
        let overlaps: Vec<usize> = items
            .iter()
            .enumerate()
            .filter(|(_, item)| is_held(item))
            .map(|(index, _)| index)
            .collect();
        if !overlaps.is_empty() {
            return Entry::Overlaps(overlaps);
        }
        let id = held.next;
        held.next += 1;
        if target != "TransactGetItems" {
            for item in items {
                held.items.entry(item.clone()).or_default().push(Holder {
                    flight: id,
                    transaction,
                });
            }
        }
        if let Some(token) = token {
            held.tokens.insert(token.to_owned(), id);
        }
        Entry::Admitted(Flight {
            id,
            held: self.clone(),
        })
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let held = &mut *lock(&self.held.0);
        held.tokens.retain(|_, flight| *flight != self.id);
        held.items.retain(|_, holders| {
            holders.retain(|holder| holder.flight != self.id);
            !holders.is_empty()
        });
    }
}
