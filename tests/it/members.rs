//! Members: seen, changed and removed; seats and admins stay in order whatever happens to people.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use portal_domain::access::{Access, Phase};
use portal_domain::account::{Account, Identity};
use portal_domain::audit::Origin;
use portal_domain::change::{Change, Write};
use portal_domain::id::AccountId;
use portal_domain::invite::LIFETIME;
use portal_domain::membership::Membership;
use portal_domain::organization::{RoleDraft, Update};
use portal_domain::permission::Permission;
use portal_domain::role::{Grant, Role};
use portal_local::faults::{Kind, Rule};
use portal_store::StoreError;
use reqwest::Method;
use serde_json::{Value, json};

use crate::invariants::hold;
use crate::support::{Answer, Clinic, Person, Portal, SECOND, at_once, seed};

/// Members who are there without having come by mail: lists only need them to exist.
async fn populate(clinic: &Clinic<'_>, people: impl IntoIterator<Item = (String, Role)>) {
    let now = clinic.portal.clock.now();
    let organization = clinic.store().organization(clinic.id).await.unwrap().unwrap();
    let mut change = Change::default();
    for (name, role) in people {
        let word: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let email = format!("{}@riverside.example", word.to_lowercase());
        let identity = Identity {
            account: AccountId::of("populated", &name),
            verified_email: Some(email.parse().unwrap()),
            name: Some(name.parse().unwrap()),
        };
        let account = Account::first_seen(&identity, now);
        let address = identity.verified_email.unwrap();
        change = change.write(Write::MembershipCreate(Membership::new(
            &account,
            address,
            &organization,
            role,
            now,
        )));
        if change.writes.len() == 100 {
            clinic
                .store()
                .commit(&std::mem::take(&mut change), None, now)
                .await
                .unwrap();
        }
    }
    clinic.store().commit(&change, None, now).await.unwrap();
}

fn names(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["name"].as_str().unwrap()).collect()
}

async fn update(clinic: &Clinic<'_>, person: &Person, body: Value) -> Answer {
    let path = clinic.member_path(person);
    let etag = clinic.admin.etag(&path).await;
    clinic.admin.patch(&path, &etag, body).await
}

async fn remove(clinic: &Clinic<'_>, person: &Person) -> Answer {
    let path = clinic.member_path(person);
    let etag = clinic.admin.etag(&path).await;
    clinic.admin.delete(&path, &etag).await
}

/// Leaves `left` seats of the plan's.
async fn seats_left(clinic: &Clinic<'_>, left: u32) {
    let used = clinic.seats_used().await;
    assert!(
        clinic
            .store()
            .set_seat_limit(clinic.id, used + left)
            .await
            .unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_found_by_name_address_and_role() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let desk: Role = clinic
        .role("Front desk", &["members.read"])
        .await
        .parse()
        .unwrap();
    let people = [
        ("José Álvarez", Role::Provider),
        ("jose", Role::Viewer),
        ("Ｊｏｓｅｐｈ Wide", desk),
        ("Zoë Quinn", Role::Provider),
        ("Łukasz", Role::Viewer),
    ];
    populate(&clinic, people.map(|(name, role)| (name.to_owned(), role))).await;
    let found = async |query: &str| {
        let items = clinic.admin.all(&clinic.path(&format!("/members?{query}"))).await;
        names(&items)
            .into_iter()
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    };
    let set = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<_>>()
    };

    assert_eq!(
        found("search=jose").await,
        set(&["José Álvarez", "jose", "Ｊｏｓｅｐｈ Wide"])
    );
    assert_eq!(
        found("search=JOS%C3%89").await,
        set(&["José Álvarez", "jose", "Ｊｏｓｅｐｈ Wide"])
    );
    assert_eq!(found("search=%20zoe%20").await, set(&["Zoë Quinn"]));
    assert_eq!(found("search=alvarez").await, set(&["José Álvarez"]));
    assert_eq!(found("search=JOSE%40RIVERSIDE").await, set(&["jose"]));
    assert_eq!(found("search=riverside.example").await.len(), 6);
    assert!(found("search=nobody").await.is_empty());
    assert!(found("search=%25").await.is_empty(), "no wildcard");
    assert_eq!(found("role=provider").await, set(&["José Álvarez", "Zoë Quinn"]));
    assert_eq!(found("role=admin").await, set(&["Dana"]));
    assert_eq!(found(&format!("role={desk}")).await, set(&["Ｊｏｓｅｐｈ Wide"]));
    assert_eq!(found("role=provider&search=jose").await, set(&["José Álvarez"]));
    assert!(
        found("role=rol_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")
            .await
            .is_empty()
    );
    for query in [
        "search=",
        "search=%20",
        "search=%CC%81",
        "role=owner",
        "role=",
        "sort=name",
        "search=a&search=b",
        "limit=0",
        "limit=101",
    ] {
        let refused = clinic.admin.get(&clinic.path(&format!("/members?{query}"))).await;
        refused.expect_problem(400, "query_invalid");
    }
    let long = format!("/members?search={}", "a".repeat(101));
    clinic
        .admin
        .get(&clinic.path(&long))
        .await
        .expect_problem(400, "query_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_members_are_listed_without_a_gap_or_a_duplicate() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let expected: Vec<_> = (0..130).map(|n| format!("Member {n:04}")).collect();
    populate(&clinic, expected.iter().map(|name| (name.clone(), Role::Viewer))).await;
    for limit in [7, 50, 100] {
        let all = clinic
            .admin
            .all(&clinic.path(&format!("/members?limit={limit}")))
            .await;
        let mut listed = names(&all);
        assert_eq!(listed.remove(0), "Dana");
        assert_eq!(listed, expected, "{limit} a page");
    }
    assert_eq!(
        clinic
            .admin
            .get(&clinic.path("/members"))
            .await
            .expect(200)
            .items()
            .len(),
        25
    );

    // Who goes in the middle of it takes nobody along.
    let first = clinic
        .admin
        .get(&clinic.path("/members?limit=50"))
        .await
        .expect(200);
    let last = first.items()[49]["id"].as_str().unwrap().to_owned();
    let path = clinic.path(&format!("/members/{last}"));
    let etag = clinic.admin.etag(&path).await;
    // They came without being counted, so they go by hand too.
    let ghost = clinic
        .store()
        .member(clinic.id, last.parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    let gone = Change::default().write(Write::MembershipDelete(ghost));
    clinic
        .store()
        .commit(&gone, None, portal.clock.now())
        .await
        .unwrap();
    clinic
        .admin
        .delete(&path, &etag)
        .await
        .expect_problem(404, "member_not_found");
    let cursor = first.next_cursor().unwrap();
    let next = clinic
        .admin
        .get(&clinic.path(&format!("/members?limit=50&cursor={cursor}")))
        .await
        .expect(200);
    assert_eq!(next.items()[0]["name"], "Member 0049");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_looks_at_a_thousand_members_a_page_and_goes_on() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let people = (0..1_100).map(|n| (format!("Member {n:04}"), Role::Viewer));
    populate(&clinic, people.chain([("Zelda Last".to_owned(), Role::Provider)])).await;

    let first = clinic
        .admin
        .get(&clinic.path("/members?search=zelda"))
        .await
        .expect(200);

    assert!(first.items().is_empty());
    let cursor = first.next_cursor().expect("there is more to look at");
    let second = clinic
        .admin
        .get(&clinic.path(&format!("/members?search=zelda&cursor={cursor}")))
        .await
        .expect(200);
    assert_eq!(names(&second.items()), ["Zelda Last"]);
    assert_eq!(second.next_cursor(), None);
    // A cursor belongs to its search.
    let other = clinic.path(&format!("/members?search=member&cursor={cursor}"));
    clinic
        .admin
        .get(&other)
        .await
        .expect_problem(400, "cursor_invalid");
    assert_eq!(
        names(&clinic.admin.all(&clinic.path("/members?role=provider")).await),
        ["Zelda Last"]
    );
    assert_eq!(
        clinic
            .admin
            .all(&clinic.path("/members?search=member&limit=100"))
            .await
            .len(),
        1_100
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_changed_and_removed_only_as_seen() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = clinic.member("Ada", "viewer").await;
    let path = clinic.member_path(&ada);
    let seen = clinic.admin.get(&path).await.expect(200);
    assert_eq!(
        (
            seen.text_at("/name"),
            seen.text_at("/email"),
            seen.text_at("/role"),
            seen.text_at("/domain_allowed")
        ),
        ("Ada".into(), ada.email.clone(), "viewer".into(), "true".into())
    );

    let changed = clinic
        .admin
        .patch(&path, &seen.etag(), json!({ "role": "provider" }))
        .await
        .expect(200);
    assert_eq!(
        (changed.text_at("/role"), changed.text_at("/takes_seat")),
        ("provider".into(), "true".into())
    );
    clinic
        .admin
        .patch(&path, &seen.etag(), json!({ "role": "viewer" }))
        .await
        .expect_problem(412, "revision_mismatch");
    clinic
        .admin
        .delete(&path, &seen.etag())
        .await
        .expect_problem(412, "revision_mismatch");
    for method in [Method::PATCH, Method::DELETE] {
        let blind = clinic
            .admin
            .request(method, &path)
            .json(&json!({ "role": "viewer" }))
            .send()
            .await;
        blind.expect_problem(428, "revision_missing");
    }
    assert_eq!(clinic.admin.get(&path).await.expect(200).json(), changed.json());
    clinic.admin.delete(&path, &changed.etag()).await.expect(204);
    clinic
        .admin
        .get(&path)
        .await
        .expect_problem(404, "member_not_found");
    clinic
        .admin
        .delete(&path, &changed.etag())
        .await
        .expect_problem(404, "member_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_another_organization_is_no_member_here() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let other = Clinic::of(&portal, portal.person("Olga"), "Elsewhere").await;
    let theirs = other.member("Tess", "viewer").await;
    for person in [&theirs, &other.admin, &portal.person("Nobody")] {
        let path = clinic.member_path(person);
        clinic
            .admin
            .get(&path)
            .await
            .expect_problem(404, "member_not_found");
        clinic
            .admin
            .patch(&path, "\"1\"", json!({ "role": "viewer" }))
            .await
            .expect_problem(404, "member_not_found");
        clinic
            .admin
            .delete(&path, "\"1\"")
            .await
            .expect_problem(404, "member_not_found");
        let path = other.member_path(person);
        clinic
            .admin
            .get(&path)
            .await
            .expect_problem(404, "organization_not_found");
        clinic
            .admin
            .delete(&path, "\"1\"")
            .await
            .expect_problem(404, "organization_not_found");
    }
    clinic
        .admin
        .get(&clinic.path("/members/nonsense"))
        .await
        .expect_problem(404, "route_not_found");
    assert_eq!(
        other
            .admin
            .get(&other.path("/members"))
            .await
            .expect(200)
            .items()
            .len(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_takes_a_seat_only_while_providing_care() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let dana = clinic.admin.clone();
    assert_eq!(clinic.seats_used().await, 0);
    update(&clinic, &dana, json!({ "provides_care": true }))
        .await
        .expect(200);
    assert_eq!(clinic.seats_used().await, 1);
    update(&clinic, &dana, json!({ "provides_care": true }))
        .await
        .expect(200);
    assert_eq!(clinic.seats_used().await, 1);

    // A provider who is promoted frees the seat, unless care goes on
    let (pia, paul) = (
        clinic.member("Pia", "provider").await,
        clinic.member("Paul", "provider").await,
    );
    assert_eq!(clinic.seats_used().await, 3);
    let promoted = update(&clinic, &pia, json!({ "role": "admin" }))
        .await
        .expect(200);
    assert_eq!(
        (promoted.text_at("/provides_care"), clinic.seats_used().await),
        ("false".into(), 2)
    );
    let promoted = update(&clinic, &paul, json!({ "role": "admin", "provides_care": true }))
        .await
        .expect(200);
    assert_eq!(
        (promoted.text_at("/takes_seat"), clinic.seats_used().await),
        ("true".into(), 2)
    );

    // Care ends with the role, and is not brought back with it
    update(&clinic, &paul, json!({ "role": "viewer" }))
        .await
        .expect(200);
    assert_eq!(clinic.seats_used().await, 1);
    let again = update(&clinic, &paul, json!({ "role": "admin" }))
        .await
        .expect(200);
    assert_eq!(
        (again.text_at("/provides_care"), clinic.seats_used().await),
        ("false".into(), 1)
    );
    update(&clinic, &dana, json!({ "provides_care": false }))
        .await
        .expect(200);
    assert_eq!(clinic.seats_used().await, 0);

    let refused = update(&clinic, &pia, json!({ "role": "viewer", "provides_care": true })).await;
    assert_eq!(
        refused
            .expect_problem(422, "fields_invalid")
            .text_at("/errors/0/pointer"),
        "/provides_care"
    );
    let removed = update(&clinic, &pia, json!({ "provides_care": true }))
        .await
        .expect(200);
    clinic
        .admin
        .delete(&clinic.member_path(&pia), &removed.etag())
        .await
        .expect(204);
    assert_eq!(clinic.seats_used().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_change_of_role_takes_a_seat_that_is_not_there() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let care = clinic.role("Care", &["sessions.create"]).await;
    let vera = clinic.member("Vera", "viewer").await;
    let pia = clinic.member("Pia", "provider").await;
    seats_left(&clinic, 0).await;

    for (person, body) in [
        (&vera, json!({ "role": "provider" })),
        (&vera, json!({ "role": care })),
        (&vera, json!({ "role": "admin", "provides_care": true })),
        (&clinic.admin, json!({ "provides_care": true })),
    ] {
        update(&clinic, person, body)
            .await
            .expect_problem(409, "seat_limit_reached");
    }
    assert_eq!(clinic.seats_used().await, 1);
    // One seat goes from role to role; a free one is taken.
    update(&clinic, &pia, json!({ "role": care })).await.expect(200);
    update(&clinic, &vera, json!({ "role": "admin" }))
        .await
        .expect(200);
    update(&clinic, &pia, json!({ "role": "viewer" }))
        .await
        .expect(200);
    update(&clinic, &vera, json!({ "provides_care": true }))
        .await
        .expect(200);
    assert_eq!(clinic.seats_used().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_role_takes_over_the_seat_of_an_expired_invite() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let vera = clinic.member("Vera", "viewer").await;
    let (late, _) = clinic.invited(&portal.person("Late"), "provider").await;
    seats_left(&clinic, 0).await;
    portal.wait(LIFETIME - SECOND);
    update(&clinic, &vera, json!({ "role": "provider" }))
        .await
        .expect_problem(409, "seat_limit_reached");

    portal.wait(SECOND);
    update(&clinic, &vera, json!({ "role": "provider" }))
        .await
        .expect(200);

    assert_eq!(clinic.seats_used().await, 1);
    let invite = clinic
        .admin
        .get(&clinic.path(&format!("/invites/{late}")))
        .await
        .expect(200);
    assert_eq!(
        (invite.text_at("/status"), invite.text_at("/holds_seat")),
        ("expired".into(), "false".into())
    );
    let resend = clinic.path(&format!("/invites/{late}/resend"));
    clinic
        .admin
        .post(&resend, json!({}))
        .await
        .expect_problem(409, "seat_limit_reached");
    // The job finds nothing left to free.
    portal.run_job("expire-invites").await.unwrap().unwrap();
    assert_eq!(clinic.seats_used().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_always_an_admin() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let vera = clinic.member("Vera", "viewer").await;
    let dana = clinic.admin.clone();
    for role in ["viewer", "provider"] {
        update(&clinic, &dana, json!({ "role": role }))
            .await
            .expect_problem(409, "last_admin");
    }
    remove(&clinic, &dana).await.expect_problem(409, "last_admin");
    dana.post(&clinic.path("/leave"), json!({}))
        .await
        .expect_problem(409, "last_admin");
    assert_eq!((clinic.admins().await, clinic.seats_used().await), (1, 0));

    // With two, one may go, whichever way; the other then stays
    update(&clinic, &vera, json!({ "role": "admin" }))
        .await
        .expect(200);
    let (first, second) = tokio::join!(remove(&clinic, &dana), async {
        let path = clinic.member_path(&vera);
        let etag = vera.etag(&path).await;
        vera.patch(&path, &etag, json!({ "role": "viewer" })).await
    });
    let won = [&first, &second]
        .iter()
        .filter(|answer| answer.status < 300)
        .count();
    assert_eq!(won, 1, "{} {}", first.text, second.text);
    let lost = if first.status < 300 { second } else { first };
    assert!(
        ["last_admin", "organization_not_found", "permission_missing"].contains(&lost.code().as_str()),
        "{}",
        lost.text
    );
    assert_eq!(clinic.admins().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_members_token_and_cursor_are_dead_at_once() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let max = clinic.member("Max", "admin").await;
    clinic.member("Ada", "viewer").await;
    let list = clinic.path("/members?limit=1");
    let cursor = max.get(&list).await.expect(200).next_cursor().unwrap();
    let next = format!("{list}&cursor={cursor}");
    max.get(&next).await.expect(200);
    // A right that was read just before
    let (known, organization) = clinic.store().access(max.account, clinic.id).await.unwrap();
    let right = Access::resolve(
        organization,
        known.memberships,
        Some(Permission::OrganizationUpdate),
        Phase::Active,
        Origin::default(),
        portal.clock.now(),
    )
    .unwrap();

    remove(&clinic, &max).await.expect(204);

    for path in [
        clinic.path(""),
        list,
        next,
        clinic.path("/audit-events"),
        clinic.path("/invites"),
    ] {
        max.get(&path).await.expect_problem(404, "organization_not_found");
    }
    let invite = json!({ "email": "a@b.example", "role": "viewer" });
    max.post(&clinic.path("/invites"), invite)
        .await
        .expect_problem(404, "organization_not_found");
    assert_eq!(
        max.get("/v1/me").await.expect(200).json()["memberships"],
        json!([])
    );

    // Between check and write: what was decided on that right commits nothing.
    let now = portal.clock.now();
    let ada = clinic
        .store()
        .member(clinic.id, portal.person("Ada").account)
        .await
        .unwrap()
        .unwrap();
    let role = RoleDraft {
        name: "Late".parse().unwrap(),
        grant: Grant::default(),
    };
    let late = [
        right.remove_member(&ada, ada.rev, now).unwrap(),
        right
            .update_organization(Update::default(), right.organization.rev, now)
            .unwrap()
            .1,
        right.create_role(role, now).unwrap().1,
        right
            .dissolve("Riverside Family Practice", true, 2, now)
            .unwrap()
            .1,
        right.leave(now).unwrap(),
    ];
    for change in late {
        assert!(
            matches!(
                clinic.store().commit(&change, None, now).await,
                Err(StoreError::Stale)
            ),
            "{change:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_begins_anew() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let max = clinic.member("Max", "admin").await;
    update(&clinic, &max, json!({ "provides_care": true }))
        .await
        .expect(200);
    let path = clinic.member_path(&max);
    let before = clinic.admin.get(&path).await.expect(200);
    remove(&clinic, &max).await.expect(204);
    assert_eq!(clinic.seats_used().await, 0);
    portal.wait(SignedDuration::from_mins(5));

    clinic.join(&max, "viewer").await;

    let after = clinic.admin.get(&path).await.expect(200);
    assert_eq!(
        (after.text_at("/role"), after.text_at("/provides_care")),
        ("viewer".into(), "false".into())
    );
    assert_ne!(after.text_at("/joined_at"), before.text_at("/joined_at"));
    max.get(&clinic.path("/members"))
        .await
        .expect_problem(403, "permission_missing");
    let promoted = update(&clinic, &max, json!({ "role": "admin" }))
        .await
        .expect(200);
    assert_eq!(promoted.text_at("/provides_care"), "false");
    assert_eq!(clinic.seats_used().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn last_active_is_told_to_the_hour_and_written_no_oftener() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let vera = clinic.member("Vera", "viewer").await;
    let path = clinic.member_path(&vera);
    let first = clinic.admin.get(&path).await.expect(200);
    let active = async || {
        clinic
            .admin
            .get(&path)
            .await
            .expect(200)
            .text_at("/last_active_at")
    };
    let (joined, etag) = (first.text_at("/last_active_at"), first.etag());

    // Within the hour nothing is written
    portal.wait(SignedDuration::from_mins(58));
    let quiet = vera.get(&clinic.path("")).await.expect(200);
    assert!(quiet.cost().2 < f64::EPSILON, "{:?}", quiet.cost());
    assert_eq!(active().await, joined);

    // After it, once
    portal.wait(SignedDuration::from_mins(3));
    let noted = vera.get(&clinic.path("")).await.expect(200);
    assert!(noted.cost().2 > 0.0);
    let second = active().await;
    assert_ne!(second, joined);
    assert!(vera.get(&clinic.path("")).await.expect(200).cost().2 < f64::EPSILON);

    // Many at once are one write, and a refused request is a sign of life too
    portal.wait(SignedDuration::from_hours(2));
    let (members, roles) = (clinic.path("/members"), clinic.path("/roles"));
    let same = futures_util::future::join_all((0..8).map(|_| vera.get(&members))).await;
    assert!(same.iter().all(|answer| answer.status == 403));
    assert_eq!(active().await, second, "without a right, nothing is noted");
    let same = futures_util::future::join_all((0..8).map(|_| vera.get(&roles))).await;
    assert!(same.iter().all(|answer| answer.status == 200));
    assert_ne!(active().await, second);

    // It is no change of the member: what an admin saw is still good
    clinic
        .admin
        .patch(&path, &etag, json!({ "role": "provider" }))
        .await
        .expect(200);
    assert_eq!(clinic.audit_verbs().await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_role_keeps_when_somebody_was_last_active() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let vera = clinic.member("Vera", "viewer").await;
    portal.wait(SignedDuration::from_hours(5));
    vera.get(&clinic.path("")).await.expect(200);
    let path = clinic.member_path(&vera);
    let before = clinic
        .admin
        .get(&path)
        .await
        .expect(200)
        .text_at("/last_active_at");
    let changed = update(&clinic, &vera, json!({ "role": "provider" }))
        .await
        .expect(200);
    assert_eq!(changed.text_at("/last_active_at"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_active_while_their_role_changes_was_active_then() {
    // Given people who were not seen for hours
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let mut people = Vec::new();
    for n in 0..8 {
        people.push(clinic.member(&format!("Vera{n}"), "viewer").await);
    }
    portal.wait(SignedDuration::from_hours(5));
    let since = portal.clock.now();

    // When they come back while their roles change, their own included
    portal
        .faults
        .set(seed(), vec![Rule::new(Kind::Delay, 0.5).lasting(5)]);
    let path = clinic.path("");
    let (active, changed, own) = tokio::join!(
        at_once(people.iter().map(|person| person.get(&path))),
        at_once(people.iter().map(|person| clinic.set_role(person, "provider"))),
        update(&clinic, &clinic.admin, json!({ "provides_care": true })),
    );
    portal.faults.clear();

    // Then neither is lost
    own.expect(200);
    assert!(active.iter().chain(&changed).all(|answer| answer.status == 200));
    for membership in hold(&portal).memberships {
        assert!(
            membership.last_active_at.as_second() >= since.as_second(),
            "{membership:?}"
        );
        assert_eq!(membership.rev, 2);
    }
}
