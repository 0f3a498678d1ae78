//! `GET /v1/organizations/{organization_id}/patients/{patient_id}/notes`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::audit::Verb;
use portal_domain::code::Refusal;
use portal_domain::id::{OrganizationId, PatientId};
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::{ApiError, List, ListView, Member, NoFilter, Paging, Path, Reply};

use super::subject;
use super::view::NoteView;

/// List notes
///
/// Newest first: those that members of this organization wrote, and those that come from another system. That somebody looked is in
/// the audit log before it is shown.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/patients/{patient_id}/notes", tag = "notes",
    params(("organization_id" = String, Path), ("patient_id" = String, Path), Paging),
    responses((status = 200, description = "A page of notes", body = ListView<NoteView>),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn list_notes(
    State(web): State<Web>,
    member: Member<need::PatientsNotes>,
    Path((organization, patient)): Path<(OrganizationId, PatientId)>,
    list: List<NoFilter>,
) -> Result<Reply, ApiError> {
    let after = list.after(&web.cursors, member.account())?;
    let read = || async {
        tokio::try_join!(
            web.store.patient(patient),
            web.store.notes(organization, patient, list.limit, after.clone())
        )
    };
    member
        .perform(None, read, |access, (sought, page), now| {
            let (_, projection) = subject(access, sought)?;
            let page = page.map(|note| NoteView::new(&note, projection));
            let change = access.viewed(Verb::NotesListed, &patient, now);
            let reply = list.reply(&web.cursors, member.account(), page);
            Ok::<_, Refusal>((change, reply))
        })
        .await
}
