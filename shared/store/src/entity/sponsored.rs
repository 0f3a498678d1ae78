//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | YS1 | that an organization pays for a booking | table | `BOOKING#{booking}` | `SPONSOR` |
//! | YS2 | the bookings that an organization pays for | by-org | `ORG#{organization}#BOOKING` | start, booking |
//! | YS3 | what a sponsor was told of a month | table | `ORG#{organization}` | `SNAPSHOT#{month}` |

use futures_util::future::try_join_all;
use jiff::Timestamp;
use portal_domain::booking::{Booking, Status};
use portal_domain::id::{BookingId, OrganizationId, PatientId, compact};
use portal_domain::statistics::{Span, Stretch, Totals};
use serde::{Deserialize, Serialize};

use crate::client::Store;
use crate::entity::{Entity, booking, organization};
use crate::error::StoreError;
use crate::expression::Expression;
use crate::page::{Listing, Page};
use crate::table::{Index, Key, sortable};
use crate::transaction::{Failing, Transaction};

const SK: &str = "SPONSOR";
const SNAPSHOT: &str = "SNAPSHOT#";
const PAGE: usize = 1_000;

/// A booking that an organization pays for: no name, and no more than totals need.
#[derive(Debug, Serialize, Deserialize)]
struct Sponsored {
    booking: BookingId,
    sponsor: OrganizationId,
    #[serde(with = "compact")]
    patient: PatientId,
    status: Status,
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    start: Timestamp,
}

fn key(booking: BookingId) -> Key {
    Key {
        pk: booking::partition(booking),
        sk: SK.to_owned(),
    }
}

fn collection(sponsor: OrganizationId) -> String {
    format!("{}#BOOKING", organization::partition(sponsor))
}

impl Entity for Sponsored {
    const KIND: &'static str = "sponsored_booking";

    fn key(&self) -> Key {
        key(self.booking)
    }

    fn indexes(&self) -> Vec<(Index, String, String)> {
        let place = format!("{}#{}", sortable(self.start), self.booking);
        vec![(Index::ByOrg, collection(self.sponsor), place)]
    }
}

/// Puts a booking among those that its sponsor pays for, if it has one; without a time, or deleted, it is not there.
pub(crate) fn put(transaction: Transaction, booking: &Booking) -> Result<Transaction, StoreError> {
    let (Some(sponsor), always) = (booking.sponsor, Expression::default()) else {
        return Ok(transaction);
    };
    match booking.start().filter(|_| !booking.deleted) {
        None => Ok(transaction.delete(key(booking.id), always, Failing::Stale)),
        Some(start) => {
            let sponsored = Sponsored {
                booking: booking.id,
                sponsor,
                patient: booking.patient,
                status: booking.status(),
                start,
            };
            transaction.put(&sponsored, always, Failing::Stale)
        }
    }
}

/// What a sponsor was told of a month. It is told nothing else later: two answers that differ could tell of one person.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Snapshot {
    organization: OrganizationId,
    month: String,
    totals: Option<Totals>,
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    at: Timestamp,
}

fn snapshot_key(organization: OrganizationId, month: &str) -> Key {
    Key {
        pk: organization::partition(organization),
        sk: format!("{SNAPSHOT}{month}"),
    }
}

/// A month, whichever the zone it was told of in.
fn named(month: &Stretch) -> String {
    let date = month.begins_on;
    format!("{:04}-{:02}", date.year(), date.month())
}

impl Entity for Snapshot {
    const KIND: &'static str = "snapshot";

    fn key(&self) -> Key {
        snapshot_key(self.organization, &self.month)
    }
}

impl Store {
    /// YS2, YS3: what a sponsor is told of these months, in their order; nothing of those that are not settled at `now`.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn sponsored_totals(
        &self,
        sponsor: OrganizationId,
        months: &[Stretch],
        now: Timestamp,
    ) -> Result<Vec<Option<Totals>>, StoreError> {
        let settled = months.iter().filter(|month| month.is_settled(now));
        let keys: Vec<Key> = settled
            .map(|month| snapshot_key(sponsor, &named(month)))
            .collect();
        let told: Vec<Snapshot> = self.get_all(&keys).await?;
        let each = months.iter().map(async |month| {
            if !month.is_settled(now) {
                return Ok(None);
            }
            let before = told.iter().find(|told| told.month == named(month));
            match before {
                Some(told) => Ok(told.totals),
                None => self.told_first(sponsor, month, now).await,
            }
        });
        try_join_all(each).await
    }

    /// What is told of a month for the first time, and from then on.
    async fn told_first(
        &self,
        sponsor: OrganizationId,
        month: &Stretch,
        now: Timestamp,
    ) -> Result<Option<Totals>, StoreError> {
        let snapshot = Snapshot {
            organization: sponsor,
            month: named(month),
            totals: Totals::of(self.fulfilled(sponsor, month.span).await?),
            at: now,
        };
        let first = Transaction::default().create(&snapshot, Failing::Stale)?;
        match self.commit_transaction(&first).await {
            // Somebody was told meanwhile.
            Err(StoreError::Stale) => {
                let told: Option<Snapshot> = self.get(&snapshot.key()).await?;
                Ok(told.and_then(|told| told.totals))
            }
            written => written.map(|()| snapshot.totals),
        }
    }

    /// YS2: whose the bookings were that an organization paid for and that were fulfilled.
    async fn fulfilled(&self, sponsor: OrganizationId, span: Span) -> Result<Vec<PatientId>, StoreError> {
        let (from, until) = span.instants();
        let range = Expression::new("#sk BETWEEN :from AND :until")
            .with("from", sortable(from))
            .with("until", sortable(until));
        let (mut patients, mut after) = (Vec::new(), None);
        loop {
            let listing = Listing {
                range: range.clone(),
                after,
                ..Listing::of(Some(Index::ByOrg), collection(sponsor), PAGE)
            };
            let page: Page<Sponsored> = self.page(listing).await?;
            let fulfilled = page.items.iter().filter(|of| of.status == Status::Fulfilled);
            patients.extend(fulfilled.map(|of| of.patient));
            after = page.next;
            if after.is_none() {
                return Ok(patients);
            }
        }
    }
}
