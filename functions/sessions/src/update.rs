//! `PATCH /v1/sessions/{session_id}`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::{Code, Refusal};
use portal_domain::id::SessionId;
use portal_domain::session::Owner;
use portal_domain::text::SessionName;
use portal_domain::wish::Wish;
use portal_http::problem::Problem;
use portal_http::{ApiError, Caller, IfMatch, Json, Path, Reply};
use portal_store::request;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::view::SessionView;

/// What is to change; what is not given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionUpdate {
    /// What the caller calls it, 1 to 100 characters; null if nothing.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: Wish<SessionName>,
}

/// Change a session of mine
#[utoipa::path(patch, path = "/v1/sessions/{session_id}", tag = "sessions", request_body = SessionUpdate,
    params(("session_id" = String, Path), ("if-match" = String, Header)),
    responses((status = 200, description = "Changed", body = SessionView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(session.id = %session, account.id = %caller.identity.account))]
pub(crate) async fn update_session(
    State(web): State<Web>,
    caller: Caller,
    Path(session): Path<SessionId>,
    IfMatch(seen): IfMatch,
    Json(wanted): Json<SessionUpdate>,
) -> Result<Reply, ApiError> {
    let account = caller.identity.account;
    caller
        .perform(
            None,
            || web.store.own_session(account, session),
            |_, memberships, found, now| {
                let found = found.ok_or(Code::SessionNotFound)?;
                let owner = Owner {
                    memberships: &memberships,
                    origin: &caller.origin,
                };
                let (session, change) = found.rename(wanted.name.clone(), seen, owner, now)?;
                // Its log is told, whether or not its provider is a member by now.
                request::open_organization(session.organization);
                let view = SessionView::new(&session, now);
                Ok::<_, Refusal>((change, Reply::ok(&view).etag(session.rev)))
            },
        )
        .await
}
