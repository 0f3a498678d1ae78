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
use crate::organization::{Organization, State, count};
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
        if !matches!(organization.state, State::Dissolving { final_at, .. } if final_at <= now) {
            return None;
        }
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
            .permissions(role)
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
        let held = self.organization.permissions(member.role).unwrap_or_default();
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
