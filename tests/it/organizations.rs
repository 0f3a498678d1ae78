//! Organizations: how they begin, what is configured and what it changes, and how people leave.

use jiff::Timestamp;
use portal_domain::invite::LIFETIME;
use portal_local::identity::SignIn;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Clinic, DAY, Person, Portal, SECOND, fresh_key};

/// Somebody who says that an address is theirs; nobody has verified it.
fn impostor(portal: &Portal, email: &str) -> Person {
    let sign_in = SignIn {
        email_verified: Some(false),
        ..SignIn::new(email)
    };
    Person::with(portal, &sign_in)
}

/// The admin changes settings.
async fn configure(clinic: &Clinic<'_>, settings: Value) -> Answer {
    let etag = clinic.admin.etag(&clinic.path("")).await;
    clinic.admin.patch(&clinic.path(""), &etag, settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_creates_an_organization_is_its_admin() {
    let portal = Portal::start().await;
    let dana = portal.person("Dana");

    let body = json!({
        "name": "  Praxis Mu\u{308}ller ", "allowed_domains": ["RIVERSIDE.example", "bücher.example"],
        "time_zone": "europe/berlin", "languages": { "default": "de", "available": ["es", "de"] },
    });
    let made = dana.post("/v1/organizations", body).await.expect(201);

    let path = format!("/v1/organizations/{}", made.id());
    assert_eq!(made.header("location"), path);
    assert_eq!(made.text_at("/name"), "Praxis Müller");
    assert_eq!(made.text_at("/status"), "active");
    assert_eq!(made.text_at("/time_zone"), "Europe/Berlin");
    assert_eq!(
        made.json()["allowed_domains"],
        json!(["riverside.example", "xn--bcher-kva.example"])
    );
    assert_eq!(
        made.json()["languages"],
        json!({ "default": "de", "available": ["de", "es"] })
    );
    assert_eq!(made.text_at("/role"), "admin");
    let seen = dana.get(&path).await.expect(200);
    assert_eq!((seen.json(), seen.etag()), (made.json(), made.etag()));
    let members = dana.get(&format!("{path}/members")).await.expect(200).items();
    assert_eq!(members.len(), 1);
    assert_eq!(
        (&members[0]["role"], &members[0]["takes_seat"]),
        (&json!("admin"), &json!(false))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_organization_cannot_be_is_refused_at_its_field() {
    let portal = Portal::start().await;
    let dana = portal.person("Dana");
    let domains: Vec<_> = (0..50)
        .map(|n| format!("clinic{n}.example"))
        .chain(["riverside.example".into()])
        .collect();
    let cases = [
        (json!({}), "fields_invalid", ""),
        (json!({ "name": "" }), "text_invalid", "/name"),
        (json!({ "name": "a".repeat(101) }), "text_invalid", "/name"),
        (json!({ "name": 7 }), "fields_invalid", "/name"),
        (
            json!({ "name": "A", "time_zone": "Mars/Olympus" }),
            "time_zone_unknown",
            "/time_zone",
        ),
        (
            json!({ "name": "A", "allowed_domains": ["elsewhere.example"] }),
            "email_domain_not_allowed",
            "/allowed_domains",
        ),
        (
            json!({ "name": "A", "allowed_domains": ["sub.riverside.example"] }),
            "email_domain_not_allowed",
            "/allowed_domains",
        ),
        (
            json!({ "name": "A", "allowed_domains": ["riverside.example", "*.example"] }),
            "domain_invalid",
            "/allowed_domains/1",
        ),
        (
            json!({ "name": "A", "allowed_domains": ["ada@riverside.example"] }),
            "domain_invalid",
            "/allowed_domains/0",
        ),
        (
            json!({ "name": "A", "allowed_domains": ["xn--riverside-.example"] }),
            "domain_invalid",
            "/allowed_domains/0",
        ),
        (
            json!({ "name": "A", "allowed_domains": domains }),
            "limit_exceeded",
            "/allowed_domains",
        ),
        (
            json!({ "name": "A", "languages": { "default": "fr" } }),
            "locale_unsupported",
            "/languages/default",
        ),
        (
            json!({ "name": "A", "languages": { "available": ["de"] } }),
            "fields_invalid",
            "/languages/default",
        ),
        (
            json!({ "name": "A", "languages": { "available": [] } }),
            "fields_invalid",
            "/languages/default",
        ),
    ];
    for (body, code, pointer) in cases {
        let refused = dana
            .post("/v1/organizations", body.clone())
            .await
            .expect_problem(422, code);
        assert_eq!(refused.text_at("/errors/0/pointer"), pointer, "{body}");
    }
    assert!(dana.get("/v1/organizations").await.expect(200).items().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn creating_needs_the_proven_address_of_the_account() {
    let portal = Portal::start().await;
    let body = || json!({ "name": "Riverside" });
    impostor(&portal, "dana@riverside.example")
        .post("/v1/organizations", body())
        .await
        .expect_problem(403, "email_unverified");

    // Eva's provider knows her under another address by now: she adopts it first.
    let sign_in = |email: &str| SignIn {
        sub: Some("eva".to_owned()),
        ..SignIn::new(email)
    };
    Person::with(&portal, &sign_in("eva@riverside.example"))
        .get("/v1/me")
        .await
        .expect(200);
    let moved = Person::with(&portal, &sign_in("eva@new.example"));
    moved
        .post("/v1/organizations", body())
        .await
        .expect_problem(409, "email_changed");
    let etag = moved.etag("/v1/me").await;
    moved
        .patch("/v1/me", &etag, json!({ "email": "eva@new.example" }))
        .await
        .expect(200);
    moved.post("/v1/organizations", body()).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_makes_twenty_organizations_a_day_and_belongs_to_a_hundred() {
    let portal = Portal::start().await;
    let dana = portal.person("Dana");
    // The day begins, so that twenty-one requests are surely within it.
    let second = portal.clock.now().as_second().rem_euclid(86_400);
    portal.wait(DAY - SECOND * i32::try_from(second).unwrap());
    let create = async |n: usize| {
        dana.post("/v1/organizations", json!({ "name": format!("Clinic {n:03}") }))
            .await
    };
    for day in 0..5 {
        for n in 0..20 {
            create(day * 20 + n).await.expect(201);
        }
        if day == 0 {
            let refused = create(100).await.expect_problem(429, "rate_limited");
            let wait: u32 = refused.header("retry-after").parse().unwrap();
            assert!((1..=86_400).contains(&wait));
        }
        portal.wait(DAY);
    }
    create(100).await.expect_problem(422, "limit_exceeded");

    // The list is in pages, by name, without a gap or a duplicate.
    let first = dana.get("/v1/organizations?limit=30").await.expect(200);
    assert_eq!(first.items().len(), 30);
    let names = |items: &[Value]| -> Vec<String> {
        items
            .iter()
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let expected: Vec<_> = (0..100).map(|n| format!("Clinic {n:03}")).collect();
    assert_eq!(names(&dana.all("/v1/organizations?limit=30").await), expected);
    assert_eq!(names(&dana.all("/v1/organizations").await), expected);
    assert_eq!(
        dana.get("/v1/organizations?limit=100")
            .await
            .expect(200)
            .next_cursor(),
        None
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn organizations_are_listed_page_by_page_however_long_their_names_unfold() {
    let portal = Portal::start().await;
    let dana = portal.person("Dana");
    for _ in 0..3 {
        dana.post("/v1/organizations", json!({ "name": "ﷺ".repeat(100) }))
            .await
            .expect(201);
    }
    let all = dana.get("/v1/organizations").await.expect(200).items();
    assert_eq!(all.len(), 3);
    assert_eq!(dana.all("/v1/organizations?limit=1").await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_list_the_organizations_they_belong_to_with_their_own_rights() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let vera = clinic.member("Vera", "viewer").await;
    let own = Clinic::of(&portal, vera.clone(), "a house of her own").await;

    let mine = vera.get("/v1/organizations").await.expect(200).items();
    let seen: Vec<_> = mine
        .iter()
        .map(|item| (&item["id"], &item["role"], &item["permissions"]))
        .collect();
    assert_eq!(mine.len(), 2, "her own, and the clinic");
    assert_eq!(
        (seen[0].0, seen[0].1),
        (&json!(own.id.to_string()), &json!("admin"))
    );
    assert_eq!(
        (seen[1].0, seen[1].1, seen[1].2),
        (
            &json!(clinic.id.to_string()),
            &json!("viewer"),
            &json!(["audit.read", "sessions.read"])
        )
    );
    assert_eq!(
        clinic
            .admin
            .get("/v1/organizations")
            .await
            .expect(200)
            .items()
            .len(),
        1
    );
    assert!(
        portal
            .person("Stranger")
            .get("/v1/organizations")
            .await
            .expect(200)
            .items()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_setting_is_changed_alone_and_only_as_it_was_seen() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let path = clinic.path("");
    let first = clinic.admin.etag(&path).await;

    // Given a change, the next one needs what it made
    let named = clinic
        .admin
        .patch(&path, &first, json!({ "name": "Riverside" }))
        .await
        .expect(200);
    assert_ne!(named.etag(), first);
    clinic
        .admin
        .patch(&path, &first, json!({ "name": "Late" }))
        .await
        .expect_problem(412, "revision_mismatch");
    for tag in ["*", "7", "\"x\"", "W/\"2\"", ""] {
        clinic
            .admin
            .patch(&path, tag, json!({ "name": "Late" }))
            .await
            .expect_problem(412, "revision_mismatch");
    }
    let blind = clinic
        .admin
        .request(Method::PATCH, &path)
        .json(&json!({ "name": "Blind" }))
        .send()
        .await;
    blind.expect_problem(428, "revision_missing");

    // Then each setting changes alone
    configure(&clinic, json!({ "time_zone": "America/Chicago" }))
        .await
        .expect(200);
    configure(&clinic, json!({ "languages": { "default": "es" } }))
        .await
        .expect(200);
    configure(&clinic, json!({ "languages": { "available": ["es", "en"] } }))
        .await
        .expect(200);
    configure(
        &clinic,
        json!({ "allowed_domains": ["RIVERSIDE.example", "riverside.EXAMPLE"] }),
    )
    .await
    .expect(200);
    let now = clinic.admin.get(&path).await.expect(200).json();
    assert_eq!(
        (&now["name"], &now["time_zone"]),
        (&json!("Riverside"), &json!("America/Chicago"))
    );
    assert_eq!(
        now["languages"],
        json!({ "default": "es", "available": ["en", "es"] })
    );
    assert_eq!(now["allowed_domains"], json!(["riverside.example"]));

    // And what does not fit together is refused
    for (body, code, pointer) in [
        (
            json!({ "languages": { "default": "de" } }),
            "fields_invalid",
            "/languages/default",
        ),
        (
            json!({ "languages": { "available": ["en"] } }),
            "fields_invalid",
            "/languages/default",
        ),
        (
            json!({ "languages": { "default": "xx" } }),
            "locale_unsupported",
            "/languages/default",
        ),
        (json!({ "languages": null }), "fields_invalid", "/languages"),
        (
            json!({ "time_zone": "Europe/Atlantis" }),
            "time_zone_unknown",
            "/time_zone",
        ),
        (
            json!({ "allowed_domains": ["localhost"] }),
            "domain_invalid",
            "/allowed_domains/0",
        ),
        (json!({ "name": "\u{202e}evil" }), "text_invalid", "/name"),
    ] {
        let refused = configure(&clinic, body.clone()).await.expect_problem(422, code);
        assert_eq!(refused.text_at("/errors/0/pointer"), pointer, "{body}");
    }
    assert_eq!(clinic.admin.get(&path).await.expect(200).json(), now);
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_speak_the_language_and_tell_the_time_of_the_organization() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    for (language, zone, subject) in [
        ("en", "UTC", "invites you"),
        ("de", "Europe/Berlin", "lädt Sie ein"),
        ("es", "America/Chicago", "invitación"),
    ] {
        configure(
            &clinic,
            json!({ "time_zone": zone, "languages": { "default": language } }),
        )
        .await
        .expect(200);
        let to = format!("ada-{language}@riverside.example");
        let invite = clinic.invite(&to, "viewer").await.expect(201);
        assert_eq!(invite.text_at("/language"), language);
        portal.settle().await.unwrap();

        let mail = portal.mailbox.messages(&to).remove(0);
        assert!(mail.subject.contains(subject), "{}", mail.subject);
        let expires: Timestamp = invite.text_at("/expires_at").parse().unwrap();
        let local = expires.in_tz(zone).unwrap();
        let told = format!("{:02}:{:02}", local.hour(), local.minute());
        assert!(
            mail.text.contains(&told) && mail.text.contains(zone),
            "{told} {zone} in {}",
            mail.text
        );
    }
    // The name in the mail is the one of the day.
    configure(&clinic, json!({ "name": "Hillside Clinic" }))
        .await
        .expect(200);
    clinic
        .invite("ada-new@riverside.example", "viewer")
        .await
        .expect(201);
    portal.settle().await.unwrap();
    assert!(
        portal.mailbox.messages("ada-new@riverside.example")[0]
            .subject
            .contains("Hillside Clinic")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_available_languages_can_be_chosen_for_an_invite() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let invite = async |language: &str, to: &str| {
        let body = json!({ "email": to, "role": "viewer", "language": language });
        clinic.admin.post(&clinic.path("/invites"), body).await
    };
    let german = invite("de", "ada@riverside.example").await.expect(201).id();
    configure(
        &clinic,
        json!({ "languages": { "default": "es", "available": ["es", "en"] } }),
    )
    .await
    .expect(200);

    let refused = invite("de", "ben@riverside.example")
        .await
        .expect_problem(422, "locale_unsupported");
    assert_eq!(refused.text_at("/errors/0/pointer"), "/language");
    assert_eq!(
        invite("en", "ben@riverside.example")
            .await
            .expect(201)
            .text_at("/language"),
        "en"
    );

    // An earlier invite goes out again in the default language.
    let path = clinic.path(&format!("/invites/{german}/resend"));
    let again = clinic.admin.post(&path, json!({})).await.expect(200);
    assert_eq!(again.text_at("/language"), "es");
}

#[tokio::test(flavor = "multi_thread")]
async fn allowed_domains_hold_on_every_way_in_and_leave_members_where_they_are() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let olga = portal.person_with("Olga", "olga@outside.example");
    clinic.join(&olga, "viewer").await;
    let late = portal.person_with("Lara", "lara@outside.example");
    let (_, token) = clinic.invited(&late, "provider").await;
    let ida = portal.person_with("Ida", "ida@xn--bcher-kva.example");
    let (_, idas) = clinic.invited(&ida, "viewer").await;
    assert_eq!(clinic.seats_used().await, 1);

    configure(
        &clinic,
        json!({ "allowed_domains": ["riverside.example", "BÜCHER.example"] }),
    )
    .await
    .expect(200);

    // Inviting: exactly these domains
    for (email, allowed) in [
        ("a@riverside.example", true),
        ("b@RIVERSIDE.Example", true),
        ("c@xn--bcher-kva.example", true),
        ("d@outside.example", false),
        ("e@sub.riverside.example", false),
        ("f@evilriverside.example", false),
        ("g@riverside.example.evil.example", false),
        ("h@riverside.exampl\u{435}", false),
    ] {
        let answer = clinic.invite(email, "viewer").await;
        if allowed {
            answer.expect(201);
        } else {
            assert_eq!(answer.status, 422, "{email}: {}", answer.text);
            assert!(["email_domain_not_allowed", "email_invalid"].contains(&answer.code().as_str()));
        }
    }
    // Accepting: the invite ends and its seat is free
    late.post("/v1/invites/accept", json!({ "token": token }))
        .await
        .expect_problem(422, "email_domain_not_allowed");
    assert_eq!(clinic.seats_used().await, 0);
    ida.post("/v1/invites/accept", json!({ "token": idas }))
        .await
        .expect(201);

    // Members outside stay, and are marked
    let members = clinic.admin.all(&clinic.path("/members")).await;
    let marked =
        |email: &str| members.iter().find(|m| m["email"] == email).unwrap()["domain_allowed"].clone();
    assert_eq!(marked("olga@outside.example"), json!(false));
    assert_eq!(marked("dana@riverside.example"), json!(true));
    assert_eq!(marked("ida@xn--bcher-kva.example"), json!(true));
    olga.get(&clinic.path("")).await.expect(200);

    // And an empty list allows all again
    configure(&clinic, json!({ "allowed_domains": [] }))
        .await
        .expect(200);
    clinic
        .invite("lara@outside.example", "provider")
        .await
        .expect(201);
    let seen = clinic.admin.get(&clinic.member_path(&olga)).await.expect(200);
    assert_eq!(seen.text_at("/domain_allowed"), "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_leaves_and_keeps_the_account() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = clinic.member("Ada", "provider").await;
    let leave = clinic.path("/leave");

    let left = ada.post(&leave, json!({})).await.expect(204);

    assert!(left.text.is_empty());
    assert_eq!(clinic.seats_used().await, 0);
    ada.get(&clinic.path(""))
        .await
        .expect_problem(404, "organization_not_found");
    ada.post(&leave, json!({}))
        .await
        .expect_problem(404, "organization_not_found");
    let me = ada.get("/v1/me").await.expect(200);
    assert_eq!(
        (me.id(), &me.json()["memberships"]),
        (ada.account.to_string(), &json!([]))
    );
    // The address is free for a new invite.
    clinic.join(&ada, "viewer").await;
    assert_eq!(
        ada.get(&clinic.path("")).await.expect(200).text_at("/role"),
        "viewer"
    );
    assert_eq!(
        clinic.audit_verbs().await,
        [
            "organization.created",
            "invite.created",
            "invite.accepted",
            "member.left",
            "invite.created",
            "invite.accepted"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_admin_stays_until_there_is_another() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let leave = clinic.path("/leave");
    // Alone
    clinic
        .admin
        .post(&leave, json!({}))
        .await
        .expect_problem(409, "last_admin");
    // With members who are no admins
    let vera = clinic.member("Vera", "viewer").await;
    clinic
        .admin
        .post(&leave, json!({}))
        .await
        .expect_problem(409, "last_admin");
    // With another admin
    clinic.set_role(&vera, "admin").await.expect(200);
    clinic.admin.post(&leave, json!({})).await.expect(204);
    assert_eq!(clinic.admins().await, 1);
    vera.post(&leave, json!({}))
        .await
        .expect_problem(409, "last_admin");
    vera.get(&clinic.path("/members")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_member_yet_has_no_power() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    // An invite that was not accepted, a claimed address that nobody verified, and a stranger are alike.
    let pending = portal.person("Paul");
    clinic.invited(&pending, "viewer").await;
    let nobody = portal.person("Nobody");
    let pretender = impostor(&portal, "dana@riverside.example");
    let unknown = "/v1/organizations/org_0192f0c1-2b3c-7d4e-8f50-61728394a5b6";
    for person in [&pending, &nobody, &pretender] {
        for path in [
            clinic.path(""),
            clinic.path("/members"),
            clinic.path("/audit-events"),
            clinic.path("/roles"),
        ] {
            let refused = person
                .get(&path)
                .await
                .expect_problem(404, "organization_not_found");
            let absent = person
                .get(unknown)
                .await
                .expect_problem(404, "organization_not_found");
            let body = |answer: &Answer| {
                let mut body = answer.json();
                body["instance"] = Value::Null;
                body
            };
            assert_eq!(body(&refused), body(&absent));
        }
        person
            .patch(&clinic.path(""), "\"1\"", json!({ "name": "Mine" }))
            .await
            .expect_problem(404, "organization_not_found");
        person
            .post(&clinic.path("/leave"), json!({}))
            .await
            .expect_problem(404, "organization_not_found");
        let body = json!({ "name": "Riverside Family Practice", "remove_members": true });
        person
            .post(&clinic.path("/dissolution"), body)
            .await
            .expect_problem(404, "organization_not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "a table of every body")]
async fn a_field_that_is_not_offered_is_refused_on_every_route() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let vera = clinic.member("Vera", "viewer").await;
    let role = clinic.path(&format!(
        "/roles/{}",
        clinic.role("Front desk", &["members.read"]).await
    ));
    let (organization, member) = (clinic.path(""), clinic.member_path(&vera));
    let (post, patch) = (Method::POST, Method::PATCH);
    let final_at = "2020-01-01T00:00:00Z";
    let cases = [
        (
            &post,
            "/v1/organizations".to_owned(),
            json!({ "name": "A", "id": clinic.id }),
            "/id",
        ),
        (
            &post,
            "/v1/organizations".to_owned(),
            json!({ "name": "A", "status": "dissolved" }),
            "/status",
        ),
        (
            &post,
            "/v1/organizations".to_owned(),
            json!({ "name": "A", "root": clinic.id }),
            "/root",
        ),
        (&patch, organization.clone(), json!({ "roles": [] }), "/roles"),
        (
            &patch,
            organization.clone(),
            json!({ "access_rev": 1 }),
            "/access_rev",
        ),
        (
            &patch,
            organization.clone(),
            json!({ "name": "A", "seats": 100 }),
            "/seats",
        ),
        (
            &patch,
            organization.clone(),
            json!({ "languages": { "forced": "en" } }),
            "/languages/forced",
        ),
        (
            &post,
            clinic.path("/dissolution"),
            json!({ "name": "A", "final_at": final_at }),
            "/final_at",
        ),
        (
            &post,
            clinic.path("/roles"),
            json!({ "name": "A", "permissions": [], "rev": 9 }),
            "/rev",
        ),
        (
            &patch,
            role.clone(),
            json!({ "takes_seat": false }),
            "/takes_seat",
        ),
        (
            &patch,
            member.clone(),
            json!({ "role": "admin", "seat": false }),
            "/seat",
        ),
        (
            &patch,
            member.clone(),
            json!({ "email": "eve@riverside.example" }),
            "/email",
        ),
        (
            &patch,
            member.clone(),
            json!({ "account": vera.account }),
            "/account",
        ),
        (
            &post,
            clinic.path("/invites"),
            json!({ "email": "a@b.example", "role": "viewer", "seat_held": false }),
            "/seat_held",
        ),
        (
            &patch,
            "/v1/me".to_owned(),
            json!({ "email_verified": true }),
            "/email_verified",
        ),
        (
            &patch,
            "/v1/me".to_owned(),
            json!({ "name": "Root", "memberships": [] }),
            "/memberships",
        ),
    ];
    for (method, path, body, pointer) in cases {
        let request = clinic.admin.request(method.clone(), &path);
        let request = if *method == post {
            request.header("idempotency-key", &fresh_key())
        } else {
            request.header("if-match", &clinic.admin.etag(&path).await)
        };
        let refused = request
            .json(&body)
            .send()
            .await
            .expect_problem(422, "fields_invalid");
        assert_eq!(
            refused.text_at("/errors/0/pointer"),
            pointer,
            "{method} {path} {body}"
        );
    }
    // Nothing of it was written.
    assert_eq!(
        clinic.admin.get(&member).await.expect(200).text_at("/email"),
        vera.email
    );
    assert_eq!(
        clinic
            .audit_verbs()
            .await
            .iter()
            .filter(|verb| verb.ends_with("updated"))
            .count(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_hide_or_reorder_what_one_reads_are_refused_everywhere() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let role = clinic.path(&format!("/roles/{}", clinic.role("Front desk", &[]).await));
    for name in [
        "a\0b",
        "a\u{202e}b",
        "a\u{2066}b",
        "a\u{200b}b",
        "a\u{200d}b",
        "a\u{feff}b",
        "a\r\nBcc: b",
        "a\u{2028}b",
        "a\u{7f}b",
        "a\u{e000}b",
        "a\u{300}\u{301}\u{302}\u{303}",
        "",
        " \u{a0} ",
    ] {
        let body = json!({ "name": name });
        for path in [clinic.path(""), role.clone(), "/v1/me".to_owned()] {
            let etag = clinic.admin.etag(&path).await;
            let refused = clinic
                .admin
                .patch(&path, &etag, body.clone())
                .await
                .expect_problem(422, "text_invalid");
            assert_eq!(refused.text_at("/errors/0/pointer"), "/name");
        }
        clinic
            .admin
            .post("/v1/organizations", body.clone())
            .await
            .expect_problem(422, "text_invalid");
        let new_role = json!({ "name": name, "permissions": [] });
        clinic
            .admin
            .post(&clinic.path("/roles"), new_role)
            .await
            .expect_problem(422, "text_invalid");
    }
    // Names of all the world are fine, and are stored composed.
    for name in [
        "Øresund Klinik",
        "عيادة النهر",
        "川沿いクリニック",
        "Clinic <b>&amp;</b> \"Sons\"",
        "🩺 Care",
    ] {
        assert_eq!(
            configure(&clinic, json!({ "name": name }))
                .await
                .expect(200)
                .text_at("/name"),
            name
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_invite_is_not_lost_by_new_settings() {
    // Given an invite that has expired, and an organization that changed its mind about languages and zones
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = portal.person("Ada");
    let (invite, _) = clinic.invited(&ada, "provider").await;
    portal.wait(LIFETIME);
    configure(
        &clinic,
        json!({ "time_zone": "Asia/Tokyo", "languages": { "default": "de", "available": ["de"] } }),
    )
    .await
    .expect(200);

    // When it is resent, Then it works as the organization is now
    clinic
        .admin
        .post(&clinic.path(&format!("/invites/{invite}/resend")), json!({}))
        .await
        .expect(200);
    let token = clinic.token(&ada.email).await;
    assert!(portal.mailbox.messages(&ada.email)[0].text.contains("Asia/Tokyo"));
    ada.post("/v1/invites/accept", json!({ "token": token }))
        .await
        .expect(201);
    assert_eq!(clinic.seats_used().await, 1);
}
