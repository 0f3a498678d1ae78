//! What the platform tells of money, line by line, and how it is asked for.

use std::collections::BTreeSet;

use portal_domain::booking::Booking;
use portal_domain::change::Change;
use portal_domain::code::{Code, Refusal};
use portal_domain::external::{ExternalId, Sourced, Stamp};
use portal_domain::id::{PatientId, SiteId, SpecialistId, TransactionId};
use portal_domain::transaction::{
    Kind, Party, Person, Taken, Transaction, TransactionRecord, TransactionReferences,
};
use portal_store::{StoreError, pause};
use serde_json::{Value, json};

use super::records::Profile;
use super::{Answer, Clinic, Person as Member, Portal};

/// A line about an entry of the ledger.
#[derive(Clone)]
pub(crate) struct Posting<'a> {
    portal: &'a Portal,
    record: Value,
    references: TransactionReferences,
    reference: String,
    kept: Option<Transaction>,
}

impl Portal {
    /// The first line about an entry of `kind` at `site`: a hundred euros, through, now, of somebody new.
    pub(crate) async fn posting(&self, kind: Kind, site: &str) -> Posting<'_> {
        let site: SiteId = site.parse().expect("a site's id");
        let kept = self.app.store.site(site).await.expect("readable");
        let references = TransactionReferences {
            site,
            shards: kept.expect("there").shards,
            person: None,
            booking: None,
            parent: None,
        };
        let posting = Posting::new(self, kind, references);
        match kind.party() {
            Party::Patient => posting.of(&self.named_patient("Jonas Weber")),
            Party::Specialist => posting.with(&self.named_specialist("Lena Brandt")),
        }
    }

    /// The first line about what gives `amount_minor` of `parent` back.
    pub(crate) fn giving_back(&self, parent: &Transaction, amount_minor: i64) -> Posting<'_> {
        let kind = match parent.row.kind() {
            Kind::Payment => Kind::Refund,
            Kind::Earning => Kind::EarningReversal,
            _ => Kind::PayoutReversal,
        };
        let external = json!({ "system": "tests", "value": "1" });
        let references = TransactionReferences {
            site: parent.row.site,
            shards: 1,
            person: Some(parent.row.person.clone()),
            booking: parent.row.booking,
            parent: Some(parent.clone()),
        };
        let named = match kind.party() {
            Party::Patient => json!({ "patient": external }),
            Party::Specialist => json!({ "specialist": external }),
        };
        Posting::new(self, kind, references)
            .say(named)
            .say(json!({ "parent": external, "amount_minor": amount_minor }))
    }

    /// The next line about an entry, which says the same but for what is said next; `parent` is what it gives a part back of.
    pub(crate) fn next_posting(&self, kept: &Transaction, parent: Option<&Transaction>) -> Posting<'_> {
        let references = TransactionReferences {
            site: kept.row.site,
            shards: 1,
            person: Some(kept.row.person.clone()),
            booking: kept.row.booking,
            parent: parent.cloned(),
        };
        let external = json!({ "system": "tests", "value": "1" });
        let named = match kept.row.party() {
            Party::Patient => "patient",
            Party::Specialist => "specialist",
        };
        let mut posting = Posting::new(self, kept.row.kind(), references).say(json!({
            "amount_minor": kept.row.amount.amount_minor, "currency": kept.row.amount.currency, "status": kept.row.status(),
            "occurred_at": kept.row.occurred_at, named: external,
        }));
        if kept.row.fee_minor() > Some(0) {
            posting = posting.say(json!({ "fee_minor": kept.row.fee_minor() }));
        }
        if parent.is_some() {
            posting = posting.say(json!({ "parent": external }));
        }
        let source = kept.sourced.as_ref().expect("it comes from somewhere");
        Posting {
            reference: source.external.value.to_string(),
            kept: Some(kept.clone()),
            ..posting
        }
    }

    /// The source deletes an entry; `parent` is what it gives a part back of.
    pub(crate) async fn retract(&self, kept: &Transaction, parent: Option<&Transaction>) -> Transaction {
        let now = self.clock.now();
        let sourced = kept.sourced.clone().expect("it comes from somewhere");
        let taken = kept.tombstone(parent, sourced, now).expect("it breaks no rule");
        self.write(taken, Some(kept), parent)
            .await
            .expect("nothing has changed")
    }

    async fn write(
        &self,
        taken: Taken,
        kept: Option<&Transaction>,
        parent: Option<&Transaction>,
    ) -> Result<Transaction, StoreError> {
        let entry = taken.entry.clone();
        let change = Change::default().writes(taken.writes(kept.cloned(), parent.cloned()));
        self.app.store.commit(&change, None, self.clock.now()).await?;
        Ok(entry)
    }
}

impl<'a> Posting<'a> {
    fn new(portal: &'a Portal, kind: Kind, references: TransactionReferences) -> Self {
        let status = match kind {
            Kind::Payment | Kind::Refund => "succeeded",
            Kind::Earning | Kind::EarningReversal => "available",
            Kind::Payout | Kind::PayoutReversal => "paid",
        };
        let external = json!({ "system": "tests", "value": "1" });
        Self {
            portal,
            record: json!({
                "kind": kind, "status": status, "amount_minor": 10_000, "currency": "EUR", "occurred_at": portal.clock.now(),
                "site": external,
            }),
            references,
            reference: TransactionId::mint(portal.clock.now()).to_string(),
            kept: None,
        }
    }

    /// The line with other fields.
    pub(crate) fn say(mut self, fields: Value) -> Self {
        let Value::Object(fields) = fields else {
            panic!("fields")
        };
        for (name, value) in fields {
            self.record[name] = value;
        }
        self
    }

    /// The line about a patient's.
    pub(crate) fn of(mut self, patient: &Profile<PatientId>) -> Self {
        self.references.person = Some(Person::Patient {
            patient: patient.id,
            name: Some(patient.name.parse().expect("a name")),
        });
        self.say(json!({ "patient": { "system": "tests", "value": "1" } }))
    }

    /// The line about a specialist's.
    pub(crate) fn with(mut self, specialist: &Profile<SpecialistId>) -> Self {
        self.references.person = Some(Person::Specialist {
            specialist: specialist.id,
            name: Some(specialist.name.parse().expect("a name")),
        });
        self.say(json!({ "specialist": { "system": "tests", "value": "1" } }))
    }

    /// The line about something for a booking.
    pub(crate) fn for_booking(mut self, booking: &Booking) -> Self {
        self.references.booking = Some(booking.id);
        self
    }

    /// What the source calls it.
    pub(crate) fn called(mut self, reference: &str) -> Self {
        reference.clone_into(&mut self.reference);
        self
    }

    /// What the line comes to over what was read.
    pub(crate) fn taken(&self) -> Result<Taken, Refusal> {
        let now = self.portal.clock.now();
        let record: TransactionRecord = serde_json::from_value(self.record.clone()).expect("a record");
        let sourced = Sourced {
            source: "platform".parse().expect("a source"),
            external: ExternalId {
                system: "tests".parse().expect("a system"),
                value: self.reference.parse().expect("a value"),
            },
            stamp: Stamp {
                version: None,
                occurred_at: now,
            },
            digest: String::new(),
        };
        Transaction::taken(record, self.references.clone(), sourced, self.kept.as_ref(), now)
    }

    /// Tells it over what was read, and what comes of that.
    pub(crate) async fn try_tell(self) -> Result<Transaction, StoreError> {
        let taken = self.taken()?;
        let parent = self.references.parent.as_ref();
        self.portal.write(taken, self.kept.as_ref(), parent).await
    }

    /// Tells of so many that are like it.
    pub(crate) async fn tell_times(&self, times: usize) {
        let writes = (0..times).flat_map(|_| self.taken().expect("it breaks no rule").writes(None, None));
        let writes: Vec<_> = writes.collect();
        // With their copies for lists, as many as fit into a transaction.
        for some in writes.chunks(30) {
            let change = Change::default().writes(some.iter().cloned());
            let now = self.portal.clock.now();
            self.portal
                .app
                .store
                .commit(&change, None, now)
                .await
                .expect("they are new");
        }
    }

    /// Tells it now.
    pub(crate) async fn tell(self) -> Transaction {
        self.try_tell().await.expect("it breaks no rule, and is new")
    }
}

impl Clinic<'_> {
    /// A transaction as it is kept.
    pub(crate) async fn kept_transaction(&self, transaction: &Transaction) -> Transaction {
        let sought = self
            .store()
            .transaction(transaction.row.id)
            .await
            .expect("readable");
        sought.within(&self.reach().await).expect("within reach")
    }

    /// Tells what gives `amount_minor` of `parent` back, again whenever something else was told meanwhile; `false` if that is
    /// too much.
    pub(crate) async fn give_back(&self, parent: &Transaction, amount_minor: i64) -> bool {
        for attempt in 0.. {
            let parent = self.kept_transaction(parent).await;
            match self.portal.giving_back(&parent, amount_minor).try_tell().await {
                Ok(_) => return true,
                Err(StoreError::Stale | StoreError::Busy) => pause(attempt).await,
                Err(StoreError::Refused(refusal)) if refusal.code == Code::AmountExceedsParent => {
                    return false;
                }
                Err(error) => panic!("{error}"),
            }
        }
        false
    }
}

/// Where a transaction is.
pub(crate) fn path(clinic: &Clinic<'_>, transaction: &Transaction) -> String {
    clinic.path(&format!("/transactions/{}", transaction.row.id))
}

/// The ids of what was listed, in its order.
pub(crate) fn ids(items: &[Value]) -> Vec<String> {
    let id = |item: &Value| item["id"].as_str().expect("an id").to_owned();
    items.iter().map(id).collect()
}

/// The ids of these.
pub(crate) fn own(transactions: &[&Transaction]) -> Vec<String> {
    transactions
        .iter()
        .map(|transaction| transaction.row.id.to_string())
        .collect()
}

/// The ids of all that `person` is listed for `query`, page by page.
pub(crate) async fn listed(person: &Member, clinic: &Clinic<'_>, query: &str) -> Vec<String> {
    ids(&person.all(&clinic.path(&format!("/transactions{query}"))).await)
}

/// The same, in no order.
pub(crate) async fn found(person: &Member, clinic: &Clinic<'_>, query: &str) -> BTreeSet<String> {
    listed(person, clinic, query).await.into_iter().collect()
}

/// The ids of these, in no order.
pub(crate) fn set(transactions: &[&Transaction]) -> BTreeSet<String> {
    own(transactions).into_iter().collect()
}

/// The money trail of a booking, as `person` gets it.
pub(crate) async fn trail(person: &Member, clinic: &Clinic<'_>, booking: &impl ToString) -> Answer {
    let path = clinic.path(&format!("/bookings/{}/money-trail", booking.to_string()));
    person.get(&path).await
}

/// The statement of a month, as `person` gets it.
pub(crate) async fn statement(
    person: &Member,
    clinic: &Clinic<'_>,
    specialist: &impl ToString,
    month: &str,
) -> Answer {
    let path = clinic.path(&format!(
        "/specialists/{}/statements/{month}",
        specialist.to_string()
    ));
    person.get(&path).await
}

/// What does not fit in a trail.
pub(crate) fn findings(trail: &Answer) -> Vec<String> {
    let trail = trail.json();
    let all = trail["findings"].as_array().expect("findings").iter();
    all.map(|finding| finding["finding"].as_str().unwrap().to_owned())
        .collect()
}
