//! `GET /v1/organizations/{organization_id}/specialists/{specialist_id}`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::id::{OrganizationId, SpecialistId};
use portal_domain::permission::need;
use portal_http::listing::specialists::Seen;
use portal_http::problem::Problem;
use portal_http::{ApiError, Member, Path, Reply};

use super::subject;
use super::view::SpecialistView;

/// Get a specialist
///
/// With credentials, review, and what sessions have cost.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/specialists/{specialist_id}", tag = "specialists",
    params(("organization_id" = String, Path), ("specialist_id" = String, Path)),
    responses((status = 200, description = "The specialist", body = SpecialistView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn get_specialist(
    State(web): State<Web>,
    member: Member<need::SpecialistsRead>,
    Path((_, specialist)): Path<(OrganizationId, SpecialistId)>,
) -> Result<Reply, ApiError> {
    let (access, sought) = member.beside(web.store.specialist_prices(specialist)).await?;
    let (found, reach) = subject(&access, sought)?;
    let seen = Seen::of(&access, &reach, web.clock.now());
    let view = SpecialistView::new(&found.specialist, &found.prices, seen);
    Ok(Reply::ok(&view).etag(found.specialist.rev))
}
