//! `GET` and `PATCH /v1/platform/organizations/{organization_id}`.

use axum::extract::State;
use jiff::Timestamp;
use portal_app::PlatformWeb;
use portal_domain::code::Refusal;
use portal_domain::configuration::{Ceiling, Directory, Registration, Scope};
use portal_domain::id::OrganizationId;
use portal_domain::operator::{Allowance, Usage};
use portal_domain::organization::{Organization, State as Life};
use portal_domain::plan::{Quota, Seats, TEAM};
use portal_domain::transaction::Month;
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
    /// Sessions of its tree in this month of UTC.
    sessions: QuotaView,
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

/// Sessions of a month.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuotaView {
    /// The month.
    #[schema(example = "2026-05")]
    month: String,
    /// Started in it.
    used: u32,
    /// The most there may be.
    limit: u32,
}

impl View for PlatformOrganizationView {}

impl PlatformOrganizationView {
    fn new(organization: &Organization, usage: Usage<'_>, wanted: Allowance, now: Timestamp) -> Self {
        let Usage { seats, quota } = usage;
        let kept = seats.map_or(0, |seats| seats.limit);
        let month = Month::of(now);
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
                limit: wanted.seats.unwrap_or(kept),
            },
            sessions: QuotaView {
                month: month.to_string(),
                used: quota.map_or(0, |quota| quota.used_in(month)),
                limit: wanted
                    .sessions
                    .unwrap_or_else(|| quota.map_or(TEAM.sessions, |quota| quota.limit)),
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
    /// Another limit of sessions a month, 0 to 100,000,000.
    session_limit: Option<u32>,
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
            sessions: self.session_limit,
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
    let (_, _, (found, seats, quota)) = operator.caller.beside(found).await?;
    let now = platform.web.clock.now();
    let found = operator.acting().organization(found, now)?;
    let usage = Usage {
        seats: seats.as_ref(),
        quota: quota.as_ref(),
    };
    let view = PlatformOrganizationView::new(&found, usage, Allowance::default(), now);
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
            |_, _, (found, seats, quota), now| {
                let usage = Usage {
                    seats: seats.as_ref(),
                    quota: quota.as_ref(),
                };
                let (new, change) = operator.acting().allow(found, usage, wanted, seen, now)?;
                let view = PlatformOrganizationView::new(&new, usage, wanted, now);
                Ok::<_, Refusal>((change, Reply::ok(&view).etag(new.rev)))
            },
        )
        .await
}

/// An organization, and what its tree uses of its plan, read at once where it is its own root.
async fn read(
    platform: &PlatformWeb,
    organization: OrganizationId,
) -> Result<(Option<Organization>, Option<Seats>, Option<Quota>), StoreError> {
    let store = &platform.web.store;
    tokio::try_join!(
        store.organization(organization),
        store.seats(organization),
        store.quota(organization)
    )
}
