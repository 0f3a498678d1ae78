//! `/v1/platform/sites`, `GET /v1/platform/sites/{site_id}` and `GET /v1/platform/sites/{site_id}/organizations`.

use std::collections::BTreeSet;

use axum::extract::State;
use portal_app::PlatformWeb;
use portal_domain::code::{Code, Refusal};
use portal_domain::email::EmailDomain;
use portal_domain::id::SiteId;
use portal_domain::organization::ZoneName;
use portal_domain::site::{SiteRecord, Status};
use portal_domain::text::SiteName;
use portal_http::problem::Problem;
use portal_http::view::{BindingView, SiteView};
use portal_http::{ApiError, Idempotent, List, ListView, NoFilter, Paging, Path, Reply, View};
use portal_store::entity::binding::Bound;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::operator::Operator;

/// What a new site of the platform is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlatformSiteCreate {
    /// Its name, as patients know it, 1 to 100 characters.
    #[schema(value_type = String, example = "Lakeside Online")]
    name: SiteName,
    /// Where it is reached.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    domains: BTreeSet<EmailDomain>,
    /// The IANA zone in which its times are told.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Europe/Berlin")]
    time_zone: Option<ZoneName>,
    /// Into how many partitions its collections are spread, 1 to 16; it cannot change. More than one is for sites with more than
    /// about 1,000 changes a second.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 16, default = 1)]
    shards: u8,
}

const fn one() -> u8 {
    1
}

/// An organization that is bound to a site.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SiteBindingView {
    /// The organization.
    #[schema(example = "org_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    organization_id: String,
    /// How.
    #[serde(flatten)]
    binding: BindingView,
}

impl View for SiteBindingView {}

impl From<Bound> for SiteBindingView {
    fn from(bound: Bound) -> Self {
        Self {
            organization_id: bound.organization.to_string(),
            binding: (&bound.binding).into(),
        }
    }
}

/// Create a site of the platform
///
/// Nobody sees anything of it before an organization is bound to it.
#[utoipa::path(post, path = "/v1/platform/sites", tag = "platform", request_body = PlatformSiteCreate,
    params(("idempotency-key" = String, Header)),
    responses((status = 201, description = "Created, as a draft", body = SiteView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %operator.account()))]
pub(crate) async fn create_platform_site(
    operator: Operator,
    request: Idempotent<PlatformSiteCreate>,
) -> Result<Reply, ApiError> {
    operator
        .caller
        .perform(
            Some(&request.key),
            async || Ok(()),
            |_, _, (), now| {
                let wanted = &request.body;
                let record = SiteRecord {
                    name: wanted.name.clone(),
                    domains: wanted.domains.clone(),
                    time_zone: wanted.time_zone.clone().unwrap_or_default(),
                    status: Status::Draft,
                };
                let (site, change) = operator.acting().create_site(record, wanted.shards, now)?;
                let location = format!("/v1/platform/sites/{}", site.id);
                let reply = Reply::created(&SiteView::from(&site), location).etag(site.rev);
                Ok::<_, Refusal>((change, reply))
            },
        )
        .await
}

/// List all sites
///
/// In the order in which they were made.
#[utoipa::path(get, path = "/v1/platform/sites", tag = "platform",
    params(Paging),
    responses((status = 200, description = "A page of sites", body = ListView<SiteView>),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %operator.account()))]
pub(crate) async fn list_platform_sites(
    State(platform): State<PlatformWeb>,
    operator: Operator,
    list: List<NoFilter>,
) -> Result<Reply, ApiError> {
    let cursors = &platform.web.cursors;
    let after = list.after(cursors, operator.account())?;
    let sites = platform.web.store.all_sites(list.limit, after);
    let (_, _, page) = operator.caller.beside(sites).await?;
    Ok(list.reply(
        cursors,
        operator.account(),
        page.map(|site| SiteView::from(&site)),
    ))
}

/// Get a site of the platform
#[utoipa::path(get, path = "/v1/platform/sites/{site_id}", tag = "platform",
    params(("site_id" = String, Path)),
    responses((status = 200, description = "The site", body = SiteView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %operator.account()))]
pub(crate) async fn get_platform_site(
    State(platform): State<PlatformWeb>,
    operator: Operator,
    Path(site): Path<SiteId>,
) -> Result<Reply, ApiError> {
    let (_, _, found) = operator.caller.beside(platform.web.store.site(site)).await?;
    let found = found.ok_or(Code::SiteNotFound)?;
    Ok(Reply::ok(&SiteView::from(&found)).etag(found.rev))
}

/// List the organizations that are bound to a site
#[utoipa::path(get, path = "/v1/platform/sites/{site_id}/organizations", tag = "platform",
    params(("site_id" = String, Path), Paging),
    responses((status = 200, description = "A page of bindings", body = ListView<SiteBindingView>),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %operator.account()))]
pub(crate) async fn list_site_bindings(
    State(platform): State<PlatformWeb>,
    operator: Operator,
    Path(site): Path<SiteId>,
    list: List<NoFilter>,
) -> Result<Reply, ApiError> {
    let cursors = &platform.web.cursors;
    let after = list.after(cursors, operator.account())?;
    let bindings = platform.web.store.bindings(site, list.limit, after);
    let (_, _, page) = operator.caller.beside(bindings).await?;
    Ok(list.reply(cursors, operator.account(), page.map(SiteBindingView::from)))
}
