//! What a source tells, in whatever order and however often, and what becomes of it in the lists of those who may see it.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::directory::names;
use crate::support::service::{Service, delete, upsert};
use crate::support::{Clinic, Portal, fresh_key};

fn name(system: &str, value: &str) -> Value {
    json!({ "system": system, "value": value })
}

fn site() -> Value {
    json!({ "name": "North", "status": "live" })
}

fn patient(given: &str) -> Value {
    json!({
        "given_name": given, "family_name": "Berg", "email": "patient@hillside.example",
        "registrations": [{ "site": name("sites", "north"), "joined_at": "2026-01-02T08:00:00Z" }],
    })
}

fn specialist() -> Value {
    json!({
        "given_name": "Greta", "family_name": "Vogel",
        "assignments": [{ "site": name("sites", "north"), "joined_at": "2026-01-02T08:00:00Z" }],
    })
}

fn assignment() -> Value {
    json!({
        "specialist": name("specialists", "greta"), "sites": [name("sites", "north")], "specializations": ["Sleep medicine"],
        "availability": [{ "day": "monday", "from": "09:00", "until": "12:00" }],
    })
}

fn booking(status: &str) -> Value {
    json!({
        "site": name("sites", "north"), "patient": name("patients", "mia"), "specialist": name("specialists", "greta"),
        "service": "Physiotherapy", "status": status, "modality": "video",
        "start": "2026-06-01T09:00:00Z", "end": "2026-06-01T09:50:00Z",
    })
}

fn payment() -> Value {
    json!({
        "kind": "payment", "status": "succeeded", "amount_minor": 9_000, "currency": "EUR", "occurred_at": "2026-05-30T09:00:00Z",
        "site": name("sites", "north"), "patient": name("patients", "mia"), "booking": name("bookings", "b1"),
    })
}

fn refund(amount_minor: i64) -> Value {
    json!({
        "kind": "refund", "status": "succeeded", "amount_minor": amount_minor, "currency": "EUR",
        "occurred_at": "2026-05-31T09:00:00Z", "site": name("sites", "north"), "patient": name("patients", "mia"),
        "parent": name("stripe", "pay1"),
    })
}

fn note() -> Value {
    json!({ "patient": name("patients", "mia"), "text": "Prefers mornings.", "written_at": "2026-05-01T09:00:00Z" })
}

fn enrollment(clinic: &Clinic<'_>) -> Value {
    json!({
        "patient": name("patients", "mia"), "sponsor": clinic.id, "status": "active", "enrolled_at": "2026-01-02T08:00:00Z",
    })
}

/// One line of each type, in the order in which they name each other.
fn everything(clinic: &Clinic<'_>) -> [(&'static str, Value); 8] {
    [
        ("sites", upsert("sites", "north", 1, &site())),
        ("patients", upsert("patients", "mia", 1, &patient("Mia"))),
        ("specialists", upsert("specialists", "greta", 1, &specialist())),
        ("assignments", upsert("assignments", "a1", 1, &assignment())),
        ("enrollments", upsert("enrollments", "e1", 1, &enrollment(clinic))),
        ("bookings", upsert("bookings", "b1", 1, &booking("booked"))),
        ("transactions", upsert("stripe", "pay1", 1, &payment())),
        ("notes", upsert("notes", "n1", 1, &note())),
    ]
}

/// A source that has told one of each, and a clinic that is bound to its site.
async fn fed(portal: &Portal) -> (Service, Clinic<'_>) {
    let (service, clinic) = (portal.service("platform").await, portal.clinic().await);
    for (of, line) in everything(&clinic) {
        let answer = service.feed(of, &[line]).await.expect(200);
        assert_eq!(answer.outcomes(), ["created"], "{of}");
        if of == "sites" {
            let site = answer.text_at("/results/0/id");
            clinic.bind(&site, "owner", true).await.expect(200);
        }
    }
    (service, clinic)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_source_tells_is_in_the_lists_of_who_may_see_it() {
    let portal = Portal::start().await;
    let (service, clinic) = fed(&portal).await;
    let admin = &clinic.admin;

    assert_eq!(clinic.site_names(admin).await, ["North"]);
    assert_eq!(names(admin, &clinic.path("/patients")).await, ["Mia Berg"]);
    assert_eq!(names(admin, &clinic.path("/specialists")).await, ["Greta Vogel"]);
    let bookings = admin.all(&clinic.path("/bookings")).await;
    assert_eq!(bookings.len(), 1);
    assert_eq!(bookings[0]["patient"]["name"], "Mia Berg");
    assert_eq!(bookings[0]["specialist"]["name"], "Greta Vogel");
    let transactions = admin.all(&clinic.path("/transactions")).await;
    assert_eq!(transactions.len(), 1);
    assert_eq!(transactions[0]["amount_minor"], 9_000);
    let mia = bookings[0]["patient"]["id"].as_str().unwrap();
    let notes = admin.all(&clinic.path(&format!("/patients/{mia}/notes"))).await;
    assert_eq!(notes.len(), 1);

    // Told again, nothing changes; told anew, it does
    for (of, line) in everything(&clinic) {
        assert_eq!(service.outcomes(of, &[line]).await, ["unchanged"], "{of}");
    }
    let renamed = upsert("patients", "mia", 2, &patient("Maria"));
    assert_eq!(service.outcomes("patients", &[renamed]).await, ["updated"]);
    assert_eq!(names(admin, &clinic.path("/patients")).await, ["Maria Berg"]);
    let cancelled = json!({
        "status": "cancelled", "status_by": "patient", "status_reason": "patient_request",
        "status_at": "2026-05-01T09:00:00Z",
    });
    let mut line = booking("cancelled");
    for (field, value) in cancelled.as_object().unwrap() {
        line[field] = value.clone();
    }
    let line = upsert("bookings", "b1", 2, &line);
    assert_eq!(service.outcomes("bookings", &[line]).await, ["updated"]);
    let booking = admin.all(&clinic.path("/bookings")).await.remove(0);
    assert_eq!(booking["status"], "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_is_taken_or_refused_for_itself() {
    let portal = Portal::start().await;
    let (service, clinic) = fed(&portal).await;
    let mut misspelt = patient("Ada");
    misspelt["frist_name"] = json!("Ada");
    let mut elsewhere = patient("Eve");
    elsewhere["registrations"][0]["site"] = name("sites", "south");
    let lines = [
        upsert("patients", "ada", 1, &misspelt),
        upsert("patients", "mia", 1, &patient("Mia")),
        upsert("patients", "eve", 1, &elsewhere),
        upsert("patients", "ada", 2, &patient("Ada")),
        upsert("patients", "mia", 1, &patient("Other")),
        upsert("patients", "ada", 3, &patient("Adah")),
        delete("patients", "nobody", 1),
        json!({ "op": "upsert" }),
    ];
    let answer = service.feed("patients", &lines).await.expect(200);
    assert_eq!(
        answer.outcomes(),
        [
            "failed fields_invalid /data/frist_name",
            "unchanged",
            "failed site_unknown /data/registrations/0/site",
            "superseded_in_batch",
            "failed version_conflict",
            "created",
            "unchanged",
            "failed fields_invalid",
        ]
    );
    assert_eq!(answer.json()["counts"]["failed"], 4);
    assert_eq!(
        names(&clinic.admin, &clinic.path("/patients")).await,
        ["Adah Berg", "Mia Berg"]
    );

    // An older state comes too late
    let late = upsert("patients", "ada", 2, &patient("Ada"));
    assert_eq!(service.outcomes("patients", &[late]).await, ["skipped_stale"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_names_what_is_not_known_says_which_name() {
    let portal = Portal::start().await;
    let (service, clinic) = fed(&portal).await;
    let with = |mut data: Value, field: &str, value: Value| {
        data[field] = value;
        data
    };
    let unknown = || name("elsewhere", "x");
    let nobody = "org_01890a5d-ac96-774b-bcce-b302099a8057";
    for (of, data, pointer) in [
        (
            "patients",
            with(patient("A"), "status", json!("merged")),
            "/data/merged_into",
        ),
        (
            "enrollments",
            with(enrollment(&clinic), "patient", unknown()),
            "/data/patient",
        ),
        (
            "enrollments",
            with(enrollment(&clinic), "site", unknown()),
            "/data/site",
        ),
        (
            "enrollments",
            with(enrollment(&clinic), "sponsor", json!(nobody)),
            "/data/sponsor",
        ),
        (
            "bookings",
            with(booking("booked"), "site", unknown()),
            "/data/site",
        ),
        (
            "bookings",
            with(booking("booked"), "patient", unknown()),
            "/data/patient",
        ),
        (
            "bookings",
            with(booking("booked"), "specialist", unknown()),
            "/data/specialist",
        ),
        (
            "bookings",
            with(booking("booked"), "replaces", unknown()),
            "/data/replaces",
        ),
        (
            "bookings",
            with(booking("booked"), "sponsor", json!(nobody)),
            "/data/sponsor",
        ),
        (
            "transactions",
            with(payment(), "patient", unknown()),
            "/data/patient",
        ),
        (
            "transactions",
            with(payment(), "booking", unknown()),
            "/data/booking",
        ),
        (
            "transactions",
            with(refund(1), "parent", unknown()),
            "/data/parent",
        ),
        ("notes", with(note(), "patient", unknown()), "/data/patient"),
        (
            "assignments",
            with(assignment(), "specialist", unknown()),
            "/data/specialist",
        ),
        (
            "assignments",
            with(assignment(), "sites", json!([unknown()])),
            "/data/sites/0",
        ),
    ] {
        let answer = service.feed(of, &[upsert(of, "new", 1, &data)]).await.expect(200);
        assert_eq!(answer.text_at("/results/0/error/pointer"), pointer, "{of} {data}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_tried_is_decided_and_not_written() {
    let portal = Portal::start().await;
    let (service, clinic) = fed(&portal).await;
    let refunds = [
        upsert("stripe", "re1", 1, &refund(5_000)),
        upsert("stripe", "re2", 1, &refund(5_000)),
    ];
    let decided = ["created", "failed amount_exceeds_parent /data/amount_minor"];
    let tried = service
        .feed("transactions?dry_run=true", &refunds)
        .await
        .expect(200);
    assert_eq!(tried.outcomes(), decided);
    assert_eq!(clinic.admin.all(&clinic.path("/transactions")).await.len(), 1);
    assert_eq!(service.outcomes("transactions", &refunds).await, decided);
    assert_eq!(clinic.admin.all(&clinic.path("/transactions")).await.len(), 2);

    // What a batch tells itself is known to its other lines: the one who stays comes after the one who goes
    let mut merged = patient("Twin");
    merged["status"] = json!("merged");
    merged["merged_into"] = name("patients", "stays");
    let lines = [
        upsert("patients", "goes", 1, &merged),
        upsert("patients", "stays", 1, &patient("Stays")),
    ];
    for path in ["patients?dry_run=true", "patients"] {
        assert_eq!(
            service.outcomes(path, &lines).await,
            ["created", "created"],
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_told_at_once_are_never_more_than_the_payment() {
    let portal = Portal::start().await;
    let (service, clinic) = fed(&portal).await;
    let batches = (0..8).map(|batch| {
        let lines: Vec<Value> = (0..5)
            .map(|line| upsert("stripe", &format!("re-{batch}-{line}"), 1, &refund(1_000)))
            .collect();
        let service = &service;
        async move { service.outcomes("transactions", &lines).await }
    });
    let outcomes: Vec<String> = join_all(batches).await.into_iter().flatten().collect();
    let created = outcomes.iter().filter(|outcome| *outcome == "created").count();
    let refused = outcomes
        .iter()
        .filter(|outcome| outcome.contains("amount_exceeds_parent"))
        .count();
    let busy = outcomes.iter().filter(|outcome| outcome.contains("busy")).count();
    assert!(created <= 9, "{outcomes:?}");
    assert_eq!(created + refused + busy, 40, "{outcomes:?}");

    // Whoever was turned away for now is told the end when it asks again
    let lines: Vec<Value> = (0..8)
        .flat_map(|batch| (0..5).map(move |line| (batch, line)))
        .map(|(batch, line)| upsert("stripe", &format!("re-{batch}-{line}"), 1, &refund(1_000)))
        .collect();
    let again = service.outcomes("transactions", &lines).await;
    let taken = again
        .iter()
        .filter(|outcome| ["created", "unchanged"].contains(&outcome.as_str()));
    assert_eq!(taken.count(), 9, "{again:?}");
    let payment = clinic
        .admin
        .all(&clinic.path("/transactions?kind=payment"))
        .await
        .remove(0);
    assert_eq!(payment["given_back_minor"], 9_000, "{payment}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_members_own_is_not_the_sources() {
    let portal = Portal::start().await;
    let (service, clinic) = fed(&portal).await;
    let admin = &clinic.admin;
    let specialist = admin.all(&clinic.path("/specialists")).await.remove(0);
    let path = clinic.path(&format!("/specialists/{}", specialist["id"].as_str().unwrap()));
    let mut submitted = json!({ "submitted_at": "2026-02-01T08:00:00Z" });
    for (field, value) in self::specialist().as_object().unwrap() {
        submitted[field] = value.clone();
    }
    let line = upsert("specialists", "greta", 2, &submitted);
    assert_eq!(service.outcomes("specialists", &[line]).await, ["updated"]);
    let etag = admin.etag(&path).await;
    let review = admin
        .request(reqwest::Method::POST, &format!("{path}/review"))
        .header("if-match", &etag)
        .header("idempotency-key", &fresh_key())
        .json(&json!({ "step": "begin" }))
        .send();
    review.await.expect(200);

    submitted["experience_years"] = json!(12);
    let line = upsert("specialists", "greta", 3, &submitted);
    assert_eq!(service.outcomes("specialists", &[line]).await, ["updated"]);
    let told = admin.get(&path).await.expect(200);
    assert_eq!(told.text_at("/review/status"), "in_review");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_source_deletes_is_gone_until_it_is_told_anew() {
    let portal = Portal::start().await;
    let (service, clinic) = fed(&portal).await;
    let admin = &clinic.admin;
    for (of, system, value, list) in [
        ("notes", "notes", "n1", None),
        ("transactions", "stripe", "pay1", Some("/transactions")),
        ("bookings", "bookings", "b1", Some("/bookings")),
        ("enrollments", "enrollments", "e1", None),
        ("assignments", "assignments", "a1", None),
        ("specialists", "specialists", "greta", Some("/specialists")),
        ("patients", "patients", "mia", Some("/patients")),
    ] {
        assert_eq!(
            service.outcomes(of, &[delete(system, value, 2)]).await,
            ["updated"],
            "{of}"
        );
        if let Some(list) = list {
            assert!(admin.all(&clinic.path(list)).await.is_empty(), "{of}");
        }
        assert_eq!(
            service.outcomes(of, &[delete(system, value, 3)]).await,
            ["unchanged"],
            "{of}"
        );
    }
    // Nothing is written about somebody who was deleted
    let lines = [upsert("notes", "n2", 1, &note())];
    assert_eq!(
        service.outcomes("notes", &lines).await,
        ["failed reference_unknown /data/patient"]
    );
    for (of, mut line) in everything(&clinic).into_iter().skip(1) {
        line["version"] = json!(4);
        assert_eq!(service.outcomes(of, &[line]).await, ["created"], "{of}");
    }
    assert_eq!(names(admin, &clinic.path("/patients")).await, ["Mia Berg"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_names_of_one_source_mean_nothing_to_another() {
    let portal = Portal::start().await;
    let (_, clinic) = fed(&portal).await;
    let other = portal.service("other").await;
    assert_eq!(
        other
            .outcomes("notes", &[upsert("notes", "n1", 1, &note())])
            .await,
        ["failed reference_unknown /data/patient"]
    );
    // The same name there is another record
    assert_eq!(
        other
            .outcomes("sites", &[upsert("sites", "north", 1, &site())])
            .await,
        ["created"]
    );
    assert_eq!(clinic.site_names(&clinic.admin).await, ["North"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_bounded_and_comes_in_two_forms() {
    let portal = Portal::start().await;
    let service = portal.service("platform").await;
    let line = upsert("sites", "north", 1, &site());
    let array = json!([line]).to_string();
    let answer = service
        .send("sites", "application/json", array.clone())
        .await
        .expect(200);
    assert_eq!(answer.outcomes(), ["created"]);
    let lines = format!("{line}\n{line}\n");
    let answer = service
        .send("sites", "application/x-ndjson", lines)
        .await
        .expect(200);
    assert_eq!(answer.outcomes(), ["superseded_in_batch", "unchanged"]);

    let many = format!("{line}\n").repeat(1_001);
    service
        .send("sites", "application/x-ndjson", many)
        .await
        .expect_problem(413, "body_too_large");
    let large = " ".repeat(4 * 1024 * 1024 + 1);
    service
        .send("sites", "application/x-ndjson", large)
        .await
        .expect_problem(413, "body_too_large");
    service
        .send("sites", "text/csv", array)
        .await
        .expect_problem(415, "media_type_unsupported");
    service
        .send("sites", "application/x-ndjson", "\n")
        .await
        .expect_problem(400, "malformed_body");
    service
        .send("horses", "application/x-ndjson", "{}")
        .await
        .expect_problem(404, "route_not_found");
}
