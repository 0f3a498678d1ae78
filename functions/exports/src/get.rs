//! `GET /v1/organizations/{organization_id}/exports/{export_id}`.

use axum::extract::State;
use jiff::Timestamp;
use portal_app::FileWeb;
use portal_documents::{DocumentError, Documents, Key, Link, Served};
use portal_domain::code::{Code, Refusal};
use portal_domain::export::{Export, State as At};
use portal_domain::id::{ExportId, OrganizationId};
use portal_domain::permission::need;
use portal_http::problem::Problem;
use portal_http::{ApiError, Member, Path, Reply};
use portal_store::StoreError;

use crate::view::{ExportLinkView, ExportView};

/// The links to a file and to what is said of it.
async fn links(
    documents: &Documents,
    export: &Export,
    now: Timestamp,
) -> Result<Option<(Link, Link)>, DocumentError> {
    let At::Done { file } = &export.state else {
        return Ok(None);
    };
    let (list, format) = (export.request.list.as_str(), export.request.format);
    let day = file.written_at.strftime("%Y-%m-%d");
    let name = format!("{list}-{day}.{}", format.as_str());
    let manifest = format!("{list}-{day}.manifest.json");
    let key = |extension: &str| Key::export(export.organization, export.id, file.attempt, extension);
    let served = Served {
        name: &name,
        media_type: format.media_type(),
    };
    let of_manifest = Served {
        name: &manifest,
        media_type: "application/json",
    };
    Ok(Some((
        documents.taking(&key(format.as_str()), served, now).await?,
        documents.taking(&key("manifest.json"), of_manifest, now).await?,
    )))
}

/// Get one of one's exports
///
/// Once it is `done`, with links to the file and its manifest that work for five minutes; each time they are handed out is in the
/// audit log. The file is for the rights it was written by: after a change of the caller's role or of the organization's
/// configuration the export is `outdated`, and another must be asked for.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/exports/{export_id}", tag = "exports",
    params(("organization_id" = String, Path), ("export_id" = String, Path)),
    responses((status = 200, description = "The export", body = ExportView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn get_export(
    State(FileWeb { web, documents }): State<FileWeb>,
    member: Member<need::ExportsCreate>,
    Path((_, export)): Path<(OrganizationId, ExportId)>,
) -> Result<Reply, ApiError> {
    let read = async || {
        let Some(found) = web.store.export(member.organization, export).await? else {
            return Ok(None);
        };
        // Signed beside the read, and handed out only if the right that is read with it allows it.
        let links = links(&documents, &found, web.clock.now()).await;
        let links = links.map_err(|error| StoreError::Broken(error.to_string()))?;
        Ok(Some((found, links)))
    };
    member
        .perform(None, read, |access, found, now| {
            let (export, links) = found
                .filter(|(export, _)| export.requested_by == access.account())
                .ok_or(Code::ExportNotFound)?;
            let change = access.take_export(&export, now);
            let links = links.filter(|_| change.is_some());
            let view = ExportView::new(&export, links.as_ref().map(ExportLinkView::of), access, now);
            Ok::<_, Refusal>((change.unwrap_or_default(), Reply::ok(&view)))
        })
        .await
}
