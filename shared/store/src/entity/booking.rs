//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | BK1 | one booking, with its history | table | `BOOKING#{booking}` | `BOOKING`, `HISTORY#{rev}` |
//! | BK2 | a site's bookings, open or closed | by-site | `SITE#{site}#BOOKING#open#{shard}`, `SITE#{site}#BOOKING#closed#{shard}` | start, booking |
//! | BK3 | the platform's bookings | by-org | `PLATFORM#BOOKING#open#{0..15}`, `PLATFORM#BOOKING#closed#{0..15}` | start, booking |
//! | BK4 | a patient's bookings | by-patient | `PATIENT#{patient}#BOOKING#open` or `#closed` | start, booking |
//! | BK5 | a specialist's bookings | by-specialist | `SPECIALIST#{specialist}#BOOKING#open` or `#closed` | start, booking |
//! | BK6 | what the lists hold of a booking | table | `BOOKING#{booking}` | `ROW` |
//!
//! Lists are of rows, which are items of their own: a booking with all that it holds is too large
//! for what is written into four indexes and read by the page.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use portal_domain::booking::{Booking, BookingQuery, BookingRow, BookingStep, Order, Status, Tab};
use portal_domain::code::Code;
use portal_domain::dashboard::LookedAt;
use portal_domain::id::{BookingId, PatientId, SiteId, SpecialistId};
use portal_domain::reach::{MOST_SOURCES, Of, PLATFORM_SHARDS, Reach, Reached, Source};
use serde::{Deserialize, Serialize};

use crate::client::Store;
use crate::entity::{Entity, from_item, patient, site, specialist, sponsored};
use crate::error::StoreError;
use crate::expression::Expression;
use crate::merge::{FIRST, Merged};
use crate::page::{Listing, Page, Position};
use crate::sought::Sought;
use crate::table::{Index, KIND, Key, sortable};
use crate::transaction::{Failing, Transaction};

const SK: &str = "BOOKING";
const ROW: &str = "ROW";
const HISTORY: &str = "HISTORY#";
/// The place of a booking whose time is open: behind all that have one.
const UNTIMED: &str = "_";
/// Behind the last booking that has a time.
const LAST_TIMED: &str = "9~";
/// The most pages that are looked at to find out how many bookings there are.
const MOST_LOOKS: usize = 8;
/// The most entries of a history that are read.
const MOST_STEPS: usize = 200;

pub(crate) fn partition(booking: BookingId) -> String {
    format!("BOOKING#{booking}")
}

fn key(booking: BookingId, sk: impl Into<String>) -> Key {
    Key {
        pk: partition(booking),
        sk: sk.into(),
    }
}

/// The key of a booking itself.
pub(crate) fn record_key(booking: BookingId) -> Key {
    key(booking, SK)
}

const fn part(is_open: bool) -> &'static str {
    if is_open { "open" } else { "closed" }
}

fn of_source(source: Source, is_open: bool) -> (Index, String) {
    let part = part(is_open);
    match source {
        Source::Site(site, shard) => (
            Index::BySite,
            format!("{}#BOOKING#{part}#{shard}", site::partition(site)),
        ),
        Source::Platform(shard) => (Index::ByOrg, site::platform(&format!("BOOKING#{part}#{shard}"))),
    }
}

pub(crate) fn of_patient(patient: PatientId, is_open: bool) -> (Index, String) {
    (
        Index::ByPatient,
        format!("{}#BOOKING#{}", patient::partition(patient), part(is_open)),
    )
}

pub(crate) fn of_specialist(specialist: SpecialistId, is_open: bool) -> (Index, String) {
    (
        Index::BySpecialist,
        format!("{}#BOOKING#{}", specialist::partition(specialist), part(is_open)),
    )
}

/// The platform's partition of a booking.
fn platform_shard(booking: BookingId) -> u8 {
    u8::try_from(booking.uuid().as_u128() % u128::from(PLATFORM_SHARDS)).unwrap_or(0)
}

fn place(row: &BookingRow) -> String {
    let start = row.start.map_or_else(|| UNTIMED.to_owned(), sortable);
    format!("{start}#{}", row.id)
}

impl Entity for Booking {
    const KIND: &'static str = "booking";

    fn key(&self) -> Key {
        key(self.id, SK)
    }
}

impl Entity for BookingRow {
    const KIND: &'static str = "booking_row";

    fn key(&self) -> Key {
        key(self.id, ROW)
    }

    fn indexes(&self) -> Vec<(Index, String, String)> {
        let is_open = self.status.is_open();
        [
            of_source(Source::Site(self.site, self.shard), is_open),
            of_source(Source::Platform(platform_shard(self.id)), is_open),
            of_patient(self.patient, is_open),
            of_specialist(self.specialist, is_open),
        ]
        .into_iter()
        .map(|(index, partition)| (index, partition, place(self)))
        .collect()
    }
}

/// An entry of a booking's history.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    booking: BookingId,
    #[serde(flatten)]
    step: BookingStep,
}

impl Entity for Entry {
    const KIND: &'static str = "booking_step";

    fn key(&self) -> Key {
        key(self.booking, format!("{HISTORY}{:010}", self.step.rev))
    }
}

/// A booking with its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookingHistory {
    /// The booking.
    pub booking: Booking,
    /// What it has been, oldest first.
    pub steps: Vec<BookingStep>,
}

impl Reached for BookingHistory {
    fn is_within(&self, reach: &Reach) -> bool {
        self.booking.is_within(reach)
    }
}

/// Puts a booking in the revision after the one that was read, its row, and the entry it adds to its history.
pub(crate) fn put(transaction: Transaction, booking: &Booking) -> Result<Transaction, StoreError> {
    let transaction = match booking.rev {
        1 => transaction.create(booking, Failing::Stale)?,
        rev => transaction.replace(booking, rev)?,
    };
    let always = Expression::default;
    let transaction = if booking.deleted {
        transaction.delete(key(booking.id, ROW), always(), Failing::Stale)
    } else {
        transaction.put(&booking.row(), always(), Failing::Stale)?
    };
    let transaction = sponsored::put(transaction, booking)?;
    match booking.new_step() {
        None => Ok(transaction),
        Some(step) => {
            let entry = Entry {
                booking: booking.id,
                step: step.clone(),
            };
            transaction.create(&entry, Failing::Stale)
        }
    }
}

/// An id as rows hold it.
fn bytes(id: [u8; 16]) -> AttributeValue {
    AttributeValue::B(Blob::new(id.to_vec()))
}

/// That an attribute is one of these values. The table takes 100 at a time.
fn one_of(attribute: &str, values: Vec<AttributeValue>) -> Expression {
    let values: Vec<(String, AttributeValue)> = values
        .into_iter()
        .enumerate()
        .map(|(n, value)| (format!("{attribute}{n}"), value))
        .collect();
    let group = |group: &[(String, AttributeValue)]| {
        let names: Vec<String> = group.iter().map(|(name, _)| format!(":{name}")).collect();
        format!("#{attribute} IN ({})", names.join(", "))
    };
    let text: Vec<String> = values.chunks(100).map(group).collect();
    values
        .into_iter()
        .fold(Expression::new(text.join(" OR ")), |expression, (name, value)| {
            expression.with(&name, value)
        })
}

fn statuses(wanted: &BTreeSet<Status>) -> Expression {
    let word = |status: &Status| AttributeValue::S(status.as_str().to_owned());
    one_of("status", wanted.iter().map(word).collect())
}

/// What the rows of a partition are filtered by, beside what their partition and place say already.
fn filter(query: &BookingQuery, sites: Option<Vec<SiteId>>) -> Expression {
    let wanted = query.possible();
    let is_told_by_partition = [true, false].into_iter().all(|is_open| {
        let of_part = || Status::ALL.iter().filter(|status| status.is_open() == is_open);
        of_part().all(|status| wanted.contains(status)) || !of_part().any(|status| wanted.contains(status))
    });
    let mut filter = Expression::default();
    if !is_told_by_partition {
        filter = filter.and(statuses(&wanted));
    }
    if let Some(sites) = sites {
        filter = filter.and(one_of(
            "site",
            sites.iter().map(|site| bytes(site.uuid().into_bytes())).collect(),
        ));
    }
    // Of the two, the patient's partition is read.
    if let Some(specialist) = query.specialist.filter(|_| query.patient.is_some()) {
        let specialist = bytes(specialist.uuid().into_bytes());
        filter = filter.and(Expression::new("#specialist = :specialist").with("specialist", specialist));
    }
    if let Some(modality) = query.modality {
        filter = filter.and(Expression::new("#modality = :modality").with("modality", modality.as_str()));
    }
    filter
}

/// That a row is overdue at `now`: of the statuses that are, with an end that is long enough ago.
fn overdue(text: &str, now: Timestamp) -> Expression {
    let expected: Vec<&Status> = Status::ALL.iter().filter(|status| status.is_expected()).collect();
    let names: Vec<String> = (0..expected.len()).map(|n| format!(":expected{n}")).collect();
    let condition = format!("#status IN ({}) AND #end < :overdue", names.join(", "));
    let expression =
        Expression::new(text.replace("{}", &condition)).with("overdue", Tab::overdue_before(now));
    expected
        .into_iter()
        .enumerate()
        .fold(expression, |expression, (n, status)| {
            expression.with(&format!("expected{n}"), status.as_str())
        })
}

/// The first and last place of what starts in the range of `query`; none if nothing can.
fn between(query: &BookingQuery) -> Option<(String, String)> {
    let last_until = |until: Timestamp| {
        let last = until.checked_sub(SignedDuration::from_millis(1)).ok()?;
        (last >= Timestamp::UNIX_EPOCH).then(|| format!("{}#~", sortable(last)))
    };
    let from = query.from.map(|from| sortable(from.max(Timestamp::UNIX_EPOCH)));
    let until = match query.until {
        Some(until) => last_until(until)?,
        None if from.is_some() => LAST_TIMED.to_owned(),
        None => crate::merge::LAST_OF_ALL.to_owned(),
    };
    Some((from.unwrap_or_else(|| FIRST.to_owned()), until))
}

/// The partitions that hold what is wanted.
fn sources(reach: &Reach, query: &BookingQuery) -> Result<Vec<(Index, String)>, StoreError> {
    let wanted = query.possible();
    let parts: Vec<bool> = [true, false]
        .into_iter()
        .filter(|is_open| wanted.iter().any(|status| status.is_open() == *is_open))
        .collect();
    let each = |of: &dyn Fn(bool) -> (Index, String)| parts.iter().map(|is_open| of(*is_open)).collect();
    if let Some(patient) = query.patient {
        return Ok(each(&|is_open| of_patient(patient, is_open)));
    }
    if let Some(specialist) = query.specialist {
        return Ok(each(&|is_open| of_specialist(specialist, is_open)));
    }
    let sources: Vec<(Index, String)> = reach
        .sources(Of::Events)?
        .into_iter()
        .flat_map(|source| each(&|is_open| of_source(source, is_open)))
        .collect();
    if sources.len() > MOST_SOURCES {
        return Err(StoreError::Refused(Code::SiteFilterRequired.into()));
    }
    Ok(sources)
}

impl Store {
    /// BK2 or BK3: how many bookings are wanted, of which each must be looked at: at most `most` are found.
    ///
    /// # Errors
    /// As [`Self::bookings`].
    pub async fn bookings_found(
        &self,
        reach: &Reach,
        query: &BookingQuery,
        now: Timestamp,
        most: usize,
    ) -> Result<LookedAt, StoreError> {
        let (mut found, mut after) = (0, None);
        for _ in 0..MOST_LOOKS {
            let page = self.bookings(reach, query, now, most, after).await?;
            found += page.items.len();
            after = page.next;
            if after.is_none() || found >= most {
                break;
            }
        }
        Ok(LookedAt {
            found: found.min(most),
            is_all: after.is_none() && found <= most,
        })
    }

    /// BK1: one booking.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn booking(&self, booking: BookingId) -> Result<Sought<Booking>, StoreError> {
        self.get(&key(booking, SK)).await.map(Sought::new)
    }

    /// BK1: these bookings, whoever may see them: for the source that feeds them. Absent ones are left out.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn fed_bookings(
        &self,
        ids: impl IntoIterator<Item = BookingId>,
    ) -> Result<Vec<Booking>, StoreError> {
        let keys: Vec<Key> = ids.into_iter().map(|id| key(id, SK)).collect();
        self.get_all(&keys).await
    }

    /// BK1: one booking, with its history.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn booking_history(&self, booking: BookingId) -> Result<Sought<BookingHistory>, StoreError> {
        let range = Expression::new("#sk BETWEEN :first AND :last")
            .with("first", SK)
            .with("last", format!("{HISTORY}~"));
        let most = MOST_STEPS + 1;
        let listing = Listing {
            range,
            ..Listing::of(None, partition(booking), most)
        };
        let (items, _) = self
            .query(&listing, i32::try_from(most).unwrap_or(i32::MAX))
            .await?;
        let (mut found, mut steps) = (None, Vec::new());
        for item in items {
            match item
                .get(KIND)
                .and_then(|kind| kind.as_s().ok())
                .map(String::as_str)
            {
                Some(Booking::KIND) => found = Some(from_item::<Booking>(item)?),
                Some(Entry::KIND) => steps.push(from_item::<Entry>(item)?.step),
                _ => {}
            }
        }
        Ok(Sought::new(
            found.map(|booking| BookingHistory { booking, steps }),
        ))
    }

    /// BK2, BK3, BK4 or BK5: the bookings that are wanted, within `reach`, by their start.
    ///
    /// # Errors
    /// As a refusal: [`Code::SiteNotFound`] for a site outside the reach, [`Code::CursorExpired`], [`Code::SiteFilterRequired`].
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn bookings(
        &self,
        reach: &Reach,
        query: &BookingQuery,
        now: Timestamp,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<BookingRow>, StoreError> {
        let reach = &reach.clone().at(query.site)?;
        let list = Merged::of(reach, sources(reach, query)?, limit, after)?;
        let of = if query.specialist.is_some() {
            Of::Specialists
        } else {
            Of::Events
        };
        // A person's partition holds what they have elsewhere, too; a site's does not.
        let is_of_person = query.patient.is_some() || query.specialist.is_some();
        let sites = reach.sites(of).filter(|_| is_of_person);
        let reaches_nothing = sites.as_ref().is_some_and(Vec::is_empty);
        let Some((from, until)) = between(query).filter(|_| !reaches_nothing) else {
            return Ok(Page {
                items: Vec::new(),
                next: None,
            });
        };
        let list = Merged {
            between: (from.clone(), until.clone()),
            filter: filter(query, sites),
            newest_first: query.order() == Order::Descending,
            ..list
        };
        // What starts later than that cannot be overdue.
        let old = format!("{}#~", sortable(Tab::overdue_before(now)));
        match query.tab {
            Some(Tab::Overdue) => {
                let list = Merged {
                    between: (from, until.min(old)),
                    filter: list.filter.clone().and(overdue("{}", now)),
                    ..list
                };
                self.merged(&list).await
            }
            Some(Tab::Active) => {
                let before = Merged {
                    between: (from.clone(), until.clone().min(old.clone())),
                    filter: list.filter.clone().and(overdue("NOT ({})", now)),
                    ..list.clone()
                };
                let rest = Merged {
                    between: (from.max(old), until),
                    ..list
                };
                self.merged_in_turn(&before, &rest).await
            }
            Some(Tab::Past) | None => self.merged(&list).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use portal_domain::booking::{BookingRecord, BookingReferences, NOTICE};
    use portal_domain::external::{ExternalId, Sourced, Stamp};
    use portal_domain::money::Money;

    use super::*;
    use crate::client::Item;
    use crate::entity::to_item;

    fn now() -> Timestamp {
        "2026-05-04T09:00:00Z".parse().unwrap()
    }

    /// The largest that a booking can be.
    fn largest() -> Booking {
        let external = || ExternalId {
            system: "s".repeat(200).parse().unwrap(),
            value: "v".repeat(200).parse().unwrap(),
        };
        let zone = || Some("America/Argentina/ComodRivadavia".to_owned().try_into().unwrap());
        let record: BookingRecord = serde_json::from_value(serde_json::json!({
            "site": external(), "patient": external(), "specialist": external(), "service": "字".repeat(100),
            "status": "entered-in-error", "status_by": "organization", "status_reason": "r".repeat(60),
            "modality": "in_person", "start": "9999-12-30T00:00:00Z", "end": "9999-12-30T01:00:00Z",
        }))
        .unwrap();
        let record = BookingRecord {
            price: Some(Money {
                amount_minor: i64::MAX,
                currency: "EUR".parse().unwrap(),
            }),
            patient_time_zone: zone(),
            specialist_time_zone: zone(),
            ..record
        };
        let references = BookingReferences {
            site: SiteId::mint(now()),
            shards: 16,
            patient: PatientId::mint(now()),
            patient_name: Some("🎈".repeat(100).parse().unwrap()),
            specialist: SpecialistId::mint(now()),
            specialist_name: Some("x".repeat(100).parse().unwrap()),
            replaces: None,
            notice: NOTICE,
        };
        let sourced = Sourced {
            source: "s".repeat(40).parse().unwrap(),
            external: external(),
            stamp: Stamp {
                version: Some(u64::MAX),
                occurred_at: now(),
            },
            digest: "d".repeat(64),
        };
        Booking::taken(record, references, sourced, None, now()).unwrap()
    }

    /// What an item weighs, as the table counts it.
    fn size(item: &Item) -> usize {
        fn of(value: &AttributeValue) -> usize {
            match value {
                AttributeValue::S(text) => text.len(),
                AttributeValue::N(number) => number.len() / 2 + 2,
                AttributeValue::B(bytes) => bytes.as_ref().len(),
                AttributeValue::M(map) => {
                    3 + map
                        .iter()
                        .map(|(name, value)| 1 + name.len() + of(value))
                        .sum::<usize>()
                }
                _ => 1,
            }
        }
        item.iter().map(|(name, value)| name.len() + of(value)).sum()
    }

    #[test]
    fn a_row_is_within_a_kilobyte_however_large_its_booking_is() {
        let booking = largest();
        let row = BookingRow {
            requested: Some("enter_in_error".to_owned()),
            ..booking.row()
        };
        let size_of_row = size(&to_item(&row).unwrap());
        assert!(size_of_row <= 1_024, "{size_of_row} bytes");
        assert!(size(&to_item(&booking).unwrap()) > size_of_row);
    }

    #[test]
    fn booking_row_and_entry_read_back_as_they_were_stored() {
        let booking = largest();
        let row = booking.row();
        assert_eq!(from_item::<Booking>(to_item(&booking).unwrap()).unwrap(), booking);
        assert_eq!(from_item::<BookingRow>(to_item(&row).unwrap()).unwrap(), row);
        let step = booking.step.clone();
        let entry = Entry {
            booking: booking.id,
            step: step.clone(),
        };
        let item = to_item(&entry).unwrap();
        assert_eq!(from_item::<Entry>(item).unwrap().step, step);
    }

    #[test]
    fn what_has_no_time_comes_behind_what_has() {
        let row = largest().row();
        let untimed = BookingRow {
            start: None,
            end: None,
            ..row.clone()
        };
        assert!(place(&row) < place(&untimed));
        assert!(place(&row).as_str() < LAST_TIMED && place(&untimed).as_str() > LAST_TIMED);
        assert!(place(&untimed).as_str() < crate::merge::LAST_OF_ALL);
    }

    #[test]
    fn a_range_holds_what_starts_in_it() {
        let query = |from: Option<Timestamp>, until: Option<Timestamp>| BookingQuery {
            from,
            until,
            ..BookingQuery::default()
        };
        let row = BookingRow {
            start: Some(now()),
            ..largest().row()
        };
        let moment = SignedDuration::from_millis(1);
        let holds = |from, until| {
            let (first, last) = between(&query(from, until))?;
            Some(first <= place(&row) && place(&row) <= last)
        };
        assert_eq!(holds(Some(now()), Some(now() + moment)), Some(true));
        assert_eq!(holds(Some(now() + moment), None), Some(false));
        assert_eq!(holds(None, Some(now())), Some(false));
        assert_eq!(holds(None, None), Some(true));
        assert_eq!(holds(Some(Timestamp::MIN), Some(Timestamp::MAX)), Some(true));
        assert_eq!(holds(None, Some(Timestamp::UNIX_EPOCH)), None);
        assert_eq!(holds(None, Some(Timestamp::MIN)), None);
    }

    #[test]
    fn more_values_than_the_table_takes_at_once_are_asked_for_in_groups() {
        let sites: Vec<AttributeValue> = (0..201)
            .map(|_| bytes(SiteId::mint(now()).uuid().into_bytes()))
            .collect();
        let expression = one_of("site", sites);
        assert_eq!(expression.text().matches("#site IN (").count(), 3);
        assert_eq!(expression.text().matches(':').count(), 201);
    }
}
