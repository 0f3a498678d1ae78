//! `GET /v1/organizations/{organization_id}/actions`.

use std::str::FromStr;

use axum::extract::State;
use portal_app::Web;
use portal_domain::action::ActionQuery;
use portal_domain::code::{Code, Refusal};
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::{ApiError, List, ListView, Member, Paging, Reply};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::view::ActionView;

/// Which actions are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ActionFilter {
    /// Only of this rule.
    #[param(example = "booking_overdue")]
    rule: Option<String>,
    /// `critical`, `warning` or `info`.
    severity: Option<String>,
    /// `open`, `snoozed`, `dismissed` or `closed`; `open` if none is given.
    status: Option<String>,
    /// Only those that this member sees to: an account's id.
    assignee: Option<String>,
    /// Only at this site.
    site_id: Option<String>,
}

impl ActionFilter {
    fn query(&self) -> Result<ActionQuery, Refusal> {
        Ok(ActionQuery {
            rule: said(self.rule.as_ref())?,
            severity: said(self.severity.as_ref())?,
            status: said(self.status.as_ref())?,
            assignee: id(self.assignee.as_ref(), "assignee must be the id of an account")?,
            site: id(self.site_id.as_ref(), "site_id must be the id of a site")?,
        })
    }
}

fn said<T: FromStr<Err = Refusal>>(text: Option<&String>) -> Result<Option<T>, Refusal> {
    text.map(|text| text.parse()).transpose()
}

fn id<T: FromStr>(text: Option<&String>, why: &'static str) -> Result<Option<T>, Refusal> {
    let id = text.map(|text| text.parse()).transpose();
    id.map_err(|_| Refusal::new(Code::QueryInvalid, why))
}

/// List actions
///
/// The gravest first, then the oldest: those about what the caller may see. A page may be short or empty and still have a next one.
/// A list from too many sites needs `site_id`.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/actions", tag = "actions",
    params(("organization_id" = String, Path), Paging, ActionFilter),
    responses((status = 200, description = "A page of actions", body = ListView<ActionView>),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn list_actions(
    State(web): State<Web>,
    member: Member<need::ActionsRead>,
    list: List<ActionFilter>,
) -> Result<Reply, ApiError> {
    let query = list.filter.query()?;
    let after = list.after(&web.cursors, member.account())?;
    let now = web.clock.now();
    let (access, ()) = member.beside(async { Ok(()) }).await?;
    let sight = query.sight(&access)?;
    let page = web.store.actions(&sight, &query, now, list.limit, after).await?;
    let page = page.map(|case| ActionView::new(&case, member.organization, now));
    Ok(list.reply(&web.cursors, member.account(), page))
}
