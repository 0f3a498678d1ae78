//! What is told of an organization.

use std::collections::BTreeSet;

use jiff::Timestamp;
use portal_domain::access::Access;
use portal_domain::organization::{Organization, State};
use portal_domain::permission::Permissions;
use portal_domain::role::Role;
use portal_http::View;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An organization, as one of its members sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrganizationView {
    /// Its id.
    #[schema(example = "org_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    id: String,
    /// Its display name.
    name: String,
    /// `active` or `dissolving`.
    #[schema(example = "active")]
    status: &'static str,
    /// When a dissolution is final, unless it is cancelled before.
    #[schema(value_type = Option<String>, format = DateTime)]
    final_at: Option<Timestamp>,
    /// The e-mail domains its members must have; empty allows all.
    allowed_domains: Vec<String>,
    /// The zone in which times are told to its people.
    #[schema(example = "Europe/Berlin")]
    time_zone: String,
    /// How many people it offers this to; null where it has not said.
    #[schema(example = 250)]
    eligible_headcount: Option<u32>,
    /// Its languages.
    languages: LanguagesView,
    /// How people take part in its sessions unless a provider says otherwise: `shared_device` or `two_device`.
    #[schema(example = "shared_device")]
    session_mode: &'static str,
    /// Whether it sees its sessions one by one, or their numbers alone.
    session_sharing: bool,
    /// The caller's role.
    role: String,
    /// What the caller may do.
    permissions: Vec<&'static str>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// The languages an organization uses.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LanguagesView {
    /// Where nothing else is chosen.
    #[schema(example = "en")]
    default: &'static str,
    /// All that may be chosen.
    available: Vec<&'static str>,
}

/// The languages an organization is to use.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LanguagesUpdate {
    /// Where nothing else is chosen; one of the available.
    #[schema(value_type = Option<String>, example = "en")]
    pub(crate) default: Option<portal_domain::locale::Locale>,
    /// All that may be chosen.
    #[schema(value_type = Option<Vec<String>>)]
    pub(crate) available: Option<BTreeSet<portal_domain::locale::Locale>>,
}

impl OrganizationView {
    pub(crate) fn new(organization: &Organization, role: Role, permissions: &Permissions) -> Self {
        let (status, final_at) = match organization.state {
            State::Active => ("active", None),
            State::Dissolving { final_at, .. } => ("dissolving", Some(final_at)),
            State::Dissolved { .. } => ("dissolved", None),
        };
        let settings = &organization.settings;
        Self {
            id: organization.id.to_string(),
            name: organization.name.as_str().to_owned(),
            status,
            final_at,
            allowed_domains: settings
                .allowed_domains
                .iter()
                .map(|domain| domain.as_str().to_owned())
                .collect(),
            time_zone: settings.time_zone.as_str().to_owned(),
            eligible_headcount: settings.eligible_headcount.map(u32::from),
            languages: LanguagesView {
                default: settings.languages.default.as_str(),
                available: settings
                    .languages
                    .available
                    .iter()
                    .map(|locale| locale.as_str())
                    .collect(),
            },
            session_mode: settings.session_mode.as_str(),
            session_sharing: settings.session_sharing,
            role: role.to_string(),
            permissions: permissions.iter().map(|permission| permission.as_str()).collect(),
            created_at: organization.created_at,
            updated_at: organization.updated_at,
        }
    }

    /// The organization after a change by the caller.
    pub(crate) fn changed(organization: &Organization, access: &Access) -> Self {
        Self::new(organization, access.membership.role, access.permissions())
    }
}

impl View for OrganizationView {}
