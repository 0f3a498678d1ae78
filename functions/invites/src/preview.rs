//! `POST /v1/invites/preview`.

use axum::extract::State;
use jiff::Timestamp;
use portal_app::InviteWeb;
use portal_domain::invite::Facts;
use portal_http::problem::Problem;
use portal_http::{ApiError, Caller, Json, Reply, View};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{InviteAnswer, Opened, open};

/// What an invite offers, for the one it was sent to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvitePreviewView {
    /// The organization's name.
    organization_name: String,
    /// Who invites.
    inviter_name: Option<String>,
    /// The role's name.
    role: String,
    /// Until when it can be accepted.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl View for InvitePreviewView {}

/// Preview an invite
///
/// Only for the one it was sent to: to everybody else there is no such invite. Changes nothing.
#[utoipa::path(post, path = "/v1/invites/preview", tag = "invites", request_body = InviteAnswer,
    responses((status = 200, description = "What is offered", body = InvitePreviewView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %caller.identity.account))]
pub(crate) async fn preview_invite(
    State(app): State<InviteWeb>,
    caller: Caller,
    Json(answer): Json<InviteAnswer>,
) -> Result<Reply, ApiError> {
    let opened = open(&app, &caller, &answer).await?;
    opened.counted(preview(&app, &caller, &opened).await).await
}

async fn preview(app: &InviteWeb, caller: &Caller, opened: &Opened<'_>) -> Result<Reply, ApiError> {
    let (account, memberships, (invite, organization, seats)) = caller.beside(opened.read()).await?;
    let facts = Facts {
        invite,
        organization,
        seats,
        account,
        memberships,
    };
    let (invite, organization) = facts.preview(&opened.link, &caller.identity, app.web.clock.now())?;
    Ok(Reply::ok(&InvitePreviewView {
        organization_name: organization.name.as_str().to_owned(),
        inviter_name: invite.inviter.name.as_ref().map(|name| name.as_str().to_owned()),
        role: organization.role_label(invite.role),
        expires_at: opened.link.expires_at,
    }))
}
