//! Files that sources bring: taken whole and once, whatever dies meanwhile, and whatever is in them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use portal_documents::UPLOADS;
use portal_domain::import::{AWAITED, KEPT, LINK_LASTS, RUN};
use portal_domain::ingest::LARGEST_BATCH;
use portal_domain::lease::{LEASE, MOST_ATTEMPTS};
use portal_domain::limit::IMPORTS_PER_TOKEN;
use portal_local::faults::{Kind, Rule};
use portal_local::stack::{BUCKET, IMPORT_QUEUE};
use serde_json::{Value, json};

use crate::support::directory::names;
use crate::support::imports::{IMPORTS, Runner, asking, file, outcome};
use crate::support::service::{Service, TOKENS, delete, upsert};
use crate::support::{Clinic, Portal, SECOND, at_once};

fn name(system: &str, value: &str) -> Value {
    json!({ "system": system, "value": value })
}

fn patient(given: &str) -> Value {
    json!({
        "given_name": given, "family_name": "Berg", "email": "secret@hillside.example",
        "registrations": [{ "site": name("sites", "north"), "joined_at": "2026-01-02T08:00:00Z" }],
    })
}

/// A source that has told of a site, and a clinic that is bound to it.
async fn fed(portal: &Portal) -> (Service, Clinic<'_>) {
    let (service, clinic) = (portal.service("platform").await, portal.clinic().await);
    let site = upsert("sites", "north", 1, &json!({ "name": "North", "status": "live" }));
    let answer = service.feed("sites", &[site]).await.expect(200);
    let site = answer.text_at("/results/0/id");
    clinic.bind(&site, "owner", true).await.expect(200);
    (service, clinic)
}

/// Lines about this many new patients.
fn patients(count: usize) -> Vec<Value> {
    let line = |number: usize| upsert("mrn", &number.to_string(), 1, &patient(&format!("N{number:05}")));
    (0..count).map(line).collect()
}

/// Lines about this many new sites: they cost the table little.
fn sites(count: usize) -> Vec<Value> {
    let site = |number: usize| json!({ "name": format!("Site {number:05}"), "status": "live" });
    let line = |number: usize| upsert("many", &number.to_string(), 1, &site(number));
    (0..count).map(line).collect()
}

/// As many lines that fail.
fn failing(count: usize) -> Vec<Value> {
    vec![json!({ "op": "patch" }); count]
}

/// What [`outcome`] gives of a completed import.
fn completed(counts: &[(&str, u64)]) -> (String, Vec<(String, u64)>) {
    let counts = counts.iter().map(|(name, count)| ((*name).to_owned(), *count));
    ("completed".to_owned(), counts.collect())
}

// ---- Whole and once -------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_lines_are_taken_once_each_though_their_runs_are_killed() {
    // Given a file of more than two pieces, in which a line of each piece fails
    let portal = Portal::start().await;
    let (service, _) = fed(&portal).await;
    let runner = portal.runner();
    let mut lines = sites(2_200);
    for number in [7, 1_500, 2_199] {
        lines[number]["op"] = json!("patch");
    }
    let import = service.brought(&portal, "sites", &file(&lines), &json!({})).await;
    let event = runner.event(&portal).await;

    // When runs are killed, some in the middle of a piece, until one comes to the end
    let (mut killed, mut in_between, mut taken, mut asked) = (0, 0, 0, 400);
    loop {
        match runner.killed_after(asked, &event).await {
            Some(is_done) => {
                assert!(is_done);
                break;
            }
            None => killed += 1,
        }
        // Then what is told is what was noted: whole pieces
        let told = service.imported(&import).await;
        assert_eq!(told["status"], "running", "{told}");
        let now_taken = told["counts"]["lines"].as_u64().unwrap();
        assert!([0, 1_000, 2_000, 2_200].contains(&now_taken), "{told}");
        in_between += usize::from((1..2_200).contains(&now_taken));
        asked = if now_taken == taken { asked * 2 } else { 700 };
        taken = now_taken;
    }
    assert!(
        killed >= 3 && in_between >= 1,
        "{killed} killed, {in_between} in between"
    );

    // And nothing is lost or there twice
    let told = service.imported(&import).await;
    let (status, counts) = outcome(&told);
    let sum: u64 = counts.iter().map(|(_, count)| count).sum();
    assert_eq!((status.as_str(), sum), ("completed", 2_200), "{counts:?}");
    assert!(
        counts
            .iter()
            .all(|(name, _)| ["created", "unchanged", "failed"].contains(&name.as_str()))
    );
    let failed = service.failures(&portal, &told).await;
    let failed: Vec<&Value> = failed.iter().map(|line| &line["line"]).collect();
    assert_eq!(failed, [8, 1_501, 2_200]);
    let listed = portal.operator().all("/v1/platform/sites?limit=100").await;
    let different: BTreeSet<&str> = listed.iter().filter_map(|site| site["name"].as_str()).collect();
    assert_eq!(
        (listed.len(), different.len()),
        (2_198, 2_198),
        "and the one that was there"
    );

    // And the same event again changes nothing
    assert!(runner.run(&event).await);
    assert_eq!(outcome(&service.imported(&import).await), (status, counts));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_in_time_and_sends_on_what_it_leaves() {
    // Given a run during which its time ends
    let portal = Portal::start().await;
    let (service, _) = fed(&portal).await;
    let runner = portal.runner();
    let lines = [failing(1_000), patients(20)].concat();
    let import = service
        .brought(&portal, "patients", &file(&lines), &json!({}))
        .await;
    let event = runner.event(&portal).await;
    let late = Rule {
        delay_ms: Some(1_000),
        ..Rule::new(Kind::Delay, 1.0).only("TransactWriteItems")
    };
    portal.faults.set(11, vec![late]);
    let passing = async {
        while service.imported(&import).await["status"] != "running" {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        portal.clock.advance(RUN);
        portal.faults.set(11, Vec::new());
    };
    let (is_done, ()) = tokio::join!(runner.run(&event), passing);

    // Then its message is done, and another goes on
    assert!(is_done);
    let told = service.imported(&import).await;
    assert_eq!(
        (&told["status"], &told["counts"]["lines"]),
        (&json!("queued"), &json!(1_000))
    );
    let next = runner.event(&portal).await;
    assert_ne!(next["Records"][0]["messageId"], event["Records"][0]["messageId"]);
    assert!(runner.run(&next).await);
    assert_eq!(
        outcome(&service.imported(&import).await),
        completed(&[("created", 20), ("failed", 1_000)])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_are_told_of_a_file_one_takes_it() {
    // Given a file of which several are told at once, in messages of their own and in the same
    let portal = Portal::start().await;
    let (service, clinic) = fed(&portal).await;
    let runner = portal.runner();
    let import = service
        .brought(&portal, "patients", &file(&patients(60)), &json!({}))
        .await;
    let event = runner.event(&portal).await;
    let told_as = |message: usize| {
        let mut event = event.clone();
        event["Records"][0]["messageId"] = json!(format!("message-{message}"));
        event
    };
    let events: Vec<Value> = (0..6).map(|number| told_as(number / 2)).collect();

    // When all run
    at_once(events.iter().map(|event| runner.run(event))).await;
    for event in &events {
        runner.run(event).await;
    }

    // Then each line counts once
    let told = service.imported(&import).await;
    assert_eq!(
        (&told["status"], &told["counts"]["lines"]),
        (&json!("completed"), &json!(60))
    );
    assert_eq!(
        names(&clinic.admin, &clinic.path("/patients?limit=100"))
            .await
            .len(),
        60
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_message_waits_for_the_lease_of_a_run_that_died() {
    let portal = Portal::start().await;
    let (service, _) = fed(&portal).await;
    let runner = portal.runner();
    let import = service
        .brought(&portal, "patients", &file(&patients(30)), &json!({}))
        .await;
    let event = runner.event(&portal).await;
    let mut other = event.clone();
    other["Records"][0]["messageId"] = json!("another");
    killed_in_the_middle(&runner, &event, &service, &import).await;

    // Until then it leaves the file to the message of the dead run, which comes again
    assert!(runner.run(&other).await);
    assert_eq!(service.imported(&import).await["status"], "running");
    portal.wait(LEASE);
    assert_eq!(service.imported(&import).await["status"], "queued");
    assert!(runner.run(&other).await);
    assert_eq!(service.imported(&import).await["counts"]["lines"], 30);
}

/// Kills a run once it has begun; how many operations it had asked for.
async fn killed_in_the_middle(runner: &Runner, event: &Value, service: &Service, import: &str) -> usize {
    for asked in 1.. {
        assert_eq!(runner.killed_after(asked, event).await, None, "it was too quick");
        if service.imported(import).await["status"] == "running" {
            return asked;
        }
    }
    unreachable!("there are more numbers")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_whose_runs_come_no_further_is_given_up() {
    let portal = Portal::start().await;
    let (service, _) = fed(&portal).await;
    let runner = portal.runner();
    let import = service
        .brought(&portal, "patients", &file(&patients(60)), &json!({}))
        .await;
    let event = runner.event(&portal).await;
    let asked = killed_in_the_middle(&runner, &event, &service, &import).await;
    // What it asks for next shows that it has begun: a run that dies with its claim on the way may have claimed nothing.
    for _ in 0..2 * MOST_ATTEMPTS {
        runner.killed_after(asked + 2, &event).await;
    }
    runner.run(&event).await;
    let told = service.imported(&import).await;
    assert_eq!(outcome(&told), ("failed internal".to_owned(), Vec::new()));
    assert!(told["ended_at"].is_string() && told["errors"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_table_was_too_busy_for_is_tried_again_before_it_fails() {
    // Given a table that refuses nearly every write for longer than a line is waited for
    let portal = Portal::start().await;
    let (service, _) = fed(&portal).await;
    portal.faults.set(
        11,
        vec![Rule::new(Kind::Throttle, 0.85).only("TransactWriteItems")],
    );

    // When a file is imported
    let import = loop {
        let asked = service.asked("patients", &file(&patients(24)), &json!({})).await;
        if asked.status == 201 {
            portal.bring(&asked, &file(&patients(24))).await.expect(200);
            break asked.id();
        }
    };
    portal.settle().await.expect("all is delivered");

    // Then no line has failed for it
    portal.faults.set(11, Vec::new());
    portal.settle().await.expect("all is delivered");
    let told = service.imported(&import).await;
    assert_eq!(
        (&told["status"], &told["counts"]["lines"]),
        (&json!("completed"), &json!(24))
    );
    assert_eq!(told["counts"]["failed"], 0, "{told}");
}

// ---- What is in it --------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn every_type_can_be_imported_and_a_trial_writes_nothing() {
    let portal = Portal::start().await;
    let (service, clinic) = fed(&portal).await;
    let at = |name: &str| json!({ "site": { "system": "sites", "value": name }, "joined_at": "2026-01-02T08:00:00Z" });
    for (of, data) in [
        ("sites", json!({ "name": "South", "status": "live" })),
        ("patients", patient("Mia")),
        (
            "specialists",
            json!({ "given_name": "Greta", "family_name": "Vogel", "assignments": [at("north")] }),
        ),
        (
            "enrollments",
            json!({
                "patient": name("patients", "x"), "sponsor": clinic.id, "status": "active", "enrolled_at": "2026-01-02T08:00:00Z",
            }),
        ),
        (
            "bookings",
            json!({
                "site": name("sites", "north"), "patient": name("patients", "x"), "specialist": name("specialists", "x"),
                "service": "Physiotherapy", "status": "booked", "modality": "video",
                "start": "2026-06-01T09:00:00Z", "end": "2026-06-01T09:50:00Z",
            }),
        ),
        (
            "transactions",
            json!({
                "kind": "payment", "status": "succeeded", "amount_minor": 9_000, "currency": "EUR",
                "occurred_at": "2026-05-30T09:00:00Z", "site": name("sites", "north"), "patient": name("patients", "x"),
            }),
        ),
        (
            "notes",
            json!({ "patient": name("patients", "x"), "text": "Prefers mornings.", "written_at": "2026-05-01T09:00:00Z" }),
        ),
    ] {
        let lines = file(&[upsert(of, "x", 1, &data)]);
        for (trial, counted) in [
            (true, "created"),
            (false, "created"),
            (false, "unchanged"),
            (true, "unchanged"),
        ] {
            let told = service
                .imports(&portal, of, &lines, &json!({ "dry_run": trial }))
                .await;
            assert_eq!(outcome(&told), completed(&[(counted, 1)]), "{of}");
            assert_eq!((&told["dry_run"], &told["type"]), (&json!(trial), &json!(of)));
            assert_eq!(
                (&told["taken"], &told["length"]),
                (&json!(lines.len()), &json!(lines.len()))
            );
        }
    }
    assert_eq!(
        names(&clinic.admin, &clinic.path("/patients")).await,
        ["Mia Berg"]
    );
    assert_eq!(clinic.admin.all(&clinic.path("/bookings")).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_counts_once_and_those_that_fail_are_told_without_what_they_say() {
    // Given a file with all that may be in one
    let portal = Portal::start().await;
    let (service, clinic) = fed(&portal).await;
    let mut misspelt = patient("Ada");
    misspelt["frist_name"] = json!("Ada");
    let mut elsewhere = patient("Eve");
    elsewhere["registrations"][0]["site"] = name("sites", "south");
    let mut huge = patient("Hugo");
    huge["address"] = json!(["x".repeat(LARGEST_BATCH)]);
    let good = |value: &str| upsert("mrn", value, 1, &patient("Mia"));
    let mut wrong_op = good("9");
    wrong_op["op"] = json!("patch");
    let lines = [
        format!("\u{feff}{}\r", good("1")),
        "\r".to_owned(),
        upsert("mrn", "2", 1, &misspelt).to_string(),
        "{\"external\":".to_owned(),
        "   ".to_owned(),
        upsert("mrn", "3", 1, &huge).to_string(),
        upsert("mrn", "4", 1, &elsewhere).to_string(),
        good("5").to_string(),
        wrong_op.to_string(),
        upsert("mrn", "1", 2, &patient("Maria")).to_string(),
        delete("mrn", "nobody", 1).to_string(),
        // Without an end
        good("6").to_string(),
    ];
    let file = lines.join("\n");

    // When it is imported
    let told = service
        .imports(&portal, "patients", file.as_bytes(), &json!({}))
        .await;

    // Then each line that says something counts
    let counts = [
        ("created", 3),
        ("failed", 5),
        ("superseded_in_batch", 1),
        ("unchanged", 1),
    ];
    assert_eq!(outcome(&told), completed(&counts));
    let failed = service.failures(&portal, &told).await;
    let external = |value: &str| json!({ "system": "mrn", "value": value });
    let failure = |line: u64, external: Value, code: &str, pointer: Value| json!({ "line": line, "external": external, "code": code, "pointer": pointer });
    assert_eq!(
        failed,
        [
            failure(3, external("2"), "fields_invalid", json!("/data/frist_name")),
            failure(4, Value::Null, "malformed_body", Value::Null),
            failure(6, Value::Null, "body_too_large", Value::Null),
            failure(
                7,
                external("4"),
                "site_unknown",
                json!("/data/registrations/0/site")
            ),
            failure(9, external("9"), "fields_invalid", json!("/op")),
        ]
    );
    assert_eq!(
        names(&clinic.admin, &clinic.path("/patients")).await,
        ["Maria Berg", "Mia Berg", "Mia Berg"]
    );

    // And the bucket has nothing of what they say but in what was brought
    for key in portal.objects.keys(BUCKET, "imports/") {
        let text = portal.objects.bytes(BUCKET, &key).expect("there");
        let text = String::from_utf8(text.to_vec()).expect("text");
        assert!(
            !text.contains("Ada") && !text.contains("Eve") && !text.contains("secret"),
            "{text}"
        );
    }
}

fn mapping() -> Value {
    json!({
        "columns": {
            "MRN": "/external/value",
            "Rev": { "pointer": "/version", "type": "number" },
            "Changed": "/occurred_at",
            "Given": "/data/given_name",
            "Street": "/data/address/0",
            "Site": "/data/registrations/0/site/value",
            "Since": "/data/registrations/0/joined_at",
            "Also at": "/data/registrations/1/site/value",
            "Also since": "/data/registrations/1/joined_at",
        },
        "constants": {
            "/op": "upsert", "/external/system": "mrn", "/data/family_name": "Berg",
            "/data/registrations/0/site/system": "sites", "/data/registrations/1/site/system": "sites",
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_mapped_into_lines_and_its_columns_are_told() {
    // Given a table with a cell of several lines, columns nobody asked for, and rows that are wrong
    let portal = Portal::start().await;
    let (service, clinic) = fed(&portal).await;
    let site = upsert("sites", "south", 1, &json!({ "name": "South", "status": "live" }));
    service.feed("sites", &[site]).await.expect(200);
    let rows = [
        "\u{feff}Rev,MRN,Changed,Ignored,Given,Street,Site,Since,Also at,Also since",
        "1,17,2026-01-01T00:00:00Z,=1+1,\"Mia \"\"M\"\"\",\"Way 1,",
        "back door\",north,2026-01-02T00:00:00Z,,",
        "2,18,2026-01-01T00:00:00Z,,Jonas,,north,2026-01-02T00:00:00Z,south,2026-01-03T00:00:00Z",
        "x,19,2026-01-01T00:00:00Z,,Eve,,north,2026-01-02T00:00:00Z,,",
        "1,20,2026-01-01T00:00:00Z,,Eve,,west,2026-01-02T00:00:00Z,,",
        "1,21,2026-01-01T00:00:00Z,,Eve,,,,east,2026-01-02T00:00:00Z",
        "1,22,yesterday,,Eve,,,,,",
        "1,23,2026-01-01T00:00:00Z,too few",
        "",
        "1,24,2026-01-01T00:00:00Z,,Nina,,,,,",
    ];
    let table = rows.join("\r\n");
    let more = json!({ "format": "csv", "mapping": mapping() });

    // When it is imported
    let told = service
        .imports(&portal, "patients", table.as_bytes(), &more)
        .await;

    // Then rows are lines
    assert_eq!(
        outcome(&told),
        completed(&[("created", 2), ("failed", 6)]),
        "{told}"
    );
    assert_eq!(
        names(&clinic.admin, &clinic.path("/patients")).await,
        ["Jonas Berg"]
    );

    // And what is wrong is told by its line, its place and its column
    let failed = service.failures(&portal, &told).await;
    let failure = |line: u64, external: Value, code: &str, pointer: &str, column: &str| json!({ "line": line, "external": external, "code": code, "pointer": pointer, "column": column });
    let external = |value: &str| json!({ "system": "mrn", "value": value });
    let site = "/data/registrations/0/site";
    assert_eq!(
        failed,
        [
            failure(2, external("17"), "text_invalid", "/data/address/0", "Street"),
            failure(5, external("19"), "fields_invalid", "/version", "Rev"),
            failure(6, external("20"), "site_unknown", site, "Site"),
            failure(7, external("21"), "site_unknown", site, "Also at"),
            failure(8, external("22"), "fields_invalid", "/occurred_at", "Changed"),
            json!({ "line": 9, "external": external("23"), "code": "malformed_body", "pointer": null }),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_its_columns_fails_as_a_whole() {
    let portal = Portal::start().await;
    let (service, _) = fed(&portal).await;
    let more = json!({ "format": "csv", "mapping": mapping() });
    for (table, said) in [
        ("", "there is no header"),
        ("\u{feff}\r\n", "there is no header"),
        ("MRN,Given\n1,Mia\n", "the header has no column \"Also at\""),
    ] {
        let told = service
            .imports(&portal, "patients", table.as_bytes(), &more)
            .await;
        assert_eq!(
            outcome(&told),
            ("failed import_header_invalid".to_owned(), Vec::new())
        );
        assert_eq!(told["detail"], said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_several_pieces_goes_on_after_a_kill_where_it_was() {
    // Given a table whose cells have ends of lines in them
    let portal = Portal::start().await;
    let (service, _) = fed(&portal).await;
    let runner = portal.runner();
    let mapping = json!({
        "columns": { "id": "/external/value", "name": "/data/name", "domain": "/data/domains/0", "at": "/occurred_at" },
        "constants": {
            "/op": "upsert", "/external/system": "many", "/version": 1, "/data/status": "live",
        },
    });
    let mut table = "id,name,domain,at\r\n".to_owned();
    for number in 0..1_100 {
        // Every tenth cell has two lines, which no domain has.
        let domain = if number % 10 == 0 { "\"a\r\nb\"" } else { "" };
        write!(table, "{number},N{number:05},{domain},2026-01-01T00:00:00Z\r\n").expect("a text");
    }
    let more = json!({ "format": "csv", "mapping": mapping });
    let import = service.brought(&portal, "sites", table.as_bytes(), &more).await;
    let event = runner.event(&portal).await;
    let mut asked = 500;
    while runner.killed_after(asked, &event).await.is_none() {
        asked *= 2;
    }

    // Then each row counts once, and the lines are those of the file
    let told = service.imported(&import).await;
    assert_eq!(
        (&told["counts"]["lines"], &told["counts"]["failed"]),
        (&json!(1_100), &json!(110))
    );
    let failed = service.failures(&portal, &told).await;
    for (nth, failure) in failed.iter().enumerate() {
        assert_eq!(failure["line"], 2 + 11 * nth, "{failure}");
        assert_eq!(failure["external"]["value"], (10 * nth).to_string());
        assert_eq!(
            (&failure["pointer"], &failure["column"]),
            (&json!("/data/domains/0"), &json!("domain"))
        );
    }
    let listed = portal.operator().all("/v1/platform/sites?limit=100").await;
    assert_eq!(listed.len(), 991, "and the one that was there");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_is_an_import_of_nothing() {
    let portal = Portal::start().await;
    let (service, _) = fed(&portal).await;
    for file in ["", "\n", "\u{feff}\r\n \n"] {
        let told = service
            .imports(&portal, "patients", file.as_bytes(), &json!({}))
            .await;
        assert_eq!(outcome(&told), completed(&[]), "{file:?}");
        assert!(told["errors"].is_null());
    }
}

// ---- Asking and bringing --------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn what_can_make_no_import_is_refused_at_once_with_its_place() {
    let portal = Portal::start().await;
    let (service, _) = fed(&portal).await;
    let with = |field: &str, value: Value| asking("patients", b"x", &json!({ field: value }));
    let mapped = |part: &str, name: &str, value: Value| {
        let mut mapping = mapping();
        mapping[part][name] = value;
        asking("patients", b"x", &json!({ "format": "csv", "mapping": mapping }))
    };
    for (body, code, pointer) in [
        (with("type", json!("people")), "fields_invalid", "/type"),
        (with("format", json!("xlsx")), "fields_invalid", "/format"),
        (with("format", json!("csv")), "fields_invalid", "/mapping"),
        (with("mapping", mapping()), "fields_invalid", "/mapping"),
        (with("length", json!(209_715_201)), "import_too_large", "/length"),
        (with("length", json!(-1)), "fields_invalid", "/length"),
        (with("sha256", json!("00")), "fields_invalid", "/sha256"),
        (with("name", json!("x")), "fields_invalid", "/name"),
        (
            mapped("columns", "Phone", json!("/data/fone")),
            "fields_invalid",
            "/mapping/columns/Phone",
        ),
        (
            mapped("columns", "a/b", json!("/data/given_name")),
            "fields_invalid",
            "/mapping/columns/a~1b",
        ),
        (
            mapped("constants", "/op", json!("patch")),
            "fields_invalid",
            "/mapping/constants/~1op",
        ),
    ] {
        let refused = service
            .post(IMPORTS, body.clone())
            .await
            .expect_problem(422, code);
        assert_eq!(refused.text_at("/errors/0/pointer"), pointer, "{body}");
    }
    assert!(service.all(IMPORTS).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_that_was_announced_is_taken_and_taken_once() {
    // Given an import
    let portal = Portal::start().await;
    let (service, _) = fed(&portal).await;
    let bytes = file(&patients(2));
    let asked = service.asked("patients", &bytes, &json!({})).await.expect(201);
    assert_eq!(asked.header("location"), format!("{IMPORTS}/{}", asked.id()));
    assert_eq!(asked.json()["status"], "awaiting_upload");

    // When other bytes are brought, or fewer, then they are refused
    let mut other = bytes.clone();
    other[5] ^= 1;
    portal.bring(&asked, &other).await.expect(400);
    portal.bring(&asked, &bytes[1..]).await.expect(403);
    portal.settle().await.expect("all is delivered");
    assert_eq!(service.imported(&asked.id()).await["status"], "awaiting_upload");

    // And the file is taken, and never again
    portal.bring(&asked, &bytes).await.expect(200);
    portal.settle().await.expect("all is delivered");
    let told = service.imported(&asked.id()).await;
    assert_eq!(outcome(&told), completed(&[("created", 2)]));
    assert!(told["upload"].is_null());
    portal.bring(&asked, &bytes).await.expect(412);
    portal.settle().await.expect("all is delivered");
    assert_eq!(service.imported(&asked.id()).await, told);
    assert!(portal.queues.dead_letters(IMPORT_QUEUE).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_gives_the_same_import_with_a_link_that_works() {
    // Given an import whose link is over
    let portal = Portal::start().await;
    let (service, _) = fed(&portal).await;
    let bytes = file(&patients(1));
    let body = asking("patients", &bytes, &json!({}));
    let first = service
        .post_with_key(IMPORTS, "monday", body.clone())
        .await
        .expect(201);
    portal.wait(LINK_LASTS + SECOND);
    portal.bring(&first, &bytes).await.expect(403);

    // When the same is asked for again, then it is the same import, and the link is new
    let again = service
        .post_with_key(IMPORTS, "monday", body.clone())
        .await
        .expect(201);
    assert_eq!(again.id(), first.id());
    portal.bring(&again, &bytes).await.expect(200);
    portal.settle().await.expect("all is delivered");
    let after = service.post_with_key(IMPORTS, "monday", body).await.expect(201);
    assert_eq!(
        (after.id(), after.json()["status"].clone()),
        (first.id(), json!("completed"))
    );
    assert!(after.json()["upload"].is_null());

    // Another request under the key is none; another source's key is its own
    let other = asking("patients", b"other", &json!({}));
    let reused = service.post_with_key(IMPORTS, "monday", other.clone()).await;
    reused.expect_problem(422, "idempotency_key_reused");
    let elsewhere = portal.service("elsewhere").await;
    elsewhere
        .post_with_key(IMPORTS, "monday", other)
        .await
        .expect(201);
    assert_eq!(service.all(IMPORTS).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_never_comes_is_not_awaited_for_ever() {
    let portal = Portal::start().await;
    let (service, _) = fed(&portal).await;
    let asked = service.asked("patients", b"x", &json!({})).await.expect(201);
    portal.wait(AWAITED - SECOND * 30);
    assert_eq!(service.imported(&asked.id()).await["status"], "awaiting_upload");
    portal.wait(SECOND * 31);
    assert_eq!(service.imported(&asked.id()).await["status"], "expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_nobody_asked_for_are_left_and_what_is_no_event_is_a_dead_letter() {
    let portal = Portal::start().await;
    let (service, _) = fed(&portal).await;
    let runner = portal.runner();
    service
        .brought(&portal, "patients", &file(&patients(1)), &json!({}))
        .await;
    let event = runner.event(&portal).await;
    let body: Value = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
    for key in [
        "uploads/platform/imp_01890a5d-ac96-774b-bcce-b302099a8057",
        "uploads/elsewhere/imp_01890a5d-ac96-774b-bcce-b302099a8057",
        "uploads/platform/x",
        "uploads/x",
        "exports/x",
    ] {
        let (mut event, mut body) = (event.clone(), body.clone());
        body["detail"]["object"]["key"] = json!(key);
        event["Records"][0]["body"] = json!(body.to_string());
        assert!(runner.run(&event).await, "{key}");
    }
    let mut event = event;
    event["Records"][0]["body"] = json!("{}");
    assert!(!runner.run(&event).await);
}

// ---- Who may --------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_ends_what_it_began_at_the_next_piece() {
    // Given an import of which a piece is taken
    let portal = Portal::start().await;
    let (service, _) = fed(&portal).await;
    let made = portal
        .operator()
        .post(TOKENS, json!({ "source": "platform", "scopes": ["patients"] }))
        .await
        .expect(201);
    let other = portal.service_with(&made.text_at("/secret"));
    let runner = portal.runner();
    let lines = [failing(1_000), patients(200)].concat();
    let import = other
        .brought(&portal, "patients", &file(&lines), &json!({}))
        .await;
    let event = runner.event(&portal).await;
    let mut asked = 60;
    while service.imported(&import).await["counts"]["lines"] == 0 {
        assert_eq!(runner.killed_after(asked, &event).await, None);
        asked += 20;
    }

    // When its token is revoked
    let path = format!("{TOKENS}/{}", made.id());
    let etag = portal.operator().etag(&path).await;
    portal.operator().delete(&path, &etag).await.expect(204);

    // Then the next run takes no other, and what was taken stays
    assert!(runner.run(&event).await);
    let told = service.imported(&import).await;
    assert_eq!(
        (&told["status"], &told["code"]),
        (&json!("failed"), &json!("token_ended"))
    );
    assert_eq!(told["counts"]["lines"], 1_000);

    // And what failed of it can be read
    let url = told["errors"]["url"].as_str().expect("a link");
    let errors = portal.client().get(url).send().await.expect("an answer");
    assert_eq!(errors.text().await.expect("text").lines().count(), 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_whose_file_is_gone_fails() {
    let portal = Portal::start().await;
    let (service, _) = fed(&portal).await;
    let runner = portal.runner();
    let import = service
        .brought(&portal, "patients", &file(&patients(1)), &json!({}))
        .await;
    let event = runner.event(&portal).await;
    for key in portal.objects.keys(BUCKET, UPLOADS) {
        let deleted = portal.s3().delete_object().bucket(BUCKET).key(key).send().await;
        deleted.expect("it is deleted");
    }
    assert!(runner.run(&event).await);
    let told = service.imported(&import).await;
    assert_eq!(
        (&told["status"], &told["code"]),
        (&json!("failed"), &json!("import_file_gone"))
    );
    assert!(told["errors"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_sees_its_own_imports_of_what_its_token_may_feed() {
    // Given imports of two types, and tokens for one of them and of another source
    let portal = Portal::start().await;
    let (service, _) = fed(&portal).await;
    let with = async |source: &str, scopes: &[&str]| {
        let wanted = json!({ "source": source, "scopes": scopes });
        let made = portal.operator().post(TOKENS, wanted).await.expect(201);
        portal.service_with(&made.text_at("/secret"))
    };
    let of_sites = with("platform", &["sites", "changes"]).await;
    let elsewhere = with("elsewhere", &["sites", "patients"]).await;
    let mut ids = Vec::new();
    for of in ["patients", "sites", "patients"] {
        ids.push(service.asked(of, b"", &json!({})).await.expect(201).id());
        portal.wait(SECOND);
    }

    // Then each sees what it may, the newest first
    let listed = async |service: &Service, limit: usize| {
        let items = service.all(&format!("{IMPORTS}?limit={limit}")).await;
        let ids = items.iter().map(|item| item["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    for limit in [1, 2, 25] {
        assert_eq!(listed(&service, limit).await, [&*ids[2], &*ids[1], &*ids[0]]);
        assert_eq!(listed(&of_sites, limit).await, [&*ids[1]]);
        assert!(listed(&elsewhere, limit).await.is_empty());
    }
    let path = |id: &str| format!("{IMPORTS}/{id}");
    of_sites.get(&path(&ids[1])).await.expect(200);
    let refused = of_sites.get(&path(&ids[0])).await;
    refused.expect_problem(403, "token_scope_missing");
    let refused = of_sites.asked("patients", b"", &json!({})).await;
    refused.expect_problem(403, "token_scope_missing");
    let hidden = elsewhere
        .get(&path(&ids[0]))
        .await
        .expect_problem(404, "import_not_found");
    let random = path("imp_01890a5d-ac96-774b-bcce-b302099a8057");
    let random = elsewhere
        .get(&random)
        .await
        .expect_problem(404, "import_not_found");
    assert_eq!(hidden.json()["title"], random.json()["title"]);
    assert!(portal.queues.dead_letters(IMPORT_QUEUE).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_failures_is_there_for_a_week_by_links_of_minutes() {
    let portal = Portal::start().await;
    let (service, _) = fed(&portal).await;
    let mut line = patients(1);
    line[0]["op"] = json!("patch");
    let told = service
        .imports(&portal, "patients", &file(&line), &json!({}))
        .await;
    let url = told["errors"]["url"].as_str().unwrap().to_owned();
    let follow = async |url: &str| portal.client().get(url).send().await.expect("an answer");
    let taken = follow(&url).await;
    let disposition = taken.headers()["content-disposition"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        disposition.starts_with("attachment; filename=\"imp_"),
        "{disposition}"
    );
    portal.wait(portal_documents::LINK_LASTS + SECOND);
    assert_eq!(follow(&url).await.status(), 403);
    let id = told["id"].as_str().unwrap();
    let again = service.imported(id).await;
    assert_eq!(
        follow(again["errors"]["url"].as_str().unwrap()).await.status(),
        200
    );
    portal.wait(KEPT);
    assert!(service.imported(id).await["errors"]["url"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_are_counted_and_in_the_log_of_the_platform() {
    let portal = Portal::start().await;
    let (service, _) = fed(&portal).await;
    let told = service
        .imports(&portal, "patients", &file(&patients(1)), &json!({}))
        .await;
    for _ in 1..IMPORTS_PER_TOKEN.most {
        service.asked("patients", b"", &json!({})).await.expect(201);
    }
    let refused = service.asked("patients", b"", &json!({})).await;
    refused.expect_problem(429, "rate_limited");

    let events = portal.items().into_iter();
    let of_it = events.filter(|item| item["kind"]["S"] == "audit_event" && item["object"]["S"] == told["id"]);
    let mut verbs: Vec<Value> = of_it.map(|item| item["verb"]["S"].clone()).collect();
    verbs.sort_by_key(Value::to_string);
    assert_eq!(verbs, ["import.created", "import.ended"]);
}
