//! `GET /v1/organizations/{organization_id}/transactions/{transaction_id}`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::Code;
use portal_domain::id::{OrganizationId, TransactionId};
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::{ApiError, Member, Path, Reply};

use crate::view::TransactionDetailsView;

/// Get a transaction
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/transactions/{transaction_id}", tag = "transactions",
    params(("organization_id" = String, Path), ("transaction_id" = String, Path)),
    responses((status = 200, description = "The transaction", body = TransactionDetailsView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn get_transaction(
    State(web): State<Web>,
    member: Member<need::TransactionsRead>,
    Path((_, transaction)): Path<(OrganizationId, TransactionId)>,
) -> Result<Reply, ApiError> {
    let (access, sought) = member.beside(web.store.transaction(transaction)).await?;
    let reach = access.reach()?;
    let found = sought.within(&reach).ok_or(Code::TransactionNotFound)?;
    let view = TransactionDetailsView::new(&found, access.organization.id, access.projection(&reach));
    Ok(Reply::ok(&view).etag(found.rev))
}
