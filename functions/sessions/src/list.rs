//! `GET /v1/sessions`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::{Code, Refusal};
use portal_domain::id::OrganizationId;
use portal_domain::session::SessionQuery;
use portal_http::listing::sessions::sessions;
use portal_http::problem::Problem;
use portal_http::{ApiError, Caller, List, ListView, Paging, Reply};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::view::SessionView;

/// Which sessions are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SessionFilter {
    /// Only those of this organization.
    organization_id: Option<String>,
    /// `shared_device` or `two_device`.
    mode: Option<String>,
    /// `active`, `ended` or `expired`.
    status: Option<String>,
    /// Only those that began at this instant or later.
    from: Option<String>,
    /// Only those that began before this instant.
    until: Option<String>,
}

impl SessionFilter {
    fn query(&self) -> Result<SessionQuery, Refusal> {
        let organization = self.organization_id.as_ref();
        let organization = organization.map(|id| id.parse::<OrganizationId>()).transpose();
        let refused = |_| {
            Refusal::new(
                Code::QueryInvalid,
                "organization_id must be the id of an organization",
            )
        };
        SessionQuery {
            organization: organization.map_err(refused)?,
            ..sessions(
                self.mode.as_ref(),
                self.status.as_ref(),
                self.from.as_ref(),
                self.until.as_ref(),
            )?
        }
        .checked()
    }
}

/// List my sessions
///
/// Newest first, of all organizations: also of those that the caller has left, or that are no more. With a filter by mode or
/// organization, at most 1,000 are looked at for a page, which may then be short.
#[utoipa::path(get, path = "/v1/sessions", tag = "sessions", params(Paging, SessionFilter),
    responses((status = 200, description = "A page of the caller's sessions", body = ListView<SessionView>),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %caller.identity.account))]
pub(crate) async fn list_sessions(
    State(web): State<Web>,
    caller: Caller,
    list: List<SessionFilter>,
) -> Result<Reply, ApiError> {
    let (account, now) = (caller.identity.account, web.clock.now());
    let query = list.filter.query()?;
    let after = list.after(&web.cursors, account)?;
    let sessions = web.store.own_sessions(account, &query, now, list.limit, after);
    let (_, _, page) = caller.beside(sessions).await?;
    let page = page.map(|session| SessionView::new(&session, now));
    Ok(list.reply(&web.cursors, account, page))
}
