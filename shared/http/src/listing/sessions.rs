//! The list of an organization's sessions: its filters and its rows. What providers call their sessions is not among them.

use jiff::Timestamp;
use portal_domain::access::Access;
use portal_domain::code::Refusal;
use portal_domain::permission::Permission;
use portal_domain::session::{Session, SessionQuery};
use portal_domain::time::Moment;
use portal_store::{Page, Position, Store, StoreError};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Listing, parsed};
use crate::answer::View;

/// Which sessions are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OrganizationSessionFilter {
    /// Only those of this provider: an account's id.
    provider_id: Option<String>,
    /// `shared_device` or `two_device`.
    mode: Option<String>,
    /// `active`, `ended` or `expired`.
    status: Option<String>,
    /// Only those that began at this instant or later.
    from: Option<String>,
    /// Only those that began before this instant.
    until: Option<String>,
}

impl OrganizationSessionFilter {
    /// What is wanted.
    ///
    /// # Errors
    /// [`portal_domain::code::Code::QueryInvalid`].
    pub fn query(&self) -> Result<SessionQuery, Refusal> {
        let provider = self.provider_id.as_ref();
        SessionQuery {
            provider: parsed(provider, "provider_id must be the id of an account")?,
            ..sessions(
                self.mode.as_ref(),
                self.status.as_ref(),
                self.from.as_ref(),
                self.until.as_ref(),
            )?
        }
        .checked()
    }
}

/// What is wanted of sessions, by the filters that all lists of them have.
///
/// # Errors
/// [`portal_domain::code::Code::QueryInvalid`].
pub fn sessions(
    mode: Option<&String>,
    status: Option<&String>,
    from: Option<&String>,
    until: Option<&String>,
) -> Result<SessionQuery, Refusal> {
    let instant = |text, why| {
        let moment: Option<Moment> = parsed(text, why)?;
        Ok::<_, Refusal>(moment.map(Timestamp::from))
    };
    Ok(SessionQuery {
        provider: None,
        organization: None,
        mode: parsed(mode, "mode must be shared_device or two_device")?,
        status: parsed(status, "status must be active, ended or expired")?,
        from: instant(from, "from must be an instant")?,
        until: instant(until, "until must be an instant")?,
    })
}

/// A session as its organization sees it, where it shares its sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrganizationSessionView {
    /// Its id.
    #[schema(example = "ses_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    pub id: String,
    /// Who holds it.
    pub provider: SessionProviderView,
    /// `shared_device` or `two_device`.
    #[schema(example = "two_device")]
    pub mode: &'static str,
    /// `active`, `ended`, or `expired` for one that nobody ended within 12 hours.
    #[schema(example = "ended")]
    pub status: &'static str,
    /// The booking that it fulfils; null without `bookings.read`.
    pub booking_id: Option<String>,
    /// When it began, to the minute.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When its provider ended it, to the minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
}

/// Who holds a session.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionProviderView {
    /// The account.
    pub id: String,
    /// What the person was called when the session began.
    pub name: Option<String>,
}

impl View for OrganizationSessionView {}

/// The minute of an instant: how long people spoke is told no more exactly.
fn minute(at: Timestamp) -> Timestamp {
    let second = at.as_second();
    Timestamp::from_second(second - second.rem_euclid(60)).unwrap_or(at)
}

impl OrganizationSessionView {
    /// The session, as whoever has `access` sees it.
    #[must_use]
    pub fn new(session: &Session, access: &Access, now: Timestamp) -> Self {
        let sees_bookings = access.permissions().contains(&Permission::BookingsRead);
        let name = session.provider_name.as_ref();
        Self {
            id: session.id.to_string(),
            provider: SessionProviderView {
                id: session.provider.to_string(),
                name: name.map(|name| name.as_str().to_owned()),
            },
            mode: session.mode.as_str(),
            status: session.status(now).as_str(),
            booking_id: session
                .booking
                .filter(|_| sees_bookings)
                .map(|booking| booking.to_string()),
            started_at: minute(session.started_at),
            ended_at: session.ended_at().map(minute),
        }
    }
}

impl Listing for OrganizationSessionFilter {
    type Row = OrganizationSessionView;

    const COLUMNS: &'static [&'static str] = &[
        "id",
        "provider.id",
        "provider.name",
        "mode",
        "status",
        "booking_id",
        "started_at",
        "ended_at",
    ];

    fn check(&self, access: &Access) -> Result<(), Refusal> {
        access.must_share_sessions()?;
        self.query().map(drop)
    }

    async fn page(
        &self,
        store: &Store,
        access: &Access,
        now: Timestamp,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<OrganizationSessionView>, StoreError> {
        access.must_share_sessions()?;
        let (organization, query) = (access.organization.id, self.query()?);
        let page = store
            .organization_sessions(organization, &query, now, limit, after)
            .await?;
        Ok(page.map(|session| OrganizationSessionView::new(&session, access, now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_to_the_minute() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let told = at("2026-05-04T09:17:00Z");
        assert_eq!(minute(at("2026-05-04T09:17:59.999Z")), told);
        assert_eq!(minute(told), told);
        assert_eq!(minute(at("1969-12-31T23:59:30Z")), at("1969-12-31T23:59:00Z"));
    }
}
