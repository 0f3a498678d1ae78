//! The words of the ledger: kinds, parties and statuses, as Stripe has them.

use serde::{Deserialize, Serialize};

use crate::code::{Code, Refusal};

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident, $unknown:literal { $($(#[$about:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$about])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word, as it is sent and stored.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl std::str::FromStr for $name {
            type Err = Refusal;

            fn from_str(text: &str) -> Result<Self, Refusal> {
                let found = Self::ALL.iter().copied().find(|word| word.as_str() == text);
                found.ok_or_else(|| Refusal::new(Code::QueryInvalid, $unknown))
            }
        }
    )*};
}

words! {
    /// What an entry is.
    Kind, "there is no such kind" {
        /// A patient pays.
        Payment = "payment",
        /// A patient gets a payment back, or a part of it.
        Refund = "refund",
        /// A specialist earns.
        Earning = "earning",
        /// An earning is taken back, or a part of it.
        EarningReversal = "earning_reversal",
        /// A specialist is paid out what they have earned.
        Payout = "payout",
        /// A payout comes back, or a part of it.
        PayoutReversal = "payout_reversal",
    }

    /// Whose money an entry is about.
    Party, "there is no such party" {
        /// A patient's.
        Patient = "patient",
        /// A specialist's.
        Specialist = "specialist",
    }

    /// How an entry stands, over all kinds: what lists show and filter by.
    Status, "there is no such status" {
        /// A payment has no means yet, or needs another.
        RequiresPaymentMethod = "requires_payment_method",
        /// A payment is not confirmed yet.
        RequiresConfirmation = "requires_confirmation",
        /// The patient must do something.
        RequiresAction = "requires_action",
        /// A payment is held and not taken yet.
        RequiresCapture = "requires_capture",
        /// A payment is on its way.
        Processing = "processing",
        /// Not through yet.
        Pending = "pending",
        /// A payout was handed to the bank.
        InTransit = "in_transit",
        /// Counts in the specialist's balance.
        Available = "available",
        /// Through.
        Succeeded = "succeeded",
        /// A payout is said to have arrived; it may fail nevertheless.
        Paid = "paid",
        /// A part of an earning was taken back.
        PartiallyReversed = "partially_reversed",
        /// All of an earning was taken back.
        Reversed = "reversed",
        /// It did not go through.
        Failed = "failed",
        /// Somebody stopped it.
        Canceled = "canceled",
    }
}

impl Kind {
    /// Whose money it is about.
    #[must_use]
    pub const fn party(self) -> Party {
        match self {
            Self::Payment | Self::Refund => Party::Patient,
            Self::Earning | Self::EarningReversal | Self::Payout | Self::PayoutReversal => Party::Specialist,
        }
    }

    /// The kind of entry that it gives back a part of.
    #[must_use]
    pub const fn parent(self) -> Option<Self> {
        match self {
            Self::Refund => Some(Self::Payment),
            Self::EarningReversal => Some(Self::Earning),
            Self::PayoutReversal => Some(Self::Payout),
            Self::Payment | Self::Earning | Self::Payout => None,
        }
    }

    /// How an entry stands that is part of sums: what failed or was stopped is not, and a payment only once it has succeeded.
    #[must_use]
    pub const fn counting(self) -> &'static [Status] {
        use Status as S;
        match self {
            Self::Payment => &[S::Succeeded],
            Self::Refund => &[S::Pending, S::RequiresAction, S::Succeeded],
            Self::Earning => &[S::Pending, S::Available, S::PartiallyReversed, S::Reversed],
            Self::EarningReversal => &[S::Pending, S::Available],
            Self::Payout | Self::PayoutReversal => &[S::Pending, S::InTransit, S::Paid],
        }
    }
}

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $(#[doc = concat!("As [`Status::", stringify!($variant), "`].")] $variant,)*
        }

        impl From<$name> for Status {
            fn from(status: $name) -> Self {
                match status { $($name::$variant => Self::$variant,)* }
            }
        }

        impl TryFrom<Status> for $name {
            type Error = Refusal;

            fn try_from(status: Status) -> Result<Self, Refusal> {
                match status {
                    $(Status::$variant => Ok(Self::$variant),)*
                    _ => Err(Refusal::new(Code::StatusInvalid, "is not a status of this kind of entry")),
                }
            }
        }
    )*};
}

statuses! {
    /// How a payment stands: as Stripe's payment intents, and failed as its charges.
    PaymentStatus {
        RequiresPaymentMethod, RequiresConfirmation, RequiresAction, RequiresCapture,
        Processing, Succeeded, Failed, Canceled,
    }

    /// How a refund stands.
    RefundStatus { Pending, RequiresAction, Succeeded, Failed, Canceled, }

    /// How an earning, or what is taken back of one, stands in the balance.
    BalanceStatus { Pending, Available, }

    /// How a payout, or its return, stands.
    PayoutStatus { Pending, InTransit, Paid, Failed, Canceled, }
}

/// What may come after what. States may be skipped: of several changes only the last may be sent.
pub(super) trait Progress: Copy + PartialEq {
    /// Whether `next` may come after this one, which it is not.
    fn leads_to(self, next: Self) -> bool;

    /// Whether an entry may stand so, that stood as `before`.
    fn may_follow(self, before: Self) -> bool {
        self == before || before.leads_to(self)
    }
}

impl Progress for PaymentStatus {
    /// A failed payment may be tried again.
    fn leads_to(self, _: Self) -> bool {
        !matches!(self, Self::Succeeded | Self::Canceled)
    }
}

impl Progress for RefundStatus {
    /// A bank may send back a refund that has succeeded.
    fn leads_to(self, next: Self) -> bool {
        match self {
            Self::Pending | Self::RequiresAction => true,
            Self::Succeeded => next == Self::Failed,
            Self::Failed | Self::Canceled => false,
        }
    }
}

impl Progress for BalanceStatus {
    fn leads_to(self, _: Self) -> bool {
        self == Self::Pending
    }
}

impl Progress for PayoutStatus {
    /// A bank may send back a payout that it said was paid.
    fn leads_to(self, next: Self) -> bool {
        match self {
            Self::Pending => true,
            Self::InTransit => next != Self::Pending,
            Self::Paid => next == Self::Failed,
            Self::Failed | Self::Canceled => false,
        }
    }
}

impl RefundStatus {
    /// Whether it takes something from its payment.
    pub(super) const fn counts(self) -> bool {
        !matches!(self, Self::Failed | Self::Canceled)
    }
}

impl PayoutStatus {
    /// Whether money left, or is about to.
    pub(super) const fn counts(self) -> bool {
        !matches!(self, Self::Failed | Self::Canceled)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{PayoutStatus as P, RefundStatus as R, *};

    #[test]
    fn words_are_unique_and_read_back() {
        let words: BTreeSet<_> = Status::ALL.iter().map(|status| status.as_str()).collect();
        assert_eq!(words.len(), Status::ALL.len());
        for status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
        }
        for unknown in ["", "Payment", "dispute", "payments"] {
            assert_eq!(unknown.parse::<Kind>().unwrap_err().code, Code::QueryInvalid);
        }
    }

    #[test]
    fn a_status_of_one_kind_has_the_same_word_over_all() {
        for status in Status::ALL {
            let word = serde_json::to_value(status).unwrap();
            let typed = [
                PaymentStatus::try_from(*status)
                    .ok()
                    .map(|typed| (serde_json::to_value(typed), typed.into())),
                RefundStatus::try_from(*status)
                    .ok()
                    .map(|typed| (serde_json::to_value(typed), typed.into())),
                BalanceStatus::try_from(*status)
                    .ok()
                    .map(|typed| (serde_json::to_value(typed), typed.into())),
                PayoutStatus::try_from(*status)
                    .ok()
                    .map(|typed| (serde_json::to_value(typed), typed.into())),
            ];
            for (typed, back) in typed.into_iter().flatten() {
                assert_eq!((typed.unwrap(), back), (word.clone(), *status));
            }
        }
    }

    #[test]
    fn a_kind_cannot_have_the_status_of_another() {
        for (kind, status) in [
            ("refund", RefundStatus::try_from(Status::Paid).err()),
            ("refund", RefundStatus::try_from(Status::InTransit).err()),
            ("payment", PaymentStatus::try_from(Status::Pending).err()),
            ("payout", PayoutStatus::try_from(Status::Succeeded).err()),
            // That an earning was taken back follows from its reversals.
            ("earning", BalanceStatus::try_from(Status::Reversed).err()),
            (
                "earning",
                BalanceStatus::try_from(Status::PartiallyReversed).err(),
            ),
        ] {
            assert_eq!(
                status.map(|refusal| refusal.code),
                Some(Code::StatusInvalid),
                "{kind}"
            );
        }
    }

    #[test]
    fn what_is_over_stays_so_but_banks_may_send_money_back() {
        assert!(P::Failed.may_follow(P::Paid) && P::Paid.may_follow(P::Pending));
        assert!(!P::Canceled.may_follow(P::Paid) && !P::Pending.may_follow(P::InTransit));
        for over in [P::Failed, P::Canceled] {
            assert!(over.may_follow(over));
            assert!(
                ![P::Pending, P::InTransit, P::Paid]
                    .iter()
                    .any(|next| next.may_follow(over))
            );
        }
        assert!(R::Failed.may_follow(R::Succeeded) && !R::Canceled.may_follow(R::Succeeded));
        assert!(!R::Succeeded.may_follow(R::Failed) && R::Pending.may_follow(R::RequiresAction));
        assert!(BalanceStatus::Available.may_follow(BalanceStatus::Pending));
        assert!(!BalanceStatus::Pending.may_follow(BalanceStatus::Available));
        assert!(PaymentStatus::Succeeded.may_follow(PaymentStatus::Failed));
        assert!(!PaymentStatus::Failed.may_follow(PaymentStatus::Succeeded));
    }

    #[test]
    fn what_gives_back_is_about_the_same_party() {
        for kind in Kind::ALL {
            if let Some(parent) = kind.parent() {
                assert_eq!(parent.party(), kind.party());
                assert_eq!(parent.parent(), None);
            }
        }
    }
}
