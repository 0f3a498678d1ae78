//! Roles: three built-in ones and the organization's own.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::code::{Code, Refusal};
use crate::id::{RoleId, SiteId};
use crate::permission::{Permission, Permissions};
use crate::text::RoleName;

/// The most custom roles an organization can have: they are embedded in its item.
pub const MOST_ROLES: usize = 50;

/// The role of a member or invite: `admin`, `provider`, `viewer` or a custom role's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Role {
    /// Organization Admin: every permission.
    Admin,
    /// Holds sessions; sees their own only.
    Provider,
    /// Sees session metadata and the audit log.
    Viewer,
    /// A role of the organization's own making.
    Custom(RoleId),
}

impl Role {
    /// The built-in roles.
    pub const BUILT_IN: [Self; 3] = [Self::Admin, Self::Provider, Self::Viewer];

    /// What a built-in role holds; nothing for a custom one, whose permissions the organization keeps.
    #[must_use]
    pub fn built_in_permissions(self) -> Permissions {
        match self {
            Self::Admin => Permission::ALL.iter().copied().collect(),
            Self::Provider => [Permission::SessionsCreate].into(),
            Self::Viewer => [Permission::SessionsRead, Permission::AuditRead].into(),
            Self::Custom(_) => Permissions::new(),
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Admin => f.write_str("admin"),
            Self::Provider => f.write_str("provider"),
            Self::Viewer => f.write_str("viewer"),
            Self::Custom(id) => id.fmt(f),
        }
    }
}

impl std::str::FromStr for Role {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        match text {
            "admin" => Ok(Self::Admin),
            "provider" => Ok(Self::Provider),
            "viewer" => Ok(Self::Viewer),
            other => other
                .parse()
                .map(Self::Custom)
                .map_err(|_| Code::RoleUnknown.into()),
        }
    }
}

impl TryFrom<String> for Role {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<Role> for String {
    fn from(role: Role) -> Self {
        role.to_string()
    }
}

/// What a role gives: permissions, and the sites that those about the platform's records are limited to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// The permissions.
    pub permissions: Permissions,
    /// The sites; none where it is not limited.
    pub sites: Option<BTreeSet<SiteId>>,
}

impl Grant {
    /// Whether whoever holds `held` has all of this.
    #[must_use]
    pub fn is_within(&self, held: &Self) -> bool {
        let are_sites_within = match (&self.sites, &held.sites) {
            (_, None) => true,
            (Some(wanted), Some(held)) => wanted.is_subset(held),
            (None, Some(_)) => !self.permissions.iter().any(|permission| permission.is_at_sites()),
        };
        are_sites_within && self.permissions.is_subset(&held.permissions)
    }
}

impl From<Permissions> for Grant {
    fn from(permissions: Permissions) -> Self {
        Self {
            permissions,
            sites: None,
        }
    }
}

/// A role made of permissions, kept inside its organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomRole {
    /// Its id.
    pub id: RoleId,
    /// Its name.
    pub name: RoleName,
    /// What it holds.
    pub permissions: Permissions,
    /// The sites that its rights on the platform's records are limited to; none where they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sites: Option<BTreeSet<SiteId>>,
    /// Rises with every change.
    pub rev: u64,
    /// When it was made.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
}

impl CustomRole {
    /// What it gives.
    #[must_use]
    pub fn grant(&self) -> Grant {
        Grant {
            permissions: self.permissions.clone(),
            sites: self.sites.clone(),
        }
    }

    /// Whether whoever holds it takes a provider seat.
    #[must_use]
    pub fn takes_seat(&self) -> bool {
        self.permissions.contains(&Permission::SessionsCreate)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::{now, permissions};

    #[test]
    fn built_in_roles_hold_what_the_product_says() {
        let held = |role: Role| role.built_in_permissions();
        assert_eq!(held(Role::Admin).len(), Permission::ALL.len());
        assert_eq!(held(Role::Provider), [Permission::SessionsCreate].into());
        assert_eq!(
            held(Role::Viewer),
            [Permission::SessionsRead, Permission::AuditRead].into()
        );
        assert!(held(Role::Custom(RoleId::mint(now()))).is_empty());
    }

    #[test]
    fn a_role_reads_back_from_its_text() {
        for role in Role::BUILT_IN
            .into_iter()
            .chain([Role::Custom(RoleId::mint(now()))])
        {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        for text in [
            "",
            "Admin",
            "owner",
            "rol_",
            "rol_1",
            "admin ",
            "inv_0192f0c1-2b3c-7d4e-8f50-61728394a5b6",
        ] {
            assert_eq!(
                text.parse::<Role>().unwrap_err().code,
                Code::RoleUnknown,
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_custom_role_takes_a_seat_if_and_only_if_it_holds_sessions(permissions in permissions()) {
            let holds_sessions = permissions.contains(&Permission::SessionsCreate);
            let role = CustomRole {
                id: RoleId::mint(now()),
                name: "Care".parse().unwrap(),
                permissions,
                sites: None,
                rev: 1,
                created_at: now(),
            };
            prop_assert_eq!(role.takes_seat(), holds_sessions);
        }
    }
}
