//! Views that more than one function answers with.

use jiff::Timestamp;
use portal_domain::configuration::{Binding, Ceiling, Configuration, Registration};
use portal_domain::membership::Membership;
use portal_domain::organization::Organization;
use portal_domain::site::Site;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::View;

/// A member of an organization.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemberView {
    /// The member's account.
    #[schema(example = "acc_6f1c2d3e-4b5a-5c6d-8e7f-90a1b2c3d4e5")]
    id: String,
    /// The organization.
    organization_id: String,
    /// The member's name.
    name: Option<String>,
    /// The member's address.
    email: String,
    /// `admin`, `provider`, `viewer` or a custom role's id.
    role: String,
    /// For admins: whether they hold sessions too.
    provides_care: bool,
    /// Whether the member takes a provider seat.
    takes_seat: bool,
    /// Whether the organization's allowed domains still include the member's address. Members stay when the list is tightened.
    domain_allowed: bool,
    /// When they joined.
    #[schema(value_type = String, format = DateTime)]
    joined_at: Timestamp,
    /// When they last did anything here, to the hour.
    #[schema(value_type = String, format = DateTime)]
    last_active_at: Timestamp,
}

impl MemberView {
    /// The member, as seen by those who may see members, and by the member.
    #[must_use]
    pub fn new(membership: &Membership, organization: &Organization) -> Self {
        Self {
            id: membership.account.to_string(),
            organization_id: membership.organization.to_string(),
            name: membership.name.as_ref().map(|name| name.as_str().to_owned()),
            email: membership.email.as_str().to_owned(),
            role: membership.role.to_string(),
            provides_care: membership.provides_care,
            takes_seat: membership.seat,
            domain_allowed: organization.settings.allows(&membership.email),
            joined_at: membership.joined_at,
            last_active_at: membership.last_active_at,
        }
    }
}

impl View for MemberView {}

/// What an organization may see of the platform's records.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccessView {
    /// The most that the platform operator allows.
    ceiling: CeilingView,
    /// Which people are overseen: `patients`, `specialists` or `both`.
    #[schema(example = "both")]
    scope: &'static str,
    /// Where they come from: `enrolled` (sponsored by the organization), `sites` (those it is bound to) or `platform`.
    #[schema(example = "sites")]
    directory: &'static str,
    /// How people join, unless a site is stricter: `invite_only` or `open`.
    #[schema(example = "invite_only")]
    registration: &'static str,
    /// The sites that the operator bound the organization to.
    sites: Vec<BindingView>,
}

/// The most that the platform operator allows an organization.
#[derive(Debug, Serialize, ToSchema)]
pub struct CeilingView {
    /// The widest scope.
    #[schema(example = "both")]
    scope: &'static str,
    /// The widest directory.
    #[schema(example = "sites")]
    directory: &'static str,
    /// The freest registration.
    #[schema(example = "open")]
    registration: &'static str,
    /// How many sites it may make.
    sites: u32,
}

/// A site that an organization is bound to.
#[derive(Debug, Serialize, ToSchema)]
pub struct BindingView {
    /// The site.
    #[schema(example = "sit_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    site_id: String,
    /// `owner` or `shared`.
    #[schema(example = "owner")]
    role: &'static str,
    /// Whether the site's specialists are in the organization's directory.
    specialists_shared: bool,
    /// Whether the organization uses it.
    active: bool,
}

impl From<&Binding> for BindingView {
    fn from(binding: &Binding) -> Self {
        Self {
            site_id: binding.site.to_string(),
            role: binding.role.as_str(),
            specialists_shared: binding.has_specialists(),
            active: binding.active,
        }
    }
}

impl From<&Ceiling> for CeilingView {
    fn from(ceiling: &Ceiling) -> Self {
        Self {
            scope: ceiling.scope.as_str(),
            directory: ceiling.directory.as_str(),
            registration: ceiling.registration.as_str(),
            sites: ceiling.sites,
        }
    }
}

impl From<&Configuration> for AccessView {
    fn from(configuration: &Configuration) -> Self {
        Self {
            ceiling: (&configuration.ceiling).into(),
            scope: configuration.scope.as_str(),
            directory: configuration.directory.as_str(),
            registration: configuration.registration.as_str(),
            sites: configuration.bindings.iter().map(BindingView::from).collect(),
        }
    }
}

impl View for AccessView {}

/// A site: one branded patient-facing property.
#[derive(Debug, Serialize, ToSchema)]
pub struct SiteView {
    /// Its id.
    #[schema(example = "sit_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    id: String,
    /// Its name.
    name: String,
    /// Where it is reached.
    domains: Vec<String>,
    /// The zone in which its times are told.
    #[schema(example = "Europe/Berlin")]
    time_zone: String,
    /// `draft`, `live`, `paused` or `archived`.
    #[schema(example = "live")]
    status: &'static str,
    /// How people join it: `invite_only` or `open`; null as the organization has it. The stricter of both counts.
    registration: Option<&'static str>,
    /// The name of the system it comes from; null where it was made here.
    source: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<&Site> for SiteView {
    fn from(site: &Site) -> Self {
        let domains = site.record.domains.iter();
        Self {
            id: site.id.to_string(),
            name: site.record.name.as_str().to_owned(),
            domains: domains.map(|domain| domain.as_str().to_owned()).collect(),
            time_zone: site.record.time_zone.as_str().to_owned(),
            status: site.record.status.as_str(),
            registration: site.registration.map(Registration::as_str),
            source: site.sourced.as_ref().map(|sourced| sourced.source.to_string()),
            created_at: site.created_at,
            updated_at: site.updated_at,
        }
    }
}

impl View for SiteView {}
