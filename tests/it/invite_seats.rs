//! Invites and what they rest on: seats, roles, domains, the inviter, the organization itself.

use portal_domain::invite::LIFETIME;
use portal_domain::organization::GRACE;
use portal_local::identity::SignIn;
use serde_json::json;

use crate::support::{Clinic, DAY, Person, Portal};

/// `count` providers that nobody has heard of, invited one after the other; gives the invites.
async fn invite_providers(clinic: &Clinic<'_>, name: &str, count: usize) -> Vec<String> {
    let mut invites = Vec::new();
    for n in 0..count {
        let invite = clinic.invite(&format!("{name}{n}@x.example"), "provider").await;
        invites.push(invite.expect(201).id());
    }
    invites
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_invites_to_roles_that_hold_sessions_hold_the_seats_of_the_plan() {
    // Given a clinic on the Team plan
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let locum = clinic.role("Locum", &["sessions.create", "members.read"]).await;

    // When ten people are invited to hold sessions
    invite_providers(&clinic, "provider", 9).await;
    let tenth = clinic.invite("locum@x.example", &locum).await.expect(201);

    // Then there is no eleventh seat, neither for a provider nor for a custom role
    assert_eq!(tenth.text_at("/holds_seat"), "true");
    for role in ["provider", &locum] {
        clinic
            .invite("ada@x.example", role)
            .await
            .expect_problem(409, "seat_limit_reached");
    }
    // while those who take none can be invited
    let viewer = clinic.invite("ada@x.example", "viewer").await.expect(201);
    assert_eq!(viewer.text_at("/holds_seat"), "false");
    // and a seat that is freed can be taken
    clinic.revoke(&tenth.id()).await.expect(200);
    clinic.invite("ben@x.example", "provider").await.expect(201);
    assert_eq!(clinic.seats_used().await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_seats_for_six_invites_at_once_are_two_invites() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    clinic.plan(2).await;

    let emails: Vec<String> = (0..6).map(|n| format!("p{n}@x.example")).collect();
    let invites = emails.iter().map(|email| clinic.invite(email, "provider"));
    let answers = futures_util::future::join_all(invites).await;

    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 2, "{answers:?}");
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        assert!(
            matches!(refused.code().as_str(), "seat_limit_reached" | "busy"),
            "{}",
            refused.text
        );
    }
    assert_eq!(clinic.seats_used().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_invites_free_their_seats_at_once_without_the_job() {
    // Given a clinic whose seats are all held by invites
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    clinic.plan(3).await;
    let old = invite_providers(&clinic, "old", 3).await;
    clinic
        .invite("new@x.example", "provider")
        .await
        .expect_problem(409, "seat_limit_reached");

    // When these expire and no job runs
    portal.wait(LIFETIME);
    assert_eq!(clinic.seen(&old[0]).await["holds_seat"], false);

    // Then their seats can be taken, at once too, and no more than these
    let emails: Vec<String> = (0..4).map(|n| format!("new{n}@x.example")).collect();
    let invites = emails.iter().map(|email| clinic.invite(email, "provider"));
    let answers = futures_util::future::join_all(invites).await;
    let made: Vec<String> = answers
        .iter()
        .filter(|answer| answer.status == 201)
        .map(crate::support::Answer::id)
        .collect();
    assert!(made.len() <= 3, "{answers:?}");
    let left = 3 - made.len();
    let more = invite_providers(&clinic, "more", left).await;
    clinic
        .invite("last@x.example", "provider")
        .await
        .expect_problem(409, "seat_limit_reached");
    assert_eq!(clinic.seats_used().await, 3);
    assert_eq!(clinic.audited("invite.expired").await, 3);
    // An expired one finds no seat to take again, until there is one
    clinic
        .resend(&old[1])
        .await
        .expect_problem(409, "seat_limit_reached");
    clinic
        .revoke(made.iter().chain(&more).next().unwrap())
        .await
        .expect(200);
    let resent = clinic.resend(&old[1]).await.expect(200);
    assert_eq!(resent.text_at("/holds_seat"), "true");
    assert_eq!(clinic.seats_used().await, 3);
    // And the job has nothing left to do for those that were taken over
    portal.run_job("expire-invites").await.unwrap().unwrap();
    assert_eq!(clinic.audited("invite.expired").await, 3);
    assert_eq!(clinic.seats_used().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_address_takes_over_the_seat_of_its_own_expired_invite() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    clinic.plan(1).await;
    let ada = portal.person("Ada");
    let (old, old_token) = clinic.invited(&ada, "provider").await;
    portal.wait(LIFETIME);

    let (_, token) = clinic.invited(&ada, "provider").await;

    ada.accept(&old_token).await.expect_problem(410, "invite_expired");
    ada.accept(&token).await.expect(201);
    assert_eq!(clinic.seats_used().await, 1);
    assert_eq!(clinic.seen(&old).await["status"], "expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_frees_the_seats_of_expired_invites_and_only_theirs() {
    // Given invites that expire and one that does not yet
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let old = invite_providers(&clinic, "old", 3).await;
    portal.wait(DAY * 3);
    invite_providers(&clinic, "new", 1).await;
    portal.wait(DAY * 4);

    // When the job runs, twice, and days later too
    let report = portal.run_job("expire-invites").await.unwrap().unwrap();
    let again = portal.run_job("expire-invites").await.unwrap().unwrap();

    // Then the seats of the expired ones are free, once
    assert_eq!((&report["done"], &again["done"]), (&json!(3), &json!(0)));
    assert_eq!(clinic.seats_used().await, 1);
    assert_eq!(clinic.audited("invite.expired").await, 3);
    // And a resend takes a seat again
    clinic.resend(&old[0]).await.expect(200);
    assert_eq!(clinic.seats_used().await, 2);
    portal.wait(DAY * 8);
    let report = portal.run_job("expire-invites").await.unwrap().unwrap();
    assert_eq!(report["done"], 2);
    assert_eq!(clinic.seats_used().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_invite_is_resent_with_the_seat_it_still_holds() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    clinic.plan(2).await;
    let ada = portal.person("Ada");
    let (invite, _) = clinic.invited(&ada, "provider").await;
    invite_providers(&clinic, "other", 1).await;
    portal.wait(LIFETIME);

    clinic.resend(&invite).await.expect(200);
    let token = clinic.token(&ada.email).await;

    assert_eq!(clinic.seats_used().await, 2);
    ada.accept(&token).await.expect(201);
    // The other expired one gives its seat to the next.
    invite_providers(&clinic, "next", 1).await;
    clinic
        .invite("last@x.example", "provider")
        .await
        .expect_problem(409, "seat_limit_reached");
    assert_eq!(clinic.seats_used().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_smaller_plan_expired_invites_hold_nothing_either() {
    // Given eight expired invites and two pending ones, whose clinic changes to a plan of three
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let old = invite_providers(&clinic, "old", 8).await;
    portal.wait(LIFETIME);
    let [ada, ben] = ["Ada", "Ben"].map(|name| portal.person(name));
    let (_, ada_token) = clinic.invited(&ada, "provider").await;
    let (_, ben_token) = clinic.invited(&ben, "provider").await;
    assert_eq!(clinic.seats_used().await, 10);
    clinic.plan(3).await;

    // When the seats that are really used are asked for, then there are enough for the two, and one more
    ada.accept(&ada_token).await.expect(201);
    clinic.resend(&old[0]).await.expect(200);
    clinic
        .invite("new@x.example", "provider")
        .await
        .expect_problem(409, "seat_limit_reached");
    clinic
        .resend(&old[7])
        .await
        .expect_problem(409, "seat_limit_reached");
    ben.accept(&ben_token).await.expect(201);
    assert_eq!(clinic.seats_used().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_smaller_plan_a_new_invite_finds_the_seats_of_expired_ones() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    invite_providers(&clinic, "old", 10).await;
    portal.wait(LIFETIME);
    clinic.plan(2).await;

    invite_providers(&clinic, "new", 2).await;

    clinic
        .invite("last@x.example", "provider")
        .await
        .expect_problem(409, "seat_limit_reached");
    assert_eq!(clinic.seats_used().await, 2);
    assert_eq!(clinic.audited("invite.expired").await, 10);
}

/// The link's answers from now on, and what is left of the invite: nothing.
async fn expect_closed(clinic: &Clinic<'_>, person: &Person, invite: &str, token: &str, code: &str) {
    let status = if code == "email_domain_not_allowed" {
        422
    } else {
        409
    };
    person.accept(token).await.expect_problem(status, code);
    person.accept(token).await.expect_problem(409, "invite_revoked");
    person.preview(token).await.expect_problem(409, "invite_revoked");
    let seen = clinic.seen(invite).await;
    assert_eq!(
        (&seen["status"], &seen["holds_seat"]),
        (&json!("revoked"), &json!(false))
    );
    clinic.resend(invite).await.expect_problem(409, "invite_revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_that_can_never_be_accepted_any_more_ends_and_frees_what_it_held() {
    // Given four invites that hold seats
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let role = clinic.role("Locum", &["sessions.create"]).await;
    let [ben, zoe] = ["Ben", "Zoe"].map(|name| portal.person(name));
    let dora = portal.person_with("Dora", "dora@elsewhere.example");
    let (ben_invite, ben_token) = clinic.invited(&ben, &role).await;
    let (dora_invite, dora_token) = clinic.invited(&dora, "provider").await;
    let (zoe_invite, zoe_token) = clinic.invited(&zoe, "provider").await;
    let mia = |email: &str| {
        let sign_in = SignIn {
            sub: Some("mia".to_owned()),
            ..SignIn::new(email)
        };
        Person::with(&portal, &sign_in)
    };
    clinic.join(&mia("mia@riverside.example"), "viewer").await;
    let mia = mia("mia.new@riverside.example");
    let (mia_invite, mia_token) = clinic.invited(&mia, "provider").await;
    assert_eq!(clinic.seats_used().await, 4);

    // When the role of the first is deleted, the second's domain is not allowed any more, the third is a member already
    // (by another address), and the plan is too small for the fourth
    let path = clinic.path(&format!("/roles/{role}"));
    let etag = clinic.admin.etag(&path).await;
    clinic.admin.delete(&path, &etag).await.expect(204);
    clinic
        .configure(json!({ "allowed_domains": ["riverside.example"] }))
        .await;

    // Then each is told why, once, and the seats are free
    ben.preview(&ben_token).await.expect_problem(409, "role_gone");
    expect_closed(&clinic, &ben, &ben_invite, &ben_token, "role_gone").await;
    assert_eq!(clinic.seats_used().await, 3);
    expect_closed(
        &clinic,
        &dora,
        &dora_invite,
        &dora_token,
        "email_domain_not_allowed",
    )
    .await;
    assert_eq!(clinic.seats_used().await, 2);
    expect_closed(&clinic, &mia, &mia_invite, &mia_token, "already_member").await;
    assert_eq!(clinic.seats_used().await, 1);
    clinic.plan(0).await;
    expect_closed(&clinic, &zoe, &zoe_invite, &zoe_token, "seat_limit_reached").await;
    assert_eq!(clinic.seats_used().await, 0);
    assert_eq!(clinic.audited("invite.voided").await, 4);

    // And their addresses are free again
    clinic.configure(json!({ "allowed_domains": [] })).await;
    for person in [&ben, &dora, &zoe] {
        let (_, token) = clinic.invited(person, "viewer").await;
        person.accept(&token).await.expect(201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inviter_must_still_have_the_right_at_acceptance() {
    // Given a receptionist who invited three people
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let own = ["invites.manage", "invites.read", "members.read"];
    let desk = clinic.role("Front desk", &own).await;
    let reader = clinic.role("Reader", &["members.read"]).await;
    let rita = clinic.member("Rita", &desk).await;
    let [ada, ben, cleo] = ["Ada", "Ben", "Cleo"].map(|name| portal.person(name));
    let mut links = Vec::new();
    for person in [&ada, &ben, &cleo] {
        let body = json!({ "email": person.email, "role": reader });
        let invite = rita.post(&clinic.path("/invites"), body).await.expect(201).id();
        links.push((invite, clinic.token(&person.email).await));
    }

    // When she has lost the right to invite, then hers cannot be accepted, and stand
    clinic.set_role(&rita, "viewer").await.expect(200);
    ada.accept(&links[0].1)
        .await
        .expect_problem(409, "inviter_without_right");
    assert_eq!(clinic.seen(&links[0].0).await["status"], "pending");
    // When she has it again, they can
    clinic.set_role(&rita, &desk).await.expect(200);
    ada.accept(&links[0].1).await.expect(201);

    // When the role she gave grows beyond hers, then it is not hers to give
    let path = clinic.path(&format!("/roles/{reader}"));
    let etag = clinic.admin.etag(&path).await;
    let grown = json!({ "permissions": ["members.read", "members.manage"] });
    clinic.admin.patch(&path, &etag, grown).await.expect(200);
    ben.accept(&links[1].1)
        .await
        .expect_problem(409, "inviter_without_right");

    // When she is gone, then neither; until an admin answers for the invite
    clinic.remove(&rita).await;
    cleo.accept(&links[2].1)
        .await
        .expect_problem(409, "inviter_without_right");
    let resent = clinic.resend(&links[2].0).await.expect(200);
    assert_eq!(
        resent.text_at("/invited_by/account_id"),
        clinic.admin.account.to_string()
    );
    let token = clinic.token(&cleo.email).await;
    cleo.accept(&token).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_cannot_come_back_by_an_invite_of_their_own() {
    // Given an admin who invites an address of their own and leaves
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let with = |email: &str| {
        let sign_in = SignIn {
            sub: Some("eve".to_owned()),
            ..SignIn::new(email)
        };
        Person::with(&portal, &sign_in)
    };
    let eve = with("eve@riverside.example");
    clinic.join(&eve, "admin").await;
    let body = json!({ "email": "eve.private@x.example", "role": "viewer" });
    eve.post(&clinic.path("/invites"), body).await.expect(201);
    let token = clinic.token("eve.private@x.example").await;
    clinic.remove(&eve).await;

    // When they follow the link under that address
    let eve = with("eve.private@x.example");
    let etag = eve.etag("/v1/me").await;
    eve.patch("/v1/me", &etag, json!({ "email": eve.email }))
        .await
        .expect(200);

    // Then there is nobody who invites them
    eve.accept(&token)
        .await
        .expect_problem(409, "inviter_without_right");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_adopts_an_address_only_after_its_invite_has_ended() {
    // Given a member, and an invite to an address that is theirs too
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let with = |email: &str| {
        let sign_in = SignIn {
            sub: Some("ada".to_owned()),
            ..SignIn::new(email)
        };
        Person::with(&portal, &sign_in)
    };
    clinic.join(&with("ada@riverside.example"), "provider").await;
    let ada = with("ada.new@riverside.example");
    let (invite, token) = clinic.invited(&ada, "provider").await;
    let adopt = || async {
        let etag = ada.etag("/v1/me").await;
        ada.patch("/v1/me", &etag, json!({ "email": ada.email })).await
    };

    // When they adopt it, then the invite is in the way: an address has one invite or one member
    adopt().await.expect_problem(409, "invite_pending");

    // When they answer it, it closes without a second seat, and the address can be adopted
    ada.accept(&token).await.expect_problem(409, "already_member");
    assert_eq!(clinic.seen(&invite).await["status"], "revoked");
    assert_eq!(clinic.seats_used().await, 1);
    adopt().await.expect(200);
    clinic
        .invite(&ada.email, "viewer")
        .await
        .expect_problem(409, "already_member");

    // And neither does one that has expired stand in the way, nor come back
    let (late, _) = clinic.invited(&with("ada@riverside.example"), "viewer").await;
    portal.wait(LIFETIME);
    let ada = with("ada@riverside.example");
    let etag = ada.etag("/v1/me").await;
    ada.patch("/v1/me", &etag, json!({ "email": ada.email }))
        .await
        .expect(200);
    clinic.resend(&late).await.expect_problem(409, "already_member");
    clinic.revoke(&late).await.expect(200);
    clinic.admin.get(&clinic.member_path(&ada)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_an_organization_ends_its_links_are_dead_and_afterwards_its_invites() {
    // Given a pending invite
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let [ada, ben] = ["Ada", "Ben"].map(|name| portal.person(name));
    let (invite, token) = clinic.invited(&ada, "provider").await;
    let (_, bens) = clinic.invited(&ben, "provider").await;
    let dissolution = clinic.path("/dissolution");
    let name = json!({ "name": "Riverside Family Practice", "remove_members": true });

    // When the organization is being dissolved
    clinic.admin.post(&dissolution, name.clone()).await.expect(200);

    // Then nothing can be joined, offered, looked at or declined
    for refused in [
        ada.preview(&token).await,
        ada.accept(&token).await,
        ben.decline(&bens).await,
    ] {
        refused.expect_problem(409, "organization_dissolving");
    }
    clinic
        .invite("new@x.example", "viewer")
        .await
        .expect_problem(409, "organization_dissolving");
    clinic
        .resend(&invite)
        .await
        .expect_problem(409, "organization_dissolving");

    // When that is cancelled, the invites are as they were
    let etag = clinic.admin.etag(&clinic.path("")).await;
    let cancelled = clinic.admin.delete(&dissolution, &etag).await;
    assert_eq!(cancelled.status, 200, "{}", cancelled.text);
    ada.preview(&token).await.expect(200);
    ben.decline(&bens).await.expect(204);

    // When it becomes final, with the invite made anew just before
    portal.wait(LIFETIME);
    clinic.resend(&invite).await.expect(200);
    let token = clinic.token(&ada.email).await;
    clinic.admin.post(&dissolution, name).await.expect(200);
    portal.wait(GRACE);
    let report = portal.run_job("finish-dissolutions").await.unwrap().unwrap();

    // Then its invites have ended and hold nothing
    assert_eq!(report["done"], 1, "{report}");
    let ada = portal.person("Ada");
    ada.accept(&token).await.expect_problem(409, "invite_revoked");
    assert_eq!(clinic.seats_used().await, 0);
}
