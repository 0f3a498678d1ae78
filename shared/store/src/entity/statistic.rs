//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | Y1 | what was counted at a site in hours of UTC | table | `SITE#{site}` | `STAT#{hour}` |
//! | Y2 | what is counted at a site whenever it was | table | `SITE#{site}` | `STAT#EVER` |
//! | Y3 | Y1 and Y2 of the whole platform | table | `PLATFORM#STAT` | `STAT#{hour}` or `STAT#EVER` |
//! | Y4 | that a change was counted | table | `SEEN#{hash of item and revision}` | `SEEN` |
//! | Y5 | by how much the last recount differed | table | `SITE#{site}` or `PLATFORM#STAT` | `STAT#NOTE` |
//! | Y6 | where recounting goes on | table | `PLATFORM#STAT` | `STAT#NEXT` |
//!
//! An item holds a number for each quarter of its hour and label, as attributes of their own, so that adding needs no reading, and
//! stays small whatever is counted: adding to it is one write unit, in a transaction two.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use portal_domain::booking::Booking;
use portal_domain::patient::Patient;
use portal_domain::reach::Reach;
use portal_domain::specialist::Specialist;
use portal_domain::statistics::{Counted, Counts, Hour, Label, Note, Quarter, Scope, Slot, Span, Tally};
use portal_domain::transaction::Transaction as LedgerEntry;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::{Item, Store};
use crate::entity::{Entity, from_item, site};
use crate::error::StoreError;
use crate::expression::Expression;
use crate::page::{Listing, Page, Position};
use crate::table::{KIND, Key, PK, SK as SORT, hashed};
use crate::transaction::{Failing, MOST_OPERATIONS, Transaction};
const SK: &str = "STAT#";
const EVER: &str = "EVER";
const NOTE: &str = "NOTE";
const NEXT: &str = "NEXT";
const SEEN: &str = "SEEN";
/// How long it is known that a change was counted: a stream keeps its records for a day.
const KNOWN: SignedDuration = SignedDuration::from_hours(8 * 24);
/// Hours in one query.
const HOURS: usize = 1_000;
/// The longest text of what is added to one item; the table takes expressions of 4 KB.
const LONGEST_EXPRESSION: usize = 3_500;

fn partition(scope: Scope) -> String {
    match scope {
        Scope::Site(site) => site::partition(site),
        Scope::Platform => site::platform("STAT"),
    }
}

fn key(scope: Scope, place: &str) -> Key {
    Key {
        pk: partition(scope),
        sk: format!("{SK}{place}"),
    }
}

fn slot_key((scope, hour): Slot) -> Key {
    let place = hour.map_or_else(|| EVER.to_owned(), |hour| hour.to_string());
    key(scope, &place)
}

/// An attribute name that an expression can hold: quarter of the hour, if there is one, and label.
fn attribute(quarter: Option<Quarter>, label: &Label) -> String {
    let label = label.to_string();
    let label = label.replace('-', "_h_").replace('.', "_d_").replace('!', "_x_");
    match quarter {
        Some(quarter) => format!("q{}_{label}", quarter.number()),
        None => format!("e_{label}"),
    }
}

fn counted(attribute: &str, hour: Option<Hour>) -> Option<(Option<Quarter>, Label)> {
    let (when, label) = attribute.split_once('_')?;
    let quarter = match (when, hour) {
        ("e", None) => None,
        (when, Some(hour)) => {
            let number: u8 = when
                .strip_prefix('q')?
                .parse()
                .ok()
                .filter(|number| *number < 4)?;
            Some(Quarter::in_hour(hour, number))
        }
        _ => return None,
    };
    let label = label.replace("_h_", "-").replace("_d_", ".").replace("_x_", "!");
    Some((quarter, label.parse().ok()?))
}

/// What was counted in an hour, or whenever it was.
#[derive(Debug, Serialize, Deserialize)]
struct Numbers {
    pk: String,
    sk: String,
    #[serde(flatten)]
    counts: BTreeMap<String, Value>,
}

impl Entity for Numbers {
    const KIND: &'static str = "statistics";

    fn key(&self) -> Key {
        Key {
            pk: self.pk.clone(),
            sk: self.sk.clone(),
        }
    }
}

impl Numbers {
    /// What this version knows of it.
    fn counted(&self) -> Vec<(Option<Quarter>, Label, i64)> {
        let hour = self.sk.strip_prefix(SK).and_then(|hour| hour.parse().ok());
        let read = |(name, number): (&String, &Value)| {
            let (quarter, label) = counted(name, hour)?;
            Some((quarter, label, number.as_i64()?))
        };
        self.counts.iter().filter_map(read).collect()
    }
}

/// That a change of an item was counted.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    pk: String,
    until: i64,
}

impl Entity for Seen {
    const KIND: &'static str = "seen";

    fn key(&self) -> Key {
        Key {
            pk: self.pk.clone(),
            sk: SEEN.to_owned(),
        }
    }

    fn ends_at(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.until).ok()
    }
}

/// By how much the last recount of a scope differed: by hour and attribute.
#[derive(Debug, Serialize, Deserialize)]
struct Noted {
    pk: String,
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    at: Timestamp,
    difference: BTreeMap<String, BTreeMap<String, i64>>,
}

impl Entity for Noted {
    const KIND: &'static str = "statistics_note";

    fn key(&self) -> Key {
        Key {
            pk: self.pk.clone(),
            sk: format!("{SK}{NOTE}"),
        }
    }
}

impl Noted {
    fn new(scope: Scope, note: &Note) -> Self {
        let mut difference: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
        for ((_, hour), counts) in note.difference.by_slot() {
            let hour = hour.map_or_else(|| EVER.to_owned(), |hour| hour.to_string());
            let numbers = difference.entry(hour).or_default();
            numbers.extend(
                counts
                    .into_iter()
                    .map(|(quarter, label, by)| (attribute(quarter, &label), by)),
            );
        }
        Self {
            pk: partition(scope),
            at: note.at,
            difference,
        }
    }

    fn note(&self, scope: Scope) -> Note {
        let mut difference = Tally::default();
        for (hour, numbers) in &self.difference {
            let hour = hour.parse().ok();
            for (name, by) in numbers {
                if let Some((quarter, label)) = counted(name, hour) {
                    difference.add(scope, quarter, label, *by);
                }
            }
        }
        Note {
            at: self.at,
            difference,
        }
    }
}

/// Where recounting goes on.
#[derive(Debug, Serialize, Deserialize)]
struct Next {
    after: Position,
}

impl Entity for Next {
    const KIND: &'static str = "statistics_next";

    fn key(&self) -> Key {
        key(Scope::Platform, NEXT)
    }
}

/// A change to count: of which item, as which of its revisions, and what it changes.
#[derive(Debug, Clone)]
pub struct Change {
    /// Names the item and its revision: the same change is counted once.
    identity: String,
    /// What it changes.
    tally: Tally,
}

impl Change {
    /// What a stream record changes, by its images; nothing where nothing that is counted changes.
    ///
    /// # Errors
    /// [`StoreError::Broken`] when an image is of a kind that is counted and cannot be read.
    pub fn of(old: serde_dynamo::Item, new: serde_dynamo::Item) -> Result<Option<Self>, StoreError> {
        let (old, new): (Item, Item) = (old.into(), new.into());
        let text = |name: &str| {
            let value = new.get(name);
            let text = value.and_then(|value| value.as_s().or_else(|_| value.as_n()).ok());
            text.cloned().unwrap_or_default()
        };
        let kind = text(KIND);
        let identity = [PK, SORT, "rev"].map(text).join("#");
        let tally = match kind.as_str() {
            Booking::KIND => tally::<Booking>(old, new)?,
            LedgerEntry::KIND => tally::<LedgerEntry>(old, new)?,
            Patient::KIND => tally::<Patient>(old, new)?,
            Specialist::KIND => tally::<Specialist>(old, new)?,
            _ => return Ok(None),
        };
        Ok((!tally.is_empty()).then_some(Self { identity, tally }))
    }
}

fn tally<E: Entity + Counted>(old: Item, new: Item) -> Result<Tally, StoreError> {
    let read = |item: Item| (!item.is_empty()).then(|| from_item::<E>(item)).transpose();
    let (old, new) = (read(old)?, read(new)?);
    Ok(Tally::between(old.as_ref(), new.as_ref()))
}

impl Store {
    /// Y1, Y2, Y3, Y4: counts changes, each once however often it comes.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`]: some of them may be counted already, and are not counted again.
    pub async fn count(&self, mut changes: Vec<Change>, now: Timestamp) -> Result<(), StoreError> {
        let mut known = BTreeSet::new();
        changes.retain(|change| known.insert(change.identity.clone()));
        let mut left = changes.as_slice();
        while !left.is_empty() {
            let (batch, rest) = left.split_at(fitting(left));
            match self.count_all(batch, now).await {
                // Something in the batch was counted before: each by itself.
                Err(StoreError::Stale) => {
                    for change in batch {
                        self.count_one(change, now).await?;
                    }
                }
                Ok(()) => {}
                Err(error) => return Err(error),
            }
            left = rest;
        }
        Ok(())
    }

    async fn count_one(&self, change: &Change, now: Timestamp) -> Result<(), StoreError> {
        match self.count_all(std::slice::from_ref(change), now).await {
            // Counted before.
            Err(StoreError::Stale) => Ok(()),
            other => other,
        }
    }

    async fn count_all(&self, changes: &[Change], now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = Transaction::default();
        let mut all = Tally::default();
        for change in changes {
            let seen = Seen {
                pk: format!("{SEEN}#{}", hashed(&change.identity)),
                until: (now + KNOWN).as_second(),
            };
            transaction = transaction.create(&seen, Failing::Stale)?;
            all = all.and(change.tally.clone());
        }
        self.commit_transaction(&adding(transaction, &all)).await
    }

    /// Y1, Y2, Y3: what was counted in `scopes` in the hours that `span` touches, as those see it who have `reach`.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn statistics(
        &self,
        reach: &Reach,
        scopes: &[Scope],
        span: Span,
    ) -> Result<Counts, StoreError> {
        let each = scopes.iter().map(async |scope| {
            let numbers = self.numbers(*scope, span).await?;
            Ok::<_, StoreError>((*scope, numbers))
        });
        let mut counts = Counts::within(reach);
        for (scope, numbers) in try_join_all(each).await? {
            for (quarter, label, count) in numbers.iter().flat_map(Numbers::counted) {
                counts.add(scope, quarter, &label, count);
            }
        }
        Ok(counts)
    }

    /// Y1, Y2, Y3: what was counted in one scope in `span`, and whenever it was.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn counted(&self, scope: Scope, span: Span) -> Result<Tally, StoreError> {
        let mut tally = Tally::default();
        for numbers in self.numbers(scope, span).await? {
            for (quarter, label, count) in numbers.counted() {
                tally.add(scope, quarter, label, count);
            }
        }
        Ok(tally.keeping(|_, quarter, _| quarter.is_none_or(|quarter| span.has(quarter))))
    }

    async fn numbers(&self, scope: Scope, span: Span) -> Result<Vec<Numbers>, StoreError> {
        let ever = slot_key((scope, None));
        let (mut all, ever) = tokio::try_join!(self.hours(scope, span), self.get::<Numbers>(&ever))?;
        all.extend(ever);
        Ok(all)
    }

    async fn hours(&self, scope: Scope, span: Span) -> Result<Vec<Numbers>, StoreError> {
        let (first, last) = span.hours();
        let range = Expression::new("#sk BETWEEN :first AND :last")
            .with("first", slot_key((scope, Some(first))).sk)
            .with("last", slot_key((scope, Some(last))).sk);
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page: Page<Numbers> = self
                .page(Listing {
                    range: range.clone(),
                    after,
                    ..Listing::of(None, partition(scope), HOURS)
                })
                .await?;
            all.extend(page.items);
            after = page.next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    /// Y5: by how much the last recount of a scope differed.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn statistics_note(&self, scope: Scope) -> Result<Option<Note>, StoreError> {
        let noted: Option<Noted> = self.get(&key(scope, NOTE)).await?;
        Ok(noted.map(|noted| noted.note(scope)))
    }

    /// Y1, Y2, Y3, Y5: changes the counts of a scope by `repair`, as far as that fits into one transaction, and notes what is left,
    /// if nobody has noted anything since `before`.
    ///
    /// # Errors
    /// [`StoreError::Stale`], [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn repair_statistics(
        &self,
        scope: Scope,
        repair: &Tally,
        note: &Note,
        before: Option<&Note>,
    ) -> Result<(), StoreError> {
        let condition = match before {
            None => Expression::new("attribute_not_exists(#pk)"),
            Some(before) => Expression::new("#at = :before").with("before", before.at),
        };
        let noted = Noted::new(scope, note);
        let transaction = Transaction::default().put(&noted, condition, Failing::Stale)?;
        self.commit_transaction(&adding(transaction, repair)).await
    }

    /// Y6: behind which site recounting goes on; at the first one if not said.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn recounted_until(&self) -> Result<Option<Position>, StoreError> {
        let next: Option<Next> = self.get(&key(Scope::Platform, NEXT)).await?;
        Ok(next.map(|next| next.after))
    }

    /// Y6: notes behind which site it goes on.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn recount_goes_on(&self, after: Option<Position>) -> Result<(), StoreError> {
        match after {
            Some(after) => self.put(&Next { after }).await,
            None => self.delete(&key(Scope::Platform, NEXT)).await,
        }
    }
}

/// Adds to counts, wherever they stand.
fn adding(transaction: Transaction, tally: &Tally) -> Transaction {
    tally
        .by_slot()
        .into_iter()
        .fold(transaction, |transaction, (slot, counts)| {
            transaction.update(
                slot_key(slot),
                added(&counts),
                Expression::default(),
                Failing::Stale,
            )
        })
}

fn added(counts: &[(Option<Quarter>, Label, i64)]) -> Expression {
    let terms: Vec<String> = counts
        .iter()
        .zip(0..)
        .map(|((quarter, label, _), n)| format!("#{} :n{n}", attribute(*quarter, label)))
        .collect();
    let update = Expression::new(format!("SET #{KIND} = :kind ADD {}", terms.join(", ")));
    counts
        .iter()
        .zip(0..)
        .fold(update.with("kind", Numbers::KIND), |update, ((_, _, by), n)| {
            update.with(&format!("n{n}"), *by)
        })
}

/// How many of `changes`, at least one, fit into one transaction.
fn fitting(changes: &[Change]) -> usize {
    let mut texts: BTreeMap<Slot, usize> = BTreeMap::new();
    let mut most = 0;
    for (count, change) in (1..).zip(changes) {
        for (slot, counts) in change.tally.by_slot() {
            *texts.entry(slot).or_default() += added(&counts).text().len();
        }
        let is_long = texts.values().any(|length| *length > LONGEST_EXPRESSION);
        if is_long || count + texts.len() > MOST_OPERATIONS {
            break;
        }
        most = count;
    }
    most.max(1)
}

#[cfg(test)]
mod tests {
    use portal_domain::booking::Status;
    use portal_domain::id::SiteId;
    use portal_domain::statistics::Measure;

    use super::*;

    fn now() -> Timestamp {
        "2026-05-04T09:00:00Z".parse().unwrap()
    }

    #[test]
    fn quarter_and_label_read_back_from_their_attribute() {
        let hour: Hour = "2026-05-04T09".parse().unwrap();
        let elsewhere = SiteId::mint(now()).uuid().simple();
        for text in [
            "bookings.checked-in".to_owned(),
            "bookings.entered-in-error".to_owned(),
            format!("new.patients!{elsewhere}"),
            "amount.earning_reversal.requires_payment_method.EUR".to_owned(),
        ] {
            let label: Label = text.parse().unwrap();
            let quarter = Some(Quarter::in_hour(hour, 3));
            let name = attribute(quarter, &label);
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            );
            assert_eq!(counted(&name, Some(hour)), Some((quarter, label.clone())));
            assert_eq!(counted(&attribute(None, &label), None), Some((None, label)));
        }
        for other in [
            "pk",
            "kind",
            "q_x",
            "q1_unknown",
            "q4_new_d_patients",
            "e_new_d_patients",
        ] {
            assert_eq!(counted(other, Some(hour)), None, "{other}");
        }
    }

    #[test]
    fn a_note_reads_back_as_it_was_made() {
        let mut difference = Tally::default();
        let booked = Measure::Bookings(Status::CheckedIn);
        difference.add(Scope::Platform, Some(Quarter::of(now())), booked.into(), -2);
        difference.add(Scope::Platform, None, Measure::NewPatients.into(), 1);
        let note = Note {
            at: now(),
            difference,
        };
        assert_eq!(Noted::new(Scope::Platform, &note).note(Scope::Platform), note);
    }

    #[test]
    fn a_transaction_holds_as_many_changes_as_fit() {
        let change = |minutes: i64| {
            let mut tally = Tally::default();
            let quarter = Quarter::of(now() + SignedDuration::from_mins(minutes));
            tally.add(Scope::Platform, Some(quarter), Measure::NewPatients.into(), 1);
            Change {
                identity: minutes.to_string(),
                tally,
            }
        };
        let spread: Vec<Change> = (0..200).map(|hour| change(hour * 60)).collect();
        assert_eq!(fitting(&spread), MOST_OPERATIONS / 2);
        let together: Vec<Change> = (0..200).map(|_| change(0)).collect();
        let many = fitting(&together);
        assert!(many > MOST_OPERATIONS / 2 && many < MOST_OPERATIONS, "{many}");
        assert_eq!(fitting(&together[..1]), 1);
    }
}
