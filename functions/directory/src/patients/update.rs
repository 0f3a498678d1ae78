//! `PATCH /v1/organizations/{organization_id}/patients/{patient_id}`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::{Code, Refusal};
use portal_domain::email::EmailAddress;
use portal_domain::id::{OrganizationId, PatientId};
use portal_domain::locale::LanguageTag;
use portal_domain::organization::ZoneName;
use portal_domain::patient::PatientUpdate as Update;
use portal_domain::permission::need;
use portal_domain::person::Phone;
use portal_domain::text::NamePart;
use portal_http::listing::patients::Seen;
use portal_http::problem::Problem;
use portal_http::{ApiError, IfMatch, Json, Member, Path, Reply};
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::PatientView;

/// What is to change of a patient; what is not given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatientUpdate {
    /// The given names, 1 to 60 characters.
    #[schema(value_type = Option<String>)]
    given_name: Option<NamePart>,
    /// The family name, 1 to 60 characters.
    #[schema(value_type = Option<String>)]
    family_name: Option<NamePart>,
    /// The language the person is addressed in (BCP 47).
    #[schema(value_type = Option<String>, example = "de-AT")]
    locale: Option<LanguageTag>,
    /// The IANA zone in which times are told to them.
    #[schema(value_type = Option<String>, example = "Europe/Vienna")]
    time_zone: Option<ZoneName>,
    /// The address for mails; needs `patients.contact`.
    #[schema(value_type = Option<String>)]
    email: Option<EmailAddress>,
    /// The telephone number; needs `patients.contact`.
    #[schema(value_type = Option<String>)]
    phone: Option<Phone>,
}

impl PatientUpdate {
    fn update(&self) -> Update {
        Update {
            given_name: self.given_name.clone(),
            family_name: self.family_name.clone(),
            locale: self.locale.clone(),
            time_zone: self.time_zone.clone(),
            email: self.email.clone(),
            phone: self.phone.clone(),
        }
    }
}

/// Change a patient
///
/// What another system says of a patient is asked of that system, and told as `requested` until it answers. What is asked to be as
/// it is takes an earlier request back.
#[utoipa::path(patch, path = "/v1/organizations/{organization_id}/patients/{patient_id}", tag = "patients", request_body = PatientUpdate,
    params(("organization_id" = String, Path), ("patient_id" = String, Path), ("if-match" = String, Header)),
    responses((status = 200, description = "Changed, or asked for", body = PatientView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn update_patient(
    State(web): State<Web>,
    member: Member<need::PatientsManage>,
    Path((organization, patient)): Path<(OrganizationId, PatientId)>,
    IfMatch(seen): IfMatch,
    Json(wanted): Json<PatientUpdate>,
) -> Result<Reply, ApiError> {
    let read = || async {
        tokio::try_join!(
            web.store.patient(patient),
            web.store.enrollment(patient, organization)
        )
    };
    member
        .perform(None, read, |access, (sought, enrollment), now| {
            let reach = access.reach()?.of_patients()?;
            let found = sought.within(&reach).ok_or(Code::PatientNotFound)?;
            let (patient, change) = found.request_change(access, wanted.update(), seen, now)?;
            let view = PatientView::new(&patient, enrollment.as_ref(), Seen::of(access, &reach));
            Ok::<_, Refusal>((change, Reply::ok(&view).etag(patient.rev)))
        })
        .await
}
