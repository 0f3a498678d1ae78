//! `POST /v1/organizations/{organization_id}/bookings/{booking_id}/transitions`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::booking::{Period, Reason, Transition};
use portal_domain::code::{Code, Refusal};
use portal_domain::id::{BookingId, OrganizationId, SpecialistId};
use portal_domain::permission::need;
use portal_domain::time::Moment;
use portal_http::listing::bookings::Seen;
use portal_http::problem::Problem;
use portal_http::{ApiError, Idempotent, IfMatch, Member, Path, Reply};
use portal_store::entity::booking::BookingHistory;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::view::BookingDetailsView;

/// What is asked of a booking's source.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TransitionCreate {
    /// `book`, `arrive`, `check_in`, `fulfill`, `no_show`, `cancel`, `enter_in_error`, `reschedule` or `reassign`.
    #[schema(example = "cancel")]
    transition: String,
    /// The code of the reason, such as `patient_request`: a to z, 0 to 9, hyphen, underscore, dot; 1 to 60 characters. Needed to
    /// cancel, reschedule, reassign and correct.
    #[schema(value_type = Option<String>, example = "patient_request")]
    reason: Option<Reason>,
    /// To reschedule: when the other one is to begin.
    #[schema(value_type = Option<String>, format = DateTime)]
    start: Option<Moment>,
    /// To reschedule: when the other one is to be over.
    #[schema(value_type = Option<String>, format = DateTime)]
    end: Option<Moment>,
    /// To reassign: who is to take it.
    #[schema(value_type = Option<String>)]
    specialist_id: Option<SpecialistId>,
}

impl TransitionCreate {
    fn transition(&self) -> Result<Transition, Refusal> {
        let wrong =
            |pointer: &'static str, why: &'static str| Refusal::new(Code::FieldsInvalid, why).at(pointer);
        let (is_moved, is_given) = (self.transition == "reschedule", self.transition == "reassign");
        for (pointer, is_said, is_needed) in [
            ("/start", self.start.is_some(), is_moved),
            ("/end", self.end.is_some(), is_moved),
            ("/specialist_id", self.specialist_id.is_some(), is_given),
        ] {
            match (is_said, is_needed) {
                (false, true) => return Err(wrong(pointer, "is missing")),
                (true, false) => return Err(wrong(pointer, "does not belong to this transition")),
                _ => {}
            }
        }
        Ok(
            match (self.transition.as_str(), self.start, self.end, self.specialist_id) {
                ("book", ..) => Transition::Book,
                ("arrive", ..) => Transition::Arrive,
                ("check_in", ..) => Transition::CheckIn,
                ("fulfill", ..) => Transition::Fulfill,
                ("no_show", ..) => Transition::NoShow,
                ("cancel", ..) => Transition::Cancel,
                ("enter_in_error", ..) => Transition::EnterInError,
                ("reschedule", Some(start), Some(end), _) => Transition::Reschedule {
                    period: Period::new(start.into(), end.into())?,
                },
                ("reassign", _, _, Some(specialist)) => Transition::Reassign { specialist },
                _ => return Err(wrong("/transition", "is no transition of a booking")),
            },
        )
    }
}

/// Ask for a change of a booking
///
/// The booking belongs to the system it comes from: the change is asked of it, and pending until it answers. Rescheduling cancels
/// the booking and makes another one in place of it.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/bookings/{booking_id}/transitions", tag = "bookings",
    request_body = TransitionCreate,
    params(("organization_id" = String, Path), ("booking_id" = String, Path), ("idempotency-key" = String, Header),
           ("if-match" = String, Header)),
    responses((status = 200, description = "Asked for; `requested` tells what becomes of it", body = BookingDetailsView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn request_transition(
    State(web): State<Web>,
    member: Member<need::BookingsManage>,
    Path((_, booking)): Path<(OrganizationId, BookingId)>,
    IfMatch(seen): IfMatch,
    request: Idempotent<TransitionCreate>,
) -> Result<Reply, ApiError> {
    member
        .perform(
            Some(&request.key),
            || web.store.booking_history(booking),
            |access, sought, now| {
                let reach = access.reach()?;
                let BookingHistory { booking, steps } = sought.within(&reach).ok_or(Code::BookingNotFound)?;
                let transition = request.body.transition()?;
                let reason = request.body.reason.clone();
                let (booking, change) = access.request_transition(&booking, transition, reason, seen, now)?;
                let rev = booking.rev;
                let found = BookingHistory { booking, steps };
                let view = BookingDetailsView::new(&found, Seen::of(access, &reach), now);
                let reply = Reply::ok(&view).etag(rev);
                Ok::<_, Refusal>((change, reply))
            },
        )
        .await
}
