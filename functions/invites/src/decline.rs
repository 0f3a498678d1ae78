//! `POST /v1/invites/decline`.

use axum::extract::State;
use portal_app::InviteWeb;
use portal_domain::code::Refusal;
use portal_domain::invite::Facts;
use portal_http::problem::Problem;
use portal_http::{ApiError, Caller, Json, Reply};

use crate::answer::{InviteAnswer, open};

/// Decline an invite
///
/// Only by the one it was sent to. Its seat is free at once.
#[utoipa::path(post, path = "/v1/invites/decline", tag = "invites", request_body = InviteAnswer,
    responses((status = 204, description = "Declined"),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %caller.identity.account))]
pub(crate) async fn decline_invite(
    State(app): State<InviteWeb>,
    caller: Caller,
    Json(answer): Json<InviteAnswer>,
) -> Result<Reply, ApiError> {
    let opened = open(&app, &caller, &answer).await?;
    let answer = caller
        .perform(
            None,
            || opened.read(),
            |account, memberships, (invite, organization, seats), now| {
                let facts = Facts {
                    invite,
                    organization,
                    seats,
                    account: account.clone(),
                    memberships,
                };
                let change = facts.decline(&opened.link, &caller.identity, &caller.origin, now)?;
                Ok::<_, Refusal>((change, Reply::no_content()))
            },
        )
        .await;
    opened.counted(answer).await
}
