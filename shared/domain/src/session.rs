//! Sessions: consultations that providers hold, counted against their organization's plan.
//!
//! A session is its provider's own, for good. Its organization sees that it took place, as long as its sharing says so, and never
//! what its provider calls it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::access::{Access, expect_revision};
use crate::audit::{Actor, AuditEvent, Origin, Verb};
use crate::booking::{Booking, words};
use crate::change::{Change, Fact, Write};
use crate::code::{At, Code, Refusal};
use crate::id::{AccountId, BookingId, OrganizationId, SessionId};
use crate::membership::Membership;
use crate::text::{PersonName, SessionName};
use crate::transaction::Month;
use crate::wish::Wish;

/// How long a session that nobody ends is active.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(12);

/// The shortest time there is here.
const MOMENT: SignedDuration = SignedDuration::from_millis(1);

words! {
    /// How the people of a session take part in it.
    Mode {
        /// All at one device.
        SharedDevice = "shared_device",
        /// Each at their own.
        TwoDevice = "two_device",
    }

    /// Where a session is in its life.
    Status {
        /// Under way.
        Active = "active",
        /// Its provider has ended it.
        Ended = "ended",
        /// Nobody has ended it in time.
        Expired = "expired",
    }
}

#[expect(clippy::derivable_impls, reason = "the words' macro derives no default")]
impl Default for Mode {
    fn default() -> Self {
        Self::SharedDevice
    }
}

/// What is known of a session's end. That it has expired is told by the clock alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum State {
    /// Nobody has ended it.
    Open,
    /// Its provider has.
    Ended {
        /// When.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        ended_at: Timestamp,
    },
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The organization that it belongs to.
    pub organization: OrganizationId,
    /// Who holds it.
    pub provider: AccountId,
    /// What that person was called when it began: a copy for the organization's list, which outlasts the membership.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_name: Option<PersonName>,
    /// What its provider calls it, and nobody else is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<SessionName>,
    /// How its people take part.
    pub mode: Mode,
    /// The booking that it fulfils.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booking: Option<BookingId>,
    /// When it began.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub started_at: Timestamp,
    /// What is known of its end.
    #[serde(flatten)]
    pub state: State,
    /// Rises with every change.
    pub rev: u64,
    /// When it last changed.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub updated_at: Timestamp,
}

/// What a new session is to be.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// What its provider calls it.
    pub name: Option<SessionName>,
    /// How its people take part; as the organization has it, if not said.
    pub mode: Option<Mode>,
}

/// Who changes a session of their own: its provider, whatever they are in its organization by now.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// The memberships that they have.
    pub memberships: &'a [Membership],
    /// From where they act.
    pub origin: &'a Origin,
}

impl Session {
    /// From when on it has expired, unless it was ended.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.started_at + LIFETIME
    }

    /// When its provider ended it.
    #[must_use]
    pub const fn ended_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Open => None,
            State::Ended { ended_at } => Some(ended_at),
        }
    }

    /// Whether nobody has ended it, in time or not.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Where it is at `now`.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> Status {
        match self.state {
            State::Ended { .. } => Status::Ended,
            State::Open if now < self.expires_at() => Status::Active,
            State::Open => Status::Expired,
        }
    }

    fn event(&self, verb: Verb, owner: Owner<'_>, now: Timestamp) -> AuditEvent {
        let is_here = |membership: &&Membership| membership.organization == self.organization;
        let membership = owner.memberships.iter().find(is_here);
        let actor = Actor::Account {
            id: self.provider,
            role: membership.map(|membership| membership.role),
        };
        AuditEvent::new(self.organization, verb, actor, &self.id, owner.origin, now)
    }

    /// The session, ended by its provider. One that has been ended stays as it is.
    ///
    /// # Errors
    /// [`Code::SessionExpired`].
    pub fn end(&self, owner: Owner<'_>, now: Timestamp) -> Result<(Self, Change), Refusal> {
        match self.status(now) {
            Status::Ended => Ok((self.clone(), Change::default())),
            Status::Expired => Err(Code::SessionExpired.into()),
            Status::Active => {
                let new = Self {
                    state: State::Ended { ended_at: now },
                    rev: self.rev + 1,
                    updated_at: now,
                    ..self.clone()
                };
                let told = |status: Status| Some(status.as_str().to_owned());
                let event = self.event(Verb::SessionEnded, owner, now).changed(
                    "status",
                    told(Status::Active),
                    told(Status::Ended),
                );
                let change = Change::audited(event).write(Write::SessionPut(Box::new(new.clone())));
                Ok((new, change))
            }
        }
    }

    /// The session as its provider calls it from now on.
    ///
    /// # Errors
    /// [`Code::RevisionMismatch`].
    pub fn rename(
        &self,
        name: Wish<SessionName>,
        seen: u64,
        owner: Owner<'_>,
        now: Timestamp,
    ) -> Result<(Self, Change), Refusal> {
        expect_revision(self.rev, seen)?;
        let new = Self {
            name: name.over(self.name.clone()),
            rev: self.rev + 1,
            updated_at: now,
            ..self.clone()
        };
        if new.name == self.name {
            return Ok((self.clone(), Change::default()));
        }
        let event = self.event(Verb::SessionUpdated, owner, now).naming(["name"]);
        let change = Change::audited(event).write(Write::SessionPut(Box::new(new.clone())));
        Ok((new, change))
    }
}

impl Access {
    /// A new session of the caller's, about `booking` if it is about one, which the organization sees. It takes one of the sessions
    /// that the root's plan has for this month, and needs a seat of the caller's.
    ///
    /// # Errors
    /// [`Code::SeatMissing`]; [`Code::BookingClosed`] at `/booking_id`. [`Code::SessionQuotaReached`] comes from the commit.
    pub fn start_session(
        &self,
        draft: Draft,
        booking: Option<&Booking>,
        now: Timestamp,
    ) -> Result<(Session, Change), Refusal> {
        let seated = self.seated().ok_or(Code::SeatMissing)?;
        if booking.is_some_and(|booking| !booking.status().is_open()) {
            return Err(Refusal::from(Code::BookingClosed)).at("/booking_id");
        }
        let session = Session {
            id: SessionId::mint(now),
            organization: self.organization.id,
            provider: self.account(),
            provider_name: seated.name.clone(),
            name: draft.name,
            mode: draft.mode.unwrap_or(self.organization.settings.session_mode),
            booking: booking.map(|booking| booking.id),
            started_at: now,
            state: State::Open,
            rev: 1,
            updated_at: now,
        };
        let event = self
            .event(Verb::SessionStarted, &session.id, now)
            .changed("mode", None, Some(session.mode.as_str().to_owned()))
            .changed(
                "booking",
                None,
                session.booking.map(|booking| booking.to_string()),
            );
        let mut change = Change::audited(event)
            .write(Write::SessionPut(Box::new(session.clone())))
            .fact(self.organization_active())
            .fact(Fact::ActorSeated(seated.account, seated.organization))
            .within_quota(self.organization.root, Month::of(now));
        let booking = booking.map(|booking| Fact::BookingIs(booking.id, booking.rev));
        change.facts.extend(booking);
        Ok((session, change))
    }

    /// Refuses to tell of single sessions, or those of one provider, where the organization does not share them.
    ///
    /// # Errors
    /// [`Code::SessionSharingOff`].
    pub fn must_share_sessions(&self) -> Result<(), Refusal> {
        if self.organization.settings.session_sharing {
            Ok(())
        } else {
            Err(Code::SessionSharingOff.into())
        }
    }
}

/// Which sessions are wanted; what is not said does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionQuery {
    /// Only those of this provider.
    pub provider: Option<AccountId>,
    /// Only those of this organization.
    pub organization: Option<OrganizationId>,
    /// Only of this mode.
    pub mode: Option<Mode>,
    /// Only of this status.
    pub status: Option<Status>,
    /// Only those that began at this instant or later.
    pub from: Option<Timestamp>,
    /// Only those that began before this instant.
    pub until: Option<Timestamp>,
}

impl SessionQuery {
    /// The query, if it can be asked.
    ///
    /// # Errors
    /// [`Code::QueryInvalid`] for a range that ends before it begins.
    pub fn checked(self) -> Result<Self, Refusal> {
        match (self.from, self.until) {
            (Some(from), Some(until)) if until <= from => {
                Err(Refusal::new(Code::QueryInvalid, "until must come after from"))
            }
            _ => Ok(self),
        }
    }

    /// Whether sessions that are open, and those that were ended, can be among what is wanted.
    #[must_use]
    pub fn parts(&self) -> &'static [bool] {
        match self.status {
            None => &[true, false],
            Some(Status::Active | Status::Expired) => &[true],
            Some(Status::Ended) => &[false],
        }
    }

    /// From which instant on, and before which, what is wanted at `now` began: whether an open session has expired follows from
    /// its beginning.
    #[must_use]
    pub fn span(&self, now: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
        let border = now - LIFETIME + MOMENT;
        match self.status {
            Some(Status::Active) => (
                Some(self.from.map_or(border, |from| from.max(border))),
                self.until,
            ),
            Some(Status::Expired) => (
                self.from,
                Some(self.until.map_or(border, |until| until.min(border))),
            ),
            _ => (self.from, self.until),
        }
    }
}

/// How many sessions there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionCounts {
    /// Under way.
    pub active: u32,
    /// Ended.
    pub ended: u32,
    /// Expired.
    pub expired: u32,
    /// Whether there may be more than were counted.
    pub is_cut: bool,
}

impl SessionCounts {
    /// These and one more of this status.
    pub fn add(&mut self, status: Status) {
        let number = match status {
            Status::Active => &mut self.active,
            Status::Ended => &mut self.ended,
            Status::Expired => &mut self.expired,
        };
        *number += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::booking::Status as BookingStatus;
    use crate::booking::sample::booking;
    use crate::organization::Settings;
    use crate::plan::QuotaStep;
    use crate::role::Role;
    use crate::sample::{access, member, now, organization};

    fn owner(memberships: &[Membership]) -> Owner<'_> {
        static ORIGIN: std::sync::LazyLock<Origin> = std::sync::LazyLock::new(Origin::default);
        Owner {
            memberships,
            origin: &ORIGIN,
        }
    }

    fn started() -> (Session, Change) {
        access(&organization(), Role::Provider)
            .start_session(Draft::default(), None, now())
            .unwrap()
    }

    #[test]
    fn a_session_is_of_the_organizations_mode_unless_it_says_another() {
        let mut here = organization();
        let mode = |here: &crate::organization::Organization, mode| {
            let draft = Draft { name: None, mode };
            let (session, _) = access(here, Role::Provider)
                .start_session(draft, None, now())
                .unwrap();
            session.mode
        };
        assert_eq!(mode(&here, None), Mode::SharedDevice);
        here.settings = Settings {
            session_mode: Mode::TwoDevice,
            ..here.settings
        };
        assert_eq!(mode(&here, None), Mode::TwoDevice);
        assert_eq!(mode(&here, Some(Mode::SharedDevice)), Mode::SharedDevice);
    }

    #[test]
    fn a_start_rests_on_the_seat_the_organization_and_the_plan() {
        let here = organization();
        let provider = access(&here, Role::Provider);
        let (session, change) = provider.start_session(Draft::default(), None, now()).unwrap();
        assert_eq!(
            change.facts,
            [
                provider.organization_active(),
                Fact::ActorSeated(provider.account(), here.id)
            ]
        );
        let quota = change.quota.unwrap();
        let taken = (quota.root, quota.month, quota.step);
        assert_eq!(taken, (here.root, Month::of(now()), QuotaStep::Take));
        assert_eq!(change.writes, [Write::SessionPut(Box::new(session))]);
        // An admin holds the permission, and no seat unless they provide care.
        let refused = access(&here, Role::Admin).start_session(Draft::default(), None, now());
        assert_eq!(refused.unwrap_err().code, Code::SeatMissing);
    }

    #[test]
    fn a_session_is_about_a_booking_that_is_to_come() {
        let provider = access(&organization(), Role::Provider);
        for status in BookingStatus::ALL {
            let booking = booking(*status);
            let started = provider.start_session(Draft::default(), Some(&booking), now());
            if status.is_open() {
                let (session, change) = started.unwrap();
                assert_eq!(session.booking, Some(booking.id));
                assert!(change.facts.contains(&Fact::BookingIs(booking.id, booking.rev)));
            } else {
                let refusal = started.unwrap_err();
                assert_eq!(
                    (refusal.code, &*refusal.errors[0].pointer),
                    (Code::BookingClosed, "/booking_id")
                );
            }
        }
    }

    #[test]
    fn a_session_expires_twelve_hours_after_it_began_unless_it_was_ended() {
        let (session, _) = started();
        let end = session.expires_at();
        assert_eq!(end.duration_since(now()), LIFETIME);
        assert_eq!(session.status(end - MOMENT), Status::Active);
        assert_eq!(session.status(end), Status::Expired);
        let (ended, change) = session.end(owner(&[]), end - MOMENT).unwrap();
        assert_eq!(ended.status(end), Status::Ended);
        assert_eq!(ended.ended_at(), Some(end - MOMENT));
        assert_eq!(change.audit[0].verb, Verb::SessionEnded);
        assert_eq!(
            session.end(owner(&[]), end).unwrap_err().code,
            Code::SessionExpired
        );
        // Ending it again changes nothing, and says nothing.
        assert_eq!(
            ended.end(owner(&[]), end).unwrap(),
            (ended.clone(), Change::default())
        );
    }

    #[test]
    fn a_name_is_never_told_to_the_audit_log() {
        let (session, _) = started();
        let name: SessionName = "Mia Berg, knee".parse().unwrap();
        let member = [member(&organization(), "dana", Role::Provider)];
        let (named, change) = session
            .rename(Wish::Set(name.clone()), 1, owner(&member), now())
            .unwrap();
        assert_eq!((named.name.clone(), named.rev), (Some(name.clone()), 2));
        let told = serde_json::to_string(&change.audit).unwrap();
        assert!(told.contains("\"name\"") && !told.contains("Mia"));
        assert!(!format!("{named:?}").contains("Mia"));
        let (same, nothing) = named.rename(Wish::Set(name), 2, owner(&[]), now()).unwrap();
        assert_eq!((same.rev, nothing), (2, Change::default()));
        let (bare, _) = named.rename(Wish::Clear, 2, owner(&[]), now()).unwrap();
        assert_eq!(bare.name, None);
        let refused = named.rename(Wish::Clear, 1, owner(&[]), now());
        assert_eq!(refused.unwrap_err().code, Code::RevisionMismatch);
    }

    #[test]
    fn what_somebody_does_after_they_left_is_told_without_a_role() {
        let here = organization();
        let provider = access(&here, Role::Provider);
        let (session, _) = provider.start_session(Draft::default(), None, now()).unwrap();
        let role = |memberships: &[Membership]| {
            let (_, change) = session.end(owner(memberships), now()).unwrap();
            match &change.audit[0].actor {
                Actor::Account { id, role } => (*id, *role),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(role(&[]), (provider.account(), None));
        assert_eq!(
            role(std::slice::from_ref(&provider.membership)),
            (provider.account(), Some(Role::Provider))
        );
        let elsewhere = member(&organization(), "dana", Role::Admin);
        assert_eq!(role(&[elsewhere]), (provider.account(), None));
    }

    #[test]
    fn single_sessions_are_told_of_only_where_they_are_shared() {
        let mut here = organization();
        let refused = access(&here, Role::Admin).must_share_sessions();
        assert_eq!(refused.unwrap_err().code, Code::SessionSharingOff);
        here.settings.session_sharing = true;
        assert_eq!(access(&here, Role::Admin).must_share_sessions(), Ok(()));
    }

    #[test]
    fn a_session_reads_back_as_it_was_stored() {
        let (session, _) = started();
        let (ended, _) = session.end(owner(&[]), now()).unwrap();
        for session in [session, ended] {
            let stored = serde_json::to_value(&session).unwrap();
            assert_eq!(serde_json::from_value::<Session>(stored).unwrap(), session);
        }
    }

    proptest! {
        #[test]
        fn a_query_looks_where_its_status_is(
            began in 0_i64..100_000_000, at in 0_i64..100_000_000, status in proptest::sample::select(Status::ALL)
        ) {
            let at_ms = |ms| now() + SignedDuration::from_millis(ms);
            let (session, _) = access(&organization(), Role::Provider)
                .start_session(Draft::default(), None, at_ms(began))
                .unwrap();
            let query = SessionQuery { status: Some(status), ..SessionQuery::default() };
            let (from, until) = query.span(at_ms(at));
            let is_within = from.is_none_or(|from| session.started_at >= from)
                && until.is_none_or(|until| session.started_at < until);
            let is_found = is_within && query.parts().contains(&session.is_open());
            prop_assert_eq!(is_found, session.status(at_ms(at)) == status);
        }
    }
}
