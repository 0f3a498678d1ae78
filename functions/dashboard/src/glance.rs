//! `GET /v1/organizations/{organization_id}/dashboard`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::access::Access;
use portal_domain::booking::{BookingQuery, BookingRow};
use portal_domain::dashboard::{Calendar, LookedAt, MOST_LOOKED_AT, next, overdue, recent};
use portal_domain::id::SiteId;
use portal_domain::permission::need;
use portal_domain::reach::Reach;
use portal_domain::statistics::{Counts, scopes};
use portal_domain::transaction::{TransactionQuery, TransactionRow};
use portal_http::problem::Problem;
use portal_http::{ApiError, Member, Query, Reply};
use portal_store::StoreError;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::view::DashboardView;

/// How many items the lists on the dashboard have.
const SHOWN: usize = 5;

/// Which part of an organization the dashboard is about.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DashboardFilter {
    /// Only of this site.
    #[param(value_type = Option<String>)]
    site_id: Option<SiteId>,
}

/// What a dashboard is made of.
pub(crate) struct Glance {
    pub(crate) counts: Counts,
    pub(crate) overdue: LookedAt,
    pub(crate) next: Option<Vec<BookingRow>>,
    pub(crate) recent: Option<Vec<BookingRow>>,
    pub(crate) transactions: Option<Vec<TransactionRow>>,
}

/// Get the dashboard
///
/// Each tile is the length of a list and names it; its number is that of a moment ago. Days and months are the organization's, in
/// its time zone. Tiles and lists that need a permission or a scope that the caller does not have are left out. More sites than a
/// list can be of need `site_id`.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/dashboard", tag = "dashboard",
    params(("organization_id" = String, Path), DashboardFilter),
    responses((status = 200, description = "The dashboard", body = DashboardView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn get_dashboard(
    State(web): State<Web>,
    member: Member<need::Membership>,
    Query(filter): Query<DashboardFilter>,
) -> Result<Reply, ApiError> {
    let now = web.clock.now();
    let (access, ()) = member.beside(async { Ok(()) }).await?;
    let reach = access.reach()?.at(filter.site_id)?;
    let calendar = Calendar::at(now, &access.organization.settings.time_zone)?;
    let glance = Glance::read(&web, &access, &reach, filter.site_id, &calendar).await?;
    let tiles = calendar.tiles(&access, &reach, filter.site_id, &glance.counts, &glance.overdue)?;
    Ok(Reply::ok(&DashboardView::new(
        &access, &reach, &calendar, &tiles, &glance,
    )))
}

impl Glance {
    /// Reads all of it at once; nothing of what the caller does not see.
    async fn read(
        web: &Web,
        access: &Access,
        reach: &Reach,
        site: Option<SiteId>,
        calendar: &Calendar,
    ) -> Result<Self, StoreError> {
        let (store, now, seen) = (&web.store, calendar.now, access.projection(reach));
        let scopes = scopes(reach)?;
        let bookings = async |query: BookingQuery| {
            if !seen.bookings {
                return Ok(None);
            }
            let page = store.bookings(reach, &query, now, SHOWN, None).await?;
            Ok(Some(page.items))
        };
        let overdue = async {
            if !seen.bookings {
                return Ok(LookedAt::NONE);
            }
            let query = overdue(site);
            store.bookings_found(reach, &query, now, MOST_LOOKED_AT).await
        };
        let transactions = async {
            if !seen.money {
                return Ok(None);
            }
            let query = TransactionQuery {
                site,
                ..TransactionQuery::default()
            };
            let page = store.transactions(reach, &query, SHOWN, None).await?;
            Ok(Some(page.items))
        };
        let (counts, overdue, next, recent, transactions) = tokio::try_join!(
            store.statistics(reach, &scopes, calendar.whole()),
            overdue,
            bookings(next(site, now)),
            bookings(recent(site, now)),
            transactions,
        )?;
        Ok(Self {
            counts,
            overdue,
            next,
            recent,
            transactions,
        })
    }
}
