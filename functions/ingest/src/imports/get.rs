//! `GET /v1/imports/{import_id}`.

use axum::extract::State;
use jiff::Timestamp;
use portal_app::FileWeb;
use portal_documents::{Documents, Key, Link, Served};
use portal_domain::code::Code;
use portal_domain::id::ImportId;
use portal_domain::import::Import;
use portal_domain::token::Scope;
use portal_http::problem::Problem;
use portal_http::{ApiError, Path, Reply, Service};
use portal_store::StoreError;

use super::view::ImportView;

/// A link to the lines that failed, while the bucket has them.
async fn link(documents: &Documents, import: &Import, now: Timestamp) -> Result<Option<Link>, ApiError> {
    let Some((file, _)) = import.errors().filter(|(_, until)| now < *until) else {
        return Ok(None);
    };
    let key = Key::import_errors(&import.source, import.id, file.run);
    let name = format!("{}.errors.ndjson", import.id);
    let served = Served {
        name: &name,
        media_type: "application/x-ndjson",
    };
    let link = documents.taking(&key, served, now).await;
    Ok(Some(link.map_err(|error| StoreError::Broken(error.to_string()))?))
}

/// Get an import
///
/// With how far it is, and what became of the lines so far. Once it has ended, and where lines failed, with a link to a file of
/// them that works for five minutes: a line of JSON for each, with its `line` in the file, its `external` name, `code`, `pointer`
/// into the line and, of a table, the `column`.
#[utoipa::path(get, path = "/v1/imports/{import_id}", tag = "ingest",
    params(("import_id" = String, Path)), security(("service" = [])),
    responses((status = 200, description = "The import", body = ImportView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(token.id = %service.token()))]
pub(crate) async fn get_import(
    State(FileWeb { web, documents }): State<FileWeb>,
    Path(import): Path<ImportId>,
    service: Service,
) -> Result<Reply, ApiError> {
    let found = web.store.import(service.source(), import).await?;
    let import = found.ok_or(Code::ImportNotFound)?;
    service.allows(Scope::Ingest(import.of()))?;
    let now = web.clock.now();
    let errors = link(&documents, &import, now).await?;
    Ok(Reply::ok(&ImportView::new(&import, None, errors, now)))
}
