//! What the platform says of an entry, and what becomes of it and of the entry it gives a part back of.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;

use crate::change::Write;
use crate::code::{At, Code, Refusal};
use crate::external::{ExternalId, Sourced};
use crate::id::{BookingId, OrganizationId, SiteId, TransactionId};
use crate::money::{Currency, MOST_MINOR, Money};
use crate::time::Moment;

use super::kind::Progress;
use super::{Entry, Failure, Kind, LONGEST_REFERENCE, Party, Person, Status, Transaction, TransactionRow};

/// What a line of the platform says of an entry. It names other records as its source does.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransactionRecord {
    /// What it is.
    pub kind: Kind,
    /// How it stands: a status that this kind can have.
    pub status: Status,
    /// How much, in minor units, always positive.
    pub amount_minor: i64,
    /// Of which currency.
    pub currency: Currency,
    /// What others keep of a payment or an earning; nothing if not said.
    pub fee_minor: Option<i64>,
    /// What is left after that; if said, it must be so.
    pub net_minor: Option<i64>,
    /// When it happened.
    pub occurred_at: Moment,
    /// The day from which the money can be used, or on which it arrives.
    pub available_on: Option<Date>,
    /// Where it happened.
    pub site: ExternalId,
    /// Whose it is, where it is a patient's.
    pub patient: Option<ExternalId>,
    /// Whose it is, where it is a specialist's.
    pub specialist: Option<ExternalId>,
    /// What it was for. What gives back is for the same as what it is of, if not said.
    pub booking: Option<ExternalId>,
    /// The transaction that it gives a part back of.
    pub parent: Option<ExternalId>,
    /// The organization that sponsors it. Never another one later.
    pub sponsor: Option<OrganizationId>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

/// What the names in a record stand for.
#[derive(Debug, Clone)]
pub struct TransactionReferences {
    /// The site.
    pub site: SiteId,
    /// Into how many partitions the site's collections are spread.
    pub shards: u8,
    /// The patient or specialist, with their present name; none if the record names neither.
    pub person: Option<Person>,
    /// The booking.
    pub booking: Option<BookingId>,
    /// The transaction that it gives a part back of, as it is now.
    pub parent: Option<Transaction>,
}

/// What a line comes to. Both are written in one transaction, each only if it still is as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The entry.
    pub entry: Transaction,
    /// What it gives a part back of, in its next revision; none where the sum of what is given back stays as it is.
    pub parent: Option<Transaction>,
}

/// An amount within `least` and [`MOST_MINOR`].
fn amount(minor: i64, least: i64) -> Result<i64, Refusal> {
    if (least..=MOST_MINOR).contains(&minor) {
        return Ok(minor);
    }
    Err(Refusal::new(
        Code::AmountInvalid,
        format!("must be {least} to {MOST_MINOR} minor units"),
    ))
}

/// None before 1970, which could not be sorted.
fn instant(at: Moment) -> Result<Timestamp, Refusal> {
    let at = Timestamp::from(at);
    if at < Timestamp::UNIX_EPOCH {
        return Err(Refusal::new(Code::FieldsInvalid, "must not be before 1970"));
    }
    Ok(at)
}

fn fixed(is_same: bool, pointer: &str) -> Result<(), Refusal> {
    let refusal = Refusal::from(Code::FieldFixed);
    is_same.then_some(()).ok_or(refusal).at(pointer)
}

impl TransactionRecord {
    fn fee(&self) -> Result<i64, Refusal> {
        let fee = amount(self.fee_minor.unwrap_or(0), 0).at("/fee_minor")?;
        if !matches!(self.kind, Kind::Payment | Kind::Earning) && self.fee_minor.is_some() {
            let refusal = Refusal::new(Code::AmountInvalid, "only payments and earnings have a fee");
            return Err(refusal.at("/fee_minor"));
        }
        if self.net_minor.is_some_and(|net| net != self.amount_minor - fee) {
            let refusal = Refusal::new(Code::AmountInvalid, "must be the amount without the fee");
            return Err(refusal.at("/net_minor"));
        }
        Ok(fee)
    }

    /// The person, who must be of the party that the kind is about, and the only one named.
    fn person(&self, found: Option<Person>) -> Result<Person, Refusal> {
        let (wanted, other) = match self.kind.party() {
            Party::Patient => ("/patient", self.specialist.is_some().then_some("/specialist")),
            Party::Specialist => ("/specialist", self.patient.is_some().then_some("/patient")),
        };
        if let Some(other) = other {
            let refusal = Refusal::new(Code::FieldsInvalid, "this kind of entry has no such party");
            return Err(refusal.at(other));
        }
        let is_of_party = |person: &Person| match self.kind.party() {
            Party::Patient => person.patient().is_some(),
            Party::Specialist => person.specialist().is_some(),
        };
        found
            .filter(is_of_party)
            .ok_or_else(|| Refusal::new(Code::FieldsInvalid, "is missing").at(wanted))
    }

    /// What the entry gives a part back of, if this kind does: it must be of the right kind and currency, and not be deleted.
    fn parent<'a>(&self, found: Option<&'a Transaction>) -> Result<Option<&'a Transaction>, Refusal> {
        let mismatch = |why: &'static str| Err(Refusal::new(Code::ParentMismatch, why).at("/parent"));
        match (self.kind.parent(), found) {
            (None, None) if self.parent.is_none() => Ok(None),
            (None, _) => mismatch("this kind of entry gives nothing back"),
            (Some(_), None) => mismatch("is missing"),
            (Some(kind), Some(parent)) if parent.row.kind() != kind => mismatch("is of another kind"),
            (Some(_), Some(parent)) if parent.deleted => mismatch("was deleted"),
            (Some(_), Some(parent)) if parent.row.amount.currency != self.currency => {
                Err(Refusal::from(Code::CurrencyMismatch).at("/currency"))
            }
            (Some(_), Some(parent)) => Ok(Some(parent)),
        }
    }

    /// What it is and how it stands, over what is kept: some things do not come after others, and what others give back stays.
    fn entry(
        &self,
        fee_minor: i64,
        parent: Option<&Transaction>,
        kept: Option<&Transaction>,
    ) -> Result<Entry, Refusal> {
        let given_back = kept.and_then(|kept| kept.row.given_back_minor()).unwrap_or(0);
        let missing = || Refusal::new(Code::ParentMismatch, "is missing").at("/parent");
        let parent = || parent.map(|parent| parent.row.id).ok_or_else(missing);
        Ok(match self.kind {
            Kind::Payment => Entry::Payment {
                status: self.status(kept)?,
                fee_minor,
                refunded_minor: given_back,
            },
            Kind::Refund => Entry::Refund {
                status: self.status(kept)?,
                parent: parent()?,
            },
            Kind::Earning => Entry::Earning {
                status: self.status(kept)?,
                fee_minor,
                reversed_minor: given_back,
            },
            Kind::EarningReversal => Entry::EarningReversal {
                status: self.status(kept)?,
                parent: parent()?,
            },
            Kind::Payout => Entry::Payout {
                status: self.status(kept)?,
                reversed_minor: given_back,
            },
            Kind::PayoutReversal => Entry::PayoutReversal {
                status: self.status(kept)?,
                parent: parent()?,
            },
        })
    }

    /// The record's status as one of its kind, if it may come after the one that is kept.
    fn status<S: Progress + TryFrom<Status, Error = Refusal>>(
        &self,
        kept: Option<&Transaction>,
    ) -> Result<S, Refusal> {
        let status = S::try_from(self.status).at("/status")?;
        let before = kept
            .filter(|kept| !kept.deleted)
            .map(|kept| kept.row.entry.status());
        match before.map(S::try_from) {
            Some(Ok(before)) if !status.may_follow(before) => {
                Err(Refusal::new(Code::StatusInvalid, "cannot come after what it was before").at("/status"))
            }
            _ => Ok(status),
        }
    }
}

impl Taken {
    /// What is to be written: `kept` is the entry as it was read, and `parent` what it gives a part back of.
    #[must_use]
    pub fn writes(self, kept: Option<Transaction>, parent: Option<Transaction>) -> Vec<Write> {
        let put = |new: Transaction, old: Option<Transaction>| Write::TransactionPut {
            new: Box::new(new),
            old: old.map(Box::new),
        };
        let parent = self.parent.map(|new| put(new, parent));
        std::iter::once(put(self.entry, kept)).chain(parent).collect()
    }
}

impl Transaction {
    /// The entry as a line of its source says, and what it gives a part back of; `kept` is what is there.
    ///
    /// What refunds and reversals give back, in sum, is kept by what they are of: it changes with them, in one transaction and
    /// in the revision that was read. So two that are each small enough and together too large cannot both be taken, in
    /// whatever order and by whomever they are sent.
    ///
    /// # Errors
    /// [`Code::AmountInvalid`], [`Code::StatusInvalid`], [`Code::FieldsInvalid`]; [`Code::ParentMismatch`],
    /// [`Code::CurrencyMismatch`] or [`Code::AmountExceedsParent`] for what gives back something of another entry, the last also
    /// for one that would be less than what was given back of it; [`Code::FieldFixed`] where the line makes something else of
    /// the entry than it is. Each names the field.
    pub fn taken(
        record: TransactionRecord,
        references: TransactionReferences,
        sourced: Sourced,
        kept: Option<&Self>,
        now: Timestamp,
    ) -> Result<Taken, Refusal> {
        let amount_minor = amount(record.amount_minor, 1).at("/amount_minor")?;
        let fee_minor = record.fee()?;
        let parent = record.parent(references.parent.as_ref())?;
        let person = record.person(references.person)?;
        let entry = record.entry(fee_minor, parent, kept)?;
        if record.failure.is_some() && record.status != Status::Failed {
            let refusal = Refusal::new(Code::FieldsInvalid, "only what failed has a failure");
            return Err(refusal.at("/failure"));
        }
        let id = kept.map_or_else(|| TransactionId::mint(now), |kept| kept.row.id);
        let row = TransactionRow {
            id,
            site: references.site,
            shard: u8::try_from(id.uuid().as_u128() % u128::from(references.shards.max(1))).unwrap_or(0),
            person,
            entry,
            amount: Money {
                amount_minor,
                currency: record.currency,
            },
            occurred_at: instant(record.occurred_at).at("/occurred_at")?,
            available_on: record.available_on,
            booking: references
                .booking
                .or_else(|| parent.and_then(|parent| parent.row.booking)),
            reference: Some(sourced.external.value.clone())
                .filter(|value| value.as_str().len() <= LONGEST_REFERENCE),
        };
        if row.given_back_minor() > Some(amount_minor) {
            return Err(Refusal::from(Code::AmountExceedsParent).at("/amount_minor"));
        }
        let new = Self {
            row,
            sponsor: record.sponsor,
            failure: record.failure,
            sourced: Some(sourced),
            deleted: false,
            rev: kept.map_or(1, |kept| kept.rev + 1),
            created_at: kept.map_or(now, |kept| kept.created_at),
            updated_at: now,
        };
        if let Some(kept) = kept {
            new.is_still(kept)?;
        }
        if let Some(parent) = parent {
            new.is_of(parent)?;
        }
        let by = new.taken_minor() - kept.map_or(0, Self::taken_minor);
        Ok(Taken {
            parent: parent
                .map(|parent| parent.given_back(by, now))
                .transpose()?
                .flatten(),
            entry: new,
        })
    }

    /// The entry as its source has deleted it, and `parent`, what it gives a part back of. What is left is in no list and no
    /// sum, and names nobody.
    ///
    /// # Errors
    /// [`Code::EntryHasParts`] while something that was given back of it counts; [`Code::ParentMismatch`] if `parent` is
    /// something else.
    pub fn tombstone(
        &self,
        parent: Option<&Self>,
        sourced: Sourced,
        now: Timestamp,
    ) -> Result<Taken, Refusal> {
        if self.row.given_back_minor() > Some(0) {
            return Err(Code::EntryHasParts.into());
        }
        let by = self.taken_minor();
        let parent = parent.filter(|parent| Some(parent.row.id) == self.row.parent());
        let parent = match parent {
            Some(parent) => parent.given_back(-by, now)?,
            None if by == 0 => None,
            None => return Err(Code::ParentMismatch.into()),
        };
        let mut entry = Self {
            sourced: Some(sourced),
            deleted: true,
            rev: self.rev + 1,
            updated_at: now,
            ..self.clone()
        };
        let (Person::Patient { name, .. } | Person::Specialist { name, .. }) = &mut entry.row.person;
        *name = None;
        Ok(Taken { entry, parent })
    }

    /// Refuses to make something else of `kept`: another state of an entry is the same entry. Who and where may be corrected.
    fn is_still(&self, kept: &Self) -> Result<(), Refusal> {
        fixed(self.row.kind() == kept.row.kind(), "/kind")?;
        fixed(self.row.amount.currency == kept.row.amount.currency, "/currency")?;
        fixed(self.row.parent() == kept.row.parent(), "/parent")?;
        fixed(self.sponsor == kept.sponsor, "/sponsor")
    }

    /// Refuses what gives back to somebody else, or for something else, than what it is of.
    fn is_of(&self, parent: &Self) -> Result<(), Refusal> {
        let same = |is_same: bool, pointer: &str| {
            let refusal = Refusal::new(Code::ParentMismatch, "is another one's");
            is_same.then_some(()).ok_or(refusal).at(pointer)
        };
        let person = match self.row.party() {
            Party::Patient => "/patient",
            Party::Specialist => "/specialist",
        };
        same(self.row.person.is(&parent.row.person), person)?;
        same(self.row.site == parent.row.site, "/site")?;
        same(self.row.booking == parent.row.booking, "/booking")?;
        same(self.sponsor == parent.sponsor, "/sponsor")
    }

    /// The entry with `by` more given back of it; none where that changes nothing.
    fn given_back(&self, by: i64, now: Timestamp) -> Result<Option<Self>, Refusal> {
        if by == 0 {
            return Ok(None);
        }
        let mut new = self.clone();
        let given_back = match &mut new.row.entry {
            Entry::Payment { refunded_minor, .. } => refunded_minor,
            Entry::Earning { reversed_minor, .. } | Entry::Payout { reversed_minor, .. } => reversed_minor,
            _ => return Err(Code::ParentMismatch.into()),
        };
        *given_back += by;
        if !(0..=self.row.amount.amount_minor).contains(given_back) {
            return Err(Refusal::from(Code::AmountExceedsParent).at("/amount_minor"));
        }
        new.rev += 1;
        new.updated_at = now;
        Ok(Some(new))
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::super::sample::{
        earning, euros, payment, payout, record, references, refund, reversal, sourced, statuses,
    };
    use super::*;
    use crate::id::{OrganizationId, PatientId};
    use crate::sample::now;

    fn taken(
        kind: Kind,
        kept: Option<&Transaction>,
        parent: Option<&Transaction>,
        change: impl FnOnce(&mut TransactionRecord, &mut TransactionReferences),
    ) -> Result<Taken, Refusal> {
        let mut record = record(kind, euros(10_000));
        let mut references = references(kind, parent);
        if let Some(kept) = kept {
            references.site = kept.row.site;
            references.person = Some(kept.row.person.clone());
            references.booking = kept.row.booking;
        }
        change(&mut record, &mut references);
        Transaction::taken(
            record,
            references,
            sourced("tr_1"),
            kept,
            now() + SignedDuration::from_secs(1),
        )
    }

    #[track_caller]
    fn refused(result: Result<Taken, Refusal>, code: Code, pointer: &str) {
        let refusal = result.unwrap_err();
        assert_eq!(
            (refusal.code, refusal.errors[0].pointer.as_str()),
            (code, pointer)
        );
    }

    #[test]
    fn a_line_of_the_platform_reads_as_it_is_written() {
        let line = serde_json::json!({
            "kind": "payout", "status": "failed", "amount_minor": 12_000, "currency": "EUR",
            "occurred_at": "2026-05-04T09:00:00Z", "available_on": "2026-05-06",
            "site": { "system": "sites", "value": "riverside" },
            "specialist": { "system": "people", "value": "77" },
            "failure": { "code": "account_closed", "message_key": "payout.account_closed" },
        });
        let read: TransactionRecord = serde_json::from_value(line.clone()).unwrap();
        assert_eq!(
            (read.kind, read.status, read.amount_minor),
            (Kind::Payout, Status::Failed, 12_000)
        );
        for (field, value) in [
            ("amount_minor", serde_json::json!(12.5)),
            ("amount_minor", serde_json::json!("12000")),
            ("amount_minor", serde_json::json!(1e30)),
            ("currency", serde_json::json!("eur")),
            ("status", serde_json::json!("done")),
            ("kind", serde_json::json!("dispute")),
            ("refunded_minor", serde_json::json!(1)),
            ("failure", serde_json::json!({ "code": "Closed by Noor" })),
        ] {
            let mut bad = line.clone();
            bad[field] = value;
            assert!(
                serde_json::from_value::<TransactionRecord>(bad).is_err(),
                "{field}"
            );
        }
    }

    #[test]
    fn an_amount_is_positive_and_exact_in_json() {
        for amount in [0, -1, i64::MIN, MOST_MINOR + 1, i64::MAX] {
            let result = taken(Kind::Payment, None, None, |record, _| {
                record.amount_minor = amount;
            });
            refused(result, Code::AmountInvalid, "/amount_minor");
        }
        for amount in [1, MOST_MINOR] {
            assert!(
                taken(Kind::Payment, None, None, |record, _| record.amount_minor =
                    amount)
                .is_ok()
            );
        }
    }

    #[test]
    fn only_payments_and_earnings_have_a_fee_and_the_rest_is_net() {
        let with = |kind: Kind, fee: i64, net: Option<i64>| {
            let parent = match kind.parent() {
                Some(Kind::Payment) => Some(payment(euros(10_000))),
                Some(Kind::Earning) => Some(earning(euros(10_000))),
                Some(_) => Some(payout(euros(10_000))),
                None => None,
            };
            taken(kind, None, parent.as_ref(), |record, _| {
                record.fee_minor = Some(fee);
                record.net_minor = net;
            })
        };
        for kind in [Kind::Payment, Kind::Earning] {
            assert_eq!(
                with(kind, 320, Some(9_680)).unwrap().entry.row.net_minor(),
                Some(9_680)
            );
            assert_eq!(with(kind, 0, None).unwrap().entry.row.fee_minor(), Some(0));
            refused(with(kind, 320, Some(9_679)), Code::AmountInvalid, "/net_minor");
            for fee in [-1, MOST_MINOR + 1] {
                refused(with(kind, fee, None), Code::AmountInvalid, "/fee_minor");
            }
        }
        for kind in [
            Kind::Refund,
            Kind::EarningReversal,
            Kind::Payout,
            Kind::PayoutReversal,
        ] {
            refused(with(kind, 0, None), Code::AmountInvalid, "/fee_minor");
        }
    }

    #[test]
    fn an_entry_is_the_party_s_that_its_kind_is_about() {
        refused(
            taken(Kind::Payment, None, None, |record, _| {
                record.specialist = record.patient.clone();
            }),
            Code::FieldsInvalid,
            "/specialist",
        );
        refused(
            taken(Kind::Earning, None, None, |record, _| {
                record.patient = record.specialist.clone();
            }),
            Code::FieldsInvalid,
            "/patient",
        );
        refused(
            taken(Kind::Payment, None, None, |_, references| {
                references.person = None;
            }),
            Code::FieldsInvalid,
            "/patient",
        );
        let other = earning(euros(1)).row.person;
        refused(
            taken(Kind::Payment, None, None, |_, references| {
                references.person = Some(other);
            }),
            Code::FieldsInvalid,
            "/patient",
        );
    }

    #[test]
    fn what_gives_back_belongs_to_what_it_is_of() {
        let (paid, earned) = (payment(euros(10_000)), earning(euros(10_000)));
        let gone = Transaction {
            deleted: true,
            ..paid.clone()
        };
        for (kind, parent) in [
            (Kind::Refund, None),
            (Kind::Refund, Some(&earned)),
            (Kind::Refund, Some(&gone)),
            (Kind::EarningReversal, Some(&paid)),
            (Kind::PayoutReversal, Some(&earned)),
            (Kind::Payment, Some(&paid)),
        ] {
            refused(
                taken(kind, None, parent, |_, _| ()),
                Code::ParentMismatch,
                "/parent",
            );
        }
        let unresolved = taken(Kind::Payment, None, None, |record, _| {
            record.parent = record.patient.clone();
        });
        refused(unresolved, Code::ParentMismatch, "/parent");

        let with = |change: fn(&mut TransactionRecord, &mut TransactionReferences)| {
            taken(Kind::Refund, None, Some(&paid), change)
        };
        refused(
            with(|record, _| record.currency = "USD".parse().unwrap()),
            Code::CurrencyMismatch,
            "/currency",
        );
        let elsewhere = references(Kind::Refund, None);
        for (pointer, change) in [
            (
                "/patient",
                &(|r: &mut TransactionReferences| r.person = elsewhere.person.clone())
                    as &dyn Fn(&mut TransactionReferences),
            ),
            ("/site", &|r| r.site = elsewhere.site),
            ("/booking", &|r| r.booking = elsewhere.booking),
        ] {
            let result = taken(Kind::Refund, None, Some(&paid), |_, references| {
                change(references);
            });
            refused(result, Code::ParentMismatch, pointer);
        }
        let sponsored = with(|record, _| record.sponsor = Some(OrganizationId::mint(now())));
        refused(sponsored, Code::ParentMismatch, "/sponsor");
        let of_same = with(|_, references| references.booking = None).unwrap();
        assert_eq!(of_same.entry.row.booking, paid.row.booking);
        // A name may have changed since.
        let renamed = Person::Patient {
            patient: paid.row.person.patient().unwrap(),
            name: None,
        };
        let renamed = taken(Kind::Refund, None, Some(&paid), |_, references| {
            references.person = Some(renamed);
        });
        assert!(renamed.is_ok());
    }

    #[test]
    fn only_what_failed_has_a_failure() {
        let failure = || {
            Some(Failure {
                code: "account_closed".to_owned().try_into().unwrap(),
                message_key: None,
            })
        };
        refused(
            taken(Kind::Payout, None, None, |record, _| record.failure = failure()),
            Code::FieldsInvalid,
            "/failure",
        );
        let failed = taken(Kind::Payout, None, None, |record, _| {
            record.status = Status::Failed;
            record.failure = failure();
        });
        assert_eq!(failed.unwrap().entry.failure, failure());
    }

    #[test]
    fn an_entry_stays_what_it_is_and_follows_its_states() {
        // Given a payout that is said to have arrived
        let paid = payout(euros(10_000));
        let next = |change: fn(&mut TransactionRecord, &mut TransactionReferences)| {
            taken(Kind::Payout, Some(&paid), None, change)
        };

        // Then it may fail nevertheless, and be corrected
        let failed = next(|record, _| record.status = Status::Failed).unwrap().entry;
        assert_eq!(
            (failed.row.id, failed.rev, failed.row.status()),
            (paid.row.id, 2, Status::Failed)
        );
        assert_eq!((failed.created_at, failed.row.counts()), (paid.created_at, false));
        let corrected = next(|record, _| record.amount_minor = 9_900).unwrap().entry;
        assert_eq!(corrected.row.amount, euros(9_900));

        // But it is not what it was before, and never something else
        refused(
            next(|record, _| record.status = Status::Pending),
            Code::StatusInvalid,
            "/status",
        );
        refused(
            next(|record, _| record.status = Status::Succeeded),
            Code::StatusInvalid,
            "/status",
        );
        refused(
            next(|record, _| record.currency = "USD".parse().unwrap()),
            Code::FieldFixed,
            "/currency",
        );
        refused(
            next(|record, _| record.sponsor = Some(OrganizationId::mint(now()))),
            Code::FieldFixed,
            "/sponsor",
        );
        refused(
            taken(Kind::Earning, Some(&paid), None, |_, _| ()),
            Code::FieldFixed,
            "/kind",
        );
        let (first, second) = (payment(euros(10_000)), payment(euros(10_000)));
        let back = refund(&first, 1).entry;
        let moved = taken(Kind::Refund, Some(&back), Some(&second), |record, references| {
            *references = super::super::sample::references(Kind::Refund, Some(&second));
            record.amount_minor = 1;
        });
        refused(moved, Code::FieldFixed, "/parent");
    }

    #[test]
    fn refunds_together_are_at_most_the_payment() {
        let first = refund(&payment(euros(10_000)), 6_000);
        let paid = first.parent.unwrap();
        assert_eq!((paid.row.given_back_minor(), paid.rev), (Some(6_000), 2));
        let too_much = taken(Kind::Refund, None, Some(&paid), |record, _| {
            record.amount_minor = 4_001;
        });
        refused(too_much, Code::AmountExceedsParent, "/amount_minor");
        let rest = refund(&paid, 4_000).parent.unwrap();
        assert_eq!(rest.row.given_back_minor(), Some(10_000));
        let less = taken(Kind::Payment, Some(&rest), None, |record, _| {
            record.amount_minor = 9_999;
        });
        refused(less, Code::AmountExceedsParent, "/amount_minor");
    }

    #[test]
    fn a_refund_that_fails_gives_its_amount_back_and_a_mere_step_leaves_the_payment_alone() {
        let pending = taken(Kind::Refund, None, Some(&payment(euros(10_000))), |record, _| {
            record.status = Status::Pending;
        });
        let (back, paid) = pending.map(|taken| (taken.entry, taken.parent.unwrap())).unwrap();
        let as_status = |status: Status| {
            taken(Kind::Refund, Some(&back), Some(&paid), |record, _| {
                record.status = status;
            })
            .unwrap()
        };
        assert_eq!(as_status(Status::Succeeded).parent, None);
        for status in [Status::Failed, Status::Canceled] {
            let paid = as_status(status).parent.unwrap();
            assert_eq!((paid.row.given_back_minor(), paid.rev), (Some(0), 3));
        }
    }

    #[test]
    fn what_was_deleted_is_in_no_sum_and_may_come_again() {
        let taken_once = reversal(&earning(euros(9_000)), 3_000);
        let (back, earned) = (taken_once.entry, taken_once.parent.unwrap());
        let later = now() + SignedDuration::from_secs(5);

        // What something was given back of stays
        let refusal = earned.tombstone(None, sourced("tr_1"), later).unwrap_err();
        assert_eq!(refusal.code, Code::EntryHasParts);
        let foreign = earning(euros(9_000));
        let refusal = back
            .tombstone(Some(&foreign), sourced("tr_1"), later)
            .unwrap_err();
        assert_eq!(refusal.code, Code::ParentMismatch);

        // The part goes first, and then the whole
        let gone = back.tombstone(Some(&earned), sourced("tr_1"), later).unwrap();
        let earned = gone.parent.unwrap();
        assert_eq!(
            (earned.row.given_back_minor(), earned.row.status()),
            (Some(0), Status::Available)
        );
        assert!(gone.entry.deleted && gone.entry.row.person.name().is_none());
        assert_eq!((gone.entry.rev, gone.entry.updated_at), (2, later));
        assert!(earned.tombstone(None, sourced("tr_1"), later).is_ok());

        // A newer state brings it back, and takes its amount again
        let again = taken(
            Kind::EarningReversal,
            Some(&gone.entry),
            Some(&earned),
            |record, _| {
                record.status = Status::Pending;
                record.amount_minor = 9_000;
            },
        );
        let again = again.unwrap();
        assert!(!again.entry.deleted && again.entry.row.id == back.row.id && again.entry.rev == 3);
        assert_eq!(again.parent.unwrap().row.status(), Status::Reversed);
    }

    #[test]
    fn an_instant_is_kept_to_the_millisecond_and_sorts() {
        let fine: Moment = "2026-05-04T09:00:00.123456789Z".parse().unwrap();
        let kept = taken(Kind::Payment, None, None, |record, _| record.occurred_at = fine).unwrap();
        assert_eq!(kept.entry.row.occurred_at.to_string(), "2026-05-04T09:00:00.123Z");
        let early: Moment = "1969-12-31T23:59:59.999Z".parse().unwrap();
        refused(
            taken(Kind::Payment, None, None, |record, _| record.occurred_at = early),
            Code::FieldsInvalid,
            "/occurred_at",
        );
    }

    /// One thing that a source sends: of several parts of one whole, which, and how it is now.
    #[derive(Debug, Clone)]
    enum Sent {
        Part(usize, i64, Status),
        Whole(i64, Status),
        PartGone(usize),
        WholeGone,
    }

    fn sent(whole: Kind, part: Kind) -> impl Strategy<Value = Sent> {
        let amount = || prop_oneof![1_i64..=60, -1_i64..=1, Just(MOST_MINOR)];
        prop_oneof![
            6 => (0..4_usize, amount(), select(statuses(part))).prop_map(|(which, amount, status)| Sent::Part(which, amount, status)),
            2 => (amount(), select(statuses(whole))).prop_map(|(amount, status)| Sent::Whole(amount, status)),
            1 => (0..4_usize).prop_map(Sent::PartGone),
            1 => Just(Sent::WholeGone),
        ]
    }

    /// A ledger of one whole and its parts, as the table keeps it: each write only over the revision that was read.
    #[derive(Debug, Clone)]
    struct Ledger {
        kind: Kind,
        whole: Transaction,
        parts: [Option<Transaction>; 4],
    }

    impl Ledger {
        fn new(kind: Kind, part: Kind) -> Self {
            let whole = Transaction::taken(
                record(kind, euros(100)),
                references(kind, None),
                sourced("w"),
                None,
                now(),
            );
            Self {
                kind: part,
                whole: whole.unwrap().entry,
                parts: Default::default(),
            }
        }

        /// What `sent` comes to over what is read now.
        fn decide(&self, sent: &Sent) -> Result<Taken, Refusal> {
            let line = |kind: Kind, amount: i64, status: Status| {
                let mut line = record(kind, euros(amount));
                line.status = status;
                line
            };
            match *sent {
                Sent::Part(which, amount, status) => {
                    let references = references(self.kind, Some(&self.whole));
                    let line = line(self.kind, amount, status);
                    Transaction::taken(line, references, sourced("p"), self.parts[which].as_ref(), now())
                }
                Sent::Whole(amount, status) => {
                    let mut references = references(self.whole.row.kind(), Some(&self.whole));
                    references.parent = None;
                    let line = line(self.whole.row.kind(), amount, status);
                    Transaction::taken(line, references, sourced("w"), Some(&self.whole), now())
                }
                Sent::PartGone(which) => match &self.parts[which] {
                    Some(part) => part.tombstone(Some(&self.whole), sourced("p"), now()),
                    None => Err(Code::IdInvalid.into()),
                },
                Sent::WholeGone => self.whole.tombstone(None, sourced("w"), now()),
            }
        }

        /// Writes all of `taken`, or nothing if anything is not as it was read.
        fn commit(&mut self, sent: &Sent, taken: &Taken) -> bool {
            let is_next = |kept: Option<&Transaction>, new: &Transaction| {
                kept.map_or(new.rev == 1, |kept| new.rev == kept.rev + 1)
            };
            let kept = match *sent {
                Sent::Part(which, ..) | Sent::PartGone(which) => self.parts[which].as_ref(),
                Sent::Whole(..) | Sent::WholeGone => Some(&self.whole),
            };
            let is_fresh = is_next(kept, &taken.entry)
                && taken
                    .parent
                    .as_ref()
                    .is_none_or(|parent| is_next(Some(&self.whole), parent));
            if is_fresh {
                match *sent {
                    Sent::Part(which, ..) | Sent::PartGone(which) => {
                        self.parts[which] = Some(taken.entry.clone());
                    }
                    Sent::Whole(..) | Sent::WholeGone => self.whole = taken.entry.clone(),
                }
                if let Some(parent) = &taken.parent {
                    self.whole = parent.clone();
                }
            }
            is_fresh
        }

        /// What must hold after every write.
        fn check(&self) -> Result<(), TestCaseError> {
            let parts = || self.parts.iter().flatten();
            let counted: i64 = parts().map(Transaction::taken_minor).sum();
            prop_assert_eq!(self.whole.row.given_back_minor(), Some(counted));
            prop_assert!(counted <= self.whole.row.amount.amount_minor);
            for part in parts() {
                prop_assert_eq!(part.row.amount.currency, self.whole.row.amount.currency);
                prop_assert!((1..=MOST_MINOR).contains(&part.row.amount.amount_minor));
                prop_assert_eq!(part.row.parent(), Some(self.whole.row.id));
                prop_assert!(part.row.person.is(&self.whole.row.person));
            }
            prop_assert!(counted == 0 || !self.whole.deleted);
            Ok(())
        }
    }

    fn wholes_and_parts() -> impl Strategy<Value = (Kind, Kind)> {
        select(vec![
            (Kind::Payment, Kind::Refund),
            (Kind::Earning, Kind::EarningReversal),
            (Kind::Payout, Kind::PayoutReversal),
        ])
    }

    proptest! {
        #[test]
        fn whatever_is_sent_in_whatever_order_parts_are_never_more_than_the_whole(
            (ledger, lines) in wholes_and_parts().prop_flat_map(|(whole, part)| (Just(Ledger::new(whole, part)), vec(sent(whole, part), 1..40))),
        ) {
            let mut ledger = ledger;
            for line in &lines {
                if let Ok(taken) = ledger.decide(line) {
                    prop_assert!(ledger.commit(line, &taken));
                }
                ledger.check()?;
            }
        }

        #[test]
        fn whatever_is_decided_at_once_over_the_same_state_parts_are_never_more_than_the_whole(
            (ledger, rounds) in wholes_and_parts().prop_flat_map(|(whole, part)| {
                (Just(Ledger::new(whole, part)), vec((vec(sent(whole, part), 1..6), any::<Index>()), 1..12))
            }),
        ) {
            // Given several who read the same state, decide, and then commit one after the other
            let mut ledger = ledger;
            for (lines, first) in &rounds {
                let seen = ledger.clone();
                let mut decided: Vec<_> = lines.iter().filter_map(|line| Some((line, seen.decide(line).ok()?))).collect();
                if !decided.is_empty() {
                    let first = first.index(decided.len());
                    decided.rotate_left(first);
                }
                for (line, taken) in &decided {
                    // What rested on what has changed meanwhile is not written.
                    ledger.commit(line, taken);
                    ledger.check()?;
                }
            }
        }

        #[test]
        fn a_refusal_names_its_field_and_nothing_that_was_sent(
            kind in select(Kind::ALL), status in select(Status::ALL), amount in any::<i64>(), fee in proptest::option::of(any::<i64>()),
            net in proptest::option::of(any::<i64>()), has_parent in any::<bool>(),
        ) {
            let paid = payment(euros(50));
            let mut line = record(kind, euros(amount));
            (line.status, line.fee_minor, line.net_minor) = (status, fee, net);
            let references = references(kind, has_parent.then_some(&paid));
            match Transaction::taken(line, references, sourced("tr_1"), None, now()) {
                Ok(taken) => {
                    prop_assert_eq!(taken.entry.row.kind(), kind);
                    prop_assert_eq!(taken.entry.row.party(), kind.party());
                    prop_assert_eq!(taken.entry.row.person.patient().is_some(), kind.party() == Party::Patient);
                    prop_assert_eq!(taken.entry.row.status(), status);
                    prop_assert!(taken.entry.row.net_minor().is_none_or(|net| net.abs() <= MOST_MINOR));
                }
                Err(refusal) => {
                    prop_assert_eq!(refusal.errors.len(), 1);
                    prop_assert!(!refusal.detail.contains("Noor") && !refusal.detail.contains("tr_1"));
                }
            }
        }
    }

    #[test]
    fn who_and_where_may_be_corrected() {
        let paid = payment(euros(10_000));
        let merged = Person::Patient {
            patient: PatientId::mint(now()),
            name: None,
        };
        let corrected = taken(Kind::Payment, Some(&paid), None, |_, references| {
            references.person = Some(merged.clone());
        });
        assert_eq!(corrected.unwrap().entry.row.person, merged);
    }
}
