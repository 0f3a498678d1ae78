//! The sessions that some of the clinic's providers have held, and those that its admin tries things out with.

use jiff::{SignedDuration, Timestamp};
use portal_domain::audit::{Actor, Verb};
use portal_domain::change::{Change, Write};
use portal_domain::code::Refusal;
use portal_domain::device::{Device, Devices};
use portal_domain::id::{AccountId, OrganizationId};
use portal_domain::plan::{Quota, QuotaEffect, QuotaStep, TEAM};
use portal_domain::role::Role;
use portal_domain::session::{Mode, Session, State};
use portal_domain::transaction::Month;

use super::ids;
use super::people::{Accounts, MEMBERS, Person};
use super::script::{Script, hours_ago};

/// How many sessions each of the clinic's providers has held.
const EACH: i64 = 4;

/// All of them, and the device of `admin`.
pub(super) fn write(
    script: &mut Script,
    accounts: &Accounts,
    admin: AccountId,
    now: Timestamp,
) -> Result<(), Refusal> {
    let providers = MEMBERS.iter().filter(|person| person.role == Role::Provider);
    let mut held = Vec::new();
    for (person, number) in providers.take(4).zip(0..) {
        for turn in 0..EACH {
            held.push(by_provider(person, accounts, (number, turn), now)?);
        }
    }
    written(script, ids::RIVERSIDE, Role::Provider, &held, now);

    let tried = [
        session(
            1,
            ids::TRIAL,
            admin,
            hours_ago(now, 26),
            Some(SignedDuration::from_mins(12)),
        ),
        session(2, ids::TRIAL, admin, now - SignedDuration::from_mins(20), None),
        session(3, ids::TRIAL, admin, now - SignedDuration::from_mins(9), None),
    ];
    let tried = tried.map(|session| {
        Ok::<_, Refusal>(Session {
            provider_name: Some(MEMBERS[0].name.parse()?),
            name: Some("Trying it out".parse()?),
            ..session
        })
    });
    let tried: Vec<Session> = tried.into_iter().collect::<Result<_, _>>()?;
    written(script, ids::TRIAL, Role::Admin, &tried, now);
    device(script, admin, now)
}

/// The session of a provider, one every two days and the last some hours ago; of the last provider it goes on.
fn by_provider(
    person: &Person,
    accounts: &Accounts,
    (number, turn): (i64, i64),
    now: Timestamp,
) -> Result<Session, Refusal> {
    let at = hours_ago(now, 3 + number * 5 + (EACH - 1 - turn) * 48);
    let is_last = turn + 1 == EACH;
    // Of one provider the last goes on, and another has forgotten to end one.
    let is_open = is_last && (number == 0 || number == 3);
    let lasted = (!is_open).then(|| SignedDuration::from_mins(35 + number * 5 + turn));
    let place = 0x10 + u64::try_from(number * EACH + turn).unwrap_or(0);
    let of = session(place, ids::RIVERSIDE, accounts.id(&person.email()?), at, lasted);
    let mode = if turn % 2 == 0 {
        Mode::SharedDevice
    } else {
        Mode::TwoDevice
    };
    Ok(Session {
        provider_name: Some(person.name.parse()?),
        mode,
        ..of
    })
}

fn session(
    number: u64,
    organization: OrganizationId,
    provider: AccountId,
    started_at: Timestamp,
    lasted: Option<SignedDuration>,
) -> Session {
    let state = lasted.map_or(State::Open, |lasted| State::Ended {
        ended_at: started_at + lasted,
    });
    Session {
        id: ids::session(number),
        organization,
        provider,
        provider_name: None,
        name: None,
        mode: Mode::SharedDevice,
        booking: None,
        started_at,
        state,
        // A session in its first revision is written where there is none.
        rev: 1,
        updated_at: lasted.map_or(started_at, |lasted| started_at + lasted),
    }
}

/// Writes sessions down, with what the log says of them and what they take of the quota.
fn written(
    script: &mut Script,
    organization: OrganizationId,
    role: Role,
    sessions: &[Session],
    now: Timestamp,
) {
    for session in sessions {
        let mut tell = |verb, at| {
            let actor = Actor::Account {
                id: session.provider,
                role: Some(role),
            };
            script.event(organization, verb, actor, &session.id, at)
        };
        let mode = Some(session.mode.as_str().to_owned());
        let started = tell(Verb::SessionStarted, session.started_at).changed("mode", None, mode);
        let told = |status: &str| Some(status.to_owned());
        let ended = session
            .ended_at()
            .map(|at| tell(Verb::SessionEnded, at).changed("status", told("active"), told("ended")));
        script.add(Change {
            audit: std::iter::once(started).chain(ended).collect(),
            ..Change::default().write(Write::SessionPut(Box::new(session.clone())))
        });
    }
    let month = Month::of(now);
    let used = sessions
        .iter()
        .filter(|session| Month::of(session.started_at) == month)
        .count();
    let quota = Quota {
        organization,
        plan: TEAM.name.to_owned(),
        month,
        used: u32::try_from(used).unwrap_or(u32::MAX),
        limit: TEAM.sessions,
    };
    script.add_alone(Change {
        quota: Some(QuotaEffect {
            root: organization,
            month,
            step: QuotaStep::Begin(quota, None),
        }),
        ..Change::default()
    });
}

/// A device of the admin's.
fn device(script: &mut Script, admin: AccountId, now: Timestamp) -> Result<(), Refusal> {
    let device = Device {
        id: ids::DEVICE,
        name: "Consulting room".parse()?,
        // The public key of RFC 7748 §6.1, whose private one everybody knows.
        public_key: "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo".parse()?,
        first_seen_at: hours_ago(now, 30),
        last_seen_at: hours_ago(now, 1),
    };
    let registered = script.event(
        ids::TRIAL,
        Verb::DeviceRegistered,
        Actor::Account {
            id: admin,
            role: Some(Role::Admin),
        },
        &device.id,
        device.first_seen_at,
    );
    let devices = Devices {
        account: admin,
        devices: vec![device],
        rev: 1,
    };
    script.add(Change::audited(registered).write(Write::DevicesPut(Box::new(devices))));
    Ok(())
}
