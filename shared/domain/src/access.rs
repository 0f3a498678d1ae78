//! Who may do what here: answered from what one read gives, for every request anew.

use jiff::Timestamp;

use crate::audit::{Actor, AuditEvent, Origin, Verb};
use crate::change::Fact;
use crate::code::{Code, Refusal};
use crate::id::{AccountId, OrganizationId};
use crate::membership::Membership;
use crate::organization::{Organization, State};
use crate::permission::{Permission, Permissions};
use crate::role::Role;

/// The right of one caller in one organization, as it stands now.
#[derive(Debug, Clone)]
pub struct Access {
    /// The organization acted in.
    pub organization: Organization,
    /// The membership that the right rests on: there, or as an admin of an ancestor.
    pub membership: Membership,
    /// From where the caller acts, for the audit log.
    pub origin: Origin,
    permissions: Permissions,
}

/// Whether a route works while its organization is being dissolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Only while it is active: everything but what follows.
    Active,
    /// For admins, until it is final: seeing that it ends, and cancelling that.
    UntilFinal,
}

impl Access {
    /// The caller's right in `organization` by their own `memberships`, if `needed` is among what it gives.
    ///
    /// # Errors
    /// [`Code::OrganizationNotFound`] for strangers and where there is none: both look alike. [`Code::PermissionMissing`] for
    /// members with too few rights. [`Code::OrganizationDissolving`] where only the end remains.
    pub fn resolve(
        organization: Option<Organization>,
        memberships: Vec<Membership>,
        needed: Option<Permission>,
        phase: Phase,
        origin: Origin,
    ) -> Result<Self, Refusal> {
        let organization = organization.ok_or(Code::OrganizationNotFound)?;
        if matches!(organization.state, State::Dissolved { .. }) {
            return Err(Code::OrganizationNotFound.into());
        }
        let membership = strongest(&organization, memberships).ok_or(Code::OrganizationNotFound)?;
        let permissions = organization.permissions(membership.role).unwrap_or_default();
        if let Some(missing) = needed.filter(|needed| !permissions.contains(needed)) {
            let detail = format!("this needs the permission {}", missing.as_str());
            return Err(Refusal::new(Code::PermissionMissing, detail));
        }
        let may_see_the_end = phase == Phase::UntilFinal && membership.role == Role::Admin;
        if organization.state != State::Active && !may_see_the_end {
            return Err(Code::OrganizationDissolving.into());
        }
        Ok(Self {
            organization,
            membership,
            origin,
            permissions,
        })
    }

    /// The caller.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.membership.account
    }

    /// What the caller may do.
    #[must_use]
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// Refuses to give, or to act on, more than the caller holds.
    ///
    /// # Errors
    /// [`Code::GrantExceedsOwn`].
    pub fn may_grant(&self, wanted: &Permissions) -> Result<(), Refusal> {
        match wanted.difference(&self.permissions).next() {
            None => Ok(()),
            Some(_) => Err(Code::GrantExceedsOwn.into()),
        }
    }

    /// The audit event of something the caller does to `object` now.
    #[must_use]
    pub fn event(&self, verb: Verb, object: &impl ToString, now: Timestamp) -> AuditEvent {
        let actor = Actor::Account {
            id: self.account(),
            role: Some(self.membership.role),
        };
        AuditEvent::new(self.organization.id, verb, actor, object, &self.origin, now)
    }

    /// The fact that the caller still has the role their right rests on.
    #[must_use]
    pub fn actor_holds(&self) -> Fact {
        Fact::ActorHolds(self.account(), self.membership.organization, self.membership.role)
    }

    /// The fact that the organization still is as it was read.
    #[must_use]
    pub fn organization_active(&self) -> Fact {
        Fact::OrganizationActive(self.organization.id, self.organization.access_rev)
    }

    /// Whose authority an invite made now rests on: the account and where it is a member.
    #[must_use]
    pub fn authority(&self) -> (AccountId, OrganizationId) {
        (self.account(), self.membership.organization)
    }
}

/// An admin of an ancestor, or the membership in the organization itself: whichever gives more.
fn strongest(organization: &Organization, memberships: Vec<Membership>) -> Option<Membership> {
    let counts = |membership: &Membership| {
        membership.organization == organization.id
            || (membership.role == Role::Admin && organization.path.contains(&membership.organization))
    };
    memberships.into_iter().filter(counts).max_by_key(|membership| {
        (
            membership.role == Role::Admin,
            membership.organization == organization.id,
        )
    })
}

/// Refuses a change by somebody who saw another revision.
pub(crate) fn expect_revision(current: u64, seen: u64) -> Result<(), Refusal> {
    if current == seen {
        Ok(())
    } else {
        Err(Code::RevisionMismatch.into())
    }
}
