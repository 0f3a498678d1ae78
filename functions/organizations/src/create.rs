//! `POST /v1/organizations`.

use std::collections::BTreeSet;

use portal_domain::code::Refusal;
use portal_domain::email::EmailDomain;
use portal_domain::organization::{Draft, Languages, Organization, Settings, ZoneName};
use portal_domain::role::Role;
use portal_domain::session::Mode;
use portal_domain::text::OrganizationName;
use portal_http::problem::Problem;
use portal_http::{ApiError, Caller, Idempotent, Reply};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::view::{LanguagesUpdate, OrganizationView};

/// What a new organization is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrganizationCreate {
    /// Its display name, 1 to 100 characters.
    #[schema(value_type = String, example = "Riverside Family Practice")]
    name: OrganizationName,
    /// The e-mail domains its members must have; the creator's own among them. Without, all are allowed.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["riverside.example"]))]
    allowed_domains: BTreeSet<EmailDomain>,
    /// An IANA time zone; UTC if not given.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Europe/Berlin")]
    time_zone: Option<ZoneName>,
    /// Its languages; all, with English as the default, if not given.
    #[serde(default, deserialize_with = "portal_http::object")]
    languages: LanguagesUpdate,
    /// How people take part in its sessions: `shared_device`, if not given, or `two_device`.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "shared_device")]
    session_mode: Mode,
    /// Whether it sees its sessions one by one; if not given, it sees their numbers alone.
    #[serde(default)]
    session_sharing: bool,
}

impl OrganizationCreate {
    fn draft(&self) -> Draft {
        let all = Languages::default();
        let languages = Languages {
            default: self.languages.default.unwrap_or(all.default),
            available: self.languages.available.clone().unwrap_or(all.available),
        };
        let time_zone = self.time_zone.clone().unwrap_or_default();
        let settings = Settings {
            allowed_domains: self.allowed_domains.clone(),
            time_zone,
            eligible_headcount: None,
            languages,
            session_mode: self.session_mode,
            session_sharing: self.session_sharing,
        };
        Draft {
            name: self.name.clone(),
            settings,
        }
    }
}

/// Create an organization
///
/// The caller becomes its Organization Admin.
#[utoipa::path(post, path = "/v1/organizations", tag = "organizations", request_body = OrganizationCreate,
    params(("idempotency-key" = String, Header, description = "The same key has the same effect once")),
    responses((status = 201, description = "Created", body = OrganizationView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %caller.identity.account))]
pub(crate) async fn create_organization(
    caller: Caller,
    request: Idempotent<OrganizationCreate>,
) -> Result<Reply, ApiError> {
    let nothing = async || Ok(());
    caller
        .perform(Some(&request.key), nothing, |account, memberships, (), now| {
            let draft = request.body.draft();
            let (organization, change) = Organization::create(
                draft,
                account,
                &caller.identity,
                memberships.len(),
                &caller.origin,
                now,
            )?;
            let view = OrganizationView::new(&organization, Role::Admin, &Role::Admin.built_in_permissions());
            let location = format!("/v1/organizations/{}", organization.id);
            Ok::<_, Refusal>((change, Reply::created(&view, location).etag(organization.rev)))
        })
        .await
}
