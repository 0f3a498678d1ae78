//! What a line of the platform says of a booking, and what becomes of the booking by it.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::booking::status::Course;
use crate::booking::{
    Booking, BookingStep, Cancellation, Modality, Participants, Participation, Party, Period, Reason, State,
    Status, is_late,
};
use crate::code::{Code, Refusal};
use crate::external::{ExternalId, Sourced};
use crate::id::{BookingId, OrganizationId, PatientId, SiteId, SpecialistId};
use crate::money::Money;
use crate::organization::ZoneName;
use crate::text::{PersonName, ServiceName};
use crate::time::Moment;

/// How long before its start a booking can be cancelled without being late, where nothing else is agreed.
pub const NOTICE: SignedDuration = SignedDuration::from_hours(24);

/// What a line of the platform says of a booking.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BookingRecord {
    /// The site it was made at. Never another one later.
    pub site: ExternalId,
    /// Whose. Never another one's later.
    pub patient: ExternalId,
    /// With whom.
    pub specialist: ExternalId,
    /// The organization that pays for it. Never another one later.
    #[serde(default)]
    pub sponsor: Option<OrganizationId>,
    /// What it is for.
    pub service: ServiceName,
    /// Where it is in its life.
    pub status: Status,
    /// When it became so; when the line says, if not given.
    #[serde(default)]
    pub status_at: Option<Moment>,
    /// Who made it so. A cancellation needs it.
    #[serde(default)]
    pub status_by: Option<Party>,
    /// Why it became so. A cancellation and a correction need it.
    #[serde(default)]
    pub status_reason: Option<Reason>,
    /// What its people say; nobody has answered, if not given.
    #[serde(default)]
    pub participants: Option<Participants>,
    /// Its first instant. Needed once it is agreed.
    #[serde(default)]
    pub start: Option<Moment>,
    /// The instant at which it is over; given with the start.
    #[serde(default)]
    pub end: Option<Moment>,
    /// The patient's time zone.
    #[serde(default)]
    pub patient_time_zone: Option<ZoneName>,
    /// The specialist's time zone.
    #[serde(default)]
    pub specialist_time_zone: Option<ZoneName>,
    /// How they meet.
    pub modality: Modality,
    /// What it costs, as agreed.
    #[serde(default)]
    pub price: Option<Money>,
    /// Until when it can be agreed to: counts while it is proposed or pending.
    #[serde(default)]
    pub expires_at: Option<Moment>,
    /// The booking it was made in place of: a rescheduled one, which ends as cancelled.
    #[serde(default)]
    pub replaces: Option<ExternalId>,
}

/// What the names in a record stand for.
#[derive(Debug, Clone, PartialEq)]
pub struct BookingReferences {
    /// The site.
    pub site: SiteId,
    /// Into how many partitions the site's collections are spread.
    pub shards: u8,
    /// The patient.
    pub patient: PatientId,
    /// The patient's name.
    pub patient_name: Option<PersonName>,
    /// The specialist.
    pub specialist: SpecialistId,
    /// The specialist's name.
    pub specialist_name: Option<PersonName>,
    /// The booking it was made in place of.
    pub replaces: Option<Booking>,
    /// How long before its start it can be cancelled without being late.
    pub notice: SignedDuration,
}

impl BookingRecord {
    fn period(&self) -> Result<Option<Period>, Refusal> {
        let missing = |pointer: &'static str| Refusal::new(Code::FieldsInvalid, "is missing").at(pointer);
        match (self.start, self.end) {
            (Some(start), Some(end)) => Period::new(start.into(), end.into()).map(Some),
            (None, None) if self.status.may_lack_time() => Ok(None),
            (None, _) => Err(missing("/start")),
            (Some(_), None) => Err(missing("/end")),
        }
    }

    fn price(&self) -> Result<Option<Money>, Refusal> {
        match self.price {
            Some(price) if price.amount_minor < 0 => {
                Err(Refusal::new(Code::FieldsInvalid, "must not be negative").at("/price/amount_minor"))
            }
            price => Ok(price),
        }
    }

    /// Refuses a status that the booking, as it is kept, cannot have come to.
    fn follows(&self, kept: &Booking, participants: Participants) -> Result<(), Refusal> {
        let before = kept.status();
        if before == self.status {
            return Ok(());
        }
        let way = before.way_to(self.status).ok_or_else(|| {
            Refusal::new(
                Code::TransitionForbidden,
                "nothing leads there from the status it has",
            )
            .at("/status")
        })?;
        if way == Course::Correction && self.status_reason.is_none() {
            return Err(Refusal::from(Code::ReasonMissing).at("/status_reason"));
        }
        if (before, self.status) == (Status::Proposed, Status::Booked) && !participants.have_accepted() {
            return Err(Refusal::new(
                Code::TransitionForbidden,
                "what was proposed is booked when both have accepted",
            )
            .at("/participants"));
        }
        Ok(())
    }

    /// The state that it says. When a booking was cancelled, and whether late, stays as it was first told.
    fn state(
        &self,
        at: Timestamp,
        period: Option<Period>,
        notice: SignedDuration,
        kept: Option<&Cancellation>,
    ) -> Result<State, Refusal> {
        let expires_at = self.expires_at.map(Timestamp::from);
        Ok(match self.status {
            Status::Waitlist => State::Waitlist,
            Status::Proposed => State::Proposed { expires_at },
            Status::Pending => State::Pending { expires_at },
            Status::Booked => State::Booked,
            Status::Arrived => State::Arrived,
            Status::CheckedIn => State::CheckedIn,
            Status::Fulfilled => State::Fulfilled,
            Status::NoShow => State::NoShow,
            Status::EnteredInError => State::EnteredInError,
            Status::Cancelled => {
                let by = self
                    .status_by
                    .ok_or_else(|| Refusal::new(Code::FieldsInvalid, "is missing").at("/status_by"))?;
                let reason = self
                    .status_reason
                    .clone()
                    .ok_or_else(|| Refusal::from(Code::ReasonMissing).at("/status_reason"))?;
                let cancellation = Cancellation {
                    by,
                    reason,
                    late: kept.map_or_else(|| is_late(period, at, notice), |kept| kept.late),
                    at: kept.map_or(at, |kept| kept.at),
                };
                State::Cancelled { cancellation }
            }
        })
    }

    /// The entry that the line adds to the history, or the last one if it says nothing new of the status.
    fn step(&self, rev: u64, at: Timestamp, last: Option<&BookingStep>) -> BookingStep {
        let is_known = |last: &&BookingStep| {
            last.status == self.status
                && (self.status_by.is_none() || self.status_by == last.by)
                && (self.status_reason.is_none() || self.status_reason == last.reason)
        };
        last.filter(is_known).cloned().unwrap_or_else(|| BookingStep {
            rev,
            status: self.status,
            at,
            by: self.status_by,
            reason: self.status_reason.clone(),
        })
    }
}

/// Refuses another value for what is fixed once it is known.
fn fixed<T: PartialEq>(kept: &T, told: &T, pointer: &str) -> Result<(), Refusal> {
    if kept == told {
        Ok(())
    } else {
        Err(Refusal::from(Code::FieldFixed).at(pointer))
    }
}

impl Booking {
    /// The booking after a line of its source; `kept` is what is there.
    ///
    /// Status, time and specialist are the source's to change, in place. What a member asked for is confirmed when it has come
    /// so, and settled by any line about a later instant.
    ///
    /// # Errors
    /// With the field's place in the record: [`Code::FieldFixed`] for another site, patient, sponsor or replaced booking,
    /// [`Code::TransitionForbidden`] for a status that the kept one cannot have come to, [`Code::ReasonMissing`] for a
    /// cancellation or correction without one, [`Code::FieldsInvalid`] for times and prices that are none.
    pub fn taken(
        record: BookingRecord,
        references: BookingReferences,
        sourced: Sourced,
        kept: Option<&Self>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let period = record.period()?;
        let price = record.price()?;
        let participants = record.participants.unwrap_or(Participants {
            patient: Participation::NeedsAction,
            specialist: Participation::NeedsAction,
        });
        let id = kept.map_or_else(|| BookingId::mint(now), |kept| kept.id);
        if let Some(kept) = kept {
            fixed(&kept.site, &references.site, "/site")?;
            fixed(&kept.patient, &references.patient, "/patient")?;
            fixed(&kept.sponsor, &record.sponsor, "/sponsor")?;
            // What was deleted begins anew.
            if !kept.deleted {
                record.follows(kept, participants)?;
            }
        }
        let replaces = replaced(&references, id, kept)?;
        let at = record
            .status_at
            .map_or(sourced.stamp.occurred_at, Timestamp::from);
        let state = record.state(at, period, references.notice, kept.and_then(Self::cancellation))?;
        let rev = kept.map_or(1, |kept| kept.rev + 1);
        let shards = u128::from(references.shards.max(1));
        let shard = u8::try_from(id.uuid().as_u128() % shards).unwrap_or(0);
        let occurred_at = sourced.stamp.occurred_at;
        let taken = Self {
            id,
            site: references.site,
            shard: kept.map_or(shard, |kept| kept.shard),
            patient: references.patient,
            patient_name: references.patient_name,
            specialist: references.specialist,
            specialist_name: references.specialist_name,
            sponsor: record.sponsor,
            step: record.step(rev, at, kept.map(|kept| &kept.step)),
            service: record.service,
            state,
            participants,
            period,
            patient_time_zone: record.patient_time_zone,
            specialist_time_zone: record.specialist_time_zone,
            modality: record.modality,
            price,
            replaces,
            replaced_by: kept.and_then(|kept| kept.replaced_by),
            requested: None,
            sourced: Some(sourced),
            deleted: false,
            rev,
            created_at: kept.map_or(now, |kept| kept.created_at),
            updated_at: now,
        };
        let requested = kept.and_then(|kept| kept.requested.clone());
        Ok(Self {
            requested: requested.map(|request| request.after(&taken, occurred_at)),
            ..taken
        })
    }

    /// The booking as its source has deleted it: a tombstone that keeps what later lines are compared with, and no names.
    #[must_use]
    pub fn deleted(&self, sourced: Sourced, now: Timestamp) -> Self {
        let occurred_at = sourced.stamp.occurred_at;
        let tombstone = Self {
            patient_name: None,
            specialist_name: None,
            sourced: Some(sourced),
            deleted: true,
            ..self.next(now)
        };
        let requested = self.requested.clone();
        Self {
            requested: requested.map(|request| request.after(&tombstone, occurred_at)),
            ..tombstone
        }
    }

    /// The booking with `successor` made in place of it; none if that is known.
    #[must_use]
    pub fn replaced_by(&self, successor: BookingId, now: Timestamp) -> Option<Self> {
        (self.replaced_by != Some(successor)).then(|| Self {
            replaced_by: Some(successor),
            ..self.next(now)
        })
    }
}

/// The booking that `id` was made in place of: one of the same patient, that nothing else was made in place of.
fn replaced(
    references: &BookingReferences,
    id: BookingId,
    kept: Option<&Booking>,
) -> Result<Option<BookingId>, Refusal> {
    let known = kept.and_then(|kept| kept.replaces);
    let Some(old) = &references.replaces else {
        return Ok(known);
    };
    if known.is_some() {
        fixed(&known, &Some(old.id), "/replaces")?;
    }
    if old.id == id || old.patient != references.patient {
        return Err(
            Refusal::new(Code::FieldsInvalid, "must be another booking of the same patient").at("/replaces"),
        );
    }
    if old.replaced_by.is_some_and(|other| other != id) {
        return Err(Refusal::new(Code::FieldFixed, "was replaced by another booking").at("/replaces"));
    }
    Ok(Some(old.id))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::booking::sample::{
        HOUR, booked, booking, external, line, pending_request, reason, record, references, same, statuses,
        told,
    };
    use crate::booking::{Outcome, Transition};
    use crate::sample::now;

    fn refused(kept: &Booking, record: BookingRecord) -> (Code, String) {
        let refusal = told(kept, record).unwrap_err();
        (refusal.code, refusal.errors[0].pointer.clone())
    }

    fn because(status: Status, code: &str) -> BookingRecord {
        BookingRecord {
            status_reason: Some(reason(code)),
            ..record(status)
        }
    }

    /// A cancellation by the patient `before` the start.
    fn cancelled(before: SignedDuration) -> BookingRecord {
        let record = record(Status::Cancelled);
        BookingRecord {
            status_at: record.start.map(|start| (Timestamp::from(start) - before).into()),
            ..record
        }
    }

    #[test]
    fn a_line_makes_a_booking() {
        let booking = booked();
        assert_eq!((booking.status(), booking.rev), (Status::Booked, 1));
        assert_eq!(booking.new_step().map(|step| step.status), Some(Status::Booked));
        assert!(booking.shard < 4);
        let stored = serde_json::to_value(&booking).unwrap();
        assert_eq!(stored["status"], "booked");
        assert_eq!(serde_json::from_value::<Booking>(stored).unwrap(), booking);
    }

    #[test]
    fn each_status_reads_back_as_it_was_stored() {
        for status in Status::ALL {
            let booking = booking(*status);
            let stored = serde_json::to_value(&booking).unwrap();
            assert_eq!(stored["status"], status.as_str());
            assert_eq!(serde_json::from_value::<Booking>(stored).unwrap(), booking);
        }
    }

    #[test]
    fn a_record_has_no_field_that_is_not_known() {
        let parsed = |extra: &str| {
            let text = format!(
                r#"{{"site": {{"system": "s", "value": "1"}}, "patient": {{"system": "p", "value": "1"}},
                "specialist": {{"system": "x", "value": "1"}}, "service": "Care", "status": "checked-in", "modality": "in_person",
                "start": "2026-05-06T09:00:00Z", "end": "2026-05-06T10:00:00+01:00"{extra}}}"#
            );
            serde_json::from_str::<BookingRecord>(&text)
        };
        assert_eq!(parsed("").unwrap().status, Status::CheckedIn);
        assert!(parsed(r#", "price": {"amount_minor": 9000, "currency": "EUR"}"#).is_ok());
        for extra in [
            r#", "late": false"#,
            r#", "id": "bok_1""#,
            r#", "requested": null"#,
            r#", "sponsor": "x""#,
        ] {
            assert!(parsed(extra).is_err(), "{extra}");
        }
    }

    #[test]
    fn what_is_agreed_has_a_time() {
        for status in Status::ALL {
            let timeless = BookingRecord {
                start: None,
                end: None,
                ..record(*status)
            };
            let taken = Booking::taken(timeless, references(), line(now()), None, now());
            assert_eq!(taken.is_ok(), status.may_lack_time(), "{}", status.as_str());
        }
        let half = |start: Option<Timestamp>, end: Option<Timestamp>| {
            let record = BookingRecord {
                start: start.map(Moment::from),
                end: end.map(Moment::from),
                ..record(Status::Waitlist)
            };
            let refusal = Booking::taken(record, references(), line(now()), None, now()).unwrap_err();
            refusal.errors[0].pointer.clone()
        };
        assert_eq!(half(None, Some(now())), "/start");
        assert_eq!(half(Some(now()), None), "/end");
        assert_eq!(half(Some(now()), Some(now())), "/end");
    }

    #[test]
    fn a_price_is_not_negative() {
        let record = BookingRecord {
            price: Some(Money {
                amount_minor: -1,
                currency: "EUR".parse().unwrap(),
            }),
            ..record(Status::Booked)
        };
        assert_eq!(
            refused(&booked(), record),
            (Code::FieldsInvalid, "/price/amount_minor".to_owned())
        );
    }

    #[test]
    fn site_patient_and_sponsor_stay() {
        let booking = booked();
        let other = |change: fn(&mut BookingReferences)| {
            let mut references = same(&booking);
            change(&mut references);
            let at = now() + HOUR;
            let refusal =
                Booking::taken(record(Status::Booked), references, line(at), Some(&booking), at).unwrap_err();
            (refusal.code, refusal.errors[0].pointer.clone())
        };
        let fixed = |pointer: &str| (Code::FieldFixed, pointer.to_owned());
        assert_eq!(
            other(|references| references.site = SiteId::mint(now())),
            fixed("/site")
        );
        assert_eq!(
            other(|references| references.patient = PatientId::mint(now())),
            fixed("/patient")
        );
        let sponsored = BookingRecord {
            sponsor: Some(OrganizationId::mint(now())),
            ..record(Status::Booked)
        };
        assert_eq!(refused(&booking, sponsored), fixed("/sponsor"));
    }

    #[test]
    fn a_line_moves_and_reassigns_in_place() {
        let booking = booked();
        let moved = BookingRecord {
            start: Some((now() + HOUR * 72).into()),
            end: Some((now() + HOUR * 73).into()),
            ..record(Status::Booked)
        };
        let references = BookingReferences {
            specialist: SpecialistId::mint(now()),
            ..same(&booking)
        };
        let at = now() + HOUR;
        let after = Booking::taken(moved, references.clone(), line(at), Some(&booking), at).unwrap();
        assert_eq!(
            (after.id, after.rev, after.start()),
            (booking.id, 2, Some(now() + HOUR * 72))
        );
        assert_eq!(
            (after.specialist, after.shard),
            (references.specialist, booking.shard)
        );
        assert_eq!(after.created_at, booking.created_at);
        // Its status is what it was: nothing for the history.
        assert_eq!(after.new_step(), None);
    }

    #[test]
    fn a_status_that_it_cannot_have_come_to_is_refused() {
        let forbidden = (Code::TransitionForbidden, "/status".to_owned());
        assert_eq!(
            refused(&booking(Status::Arrived), record(Status::Booked)),
            forbidden
        );
        assert_eq!(
            refused(&booking(Status::Cancelled), record(Status::Booked)),
            forbidden
        );
        assert_eq!(
            refused(&booking(Status::Fulfilled), record(Status::Cancelled)),
            forbidden
        );
        // The source does not tell all steps.
        assert!(told(&booking(Status::Waitlist), record(Status::Fulfilled)).is_ok());
    }

    #[test]
    fn a_correction_needs_a_reason() {
        for (before, after) in [
            (Status::NoShow, Status::Fulfilled),
            (Status::Fulfilled, Status::NoShow),
            (Status::Booked, Status::EnteredInError),
            (Status::Cancelled, Status::EnteredInError),
        ] {
            let kept = booking(before);
            let missing = (Code::ReasonMissing, "/status_reason".to_owned());
            assert_eq!(refused(&kept, record(after)), missing);
            let corrected = told(&kept, because(after, "wrong_button")).unwrap();
            let step = corrected.new_step().unwrap();
            assert_eq!(
                (step.status, step.reason.clone()),
                (after, Some(reason("wrong_button")))
            );
        }
    }

    #[test]
    fn a_cancellation_says_by_whom_and_why() {
        let kept = booked();
        let without = |change: fn(&mut BookingRecord)| {
            let mut record = record(Status::Cancelled);
            change(&mut record);
            refused(&kept, record)
        };
        assert_eq!(
            without(|record| record.status_by = None),
            (Code::FieldsInvalid, "/status_by".to_owned())
        );
        assert_eq!(
            without(|record| record.status_reason = None),
            (Code::ReasonMissing, "/status_reason".to_owned())
        );
    }

    #[test]
    fn what_was_proposed_is_booked_when_both_have_accepted() {
        let proposed = booking(Status::Proposed);
        let half = BookingRecord {
            participants: Some(Participants {
                patient: Participation::Tentative,
                specialist: Participation::Accepted,
            }),
            ..record(Status::Booked)
        };
        assert_eq!(
            refused(&proposed, half.clone()),
            (Code::TransitionForbidden, "/participants".to_owned())
        );
        assert!(told(&proposed, record(Status::Booked)).is_ok());
        // What waited for an answer was answered.
        assert!(told(&booking(Status::Pending), half).is_ok());
    }

    #[test]
    fn the_first_line_may_tell_any_status() {
        for status in Status::ALL {
            assert_eq!(booking(*status).status(), *status);
        }
    }

    #[test]
    fn a_proposal_expires_only_while_it_waits() {
        let at = Some(now() + HOUR * 5);
        for status in Status::ALL {
            let record = BookingRecord {
                expires_at: at.map(Moment::from),
                ..record(*status)
            };
            let booking = Booking::taken(record, references(), line(now()), None, now()).unwrap();
            let waits = matches!(status, Status::Proposed | Status::Pending);
            assert_eq!(booking.expires_at(), at.filter(|_| waits));
        }
    }

    #[test]
    fn whether_a_cancellation_is_late_stays_as_it_was() {
        let in_time = told(&booked(), cancelled(HOUR * 24)).unwrap();
        let late = told(&booked(), cancelled(HOUR * 24 - SignedDuration::from_millis(1))).unwrap();
        assert!(!in_time.cancellation().unwrap().late);
        assert!(late.cancellation().unwrap().late);

        // A line that tells another time of the cancellation, or of the booking, changes neither
        let later = told(&in_time, cancelled(HOUR)).unwrap();
        assert_eq!(later.cancellation(), in_time.cancellation());
        let moved = BookingRecord {
            start: Some((now() + HOUR * 500).into()),
            end: Some((now() + HOUR * 501).into()),
            ..cancelled(HOUR * 40)
        };
        let moved = told(&late, moved).unwrap();
        assert_eq!(moved.cancellation(), late.cancellation());

        // But who did it, and why, can be corrected, and the history tells it
        let corrected = BookingRecord {
            status_by: Some(Party::Specialist),
            ..cancelled(HOUR)
        };
        let corrected = told(&in_time, corrected).unwrap();
        let cancellation = corrected.cancellation().unwrap();
        assert_eq!((cancellation.by, cancellation.late), (Party::Specialist, false));
        assert_eq!(
            corrected.new_step().and_then(|step| step.by),
            Some(Party::Specialist)
        );

        // Nor does deleting it and telling it anew
        let gone = in_time.deleted(line(now() + HOUR), now() + HOUR);
        let back = told(&gone, cancelled(HOUR)).unwrap();
        assert_eq!(back.cancellation(), in_time.cancellation());
    }

    #[test]
    fn the_notice_is_what_the_caller_says() {
        let references = BookingReferences {
            notice: HOUR * 2,
            ..references()
        };
        let late = |before: SignedDuration| {
            let taken = Booking::taken(cancelled(before), references.clone(), line(now()), None, now());
            taken.unwrap().cancellation().unwrap().late
        };
        assert!(!late(HOUR * 2) && late(HOUR));
    }

    #[test]
    fn a_booking_takes_the_place_of_one_of_the_same_patient_once() {
        let old = booking(Status::Cancelled);
        let replacing = |old: &Booking, patient: PatientId| {
            let references = BookingReferences {
                patient,
                replaces: Some(old.clone()),
                ..references()
            };
            let record = BookingRecord {
                replaces: Some(external("booking", "0")),
                ..record(Status::Booked)
            };
            Booking::taken(record, references, line(now()), None, now())
        };
        let new = replacing(&old, old.patient).unwrap();
        assert_eq!(new.replaces, Some(old.id));
        let known = old.replaced_by(new.id, now()).unwrap();
        assert_eq!((known.replaced_by, known.rev), (Some(new.id), 2));
        assert_eq!(known.replaced_by(new.id, now()), None);

        let code = |refused: Result<Booking, Refusal>| refused.unwrap_err().code;
        assert_eq!(code(replacing(&old, PatientId::mint(now()))), Code::FieldsInvalid);
        assert_eq!(code(replacing(&known, old.patient)), Code::FieldFixed);

        // A later line cannot make it another one's successor, and need not say it again
        let again = |replaces: Option<Booking>| {
            let references = BookingReferences {
                replaces,
                ..same(&new)
            };
            let at = now() + HOUR;
            Booking::taken(record(Status::Booked), references, line(at), Some(&new), at)
        };
        let third = Booking {
            patient: old.patient,
            ..booking(Status::Cancelled)
        };
        assert_eq!(code(again(Some(third))), Code::FieldFixed);
        assert_eq!(again(None).unwrap().replaces, Some(old.id));
        assert!(again(Some(known)).is_ok());
        assert_eq!(code(again(Some(new.clone()))), Code::FieldFixed);
    }

    #[test]
    fn what_was_deleted_names_nobody_and_begins_anew() {
        let at = now() + HOUR;
        let gone = booking(Status::Fulfilled).deleted(line(at), at);
        assert!(gone.deleted && gone.patient_name.is_none() && gone.specialist_name.is_none());
        assert_eq!((gone.rev, gone.updated_at), (2, at));
        let back = told(&gone, record(Status::Booked)).unwrap();
        assert_eq!(
            (back.deleted, back.status(), back.rev),
            (false, Status::Booked, 3)
        );
    }

    #[test]
    fn what_was_asked_for_is_confirmed_when_it_comes_so() {
        let asked = pending_request();
        let outcome = |booking: &Booking| booking.requested.as_ref().unwrap().outcome;
        let confirmed = told(&asked, record(Status::Cancelled)).unwrap();
        assert_eq!(outcome(&confirmed), Outcome::Confirmed);
        let settled = told(&asked, record(Status::Arrived)).unwrap();
        assert_eq!(outcome(&settled), Outcome::Settled);
        // And stays so
        let later = told(&settled, record(Status::Fulfilled)).unwrap();
        assert_eq!(outcome(&later), Outcome::Settled);
        let deleted = asked.deleted(line(now() + HOUR), now() + HOUR);
        assert_eq!(outcome(&deleted), Outcome::Settled);
    }

    #[test]
    fn what_was_so_before_is_no_answer() {
        let asked = pending_request();
        let at = now() + HOUR;
        let early = Booking::taken(
            record(Status::Booked),
            same(&asked),
            line(now()),
            Some(&asked),
            at,
        );
        assert!(early.unwrap().pending().is_some());
        let same_instant = Booking::taken(
            record(Status::Cancelled),
            same(&asked),
            line(now()),
            Some(&asked),
            at,
        );
        assert!(same_instant.unwrap().pending().is_none());
    }

    #[test]
    fn a_rescheduled_booking_is_cancelled_for_that_or_moved() {
        let period = Period::new(now() + HOUR * 100, now() + HOUR * 101).unwrap();
        let wanted = Transition::Reschedule { period };
        let asked = booked()
            .request(
                wanted,
                Some(reason("patient_request")),
                crate::booking::sample::dana(),
                now(),
            )
            .unwrap();
        let outcome = |record: BookingRecord| told(&asked, record).unwrap().requested.unwrap().outcome;
        assert_eq!(
            outcome(because(Status::Cancelled, Reason::RESCHEDULED)),
            Outcome::Confirmed
        );
        assert_eq!(
            outcome(because(Status::Cancelled, "patient_request")),
            Outcome::Settled
        );
        let moved = BookingRecord {
            start: Some(period.start().into()),
            end: Some(period.end().into()),
            ..record(Status::Booked)
        };
        assert_eq!(outcome(moved), Outcome::Confirmed);
        assert_eq!(outcome(record(Status::Booked)), Outcome::Settled);
    }

    proptest! {
        #[test]
        fn a_booking_goes_only_where_a_way_leads(before in statuses(), after in statuses()) {
            let kept = booking(before);
            let way = if before == after { Some(Course::Forward) } else { before.way_to(after) };
            prop_assert_eq!(told(&kept, because(after, "so_it_is")).is_ok(), way.is_some());
            let needs_reason = way == Some(Course::Correction) || after == Status::Cancelled;
            let silent = BookingRecord { status_reason: None, ..record(after) };
            prop_assert_eq!(told(&kept, silent).is_ok(), way.is_some() && !needs_reason);
        }

        #[test]
        fn the_history_tells_each_change_of_the_status_once(told_in_turn in prop::collection::vec(statuses(), 1..12)) {
            let mut kept = booked();
            let mut history = vec![kept.status()];
            let mut was = vec![kept.status()];
            for status in told_in_turn {
                let Ok(next) = told(&kept, because(status, "so_it_is")) else { continue };
                history.extend(next.new_step().map(|step| step.status));
                was.push(next.status());
                prop_assert_eq!(next.rev, kept.rev + 1);
                prop_assert_eq!(next.step.status, next.status());
                kept = next;
            }
            history.dedup();
            was.dedup();
            prop_assert_eq!(history, was);
        }

        #[test]
        fn lateness_never_changes_after_the_cancellation(
            first in -100_i32..100,
            later in prop::collection::vec((-100_i32..100, select(Party::ALL)), 1..6),
        ) {
            let mut kept = told(&booked(), cancelled(HOUR * first)).unwrap();
            let (late, at) = kept.cancellation().map(|cancellation| (cancellation.late, cancellation.at)).unwrap();
            prop_assert_eq!(late, first < 24);
            for (before, by) in later {
                let record = BookingRecord { status_by: Some(by), ..cancelled(HOUR * before) };
                kept = told(&kept, record).unwrap();
                let now_is = kept.cancellation().map(|cancellation| (cancellation.late, cancellation.at));
                prop_assert_eq!(now_is, Some((late, at)));
            }
        }
    }
}
