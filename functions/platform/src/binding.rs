//! `PUT` and `DELETE /v1/platform/organizations/{organization_id}/sites/{site_id}`.

use axum::extract::State;
use portal_app::PlatformWeb;
use portal_domain::code::Refusal;
use portal_domain::configuration::BindingRole;
use portal_domain::id::{OrganizationId, SiteId};
use portal_domain::operator::Bond;
use portal_http::problem::Problem;
use portal_http::view::AccessView;
use portal_http::{ApiError, Json, Path, Reply};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::operator::Operator;

/// How an organization is to be bound to a site.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BindingUpdate {
    /// `owner` or `shared`.
    #[schema(value_type = String, example = "shared")]
    role: BindingRole,
    /// Whether the site's specialists are shared too; an owner has them anyway.
    #[serde(default)]
    specialists_shared: bool,
}

/// Bind an organization to a site
///
/// It sees the site's people and what happens there from its next request on. Sending it again changes nothing.
#[utoipa::path(put, path = "/v1/platform/organizations/{organization_id}/sites/{site_id}", tag = "platform", request_body = BindingUpdate,
    params(("organization_id" = String, Path), ("site_id" = String, Path)),
    responses((status = 200, description = "Bound", body = AccessView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %operator.account()))]
pub(crate) async fn bind_site(
    State(platform): State<PlatformWeb>,
    operator: Operator,
    Path((organization, site)): Path<(OrganizationId, SiteId)>,
    Json(wanted): Json<BindingUpdate>,
) -> Result<Reply, ApiError> {
    let store = &platform.web.store;
    let bond = Bond {
        role: wanted.role,
        specialists_shared: wanted.specialists_shared,
    };
    operator
        .caller
        .perform(
            None,
            async || tokio::try_join!(store.organization(organization), store.site(site)),
            |_, _, (found, site), now| {
                let (new, change) = operator.acting().bind(found, site.as_ref(), bond, now)?;
                let view = AccessView::from(&new.configuration);
                Ok::<_, Refusal>((change, Reply::ok(&view)))
            },
        )
        .await
}

/// Unbind an organization from a site
///
/// From its next request on it sees nothing of the site.
#[utoipa::path(delete, path = "/v1/platform/organizations/{organization_id}/sites/{site_id}", tag = "platform",
    params(("organization_id" = String, Path), ("site_id" = String, Path)),
    responses((status = 204, description = "Unbound"),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %operator.account()))]
pub(crate) async fn unbind_site(
    State(platform): State<PlatformWeb>,
    operator: Operator,
    Path((organization, site)): Path<(OrganizationId, SiteId)>,
) -> Result<Reply, ApiError> {
    operator
        .caller
        .perform(
            None,
            || platform.web.store.organization(organization),
            |_, _, found, now| {
                let change = operator.acting().unbind(found, site, now)?;
                Ok::<_, Refusal>((change, Reply::no_content()))
            },
        )
        .await
}
