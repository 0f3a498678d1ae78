//! Roles: what they hold, who may make and give them, and what their holders may do.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use portal_domain::access::{Access, Phase};
use portal_domain::audit::Origin;
use portal_domain::organization::RoleDraft;
use portal_domain::permission::{PRESETS, Permission};
use portal_domain::role::{Grant, MOST_ROLES, Role};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Clinic, Person, Portal, fresh_key};

/// A role that never was.
const UNKNOWN: &str = "rol_0192f0c1-2b3c-7d4e-8f50-61728394a5b6";

async fn change_role(clinic: &Clinic<'_>, by: &Person, role: &str, body: Value) -> Answer {
    let path = clinic.path(&format!("/roles/{role}"));
    let etag = by.etag(&path).await;
    by.patch(&path, &etag, body).await
}

async fn delete_role(clinic: &Clinic<'_>, by: &Person, role: &str) -> Answer {
    let path = clinic.path(&format!("/roles/{role}"));
    let etag = by.etag(&path).await;
    by.delete(&path, &etag).await
}

/// `by` gives `person` a role.
async fn give(clinic: &Clinic<'_>, by: &Person, person: &Person, role: &str) -> Answer {
    let path = clinic.member_path(person);
    let etag = clinic.admin.etag(&path).await;
    by.patch(&path, &etag, json!({ "role": role })).await
}

async fn remove(clinic: &Clinic<'_>, by: &Person, person: &Person) -> Answer {
    let path = clinic.member_path(person);
    let etag = clinic.admin.etag(&path).await;
    by.delete(&path, &etag).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_matrix_is_served_from_the_code() {
    let portal = Portal::start().await;
    let matrix = portal
        .person("Nobody")
        .get("/v1/permissions")
        .await
        .expect(200)
        .json();
    let names = |list: &Value| -> BTreeSet<String> {
        list.as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    };
    let listed: BTreeSet<_> = matrix["permissions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    assert_eq!(listed, Permission::ALL.iter().map(|p| p.as_str()).collect());
    for (role, shown) in Role::BUILT_IN
        .into_iter()
        .zip(matrix["roles"].as_array().unwrap())
    {
        assert_eq!(shown["role"], role.to_string());
        let held = role.built_in_permissions();
        assert_eq!(
            names(&shown["permissions"]),
            held.iter().map(|p| p.as_str().to_owned()).collect()
        );
    }
    for (preset, shown) in PRESETS.iter().zip(matrix["presets"].as_array().unwrap()) {
        assert_eq!(shown["name"], preset.name);
        assert_eq!(
            names(&shown["permissions"]),
            preset.permissions.iter().map(|p| p.as_str().to_owned()).collect()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_made_seen_changed_and_deleted() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let body =
        json!({ "name": " Front  desk ", "permissions": ["members.read", "invites.read", "members.read"] });

    let made = clinic.admin.post(&clinic.path("/roles"), body).await.expect(201);

    let path = clinic.path(&format!("/roles/{}", made.id()));
    assert_eq!(made.header("location"), path);
    assert_eq!(
        made.json()["permissions"],
        json!(["members.read", "invites.read"])
    );
    assert_eq!(made.text_at("/takes_seat"), "false");
    assert_eq!(clinic.admin.get(&path).await.expect(200).json(), made.json());

    let etag = made.etag();
    let changed = clinic
        .admin
        .patch(&path, &etag, json!({ "name": "Reception" }))
        .await
        .expect(200);
    assert_eq!(
        (changed.text_at("/name"), &changed.json()["permissions"]),
        ("Reception".to_owned(), &made.json()["permissions"])
    );
    clinic
        .admin
        .patch(&path, &etag, json!({ "name": "Late" }))
        .await
        .expect_problem(412, "revision_mismatch");
    clinic
        .admin
        .delete(&path, &etag)
        .await
        .expect_problem(412, "revision_mismatch");
    let blind = clinic.admin.request(Method::DELETE, &path).send().await;
    blind.expect_problem(428, "revision_missing");

    clinic.admin.delete(&path, &changed.etag()).await.expect(204);
    clinic
        .admin
        .get(&path)
        .await
        .expect_problem(404, "role_not_found");
    clinic
        .admin
        .delete(&path, &changed.etag())
        .await
        .expect_problem(404, "role_not_found");
    assert!(
        clinic
            .admin
            .get(&clinic.path("/roles"))
            .await
            .expect(200)
            .items()
            .is_empty()
    );
    assert_eq!(
        clinic.audit_verbs().await,
        [
            "organization.created",
            "role.created",
            "role.updated",
            "role.deleted"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_role_is_refused_at_its_field() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    for (body, code, pointer) in [
        (json!({ "name": "A" }), "fields_invalid", ""),
        (json!({ "permissions": [] }), "fields_invalid", ""),
        (
            json!({ "name": "A", "permissions": ["members.eat"] }),
            "permission_unknown",
            "/permissions/0",
        ),
        (
            json!({ "name": "A", "permissions": ["audit.read", "*"] }),
            "permission_unknown",
            "/permissions/1",
        ),
        (
            json!({ "name": "A", "permissions": "audit.read" }),
            "fields_invalid",
            "/permissions",
        ),
        (
            json!({ "name": "A".repeat(61), "permissions": [] }),
            "text_invalid",
            "/name",
        ),
    ] {
        let refused = clinic
            .admin
            .post(&clinic.path("/roles"), body.clone())
            .await
            .expect_problem(422, code);
        assert_eq!(refused.text_at("/errors/0/pointer"), pointer, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_roles_fit_and_are_listed_in_pages() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let mut made = Vec::new();
    for n in 0..MOST_ROLES {
        made.push(clinic.role(&format!("Role {n}"), &["audit.read"]).await);
    }
    let body = json!({ "name": "One more", "permissions": [] });
    clinic
        .admin
        .post(&clinic.path("/roles"), body.clone())
        .await
        .expect_problem(422, "limit_exceeded");

    let ids = |items: Vec<Value>| -> Vec<String> {
        items
            .iter()
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(clinic.admin.all(&clinic.path("/roles?limit=20")).await), made);
    assert_eq!(
        clinic
            .admin
            .get(&clinic.path("/roles?limit=20"))
            .await
            .expect(200)
            .items()
            .len(),
        20
    );

    delete_role(&clinic, &clinic.admin, &made[7]).await.expect(204);
    clinic.admin.post(&clinic.path("/roles"), body).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_made_by_clocks_that_differ_are_listed_without_a_gap_or_a_duplicate() {
    // Given a role made by a sandbox whose clock is five minutes ahead, and one made after it by another
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (known, organization) = clinic
        .store()
        .access(clinic.admin.account, clinic.id)
        .await
        .unwrap();
    let origin = Origin::default();
    let now = portal.clock.now();
    let access = Access::resolve(organization, known.memberships, None, Phase::Active, origin, now).unwrap();
    let draft = RoleDraft {
        name: "Ahead".parse().unwrap(),
        grant: Grant::default(),
    };
    let ahead = portal.clock.now() + SignedDuration::from_mins(5);
    let (first, change) = access.create_role(draft, ahead).unwrap();
    clinic.store().commit(&change, None, ahead).await.unwrap();
    let second = clinic.role("Behind", &[]).await;

    // Then both are listed, once
    let listed = clinic.admin.all(&clinic.path("/roles?limit=1")).await;
    let ids: Vec<_> = listed.iter().map(|role| role["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [second.as_str(), &first.id.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn holders_have_what_their_role_holds_from_the_next_request_on() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let role = clinic.role("Front desk", &["members.read"]).await;
    let fay = clinic.member("Fay", &role).await;
    let (members, audit) = (clinic.path("/members"), clinic.path("/audit-events"));
    fay.get(&members).await.expect(200);
    let refused = fay.get(&audit).await.expect_problem(403, "permission_missing");
    assert!(refused.text_at("/detail").contains("audit.read"));

    change_role(
        &clinic,
        &clinic.admin,
        &role,
        json!({ "permissions": ["audit.read"] }),
    )
    .await
    .expect(200);

    fay.get(&members).await.expect_problem(403, "permission_missing");
    fay.get(&audit).await.expect(200);
    assert_eq!(
        fay.get(&clinic.path("")).await.expect(200).json()["permissions"],
        json!(["audit.read"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_manages_roles_makes_none_that_is_stronger() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let managing = clinic.role("Managing", &["roles.manage", "members.read"]).await;
    let strong = clinic.role("Strong", &["audit.read", "members.read"]).await;
    let max = clinic.member("Max", &managing).await;
    let create = async |permissions: &[&str]| {
        max.post(
            &clinic.path("/roles"),
            json!({ "name": "New", "permissions": permissions }),
        )
        .await
    };

    // What he holds, he gives
    let own = create(&["members.read"]).await.expect(201).id();
    change_role(&clinic, &max, &own, json!({ "permissions": ["roles.manage"] }))
        .await
        .expect(200);
    delete_role(&clinic, &max, &own).await.expect(204);

    // And nothing else: by a new role, by his own, by taking from a stronger one, or by deleting it
    let refused = create(&["members.read", "members.manage"])
        .await
        .expect_problem(403, "grant_exceeds_own");
    assert_eq!(refused.text_at("/errors/0/pointer"), "/permissions");
    let more = json!({ "permissions": ["roles.manage", "members.read", "members.manage"] });
    change_role(&clinic, &max, &managing, more)
        .await
        .expect_problem(403, "grant_exceeds_own");
    for body in [
        json!({ "permissions": ["members.read"] }),
        json!({ "permissions": [] }),
        json!({ "name": "Weak" }),
    ] {
        change_role(&clinic, &max, &strong, body)
            .await
            .expect_problem(403, "grant_exceeds_own");
    }
    delete_role(&clinic, &max, &strong)
        .await
        .expect_problem(403, "grant_exceeds_own");

    // And he can neither give roles nor invite
    give(&clinic, &max, &max, "admin")
        .await
        .expect_problem(403, "permission_missing");
    let invite = json!({ "email": "a@b.example", "role": "viewer" });
    max.post(&clinic.path("/invites"), invite)
        .await
        .expect_problem(403, "permission_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_manages_members_acts_on_none_that_is_stronger() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let managing = clinic.role("Managing", &["members.manage", "members.read"]).await;
    let weak = clinic.role("Weak", &["members.read"]).await;
    let other = clinic.role("Other", &["articles.manage"]).await;
    let max = clinic.member("Max", &managing).await;
    let (wes, otto) = (
        clinic.member("Wes", &weak).await,
        clinic.member("Otto", &other).await,
    );
    let (vera, pia) = (
        clinic.member("Vera", "viewer").await,
        clinic.member("Pia", "provider").await,
    );

    // Not himself to more, nor anybody to what he does not hold
    for (person, role) in [
        (&max, "admin"),
        (&max, "viewer"),
        (&wes, "admin"),
        (&wes, "viewer"),
        (&wes, "provider"),
        (&wes, &other),
    ] {
        let refused = give(&clinic, &max, person, role)
            .await
            .expect_problem(403, "grant_exceeds_own");
        assert_eq!(refused.text_at("/errors/0/pointer"), "/role");
    }
    // Nobody who holds what he does not: not even down, nor out
    for person in [&clinic.admin, &otto, &vera, &pia] {
        give(&clinic, &max, person, &weak)
            .await
            .expect_problem(403, "grant_exceeds_own");
        remove(&clinic, &max, person)
            .await
            .expect_problem(403, "grant_exceeds_own");
    }
    // Those below him, as he likes
    give(&clinic, &max, &wes, &managing).await.expect(200);
    give(&clinic, &max, &wes, &weak).await.expect(200);
    remove(&clinic, &max, &wes).await.expect(204);
    // And himself, down
    give(&clinic, &max, &max, &weak).await.expect(200);
    give(&clinic, &max, &max, &managing)
        .await
        .expect_problem(403, "permission_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_manages_invites_invites_to_nothing_stronger() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let managing = clinic
        .role("Managing", &["invites.manage", "invites.read", "audit.read"])
        .await;
    let weak = clinic.role("Weak", &["audit.read"]).await;
    let max = clinic.member("Max", &managing).await;
    let invite = async |role: &str, email: &str| {
        max.post(&clinic.path("/invites"), json!({ "email": email, "role": role }))
            .await
    };
    for role in ["provider", "viewer"] {
        let refused = invite(role, "a@b.example")
            .await
            .expect_problem(403, "grant_exceeds_own");
        assert_eq!(refused.text_at("/errors/0/pointer"), "/role");
    }
    invite("admin", "a@b.example")
        .await
        .expect_problem(422, "role_not_invitable");
    invite(&weak, "a@b.example").await.expect(201);
    invite(&managing, "c@b.example").await.expect(201);

    // A stronger invite of somebody else's is not his to send again
    let strong = clinic.invite("d@b.example", "provider").await.expect(201).id();
    let resend = clinic.path(&format!("/invites/{strong}/resend"));
    max.post(&resend, json!({}))
        .await
        .expect_problem(403, "grant_exceeds_own");

    // And what he invited to ends with his right to it
    let ada = portal.person("Ada");
    invite(&weak, &ada.email).await.expect(201);
    let token = clinic.token(&ada.email).await;
    clinic.set_role(&max, "viewer").await.expect(200);
    let accepted = ada.post("/v1/invites/accept", json!({ "token": token })).await;
    accepted.expect_problem(409, "inviter_without_right");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_somebody_holds_stays_and_an_invite_to_a_deleted_one_is_void() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let role = clinic.role("Care", &["sessions.create"]).await;
    let cleo = clinic.member("Cleo", &role).await;
    let ada = portal.person("Ada");
    let (_, token) = clinic.invited(&ada, &role).await;
    assert_eq!(clinic.seats_used().await, 2);

    delete_role(&clinic, &clinic.admin, &role)
        .await
        .expect_problem(409, "role_in_use");
    clinic.set_role(&cleo, "viewer").await.expect(200);
    assert_eq!(clinic.seats_used().await, 1);
    delete_role(&clinic, &clinic.admin, &role).await.expect(204);

    // The invite gives nothing any more; answering it frees what it held.
    ada.post("/v1/invites/accept", json!({ "token": token }))
        .await
        .expect_problem(409, "role_gone");
    assert_eq!(clinic.seats_used().await, 0);
    let refused = clinic
        .set_role(&cleo, &role)
        .await
        .expect_problem(422, "role_unknown");
    assert_eq!(refused.text_at("/errors/0/pointer"), "/role");
    clinic
        .invite("x@b.example", &role)
        .await
        .expect_problem(422, "role_unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_of_others_and_roles_that_never_were_are_unknown() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let vera = clinic.member("Vera", "viewer").await;
    let other = Clinic::of(&portal, portal.person("Olga"), "Elsewhere").await;
    let foreign = other.role("Theirs", &["members.read"]).await;
    for role in [foreign.as_str(), UNKNOWN, "owner", "Admin", "", "rol_1"] {
        let refused = clinic
            .set_role(&vera, role)
            .await
            .expect_problem(422, "role_unknown");
        assert_eq!(refused.text_at("/errors/0/pointer"), "/role", "{role}");
        let refused = clinic
            .invite("x@b.example", role)
            .await
            .expect_problem(422, "role_unknown");
        assert_eq!(refused.text_at("/errors/0/pointer"), "/role", "{role}");
    }
    // Another's role below one's own path is no role.
    for role in [foreign.as_str(), UNKNOWN] {
        let path = clinic.path(&format!("/roles/{role}"));
        clinic
            .admin
            .get(&path)
            .await
            .expect_problem(404, "role_not_found");
        clinic
            .admin
            .patch(&path, "\"1\"", json!({ "name": "Mine" }))
            .await
            .expect_problem(404, "role_not_found");
        clinic
            .admin
            .delete(&path, "\"1\"")
            .await
            .expect_problem(404, "role_not_found");
    }
    let theirs = other.path(&format!("/roles/{foreign}"));
    clinic
        .admin
        .get(&theirs)
        .await
        .expect_problem(404, "organization_not_found");
    other.admin.get(&theirs).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_a_role_takes_a_seat_is_fixed_when_it_is_made() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let with = clinic.role("Care", &["sessions.create", "audit.read"]).await;
    let without = clinic.role("Office", &["audit.read"]).await;
    let cleo = clinic.member("Cleo", &with).await;
    for (role, permissions) in [
        (&with, json!(["audit.read"])),
        (&with, json!([])),
        (&without, json!(["sessions.create"])),
    ] {
        let refused = change_role(
            &clinic,
            &clinic.admin,
            role,
            json!({ "permissions": permissions }),
        )
        .await;
        let refused = refused.expect_problem(422, "role_seat_fixed");
        assert_eq!(refused.text_at("/errors/0/pointer"), "/permissions");
    }
    let both = json!({ "permissions": ["sessions.create", "sessions.read"] });
    change_role(&clinic, &clinic.admin, &with, both).await.expect(200);
    assert_eq!(clinic.seats_used().await, 1);
    remove(&clinic, &clinic.admin, &cleo).await.expect(204);
    assert_eq!(clinic.seats_used().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_and_viewers_do_what_their_role_says_and_nothing_else() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (pia, vera) = (
        clinic.member("Pia", "provider").await,
        clinic.member("Vera", "viewer").await,
    );
    let target = clinic.member_path(&clinic.admin);
    let role = clinic.path(&format!("/roles/{}", clinic.role("Front desk", &[]).await));
    let invite = clinic.invite("x@b.example", "viewer").await.expect(201).id();
    let invite = clinic.path(&format!("/invites/{invite}"));
    let (get, post, patch, delete) = (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    let resend = format!("{invite}/resend");
    // Provider, viewer
    let cases = [
        (&get, clinic.path(""), json!(null), 200, 200),
        (&get, clinic.path("/roles"), json!(null), 200, 200),
        (&get, role.clone(), json!(null), 200, 200),
        (&get, clinic.path("/audit-events"), json!(null), 403, 200),
        (&get, clinic.path("/members"), json!(null), 403, 403),
        (&get, target.clone(), json!(null), 403, 403),
        (&get, clinic.path("/invites"), json!(null), 403, 403),
        (&get, invite.clone(), json!(null), 403, 403),
        (&patch, clinic.path(""), json!({ "name": "Ours" }), 403, 403),
        (
            &post,
            clinic.path("/dissolution"),
            json!({ "name": "x", "remove_members": true }),
            403,
            403,
        ),
        (&delete, clinic.path("/dissolution"), json!(null), 403, 403),
        (
            &post,
            clinic.path("/roles"),
            json!({ "name": "A", "permissions": [] }),
            403,
            403,
        ),
        (&patch, role.clone(), json!({ "name": "A" }), 403, 403),
        (&delete, role.clone(), json!(null), 403, 403),
        (&patch, target.clone(), json!({ "role": "viewer" }), 403, 403),
        (&delete, target.clone(), json!(null), 403, 403),
        (
            &post,
            clinic.path("/invites"),
            json!({ "email": "y@b.example", "role": "viewer" }),
            403,
            403,
        ),
        (
            &post,
            clinic.path("/invites/bulk"),
            json!({ "invites": [{ "email": "y@b.example", "role": "viewer" }] }),
            403,
            403,
        ),
        (&post, resend, json!({}), 403, 403),
        (&delete, invite.clone(), json!(null), 403, 403),
    ];
    let before = clinic.audit_verbs().await;
    for (method, path, body, provider, viewer) in cases {
        for (person, status) in [(&pia, provider), (&vera, viewer)] {
            let request = person.request(method.clone(), &path).header("if-match", "\"1\"");
            let request = request.header("idempotency-key", &fresh_key());
            let request = if body.is_null() {
                request
            } else {
                request.json(&body)
            };
            let answer = request.send().await;
            assert_eq!(
                answer.status, status,
                "{} {method} {path}: {}",
                person.name, answer.text
            );
            if status == 403 {
                assert_eq!(answer.code(), "permission_missing");
            }
        }
    }
    // Not even their own membership is theirs to change; and nothing of it all left a trace.
    for person in [&pia, &vera] {
        let refused = person
            .patch(&clinic.member_path(person), "\"1\"", json!({ "role": "admin" }))
            .await;
        refused.expect_problem(403, "permission_missing");
    }
    assert_eq!(clinic.audit_verbs().await, before);
}
