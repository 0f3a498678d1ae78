//! `GET /v1/organizations/{organization_id}/patients`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::{Code, Refusal};
use portal_domain::id::SiteId;
use portal_domain::patient::{PatientQuery, Status};
use portal_domain::permission::{Permission, need};
use portal_domain::search::Search;
use portal_domain::time::Moment;
use portal_http::problem::Problem;
use portal_http::{ApiError, List, ListView, Member, Paging, Reply};
use serde::Deserialize;
use utoipa::IntoParams;

use super::view::{PatientRowView, Seen};
use crate::people::{Looking, SortFilter};

/// Which patients are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PatientFilter {
    /// What words of the name begin with, in any case and without accents; with an `@`, what the address begins with, which needs
    /// `patients.contact`.
    search: Option<String>,
    /// Only of this status; if not given, of any but `merged`.
    #[param(value_type = Option<String>)]
    status: Option<Status>,
    /// Only who came through this.
    referral_source: Option<String>,
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

impl PatientFilter {
    fn query(&self) -> Result<PatientQuery, Refusal> {
        let looking = Looking {
            search: self.search.as_deref(),
            sort: self.sort,
            joined_from: self.joined_from,
            joined_until: self.joined_until,
        };
        let look = looking.look()?;
        let source = self.referral_source.as_deref().map(str::parse).transpose();
        Ok(PatientQuery {
            search: look.search,
            status: self.status,
            referral_source: source.map_err(|_: Refusal| {
                Refusal::new(Code::QueryInvalid, "referral_source must have 1 to 60 characters")
            })?,
            site: self.site_id,
            since: look.since,
            until: look.until,
            sort: look.sort,
        })
    }
}

/// List patients
///
/// By name, or who came last first; of several sites, each patient once. With filters, at most 1,000 patients of a site are looked
/// at for a page, which may then be short. A list from too many sites needs `site_id`.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/patients", tag = "patients",
    params(("organization_id" = String, Path), Paging, PatientFilter),
    responses((status = 200, description = "A page of patients", body = ListView<PatientRowView>),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn list_patients(
    State(web): State<Web>,
    member: Member<need::PatientsRead>,
    list: List<PatientFilter>,
) -> Result<Reply, ApiError> {
    let query = list.filter.query()?;
    let after = list.after(&web.cursors, member.account())?;
    let (access, ()) = member.beside(async { Ok(()) }).await?;
    let reach = access.reach()?.of_patients()?;
    if query.search.as_ref().is_some_and(Search::is_for_address) {
        access.must_hold(Permission::PatientsContact)?;
    }
    let page = web.store.patients(&reach, &query, list.limit, after).await?;
    let seen = Seen::of(&access, &reach);
    let page = page.map(|row| PatientRowView::new(&row, seen));
    Ok(list.reply(&web.cursors, member.account(), page))
}
