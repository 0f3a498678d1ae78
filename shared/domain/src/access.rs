//! Who may do what here: answered from what one read gives, for every request anew.

use jiff::Timestamp;

use crate::audit::{Actor, AuditEvent, Origin, Verb};
use crate::change::{Change, Fact};
use crate::code::{Code, Refusal};
use crate::id::{AccountId, OrganizationId};
use crate::membership::Membership;
use crate::organization::{Organization, State};
use crate::permission::{Permission, Permissions};
use crate::role::{Grant, Role};

/// The right of one caller in one organization, as it stands now.
#[derive(Debug, Clone)]
pub struct Access {
    /// The organization acted in.
    pub organization: Organization,
    /// The membership that the right rests on: there, or as an admin of an ancestor.
    pub membership: Membership,
    /// From where the caller acts, for the audit log.
    pub origin: Origin,
    grant: Grant,
    seated: Option<Membership>,
}

/// Whether a route works while its organization is being dissolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Only while it is active: everything but what follows.
    Active,
    /// Until it is final, for those who may cancel it: seeing that it ends, and cancelling that.
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
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        // The clock ends an organization, not the job that cleans up after it.
        let organization = organization
            .filter(|organization| !organization.is_over(now))
            .ok_or(Code::OrganizationNotFound)?;
        let seated = seated(&organization, &memberships);
        let membership = strongest(&organization, memberships).ok_or(Code::OrganizationNotFound)?;
        let grant = organization.grant(membership.role).unwrap_or_default();
        if let Some(missing) = needed.filter(|needed| !grant.permissions.contains(needed)) {
            return Err(lacking(missing));
        }
        let may_see_the_end =
            phase == Phase::UntilFinal && grant.permissions.contains(&Permission::OrganizationDissolve);
        if organization.state != State::Active && !may_see_the_end {
            return Err(Code::OrganizationDissolving.into());
        }
        Ok(Self {
            organization,
            membership,
            origin,
            grant,
            seated,
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
        &self.grant.permissions
    }

    /// What the caller's role gives.
    #[must_use]
    pub const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// The caller's membership that takes a provider seat: the one here before that of an ancestor's admin, since all share the
    /// root's seats.
    #[must_use]
    pub const fn seated(&self) -> Option<&Membership> {
        self.seated.as_ref()
    }

    /// Refuses those without `permission`, where only a part of what a route does needs it.
    ///
    /// # Errors
    /// [`Code::PermissionMissing`].
    pub fn must_hold(&self, permission: Permission) -> Result<(), Refusal> {
        if self.grant.permissions.contains(&permission) {
            Ok(())
        } else {
            Err(lacking(permission))
        }
    }

    /// Refuses to give, or to act on, more than the caller holds.
    ///
    /// # Errors
    /// [`Code::GrantExceedsOwn`].
    pub fn may_grant(&self, wanted: &Grant) -> Result<(), Refusal> {
        if wanted.is_within(&self.grant) {
            Ok(())
        } else {
            Err(Code::GrantExceedsOwn.into())
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

    /// That the caller sees something of a person now, without what it is: nothing is shown that is not in the audit log.
    #[must_use]
    pub fn viewed(&self, verb: Verb, object: &impl ToString, now: Timestamp) -> Change {
        Change::audited(self.event(verb, object, now)).fact(self.actor_holds())
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

fn lacking(permission: Permission) -> Refusal {
    let detail = format!("this needs the permission {}", permission.as_str());
    Refusal::new(Code::PermissionMissing, detail)
}

/// Whether a membership says anything here: the one in the organization itself, or an ancestor's admin's.
fn counts(organization: &Organization, membership: &Membership) -> bool {
    membership.organization == organization.id
        || (membership.role == Role::Admin && organization.path.contains(&membership.organization))
}

fn seated(organization: &Organization, memberships: &[Membership]) -> Option<Membership> {
    let takes_seat = |membership: &&Membership| membership.seat && counts(organization, membership);
    let taking = memberships.iter().filter(takes_seat);
    taking
        .max_by_key(|membership| membership.organization == organization.id)
        .cloned()
}

/// An admin of an ancestor, or the membership in the organization itself: whichever gives more.
fn strongest(organization: &Organization, memberships: Vec<Membership>) -> Option<Membership> {
    let here = memberships
        .into_iter()
        .filter(|membership| counts(organization, membership));
    here.max_by_key(|membership| {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::organization::GRACE;
    use crate::sample::{access, add_role, member, now, organization, permissions};

    fn resolve(
        organization: &Organization,
        memberships: Vec<Membership>,
        needed: Option<Permission>,
        phase: Phase,
    ) -> Result<Access, Refusal> {
        let organization = Some(organization.clone());
        Access::resolve(organization, memberships, needed, phase, Origin::default(), now())
    }

    fn dissolving() -> State {
        State::Dissolving {
            requested_by: AccountId::of("sample", "dana"),
            requested_at: now(),
            final_at: now() + GRACE,
        }
    }

    #[test]
    fn what_one_is_no_member_of_looks_like_what_does_not_exist() {
        let (here, elsewhere) = (organization(), organization());
        let ended = Organization {
            state: State::Dissolved { at: now() },
            ..here.clone()
        };
        let stranger = vec![member(&elsewhere, "eve", Role::Admin)];
        let nothing = Access::resolve(
            None,
            stranger.clone(),
            None,
            Phase::Active,
            Origin::default(),
            now(),
        );
        let foreign = resolve(&here, stranger, Some(Permission::AuditRead), Phase::Active);
        let gone = resolve(
            &ended,
            vec![member(&ended, "dana", Role::Admin)],
            None,
            Phase::UntilFinal,
        );
        let ending = Organization {
            state: dissolving(),
            ..here.clone()
        };
        let over = Access::resolve(
            Some(ending.clone()),
            vec![member(&ending, "dana", Role::Admin)],
            None,
            Phase::UntilFinal,
            Origin::default(),
            now() + GRACE,
        );

        let refusal = nothing.unwrap_err();
        assert_eq!(refusal.code, Code::OrganizationNotFound);
        assert_eq!(foreign.unwrap_err(), refusal);
        assert_eq!(gone.unwrap_err(), refusal);
        assert_eq!(over.unwrap_err(), refusal);
    }

    #[test]
    fn a_missing_permission_is_named() {
        let here = organization();
        let viewer = vec![member(&here, "vera", Role::Viewer)];
        let refusal = resolve(&here, viewer, Some(Permission::MembersManage), Phase::Active).unwrap_err();
        assert_eq!(refusal.code, Code::PermissionMissing);
        assert!(refusal.detail.contains("members.manage"));
    }

    #[test]
    fn a_dissolving_organization_is_only_seen_and_cancelled_and_only_by_those_who_may() {
        let mut ending = Organization {
            state: dissolving(),
            ..organization()
        };
        let closing = add_role(&mut ending, [Permission::OrganizationDissolve].into());
        let refused = |role: Role, phase: Phase| {
            let resolved = resolve(&ending, vec![member(&ending, "dana", role)], None, phase);
            resolved.err().map(|refusal| refusal.code)
        };
        for role in [Role::Admin, closing, Role::Provider, Role::Viewer] {
            assert_eq!(refused(role, Phase::Active), Some(Code::OrganizationDissolving));
        }
        for role in [Role::Provider, Role::Viewer] {
            assert_eq!(
                refused(role, Phase::UntilFinal),
                Some(Code::OrganizationDissolving)
            );
        }
        assert_eq!(refused(Role::Admin, Phase::UntilFinal), None);
        assert_eq!(refused(closing, Phase::UntilFinal), None);
    }

    #[test]
    fn a_seat_counts_where_it_is_and_below_for_an_admin_who_provides_care() {
        let parent = organization();
        let child = Organization {
            root: parent.id,
            path: vec![parent.id],
            ..organization()
        };
        let caring = Membership {
            seat: true,
            ..member(&parent, "dana", Role::Admin)
        };
        let here = member(&child, "dana", Role::Provider);
        let seated = |organization: &Organization, memberships: &[&Membership]| {
            let memberships = memberships.iter().map(|one| (*one).clone()).collect();
            let access = resolve(organization, memberships, None, Phase::Active).unwrap();
            access.seated().map(|membership| membership.organization)
        };
        let idle = member(&parent, "dana", Role::Admin);
        assert_eq!(seated(&child, &[&idle]), None);
        assert_eq!(seated(&child, &[&idle, &here]), Some(child.id));
        assert_eq!(seated(&child, &[&caring]), Some(parent.id));
        assert_eq!(seated(&child, &[&caring, &here]), Some(child.id));
        // A provider of the parent holds no sessions below it.
        let above = member(&parent, "dana", Role::Provider);
        let viewer = member(&child, "dana", Role::Viewer);
        assert_eq!(seated(&child, &[&above, &viewer]), None);
    }

    #[test]
    fn a_tree_is_ruled_from_above_by_admins_only() {
        // Given a parent with two children, and in the parent a role as strong as its admins'
        let mut parent = organization();
        let strong = add_role(&mut parent, Role::Admin.built_in_permissions());
        let child = Organization {
            root: parent.id,
            path: vec![parent.id],
            ..organization()
        };
        let sibling = Organization {
            root: parent.id,
            path: vec![parent.id],
            ..organization()
        };
        let right = |organization: &Organization, membership: &Membership| {
            resolve(
                organization,
                vec![membership.clone()],
                Some(Permission::MembersRead),
                Phase::Active,
            )
        };

        // Then the parent's admin rules the child, by the membership in the parent
        let above = member(&parent, "dana", Role::Admin);
        let access = right(&child, &above).unwrap();
        assert_eq!(access.authority(), (above.account, parent.id));
        assert_eq!(
            access.actor_holds(),
            Fact::ActorHolds(above.account, parent.id, Role::Admin)
        );

        // And nobody else reads across
        let below = member(&child, "bea", Role::Admin);
        for (organization, membership) in [
            (&child, &member(&parent, "sam", strong)),
            (&child, &member(&parent, "vera", Role::Viewer)),
            (&parent, &below),
            (&sibling, &below),
        ] {
            assert_eq!(
                right(organization, membership).unwrap_err().code,
                Code::OrganizationNotFound
            );
        }
    }

    #[test]
    fn the_stronger_of_two_memberships_counts() {
        let parent = organization();
        let child = Organization {
            root: parent.id,
            path: vec![parent.id],
            ..organization()
        };
        let memberships = vec![
            member(&child, "dana", Role::Viewer),
            member(&parent, "dana", Role::Admin),
        ];
        let access = resolve(&child, memberships, Some(Permission::RolesManage), Phase::Active).unwrap();
        assert_eq!(access.membership.organization, parent.id);
    }

    #[test]
    fn a_deleted_role_gives_nothing() {
        let here = organization();
        let orphan = member(&here, "olga", Role::Custom(crate::id::RoleId::mint(now())));
        let access = resolve(&here, vec![orphan.clone()], None, Phase::Active).unwrap();
        assert!(access.permissions().is_empty());
        for needed in Permission::ALL {
            let refusal = resolve(&here, vec![orphan.clone()], Some(*needed), Phase::Active).unwrap_err();
            assert_eq!(refusal.code, Code::PermissionMissing);
        }
    }

    #[test]
    fn a_change_needs_the_revision_that_was_seen() {
        assert_eq!(expect_revision(3, 3), Ok(()));
        for seen in [0, 2, 4, u64::MAX] {
            assert_eq!(expect_revision(3, seen).unwrap_err().code, Code::RevisionMismatch);
        }
    }

    proptest! {
        #[test]
        fn nobody_grants_more_than_they_hold(own in permissions(), wanted in permissions()) {
            let mut here = organization();
            let role = add_role(&mut here, own.clone());
            let granted = access(&here, role).may_grant(&wanted.clone().into());
            prop_assert_eq!(granted.is_ok(), wanted.is_subset(&own));
            if let Err(refusal) = granted {
                prop_assert_eq!(refusal.code, Code::GrantExceedsOwn);
            }
        }

        #[test]
        fn a_route_opens_to_those_who_hold_what_it_needs(own in permissions(), needed in 0..Permission::ALL.len()) {
            let mut here = organization();
            let role = add_role(&mut here, own.clone());
            let needed = Permission::ALL[needed];
            let access = resolve(&here, vec![member(&here, "dana", role)], Some(needed), Phase::Active);
            prop_assert_eq!(access.is_ok(), own.contains(&needed));
        }
    }
}
