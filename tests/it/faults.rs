//! The fault run: random operations of random people, many at once, over a table, a stream and a mail provider that fail in every
//! way they can. Whatever is answered, the table tells what happened: each success once, each refusal never.
//!
//! `PORTAL_SEED` repeats a run, as far as the order of what happens at once can be repeated; `PORTAL_ROUNDS` makes it longer.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::iter;
use jiff::SignedDuration;
use portal_app::Links;
use portal_domain::audit::{AuditEvent, Verb};
use portal_domain::email::EmailAddress;
use portal_domain::invite::{Invite, SENDING, Status};
use portal_domain::membership::Membership;
use portal_domain::organization::{Organization, State};
use portal_domain::role::Role;
use portal_local::faults::{Kind, Rule};
use portal_local::identity::SignIn;
use portal_local::mailbox::{Bounce, Event};
use portal_local::queues::Delivery;
use portal_local::stack::MAIL_QUEUE;
use portal_local::template::Template;
use portal_store::entity::due::Worker;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use serde_json::{Value, json};

use crate::invariants::{Table, hold, hold_at_rest};
use crate::support::{DAY, Person, Portal, at_once, fresh_key, rounds, seed};

/// How many operations run at the same time.
const AT_ONCE: usize = 16;
/// After how many operations everything is looked at.
const BATCH: usize = 100;
/// How often a client asks again when it is busy.
const TRIES: usize = 5;
const PEOPLE: usize = 14;
const LIVING: usize = 3;
const DOMAINS: [&str; 2] = ["riverside.example", "lakeside.example"];

const KINDS: [Kind; 8] = [
    Kind::Throttle,
    Kind::Delay,
    Kind::LostAnswer,
    Kind::Conflict,
    Kind::StaleIndex,
    Kind::DuplicateStream,
    Kind::SplitStream,
    Kind::MailDown,
];

fn rules() -> Vec<Rule> {
    // Few questions to an index are asked twice: most of those get the old answer, so that no run is without.
    let rate = |kind| if kind == Kind::StaleIndex { 0.8 } else { 0.2 };
    KINDS.map(|kind| Rule::new(kind, rate(kind))).into()
}

/// A request that may change something.
struct Call {
    who: Person,
    method: Method,
    path: String,
    etag: Option<u64>,
    key: Option<String>,
    body: Value,
    /// What the log says of it, if it says it once.
    verb: Option<Verb>,
}

/// What is done next.
enum Step {
    Call(Call),
    /// The same request twice at once, as an impatient client sends it.
    Twice(Call),
    Job(&'static str),
    Pass(SignedDuration),
    Bounce(String),
    Sweep,
}

/// All answers to one request, however often it was sent.
struct Receipt {
    what: String,
    is_keyed: bool,
    verb: Option<Verb>,
    answers: Vec<Said>,
}

/// The rows of a bulk request.
const ROWS: usize = 4;

/// After how long the gateway ends a function.
fn function_timeout() -> Duration {
    let template = Template::built_in().unwrap();
    Duration::from_secs(template.at("/Globals/Function/Timeout").as_u64().unwrap())
}

#[derive(Clone)]
struct Said {
    request: String,
    status: u16,
    code: String,
    /// How many rows of a bulk request were done, and whether one is to be sent again.
    rows: Option<(usize, bool)>,
    took: Duration,
}

impl Said {
    /// Whether it is the gateway's word for a function that was ended because it took too long. A function that fails is quicker.
    fn is_out_of_time(&self) -> bool {
        self.status == 500 && self.code.is_empty() && self.took >= function_timeout()
    }

    fn is_unknown(&self) -> bool {
        self.status >= 500 || self.rows.is_some_and(|(_, is_busy)| is_busy)
    }
}

struct World<'p> {
    portal: &'p Portal,
    links: Links,
    random: RefCell<StdRng>,
    /// The table as it was when everything was last looked at.
    seen: RefCell<Table>,
    receipts: RefCell<Vec<Receipt>>,
    slowest: RefCell<BTreeMap<String, Duration>>,
}

impl World<'_> {
    fn chance(&self, percent: u32) -> bool {
        self.random.borrow_mut().random_ratio(percent, 100)
    }

    fn one<T>(&self, all: impl IntoIterator<Item = T>) -> Option<T> {
        let mut all: Vec<T> = all.into_iter().collect();
        let end = all.len();
        (end > 0).then(|| all.swap_remove(self.random.borrow_mut().random_range(0..end)))
    }

    fn number(&self, end: usize) -> usize {
        self.random.borrow_mut().random_range(0..end)
    }

    /// One of the people, who signs in with the address of their account.
    fn person(&self, n: usize) -> Person {
        let account = self.person_at(n, 0).account;
        let has_second =
            self.seen.borrow().accounts.get(&account).is_some_and(|account| {
                account.email.as_ref().map(EmailAddress::as_str) == Some(&address(n, 1))
            });
        self.person_at(n, usize::from(has_second))
    }

    /// One of the people, who signs in with one of their addresses.
    fn person_at(&self, n: usize, domain: usize) -> Person {
        let sign_in = SignIn {
            name: Some(format!("Person {n}")),
            sub: Some(format!("person-{n}")),
            ..SignIn::new(&address(n, domain))
        };
        Person::with(self.portal, &sign_in)
    }

    fn organization(&self) -> Option<Organization> {
        let seen = self.seen.borrow();
        let living = seen.organizations.values();
        let living = living.filter(|organization| !matches!(organization.state, State::Dissolved { .. }));
        self.one(living.cloned())
    }

    fn members(&self, of: &Organization) -> Vec<Membership> {
        let seen = self.seen.borrow();
        let members = seen.memberships.iter().filter(|m| m.organization == of.id);
        members.cloned().collect()
    }

    /// Mostly an admin, sometimes anybody.
    fn actor(&self, of: &Organization) -> Person {
        let members = self.members(of);
        let admin = self.one(members.iter().filter(|member| member.role == Role::Admin));
        let n = (0..PEOPLE).find(|n| Some(self.person_at(*n, 0).account) == admin.map(|admin| admin.account));
        match n {
            Some(n) if !self.chance(5) => self.person(n),
            _ => self.person(self.number(PEOPLE)),
        }
    }

    fn open_invite(&self, of: &Organization) -> Option<Invite> {
        let seen = self.seen.borrow();
        let open = seen
            .invites
            .iter()
            .filter(|i| i.organization == of.id && i.link().is_some());
        // Sometimes one that was answered, too.
        if self.chance(5) {
            self.one(seen.invites.iter().filter(|i| i.organization == of.id).cloned())
        } else {
            self.one(open.cloned())
        }
    }

    fn role(&self, of: &Organization) -> String {
        let custom = of.roles.iter().map(|role| role.id.to_string());
        let roles = ["provider", "provider", "viewer"].map(str::to_owned);
        self.one(roles.into_iter().chain(custom)).unwrap()
    }

    fn invitee(&self, of: &Organization) -> Value {
        let n = self.number(PEOPLE);
        let email = match self.number(10) {
            0 => address(n, 1),
            1 => format!("guest{}@riverside.example", self.number(1_000)),
            _ => self.person(n).email,
        };
        json!({ "email": email, "role": self.role(of) })
    }

    fn next(&self) -> Step {
        let is_living = |of: &&Organization| of.state == State::Active;
        let living = self
            .seen
            .borrow()
            .organizations
            .values()
            .filter(is_living)
            .count();
        let Some(of) = self
            .organization()
            .filter(|_| living >= LIVING || !self.chance(3))
        else {
            let who = self.person(self.number(PEOPLE));
            let body = json!({ "name": "Riverside" });
            return Step::Call(keyed(
                who,
                "/v1/organizations".to_owned(),
                body,
                Verb::OrganizationCreated,
            ));
        };
        let at = |rest: &str| format!("/v1/organizations/{}{rest}", of.id);
        let actor = self.actor(&of);
        let nothing = json!({});
        Step::Call(match self.number(100) {
            0..20 => {
                let invite = keyed(actor, at("/invites"), self.invitee(&of), Verb::InviteCreated);
                if self.chance(15) {
                    return Step::Twice(invite);
                }
                invite
            }
            20..23 => {
                let rows: Vec<Value> = (0..ROWS).map(|_| self.invitee(&of)).collect();
                keyed(
                    actor,
                    at("/invites/bulk"),
                    json!({ "invites": rows }),
                    Verb::InviteCreated,
                )
            }
            number @ 23..45 => match self.open_invite(&of) {
                Some(invite) => return self.answer(&invite, number < 41),
                None => keyed(actor, at("/invites"), self.invitee(&of), Verb::InviteCreated),
            },
            number @ 45..60 => match self.open_invite(&of) {
                Some(Invite { id, .. }) if number < 54 => keyed(
                    actor,
                    at(&format!("/invites/{id}/resend")),
                    nothing,
                    Verb::InviteResent,
                ),
                Some(Invite { id, rev, .. }) => seen(
                    Method::DELETE,
                    actor,
                    at(&format!("/invites/{id}")),
                    rev,
                    nothing,
                    Verb::InviteRevoked,
                ),
                None => keyed(actor, at("/invites"), self.invitee(&of), Verb::InviteCreated),
            },
            number @ 60..78 => {
                let Some(member) = self.one(self.members(&of)) else {
                    return Step::Sweep;
                };
                let path = at(&format!("/members/{}", member.account));
                match number {
                    60..70 => {
                        let role = if self.chance(30) {
                            "admin".to_owned()
                        } else {
                            self.role(&of)
                        };
                        let body = json!({ "role": role });
                        seen(Method::PATCH, actor, path, member.rev, body, Verb::MemberUpdated)
                    }
                    70..72 => {
                        let body = json!({ "provides_care": self.chance(50) });
                        seen(Method::PATCH, actor, path, member.rev, body, Verb::MemberUpdated)
                    }
                    72..75 => seen(
                        Method::DELETE,
                        actor,
                        path,
                        member.rev,
                        nothing,
                        Verb::MemberRemoved,
                    ),
                    _ => {
                        let n = (0..PEOPLE).find(|n| self.person_at(*n, 0).account == member.account);
                        let who = n.map_or(actor, |n| self.person(n));
                        plain(Method::POST, who, at("/leave"), nothing, Verb::MemberLeft)
                    }
                }
            }
            78..82 => {
                let body = match self.number(4) {
                    0 => json!({ "allowed_domains": ["riverside.example"] }),
                    1 => json!({ "time_zone": "Europe/Berlin" }),
                    _ => json!({ "allowed_domains": [] }),
                };
                seen(
                    Method::PATCH,
                    actor,
                    at(""),
                    of.rev,
                    body,
                    Verb::OrganizationUpdated,
                )
            }
            82..84 if of.roles.len() < 4 => {
                let permissions: &[&str] = if self.chance(50) {
                    &["sessions.create"]
                } else {
                    &["members.read", "invites.manage"]
                };
                let body = json!({ "name": "Front desk", "permissions": permissions });
                keyed(actor, at("/roles"), body, Verb::RoleCreated)
            }
            number @ 82..86 => match of.roles.choose(&mut *self.random.borrow_mut()) {
                Some(role) if number < 84 => {
                    let path = at(&format!("/roles/{}", role.id));
                    seen(Method::DELETE, actor, path, role.rev, nothing, Verb::RoleDeleted)
                }
                Some(role) => {
                    let path = at(&format!("/roles/{}", role.id));
                    let body = json!({ "name": "Night shift" });
                    seen(Method::PATCH, actor, path, role.rev, body, Verb::RoleUpdated)
                }
                None => return Step::Sweep,
            },
            86..90 => {
                let n = self.number(PEOPLE);
                let account = self.person_at(n, 0).account;
                let rev = self
                    .seen
                    .borrow()
                    .accounts
                    .get(&account)
                    .map_or(1, |account| account.rev);
                let call = if self.chance(50) {
                    let who = self.person_at(n, self.number(2));
                    let body = json!({ "email": who.email });
                    seen(
                        Method::PATCH,
                        who,
                        "/v1/me".to_owned(),
                        rev,
                        body,
                        Verb::MemberUpdated,
                    )
                } else {
                    let body = json!({ "name": format!("Person {}", self.number(1_000)) });
                    seen(
                        Method::PATCH,
                        self.person(n),
                        "/v1/me".to_owned(),
                        rev,
                        body,
                        Verb::MemberUpdated,
                    )
                };
                // It is told in every organization of theirs.
                Call { verb: None, ..call }
            }
            90 => {
                let body = json!({ "name": of.name.as_str(), "remove_members": self.chance(70) });
                plain(
                    Method::POST,
                    actor,
                    at("/dissolution"),
                    body,
                    Verb::DissolutionRequested,
                )
            }
            91..93 if of.state != State::Active => plain(
                Method::DELETE,
                actor,
                at("/dissolution"),
                nothing,
                Verb::DissolutionCancelled,
            ),
            91..95 => {
                let lists = ["/members", "/invites", "/audit-events", "", "/roles"];
                let path = at(self.one(lists).unwrap());
                Call {
                    verb: None,
                    ..plain(Method::GET, actor, path, Value::Null, Verb::MemberUpdated)
                }
            }
            95 if self.chance(50) => return Step::Job("expire-invites"),
            95 => return Step::Job("finish-dissolutions"),
            96 => return Step::Pass(SignedDuration::from_secs(20)),
            97 | 98 => {
                let email = self.person(self.number(PEOPLE)).email;
                return Step::Bounce(email);
            }
            _ => return Step::Sweep,
        })
    }

    /// The answer to an invite by whom it was sent to, or who else has the link.
    fn answer(&self, invite: &Invite, accepts: bool) -> Step {
        let is_theirs = |(n, domain): &(usize, usize)| address(*n, *domain) == invite.email.as_str();
        let all = (0..PEOPLE).flat_map(|n| [(n, 0), (n, 1)]);
        let who = all.into_iter().find(is_theirs);
        let (n, domain) = who.unwrap_or_else(|| (self.number(PEOPLE), 0));
        let who = self.person_at(n, domain);
        let link = self.links.address(invite).unwrap_or_default();
        let token = link.split_once("#token=").map_or("none", |(_, token)| token);
        let body = json!({ "token": token });
        if !accepts {
            let path = "/v1/invites/decline".to_owned();
            return Step::Call(plain(Method::POST, who, path, body, Verb::InviteDeclined));
        }
        let accept = keyed(who, "/v1/invites/accept".to_owned(), body, Verb::InviteAccepted);
        if self.chance(15) {
            Step::Twice(accept)
        } else {
            Step::Call(accept)
        }
    }

    async fn take(&self, step: Step) {
        match step {
            Step::Call(call) => {
                let answers = self.send(&call).await;
                self.keep(&call, answers);
            }
            Step::Twice(call) => {
                let answers = at_once([self.send(&call), self.send(&call)]).await.concat();
                self.keep(&call, answers);
            }
            Step::Job(name) => {
                // Whatever it could not do is left for another run.
                let run = self.portal.run_job(name).await.expect("the job is there");
                if let Err(error) = run {
                    assert!(error.contains("too busy"), "{name}: {error}");
                }
            }
            Step::Pass(time) => self.portal.wait(time),
            Step::Bounce(email) => {
                let _: bool = self
                    .portal
                    .mailbox
                    .report(&email, Event::Bounce, Bounce::Permanent);
            }
            Step::Sweep => {
                self.portal
                    .dynamo
                    .sweep_ttl()
                    .expect("what has expired is deleted");
            }
        }
    }

    /// Sends a request, again while it is told that it is busy, as clients do.
    async fn send(&self, call: &Call) -> Vec<Said> {
        let mut answers = Vec::new();
        for _ in 0..TRIES {
            let mut request = call.who.request(call.method.clone(), &call.path);
            if let Some(key) = &call.key {
                request = request.header("idempotency-key", key);
            }
            if let Some(etag) = call.etag {
                request = request.header("if-match", &format!("\"{etag}\""));
            }
            if !call.body.is_null() {
                request = request.json(&call.body);
            }
            let begun = Instant::now();
            let answer = request.send().await;
            let took = begun.elapsed();
            self.time(call, took);
            let rows = call.path.ends_with("/bulk").then(|| rows_of(&answer.text));
            let said = Said {
                request: answer.header("x-request-id"),
                status: answer.status,
                code: code_of(&answer.text),
                rows,
                took,
            };
            let is_unknown = said.is_unknown();
            answers.push(said);
            if !is_unknown {
                break;
            }
        }
        answers
    }

    /// Notes how long a request took, by its route.
    fn time(&self, call: &Call, time: Duration) {
        let is_id = |segment: &&str| segment.len() > 30;
        let route: Vec<&str> = call.path.split('/').filter(|segment| !is_id(segment)).collect();
        let route = format!("{} {}", call.method, route.join("/"));
        let mut slowest = self.slowest.borrow_mut();
        let slowest = slowest.entry(route).or_default();
        *slowest = time.max(*slowest);
    }

    fn keep(&self, call: &Call, answers: Vec<Said>) {
        self.receipts.borrow_mut().push(Receipt {
            what: format!("{} {}", call.method, call.path),
            is_keyed: call.key.is_some(),
            verb: call.verb,
            answers,
        });
    }

    /// What the table says of all answers so far that cannot be.
    fn contradictions(&self, table: &Table) -> Vec<String> {
        let mut events: BTreeMap<&str, Vec<&AuditEvent>> = BTreeMap::new();
        for event in table
            .events
            .iter()
            .filter(|event| !event.origin.request_id.is_empty())
        {
            events.entry(&event.origin.request_id).or_default().push(event);
        }
        let receipts = self.receipts.borrow();
        receipts
            .iter()
            .filter_map(|receipt| receipt.contradiction(&events))
            .collect()
    }
}

impl Receipt {
    /// Whether `said` comes before any look at what was answered under the key.
    fn is_denied(&self, said: &Said) -> bool {
        let is_in_organization = self.what.starts_with("POST /v1/organizations/");
        [403, 404, 429, 503].contains(&said.status)
            || is_in_organization && said.code == "organization_dissolving"
    }

    fn contradiction(&self, events: &BTreeMap<&str, Vec<&AuditEvent>>) -> Option<String> {
        let told: Vec<Verb> = self
            .answers
            .iter()
            .filter_map(|said| events.get(said.request.as_str()))
            .flatten()
            .map(|event| event.verb)
            .collect();
        let unknown = self.answers.iter().filter(|said| said.is_unknown()).count();
        let is_success = self.answers.iter().any(|said| said.status < 300);
        let last = self.answers.last()?;
        let is_served = |said: &Said| {
            said.status == 503 && said.code == "busy"
                || said.is_out_of_time()
                || said.status < 500 && ![400, 401, 405, 413, 415, 428].contains(&said.status)
        };
        let expected = match (self.verb, last.rows) {
            // Told in every organization of theirs.
            (None, _) if is_success || unknown > 0 => 0..=usize::MAX,
            (_, Some((done, is_busy))) if is_success => {
                let is_told = !is_busy && (unknown == 0 || !self.is_denied(last));
                done..=if is_told { done } else { ROWS }
            }
            _ if is_success && (self.is_keyed || unknown == 0) => 1..=1,
            // Without a key, what was done unknown may be undone and done again.
            _ if is_success => 1..=1 + unknown,
            // With a key, a refusal that is not about the sender's right says that nothing was done before either.
            _ if self.is_keyed && !self.is_denied(last) => 0..=0,
            _ => 0..=unknown,
        };
        let is_right = expected.contains(&told.len())
            && self.verb.is_none_or(|verb| told.iter().all(|told| *told == verb))
            && self.answers.iter().all(is_served);
        let said: Vec<String> = self
            .answers
            .iter()
            .map(|said| format!("{} {} {:?} ({})", said.status, said.code, said.rows, said.request))
            .collect();
        (!is_right).then(|| format!("{}: {} but {told:?}", self.what, said.join(", ")))
    }
}

/// The problem's code; nothing where there is no problem, or an answer that is not the product's.
fn code_of(text: &str) -> String {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    body["code"].as_str().unwrap_or_default().to_owned()
}

/// How many rows are done, and whether one is to be sent again.
fn rows_of(text: &str) -> (usize, bool) {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    let statuses = body["results"].as_array().into_iter().flatten();
    let statuses: Vec<u64> = statuses.filter_map(|row| row["status"].as_u64()).collect();
    let done = statuses.iter().filter(|status| **status == 201).count();
    (done, statuses.contains(&503))
}

fn address(n: usize, domain: usize) -> String {
    format!("person{n}@{}", DOMAINS[domain])
}

fn plain(method: Method, who: Person, path: String, body: Value, verb: Verb) -> Call {
    Call {
        who,
        method,
        path,
        etag: None,
        key: None,
        body,
        verb: Some(verb),
    }
}

/// A request with an idempotency key.
fn keyed(who: Person, path: String, body: Value, verb: Verb) -> Call {
    Call {
        key: Some(fresh_key()),
        ..plain(Method::POST, who, path, body, verb)
    }
}

/// A request of somebody who saw revision `rev`.
fn seen(method: Method, who: Person, path: String, rev: u64, body: Value, verb: Verb) -> Call {
    Call {
        etag: Some(rev),
        ..plain(method, who, path, body, verb)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_holds_while_everything_fails() {
    let (seed, batches) = (seed(), rounds(20));
    let begun = Instant::now();
    let portal = Portal::start().await;
    // In the cloud a mail comes again after minutes, when a dead sender's claim is over; here the clock stands still meanwhile.
    portal.queues.create(
        MAIL_QUEUE,
        Delivery {
            max_receive_count: u32::MAX,
            pause: Duration::from_millis(20),
        },
    );
    let world = World {
        portal: &portal,
        links: Links::new(portal.config(0)).unwrap(),
        random: RefCell::new(StdRng::seed_from_u64(seed)),
        seen: RefCell::new(Table::read(&portal)),
        receipts: RefCell::default(),
        slowest: RefCell::default(),
    };
    for worker in [Worker::ExpireInvites, Worker::FinishDissolutions] {
        portal
            .app
            .store
            .due_done(worker, portal.clock.now())
            .await
            .unwrap();
    }
    for n in 0..LIVING {
        let body = json!({ "name": "Riverside" });
        world.person(n).post("/v1/organizations", body).await.expect(201);
    }
    *world.seen.borrow_mut() = Table::read(&portal);
    let mut fired: BTreeMap<Kind, u64> = BTreeMap::new();
    let mut violations = Vec::new();
    for batch in 0..batches {
        // When people do what they do, and what can fail fails
        portal.faults.set(seed.wrapping_add(batch as u64), rules());
        iter(0..BATCH)
            .map(|_| world.take(world.next()))
            .buffer_unordered(AT_ONCE)
            .collect::<()>()
            .await;
        portal.faults.clear();
        for kind in KINDS {
            *fired.entry(kind).or_default() += portal.faults.fired(kind);
        }

        // Then all is as it must be
        let table = Table::read(&portal);
        violations.extend(table.violations());
        violations.extend(world.contradictions(&table));
        assert!(
            violations.is_empty(),
            "PORTAL_SEED={seed}, batch {batch}:\n{}",
            violations.join("\n")
        );
        *world.seen.borrow_mut() = table;
        let jumps = [0, 0, 1, 5, 24, 48].map(SignedDuration::from_hours);
        portal.wait(world.one(jumps).unwrap());
    }

    // And when it is quiet again, what was promised has been done
    portal.wait(SENDING);
    portal.settle().await.unwrap();
    portal.wait(SENDING);
    let table = hold_at_rest(&portal).await;
    let contradictions = world.contradictions(&table);
    assert!(
        contradictions.is_empty(),
        "PORTAL_SEED={seed}:\n{}",
        contradictions.join("\n")
    );
    portal.wait(DAY * 8);
    for _ in 0..2 {
        portal.run_job("expire-invites").await.unwrap().unwrap();
    }
    let after = hold(&portal);
    assert!(
        after
            .invites
            .iter()
            .all(|invite| invite.status(portal.clock.now()) != Status::Pending)
    );
    assert!(after.invites.iter().all(|invite| !invite.seat_held));
    report(&world, &after, &fired, begun.elapsed());
    assert!(KINDS.iter().all(|kind| fired[kind] > 0), "{fired:?}");
}

fn report(world: &World<'_>, table: &Table, fired: &BTreeMap<Kind, u64>, duration: Duration) {
    let receipts = world.receipts.borrow();
    let mut said: BTreeMap<String, usize> = BTreeMap::new();
    let mut requests = 0;
    for receipt in receipts.iter() {
        requests += receipt.answers.len();
        let last = receipt.answers.last().unwrap();
        *said.entry(format!("{} {}", last.status, last.code)).or_default() += 1;
    }
    let mut verbs: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &table.events {
        *verbs.entry(event.verb.as_str()).or_default() += 1;
    }
    let mut mails: BTreeMap<String, usize> = BTreeMap::new();
    for mail in world.portal.mailbox.all() {
        *mails.entry(format!("{:?}", mail.tags)).or_default() += 1;
    }
    let twice = mails.values().filter(|times| **times > 1).count();
    println!(
        "{} operations, {requests} requests in {duration:.1?}",
        receipts.len()
    );
    println!("slowest requests: {:.1?}", world.slowest.borrow());
    println!("faults: {fired:?}");
    println!("last answers: {said:?}");
    println!("events: {verbs:?}");
    println!("mails: {}, of them twice: {twice}", mails.len());
}
