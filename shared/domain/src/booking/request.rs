//! What a member may ask for: a change that the booking's source makes, or not.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::access::{Access, expect_revision};
use crate::audit::Verb;
use crate::booking::status::Course;
use crate::booking::{Booking, Period, Reason, Status};
use crate::change::{Change, Write};
use crate::code::{Code, Refusal};
use crate::feed::Told;
use crate::id::{AccountId, OrganizationId, SpecialistId};
use crate::ingest::RecordType;
use crate::permission::Permission;

/// A change of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "transition")]
pub enum Transition {
    /// Agree to what was proposed.
    Book,
    /// The patient is there.
    Arrive,
    /// The patient is ready.
    CheckIn,
    /// It took place; after a no-show, as a correction.
    Fulfill,
    /// Somebody did not come; after it was fulfilled, as a correction.
    NoShow,
    /// It will not take place.
    Cancel,
    /// It should never have been recorded.
    EnterInError,
    /// Cancel it, and make another one in place of it at another time.
    Reschedule {
        /// The time of the other one.
        period: Period,
    },
    /// Give it to another specialist.
    Reassign {
        /// Who.
        specialist: SpecialistId,
    },
}

impl Transition {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Book => "book",
            Self::Arrive => "arrive",
            Self::CheckIn => "check_in",
            Self::Fulfill => "fulfill",
            Self::NoShow => "no_show",
            Self::Cancel => "cancel",
            Self::EnterInError => "enter_in_error",
            Self::Reschedule { .. } => "reschedule",
            Self::Reassign { .. } => "reassign",
        }
    }

    /// The status that the booking comes to.
    const fn target(self) -> Option<Status> {
        match self {
            Self::Book => Some(Status::Booked),
            Self::Arrive => Some(Status::Arrived),
            Self::CheckIn => Some(Status::CheckedIn),
            Self::Fulfill => Some(Status::Fulfilled),
            Self::NoShow => Some(Status::NoShow),
            Self::Cancel | Self::Reschedule { .. } => Some(Status::Cancelled),
            Self::EnterInError => Some(Status::EnteredInError),
            Self::Reassign { .. } => None,
        }
    }

    /// Whether `booking` has come so.
    fn is_met_by(self, booking: &Booking) -> bool {
        match self {
            Self::Reassign { specialist } => booking.specialist == specialist,
            Self::Reschedule { period } => {
                let is_moved = booking.period == Some(period) && booking.status().is_open();
                let cancelled = booking.cancellation();
                is_moved
                    || cancelled.is_some_and(|cancelled| cancelled.reason.as_str() == Reason::RESCHEDULED)
            }
            other => other.target() == Some(booking.status()),
        }
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The source has not answered.
    Pending,
    /// The source has made the change.
    Confirmed,
    /// The source has told a later state, without the change.
    Settled,
}

impl Outcome {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Settled => "settled",
        }
    }
}

/// A change that a member asked a booking's source for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Which change.
    #[serde(flatten)]
    pub transition: Transition,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Where the member asked for it.
    pub organization: OrganizationId,
    /// The member.
    pub by: AccountId,
    /// When.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// What became of it.
    pub outcome: Outcome,
}

impl Request {
    /// The request once its source has told `booking`, as it was at `occurred_at`.
    pub(super) fn after(self, booking: &Booking, occurred_at: Timestamp) -> Self {
        let outcome = match self.outcome {
            Outcome::Pending if !booking.deleted && self.transition.is_met_by(booking) => Outcome::Confirmed,
            // What was so before it was asked for is no answer.
            Outcome::Pending if occurred_at > self.at => Outcome::Settled,
            as_it_was => as_it_was,
        };
        Self { outcome, ..self }
    }
}

impl Booking {
    /// The change that its source was asked for and has not answered yet.
    #[must_use]
    pub fn pending(&self) -> Option<&Request> {
        let request = self.requested.as_ref();
        request.filter(|request| request.outcome == Outcome::Pending)
    }

    /// The booking with `transition` asked of its source.
    ///
    /// # Errors
    /// [`Code::TransitionPending`] while another one is not answered. [`Code::TransitionForbidden`] when its status, or what its
    /// people say, does not allow it. [`Code::ReasonMissing`] for a cancellation, rescheduling, reassignment or correction
    /// without one. [`Code::FieldsInvalid`] for a new time that is over, and for what it is already.
    pub fn request(
        &self,
        transition: Transition,
        reason: Option<Reason>,
        by: (OrganizationId, AccountId),
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        if self.pending().is_some() {
            return Err(Code::TransitionPending.into());
        }
        if self.permits(transition)? && reason.is_none() {
            return Err(Refusal::from(Code::ReasonMissing).at("/reason"));
        }
        match transition {
            Transition::Reschedule { period } if period.start() <= now => {
                return Err(Refusal::new(Code::FieldsInvalid, "must be in the future").at("/start"));
            }
            Transition::Reschedule { period } if self.period == Some(period) => {
                return Err(Refusal::new(Code::FieldsInvalid, "is the time it has").at("/start"));
            }
            Transition::Reassign { specialist } if specialist == self.specialist => {
                return Err(
                    Refusal::new(Code::FieldsInvalid, "is the specialist it has").at("/specialist_id")
                );
            }
            _ => {}
        }
        let (organization, by) = by;
        let request = Request {
            transition,
            reason,
            organization,
            by,
            at: now,
            outcome: Outcome::Pending,
        };
        Ok(Self {
            requested: Some(request),
            ..self.next(now)
        })
    }

    /// That its source is asked for something now.
    fn told(&self, now: Timestamp) -> Option<Told> {
        Told::of(
            self.sourced.as_ref(),
            RecordType::Bookings,
            &self.id,
            self.rev,
            now,
        )
    }

    /// Refuses what its status does not allow; else, whether a reason is needed.
    fn permits(&self, transition: Transition) -> Result<bool, Refusal> {
        let forbidden = Refusal::from(Code::TransitionForbidden);
        let Some(target) = transition.target() else {
            return if self.status().is_open() {
                Ok(true)
            } else {
                Err(forbidden)
            };
        };
        let course = self.status().step_to(target).ok_or(forbidden)?;
        let is_agreed = self.status() != Status::Proposed || self.participants.have_accepted();
        if transition == Transition::Book && !is_agreed {
            return Err(Refusal::new(
                Code::TransitionForbidden,
                "what was proposed is booked when both have accepted",
            ));
        }
        Ok(course == Course::Correction || target == Status::Cancelled)
    }
}

impl Access {
    /// A booking with a change asked of its source.
    ///
    /// # Errors
    /// [`Code::RevisionMismatch`]; for another specialist [`Code::ScopeExcludes`] where the organization oversees none at the
    /// booking's site, and [`Code::PermissionMissing`] for a caller who sees none; as [`Booking::request`].
    pub fn request_transition(
        &self,
        booking: &Booking,
        transition: Transition,
        reason: Option<Reason>,
        seen: u64,
        now: Timestamp,
    ) -> Result<(Booking, Change), Refusal> {
        expect_revision(booking.rev, seen)?;
        if matches!(transition, Transition::Reassign { .. }) {
            self.may_reassign(booking)?;
        }
        let new = booking.request(
            transition,
            reason.clone(),
            (self.organization.id, self.account()),
            now,
        )?;
        let event = self
            .event(Verb::BookingTransitionRequested, &booking.id, now)
            .changed("transition", None, Some(transition.as_str().to_owned()))
            .changed("reason", None, reason.map(String::from));
        let change = Change::audited(event)
            .write(Write::BookingPut(Box::new(new.clone())))
            .told(new.told(now))
            .fact(self.actor_holds());
        Ok((new, change))
    }

    fn may_reassign(&self, booking: &Booking) -> Result<(), Refusal> {
        if !self.reach()?.has_specialist_at([booking.site]) {
            return Err(Refusal::new(
                Code::ScopeExcludes,
                "the organization oversees no specialists of this site",
            ));
        }
        self.must_hold(Permission::SpecialistsRead)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::booking::sample::{HOUR, booked, booking, dana, pending_request, reason, record};
    use crate::booking::{BookingRecord, Participants, Participation};
    use crate::configuration::{Binding, BindingRole, Scope};
    use crate::id::SiteId;
    use crate::organization::Organization;
    use crate::role::Role;
    use crate::sample::{access, add_role, binding, now, organization};

    const STEPS: [Transition; 7] = [
        Transition::Book,
        Transition::Arrive,
        Transition::CheckIn,
        Transition::Fulfill,
        Transition::NoShow,
        Transition::Cancel,
        Transition::EnterInError,
    ];

    fn reschedule(start: Timestamp) -> Transition {
        Transition::Reschedule {
            period: Period::new(start, start + HOUR).unwrap(),
        }
    }

    fn asked(booking: &Booking, transition: Transition) -> Result<Booking, Refusal> {
        booking.request(transition, Some(reason("front_desk")), dana(), now())
    }

    #[test]
    fn what_is_asked_for_waits_and_changes_nothing_else() {
        let before = booked();
        let after = asked(&before, Transition::Cancel).unwrap();
        assert_eq!((after.status(), after.rev), (Status::Booked, 2));
        assert_eq!(after.new_step(), None);
        let request = after.pending().unwrap();
        assert_eq!(
            (request.transition.as_str(), request.outcome.as_str()),
            ("cancel", "pending")
        );
        let unasked = Booking {
            requested: None,
            rev: before.rev,
            updated_at: before.updated_at,
            ..after
        };
        assert_eq!(unasked, before);
    }

    #[test]
    fn a_request_reads_back_as_it_was_stored() {
        for transition in [
            Transition::Cancel,
            reschedule(now() + HOUR),
            Transition::Reassign {
                specialist: SpecialistId::mint(now()),
            },
        ] {
            let booking = asked(&booked(), transition).unwrap();
            let stored = serde_json::to_value(&booking).unwrap();
            assert_eq!(stored["requested"]["transition"], transition.as_str());
            assert_eq!(serde_json::from_value::<Booking>(stored).unwrap(), booking);
        }
    }

    #[test]
    fn one_request_waits_at_a_time() {
        let refusal = asked(&pending_request(), Transition::Arrive).unwrap_err();
        assert_eq!(refusal.code, Code::TransitionPending);
    }

    #[test]
    fn only_one_step_of_the_course_can_be_asked_for() {
        for status in Status::ALL {
            for transition in STEPS {
                let allowed = status.step_to(transition.target().unwrap());
                let answer = asked(&booking(*status), transition);
                let expected = allowed.is_none().then_some(Code::TransitionForbidden);
                assert_eq!(
                    answer.err().map(|refusal| refusal.code),
                    expected,
                    "{} {}",
                    status.as_str(),
                    transition.as_str()
                );
            }
        }
    }

    #[test]
    fn what_undoes_or_corrects_needs_a_reason() {
        let unsaid = |status: Status, transition: Transition| {
            let answer = booking(status).request(transition, None, dana(), now());
            answer.err().map(|refusal| refusal.code)
        };
        let missing = Some(Code::ReasonMissing);
        let reassign = Transition::Reassign {
            specialist: SpecialistId::mint(now()),
        };
        for (status, transition, expected) in [
            (Status::Booked, Transition::Cancel, missing),
            (Status::Booked, reschedule(now() + HOUR), missing),
            (Status::Booked, reassign, missing),
            (Status::Booked, Transition::EnterInError, missing),
            (Status::NoShow, Transition::Fulfill, missing),
            (Status::Fulfilled, Transition::NoShow, missing),
            (Status::Booked, Transition::Fulfill, None),
            (Status::Booked, Transition::NoShow, None),
            (Status::Arrived, Transition::CheckIn, None),
            (Status::Pending, Transition::Book, None),
        ] {
            assert_eq!(
                unsaid(status, transition),
                expected,
                "{} {}",
                status.as_str(),
                transition.as_str()
            );
        }
    }

    #[test]
    fn a_new_time_is_another_one_and_to_come() {
        let booking = booked();
        let pointer = |transition: Transition| {
            let refusal = asked(&booking, transition).unwrap_err();
            (refusal.code, refusal.errors[0].pointer.clone())
        };
        let invalid = (Code::FieldsInvalid, "/start".to_owned());
        assert_eq!(pointer(reschedule(now())), invalid);
        assert_eq!(
            pointer(Transition::Reschedule {
                period: booking.period.unwrap()
            }),
            invalid
        );
        assert!(asked(&booking, reschedule(now() + SignedDuration::from_millis(1))).is_ok());
    }

    #[test]
    fn what_has_begun_or_is_over_is_not_rescheduled() {
        for status in Status::ALL {
            let answer = asked(&booking(*status), reschedule(now() + HOUR));
            let can_be = status.step_to(Status::Cancelled).is_some();
            assert_eq!(answer.is_ok(), can_be, "{}", status.as_str());
        }
    }

    #[test]
    fn another_specialist_takes_what_is_open() {
        let other = Transition::Reassign {
            specialist: SpecialistId::mint(now()),
        };
        for status in Status::ALL {
            assert_eq!(
                asked(&booking(*status), other).is_ok(),
                status.is_open(),
                "{}",
                status.as_str()
            );
        }
        let booking = booked();
        let same = Transition::Reassign {
            specialist: booking.specialist,
        };
        assert_eq!(
            asked(&booking, same).unwrap_err().errors[0].pointer,
            "/specialist_id"
        );
    }

    #[test]
    fn what_was_proposed_is_booked_when_both_have_accepted() {
        let half = Booking {
            participants: Participants {
                patient: Participation::NeedsAction,
                specialist: Participation::Accepted,
            },
            ..booking(Status::Proposed)
        };
        assert_eq!(
            asked(&half, Transition::Book).unwrap_err().code,
            Code::TransitionForbidden
        );
        assert!(asked(&half, Transition::Cancel).is_ok());
        assert!(asked(&booking(Status::Proposed), Transition::Book).is_ok());
    }

    #[test]
    fn a_settled_request_makes_room_for_the_next() {
        let settled = crate::booking::sample::told(
            &pending_request(),
            BookingRecord {
                price: None,
                ..record(Status::Booked)
            },
        )
        .unwrap();
        assert!(settled.pending().is_none());
        assert!(asked(&settled, Transition::Arrive).is_ok());
    }

    fn clinic_at(site: SiteId) -> Organization {
        let mut organization = organization();
        organization.configuration.bindings = vec![Binding {
            site,
            ..binding(BindingRole::Owner)
        }];
        organization
    }

    #[test]
    fn a_request_is_told_in_the_audit_log_and_rests_on_the_callers_right() {
        let booking = booked();
        let dana = access(&clinic_at(booking.site), Role::Admin);
        let request = |seen| {
            let reason = Some(reason("front_desk"));
            dana.request_transition(&booking, Transition::Cancel, reason, seen, now())
        };
        assert_eq!(request(2).unwrap_err().code, Code::RevisionMismatch);
        let (new, change) = request(1).unwrap();
        assert_eq!(new.pending().map(|request| request.by), Some(dana.account()));
        let told = new.told(now()).unwrap();
        assert_eq!((told.id.as_str(), told.rev), (new.id.to_string().as_str(), 2));
        assert_eq!(
            change.writes,
            [Write::BookingPut(Box::new(new)), Write::ToldPut(told)]
        );
        assert_eq!(change.facts, [dana.actor_holds()]);
        let event = &change.audit[0];
        assert_eq!(
            (event.verb, event.object.clone()),
            (Verb::BookingTransitionRequested, booking.id.to_string())
        );
        let told: Vec<_> = event
            .changes
            .values()
            .map(|change| change.after.as_deref())
            .collect();
        assert_eq!(told, [Some("front_desk"), Some("cancel")]);
    }

    #[test]
    fn who_sees_no_specialists_chooses_none() {
        let booking = booked();
        let transition = Transition::Reassign {
            specialist: SpecialistId::mint(now()),
        };
        let asked = |organization: &Organization, role: Role| {
            let caller = access(organization, role);
            let asked = caller.request_transition(&booking, transition, Some(reason("ill")), 1, now());
            asked.err().map(|refusal| refusal.code)
        };
        let mut here = clinic_at(booking.site);
        let (blind, seeing) = (
            add_role(&mut here, [Permission::BookingsManage].into()),
            add_role(
                &mut here,
                [Permission::BookingsManage, Permission::SpecialistsRead].into(),
            ),
        );
        assert_eq!(asked(&here, seeing), None);
        assert_eq!(asked(&here, blind), Some(Code::PermissionMissing));
        here.configuration.bindings[0].role = BindingRole::Shared;
        assert_eq!(asked(&here, seeing), Some(Code::ScopeExcludes));
        here.configuration.bindings[0].role = BindingRole::Owner;
        here.configuration.scope = Scope::Patients;
        assert_eq!(asked(&here, Role::Admin), Some(Code::ScopeExcludes));
    }
}
