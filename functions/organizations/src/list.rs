//! `GET /v1/organizations`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::organization::Organization;
use portal_domain::text::sorted;
use portal_http::problem::Problem;
use portal_http::{ApiError, Caller, List, ListView, NoFilter, Paging, Reply};
use portal_store::Page;

use crate::view::OrganizationView;

/// List my organizations
///
/// All that the caller is a member of, by name; those being dissolved too.
#[utoipa::path(get, path = "/v1/organizations", tag = "organizations", params(Paging),
    responses((status = 200, description = "The caller's organizations", body = ListView<OrganizationView>),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %caller.identity.account))]
pub(crate) async fn list_organizations(
    State(web): State<Web>,
    caller: Caller,
    list: List<NoFilter>,
) -> Result<Reply, ApiError> {
    let after = list.after(&web.cursors, caller.identity.account)?;
    let (_, memberships, ()) = caller.beside(async { Ok(()) }).await?;
    let mut organizations = web.store.organizations(&memberships).await?;
    let now = web.clock.now();
    organizations.retain(|organization| !organization.is_over(now));
    organizations.sort_by_cached_key(place);
    let page = Page::of(organizations, list.limit, after.as_ref(), place);
    let mine = page.items.iter().filter_map(|organization| {
        let membership = memberships
            .iter()
            .find(|membership| membership.organization == organization.id)?;
        let permissions = organization.permissions(membership.role).unwrap_or_default();
        Some(OrganizationView::new(organization, membership.role, &permissions))
    });
    let page = Page {
        items: mine.collect(),
        next: page.next,
    };
    Ok(list.reply(&web.cursors, caller.identity.account, page))
}

/// By name, then by age.
fn place(organization: &Organization) -> String {
    format!("{}#{}", sorted(organization.name.as_str()), organization.id)
}
