//! `GET /v1/organizations/{organization_id}/members`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::permission::need;
use portal_http::listing::members::MemberFilter;
use portal_http::problem::Problem;
use portal_http::view::MemberView;
use portal_http::{ApiError, List, ListView, Member, Paging, Reply};

/// List members
///
/// By name. With a filter, at most 1,000 members are looked at for a page, which may then be short.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/members", tag = "members",
    params(("organization_id" = String, Path), Paging, MemberFilter),
    responses((status = 200, description = "A page of members", body = ListView<MemberView>),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn list_members(
    State(web): State<Web>,
    member: Member<need::MembersRead>,
    list: List<MemberFilter>,
) -> Result<Reply, ApiError> {
    let wanted = list.filter.wanted()?;
    let after = list.after(&web.cursors, member.account())?;
    let (access, page) = member
        .beside(web.store.members(member.organization, &wanted, list.limit, after))
        .await?;
    let page = page.map(|membership| MemberView::new(&membership, &access.organization));
    Ok(list.reply(&web.cursors, member.account(), page))
}
