//! The requests about money.

use portal_domain::booking::Booking;
use portal_domain::change::Change;
use portal_domain::external::{ExternalId, Sourced, Stamp};
use portal_domain::transaction::{Kind, Party, Person, Transaction, TransactionReferences};
use serde_json::json;

use super::Scene;
use super::person::Request;
use crate::stack::Failure;

impl Scene<'_> {
    /// What was paid or earned for `booking`, as its source tells it.
    pub(super) async fn transaction(&self, kind: Kind, booking: &Booking) -> Result<Transaction, Failure> {
        let status = match kind.party() {
            Party::Patient => "succeeded",
            Party::Specialist => "available",
        };
        self.transaction_that(kind, status, booking).await
    }

    /// The same, as it stands.
    pub(super) async fn transaction_that(
        &self,
        kind: Kind,
        status: &str,
        booking: &Booking,
    ) -> Result<Transaction, Failure> {
        let stack = &self.probe.stack;
        let now = stack.clock.now();
        let external: ExternalId = serde_json::from_value(json!({ "system": "probe", "value": "1" }))?;
        let (party, person) = match kind.party() {
            Party::Patient => {
                let (patient, name) = (booking.patient, booking.patient_name.clone());
                ("patient", Person::Patient { patient, name })
            }
            Party::Specialist => {
                let (specialist, name) = (booking.specialist, booking.specialist_name.clone());
                ("specialist", Person::Specialist { specialist, name })
            }
        };
        let record = serde_json::from_value(json!({
            "kind": kind, "status": status, "amount_minor": 9_000, "currency": "EUR", "occurred_at": now,
            "site": external, party: external,
        }))?;
        let references = TransactionReferences {
            site: booking.site,
            shards: 1,
            person: Some(person),
            booking: Some(booking.id),
            parent: None,
        };
        let sourced = Sourced {
            source: "platform".parse()?,
            external,
            stamp: Stamp {
                version: Some(1),
                occurred_at: now,
            },
            digest: String::new(),
        };
        let taken = Transaction::taken(record, references, sourced, None, now)?;
        let transaction = taken.entry.clone();
        let change = Change::default().writes(taken.writes(None, None));
        stack.app.store.commit(&change, None, now).await?;
        Ok(transaction)
    }

    /// A request of `operation` that succeeds, if it is one of these.
    pub(super) async fn about_transactions(&self, operation: &str) -> Result<Option<Request>, Failure> {
        let ours = [
            "list_transactions",
            "get_transaction",
            "get_money_trail",
            "get_statement",
        ];
        if !ours.contains(&operation) {
            return Ok(None);
        }
        let booking = self.booking().await?;
        let paid = self.transaction(Kind::Payment, &booking).await?;
        self.transaction(Kind::Earning, &booking).await?;
        let path = match operation {
            "list_transactions" => "/transactions".to_owned(),
            "get_transaction" => format!("/transactions/{}", paid.row.id),
            "get_money_trail" => format!("/bookings/{}/money-trail", booking.id),
            _ => {
                let now = self.probe.stack.clock.now().to_string();
                let (month, _) = now.split_at(7);
                format!("/specialists/{}/statements/{month}", booking.specialist)
            }
        };
        Ok(Some(Request::get(self.path(&path))))
    }
}
