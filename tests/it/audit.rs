//! The audit log: every change once, findable, and without anybody's name.

use std::collections::BTreeSet;

use portal_domain::invite::LIFETIME;
use portal_local::mailbox::{Bounce, Event};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Clinic, DAY, Person, Portal, SECOND, fresh_key};

/// What the log tells, change by change.
struct Log<'a> {
    clinic: &'a Clinic<'a>,
    seen: BTreeSet<String>,
}

impl Log<'_> {
    /// The one event that is new.
    async fn next(&mut self) -> Value {
        let mut new = self.all_new().await;
        assert_eq!(new.len(), 1, "{new:#?}");
        new.remove(0)
    }

    async fn all_new(&mut self) -> Vec<Value> {
        // Whoever reads it is signed in today.
        let reader = self.clinic.portal.person("Dana");
        let all = reader.all(&self.clinic.path("/audit-events?limit=100")).await;
        let is_new = |event: &Value| self.seen.insert(event["id"].as_str().unwrap().to_owned());
        all.into_iter().filter(is_new).collect()
    }

    /// Asserts that the one new event says that `actor` did `verb` to `object`.
    async fn says(&mut self, verb: &str, actor: &str, object: &str) -> Value {
        let event = self.next().await;
        assert_eq!(
            (&event["verb"], &event["actor"]["id"], &event["object"]),
            (&json!(verb), &json!(actor), &json!(object)),
            "{event:#}"
        );
        event
    }
}

async fn patch(person: &Person, path: &str, body: Value) -> Answer {
    let etag = person.etag(path).await;
    person.patch(path, &etag, body).await.expect(200)
}

async fn delete(person: &Person, path: &str) -> Answer {
    let etag = person.etag(path).await;
    person.delete(path, &etag).await
}

#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::too_many_lines,
    reason = "one life of an organization, every change of it"
)]
async fn every_change_is_told_exactly_once_and_names_nobody() {
    let portal = Portal::start().await;
    let dana = portal.person_with("Canary Dana", "dana@riverside.example");
    let clinic = Clinic::of(&portal, dana.clone(), "Riverside Family Practice").await;
    let mut log = Log {
        clinic: &clinic,
        seen: BTreeSet::new(),
    };
    let (me, org) = (dana.account.to_string(), clinic.id.to_string());
    let made = log.says("organization.created", &me, &org).await;
    assert_eq!(
        (&made["actor"]["kind"], &made["actor"]["role"]),
        (&json!("account"), &json!("admin"))
    );

    // Settings and roles
    patch(
        &dana,
        &clinic.path(""),
        json!({ "name": "Hillside", "time_zone": "Asia/Tokyo" }),
    )
    .await;
    let told = log.says("organization.updated", &me, &org).await;
    assert_eq!(
        told["changes"],
        json!({ "name": { "before": "Riverside Family Practice", "after": "Hillside" },
                "time_zone": { "before": "UTC", "after": "Asia/Tokyo" } })
    );
    let role = clinic.role("Canary role", &["audit.read"]).await;
    let told = log.says("role.created", &me, &role).await;
    assert_eq!(
        told["changes"],
        json!({ "permissions": { "before": null, "after": "audit.read" } })
    );
    let role_path = clinic.path(&format!("/roles/{role}"));
    patch(&dana, &role_path, json!({ "permissions": ["members.read"] })).await;
    let told = log.says("role.updated", &me, &role).await;
    assert_eq!(
        told["changes"]["permissions"],
        json!({ "before": "audit.read", "after": "members.read" })
    );

    // Invites
    let ada = portal.person_with("Canary Ada", "ada@canary.example");
    let (invite, token) = clinic.invited(&ada, "viewer").await;
    log.says("invite.created", &me, &invite).await;
    let decline = json!({ "token": token });
    ada.post("/v1/invites/decline", decline).await;
    let told = log
        .says("invite.declined", &ada.account.to_string(), &invite)
        .await;
    assert_eq!(told["actor"]["role"], json!(null));
    let (invite, _) = clinic.invited(&ada, &role).await;
    log.says("invite.created", &me, &invite).await;
    let invite_path = clinic.path(&format!("/invites/{invite}"));
    dana.post(&format!("{invite_path}/resend"), json!({}))
        .await
        .expect(200);
    log.says("invite.resent", &me, &invite).await;
    portal.settle().await.unwrap();
    assert!(
        portal
            .mailbox
            .report(&ada.email, Event::Bounce, Bounce::Permanent)
    );
    portal.settle().await.unwrap();
    log.says("invite.undeliverable", "system:send-mail", &invite)
        .await;
    delete(&dana, &invite_path).await;
    log.says("invite.revoked", &me, &invite).await;
    let bulk = json!({ "invites": [
        { "email": "b1@canary.example", "role": "viewer" }, { "email": "nobody", "role": "viewer" },
        { "email": "b2@canary.example", "role": "provider" } ] });
    dana.post(&clinic.path("/invites/bulk"), bulk).await.expect(200);
    let told = log.all_new().await;
    assert_eq!(
        told.iter().map(|event| &event["verb"]).collect::<Vec<_>>(),
        ["invite.created", "invite.created"]
    );

    // Members
    let (invite, token) = clinic.invited(&ada, "viewer").await;
    log.says("invite.created", &me, &invite).await;
    ada.post("/v1/invites/accept", json!({ "token": token }))
        .await
        .expect(201);
    let told = log
        .says("invite.accepted", &ada.account.to_string(), &invite)
        .await;
    assert_eq!(
        told["changes"],
        json!({ "role": { "before": null, "after": "viewer" } })
    );
    let member = clinic.member_path(&ada);
    patch(&dana, &member, json!({ "role": "admin", "provides_care": true })).await;
    let told = log.says("member.updated", &me, &ada.account.to_string()).await;
    assert_eq!(
        told["changes"],
        json!({ "role": { "before": "viewer", "after": "admin" },
                "provides_care": { "before": "false", "after": "true" } })
    );
    patch(&ada, "/v1/me", json!({ "name": "Canary Augusta" })).await;
    log.says(
        "member.updated",
        &ada.account.to_string(),
        &ada.account.to_string(),
    )
    .await;
    ada.post(&clinic.path("/leave"), json!({})).await.expect(204);
    log.says("member.left", &ada.account.to_string(), &ada.account.to_string())
        .await;
    clinic.join(&ada, &role).await;
    assert_eq!(log.all_new().await.len(), 2);
    delete(&dana, &member).await.expect(204);
    log.says("member.removed", &me, &ada.account.to_string()).await;

    // An invite that can give nothing any more ends when it is answered
    let (invite, token) = clinic.invited(&ada, &role).await;
    log.says("invite.created", &me, &invite).await;
    delete(&dana, &role_path).await.expect(204);
    log.says("role.deleted", &me, &role).await;
    ada.post("/v1/invites/accept", json!({ "token": token }))
        .await
        .expect_problem(409, "role_gone");
    log.says("invite.voided", "system:invites", &invite).await;

    // Time
    portal.wait(LIFETIME);
    portal.run_job("expire-invites").await.unwrap().unwrap();
    let told = log.all_new().await;
    assert_eq!(told.len(), 2, "both of the bulk: {told:#?}");
    assert!(told.iter().all(|event| event["verb"] == "invite.expired" && event["actor"]["id"] == "system:expire-invites"));
    portal.run_job("expire-invites").await.unwrap().unwrap();
    assert!(log.all_new().await.is_empty());

    // The end
    dana.post(&clinic.path("/dissolution"), json!({ "name": "Hillside" }))
        .await
        .expect(200);
    log.says("organization.dissolution_requested", &me, &org).await;
    dana.request(Method::DELETE, &clinic.path("/dissolution"))
        .send()
        .await
        .expect(200);
    log.says("organization.dissolution_cancelled", &me, &org).await;

    // Nobody is named in any of it
    let all = dana.all(&clinic.path("/audit-events?limit=100")).await;
    let text = json!(all).to_string();
    for canary in ["Canary", "canary", "Dana", "Augusta", "@"] {
        assert!(!text.contains(canary), "{canary} is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_or_only_repeated_is_not_told() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let vera = clinic.member("Vera", "viewer").await;
    let before = clinic.audit_verbs().await;
    let dana = &clinic.admin;
    dana.post(&clinic.path("/leave"), json!({}))
        .await
        .expect_problem(409, "last_admin");
    dana.patch(&clinic.path(""), "\"99\"", json!({ "name": "Late" }))
        .await
        .expect_problem(412, "revision_mismatch");
    clinic
        .invite(&vera.email, "viewer")
        .await
        .expect_problem(409, "already_member");
    let wrong = json!({ "name": "Wrong", "remove_members": true });
    dana.post(&clinic.path("/dissolution"), wrong)
        .await
        .expect_problem(422, "name_mismatch");
    vera.post(&clinic.path("/roles"), json!({ "name": "A", "permissions": [] }))
        .await
        .expect_problem(403, "permission_missing");
    assert_eq!(clinic.audit_verbs().await, before);

    let key = fresh_key();
    let role = json!({ "name": "Once", "permissions": [] });
    for _ in 0..3 {
        dana.post_with_key(&clinic.path("/roles"), &key, role.clone())
            .await
            .expect(201);
    }
    assert_eq!(clinic.audit_verbs().await.len(), before.len() + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_tells_from_where_as_the_gateway_saw_it() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let made = clinic
        .admin
        .request(Method::POST, &clinic.path("/roles"))
        .header("idempotency-key", &fresh_key())
        .header("user-agent", &"portal-test/1.0 ".repeat(30))
        .header("x-forwarded-for", "203.0.113.9")
        .json(&json!({ "name": "A", "permissions": [] }))
        .send()
        .await
        .expect(201);
    let event = clinic
        .admin
        .get(&clinic.path("/audit-events?verb=role.created"))
        .await
        .expect(200)
        .items()
        .remove(0);
    assert_eq!(event["origin"]["request_id"], made.header("x-request-id"));
    assert_eq!(event["origin"]["ip"], "127.0.0.1");
    let agent = event["origin"]["user_agent"].as_str().unwrap();
    assert!(agent.starts_with("portal-test/1.0 ") && agent.chars().count() <= 200);
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "a table of filters over one log")]
async fn events_are_found_by_actor_object_verb_and_time() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let max = clinic.member("Max", "admin").await;
    let role = clinic.role("A", &[]).await;
    let path = clinic.path(&format!("/roles/{role}"));
    portal.wait(SECOND);
    let middle = portal.clock.now();
    portal.wait(SECOND);
    patch(&max, &path, json!({ "name": "B" })).await;
    patch(&clinic.admin, &path, json!({ "name": "C" })).await;
    let found = async |query: &str| -> Vec<String> {
        let items = clinic
            .admin
            .all(&clinic.path(&format!("/audit-events?{query}")))
            .await;
        items
            .iter()
            .map(|event| event["verb"].as_str().unwrap().to_owned())
            .collect()
    };
    let (dana, max) = (clinic.admin.account, max.account);

    assert_eq!(
        found(&format!("actor={max}")).await,
        ["role.updated", "invite.accepted"]
    );
    assert_eq!(
        found(&format!("object={role}")).await,
        ["role.updated", "role.updated", "role.created"]
    );
    assert_eq!(
        found(&format!("object={role}&actor={max}")).await,
        ["role.updated"]
    );
    assert_eq!(
        found(&format!("object={role}&verb=role.created")).await,
        ["role.created"]
    );
    assert_eq!(
        found(&format!("actor={dana}&verb=role.updated")).await,
        ["role.updated"]
    );
    assert_eq!(found("verb=role.updated").await.len(), 2);
    assert_eq!(found(&format!("object={max}")).await, ["member.updated"]);
    assert!(found("actor=system:nobody").await.is_empty());
    assert!(
        found("object=inv_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")
            .await
            .is_empty()
    );

    // Before and after are told apart exactly; every event is in one of both.
    let (earlier, later) = (
        found(&format!("until={middle}")).await,
        found(&format!("from={middle}")).await,
    );
    assert_eq!(later, ["role.updated", "role.updated"]);
    assert_eq!([later, earlier].concat(), found("limit=3").await);
    assert_eq!(found(&format!("object={role}&from={middle}")).await.len(), 2);
    assert_eq!(found(&format!("actor={dana}&until={middle}")).await.len(), 4);
    assert!(found("from=2999-01-01T00:00:00Z").await.is_empty());
    assert!(found("until=1999-01-01T00:00:00Z").await.is_empty());
    assert!(found(&format!("from={middle}&until={middle}")).await.is_empty());
    assert!(
        !found("from=-000001-01-01T00:00:00Z&until=9999-12-30T00:00:00Z")
            .await
            .is_empty()
    );

    // A time is exact to the millisecond: from its own on, an event is in; until it, it is out.
    let last = clinic
        .admin
        .get(&clinic.path("/audit-events?limit=1"))
        .await
        .expect(200)
        .items()
        .remove(0);
    let at = last["at"].as_str().unwrap();
    assert!(found(&format!("from={at}")).await.len() < found(&format!("until={at}")).await.len());
    assert_eq!(
        found(&format!("from={at}")).await.len() + found(&format!("until={at}")).await.len(),
        found("").await.len()
    );

    for query in [
        "verb=member.eaten",
        "verb=",
        "from=yesterday",
        "from=2026-01-01",
        "until=1",
        "actor=a%20b",
        "object=%2F",
        "kind=x",
        "verb=role.created&verb=role.updated",
        "from=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z",
    ] {
        let refused = clinic
            .admin
            .get(&clinic.path(&format!("/audit-events?{query}")))
            .await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (400, "query_invalid"),
            "{query}: {}",
            refused.text
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_read_through_busy_and_empty_months() {
    // Given a year in which something happens now and then
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let mut expected = vec!["organization.created".to_owned()];
    for months in [2, 0, 5, 3] {
        portal.wait(DAY * 31 * months);
        let dana = portal.person("Dana");
        for n in 0..7 {
            let body = json!({ "name": format!("Role {n}"), "permissions": [] });
            dana.post(&clinic.path("/roles"), body).await.expect(201);
            expected.push("role.created".to_owned());
        }
    }
    portal.wait(DAY * 31);
    let dana = portal.person("Dana");

    // When it is read page by page, Then nothing is missing, nothing is twice, and newest comes first
    let path = clinic.path("/audit-events?limit=3");
    let (mut events, mut empty, mut page) = (Vec::new(), 0, dana.get(&path).await.expect(200));
    loop {
        let items = page.items();
        empty += usize::from(items.is_empty());
        events.extend(items);
        match page.next_cursor() {
            Some(cursor) => page = dana.get(&format!("{path}&cursor={cursor}")).await.expect(200),
            None => break,
        }
    }
    assert!(empty >= 5, "{empty} months are empty");
    let ids: BTreeSet<_> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!((events.len(), ids.len()), (expected.len(), expected.len()));
    let time = |event: &Value| event["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let times: Vec<_> = events.iter().map(time).collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older));
    assert_eq!(events.last().unwrap()["verb"], "organization.created");

    // By actor no month is walked through; and an interval is
    let own = dana
        .all(&clinic.path(&format!("/audit-events?actor={}&limit=10", dana.account)))
        .await;
    assert_eq!(own.len(), expected.len());
    let (from, until) = (times[14], times[7]);
    let between = dana
        .all(&clinic.path(&format!("/audit-events?from={from}&until={until}&limit=2")))
        .await;
    let wanted = times.iter().filter(|at| **at >= from && **at < until).count();
    assert_eq!(between.len(), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_read_by_those_who_may_and_its_cursor_by_nobody_else() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let auditing = clinic.role("Auditing", &["audit.read"]).await;
    let (vera, max) = (
        clinic.member("Vera", "viewer").await,
        clinic.member("Max", &auditing).await,
    );
    let other = Clinic::of(&portal, portal.person("Olga"), "Elsewhere").await;
    let path = clinic.path("/audit-events?limit=2");
    assert_eq!(vera.all(&path).await, clinic.admin.all(&path).await);
    assert_eq!(max.all(&path).await.len(), clinic.audit_verbs().await.len());
    clinic
        .member("Pia", "provider")
        .await
        .get(&path)
        .await
        .expect_problem(403, "permission_missing");
    other
        .admin
        .get(&path)
        .await
        .expect_problem(404, "organization_not_found");

    let cursor = vera.get(&path).await.expect(200).next_cursor().unwrap();
    let with = |path: String| format!("{path}&cursor={cursor}");
    vera.get(&with(path.clone())).await.expect(200);
    clinic
        .admin
        .get(&with(path.clone()))
        .await
        .expect_problem(400, "cursor_invalid");
    other
        .admin
        .get(&with(other.path("/audit-events?limit=2")))
        .await
        .expect_problem(400, "cursor_invalid");
    vera.get(&with(clinic.path("/audit-events?verb=role.created")))
        .await
        .expect_problem(400, "cursor_invalid");
    vera.get(&with(clinic.path("/roles?limit=2")))
        .await
        .expect_problem(400, "cursor_invalid");
}
