//! Riverside Family Practice: 60 members, some weeks of history, and all seats of its plan in use.

use jiff::{SignedDuration, Timestamp};
use portal_domain::account::Account;
use portal_domain::audit::{Actor, AuditEvent, Verb};
use portal_domain::change::Change;
use portal_domain::code::Refusal;
use portal_domain::email::EmailAddress;
use portal_domain::id::{AccountId, InviteId, OrganizationId, RoleId};
use portal_domain::invite::{Delivery, Invite, LIFETIME, State};
use portal_domain::membership::Membership;
use portal_domain::organization::{Languages, Organization, Settings};
use portal_domain::permission::{PRESETS, Permissions};
use portal_domain::role::{CustomRole, Role};

use super::people::{Accounts, CARING_ADMIN, MEMBERS};
use super::script::{Script, hours_ago};
use super::{INVITEE, bookings, ids, ledger, network, parts};

const ORGANIZATION: OrganizationId = ids::RIVERSIDE;

/// The clinic's own roles, each made of a preset.
const ROLES: [(RoleId, &str, &str); 4] = [
    (ids::COORDINATORS, "Patient coordinators", "patient_oversight"),
    (ids::COMPLIANCE, "Compliance", "compliance"),
    (ids::BILLING, "Billing", "financial_review"),
    (ids::EDITORS, "Help center editors", "content_editing"),
];

/// A member with what made them one.
struct Joined {
    account: Account,
    membership: Membership,
    /// None for the founder.
    invite: Option<Invite>,
}

/// The clinic.
pub(super) fn write(script: &mut Script, accounts: &Accounts, now: Timestamp) -> Result<(), Refusal> {
    let began = Timestamp::from_millisecond(ids::BEGAN).unwrap_or(now);
    let organization = organization(began)?;
    let members = members(&organization, accounts, began, now)?;
    let (dana, ngozi) = (&members[0].account, &members[1].account);
    let invites = invites(&organization, dana, ngozi, now)?;

    let used = members.iter().filter(|member| member.membership.seat).count()
        + invites.iter().filter(|invite| invite.seat_held).count();
    script.begin(parts::founded(&organization, used));
    script.add(parts::counted(
        ORGANIZATION,
        members.iter().skip(1).map(|member| &member.membership),
    ));
    founding(script, &organization, dana.id, began);
    network::write(script, dana.id, began)?;
    let bookings = bookings::write(script, now)?;
    ledger::write(script, &bookings, now)?;
    for member in &members {
        came(script, accounts, member);
    }
    for invite in &invites {
        let change = Change {
            audit: story(script, accounts, invite),
            ..Change::default().writes(parts::invited(invite))
        };
        script.add(change);
        if let State::Declined { at } = invite.state {
            // Nobody declines without having signed in.
            let account = accounts.account("Ruth Ncube", &invite.email, at)?;
            script.add(Change::default().writes(parts::signed_up(&account)));
        }
    }
    gone(script, &organization, accounts, (dana, ngozi), now)
}

/// The clinic as it is after its first day: settings changed once, a role made four times, a site twice.
fn organization(began: Timestamp) -> Result<Organization, Refusal> {
    let roles = ROLES.into_iter().zip(1..).map(|((id, name, preset), hour)| {
        Ok::<_, Refusal>(CustomRole {
            id,
            name: name.parse()?,
            permissions: preset_permissions(preset),
            sites: None,
            rev: 1,
            created_at: began + SignedDuration::from_hours(hour),
        })
    });
    let roles: Vec<CustomRole> = roles.collect::<Result<_, _>>()?;
    let configuration = network::configuration(began)?;
    let changes = 1 + u64::try_from(roles.len() + configuration.bindings.len()).unwrap_or(0);
    let new = parts::organization(ORGANIZATION, "Riverside Family Practice", began)?;
    Ok(Organization {
        settings: Settings {
            time_zone: "Europe/Berlin".to_owned().try_into()?,
            languages: Languages::default(),
            session_sharing: true,
            ..Settings::default()
        },
        configuration,
        rev: new.rev + changes,
        access_rev: new.access_rev + changes,
        updated_at: roles.last().map_or(began, |role| role.created_at),
        roles,
        ..new
    })
}

fn preset_permissions(name: &str) -> Permissions {
    let preset = PRESETS.iter().find(|preset| preset.name == name);
    preset
        .map(|preset| preset.permissions.iter().copied().collect())
        .unwrap_or_default()
}

/// Everybody in the clinic: one a day, beginning two months ago.
fn members(
    organization: &Organization,
    accounts: &Accounts,
    began: Timestamp,
    now: Timestamp,
) -> Result<Vec<Joined>, Refusal> {
    let founder = accounts.account(MEMBERS[0].name, &MEMBERS[0].email()?, began)?;
    let of = |(person, number): (&super::people::Person, i64)| {
        let is_founder = number == 0;
        let joined_at = if is_founder {
            began
        } else {
            hours_ago(now, (62 - number) * 24 - number % 7).max(began)
        };
        let email = person.email()?;
        let account = accounts.account(person.name, &email, joined_at)?;
        // Nobody is invited as an admin: these two were viewers first.
        let is_promoted = person.role == Role::Admin && !is_founder;
        let invited_as = if is_promoted { Role::Viewer } else { person.role };
        let provides_care = person.name == CARING_ADMIN;
        let idle_hours = [1, 0, 3, 26, 0, 8, 49, 2, 20, 170][usize::try_from(number % 10).unwrap_or(0)];
        let joined = Membership::new(&account, email.clone(), organization, person.role, joined_at);
        let membership = Membership {
            provides_care,
            seat: organization.takes_seat(person.role, provides_care),
            rev: 1 + u64::from(is_promoted),
            updated_at: if is_promoted {
                promoted_at(joined_at)
            } else {
                joined_at
            },
            last_active_at: hours_ago(now, idle_hours).max(joined_at),
            ..joined
        };
        let id = ids::invite(100 + u64::try_from(number).unwrap_or(0));
        let invite = (!is_founder).then(|| {
            let sent_at = hours_ago(joined_at, 1 + number % 30).max(began);
            let offer = parts::offer(id, organization, email, invited_as, &founder, sent_at);
            let accepted = State::Accepted {
                by: account.id,
                at: joined_at,
            };
            parts::ended(offer, accepted, joined_at)
        });
        Ok(Joined {
            account,
            membership,
            invite,
        })
    };
    MEMBERS.iter().zip(0..).map(of).collect()
}

fn promoted_at(joined_at: Timestamp) -> Timestamp {
    joined_at + SignedDuration::from_mins(40)
}

/// The invites that led to no membership, or have not yet. A number's place is its age.
fn invites(
    organization: &Organization,
    dana: &Account,
    ngozi: &Account,
    now: Timestamp,
) -> Result<Vec<Invite>, Refusal> {
    let coordinator = Role::Custom(ids::COORDINATORS);
    let offer = |id: InviteId, email: &str, role: Role, hours: i64| {
        let email: EmailAddress = email.parse()?;
        let at = hours_ago(now, hours);
        Ok::<_, Refusal>(parts::offer(id, organization, email, role, dana, at))
    };
    let expired = offer(
        ids::invite(201),
        "paul.reyes@riverside.example",
        Role::Viewer,
        12 * 24,
    )?;
    let expired_at = expired.created_at + LIFETIME;
    let declined = offer(
        ids::invite(202),
        "ruth.ncube@agency.example",
        Role::Provider,
        10 * 24,
    )?;
    let declined_at = hours_ago(now, 9 * 24);
    let revoked = offer(ids::invite(203), "temp.desk@agency.example", coordinator, 9 * 24)?;
    let revoked_at = hours_ago(now, 8 * 24);
    let overdue = offer(
        ids::OVERDUE,
        "vera.lang@riverside.example",
        Role::Provider,
        7 * 24,
    )?;
    let shown = offer(ids::SHOWN, "renata.costa@riverside.example", Role::Viewer, 50)?;
    let shown_again = hours_ago(now, 26);
    let bounced = offer(ids::invite(209), "lars.old@riverside.example", Role::Viewer, 20)?;
    let queued = |invite: Invite| Invite {
        delivery: Delivery::Queued,
        ..invite
    };
    let far = Timestamp::from_millisecond(ids::FAR).unwrap_or(now);
    Ok(vec![
        parts::ended(
            expired,
            State::Expired {
                expires_at: expired_at,
            },
            expired_at,
        ),
        parts::ended(declined, State::Declined { at: declined_at }, declined_at),
        parts::ended(
            revoked,
            State::Revoked {
                by: Some(ngozi.id),
                at: revoked_at,
            },
            revoked_at,
        ),
        overdue,
        offer(ids::RESENT, "ben.okoro@riverside.example", Role::Viewer, 100)?,
        offer(ids::REVOKED, "kim.sato@riverside.example", coordinator, 75)?,
        Invite {
            state: State::Pending {
                expires_at: shown_again + LIFETIME,
            },
            version: 2,
            rev: 2,
            updated_at: shown_again,
            ..shown
        },
        offer(ids::BOUNCING, "nina.petit@riverside.example", Role::Viewer, 30)?,
        Invite {
            delivery: Delivery::Undeliverable {
                reason: "bounce".to_owned(),
            },
            ..bounced
        },
        queued(offer(
            ids::RELAYED,
            "marco.leone@riverside.example",
            Role::Viewer,
            1,
        )?),
        queued(offer(
            ids::MAILED,
            "asha.patel@riverside.example",
            coordinator,
            1,
        )?),
        Invite {
            state: State::Pending { expires_at: far },
            ..offer(ids::ACCEPTED, INVITEE, Role::Provider, 1)?
        },
    ])
}

fn by(account: AccountId) -> Actor {
    Actor::Account {
        id: account,
        role: Some(Role::Admin),
    }
}

fn system(name: &str) -> Actor {
    Actor::System {
        name: name.to_owned(),
    }
}

/// What the log says of the first day.
fn founding(script: &mut Script, organization: &Organization, dana: AccountId, began: Timestamp) {
    let created = script.event(
        ORGANIZATION,
        Verb::OrganizationCreated,
        by(dana),
        &ORGANIZATION,
        began,
    );
    let zone = organization.settings.time_zone.as_str().to_owned();
    let changed_at = began + SignedDuration::from_mins(20);
    let changed = script
        .event(
            ORGANIZATION,
            Verb::OrganizationUpdated,
            by(dana),
            &ORGANIZATION,
            changed_at,
        )
        .changed("time_zone", Some("UTC".to_owned()), Some(zone))
        .changed("session_sharing", Some(false.to_string()), Some(true.to_string()));
    let mut audit = vec![created, changed];
    for role in &organization.roles {
        let permissions: Vec<&str> = role.permissions.iter().map(|held| held.as_str()).collect();
        audit.push(
            script
                .event(
                    ORGANIZATION,
                    Verb::RoleCreated,
                    by(dana),
                    &role.id,
                    role.created_at,
                )
                .changed("permissions", None, Some(permissions.join(" "))),
        );
    }
    script.add(Change {
        audit,
        ..Change::default()
    });
}

/// A member, and what the log says of how they came.
fn came(script: &mut Script, accounts: &Accounts, member: &Joined) {
    let Joined {
        account,
        membership,
        invite,
    } = member;
    let mut audit: Vec<AuditEvent> = invite
        .iter()
        .flat_map(|invite| story(script, accounts, invite))
        .collect();
    if let Some(invite) = invite
        && invite.role != membership.role
    {
        let at = membership.updated_at;
        let text = |role: Role| Some(role.to_string());
        let care = |provides: bool| Some(provides.to_string());
        audit.push(
            script
                .event(
                    ORGANIZATION,
                    Verb::MemberUpdated,
                    by(invite.inviter.account),
                    &account.id,
                    at,
                )
                .changed("role", text(invite.role), text(membership.role))
                .changed("provides_care", care(false), care(membership.provides_care)),
        );
    }
    script.add(Change {
        audit,
        ..Change::default()
            .writes(parts::signed_up(account))
            .writes(parts::joined(membership))
            .writes(invite.iter().flat_map(parts::invited))
    });
}

/// What the log says of an invite.
fn story(script: &mut Script, accounts: &Accounts, invite: &Invite) -> Vec<AuditEvent> {
    let inviter = by(invite.inviter.account);
    let mut tell = |verb, actor, at| script.event(ORGANIZATION, verb, actor, &invite.id, at);
    let role = Some(invite.role.to_string());
    let mut events = vec![
        tell(Verb::InviteCreated, inviter.clone(), invite.created_at).changed("role", None, role.clone()),
    ];
    if invite.version > 1 {
        events.push(tell(Verb::InviteResent, inviter, invite.updated_at));
    }
    if let Delivery::Undeliverable { reason } = &invite.delivery {
        let at = invite.created_at + SignedDuration::from_mins(1);
        events.push(tell(Verb::InviteUndeliverable, system("send-mail"), at).changed(
            "delivery",
            None,
            Some(reason.clone()),
        ));
    }
    match invite.state {
        State::Pending { .. } => {}
        State::Expired { expires_at } => {
            events.push(tell(Verb::InviteExpired, system("expire-invites"), expires_at));
        }
        State::Accepted { by, at } => {
            let actor = Actor::Account {
                id: by,
                role: Some(invite.role),
            };
            events.push(tell(Verb::InviteAccepted, actor, at).changed("role", None, role));
        }
        State::Declined { at } => {
            let actor = Actor::Account {
                id: accounts.id(&invite.email),
                role: None,
            };
            events.push(tell(Verb::InviteDeclined, actor, at));
        }
        State::Revoked { by: account, at } => {
            events.extend(account.map(|account| tell(Verb::InviteRevoked, by(account), at)));
        }
    }
    events
}

/// Two who are members no more: their accounts stay, their invites stay accepted.
fn gone(
    script: &mut Script,
    organization: &Organization,
    accounts: &Accounts,
    (dana, ngozi): (&Account, &Account),
    now: Timestamp,
) -> Result<(), Refusal> {
    let two = [
        (
            "Tom Brandt",
            "tom.brandt@riverside.example",
            160,
            Verb::MemberRemoved,
        ),
        (
            "Alice Morgan",
            "alice.morgan@riverside.example",
            161,
            Verb::MemberLeft,
        ),
    ];
    for (name, email, number, verb) in two {
        let email: EmailAddress = email.parse()?;
        let (joined_at, left_at) = (hours_ago(now, 45 * 24), hours_ago(now, 16 * 24));
        let account = accounts.account(name, &email, joined_at)?;
        let offer = parts::offer(
            ids::invite(number),
            organization,
            email,
            Role::Viewer,
            dana,
            hours_ago(joined_at, 5),
        );
        let accepted = State::Accepted {
            by: account.id,
            at: joined_at,
        };
        let invite = parts::ended(offer, accepted, joined_at);
        let actor = if verb == Verb::MemberRemoved {
            by(ngozi.id)
        } else {
            Actor::Account {
                id: account.id,
                role: Some(Role::Viewer),
            }
        };
        let mut audit = story(script, accounts, &invite);
        audit.push(script.event(ORGANIZATION, verb, actor, &account.id, left_at));
        script.add(Change {
            audit,
            ..Change::default()
                .writes(parts::signed_up(&account))
                .writes(parts::invited(&invite))
        });
    }
    Ok(())
}
