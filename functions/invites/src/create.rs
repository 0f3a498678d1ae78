//! `POST /v1/organizations/{organization_id}/invites`.

use portal_domain::code::Refusal;
use portal_domain::email::EmailAddress;
use portal_domain::invite::Draft;
use portal_domain::locale::Locale;
use portal_domain::permission::need;
use portal_domain::role::Role;
use portal_http::problem::Problem;
use portal_http::{ApiError, Idempotent, Member, Reply};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::view::InviteView;

/// Who is to be invited, and as what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InviteCreate {
    /// The address the mail goes to: only who proves to have it can accept.
    #[schema(value_type = String, example = "ada@riverside.example")]
    email: EmailAddress,
    /// `provider`, `viewer` or a custom role's id. Admins are promoted from members.
    #[schema(value_type = String, example = "provider")]
    role: Role,
    /// The mail's language; the organization's default if not given.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "en")]
    language: Option<Locale>,
}

impl InviteCreate {
    pub(crate) fn draft(&self) -> Draft {
        Draft {
            email: self.email.clone(),
            role: self.role,
            locale: self.language,
        }
    }
}

/// Invite somebody
///
/// Mails a link that works for 7 days. A pending invite to a role that holds sessions holds a seat.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/invites", tag = "invites", request_body = InviteCreate,
    params(("organization_id" = String, Path), ("idempotency-key" = String, Header)),
    responses((status = 201, description = "Invited; the mail is on its way", body = InviteView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn create_invite(
    member: Member<need::InvitesManage>,
    request: Idempotent<InviteCreate>,
) -> Result<Reply, ApiError> {
    member
        .perform(
            Some(&request.key),
            async || Ok(()),
            |access, (), now| {
                let (invite, change) = access.create_invite(request.body.draft(), now)?;
                Ok::<_, Refusal>((change, InviteView::created(&invite, now)))
            },
        )
        .await
}
