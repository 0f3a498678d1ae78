//! Answers to a mailed link: what the recipient can do with it, and what nobody else can.

use std::collections::BTreeMap;

use portal_app::config::LINK_KEYS;
use portal_app::{Config, Links};
use portal_domain::id::{InviteId, OrganizationId};
use portal_domain::invite::{Invite, LIFETIME, State};
use portal_domain::limit::FAILED_LINKS_PER_NETWORK;
use portal_local::identity::SignIn;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Clinic, DAY, Person, Portal, SECOND, fresh_key};

const VERBS: [&str; 3] = ["preview", "accept", "decline"];

/// All three answers to a link.
async fn answers(person: &Person, token: &str) -> Vec<Answer> {
    let mut answers = Vec::new();
    for verb in VERBS {
        let path = format!("/v1/invites/{verb}");
        answers.push(person.post(&path, json!({ "token": token })).await);
    }
    answers
}

/// What an answer tells but for the request's own id.
fn told(answer: &Answer) -> String {
    answer.text.replace(&answer.header("x-request-id"), "")
}

/// The link's token in the address of `invite`, signed with the keys of `config`.
fn signed(config: &Config, invite: &Invite) -> String {
    let address = Links::new(config).unwrap().address(invite).unwrap();
    address.split_once("#token=").unwrap().1.to_owned()
}

/// The configuration of `portal` with other link keys.
fn with_keys(portal: &Portal, keys: &Value) -> Config {
    let mut variables: BTreeMap<String, String> = portal.environment();
    variables.insert(LINK_KEYS.name.to_owned(), keys.to_string());
    Config::new(variables, portal.config(0).aws.clone(), portal.clock.clone())
}

async fn stored(clinic: &Clinic<'_>, invite: &str) -> Invite {
    let id: InviteId = invite.parse().unwrap();
    clinic.store().invite(clinic.id, id).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_ends_at_its_instant_though_its_item_is_still_there() {
    // Given two invites of the same time
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let [early, late] = ["Early", "Late"].map(|name| portal.person(name));
    let (_, in_time) = clinic.invited(&early, "provider").await;
    let (invite, too_late) = clinic.invited(&late, "provider").await;
    let expires_at = stored(&clinic, &invite).await.expires_at().unwrap();

    // When one is answered in the last minute, and the other at the very instant and days later
    portal.wait_until(expires_at - SECOND * 30);
    late.preview(&too_late).await.expect(200);
    early.accept(&in_time).await.expect(201);
    portal.wait_until(expires_at);
    for _ in 0..3 {
        // Then the second is over, for every answer, though nothing has been cleaned up
        for refused in answers(&late, &too_late).await {
            refused.expect_problem(410, "invite_expired");
        }
        let seen = clinic.seen(&invite).await;
        assert_eq!(
            (&seen["status"], &seen["holds_seat"]),
            (&json!("expired"), &json!(false))
        );
        assert!(matches!(
            stored(&clinic, &invite).await.state,
            State::Pending { .. }
        ));
        portal.wait(DAY * 3);
    }
    // And neither has the job any part in it
    portal.run_job("expire-invites").await.unwrap().unwrap();
    late.accept(&too_late).await.expect_problem(410, "invite_expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unverified_address_opens_nothing_whatever_the_link() {
    // Given an invite, and somebody who merely claims its address
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = portal.person("Ada");
    let (invite, token) = clinic.invited(&ada, "provider").await;
    let claiming = Person::with(
        &portal,
        &SignIn {
            email_verified: Some(false),
            ..SignIn::new(&ada.email)
        },
    );

    // When they use its link, or any other, then they are told only to verify their address
    let mut bodies = std::collections::BTreeSet::new();
    for token in [token.as_str(), "", "no.such.link"] {
        for refused in answers(&claiming, token).await {
            let refused = refused.expect_problem(403, "email_unverified");
            bodies.insert(told(&refused));
        }
    }
    assert_eq!(bodies.len(), 1);
    assert_eq!(clinic.seen(&invite).await["status"], "pending");
    // And the owner of the address is not kept from it
    ada.accept(&token).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn to_everybody_else_every_link_is_none_and_all_refusals_are_alike() {
    // Given links in all states, and people who are not their recipient: a stranger, another invitee, even the admin
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let other = Clinic::of(&portal, portal.person("Otto"), "Hillside").await;
    let [ada, ben, cleo, finn] = ["Ada", "Ben", "Cleo", "Finn"].map(|name| portal.person(name));
    let (_, expired) = clinic.invited(&ada, "provider").await;
    portal.wait(LIFETIME);
    let (_, accepted) = clinic.invited(&ben, "provider").await;
    ben.accept(&accepted).await.expect(201);
    let (_, declined) = clinic.invited(&cleo, "provider").await;
    cleo.decline(&declined).await.expect(204);
    let (pending, first) = clinic.invited(&finn, "provider").await;
    clinic.resend(&pending).await.expect(200);
    let live = clinic.token(&finn.email).await;
    let (foreign, foreign_token) = {
        let (id, token) = other.invited(&finn, "viewer").await;
        (stored(&other, &id).await, token)
    };

    // and links that are none: unknown, signed by others, mixed, of another kind
    let now = portal.clock.now();
    let real = stored(&clinic, &pending).await;
    let ours = portal.config(0);
    let strange = "c29tZSBvdGhlciBrZXkgb2Ygc29tZSBvdGhlciBwbGFjZQ==";
    let same_id = with_keys(
        &portal,
        &json!({ "current": "local", "keys": { "local": strange } }),
    );
    let other_id = with_keys(&portal, &json!({ "current": "k2", "keys": { "k2": strange } }));
    let unknown = Invite {
        id: InviteId::mint(now),
        ..real.clone()
    };
    let nowhere = Invite {
        organization: OrganizationId::mint(now),
        ..real.clone()
    };
    let mixed = Invite {
        organization: other.id,
        root: other.id,
        ..real.clone()
    };
    let mixed_back = Invite {
        organization: clinic.id,
        root: clinic.id,
        ..foreign
    };
    let cursor = {
        clinic.invite("more@x.example", "viewer").await.expect(201);
        let page = clinic
            .admin
            .get(&clinic.path("/invites?limit=1"))
            .await
            .expect(200);
        page.next_cursor().expect("a second page")
    };
    let (head, tag) = live.rsplit_once('.').unwrap();
    let none = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        cursor,
        ada.token.clone(),
        signed(ours, &unknown),
        signed(ours, &nowhere),
        signed(ours, &mixed),
        signed(ours, &mixed_back),
        signed(&same_id, &real),
        signed(&other_id, &real),
        head.to_owned(),
        format!("{head}."),
        format!("{head}.{}", &tag[1..]),
        format!("{live}.{tag}"),
        format!("{live}="),
        format!(" {live}"),
        live.to_uppercase(),
        live.replacen("local", "Local", 1),
        "a".repeat(40_000),
    ];

    // When they answer them
    let mut bodies = std::collections::BTreeMap::new();
    let strangers = [&portal.person("Eve"), &ada, &clinic.admin];
    let links = [&expired, &accepted, &declined, &first, &live, &foreign_token];
    for (who, token) in strangers
        .into_iter()
        .flat_map(|who| links.map(|token| (who, token.as_str())))
        .filter(|(who, token)| who.email != ada.email || *token != expired)
        .chain(none.iter().map(|token| (&finn, token.as_str())))
    {
        for refused in answers(who, token).await {
            // Then it is the same answer, to the byte
            let refused = refused.expect_problem(404, "invite_not_found");
            bodies.insert(told(&refused), token.to_owned());
        }
        // (The network's limit has a test of its own.)
        portal.wait(SECOND * 60);
    }
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    // And the recipient's own link still works
    finn.accept(&live).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_with_any_character_changed_is_none() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = portal.person("Ada");
    let (_, token) = clinic.invited(&ada, "viewer").await;

    for place in 0..token.len() {
        let mut tampered = token.clone().into_bytes();
        // The next character of the alphabet: in the last place of a part it changes only bits that nothing reads.
        tampered[place] = match tampered[place] {
            b'A' => b'B',
            b'.' => b'A',
            b'z' | b'Z' | b'9' | b'_' => b'0',
            b'-' => b'_',
            other => other + 1,
        };
        let tampered = String::from_utf8(tampered).unwrap();
        ada.accept(&tampered)
            .await
            .expect_problem(404, "invite_not_found");
        ada.accept(&token[..place])
            .await
            .expect_problem(404, "invite_not_found");
        portal.wait(SECOND * 30);
    }
    ada.accept(&token).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_tries_links_is_slowed_down() {
    // Given somebody who tries links, and a recipient in the same network
    let portal = Portal::start().await;
    portal.wait_for_window(FAILED_LINKS_PER_NETWORK);
    let clinic = portal.clinic().await;
    let [ada, eve] = ["Ada", "Eve"].map(|name| portal.person(name));
    let (_, token) = clinic.invited(&ada, "viewer").await;

    // When half of the tries are no links, and half are the links of somebody else
    for n in 0..FAILED_LINKS_PER_NETWORK.most / 2 {
        eve.preview(&format!("guess-{n}")).await.expect(404);
        eve.accept(&token).await.expect(404);
    }

    // Then no link can be opened from there for a while
    for token in ["guess", token.as_str()] {
        for refused in answers(&eve, token).await {
            let refused = refused.expect_problem(429, "rate_limited");
            let wait: i64 = refused.header("retry-after").parse().unwrap();
            assert!((1..=FAILED_LINKS_PER_NETWORK.seconds).contains(&wait));
        }
    }
    let wait: i32 = ada.accept(&token).await.header("retry-after").parse().unwrap();
    // And afterwards it can
    portal.wait(SECOND * wait);
    ada.accept(&token).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_at_a_link_however_often_changes_nothing() {
    // Given an invite, and somebody known to the portal
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = portal.person("Ada");
    let (_, token) = clinic.invited(&ada, "provider").await;
    ada.get("/v1/me").await.expect(200);
    let link = portal.mailbox.messages(&ada.email)[0].links[0].clone();
    let before = portal.items();

    // When mail scanners follow the link, with and without its fragment and into the API, and she looks again and again
    for _ in 0..20 {
        for address in [
            link.clone(),
            link.replace("#token=", "?token="),
            format!("{}/v1/invites/accept?token={token}", portal.base),
            format!("{}/v1/invites/decline?token={token}", portal.base),
        ] {
            for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
                let followed = portal.client().request(method, &address).send().await.unwrap();
                assert!(!followed.status().is_server_error());
            }
        }
        ada.preview(&token).await.expect(200);
    }

    // Then nothing has changed, and the link still works
    assert_eq!(portal.items(), before);
    ada.accept(&token).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_account_accepts_by_signing_in_and_keeps_what_it_has() {
    // Given somebody who has an account with a name of their own
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = portal.person("Ada");
    let etag = ada.etag("/v1/me").await;
    ada.patch("/v1/me", &etag, json!({ "name": "Dr. Ada L." }))
        .await
        .expect(200);
    let (_, token) = clinic.invited(&ada, "provider").await;

    // When the link is answered by nobody
    for verb in VERBS {
        let signed_out = portal
            .client()
            .post(format!("{}/v1/invites/{verb}", portal.base))
            .header("idempotency-key", fresh_key())
            .json(&json!({ "token": token }))
            .send()
            .await
            .unwrap();
        assert_eq!(signed_out.status(), 401);
    }
    // and by them, as their identity provider calls them
    let joined = ada.accept(&token).await.expect(201);

    // Then nothing of the account was overwritten
    assert_eq!(joined.text_at("/name"), "Dr. Ada L.");
    let me = ada.get("/v1/me").await.expect(200);
    assert_eq!(me.text_at("/name"), "Dr. Ada L.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_must_be_adopted_before_it_accepts() {
    // Given somebody whose address has changed at the identity provider, and an invite to the new one
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let with = |email: &str| {
        let sign_in = SignIn {
            sub: Some("subject-1".to_owned()),
            ..SignIn::new(email)
        };
        Person::with(&portal, &sign_in)
    };
    with("ada@old.example").get("/v1/me").await.expect(200);
    let ada = with("ada@new.example");
    let (invite, token) = clinic.invited(&ada, "provider").await;

    // When they accept without having adopted it, they are told so, and the invite stands
    ada.preview(&token).await.expect(200);
    ada.accept(&token).await.expect_problem(409, "email_changed");
    assert_eq!(clinic.seen(&invite).await["status"], "pending");

    // Then afterwards it works
    let etag = ada.etag("/v1/me").await;
    ada.patch("/v1/me", &etag, json!({ "email": "ada@new.example" }))
        .await
        .expect(200);
    ada.accept(&token).await.expect(201);
    // And who still signs in with the old address is not the recipient
    with("ada@old.example")
        .preview(&token)
        .await
        .expect_problem(404, "invite_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_under_one_key_is_given_once() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = portal.person("Ada");
    let (_, token) = clinic.invited(&ada, "provider").await;
    let (key, path, body) = (fresh_key(), "/v1/invites/accept", json!({ "token": token }));

    let first = ada.post_with_key(path, &key, body.clone()).await.expect(201);
    let again = ada.post_with_key(path, &key, body.clone()).await.expect(201);

    assert_eq!(first.text, again.text);
    assert_eq!(first.header("location"), again.header("location"));
    assert_eq!(first.etag(), again.etag());
    ada.accept(&token).await.expect_problem(409, "invite_accepted");
    ada.post_with_key(path, &key, json!({ "token": "other" }))
        .await
        .expect_problem(404, "invite_not_found");
    ada.request(Method::POST, path)
        .json(&body)
        .send()
        .await
        .expect_problem(400, "idempotency_key_missing");
    assert_eq!(clinic.audited("invite.accepted").await, 1);
    assert_eq!(clinic.seats_used().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_accepted_several_times_at_once_makes_one_member() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = portal.person("Ada");
    let (_, token) = clinic.invited(&ada, "provider").await;

    let answers = futures_util::future::join_all((0..6).map(|_| ada.accept(&token))).await;

    let accepted = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(accepted, 1, "{answers:?}");
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        assert!(
            matches!(refused.code().as_str(), "invite_accepted" | "busy"),
            "{}",
            refused.text
        );
    }
    assert_eq!(clinic.audited("invite.accepted").await, 1);
    assert_eq!(clinic.seats_used().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_and_a_revoke_or_resend_at_once_have_one_winner() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    for round in 0..4 {
        let (ada, ben) = (
            portal.person(&format!("Ada{round}")),
            portal.person(&format!("Ben{round}")),
        );
        let (invite, token) = clinic.invited(&ada, "viewer").await;
        let (accepted, revoked) = tokio::join!(ada.accept(&token), clinic.revoke(&invite));
        let membership = clinic.admin.get(&clinic.member_path(&ada)).await.status;
        match (accepted.status, revoked.status) {
            (201, 409 | 412) => assert_eq!(membership, 200),
            (409, 200) => assert_eq!(membership, 404),
            other => panic!("{other:?}: {} {}", accepted.text, revoked.text),
        }

        let (invite, token) = clinic.invited(&ben, "viewer").await;
        let (accepted, resent) = tokio::join!(ben.accept(&token), clinic.resend(&invite));
        match (accepted.status, resent.status) {
            (201, 409) => assert_eq!(resent.code(), "invite_accepted"),
            (409, 200) => assert_eq!(accepted.code(), "invite_superseded"),
            other => panic!("{other:?}: {} {}", accepted.text, resent.text),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn declining_ends_the_invite_for_good_and_frees_its_seat() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = portal.person("Ada");
    let (invite, token) = clinic.invited(&ada, "provider").await;

    ada.decline(&token).await.expect(204);

    for refused in answers(&ada, &token).await {
        refused.expect_problem(409, "invite_declined");
    }
    assert_eq!(clinic.seen(&invite).await["status"], "declined");
    assert_eq!(clinic.seats_used().await, 0);
    assert_eq!(clinic.audited("invite.declined").await, 1);
    clinic
        .admin
        .get(&clinic.member_path(&ada))
        .await
        .expect_problem(404, "member_not_found");
}
