//! `GET` and `PATCH /v1/platform/organizations/{organization_id}`.

use axum::extract::State;
use portal_app::PlatformWeb;
use portal_domain::code::Refusal;
use portal_domain::configuration::{Ceiling, Directory, Registration, Scope};
use portal_domain::id::OrganizationId;
use portal_domain::operator::Allowance;
use portal_domain::organization::{Organization, State as Life};
use portal_domain::plan::Seats;
use portal_http::problem::Problem;
use portal_http::view::AccessView;
use portal_http::{ApiError, IfMatch, Json, Path, Reply, View};
use portal_store::StoreError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::operator::Operator;

/// An organization, as the platform operator sees it: no people.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlatformOrganizationView {
    /// Its id.
    #[schema(example = "org_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    id: String,
    /// Its display name.
    name: String,
    /// `active` or `dissolving`.
    #[schema(example = "active")]
    status: &'static str,
    /// Provider seats of its tree.
    seats: SeatsView,
    /// What it may see of the platform's records.
    access: AccessView,
}

/// Provider seats.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SeatsView {
    /// By providers, and pending invites to such roles.
    used: u32,
    /// The most there may be.
    limit: u32,
}

impl View for PlatformOrganizationView {}

impl PlatformOrganizationView {
    fn new(organization: &Organization, seats: Option<&Seats>, limit: Option<u32>) -> Self {
        let kept = seats.map_or(0, |seats| seats.limit);
        Self {
            id: organization.id.to_string(),
            name: organization.name.as_str().to_owned(),
            status: match organization.state {
                Life::Active => "active",
                Life::Dissolving { .. } => "dissolving",
                Life::Dissolved { .. } => "dissolved",
            },
            seats: SeatsView {
                used: seats.map_or(0, |seats| seats.used),
                limit: limit.unwrap_or(kept),
            },
            access: (&organization.configuration).into(),
        }
    }
}

/// What is to be allowed; what is not given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AllowanceUpdate {
    /// Another ceiling.
    ceiling: Option<CeilingUpdate>,
    /// Another limit of provider seats, 0 to 100,000.
    seat_limit: Option<u32>,
}

/// The most that an organization may see, all of it.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CeilingUpdate {
    /// `patients`, `specialists` or `both`.
    #[schema(value_type = String, example = "both")]
    scope: Scope,
    /// `enrolled`, `sites` or `platform`.
    #[schema(value_type = String, example = "sites")]
    directory: Directory,
    /// `invite_only` or `open`.
    #[schema(value_type = String, example = "open")]
    registration: Registration,
    /// How many sites it may make, at most 200.
    sites: u32,
}

impl AllowanceUpdate {
    fn allowance(&self) -> Allowance {
        let ceiling = self.ceiling.map(|ceiling| Ceiling {
            scope: ceiling.scope,
            directory: ceiling.directory,
            registration: ceiling.registration,
            sites: ceiling.sites,
        });
        Allowance {
            ceiling,
            seats: self.seat_limit,
        }
    }
}

/// Get what an organization is allowed
#[utoipa::path(get, path = "/v1/platform/organizations/{organization_id}", tag = "platform",
    params(("organization_id" = String, Path)),
    responses((status = 200, description = "The organization", body = PlatformOrganizationView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %operator.account()))]
pub(crate) async fn get_platform_organization(
    State(platform): State<PlatformWeb>,
    operator: Operator,
    Path(organization): Path<OrganizationId>,
) -> Result<Reply, ApiError> {
    let found = read(&platform, organization);
    let (_, _, (found, seats)) = operator.caller.beside(found).await?;
    let found = operator.acting().organization(found, platform.web.clock.now())?;
    let view = PlatformOrganizationView::new(&found, seats.as_ref(), None);
    Ok(Reply::ok(&view).etag(found.rev))
}

/// Change what an organization is allowed
///
/// A lower ceiling narrows its access configuration at once.
#[utoipa::path(patch, path = "/v1/platform/organizations/{organization_id}", tag = "platform", request_body = AllowanceUpdate,
    params(("organization_id" = String, Path), ("if-match" = String, Header)),
    responses((status = 200, description = "Changed", body = PlatformOrganizationView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %operator.account()))]
pub(crate) async fn update_platform_organization(
    State(platform): State<PlatformWeb>,
    operator: Operator,
    Path(organization): Path<OrganizationId>,
    IfMatch(seen): IfMatch,
    Json(wanted): Json<AllowanceUpdate>,
) -> Result<Reply, ApiError> {
    let wanted = wanted.allowance();
    operator
        .caller
        .perform(
            None,
            || read(&platform, organization),
            |_, _, (found, seats), now| {
                let seats = seats.as_ref();
                let (new, change) = operator.acting().allow(found, seats, wanted, seen, now)?;
                let view = PlatformOrganizationView::new(&new, seats, wanted.seats);
                Ok::<_, Refusal>((change, Reply::ok(&view).etag(new.rev)))
            },
        )
        .await
}

/// An organization and the seats of its tree, read at once where it is its own root.
async fn read(
    platform: &PlatformWeb,
    organization: OrganizationId,
) -> Result<(Option<Organization>, Option<Seats>), StoreError> {
    let store = &platform.web.store;
    tokio::try_join!(store.organization(organization), store.seats(organization))
}
