//! A member's place in an organization.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::access::{Access, expect_revision};
use crate::account::Account;
use crate::audit::{Actor, AuditEvent, Origin, Verb};
use crate::change::{Change, CountChange, Write};
use crate::code::{At, Code, Refusal};
use crate::email::EmailAddress;
use crate::id::{AccountId, OrganizationId};
use crate::organization::{Organization, count};
use crate::plan::SeatChange;
use crate::role::Role;
use crate::text::PersonName;

/// The most organizations one account can be a member of: they are read in one query.
pub const MOST_MEMBERSHIPS: usize = 100;

/// How exact "last active" is: it is written at most this often.
pub const ACTIVITY_STEP: SignedDuration = SignedDuration::from_hours(1);

/// An account inside an organization, with a role. Name and address are copies for lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub organization: OrganizationId,
    /// The role.
    pub role: Role,
    /// For admins: whether they hold sessions too, and so take a seat.
    pub provides_care: bool,
    /// Whether it takes a seat: decided when it was written, so that the same is given back.
    pub seat: bool,
    /// The member's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<PersonName>,
    /// The member's address.
    pub email: EmailAddress,
    /// When they joined.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub joined_at: Timestamp,
    /// When they last did anything here, to the hour.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub last_active_at: Timestamp,
    /// Rises with every change but of `last_active_at`.
    pub rev: u64,
    /// When it last changed.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub updated_at: Timestamp,
}

/// What is wanted changed of a member.
#[derive(Debug, Clone, Copy, Default)]
pub struct Update {
    /// A new role.
    pub role: Option<Role>,
    /// For admins: whether they provide care.
    pub provides_care: Option<bool>,
}

impl Membership {
    /// A new membership. It never brings back what an earlier one of the same account had.
    #[must_use]
    pub fn new(
        account: &Account,
        email: EmailAddress,
        organization: &Organization,
        role: Role,
        now: Timestamp,
    ) -> Self {
        Self {
            account: account.id,
            organization: organization.id,
            role,
            provides_care: false,
            seat: organization.takes_seat(role, false),
            name: account.name.clone(),
            email,
            joined_at: now,
            last_active_at: now,
            rev: 1,
            updated_at: now,
        }
    }

    /// Whether activity at `now` is worth writing.
    #[must_use]
    pub fn is_activity_news(&self, now: Timestamp) -> bool {
        now.duration_since(self.last_active_at) >= ACTIVITY_STEP
    }

    /// The membership with the account's present name and address.
    #[must_use]
    pub fn with_copies_of(&self, account: &Account, now: Timestamp) -> Self {
        Self {
            name: account.name.clone(),
            email: account.email.clone().unwrap_or_else(|| self.email.clone()),
            rev: self.rev + 1,
            updated_at: now,
            ..self.clone()
        }
    }

    fn ending(&self, organization: &Organization, event: AuditEvent) -> Change {
        Change::audited(event)
            .write(Write::MembershipDelete(self.clone()))
            .write(Write::TieForget(self.email.clone(), self.organization))
            .write(count(self.organization, [(self.role, -1)]))
            .seats(organization.root, SeatChange::between(self.seat, false))
    }

    /// The removal that comes with the organization's end; the last admin goes too, unless the end was cancelled meanwhile.
    #[must_use]
    pub fn ending_with(&self, organization: &Organization, now: Timestamp) -> Option<Change> {
        organization.due_end(now)?;
        let actor = Actor::System {
            name: "finish-dissolutions".to_owned(),
        };
        let event = AuditEvent::new(
            self.organization,
            Verb::MemberRemoved,
            actor,
            &self.account,
            &Origin::default(),
            now,
        );
        let mut change = self.ending(organization, event).fact(organization.ending());
        for write in &mut change.writes {
            if let Write::Counts(CountChange { may_end, .. }) = write {
                *may_end = true;
            }
        }
        Some(change)
    }
}

impl Access {
    /// The member with another role, or providing care or not.
    ///
    /// # Errors
    /// [`Code::RevisionMismatch`], [`Code::RoleUnknown`], [`Code::GrantExceedsOwn`] when the member holds, or would hold, more
    /// than the caller, [`Code::FieldsInvalid`] for care by a role that is not Admin. [`Code::LastAdmin`] and
    /// [`Code::SeatLimitReached`] come from the commit.
    pub fn update_member(
        &self,
        member: &Membership,
        update: Update,
        seen: u64,
        now: Timestamp,
    ) -> Result<(Membership, Change), Refusal> {
        expect_revision(member.rev, seen)?;
        let role = update.role.unwrap_or(member.role);
        let wanted = self
            .organization
            .grant(role)
            .ok_or(Code::RoleUnknown)
            .map_err(Refusal::from)
            .at("/role")?;
        self.may_act_on(member)?;
        self.may_grant(&wanted).at("/role")?;
        if role != Role::Admin && update.provides_care == Some(true) {
            return Err(Refusal::new(
                Code::FieldsInvalid,
                "only admins choose whether they provide care",
            )
            .at("/provides_care"));
        }
        let provides_care = role == Role::Admin && update.provides_care.unwrap_or(member.provides_care);
        let new = Membership {
            role,
            provides_care,
            seat: self.organization.takes_seat(role, provides_care),
            rev: member.rev + 1,
            updated_at: now,
            ..member.clone()
        };
        let event = self
            .event(Verb::MemberUpdated, &member.account, now)
            .changed("role", Some(member.role.to_string()), Some(role.to_string()))
            .changed(
                "provides_care",
                Some(member.provides_care.to_string()),
                Some(provides_care.to_string()),
            );
        let counts =
            (role != member.role).then(|| count(self.organization.id, [(member.role, -1), (role, 1)]));
        let change = Change::audited(event)
            .write(Write::MembershipReplace(new.clone()))
            .writes(counts)
            .seats(self.organization.root, SeatChange::between(member.seat, new.seat));
        Ok((new, self.resting(change, member.account)))
    }

    /// The end of a membership by somebody else. The account stays.
    ///
    /// # Errors
    /// [`Code::RevisionMismatch`], [`Code::GrantExceedsOwn`]; [`Code::LastAdmin`] comes from the commit.
    pub fn remove_member(&self, member: &Membership, seen: u64, now: Timestamp) -> Result<Change, Refusal> {
        expect_revision(member.rev, seen)?;
        self.may_act_on(member)?;
        let event = self.event(Verb::MemberRemoved, &member.account, now);
        Ok(self.resting(member.ending(&self.organization, event), member.account))
    }

    /// The end of the caller's own membership.
    ///
    /// # Errors
    /// [`Code::MemberNotFound`] for an ancestor's admin, who is no member here; [`Code::LastAdmin`] comes from the commit.
    pub fn leave(&self, now: Timestamp) -> Result<Change, Refusal> {
        if self.membership.organization != self.organization.id {
            return Err(Code::MemberNotFound.into());
        }
        let event = self.event(Verb::MemberLeft, &self.account(), now);
        Ok(self.resting(self.membership.ending(&self.organization, event), self.account()))
    }

    fn may_act_on(&self, member: &Membership) -> Result<(), Refusal> {
        // A member whose custom role is gone holds nothing, so anybody who manages members may act on them.
        let held = self.organization.grant(member.role).unwrap_or_default();
        self.may_grant(&held)
    }

    /// The change, resting on what gave the caller the right to it. A change of the caller's own membership carries
    /// its revision anyway, and one transaction cannot name an item twice.
    fn resting(&self, change: Change, subject: AccountId) -> Change {
        let change = change.fact(self.organization_active());
        let is_own = subject == self.account() && self.membership.organization == self.organization.id;
        if is_own {
            change
        } else {
            change.fact(self.actor_holds())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::change::{Fact, SeatEffect};
    use crate::id::RoleId;
    use crate::organization::{GRACE, State};
    use crate::sample::{
        access, account, add_role, add_role_of, email, member, now, organization, permissions,
    };

    fn to(role: Role) -> Update {
        Update {
            role: Some(role),
            provides_care: None,
        }
    }

    /// Dana, an admin, changes a member.
    fn update(
        organization: &Organization,
        member: &Membership,
        update: Update,
    ) -> Result<(Membership, Change), Refusal> {
        access(organization, Role::Admin).update_member(member, update, member.rev, now())
    }

    fn counted(change: &Change) -> BTreeMap<Role, i32> {
        let counts = change.writes.iter().filter_map(|write| match write {
            Write::Counts(counts) => Some(counts.roles.clone()),
            _ => None,
        });
        counts.flatten().collect()
    }

    #[test]
    fn seats_follow_the_role_and_whether_an_admin_provides_care() {
        let here = organization();
        let change = |from: Role, caring: bool, role: Option<Role>, care: Option<bool>| {
            let old = Membership {
                provides_care: caring,
                seat: here.takes_seat(from, caring),
                ..member(&here, "ada", from)
            };
            let update_to = Update {
                role,
                provides_care: care,
            };
            let (new, change) = update(&here, &old, update_to).unwrap();
            assert_eq!(new.seat, here.takes_seat(new.role, new.provides_care));
            (
                new.provides_care,
                new.seat,
                change.seats.map(|effect| effect.change),
            )
        };
        let (take, free) = (Some(SeatChange::Take), Some(SeatChange::Release));
        assert_eq!(
            change(Role::Viewer, false, Some(Role::Provider), None),
            (false, true, take)
        );
        assert_eq!(
            change(Role::Provider, false, Some(Role::Viewer), None),
            (false, false, free)
        );
        assert_eq!(
            change(Role::Provider, false, Some(Role::Admin), None),
            (false, false, free)
        );
        assert_eq!(
            change(Role::Provider, false, Some(Role::Admin), Some(true)),
            (true, true, None)
        );
        assert_eq!(change(Role::Admin, false, None, Some(true)), (true, true, take));
        assert_eq!(change(Role::Admin, true, None, Some(false)), (false, false, free));
        assert_eq!(
            change(Role::Admin, true, Some(Role::Provider), None),
            (false, true, None)
        );
        assert_eq!(
            change(Role::Admin, true, Some(Role::Viewer), None),
            (false, false, free)
        );
        assert_eq!(
            change(Role::Viewer, false, Some(Role::Admin), None),
            (false, false, None)
        );
    }

    #[test]
    fn only_admins_choose_whether_they_provide_care() {
        let here = organization();
        for role in [Role::Provider, Role::Viewer] {
            let update_to = Update {
                role: None,
                provides_care: Some(true),
            };
            let refusal = update(&here, &member(&here, "ada", role), update_to).unwrap_err();
            assert_eq!(
                (refusal.code, &*refusal.errors[0].pointer),
                (Code::FieldsInvalid, "/provides_care")
            );
        }
    }

    #[test]
    fn a_role_that_does_not_exist_here_is_unknown() {
        let here = organization();
        let foreign = add_role_of(&mut organization(), &["members.read"]);
        for role in [foreign, Role::Custom(RoleId::mint(now()))] {
            let refusal = update(&here, &member(&here, "ada", Role::Viewer), to(role)).unwrap_err();
            assert_eq!(
                (refusal.code, &*refusal.errors[0].pointer),
                (Code::RoleUnknown, "/role")
            );
        }
    }

    #[test]
    fn holders_are_counted_with_every_change() {
        let here = organization();
        let ada = member(&here, "ada", Role::Provider);
        let (_, promoted) = update(&here, &ada, to(Role::Admin)).unwrap();
        assert_eq!(
            counted(&promoted),
            [(Role::Provider, -1), (Role::Admin, 1)].into()
        );
        let (_, same) = update(&here, &ada, to(Role::Provider)).unwrap();
        assert!(counted(&same).is_empty());
        let removed = access(&here, Role::Admin)
            .remove_member(&ada, ada.rev, now())
            .unwrap();
        assert_eq!(counted(&removed), [(Role::Provider, -1)].into());
        assert_eq!(
            removed.seats,
            Some(SeatEffect {
                root: here.root,
                change: SeatChange::Release,
                within_limit: false
            })
        );
    }

    #[test]
    fn a_change_rests_on_the_organization_and_on_the_right_of_whoever_makes_it() {
        let here = organization();
        let dana = access(&here, Role::Admin);
        let ada = member(&here, "ada", Role::Viewer);

        let of_another = dana.remove_member(&ada, ada.rev, now()).unwrap();
        assert_eq!(of_another.facts, [dana.organization_active(), dana.actor_holds()]);

        // One transaction cannot name the caller's own membership twice: its revision is the condition.
        let own = dana.leave(now()).unwrap();
        assert_eq!(own.facts, [Fact::OrganizationActive(here.id, here.access_rev)]);
        assert!(
            own.writes
                .contains(&Write::MembershipDelete(dana.membership.clone()))
        );
    }

    #[test]
    fn an_admin_of_an_ancestor_cannot_leave_where_they_are_no_member() {
        let parent = organization();
        let child = Organization {
            root: parent.id,
            path: vec![parent.id],
            ..organization()
        };
        let mut above = access(&parent, Role::Admin);
        above.organization = child;
        assert_eq!(above.leave(now()).unwrap_err().code, Code::MemberNotFound);
    }

    #[test]
    fn a_change_of_what_was_not_seen_is_refused() {
        let here = organization();
        let (dana, ada) = (access(&here, Role::Admin), member(&here, "ada", Role::Viewer));
        let changed = dana
            .update_member(&ada, to(Role::Provider), ada.rev + 1, now())
            .map(|_| ());
        let removed = dana.remove_member(&ada, ada.rev + 1, now()).map(|_| ());
        assert_eq!(changed.unwrap_err().code, Code::RevisionMismatch);
        assert_eq!(removed.unwrap_err().code, Code::RevisionMismatch);
    }

    #[test]
    fn the_end_of_an_organization_removes_its_members_once_it_is_final_and_not_before() {
        let here = organization();
        let ending = Organization {
            state: State::Dissolving {
                requested_by: account("dana").id,
                requested_at: now(),
                final_at: now() + GRACE,
            },
            ..here.clone()
        };
        let last = member(&here, "dana", Role::Admin);
        let instant = SignedDuration::from_millis(1);
        assert_eq!(last.ending_with(&here, now() + GRACE), None);
        assert_eq!(last.ending_with(&ending, now() + GRACE - instant), None);

        let change = last.ending_with(&ending, now() + GRACE).unwrap();

        // The last admin may go with it, but only as long as nobody has cancelled.
        assert!(
            change
                .writes
                .iter()
                .any(|write| matches!(write, Write::Counts(counts) if counts.may_end))
        );
        assert_eq!(
            change.facts,
            [Fact::OrganizationEnding(ending.id, ending.access_rev)]
        );
    }

    #[test]
    fn a_new_membership_begins_with_nothing_of_an_old_one() {
        let here = organization();
        let again = Membership::new(
            &account("ada"),
            email("ada@riverside.example"),
            &here,
            Role::Viewer,
            now(),
        );
        assert_eq!(
            (again.role, again.provides_care, again.seat, again.rev),
            (Role::Viewer, false, false, 1)
        );
        let admin = Membership::new(
            &account("ada"),
            email("ada@riverside.example"),
            &here,
            Role::Admin,
            now(),
        );
        assert!(!admin.seat && !admin.provides_care);
    }

    #[test]
    fn activity_is_news_after_an_hour() {
        let ada = member(&organization(), "ada", Role::Viewer);
        let instant = SignedDuration::from_millis(1);
        assert!(!ada.is_activity_news(now()));
        assert!(!ada.is_activity_news(now() + ACTIVITY_STEP - instant));
        assert!(ada.is_activity_news(now() + ACTIVITY_STEP));
    }

    proptest! {
        #[test]
        fn nobody_acts_on_or_makes_somebody_stronger(own in permissions(), held in permissions(), wanted in permissions()) {
            let mut here = organization();
            let (own_role, held_role) = (add_role(&mut here, own.clone()), add_role(&mut here, held.clone()));
            let wanted_role = add_role(&mut here, wanted.clone());
            let (caller, ada) = (access(&here, own_role), member(&here, "ada", held_role));

            let changed = caller.update_member(&ada, to(wanted_role), ada.rev, now());
            let removed = caller.remove_member(&ada, ada.rev, now());

            prop_assert_eq!(changed.is_ok(), held.is_subset(&own) && wanted.is_subset(&own));
            prop_assert_eq!(removed.is_ok(), held.is_subset(&own));
            for refusal in changed.err().into_iter().chain(removed.err()) {
                prop_assert_eq!(refusal.code, Code::GrantExceedsOwn);
            }
        }

        #[test]
        fn seats_and_counts_balance(before in permissions(), after in permissions()) {
            let mut here = organization();
            let (first, second) = (add_role(&mut here, before), add_role(&mut here, after));
            let joined = member(&here, "ada", first);
            let (moved, change) = update(&here, &joined, to(second)).unwrap();
            let left = access(&here, Role::Admin).remove_member(&moved, moved.rev, now()).unwrap();

            // What joining took and the change took or gave, leaving gives back.
            let seats = |change: &Change| match change.seats.map(|effect| effect.change) {
                Some(SeatChange::Take) => 1,
                Some(SeatChange::Release) => -1,
                _ => 0,
            };
            prop_assert_eq!(i32::from(joined.seat) + seats(&change) + seats(&left), 0);
            let mut sum = BTreeMap::from([(first, 1)]);
            for (role, by) in counted(&change).into_iter().chain(counted(&left)) {
                *sum.entry(role).or_insert(0) += by;
            }
            prop_assert!(sum.values().all(|count| *count == 0));
        }
    }
}
