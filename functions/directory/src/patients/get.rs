//! `GET /v1/organizations/{organization_id}/patients/{patient_id}`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::audit::Verb;
use portal_domain::code::{Code, Refusal};
use portal_domain::id::{OrganizationId, PatientId};
use portal_domain::permission::need;
use portal_http::listing::patients::Seen;
use portal_http::problem::Problem;
use portal_http::{ApiError, Member, Path, Reply};

use super::view::PatientView;

/// Get a patient
///
/// Without notes: they are apart. Contact needs a permission of its own. That somebody looked is in the audit log before it is shown.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/patients/{patient_id}", tag = "patients",
    params(("organization_id" = String, Path), ("patient_id" = String, Path)),
    responses((status = 200, description = "The patient", body = PatientView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn get_patient(
    State(web): State<Web>,
    member: Member<need::PatientsRead>,
    Path((organization, patient)): Path<(OrganizationId, PatientId)>,
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
            let view = PatientView::new(&found, enrollment.as_ref(), Seen::of(access, &reach));
            let change = access.viewed(Verb::PatientViewed, &patient, now);
            Ok::<_, Refusal>((change, Reply::ok(&view).etag(found.rev)))
        })
        .await
}
