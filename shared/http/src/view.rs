//! Views that more than one function answers with.

use jiff::Timestamp;
use portal_domain::membership::Membership;
use portal_domain::organization::Organization;
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
