//! `GET /v1/organizations/{organization_id}/transactions`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::permission::need;
use portal_http::listing::Listing as _;
use portal_http::listing::transactions::{TransactionFilter, TransactionView};
use portal_http::problem::Problem;
use portal_http::{ApiError, List, ListView, Member, Paging, Reply};

/// List transactions
///
/// Newest first. With filters, at most 1,000 transactions of a site are looked at for a page, which may then be short. A list from
/// too many sites needs `site_id`. An organization that oversees patients only has no earnings and payouts, one that oversees
/// specialists only no payments and refunds.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/transactions", tag = "transactions",
    params(("organization_id" = String, Path), Paging, TransactionFilter),
    responses((status = 200, description = "A page of transactions", body = ListView<TransactionView>),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn list_transactions(
    State(web): State<Web>,
    member: Member<need::TransactionsRead>,
    list: List<TransactionFilter>,
) -> Result<Reply, ApiError> {
    let after = list.after(&web.cursors, member.account())?;
    let now = web.clock.now();
    let (access, ()) = member.beside(async { Ok(()) }).await?;
    let page = list
        .filter
        .page(&web.store, &access, now, list.limit, after)
        .await?;
    Ok(list.reply(&web.cursors, member.account(), page))
}
