//! `GET /v1/sessions/{session_id}`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::Code;
use portal_domain::id::SessionId;
use portal_http::problem::Problem;
use portal_http::{ApiError, Caller, Path, Reply};

use crate::view::SessionView;

/// Get a session of mine
///
/// Also after the caller has left its organization.
#[utoipa::path(get, path = "/v1/sessions/{session_id}", tag = "sessions", params(("session_id" = String, Path)),
    responses((status = 200, description = "The session", body = SessionView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(session.id = %session, account.id = %caller.identity.account))]
pub(crate) async fn get_session(
    State(web): State<Web>,
    caller: Caller,
    Path(session): Path<SessionId>,
) -> Result<Reply, ApiError> {
    let found = web.store.own_session(caller.identity.account, session);
    let (_, _, found) = caller.beside(found).await?;
    let session = found.ok_or(Code::SessionNotFound)?;
    Ok(Reply::ok(&SessionView::new(&session, web.clock.now())).etag(session.rev))
}
