//! `GET /v1/organizations/{organization_id}/specialists`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::{Code, Refusal};
use portal_domain::id::SiteId;
use portal_domain::permission::need;
use portal_domain::search::Search;
use portal_domain::specialist::{ReviewStatus, SpecialistQuery};
use portal_domain::time::Moment;
use portal_http::problem::Problem;
use portal_http::{ApiError, List, ListView, Member, Paging, Reply};
use serde::Deserialize;
use utoipa::IntoParams;

use super::view::{Seen, SpecialistRowView};
use crate::people::{Looking, SortFilter};

/// Which specialists are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SpecialistFilter {
    /// What words of the name begin with, in any case and without accents.
    search: Option<String>,
    /// Only whose review is there; if not given, anywhere but `archived`.
    #[param(value_type = Option<String>)]
    review: Option<ReviewStatus>,
    /// Only who can be booked now, as far as review and credentials go, or only who cannot.
    listed: Option<bool>,
    /// Only at this site.
    #[param(value_type = Option<String>)]
    site_id: Option<SiteId>,
    /// `name`, the family name first, or `newest` first.
    #[serde(default)]
    sort: Option<SortFilter>,
    /// Only who came from then on (RFC 3339): to the site where they came last, of those that are listed. The newest first.
    #[param(value_type = Option<String>, format = DateTime)]
    joined_from: Option<Moment>,
    /// Only who came before then (RFC 3339). The newest first.
    #[param(value_type = Option<String>, format = DateTime)]
    joined_until: Option<Moment>,
}

impl SpecialistFilter {
    fn query(&self) -> Result<SpecialistQuery, Refusal> {
        let looking = Looking {
            search: self.search.as_deref(),
            sort: self.sort,
            joined_from: self.joined_from,
            joined_until: self.joined_until,
        };
        let look = looking.look()?;
        if look.search.as_ref().is_some_and(Search::is_for_address) {
            return Err(Refusal::new(
                Code::QueryInvalid,
                "specialists are searched by their names",
            ));
        }
        Ok(SpecialistQuery {
            search: look.search,
            review: self.review,
            listed: self.listed,
            site: self.site_id,
            since: look.since,
            until: look.until,
            sort: look.sort,
        })
    }
}

/// List specialists
///
/// By name, or who came last first; of several sites, each specialist once. With filters, at most 1,000 specialists of a site are
/// looked at for a page, which may then be short. A list from too many sites needs `site_id`.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/specialists", tag = "specialists",
    params(("organization_id" = String, Path), Paging, SpecialistFilter),
    responses((status = 200, description = "A page of specialists", body = ListView<SpecialistRowView>),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn list_specialists(
    State(web): State<Web>,
    member: Member<need::SpecialistsRead>,
    list: List<SpecialistFilter>,
) -> Result<Reply, ApiError> {
    let query = list.filter.query()?;
    let after = list.after(&web.cursors, member.account())?;
    let now = web.clock.now();
    let (access, ()) = member.beside(async { Ok(()) }).await?;
    let reach = access.reach()?.of_specialists()?;
    let page = web
        .store
        .specialists(&reach, &query, now, list.limit, after)
        .await?;
    let seen = Seen::of(&access, &reach, now);
    let page = page.map(|row| SpecialistRowView::new(&row, seen));
    Ok(list.reply(&web.cursors, member.account(), page))
}
