//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | T1 | whether an address is a member's or invited | table | `EMAIL#{address}` | `ORG#{organization}` |
//!
//! Written, never read: its condition makes sure that an address has one invite or one membership in an organization.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use portal_domain::code::Code;
use portal_domain::email::EmailAddress;
use portal_domain::id::{InviteId, OrganizationId};
use serde::{Deserialize, Serialize};

use crate::client::Item;
use crate::entity::{Entity, account, organization};
use crate::error::StoreError;
use crate::expression::Expression;
use crate::table::Key;
use crate::transaction::{Failing, Transaction};

/// An address in an organization.
#[derive(Debug, Serialize, Deserialize)]
struct Tie {
    email: EmailAddress,
    organization: OrganizationId,
    #[serde(flatten)]
    state: State,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
enum State {
    /// Nobody else may invite it until then.
    Invited {
        invite: InviteId,
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        until: Timestamp,
    },
    Member,
}

impl Entity for Tie {
    const KIND: &'static str = "tie";

    fn key(&self) -> Key {
        key(&self.email, self.organization)
    }

    fn ends_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Invited { until, .. } => Some(until),
            State::Member => None,
        }
    }
}

pub(crate) fn key(email: &EmailAddress, organization: OrganizationId) -> Key {
    Key {
        pk: account::address(email),
        sk: organization::partition(organization),
    }
}

fn of(invite: InviteId) -> Expression {
    Expression::new("#state = :invited AND #invite = :invite")
        .with("invited", "invited")
        .with("invite", invite.to_string())
}

/// Ties an address to an invite until it expires: only if it is free, its earlier invite has expired, or it is the same invite.
pub(crate) fn invite(
    transaction: Transaction,
    email: &EmailAddress,
    organization: OrganizationId,
    invite: InviteId,
    until: Timestamp,
) -> Result<Transaction, StoreError> {
    let tie = Tie {
        email: email.clone(),
        organization,
        state: State::Invited { invite, until },
    };
    let now = until - portal_domain::invite::LIFETIME;
    let free = Expression::new(
        "attribute_not_exists(#pk) OR (#state = :invited AND (#until <= :now OR #invite = :invite))",
    )
    .with("invited", "invited")
    .with("now", now)
    .with("invite", invite.to_string());
    transaction.put(&tie, free, Failing::Tied)
}

/// Makes the tie of a pending invite a member's.
pub(crate) fn accept(
    transaction: Transaction,
    email: &EmailAddress,
    organization: OrganizationId,
    invite: InviteId,
) -> Result<Transaction, StoreError> {
    let tie = Tie {
        email: email.clone(),
        organization,
        state: State::Member,
    };
    transaction.put(&tie, of(invite), Failing::Stale)
}

/// Makes an address a member's that no invite led to. A pending invite is in the way: with its tie gone, it could be neither
/// answered nor revoked.
pub(crate) fn member(
    transaction: Transaction,
    email: &EmailAddress,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<Transaction, StoreError> {
    let tie = Tie {
        email: email.clone(),
        organization,
        state: State::Member,
    };
    let free = Expression::new("attribute_not_exists(#pk) OR (#state = :invited AND #until <= :now)")
        .with("invited", "invited")
        .with("now", now);
    transaction.put(&tie, free, Failing::Tied)
}

/// Frees the address of a pending invite.
pub(crate) fn release(
    transaction: Transaction,
    email: &EmailAddress,
    organization: OrganizationId,
    invite: InviteId,
) -> Transaction {
    transaction.delete(key(email, organization), of(invite), Failing::Stale)
}

/// Why an address could not be tied, by the tie that was found.
pub(crate) fn refusal(found: Option<&Item>) -> Code {
    match found.and_then(|item| item.get("state")) {
        Some(AttributeValue::S(state)) if state == "member" => Code::AlreadyMember,
        _ => Code::InvitePending,
    }
}
