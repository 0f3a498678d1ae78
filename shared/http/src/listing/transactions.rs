//! The list of transactions: its filters and its rows.

use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::Timestamp;
use portal_domain::access::Access;
use portal_domain::code::Refusal;
use portal_domain::projection::Projection;
use portal_domain::time::Moment;
use portal_domain::transaction::{Person, Search, TransactionQuery, TransactionRow};
use portal_store::{Page, Position, Store, StoreError};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Listing, parsed, refused};
use crate::answer::View;

/// Which transactions are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TransactionFilter {
    /// Only these kinds, between commas: `payment`, `refund`, `earning`, `earning_reversal`, `payout`, `payout_reversal`.
    #[param(example = "payment,refund")]
    kind: Option<String>,
    /// Only those that stand so, between commas: `requires_payment_method`, `requires_confirmation`, `requires_action`,
    /// `requires_capture`, `processing`, `pending`, `in_transit`, `available`, `succeeded`, `paid`, `partially_reversed`,
    /// `reversed`, `failed`, `canceled`.
    #[param(example = "failed")]
    status: Option<String>,
    /// `patient` for payments and refunds, `specialist` for earnings and payouts.
    party: Option<String>,
    /// Only those that happened at this instant or later.
    from: Option<String>,
    /// Only those that happened before this instant.
    until: Option<String>,
    /// Only this patient's. Needs `patients.read`.
    patient_id: Option<String>,
    /// Only this specialist's. Needs `specialists.read`.
    specialist_id: Option<String>,
    /// Only those for this booking.
    booking_id: Option<String>,
    /// Only at this site.
    site_id: Option<String>,
    /// Only of this currency.
    #[param(example = "EUR")]
    currency: Option<String>,
    /// Part of a name, in any case and without accents, or all of what its source calls the transaction; 1 to 100 characters.
    /// Names of patients are searched for those who see patients. Long names are searched as far as lists show them.
    search: Option<String>,
}

impl TransactionFilter {
    fn query(&self) -> Result<TransactionQuery, Refusal> {
        let instant = |text: Option<&String>, why| {
            let moment: Option<Moment> = parsed(text, why)?;
            Ok::<_, Refusal>(moment.map(Timestamp::from))
        };
        TransactionQuery {
            kinds: several(
                self.kind.as_ref(),
                "kind must have kinds of transactions, between commas",
            )?,
            statuses: several(
                self.status.as_ref(),
                "status must have statuses of transactions, between commas",
            )?,
            party: parsed(self.party.as_ref(), "party must be patient or specialist")?,
            from: instant(self.from.as_ref(), "from must be an instant")?,
            until: instant(self.until.as_ref(), "until must be an instant")?,
            patient: parsed(self.patient_id.as_ref(), "patient_id must be the id of a patient")?,
            specialist: parsed(
                self.specialist_id.as_ref(),
                "specialist_id must be the id of a specialist",
            )?,
            booking: parsed(self.booking_id.as_ref(), "booking_id must be the id of a booking")?,
            site: parsed(self.site_id.as_ref(), "site_id must be the id of a site")?,
            currency: parsed(self.currency.as_ref(), "currency must be a code of ISO 4217")?,
            search: self.search.as_deref().map(Search::new).transpose()?,
        }
        .checked()
    }
}

fn several<T: FromStr + Ord>(list: Option<&String>, why: &'static str) -> Result<BTreeSet<T>, Refusal> {
    let words = list.map(|list| list.split(',').map(str::parse).collect::<Result<_, _>>());
    words
        .transpose()
        .map_err(|_| refused(why))
        .map(Option::unwrap_or_default)
}

impl Listing for TransactionFilter {
    type Row = TransactionView;

    const COLUMNS: &'static [&'static str] = &[
        "id",
        "kind",
        "party",
        "status",
        "amount_minor",
        "currency",
        "fee_minor",
        "net_minor",
        "given_back_minor",
        "occurred_at",
        "available_on",
        "site_id",
        "patient.id",
        "patient.name",
        "specialist.id",
        "specialist.name",
        "booking_id",
        "parent_id",
    ];

    fn check(&self, access: &Access) -> Result<(), Refusal> {
        self.query()?.asked_by(access).map(drop)
    }

    async fn page(
        &self,
        store: &Store,
        access: &Access,
        _: Timestamp,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<TransactionView>, StoreError> {
        let (query, reach) = self.query()?.asked_by(access)?;
        let page = store.transactions(&reach, &query, limit, after).await?;
        let projection = access.projection(&reach);
        Ok(page.map(|row| TransactionView::new(&row, projection)))
    }
}

/// Whose money it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransactionPersonView {
    /// The profile; null where the reader sees no profiles of such people.
    pub id: Option<String>,
    /// The name; null where there is none any more. In lists, long names are cut.
    #[schema(example = "Lin Tanaka")]
    pub name: Option<String>,
}

impl TransactionPersonView {
    /// A patient is shown to those who see patients.
    #[must_use]
    pub fn patient(person: &Person, projection: Projection) -> Option<Self> {
        let patient = person.patient().filter(|_| projection.patients)?;
        Some(Self::of(Some(patient.to_string()), person))
    }

    /// The name of a specialist is shown to all who see the record.
    #[must_use]
    pub fn specialist(person: &Person, projection: Projection) -> Option<Self> {
        let specialist = person.specialist()?;
        let id = projection.specialists.then(|| specialist.to_string());
        Some(Self::of(id, person))
    }

    fn of(id: Option<String>, person: &Person) -> Self {
        Self {
            id,
            name: person.name().map(|name| name.as_str().to_owned()),
        }
    }
}

/// A transaction in a list: one entry of the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransactionView {
    /// Its id.
    #[schema(example = "txn_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    pub id: String,
    /// `payment`, `refund`, `earning`, `earning_reversal`, `payout` or `payout_reversal`.
    #[schema(example = "payment")]
    pub kind: &'static str,
    /// `patient` or `specialist`: it follows from the kind.
    #[schema(example = "patient")]
    pub party: &'static str,
    /// How it stands, in Stripe's words.
    #[schema(example = "succeeded")]
    pub status: &'static str,
    /// How much, in minor units of the currency. Always positive: the kind says in which direction.
    #[schema(example = 9_000)]
    pub amount_minor: i64,
    /// The ISO 4217 code.
    #[schema(example = "EUR")]
    pub currency: String,
    /// What others keep of it; null unless it is a payment or an earning.
    #[schema(example = 290)]
    pub fee_minor: Option<i64>,
    /// The amount without the fee; null unless it is a payment or an earning.
    #[schema(example = 8_710)]
    pub net_minor: Option<i64>,
    /// The sum of its refunds or reversals that count; null if it is one itself.
    #[schema(example = 0)]
    pub given_back_minor: Option<i64>,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub occurred_at: Timestamp,
    /// The day from which the money can be used, or on which it arrives; null where that is not known.
    #[schema(format = Date, example = "2026-05-06")]
    pub available_on: Option<String>,
    /// The site at which it happened.
    pub site_id: String,
    /// Whose it is; null if it is a specialist's, or where the reader sees no patients.
    pub patient: Option<TransactionPersonView>,
    /// Whose it is; null if it is a patient's.
    pub specialist: Option<TransactionPersonView>,
    /// What it was for; null if it was for no single booking, or where the reader sees no bookings.
    pub booking_id: Option<String>,
    /// The transaction that it gives a part back of; null if it does not.
    pub parent_id: Option<String>,
}

impl TransactionView {
    /// The transaction as the projection shows it.
    #[must_use]
    pub fn new(row: &TransactionRow, projection: Projection) -> Self {
        Self {
            id: row.id.to_string(),
            kind: row.kind().as_str(),
            party: row.party().as_str(),
            status: row.status().as_str(),
            amount_minor: row.amount.amount_minor,
            currency: row.amount.currency.to_string(),
            fee_minor: row.fee_minor(),
            net_minor: row.net_minor(),
            given_back_minor: row.given_back_minor(),
            occurred_at: row.occurred_at,
            available_on: row.available_on.map(|date| date.to_string()),
            site_id: row.site.to_string(),
            patient: TransactionPersonView::patient(&row.person, projection),
            specialist: TransactionPersonView::specialist(&row.person, projection),
            booking_id: row
                .booking
                .filter(|_| projection.bookings)
                .map(|id| id.to_string()),
            parent_id: row.parent().map(|id| id.to_string()),
        }
    }
}

impl View for TransactionView {}
