//! What a source is told of that was changed in the portal: everything, in order, whatever breaks on the way.

use futures_util::future::join_all;
use portal_local::faults::{Kind, Rule};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::directory::names;
use crate::support::service::{Service, TOKENS, upsert};
use crate::support::{Clinic, Portal, fresh_key};

fn name(system: &str, value: &str) -> Value {
    json!({ "system": system, "value": value })
}

fn booking(status: &str) -> Value {
    json!({
        "site": name("sites", "north"), "patient": name("patients", "mia"), "specialist": name("specialists", "greta"),
        "service": "Physiotherapy", "status": status, "modality": "video",
        "start": "2030-06-01T09:00:00Z", "end": "2030-06-01T09:50:00Z",
    })
}

/// A source that has told of a patient, a specialist and `bookings` bookings at the site of a clinic.
async fn fed(portal: &Portal, bookings: usize) -> (Service, Clinic<'_>) {
    let (service, clinic) = (portal.service("platform").await, portal.clinic().await);
    let site = json!({ "name": "North", "status": "live" });
    let made = service
        .feed("sites", &[upsert("sites", "north", 1, &site)])
        .await
        .expect(200);
    clinic
        .bind(&made.text_at("/results/0/id"), "owner", true)
        .await
        .expect(200);
    let at = json!([{ "site": name("sites", "north"), "joined_at": "2026-01-02T08:00:00Z" }]);
    let mia = json!({ "given_name": "Mia", "family_name": "Berg", "registrations": at });
    let greta = json!({
        "given_name": "Greta", "family_name": "Vogel", "assignments": at, "submitted_at": "2026-01-03T08:00:00Z",
    });
    service
        .feed("patients", &[upsert("patients", "mia", 1, &mia)])
        .await
        .expect(200);
    service
        .feed("specialists", &[upsert("specialists", "greta", 1, &greta)])
        .await
        .expect(200);
    let line = |number: usize| upsert("bookings", &format!("b{number}"), 1, &booking("booked"));
    let lines: Vec<Value> = (0..bookings).map(line).collect();
    if !lines.is_empty() {
        service.feed("bookings", &lines).await.expect(200);
    }
    (service, clinic)
}

async fn changes(service: &Service, after: u64) -> (Vec<Value>, u64) {
    let answer = service
        .get(&format!("/v1/changes?after={after}"))
        .await
        .expect(200)
        .json();
    let items = answer["items"].as_array().unwrap().clone();
    (items, answer["next_after"].as_u64().unwrap())
}

async fn cancel(clinic: &Clinic<'_>, booking: &str) {
    let path = clinic.path(&format!("/bookings/{booking}"));
    let etag = clinic.admin.etag(&path).await;
    let body = json!({ "transition": "cancel", "reason": "patient_request" });
    let request = clinic.admin.request(Method::POST, &format!("{path}/transitions"));
    let request = request
        .header("if-match", &etag)
        .header("idempotency-key", &fresh_key());
    request.json(&body).send().await.expect(200);
}

fn ids(list: &[Value]) -> Vec<String> {
    list.iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_or_decided_is_told_in_order_and_answered_by_the_next_line() {
    let portal = Portal::start().await;
    let (service, clinic) = fed(&portal, 1).await;
    let admin = &clinic.admin;
    assert_eq!(changes(&service, 0).await, (Vec::new(), 0));

    let booking_id = ids(&admin.all(&clinic.path("/bookings")).await).remove(0);
    cancel(&clinic, &booking_id).await;
    let mia = ids(&admin.all(&clinic.path("/patients")).await).remove(0);
    let path = clinic.path(&format!("/patients/{mia}"));
    let etag = admin.etag(&path).await;
    admin
        .patch(&path, &etag, json!({ "time_zone": "Europe/London" }))
        .await
        .expect(200);
    let greta = ids(&admin.all(&clinic.path("/specialists")).await).remove(0);
    let path = clinic.path(&format!("/specialists/{greta}"));
    let etag = admin.etag(&path).await;
    let review = admin.request(Method::POST, &format!("{path}/review"));
    let review = review
        .header("if-match", &etag)
        .header("idempotency-key", &fresh_key());
    review.json(&json!({ "step": "begin" })).send().await.expect(200);
    portal.settle().await.unwrap();

    let (told, next) = changes(&service, 0).await;
    assert_eq!(next, 3);
    let seen: Vec<_> = told
        .iter()
        .map(|change| {
            (
                change["seq"].clone(),
                change["type"].clone(),
                change["external"]["value"].clone(),
            )
        })
        .collect();
    assert_eq!(
        json!(seen),
        json!([
            [1, "bookings", "b0"],
            [2, "patients", "mia"],
            [3, "specialists", "greta"]
        ])
    );
    assert_eq!(told[0]["asks"]["transition"], "cancel");
    assert_eq!(told[0]["asks"]["reason"], "patient_request");
    assert_eq!(told[1]["asks"], json!({ "time_zone": "Europe/London" }));
    assert_eq!(
        (&told[2]["asks"], &told[2]["review"]),
        (&Value::Null, &json!("in_review"))
    );
    assert_eq!(changes(&service, next).await, (Vec::new(), 3));

    // The source does as it was asked; the entry stays, and asks for nothing any more
    let mut answer = booking("cancelled");
    answer["status_by"] = json!("patient");
    answer["status_reason"] = json!("patient_request");
    assert_eq!(
        service
            .outcomes("bookings", &[upsert("bookings", "b0", 2, &answer)])
            .await,
        ["updated"]
    );
    assert_eq!(changes(&service, 0).await.0[0]["asks"], Value::Null);
    let settled = admin
        .get(&clinic.path(&format!("/bookings/{booking_id}")))
        .await
        .expect(200);
    assert_eq!(settled.text_at("/requested/outcome"), "confirmed");

    // Nothing of a person stays behind
    let gone = crate::support::service::delete("patients", "mia", 2);
    assert_eq!(service.outcomes("patients", &[gone]).await, ["updated"]);
    assert_eq!(changes(&service, 0).await.0[1]["asks"], Value::Null);
    assert!(names(admin, &clinic.path("/patients")).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_told_once_it_is_committed_whatever_breaks_on_the_way() {
    let portal = Portal::start().await;
    let (service, clinic) = fed(&portal, 12).await;
    let bookings = ids(&clinic.admin.all(&clinic.path("/bookings")).await);
    assert_eq!(bookings.len(), 12);
    join_all(bookings.iter().map(|booking| cancel(&clinic, booking))).await;
    let kinds = [
        Kind::Throttle,
        Kind::LostAnswer,
        Kind::Conflict,
        Kind::DuplicateStream,
        Kind::SplitStream,
    ];
    portal
        .faults
        .set(7_919, kinds.map(|kind| Rule::new(kind, 0.2)).into());
    portal.settle().await.unwrap();
    assert!(kinds.iter().any(|kind| portal.faults.fired(*kind) > 0));
    portal.faults.clear();
    portal.settle().await.unwrap();

    let (told, next) = changes(&service, 0).await;
    let numbers: Vec<u64> = told
        .iter()
        .map(|change| change["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=12).collect::<Vec<_>>());
    assert_eq!(next, 12);
    let mut told = ids(&told);
    told.sort();
    let mut asked = bookings;
    asked.sort();
    assert_eq!(told, asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_one_record_are_told_in_their_order() {
    let portal = Portal::start().await;
    let (service, clinic) = fed(&portal, 0).await;
    let admin = &clinic.admin;
    let mia = ids(&admin.all(&clinic.path("/patients")).await).remove(0);
    let path = clinic.path(&format!("/patients/{mia}"));
    for zone in ["Europe/London", "Europe/Berlin", "Europe/Madrid", "Europe/Rome"] {
        let etag = admin.etag(&path).await;
        admin
            .patch(&path, &etag, json!({ "time_zone": zone }))
            .await
            .expect(200);
    }
    portal.settle().await.unwrap();
    let (told, _) = changes(&service, 0).await;
    let revisions: Vec<u64> = told
        .iter()
        .map(|change| change["rev"].as_u64().unwrap())
        .collect();
    assert_eq!(revisions, [2, 3, 4, 5]);
    assert!(
        told.iter()
            .all(|change| change["asks"] == json!({ "time_zone": "Europe/Rome" }))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_is_for_its_source_and_for_tokens_that_may_read_it() {
    let portal = Portal::start().await;
    let (_, clinic) = fed(&portal, 1).await;
    let booking = ids(&clinic.admin.all(&clinic.path("/bookings")).await).remove(0);
    cancel(&clinic, &booking).await;
    portal.settle().await.unwrap();

    let other = portal.service("other").await;
    assert_eq!(changes(&other, 0).await, (Vec::new(), 0));
    let wanted = json!({ "source": "platform", "scopes": ["bookings"] });
    let made = portal.operator().post(TOKENS, wanted).await.expect(201);
    let feeder = portal.service_with(&made.text_at("/secret"));
    feeder
        .get("/v1/changes")
        .await
        .expect_problem(403, "token_scope_missing");
    feeder
        .get("/v1/changes?after=x")
        .await
        .expect_problem(400, "query_invalid");
    feeder
        .get("/v1/changes?page=2")
        .await
        .expect_problem(400, "query_invalid");
}
