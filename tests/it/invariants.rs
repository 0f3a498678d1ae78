//! What must hold whatever happened, told from the whole table and never from an answer.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use portal_domain::account::Account;
use portal_domain::action::{Action, Watch};
use portal_domain::audit::{Actor, AuditEvent, Verb};
use portal_domain::chain::{Link, Sealed, sealing};
use portal_domain::due::{Due, Job};
use portal_domain::email::EmailAddress;
use portal_domain::id::{AccountId, InviteId, OrganizationId};
use portal_domain::invite::{Delivery, Invite, State as InviteState, Status};
use portal_domain::membership::Membership;
use portal_domain::organization::{Organization, State};
use portal_domain::plan::{Quota, Seats, TEAM};
use portal_domain::role::Role;
use portal_domain::session::Session;
use portal_domain::transaction::Month;
use portal_store::table::KIND;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::support::Portal;

/// All items of the table at one moment, by what they are.
pub(crate) struct Table {
    now: Timestamp,
    pub(crate) organizations: BTreeMap<OrganizationId, Organization>,
    pub(crate) memberships: Vec<Membership>,
    pub(crate) invites: Vec<Invite>,
    pub(crate) events: Vec<AuditEvent>,
    pub(crate) accounts: BTreeMap<AccountId, Account>,
    claims: BTreeMap<EmailAddress, AccountId>,
    ties: BTreeMap<(EmailAddress, OrganizationId), Tie>,
    seats: BTreeMap<OrganizationId, Seats>,
    quotas: Vec<Quota>,
    sessions: Vec<Session>,
    counts: BTreeMap<OrganizationId, BTreeMap<String, u64>>,
    dues: Vec<Due>,
    links: Vec<Link>,
    sealed: BTreeMap<OrganizationId, Sealed>,
    watches: Vec<Watch>,
    actions: Vec<Action>,
    answers: Vec<Answered>,
    messages: usize,
}

#[derive(Debug, Deserialize)]
struct Claim {
    email: EmailAddress,
    account: AccountId,
}

#[derive(Debug, Deserialize)]
struct Tied {
    email: EmailAddress,
    organization: OrganizationId,
    #[serde(flatten)]
    tie: Tie,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
enum Tie {
    Invited {
        invite: InviteId,
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        until: Timestamp,
    },
    Member,
}

/// An answer kept under an idempotency key.
#[derive(Debug, Deserialize)]
struct Answered {
    status: u16,
    headers: Vec<(String, String)>,
}

/// How often something happened to an object.
type Happened = BTreeMap<(OrganizationId, String), BTreeMap<Verb, u64>>;

/// An attribute in the table's own notation, as plain JSON.
fn plain(attribute: &Value) -> Value {
    let (kind, value) = attribute
        .as_object()
        .and_then(|typed| typed.iter().next())
        .unwrap_or_else(|| panic!("not an attribute: {attribute}"));
    match kind.as_str() {
        "S" | "BOOL" | "B" => value.clone(),
        "N" => serde_json::from_str(value.as_str().unwrap()).unwrap(),
        "NULL" => Value::Null,
        "L" => value.as_array().unwrap().iter().map(plain).collect(),
        "M" => item(value.as_object().unwrap()),
        other => panic!("an attribute of type {other}"),
    }
}

fn item(attributes: &Map<String, Value>) -> Value {
    attributes
        .iter()
        .map(|(name, value)| (name.clone(), plain(value)))
        .collect::<Map<_, _>>()
        .into()
}

/// All items as they are at one time: what two looks find alike was not seen in the middle of a transaction.
fn whole(portal: &Portal) -> Vec<Value> {
    let mut items = portal.items();
    loop {
        let again = portal.items();
        if again == items {
            return again;
        }
        items = again;
    }
}

impl Table {
    /// The table as it is now. Let requests end first; consumers of the stream may go on.
    pub(crate) fn read(portal: &Portal) -> Self {
        fn all<T: DeserializeOwned>(kinds: &mut BTreeMap<String, Vec<Value>>, kind: &str) -> Vec<T> {
            let found = kinds.remove(kind).unwrap_or_default();
            let read = |item: Value| {
                serde_json::from_value(item.clone())
                    .unwrap_or_else(|error| panic!("{kind}: {error} in {item}"))
            };
            found.into_iter().map(read).collect()
        }
        let now = portal.clock.now();
        let mut kinds: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for found in whole(portal) {
            let found = item(found.as_object().unwrap());
            let kind = found[KIND].as_str().unwrap_or_default().to_owned();
            kinds.entry(kind).or_default().push(found);
        }
        let counts = all::<BTreeMap<String, Value>>(&mut kinds, "counts").into_iter();
        let counts = counts.map(|count| {
            let organization = count["organization"].as_str().unwrap().parse().unwrap();
            let numbers = count
                .into_iter()
                .filter(|(name, _)| name == "members" || name.starts_with("role_"))
                .map(|(name, value)| {
                    let number = value.as_u64();
                    let number = number.unwrap_or_else(|| panic!("{name} of {organization} is {value}"));
                    (name, number)
                });
            (organization, numbers.collect())
        });
        let counts = counts.collect();
        let ties = all::<Tied>(&mut kinds, "tie").into_iter();
        Self {
            now,
            counts,
            organizations: all::<Organization>(&mut kinds, "organization")
                .into_iter()
                .map(|organization| (organization.id, organization))
                .collect(),
            memberships: all(&mut kinds, "membership"),
            invites: all(&mut kinds, "invite"),
            events: all(&mut kinds, "audit_event"),
            accounts: all::<Account>(&mut kinds, "account")
                .into_iter()
                .map(|account| (account.id, account))
                .collect(),
            claims: all::<Claim>(&mut kinds, "email_claim")
                .into_iter()
                .map(|claim| (claim.email, claim.account))
                .collect(),
            ties: ties
                .map(|tied| ((tied.email, tied.organization), tied.tie))
                .collect(),
            seats: all::<Seats>(&mut kinds, "seats")
                .into_iter()
                .map(|seats| (seats.organization, seats))
                .collect(),
            quotas: all(&mut kinds, "quota"),
            sessions: all(&mut kinds, "session"),
            dues: all(&mut kinds, "due"),
            links: all(&mut kinds, "chain_link"),
            sealed: all::<Sealed>(&mut kinds, "chain_sealed")
                .into_iter()
                .map(|sealed| (sealed.organization, sealed))
                .collect(),
            watches: all(&mut kinds, "action_watch"),
            actions: all(&mut kinds, "action"),
            answers: all(&mut kinds, "idempotency"),
            messages: kinds.remove("outbox").map_or(0, |messages| messages.len()),
        }
    }

    /// Everything that is not as it must be.
    pub(crate) fn violations(&self) -> Vec<String> {
        let happened = self.happened();
        let mut found = Vec::new();
        self.check_seats(&mut found);
        self.check_sessions(&happened, &mut found);
        self.check_counts(&mut found);
        self.check_memberships(&happened, &mut found);
        self.check_addresses(&mut found);
        self.check_invites(&happened, &mut found);
        self.check_organizations(&happened, &mut found);
        self.check_due_work(&mut found);
        self.check_actions(&mut found);
        self.check_answers(&mut found);
        found
    }

    /// What is not as it must be of sessions and what they take, whatever else is under way.
    pub(crate) fn session_violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.check_sessions(&self.happened(), &mut found);
        found
    }

    /// How many messages have not left yet.
    pub(crate) fn messages(&self) -> usize {
        self.messages
    }

    /// How often `verb` is in the log of all organizations.
    pub(crate) fn events_of(&self, verb: Verb) -> usize {
        self.events.iter().filter(|event| event.verb == verb).count()
    }

    fn happened(&self) -> Happened {
        let mut happened = Happened::new();
        for event in &self.events {
            let of = happened
                .entry((event.organization, event.object.clone()))
                .or_default();
            *of.entry(event.verb).or_default() += 1;
        }
        happened
    }

    fn admins(&self, organization: OrganizationId) -> usize {
        let is_admin = |m: &&Membership| m.organization == organization && m.role == Role::Admin;
        self.memberships.iter().filter(is_admin).count()
    }

    /// Seats used = counted, and never above the plan's limit.
    fn check_seats(&self, found: &mut Vec<String>) {
        let root = |organization: OrganizationId| self.organizations[&organization].root;
        let mut counted: BTreeMap<OrganizationId, u32> =
            self.organizations.values().map(|o| (o.root, 0)).collect();
        for membership in self.memberships.iter().filter(|membership| membership.seat) {
            *counted.entry(root(membership.organization)).or_default() += 1;
        }
        for invite in self.invites.iter().filter(|invite| invite.seat_held) {
            *counted.entry(invite.root).or_default() += 1;
        }
        for (root, counted) in counted {
            match self.seats.get(&root) {
                None => found.push(format!("{root} has no seats item")),
                Some(seats) if seats.used != counted => {
                    found.push(format!("{root} counts {} seats, used are {counted}", seats.used));
                }
                // A plan that was made smaller may be exceeded; the one that all begin with may not.
                Some(seats) if seats.used > seats.limit.max(TEAM.seats) => {
                    found.push(format!("{root} uses {} of {} seats", seats.used, seats.limit));
                }
                Some(_) => {}
            }
        }
    }

    /// Sessions used = started in the month, never above the plan's limit; each began and was ended by one event.
    fn check_sessions(&self, happened: &Happened, found: &mut Vec<String>) {
        for quota in &self.quotas {
            let is_counted = |session: &&Session| {
                let root = self.organizations[&session.organization].root;
                root == quota.organization && Month::of(session.started_at) == quota.month
            };
            let root = quota.organization;
            let counted = self.sessions.iter().filter(is_counted).count();
            if usize::try_from(quota.used) != Ok(counted) {
                found.push(format!(
                    "{root} started {counted} sessions, used are {}",
                    quota.used
                ));
            }
            // A plan that was made smaller may be exceeded; the one that all begin with may not.
            if quota.used > quota.limit.max(TEAM.sessions) {
                found.push(format!("{root} uses {} of {} sessions", quota.used, quota.limit));
            }
        }
        for session in &self.sessions {
            let of = happened.get(&(session.organization, session.id.to_string()));
            let often = |verb| of.and_then(|of| of.get(&verb)).copied().unwrap_or(0);
            let ends = u64::from(!session.is_open());
            if (often(Verb::SessionStarted), often(Verb::SessionEnded)) != (1, ends) {
                found.push(format!("{} did not begin and end as the log says", session.id));
            }
        }
    }

    /// Members and holders of roles = recount; a living organization has an admin.
    fn check_counts(&self, found: &mut Vec<String>) {
        let mut recount: BTreeMap<(OrganizationId, String), u64> = BTreeMap::new();
        for Membership {
            organization, role, ..
        } in &self.memberships
        {
            let role = format!("role_{}", role.to_string().replace('-', "_"));
            for name in ["members".to_owned(), role] {
                *recount.entry((*organization, name)).or_default() += 1;
            }
        }
        for organization in self.organizations.values() {
            let id = organization.id;
            let Some(counts) = self.counts.get(&id) else {
                found.push(format!("{id} has no counts"));
                continue;
            };
            let recounted = recount.keys().filter(|(of, _)| *of == id).map(|(_, name)| name);
            for name in counts.keys().chain(recounted).collect::<BTreeSet<_>>() {
                let counted = counts.get(name).copied().unwrap_or(0);
                let there = recount.get(&(id, name.clone())).copied().unwrap_or(0);
                if counted != there {
                    found.push(format!("{id} counts {counted} {name}, there are {there}"));
                }
            }
            let is_ending = match organization.state {
                State::Active => false,
                State::Dissolving { final_at, .. } => final_at <= self.now,
                State::Dissolved { .. } => true,
            };
            if !is_ending && self.admins(id) == 0 {
                found.push(format!("{id} has no admin"));
            }
        }
    }

    /// Every membership came by one event and is whole: role, seat, address, account, revision.
    fn check_memberships(&self, happened: &Happened, found: &mut Vec<String>) {
        let mut joined: BTreeMap<(OrganizationId, AccountId), u64> = BTreeMap::new();
        for event in &self.events {
            if let (Verb::InviteAccepted | Verb::OrganizationCreated, Actor::Account { id, .. }) =
                (event.verb, &event.actor)
            {
                *joined.entry((event.organization, *id)).or_default() += 1;
            }
        }
        let of = |organization: OrganizationId, account: AccountId, verbs: &[Verb]| -> u64 {
            let verbs_of = happened.get(&(organization, account.to_string()));
            verbs
                .iter()
                .filter_map(|verb| verbs_of.and_then(|of| of.get(verb)))
                .sum()
        };
        let there: BTreeSet<_> = self
            .memberships
            .iter()
            .map(|membership| (membership.organization, membership.account))
            .collect();
        for (organization, account) in joined
            .keys()
            .chain(&there)
            .collect::<BTreeSet<_>>()
            .iter()
            .copied()
        {
            let came = joined.get(&(*organization, *account)).copied().unwrap_or(0);
            let went = of(*organization, *account, &[Verb::MemberLeft, Verb::MemberRemoved]);
            let is_there = u64::from(there.contains(&(*organization, *account)));
            if came != went + is_there {
                found.push(format!(
                    "{account} came {came} times to {organization}, went {went} times, and is there {is_there} times"
                ));
            }
        }
        for membership in &self.memberships {
            let (id, account) = (membership.organization, membership.account);
            let organization = &self.organizations[&id];
            if organization.permissions(membership.role).is_none() {
                found.push(format!("{account} holds a role that {id} does not have"));
            }
            if membership.seat != organization.takes_seat(membership.role, membership.provides_care) {
                found.push(format!("{account} in {id} has the wrong seat"));
            }
            let changes = of(id, account, &[Verb::MemberUpdated, Verb::MemberAddressChanged]);
            let is_first = joined.get(&(id, account)) == Some(&1);
            if membership.rev > changes + 1 || (is_first && membership.rev != changes + 1) {
                found.push(format!(
                    "{account} in {id} has revision {} after {changes} changes",
                    membership.rev
                ));
            }
            if self.ties.get(&(membership.email.clone(), id)) != Some(&Tie::Member) {
                found.push(format!(
                    "the address of {account} is not tied to {id} as a member's"
                ));
            }
            let account_email = self.accounts.get(&account).and_then(|a| a.email.as_ref());
            if account_email != Some(&membership.email) {
                found.push(format!("{account} has another address in {id}"));
            }
        }
    }

    /// Every address has one account and every account its claim; a tie is that of a member or of a pending invite.
    fn check_addresses(&self, found: &mut Vec<String>) {
        for account in self.accounts.values() {
            let claimed = account.email.as_ref().map(|email| self.claims.get(email));
            if claimed.is_some_and(|by| by != Some(&account.id)) {
                found.push(format!("{} does not claim its address", account.id));
            }
        }
        for (email, account) in &self.claims {
            let claiming = self.accounts.get(account).and_then(|a| a.email.as_ref());
            if claiming != Some(email) {
                found.push(format!("{account} claims an address that is not its own"));
            }
        }
        for ((email, organization), tie) in &self.ties {
            let is_right = match tie {
                Tie::Member => self
                    .memberships
                    .iter()
                    .any(|m| m.organization == *organization && m.email == *email),
                Tie::Invited { until, .. } if *until <= self.now => true,
                Tie::Invited { invite, until } => self.invites.iter().any(|i| {
                    i.id == *invite
                        && i.email == *email
                        && i.status(self.now) == Status::Pending
                        && i.expires_at() == Some(*until)
                }),
            };
            if !is_right {
                found.push(format!(
                    "an address is tied to {organization} for nothing: {tie:?}"
                ));
            }
        }
    }

    /// One event per change of an invite, one end, one live link, one pending invite per address.
    fn check_invites(&self, happened: &Happened, found: &mut Vec<String>) {
        let mut pending = BTreeSet::new();
        for invite in &self.invites {
            let verbs = happened.get(&(invite.organization, invite.id.to_string()));
            let of = |verb: Verb| verbs.and_then(|verbs| verbs.get(&verb)).copied().unwrap_or(0);
            let ends = |verb: Verb, is_state: bool| of(verb) == u64::from(is_state);
            let state = &invite.state;
            let is_open = matches!(state, InviteState::Pending { .. } | InviteState::Expired { .. });
            let mut check = |holds: bool, what: &str| {
                if !holds {
                    found.push(format!("{}: {what}; {state:?} after {verbs:?}", invite.id));
                }
            };
            check(of(Verb::InviteCreated) == 1, "not made exactly once");
            check(
                ends(
                    Verb::InviteAccepted,
                    matches!(state, InviteState::Accepted { .. }),
                ) && ends(
                    Verb::InviteDeclined,
                    matches!(state, InviteState::Declined { .. }),
                ) && ends(
                    Verb::InviteRevoked,
                    matches!(state, InviteState::Revoked { by: Some(_), .. }),
                ) && ends(
                    Verb::InviteVoided,
                    matches!(state, InviteState::Revoked { by: None, .. }),
                ),
                "its end and the log differ",
            );
            check(
                !matches!(state, InviteState::Expired { .. }) || of(Verb::InviteExpired) > 0,
                "expired without an event",
            );
            let changes: u64 = [
                Verb::InviteResent,
                Verb::InviteAccepted,
                Verb::InviteDeclined,
                Verb::InviteRevoked,
                Verb::InviteExpired,
                Verb::InviteVoided,
            ]
            .into_iter()
            .map(of)
            .sum();
            check(invite.rev == changes + 1, "its revisions are not its events");
            check(
                u64::from(invite.version) == of(Verb::InviteResent) + 1,
                "its links are not its resends",
            );
            check(
                of(Verb::InviteUndeliverable) <= u64::from(invite.version),
                "a link is undeliverable twice",
            );
            let last = |verb: Verb| {
                let about = |event: &&AuditEvent| event.verb == verb && event.object == invite.id.to_string();
                self.events.iter().filter(about).map(|event| event.at).max()
            };
            // A report that comes while a resend is under way is about the link before.
            let told_since = last(Verb::InviteResent).map(|resent| resent + SignedDuration::from_mins(1));
            check(
                last(Verb::InviteUndeliverable) <= told_since
                    || matches!(invite.delivery, Delivery::Undeliverable { .. }),
                "its mail was undeliverable and is not any more",
            );
            check(
                !invite.seat_held || matches!(state, InviteState::Pending { .. }),
                "holds a seat after its end",
            );
            check(
                is_open == invite.link().is_some(),
                "its link does not end with it",
            );
            if let InviteState::Accepted { by, .. } = state {
                let by_actor = self.events.iter().any(|event| {
                    event.verb == Verb::InviteAccepted
                        && event.object == invite.id.to_string()
                        && matches!(&event.actor, Actor::Account { id, .. } if id == by)
                });
                check(by_actor, "accepted by somebody else");
            }
            if invite.status(self.now) == Status::Pending {
                let tie = Tie::Invited {
                    invite: invite.id,
                    until: invite.expires_at().unwrap(),
                };
                let tied = self.ties.get(&(invite.email.clone(), invite.organization));
                check(tied == Some(&tie), "pending without its tie");
                check(
                    pending.insert((invite.organization, invite.email.clone())),
                    "not the only pending one of its address",
                );
            }
        }
        let known: BTreeSet<String> = self.invites.iter().map(|invite| invite.id.to_string()).collect();
        for (_, object) in happened.keys().filter(|(_, object)| object.starts_with("inv_")) {
            if !known.contains(object) {
                found.push(format!("the log knows {object}, which is not there"));
            }
        }
    }

    /// One event per change of an organization; nothing is left of one that has ended.
    fn check_organizations(&self, happened: &Happened, found: &mut Vec<String>) {
        for organization in self.organizations.values() {
            let id = organization.id;
            let changed = [
                Verb::OrganizationUpdated,
                Verb::DissolutionRequested,
                Verb::DissolutionCancelled,
                Verb::OrganizationDissolved,
                Verb::RoleCreated,
                Verb::RoleUpdated,
                Verb::RoleDeleted,
            ];
            let (mut created, mut changes) = (0, 0);
            for ((_, _), verbs) in happened.iter().filter(|((of, _), _)| *of == id) {
                created += verbs.get(&Verb::OrganizationCreated).unwrap_or(&0);
                changes += changed.iter().filter_map(|verb| verbs.get(verb)).sum::<u64>();
            }
            if created != 1 || organization.rev != changes + 1 {
                found.push(format!(
                    "{id} was made {created} times and has revision {} after {changes} changes",
                    organization.rev
                ));
            }
            if matches!(organization.state, State::Dissolved { .. }) {
                let members = self.memberships.iter().any(|m| m.organization == id);
                let open = self
                    .invites
                    .iter()
                    .any(|i| i.organization == id && i.link().is_some());
                if members || open {
                    found.push(format!("something is left of {id}"));
                }
            }
        }
    }

    /// Due work is that of pending invites, of organizations on their way to their end, of watches, and of days of audit chains that
    /// are not sealed, and nothing else.
    fn check_due_work(&self, found: &mut Vec<String>) {
        let invites = self.invites.iter().filter_map(|invite| match invite.state {
            InviteState::Pending { expires_at } => Some((
                expires_at,
                Job::ExpireInvite {
                    organization: invite.organization,
                    invite: invite.id,
                },
            )),
            _ => None,
        });
        let organizations = self.organizations.values().filter_map(|o| match o.state {
            State::Dissolving { final_at, .. } => {
                Some((final_at, Job::FinishDissolution { organization: o.id }))
            }
            _ => None,
        });
        let looks = self.watches.iter().filter_map(|watch| {
            let subject = watch.subject;
            Some((watch.due?, Job::SweepActions { subject }))
        });
        let open = self.links.iter().filter(|link| {
            let sealed = self.sealed.get(&link.organization);
            link.seq > sealed.map_or(0, |sealed| sealed.seq)
        });
        let days = open.map(|link| {
            let due = sealing(link.organization, link.linked_at);
            (due.at, due.job)
        });
        let text = |at: Timestamp, job: Job| format!("{at} {job:?}");
        let wanted: BTreeSet<String> = invites
            .chain(organizations)
            .chain(looks)
            .chain(days)
            .map(|(at, job)| text(at, job))
            .collect();
        let there: BTreeSet<String> = self.dues.iter().map(|due| text(due.at, due.job)).collect();
        for missing in wanted.difference(&there) {
            found.push(format!("nothing will be done at {missing}"));
        }
        for idle in there.difference(&wanted) {
            found.push(format!("something will be done for nothing at {idle}"));
        }
    }

    /// What is open is what the watches know of.
    fn check_actions(&self, found: &mut Vec<String>) {
        let watched = self.watches.iter().flat_map(|watch| {
            let subject = watch.subject;
            watch.open.iter().map(move |finding| Action::of(subject, finding))
        });
        let watched: BTreeMap<_, _> = watched.map(|action| (action.id, action)).collect();
        let open = self
            .actions
            .iter()
            .filter(|action| action.closed_at.is_none())
            .map(|action| (action.id, action.clone()));
        let open: BTreeMap<_, _> = open.collect();
        if open != watched {
            found.push(format!("{open:?} is open, and {watched:?} is watched"));
        }
    }

    /// What was created under a key was created under one key only.
    fn check_answers(&self, found: &mut Vec<String>) {
        let mut keys: BTreeMap<&str, u64> = BTreeMap::new();
        for answer in self.answers.iter().filter(|answer| answer.status == 201) {
            let location = answer.headers.iter().find(|(name, _)| name == "location");
            let location = location.map_or("nowhere", |(_, location)| location.as_str());
            // Somebody may become a member again; everything else is made once.
            if !location.contains("/members/") {
                *keys.entry(location).or_default() += 1;
            }
        }
        for (location, keys) in keys.iter().filter(|(_, keys)| **keys > 1) {
            found.push(format!("{location} was made under {keys} keys"));
        }
        let kept_since = self.now - SignedDuration::from_hours(23);
        for invite in self
            .invites
            .iter()
            .filter(|invite| invite.created_at > kept_since)
        {
            let location = format!("/v1/organizations/{}/invites/{}", invite.organization, invite.id);
            if !keys.contains_key(location.as_str()) {
                found.push(format!("{location} was made under no key"));
            }
        }
    }
}

/// Fails unless everything in the table is as it must be.
#[track_caller]
pub(crate) fn hold(portal: &Portal) -> Table {
    let table = Table::read(portal);
    let violations = table.violations();
    assert!(violations.is_empty(), "{}", violations.join("\n"));
    table
}

/// Fails unless everything is as it must be once all is delivered: no message waits, and every pending invite is mailed.
pub(crate) async fn hold_at_rest(portal: &Portal) -> Table {
    portal.settle().await.expect("all is delivered");
    let table = hold(portal);
    assert_eq!(table.messages(), 0, "messages in the outbox");
    assert!(portal.stream.failed().is_empty(), "records were given up");
    assert!(
        portal.queues.dead_letters("mail").is_empty(),
        "mails were given up"
    );
    for invite in table
        .invites
        .iter()
        .filter(|i| i.status(table.now) == Status::Pending)
    {
        let organization = &table.organizations[&invite.organization];
        let is_mailed = matches!(
            invite.delivery,
            Delivery::Sent { .. } | Delivery::Undeliverable { .. }
        );
        assert!(
            is_mailed || organization.state != State::Active,
            "{} is pending and {:?}",
            invite.id,
            invite.delivery
        );
    }
    table
}
