//! `GET /v1/organizations/{organization_id}/bookings/{booking_id}`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::Code;
use portal_domain::id::{BookingId, OrganizationId};
use portal_domain::permission::need;
use portal_http::listing::bookings::Seen;
use portal_http::problem::Problem;
use portal_http::{ApiError, Member, Path, Reply};

use crate::view::BookingDetailsView;

/// Get a booking
///
/// With its history, and what was asked of its source last.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/bookings/{booking_id}", tag = "bookings",
    params(("organization_id" = String, Path), ("booking_id" = String, Path)),
    responses((status = 200, description = "The booking", body = BookingDetailsView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn get_booking(
    State(web): State<Web>,
    member: Member<need::BookingsRead>,
    Path((_, booking)): Path<(OrganizationId, BookingId)>,
) -> Result<Reply, ApiError> {
    let (access, sought) = member.beside(web.store.booking_history(booking)).await?;
    let reach = access.reach()?;
    let found = sought.within(&reach).ok_or(Code::BookingNotFound)?;
    let view = BookingDetailsView::new(&found, Seen::of(&access, &reach), web.clock.now());
    Ok(Reply::ok(&view).etag(found.booking.rev))
}
