//! The other organizations of the clinic's admin: a neighbour's, one that is ending, and one to try things out in.

use jiff::{SignedDuration, Timestamp};
use portal_domain::account::Account;
use portal_domain::audit::{Actor, Verb};
use portal_domain::change::{Change, Write};
use portal_domain::code::Refusal;
use portal_domain::due::{Due, Job};
use portal_domain::email::EmailAddress;
use portal_domain::id::OrganizationId;
use portal_domain::invite::{Invite, State};
use portal_domain::membership::Membership;
use portal_domain::organization::{GRACE, Organization, State as Life};
use portal_domain::role::Role;

use super::people::{Accounts, MEMBERS};
use super::script::{Script, hours_ago};
use super::{INVITEE, ids, parts};

/// The people of the neighbour, its founder first.
const HARBOR: [(&str, &str, Role); 3] = [
    ("Noor Haddad", "noor@harbor.example", Role::Admin),
    ("Felix Braun", "felix@harbor.example", Role::Provider),
    ("Carla Rossi", "carla@harbor.example", Role::Provider),
];

/// All of them.
pub(super) fn write(script: &mut Script, accounts: &Accounts, now: Timestamp) -> Result<(), Refusal> {
    let began = Timestamp::from_millisecond(ids::BEGAN).unwrap_or(now);
    let dana = accounts.account(MEMBERS[0].name, &MEMBERS[0].email()?, began)?;
    harbor(script, accounts, &dana, now)?;
    let trial = parts::organization(ids::TRIAL, "Riverside Trial", began)?;
    founded_caring(script, &dana, &trial)?;
    old_mill(script, &dana, now)
}

fn as_admin(account: &Account) -> Actor {
    Actor::Account {
        id: account.id,
        role: Some(Role::Admin),
    }
}

/// An organization whose founder is its only member.
pub(super) fn founded_by(
    script: &mut Script,
    founder: &Account,
    organization: &Organization,
) -> Result<(), Refusal> {
    let at = organization.created_at;
    let email = address(founder)?;
    let membership = Membership::new(founder, email, organization, Role::Admin, at);
    let event = script.event(
        organization.id,
        Verb::OrganizationCreated,
        as_admin(founder),
        &organization.id,
        at,
    );
    script.begin(parts::founded(organization, 0));
    script.add(Change::audited(event).writes(parts::joined(&membership)));
    Ok(())
}

/// The same, whose founder provides care since an hour later.
fn founded_caring(
    script: &mut Script,
    founder: &Account,
    organization: &Organization,
) -> Result<(), Refusal> {
    let at = organization.created_at;
    let changed_at = at + SignedDuration::from_hours(1);
    let membership = Membership {
        provides_care: true,
        seat: true,
        rev: 2,
        updated_at: changed_at,
        ..Membership::new(founder, address(founder)?, organization, Role::Admin, at)
    };
    let told = |is: bool| Some(is.to_string());
    let id = organization.id;
    let created = script.event(id, Verb::OrganizationCreated, as_admin(founder), &id, at);
    let cares = script
        .event(
            id,
            Verb::MemberUpdated,
            as_admin(founder),
            &founder.id,
            changed_at,
        )
        .changed("provides_care", told(false), told(true));
    script.begin(parts::founded(organization, 1));
    script.add(Change {
        audit: vec![created, cares],
        ..Change::default().writes(parts::joined(&membership))
    });
    Ok(())
}

fn address(account: &Account) -> Result<EmailAddress, Refusal> {
    account
        .email
        .clone()
        .ok_or_else(|| portal_domain::code::Code::EmailUnverified.into())
}

fn harbor(script: &mut Script, accounts: &Accounts, dana: &Account, now: Timestamp) -> Result<(), Refusal> {
    let at = Timestamp::from_millisecond(ids::BEGAN).unwrap_or(now);
    let organization = parts::organization(ids::HARBOR, "Harbor Counseling", at)?;
    let mut members = Vec::new();
    for (name, email, role) in HARBOR {
        let email: EmailAddress = email.parse()?;
        let account = accounts.account(name, &email, at)?;
        members.push(Membership::new(&account, email, &organization, role, at));
        script.add(Change::default().writes(parts::signed_up(&account)));
    }
    let noor = accounts.account(HARBOR[0].0, &HARBOR[0].1.parse()?, at)?;
    members.push(Membership::new(
        dana,
        address(dana)?,
        &organization,
        Role::Viewer,
        at,
    ));

    let sent_at = hours_ago(now, 1);
    let far = Timestamp::from_millisecond(ids::FAR).unwrap_or(now);
    let invite = Invite {
        state: State::Pending { expires_at: far },
        ..parts::offer(
            ids::DECLINED,
            &organization,
            INVITEE.parse()?,
            Role::Viewer,
            &noor,
            sent_at,
        )
    };
    let used = members.iter().filter(|member| member.seat).count();
    script.begin(parts::founded(&organization, used));
    script.add(parts::counted(organization.id, members.iter().skip(1)));
    let founding = script.event(
        organization.id,
        Verb::OrganizationCreated,
        as_admin(&noor),
        &organization.id,
        at,
    );
    let inviting = script
        .event(
            organization.id,
            Verb::InviteCreated,
            as_admin(&noor),
            &invite.id,
            sent_at,
        )
        .changed("role", None, Some(invite.role.to_string()));
    script.add(Change {
        audit: vec![founding, inviting],
        ..Change::default()
            .writes(members.iter().flat_map(parts::joined))
            .writes(parts::invited(&invite))
    });
    Ok(())
}

fn old_mill(script: &mut Script, dana: &Account, now: Timestamp) -> Result<(), Refusal> {
    let id: OrganizationId = ids::OLD_MILL;
    let began = Timestamp::from_millisecond(ids::BEGAN).unwrap_or(now);
    let requested_at = hours_ago(now, 9 * 24);
    let final_at = requested_at + GRACE;
    let organization = Organization {
        state: Life::Dissolving {
            requested_by: dana.id,
            requested_at,
            final_at,
        },
        rev: 2,
        access_rev: 2,
        updated_at: requested_at,
        ..parts::organization(id, "Old Mill Practice", began)?
    };
    founded_by(script, dana, &organization)?;
    let job = Job::FinishDissolution { organization: id };
    let event = script.event(id, Verb::DissolutionRequested, as_admin(dana), &id, requested_at);
    script.add(Change::audited(event).write(Write::DuePut(Due { at: final_at, job })));
    Ok(())
}
