//! The entities: each file is the only one that spells its keys.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::Item;
use crate::error::StoreError;
use crate::table::{Index, KIND, Key, PK, SK, TTL};

pub mod account;
pub mod action;
pub mod audit;
pub mod binding;
pub mod booking;
pub mod chain;
pub mod count;
pub mod device;
pub mod due;
pub mod enrollment;
pub mod export;
pub mod feed;
pub mod idempotency;
pub mod import;
pub mod invite;
pub mod limit;
mod listed;
pub mod membership;
pub mod naming;
pub mod note;
pub mod organization;
pub mod outbox;
pub mod patient;
pub mod quota;
pub mod resource;
pub mod seats;
pub mod session;
pub mod site;
pub mod specialist;
pub mod sponsored;
pub mod statistic;
pub mod tie;
pub mod token;
pub mod transaction;

/// Something that is stored as one item.
pub(crate) trait Entity: Serialize + DeserializeOwned {
    /// What it is called in the table.
    const KIND: &'static str;

    /// Its key.
    fn key(&self) -> Key;

    /// The index partitions it is in, with its place there.
    fn indexes(&self) -> Vec<(Index, String, String)> {
        Vec::new()
    }

    /// What lists filter by and the entity does not hold in that form.
    fn filters(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// From when on it may be thrown away.
    fn ends_at(&self) -> Option<Timestamp> {
        None
    }
}

/// The item of an entity.
pub(crate) fn to_item<E: Entity>(entity: &E) -> Result<Item, StoreError> {
    let mut item: Item = serde_dynamo::to_item(entity)?;
    let key = entity.key();
    let mut text = |name: &str, value: String| item.insert(name.to_owned(), AttributeValue::S(value));
    text(PK, key.pk);
    text(SK, key.sk);
    text(KIND, E::KIND.to_owned());
    for (name, value) in entity.filters() {
        text(name, value);
    }
    for (index, pk, sk) in entity.indexes() {
        text(index.pk(), pk);
        text(index.sk(), sk);
    }
    if let Some(ends_at) = entity.ends_at() {
        item.insert(TTL.to_owned(), AttributeValue::N(ends_at.as_second().to_string()));
    }
    Ok(item)
}

/// The entity in a stream record's image; nothing if it is another kind of item.
pub(crate) fn from_image<E: Entity>(image: serde_dynamo::Item) -> Result<Option<E>, StoreError> {
    let item: Item = image.into();
    let kind = item.get(KIND).and_then(|kind| kind.as_s().ok());
    if kind.is_none_or(|kind| kind != E::KIND) {
        return Ok(None);
    }
    from_item(item).map(Some)
}

/// The entity of an item.
pub(crate) fn from_item<E: Entity>(item: Item) -> Result<E, StoreError> {
    match item.get(KIND).and_then(|kind| kind.as_s().ok()) {
        Some(kind) if kind == E::KIND => Ok(serde_dynamo::from_item(item)?),
        other => Err(StoreError::Broken(format!(
            "expected {}, found {other:?}",
            E::KIND
        ))),
    }
}
