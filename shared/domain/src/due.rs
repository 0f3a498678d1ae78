//! Work that falls due: written with the change that causes it, so that jobs never search for it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::action::Subject;
use crate::id::{InviteId, OrganizationId};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "job")]
pub enum Job {
    /// Free what an expired invite holds.
    ExpireInvite {
        /// Its organization.
        organization: OrganizationId,
        /// The invite.
        invite: InviteId,
    },
    /// End an organization whose grace period is over.
    FinishDissolution {
        /// The organization.
        organization: OrganizationId,
    },
    /// Seal the days of an organization's audit chain that are over.
    SealAuditLog {
        /// The organization.
        organization: OrganizationId,
    },
    /// Look again at something about which a rule may find something else by then.
    SweepActions {
        /// What.
        subject: Subject,
    },
}

/// A job and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// From when on.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub job: Job,
}
