//! What an organization makes of an action: who sees to it, until when it waits, and that it is none.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Action, Rule};
use crate::access::{Access, Phase, expect_revision};
use crate::audit::{Origin, Verb};
use crate::change::{Change, Fact, Write};
use crate::code::{Code, Refusal};
use crate::id::{AccountId, ActionId, OrganizationId};
use crate::membership::Membership;
use crate::permission::Permission;
use crate::reach::{Reach, Reached};
use crate::text::DismissalReason;

/// Where an action is for an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// To be seen to.
    Open,
    /// Waiting.
    Snoozed,
    /// Not seen to, as somebody decided.
    Dismissed,
    /// Its cause is gone.
    Closed,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Open, Self::Snoozed, Self::Dismissed, Self::Closed];

    /// The status's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Snoozed => "snoozed",
            Self::Dismissed => "dismissed",
            Self::Closed => "closed",
        }
    }
}

impl std::str::FromStr for Status {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or_else(|| {
            Refusal::new(
                Code::QueryInvalid,
                "status must be open, snoozed, dismissed or closed",
            )
        })
    }
}

/// That an action is not seen to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dismissal {
    /// Who decided that.
    pub by: AccountId,
    /// Why.
    pub reason: DismissalReason,
    /// When.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
}

/// What one organization makes of an action. It is about the action as it was opened once: opened anew, it is another matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handling {
    /// Whose it is.
    pub organization: OrganizationId,
    /// The action.
    pub action: ActionId,
    /// Its rule: a copy for lists.
    pub rule: Rule,
    /// When it was opened: a copy for lists, and what tells whether it was opened anew.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub opened_at: Timestamp,
    /// Who sees to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<AccountId>,
    /// Until when it waits.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::millisecond::optional"
    )]
    pub snoozed_until: Option<Timestamp>,
    /// That it is not seen to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dismissal: Option<Dismissal>,
    /// Rises with every change.
    pub rev: u64,
    /// When it last changed.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub updated_at: Timestamp,
}

/// What a member does with an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Gives it to a member, or to nobody.
    Assign {
        /// To whom; to nobody if none is named.
        account: Option<AccountId>,
        /// Their membership, if they have one.
        member: Option<Box<Membership>>,
    },
    /// Lets it wait.
    Snooze(Timestamp),
    /// Decides not to see to it.
    Dismiss(DismissalReason),
    /// Takes it up again, whether it waits or was dismissed.
    Reopen,
}

/// An action as one organization sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The action.
    pub action: Action,
    /// What the organization has made of it, in whatever opening.
    pub handling: Option<Handling>,
}

impl Case {
    /// What the organization makes of the action as it was opened last.
    #[must_use]
    pub fn handling(&self) -> Option<&Handling> {
        let is_of_this = |handling: &&Handling| handling.opened_at == self.action.opened_at;
        self.handling.as_ref().filter(is_of_this)
    }

    /// The revision that a change of it names: 0 while nobody has made anything of it.
    #[must_use]
    pub fn rev(&self) -> u64 {
        self.handling.as_ref().map_or(0, |handling| handling.rev)
    }

    /// Where it is at `now`.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> Status {
        let handling = self.handling();
        if self.action.closed_at.is_some() {
            Status::Closed
        } else if handling.is_some_and(|handling| handling.dismissal.is_some()) {
            Status::Dismissed
        } else if handling.is_some_and(|handling| handling.snoozed_until.is_some_and(|until| until > now)) {
            Status::Snoozed
        } else {
            Status::Open
        }
    }

    /// Who sees to it.
    #[must_use]
    pub fn assignee(&self) -> Option<AccountId> {
        self.handling().and_then(|handling| handling.assignee)
    }
}

impl Reached for Case {
    fn is_within(&self, reach: &Reach) -> bool {
        self.action.is_within(reach)
    }
}

fn text(value: Option<&impl ToString>) -> Option<String> {
    value.map(ToString::to_string)
}

impl Access {
    /// The case after the caller took `step`.
    ///
    /// # Errors
    /// [`Code::ActionNotFound`] for an action that the caller does not see; [`Code::RevisionMismatch`]; [`Code::ActionClosed`];
    /// [`Code::FieldsInvalid`] at `/until`; [`Code::AssigneeInvalid`] at `/account_id` for a member who may not see it.
    pub fn handle(
        &self,
        case: &Case,
        step: Step,
        seen: u64,
        now: Timestamp,
    ) -> Result<(Case, Change), Refusal> {
        if !self.sight()?.shows(&case.action) {
            return Err(Code::ActionNotFound.into());
        }
        expect_revision(case.rev(), seen)?;
        if case.status(now) == Status::Closed {
            return Err(Code::ActionClosed.into());
        }
        let old = case.handling().cloned().unwrap_or_else(|| Handling {
            organization: self.organization.id,
            action: case.action.id,
            rule: case.action.rule,
            opened_at: case.action.opened_at,
            assignee: None,
            snoozed_until: None,
            dismissal: None,
            rev: case.rev(),
            updated_at: now,
        });
        let mut new = Handling {
            rev: old.rev + 1,
            updated_at: now,
            ..old.clone()
        };
        let mut facts = vec![self.organization_active(), self.actor_holds()];
        let verb = match step {
            Step::Assign { account, member } => {
                if account.is_some() {
                    let member = self.assignable(member.as_deref(), &case.action, now)?;
                    facts.push(Fact::ActorHolds(member.account, member.organization, member.role));
                }
                new.assignee = account;
                Verb::ActionAssigned
            }
            Step::Snooze(until) => {
                snoozed(until, now)?;
                new.snoozed_until = Some(until);
                Verb::ActionSnoozed
            }
            Step::Dismiss(reason) => {
                new.dismissal = Some(Dismissal {
                    by: self.account(),
                    reason,
                    at: now,
                });
                Verb::ActionDismissed
            }
            Step::Reopen => {
                (new.snoozed_until, new.dismissal) = (None, None);
                Verb::ActionReopened
            }
        };
        let status = |case: &Case| Some(case.status(now).as_str().to_owned());
        let after = Case {
            action: case.action.clone(),
            handling: Some(new.clone()),
        };
        let event = self
            .event(verb, &case.action.id, now)
            .changed("status", status(case), status(&after))
            .changed(
                "assignee",
                text(old.assignee.as_ref()),
                text(new.assignee.as_ref()),
            )
            .changed(
                "snoozed_until",
                text(old.snoozed_until.as_ref()),
                text(new.snoozed_until.as_ref()),
            );
        let change = Change {
            facts,
            ..Change::audited(event).write(Write::HandlingPut(new))
        };
        Ok((after, change))
    }

    /// The member that `action` can be given to: one who sees it.
    fn assignable<'a>(
        &self,
        member: Option<&'a Membership>,
        action: &Action,
        now: Timestamp,
    ) -> Result<&'a Membership, Refusal> {
        let sees = |member: &&Membership| {
            let theirs = Self::resolve(
                Some(self.organization.clone()),
                vec![(*member).clone()],
                Some(Permission::ActionsRead),
                Phase::Active,
                Origin::default(),
                now,
            );
            let sight = theirs.and_then(|access| access.sight());
            sight.is_ok_and(|sight| sight.shows(action))
        };
        let refusal = || Refusal::from(Code::AssigneeInvalid).at("/account_id");
        member.filter(sees).ok_or_else(refusal)
    }
}

fn snoozed(until: Timestamp, now: Timestamp) -> Result<(), Refusal> {
    if until > now {
        return Ok(());
    }
    Err(Refusal::new(Code::FieldsInvalid, "must be in the future").at("/until"))
}
