//! Work behind the scenes: invites expire at their instant, once, however the job runs; a mail that a sender left half way goes out.

use jiff::{SignedDuration, Timestamp};
use portal_app::{Mailing, Part};
use portal_domain::access::{Access, Phase};
use portal_domain::audit::{Origin, Verb};
use portal_domain::invite::{Delivery, Draft, LIFETIME, SENDING};
use portal_domain::role::Role;
use portal_local::faults::{Kind, Rule};
use portal_local::mailbox::{Bounce, Event};
use serde_json::{Value, json};

use crate::invariants::hold;
use crate::support::{Clinic, DAY, Person, Portal, SECOND, at_once, insist, killed_after, seed};

const JOB: &str = "expire-invites";
const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn numbers(report: &Value) -> [u64; 2] {
    ["done", "settled"].map(|name| report[name].as_u64().unwrap())
}

/// Runs the job, which leaves nothing: what it did, and what had settled itself.
async fn run(portal: &Portal) -> [u64; 2] {
    numbers(&portal.run_job(JOB).await.unwrap().unwrap())
}

/// Invites people, and lets time pass until shortly before the invites expire; the job has run until then.
async fn about_to_expire(clinic: &Clinic<'_>, roles: &[&str]) -> (Vec<String>, Timestamp) {
    let mut invites = Vec::new();
    for (n, role) in roles.iter().enumerate() {
        let made = clinic.invite(&format!("person{n}@riverside.example"), role).await;
        invites.push(made.expect(201).id());
    }
    let last = clinic.seen(invites.last().unwrap()).await;
    let expires_at: Timestamp = last["expires_at"].as_str().unwrap().parse().unwrap();
    clinic.portal.wait(LIFETIME - HOUR);
    assert_eq!(run(clinic.portal).await, [0, 0]);
    (invites, expires_at)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_expires_at_its_instant_once_and_never_before() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (invites, expires_at) = about_to_expire(&clinic, &["provider"]).await;

    // A moment before, nothing happens, though the job looks at that hour already
    portal.wait_until(expires_at - SECOND * 30);
    assert_eq!(run(&portal).await, [0, 0]);
    assert_eq!(clinic.seen(&invites[0]).await["status"], "pending");
    assert_eq!(clinic.seats_used().await, 1);

    // At the instant it is over, and the seat is free
    portal.wait_until(expires_at);
    assert_eq!(clinic.seen(&invites[0]).await["status"], "expired");
    assert_eq!(run(&portal).await, [1, 0]);
    assert_eq!(clinic.seats_used().await, 0);

    // A second run finds nothing to do
    assert_eq!(run(&portal).await, [0, 0]);
    assert_eq!(hold(&portal).events_of(Verb::InviteExpired), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_comes_a_day_late_finds_its_work() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (_, expires_at) = about_to_expire(&clinic, &["provider", "viewer", "provider"]).await;

    portal.wait_until(expires_at + DAY);

    assert_eq!(run(&portal).await, [3, 0]);
    assert_eq!(clinic.seats_used().await, 0);
    assert_eq!(hold(&portal).events_of(Verb::InviteExpired), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_at_the_same_time_expire_each_invite_once() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let roles = ["provider", "viewer", "provider", "provider", "viewer", "provider"];
    let (_, expires_at) = about_to_expire(&clinic, &roles).await;
    portal.wait_until(expires_at);

    let shuffled = Rule::new(Kind::Delay, 0.5).lasting(3);
    portal
        .faults
        .set(seed(), vec![shuffled, Rule::new(Kind::Conflict, 0.0)]);
    let reports = at_once((0..3).map(|_| run(&portal))).await;
    portal.faults.clear();

    let done: u64 = reports.iter().map(|[done, ..]| done).sum();
    assert_eq!(done, 6, "{reports:?}");
    assert_eq!(run(&portal).await[0], 0);
    assert_eq!(clinic.seats_used().await, 0);
    assert_eq!(hold(&portal).events_of(Verb::InviteExpired), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_anywhere_is_finished_by_the_next() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (_, expires_at) = about_to_expire(&clinic, &["provider", "viewer", "provider"]).await;
    portal.wait_until(expires_at);

    // Each run is killed a little later than the one before
    let mut kills = 0;
    while killed_after(kills, portal.run_job(JOB)).await.is_none() {
        kills += 1;
        hold(&portal);
    }

    assert!(kills > 3, "it was killed {kills} times only");
    assert_eq!(clinic.seats_used().await, 0);
    assert_eq!(run(&portal).await, [0, 0]);
    assert_eq!(hold(&portal).events_of(Verb::InviteExpired), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_now_is_left_for_the_next_run() {
    // Given a table that takes no transaction
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (_, expires_at) = about_to_expire(&clinic, &["provider"]).await;
    portal.wait_until(expires_at);
    let refused = Rule::new(Kind::Throttle, 1.0).only("TransactWriteItems");
    portal.faults.set(seed(), vec![refused]);
    let failed = portal.run_job(JOB).await.unwrap().unwrap_err();
    assert!(failed.contains("too busy"), "{failed}");

    // When it takes them again, a day later, then what was left is done
    portal.faults.clear();
    portal.wait(DAY);
    assert_eq!(run(&portal).await, [1, 0]);
    assert_eq!(hold(&portal).events_of(Verb::InviteExpired), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_that_is_resent_while_it_expires_is_pending_again() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (invites, expires_at) = about_to_expire(&clinic, &["provider"; 8]).await;
    portal.wait_until(expires_at);

    let shuffled = Rule::new(Kind::Delay, 0.5).lasting(5);
    portal.faults.set(seed(), vec![shuffled]);
    let resent = at_once(invites.iter().map(|invite| insist(|| clinic.resend(invite))));
    let ([done, ..], resent) = tokio::join!(run(&portal), resent);
    portal.faults.clear();

    for answer in resent {
        assert_eq!(answer.answer.expect(200).text_at("/status"), "pending");
    }
    assert_eq!(clinic.seats_used().await, 8);
    // What the job left because it was resent, it finds settled: nothing that is pending expires.
    assert_eq!(run(&portal).await[0], 0);
    let after = hold(&portal);
    assert_eq!(after.events_of(Verb::InviteExpired) as u64, done);
    assert_eq!(clinic.seats_used().await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_that_bounces_while_it_expires_stays_undeliverable() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (invites, expires_at) = about_to_expire(&clinic, &["provider"; 8]).await;
    portal.settle().await.expect("all is delivered");
    portal.wait_until(expires_at);

    let shuffled = Rule::new(Kind::Delay, 0.5).lasting(5);
    portal.faults.set(seed(), vec![shuffled]);
    for n in 0..invites.len() {
        let email = format!("person{n}@riverside.example");
        assert!(portal.mailbox.report(&email, Event::Bounce, Bounce::Permanent));
    }
    let (run_once, settling) = tokio::join!(run(&portal), portal.settle());
    portal.faults.clear();
    settling.expect("all is delivered");

    // Where a report was first, the job looked at the invite anew
    assert_eq!(run_once, [8, 0]);
    let after = hold(&portal);
    assert_eq!(after.events_of(Verb::InviteExpired), 8);
    for delivery in deliveries(&portal) {
        assert!(matches!(delivery, Delivery::Undeliverable { .. }), "{delivery:?}");
    }
}

/// An invite as it is made, but for its message: nobody else sends its mail.
async fn unsent(clinic: &Clinic<'_>, person: &Person) -> Value {
    let store = clinic.store();
    let (known, organization) = store.access(clinic.admin.account, clinic.id).await.unwrap();
    let origin = Origin::default();
    let now = clinic.portal.clock.now();
    let access = Access::resolve(organization, known.memberships, None, Phase::Active, origin, now).unwrap();
    let draft = Draft {
        email: person.email.parse().unwrap(),
        role: Role::Viewer,
        locale: None,
    };
    let (_, mut change) = access.create_invite(draft, now).unwrap();
    let message = serde_json::to_string(&change.messages.pop().unwrap()).unwrap();
    store.commit(&change, None, now).await.unwrap();
    json!({ "Records": [{ "messageId": "one", "body": message }] })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_goes_out_wherever_its_sender_was_killed() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let mailing = Mailing::build(portal.config(0)).unwrap();
    let send = async |event: &Value| {
        let event = serde_json::from_value(event.clone()).unwrap();
        send_mail::handle(&mailing, event).await.unwrap()
    };
    let mut twice = 0;
    for kills in 0.. {
        // Given a sender that is killed, each time a little later
        let person = portal.person(&format!("person{kills}"));
        let event = unsent(&clinic, &person).await;
        let is_done = killed_after(kills, send(&event)).await.is_some();
        let sent = portal.mailbox.messages(&person.email).len();

        // When the message comes again at once, and when the first sender's time is over
        let again = send(&event).await;
        let meanwhile = portal.mailbox.messages(&person.email).len();
        portal.wait(SENDING);
        let mut later = send(&event).await;
        // What the killed sender had asked for last may have been done only now.
        if !later.batch_item_failures.is_empty() {
            later = send(&event).await;
        }

        // Then it is sent; twice only where nobody can know that it was
        let mails = portal.mailbox.messages(&person.email).len();
        assert!(later.batch_item_failures.is_empty());
        assert!((1..=2).contains(&mails), "{mails} mails after {kills} polls");
        assert!(
            sent == 0 || meanwhile == sent,
            "sent again within the sender's time"
        );
        assert!(meanwhile > 0 || again.batch_item_failures.len() == 1);
        twice += usize::from(mails == 2);
        if is_done {
            assert_eq!((sent, mails), (1, 1));
            assert!(kills > 1, "it was killed {kills} times only");
            break;
        }
    }
    println!("sent twice: {twice}");
    for invite in deliveries(&portal) {
        assert!(matches!(invite, Delivery::Sent { .. }), "{invite:?}");
    }
}

/// Where the mails of all invites are.
fn deliveries(portal: &Portal) -> Vec<Delivery> {
    let table = crate::invariants::Table::read(portal);
    table.invites.into_iter().map(|invite| invite.delivery).collect()
}
