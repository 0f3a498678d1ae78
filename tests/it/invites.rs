//! Invites as those who manage them see them: created, listed, resent, revoked.

use jiff::Timestamp;
use portal_domain::invite::LIFETIME;
use portal_domain::limit::{INVITES_PER_INVITER, INVITES_PER_ORGANIZATION, Limit, MAIL_PER_RECIPIENT};
use serde_json::{Value, json};

use crate::support::{Answer, Clinic, DAY, Portal, SECOND, fresh_key};

fn statuses(answers: &[Answer]) -> Vec<u16> {
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_invite_is_refused_at_its_field_and_leaves_nothing_behind() {
    // Given a clinic that uses German only, and another clinic with a role of its own
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    clinic
        .configure(json!({ "languages": { "default": "de", "available": ["de"] } }))
        .await;
    let other = Clinic::of(&portal, portal.person("Otto"), "Hillside").await;
    let foreign = other.role("Front desk", &["invites.manage"]).await;
    portal.settle().await.unwrap();
    let before = portal.items().len();

    // When its admin invites in ways that cannot be
    let invited = |email: &str, role: &str| json!({ "email": email, "role": role });
    let long = format!("{}@x.example", "a".repeat(65));
    let mut cases: Vec<(Value, &str, &str)> = vec![
        (invited("ada@x.example", "admin"), "role_not_invitable", "/role"),
        (invited("ada@x.example", &foreign), "role_unknown", "/role"),
        (
            invited("ada@x.example", "rol_0192f0c1-2b3c-7d4e-8f50-61728394a5b6"),
            "role_unknown",
            "/role",
        ),
        (invited("ada@x.example", "owner"), "role_unknown", "/role"),
        (invited("ada@x.example", ""), "role_unknown", "/role"),
        (
            json!({ "email": "ada@x.example", "role": "viewer", "language": "fr" }),
            "locale_unsupported",
            "/language",
        ),
        (
            json!({ "email": "ada@x.example", "role": "viewer", "language": "es" }),
            "locale_unsupported",
            "/language",
        ),
        (json!({ "role": "viewer" }), "fields_invalid", ""),
        (json!({ "email": "ada@x.example" }), "fields_invalid", ""),
        (
            json!({ "email": ["ada@x.example"], "role": "viewer" }),
            "fields_invalid",
            "/email",
        ),
    ];
    for email in [
        "",
        "ada",
        "\"a@allowed.org\"@evil.org",
        "a@allowed.org@evil.org",
        "a@evil.org,b@allowed.org",
        "a@evil.org b@allowed.org",
        "a@evil.org\r\nBcc: eve@evil.org",
        "Ada <ada@x.example>",
        "ada@xn--example-.org",
        "İda@x.example",
        "straße@x.example",
        "a\u{0}@x.example",
        "ada@x.exa\u{200b}mple\u{202e}",
        "ada@[127.0.0.1]",
        &long,
    ] {
        cases.push((invited(email, "viewer"), "email_invalid", "/email"));
    }
    for (field, value) in [
        ("status", json!("accepted")),
        ("seat_held", json!(false)),
        ("version", json!(7)),
        ("organization_id", json!(other.id.to_string())),
        ("inviter", json!({ "account": "x" })),
        ("expires_at", json!("2099-01-01T00:00:00Z")),
    ] {
        let mut body = invited("ada@x.example", "viewer");
        body[field] = value;
        cases.push((body, "fields_invalid", "/"));
    }

    // Then each is refused with its reason and its place
    for (body, code, pointer) in cases {
        let refused = clinic.admin.post(&clinic.path("/invites"), body.clone()).await;
        let refused = refused.expect_problem(422, code);
        assert!(
            refused.text_at("/errors/0/pointer").starts_with(pointer),
            "{body}: {}",
            refused.text
        );
    }
    // And nothing was written or sent
    portal.settle().await.unwrap();
    assert_eq!(portal.items().len(), before);
    assert!(portal.mailbox.all().is_empty());
    assert_eq!(clinic.seats_used().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_has_one_invite_however_it_is_spelled() {
    // Given an invite to each of two addresses, and a member
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    clinic.invite("alice@bücher.example", "viewer").await.expect(201);
    clinic.member("Mia", "viewer").await;

    // When the same addresses are written otherwise, they are the same
    for email in [
        "alice@bücher.example",
        "Alice@BÜCHER.example",
        " alice@xn--bcher-kva.example ",
        "ａｌｉｃｅ@bücher。example",
        "alice@bu\u{308}cher.example",
    ] {
        clinic
            .invite(email, "viewer")
            .await
            .expect_problem(409, "invite_pending");
    }
    for email in [
        "mia@riverside.example",
        "MIA@Riverside.Example",
        "ｍｉａ@riverside.example",
    ] {
        clinic
            .invite(email, "provider")
            .await
            .expect_problem(409, "already_member");
    }

    // Then other addresses are others, also where one is a part of the other
    for email in [
        "ice@xn--bcher-kva.example",
        "alice+tag@bücher.example",
        "alice@buecher.example",
        "alice@sub.bücher.example",
    ] {
        clinic.invite(email, "viewer").await.expect(201);
    }
    portal.settle().await.unwrap();
    assert_eq!(
        portal.mailbox.messages("alice@xn--bcher-kva.example").len(),
        1,
        "the refused ones sent nothing"
    );
    assert_eq!(clinic.audited("invite.created").await, 6);
    assert_eq!(clinic.seats_used().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_invited_several_times_at_once_has_one_invite_and_one_mail() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;

    let (clinic_ref, email) = (&clinic, "ada@riverside.example");
    let answers = futures_util::future::join_all(
        (0..6).map(|_| async move { clinic_ref.invite(email, "provider").await }),
    )
    .await;

    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 1, "{answers:?}");
    for refused in answers.into_iter().filter(|answer| answer.status != 201) {
        assert!(
            matches!(refused.code().as_str(), "invite_pending" | "busy"),
            "{}",
            refused.text
        );
    }
    portal.settle().await.unwrap();
    assert_eq!(portal.mailbox.messages(email).len(), 1);
    assert_eq!(clinic.audited("invite.created").await, 1);
    assert_eq!(clinic.seats_used().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_its_end_an_address_can_be_invited_again_and_the_old_link_stays_dead() {
    // Given four people whose invites ended in the four ways there are
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let [late, unwanted, unwilling, former] =
        ["Late", "Unwanted", "Unwilling", "Former"].map(|name| portal.person(name));
    let (expired, expired_token) = clinic.invited(&late, "provider").await;
    portal.wait(LIFETIME);
    let (revoked, revoked_token) = clinic.invited(&unwanted, "provider").await;
    clinic.revoke(&revoked).await.expect(200);
    let (_, declined_token) = clinic.invited(&unwilling, "provider").await;
    unwilling.decline(&declined_token).await.expect(204);
    let (_, accepted_token) = clinic.invited(&former, "provider").await;
    former.accept(&accepted_token).await.expect(201);
    clinic.remove(&former).await;

    for (person, old, status, code) in [
        (&late, expired_token, 410, "invite_expired"),
        (&unwanted, revoked_token, 409, "invite_revoked"),
        (&unwilling, declined_token, 409, "invite_declined"),
        (&former, accepted_token, 409, "invite_accepted"),
    ] {
        // When they are invited again
        let (again, new) = clinic.invited(person, "viewer").await;

        // Then the old link stays dead, for every answer, and the new one works
        person.preview(&old).await.expect_problem(status, code);
        person.accept(&old).await.expect_problem(status, code);
        person.decline(&old).await.expect_problem(status, code);
        if person.name == "Late" {
            // The earlier invite cannot come back beside the later one.
            clinic
                .resend(&expired)
                .await
                .expect_problem(409, "invite_pending");
        }
        let joined = person.accept(&new).await.expect(201);
        assert_eq!(joined.text_at("/role"), "viewer", "no old role comes back");
        assert_eq!(clinic.seen(&again).await["status"], "accepted");
    }
    clinic
        .resend(&expired)
        .await
        .expect_problem(409, "already_member");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_starts_seven_days_anew_with_a_new_link_and_no_second_seat() {
    // Given an invite that is almost over
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = portal.person("Ada");
    let (invite, first) = clinic.invited(&ada, "provider").await;
    let before = clinic.seen(&invite).await;
    portal.wait(DAY * 6);

    // When it is resent
    let resent = clinic.resend(&invite).await.expect(200).json();
    let second = clinic.token(&ada.email).await;

    // Then it is the same invite, with seven days from now and the seat it had
    assert_eq!(resent["id"], before["id"]);
    assert_eq!(resent["created_at"], before["created_at"]);
    let until = |invite: &Value| -> Timestamp { invite["expires_at"].as_str().unwrap().parse().unwrap() };
    let updated: Timestamp = resent["updated_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(until(&resent).duration_since(updated), LIFETIME);
    assert!(until(&resent) > until(&before) + DAY * 5);
    assert_eq!(clinic.seats_used().await, 1);

    // And only the new link works, also after the first one's time
    for dead in [
        ada.preview(&first).await,
        ada.accept(&first).await,
        ada.decline(&first).await,
    ] {
        dead.expect_problem(409, "invite_superseded");
    }
    portal.wait(DAY * 6);
    ada.accept(&first).await.expect_problem(409, "invite_superseded");
    ada.accept(&second).await.expect(201);
    assert_eq!(clinic.seats_used().await, 1);
    assert_eq!(clinic.audited("invite.resent").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_or_revoked_can_be_neither_resent_nor_revoked() {
    // Given an accepted, a declined and a revoked invite
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let [ada, ben, eve] = ["Ada", "Ben", "Eve"].map(|name| portal.person(name));
    let (accepted, token) = clinic.invited(&ada, "provider").await;
    ada.accept(&token).await.expect(201);
    let (declined, token) = clinic.invited(&ben, "provider").await;
    ben.decline(&token).await.expect(204);
    let (revoked, _) = clinic.invited(&eve, "provider").await;
    clinic.revoke(&revoked).await.expect(200);

    // When its admin resends or revokes them
    for (invite, code) in [
        (&accepted, "invite_accepted"),
        (&declined, "invite_declined"),
        (&revoked, "invite_revoked"),
    ] {
        clinic.resend(invite).await.expect_problem(409, code);
        clinic.revoke(invite).await.expect_problem(409, code);
    }

    // Then nothing has changed: above all not Ada's membership, nor any seat
    clinic.admin.get(&clinic.member_path(&ada)).await.expect(200);
    assert_eq!(clinic.seats_used().await, 1);
    assert_eq!(clinic.audited("invite.resent").await, 0);
    assert_eq!(clinic.audited("invite.revoked").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoke_needs_what_was_seen_and_ends_link_and_seat() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = portal.person("Ada");
    let (invite, token) = clinic.invited(&ada, "provider").await;
    let path = clinic.invite_path(&invite);
    let seen = clinic.admin.etag(&path).await;
    clinic.resend(&invite).await.expect(200);

    // What was seen before the resend is not what would be revoked.
    clinic
        .admin
        .delete(&path, &seen)
        .await
        .expect_problem(412, "revision_mismatch");
    clinic
        .admin
        .request(reqwest::Method::DELETE, &path)
        .send()
        .await
        .expect_problem(428, "revision_missing");
    ada.preview(&token).await.expect_problem(409, "invite_superseded");
    let token = clinic.token(&ada.email).await;
    let gone = clinic.revoke(&invite).await.expect(200);

    assert_eq!(gone.text_at("/status"), "revoked");
    assert_eq!(gone.text_at("/holds_seat"), "false");
    assert_eq!(clinic.seats_used().await, 0);
    ada.accept(&token).await.expect_problem(409, "invite_revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mail_on_its_way_does_not_spoil_what_an_admin_is_about_to_do() {
    // Given an admin who looked at an invite before its mail went out
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let made = clinic.invite("ada@x.example", "viewer").await.expect(201);
    portal.settle().await.unwrap();
    assert_eq!(clinic.seen(&made.id()).await["delivery"]["status"], "sent");

    // When they revoke what they saw, it is revoked
    let path = clinic.invite_path(&made.id());
    clinic.admin.delete(&path, &made.etag()).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_of_one_clinic_is_none_in_another() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let other = Clinic::of(&portal, portal.person("Otto"), "Hillside").await;
    let invite = clinic.invite("ada@x.example", "viewer").await.expect(201);
    let (id, etag) = (invite.id(), invite.etag());

    let otto = &other.admin;
    for path in [other.invite_path(&id), clinic.invite_path(&id)] {
        let code = if path.contains(&other.id.to_string()) {
            "invite_not_found"
        } else {
            "organization_not_found"
        };
        otto.get(&path).await.expect_problem(404, code);
        otto.delete(&path, &etag).await.expect_problem(404, code);
        otto.post(&format!("{path}/resend"), json!({}))
            .await
            .expect_problem(404, code);
    }
    assert_eq!(clinic.seen(&id).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_shows_what_is_open_or_one_status_page_by_page() {
    // Given invites in every status
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    for n in 0..3 {
        clinic
            .invite(&format!("late{n}@x.example"), "viewer")
            .await
            .expect(201);
    }
    portal.wait(LIFETIME);
    // One of the expired ones was worked off by the job, which tells nobody anything new.
    portal.run_job("expire-invites").await.unwrap().unwrap();
    for n in 0..4 {
        clinic
            .invite(&format!("open{n}@x.example"), "viewer")
            .await
            .expect(201);
    }
    let [ada, ben, eve] = ["Ada", "Ben", "Eve"].map(|name| portal.person(name));
    let (_, token) = clinic.invited(&ada, "viewer").await;
    ada.accept(&token).await.expect(201);
    let (_, token) = clinic.invited(&ben, "viewer").await;
    ben.decline(&token).await.expect(204);
    let (revoked, _) = clinic.invited(&eve, "viewer").await;
    clinic.revoke(&revoked).await.expect(200);

    // When they are listed, in pages of every size
    let open = ["open3", "open2", "open1", "open0", "late2", "late1", "late0"];
    for (query, expected) in [
        ("", &open[..]),
        ("status=pending", &open[..4]),
        ("status=expired", &open[4..]),
        ("status=accepted", &["ada"]),
        ("status=declined", &["ben"]),
        ("status=revoked", &["eve"]),
    ] {
        for limit in [1, 2, 3, 100] {
            let (mut found, mut cursor) = (Vec::new(), String::new());
            loop {
                let path = clinic.path(&format!("/invites?{query}&limit={limit}{cursor}").replace("?&", "?"));
                let page = clinic.admin.get(&path).await.expect(200);
                assert!(page.items().len() <= limit);
                found.extend(page.items());
                match page.next_cursor() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            // Then each is there once, newest first, with the status by the clock
            let names: Vec<&str> = found
                .iter()
                .map(|invite| invite["email"].as_str().unwrap().split('@').next().unwrap())
                .collect();
            assert_eq!(names, expected, "{query} by {limit}");
            for invite in &found {
                let status = query.strip_prefix("status=").unwrap_or(
                    if invite["email"].as_str().unwrap().starts_with("open") {
                        "pending"
                    } else {
                        "expired"
                    },
                );
                assert_eq!(invite["status"], status);
                assert_eq!(
                    invite["expires_at"].is_null(),
                    !matches!(status, "pending" | "expired")
                );
            }
        }
    }
    for query in [
        "status=gone",
        "status=",
        "state=pending",
        "status=pending&status=expired",
    ] {
        clinic
            .admin
            .get(&clinic.path(&format!("/invites?{query}")))
            .await
            .expect_problem(400, "query_invalid");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_invites_to_more_than_they_hold() {
    // Given a receptionist who may invite, and roles below, beside and above hers
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let own = ["invites.manage", "invites.read", "members.read"];
    let desk = clinic.role("Front desk", &own).await;
    let less = clinic.role("Reader", &["members.read"]).await;
    let beside = clinic.role("Bookkeeper", &["transactions.read"]).await;
    let more = clinic
        .role("Manager", &[&own[..], &["members.manage"]].concat())
        .await;
    let rita = clinic.member("Rita", &desk).await;
    let invites = clinic.path("/invites");
    let invite = |email: &str, role: &str| rita.post(&invites, json!({ "email": email, "role": role }));

    // When she invites, she can give what she has and no more
    invite("a@x.example", &desk).await.expect(201);
    let given = invite("b@x.example", &less).await.expect(201).id();
    for role in [beside.as_str(), &more, "viewer", "provider"] {
        invite("c@x.example", role)
            .await
            .expect_problem(403, "grant_exceeds_own");
    }
    invite("c@x.example", "admin")
        .await
        .expect_problem(422, "role_not_invitable");

    // Then neither can she resend, in her own name, what an admin has given
    let above = clinic.invite("d@x.example", "provider").await.expect(201).id();
    rita.post(&clinic.path(&format!("/invites/{above}/resend")), json!({}))
        .await
        .expect_problem(403, "grant_exceeds_own");
    // nor what she gave once her own role has shrunk
    let role_path = clinic.path(&format!("/roles/{desk}"));
    let etag = clinic.admin.etag(&role_path).await;
    let smaller = json!({ "permissions": ["invites.manage", "invites.read"] });
    clinic.admin.patch(&role_path, &etag, smaller).await.expect(200);
    rita.post(&clinic.path(&format!("/invites/{given}/resend")), json!({}))
        .await
        .expect_problem(403, "grant_exceeds_own");
    // nor invite at all without the permission, and those without it see why
    let ben = clinic.member("Ben", "viewer").await;
    let refused = ben
        .post(&invites, json!({ "email": "e@x.example", "role": "viewer" }))
        .await
        .expect_problem(403, "permission_missing");
    assert!(refused.text_at("/detail").contains("invites.manage"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_to_a_role_that_is_gone_cannot_be_resent() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let role = clinic.role("Locum", &["sessions.create"]).await;
    let invite = clinic.invite("ada@x.example", &role).await.expect(201).id();
    let path = clinic.path(&format!("/roles/{role}"));
    let etag = clinic.admin.etag(&path).await;
    clinic.admin.delete(&path, &etag).await.expect(204);

    let refused = clinic.resend(&invite).await.expect_problem(409, "role_gone");

    assert_eq!(refused.json()["errors"], Value::Null, "a resend has no fields");
    clinic.revoke(&invite).await.expect(200);
    assert_eq!(clinic.seats_used().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn allowed_domains_are_exact_at_creation_and_at_resend() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let early = clinic.invite("eve@evil.example", "viewer").await.expect(201).id();
    clinic
        .configure(json!({ "allowed_domains": ["riverside.example", "BÜCHER.example"] }))
        .await;

    for email in ["ada@riverside.example", "ada@xn--bcher-kva.example"] {
        clinic.invite(email, "viewer").await.expect(201);
    }
    for email in [
        "ada@sub.riverside.example",
        "ada@evilriverside.example",
        "ada@riverside.example.evil.example",
        "ada@rivers\u{456}de.example",
        "\"ada@riverside.example\"@evil.example",
    ] {
        let refused = clinic.invite(email, "viewer").await;
        assert_eq!(refused.status, 422, "{email}: {}", refused.text);
        assert!(
            matches!(
                refused.code().as_str(),
                "email_domain_not_allowed" | "email_invalid"
            ),
            "{email}: {}",
            refused.text
        );
    }
    let refused = clinic
        .resend(&early)
        .await
        .expect_problem(422, "email_domain_not_allowed");
    assert_eq!(refused.json()["errors"], Value::Null, "a resend has no fields");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_under_the_same_key_is_done_once() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (admin, path) = (&clinic.admin, clinic.path("/invites"));
    let body = json!({ "email": "ada@x.example", "role": "provider" });

    // Given an invite that was made, and a day and a resend that follow
    let key = fresh_key();
    let made = admin.post_with_key(&path, &key, body.clone()).await.expect(201);
    let resends = format!("{path}/{}/resend", made.id());
    let resend_key = fresh_key();
    let resent = admin
        .post_with_key(&resends, &resend_key, json!({}))
        .await
        .expect(200);

    // When both requests come again, in parallel and with their keys quoted or bare
    let quoted = format!("\"{key}\"");
    let again = tokio::join!(
        admin.post_with_key(&path, &key, body.clone()),
        admin.post_with_key(&path, &quoted, body.clone()),
        admin.post_with_key(&resends, &resend_key, json!({})),
    );

    // Then they get the same bytes
    for (again, first) in [(again.0, &made), (again.1, &made), (again.2, &resent)] {
        assert_eq!((again.status, &again.text), (first.status, &first.text));
        assert_eq!(again.etag(), first.etag());
        assert_eq!(again.header("location"), first.header("location"));
    }
    // And another body or path under a key is refused
    let other = json!({ "email": "ben@x.example", "role": "provider" });
    for (path, key, body) in [(&path, &key, other), (&resends, &key, json!({}))] {
        admin
            .post_with_key(path, key, body)
            .await
            .expect_problem(422, "idempotency_key_reused");
    }
    portal.settle().await.unwrap();
    let mails = portal.mailbox.all().len();
    assert!(
        (1..=2).contains(&mails),
        "one mail a link, and none for a link that was dead before it was sent"
    );
    assert_eq!(clinic.seats_used().await, 1);
    assert_eq!(clinic.audited("invite.created").await, 1);
    assert_eq!(clinic.audited("invite.resent").await, 1);
}

/// Fills `limit` for `subject` up to one less than its most.
async fn fill(clinic: &Clinic<'_>, limit: Limit, subject: &str, already: u32) {
    for _ in already..limit.most - 1 {
        let limit_use = limit.used_by(subject, clinic.portal.clock.now());
        clinic.store().used(&limit_use).await.unwrap();
    }
}

fn expect_limited(refused: Answer, limit: Limit) {
    let refused = refused.expect_problem(429, "rate_limited");
    let wait: i64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=limit.seconds).contains(&wait), "{wait}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_to_one_mailbox_are_limited_whoever_sends_them() {
    // Given two clinics
    let portal = Portal::start().await;
    portal.wait_for_window(MAIL_PER_RECIPIENT);
    let clinic = portal.clinic().await;
    let other = Clinic::of(&portal, portal.person("Otto"), "Hillside").await;

    // When they invite one mailbox under many names, and resend
    let first = clinic.invite("ada@x.example", "viewer").await.expect(201).id();
    for n in 0..4 {
        clinic
            .invite(&format!("ada+{n}@x.example"), "viewer")
            .await
            .expect(201);
        other
            .invite(&format!("Ada+{n}@X.example"), "viewer")
            .await
            .expect(201);
    }
    clinic.resend(&first).await.expect(200);

    // Then the eleventh mail of the day is refused, and no other mailbox is
    expect_limited(
        clinic.invite("ada+9@x.example", "viewer").await,
        MAIL_PER_RECIPIENT,
    );
    expect_limited(other.invite("ada@x.example", "viewer").await, MAIL_PER_RECIPIENT);
    let refused = clinic.resend(&first).await;
    let wait: i64 = refused.header("retry-after").parse().unwrap();
    expect_limited(refused, MAIL_PER_RECIPIENT);
    clinic.invite("ben@x.example", "viewer").await.expect(201);
    // And after the time it says it is possible again
    portal.wait(SECOND * i32::try_from(wait).unwrap());
    clinic.invite("ada+9@x.example", "viewer").await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_inviter_and_one_organization_are_limited() {
    let portal = Portal::start().await;
    portal.wait_for_window(INVITES_PER_INVITER);
    let clinic = portal.clinic().await;
    let role = clinic
        .role("Inviter", &["invites.manage", "invites.read", "members.read"])
        .await;
    let rita = clinic.member("Rita", &role).await;
    let invite = |person: &crate::support::Person, email: &str| {
        let body = json!({ "email": email, "role": role });
        let (person, path) = (person.clone(), clinic.path("/invites"));
        async move { person.post(&path, body).await }
    };

    // An inviter at the limit: the last one, then none, while others may.
    fill(&clinic, INVITES_PER_INVITER, &rita.account.to_string(), 0).await;
    let last = invite(&rita, "a@x.example").await.expect(201).id();
    expect_limited(invite(&rita, "b@x.example").await, INVITES_PER_INVITER);
    expect_limited(
        rita.post(&clinic.path(&format!("/invites/{last}/resend")), json!({}))
            .await,
        INVITES_PER_INVITER,
    );
    invite(&clinic.admin, "b@x.example").await.expect(201);

    // An organization at the limit: nobody, while other organizations may.
    fill(&clinic, INVITES_PER_ORGANIZATION, &clinic.id.to_string(), 3).await;
    invite(&clinic.admin, "c@x.example").await.expect(201);
    expect_limited(
        invite(&clinic.admin, "d@x.example").await,
        INVITES_PER_ORGANIZATION,
    );
    let other = Clinic::of(&portal, clinic.admin.clone(), "Hillside").await;
    other.invite("d@x.example", "viewer").await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_invite_counts_against_no_limit() {
    let portal = Portal::start().await;
    portal.wait_for_window(MAIL_PER_RECIPIENT);
    let clinic = portal.clinic().await;
    clinic.plan(0).await;

    for _ in 0..=MAIL_PER_RECIPIENT.most {
        clinic
            .invite("ada@x.example", "provider")
            .await
            .expect_problem(409, "seat_limit_reached");
    }

    clinic.invite("ada@x.example", "viewer").await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn resends_at_once_leave_one_live_link() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = portal.person("Ada");
    let (invite, first) = clinic.invited(&ada, "provider").await;

    let answers = futures_util::future::join_all((0..3).map(|_| clinic.resend(&invite))).await;

    let resent = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(resent >= 1, "{:?}", statuses(&answers));
    assert_eq!(clinic.audited("invite.resent").await, resent);
    assert_eq!(clinic.seats_used().await, 1);
    // All links that were ever mailed: only the newest is not superseded.
    let newest = clinic.token(&ada.email).await;
    ada.accept(&first).await.expect_problem(409, "invite_superseded");
    let mails = portal.mailbox.messages(&ada.email);
    for mail in &mails[1..] {
        let token = mail.links[0].split_once("#token=").unwrap().1;
        ada.preview(token).await.expect_problem(409, "invite_superseded");
    }
    ada.accept(&newest).await.expect(201);
}
