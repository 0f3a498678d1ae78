//! The account: it appears at the first sign-in, has one verified address, and follows the person.

use portal_domain::account::{AccountUpdate, Identity, Standing};
use portal_domain::audit::Origin;
use portal_domain::membership::Membership;
use portal_local::identity::SignIn;
use serde_json::{Value, json};

use crate::support::{Answer, Clinic, DAY, Person, Portal};

/// Eva, signed in with `email`; always the same person.
fn eva(portal: &Portal, email: &str, verified: bool) -> Person {
    let sign_in = SignIn {
        name: Some("Eva".to_owned()),
        email_verified: Some(verified),
        sub: Some("eva".to_owned()),
        ..SignIn::new(email)
    };
    Person::with(portal, &sign_in)
}

async fn change(person: &Person, body: Value) -> Answer {
    let etag = person.etag("/v1/me").await;
    person.patch("/v1/me", &etag, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_appears_at_the_first_sign_in() {
    let portal = Portal::start().await;
    let ada = portal.person("Ada");

    let me = ada.get("/v1/me").await.expect(200);

    assert_eq!(me.id(), ada.account.to_string());
    assert_eq!(
        (me.text_at("/email"), me.text_at("/signed_in_email")),
        (ada.email.clone(), ada.email.clone())
    );
    assert_eq!(me.text_at("/name"), "Ada");
    assert_eq!(me.json()["memberships"], json!([]));
    let again = ada.get("/v1/me").await.expect(200);
    assert_eq!((again.json(), again.etag()), (me.json(), me.etag()));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_first_requests_at_once_make_one_account() {
    let portal = Portal::start().await;
    let ada = portal.person("Ada");
    let create = |n: usize| ada.post("/v1/organizations", json!({ "name": format!("Clinic {n}") }));
    let (seen, made) = tokio::join!(
        futures_util::future::join_all((0..12).map(|_| ada.get("/v1/me"))),
        futures_util::future::join_all((0..3).map(create))
    );
    let created: Vec<_> = seen
        .into_iter()
        .map(|answer| answer.expect(200).text_at("/created_at"))
        .collect();
    assert!(created.iter().all(|at| *at == created[0]), "{created:?}");
    for answer in made {
        answer.expect(201);
    }
    assert_eq!(
        ada.get("/v1/me").await.expect(200).json()["memberships"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_counts_from_when_it_is_verified() {
    let portal = Portal::start().await;
    let unsure = eva(&portal, "eva@riverside.example", false);
    let me = unsure.get("/v1/me").await.expect(200).json();
    assert_eq!(
        (&me["email"], &me["signed_in_email"], &me["name"]),
        (&json!(null), &json!(null), &json!("Eva"))
    );
    let adopt = json!({ "email": "eva@riverside.example" });
    change(&unsure, adopt)
        .await
        .expect_problem(403, "email_unverified");
    change(&unsure, json!({ "name": "Eva N." })).await.expect(200);

    let sure = eva(&portal, "eva@riverside.example", true);
    let me = sure.get("/v1/me").await.expect(200).json();
    assert_eq!(
        (&me["email"], &me["name"]),
        (&json!("eva@riverside.example"), &json!("Eva N."))
    );
    assert_eq!(sure.account, unsure.account);
    // A later sign-in without it takes nothing away.
    assert_eq!(
        unsure.get("/v1/me").await.expect(200).text_at("/email"),
        "eva@riverside.example"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_belongs_to_one_account() {
    let portal = Portal::start().await;
    portal.person("Ada").get("/v1/me").await.expect(200);
    // Another person with the same verified address: at first sign-in, and when it is verified later
    let email = "ADA@riverside.example";
    eva(&portal, email, false).get("/v1/me").await.expect(200);
    eva(&portal, email, true)
        .get("/v1/me")
        .await
        .expect_problem(409, "email_claimed");
    let twin = SignIn {
        sub: Some("twin".to_owned()),
        ..SignIn::new(email)
    };
    let twin = Person::with(&portal, &twin);
    twin.get("/v1/me").await.expect_problem(409, "email_claimed");
    twin.post("/v1/organizations", json!({ "name": "Mine" }))
        .await
        .expect_problem(409, "email_claimed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_changed_only_as_it_was_seen() {
    let portal = Portal::start().await;
    let ada = portal.person("Ada");
    let etag = ada.etag("/v1/me").await;
    let changed = ada
        .patch("/v1/me", &etag, json!({ "name": "  Ada   L. " }))
        .await
        .expect(200);
    assert_eq!(ada.get("/v1/me").await.expect(200).json(), changed.json());
    ada.patch("/v1/me", &etag, json!({ "name": "Late" }))
        .await
        .expect_problem(412, "revision_mismatch");
    let blind = ada
        .request(reqwest::Method::PATCH, "/v1/me")
        .json(&json!({ "name": "Blind" }))
        .send()
        .await;
    blind.expect_problem(428, "revision_missing");
    for (body, code, pointer) in [
        (json!({ "name": "" }), "text_invalid", "/name"),
        (json!({ "email": "ada" }), "email_invalid", "/email"),
        (json!({ "id": ada.account }), "fields_invalid", "/id"),
    ] {
        let refused = change(&ada, body).await.expect_problem(422, code);
        assert_eq!(refused.text_at("/errors/0/pointer"), pointer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_is_what_others_see_find_and_get_in_mails() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = clinic.member("Ada", "viewer").await;
    let other = Clinic::of(&portal, ada.clone(), "Ada's own").await;

    change(&ada, json!({ "name": "Augusta Żółć" })).await.expect(200);

    let found = async |search: &str| {
        let path = clinic.path(&format!("/members?search={search}"));
        clinic.admin.get(&path).await.expect(200).items().len()
    };
    assert_eq!(
        (found("augusta%20zo").await, found("zolc").await),
        (1, 0),
        "an ł is a letter of its own"
    );
    assert_eq!(found("Ada").await, 1, "the address still has it");
    let members = clinic
        .admin
        .get(&clinic.path("/members"))
        .await
        .expect(200)
        .items();
    let names: Vec<_> = members.iter().map(|m| m["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Augusta Żółć", "Dana"]);
    other.invite("ben@riverside.example", "viewer").await.expect(201);
    portal.settle().await.unwrap();
    assert!(
        portal.mailbox.messages("ben@riverside.example")[0]
            .text
            .contains("Augusta Żółć")
    );
    // One event in each organization, which does not tell the name.
    for place in [&clinic, &other] {
        let events = place
            .admin
            .get(&place.path("/audit-events?verb=member.updated"))
            .await
            .expect(200);
        assert_eq!(events.items().len(), 1);
        assert_eq!(events.items()[0]["object"], ada.account.to_string());
        assert!(!events.text.contains("Augusta"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_goes_along_everywhere_and_the_old_one_is_free() {
    // Given Eva, a provider, whose provider knows her under a new address
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let old = eva(&portal, "eva@riverside.example", true);
    clinic.join(&old, "provider").await;
    let new = eva(&portal, "eva@new.example", true);
    let me = new.get("/v1/me").await.expect(200);
    assert_eq!(
        (me.text_at("/email"), me.text_at("/signed_in_email")),
        (old.email.clone(), new.email.clone())
    );

    // When she adopts it
    let adopted = new
        .patch("/v1/me", &me.etag(), json!({ "email": "EVA@New.Example" }))
        .await
        .expect(200);

    // Then she has it, and nothing else of her has changed
    assert_eq!(adopted.text_at("/email"), "eva@new.example");
    let member = clinic.admin.get(&clinic.member_path(&new)).await.expect(200);
    assert_eq!(
        (member.text_at("/email"), member.text_at("/role")),
        ("eva@new.example".into(), "provider".into())
    );
    assert_eq!((clinic.seats_used().await, clinic.admins().await), (1, 1));
    let found = clinic
        .admin
        .get(&clinic.path("/members?search=new.example"))
        .await
        .expect(200)
        .items();
    assert_eq!(found.len(), 1);
    let told = clinic
        .admin
        .get(&clinic.path("/audit-events?verb=member.address_changed"))
        .await
        .expect(200);
    assert_eq!(told.items().len(), 1);
    assert!(!told.text.contains('@'));

    // And the new one is a member's, the old one is anybody's
    clinic
        .invite("eva@new.example", "viewer")
        .await
        .expect_problem(409, "already_member");
    let heir = portal.person_with("Eva the Second", "eva@riverside.example");
    heir.get("/v1/me").await.expect(200);
    clinic.join(&heir, "viewer").await;
    // And the old sign-in proves nothing any more
    let back = json!({ "email": "eva@riverside.example" });
    change(&old, back).await.expect_problem(409, "email_claimed");
    let body = json!({ "name": "Second" });
    old.post("/v1/organizations", body)
        .await
        .expect_problem(409, "email_changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_ones_own_or_not_allowed_is_refused() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let old = eva(&portal, "eva@riverside.example", true);
    clinic.join(&old, "viewer").await;
    let other = Clinic::of(&portal, old.clone(), "Eva's own").await;

    // What the provider has not verified
    for email in ["eva@new.example", "dana@riverside.example"] {
        let refused = change(&old, json!({ "email": email }))
            .await
            .expect_problem(403, "email_unverified");
        assert_eq!(refused.text_at("/errors/0/pointer"), "/email");
    }
    let unsure = eva(&portal, "eva@new.example", false);
    change(&unsure, json!({ "email": "eva@new.example" }))
        .await
        .expect_problem(403, "email_unverified");

    // What another account has
    portal
        .person_with("First", "first@new.example")
        .get("/v1/me")
        .await
        .expect(200);
    let taken = eva(&portal, "first@new.example", true);
    change(&taken, json!({ "email": "first@new.example" }))
        .await
        .expect_problem(409, "email_claimed");

    // What one of her organizations does not allow
    let etag = clinic.admin.etag(&clinic.path("")).await;
    let only = json!({ "allowed_domains": ["riverside.example"] });
    clinic
        .admin
        .patch(&clinic.path(""), &etag, only)
        .await
        .expect(200);
    let new = eva(&portal, "eva@new.example", true);
    let refused = change(&new, json!({ "email": "eva@new.example", "name": "New" })).await;
    let refused = refused.expect_problem(422, "email_domain_not_allowed");
    assert_eq!(refused.text_at("/errors/0/pointer"), "/email");

    // Nothing of all that was written; and once she has left there, it is allowed
    let me = new.get("/v1/me").await.expect(200);
    assert_eq!(
        (me.text_at("/email"), me.text_at("/name")),
        ("eva@riverside.example".into(), "Eva".into())
    );
    assert_eq!(
        other
            .admin
            .get(&other.member_path(&old))
            .await
            .expect(200)
            .text_at("/email"),
        old.email
    );
    new.post(&clinic.path("/leave"), json!({})).await.expect(204);
    change(&new, json!({ "email": "eva@new.example" }))
        .await
        .expect(200);
    assert_eq!(
        new.get(&other.member_path(&old))
            .await
            .expect(200)
            .text_at("/email"),
        new.email
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_adopted_once_its_invite_to_the_same_organization_is_closed() {
    // Given Eva, a member of two, whose new address was invited to both and elsewhere
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let second = Clinic::of(&portal, portal.person("Olga"), "Second").await;
    let elsewhere = Clinic::of(&portal, portal.person("Else"), "Elsewhere").await;
    let old = eva(&portal, "eva@riverside.example", true);
    clinic.join(&old, "viewer").await;
    second.join(&old, "viewer").await;
    let new = eva(&portal, "eva@new.example", true);
    let (_, first) = clinic.invited(&new, "provider").await;
    let (open, _) = second.invited(&new, "provider").await;
    let (_, third) = elsewhere.invited(&new, "viewer").await;
    let adopt = || change(&new, json!({ "email": "eva@new.example" }));
    adopt().await.expect_problem(409, "invite_pending");

    // When she answers the one and an admin revokes the other
    new.post("/v1/invites/accept", json!({ "token": first }))
        .await
        .expect_problem(409, "already_member");
    adopt().await.expect_problem(409, "invite_pending");
    let path = second.path(&format!("/invites/{open}"));
    let etag = second.admin.etag(&path).await;
    assert!(second.admin.delete(&path, &etag).await.status < 300);

    // Then the address is hers, no seat is lost, and the invite elsewhere still works
    adopt().await.expect(200);
    assert_eq!((clinic.seats_used().await, second.seats_used().await), (0, 0));
    for place in [&clinic, &second] {
        let again = place.invite("eva@new.example", "viewer").await;
        again.expect_problem(409, "already_member");
    }
    new.post("/v1/invites/accept", json!({ "token": third }))
        .await
        .expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_in_many_organizations_changes_name_and_address_in_all() {
    // Given Eva in 45 organizations: more than fit into one transaction
    let portal = Portal::start().await;
    let old = eva(&portal, "eva@riverside.example", true);
    for n in 0..45 {
        if n > 0 && n % 20 == 0 {
            portal.wait(DAY);
        }
        old.post("/v1/organizations", json!({ "name": format!("Clinic {n}") }))
            .await
            .expect(201);
    }
    let new = eva(&portal, "eva@new.example", true);

    change(&new, json!({ "email": "eva@new.example", "name": "Eva Nova" }))
        .await
        .expect(200);

    let places = new.all("/v1/organizations").await;
    assert_eq!(places.len(), 45);
    for (n, place) in places.iter().enumerate() {
        let path = format!("/v1/organizations/{}", place["id"].as_str().unwrap());
        let members = new.get(&format!("{path}/members")).await.expect(200).items();
        assert_eq!(
            (&members[0]["email"], &members[0]["name"]),
            (&json!("eva@new.example"), &json!("Eva Nova"))
        );
        let told = new
            .get(&format!("{path}/audit-events?verb=member.address_changed"))
            .await
            .expect(200);
        assert_eq!(told.items().len(), 1);
        if n % 9 == 0 {
            let body = |email: &str| json!({ "email": email, "role": "viewer" });
            let invites = format!("{path}/invites");
            new.post(&invites, body("eva@new.example"))
                .await
                .expect_problem(409, "already_member");
            new.post(&invites, body("eva@riverside.example"))
                .await
                .expect(201);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_interrupted_is_finished_by_the_next_sight_of_the_account() {
    // Given 25 organizations, and a change of name whose sender died after the first transaction
    let portal = Portal::start().await;
    let eva = eva(&portal, "eva@riverside.example", true);
    for n in 0..25 {
        if n == 20 {
            portal.wait(DAY);
        }
        eva.post("/v1/organizations", json!({ "name": format!("Clinic {n}") }))
            .await
            .expect(201);
    }
    let store = &portal.app.store;
    let known = store.caller(eva.account).await.unwrap();
    let account = known.account.unwrap();
    let identity = Identity {
        account: eva.account,
        verified_email: account.email.clone(),
        name: None,
    };
    let update = AccountUpdate {
        name: Some("Eva Nova".parse().unwrap()),
        ..AccountUpdate::default()
    };
    let standing = Standing {
        identity: &identity,
        memberships: &known.memberships,
        organizations: &[],
        origin: &Origin::default(),
    };
    let now = portal.clock.now();
    let (_, first) = account.updated(update, account.rev, standing, now).unwrap();
    store.commit(&first, None, now).await.unwrap();
    let behind = async || {
        let known = store.caller(eva.account).await.unwrap();
        let old = |copy: &&Membership| copy.name.as_ref().is_none_or(|name| name.as_str() != "Eva Nova");
        known.memberships.iter().filter(old).count()
    };
    assert_eq!(behind().await, 5);

    // When she looks at her account, Then the rest follows
    assert_eq!(eva.get("/v1/me").await.expect(200).text_at("/name"), "Eva Nova");
    assert_eq!(behind().await, 0);
}
