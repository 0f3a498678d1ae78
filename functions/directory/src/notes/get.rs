//! `GET /v1/organizations/{organization_id}/patients/{patient_id}/notes/{note_id}`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::audit::Verb;
use portal_domain::code::{Code, Refusal};
use portal_domain::id::{NoteId, OrganizationId, PatientId};
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::{ApiError, Member, Path, Reply};

use super::subject;
use super::view::NoteView;

/// Get a note
///
/// That somebody looked is in the audit log before it is shown.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/patients/{patient_id}/notes/{note_id}", tag = "notes",
    params(("organization_id" = String, Path), ("patient_id" = String, Path), ("note_id" = String, Path)),
    responses((status = 200, description = "The note", body = NoteView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn get_note(
    State(web): State<Web>,
    member: Member<need::PatientsNotes>,
    Path((organization, patient, note)): Path<(OrganizationId, PatientId, NoteId)>,
) -> Result<Reply, ApiError> {
    let read = || async {
        tokio::try_join!(
            web.store.patient(patient),
            web.store.note(organization, patient, note)
        )
    };
    member
        .perform(None, read, |access, (sought, found), now| {
            let (_, projection) = subject(access, sought)?;
            let found = found.ok_or(Code::NoteNotFound)?;
            let change = access.viewed(Verb::NoteViewed, &note, now);
            let reply = Reply::ok(&NoteView::new(&found, projection)).etag(found.rev);
            Ok::<_, Refusal>((change, reply))
        })
        .await
}
