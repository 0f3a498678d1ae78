//! Exports: a file has what its list has, for whom it has it, and nobody else gets it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use portal_domain::export::KEPT;
use portal_domain::lease::{LEASE, MOST_ATTEMPTS};
use portal_domain::limit::EXPORTS_PER_ACCOUNT;
use portal_domain::transaction::Kind as Entry;
use portal_http::listing::Listing;
use portal_http::listing::audit_events::AuditEventFilter;
use portal_http::listing::bookings::BookingFilter;
use portal_http::listing::members::MemberFilter;
use portal_http::listing::patients::PatientFilter;
use portal_http::listing::sessions::OrganizationSessionFilter;
use portal_http::listing::specialists::SpecialistFilter;
use portal_http::listing::transactions::TransactionFilter;
use portal_local::faults::{Kind, Rule};
use portal_local::stack::{BUCKET, EXPORT_QUEUE, Options};
use serde_json::{Value, json};

use crate::support::{Clinic, Person, Portal, SECOND, Taken, at_once, killed_after, project};

/// Every list with its route and the permission it needs.
const LISTS: [(&str, &str, &str); 7] = [
    ("bookings", "/bookings", "bookings.read"),
    ("transactions", "/transactions", "transactions.read"),
    ("patients", "/patients", "patients.read"),
    ("specialists", "/specialists", "specialists.read"),
    ("members", "/members", "members.read"),
    ("sessions", "/sessions", "sessions.read"),
    ("audit_events", "/audit-events", "audit.read"),
];

/// The columns of every list, with the name of its rows in the OpenAPI document.
const COLUMNS: [(&str, &str, &[&str]); 7] = [
    ("bookings", "BookingView", BookingFilter::COLUMNS),
    ("transactions", "TransactionView", TransactionFilter::COLUMNS),
    ("patients", "PatientRowView", PatientFilter::COLUMNS),
    ("specialists", "SpecialistRowView", SpecialistFilter::COLUMNS),
    ("members", "MemberView", MemberFilter::COLUMNS),
    (
        "sessions",
        "OrganizationSessionView",
        OrganizationSessionFilter::COLUMNS,
    ),
    ("audit_events", "AuditEventView", AuditEventFilter::COLUMNS),
];

fn columns(list: &str) -> &'static [&'static str] {
    let found = COLUMNS.iter().find(|(known, ..)| *known == list);
    found.expect("a list").2
}

/// A clinic at two sites, with more bookings than a page has, and some of everything else.
async fn busy_clinic(portal: &Portal) -> (Clinic<'_>, [String; 2]) {
    let clinic = portal.clinic().await;
    let (city, online) = (
        clinic.bound("City", "owner").await,
        clinic.bound("Online", "owner").await,
    );
    for number in 0..130 {
        let site = if number % 3 == 0 { &city } else { &online };
        let start = portal.clock.now() + SignedDuration::from_mins(number * 7);
        let end = start + SignedDuration::from_mins(50);
        portal.booking(site, json!({ "start": start, "end": end })).await;
    }
    portal.booking(&city, json!({ "service": "=1+1, \"two\"" })).await;
    for site in [&city, &online] {
        portal.posting(Entry::Payment, site).await.tell().await;
        portal.posting(Entry::Earning, site).await.tell().await;
        portal.patient("Mia Okafor", &[site]).await;
        portal.patient("Jonas Weber", &[&city, &online]).await;
        portal.specialist("Lena Brandt", &[site]).await;
    }
    clinic.share_sessions(true).await;
    let pia = clinic.member("Pia", "provider").await;
    for mode in ["shared_device", "two_device"] {
        clinic.start(&pia, json!({ "mode": mode })).await.expect(201);
    }
    (clinic, [city, online])
}

/// Somebody with a custom role of these permissions and that to export, at all sites or at some.
async fn holder(clinic: &Clinic<'_>, name: &str, permissions: &[&str], sites: Option<&[&str]>) -> Person {
    let permissions: Vec<&str> = permissions.iter().chain(&["exports.create"]).copied().collect();
    let body = json!({ "name": name, "permissions": permissions, "sites": sites });
    let role = clinic.admin.post(&clinic.path("/roles"), body).await.expect(201);
    clinic.member(name, &role.id()).await
}

/// The lines of an NDJSON file.
fn lines(taken: &Taken) -> Vec<Value> {
    let lines = taken.file.text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// The header and the rows of a CSV file.
fn table(taken: &Taken) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_reader(taken.file.text.as_bytes());
    let cells = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
    let header = cells(reader.headers().expect("a header"));
    let rows = reader
        .records()
        .map(|record| cells(&record.expect("a record")))
        .collect();
    (header, rows)
}

/// What a cell is to hold of an item.
fn cell(item: &Value, column: &str) -> String {
    let pointer = format!("/{}", column.replace('.', "/"));
    match item.pointer(&pointer).unwrap_or(&Value::Null) {
        Value::Null => String::new(),
        Value::String(text) if text.starts_with(['=', '+', '-', '@']) => format!("'{text}"),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

// ---- What is in it --------------------------------------------------------------------------------------------

#[test]
fn the_columns_of_a_file_are_all_that_a_list_tells() {
    /// The paths of what is not an object in a schema.
    fn leaves(schemas: &Value, schema: &Value, path: &str, found: &mut BTreeSet<String>) {
        let named = |schema: &Value| {
            let name = schema["$ref"].as_str()?.rsplit('/').next()?.to_owned();
            Some(schemas[name.as_str()].clone())
        };
        let mut one_of = schema["oneOf"].as_array().into_iter().flatten();
        let target = named(schema).or_else(|| one_of.find_map(named));
        let schema = target.unwrap_or_else(|| schema.clone());
        match schema["properties"].as_object() {
            Some(properties) => {
                for (name, property) in properties {
                    let path = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    leaves(schemas, property, &path, found);
                }
            }
            None => {
                found.insert(path.to_owned());
            }
        }
    }
    let text = std::fs::read_to_string(project("docs/openapi.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let schemas = &document["components"]["schemas"];
    for (list, view, columns) in COLUMNS {
        let mut told = BTreeSet::new();
        leaves(schemas, &schemas[view], "", &mut told);
        let columns: BTreeSet<String> = columns.iter().map(|column| (*column).to_owned()).collect();
        assert_eq!(columns, told, "COLUMNS of {list} are not what {view} has");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_has_what_its_list_has_for_everybody() {
    // Given a busy clinic, and people who see different parts of it
    let portal = Portal::start().await;
    let (clinic, [city, _]) = busy_clinic(&portal).await;
    let people = [
        (
            holder(&clinic, "Finn", &["transactions.read", "bookings.read"], None).await,
            vec!["transactions.read", "bookings.read"],
        ),
        (
            holder(
                &clinic,
                "Cleo",
                &["patients.read", "patients.contact", "bookings.read"],
                None,
            )
            .await,
            vec!["patients.read", "bookings.read"],
        ),
        (
            holder(
                &clinic,
                "Dora",
                &["patients.read", "specialists.read", "bookings.read"],
                Some(&[&city]),
            )
            .await,
            vec!["patients.read", "specialists.read", "bookings.read"],
        ),
        (
            holder(&clinic, "Cora", &["audit.read", "members.read"], None).await,
            vec!["audit.read", "members.read"],
        ),
        (
            clinic.admin.clone(),
            LISTS.iter().map(|(.., needed)| *needed).collect(),
        ),
    ];
    portal.wait(SECOND);
    let until = portal.clock.now().to_string();
    portal.wait(SECOND);

    let mut compared = 0;
    for (person, held) in &people {
        for (list, route, needed) in LISTS {
            if !held.contains(&needed) {
                let refused = clinic.export_by(person, list, "csv", json!({})).await;
                let refused = refused.expect_problem(403, "permission_missing");
                assert!(refused.text_at("/detail").ends_with(needed), "{}", refused.text);
                continue;
            }
            // Exporting is in the log, too: it is compared up to here.
            let (filters, query) = match list {
                "audit_events" => (json!({ "until": until }), format!("?until={until}")),
                "bookings" => (json!({ "modality": "video" }), "?modality=video".to_owned()),
                _ => (json!({}), String::new()),
            };
            let listed = person.all(&clinic.path(&format!("{route}{query}"))).await;
            assert!(!listed.is_empty(), "{} lists no {list}", person.name);

            // Then their lines are what the list tells them
            let taken = clinic.taken(person, list, "ndjson", filters.clone()).await;
            assert_eq!(lines(&taken), listed, "{list} for {}", person.name);
            assert_eq!(taken.export["file"]["rows"], listed.len());

            // And so are the cells
            let taken = clinic.taken(person, list, "csv", filters).await;
            let (header, rows) = table(&taken);
            assert_eq!(header, columns(list));
            let wanted: Vec<Vec<String>> = listed
                .iter()
                .map(|item| header.iter().map(|column| cell(item, column)).collect())
                .collect();
            assert_eq!(rows, wanted, "{list} for {}", person.name);
            compared += 1;
        }
    }
    assert_eq!(compared, 2 + 2 + 3 + 2 + 7);

    // Who reviews money has no contact, and no names of patients
    let (finance, _) = &people[0];
    let bookings = clinic.taken(finance, "bookings", "ndjson", json!({})).await;
    assert!(bookings.file.text.contains("Lena Brandt") && !bookings.file.text.contains("Jonas Weber"));
    let (oversight, _) = &people[2];
    for (person, sees) in [(oversight, false), (&clinic.admin, true)] {
        let patients = clinic.taken(person, "patients", "csv", json!({})).await;
        assert_eq!(patients.file.text.contains("mia@hillside.example"), sees);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_says_what_it_is_and_is_harmless_in_a_spreadsheet() {
    // Given a booking whose service looks like a formula
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("City", "owner").await;
    portal.booking(&site, json!({ "service": "=1+1, \"two\"" })).await;

    // When bookings are exported
    let taken = clinic
        .taken(&clinic.admin, "bookings", "csv", json!({ "site_id": site }))
        .await;

    // Then the cell is text
    let (header, rows) = table(&taken);
    let service = header.iter().position(|column| column == "service").unwrap();
    assert_eq!(rows[0][service], "'=1+1, \"two\"");
    assert!(taken.file.text.ends_with("\r\n"));

    // And record, manifest and answer say of the file what it is
    let bytes = taken.file.text.as_bytes();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let sha256 = digest
        .as_ref()
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    for told in [&taken.export["file"], &taken.manifest] {
        assert_eq!(
            (&told["rows"], &told["bytes"], &told["sha256"]),
            (&json!(1), &json!(bytes.len()), &json!(sha256))
        );
    }
    let manifest = &taken.manifest;
    assert_eq!(manifest["columns"], json!(header));
    assert_eq!(manifest["filters"], json!({ "site_id": site }));
    assert_eq!(
        (&manifest["list"], &manifest["format"]),
        (&json!("bookings"), &json!("csv"))
    );
    assert_eq!(manifest["requested_by"], clinic.admin.account.to_string());
    assert_eq!(manifest["export_id"], taken.export["id"]);
    assert_eq!(manifest["expires_at"], taken.export["file"]["expires_at"]);
    assert_eq!(taken.file.header("content-type"), "text/csv; charset=utf-8");
    let disposition = taken.file.header("content-disposition");
    assert!(
        disposition.starts_with("attachment; filename=\"bookings-"),
        "{disposition}"
    );

    // And an empty list is a file, too
    let empty = clinic
        .taken(&clinic.admin, "bookings", "csv", json!({ "tab": "past" }))
        .await;
    assert_eq!(table(&empty), (header, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_list_refuses_its_export_refuses() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let narrow = holder(&clinic, "Nils", &["bookings.read", "patients.read"], None).await;
    let somebody = portal.named_patient("").id;
    for (person, list, filters, status, code) in [
        (
            &clinic.admin,
            "bookings",
            json!({ "color": "red" }),
            400,
            "query_invalid",
        ),
        (
            &clinic.admin,
            "bookings",
            json!({ "limit": "5" }),
            400,
            "query_invalid",
        ),
        (
            &clinic.admin,
            "bookings",
            json!({ "cursor": "x" }),
            400,
            "query_invalid",
        ),
        (
            &clinic.admin,
            "bookings",
            json!({ "tab": "all" }),
            400,
            "query_invalid",
        ),
        (
            &clinic.admin,
            "members",
            json!({ "search": "x".repeat(3_000) }),
            400,
            "query_invalid",
        ),
        (
            &clinic.admin,
            "patients",
            json!({ "joined_from": "today" }),
            400,
            "query_invalid",
        ),
        (
            &narrow,
            "patients",
            json!({ "search": "mia@" }),
            403,
            "permission_missing",
        ),
        (&clinic.admin, "invites", json!({}), 422, "fields_invalid"),
    ] {
        let refused = clinic.export_by(person, list, "csv", filters.clone()).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (status, code),
            "{list} {filters}: {}",
            refused.text
        );
    }
    let specialist = json!({ "specialist_id": portal.named_specialist("").id });
    let refused = clinic.export_by(&narrow, "bookings", "csv", specialist).await;
    refused.expect_problem(403, "permission_missing");
    let format = clinic.export("bookings", "xlsx", json!({})).await;
    format.expect_problem(422, "fields_invalid");

    // What the organization does not oversee is in no file either
    clinic
        .set_access(json!({ "scope": "specialists" }))
        .await
        .expect(200);
    for (list, filters) in [
        ("patients", json!({})),
        ("bookings", json!({ "patient_id": somebody })),
    ] {
        let refused = clinic.export(list, "csv", filters).await;
        refused.expect_problem(403, "scope_excludes");
    }
    let exports = clinic.admin.all(&clinic.path("/exports")).await;
    assert!(exports.is_empty() && portal.objects.keys(BUCKET, "").is_empty());
}

// ---- Who gets it ----------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn every_link_is_in_the_audit_log_and_works_for_five_minutes() {
    // Given an export that names somebody
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let asked = clinic
        .export("members", "csv", json!({ "search": "dana", "role": "admin" }))
        .await
        .expect(202);
    assert_eq!(asked.header("location"), clinic.export_path(&asked.id()));
    let told = asked.json();
    assert_eq!(
        (&told["status"], &told["links"]),
        (&json!("waiting"), &Value::Null)
    );
    portal.settle().await.expect("all is delivered");

    // When its link is asked for twice
    let path = clinic.export_path(&asked.id());
    let first = clinic.admin.get(&path).await.expect(200).json();
    let second = clinic.admin.get(&path).await.expect(200).json();
    clinic.followed(&first["links"]["url"]).await.expect(200);

    // Then that is in the log, with neither name nor link
    let events = clinic.admin.get(&clinic.path("/audit-events")).await.expect(200);
    let of = |verb: &str| {
        let items = events.items();
        items
            .into_iter()
            .filter(|event| event["verb"] == verb)
            .collect::<Vec<_>>()
    };
    let (created, given) = (of("export.created"), of("export.link_given"));
    assert_eq!((created.len(), given.len()), (1, 2));
    let changes = &created[0]["changes"];
    assert_eq!(changes["filters.role"]["after"], "admin");
    assert_eq!(
        changes["filters.search"],
        json!({ "before": null, "after": null })
    );
    assert_eq!(given[0]["changes"]["rows"]["after"], "1");
    assert!(given.iter().all(|event| event["object"] == asked.id()));
    let log = json!([created, given]).to_string();
    assert!(!log.contains("X-Amz") && !log.contains("dana"), "{log}");

    // And after five minutes the links work no more, but others do
    portal.wait(SECOND * 301);
    for link in [&first["links"]["url"], &second["links"]["manifest_url"]] {
        clinic.followed(link).await.expect(403);
    }
    let third = clinic.admin.get(&path).await.expect(200).json();
    clinic.followed(&third["links"]["url"]).await.expect(200);

    // Until the file is gone
    portal.wait(KEPT);
    let late = clinic.admin.get(&path).await.expect(200).json();
    assert_eq!(
        (&late["status"], &late["links"]),
        (&json!("expired"), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_there_for_the_one_who_asked() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let other = clinic.member("Olga", "admin").await;
    let mine: Vec<String> = [
        clinic.export("members", "csv", json!({})).await,
        clinic
            .export("members", "ndjson", json!({ "search": "Olga" }))
            .await,
    ]
    .map(|asked| asked.expect(202).id())
    .to_vec();
    let theirs = clinic
        .export_by(&other, "members", "csv", json!({}))
        .await
        .expect(202)
        .id();
    portal.settle().await.expect("all is delivered");

    // Newest first, without links
    let listed = clinic.admin.all(&clinic.path("/exports?limit=1")).await;
    let ids: Vec<&str> = listed
        .iter()
        .map(|export| export["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [mine[1].as_str(), mine[0].as_str()]);
    assert!(
        listed
            .iter()
            .all(|export| export["status"] == "done" && export["links"].is_null())
    );

    for (person, export) in [(&clinic.admin, &theirs), (&other, &mine[0])] {
        let refused = person.get(&clinic.export_path(export)).await;
        refused.expect_problem(404, "export_not_found");
    }
}

/// Hands an export to the writer, as its queue does; whether it takes it for settled.
async fn write(portal: &Portal, clinic: &Clinic<'_>, export: &str) -> bool {
    let message = json!({
        "id": "msg_01a1fd1e-8c00-7000-8000-000000000001", "at": 1_795_248_000_000_u64,
        "content": { "type": "export", "organization": clinic.id, "export": export },
    });
    let event = json!({ "Records": [{ "messageId": "1", "body": message.to_string() }] });
    let answer = portal.function("write-exports")(event).await.expect("an answer");
    answer["batchItemFailures"].as_array().expect("a list").is_empty()
}

/// A portal in which exports are written by hand.
async fn by_hand() -> Portal {
    let options = Options {
        follows: false,
        ..Options::default()
    };
    Portal::start_with(options).await
}

async fn status(clinic: &Clinic<'_>, person: &Person, export: &str) -> (String, String) {
    let told = person.get(&clinic.export_path(export)).await.expect(200).json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&told["status"]), text(&told["code"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_lost_the_right_gets_no_file() {
    // Given two members who asked for the list of members
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let role = clinic.role("Desk", &["members.read", "exports.create"]).await;
    let less = clinic.role("Less", &["exports.create"]).await;
    let (ada, ben) = (
        clinic.member("Ada", &role).await,
        clinic.member("Ben", &role).await,
    );
    // Whose writer is kept from its files meanwhile
    portal.faults.set(7, vec![Rule::new(Kind::ObjectsDown, 1.0)]);
    let before = clinic
        .export_by(&ada, "members", "csv", json!({}))
        .await
        .expect(202)
        .id();

    // When one of them loses it before it is written
    clinic.set_role(&ada, &less).await.expect(200);
    portal.faults.set(7, Vec::new());
    portal.settle().await.expect("all is delivered");

    // Then it is never written for them
    let failed = ("failed".to_owned(), "permission_missing".to_owned());
    assert_eq!(status(&clinic, &ada, &before).await, failed);

    // When the other one's is written, and they lose it afterwards
    let after = clinic.taken(&ben, "members", "csv", json!({})).await.export;
    let after = after["id"].as_str().unwrap();
    clinic.set_role(&ben, &less).await.expect(200);

    // Then they see that it was, and get it no more
    assert_eq!(status(&clinic, &ben, after).await.0, "outdated");
    let told = ben.get(&clinic.export_path(after)).await.expect(200).json();
    assert_eq!(told["links"], Value::Null);

    // Nor when the organization's configuration is another one
    let admins = clinic
        .taken(&clinic.admin, "members", "csv", json!({}))
        .await
        .export;
    let admins = admins["id"].as_str().unwrap();
    assert_eq!(status(&clinic, &clinic.admin, admins).await.0, "done");
    clinic
        .set_access(json!({ "scope": "patients" }))
        .await
        .expect(200);
    assert_eq!(status(&clinic, &clinic.admin, admins).await.0, "outdated");

    // And who is removed finds nothing
    let path = clinic.member_path(&ben);
    let etag = clinic.admin.etag(&path).await;
    clinic.admin.delete(&path, &etag).await.expect(204);
    let gone = ben.get(&clinic.export_path(after)).await;
    gone.expect_problem(404, "organization_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_changes_while_a_file_is_written_makes_it_nobodys() {
    // Given an export whose writer waits for the bucket
    let portal = by_hand().await;
    let clinic = portal.clinic().await;
    let export = clinic.export("members", "csv", json!({})).await.expect(202).id();
    portal.faults.set(7, vec![Rule::new(Kind::ObjectsDown, 1.0)]);
    let meanwhile = async {
        while status(&clinic, &clinic.admin, &export).await.0 != "running" {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        // When the configuration changes meanwhile
        clinic
            .set_access(json!({ "scope": "patients" }))
            .await
            .expect(200);
        portal.faults.set(7, Vec::new());
    };
    let (is_settled, ()) = tokio::join!(write(&portal, &clinic, &export), meanwhile);

    // Then what was written is nobody's, and it is written once more
    assert!(!is_settled);
    assert_eq!(status(&clinic, &clinic.admin, &export).await.0, "waiting");
    assert!(write(&portal, &clinic, &export).await);
    let told = clinic
        .admin
        .get(&clinic.export_path(&export))
        .await
        .expect(200)
        .json();
    let link = told["links"]["url"].as_str().expect("a link");
    assert!(link.contains("/2.csv?"), "{link}");
}

// ---- How it is written ----------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn of_several_who_write_an_export_one_makes_the_file() {
    let portal = by_hand().await;
    let clinic = portal.clinic().await;
    let export = clinic.export("members", "csv", json!({})).await.expect(202).id();

    let done = at_once((0..8).map(|_| write(&portal, &clinic, &export))).await;

    // Whoever is late finds it taken, or settled
    assert!(done.contains(&true));
    assert_eq!(status(&clinic, &clinic.admin, &export).await.0, "done");
    let files = portal.objects.keys(BUCKET, "exports/");
    assert_eq!(files.len(), 2, "{files:?}");
    assert!(write(&portal, &clinic, &export).await, "what is settled is done");
    assert_eq!(portal.objects.keys(BUCKET, "exports/"), files);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_whose_writer_dies_is_written_by_the_next() {
    // Given an export whose writer dies, later and later
    let portal = by_hand().await;
    let clinic = portal.clinic().await;
    let mut done = 0;
    for woken in (0..120).step_by(8) {
        let export = clinic.export("members", "csv", json!({})).await.expect(202).id();
        let ended = killed_after(woken, write(&portal, &clinic, &export)).await;
        let (then, _) = status(&clinic, &clinic.admin, &export).await;

        // When another one comes at once, it leaves the file to the first
        if then == "running" {
            assert!(!write(&portal, &clinic, &export).await);
        }
        // And once the lease is over, the next writes all of it
        portal.wait(LEASE);
        assert!(write(&portal, &clinic, &export).await, "{then}");
        let told = clinic
            .admin
            .get(&clinic.export_path(&export))
            .await
            .expect(200)
            .json();
        assert_eq!(
            (&told["status"], &told["file"]["rows"]),
            (&json!("done"), &json!(1))
        );
        let file = clinic.followed(&told["links"]["url"]).await.expect(200);
        assert_eq!(file.text.lines().count(), 2);
        if ended.is_some() {
            done += 1;
        }
        // Exports are counted by the hour.
        portal.wait(SignedDuration::from_hours(1));
    }
    assert!(done < 15, "no writer died");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_nobody_can_write_is_given_up() {
    // Given a bucket that is away
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    portal
        .faults
        .set(7, vec![Rule::new(Kind::ObjectsDown, 1.0).only("PutObject")]);

    // When something is exported
    let export = clinic.export("members", "csv", json!({})).await.expect(202).id();
    portal.settle().await.expect("all is delivered");

    // Then it is tried some times and fails, and no message is left over
    let failed = ("failed".to_owned(), "internal".to_owned());
    assert_eq!(status(&clinic, &clinic.admin, &export).await, failed);
    assert_eq!(portal.queues.depth(EXPORT_QUEUE), 0);
    assert!(portal.queues.dead_letters(EXPORT_QUEUE).is_empty());
    let puts = portal.objects.operations().into_iter();
    let puts = puts.filter(|operation| operation.name == "PutObject").count();
    assert!(puts >= MOST_ATTEMPTS as usize, "{puts}");
    assert!(portal.objects.keys(BUCKET, "").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_have_a_limit_an_hour() {
    let portal = by_hand().await;
    let clinic = portal.clinic().await;
    for _ in 0..EXPORTS_PER_ACCOUNT.most {
        clinic.export("members", "csv", json!({})).await.expect(202);
    }
    let refused = clinic.export("members", "csv", json!({})).await;
    refused.expect_problem(429, "rate_limited");
    portal.wait(SignedDuration::from_hours(1));
    clinic.export("members", "csv", json!({})).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_do_to_the_bucket_what_their_roles_give() {
    // Given all that is done with an export, and with an import of which a line fails
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    clinic.taken(&clinic.admin, "members", "csv", json!({})).await;
    let service = portal.service("platform").await;
    let told = service.imports(&portal, "sites", b"{}", &json!({})).await;
    assert_eq!(service.failures(&portal, &told).await.len(), 1);

    // Then its roles allow that, and no more
    let action = |operation: &str| match operation {
        "GetObject" => "s3:GetObject",
        "PutObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => "s3:PutObject",
        other => panic!("say which right {other} needs"),
    };
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for asked in portal.objects.operations() {
        let actions = used.entry(asked.caller).or_default();
        actions.insert(action(&asked.name).to_owned());
    }
    let template = portal_local::template::Template::built_in().unwrap();
    let mut granted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // The audit log has a bucket of its own, and tests of its own.
    let others = template
        .functions()
        .into_iter()
        .filter(|function| function.name != "seal-audit-log");
    for function in others {
        for statement in template.statements(&function) {
            let actions = &statement["Action"];
            let actions = actions
                .as_array()
                .cloned()
                .unwrap_or_else(|| vec![actions.clone()]);
            for action in actions.iter().filter_map(Value::as_str) {
                // It is no operation, but what tells of a file that is gone.
                if action.starts_with("s3:") && action != "s3:ListBucket" {
                    let own = granted.entry(function.name.clone()).or_default();
                    own.insert(action.to_owned());
                }
            }
        }
    }
    assert_eq!(used, granted);
}
