//! `POST /v1/sessions`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::access::Access;
use portal_domain::booking::Booking;
use portal_domain::code::{At as _, Code, Refusal};
use portal_domain::id::{BookingId, OrganizationId};
use portal_domain::permission::need;
use portal_domain::session::{Draft, Mode};
use portal_domain::text::SessionName;
use portal_http::problem::Problem;
use portal_http::{ApiError, Caller, Idempotent, Member, Reply};
use portal_store::{Sought, StoreError};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::view::SessionView;

/// What a new session is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionStart {
    /// The organization that it belongs to: the caller may be a provider in several.
    #[schema(value_type = String, example = "org_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    organization_id: OrganizationId,
    /// What the caller calls it, 1 to 100 characters; nobody else is told.
    #[schema(value_type = Option<String>)]
    name: Option<SessionName>,
    /// `shared_device` or `two_device`; as the organization has it, if not given.
    #[schema(value_type = Option<String>, example = "two_device")]
    mode: Option<Mode>,
    /// The booking that it fulfils, which is still to come.
    #[schema(value_type = Option<String>)]
    booking_id: Option<BookingId>,
}

impl SessionStart {
    fn draft(&self) -> Draft {
        Draft {
            name: self.name.clone(),
            mode: self.mode,
        }
    }
}

/// The booking, if the organization sees it.
fn seen(access: &Access, sought: Option<Sought<Booking>>) -> Result<Option<Booking>, Refusal> {
    let Some(sought) = sought else {
        return Ok(None);
    };
    let found = sought.within(&access.reach()?).ok_or(Code::BookingNotFound);
    found.map(Some).map_err(Refusal::from).at("/booking_id")
}

/// Start a session
///
/// It takes one of the sessions that the plan of the organization's root has for the month (of UTC), and is the caller's own for
/// good. Its organization sees that it took place, as far as its session sharing says so, and never what it is called. One that
/// nobody ends expires after 12 hours.
#[utoipa::path(post, path = "/v1/sessions", tag = "sessions", request_body = SessionStart,
    params(("idempotency-key" = String, Header)),
    responses((status = 201, description = "Under way", body = SessionView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %caller.identity.account))]
pub(crate) async fn start_session(
    State(web): State<Web>,
    caller: Caller,
    request: Idempotent<SessionStart>,
) -> Result<Reply, ApiError> {
    let Idempotent { body, key } = request;
    let booking = async || match body.booking_id {
        Some(booking) => Ok::<_, StoreError>(Some(web.store.booking(booking).await?)),
        None => Ok(None),
    };
    Member::<need::SessionsCreate>::named(caller, body.organization_id)
        .perform(Some(&key), booking, |access, sought, now| {
            let booking = seen(access, sought)?;
            let (session, change) = access.start_session(body.draft(), booking.as_ref(), now)?;
            let reply = Reply::created(
                &SessionView::new(&session, now),
                format!("/v1/sessions/{}", session.id),
            );
            Ok::<_, Refusal>((change, reply.etag(session.rev)))
        })
        .await
}
