//! What is told of a booking: as much as its reader's projection has.

use jiff::Timestamp;
use portal_domain::booking::{
    Booking, BookingStep, Cancellation, Outcome, Party, Period, Request, Transition,
};
use portal_http::View;
use portal_http::listing::bookings::{BookingPersonView, BookingPriceView, BookingView, Seen};
use portal_store::entity::booking::BookingHistory;
use serde::Serialize;
use utoipa::ToSchema;

/// What the two people of a booking say to it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ParticipantsView {
    /// `accepted`, `declined`, `tentative` or `needs-action`.
    #[schema(example = "accepted")]
    patient: &'static str,
    /// The same of the specialist.
    #[schema(example = "needs-action")]
    specialist: &'static str,
}

/// How a booking was cancelled.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CancellationView {
    /// `patient`, `specialist`, `organization` or `system`.
    #[schema(example = "patient")]
    by: &'static str,
    /// The code of the reason.
    #[schema(example = "patient_request")]
    reason: String,
    /// Whether that was within the notice before its start. Decided once, when it was cancelled.
    late: bool,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

impl From<&Cancellation> for CancellationView {
    fn from(cancellation: &Cancellation) -> Self {
        Self {
            by: cancellation.by.as_str(),
            reason: cancellation.reason.as_str().to_owned(),
            late: cancellation.late,
            at: cancellation.at,
        }
    }
}

/// A change that was asked of a booking's source.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RequestedView {
    /// Which change.
    #[schema(example = "reschedule")]
    transition: &'static str,
    /// The code of the reason.
    #[schema(example = "patient_request")]
    reason: Option<String>,
    /// When the other one is to begin; null unless it is to be rescheduled.
    #[schema(value_type = Option<String>, format = DateTime)]
    start: Option<Timestamp>,
    /// When the other one is to be over.
    #[schema(value_type = Option<String>, format = DateTime)]
    end: Option<Timestamp>,
    /// Who is to take it; null unless it is to be reassigned, or where the reader sees no specialists.
    specialist_id: Option<String>,
    /// The member who asked; null for those of other organizations.
    requested_by: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    requested_at: Timestamp,
    /// `pending` until the source answers; then `confirmed`, or `settled` by a later state without the change.
    #[schema(example = "pending")]
    outcome: &'static str,
}

impl RequestedView {
    fn new(booking: &Booking, request: &Request, seen: Seen<'_>) -> Self {
        let (period, specialist) = match request.transition {
            Transition::Reschedule { period } => (Some(period), None),
            Transition::Reassign { specialist } => (None, seen.specialist_id(booking.site, specialist)),
            _ => (None, None),
        };
        let is_ours = request.organization == seen.organization;
        Self {
            transition: request.transition.as_str(),
            reason: request.reason.as_ref().map(|reason| reason.as_str().to_owned()),
            start: period.map(Period::start),
            end: period.map(Period::end),
            specialist_id: specialist,
            requested_by: is_ours.then(|| request.by.to_string()),
            requested_at: request.at,
            outcome: Outcome::as_str(request.outcome),
        }
    }
}

/// What a booking became.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BookingStepView {
    /// The status.
    #[schema(example = "booked")]
    status: &'static str,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `patient`, `specialist`, `organization` or `system`; null where that is not known.
    #[schema(example = "patient")]
    by: Option<&'static str>,
    /// The code of the reason, if there is one.
    reason: Option<String>,
}

impl From<&BookingStep> for BookingStepView {
    fn from(step: &BookingStep) -> Self {
        Self {
            status: step.status.as_str(),
            at: step.at,
            by: step.by.map(Party::as_str),
            reason: step.reason.as_ref().map(|reason| reason.as_str().to_owned()),
        }
    }
}

/// A booking with all that is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BookingDetailsView {
    /// Its id.
    #[schema(example = "bok_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    id: String,
    /// The site it was made at.
    site_id: String,
    /// Whose; null where the reader sees no patients.
    patient: Option<BookingPersonView>,
    /// With whom.
    specialist: BookingPersonView,
    /// What it is for.
    #[schema(example = "Physiotherapy")]
    service: String,
    /// Its status, as FHIR calls it.
    #[schema(example = "booked")]
    status: &'static str,
    /// `active`, `overdue` or `past`, by the clock.
    #[schema(example = "active")]
    tab: &'static str,
    /// What its people say.
    participants: ParticipantsView,
    /// When it begins; null while that is open.
    #[schema(value_type = Option<String>, format = DateTime)]
    start: Option<Timestamp>,
    /// When it is over; null while that is open.
    #[schema(value_type = Option<String>, format = DateTime)]
    end: Option<Timestamp>,
    /// The patient's IANA time zone; null where the reader sees no patients.
    #[schema(example = "Europe/Berlin")]
    patient_time_zone: Option<String>,
    /// The specialist's IANA time zone.
    #[schema(example = "Europe/Berlin")]
    specialist_time_zone: Option<String>,
    /// `video`, `audio`, `chat` or `in_person`.
    #[schema(example = "video")]
    modality: &'static str,
    /// What it costs; null where nothing is agreed or the reader sees no money.
    price: Option<BookingPriceView>,
    /// Until when it can be agreed to; null unless it waits for that.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// How it was cancelled; null if it was not.
    cancellation: Option<CancellationView>,
    /// The booking it was made in place of.
    replaces: Option<String>,
    /// The booking that was made in place of it.
    replaced_by: Option<String>,
    /// Whether the organization pays for it.
    sponsored: bool,
    /// What was asked of its source last; null if nothing was.
    requested: Option<RequestedView>,
    /// What it has been, oldest first.
    history: Vec<BookingStepView>,
    /// When it was first known here.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it last changed here.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl BookingDetailsView {
    pub(crate) fn new(found: &BookingHistory, seen: Seen<'_>, now: Timestamp) -> Self {
        let BookingHistory { booking, steps } = found;
        let row = BookingView::new(&booking.row(), seen, now);
        let shows_patient = row.patient.is_some();
        let zone =
            |zone: Option<&portal_domain::organization::ZoneName>| zone.map(|zone| zone.as_str().to_owned());
        let requested = booking.requested.as_ref();
        Self {
            id: row.id,
            site_id: row.site_id,
            patient: seen.patient(booking.patient, booking.patient_name.as_ref()),
            specialist: seen.specialist(booking.site, booking.specialist, booking.specialist_name.as_ref()),
            service: booking.service.as_str().to_owned(),
            status: row.status,
            tab: row.tab,
            participants: ParticipantsView {
                patient: booking.participants.patient.as_str(),
                specialist: booking.participants.specialist.as_str(),
            },
            start: row.start,
            end: row.end,
            patient_time_zone: zone(booking.patient_time_zone.as_ref().filter(|_| shows_patient)),
            specialist_time_zone: zone(booking.specialist_time_zone.as_ref()),
            modality: row.modality,
            price: row.price,
            expires_at: booking.expires_at(),
            cancellation: booking.cancellation().map(CancellationView::from),
            replaces: booking.replaces.map(|id| id.to_string()),
            replaced_by: booking.replaced_by.map(|id| id.to_string()),
            sponsored: booking.sponsor == Some(seen.organization),
            requested: requested.map(|request| RequestedView::new(booking, request, seen)),
            history: steps.iter().map(BookingStepView::from).collect(),
            created_at: booking.created_at,
            updated_at: booking.updated_at,
        }
    }
}

impl View for BookingDetailsView {}
