//! What every organization of the demo is made of.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use portal_domain::account::Account;
use portal_domain::change::{Change, CountChange, Write};
use portal_domain::code::Refusal;
use portal_domain::configuration::Configuration;
use portal_domain::due::{Due, Job};
use portal_domain::email::EmailAddress;
use portal_domain::id::{InviteId, OrganizationId};
use portal_domain::invite::{Delivery, Invite, Inviter, LIFETIME, State};
use portal_domain::membership::Membership;
use portal_domain::organization::{Organization, Settings, State as Life};
use portal_domain::plan::{Seats, TEAM};
use portal_domain::role::Role;

/// An organization without a parent, founded at `at`.
pub(super) fn organization(id: OrganizationId, name: &str, at: Timestamp) -> Result<Organization, Refusal> {
    Ok(Organization {
        id,
        root: id,
        path: Vec::new(),
        name: name.parse()?,
        state: Life::Active,
        settings: Settings::default(),
        configuration: Configuration::default(),
        roles: Vec::new(),
        access_rev: 1,
        rev: 1,
        created_at: at,
        updated_at: at,
    })
}

/// The organization itself, with its founder as its only member yet, and so many seats used.
pub(super) fn founded(organization: &Organization, used: usize) -> Change {
    let seats = Seats {
        used: u32::try_from(used).unwrap_or(u32::MAX),
        ..Seats::of(&TEAM, organization.id)
    };
    Change::default()
        .write(Write::OrganizationCreate(organization.clone()))
        .write(Write::SeatsCreate(seats))
        .write(Write::CountsCreate(organization.id))
}

/// A membership with the tie of its address.
pub(super) fn joined(membership: &Membership) -> [Write; 2] {
    [
        Write::MembershipCreate(membership.clone()),
        Write::TieMember(membership.email.clone(), membership.organization),
    ]
}

/// An account that claims its address.
pub(super) fn signed_up(account: &Account) -> Vec<Write> {
    let claim = account
        .email
        .clone()
        .map(|email| Write::EmailClaim(email, account.id));
    std::iter::once(Write::AccountCreate(account.clone()))
        .chain(claim)
        .collect()
}

/// Counts the members who came after the founder.
pub(super) fn counted<'a>(
    organization: OrganizationId,
    members: impl IntoIterator<Item = &'a Membership>,
) -> Change {
    let mut roles: BTreeMap<Role, i32> = BTreeMap::new();
    for member in members {
        *roles.entry(member.role).or_default() += 1;
    }
    Change::default().write(Write::Counts(CountChange {
        organization,
        roles,
        may_end: false,
    }))
}

/// A pending invite whose mail is out, made at `at` by `inviter`.
pub(super) fn offer(
    id: InviteId,
    organization: &Organization,
    email: EmailAddress,
    role: Role,
    inviter: &Account,
    at: Timestamp,
) -> Invite {
    Invite {
        id,
        organization: organization.id,
        root: organization.root,
        email,
        role,
        locale: organization.settings.languages.default,
        inviter: Inviter {
            account: inviter.id,
            authority: organization.id,
            name: inviter.name.clone(),
        },
        state: State::Pending {
            expires_at: at + LIFETIME,
        },
        version: 1,
        seat_held: organization.takes_seat(role, false),
        delivery: Delivery::Sent {
            at: at + SignedDuration::from_secs(2),
        },
        rev: 1,
        created_at: at,
        updated_at: at,
    }
}

/// An invite in its next revision, ended in `state` at `at`.
pub(super) fn ended(invite: Invite, state: State, at: Timestamp) -> Invite {
    Invite {
        state,
        seat_held: false,
        rev: invite.rev + 1,
        updated_at: at,
        ..invite
    }
}

/// An invite with what goes along with it: while it is pending, the tie of its address and its expiry.
pub(super) fn invited(invite: &Invite) -> Vec<Write> {
    let mut writes = vec![Write::InviteCreate(invite.clone())];
    if let State::Pending { expires_at } = invite.state {
        let job = Job::ExpireInvite {
            organization: invite.organization,
            invite: invite.id,
        };
        let (email, organization) = (invite.email.clone(), invite.organization);
        writes.push(Write::TieInvite(email, organization, invite.id, expires_at));
        writes.push(Write::DuePut(Due { at: expires_at, job }));
    }
    writes
}
