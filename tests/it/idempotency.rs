//! The same key, the same effect, once: however often, however fast, and by whom.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::imports::{IMPORTS, asking};
use crate::support::service::TOKENS;
use crate::support::sessions::{SESSIONS, session};
use crate::support::{Answer, Clinic, DAY, Person, Portal, SECOND};

/// Every request that needs a key, with a body that works and the status it is answered with. The one who answers the invite
/// is its recipient.
async fn keyed_requests(clinic: &Clinic<'_>, recipient: &Person) -> Vec<(Person, String, Value, u16)> {
    let (_, token) = clinic.invited(recipient, "viewer").await;
    let other = clinic
        .invite("other@riverside.example", "viewer")
        .await
        .expect(201)
        .id();
    let site = clinic.bound("Hillside Online", "owner").await;
    let patient = clinic.portal.patient("Noor Haddad", &[&site]).await;
    let wanted = json!({ "source": "other", "scopes": ["sites"] });
    let made = clinic.portal.operator().post(TOKENS, wanted).await;
    let service_token = made.expect(201).id();
    let dana = || clinic.admin.clone();
    let path = clinic.member_path(&clinic.admin);
    let etag = clinic.admin.etag(&path).await;
    let care = json!({ "provides_care": true });
    clinic.admin.patch(&path, &etag, care).await.expect(200);
    let held = clinic.start(&clinic.admin, json!({})).await.expect(201);
    let rows = json!({ "invites": [{ "email": "row@riverside.example", "role": "viewer" }, { "email": "none", "role": "viewer" }] });
    vec![
        (
            dana(),
            "/v1/organizations".to_owned(),
            json!({ "name": "Hillside" }),
            201,
        ),
        (
            dana(),
            clinic.path("/roles"),
            json!({ "name": "Desk", "permissions": [] }),
            201,
        ),
        (
            dana(),
            clinic.path("/invites"),
            json!({ "email": "new@riverside.example", "role": "viewer" }),
            201,
        ),
        (dana(), clinic.path("/invites/bulk"), rows, 200),
        (
            dana(),
            clinic.path(&format!("/invites/{other}/resend")),
            json!({}),
            200,
        ),
        (
            recipient.clone(),
            "/v1/invites/accept".to_owned(),
            json!({ "token": token }),
            201,
        ),
        (
            dana(),
            clinic.path("/sites"),
            json!({ "name": "Riverside Online" }),
            201,
        ),
        (
            dana(),
            clinic.path(&format!("/patients/{}/notes", patient.id)),
            json!({ "text": "Prefers mornings." }),
            201,
        ),
        (
            clinic.portal.operator(),
            TOKENS.to_owned(),
            json!({ "source": "platform", "scopes": ["sites"] }),
            201,
        ),
        (
            clinic.portal.operator(),
            format!("{TOKENS}/{service_token}/rotate"),
            json!({ "overlap_seconds": 60 }),
            200,
        ),
        (
            dana(),
            SESSIONS.to_owned(),
            clinic.to_start(json!({ "name": "First visit" })),
            201,
        ),
        (dana(), session(&held, "/end"), json!({}), 200),
        (
            dana(),
            "/v1/devices".to_owned(),
            json!({ "name": "Phone", "public_key": "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo" }),
            201,
        ),
        (
            dana(),
            clinic.path("/exports"),
            json!({ "list": "members", "format": "csv" }),
            202,
        ),
        (
            clinic.portal.operator(),
            "/v1/platform/sites".to_owned(),
            json!({ "name": "Lakeside Online" }),
            201,
        ),
        (
            (*clinic.portal.service("platform").await).clone(),
            IMPORTS.to_owned(),
            asking("patients", b"", &json!({})),
            201,
        ),
    ]
}

/// Fails unless both answers say the same, but for the requests' own ids.
#[track_caller]
fn assert_same(one: &Answer, other: &Answer) {
    assert_eq!((one.status, &one.text), (other.status, &other.text));
    for name in ["content-type", "etag", "location"] {
        assert_eq!(one.header(name), other.header(name), "{name}");
    }
}

/// The answer with the request's id out of the way: a row's problem names the request it is in.
fn without_ids(mut answer: Answer) -> Answer {
    answer.text = answer
        .text
        .replace(&answer.header("x-request-id"), "this request");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn what_creates_or_sends_needs_a_usable_key() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = portal.person("Ada");
    let requests = keyed_requests(&clinic, &ada).await;

    // The document names the same requests. One that needs the revision as well cannot be sent here: see the bookings' tests.
    let documented = portal_local::functions::described()
        .into_iter()
        .flat_map(|function| {
            let document = serde_json::to_value(function.document).unwrap();
            let paths = document["paths"].as_object().unwrap().clone();
            paths.into_iter().filter(|(_, item)| {
                let parameters = item["post"]["parameters"].to_string();
                parameters.contains("idempotency-key") && !parameters.contains("if-match")
            })
        });
    assert_eq!(documented.count(), requests.len());

    let before = clinic.audit_verbs().await;
    for (person, path, body, _) in &requests {
        let request = || person.request(Method::POST, path);
        request()
            .json(body)
            .send()
            .await
            .expect_problem(400, "idempotency_key_missing");
        let long = "k".repeat(256);
        for key in ["", "\"\"", "a b", "a\tb", "k\u{e9}y", &long] {
            let answer = request().header("idempotency-key", key).json(body).send().await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (400, "idempotency_key_invalid"),
                "{path} {key:?}"
            );
        }
    }
    assert_eq!(clinic.audit_verbs().await, before);
    let longest = "k".repeat(255);
    let role = json!({ "name": "Desk", "permissions": [] });
    clinic
        .admin
        .post_with_key(&clinic.path("/roles"), &longest, role)
        .await
        .expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_gets_its_first_answer_and_has_no_second_effect() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = portal.person("Ada");

    for (number, (person, path, body, status)) in keyed_requests(&clinic, &ada).await.into_iter().enumerate()
    {
        let key = format!("key-of-{number}");
        let first = without_ids(
            person
                .post_with_key(&path, &key, body.clone())
                .await
                .expect(status),
        );
        let events = clinic.audit_verbs().await;

        // Again, with the key bare and quoted, also when what it made has changed meanwhile
        for key in [key.clone(), format!("\"{key}\""), format!(" {key} ")] {
            let again = without_ids(person.post_with_key(&path, &key, body.clone()).await);
            assert_same(&first, &again);
        }
        // Another body or another path under the same key is another request
        let (elsewhere, others) = if path == IMPORTS {
            (
                IMPORTS,
                ["sites", "patients"].map(|of| asking(of, b"other", &json!({}))),
            )
        } else {
            let zoned = json!({ "name": "Hillside", "time_zone": "Europe/Berlin" });
            ("/v1/organizations", [json!({ "name": "Other" }), zoned])
        };
        for other in others {
            let answer = person.post_with_key(elsewhere, &key, other).await;
            answer.expect_problem(422, "idempotency_key_reused");
        }
        assert_eq!(clinic.audit_verbs().await, events, "{path}");
    }
    let mine = clinic.admin.get("/v1/organizations").await.expect(200).items();
    assert_eq!(mine.len(), 2);
    portal.settle().await.expect("all is delivered");
    assert_eq!(portal.mailbox.messages("new@riverside.example").len(), 1);
    assert_eq!(portal.mailbox.messages("row@riverside.example").len(), 1);
    assert_eq!(portal.mailbox.messages("other@riverside.example").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_its_accounts_own_and_ends_after_a_day() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let olga = clinic.member("Olga", "admin").await;
    let roles = clinic.path("/roles");
    let desk = |name: &str| json!({ "name": name, "permissions": [] });

    // Two people, the same key, different requests
    let mine = clinic
        .admin
        .post_with_key(&roles, "monday", desk("Desk"))
        .await
        .expect(201);
    let hers = olga
        .post_with_key(&roles, "monday", desk("Office"))
        .await
        .expect(201);
    assert_ne!(mine.id(), hers.id());
    let again = clinic.admin.post_with_key(&roles, "monday", desk("Desk")).await;
    assert_same(&mine, &again);

    // The same key in another organization is another request
    let second = Clinic::of(&portal, clinic.admin.clone(), "Hillside").await;
    let elsewhere = clinic
        .admin
        .post_with_key(&second.path("/roles"), "monday", desk("Desk"))
        .await;
    elsewhere.expect_problem(422, "idempotency_key_reused");

    // A moment before a day is over the answer is the first one; then the key is new
    portal.wait(DAY - SECOND * 30);
    assert_same(
        &mine,
        &clinic.admin.post_with_key(&roles, "monday", desk("Desk")).await,
    );
    portal.wait(SECOND * 31);
    let tuesday = clinic
        .admin
        .post_with_key(&roles, "monday", desk("Other"))
        .await
        .expect(201);
    assert_ne!(tuesday.id(), mine.id());
    assert_same(
        &tuesday,
        &clinic.admin.post_with_key(&roles, "monday", desk("Other")).await,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_identical_requests_at_once_are_one() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = portal.person("Ada");

    for (number, (person, path, body, status)) in keyed_requests(&clinic, &ada).await.into_iter().enumerate()
    {
        let before = clinic.audit_verbs().await.len();
        let key = format!("race-{number}");
        let racers = (0..20).map(|_| person.post_with_key(&path, &key, body.clone()));
        let answers: Vec<Answer> = join_all(racers).await.into_iter().map(without_ids).collect();
        for answer in &answers {
            assert_eq!(answer.status, status, "{path}: {}", answer.text);
            assert_same(&answers[0], answer);
        }
        // Whatever is done in the clinic is told in its log.
        let theirs = ["/v1/invites/accept", "/v1/sessions", "/v1/devices"];
        let is_told = |prefix: &&str| path.starts_with(*prefix);
        let effects = usize::from(path.starts_with(&clinic.path("/")) || theirs.iter().any(is_told));
        assert_eq!(clinic.audit_verbs().await.len(), before + effects, "{path}");
    }
    assert_eq!(
        clinic
            .admin
            .get("/v1/organizations")
            .await
            .expect(200)
            .items()
            .len(),
        2
    );
    let of_platform = portal.operator().all("/v1/platform/sites").await;
    assert_eq!(of_platform.len(), 3, "the clinic's own two and the operator's");

    // Also when it is the first that is ever seen of a person
    let newcomer = portal.person("Nia");
    let body = json!({ "name": "Nia's" });
    let racers = (0..20).map(|_| newcomer.post_with_key("/v1/organizations", "first", body.clone()));
    let answers = join_all(racers).await;
    for answer in &answers {
        assert_eq!(answer.status, 201, "{}", answer.text);
        assert_same(&answers[0], answer);
    }
    assert_eq!(
        newcomer.get("/v1/organizations").await.expect(200).items().len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_again_only_to_those_who_may_still_ask() {
    // Given somebody who invited with a key
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let role = clinic
        .role("Front desk", &["invites.manage", "sessions.read", "audit.read"])
        .await;
    let olga = clinic.member("Olga", &role).await;
    let invites = clinic.path("/invites");
    let body = json!({ "email": "ada@riverside.example", "role": "viewer" });
    olga.post_with_key(&invites, "mine", body.clone())
        .await
        .expect(201);

    // When she loses the right, and then her membership
    clinic.set_role(&olga, "viewer").await.expect(200);
    let again = olga.post_with_key(&invites, "mine", body.clone()).await;
    again.expect_problem(403, "permission_missing");
    let path = clinic.member_path(&olga);
    let etag = clinic.admin.etag(&path).await;
    clinic.admin.delete(&path, &etag).await.expect(204);
    let again = olga.post_with_key(&invites, "mine", body.clone()).await;

    // Then the answer is not hers any more
    again.expect_problem(404, "organization_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_not_kept_under_the_key() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let viewer = clinic.member("Vera", "viewer").await;
    let roles = clinic.path("/roles");
    let desk = json!({ "name": "Desk", "permissions": [] });

    viewer
        .post_with_key(&roles, "once", desk.clone())
        .await
        .expect_problem(403, "permission_missing");
    clinic.set_role(&viewer, "admin").await.expect(200);

    viewer.post_with_key(&roles, "once", desk).await.expect(201);
}
