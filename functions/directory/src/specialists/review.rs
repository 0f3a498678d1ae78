//! `POST /v1/organizations/{organization_id}/specialists/{specialist_id}/review`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::Refusal;
use portal_domain::id::{OrganizationId, SpecialistId};
use portal_domain::permission::need;
use portal_domain::specialist::Step;
use portal_domain::text::ReviewReason;
use portal_http::listing::specialists::Seen;
use portal_http::problem::Problem;
use portal_http::{ApiError, Idempotent, IfMatch, Member, Path, Reply};
use serde::Deserialize;
use utoipa::ToSchema;

use super::subject;
use super::view::SpecialistView;

/// A step of a review.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReviewStepCreate {
    /// `submit`, `begin`, `request_changes`, `approve`, `reject`, `suspend`, `reinstate` or `archive`.
    #[schema(value_type = String, example = "approve")]
    step: Step,
    /// Why, 1 to 1,000 characters. Needed to request changes, reject and suspend.
    #[schema(value_type = Option<String>)]
    reason: Option<ReviewReason>,
}

/// Review a specialist
///
/// Draft, submitted, in review, approved; or rejected, or changes requested and submitted again. Who is approved can be suspended, and
/// then reinstated or archived. Needs a site of the specialist's that the organization owns.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/specialists/{specialist_id}/review", tag = "specialists",
    request_body = ReviewStepCreate,
    params(("organization_id" = String, Path), ("specialist_id" = String, Path), ("idempotency-key" = String, Header),
           ("if-match" = String, Header)),
    responses((status = 200, description = "One step further", body = SpecialistView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn review_specialist(
    State(web): State<Web>,
    member: Member<need::SpecialistsManage>,
    Path((_, specialist)): Path<(OrganizationId, SpecialistId)>,
    IfMatch(revision): IfMatch,
    request: Idempotent<ReviewStepCreate>,
) -> Result<Reply, ApiError> {
    member
        .perform(
            Some(&request.key),
            || web.store.specialist_prices(specialist),
            |access, sought, now| {
                let (found, reach) = subject(access, sought)?;
                let ReviewStepCreate { step, reason } = &request.body;
                let (specialist, change) =
                    found
                        .specialist
                        .review(access, *step, reason.clone(), revision, now)?;
                let view = SpecialistView::new(&specialist, &found.prices, Seen::of(access, &reach, now));
                Ok::<_, Refusal>((change, Reply::ok(&view).etag(specialist.rev)))
            },
        )
        .await
}
