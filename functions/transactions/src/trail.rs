//! `GET /v1/organizations/{organization_id}/bookings/{booking_id}/money-trail`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::Code;
use portal_domain::id::{BookingId, OrganizationId};
use portal_domain::permission::need;
use portal_domain::transaction::MoneyTrail;
use portal_http::problem::Problem;
use portal_http::{ApiError, Member, Path, Reply};

use crate::view::MoneyTrailView;

/// Get the money trail of a booking
///
/// What was paid, earned and paid out for it, what came back of that, and what does not fit. It has no more of it than the list
/// of transactions shows, and misses nothing that the list cannot show.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/bookings/{booking_id}/money-trail", tag = "transactions",
    params(("organization_id" = String, Path), ("booking_id" = String, Path)),
    responses((status = 200, description = "The trail", body = MoneyTrailView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn get_money_trail(
    State(web): State<Web>,
    member: Member<need::TransactionsRead>,
    Path((_, booking)): Path<(OrganizationId, BookingId)>,
) -> Result<Reply, ApiError> {
    let (access, sought) = member.beside(web.store.booking_ledger(booking)).await?;
    let reach = access.reach()?;
    let found = sought.within(&reach).ok_or(Code::BookingNotFound)?;
    let trail = MoneyTrail::of(&found.booking, &reach, found.transactions)?;
    Ok(Reply::ok(&MoneyTrailView::new(
        booking,
        &trail,
        access.projection(&reach),
    )))
}
