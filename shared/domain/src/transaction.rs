//! Transactions: one entry of the ledger each, in Stripe's words.
//!
//! There are six kinds: what patients pay and get back, what specialists earn and lose again, and what they are paid out and
//! send back. A fee is no entry of its own, because nobody in the portal is its party: it is a part of the payment or earning
//! that it was taken from, and `net = amount − fee` as in Stripe's balance transactions. Disputes are left out: one that is
//! lost reaches the ledger as a refund and a reversal, and none of the sums below needs to know why.
//!
//! An amount is positive, in one currency, and nothing is ever summed across currencies. What gives a part of another entry
//! back names that entry, has its currency, and is never more than it in sum. A sum over entries cannot be a condition of the
//! table, so the other entry keeps it, and both are written in one transaction (see [`Transaction::taken`]).

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::code::{Code, Refusal};
use crate::external::{ExternalValue, Sourced};
use crate::id::{BookingId, OrganizationId, PatientId, SiteId, SpecialistId, TransactionId};
use crate::money::Money;
use crate::patient::Patient;
use crate::reach::{Reach, Reached};
use crate::specialist::Specialist;
use crate::text::PersonName;

mod kind;
mod query;
mod record;
#[cfg(test)]
pub(crate) mod sample;
mod statement;
mod total;
mod trail;

pub use kind::{BalanceStatus, Kind, Party, PaymentStatus, PayoutStatus, RefundStatus, Status};
pub use query::{Search, TransactionQuery};
pub use record::{Taken, TransactionRecord, TransactionReferences};
pub use statement::{Month, Statement};
pub use total::Totals;
pub use trail::{Branch, Finding, MoneyTrail};

/// The most entries in an answer that is no list: a money trail, a statement.
pub const MOST_AT_ONCE: usize = 1_000;

/// The longest name that an entry can be searched by at its source.
pub const LONGEST_REFERENCE: usize = 64;

/// The most bytes of a person's name in a row: with all keys, a row stays within a kilobyte.
const LONGEST_NAME_IN_ROW: usize = 48;

/// Whose money it is, with a copy of the name for lists. The name is none where the person has none, or had it erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "party")]
pub enum Person {
    /// A patient.
    Patient {
        /// Who.
        patient: PatientId,
        /// Their name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<PersonName>,
    },
    /// A specialist.
    Specialist {
        /// Who.
        specialist: SpecialistId,
        /// Their name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<PersonName>,
    },
}

impl From<&Patient> for Person {
    fn from(patient: &Patient) -> Self {
        Self::Patient {
            patient: patient.id,
            name: patient.identity.name.display(),
        }
    }
}

impl From<&Specialist> for Person {
    fn from(specialist: &Specialist) -> Self {
        Self::Specialist {
            specialist: specialist.id,
            name: specialist.profile.name.display(),
        }
    }
}

impl Person {
    /// Their name.
    #[must_use]
    pub const fn name(&self) -> Option<&PersonName> {
        match self {
            Self::Patient { name, .. } | Self::Specialist { name, .. } => name.as_ref(),
        }
    }

    /// The patient, if it is one.
    #[must_use]
    pub const fn patient(&self) -> Option<PatientId> {
        match self {
            Self::Patient { patient, .. } => Some(*patient),
            Self::Specialist { .. } => None,
        }
    }

    /// The specialist, if it is one.
    #[must_use]
    pub const fn specialist(&self) -> Option<SpecialistId> {
        match self {
            Self::Specialist { specialist, .. } => Some(*specialist),
            Self::Patient { .. } => None,
        }
    }

    /// Whether it is the same person, by whatever name.
    fn is(&self, other: &Self) -> bool {
        self.patient() == other.patient() && self.specialist() == other.specialist()
    }
}

/// What an entry is and how it stands, with what belongs to that kind alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "entry")]
pub enum Entry {
    /// A patient pays.
    Payment {
        /// How it stands.
        status: PaymentStatus,
        /// What the payment provider keeps of it.
        fee_minor: i64,
        /// The sum of its refunds that count. At most the payment.
        refunded_minor: i64,
    },
    /// A patient gets something back.
    Refund {
        /// How it stands.
        status: RefundStatus,
        /// Of which payment.
        parent: TransactionId,
    },
    /// A specialist earns.
    Earning {
        /// How it stands.
        status: BalanceStatus,
        /// What the platform keeps of it.
        fee_minor: i64,
        /// The sum of its reversals. At most the earning.
        reversed_minor: i64,
    },
    /// Something of an earning is taken back.
    EarningReversal {
        /// How it stands.
        status: BalanceStatus,
        /// Of which earning.
        parent: TransactionId,
    },
    /// A specialist is paid out.
    Payout {
        /// How it stands. What was paid may fail later.
        status: PayoutStatus,
        /// The sum of its reversals that count. At most the payout.
        reversed_minor: i64,
    },
    /// Something of a payout comes back.
    PayoutReversal {
        /// How it stands.
        status: PayoutStatus,
        /// Of which payout.
        parent: TransactionId,
    },
}

impl Entry {
    /// How it stands by itself, whatever others give back of it.
    fn status(&self) -> Status {
        match *self {
            Self::Payment { status, .. } => status.into(),
            Self::Refund { status, .. } => status.into(),
            Self::Earning { status, .. } | Self::EarningReversal { status, .. } => status.into(),
            Self::Payout { status, .. } | Self::PayoutReversal { status, .. } => status.into(),
        }
    }
}

/// A word of the payment provider: `a` to `z`, `0` to `9`, `_` and `.`, at most 64. Never a sentence, which might name somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FailureWord(String);

impl FailureWord {
    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for FailureWord {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'.';
        if text.is_empty() || text.len() > 64 || !text.bytes().all(is_plain) {
            return Err(Refusal::new(
                Code::TextInvalid,
                "must have 1 to 64 of a to z, 0 to 9, underscores and dots",
            ));
        }
        Ok(Self(text))
    }
}

impl From<FailureWord> for String {
    fn from(word: FailureWord) -> Self {
        word.0
    }
}

/// Why an entry failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The provider's reason, such as `account_closed`.
    pub code: FailureWord,
    /// Which text tells people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_key: Option<FailureWord>,
}

/// An entry as lists, money trails and statements have it: all that sums and filters rest on, and at most a kilobyte of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionRow {
    /// Its id.
    pub id: TransactionId,
    /// Where it happened: every entry is one site's. A payout over several sites is one entry each.
    pub site: SiteId,
    /// Which of the partitions of its site's collection holds it.
    pub shard: u8,
    /// Whose money it is; the kind says of which party.
    #[serde(flatten)]
    pub person: Person,
    /// What it is and how it stands.
    #[serde(flatten)]
    pub entry: Entry,
    /// How much, always positive: the kind says in which direction.
    #[serde(flatten)]
    pub amount: Money,
    /// When it happened.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub occurred_at: Timestamp,
    /// The day from which the money can be used, or on which it arrives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_on: Option<Date>,
    /// What it was for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booking: Option<BookingId>,
    /// What its source calls it, for searching; none if that is longer than [`LONGEST_REFERENCE`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<ExternalValue>,
}

/// One entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// What lists have of it.
    #[serde(flatten)]
    pub row: TransactionRow,
    /// The organization that sponsors what it was for. Never another one later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<OrganizationId>,
    /// Why it failed, where it has and the source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sourced: Option<Sourced>,
    /// Whether the source has deleted it: it is in no list and no sum. What is left tells what comes after that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// Rises with every change, also of the sum that was given back.
    pub rev: u64,
    /// When it was first taken.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub updated_at: Timestamp,
}

impl TransactionRow {
    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self.entry {
            Entry::Payment { .. } => Kind::Payment,
            Entry::Refund { .. } => Kind::Refund,
            Entry::Earning { .. } => Kind::Earning,
            Entry::EarningReversal { .. } => Kind::EarningReversal,
            Entry::Payout { .. } => Kind::Payout,
            Entry::PayoutReversal { .. } => Kind::PayoutReversal,
        }
    }

    /// Whose money it is about.
    #[must_use]
    pub const fn party(&self) -> Party {
        self.kind().party()
    }

    /// How it stands. That an earning was taken back follows from its reversals.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.entry {
            Entry::Earning { reversed_minor, .. } if reversed_minor >= self.amount.amount_minor => {
                Status::Reversed
            }
            Entry::Earning { reversed_minor, .. } if reversed_minor > 0 => Status::PartiallyReversed,
            _ => self.entry.status(),
        }
    }

    /// The entry that it gives back a part of.
    #[must_use]
    pub const fn parent(&self) -> Option<TransactionId> {
        match self.entry {
            Entry::Refund { parent, .. }
            | Entry::EarningReversal { parent, .. }
            | Entry::PayoutReversal { parent, .. } => Some(parent),
            Entry::Payment { .. } | Entry::Earning { .. } | Entry::Payout { .. } => None,
        }
    }

    /// What others keep of it, where that is known of its kind.
    #[must_use]
    pub const fn fee_minor(&self) -> Option<i64> {
        match self.entry {
            Entry::Payment { fee_minor, .. } | Entry::Earning { fee_minor, .. } => Some(fee_minor),
            _ => None,
        }
    }

    /// What is left of it after the fee. Negative where a fee is more than what it is taken from.
    #[must_use]
    pub fn net_minor(&self) -> Option<i64> {
        self.fee_minor().map(|fee| self.amount.amount_minor - fee)
    }

    /// The sum of what other entries give back of it; none where nothing can.
    #[must_use]
    pub const fn given_back_minor(&self) -> Option<i64> {
        match self.entry {
            Entry::Payment { refunded_minor, .. } => Some(refunded_minor),
            Entry::Earning { reversed_minor, .. } | Entry::Payout { reversed_minor, .. } => {
                Some(reversed_minor)
            }
            _ => None,
        }
    }

    /// Whether it is part of sums: what failed or was stopped is not, and a payment only once it has succeeded.
    #[must_use]
    pub const fn counts(&self) -> bool {
        match self.entry {
            Entry::Payment { status, .. } => matches!(status, PaymentStatus::Succeeded),
            Entry::Refund { status, .. } => status.counts(),
            Entry::Earning { .. } | Entry::EarningReversal { .. } => true,
            Entry::Payout { status, .. } | Entry::PayoutReversal { status, .. } => status.counts(),
        }
    }

    /// By how much it changes what a specialist is still owed; nothing if it does not count.
    #[must_use]
    pub fn balance_minor(&self) -> i64 {
        let amount = self.amount.amount_minor;
        match self.entry {
            _ if !self.counts() => 0,
            Entry::Payment { .. } | Entry::Refund { .. } => 0,
            Entry::Earning { fee_minor, .. } => amount - fee_minor,
            Entry::EarningReversal { .. } | Entry::Payout { .. } => -amount,
            Entry::PayoutReversal { .. } => amount,
        }
    }

    /// The row as it is stored: a long name is cut, the entry itself has it whole.
    #[must_use]
    pub fn listed(mut self) -> Self {
        let (Person::Patient { name, .. } | Person::Specialist { name, .. }) = &mut self.person;
        *name = name.take().map(short);
        self
    }
}

impl Transaction {
    /// The entry with what its person is called now in place of the copy it has; none where it has it so already, or was deleted.
    #[must_use]
    pub fn calling(&self, called: Option<PersonName>, now: Timestamp) -> Option<Self> {
        let mut next = Self {
            rev: self.rev + 1,
            updated_at: now,
            ..self.clone()
        };
        let (Person::Patient { name, .. } | Person::Specialist { name, .. }) = &mut next.row.person;
        *name = called;
        (next.row.person != self.row.person && !self.deleted).then_some(next)
    }
}

impl Reached for TransactionRow {
    /// It happened at a site there, and its party is overseen and shared there.
    fn is_within(&self, reach: &Reach) -> bool {
        match self.party() {
            Party::Patient => reach.has_patient_at([self.site]),
            Party::Specialist => reach.has_specialist_at([self.site]),
        }
    }
}

impl Reached for Transaction {
    fn is_within(&self, reach: &Reach) -> bool {
        !self.deleted && self.row.is_within(reach)
    }
}

/// The name, cut to what a row holds.
fn short(name: PersonName) -> PersonName {
    let whole = name.as_str();
    if whole.len() <= LONGEST_NAME_IN_ROW {
        return name;
    }
    let end = whole.floor_char_boundary(LONGEST_NAME_IN_ROW - '…'.len_utf8());
    // What begins a text that can be shown can be shown.
    format!("{}…", &whole[..end]).parse().unwrap_or(name)
}

impl Transaction {
    /// Whether it takes something from its parent, and what.
    fn taken_minor(&self) -> i64 {
        if self.row.parent().is_some() && self.row.counts() && !self.deleted {
            self.row.amount.amount_minor
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sample::{earning, euros, payment, payout, refund};
    use super::*;
    use crate::access::Access;
    use crate::configuration::Directory::{self, Platform, Sites};
    use crate::configuration::{Binding, BindingRole, Scope};
    use crate::role::Role;
    use crate::sample::{access, binding, organization};

    #[test]
    fn an_entry_reads_back_as_it_was_stored() {
        let paid = payment(euros(12_000));
        for entry in [
            paid.clone(),
            refund(&paid, 2_000).entry,
            earning(euros(9_000)),
            payout(euros(9_000)),
        ] {
            let stored = serde_json::to_value(&entry).unwrap();
            assert_eq!(stored["entry"], entry.row.kind().as_str());
            assert_eq!(stored["party"], entry.row.party().as_str());
            // The attribute is the store's own.
            assert!(stored.get("kind").is_none());
            assert_eq!(
                serde_json::from_value::<Transaction>(stored.clone()).unwrap(),
                entry
            );
            assert_eq!(
                serde_json::from_value::<TransactionRow>(stored).unwrap(),
                entry.row
            );
        }
    }

    #[test]
    fn that_an_earning_was_taken_back_follows_from_its_reversals() {
        let mut earned = earning(euros(9_000)).row;
        let mut with = |reversed: i64| {
            let Entry::Earning { reversed_minor, .. } = &mut earned.entry else {
                panic!("an earning")
            };
            *reversed_minor = reversed;
            earned.status()
        };
        assert_eq!(with(0), Status::Available);
        assert_eq!(with(1), Status::PartiallyReversed);
        assert_eq!(with(9_000), Status::Reversed);
    }

    #[test]
    fn an_entry_is_seen_where_its_site_is_and_its_party_is_overseen_and_shared() {
        let (paid, earned) = (payment(euros(1)).row, earning(euros(1)).row);
        let seen = |binding: Option<Binding>, directory: Directory, scope: Scope| {
            let mut organization = organization();
            organization.configuration.bindings = binding.into_iter().collect();
            organization.configuration.directory = directory;
            organization.configuration.scope = scope;
            let access: Access = access(&organization, Role::Admin);
            let reach = access.reach().unwrap();
            let at = |row: &TransactionRow| TransactionRow {
                site: binding.map_or(row.site, |binding| binding.site),
                ..row.clone()
            };
            (at(&paid).is_within(&reach), at(&earned).is_within(&reach))
        };
        let shared = |specialists_shared: bool| {
            Some(Binding {
                specialists_shared,
                ..binding(BindingRole::Shared)
            })
        };
        let owned = Some(binding(BindingRole::Owner));
        let given_up = owned.map(|binding| Binding {
            active: false,
            ..binding
        });
        for (binding, directory, scope, expected) in [
            (owned, Sites, Scope::Both, (true, true)),
            (owned, Sites, Scope::Patients, (true, false)),
            (owned, Sites, Scope::Specialists, (false, true)),
            (shared(true), Sites, Scope::Both, (true, true)),
            (shared(false), Sites, Scope::Both, (true, false)),
            (shared(false), Sites, Scope::Specialists, (false, false)),
            (given_up, Sites, Scope::Both, (false, false)),
            (None, Sites, Scope::Both, (false, false)),
            (None, Platform, Scope::Both, (true, true)),
            (None, Platform, Scope::Patients, (true, false)),
        ] {
            assert_eq!(
                seen(binding, directory, scope),
                expected,
                "{directory:?} {scope:?}"
            );
        }
    }

    #[test]
    fn a_row_holds_a_name_of_any_script_in_few_bytes() {
        for character in ["x", "ü", "字", "🎈"] {
            let mut row = payment(euros(1)).row;
            let Person::Patient { name, .. } = &mut row.person else {
                panic!("a patient")
            };
            *name = Some(character.repeat(100).parse().unwrap());
            let listed = row.listed();
            let name = listed.person.name().unwrap().as_str();
            assert!(name.len() <= LONGEST_NAME_IN_ROW && name.len() > LONGEST_NAME_IN_ROW - 7);
            assert!(name.starts_with(character) && name.ends_with('…'));
        }
        let row = payment(euros(1)).row;
        assert_eq!(row.clone().listed(), row);
    }

    #[test]
    fn names_do_not_show_in_debug_output() {
        assert!(!format!("{:?}", payment(euros(1))).contains("Noor"));
    }

    #[test]
    fn a_failure_is_told_in_words_never_in_sentences() {
        for text in ["", "Account closed", "a-b", "ACCOUNT", &"x".repeat(65)] {
            assert!(FailureWord::try_from(text.to_owned()).is_err(), "{text}");
        }
        assert!(FailureWord::try_from("payout.account_closed".to_owned()).is_ok());
    }

    #[test]
    fn what_is_left_of_an_amount_is_that_without_its_fee() {
        let mut paid = payment(euros(100)).row;
        paid.entry = Entry::Payment {
            status: PaymentStatus::Succeeded,
            fee_minor: 130,
            refunded_minor: 0,
        };
        assert_eq!((paid.fee_minor(), paid.net_minor()), (Some(130), Some(-30)));
        let sent = payout(euros(100)).row;
        assert_eq!((sent.fee_minor(), sent.net_minor()), (None, None));
    }
}
