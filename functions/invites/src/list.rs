//! `GET /v1/organizations/{organization_id}/invites`.

use axum::extract::State;
use portal_app::InviteWeb;
use portal_domain::invite::Status;
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::{ApiError, List, ListView, Member, Paging, Reply};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::view::InviteView;

/// Which invites are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct InviteFilter {
    /// Only those of this status; pending and expired ones if not given.
    #[serde(default)]
    status: Option<StatusFilter>,
}

/// The status of an invite.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = InviteStatus)]
enum StatusFilter {
    Pending,
    Expired,
    Accepted,
    Declined,
    Revoked,
}

impl From<StatusFilter> for Status {
    fn from(filter: StatusFilter) -> Self {
        match filter {
            StatusFilter::Pending => Self::Pending,
            StatusFilter::Expired => Self::Expired,
            StatusFilter::Accepted => Self::Accepted,
            StatusFilter::Declined => Self::Declined,
            StatusFilter::Revoked => Self::Revoked,
        }
    }
}

/// List invites
///
/// Newest first: those that can still be resent, or those of one status.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/invites", tag = "invites",
    params(("organization_id" = String, Path), Paging, InviteFilter),
    responses((status = 200, description = "A page of invites", body = ListView<InviteView>),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn list_invites(
    State(InviteWeb { web, .. }): State<InviteWeb>,
    member: Member<need::InvitesRead>,
    list: List<InviteFilter>,
) -> Result<Reply, ApiError> {
    let now = web.clock.now();
    let after = list.after(&web.cursors, member.account())?;
    let status = list.filter.status.map(Status::from);
    let (_, page) = member
        .beside(
            web.store
                .invites(member.organization, status, now, list.limit, after),
        )
        .await?;
    let page = page.map(|invite| InviteView::new(&invite, now));
    Ok(list.reply(&web.cursors, member.account(), page))
}
