//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | SP1 | one specialist | table | `SPECIALIST#{specialist}` | `SPECIALIST` |
//! | SP2 | what a specialist's sessions have cost, last first | table | `SPECIALIST#{specialist}` | `PRICE#{from}` |

use jiff::Timestamp;
use portal_domain::id::{SiteId, SpecialistId};
use portal_domain::person::{FullName, Presence, Sort};
use portal_domain::reach::{Of, Reach, Reached};
use portal_domain::specialist::{Price, Specialist, SpecialistQuery, SpecialistRow};
use serde::{Deserialize, Serialize};

use crate::client::Store;
use crate::entity::Entity;
use crate::entity::listed::{self, Directory, Row};
use crate::error::StoreError;
use crate::expression::Expression;
use crate::page::{Listing, Page, Position};
use crate::sought::Sought;
use crate::table::{Key, sortable};
use crate::transaction::{Failing, Transaction};

const SK: &str = "SPECIALIST";
const PRICE: &str = "PRICE#";
/// The most prices of a history that are read.
const MOST_PRICES: usize = 100;

/// The partition of a specialist: the copies for lists are in it too.
/// The partition of a specialist; their collections in the indexes begin with it.
pub(crate) fn partition(specialist: SpecialistId) -> String {
    format!("SPECIALIST#{specialist}")
}

fn key(specialist: SpecialistId, sk: impl Into<String>) -> Key {
    Key {
        pk: partition(specialist),
        sk: sk.into(),
    }
}

/// The key of a specialist itself.
pub(crate) fn record_key(specialist: SpecialistId) -> Key {
    key(specialist, SK)
}

impl Entity for Specialist {
    const KIND: &'static str = "specialist";

    fn key(&self) -> Key {
        key(self.id, SK)
    }
}

/// A price of a specialist.
#[derive(Debug, Serialize, Deserialize)]
struct Priced {
    specialist: SpecialistId,
    #[serde(flatten)]
    price: Price,
}

impl Entity for Priced {
    const KIND: &'static str = "price";

    fn key(&self) -> Key {
        let from = sortable(self.price.from.max(Timestamp::UNIX_EPOCH));
        key(self.specialist, format!("{PRICE}{from}"))
    }
}

/// A specialist with what their sessions have cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecialistPrices {
    /// The specialist.
    pub specialist: Specialist,
    /// The prices, the last one first; at most 100.
    pub prices: Vec<Price>,
}

impl SpecialistPrices {
    /// The history once the specialist has become `new`.
    #[must_use]
    pub fn priced_by(&self, new: &Specialist) -> Vec<Price> {
        let changed = new.price.filter(|price| Some(*price) != self.specialist.price);
        changed.into_iter().chain(self.prices.iter().copied()).collect()
    }
}

impl Reached for SpecialistPrices {
    fn is_within(&self, reach: &Reach) -> bool {
        self.specialist.is_within(reach)
    }
}

impl Row for SpecialistRow {
    const OF: Of = Of::Specialists;
    const COPY: &'static str = "specialist_row";
    const FOUND: &'static str = "specialist_found";
    const COLLECTION: &'static str = "SPECIALIST";

    fn partition(&self) -> String {
        partition(self.id)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn number(&self) -> u128 {
        self.id.uuid().as_u128()
    }

    fn name(&self) -> &FullName {
        &self.name
    }

    fn presences(&self) -> &[Presence] {
        &self.assignments
    }

    fn since(&self, site: Option<SiteId>) -> Timestamp {
        self.since(site)
    }

    fn came_last_to(&self, site: SiteId, seen: impl Fn(SiteId) -> bool) -> bool {
        self.came_last_to(site, seen)
    }

    fn tokens(&self) -> Vec<String> {
        self.tokens()
    }
}

/// Puts a specialist in the revision after the one that was read, with the copies that change by it, and a new price.
pub(crate) fn put(
    transaction: Transaction,
    new: &Specialist,
    old: Option<&Specialist>,
) -> Result<Transaction, StoreError> {
    let mut transaction = match old {
        None => transaction.create(new, Failing::Stale)?,
        Some(_) => transaction.replace(new, new.rev)?,
    };
    let price = new
        .price
        .filter(|price| Some(*price) != old.and_then(|old| old.price));
    if let Some(price) = price {
        let priced = Priced {
            specialist: new.id,
            price,
        };
        transaction = transaction.put(&priced, Expression::default(), Failing::Stale)?;
    }
    let before = old.and_then(Specialist::row);
    listed::put(transaction, new.row().as_ref(), before.as_ref())
}

impl Store {
    /// SP1: one specialist.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn specialist(&self, specialist: SpecialistId) -> Result<Sought<Specialist>, StoreError> {
        self.get(&key(specialist, SK)).await.map(Sought::new)
    }

    /// SP1: these specialists, whoever may see them: for the source that feeds them. Absent ones are left out.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn fed_specialists(
        &self,
        ids: impl IntoIterator<Item = SpecialistId>,
    ) -> Result<Vec<Specialist>, StoreError> {
        let keys: Vec<Key> = ids.into_iter().map(|id| key(id, SK)).collect();
        self.get_all(&keys).await
    }

    /// SP1, SP2: one specialist, with what their sessions have cost.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn specialist_prices(
        &self,
        specialist: SpecialistId,
    ) -> Result<Sought<SpecialistPrices>, StoreError> {
        let prices = Listing {
            range: Expression::new("begins_with(#sk, :prices)").with("prices", PRICE),
            newest_first: true,
            ..Listing::of(None, partition(specialist), MOST_PRICES)
        };
        let key = key(specialist, SK);
        let (found, prices) = tokio::try_join!(self.get(&key), self.page::<Priced>(prices))?;
        Ok(Sought::new(found.map(|specialist| SpecialistPrices {
            specialist,
            prices: prices.items.into_iter().map(|priced| priced.price).collect(),
        })))
    }

    /// R6, R7, R8, R9 or R10: the specialists that are wanted at `now`, within `reach`.
    ///
    /// # Errors
    /// As a refusal: [`Code::SiteNotFound`](portal_domain::code::Code::SiteNotFound) for a site outside the reach,
    /// [`Code::CursorExpired`](portal_domain::code::Code::CursorExpired),
    /// [`Code::SiteFilterRequired`](portal_domain::code::Code::SiteFilterRequired). [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn specialists(
        &self,
        reach: &Reach,
        query: &SpecialistQuery,
        now: Timestamp,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<SpecialistRow>, StoreError> {
        let mut filter = Expression::default();
        if let Some(review) = query.review {
            filter = filter.and(Expression::new("#review = :review").with("review", review.as_str()));
        }
        if query.listed == Some(true) {
            filter = filter.and(Expression::new("attribute_exists(#listing)"));
        }
        let directory = Directory {
            reach: &reach.clone().at(query.site)?,
            search: query.search.as_ref(),
            times: (query.sort == Sort::Newest).then_some((query.since, query.until)),
            filter,
        };
        self.listed(directory, |row, site| query.matches(row, site, now), limit, after)
            .await
    }
}
