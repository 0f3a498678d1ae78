//! The filters of the list, as they are sent.

use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::Timestamp;
use portal_domain::code::{Code, Refusal};
use portal_domain::time::Moment;
use portal_domain::transaction::{Search, TransactionQuery};
use serde::Deserialize;
use utoipa::IntoParams;

/// Which transactions are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TransactionFilter {
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
    pub(crate) fn query(&self) -> Result<TransactionQuery, Refusal> {
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

fn refused(why: &'static str) -> Refusal {
    Refusal::new(Code::QueryInvalid, why)
}

fn parsed<T: FromStr>(text: Option<&String>, why: &'static str) -> Result<Option<T>, Refusal> {
    text.map(|text| text.parse())
        .transpose()
        .map_err(|_| refused(why))
}

fn several<T: FromStr + Ord>(list: Option<&String>, why: &'static str) -> Result<BTreeSet<T>, Refusal> {
    let words = list.map(|list| list.split(',').map(str::parse).collect::<Result<_, _>>());
    words
        .transpose()
        .map_err(|_| refused(why))
        .map(Option::unwrap_or_default)
}
