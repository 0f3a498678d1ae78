//! What is told of money: as much as its reader's projection has.

use jiff::Timestamp;
use portal_domain::id::{BookingId, OrganizationId};
use portal_domain::organization::ZoneName;
use portal_domain::projection::Projection;
use portal_domain::transaction::{
    Branch, Failure, Finding, MoneyTrail, Month, Person, Statement, Totals, Transaction, TransactionQuery,
    TransactionRow,
};
use portal_http::View;
use portal_http::listing::transactions::{TransactionPersonView, TransactionView};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a transaction failed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailureView {
    /// The payment provider's reason.
    #[schema(example = "account_closed")]
    code: String,
    /// Which text tells people; null if the source does not say.
    #[schema(example = "payout.account_closed")]
    message_key: Option<String>,
}

impl From<&Failure> for FailureView {
    fn from(failure: &Failure) -> Self {
        let message_key = failure.message_key.as_ref();
        Self {
            code: failure.code.as_str().to_owned(),
            message_key: message_key.map(|key| key.as_str().to_owned()),
        }
    }
}

/// What a source calls a transaction.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TransactionSourceView {
    /// The source's name.
    #[schema(example = "platform")]
    name: String,
    /// The naming system.
    #[schema(example = "stripe")]
    system: String,
    /// The name in it.
    #[schema(example = "pi_3Qx")]
    value: String,
}

/// A transaction with all that is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TransactionDetailsView {
    /// What lists have of it.
    #[serde(flatten)]
    transaction: TransactionView,
    /// Why it failed; null if it did not, or the source does not say.
    failure: Option<FailureView>,
    /// Whether the organization sponsors what it was for.
    sponsored: bool,
    /// Where it comes from.
    source: Option<TransactionSourceView>,
    /// When it was first known here.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it last changed here.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl TransactionDetailsView {
    pub(crate) fn new(
        transaction: &Transaction,
        organization: OrganizationId,
        projection: Projection,
    ) -> Self {
        let source = transaction.sourced.as_ref();
        Self {
            transaction: TransactionView::new(&transaction.row, projection),
            failure: transaction.failure.as_ref().map(FailureView::from),
            sponsored: transaction.sponsor == Some(organization),
            source: source.map(|sourced| TransactionSourceView {
                name: sourced.source.to_string(),
                system: sourced.external.system.to_string(),
                value: sourced.external.value.to_string(),
            }),
            created_at: transaction.created_at,
            updated_at: transaction.updated_at,
        }
    }
}

impl View for TransactionDetailsView {}

/// What transactions of one currency come to, in its minor units. What failed or was stopped is in no sum.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TransactionTotalsView {
    /// The ISO 4217 code.
    #[schema(example = "EUR")]
    currency: String,
    /// What patients paid.
    paid_minor: i64,
    /// What they got or get back.
    refunded_minor: i64,
    /// What payment providers kept of payments.
    payment_fees_minor: i64,
    /// What specialists earned.
    earned_minor: i64,
    /// What was taken back of that.
    reversed_minor: i64,
    /// What the platform kept of earnings.
    earning_fees_minor: i64,
    /// What was or is being paid out to specialists.
    paid_out_minor: i64,
    /// What came back of that.
    paid_back_minor: i64,
    /// By how much all this changes what specialists are owed.
    balance_minor: i64,
}

impl From<&Totals> for TransactionTotalsView {
    fn from(totals: &Totals) -> Self {
        Self {
            currency: totals.currency.to_string(),
            paid_minor: totals.paid_minor,
            refunded_minor: totals.refunded_minor,
            payment_fees_minor: totals.payment_fees_minor,
            earned_minor: totals.earned_minor,
            reversed_minor: totals.reversed_minor,
            earning_fees_minor: totals.earning_fees_minor,
            paid_out_minor: totals.paid_out_minor,
            paid_back_minor: totals.paid_back_minor,
            balance_minor: totals.balance_minor,
        }
    }
}

/// A payment, earning or payout, and what came back of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MoneyTrailBranchView {
    /// The payment, earning or payout.
    transaction: TransactionView,
    /// Its refunds or reversals, oldest first.
    parts: Vec<TransactionView>,
}

impl MoneyTrailBranchView {
    fn new(branch: &Branch, projection: Projection) -> Self {
        let parts = branch.parts.iter();
        Self {
            transaction: TransactionView::new(&branch.entry, projection),
            parts: parts.map(|part| TransactionView::new(part, projection)).collect(),
        }
    }
}

/// Something that does not fit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MoneyTrailFindingView {
    /// `earning_without_fulfilled_booking`, `fulfilled_booking_without_payment`, `refund_without_reversal` or
    /// `part_without_whole`.
    #[schema(example = "refund_without_reversal")]
    finding: &'static str,
    /// The transaction it is about; null if it is about what is missing.
    transaction_id: Option<String>,
}

impl From<&Finding> for MoneyTrailFindingView {
    fn from(finding: &Finding) -> Self {
        Self {
            finding: finding.as_str(),
            transaction_id: finding.transaction().map(|id| id.to_string()),
        }
    }
}

/// What happened to the money of a booking.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MoneyTrailView {
    /// The booking.
    booking_id: String,
    /// Payments with their refunds, oldest first.
    payments: Vec<MoneyTrailBranchView>,
    /// Earnings with their reversals, oldest first.
    earnings: Vec<MoneyTrailBranchView>,
    /// Payouts with their reversals, oldest first.
    payouts: Vec<MoneyTrailBranchView>,
    /// Refunds and reversals of transactions that are not the booking's.
    loose: Vec<TransactionView>,
    /// What all of them come to, apart for each currency.
    totals: Vec<TransactionTotalsView>,
    /// What does not fit.
    findings: Vec<MoneyTrailFindingView>,
}

impl MoneyTrailView {
    pub(crate) fn new(booking: BookingId, trail: &MoneyTrail, projection: Projection) -> Self {
        let branches = |branches: &[Branch]| {
            let all = branches.iter();
            all.map(|branch| MoneyTrailBranchView::new(branch, projection))
                .collect()
        };
        let loose = trail.loose.iter();
        Self {
            booking_id: booking.to_string(),
            payments: branches(&trail.payments),
            earnings: branches(&trail.earnings),
            payouts: branches(&trail.payouts),
            loose: loose.map(|part| TransactionView::new(part, projection)).collect(),
            totals: trail.totals.iter().map(TransactionTotalsView::from).collect(),
            findings: trail.findings.iter().map(MoneyTrailFindingView::from).collect(),
        }
    }
}

impl View for MoneyTrailView {}

/// A line of a statement.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatementLineView {
    /// The transaction.
    transaction: TransactionView,
    /// By how much it changes what the specialist is owed; zero if it failed or was stopped.
    #[schema(example = 8_500)]
    balance_minor: i64,
}

/// A specialist's month.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatementView {
    /// Whose.
    specialist: Option<TransactionPersonView>,
    /// Which month.
    #[schema(example = "2026-05")]
    month: String,
    /// The IANA zone of the organization, in which the month is counted.
    #[schema(example = "Europe/Berlin")]
    time_zone: String,
    /// Its first instant.
    #[schema(value_type = String, format = DateTime)]
    from: Option<Timestamp>,
    /// The first instant after it.
    #[schema(value_type = String, format = DateTime)]
    until: Option<Timestamp>,
    /// All transactions of the specialist in it, oldest first.
    lines: Vec<StatementLineView>,
    /// What they come to, apart for each currency.
    totals: Vec<TransactionTotalsView>,
}

impl StatementView {
    pub(crate) fn new(
        person: &Person,
        month: Month,
        zone: &ZoneName,
        query: &TransactionQuery,
        statement: &Statement,
        projection: Projection,
    ) -> Self {
        let line = |row: &TransactionRow| StatementLineView {
            transaction: TransactionView::new(row, projection),
            balance_minor: row.balance_minor(),
        };
        Self {
            specialist: TransactionPersonView::specialist(person, projection),
            month: month.to_string(),
            time_zone: zone.as_str().to_owned(),
            from: query.from,
            until: query.until,
            lines: statement.lines.iter().map(line).collect(),
            totals: statement.totals.iter().map(TransactionTotalsView::from).collect(),
        }
    }
}

impl View for StatementView {}
