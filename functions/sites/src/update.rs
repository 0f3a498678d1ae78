//! `PATCH /v1/organizations/{organization_id}/sites/{site_id}`.

use std::collections::BTreeSet;

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::{Code, Refusal};
use portal_domain::configuration::Registration;
use portal_domain::email::EmailDomain;
use portal_domain::id::{OrganizationId, SiteId};
use portal_domain::organization::ZoneName;
use portal_domain::permission::need;
use portal_domain::site::{self, Status};
use portal_domain::text::SiteName;
use portal_domain::wish::Wish;
use portal_http::problem::Problem;
use portal_http::view::SiteView;
use portal_http::{ApiError, IfMatch, Json, Member, Path, Reply};
use serde::Deserialize;
use utoipa::ToSchema;

/// What is to change of a site; what is not given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SiteUpdate {
    /// Its name.
    #[schema(value_type = Option<String>)]
    name: Option<SiteName>,
    /// Where it is reached.
    #[schema(value_type = Option<Vec<String>>)]
    domains: Option<BTreeSet<EmailDomain>>,
    /// The IANA zone in which its times are told.
    #[schema(value_type = Option<String>)]
    time_zone: Option<ZoneName>,
    /// `draft`, `live`, `paused` or `archived`.
    #[schema(value_type = Option<String>)]
    status: Option<Status>,
    /// How people join: `invite_only` or `open`; null as the organization has it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    registration: Wish<Registration>,
}

impl SiteUpdate {
    fn update(&self) -> site::SiteUpdate {
        site::SiteUpdate {
            name: self.name.clone(),
            domains: self.domains.clone(),
            time_zone: self.time_zone.clone(),
            status: self.status,
            registration: self.registration,
        }
    }
}

/// Change a site
///
/// Only one that the organization owns. What the system says that a site comes from is changed there.
#[utoipa::path(patch, path = "/v1/organizations/{organization_id}/sites/{site_id}", tag = "sites", request_body = SiteUpdate,
    params(("organization_id" = String, Path), ("site_id" = String, Path), ("if-match" = String, Header)),
    responses((status = 200, description = "Changed", body = SiteView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn update_site(
    State(web): State<Web>,
    member: Member<need::OrganizationUpdate>,
    Path((_, site)): Path<(OrganizationId, SiteId)>,
    IfMatch(seen): IfMatch,
    Json(wanted): Json<SiteUpdate>,
) -> Result<Reply, ApiError> {
    member
        .perform(
            None,
            || web.store.site(site),
            |access, found, now| {
                let found = found.ok_or(Code::SiteNotFound)?;
                let (site, change) = access.update_site(&found, wanted.update(), seen, now)?;
                Ok::<_, Refusal>((change, Reply::ok(&SiteView::from(&site)).etag(site.rev)))
            },
        )
        .await
}
