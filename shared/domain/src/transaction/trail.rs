//! The money trail of a booking: what was paid, earned and paid out for it, what came back of that, and what does not fit.

use std::collections::BTreeSet;

use crate::booking::{Booking, State};
use crate::code::{Code, Refusal};
use crate::id::{SiteId, TransactionId};
use crate::money::Currency;
use crate::reach::{Reach, Reached};

use super::{Kind, MOST_AT_ONCE, Party, Totals, TransactionRow};

/// How a booking stands, as far as money is due for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is still to come.
    Open,
    /// It was kept.
    Fulfilled,
    /// Somebody did not come, or cancelled late: money may be due for it or not, as was agreed.
    Missed,
    /// It came to nothing.
    Ended,
}

/// What the trail must know of its booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Booked {
    /// How it stands.
    standing: Standing,
    /// Whether its patient is to pay for it: it has a price, and no sponsor bears it.
    is_charged: bool,
}

impl From<&Booking> for Booked {
    fn from(booking: &Booking) -> Self {
        let standing = match &booking.state {
            State::Fulfilled => Standing::Fulfilled,
            State::NoShow => Standing::Missed,
            State::Cancelled { cancellation } if cancellation.late => Standing::Missed,
            State::Cancelled { .. } | State::EnteredInError => Standing::Ended,
            _ => Standing::Open,
        };
        let is_priced = booking.price.is_some_and(|price| price.amount_minor > 0);
        Self {
            standing,
            is_charged: is_priced && booking.sponsor.is_none(),
        }
    }
}

/// Which parties' entries the reader sees. What is not seen is neither shown nor missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sight {
    /// Payments and refunds.
    patients: bool,
    /// Earnings and payouts.
    specialists: bool,
}

impl Sight {
    /// What is seen of what happened at `site`.
    fn of(reach: &Reach, site: SiteId) -> Self {
        Self {
            patients: reach.has_patient_at([site]),
            specialists: reach.has_specialist_at([site]),
        }
    }

    const fn has(self, party: Party) -> bool {
        match party {
            Party::Patient => self.patients,
            Party::Specialist => self.specialists,
        }
    }
}

/// An entry, and what gives a part of it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// The payment, earning or payout.
    pub entry: TransactionRow,
    /// Its refunds or reversals, oldest first.
    pub parts: Vec<TransactionRow>,
}

/// Something that does not fit. It is told, not mended: who is right is for people to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// An earning that was not taken back, for a booking that came to nothing.
    EarningWithoutFulfilledBooking(TransactionId),
    /// A booking that was kept and is to be paid for, and no payment that succeeded.
    FulfilledBookingWithoutPayment,
    /// A refund of what a specialist earned by, while nothing of any earning in that currency was taken back.
    RefundWithoutReversal(TransactionId),
    /// A refund or reversal whose payment, earning or payout is not the booking's.
    PartWithoutWhole(TransactionId),
}

impl Finding {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EarningWithoutFulfilledBooking(_) => "earning_without_fulfilled_booking",
            Self::FulfilledBookingWithoutPayment => "fulfilled_booking_without_payment",
            Self::RefundWithoutReversal(_) => "refund_without_reversal",
            Self::PartWithoutWhole(_) => "part_without_whole",
        }
    }

    /// The entry it is about, if it is about one.
    #[must_use]
    pub const fn transaction(self) -> Option<TransactionId> {
        match self {
            Self::EarningWithoutFulfilledBooking(id)
            | Self::RefundWithoutReversal(id)
            | Self::PartWithoutWhole(id) => Some(id),
            Self::FulfilledBookingWithoutPayment => None,
        }
    }
}

/// All of a booking's money that the reader sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoneyTrail {
    /// Payments with their refunds, oldest first.
    pub payments: Vec<Branch>,
    /// Earnings with their reversals, oldest first.
    pub earnings: Vec<Branch>,
    /// Payouts with their reversals, oldest first.
    pub payouts: Vec<Branch>,
    /// Refunds and reversals of entries that are not the booking's.
    pub loose: Vec<TransactionRow>,
    /// What all of them come to, a total for each currency.
    pub totals: Vec<Totals>,
    /// What does not fit.
    pub findings: Vec<Finding>,
}

impl MoneyTrail {
    /// The trail of `booking`, as it is seen within `reach`, of all its `entries` in whatever order.
    ///
    /// # Errors
    /// [`Code::TooManyEntries`] for more than [`MOST_AT_ONCE`], [`Code::SumTooLarge`].
    pub fn of(booking: &Booking, reach: &Reach, entries: Vec<TransactionRow>) -> Result<Self, Refusal> {
        if entries.len() > MOST_AT_ONCE {
            return Err(Code::TooManyEntries.into());
        }
        let seen = entries.into_iter().filter(|entry| entry.is_within(reach));
        Self::seen(booking.into(), Sight::of(reach, booking.site), seen)
    }

    fn seen(
        booked: Booked,
        sight: Sight,
        entries: impl IntoIterator<Item = TransactionRow>,
    ) -> Result<Self, Refusal> {
        let mut seen: Vec<_> = entries
            .into_iter()
            .filter(|entry| sight.has(entry.party()))
            .collect();
        seen.sort_by_key(|entry| (entry.occurred_at, entry.id));
        let totals = Totals::of(&seen)?;
        let (parts, wholes): (Vec<_>, Vec<_>) = seen.into_iter().partition(|entry| entry.parent().is_some());
        let known: BTreeSet<_> = wholes.iter().map(|whole| whole.id).collect();
        let (parts, loose): (Vec<_>, Vec<_>) = parts
            .into_iter()
            .partition(|part| part.parent().is_some_and(|parent| known.contains(&parent)));
        let branches = |kind: Kind| {
            let wholes = wholes.iter().filter(|whole| whole.kind() == kind);
            wholes
                .map(|whole| Branch {
                    entry: whole.clone(),
                    parts: parts
                        .iter()
                        .filter(|part| part.parent() == Some(whole.id))
                        .cloned()
                        .collect(),
                })
                .collect()
        };
        let mut trail = Self {
            payments: branches(Kind::Payment),
            earnings: branches(Kind::Earning),
            payouts: branches(Kind::Payout),
            loose,
            totals,
            findings: Vec::new(),
        };
        trail.findings = trail.found(booked, sight);
        Ok(trail)
    }

    /// All entries.
    pub fn entries(&self) -> impl Iterator<Item = &TransactionRow> {
        let branches = [&self.payments, &self.earnings, &self.payouts]
            .into_iter()
            .flatten();
        branches
            .flat_map(|branch| std::iter::once(&branch.entry).chain(&branch.parts))
            .chain(&self.loose)
    }

    fn found(&self, booked: Booked, sight: Sight) -> Vec<Finding> {
        let mut findings = Vec::new();
        if booked.standing == Standing::Ended {
            let kept = self
                .earnings
                .iter()
                .map(|branch| &branch.entry)
                .filter(|earning| {
                    earning.given_back_minor() < Some(earning.amount.amount_minor) && earning.counts()
                });
            findings.extend(kept.map(|earning| Finding::EarningWithoutFulfilledBooking(earning.id)));
        }
        let is_paid = self.payments.iter().any(|branch| branch.entry.counts());
        if booked.standing == Standing::Fulfilled && booked.is_charged && sight.patients && !is_paid {
            findings.push(Finding::FulfilledBookingWithoutPayment);
        }
        let refunds = self
            .entries()
            .filter(|entry| entry.kind() == Kind::Refund && entry.counts());
        let unmatched = refunds.filter(|refund| self.has_earned_and_kept(refund.amount.currency));
        findings.extend(unmatched.map(|refund| Finding::RefundWithoutReversal(refund.id)));
        findings.extend(self.loose.iter().map(|part| Finding::PartWithoutWhole(part.id)));
        findings.sort_unstable();
        findings
    }

    fn has_earned_and_kept(&self, currency: Currency) -> bool {
        let total = self.totals.iter().find(|total| total.currency == currency);
        total.is_some_and(|total| total.earned_minor > 0 && total.reversed_minor == 0)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::super::sample::{any_row, earning, euros, payment, payout, refund, reversal};
    use super::super::{BalanceStatus, Entry, PaymentStatus, RefundStatus, Transaction};
    use super::*;
    use crate::booking::{Status as BookingStatus, sample as booking};
    use crate::configuration::BindingRole;
    use crate::id::OrganizationId;
    use crate::role::Role;
    use crate::sample::{access, binding, now, organization};

    const ALL: Sight = Sight {
        patients: true,
        specialists: true,
    };

    const KEPT: Booked = Booked {
        standing: Standing::Fulfilled,
        is_charged: true,
    };

    fn trail(booked: Booked, sight: Sight, entries: &[&TransactionRow]) -> MoneyTrail {
        MoneyTrail::seen(booked, sight, entries.iter().map(|entry| (*entry).clone())).unwrap()
    }

    fn words(trail: &MoneyTrail) -> Vec<&'static str> {
        trail.findings.iter().map(|finding| finding.as_str()).collect()
    }

    #[test]
    fn each_refund_and_reversal_hangs_on_what_it_is_of() {
        // Given a booking that was paid, partly refunded, earned, partly reversed and paid out
        let taken = refund(&payment(euros(12_000)), 2_000);
        let (paid, back) = (taken.parent.unwrap().row, taken.entry.row);
        let taken = reversal(&earning(euros(9_000)), 1_500);
        let (earned, reversed) = (taken.parent.unwrap().row, taken.entry.row);
        let sent = payout(euros(7_500)).row;

        // When its entries come in any order
        let trail = trail(KEPT, ALL, &[&reversed, &sent, &back, &earned, &paid]);

        // Then
        assert_eq!(
            (trail.payments[0].entry.id, trail.payments[0].parts[0].id),
            (paid.id, back.id)
        );
        assert_eq!(
            (trail.earnings[0].entry.id, trail.earnings[0].parts[0].id),
            (earned.id, reversed.id)
        );
        assert_eq!(
            (trail.payouts[0].entry.id, trail.payouts[0].parts.len()),
            (sent.id, 0)
        );
        let [total] = trail.totals[..] else {
            panic!("one currency")
        };
        assert_eq!((total.paid_minor, total.refunded_minor), (12_000, 2_000));
        assert_eq!(
            (total.earned_minor, total.reversed_minor, total.paid_out_minor),
            (9_000, 1_500, 7_500)
        );
        assert_eq!(total.balance_minor, 0);
        assert!(trail.findings.is_empty(), "{:?}", trail.findings);
    }

    #[test]
    fn an_earning_needs_a_booking_that_was_kept() {
        let earned = earning(euros(9_000));
        let found = |standing: Standing, earned: &Transaction| {
            let booked = Booked {
                standing,
                is_charged: false,
            };
            words(&trail(booked, ALL, &[&earned.row]))
        };
        assert!(found(Standing::Fulfilled, &earned).is_empty());
        assert!(found(Standing::Open, &earned).is_empty());
        assert!(found(Standing::Missed, &earned).is_empty());
        assert_eq!(
            found(Standing::Ended, &earned),
            ["earning_without_fulfilled_booking"]
        );
        let taken_back = reversal(&earned, 9_000).parent.unwrap();
        assert!(found(Standing::Ended, &taken_back).is_empty());
        let partly = reversal(&earned, 8_999).parent.unwrap();
        assert_eq!(
            found(Standing::Ended, &partly),
            ["earning_without_fulfilled_booking"]
        );
    }

    #[test]
    fn what_was_kept_and_has_a_price_was_paid() {
        let mut failed = payment(euros(12_000)).row;
        failed.entry = Entry::Payment {
            status: PaymentStatus::Failed,
            fee_minor: 0,
            refunded_minor: 0,
        };
        let free = Booked {
            is_charged: false,
            ..KEPT
        };
        let blind = Sight {
            patients: false,
            specialists: true,
        };
        assert_eq!(
            words(&trail(KEPT, ALL, &[&failed])),
            ["fulfilled_booking_without_payment"]
        );
        assert!(words(&trail(KEPT, ALL, &[&failed, &payment(euros(1)).row])).is_empty());
        assert!(words(&trail(free, ALL, &[])).is_empty());
        assert!(words(&trail(KEPT, blind, &[&failed])).is_empty());
    }

    #[test]
    fn a_refund_of_what_was_earned_by_has_a_reversal() {
        let taken = refund(&payment(euros(12_000)), 2_000);
        let (paid, back) = (taken.parent.unwrap().row, taken.entry.row);
        let earned = earning(euros(9_000)).row;
        let found = words(&trail(KEPT, ALL, &[&paid, &back, &earned]));
        assert_eq!(found, ["refund_without_reversal"]);
        // A refund that failed took nothing, and one before anything was earned has nothing to reverse.
        let mut failed = back.clone();
        failed.entry = Entry::Refund {
            status: RefundStatus::Failed,
            parent: paid.id,
        };
        assert!(words(&trail(KEPT, ALL, &[&paid, &failed, &earned])).is_empty());
        assert!(words(&trail(KEPT, ALL, &[&paid, &back])).is_empty());
        // Who does not see earnings is not told what is missing of them.
        let patients = Sight {
            patients: true,
            specialists: false,
        };
        assert!(words(&trail(KEPT, patients, &[&paid, &back, &earned])).is_empty());
        // Another currency's reversal is another matter.
        let mut francs = reversal(&earning(euros(5_000)), 500).entry.row;
        francs.amount.currency = "CHF".parse().unwrap();
        francs.entry = Entry::EarningReversal {
            status: BalanceStatus::Available,
            parent: earned.id,
        };
        let found = words(&trail(KEPT, ALL, &[&paid, &back, &earned, &francs]));
        assert_eq!(found, ["refund_without_reversal"]);
    }

    #[test]
    fn a_part_of_something_else_is_told() {
        let back = refund(&payment(euros(12_000)), 2_000).entry.row;
        let found = trail(KEPT, ALL, &[&payment(euros(5)).row, &back]);
        assert_eq!(found.findings, [Finding::PartWithoutWhole(back.id)]);
        assert_eq!(found.loose, [back]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_shown_twice_or_shown_to_whom_it_is_not(
            entries in vec(any_row(), 0..30), linked in vec(any::<prop::sample::Index>(), 30),
            patients in any::<bool>(), specialists in any::<bool>(),
            standing in select(vec![Standing::Open, Standing::Fulfilled, Standing::Missed, Standing::Ended]), is_charged in any::<bool>(),
        ) {
            // Given entries of which parts hang on others, on foreign ones and on each other's kinds
            let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
            let entries: Vec<_> = entries.into_iter().zip(&linked).map(|(mut entry, link)| {
                if let Entry::Refund { parent, .. } | Entry::EarningReversal { parent, .. } | Entry::PayoutReversal { parent, .. } = &mut entry.entry {
                    *parent = ids[link.index(ids.len())];
                }
                entry
            }).collect();
            let sight = Sight { patients, specialists };
            let trail = MoneyTrail::seen(Booked { standing, is_charged }, sight, entries.clone()).unwrap();

            let shown: Vec<_> = trail.entries().map(|entry| entry.id).collect();
            let unique: BTreeSet<_> = shown.iter().copied().collect();
            let expected: BTreeSet<_> = entries.iter()
                .filter(|entry| sight.has(entry.party()))
                .map(|entry| entry.id)
                .collect();
            prop_assert_eq!(shown.len(), unique.len());
            prop_assert_eq!(&unique, &expected);
            prop_assert_eq!(&trail.totals, &Totals::of(trail.entries()).unwrap());
            prop_assert!(trail.findings.iter().all(|finding| finding.transaction().is_none_or(|id| unique.contains(&id))));
            prop_assert!(trail.findings.is_sorted());
        }
    }

    #[test]
    fn a_booking_is_to_be_paid_for_when_it_was_kept_has_a_price_and_no_sponsor() {
        let booking = |status: BookingStatus, price: Option<i64>, sponsor: Option<OrganizationId>| {
            let mut record = booking::record(status);
            record.price = price.map(euros);
            record.sponsor = sponsor;
            let taken = Booking::taken(record, booking::references(), booking::line(now()), None, now());
            Booked::from(&taken.unwrap())
        };
        let sponsor = Some(OrganizationId::mint(now()));
        for (status, price, sponsor, standing, is_charged) in [
            (BookingStatus::Booked, Some(9_000), None, Standing::Open, true),
            (
                BookingStatus::Fulfilled,
                Some(9_000),
                None,
                Standing::Fulfilled,
                true,
            ),
            (
                BookingStatus::Fulfilled,
                Some(9_000),
                sponsor,
                Standing::Fulfilled,
                false,
            ),
            (
                BookingStatus::Fulfilled,
                Some(0),
                None,
                Standing::Fulfilled,
                false,
            ),
            (BookingStatus::Fulfilled, None, None, Standing::Fulfilled, false),
            (BookingStatus::NoShow, Some(9_000), None, Standing::Missed, true),
            (
                BookingStatus::EnteredInError,
                Some(9_000),
                None,
                Standing::Ended,
                true,
            ),
            (BookingStatus::Cancelled, Some(9_000), None, Standing::Ended, true),
        ] {
            let booked = booking(status, price, sponsor);
            assert_eq!(
                (booked.standing, booked.is_charged),
                (standing, is_charged),
                "{status:?}"
            );
        }
    }

    #[test]
    fn a_late_cancellation_may_be_paid_for() {
        let mut record = booking::record(BookingStatus::Cancelled);
        record.status_at = Some((now() + booking::HOUR * 47).into());
        let taken = Booking::taken(record, booking::references(), booking::line(now()), None, now());
        assert_eq!(Booked::from(&taken.unwrap()).standing, Standing::Missed);
    }

    #[test]
    fn a_trail_shows_what_is_within_reach() {
        // Given a booking at a site that is shared without its specialists, with an entry that came to be at another site
        let mut here = organization();
        let shared = binding(BindingRole::Shared);
        here.configuration = here.configuration.bound(shared).unwrap();
        let reach = access(&here, Role::Admin).reach().unwrap();
        let mut kept = booking::booked();
        kept.site = shared.site;
        let at_site = |row: TransactionRow| TransactionRow {
            site: shared.site,
            ..row
        };
        let (paid, earned) = (at_site(payment(euros(1)).row), at_site(earning(euros(1)).row));
        let elsewhere = payment(euros(1)).row;

        let trail = MoneyTrail::of(&kept, &reach, vec![paid.clone(), earned, elsewhere]).unwrap();

        let shown: Vec<_> = trail.entries().map(|entry| entry.id).collect();
        assert_eq!(shown, [paid.id]);
        let many = vec![paid; MOST_AT_ONCE + 1];
        let refused = MoneyTrail::of(&kept, &reach, many).unwrap_err();
        assert_eq!(refused.code, Code::TooManyEntries);
    }

    #[test]
    fn a_trail_is_told_in_the_order_of_time() {
        let first = payment(euros(1)).row;
        let mut second = payment(euros(2)).row;
        second.occurred_at = first.occurred_at + SignedDuration::from_secs(1);
        let trail = trail(KEPT, ALL, &[&second, &first]);
        let told: Vec<_> = trail.payments.iter().map(|branch| branch.entry.id).collect();
        assert_eq!(told, [first.id, second.id]);
    }
}
