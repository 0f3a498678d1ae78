//! `PATCH /v1/organizations/{organization_id}/patients/{patient_id}/notes/{note_id}`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::{Code, Refusal};
use portal_domain::id::{NoteId, OrganizationId, PatientId};
use portal_domain::permission::need;
use portal_domain::text::NoteText;
use portal_http::problem::Problem;
use portal_http::{ApiError, IfMatch, Json, Member, Path, Reply};
use serde::Deserialize;
use utoipa::ToSchema;

use super::subject;
use super::view::NoteView;

/// What a note is to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoteUpdate {
    /// 1 to 10,000 characters.
    #[schema(value_type = String)]
    text: NoteText,
}

/// Change a note
///
/// Only one that a member of this organization wrote.
#[utoipa::path(patch, path = "/v1/organizations/{organization_id}/patients/{patient_id}/notes/{note_id}", tag = "notes",
    request_body = NoteUpdate,
    params(("organization_id" = String, Path), ("patient_id" = String, Path), ("note_id" = String, Path), ("if-match" = String, Header)),
    responses((status = 200, description = "Changed", body = NoteView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn update_note(
    State(web): State<Web>,
    member: Member<need::PatientsNotes>,
    Path((organization, patient, note)): Path<(OrganizationId, PatientId, NoteId)>,
    IfMatch(seen): IfMatch,
    Json(wanted): Json<NoteUpdate>,
) -> Result<Reply, ApiError> {
    let read = || async {
        tokio::try_join!(
            web.store.patient(patient),
            web.store.note(organization, patient, note)
        )
    };
    member
        .perform(None, read, |access, (sought, note), now| {
            let (_, projection) = subject(access, sought)?;
            let note = note.ok_or(Code::NoteNotFound)?;
            let (note, change) = note.update(access, wanted.text.clone(), seen, now)?;
            Ok::<_, Refusal>((
                change,
                Reply::ok(&NoteView::new(&note, projection)).etag(note.rev),
            ))
        })
        .await
}
