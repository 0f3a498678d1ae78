//! The mails that carry invite links: to whom, in which words, how often, and what becomes of those that do not arrive.

use std::time::Duration;

use portal_app::{Part as _, Relaying};
use portal_domain::outbox::{Content, Message};
use portal_local::faults::{Kind, Rule};
use portal_local::mailbox::{Bounce, Event, Mail};
use portal_local::queues::Delivery;
use portal_local::stack::{FEEDBACK_QUEUE, MAIL_QUEUE, Options, TABLE, mail_delivery};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Clinic, DAY, Log, Portal, fresh_key};

/// Where the invite's mail is, as the admin sees it: status and reason.
async fn delivery(clinic: &Clinic<'_>, invite: &str) -> (String, Value) {
    let seen = clinic.seen(invite).await;
    let delivery = &seen["delivery"];
    (
        delivery["status"].as_str().unwrap().to_owned(),
        delivery["reason"].clone(),
    )
}

/// The only mail to `email`.
fn only_mail(portal: &Portal, email: &str) -> Mail {
    let mut mails = portal.mailbox.messages(email);
    assert_eq!(mails.len(), 1, "mails to {email}");
    mails.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_speaks_the_language_of_the_invite_or_of_the_organization() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    clinic
        .configure(json!({ "languages": { "default": "de" }, "time_zone": "Europe/Madrid" }))
        .await;
    let invite = |email: &'static str, language: Option<&'static str>| {
        let mut body = json!({ "email": email, "role": "provider" });
        if let Some(language) = language {
            body["language"] = json!(language);
        }
        let (admin, path) = (clinic.admin.clone(), clinic.path("/invites"));
        async move { admin.post(&path, body).await.expect(201) }
    };
    let made = invite("de@x.example", None).await;
    assert_eq!(made.text_at("/language"), "de");
    invite("es@x.example", Some("es")).await;
    invite("en@x.example", Some("en")).await;
    portal.settle().await.unwrap();

    for (email, subject, role) in [
        (
            "de@x.example",
            "Riverside Family Practice lädt Sie ein",
            "Fachkraft",
        ),
        (
            "es@x.example",
            "Riverside Family Practice le envía una invitación",
            "Profesional",
        ),
        (
            "en@x.example",
            "Riverside Family Practice invites you",
            "Provider",
        ),
    ] {
        let mail = only_mail(&portal, email);
        assert_eq!(mail.subject, subject);
        assert!(mail.text.contains("(Europe/Madrid)"), "{}", mail.text);
        for told in [role, "Dana"] {
            assert!(
                mail.text.contains(told) && mail.html.contains(told),
                "{told}: {}",
                mail.text
            );
        }
        assert_eq!(mail.from, "portal@portal.example");
        assert_eq!(mail.links.len(), 1);
        assert!(mail.text.contains(&mail.links[0]));
        assert!(mail.links[0].starts_with(&format!("{}/invites/accept#token=", portal.base)));
    }
    // A later change of the organization's language does not change the language that an invite has.
    clinic
        .configure(json!({ "languages": { "default": "en" } }))
        .await;
    clinic.resend(&made.id()).await.expect(200);
    portal.settle().await.unwrap();
    let again = &portal.mailbox.messages("de@x.example")[0];
    assert_eq!(
        again.subject,
        "Erinnerung: Riverside Family Practice lädt Sie ein"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_in_a_mail_are_inert_and_it_has_one_recipient() {
    // Given names that try to be markup, addresses and headers
    let portal = Portal::start().await;
    let evil = "<script>alert(1)</script> https://evil.example";
    let dana = portal.person_with("<a href='//evil.example'>Dana</a>", "dana@x.example");
    let clinic = Clinic::of(&portal, dana, evil).await;
    let role = clinic
        .role("\"><img src=x onerror=alert(1)>", &["members.read"])
        .await;
    for name in ["Dana\r\nBcc: eve@evil.example", "Dana\u{202e}"] {
        let etag = clinic.admin.etag(&clinic.path("")).await;
        clinic
            .admin
            .patch(&clinic.path(""), &etag, json!({ "name": name }))
            .await
            .expect_problem(422, "text_invalid");
    }

    // When somebody is invited, by an address with odd but allowed characters
    let email = "o'neil+a&b={x}@y.example";
    clinic.invite(email, &role).await.expect(201);
    portal.settle().await.unwrap();

    // Then the mail shows them as text, links to the portal only, and goes to that address alone
    let all = portal.mailbox.all();
    assert_eq!(all.len(), 1, "one recipient");
    let mail = &all[0];
    assert_eq!(mail.to, email);
    assert!(!mail.subject.contains(['\r', '\n']), "{:?}", mail.subject);
    let html = mail.html.to_lowercase();
    for active in ["<script", "<img", "onerror=alert(1)>", "href='//evil", "\"//evil"] {
        assert!(!html.contains(active), "{active} in {html}");
    }
    assert!(html.contains("&lt;script&gt;"), "{html}");
    for part in [&mail.text, &mail.html, &mail.subject] {
        assert!(
            !part.contains("https://evil"),
            "a mail program would make this a link: {part}"
        );
    }
    assert_eq!(mail.links.len(), 1);
    assert!(mail.links[0].starts_with(&portal.base));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_goes_out_once_though_stream_and_queue_deliver_twice() {
    // Given a stream that delivers everything twice, in pieces and again later, and a queue that waits for a slow first sender
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let patient = Delivery {
        pause: Duration::from_millis(100),
        ..mail_delivery()
    };
    portal.queues.create(MAIL_QUEUE, patient);
    portal.faults.set(
        7,
        vec![
            Rule::new(Kind::DuplicateStream, 1.0),
            Rule::new(Kind::SplitStream, 1.0),
        ],
    );

    // When people are invited, one of them again, and the queue delivers its messages once more
    let mut invites = Vec::new();
    for n in 0..5 {
        let invite = clinic.invite(&format!("p{n}@x.example"), "viewer").await;
        invites.push(invite.expect(201).id());
    }
    portal.settle().await.unwrap();
    clinic.resend(&invites[0]).await.expect(200);
    portal.settle().await.unwrap();
    assert!(portal.faults.fired(Kind::DuplicateStream) > 0);
    for invite in &invites {
        for version in 1..=2 {
            let (organization, invite) = (clinic.id, invite.parse().unwrap());
            let content = Content::InviteMail {
                organization,
                invite,
                version,
            };
            let message = json!(Message::new(content, portal.clock.now()));
            portal.queues.send(MAIL_QUEUE, &message.to_string()).unwrap();
        }
    }
    portal.settle().await.unwrap();

    // Then each link was mailed once
    assert_eq!(portal.queues.dead_letters(MAIL_QUEUE).len(), 0);
    for n in 0..5 {
        let mails = portal.mailbox.messages(&format!("p{n}@x.example"));
        assert_eq!(mails.len(), if n == 0 { 2 } else { 1 });
    }
    assert_eq!(delivery(&clinic, &invites[0]).await.0, "sent");
}

/// The items of messages that have not left.
fn outbox(portal: &Portal) -> Vec<Value> {
    let request = json!({ "TableName": TABLE, "FilterExpression": "kind = :kind",
        "ExpressionAttributeValues": { ":kind": { "S": "outbox" } } });
    let scanned = portal
        .dynamo
        .database()
        .scan(serde_json::from_value(request).unwrap());
    let scanned = serde_json::to_value(scanned.unwrap()).unwrap();
    scanned["Items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_read_keeps_no_other_back() {
    // Given two messages in the outbox, and before them one that is damaged
    let options = Options {
        follows: false,
        ..Options::default()
    };
    let portal = Portal::start_with(options).await;
    let clinic = portal.clinic().await;
    for email in ["ada@x.example", "ben@x.example"] {
        clinic.invite(email, "viewer").await.expect(201);
    }
    let mut items = outbox(&portal);
    assert_eq!(items.len(), 2);
    let mut damaged = items[0].clone();
    damaged["content"]["M"]["version"] = json!({ "S": "first" });
    items.insert(0, damaged);
    let records: Vec<Value> = (1..)
        .zip(&items)
        .map(|(number, item)| {
            json!({ "eventID": "one", "eventName": "INSERT", "eventSource": "aws:dynamodb", "awsRegion": "eu-central-1",
                "dynamodb": { "Keys": {}, "NewImage": item, "SequenceNumber": number.to_string(), "SizeBytes": 1,
                    "ApproximateCreationDateTime": 0 } })
        })
        .collect();
    let event: Value = json!({ "Records": records });

    // When they are relayed, and again from the damaged one on
    let relaying = Relaying::build(portal.config(0)).unwrap();
    for _ in 0..2 {
        let event = serde_json::from_value(event.clone()).unwrap();
        let answer = relay::handle(&relaying, event).await.unwrap();
        let answer = serde_json::to_value(answer).unwrap();
        // Then it is the only one to come again
        assert_eq!(
            answer,
            json!({ "batchItemFailures": [{ "itemIdentifier": "1" }] })
        );
    }

    // And the others have left, and are mailed once
    assert_eq!(outbox(&portal), [] as [Value; 0]);
    portal.settle().await.unwrap();
    for email in ["ada@x.example", "ben@x.example"] {
        only_mail(&portal, email);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_waits_until_the_provider_is_back() {
    // Given a mail provider that is away, and a queue that is as patient as in the cloud, where ten tries are an hour
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = portal.person("Ada");
    let patient = Delivery {
        max_receive_count: 100_000,
        ..Delivery::default()
    };
    portal.queues.create(MAIL_QUEUE, patient);
    portal.faults.set(1, vec![Rule::new(Kind::MailDown, 1.0)]);

    // When somebody is invited
    let invite = clinic.invite(&ada.email, "provider").await.expect(201).id();
    while portal.faults.fired(Kind::MailDown) < 3 {
        tokio::task::yield_now().await;
    }

    // Then the invite stands, and its mail is known to wait
    let seen = clinic.seen(&invite).await;
    assert_eq!(
        (&seen["status"], &seen["holds_seat"]),
        (&json!("pending"), &json!(true))
    );
    assert_eq!(seen["delivery"]["status"], "queued");
    // And it arrives, once, when the provider is back
    portal.faults.clear();
    let token = clinic.token(&ada.email).await;
    only_mail(&portal, &ada.email);
    assert_eq!(delivery(&clinic, &invite).await.0, "sent");
    ada.accept(&token).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_was_given_up_is_kept_and_can_be_sent_again() {
    // Given a provider that stays away longer than the queue tries
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let [ada, ben] = ["Ada", "Ben"].map(|name| portal.person(name));
    portal.faults.set(1, vec![Rule::new(Kind::MailDown, 1.0)]);
    let first = clinic.invite(&ada.email, "viewer").await.expect(201).id();
    clinic.invite(&ben.email, "viewer").await.expect(201);
    portal.settle().await.unwrap();

    // Then the messages are dead letters, without a token in them, and the invites stand
    let dead = portal.queues.dead_letters(MAIL_QUEUE);
    assert_eq!(dead.len(), 2);
    assert!(dead.iter().all(|letter| !letter.body.contains("token")));
    assert!(portal.mailbox.all().is_empty());
    assert_eq!(delivery(&clinic, &first).await.0, "queued");

    // When the provider is back, a resend reaches the one, and an operator's redrive the other
    portal.faults.clear();
    clinic.resend(&first).await.expect(200);
    for letter in dead {
        portal.queues.send(MAIL_QUEUE, &letter.body).unwrap();
    }
    for person in [&ada, &ben] {
        let token = clinic.token(&person.email).await;
        only_mail(&portal, &person.email);
        person.accept(&token).await.expect(201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_whose_link_would_be_dead_is_not_sent() {
    // Given mails that wait because the provider is away
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    portal.faults.set(1, vec![Rule::new(Kind::MailDown, 1.0)]);
    let revoked = clinic
        .invite("revoked@x.example", "viewer")
        .await
        .expect(201)
        .id();
    let expired = clinic
        .invite("expired@x.example", "viewer")
        .await
        .expect(201)
        .id();
    portal.settle().await.unwrap();
    let dead = portal.queues.dead_letters(MAIL_QUEUE);

    // When the invites end meanwhile, and the mails are tried again
    clinic.revoke(&revoked).await.expect(200);
    portal.wait(DAY * 7);
    portal.faults.clear();
    for letter in dead {
        portal.queues.send(MAIL_QUEUE, &letter.body).unwrap();
    }
    portal.settle().await.unwrap();

    // Then nobody gets a link that does not work
    assert!(portal.mailbox.all().is_empty());
    assert_eq!(clinic.seen(&expired).await["status"], "expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_of_a_dissolving_organization_is_not_sent_and_admins_see_that_it_was_not() {
    // Given a mail that waits because the provider is away
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    portal.faults.set(1, vec![Rule::new(Kind::MailDown, 1.0)]);
    let invite = clinic.invite("ada@x.example", "viewer").await.expect(201).id();
    portal.settle().await.unwrap();
    let dead = portal.queues.dead_letters(MAIL_QUEUE);
    portal.faults.clear();

    // When its organization is dissolved meanwhile, and the mail is tried again, twice
    let path = clinic.path("/dissolution");
    let body = json!({ "name": "Riverside Family Practice", "remove_members": true });
    clinic.admin.post(&path, body).await.expect(200);
    for letter in [&dead, &dead].into_iter().flatten() {
        portal.queues.send(MAIL_QUEUE, &letter.body).unwrap();
    }
    portal.settle().await.unwrap();

    // Then it does not go out, and whoever takes the dissolution back sees so, and resends
    assert!(portal.mailbox.all().is_empty());
    assert_eq!(portal.queues.dead_letters(MAIL_QUEUE).len(), dead.len());
    let cancel = clinic.admin.request(Method::DELETE, &path);
    cancel.send().await.expect(200);
    assert_eq!(
        delivery(&clinic, &invite).await,
        ("undeliverable".to_owned(), json!("dissolving"))
    );
    assert_eq!(clinic.audited("invite.undeliverable").await, 1);
    clinic.resend(&invite).await.expect(200);
    portal.settle().await.unwrap();
    only_mail(&portal, "ada@x.example");
    assert_eq!(delivery(&clinic, &invite).await.0, "sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn bounces_complaints_and_rejections_mark_the_invite_undeliverable() {
    // Given invites whose mails went out
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let mut invites = Vec::new();
    for name in ["bounce", "complaint", "reject", "full"] {
        let invite = clinic.invite(&format!("{name}@x.example"), "provider").await;
        invites.push(invite.expect(201).id());
    }
    portal.settle().await.unwrap();

    // When one bounces, one is complained about, one is rejected and one mailbox is full, and all this is reported twice
    for _ in 0..2 {
        let report = |to: &str, event, bounce| assert!(portal.mailbox.report(to, event, bounce));
        report("bounce@x.example", Event::Bounce, Bounce::Permanent);
        report("complaint@x.example", Event::Complaint, Bounce::Permanent);
        report("reject@x.example", Event::Reject, Bounce::Permanent);
        report("full@x.example", Event::Bounce, Bounce::Transient);
        portal.settle().await.unwrap();
    }

    // Then the first three are known not to arrive, once in the log, and still hold their seats
    for (invite, expected) in invites.iter().zip([
        ("undeliverable", json!("bounce")),
        ("undeliverable", json!("complaint")),
        ("undeliverable", json!("rejected")),
        ("sent", Value::Null),
    ]) {
        let (status, reason) = delivery(&clinic, invite).await;
        assert_eq!((status.as_str(), reason), expected);
        assert_eq!(clinic.seen(invite).await["status"], "pending");
    }
    assert_eq!(clinic.audited("invite.undeliverable").await, 3);
    assert_eq!(clinic.seats_used().await, 4);
    // And a resend begins anew
    clinic.resend(&invites[0]).await.expect(200);
    portal.settle().await.unwrap();
    assert_eq!(
        delivery(&clinic, &invites[0]).await,
        ("sent".to_owned(), Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_an_older_mail_or_by_strangers_changes_nothing() {
    // Given an invite that was resent
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let invite = clinic.invite("ada@x.example", "viewer").await.expect(201).id();
    portal.settle().await.unwrap();
    let first = only_mail(&portal, "ada@x.example");
    clinic.resend(&invite).await.expect(200);
    portal.settle().await.unwrap();

    // When the first mail's bounce comes late, beside reports of mails that are not ours, or of nothing
    let bounce = |tags: Value| {
        json!({
            "eventType": "Bounce",
            "bounce": { "bounceType": "Permanent", "bounceSubType": "General" },
            "mail": { "messageId": first.id, "destination": ["ada@x.example"], "tags": tags },
        })
    };
    let mut unknown = json!(first.tags);
    unknown["invite"] = json!(["inv_0192f0c1-2b3c-7d4e-8f50-61728394a5b6"]);
    let mut garbled = json!(first.tags);
    garbled["version"] = json!(["two"]);
    for report in [
        bounce(json!(first.tags)),
        bounce(unknown),
        bounce(garbled),
        bounce(json!({})),
    ] {
        portal.queues.send(FEEDBACK_QUEUE, &report.to_string()).unwrap();
    }
    portal.settle().await.unwrap();

    // Then the invite's present mail is as it was
    assert_eq!(delivery(&clinic, &invite).await, ("sent".to_owned(), Value::Null));
    assert_eq!(clinic.audited("invite.undeliverable").await, 0);
    assert!(portal.queues.dead_letters(FEEDBACK_QUEUE).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_in_its_mail_and_nowhere_else() {
    // Given a portal that logs all it can
    let log = Log::start("trace");
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let [ada, ben, cleo, eve] = ["Ada", "Ben", "Cleo", "Eve"].map(|name| portal.person(name));

    // When invites live through all they can live through, with the mail provider and the table in trouble now and then
    portal.faults.set(
        3,
        vec![
            Rule::new(Kind::MailDown, 0.3),
            Rule::new(Kind::Throttle, 0.05),
            Rule::new(Kind::LostAnswer, 0.05),
        ],
    );
    let mut tokens = Vec::new();
    let mut answers = Vec::new();
    for person in [&ada, &ben, &cleo] {
        let key = fresh_key();
        let body = json!({ "email": person.email, "role": "provider" });
        for _ in 0..2 {
            let path = clinic.path("/invites");
            answers.push(
                clinic
                    .admin
                    .post_with_key(&path, &key, body.clone())
                    .await
                    .expect(201),
            );
        }
    }
    portal.faults.clear();
    for (n, person) in [&ada, &ben, &cleo].into_iter().enumerate() {
        answers.push(clinic.resend(&answers[n * 2].id()).await.expect(200));
        tokens.push(clinic.token(&person.email).await);
    }
    for token in &tokens {
        answers.push(eve.accept(token).await.expect(404));
    }
    answers.push(ada.preview(&tokens[0]).await.expect(200));
    let key = fresh_key();
    for _ in 0..2 {
        let body = json!({ "token": tokens[0] });
        answers.push(
            ada.post_with_key("/v1/invites/accept", &key, body)
                .await
                .expect(201),
        );
    }
    answers.push(ben.decline(&tokens[1]).await.expect(204));
    assert!(
        portal
            .mailbox
            .report(&cleo.email, Event::Bounce, Bounce::Permanent)
    );
    portal.settle().await.unwrap();
    answers.push(cleo.accept(&format!("{}x", tokens[2])).await.expect(404));
    let malformed = ada
        .request(reqwest::Method::POST, "/v1/invites/decline")
        .raw("application/json", format!("{{\"token\":\"{}\",}}", tokens[2]))
        .send()
        .await;
    answers.push(malformed.expect(400));
    answers.push(
        ada.post("/v1/invites/decline", json!({ "token": { "is": tokens[2] } }))
            .await
            .expect(422),
    );
    answers.push(clinic.admin.get(&clinic.path("/invites")).await.expect(200));
    answers.push(
        clinic
            .admin
            .get(&clinic.path("/audit-events?limit=100"))
            .await
            .expect(200),
    );

    // Then no link, and no signature of one, is in the table, an answer, the queue or the log
    let mailed = portal.mailbox.all();
    tokens.extend(
        mailed
            .iter()
            .map(|mail| mail.links[0].split_once("#token=").unwrap().1.to_owned()),
    );
    let written = log.text();
    assert!(
        written.contains("\"answered\"") && written.contains("invite_not_found"),
        "{written}"
    );
    let table = json!(portal.items()).to_string();
    assert!(table.contains("idempotency") && table.contains("audit"));
    for token in &tokens {
        let told = answers.iter().map(|answer| answer.text.as_str());
        expect_no_trace(token, told.chain([table.as_str(), &written]));
    }
    // And neither is a name or an address in the log
    for person in [&ada, &ben, &cleo, &eve, &clinic.admin] {
        assert!(!written.contains(&person.email), "{}", person.email);
    }
}

/// Neither what `token` says nor its signature is in any of the `texts`.
fn expect_no_trace<'a>(token: &str, texts: impl Iterator<Item = &'a str>) {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let payload = signed.split_once('.').unwrap().1;
    for text in texts {
        for secret in [signature, payload] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
