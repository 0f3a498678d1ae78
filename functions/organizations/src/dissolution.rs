//! `POST` and `DELETE /v1/organizations/{organization_id}/dissolution`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::{Code, Refusal};
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::{ApiError, Json, Member, Reply};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::view::OrganizationView;

/// The confirmation of a dissolution.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DissolutionCreate {
    /// The organization's name, typed again.
    name: String,
    /// Confirms that all other members are removed.
    #[serde(default)]
    remove_members: bool,
}

/// Dissolve an organization
///
/// Access, invites and links die at once. It is final after 30 days and can be cancelled until then.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/dissolution", tag = "organizations",
    request_body = DissolutionCreate, params(("organization_id" = String, Path)),
    responses((status = 200, description = "The organization on its way to its end", body = OrganizationView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn dissolve_organization(
    State(web): State<Web>,
    member: Member<need::OrganizationDissolve>,
    Json(wanted): Json<DissolutionCreate>,
) -> Result<Reply, ApiError> {
    member
        .perform(
            None,
            || web.store.counts(member.organization),
            |access, counts, now| {
                let members = counts.ok_or(Code::OrganizationNotFound)?.members;
                let (organization, change) =
                    access.dissolve(&wanted.name, wanted.remove_members, members, now)?;
                let view = OrganizationView::changed(&organization, access);
                Ok::<_, Refusal>((change, Reply::ok(&view).etag(organization.rev)))
            },
        )
        .await
}

/// Cancel a dissolution
///
/// Everything is as it was before, but for what has expired meanwhile.
#[utoipa::path(delete, path = "/v1/organizations/{organization_id}/dissolution", tag = "organizations",
    params(("organization_id" = String, Path)),
    responses((status = 200, description = "The organization, in use again", body = OrganizationView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn cancel_dissolution(
    member: Member<need::OrganizationDissolve>,
) -> Result<Reply, ApiError> {
    member
        .until_final()
        .perform(
            None,
            async || Ok(()),
            |access, (), now| {
                let (organization, change) = access.cancel_dissolution(now)?;
                let view = OrganizationView::changed(&organization, access);
                Ok::<_, Refusal>((change, Reply::ok(&view).etag(organization.rev)))
            },
        )
        .await
}
