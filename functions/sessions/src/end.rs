//! `POST /v1/sessions/{session_id}/end`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::{Code, Refusal};
use portal_domain::id::SessionId;
use portal_domain::session::Owner;
use portal_http::problem::Problem;
use portal_http::{ApiError, Caller, Idempotent, Nothing, Path, Reply};
use portal_store::request;

use crate::view::SessionView;

/// End a session of mine
///
/// Also after the caller has left its organization. One that was ended already stays as it is.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/end", tag = "sessions",
    params(("session_id" = String, Path), ("idempotency-key" = String, Header)),
    responses((status = 200, description = "Ended", body = SessionView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(session.id = %session, account.id = %caller.identity.account))]
pub(crate) async fn end_session(
    State(web): State<Web>,
    caller: Caller,
    Path(session): Path<SessionId>,
    request: Idempotent<Nothing>,
) -> Result<Reply, ApiError> {
    let account = caller.identity.account;
    caller
        .perform(
            Some(&request.key),
            || web.store.own_session(account, session),
            |_, memberships, found, now| {
                let found = found.ok_or(Code::SessionNotFound)?;
                let owner = Owner {
                    memberships: &memberships,
                    origin: &caller.origin,
                };
                let (session, change) = found.end(owner, now)?;
                // Its log is told, whether or not its provider is a member by now.
                request::open_organization(session.organization);
                let view = SessionView::new(&session, now);
                Ok::<_, Refusal>((change, Reply::ok(&view).etag(session.rev)))
            },
        )
        .await
}
