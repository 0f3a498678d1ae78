//! `GET /v1/organizations/{organization_id}/members`.

use axum::extract::State;
use portal_app::Web;
use portal_domain::code::{Code, Refusal};
use portal_domain::permission::need;
use portal_domain::role::Role;
use portal_domain::text::folded;
use portal_http::problem::Problem;
use portal_http::view::MemberView;
use portal_http::{ApiError, List, ListView, Member, Paging, Reply};
use portal_store::entity::membership::Wanted;
use serde::Deserialize;
use utoipa::IntoParams;

/// Which members are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MemberFilter {
    /// Part of the name or address, in any case and without accents; 1 to 100 characters.
    search: Option<String>,
    /// Only this role.
    role: Option<String>,
}

impl MemberFilter {
    fn wanted(&self) -> Result<Wanted, Refusal> {
        let refused = |why: &'static str| Refusal::new(Code::QueryInvalid, why);
        let role: Option<Role> = self
            .role
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|_| refused("there is no such role"))?;
        match &self.search {
            Some(search) if folded(search).is_empty() || search.chars().count() > 100 => {
                Err(refused("search must have 1 to 100 characters"))
            }
            search => Ok(Wanted {
                search: search.clone(),
                role,
            }),
        }
    }
}

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
