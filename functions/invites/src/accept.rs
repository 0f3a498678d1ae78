//! `POST /v1/invites/accept`.

use axum::extract::State;
use portal_app::InviteWeb;
use portal_domain::code::{Code, Refusal};
use portal_domain::invite::{Acceptance, Facts};
use portal_http::problem::Problem;
use portal_http::view::MemberView;
use portal_http::{ApiError, Caller, Decision, Idempotent, Reply};

use crate::answer::{InviteAnswer, open};

/// Accept an invite
///
/// The caller must be signed in with the address the invite was sent to.
#[utoipa::path(post, path = "/v1/invites/accept", tag = "invites", request_body = InviteAnswer,
    params(("idempotency-key" = String, Header)),
    responses((status = 201, description = "The caller is a member now", body = MemberView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %caller.identity.account))]
pub(crate) async fn accept_invite(
    State(app): State<InviteWeb>,
    caller: Caller,
    request: Idempotent<InviteAnswer>,
) -> Result<Reply, ApiError> {
    let opened = open(&app, &caller, &request.body).await?;
    let answer = caller
        .perform(
            Some(&request.key),
            || opened.read_with_seats(),
            |account, memberships, (invite, organization, seats), now| {
                let facts = Facts {
                    invite,
                    organization,
                    seats,
                    account: account.clone(),
                    memberships,
                };
                accepted(
                    &facts,
                    facts.accept(&opened.link, &caller.identity, &caller.origin, now)?,
                )
            },
        )
        .await;
    opened.counted(answer).await
}

fn accepted(facts: &Facts, acceptance: Acceptance) -> Result<Decision, Refusal> {
    match acceptance {
        Acceptance::Void(void) => Ok(Decision {
            change: void.change,
            answer: Err(void.refusal),
        }),
        Acceptance::Member(membership, change) => {
            let organization = facts.organization.as_ref().ok_or(Code::InviteNotFound)?;
            let location = format!(
                "/v1/organizations/{}/members/{}",
                organization.id, membership.account
            );
            let reply =
                Reply::created(&MemberView::new(&membership, organization), location).etag(membership.rev);
            Ok(Decision::from((*change, reply)))
        }
    }
}
