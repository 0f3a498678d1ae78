//! Lists that come from several partitions at once: read side by side, merged in the order of their sort keys.
//!
//! The position in such a list is the last sort key alone: it orders all partitions alike, so each goes on after it. A page
//! costs the same wherever it is and however many items there are.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use portal_domain::code::{Code, Refusal};
use portal_domain::reach::Reach;

use crate::client::{Item, Store};
use crate::entity::Entity;
use crate::error::StoreError;
use crate::expression::Expression;
use crate::page::{Listing, MOST_EVALUATED, Page, Position};
use crate::table::{Index, SK};

/// The last sort key of a page.
const LAST: &str = "last";
/// The revision of the access configuration that the sources of the list follow from.
const ACCESS_REV: &str = "access_rev";

/// A list over several partitions of indexes. All have the same form of sort key: what orders, then an id.
#[derive(Debug, Clone)]
pub(crate) struct Merged {
    pub(crate) access_rev: u64,
    /// The index, none of it the table itself, and the partition of each source.
    pub(crate) sources: Vec<(Option<Index>, String)>,
    /// The first and the last sort key that may be in the list, both inclusive.
    pub(crate) between: (String, String),
    /// What else an item must be; bounded to 1,000 items looked at a source and page.
    pub(crate) filter: Expression,
    pub(crate) newest_first: bool,
    pub(crate) limit: usize,
    pub(crate) after: Option<Position>,
}

/// The first key of a list without a first.
pub(crate) const FIRST: &str = " ";
/// The last key of a list without a last.
pub(crate) const LAST_OF_ALL: &str = "~";

impl Merged {
    /// A list over `sources`, which follow from `reach`, from the lowest sort key on.
    ///
    /// # Errors
    /// [`Code::CursorExpired`] where the access configuration has changed since the list was begun.
    pub(crate) fn of(
        reach: &Reach,
        sources: Vec<(Index, String)>,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Self, Refusal> {
        let sources = sources
            .into_iter()
            .map(|(index, partition)| (Some(index), partition));
        Self::over(reach, sources.collect(), limit, after)
    }

    /// The same over partitions of the table itself.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub(crate) fn of_table(
        reach: &Reach,
        partitions: Vec<String>,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Self, Refusal> {
        let sources = partitions.into_iter().map(|partition| (None, partition));
        Self::over(reach, sources.collect(), limit, after)
    }

    /// The same over what follows from the caller's account or organization alone, whatever the access configuration is.
    pub(crate) fn of_own(sources: Vec<(Index, String)>, limit: usize, after: Option<Position>) -> Self {
        let sources = sources
            .into_iter()
            .map(|(index, partition)| (Some(index), partition));
        Self {
            access_rev: 0,
            sources: sources.collect(),
            between: (FIRST.to_owned(), LAST_OF_ALL.to_owned()),
            filter: Expression::default(),
            newest_first: false,
            limit,
            after,
        }
    }

    fn over(
        reach: &Reach,
        sources: Vec<(Option<Index>, String)>,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Self, Refusal> {
        let begun = after.as_ref().and_then(|after| after.0.get(ACCESS_REV));
        if begun.is_some_and(|begun| *begun != reach.access_rev.to_string()) {
            return Err(Code::CursorExpired.into());
        }
        Ok(Self {
            access_rev: reach.access_rev,
            sources,
            between: (FIRST.to_owned(), LAST_OF_ALL.to_owned()),
            filter: Expression::default(),
            newest_first: false,
            limit,
            after,
        })
    }

    /// The position after the item with this sort key.
    pub(crate) fn behind(&self, key: String) -> Position {
        Position(
            [
                (LAST.to_owned(), key),
                (ACCESS_REV.to_owned(), self.access_rev.to_string()),
            ]
            .into(),
        )
    }

    fn page<E: Entity>(
        &self,
        items: Vec<(String, Item)>,
        next: Option<String>,
    ) -> Result<Page<E>, StoreError> {
        let items = items
            .into_iter()
            .map(|(_, item)| crate::entity::from_item(item))
            .collect::<Result<_, _>>()?;
        Ok(Page {
            items,
            next: next.map(|key| self.behind(key)),
        })
    }

    /// What is left of the range after the last page; `None` if nothing is.
    fn rest(&self) -> Option<(String, String)> {
        let (mut from, mut until) = self.between.clone();
        if let Some(last) = self.after.as_ref().and_then(|after| after.0.get(LAST)) {
            // The range is inclusive: begin behind the last key, or before it. Keys are text without control characters.
            if self.newest_first {
                until = before(last).min(until);
            } else {
                from = format!("{last}\u{1}").max(from);
            }
        }
        (from <= until).then_some((from, until))
    }
}

/// A text before `key` and behind all shorter ones that are keys: it ends in the highest character below the last of `key`.
fn before(key: &str) -> String {
    let mut characters: Vec<char> = key.chars().collect();
    match characters.pop() {
        Some(last) => {
            let lower = char::from_u32(u32::from(last).saturating_sub(1)).unwrap_or('\u{1}');
            let head: String = characters.into_iter().collect();
            format!("{head}{lower}\u{10ffff}")
        }
        None => String::new(),
    }
}

/// Items with their sort keys, in order, and the key to go on behind; none at the end of the list.
type Collected = (Vec<(String, Item)>, Option<String>);

/// What one source gave.
struct Part {
    /// The items with their sort keys, in order.
    items: Vec<(String, Item)>,
    /// The last key that was looked at, if there is more behind it.
    until: Option<String>,
}

impl Store {
    /// One page of a merged list: the sources are read at the same time, each at most a page of it.
    pub(crate) async fn merged<E: Entity>(&self, list: &Merged) -> Result<Page<E>, StoreError> {
        let (items, next) = self.collected(list).await?;
        list.page(items, next)
    }

    /// One page of a list that goes on with `rest` where `list` ends: both are read at the same time.
    pub(crate) async fn merged_in_turn<E: Entity>(
        &self,
        list: &Merged,
        rest: &Merged,
    ) -> Result<Page<E>, StoreError> {
        let ((items, next), behind) = tokio::try_join!(self.collected(list), self.collected(rest))?;
        let (items, next) = in_turn((items, next), behind, list.limit);
        list.page(items, next)
    }

    async fn collected(&self, list: &Merged) -> Result<Collected, StoreError> {
        let Some(range) = list.rest().filter(|_| !list.sources.is_empty()) else {
            return Ok((Vec::new(), None));
        };
        let sources: BTreeSet<&(Option<Index>, String)> = list.sources.iter().collect();
        let parts = try_join_all(sources.into_iter().map(|source| self.part(list, source, &range))).await?;
        Ok(merge(parts, list.limit, list.newest_first))
    }

    async fn part(
        &self,
        list: &Merged,
        (index, pk): &(Option<Index>, String),
        (from, until): &(String, String),
    ) -> Result<Part, StoreError> {
        let range = Expression::new("#sk BETWEEN :from AND :until")
            .with("from", from.as_str())
            .with("until", until.as_str());
        let listing = Listing {
            range,
            filter: list.filter.clone(),
            newest_first: list.newest_first,
            ..Listing::of(*index, pk.clone(), list.limit)
        };
        let evaluated = if list.filter.is_empty() {
            i32::try_from(list.limit).unwrap_or(MOST_EVALUATED)
        } else {
            MOST_EVALUATED
        };
        let (found, stopped) = self.query(&listing, evaluated).await?;
        let key = |item: &Item| {
            let key = item.get(index.map_or(SK, Index::sk));
            key.and_then(|key| key.as_s().ok()).cloned().unwrap_or_default()
        };
        Ok(Part {
            until: stopped.as_ref().map(key),
            items: found.into_iter().map(|item| (key(&item), item)).collect(),
        })
    }
}

/// The first `limit` items of all parts in order.
///
/// Nothing behind the first key at which a part stopped looking may be given yet: an item of that part could come before it.
/// The same item in two parts is given once.
fn merge(parts: Vec<Part>, limit: usize, newest_first: bool) -> Collected {
    let is_before = |a: &str, b: &str| if newest_first { a > b } else { a < b };
    let horizon = parts
        .iter()
        .filter_map(|part| part.until.clone())
        .reduce(|first, other| if is_before(&other, &first) { other } else { first });
    let mut all: Vec<(String, Item)> = parts.into_iter().flat_map(|part| part.items).collect();
    all.sort_by(|(a, _), (b, _)| if newest_first { b.cmp(a) } else { a.cmp(b) });
    all.dedup_by(|(a, _), (b, _)| a == b);
    let is_complete = |key: &str| horizon.as_ref().is_none_or(|horizon| !is_before(horizon, key));
    let known = all.iter().take_while(|(key, _)| is_complete(key)).count();
    all.truncate(known.min(limit));
    let is_cut = known > limit;
    let next = if is_cut {
        all.last().map(|(key, _)| key.clone())
    } else {
        horizon
    };
    (all, next)
}

/// The first `limit` items of one list and then another.
fn in_turn((mut items, next): Collected, rest: Collected, limit: usize) -> Collected {
    // What was not looked at comes before the rest.
    if next.is_some() {
        return (items, next);
    }
    items.extend(rest.0);
    let is_cut = items.len() > limit;
    items.truncate(limit);
    let cut = items.last().filter(|_| is_cut).map(|(key, _)| key.clone());
    (items, cut.or(rest.1))
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;

    fn item(key: &str) -> (String, Item) {
        let item = [("id".to_owned(), AttributeValue::S(key.to_owned()))].into();
        (key.to_owned(), item)
    }

    fn part(keys: &[&str], until: Option<&str>) -> Part {
        Part {
            items: keys.iter().map(|key| item(key)).collect(),
            until: until.map(str::to_owned),
        }
    }

    fn merged(parts: Vec<Part>, limit: usize, newest_first: bool) -> (Vec<String>, Option<String>) {
        let (items, next) = merge(parts, limit, newest_first);
        let id = |(_, item): &(String, Item)| item["id"].as_s().unwrap().clone();
        (items.iter().map(id).collect(), next)
    }

    #[test]
    fn what_is_in_order_in_each_part_is_in_order_in_all() {
        let parts = || vec![part(&["a", "d"], None), part(&["b", "c", "e"], None)];
        let all = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        assert_eq!(merged(parts(), 9, false), (all.clone(), None));
        assert_eq!(merged(parts(), 5, false), (all.clone(), None));
        assert_eq!(
            merged(parts(), 2, false),
            (all[..2].to_vec(), Some("b".to_owned()))
        );
        let newest = || vec![part(&["d", "a"], None), part(&["e", "c", "b"], None)];
        let reversed: Vec<String> = all.into_iter().rev().collect();
        assert_eq!(merged(newest(), 9, true), (reversed, None));
    }

    #[test]
    fn nothing_is_given_behind_what_a_part_has_not_looked_at() {
        // The second part stopped at "b": "c" of it may be next.
        let parts = vec![part(&["a", "d"], None), part(&["b"], Some("b"))];
        assert_eq!(
            merged(parts, 9, false),
            (vec!["a".to_owned(), "b".to_owned()], Some("b".to_owned()))
        );
        // A filter left nothing of what was looked at: an empty page that goes on.
        let parts = vec![part(&["m"], None), part(&[], Some("k"))];
        assert_eq!(merged(parts, 9, false), (Vec::new(), Some("k".to_owned())));
        let parts = vec![part(&["m"], None), part(&[], Some("n"))];
        assert_eq!(merged(parts, 9, true), (Vec::new(), Some("n".to_owned())));
    }

    #[test]
    fn a_list_goes_on_where_another_ends() {
        let list = |keys: &[&str], next: Option<&str>| {
            let items: Vec<_> = keys.iter().map(|key| item(key)).collect();
            (items, next.map(str::to_owned))
        };
        let turn = |first, rest, limit| {
            let (items, next) = in_turn(first, rest, limit);
            let keys: Vec<String> = items.into_iter().map(|(key, _)| key).collect();
            (keys.concat(), next)
        };
        let (a, b) = (|next| list(&["a"], next), |next| list(&["b", "c"], next));
        assert_eq!(turn(a(None), b(None), 3), ("abc".to_owned(), None));
        assert_eq!(
            turn(a(None), b(Some("c")), 3),
            ("abc".to_owned(), Some("c".to_owned()))
        );
        assert_eq!(turn(a(None), b(None), 2), ("ab".to_owned(), Some("b".to_owned())));
        assert_eq!(
            turn(a(Some("aa")), b(None), 3),
            ("a".to_owned(), Some("aa".to_owned()))
        );
        assert_eq!(
            turn(list(&[], None), list(&[], Some("x")), 3),
            (String::new(), Some("x".to_owned()))
        );
    }

    #[test]
    fn what_two_parts_hold_is_given_once() {
        let parts = vec![part(&["a", "b"], None), part(&["b", "c"], None)];
        let all = ["a", "b", "c"].map(str::to_owned).to_vec();
        assert_eq!(merged(parts, 9, false), (all, None));
    }

    #[test]
    fn the_rest_of_a_list_begins_behind_its_last_key() {
        let list = |newest_first, last: &str| {
            let begun = Merged {
                access_rev: 7,
                sources: Vec::new(),
                between: ("a".to_owned(), "z".to_owned()),
                filter: Expression::default(),
                newest_first,
                limit: 9,
                after: None,
            };
            Merged {
                after: Some(begun.behind(last.to_owned())),
                ..begun
            }
        };
        let (from, until) = list(false, "m1").rest().unwrap();
        assert!(from.as_str() > "m1" && from.as_str() < "m10" && until == "z");
        let (from, until) = list(true, "m1").rest().unwrap();
        assert!(from == "a" && until.as_str() < "m1" && until.as_str() > "m0z");
        assert_eq!(list(true, "a").rest(), None);
        assert_eq!(list(false, "z").rest(), None);
    }
}
