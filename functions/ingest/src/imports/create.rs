//! `POST /v1/imports`.

use axum::extract::State;
use portal_app::FileWeb;
use portal_documents::{Documents, Expected, Key, Link};
use portal_domain::code::Code;
use portal_domain::import::{FileHash, Import, ImportFormat, ImportRequest, LINK_LASTS, Mapping};
use portal_domain::ingest::RecordType;
use portal_domain::token::Scope;
use portal_http::problem::Problem;
use portal_http::{ApiError, Idempotent, Reply, Service};
use portal_store::StoreError;
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::{ImportUploadView, ImportView};

/// A file of lines that is to be brought.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportCreate {
    /// `sites`, `patients`, `specialists`, `assignments`, `enrollments`, `bookings`, `transactions` or `notes`.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "patients")]
    of: RecordType,
    /// `ndjson`, or `csv` in UTF-8 with commas and a header.
    #[schema(value_type = String, example = "ndjson")]
    format: ImportFormat,
    /// `true` decides everything and writes nothing; lines are decided a thousand at a time.
    #[serde(default)]
    dry_run: bool,
    /// For `csv`, how columns become lines.
    #[serde(default)]
    #[schema(value_type = Option<ImportMapping>)]
    mapping: Option<Mapping>,
    /// How many bytes the file has; at most 200 MB.
    #[schema(maximum = 209_715_200, example = 68_000_000)]
    length: u64,
    /// Their SHA-256, in hexadecimal digits.
    #[schema(value_type = String, example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    sha256: FileHash,
}

/// How the columns of a table become lines. An empty cell says nothing; an object or element of a list none of whose columns says
/// anything is left out, with what is constant in it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only documents what the domain reads")]
pub(crate) struct ImportMapping {
    /// By the name of a column: a JSON pointer into the line, where cells are text, or `{"pointer": …, "type": …}` with `text`,
    /// `number` or `boolean`. Other columns are passed over.
    #[schema(value_type = Object, example = json!({
        "MRN": "/external/value", "Changed": "/occurred_at", "Version": { "pointer": "/version", "type": "number" },
        "First name": "/data/given_name", "Site": "/data/registrations/0/site/value",
    }))]
    columns: serde_json::Value,
    /// What all lines say, by JSON pointers into them.
    #[schema(value_type = Object, example = json!({
        "/op": "upsert", "/external/system": "mrn", "/data/registrations/0/site/system": "sites",
    }))]
    constants: serde_json::Value,
}

/// A link to bring the file with, while it is awaited.
async fn link(
    documents: &Documents,
    import: &Import,
    web: &portal_app::Web,
) -> Result<Option<Link>, ApiError> {
    let Some(from) = import.link_from(web.clock.now()) else {
        return Ok(None);
    };
    let expected = Expected {
        length: import.request.length,
        media_type: import.request.format.media_type().to_owned(),
        sha256: import.request.sha256.bytes(),
    };
    let key = Key::upload(&import.source, import.id);
    let link = documents.bringing(&key, &expected, from, LINK_LASTS).await;
    Ok(Some(link.map_err(|error| StoreError::Broken(error.to_string()))?))
}

/// Import a file
///
/// For the platform's own systems, with a service token. The answer has a link to `PUT` the file to, once, with exactly the headers
/// it names; the file's arrival starts the import. `GET` it until its `status` is `completed` or `failed`. The same request with
/// the same key is answered with the same import as it is by then, and with a link that works, while the file is awaited: for 24
/// hours.
#[utoipa::path(post, path = "/v1/imports", tag = "ingest",
    request_body = ImportCreate, params(("idempotency-key" = String, Header)), security(("service" = [])),
    responses((status = 201, description = "The import, waiting for its file", body = ImportView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(token.id = %service.token()))]
pub(crate) async fn create_import(
    State(FileWeb { web, documents }): State<FileWeb>,
    service: Service,
    request: Idempotent<ImportCreate>,
) -> Result<Reply, ApiError> {
    let wanted = request.body;
    service.allows(Scope::Ingest(wanted.of))?;
    let wanted = ImportRequest::new(
        wanted.of,
        wanted.format,
        wanted.mapping,
        wanted.dry_run,
        wanted.length,
        wanted.sha256,
    )?;
    let made = service.once(&web, &request.key, |bearer, now| {
        let (import, change) = bearer.create_import(wanted.clone(), now)?;
        Ok((import.id.to_string(), change))
    });
    let import = web.store.import(service.source(), made.await?.parse()?).await?;
    let import = import.ok_or(Code::ImportNotFound)?;
    let upload = link(&documents, &import, &web).await?;
    let view = ImportView::new(&import, upload.map(ImportUploadView::from), None, web.clock.now());
    Ok(Reply::created(&view, format!("/v1/imports/{}", import.id)))
}
