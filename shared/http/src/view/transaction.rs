//! A transaction in a list: as much of it as its reader's projection has.

use jiff::Timestamp;
use portal_domain::projection::Projection;
use portal_domain::transaction::{Person, TransactionRow};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::View;

/// Whose money it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransactionPersonView {
    /// The profile; null where the reader sees no profiles of such people.
    id: Option<String>,
    /// The name; null where there is none any more. In lists, long names are cut.
    #[schema(example = "Lin Tanaka")]
    name: Option<String>,
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
    id: String,
    /// `payment`, `refund`, `earning`, `earning_reversal`, `payout` or `payout_reversal`.
    #[schema(example = "payment")]
    kind: &'static str,
    /// `patient` or `specialist`: it follows from the kind.
    #[schema(example = "patient")]
    party: &'static str,
    /// How it stands, in Stripe's words.
    #[schema(example = "succeeded")]
    status: &'static str,
    /// How much, in minor units of the currency. Always positive: the kind says in which direction.
    #[schema(example = 9_000)]
    amount_minor: i64,
    /// The ISO 4217 code.
    #[schema(example = "EUR")]
    currency: String,
    /// What others keep of it; null unless it is a payment or an earning.
    #[schema(example = 290)]
    fee_minor: Option<i64>,
    /// The amount without the fee; null unless it is a payment or an earning.
    #[schema(example = 8_710)]
    net_minor: Option<i64>,
    /// The sum of its refunds or reversals that count; null if it is one itself.
    #[schema(example = 0)]
    given_back_minor: Option<i64>,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    occurred_at: Timestamp,
    /// The day from which the money can be used, or on which it arrives; null where that is not known.
    #[schema(format = Date, example = "2026-05-06")]
    available_on: Option<String>,
    /// The site at which it happened.
    site_id: String,
    /// Whose it is; null if it is a specialist's, or where the reader sees no patients.
    patient: Option<TransactionPersonView>,
    /// Whose it is; null if it is a patient's.
    specialist: Option<TransactionPersonView>,
    /// What it was for; null if it was for no single booking, or where the reader sees no bookings.
    booking_id: Option<String>,
    /// The transaction that it gives a part back of; null if it does not.
    parent_id: Option<String>,
}

impl TransactionView {
    /// The transaction as far as `projection` shows it.
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
