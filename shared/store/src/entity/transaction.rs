//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | TX1 | one transaction | table | `TRANSACTION#{transaction}` | `TRANSACTION` |
//! | TX2 | what happened to a site's money | by-site | `SITE#{site}#TRANSACTION#{shard}` | time, transaction |
//! | TX3 | to the whole platform's | by-org | `PLATFORM#TRANSACTION#{0..15}` | time, transaction |
//! | TX4 | a patient's transactions | by-patient | `PATIENT#{patient}#TRANSACTION` | time, transaction |
//! | TX5 | a specialist's transactions | by-specialist | `SPECIALIST#{specialist}#TRANSACTION` | time, transaction |
//! | TX6 | the transactions of a booking | table | `BOOKING#{booking}` | `TRANSACTION#{transaction}` |
//! | TX7 | what the lists hold of a transaction | table | `TRANSACTION#{transaction}` | `ROW` |
//!
//! Lists hold rows, which are items beside the transaction: only they are in indexes, and they are at most a kilobyte.
//! What was deleted has no rows.

use jiff::Timestamp;
use portal_domain::booking::Booking;
use portal_domain::id::{BookingId, PatientId, SiteId, SpecialistId, TransactionId};
use portal_domain::reach::{Of, PLATFORM_SHARDS, Reach, Reached, Source};
use portal_domain::text::{PersonName, folded};
use portal_domain::transaction::{Kind, MOST_AT_ONCE, Transaction, TransactionQuery, TransactionRow};
use serde::{Deserialize, Serialize};

use crate::client::Store;
use crate::entity::{Entity, booking, patient, site, specialist};
use crate::error::StoreError;
use crate::expression::Expression;
use crate::merge::{FIRST, LAST_OF_ALL, Merged};
use crate::page::{Listing, Page, Position};
use crate::sought::Sought;
use crate::table::{Index, Key, sortable};
use crate::transaction::{Failing, Transaction as Writes};

const SK: &str = "TRANSACTION";
const ROW: &str = "ROW";
const OF_BOOKING: &str = "TRANSACTION#";

/// How it stands, over all kinds.
const STATE: &str = "state";
/// The person's name, folded.
const SEARCH: &str = "search";
/// The most bytes of that.
const LONGEST_SEARCHED: usize = 48;

/// The most payouts of a specialist that are looked at at once.
const MOST_PAYOUTS: usize = 100;

/// How often a page looks on where nothing of what it looked at is within reach.
const MOST_LOOKS: usize = 8;

/// How many times as many rows as are wanted are looked at where some may not be within reach.
const SPARE: usize = 3;

fn partition(transaction: TransactionId) -> String {
    format!("TRANSACTION#{transaction}")
}

fn key(transaction: TransactionId, sk: &str) -> Key {
    Key {
        pk: partition(transaction),
        sk: sk.to_owned(),
    }
}

/// The key of an entry itself.
pub(crate) fn record_key(transaction: TransactionId) -> Key {
    key(transaction, SK)
}

fn booking_key(booking: BookingId, transaction: TransactionId) -> Key {
    Key {
        pk: booking::partition(booking),
        sk: format!("{OF_BOOKING}{transaction}"),
    }
}

fn of_source(source: Source) -> (Index, String) {
    match source {
        Source::Site(site, shard) => (
            Index::BySite,
            format!("{}#TRANSACTION#{shard}", site::partition(site)),
        ),
        Source::Platform(shard) => (Index::ByOrg, site::platform(&format!("TRANSACTION#{shard}"))),
    }
}

pub(crate) fn of_patient(patient: PatientId) -> (Index, String) {
    (
        Index::ByPatient,
        format!("{}#TRANSACTION", patient::partition(patient)),
    )
}

pub(crate) fn of_specialist(specialist: SpecialistId) -> (Index, String) {
    (
        Index::BySpecialist,
        format!("{}#TRANSACTION", specialist::partition(specialist)),
    )
}

fn place(row: &TransactionRow) -> String {
    format!("{}#{}", sortable(row.occurred_at), row.id)
}

impl Entity for Transaction {
    const KIND: &'static str = "transaction";

    fn key(&self) -> Key {
        key(self.row.id, SK)
    }
}

/// A transaction in lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Listed(pub(crate) TransactionRow);

impl Entity for Listed {
    const KIND: &'static str = "transaction_row";

    fn key(&self) -> Key {
        key(self.0.id, ROW)
    }

    fn indexes(&self) -> Vec<(Index, String, String)> {
        let row = &self.0;
        let shard = row.id.uuid().as_u128() % u128::from(PLATFORM_SHARDS);
        let platform = Source::Platform(u8::try_from(shard).unwrap_or(0));
        let person = row.person.patient().map(of_patient);
        [of_source(Source::Site(row.site, row.shard)), of_source(platform)]
            .into_iter()
            .chain(person.or_else(|| row.person.specialist().map(of_specialist)))
            .map(|(index, pk)| (index, pk, place(row)))
            .collect()
    }

    fn filters(&self) -> Vec<(&'static str, String)> {
        let name = folded(self.0.person.name().map_or("", PersonName::as_str));
        let searched = &name[..name.floor_char_boundary(LONGEST_SEARCHED)];
        let mut filters = vec![(STATE, self.0.status().as_str().to_owned())];
        // An index takes no empty text for a key, and this is none; but nobody searches for nothing.
        if !searched.is_empty() {
            filters.push((SEARCH, searched.to_owned()));
        }
        filters
    }
}

/// A transaction in its booking's money trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct OfBooking {
    #[serde(flatten)]
    row: TransactionRow,
}

impl Entity for OfBooking {
    const KIND: &'static str = "booking_transaction";

    fn key(&self) -> Key {
        // Only what has a booking is made one.
        self.row.booking.map_or_else(
            || key(self.row.id, ROW),
            |booking| booking_key(booking, self.row.id),
        )
    }
}

/// Puts a transaction over the revision that was read, with its rows in the place of the old ones.
pub(crate) fn put(
    writes: Writes,
    new: &Transaction,
    old: Option<&Transaction>,
) -> Result<Writes, StoreError> {
    let always = Expression::default;
    let mut writes = match old {
        None => writes.create(new, Failing::Stale)?,
        Some(_) => writes.replace(new, new.rev)?,
    };
    let row = new.row.clone().listed();
    let booking = new.row.booking.filter(|_| !new.deleted);
    let before = old.and_then(|old| old.row.booking);
    writes = if new.deleted {
        writes.delete(key(row.id, ROW), always(), Failing::Stale)
    } else {
        writes.put(&Listed(row.clone()), always(), Failing::Stale)?
    };
    if let Some(before) = before.filter(|before| Some(*before) != booking) {
        writes = writes.delete(booking_key(before, row.id), always(), Failing::Stale);
    }
    if booking.is_some() {
        writes = writes.put(&OfBooking { row }, always(), Failing::Stale)?;
    }
    Ok(writes)
}

/// What else the rows of a partition must be, as the caller wishes.
fn wished(query: &TransactionQuery) -> Expression {
    let is = |attribute: &str, value: Option<String>| match value {
        Some(value) => Expression::new(format!("#{attribute} = :{attribute}")).with(attribute, value),
        None => Expression::default(),
    };
    let kinds = query.kinds.iter().map(|kind| kind.as_str());
    let states = query.statuses.iter().map(|status| status.as_str());
    let found = query.search.as_ref().map(|search| {
        let is_named = if search.is_in_patients() {
            Expression::new(format!("contains(#{SEARCH}, :name) OR #reference = :reference"))
        } else {
            let is_specialist = "#party = :searched";
            Expression::new(format!(
                "({is_specialist} AND contains(#{SEARCH}, :name)) OR #reference = :reference"
            ))
            .with("searched", "specialist")
        };
        is_named
            .with("name", folded(search.text()))
            .with("reference", search.text())
    });
    [
        Expression::one_of("entry", kinds),
        Expression::one_of(STATE, states),
        is("party", query.party.map(|party| party.as_str().to_owned())),
        is("currency", query.currency.map(|currency| currency.to_string())),
        found.unwrap_or_default(),
    ]
    .into_iter()
    .fold(Expression::default(), Expression::and)
}

/// What is within reach of the rows of a partition: parties that are overseen; at a site, the specialists it shares; and of
/// what a person has, what is at these sites. Nothing where all is.
fn seen(reach: &Reach, query: &TransactionQuery) -> Expression {
    let overseen = match (reach.has_patients(), reach.has_specialists()) {
        (true, true) => Expression::default(),
        (is_patients, _) => Expression::new("#party = :overseen")
            .with("overseen", if is_patients { "patient" } else { "specialist" }),
    };
    let named = |sites: Vec<SiteId>| {
        let names: Vec<String> = sites.iter().map(ToString::to_string).collect();
        Expression::one_of("site", names.iter().map(String::as_str))
    };
    let (Some(shared), Some(mut all)) = (reach.sites(Of::Specialists), reach.sites(Of::Events)) else {
        return overseen;
    };
    if query.specialist.is_some() {
        return overseen.and(named(shared));
    }
    if query.patient.is_some() {
        return overseen.and(named(all));
    }
    all.retain(|site| !shared.contains(site));
    if all.is_empty() {
        return overseen;
    }
    let unshared = named(all);
    let text = format!("NOT (#party = :unshared AND ({}))", unshared.text());
    overseen.and(unshared.saying(text).with("unshared", "specialist"))
}

/// Whether nothing can be within reach: there is no site at which it could be.
fn reaches_nothing(reach: &Reach, query: &TransactionQuery) -> bool {
    let of = if query.specialist.is_some() {
        Of::Specialists
    } else {
        Of::Events
    };
    reach.sites(of).is_some_and(|sites| sites.is_empty())
}

/// The partitions that hold what is wanted.
fn sources(reach: &Reach, query: &TransactionQuery) -> Result<Vec<(Index, String)>, StoreError> {
    Ok(match (query.patient, query.specialist) {
        // An entry is one person's.
        (Some(_), Some(_)) => Vec::new(),
        _ if reaches_nothing(reach, query) => Vec::new(),
        (Some(patient), None) => vec![of_patient(patient)],
        (None, Some(specialist)) => vec![of_specialist(specialist)],
        (None, None) => reach.sources(Of::Events)?.into_iter().map(of_source).collect(),
    })
}

/// A text that sorts before others as `place` sorts behind them: places are ASCII, and all of one length.
fn backwards(place: &str) -> String {
    place
        .bytes()
        .map(|byte| char::from(0x7f - byte.min(0x7f)))
        .collect()
}

/// A booking with all that happened to its money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookingLedger {
    /// The booking.
    pub booking: Booking,
    /// The transactions for it, in no order. One more than [`MOST_AT_ONCE`] where there are more than that.
    pub transactions: Vec<TransactionRow>,
}

impl Reached for BookingLedger {
    fn is_within(&self, reach: &Reach) -> bool {
        self.booking.is_within(reach)
    }
}

impl Store {
    /// TX1: one transaction.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn transaction(&self, transaction: TransactionId) -> Result<Sought<Transaction>, StoreError> {
        self.get(&key(transaction, SK)).await.map(Sought::new)
    }

    /// TX1: these transactions, whoever may see them: for the source that feeds them. Absent ones are left out.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn fed_transactions(
        &self,
        ids: impl IntoIterator<Item = TransactionId>,
    ) -> Result<Vec<Transaction>, StoreError> {
        let keys: Vec<Key> = ids.into_iter().map(|id| key(id, SK)).collect();
        self.get_all(&keys).await
    }

    /// TX2, TX3, TX4, TX5 or TX6: the transactions that are wanted, within `reach`, newest first.
    ///
    /// # Errors
    /// As a refusal: [`portal_domain::code::Code::CursorExpired`], [`portal_domain::code::Code::SiteFilterRequired`].
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn transactions(
        &self,
        reach: &Reach,
        query: &TransactionQuery,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<TransactionRow>, StoreError> {
        let is_seen = |row: &TransactionRow| row.is_within(reach) && query.matches(row);
        if let Some(booking) = query.booking {
            let mut rows = self.of_booking(booking).await?;
            rows.retain(is_seen);
            rows.sort_by_key(|row| std::cmp::Reverse(place(row)));
            return Ok(Page::of(rows, limit, after.as_ref(), |row| {
                backwards(&place(row))
            }));
        }
        let epoch = Timestamp::UNIX_EPOCH;
        let from = query.from.map(|from| sortable(from.max(epoch)));
        // Before all that happened in that millisecond.
        let until = query.until.map(|until| sortable(until.max(epoch)));
        let (wished, seen) = (wished(query), seen(reach, query));
        let list = Merged::of(reach, sources(reach, query)?, limit, after)?;
        let mut list = Merged {
            between: (
                from.unwrap_or_else(|| FIRST.to_owned()),
                until.unwrap_or_else(|| LAST_OF_ALL.to_owned()),
            ),
            newest_first: true,
            ..list
        };
        // A filter looks at many rows for a page. Most are within reach: for that alone, looking at some more is cheaper.
        match (wished.is_empty(), seen.is_empty()) {
            (true, true) => {}
            (true, false) => list.limit = limit * SPARE,
            (false, _) => list.filter = wished.and(seen),
        }
        let mut looks = 0;
        loop {
            looks += 1;
            let page: Page<Listed> = self.merged(&list).await?;
            let mut items: Vec<_> = page
                .items
                .into_iter()
                .map(|listed| listed.0)
                .filter(is_seen)
                .collect();
            let is_cut = items.len() > limit;
            items.truncate(limit);
            let cut = items.last().filter(|_| is_cut).map(place);
            let next = cut.map(|place| list.behind(place)).or(page.next);
            // That a person has something where the reader does not see is not told by empty pages, either.
            if !items.is_empty() || next.is_none() || looks == MOST_LOOKS {
                return Ok(Page { items, next });
            }
            list.after = next;
            list.limit = MOST_AT_ONCE;
        }
    }

    /// The transactions that are wanted, all at once: at most one more than [`MOST_AT_ONCE`].
    ///
    /// # Errors
    /// As [`Self::transactions`].
    pub async fn all_transactions(
        &self,
        reach: &Reach,
        query: &TransactionQuery,
    ) -> Result<Vec<TransactionRow>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let limit = MOST_AT_ONCE + 1 - all.len();
            let page = self.transactions(reach, query, limit, after).await?;
            all.extend(page.items);
            after = page.next;
            if after.is_none() || all.len() > MOST_AT_ONCE {
                return Ok(all);
            }
        }
    }

    /// TX6: a booking with the transactions for it.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn booking_ledger(&self, booking: BookingId) -> Result<Sought<BookingLedger>, StoreError> {
        let (found, transactions) = tokio::try_join!(self.booking(booking), self.of_booking(booking))?;
        Ok(found.map(|booking| BookingLedger {
            booking,
            transactions,
        }))
    }

    /// TX5: the payouts of a specialist, newest first: as many as are among the last thousand of their transactions, and at most
    /// [`MOST_PAYOUTS`].
    pub(crate) async fn payouts(&self, specialist: SpecialistId) -> Result<Vec<TransactionRow>, StoreError> {
        let (index, partition) = of_specialist(specialist);
        let listing = Listing {
            filter: Expression::new("#entry = :payout").with("payout", Kind::Payout.as_str()),
            newest_first: true,
            ..Listing::of(Some(index), partition, MOST_PAYOUTS)
        };
        let page: Page<Listed> = self.page(listing).await?;
        Ok(page.items.into_iter().map(|listed| listed.0).collect())
    }

    /// What happened to the money of a booking: at most one more than [`MOST_AT_ONCE`].
    pub(crate) async fn of_booking(&self, booking: BookingId) -> Result<Vec<TransactionRow>, StoreError> {
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let listing = Listing {
                range: Expression::new("begins_with(#sk, :first)").with("first", OF_BOOKING),
                after,
                ..Listing::of(None, booking::partition(booking), MOST_AT_ONCE + 1 - rows.len())
            };
            let page: Page<OfBooking> = self.page(listing).await?;
            rows.extend(page.items.into_iter().map(|item| item.row));
            after = page.next;
            if after.is_none() || rows.len() > MOST_AT_ONCE {
                return Ok(rows);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;
    use jiff::SignedDuration;
    use portal_domain::transaction::{Entry, PayoutStatus, Person};

    use super::*;
    use crate::client::Item;
    use crate::entity::{from_item, to_item};

    fn now() -> Timestamp {
        "2026-05-04T09:00:00Z".parse().unwrap()
    }

    /// A transaction with the longest of everything.
    fn largest() -> Transaction {
        largest_of("\u{1f388}")
    }

    fn largest_of(character: &str) -> Transaction {
        let row = TransactionRow {
            id: TransactionId::mint(now()),
            site: SiteId::mint(now()),
            shard: 15,
            person: Person::Specialist {
                specialist: SpecialistId::mint(now()),
                name: character.repeat(100).parse().ok(),
            },
            entry: Entry::PayoutReversal {
                status: PayoutStatus::InTransit,
                parent: TransactionId::mint(now()),
            },
            amount: portal_domain::money::Money {
                amount_minor: portal_domain::money::MOST_MINOR,
                currency: "EUR".parse().unwrap(),
            },
            occurred_at: now(),
            available_on: Some("2026-05-06".parse().unwrap()),
            booking: Some(BookingId::mint(now())),
            reference: "x".repeat(64).parse().ok(),
        };
        Transaction {
            row,
            sponsor: None,
            failure: None,
            sourced: None,
            deleted: false,
            rev: 1,
            created_at: now(),
            updated_at: now(),
        }
    }

    /// What an item weighs, as the table counts it.
    fn size(item: &Item) -> usize {
        let of = |value: &AttributeValue| match value {
            AttributeValue::S(text) => text.len(),
            AttributeValue::N(number) => number.len() / 2 + 2,
            other => panic!("not in a row: {other:?}"),
        };
        item.iter().map(|(name, value)| name.len() + of(value)).sum()
    }

    #[test]
    fn a_row_is_within_a_kilobyte() {
        // Characters of many bytes, and one that folds to many characters.
        for character in ["\u{1f388}", "\u{fdfa}", "x"] {
            let row = largest_of(character).row.listed();
            let (listed, of_booking) = (
                to_item(&Listed(row.clone())).unwrap(),
                to_item(&OfBooking { row }).unwrap(),
            );
            for item in [listed, of_booking] {
                assert!(size(&item) <= 1_024, "{} bytes", size(&item));
            }
        }
    }

    #[test]
    fn a_transaction_and_its_rows_read_back_as_they_were_stored() {
        let transaction = largest();
        let row = transaction.row.clone().listed();
        let item = to_item(&transaction).unwrap();
        assert_eq!(from_item::<Transaction>(item).unwrap(), transaction);
        let item = to_item(&Listed(row.clone())).unwrap();
        assert_eq!(from_item::<Listed>(item).unwrap().0, row);
        let item = to_item(&OfBooking { row: row.clone() }).unwrap();
        assert_eq!(from_item::<OfBooking>(item).unwrap().row, row);
    }

    #[test]
    fn a_list_that_is_held_whole_goes_on_behind_its_last_place() {
        let row = |seconds: i64| TransactionRow {
            id: TransactionId::mint(now()),
            occurred_at: now() + SignedDuration::from_secs(seconds),
            ..largest().row
        };
        let (early, late) = (place(&row(0)), place(&row(1)));
        assert!(early < late && backwards(&early) > backwards(&late));
        assert_eq!(early.len(), late.len());
    }
}
