//! `GET` and `PUT /v1/organizations/{organization_id}/access`.

use std::collections::BTreeSet;

use portal_domain::code::Refusal;
use portal_domain::configuration::{Directory, Narrowing, Registration, Scope};
use portal_domain::id::SiteId;
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::view::AccessView;
use portal_http::{ApiError, IfMatch, Json, Member, Reply};
use serde::Deserialize;
use utoipa::ToSchema;

/// What an organization is to see, all of it. It can be no more than its ceiling.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessUpdate {
    /// `patients`, `specialists` or `both`.
    #[schema(value_type = String, example = "both")]
    scope: Scope,
    /// `enrolled`, `sites` or `platform`.
    #[schema(value_type = String, example = "sites")]
    directory: Directory,
    /// `invite_only` or `open`.
    #[schema(value_type = String, example = "invite_only")]
    registration: Registration,
    /// The sites in use, of those the operator bound.
    #[schema(value_type = Vec<String>)]
    sites: BTreeSet<SiteId>,
}

/// Get the access configuration
///
/// What the organization sees of the platform's records follows from it alone.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/access", tag = "organizations",
    params(("organization_id" = String, Path)),
    responses((status = 200, description = "The configuration", body = AccessView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn get_access(member: Member<need::OrganizationUpdate>) -> Result<Reply, ApiError> {
    let (access, ()) = member.beside(async { Ok(()) }).await?;
    let view = AccessView::from(&access.organization.configuration);
    Ok(Reply::ok(&view).etag(access.organization.rev))
}

/// Change the access configuration
///
/// It takes effect with everybody's next request. An organization can only narrow what the platform operator allows.
#[utoipa::path(put, path = "/v1/organizations/{organization_id}/access", tag = "organizations", request_body = AccessUpdate,
    params(("organization_id" = String, Path), ("if-match" = String, Header)),
    responses((status = 200, description = "Changed", body = AccessView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn update_access(
    member: Member<need::OrganizationUpdate>,
    IfMatch(seen): IfMatch,
    Json(wanted): Json<AccessUpdate>,
) -> Result<Reply, ApiError> {
    member
        .perform(
            None,
            async || Ok(()),
            |access, (), now| {
                let narrowing = Narrowing {
                    scope: wanted.scope,
                    directory: wanted.directory,
                    registration: wanted.registration,
                    sites: wanted.sites.clone(),
                };
                let (organization, change) = access.configure(&narrowing, seen, now)?;
                let view = AccessView::from(&organization.configuration);
                Ok::<_, Refusal>((change, Reply::ok(&view).etag(organization.rev)))
            },
        )
        .await
}
