//! What may be done in an organization: the vocabulary of rights.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::code::{Code, Refusal};

macro_rules! permissions {
    ($($name:ident $wire:literal $about:literal;)*) => {
        /// A right inside one organization.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum Permission {
            $(#[doc = $about] $name,)*
        }

        impl Permission {
            /// All permissions, in the order in which people read them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The permission as it is sent and stored.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }

            /// What it allows, in a sentence.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$name => $about,)* }
            }
        }

        /// One type per permission, for routes to name what they need.
        pub mod need {
            use super::{Need, Permission};
            $(
                #[doc = concat!("Needs `", $wire, "`.")]
                #[derive(Debug, Clone, Copy)]
                pub struct $name;
                impl Need for $name {
                    const PERMISSION: Option<Permission> = Some(Permission::$name);
                }
            )*

            /// Needs nothing but an active membership.
            #[derive(Debug, Clone, Copy)]
            pub struct Membership;
            impl Need for Membership {
                const PERMISSION: Option<Permission> = None;
            }
        }
    };
}

/// What a route needs, as a type.
pub trait Need: Send + Sync + 'static {
    /// The permission, or none where membership is enough.
    const PERMISSION: Option<Permission>;
}

permissions! {
    OrganizationUpdate "organization.update" "Change the organization's settings.";
    OrganizationDissolve "organization.dissolve" "Dissolve the organization and cancel its dissolution.";
    MembersRead "members.read" "See the members with their addresses and when they were last active.";
    MembersManage "members.manage" "Change members' roles and remove members.";
    InvitesRead "invites.read" "See invites.";
    InvitesManage "invites.manage" "Invite people, resend and revoke invites.";
    RolesManage "roles.manage" "Make, change and delete custom roles.";
    AuditRead "audit.read" "Read the audit log.";
    SessionsCreate "sessions.create" "Hold sessions. Takes a provider seat.";
    SessionsRead "sessions.read" "See the organization's session metadata as sharing allows.";
    PatientsRead "patients.read" "See the patient directory.";
    PatientsContact "patients.contact" "See patients' contact details.";
    PatientsNotes "patients.notes" "Read and write notes on patients.";
    PatientsManage "patients.manage" "Change patients' portal-owned fields.";
    SpecialistsRead "specialists.read" "See the specialist directory.";
    SpecialistsManage "specialists.manage" "Review specialists and change their portal-owned fields.";
    BookingsRead "bookings.read" "See bookings.";
    BookingsManage "bookings.manage" "Reassign, reschedule and cancel bookings.";
    TransactionsRead "transactions.read" "See payments, refunds, earnings and payouts.";
    ConsentsRead "consents.read" "See consents and their evidence.";
    ConsentsManage "consents.manage" "Request consents and record paper ones.";
    ActionsRead "actions.read" "See the actions about what one may see.";
    ActionsManage "actions.manage" "Assign, snooze and dismiss the actions about what one may see.";
    ArticlesManage "articles.manage" "Write and publish help articles.";
    BillingManage "billing.manage" "Manage plan, payment and invoices.";
    ExportsCreate "exports.create" "Export lists that one may see.";
}

impl Permission {
    /// Whether it is about the platform's records, which a role may see at some sites only.
    #[must_use]
    pub fn is_at_sites(self) -> bool {
        let object = self.as_str().split('.').next().unwrap_or_default();
        [
            "patients",
            "specialists",
            "bookings",
            "transactions",
            "consents",
            "actions",
            "exports",
        ]
        .contains(&object)
    }
}

impl std::str::FromStr for Permission {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::ALL
            .iter()
            .copied()
            .find(|p| p.as_str() == text)
            .ok_or_else(|| Code::PermissionUnknown.into())
    }
}

impl TryFrom<String> for Permission {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<Permission> for String {
    fn from(permission: Permission) -> Self {
        permission.as_str().to_owned()
    }
}

/// A set of permissions.
pub type Permissions = BTreeSet<Permission>;

/// A ready-made set of permissions for a custom role.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    /// Its stable name.
    pub name: &'static str,
    /// Who it is for.
    pub about: &'static str,
    /// What it holds.
    pub permissions: &'static [Permission],
}

/// The presets that the portal offers when a custom role is made.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "patient_oversight",
        about: "Looks after patients: directory, contact, notes, bookings and consents.",
        permissions: &[
            Permission::PatientsRead,
            Permission::PatientsContact,
            Permission::PatientsNotes,
            Permission::PatientsManage,
            Permission::BookingsRead,
            Permission::BookingsManage,
            Permission::ConsentsRead,
            Permission::ConsentsManage,
            Permission::ActionsRead,
            Permission::ActionsManage,
        ],
    },
    Preset {
        name: "specialist_management",
        about: "Looks after specialists: directory, review, bookings and their consents.",
        permissions: &[
            Permission::SpecialistsRead,
            Permission::SpecialistsManage,
            Permission::BookingsRead,
            Permission::ConsentsRead,
            Permission::ActionsRead,
            Permission::ActionsManage,
        ],
    },
    Preset {
        name: "financial_review",
        about: "Reviews money: transactions, bookings without contact or notes, exports and billing.",
        permissions: &[
            Permission::TransactionsRead,
            Permission::BookingsRead,
            Permission::ExportsCreate,
            Permission::BillingManage,
            Permission::ActionsRead,
            Permission::ActionsManage,
        ],
    },
    Preset {
        name: "compliance",
        about: "Checks that rules are kept: audit log, consents, session metadata, members and exports.",
        permissions: &[
            Permission::AuditRead,
            Permission::ConsentsRead,
            Permission::SessionsRead,
            Permission::MembersRead,
            Permission::InvitesRead,
            Permission::ActionsRead,
            Permission::ExportsCreate,
        ],
    },
    Preset {
        name: "content_editing",
        about: "Writes the help center.",
        permissions: &[Permission::ArticlesManage],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_read_back_and_explained() {
        let names: BTreeSet<_> = Permission::ALL
            .iter()
            .map(|permission| permission.as_str())
            .collect();
        assert_eq!(names.len(), Permission::ALL.len());
        for permission in Permission::ALL {
            let name = permission.as_str();
            let (object, verb) = name.split_once('.').unwrap();
            assert!(
                [object, verb]
                    .iter()
                    .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase()))
            );
            assert_eq!(name.parse(), Ok(*permission));
            assert!(permission.about().ends_with('.'));
        }
    }

    #[test]
    fn what_is_no_permission_is_refused() {
        for name in [
            "",
            "members",
            "members.",
            "Members.Read",
            "members.read ",
            "members.*",
            "*",
        ] {
            assert_eq!(
                name.parse::<Permission>().unwrap_err().code,
                Code::PermissionUnknown,
                "{name}"
            );
        }
    }

    #[test]
    fn a_route_names_the_permission_it_needs_by_a_type() {
        assert_eq!(need::MembersRead::PERMISSION, Some(Permission::MembersRead));
        assert_eq!(need::Membership::PERMISSION, None);
    }

    #[test]
    fn presets_are_unique_and_manage_no_people() {
        // Whoever gets a preset looks after patients, money or texts: nobody rules the organization by one.
        let ruling = [
            Permission::OrganizationUpdate,
            Permission::OrganizationDissolve,
            Permission::MembersManage,
            Permission::InvitesManage,
            Permission::RolesManage,
        ];
        let names: BTreeSet<_> = PRESETS.iter().map(|preset| preset.name).collect();
        assert_eq!(names.len(), PRESETS.len());
        for preset in PRESETS {
            assert!(!preset.permissions.is_empty());
            assert!(
                !preset.permissions.iter().any(|held| ruling.contains(held)),
                "{}",
                preset.name
            );
        }
    }
}
