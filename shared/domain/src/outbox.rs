//! Messages that leave the product after the change that caused them is committed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{ExportId, InviteId, MessageId, OrganizationId};

/// A message waiting in the outbox. It names what to send, never the link or an address: both are read when it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// When the change was made.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// What to send.
    pub content: Content,
}

/// What to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Content {
    /// The mail with an invite's link.
    InviteMail {
        /// Its organization.
        organization: OrganizationId,
        /// The invite.
        invite: InviteId,
        /// The version of the link; an older one is not sent any more.
        version: u32,
    },
    /// An export whose file is to be written: for nobody outside, but after the change that asked for it.
    Export {
        /// Its organization.
        organization: OrganizationId,
        /// The export.
        export: ExportId,
    },
}

impl Message {
    /// A message about a change made at `now`.
    #[must_use]
    pub fn new(content: Content, now: Timestamp) -> Self {
        Self {
            id: MessageId::mint(now),
            at: now,
            content,
        }
    }
}
