//! `GET /v1/organizations/{organization_id}/bookings`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::permission::need;
use portal_http::listing::Listing as _;
use portal_http::listing::bookings::{BookingFilter, BookingView};
use portal_http::problem::Problem;
use portal_http::{ApiError, List, ListView, Member, Paging, Reply};

/// List bookings
///
/// By their start: of the tabs `active` and `overdue` what comes first, else what comes last. Overdue is what should have been over
/// an hour ago without being fulfilled, cancelled or missed; past is what is settled; active is the rest. With filters, at most
/// 1,000 bookings of a site are looked at for a page, which may then be short. A list from too many sites needs `site_id`.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/bookings", tag = "bookings",
    params(("organization_id" = String, Path), Paging, BookingFilter),
    responses((status = 200, description = "A page of bookings", body = ListView<BookingView>),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn list_bookings(
    State(web): State<Web>,
    member: Member<need::BookingsRead>,
    list: List<BookingFilter>,
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
