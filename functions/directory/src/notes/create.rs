//! `POST /v1/organizations/{organization_id}/patients/{patient_id}/notes`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::Refusal;
use portal_domain::id::{OrganizationId, PatientId};
use portal_domain::permission::need;
use portal_domain::text::NoteText;
use portal_http::problem::Problem;
use portal_http::{ApiError, Idempotent, Member, Path, Reply};
use serde::Deserialize;
use utoipa::ToSchema;

use super::subject;
use super::view::NoteView;

/// What a new note is to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoteCreate {
    /// 1 to 10,000 characters.
    #[schema(value_type = String, example = "Prefers mornings.")]
    text: NoteText,
}

/// Create a note
///
/// Members of this organization read it, and those of no other.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/patients/{patient_id}/notes", tag = "notes", request_body = NoteCreate,
    params(("organization_id" = String, Path), ("patient_id" = String, Path), ("idempotency-key" = String, Header)),
    responses((status = 201, description = "Created", body = NoteView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn create_note(
    State(web): State<Web>,
    member: Member<need::PatientsNotes>,
    Path((organization, patient)): Path<(OrganizationId, PatientId)>,
    request: Idempotent<NoteCreate>,
) -> Result<Reply, ApiError> {
    member
        .perform(
            Some(&request.key),
            || web.store.patient(patient),
            |access, sought, now| {
                let (patient, projection) = subject(access, sought)?;
                let (note, change) = access.create_note(patient.id, request.body.text.clone(), now);
                let location = format!(
                    "/v1/organizations/{organization}/patients/{}/notes/{}",
                    patient.id, note.id
                );
                let reply = Reply::created(&NoteView::new(&note, projection), location).etag(note.rev);
                Ok::<_, Refusal>((change, reply))
            },
        )
        .await
}
