//! `GET /v1/organizations/{organization_id}/sessions` and `GET …/sessions/{session_id}`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::Code;
use portal_domain::id::{OrganizationId, SessionId};
use portal_domain::permission::need;
use portal_domain::session::SessionCounts;
use portal_http::listing::sessions::{OrganizationSessionFilter, OrganizationSessionView};
use portal_http::problem::Problem;
use portal_http::{ApiError, List, ListView, Member, Paging, Path, Reply, View};
use serde::Serialize;
use utoipa::ToSchema;

/// A page of an organization's sessions, or how many there are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrganizationSessionsView {
    /// The sessions. A page may be short or empty and still have a next one.
    items: Vec<OrganizationSessionView>,
    /// The cursor of the next page; null on the last.
    next_cursor: Option<String>,
    /// Why there are no items, and how many there would be; null where the organization shares its sessions.
    hidden: Option<HiddenSessionsView>,
}

/// Why an organization's sessions are not told one by one, and how many they are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HiddenSessionsView {
    /// `session_sharing_off`.
    #[schema(example = "session_sharing_off")]
    reason: &'static str,
    /// How many are wanted.
    counts: SessionCountsView,
}

/// How many sessions there are of each status.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionCountsView {
    /// Under way.
    active: u32,
    /// Ended.
    ended: u32,
    /// Expired.
    expired: u32,
    /// Whether there may be more: of those that were ended, and of all others, the newest 1,000 are counted. Ask for a shorter time.
    is_at_least: bool,
}

impl View for OrganizationSessionsView {}

impl OrganizationSessionsView {
    fn shared(page: ListView<OrganizationSessionView>) -> Self {
        Self {
            items: page.items,
            next_cursor: page.next_cursor,
            hidden: None,
        }
    }

    fn hidden(reason: Code, counts: SessionCounts) -> Self {
        let counts = SessionCountsView {
            active: counts.active,
            ended: counts.ended,
            expired: counts.expired,
            is_at_least: counts.is_cut,
        };
        let reason = reason.as_str();
        Self {
            items: Vec::new(),
            next_cursor: None,
            hidden: Some(HiddenSessionsView { reason, counts }),
        }
    }
}

/// List an organization's sessions
///
/// Newest first, also of providers who have left. Where the organization's session sharing is off, there are no items: `hidden` has
/// the reason and how many there are, and one provider cannot be asked for. With a filter by mode, at most 1,000 are looked at for
/// a page, which may then be short.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/sessions", tag = "sessions",
    params(("organization_id" = String, Path), Paging, OrganizationSessionFilter),
    responses((status = 200, description = "A page of sessions, or how many there are", body = OrganizationSessionsView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn list_organization_sessions(
    State(web): State<Web>,
    member: Member<need::SessionsRead>,
    list: List<OrganizationSessionFilter>,
) -> Result<Reply, ApiError> {
    let (account, organization, now) = (member.account(), member.organization, web.clock.now());
    let query = list.filter.query()?;
    let after = list.after(&web.cursors, account)?;
    let store = &web.store;
    let page = store.organization_sessions(organization, &query, now, list.limit, after);
    let (access, page) = member.beside(page).await?;
    let view = match access.must_share_sessions() {
        Ok(()) => {
            let page = page.map(|session| OrganizationSessionView::new(&session, &access, now));
            OrganizationSessionsView::shared(list.view(&web.cursors, account, page))
        }
        // One provider's numbers would tell of that person.
        Err(refusal) if query.provider.is_some() => return Err(refusal.into()),
        Err(refusal) => {
            let counts = store.organization_session_counts(organization, &query, now);
            OrganizationSessionsView::hidden(refusal.code, counts.await?)
        }
    };
    Ok(Reply::ok(&view))
}

/// Get a session of an organization
///
/// Where the organization shares its sessions; also of a provider who has left.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/sessions/{session_id}", tag = "sessions",
    params(("organization_id" = String, Path), ("session_id" = String, Path)),
    responses((status = 200, description = "The session", body = OrganizationSessionView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn get_organization_session(
    State(web): State<Web>,
    member: Member<need::SessionsRead>,
    Path((organization, session)): Path<(OrganizationId, SessionId)>,
) -> Result<Reply, ApiError> {
    let found = web.store.organization_session(organization, session);
    let (access, found) = member.beside(found).await?;
    access.must_share_sessions()?;
    let session = found.ok_or(Code::SessionNotFound)?;
    let view = OrganizationSessionView::new(&session, &access, web.clock.now());
    Ok(Reply::ok(&view).etag(session.rev))
}
