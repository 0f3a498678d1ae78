//! `GET /v1/organizations/{organization_id}/statistics`.

use axum::extract::State;
use jiff::Timestamp;
use jiff::civil::Date;
use portal_app::Web;
use portal_domain::code::{Code, Refusal};
use portal_domain::id::SiteId;
use portal_domain::organization::ZoneName;
use portal_domain::permission::{Permission, need};
use portal_domain::reach::Reach;
use portal_domain::statistics::{Counts, Interval, Stretch, scopes, summable};
use portal_http::problem::Problem;
use portal_http::{ApiError, Member, Query, Reply};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::view::StatisticsView;

/// Which days or months are wanted, and of which part of an organization.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatisticsFilter {
    /// The first day, as `yyyy-mm-dd`; of a series by month, a day in the first month. If not given, 30 days or a year before the end.
    #[param(value_type = Option<String>, format = Date, example = "2026-05-01")]
    from: Option<String>,
    /// The day before which the series ends; if not given, tomorrow.
    #[param(value_type = Option<String>, format = Date, example = "2026-06-01")]
    until: Option<String>,
    /// `day`, or `month`.
    #[param(default = "day")]
    by: Option<String>,
    /// Only of this site.
    #[param(value_type = Option<String>)]
    site_id: Option<SiteId>,
}

impl StatisticsFilter {
    fn by(&self) -> Result<Interval, Refusal> {
        match self.by.as_deref() {
            None | Some("day") => Ok(Interval::Day),
            Some("month") => Ok(Interval::Month),
            Some(_) => Err(refused("by must be day or month")),
        }
    }

    fn stretches(&self, zone: &ZoneName, now: Timestamp) -> Result<Vec<Stretch>, Refusal> {
        let (by, zone) = (self.by()?, zone.zone());
        let date = |text: &Option<String>| text.as_deref().map(str::parse::<Date>).transpose();
        let (Ok(from), Ok(until)) = (date(&self.from), date(&self.until)) else {
            return Err(refused("from and until must be days such as 2026-05-01"));
        };
        let tomorrow = now
            .to_zoned(zone.clone())
            .date()
            .saturating_add(jiff::Span::new().days(1));
        let until = until.unwrap_or(tomorrow);
        by.series(from.unwrap_or_else(|| by.before(until)), until, &zone)
    }
}

fn refused(why: &'static str) -> Refusal {
    Refusal::new(Code::QueryInvalid, why)
}

/// Get statistics
///
/// By day, at most 92, or by month, at most 24, of the organization's time zone: bookings by when they begin, people by when they
/// came, money by when it happened. Numbers that need a permission or a scope that the caller does not have are null. Many sites
/// over a long time need `site_id`.
///
/// An organization that oversees whom it sponsors is told totals by month, three days after its end and from then on the same, if
/// they are of 11 people at least; it needs `bookings.read`.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/statistics", tag = "dashboard",
    params(("organization_id" = String, Path), StatisticsFilter),
    responses((status = 200, description = "The series", body = StatisticsView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn get_statistics(
    State(web): State<Web>,
    member: Member<need::Membership>,
    Query(filter): Query<StatisticsFilter>,
) -> Result<Reply, ApiError> {
    let now = web.clock.now();
    let (access, ()) = member.beside(async { Ok(()) }).await?;
    let (by, zone) = (filter.by()?, &access.organization.settings.time_zone);
    let stretches = filter.stretches(zone, now)?;
    if access.is_told_totals(by, filter.site_id)? {
        access.must_hold(Permission::BookingsRead)?;
        let (store, sponsor) = (&web.store, access.organization.id);
        let totals = store.sponsored_totals(sponsor, &stretches, now).await?;
        let settings = &access.organization.settings;
        return Ok(Reply::ok(&StatisticsView::of_totals(
            settings, by, now, &stretches, &totals,
        )));
    }
    let reach = access.reach()?.at(filter.site_id)?;
    let counts = counted(&web, &reach, &stretches).await?;
    let seen = access.projection(&reach);
    let told = stretches.into_iter().map(|stretch| stretch.told(&counts, seen));
    let told = told.collect::<Result<Vec<_>, _>>()?;
    Ok(Reply::ok(&StatisticsView::new(zone, by, now, &told)))
}

/// What was counted from the first of these to the last.
async fn counted(web: &Web, reach: &Reach, stretches: &[Stretch]) -> Result<Counts, ApiError> {
    let (Some(first), Some(last)) = (stretches.first(), stretches.last()) else {
        return Ok(Counts::within(reach));
    };
    let (scopes, span) = (scopes(reach)?, first.span.to(last.span));
    summable(&scopes, span)?;
    Ok(web.store.statistics(reach, &scopes, span).await?)
}
