//! `GET /v1/imports`.

use axum::extract::State;
use portal_app::FileWeb;
use portal_domain::token::Scope;
use portal_http::problem::Problem;
use portal_http::{ApiError, List, ListView, NoFilter, Paging, Reply, Service};

use super::view::ImportView;

/// List imports
///
/// Those of the token's source, the newest first, of the types that the token may feed, without links.
#[utoipa::path(get, path = "/v1/imports", tag = "ingest", params(Paging), security(("service" = [])),
    responses((status = 200, description = "A page of imports", body = ListView<ImportView>),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(token.id = %service.token()))]
pub(crate) async fn list_imports(
    State(FileWeb { web, .. }): State<FileWeb>,
    service: Service,
    list: List<NoFilter>,
) -> Result<Reply, ApiError> {
    let after = list.after(&web.cursors, service.source())?;
    let mut page = web.store.imports(service.source(), list.limit, after).await?;
    page.items
        .retain(|import| service.may(Scope::Ingest(import.of())));
    let now = web.clock.now();
    let page = page.map(|import| ImportView::new(&import, None, None, now));
    Ok(list.reply(&web.cursors, service.source(), page))
}
