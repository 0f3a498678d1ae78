//! People and an organization for the tests of this crate.

use jiff::Timestamp;
use proptest::prelude::Strategy;
use proptest::sample::subsequence;

use crate::access::{Access, Phase};
use crate::account::{Account, Identity};
use crate::audit::Origin;
use crate::configuration::{Binding, BindingRole, Configuration};
use crate::email::EmailAddress;
use crate::external::{ExternalId, Sourced, Stamp};
use crate::id::{AccountId, OrganizationId, RoleId, SiteId};
use crate::membership::Membership;
use crate::organization::{Organization, Settings, State};
use crate::permission::{Permission, Permissions};
use crate::role::{CustomRole, Role};

pub(crate) fn now() -> Timestamp {
    "2026-05-04T09:00:00Z".parse().unwrap()
}

pub(crate) fn email(address: &str) -> EmailAddress {
    address.parse().unwrap()
}

/// Somebody who has verified `name@riverside.example`.
pub(crate) fn identity(name: &str) -> Identity {
    Identity {
        account: AccountId::of("sample", name),
        verified_email: Some(email(&format!("{name}@riverside.example"))),
        name: Some(name.parse().unwrap()),
    }
}

pub(crate) fn account(name: &str) -> Account {
    Account::first_seen(&identity(name), now())
}

pub(crate) fn organization() -> Organization {
    let id = OrganizationId::mint(now());
    Organization {
        id,
        root: id,
        path: Vec::new(),
        name: "Riverside Family Practice".parse().unwrap(),
        state: State::Active,
        settings: Settings::default(),
        configuration: Configuration::default(),
        roles: Vec::new(),
        access_rev: 7,
        rev: 9,
        created_at: now(),
        updated_at: now(),
    }
}

/// A binding to a site of its own.
pub(crate) fn binding(role: BindingRole) -> Binding {
    Binding {
        site: SiteId::mint(now()),
        role,
        specialists_shared: false,
        active: true,
        shards: 1,
    }
}

/// Adds a custom role that holds `permissions`.
pub(crate) fn add_role(organization: &mut Organization, permissions: Permissions) -> Role {
    let id = RoleId::mint(now());
    organization.roles.push(CustomRole {
        id,
        name: "Front desk".parse().unwrap(),
        permissions,
        sites: None,
        rev: 3,
        created_at: now(),
    });
    Role::Custom(id)
}

/// Adds a custom role that holds these permissions, by their names.
pub(crate) fn add_role_of(organization: &mut Organization, permissions: &[&str]) -> Role {
    let permissions = permissions.iter().map(|name| name.parse().unwrap());
    add_role(organization, permissions.collect())
}

pub(crate) fn member(organization: &Organization, name: &str, role: Role) -> Membership {
    let account = account(name);
    let email = account.email.clone().unwrap();
    Membership::new(&account, email, organization, role, now())
}

/// The right of a member called `dana` with `role`.
pub(crate) fn access(organization: &Organization, role: Role) -> Access {
    let membership = member(organization, "dana", role);
    Access::resolve(
        Some(organization.clone()),
        vec![membership],
        None,
        Phase::UntilFinal,
        Origin::default(),
        now(),
    )
    .unwrap()
}

/// What a source calls `value` in its naming system, in this version.
pub(crate) fn sourced(value: &str, version: u64) -> Sourced {
    Sourced {
        source: "platform".parse().unwrap(),
        external: ExternalId {
            system: "urn:sample".parse().unwrap(),
            value: value.parse().unwrap(),
        },
        stamp: Stamp {
            version: Some(version),
            occurred_at: now(),
        },
        digest: format!("{value}-{version}"),
    }
}

/// Any set of permissions.
pub(crate) fn permissions() -> impl Strategy<Value = Permissions> {
    subsequence(Permission::ALL, 0..=Permission::ALL.len()).prop_map(|held| held.into_iter().collect())
}
