//! What the functions write down: one line a request, of known fields, and nothing about people.

use portal_local::faults::{Kind, Rule};
use portal_local::identity::SignIn;
use portal_local::mailbox::{Bounce, Event};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Log, Person, Portal};

/// The lines, each of which is one JSON object.
fn lines(log: &Log) -> Vec<Value> {
    let text = log.text();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")));
    lines.collect()
}

/// The only line about a request.
fn line_of(log: &Log, answer: &Answer) -> Value {
    let id = answer.header("x-request-id");
    let mut lines = lines(log);
    lines.retain(|line| line["request_id"] == id.as_str());
    assert_eq!(lines.len(), 1, "lines about {id}: {lines:?}");
    lines.remove(0)
}

/// All that a request's line says.
const FIELDS: [&str; 16] = [
    "timestamp",
    "level",
    "target",
    "message",
    "request_id",
    "method",
    "route",
    "status",
    "code",
    "account",
    "organization",
    "source",
    "round_trips",
    "read_units",
    "write_units",
    "micros",
];

/// A clinic's day, with names that are nowhere else: what was answered, and what no line may hold.
async fn a_day(portal: &Portal, dana: &Person, ada: &Person) -> (Vec<Answer>, Vec<String>) {
    let created = dana
        .post_with_key(
            "/v1/organizations",
            "canary-key-one",
            json!({ "name": "Canary Hill Clinic" }),
        )
        .await;
    let organization = created.id();
    let base = format!("/v1/organizations/{organization}");
    let path = |rest: &str| format!("{base}{rest}");
    let invite = |email: &str| json!({ "email": email, "role": "viewer", "language": "de" });
    let mut answers = vec![
        created.expect(201),
        dana.post(&path("/invites"), invite(&ada.email)).await.expect(201),
    ];

    // Mails go out, at last
    portal.faults.set(7, vec![Rule::new(Kind::MailDown, 0.7)]);
    portal.settle().await.expect("all is delivered");
    portal.faults.clear();
    let mail = portal.mailbox.messages(&ada.email)[0].clone();
    let token = mail.links[0].split_once("#token=").unwrap().1.to_owned();

    // Links are followed by the right people and by others, members seen and searched, mistakes made
    let answer = json!({ "token": token });
    answers.extend([
        ada.post("/v1/invites/preview", answer.clone()).await.expect(200),
        ada.post("/v1/invites/preview", json!({ "token": format!("{token}x") }))
            .await
            .expect(404),
        dana.post("/v1/invites/accept", answer.clone()).await.expect(404),
        ada.post_with_key("/v1/invites/accept", "canary-key-two", answer)
            .await
            .expect(201),
        dana.get(&path("/members?search=sparrowfield")).await.expect(200),
        dana.get(&path(&format!("/members/{}", ada.account)))
            .await
            .expect(200),
        ada.get(&path("/members?role=admin")).await.expect(403),
        dana.post(&path("/invites"), invite(&ada.email)).await.expect(409),
        dana.post(&path("/invites"), invite("bounced@canary-two.example"))
            .await
            .expect(201),
        dana.post(&path("/invites"), invite("not@an@canary-address"))
            .await
            .expect(422),
        dana.post(
            &path("/roles"),
            json!({ "name": "Canary Desk", "permissions": [] }),
        )
        .await
        .expect(201),
    ]);
    let etag = dana.etag("/v1/me").await;
    answers.push(
        dana.patch("/v1/me", &etag, json!({ "name": "Danahilda Canarywell" }))
            .await
            .expect(200),
    );

    // A session is held, of which its provider alone knows the name
    let care = path(&format!("/members/{}", dana.account));
    let etag = dana.etag(&care).await;
    let provides = json!({ "provides_care": true });
    answers.push(dana.patch(&care, &etag, provides).await.expect(200));
    let start = json!({ "organization_id": organization, "name": "Canary's knee" });
    let started = dana.post("/v1/sessions", start).await.expect(201);
    let session = format!("/v1/sessions/{}", started.id());
    let rename = json!({ "name": "Canary's other knee" });
    let key = "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo";
    let device = json!({ "name": "Canary's phone", "public_key": key });
    answers.extend([
        dana.patch(&session, &started.etag(), rename).await.expect(200),
        dana.post(&format!("{session}/end"), json!({})).await.expect(200),
        dana.post("/v1/devices", device).await.expect(201),
        dana.get("/v1/sessions").await.expect(200),
        started,
    ]);

    // A mail bounces, a week passes, a job runs
    portal.settle().await.expect("all is delivered");
    assert!(
        portal
            .mailbox
            .report("bounced@canary-two.example", Event::Bounce, Bounce::default())
    );
    portal.settle().await.expect("all is delivered");
    portal.wait(portal_domain::invite::LIFETIME);
    portal
        .run_job("expire-invites")
        .await
        .expect("a job")
        .expect("a report");
    (answers, vec![token, mail.subject])
}

/// What somebody sends who would write into the log.
async fn forgeries(portal: &Portal, dana: &Person) -> (Vec<Answer>, Vec<String>) {
    let base = dana
        .get("/v1/organizations")
        .await
        .expect(200)
        .text_at("/items/0/id");
    let path = |rest: &str| format!("/v1/organizations/{base}{rest}");
    let forged = "\n{\"level\":\"ERROR\",\"message\":\"forged\"}\r\n\u{1b}[31mforged";
    let escaped = "%0a%7B%22level%22%3A%22ERROR%22%2C%22message%22%3A%22forged%22%7D%0d%0a%1b%5B31mforged";
    let header = json!({ "alg": "ES256", "kid": forged, "typ": "at+jwt" });
    let claims = portal
        .identity
        .access_claims(&SignIn::new("adalgisa@canary-two.example"));
    let token = portal.identity.sign(&header, &claims).unwrap();
    let agent = dana
        .request(Method::GET, "/v1/me")
        .header("user-agent", "canary {\"message\":\"forged\"}");
    let answers = vec![
        dana.with_token(&token).get("/v1/me").await.expect(401),
        dana.get(&path(&format!("/members?search={escaped}")))
            .await
            .expect(200),
        dana.get(&path(&format!("/members?{escaped}=1")))
            .await
            .expect(400),
        dana.get(&path(&format!("/members/{escaped}"))).await.expect(400),
        dana.post("/v1/organizations", json!({ "name": forged }))
            .await
            .expect(422),
        dana.post("/v1/organizations", json!({ "name": "A", forged: 1 }))
            .await
            .expect(422),
        agent
            .header("x-request-id", "canary-request-id")
            .send()
            .await
            .expect(200),
    ];
    (answers, vec![token])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_one_line_of_known_fields_without_a_word_about_people() {
    // When people do what people do, and what they should not
    let log = Log::start("debug");
    let portal = Portal::start().await;
    let dana = portal.person_with("Danahilda Canaryworth", "danahilda@canary-one.example");
    let ada = portal.person_with("Adalgisa Sparrowfield", "adalgisa@canary-two.example");
    let (mut answers, mut secrets) = a_day(&portal, &dana, &ada).await;
    let (forged, tokens) = forgeries(&portal, &dana).await;
    answers.extend(forged);
    secrets.extend(tokens);
    secrets.extend([dana.token, ada.token]);

    // Then each request is one line, of these fields, with what was answered
    for answer in &answers {
        let line = line_of(&log, answer);
        for field in line.as_object().unwrap().keys() {
            assert!(FIELDS.contains(&field.as_str()), "{field} in {line}");
        }
        assert_eq!(line["status"], answer.status, "{line}");
        assert_eq!(line["code"], answer.code(), "{line}");
        assert_eq!(
            (&line["target"], &line["level"]),
            (&json!("portal::request"), &json!("INFO"))
        );
        let route = line["route"].as_str().unwrap();
        assert!(
            route.starts_with("/v1/") || answer.code() == "malformed_request",
            "{line}"
        );
        assert!(!route.contains("_0"), "an id in {line}");
    }

    // And nobody is in any line, whoever wrote it
    let text = log.text().to_lowercase();
    let names = [
        "canary",
        "danahilda",
        "adalgisa",
        "sparrow",
        "bounced@",
        "not@an",
        "forged",
        "bearer",
        "eyj",
    ];
    let payloads = secrets
        .iter()
        .map(|secret| secret.split('.').nth(1).unwrap_or(secret).to_lowercase());
    for secret in payloads.chain(names.map(str::to_owned)) {
        let line = text.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_told_with_whose_it_is_and_which_organization_it_is_about() {
    let log = Log::start("info");
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (ada, eve) = (portal.person("Ada"), portal.person("Eve"));
    let (_, token) = clinic.invited(&ada, "viewer").await;
    let path = clinic.path("/members");
    let ids = |answer: &Answer| {
        let line = line_of(&log, answer);
        let id = |field: &str| line[field].as_str().unwrap().to_owned();
        (id("account"), id("organization"))
    };
    let about = |person: &Person| (person.account.to_string(), clinic.id.to_string());

    // Whoever asks is named, with or without a right, and with a link too
    let own = clinic.admin.get(&path).await.expect(200);
    assert_eq!(ids(&own), about(&clinic.admin));
    let foreign = eve.get(&path).await.expect(404);
    assert_eq!(ids(&foreign), about(&eve));
    let forwarded = eve.accept(&token).await.expect(404);
    assert_eq!(ids(&forwarded), about(&eve));
    let joined = ada.accept(&token).await.expect(201);
    assert_eq!(ids(&joined), about(&ada));

    // And nothing is told that nobody has proved, or that is no organization's id
    let unknown = eve.with_token("x").get(&path).await.expect(401);
    assert_eq!(ids(&unknown), (String::new(), String::new()));
    let none = eve.get("/v1/organizations/org_x/members").await.expect(404);
    assert_eq!(ids(&none), (eve.account.to_string(), String::new()));
    let me = eve.get("/v1/me").await.expect(200);
    assert_eq!(ids(&me), (eve.account.to_string(), String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_ours_is_told_to_the_log_and_not_to_the_caller() {
    // Given members whose items are damaged
    let log = Log::start("debug");
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = clinic.member("Ada", "viewer").await;
    for (attribute, damage) in [
        ("joined_at", json!({ "S": "Canary Sparrowfield" })),
        ("email", json!({ "S": "canary sparrowfield" })),
        ("role", json!({ "S": "canary-sparrowfield" })),
        ("name", json!({ "S": "canary\u{202e}sparrowfield" })),
        ("rev", json!({ "S": "canary" })),
        ("kind", json!({ "S": "outbox" })),
        ("organization", json!({ "L": [{ "S": "canary" }] })),
    ] {
        let item = json!({ "TableName": "portal", "Key": {
            "pk": { "S": format!("ACCOUNT#{}", ada.account) }, "sk": { "S": format!("MEMBER#{}", clinic.id) } } });
        let database = portal.dynamo.database();
        let whole = database
            .get_item(serde_json::from_value(item).unwrap())
            .expect("readable");
        let whole = serde_json::to_value(whole).unwrap()["Item"].clone();
        let put = |item: &Value| {
            let request = json!({ "TableName": "portal", "Item": item });
            database
                .put_item(serde_json::from_value(request).unwrap())
                .expect("writable");
        };
        let mut damaged = whole.clone();
        damaged[attribute] = damage;
        put(&damaged);

        // When it is read
        let answer = clinic
            .admin
            .get(&clinic.member_path(&ada))
            .await
            .expect_problem(500, "internal");
        put(&whole);

        // Then the answer tells nothing, and the log what it is, without what is in it
        let body = answer.json();
        assert_eq!(body["detail"], body["title"], "{attribute}");
        assert_eq!(body.as_object().unwrap().len(), 6, "{attribute}: {body}");
        assert_eq!(line_of(&log, &answer)["code"], "internal");
        let text = log.text().to_lowercase();
        let errors: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("a request failed"))
            .collect();
        assert!(!errors.is_empty(), "{attribute}");
        for error in errors {
            assert!(
                !error.contains("canary") && !error.contains("sparrow") && !error.contains("ada@"),
                "{attribute}: {error}"
            );
        }
    }
    clinic.admin.get(&clinic.member_path(&ada)).await.expect(200);
}
