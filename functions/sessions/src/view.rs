//! What providers are told of their own sessions.

use jiff::Timestamp;
use portal_domain::session::Session;
use portal_http::View;
use serde::Serialize;
use utoipa::ToSchema;

/// A session, as its provider sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionView {
    /// Its id.
    #[schema(example = "ses_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    id: String,
    /// The organization that it belongs to.
    organization_id: String,
    /// What its provider calls it; nobody else is told.
    name: Option<String>,
    /// `shared_device` or `two_device`.
    #[schema(example = "shared_device")]
    mode: &'static str,
    /// `active`, `ended`, or `expired` for one that nobody ended in time.
    #[schema(example = "active")]
    status: &'static str,
    /// The booking that it fulfils.
    booking_id: Option<String>,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When its provider ended it.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// When it expires, or would have.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl View for SessionView {}

impl SessionView {
    pub(crate) fn new(session: &Session, now: Timestamp) -> Self {
        Self {
            id: session.id.to_string(),
            organization_id: session.organization.to_string(),
            name: session.name.as_ref().map(|name| name.as_str().to_owned()),
            mode: session.mode.as_str(),
            status: session.status(now).as_str(),
            booking_id: session.booking.map(|booking| booking.to_string()),
            started_at: session.started_at,
            ended_at: session.ended_at(),
            expires_at: session.expires_at(),
            updated_at: session.updated_at,
        }
    }
}
