//! Sums over entries: of one currency each, of what counts, and exact.

use std::collections::BTreeMap;

use crate::code::{Code, Refusal};
use crate::money::{Currency, MOST_MINOR};

use super::{Entry, TransactionRow};

/// What entries of one currency come to, in its minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// The currency.
    pub currency: Currency,
    /// What patients paid.
    pub paid_minor: i64,
    /// What they got or get back.
    pub refunded_minor: i64,
    /// What payment providers kept of payments.
    pub payment_fees_minor: i64,
    /// What specialists earned.
    pub earned_minor: i64,
    /// What was taken back of that.
    pub reversed_minor: i64,
    /// What the platform kept of earnings.
    pub earning_fees_minor: i64,
    /// What was or is being paid out to specialists.
    pub paid_out_minor: i64,
    /// What came back of that.
    pub paid_back_minor: i64,
    /// By how much all this changes what specialists are owed.
    pub balance_minor: i64,
}

/// A sum that every reader of JSON reads as it is.
fn add(sum: &mut i64, minor: i64) -> Result<(), Refusal> {
    // Both are within ±2^53: this cannot overflow.
    *sum += minor;
    if sum.abs() > MOST_MINOR {
        return Err(Code::SumTooLarge.into());
    }
    Ok(())
}

impl Totals {
    const fn none(currency: Currency) -> Self {
        Self {
            currency,
            paid_minor: 0,
            refunded_minor: 0,
            payment_fees_minor: 0,
            earned_minor: 0,
            reversed_minor: 0,
            earning_fees_minor: 0,
            paid_out_minor: 0,
            paid_back_minor: 0,
            balance_minor: 0,
        }
    }

    /// What `entries` come to, a total for each currency among them, by its code. An entry that does not count adds nothing.
    ///
    /// # Errors
    /// [`Code::SumTooLarge`] rather than a number that is not exact.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a TransactionRow>) -> Result<Vec<Self>, Refusal> {
        let mut totals = BTreeMap::new();
        for entry in entries {
            let currency = entry.amount.currency;
            let total = totals.entry(currency).or_insert_with(|| Self::none(currency));
            if entry.counts() {
                total.count(entry)?;
            }
        }
        Ok(totals.into_values().collect())
    }

    fn count(&mut self, entry: &TransactionRow) -> Result<(), Refusal> {
        let fees = entry.fee_minor().unwrap_or(0);
        let sum = match entry.entry {
            Entry::Payment { .. } => {
                add(&mut self.payment_fees_minor, fees)?;
                &mut self.paid_minor
            }
            Entry::Refund { .. } => &mut self.refunded_minor,
            Entry::Earning { .. } => {
                add(&mut self.earning_fees_minor, fees)?;
                &mut self.earned_minor
            }
            Entry::EarningReversal { .. } => &mut self.reversed_minor,
            Entry::Payout { .. } => &mut self.paid_out_minor,
            Entry::PayoutReversal { .. } => &mut self.paid_back_minor,
        };
        add(sum, entry.amount.amount_minor)?;
        add(&mut self.balance_minor, entry.balance_minor())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::sample::{any_row, euros, payment, payout};
    use super::super::{Kind, Party};
    use super::*;
    use crate::money::Money;

    proptest! {
        #[test]
        fn totals_are_the_sums_of_their_entries_and_never_across_currencies(entries in vec(any_row(), 0..40)) {
            let totals = Totals::of(&entries).unwrap();
            prop_assert!(totals.is_sorted_by_key(|total| total.currency));
            for total in &totals {
                let own = || entries.iter().filter(|entry| entry.amount.currency == total.currency && entry.counts());
                let sum = |kind: Kind| own().filter(|entry| entry.kind() == kind).map(|entry| entry.amount.amount_minor).sum::<i64>();
                let fees = |kind: Kind| own().filter(|entry| entry.kind() == kind).filter_map(TransactionRow::fee_minor).sum::<i64>();
                prop_assert_eq!(total.paid_minor, sum(Kind::Payment));
                prop_assert_eq!(total.refunded_minor, sum(Kind::Refund));
                prop_assert_eq!(total.payment_fees_minor, fees(Kind::Payment));
                prop_assert_eq!(total.earned_minor, sum(Kind::Earning));
                prop_assert_eq!(total.reversed_minor, sum(Kind::EarningReversal));
                prop_assert_eq!(total.earning_fees_minor, fees(Kind::Earning));
                prop_assert_eq!(total.paid_out_minor, sum(Kind::Payout));
                prop_assert_eq!(total.paid_back_minor, sum(Kind::PayoutReversal));
                let balance = total.earned_minor - total.earning_fees_minor - total.reversed_minor - total.paid_out_minor
                    + total.paid_back_minor;
                prop_assert_eq!(total.balance_minor, balance);
                prop_assert_eq!(total.balance_minor, own().map(TransactionRow::balance_minor).sum::<i64>());
            }
            let currencies: std::collections::BTreeSet<_> = entries.iter().map(|entry| entry.amount.currency).collect();
            prop_assert_eq!(totals.len(), currencies.len());
        }

        #[test]
        fn the_totals_of_both_parties_are_the_totals_of_all(entries in vec(any_row(), 0..40)) {
            let of = |party: Party| Totals::of(entries.iter().filter(|entry| entry.party() == party)).unwrap();
            let (patients, specialists) = (of(Party::Patient), of(Party::Specialist));
            let find = |totals: &[Totals], currency| {
                totals.iter().find(|total| total.currency == currency).copied().unwrap_or(Totals::none(currency))
            };
            for all in Totals::of(&entries).unwrap() {
                let (patients, specialists) = (find(&patients, all.currency), find(&specialists, all.currency));
                prop_assert_eq!(all.paid_minor, patients.paid_minor);
                prop_assert_eq!(all.refunded_minor, patients.refunded_minor);
                prop_assert_eq!(all.balance_minor, specialists.balance_minor);
                prop_assert_eq!((patients.earned_minor, patients.balance_minor, specialists.paid_minor), (0, 0, 0));
            }
        }
    }

    #[test]
    fn a_sum_that_json_cannot_tell_is_refused() {
        let most = Money {
            amount_minor: MOST_MINOR,
            ..euros(1)
        };
        let one = payment(euros(1)).row;
        assert!(Totals::of([&payment(most).row]).is_ok());
        assert_eq!(
            Totals::of([&payment(most).row, &one]).unwrap_err().code,
            Code::SumTooLarge
        );
        let francs = Money {
            currency: "CHF".parse().unwrap(),
            ..euros(1)
        };
        assert_eq!(
            Totals::of([&payment(most).row, &payment(francs).row])
                .unwrap()
                .len(),
            2
        );
        assert_eq!(
            Totals::of([&payout(most).row, &payout(euros(1)).row])
                .unwrap_err()
                .code,
            Code::SumTooLarge
        );
    }
}
