//! Devices: whose keys they are, when they were seen, and that a revoked key never comes back.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use portal_domain::device::MOST_DEVICES;
use portal_domain::limit::DEVICES_PER_ACCOUNT;
use serde_json::{Value, json};

use crate::support::{Answer, Person, Portal, SECOND, at_once, fresh_key, insist};

const DEVICES: &str = "/v1/devices";
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A fresh key of a device, as a client makes it.
fn public_key() -> String {
    let private = aws_lc_rs::agreement::PrivateKey::generate(&aws_lc_rs::agreement::X25519).expect("a key");
    BASE64_URL_SAFE_NO_PAD.encode(private.compute_public_key().expect("its public part"))
}

async fn register(person: &Person, name: &str, key: &str) -> Answer {
    person
        .post(DEVICES, json!({ "name": name, "public_key": key }))
        .await
}

async fn revoke(person: &Person, device: &str) -> Answer {
    person
        .request(reqwest::Method::DELETE, &format!("{DEVICES}/{device}"))
        .send()
        .await
}

async fn names(person: &Person) -> Vec<String> {
    let name = |device: &Value| device["name"].as_str().unwrap().to_owned();
    person
        .all(&format!("{DEVICES}?limit=7"))
        .await
        .iter()
        .map(name)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_registered_seen_again_and_revoked() {
    // Given a provider of one clinic who looks on in another
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = clinic.member("Ada", "provider").await;
    let other = crate::support::Clinic::of(&portal, portal.person("Hana"), "Hillside").await;
    other.join(&ada, "viewer").await;
    let (phone, laptop) = (public_key(), public_key());

    // When she registers two devices
    let first = register(&ada, "Ada's phone", &phone).await.expect(201);
    portal.wait(SECOND);
    let second = register(&ada, "Laptop", &laptop).await.expect(201);
    assert_eq!(first.header("location"), format!("{DEVICES}/{}", first.id()));
    assert_eq!(first.text_at("/public_key"), phone);
    assert_eq!(names(&ada).await, ["Ada's phone", "Laptop"]);

    // Then the same key is the same device, seen again
    let seen_at = first.text_at("/last_seen_at");
    let soon = register(&ada, "Ada's phone", &phone).await.expect(200);
    assert_eq!(soon.json(), first.json());
    portal.wait(HOUR);
    let ada = portal.person("Ada");
    let later = register(&ada, "Old phone", &phone).await.expect(200);
    assert_eq!(later.id(), first.id());
    assert_eq!(later.text_at("/first_seen_at"), first.text_at("/first_seen_at"));
    assert!(later.text_at("/last_seen_at") > seen_at);
    let read = ada.get(&format!("{DEVICES}/{}", first.id())).await.expect(200);
    assert_eq!(read.json(), later.json());

    // And a revoked key is gone for good
    revoke(&ada, &first.id()).await.expect(204);
    assert_eq!(names(&ada).await, ["Laptop"]);
    register(&ada, "New phone", &phone)
        .await
        .expect_problem(409, "device_revoked");
    revoke(&ada, &first.id())
        .await
        .expect_problem(404, "device_not_found");
    ada.get(&format!("{DEVICES}/{}", first.id()))
        .await
        .expect_problem(404, "device_not_found");
    // Of the account that revoked it: public keys are public, and nobody can take away another's.
    let ben = clinic.member("Ben", "provider").await;
    register(&ben, "Phone", &phone).await.expect(201);

    // And the log of the organization in which she holds sessions tells it, without names and keys
    let log = clinic
        .admin
        .get(&clinic.path("/audit-events?limit=100"))
        .await
        .expect(200);
    let about = |event: &&Value| {
        event["verb"].as_str().unwrap().starts_with("device.")
            && event["actor"]["id"] == ada.account.to_string()
    };
    let told: Vec<Value> = log
        .items()
        .iter()
        .filter(about)
        .map(|event| json!([event["verb"], event["object"]]))
        .collect();
    let [first, second] = [first.id(), second.id()];
    assert_eq!(
        told,
        [
            json!(["device.revoked", first]),
            json!(["device.registered", second]),
            json!(["device.registered", first])
        ]
    );
    assert!(!log.text.contains("phone") && !log.text.contains(&phone));
    assert!(
        !other
            .audit_verbs()
            .await
            .iter()
            .any(|verb| verb.starts_with("device."))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_one_is_refused() {
    let portal = Portal::start().await;
    let ada = portal.person("Ada");
    let spelled = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let good = public_key();
    let mut high = BASE64_URL_SAFE_NO_PAD.decode(&good).unwrap();
    high[31] |= 0x80;
    let of_order_eight = "4Ot6fDtBuK4WVuP68Z_EatoJjeucMrH9hmIFFl9JuAA";
    for key in [
        String::new(),
        "phone".to_owned(),
        spelled(&[7; 31]),
        spelled(&[7; 33]),
        spelled(&[0; 32]),
        spelled(&[0xff; 32]),
        spelled(&high),
        of_order_eight.to_owned(),
        format!("{good}="),
        base64::prelude::BASE64_STANDARD.encode(BASE64_URL_SAFE_NO_PAD.decode(&good).unwrap()),
    ] {
        let refused = register(&ada, "Phone", &key)
            .await
            .expect_problem(422, "public_key_invalid");
        assert_eq!(refused.text_at("/errors/0/pointer"), "/public_key");
    }
    register(&ada, "", &good)
        .await
        .expect_problem(422, "text_invalid");
    register(&ada, "Phone", &good).await.expect(201);

    // What is refused as of small order is what a library refuses to agree on
    let small = BASE64_URL_SAFE_NO_PAD.decode(of_order_eight).unwrap();
    let private = aws_lc_rs::agreement::PrivateKey::generate(&aws_lc_rs::agreement::X25519).unwrap();
    let peer = aws_lc_rs::agreement::UnparsedPublicKey::new(&aws_lc_rs::agreement::X25519, &small);
    assert!(aws_lc_rs::agreement::agree(&private, peer, (), |_| Ok(())).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_their_owners_alone() {
    let portal = Portal::start().await;
    let (ada, eve) = (portal.person("Ada"), portal.person("Eve"));
    let device = register(&ada, "Phone", &public_key()).await.expect(201).id();
    eve.get(&format!("{DEVICES}/{device}"))
        .await
        .expect_problem(404, "device_not_found");
    revoke(&eve, &device)
        .await
        .expect_problem(404, "device_not_found");
    assert_eq!(names(&eve).await, [] as [String; 0]);
    assert_eq!(names(&ada).await, ["Phone"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_devices_registered_at_once_twenty_are_there() {
    let portal = Portal::start().await;
    let ada = portal.person("Ada");
    ada.get("/v1/me").await.expect(200);

    let answers = at_once((0..MOST_DEVICES + 5).map(async |number| {
        let (name, key) = (format!("Device {number}"), public_key());
        insist(|| register(&ada, &name, &key)).await
    }))
    .await;

    let registered = answers.iter().filter(|answer| answer.status == 201).count();
    let refused = answers.iter().filter(|answer| answer.status == 422).count();
    assert_eq!((registered, refused), (MOST_DEVICES, 5));
    assert_eq!(names(&ada).await.len(), MOST_DEVICES);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_sent_many_times_at_once_is_one_device() {
    let portal = Portal::start().await;
    let ada = portal.person("Ada");
    ada.get("/v1/me").await.expect(200);
    let key = public_key();

    let answers = at_once((0..8).map(|_| insist(|| register(&ada, "Phone", &key)))).await;

    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let known = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(made + known, 8);
    assert!(made >= 1);
    assert_eq!(names(&ada).await, ["Phone"]);

    // And with one idempotency key, the answer is one too
    let (once, body) = (
        fresh_key(),
        json!({ "name": "Laptop", "public_key": public_key() }),
    );
    let answers = at_once((0..4).map(|_| insist(|| ada.post_with_key(DEVICES, &once, body.clone())))).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.text == answers[0].text && answer.status == 201)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_revoked_while_it_registers_again_does_not_stay() {
    let portal = Portal::start().await;
    let ada = portal.person("Ada");
    ada.get("/v1/me").await.expect(200);
    for _ in 0..6 {
        let key = public_key();
        let device = register(&ada, "Phone", &key).await.expect(201).id();

        let (revoked, again, renamed) = tokio::join!(
            insist(|| revoke(&ada, &device)),
            insist(|| register(&ada, "Phone", &key)),
            insist(|| register(&ada, "Other", &key)),
        );

        assert_eq!(revoked.status, 204, "{}", revoked.text);
        for answer in [again, renamed] {
            assert!(matches!(answer.status, 200 | 409), "{}", answer.text);
        }
        assert_eq!(names(&ada).await, [] as [String; 0]);
        register(&ada, "Phone", &key)
            .await
            .expect_problem(409, "device_revoked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_keys_without_end() {
    let portal = Portal::start().await;
    let ada = portal.person("Ada");
    for _ in 0..DEVICES_PER_ACCOUNT.most {
        let device = register(&ada, "Phone", &public_key()).await.expect(201).id();
        revoke(&ada, &device).await.expect(204);
    }
    let refused = register(&ada, "Phone", &public_key()).await;
    refused.expect_problem(429, "rate_limited");
}
