//! Races: many requests at once over two sandboxes of each function and one table, so that no lock in a process can win them.
//!
//! `PORTAL_ROUNDS` sets how often each is run; the nightly run takes 1,000.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use futures_util::stream::iter;
use portal_domain::audit::Verb;
use portal_domain::invite::LIFETIME;
use portal_local::faults::{Kind, Rule};
use portal_local::identity::SignIn;
use serde_json::json;

use crate::invariants::{hold, hold_at_rest};
use crate::support::{
    Answer, Clinic, DAY, Insisted, Person, Portal, at_once, fresh_key, insist, rounds, seed,
};

/// How the table takes what comes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    /// One after the other, in an order that chance decides.
    Patient,
    /// As in the cloud: of transactions that overlap in an item, the later ones are cancelled.
    Conflicting,
}

impl Table {
    const BOTH: [Self; 2] = [Self::Patient, Self::Conflicting];

    fn set(self, portal: &Portal) {
        let shuffled = Rule::new(Kind::Delay, 0.5).lasting(3);
        let rules = match self {
            Self::Patient => vec![shuffled],
            // Some transactions take longer, so that others run into them.
            Self::Conflicting => vec![shuffled, Rule::new(Kind::Conflict, 0.2).lasting(5)],
        };
        portal.faults.set(seed(), rules);
    }

    /// Its share of the rounds of a race.
    fn rounds(self, all: usize) -> usize {
        match self {
            Self::Patient => all - all / 4,
            Self::Conflicting => all / 4,
        }
    }
}

/// Runs a race in `few` organizations (or as many as the nightly run wants), some at the same time: `prepare` is what is given,
/// `run` the race. In the end, everything in the table must be as it must be.
async fn race<'p, G, P, R>(
    portals: &'p [Portal; 2],
    few: usize,
    prepare: impl Fn(&'p Portal, usize) -> P,
    run: impl Fn(G, usize) -> R,
) where
    P: Future<Output = G>,
    R: Future<Output = ()>,
{
    const AT_ONCE: usize = 4;
    for (table, portal) in Table::BOTH.into_iter().zip(portals) {
        let count = table.rounds(rounds(few));
        let given: Vec<G> = iter(0..count)
            .map(|round| prepare(portal, round))
            .buffered(AT_ONCE)
            .collect()
            .await;
        table.set(portal);
        iter(given.into_iter().enumerate())
            .map(|(round, given)| run(given, round))
            .buffer_unordered(AT_ONCE)
            .collect::<()>()
            .await;
        portal.faults.clear();
        hold(portal);
        println!(
            "{table:?}: {count} rounds, {} conflicts",
            portal.faults.fired(Kind::Conflict)
        );
    }
}

async fn portals() -> [Portal; 2] {
    [Portal::start().await, Portal::start().await]
}

/// Status and code of an answer.
fn said(answer: &Answer) -> String {
    format!("{} {}", answer.status, answer.code()).trim().to_owned()
}

/// Fails unless exactly `winners` were answered with a success, and all others with one of `losses`. What was busy before its
/// refusal may have won without being told.
#[track_caller]
fn expect_winners(answers: &[Insisted], winners: usize, losses: &[&str]) {
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    for answer in answers {
        *tally.entry(said(answer)).or_default() += 1;
    }
    let won = answers.iter().filter(|answer| answer.status < 300).count();
    let unsure = answers
        .iter()
        .filter(|answer| answer.status >= 300 && answer.was_busy)
        .count();
    let is_expected =
        |answer: &Insisted| answer.status < 300 || answer.was_busy || losses.contains(&said(answer).as_str());
    assert!(
        won <= winners && won + unsure >= winners && answers.iter().all(is_expected),
        "{winners} of {tally:?}"
    );
}

#[track_caller]
fn expect_one_of(answer: &Insisted, expected: &[&str]) {
    let is_expected = expected.contains(&said(answer).as_str());
    assert!(is_expected || answer.was_busy, "{}", said(answer));
}

/// A POST that is insisted on under one key, so that it has one effect.
async fn post(person: &Person, path: &str, body: serde_json::Value) -> Insisted {
    let key = fresh_key();
    insist(|| person.post_with_key(path, &key, body.clone())).await
}

async fn accept(person: &Person, token: &str) -> Insisted {
    post(person, "/v1/invites/accept", json!({ "token": token })).await
}

async fn invite(clinic: &Clinic<'_>, email: &str, role: &str) -> Insisted {
    let body = json!({ "email": email, "role": role });
    post(&clinic.admin, &clinic.path("/invites"), body).await
}

/// A clinic for one round.
async fn clinic(portal: &Portal, round: usize) -> Clinic<'_> {
    let admin = portal.person(&format!("Dana{round}"));
    Clinic::of(portal, admin, "Riverside Family Practice").await
}

/// Somebody who is a member with `role`, in the fewest requests.
async fn member(clinic: &Clinic<'_>, name: &str, role: &str) -> Person {
    let person = clinic.portal.person(name);
    let invited_as = if role == "admin" { "viewer" } else { role };
    let token = invited(clinic, &person, invited_as).await.1;
    person.accept(&token).await.expect(201);
    if role == "admin" {
        let path = clinic.member_path(&person);
        let admin = json!({ "role": "admin" });
        clinic.admin.patch(&path, "\"1\"", admin).await.expect(200);
    }
    person
}

/// An invite and its token, in the fewest requests.
async fn invited(clinic: &Clinic<'_>, person: &Person, role: &str) -> (String, String) {
    let invite = clinic.invite(&person.email, role).await.expect(201).id();
    let token = clinic.link(&invite).await;
    (invite, token)
}

/// Somebody whose provider says from now on that they have `email`.
fn with_address(portal: &Portal, sub: &str, email: &str) -> Person {
    let sign_in = SignIn {
        name: Some("Ada".to_owned()),
        sub: Some(sub.to_owned()),
        ..SignIn::new(email)
    };
    Person::with(portal, &sign_in)
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_acceptances_of_one_link_make_one_member() {
    for table in Table::BOTH {
        let portal = Portal::start().await;
        let clinic = portal.clinic().await;
        let ada = portal.person("Ada");
        let (_, token) = clinic.invited(&ada, "provider").await;

        table.set(&portal);
        let answers = at_once((0..50).map(|_| accept(&ada, &token))).await;

        expect_winners(&answers, 1, &["409 invite_accepted"]);
        portal.faults.clear();
        let after = hold_at_rest(&portal).await;
        assert_eq!(after.events_of(Verb::InviteAccepted), 1);
        assert_eq!(after.memberships.len(), 2);
        assert_eq!(clinic.seats_used().await, 1);
    }
}

/// Forty people are invited at once; how many invites there are then.
async fn forty_are_invited(table: Table, clinic: &Clinic<'_>) -> usize {
    table.set(clinic.portal);
    let answers = at_once((0..40).map(async |n: u8| {
        let email = format!("person{n}@riverside.example");
        invite(clinic, &email, "provider").await
    }))
    .await;
    clinic.portal.faults.clear();
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    expect_winners(&answers, made, &["409 seat_limit_reached"]);
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_invites_for_ten_seats_are_ten() {
    for table in Table::BOTH {
        let portal = Portal::start().await;
        let clinic = portal.clinic().await;

        assert_eq!(forty_are_invited(table, &clinic).await, 10);

        let after = hold_at_rest(&portal).await;
        assert_eq!(after.events_of(Verb::InviteCreated), 10);
        assert_eq!(clinic.seats_used().await, 10);
        assert_eq!(portal.mailbox.all().len(), 10);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_invites_take_over_ten_expired_seats() {
    for table in Table::BOTH {
        // Given ten seats, all held by invites that have expired
        let portal = Portal::start().await;
        let clinic = portal.clinic().await;
        for n in 0..10 {
            let email = format!("late{n}@riverside.example");
            clinic.invite(&email, "provider").await.expect(201);
        }
        portal.wait(LIFETIME);

        assert_eq!(forty_are_invited(table, &clinic).await, 10);

        // The log says once of each expired invite that it expired.
        let after = hold_at_rest(&portal).await;
        assert_eq!(after.events_of(Verb::InviteExpired), 10);
        assert_eq!(after.events_of(Verb::InviteCreated), 20);
        assert_eq!(clinic.seats_used().await, 10);
    }
}

/// As many get in as the smaller plan has seats, and all others are told that it has no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_acceptances_fill_the_seats_of_a_smaller_plan() {
    const SEATS: u32 = 3;
    for (table, count) in [(Table::Patient, 100), (Table::Conflicting, 12)] {
        // Given pending invites that hold seats, and a plan that became smaller
        let portal = Portal::start().await;
        let clinic = portal.clinic().await;
        clinic.plan(count).await;
        let people: Vec<Person> = (0..count).map(|n| portal.person(&format!("person{n}"))).collect();
        // A few at a time: a slow machine has time for these.
        for some in people.chunks(10) {
            let row = |person: &Person| json!({ "email": person.email, "role": "provider" });
            let rows: Vec<_> = some.iter().map(row).collect();
            let path = clinic.path("/invites/bulk");
            let made = clinic
                .admin
                .post(&path, json!({ "invites": rows }))
                .await
                .expect(200);
            let results = made.json()["results"].as_array().unwrap().clone();
            assert!(results.iter().all(|row| row["status"] == 201));
        }
        let mut links = Vec::new();
        for invite in hold(&portal).invites {
            let person = people.iter().find(|p| p.email == invite.email.as_str());
            links.push((person.unwrap(), clinic.link(&invite.id.to_string()).await));
        }
        clinic.plan(SEATS).await;

        // When all follow their links at once
        table.set(&portal);
        let answers = at_once(links.iter().map(|(person, link)| accept(person, link))).await;

        // Then the plan is full, and every other invite has ended
        expect_winners(&answers, SEATS as usize, &["409 seat_limit_reached"]);
        portal.faults.clear();
        let after = hold_at_rest(&portal).await;
        assert_eq!(after.events_of(Verb::InviteVoided), (count - SEATS) as usize);
        assert_eq!(clinic.seats_used().await, SEATS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_viewers_become_providers_as_there_are_seats() {
    for table in Table::BOTH {
        let portal = Portal::start().await;
        let clinic = portal.clinic().await;
        let mut people = Vec::new();
        for n in 0..8 {
            people.push(member(&clinic, &format!("person{n}"), "viewer").await);
        }
        clinic.plan(3).await;

        table.set(&portal);
        let promote = async |person: &Person| insist(|| clinic.set_role(person, "provider")).await;
        let answers = at_once(people.iter().map(promote)).await;

        expect_winners(&answers, 3, &["409 seat_limit_reached"]);
        portal.faults.clear();
        hold(&portal);
        assert_eq!(clinic.seats_used().await, 3);
    }
}

/// A clinic with two admins, and the `ETag`s of their memberships.
struct Two<'p> {
    clinic: Clinic<'p>,
    erin: Person,
    danas: String,
    erins: String,
}

impl<'p> Two<'p> {
    async fn admins(portal: &'p Portal, round: usize) -> Self {
        let clinic = clinic(portal, round).await;
        let erin = member(&clinic, &format!("Erin{round}"), "admin").await;
        // As they are after one and two changes: a founder, and somebody who was promoted.
        let (danas, erins) = ("\"1\"".to_owned(), "\"2\"".to_owned());
        Self {
            clinic,
            erin,
            danas,
            erins,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_admins_stays_when_both_leave() {
    let run = async |Two { clinic, erin, .. }: Two<'_>, _| {
        let leave = clinic.path("/leave");
        let leave = async |who: &Person| insist(|| who.post(&leave, json!({}))).await;
        let answers = at_once([leave(&clinic.admin), leave(&erin)]).await;

        expect_winners(&answers, 1, &["409 last_admin"]);
        assert_eq!(clinic.admins().await, 1);
    };
    race(&portals().await, 100, Two::admins, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_admins_stays_when_they_remove_each_other() {
    let run = async |two: Two<'_>, _| {
        let Two { clinic, erin, .. } = &two;
        let (dana_path, erin_path) = (clinic.member_path(&clinic.admin), clinic.member_path(erin));
        let (one, other) = tokio::join!(
            insist(|| clinic.admin.delete(&erin_path, &two.erins)),
            insist(|| erin.delete(&dana_path, &two.danas))
        );

        // Who is removed first is a stranger when the other's removal is decided.
        let losses = ["404 organization_not_found", "409 last_admin"];
        expect_winners(&[one, other], 1, &losses);
        assert_eq!(clinic.admins().await, 1);
    };
    race(&portals().await, 40, Two::admins, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_admins_stays_when_they_demote_each_other() {
    let run = async |two: Two<'_>, _| {
        let Two { clinic, erin, .. } = &two;
        let (dana_path, erin_path) = (clinic.member_path(&clinic.admin), clinic.member_path(erin));
        let viewer = json!({ "role": "viewer" });
        let (one, other) = tokio::join!(
            insist(|| clinic.admin.patch(&erin_path, &two.erins, viewer.clone())),
            insist(|| erin.patch(&dana_path, &two.danas, viewer.clone()))
        );

        let losses = ["403 permission_missing", "409 last_admin"];
        expect_winners(&[one, other], 1, &losses);
        assert_eq!(clinic.admins().await, 1);
    };
    race(&portals().await, 40, Two::admins, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_admin_stays_when_all_go_in_every_way() {
    let prepare = async |portal, round| {
        let clinic = clinic(portal, round).await;
        let mut erins = Vec::new();
        for n in 0..3 {
            erins.push(member(&clinic, &format!("Erin{round}x{n}"), "admin").await);
        }
        (clinic, erins)
    };
    let run = async |(clinic, erins): (Clinic<'_>, Vec<Person>), _| {
        let leave = clinic.path("/leave");
        let left = at_once(erins.iter().map(|erin| erin.post(&leave, json!({}))));
        let removed = at_once(
            erins
                .iter()
                .map(async |erin| clinic.admin.delete(&clinic.member_path(erin), "\"2\"").await),
        );
        let demoted = at_once(erins.iter().map(async |erin| {
            let path = clinic.member_path(&clinic.admin);
            erin.patch(&path, "\"1\"", json!({ "role": "viewer" })).await
        }));
        let dana_left = clinic.admin.post(&leave, json!({}));

        let (left, removed, demoted, dana_left) = tokio::join!(left, removed, demoted, dana_left);

        let is_served = |answer: &Answer| answer.status < 500 || answer.code() == "busy";
        let mut all = [left, removed, demoted].concat();
        all.push(dana_left);
        assert!(all.iter().all(is_served));
        assert!(clinic.admins().await >= 1);
    };
    race(&portals().await, 12, prepare, run).await;
}

/// An invite of a clinic, its link, and the person it is for.
struct Invited<'p> {
    clinic: Clinic<'p>,
    ada: Person,
    invite: String,
    token: String,
}

impl<'p> Invited<'p> {
    async fn as_provider(portal: &'p Portal, round: usize) -> Self {
        let clinic = clinic(portal, round).await;
        let ada = portal.person(&format!("Ada{round}"));
        let (invite, token) = invited(&clinic, &ada, "provider").await;
        Self {
            clinic,
            ada,
            invite,
            token,
        }
    }

    async fn accept(&self) -> Insisted {
        accept(&self.ada, &self.token).await
    }

    async fn decline(&self) -> Insisted {
        insist(|| self.ada.decline(&self.token)).await
    }

    /// By somebody who has seen it as it was made.
    async fn revoke(&self) -> Insisted {
        let path = self.clinic.path(&format!("/invites/{}", self.invite));
        insist(|| self.clinic.admin.delete(&path, "\"1\"")).await
    }

    async fn resend(&self) -> Insisted {
        let path = self.clinic.path(&format!("/invites/{}/resend", self.invite));
        post(&self.clinic.admin, &path, json!({})).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_is_either_accepted_or_revoked() {
    let run = async |given: Invited<'_>, _| {
        let (accepted, revoked) = tokio::join!(given.accept(), given.revoke());

        let is_member = u32::from(accepted.status == 201);
        let losses = ["409 invite_accepted", "409 invite_revoked"];
        expect_winners(&[accepted, revoked], 1, &losses);
        assert_eq!(given.clinic.seats_used().await, is_member);
    };
    race(&portals().await, 20, Invited::as_provider, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_is_either_accepted_or_declined() {
    let run = async |given: Invited<'_>, _| {
        let (accepted, declined) = tokio::join!(given.accept(), given.decline());

        let losses = ["409 invite_accepted", "409 invite_declined"];
        expect_winners(&[accepted, declined], 1, &losses);
    };
    race(&portals().await, 20, Invited::as_provider, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_either_accepted_or_superseded() {
    let run = async |given: Invited<'_>, _| {
        let (accepted, resent) = tokio::join!(given.accept(), given.resend());

        let losses = ["409 invite_accepted", "409 invite_superseded"];
        expect_winners(&[accepted, resent], 1, &losses);
    };
    race(&portals().await, 20, Invited::as_provider, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_is_either_revoked_or_resent() {
    let run = async |given: Invited<'_>, _| {
        let (revoked, resent) = tokio::join!(given.revoke(), given.resend());

        // Whoever revokes has seen another link than the one that is out now.
        let losses = ["412 revision_mismatch", "409 invite_revoked"];
        expect_winners(&[revoked, resent], 1, &losses);
    };
    race(&portals().await, 20, Invited::as_provider, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resends_at_once_leave_one_live_link() {
    let run = async |given: Invited<'_>, _| {
        let resent = at_once((0..5).map(|_| given.resend())).await;

        // Each counts, one after the other, and only the last link opens the invite.
        expect_winners(&resent, 5, &[]);
        let superseded = given.accept().await;
        superseded.answer.expect_problem(409, "invite_superseded");
        let newest = given.clinic.link(&given.invite).await;
        let accepted = accept(&given.ada, &newest).await;
        accepted.answer.expect(201);
        assert_eq!(given.clinic.seats_used().await, 1);
    };
    race(&portals().await, 8, Invited::as_provider, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_is_invited_once_however_it_is_spelled() {
    for table in Table::BOTH {
        let portal = Portal::start().await;
        let clinic = portal.clinic().await;
        let spelled = [
            "ada@riverside.example",
            "ADA@Riverside.EXAMPLE",
            "Ada@riverside.example",
        ];

        table.set(&portal);
        let answers = at_once((0..12).map(|n| invite(&clinic, spelled[n % 3], "provider"))).await;

        expect_winners(&answers, 1, &["409 invite_pending"]);
        portal.faults.clear();
        hold_at_rest(&portal).await;
        assert_eq!(portal.mailbox.messages("ada@riverside.example").len(), 1);
        assert_eq!(portal.mailbox.all().len(), 1);
        assert_eq!(clinic.seats_used().await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_has_one_effect_and_one_answer() {
    let run = async |clinic: Clinic<'_>, round| {
        let (key, path) = (fresh_key(), clinic.path("/invites"));
        let body = json!({ "email": format!("ada{round}@riverside.example"), "role": "provider" });

        let invite = async |_| insist(|| clinic.admin.post_with_key(&path, &key, body.clone())).await;
        let answers = at_once((0..12).map(invite)).await;

        expect_winners(&answers, 12, &[]);
        assert!(answers.iter().all(|answer| answer.text == answers[0].text));
        assert_eq!(clinic.seats_used().await, 1);
    };
    race(&portals().await, 8, clinic, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_for_two_requests_has_the_effect_of_one() {
    let run = async |clinic: Clinic<'_>, round| {
        let (key, path) = (fresh_key(), clinic.path("/invites"));
        let invite = async |name: &str| {
            let body = json!({ "email": format!("{name}{round}@riverside.example"), "role": "viewer" });
            insist(|| clinic.admin.post_with_key(&path, &key, body.clone())).await
        };

        let answers = at_once([invite("ada"), invite("ben")]).await;

        expect_winners(&answers, 1, &["422 idempotency_key_reused"]);
        let open = clinic.admin.get(&path).await.expect(200).items();
        assert_eq!(open.len(), 1);
    };
    race(&portals().await, 20, clinic, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_either_given_or_deleted() {
    let prepare = async |portal, round| {
        let clinic = clinic(portal, round).await;
        let ada = member(&clinic, &format!("Ada{round}"), "viewer").await;
        let role = clinic.role("Front desk", &["members.read"]).await;
        (clinic, ada, role)
    };
    let run = async |(clinic, ada, role): (Clinic<'_>, Person, String), _| {
        let path = clinic.path(&format!("/roles/{role}"));
        let (given, deleted) = tokio::join!(
            insist(|| clinic.set_role(&ada, &role)),
            insist(|| clinic.admin.delete(&path, "\"1\""))
        );

        expect_winners(&[given, deleted], 1, &["422 role_unknown", "409 role_in_use"]);
    };
    race(&portals().await, 20, prepare, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_either_accepted_or_deleted() {
    let prepare = async |portal, round| {
        let clinic = clinic(portal, round).await;
        let ada = portal.person(&format!("Ada{round}"));
        let role = clinic.role("Night shift", &["sessions.create"]).await;
        let (_, token) = invited(&clinic, &ada, &role).await;
        (clinic, ada, role, token)
    };
    let run = async |(clinic, ada, role, token): (Clinic<'_>, Person, String, String), _| {
        let path = clinic.path(&format!("/roles/{role}"));
        let (accepted, deleted) = tokio::join!(
            accept(&ada, &token),
            insist(|| clinic.admin.delete(&path, "\"1\""))
        );

        let is_member = u32::from(accepted.status == 201);
        expect_winners(&[accepted, deleted], 1, &["409 role_gone", "409 role_in_use"]);
        assert_eq!(clinic.seats_used().await, is_member);
    };
    race(&portals().await, 20, prepare, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_joins_unseen_while_an_organization_is_dissolved() {
    let run = async |given: Invited<'_>, _| {
        // The removal of others is not confirmed.
        let body = json!({ "name": "Riverside Family Practice" });
        let path = given.clinic.path("/dissolution");
        let (accepted, dissolved) = tokio::join!(
            given.accept(),
            insist(|| given.clinic.admin.post(&path, body.clone()))
        );

        let losses = ["409 organization_dissolving", "409 members_remaining"];
        expect_winners(&[accepted, dissolved], 1, &losses);
    };
    race(&portals().await, 20, Invited::as_provider, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_gets_one_account() {
    let prepare = async |portal, round| {
        let email = format!("ada{round}@riverside.example");
        [0, 1, 2, 3].map(|n| with_address(portal, &format!("subject-{round}-{n}"), &email))
    };
    let run = async |people: [Person; 4], _| {
        let answers = at_once(people.iter().map(|person| insist(|| person.get("/v1/me")))).await;

        expect_winners(&answers, 1, &["409 email_claimed"]);
    };
    race(&portals().await, 20, prepare, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_requests_of_a_person_make_one_account() {
    let prepare = async |portal: &Portal, round| portal.person(&format!("Ada{round}"));
    let run = async |ada: Person, _| {
        let answers = at_once((0..8).map(|_| insist(|| ada.get("/v1/me")))).await;

        expect_winners(&answers, 8, &[]);
    };
    race(&portals().await, 12, prepare, run).await;
}

/// Somebody with an account whose provider says another address now: as they sign in before and after.
async fn moving(portal: &Portal, sub: &str, to: &str) -> (Person, Person) {
    let before = with_address(portal, sub, &format!("{sub}@riverside.example"));
    before.get("/v1/me").await.expect(200);
    (before, with_address(portal, sub, to))
}

/// Takes the address of the sign-in for the account's, as it was first seen.
async fn adopt(person: &Person) -> Insisted {
    let body = json!({ "email": person.email });
    insist(|| person.patch("/v1/me", "\"1\"", body.clone())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_cannot_adopt_one_address() {
    let prepare = async |portal, round| {
        let wanted = format!("office{round}@riverside.example");
        [
            moving(portal, &format!("ada-{round}"), &wanted).await.1,
            moving(portal, &format!("ben-{round}"), &wanted).await.1,
        ]
    };
    let run = async |people: [Person; 2], _| {
        let answers = at_once(people.iter().map(adopt)).await;

        expect_winners(&answers, 1, &["409 email_claimed"]);
    };
    race(&portals().await, 20, prepare, run).await;
}

/// What the table must be like afterwards is checked when all rounds are over: account and membership have one address.
#[tokio::test(flavor = "multi_thread")]
async fn who_joins_while_changing_address_has_one_address() {
    let prepare = async |portal, round| {
        let clinic = clinic(portal, round).await;
        let sub = format!("ada-{round}");
        let (ada, moved) = moving(portal, &sub, &format!("{sub}@lakeside.example")).await;
        let (_, token) = invited(&clinic, &ada, "viewer").await;
        (clinic, ada, moved, token)
    };
    let run = async |(_, ada, moved, token): (Clinic<'_>, Person, Person, String), _| {
        let (joined, adopted) = tokio::join!(accept(&ada, &token), adopt(&moved));

        expect_one_of(&joined, &["201", "409 email_changed"]);
        // Who joins or founds has another account than was seen: its revision covers its memberships.
        expect_one_of(&adopted, &["200", "412 revision_mismatch"]);
    };
    race(&portals().await, 40, prepare, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_while_changing_address_is_asked_whether_it_is_allowed_there() {
    let prepare = async |portal, round| {
        let clinic = clinic(portal, round).await;
        clinic
            .configure(json!({ "allowed_domains": ["riverside.example"] }))
            .await;
        let sub = format!("ada-{round}");
        let (ada, moved) = moving(portal, &sub, &format!("{sub}@lakeside.example")).await;
        let (_, token) = invited(&clinic, &ada, "viewer").await;
        (clinic, ada, moved, token)
    };
    let run = async |(clinic, ada, moved, token): (Clinic<'_>, Person, Person, String), _| {
        let (joined, adopted) = tokio::join!(accept(&ada, &token), adopt(&moved));

        expect_one_of(&joined, &["201", "409 email_changed"]);
        let refusals = ["412 revision_mismatch", "422 email_domain_not_allowed"];
        expect_one_of(&adopted, &["200", refusals[0], refusals[1]]);
        for member in clinic.admin.all(&clinic.path("/members")).await {
            let email = member["email"].as_str().unwrap();
            assert!(email.ends_with("@riverside.example"), "{email}");
        }
    };
    race(&portals().await, 40, prepare, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_founds_while_changing_address_has_one_address() {
    let prepare = async |portal, round| {
        let sub = format!("ada-{round}");
        moving(portal, &sub, &format!("{sub}@lakeside.example")).await
    };
    let run = async |(ada, moved): (Person, Person), _| {
        let body = json!({ "name": "Lakeside" });
        let (founded, adopted) = tokio::join!(post(&ada, "/v1/organizations", body), adopt(&moved));

        expect_one_of(&founded, &["201", "409 email_changed"]);
        // Who joins or founds has another account than was seen: its revision covers its memberships.
        expect_one_of(&adopted, &["200", "412 revision_mismatch"]);
    };
    race(&portals().await, 40, prepare, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_with_a_right_that_is_lost_meanwhile() {
    let prepare = async |portal, round| {
        let two = Two::admins(portal, round).await;
        let role = two.clinic.role("Front desk", &["members.read"]).await;
        (two, role)
    };
    let run = async |(two, role): (Two<'_>, String), round: usize| {
        let Two { clinic, erin, .. } = &two;
        let (path, role) = (clinic.member_path(erin), clinic.path(&format!("/roles/{role}")));
        let invites = clinic.path("/invites");
        let body = json!({ "email": format!("ada{round}@riverside.example"), "role": "viewer" });
        // Half of the time Erin is removed, half of the time she is only a viewer from now on.
        let is_removed = round.is_multiple_of(2);
        let stripped = async || {
            if is_removed {
                clinic.admin.delete(&path, &two.erins).await
            } else {
                let viewer = json!({ "role": "viewer" });
                clinic.admin.patch(&path, &two.erins, viewer).await
            }
        };
        let (stripped, invited, deleted) = tokio::join!(
            insist(stripped),
            post(erin, &invites, body),
            insist(|| erin.delete(&role, "\"1\"")),
        );

        let lost = if is_removed {
            "404 organization_not_found"
        } else {
            "403 permission_missing"
        };
        expect_one_of(&stripped, &["200", "204"]);
        expect_one_of(&invited, &["201", lost]);
        expect_one_of(&deleted, &["204", lost]);
        let open = clinic.admin.get(&invites).await.expect(200).items();
        assert_eq!(open.len(), usize::from(invited.status == 201));
        let left = clinic.admin.get(&role).await.status;
        assert_eq!(left, if deleted.status == 204 { 404 } else { 200 });
    };
    race(&portals().await, 20, prepare, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_joins_by_the_invite_of_somebody_who_lost_the_right() {
    let prepare = async |portal, round| {
        let two = Two::admins(portal, round).await;
        let ada = two.clinic.portal.person(&format!("Ada{round}"));
        let body = json!({ "email": ada.email, "role": "provider" });
        let path = two.clinic.path("/invites");
        let invite = two.erin.post(&path, body).await.expect(201).id();
        let token = two.clinic.link(&invite).await;
        (two, ada, token)
    };
    let run = async |(two, ada, token): (Two<'_>, Person, String), _| {
        let Two { clinic, erin, .. } = &two;
        let path = clinic.member_path(erin);
        let viewer = json!({ "role": "viewer" });
        let (demoted, accepted) = tokio::join!(
            insist(|| clinic.admin.patch(&path, &two.erins, viewer.clone())),
            accept(&ada, &token)
        );

        expect_one_of(&demoted, &["200"]);
        expect_one_of(&accepted, &["201", "409 inviter_without_right"]);
        let (codes, members) = (accepted.status, members_counted(clinic).await);
        assert_eq!(members, if codes == 201 { 3 } else { 2 });
    };
    race(&portals().await, 20, prepare, run).await;
}

/// How many members the counter knows.
async fn members_counted(clinic: &Clinic<'_>) -> u64 {
    clinic.store().counts(clinic.id).await.unwrap().unwrap().members
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_changed_at_once_lose_nothing() {
    let run = async |clinic: Clinic<'_>, _| {
        let path = clinic.path("");
        let zones = ["Europe/Berlin", "Europe/Paris", "America/Denver", "Asia/Tokyo"];
        let set =
            async |zone| insist(|| clinic.admin.patch(&path, "\"1\"", json!({ "time_zone": zone }))).await;
        let answers = at_once(zones.map(set)).await;

        // Whoever saw the settings before somebody else's change must look again.
        expect_winners(&answers, 1, &["412 revision_mismatch"]);
    };
    race(&portals().await, 12, clinic, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_invite_is_resent_or_its_seat_taken_over() {
    for table in Table::BOTH {
        // Given clinics with one seat each, held by an invite that has expired
        let portal = Portal::start().await;
        let mut clinics = Vec::new();
        for round in 0..table.rounds(rounds(20)) {
            let clinic = clinic(&portal, round).await;
            clinic.plan(1).await;
            let ada = portal.person(&format!("Ada{round}"));
            let (invite, _) = invited(&clinic, &ada, "provider").await;
            clinics.push((clinic, invite));
        }
        portal.wait(LIFETIME + DAY);
        table.set(&portal);
        for (round, (clinic, expired)) in clinics.iter().enumerate() {
            let resend = clinic.path(&format!("/invites/{expired}/resend"));
            let email = format!("ben{round}@riverside.example");

            // When it is resent while somebody else is invited
            let (resent, other) = tokio::join!(
                post(&clinic.admin, &resend, json!({})),
                invite(clinic, &email, "provider")
            );

            // Then one of the two has the seat
            expect_winners(&[resent, other], 1, &["409 seat_limit_reached"]);
            assert_eq!(clinic.seats_used().await, 1);
        }
        portal.faults.clear();
        hold(&portal);
    }
}
