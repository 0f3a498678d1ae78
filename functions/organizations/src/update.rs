//! `PATCH /v1/organizations/{organization_id}`.

use std::collections::BTreeSet;

use portal_domain::code::Refusal;
use portal_domain::email::EmailDomain;
use portal_domain::organization::{Headcount, Update, ZoneName};
use portal_domain::permission::need;
use portal_domain::session::Mode;
use portal_domain::text::OrganizationName;
use portal_domain::wish::Wish;
use portal_http::problem::Problem;
use portal_http::{ApiError, IfMatch, Json, Member, Reply};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::view::{LanguagesUpdate, OrganizationView};

/// What is to change; what is not given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrganizationUpdate {
    /// The display name, 1 to 100 characters.
    #[schema(value_type = Option<String>)]
    name: Option<OrganizationName>,
    /// The e-mail domains members must have; empty allows all. Members with others stay and are marked in the list.
    #[schema(value_type = Option<Vec<String>>)]
    allowed_domains: Option<BTreeSet<EmailDomain>>,
    /// An IANA time zone.
    #[schema(value_type = Option<String>, example = "Europe/Berlin")]
    time_zone: Option<ZoneName>,
    /// How many people it offers this to, 1 to 10,000,000, for its utilization; null if it does not say.
    #[serde(default)]
    #[schema(value_type = Option<u32>, example = 250)]
    eligible_headcount: Wish<Headcount>,
    /// Languages.
    #[serde(default, deserialize_with = "portal_http::object")]
    languages: LanguagesUpdate,
    /// `shared_device` or `two_device`: how people take part in its sessions unless a provider says otherwise.
    #[schema(value_type = Option<String>, example = "two_device")]
    session_mode: Option<Mode>,
    /// Whether it sees its sessions one by one, earlier ones too, or their numbers alone.
    session_sharing: Option<bool>,
}

impl OrganizationUpdate {
    fn update(&self) -> Update {
        Update {
            name: self.name.clone(),
            allowed_domains: self.allowed_domains.clone(),
            time_zone: self.time_zone.clone(),
            default_language: self.languages.default,
            available_languages: self.languages.available.clone(),
            eligible_headcount: self.eligible_headcount,
            session_mode: self.session_mode,
            session_sharing: self.session_sharing,
        }
    }
}

/// Change an organization's settings
#[utoipa::path(patch, path = "/v1/organizations/{organization_id}", tag = "organizations", request_body = OrganizationUpdate,
    params(("organization_id" = String, Path), ("if-match" = String, Header, description = "The `ETag` that was seen")),
    responses((status = 200, description = "Changed", body = OrganizationView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(organization.id = %member.organization, account.id = %member.account()))]
pub(crate) async fn update_organization(
    member: Member<need::OrganizationUpdate>,
    IfMatch(seen): IfMatch,
    Json(wanted): Json<OrganizationUpdate>,
) -> Result<Reply, ApiError> {
    member
        .perform(
            None,
            async || Ok(()),
            |access, (), now| {
                let (organization, change) = access.update_organization(wanted.update(), seen, now)?;
                let view = OrganizationView::changed(&organization, access);
                Ok::<_, Refusal>((change, Reply::ok(&view).etag(organization.rev)))
            },
        )
        .await
}
