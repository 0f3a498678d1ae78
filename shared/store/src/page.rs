//! Lists: one query a page, bounded work, and a position to go on from.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use crate::client::{Item, Store};
use crate::entity::Entity;
use crate::error::StoreError;
use crate::expression::Expression;
use crate::table::{Index, PK, SK};

/// The most items that are read to fill one page of a filtered list.
pub(crate) const MOST_EVALUATED: i32 = 1_000;

/// Where a page of a list that is held whole ended.
const PLACE: &str = "place";

/// Where a page ended. It holds keys: the HTTP layer seals it before it leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position(pub(crate) BTreeMap<String, String>);

/// A page of a list. It may be short or empty and still have a next one.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// Its items, in the order of the index.
    pub items: Vec<T>,
    /// Where the next page begins.
    pub next: Option<Position>,
}

impl<T> Page<T> {
    /// A page of a list that is held whole: at most `limit` of `items`, which are in the order of their `place`, after `after`.
    pub fn of(items: Vec<T>, limit: usize, after: Option<&Position>, place: impl Fn(&T) -> String) -> Self {
        let begun = after.and_then(|position| position.0.get(PLACE));
        let mut left: Vec<T> = items
            .into_iter()
            .filter(|item| begun.is_none_or(|begun| place(item) > *begun))
            .collect();
        let is_cut = left.len() > limit;
        left.truncate(limit);
        let last = left.last().filter(|_| is_cut).map(&place);
        Self {
            items: left,
            next: last.map(|place| Position([(PLACE.to_owned(), place)].into())),
        }
    }

    /// A page of nothing, after which nothing comes.
    pub(crate) const fn empty() -> Self {
        Self {
            items: Vec::new(),
            next: None,
        }
    }

    /// The page with those of its items alone that are wanted.
    pub(crate) fn keeping(mut self, wanted: impl FnMut(&T) -> bool) -> Self {
        self.items.retain(wanted);
        self
    }

    /// The page with those of its items that turn into something else.
    pub(crate) fn filter_map<U>(self, f: impl FnMut(T) -> Option<U>) -> Page<U> {
        Page {
            items: self.items.into_iter().filter_map(f).collect(),
            next: self.next,
        }
    }

    /// The page with its items turned into something else.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(f).collect(),
            next: self.next,
        }
    }
}

/// A list: a partition of the table or of an index, a range in it, an order and a filter.
#[derive(Debug, Clone)]
pub(crate) struct Listing {
    pub(crate) index: Option<Index>,
    pub(crate) pk: String,
    /// A condition on `#sk`'s attribute, beside `pk`.
    pub(crate) range: Expression,
    pub(crate) filter: Expression,
    pub(crate) newest_first: bool,
    pub(crate) limit: usize,
    pub(crate) after: Option<Position>,
}

impl Listing {
    pub(crate) fn of(index: Option<Index>, pk: String, limit: usize) -> Self {
        Self {
            index,
            pk,
            range: Expression::default(),
            filter: Expression::default(),
            newest_first: false,
            limit,
            after: None,
        }
    }

    /// The key attributes that a position in this list has.
    fn keys(&self) -> Vec<&'static str> {
        self.index
            .map_or(vec![PK, SK], |index| vec![PK, SK, index.pk(), index.sk()])
    }

    fn position(&self, item: &Item) -> Position {
        let text = |key: &str| {
            item.get(key)
                .and_then(|value| value.as_s().ok())
                .cloned()
                .unwrap_or_default()
        };
        Position(
            self.keys()
                .into_iter()
                .map(|key| (key.to_owned(), text(key)))
                .collect(),
        )
    }
}

impl Store {
    /// One page of `listing`.
    pub(crate) async fn page<E: Entity>(&self, listing: Listing) -> Result<Page<E>, StoreError> {
        let limit = listing.limit;
        let evaluated = if listing.filter.is_empty() {
            i32::try_from(limit).unwrap_or(MOST_EVALUATED)
        } else {
            MOST_EVALUATED
        };
        let (mut items, last) = self.query(&listing, evaluated).await?;
        let is_cut = items.len() > limit;
        items.truncate(limit);
        let next = if is_cut {
            items.last().map(|item| listing.position(item))
        } else {
            last.map(|key| listing.position(&key))
        };
        let items = items
            .into_iter()
            .map(crate::entity::from_item)
            .collect::<Result<_, _>>()?;
        Ok(Page { items, next })
    }
}

impl Position {
    pub(crate) fn key(&self) -> Item {
        self.0
            .iter()
            .map(|(name, value)| (name.clone(), AttributeValue::S(value.clone())))
            .collect()
    }
}
