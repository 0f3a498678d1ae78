//! Entries for the tests of this module.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;

use crate::external::{ExternalId, Sourced, Stamp};
use crate::id::{BookingId, PatientId, SiteId, SpecialistId, TransactionId};
use crate::money::Money;
use crate::sample::now;

use super::{
    BalanceStatus, Entry, Kind, Party, PaymentStatus, PayoutStatus, Person, RefundStatus, Status, Taken,
    Transaction, TransactionRecord, TransactionReferences, TransactionRow,
};

pub(super) fn euros(amount_minor: i64) -> Money {
    Money {
        amount_minor,
        currency: "EUR".parse().unwrap(),
    }
}

fn external(value: &str) -> ExternalId {
    ExternalId {
        system: "stripe".parse().unwrap(),
        value: value.parse().unwrap(),
    }
}

pub(super) fn sourced(value: &str) -> Sourced {
    Sourced {
        source: "platform".parse().unwrap(),
        external: external(value),
        stamp: Stamp {
            version: Some(1),
            occurred_at: now(),
        },
        digest: String::new(),
    }
}

/// The statuses that entries of `kind` can be sent with.
pub(super) fn statuses(kind: Kind) -> Vec<Status> {
    let can = |status: &Status| match kind {
        Kind::Payment => PaymentStatus::try_from(*status).is_ok(),
        Kind::Refund => RefundStatus::try_from(*status).is_ok(),
        Kind::Earning | Kind::EarningReversal => BalanceStatus::try_from(*status).is_ok(),
        Kind::Payout | Kind::PayoutReversal => PayoutStatus::try_from(*status).is_ok(),
    };
    Status::ALL.iter().copied().filter(can).collect()
}

/// A line about a new entry, that is through.
pub(super) fn record(kind: Kind, amount: Money) -> TransactionRecord {
    let named = |is: bool, value: &str| is.then(|| external(value));
    TransactionRecord {
        kind,
        status: match kind {
            Kind::Payment | Kind::Refund => Status::Succeeded,
            Kind::Earning | Kind::EarningReversal => Status::Available,
            Kind::Payout | Kind::PayoutReversal => Status::Paid,
        },
        amount_minor: amount.amount_minor,
        currency: amount.currency,
        fee_minor: None,
        net_minor: None,
        occurred_at: now().into(),
        available_on: None,
        site: external("site"),
        patient: named(kind.party() == Party::Patient, "patient"),
        specialist: named(kind.party() == Party::Specialist, "specialist"),
        booking: Some(external("booking")),
        parent: named(kind.parent().is_some(), "parent"),
        sponsor: None,
        failure: None,
    }
}

/// What such a line refers to: a person, site and booking of its own, or those of `parent`.
pub(super) fn references(kind: Kind, parent: Option<&Transaction>) -> TransactionReferences {
    let person = match kind.party() {
        Party::Patient => Person::Patient {
            patient: PatientId::mint(now()),
            name: Some("Noor Haddad".parse().unwrap()),
        },
        Party::Specialist => Person::Specialist {
            specialist: SpecialistId::mint(now()),
            name: Some("Lin Tanaka".parse().unwrap()),
        },
    };
    TransactionReferences {
        site: parent.map_or_else(|| SiteId::mint(now()), |parent| parent.row.site),
        shards: 4,
        person: Some(parent.map_or(person, |parent| parent.row.person.clone())),
        booking: Some(
            parent
                .and_then(|parent| parent.row.booking)
                .unwrap_or_else(|| BookingId::mint(now())),
        ),
        parent: parent.cloned(),
    }
}

fn taken(kind: Kind, amount: Money, parent: Option<&Transaction>) -> Taken {
    let (record, references) = (record(kind, amount), references(kind, parent));
    Transaction::taken(record, references, sourced("tr_1"), None, now()).unwrap()
}

pub(super) fn payment(amount: Money) -> Transaction {
    taken(Kind::Payment, amount, None).entry
}

pub(super) fn earning(amount: Money) -> Transaction {
    taken(Kind::Earning, amount, None).entry
}

pub(super) fn payout(amount: Money) -> Transaction {
    taken(Kind::Payout, amount, None).entry
}

pub(super) fn refund(payment: &Transaction, amount_minor: i64) -> Taken {
    taken(Kind::Refund, euros(amount_minor), Some(payment))
}

pub(super) fn reversal(earning: &Transaction, amount_minor: i64) -> Taken {
    taken(Kind::EarningReversal, euros(amount_minor), Some(earning))
}

fn instant() -> impl Strategy<Value = Timestamp> {
    (-3_000_000_i64..3_000_000).prop_map(|seconds| now() + SignedDuration::from_secs(seconds))
}

/// Any entry: of every kind and status, around May 2026, in three currencies.
pub(crate) fn any_row() -> impl Strategy<Value = TransactionRow> {
    let kind = select(Kind::ALL).prop_flat_map(|kind| (Just(kind), select(statuses(kind))));
    let amount = (1_i64..1_000_000_000, 0_i64..1_000_000, 0_i64..=100);
    let currency = select(vec!["EUR", "JPY", "USD"]);
    (kind, amount, currency, instant()).prop_map(
        |((kind, status), (amount_minor, fee, percent), currency, occurred_at)| {
            let parent = TransactionId::mint(now());
            let back = amount_minor * percent / 100;
            let entry = match kind {
                Kind::Payment => Entry::Payment {
                    status: status.try_into().unwrap(),
                    fee_minor: fee,
                    refunded_minor: back,
                },
                Kind::Refund => Entry::Refund {
                    status: status.try_into().unwrap(),
                    parent,
                },
                Kind::Earning => Entry::Earning {
                    status: status.try_into().unwrap(),
                    fee_minor: fee,
                    reversed_minor: back,
                },
                Kind::EarningReversal => Entry::EarningReversal {
                    status: status.try_into().unwrap(),
                    parent,
                },
                Kind::Payout => Entry::Payout {
                    status: status.try_into().unwrap(),
                    reversed_minor: back,
                },
                Kind::PayoutReversal => Entry::PayoutReversal {
                    status: status.try_into().unwrap(),
                    parent,
                },
            };
            let references = references(kind, None);
            TransactionRow {
                id: TransactionId::mint(now()),
                site: references.site,
                shard: 0,
                person: references.person.unwrap(),
                entry,
                amount: Money {
                    amount_minor,
                    currency: currency.parse().unwrap(),
                },
                occurred_at,
                available_on: None,
                booking: references.booking,
                reference: Some(sourced("tr_1").external.value),
            }
        },
    )
}
