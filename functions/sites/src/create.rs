//! `POST /v1/organizations/{organization_id}/sites`.

use std::collections::BTreeSet;

use portal_domain::code::Refusal;
use portal_domain::email::EmailDomain;
use portal_domain::organization::ZoneName;
use portal_domain::permission::need;
use portal_domain::site::{SiteRecord, Status};
use portal_domain::text::SiteName;
use portal_http::problem::Problem;
use portal_http::view::SiteView;
use portal_http::{ApiError, Idempotent, Member, Reply};
use serde::Deserialize;
use utoipa::ToSchema;

/// What a new site is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SiteCreate {
    /// Its name, as patients know it, 1 to 100 characters.
    #[schema(value_type = String, example = "Riverside Online")]
    name: SiteName,
    /// Where it is reached.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["care.riverside.example"]))]
    domains: BTreeSet<EmailDomain>,
    /// The IANA zone in which its times are told; the organization's if not given.
    #[schema(value_type = Option<String>, example = "Europe/Berlin")]
    time_zone: Option<ZoneName>,
}

/// Create a site
///
/// The organization owns it. How many it can have is part of its ceiling.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/sites", tag = "sites", request_body = SiteCreate,
    params(("organization_id" = String, Path), ("idempotency-key" = String, Header)),
    responses((status = 201, description = "Created, as a draft", body = SiteView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn create_site(
    member: Member<need::OrganizationUpdate>,
    request: Idempotent<SiteCreate>,
) -> Result<Reply, ApiError> {
    member
        .perform(
            Some(&request.key),
            async || Ok(()),
            |access, (), now| {
                let wanted = &request.body;
                let of_organization = &access.organization.settings.time_zone;
                let record = SiteRecord {
                    name: wanted.name.clone(),
                    domains: wanted.domains.clone(),
                    time_zone: wanted.time_zone.as_ref().unwrap_or(of_organization).clone(),
                    status: Status::Draft,
                };
                let (site, change) = access.create_site(record, now)?;
                let location = format!("/v1/organizations/{}/sites/{}", member.organization, site.id);
                let reply = Reply::created(&SiteView::from(&site), location).etag(site.rev);
                Ok::<_, Refusal>((change, reply))
            },
        )
        .await
}
