//! Which actions a caller sees, and which of them are wanted.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Action;
use super::handling::Status;
use super::rule::{Rule, Severity};
use crate::access::Access;
use crate::code::{Code, Refusal};
use crate::configuration::Directory;
use crate::id::{AccountId, SiteId};
use crate::reach::{Reach, Reached};

/// The actions that somebody sees: of these rules, about what is within reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// Which of the platform's records are seen.
    pub reach: Reach,
    /// The rules whose actions are seen.
    pub rules: BTreeSet<Rule>,
}

impl Sight {
    /// Whether `action` is seen.
    #[must_use]
    pub fn shows(&self, action: &Action) -> bool {
        self.rules.contains(&action.rule) && action.is_within(&self.reach)
    }

    /// Whether any actions of the organization itself are seen.
    #[must_use]
    pub fn has_own(&self) -> bool {
        self.rules.iter().any(|rule| rule.is_own())
    }

    /// Whether any actions of sites are seen.
    #[must_use]
    pub fn has_sites(&self) -> bool {
        self.rules.iter().any(|rule| !rule.is_own())
    }
}

impl Access {
    /// The actions that the caller sees. Those about the organization itself are not for a role that is limited to sites; those
    /// about single persons not for an organization that sees none.
    ///
    /// # Errors
    /// As [`Access::reach`], but that an organization which oversees people it sponsors sees its own actions.
    pub fn sight(&self) -> Result<Sight, Refusal> {
        let sees_none = self.organization.configuration.directory == Directory::Enrolled;
        let reach = if sees_none {
            Reach::of_nothing(self)
        } else {
            self.reach()?
        };
        let is_limited = self.grant().sites.is_some();
        let is_seen = |rule: &Rule| {
            let may = rule
                .seen_by()
                .is_none_or(|needed| self.permissions().contains(&needed));
            may && if rule.is_own() { !is_limited } else { !sees_none }
        };
        let rules = Rule::ALL.iter().copied().filter(is_seen).collect();
        Ok(Sight { reach, rules })
    }
}

/// Which actions are wanted; what is not said does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionQuery {
    /// Only of this rule.
    pub rule: Option<Rule>,
    /// Only of this severity.
    pub severity: Option<Severity>,
    /// Only of this status; open ones if none is given.
    pub status: Option<Status>,
    /// Only those that this member sees to.
    pub assignee: Option<AccountId>,
    /// Only at this site.
    pub site: Option<SiteId>,
}

impl ActionQuery {
    /// What of that the caller sees.
    ///
    /// # Errors
    /// [`Code::SiteNotFound`] for a site outside the caller's reach; [`Code::PrivacyModeRequired`] for one, or a rule about what
    /// happens at sites, where the organization sees no single persons.
    pub fn sight(&self, access: &Access) -> Result<Sight, Refusal> {
        let sight = access.sight()?;
        let is_about_sites = self.site.is_some() || self.rule.is_some_and(|rule| !rule.is_own());
        if is_about_sites && access.organization.configuration.directory == Directory::Enrolled {
            return Err(Code::PrivacyModeRequired.into());
        }
        let is_wanted = |rule: &Rule| {
            self.rule.is_none_or(|wanted| wanted == *rule)
                && self.severity.is_none_or(|wanted| wanted == rule.severity())
                && (self.site.is_none() || !rule.is_own())
        };
        Ok(Sight {
            reach: sight.reach.at(self.site)?,
            rules: sight.rules.into_iter().filter(is_wanted).collect(),
        })
    }

    /// The status that is wanted.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.unwrap_or(Status::Open)
    }

    /// Whether what the organization made of actions tells which are wanted, so that it is looked through instead of them.
    #[must_use]
    pub fn is_of_handled(&self) -> bool {
        self.assignee.is_some() || matches!(self.status(), Status::Snoozed | Status::Dismissed)
    }
}
