//! What an organization sees follows from its access configuration and the sites of a role, in every answer there is.

use std::collections::BTreeSet;

use portal_domain::permission::Permission;
use serde_json::{Value, json};

use crate::support::direct::routes;
use crate::support::service::{Service, upsert};
use crate::support::{Answer, Clinic, Person, Portal};

const SITES: [&str; 3] = ["ours", "shared", "foreign"];
const PHONE: &str = "+4930901820";
const NOTE: &str = "Flamingo in the mornings.";
const AMOUNT: u32 = 918_273;

/// What there is at a site, by the ids it has here, with names that are nowhere else.
#[derive(Debug, Clone)]
struct There {
    name: &'static str,
    site: String,
    patient: String,
    specialist: String,
    booking: String,
    payment: String,
    earning: String,
}

impl There {
    fn patient_name(&self) -> String {
        format!("Pelikan {}", self.name)
    }

    fn specialist_name(&self) -> String {
        format!("Sperling {}", self.name)
    }
}

/// What is seen of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    site: bool,
    patients: bool,
    specialists: bool,
}

fn name(system: &str, value: &str) -> Value {
    json!({ "system": system, "value": value })
}

async fn told(service: &Service, of: &str, value: &str, data: &Value) -> String {
    let answer = service.feed(of, &[upsert(of, value, 1, data)]).await.expect(200);
    assert_eq!(answer.outcomes(), ["created"], "{of} {value}");
    answer.text_at("/results/0/id")
}

/// One of everything at each of the sites, as their source tells it.
async fn fed(service: &Service) -> Vec<There> {
    let mut all = Vec::new();
    for at in SITES {
        let site = told(service, "sites", at, &json!({ "name": at, "status": "live" })).await;
        let present = json!([{ "site": name("sites", at), "joined_at": "2026-01-02T08:00:00Z" }]);
        let patient = json!({
            "given_name": "Pelikan", "family_name": at, "registrations": present,
            "email": format!("{at}@nest.example"), "phone": PHONE,
        });
        let specialist = json!({ "given_name": "Sperling", "family_name": at, "assignments": present });
        let patient = told(service, "patients", at, &patient).await;
        let specialist = told(service, "specialists", at, &specialist).await;
        let booking = json!({
            "site": name("sites", at), "patient": name("patients", at), "specialist": name("specialists", at),
            "service": "Physiotherapy", "status": "booked", "modality": "video",
            "start": "2030-06-01T09:00:00Z", "end": "2030-06-01T09:50:00Z",
            "price": { "amount_minor": AMOUNT, "currency": "EUR" },
        });
        let booking = told(service, "bookings", at, &booking).await;
        let note =
            json!({ "patient": name("patients", at), "text": NOTE, "written_at": "2026-05-01T09:00:00Z" });
        told(service, "notes", at, &note).await;
        let entry = |kind: &str, status: &str, party: &str| {
            let mut entry = json!({
                "kind": kind, "status": status, "amount_minor": AMOUNT, "currency": "EUR", "occurred_at": "2026-05-30T09:00:00Z",
                "site": name("sites", at), "booking": name("bookings", at),
            });
            entry[party] = name(&format!("{party}s"), at);
            entry
        };
        let payment = entry("payment", "succeeded", "patient");
        let earning = entry("earning", "available", "specialist");
        all.push(There {
            name: at,
            site,
            patient,
            specialist,
            booking,
            payment: told(service, "transactions", &format!("{at}-payment"), &payment).await,
            earning: told(service, "transactions", &format!("{at}-earning"), &earning).await,
        });
    }
    all
}

/// Fails where `text` tells of what is not seen. A specialist whose bookings are seen is named there, and no more than that.
#[track_caller]
fn assert_tells_no_more(text: &str, there: &There, seen: Seen, of: &str) {
    let tells = |what: &str| text.contains(what);
    if !seen.site {
        assert!(
            !tells(&there.booking) && !tells(&there.specialist_name()),
            "{of}: {text}"
        );
    }
    if !seen.patients {
        let is_told = tells(&there.patient) || tells(&there.patient_name()) || tells(&there.payment);
        assert!(!is_told, "{of}: {text}");
    }
    if !seen.specialists {
        assert!(
            !tells(&there.specialist) && !tells(&there.earning),
            "{of}: {text}"
        );
    }
}

/// The paths of a route: one for each site, or one alone where nothing in it belongs to a site.
fn paths(clinic: &Clinic<'_>, route: &str, there: &[There]) -> BTreeSet<String> {
    let fill = |there: &There, transaction: &str| {
        route
            .replace("{organization_id}", &clinic.id.to_string())
            .replace("{site_id}", &there.site)
            .replace("{patient_id}", &there.patient)
            .replace("{specialist_id}", &there.specialist)
            .replace("{booking_id}", &there.booking)
            .replace("{transaction_id}", transaction)
            .replace("{month}", "2026-05")
    };
    there
        .iter()
        .flat_map(|there| [fill(there, &there.payment), fill(there, &there.earning)])
        .collect()
}

/// The names of whom a list gives, and what refuses it if something does.
async fn listed(person: &Person, path: &str, pointer: &str) -> Result<BTreeSet<String>, String> {
    let answer = person.get(path).await;
    if answer.status != 200 {
        return Err(answer.code());
    }
    let name = |item: &Value| {
        item.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or("nobody")
            .to_owned()
    };
    Ok(answer.items().iter().map(name).collect())
}

/// What the lists give `person`, beside what they should.
async fn assert_lists(
    person: &Person,
    clinic: &Clinic<'_>,
    there: &[There],
    seen: &[Seen],
    scope: &str,
    of: &str,
) {
    let expected = |is_seen: fn(&Seen) -> bool, name: fn(&There) -> String| -> BTreeSet<String> {
        let both = there.iter().zip(seen);
        both.filter(|(_, seen)| is_seen(seen))
            .map(|(there, _)| name(there))
            .collect()
    };
    let refused = || Err("scope_excludes".to_owned());
    let patients = listed(person, &clinic.path("/patients"), "/name/full").await;
    let wanted = match scope {
        "specialists" => refused(),
        _ => Ok(expected(|seen| seen.patients, There::patient_name)),
    };
    assert_eq!(patients, wanted, "{of}");
    let specialists = listed(person, &clinic.path("/specialists"), "/name/full").await;
    let wanted = match scope {
        "patients" => refused(),
        _ => Ok(expected(|seen| seen.specialists, There::specialist_name)),
    };
    assert_eq!(specialists, wanted, "{of}");
    let bookings = listed(person, &clinic.path("/bookings"), "/specialist/name").await;
    assert_eq!(
        bookings,
        Ok(expected(|seen| seen.site, There::specialist_name)),
        "{of}"
    );
    let entries = listed(person, &clinic.path("/transactions"), "/id").await;
    let mut wanted = expected(|seen| seen.patients, |there| there.payment.clone());
    wanted.extend(expected(|seen| seen.specialists, |there| there.earning.clone()));
    assert_eq!(entries, Ok(wanted), "{of}");
}

async fn everything_asked(person: &Person, clinic: &Clinic<'_>, there: &[There]) -> Vec<(String, Answer)> {
    let mut all = Vec::new();
    for (_, method, route) in routes() {
        let is_of_others = [
            "{invite_id}",
            "{account_id}",
            "{role_id}",
            "{note_id}",
            "{export_id}",
            "{token_id}",
        ]
        .iter()
        .any(|other| route.contains(other));
        // The audit log says who looked at whom, under whatever scope that was: by ids, to whoever holds `audit.read`.
        let is_log = route.ends_with("/audit-events");
        if method != reqwest::Method::GET
            || is_of_others
            || is_log
            || !route.starts_with("/v1/organizations/")
        {
            continue;
        }
        for path in paths(clinic, &route, there) {
            let answer = person.get(&path).await;
            assert!(answer.status < 500, "{path}: {}", answer.text);
            all.push((path, answer));
        }
        // With the filters that name a site or somebody, where there are such
        for (list, filters) in [
            ("/bookings", &["site_id", "patient_id", "specialist_id"][..]),
            (
                "/transactions",
                &["site_id", "patient_id", "specialist_id", "booking_id"],
            ),
            ("/patients", &["site_id"]),
            ("/specialists", &["site_id"]),
            ("/dashboard", &["site_id"]),
        ] {
            if !route.ends_with(list) {
                continue;
            }
            for filter in filters {
                for there in there {
                    let value = match *filter {
                        "site_id" => &there.site,
                        "patient_id" => &there.patient,
                        "specialist_id" => &there.specialist,
                        _ => &there.booking,
                    };
                    let path = clinic.path(&format!("{list}?{filter}={value}"));
                    let answer = person.get(&path).await;
                    assert!(answer.status < 500, "{path}: {}", answer.text);
                    all.push((path, answer));
                }
            }
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_tells_what_scope_directory_bindings_and_role_allow_and_no_more() {
    let portal = Portal::start().await;
    let (service, clinic) = (portal.service("platform").await, portal.clinic().await);
    let there = fed(&service).await;
    let wide = json!({ "scope": "both", "directory": "platform", "registration": "open", "sites": 9 });
    clinic.allow(json!({ "ceiling": wide })).await.expect(200);
    clinic.bind(&there[0].site, "owner", true).await.expect(200);
    clinic.bind(&there[1].site, "shared", false).await.expect(200);
    let permissions: Vec<&str> = Permission::ALL
        .iter()
        .map(|permission| permission.as_str())
        .collect();
    let role = json!({ "name": "Of one site", "permissions": permissions, "sites": [there[0].site] });
    let role = clinic
        .admin
        .post(&clinic.path("/roles"), role)
        .await
        .expect(201)
        .id();
    let limited = clinic.member("Lim", &role).await;
    portal.settle().await.unwrap();

    for (scope, directory, is_shared) in ["both", "patients", "specialists"].into_iter().flat_map(|scope| {
        [
            (scope, "sites", false),
            (scope, "sites", true),
            (scope, "platform", false),
        ]
    }) {
        clinic.bind(&there[1].site, "shared", is_shared).await.expect(200);
        clinic
            .set_access(json!({ "scope": scope, "directory": directory }))
            .await
            .expect(200);
        for (person, is_limited) in [(&clinic.admin, false), (&limited, true)] {
            let of = format!("{scope}, {directory}, shared: {is_shared}, limited: {is_limited}");
            let is_whole = directory == "platform" && !is_limited;
            let seen: Vec<Seen> = there
                .iter()
                .map(|there| {
                    let site = is_whole || there.name == "ours" || (there.name == "shared" && !is_limited);
                    let has_specialists = is_whole || there.name == "ours" || is_shared;
                    Seen {
                        site,
                        patients: site && scope != "specialists",
                        specialists: site && scope != "patients" && has_specialists,
                    }
                })
                .collect();
            assert_lists(person, &clinic, &there, &seen, scope, &of).await;
            for (path, answer) in everything_asked(person, &clinic, &there).await {
                // What was asked for by its id is in the path, and repeated by nobody.
                for (there, seen) in there.iter().zip(&seen) {
                    assert_tells_no_more(&answer.text, there, *seen, &format!("{of}: {path}"));
                }
            }
        }
        if directory == "sites" && is_shared {
            for list in ["bookings", "transactions", "patients", "specialists"] {
                let asked = clinic.export(list, "ndjson", json!({})).await;
                let whole = listed(&clinic.admin, &clinic.path(&format!("/{list}")), "/id").await;
                match whole {
                    Err(code) => assert_eq!((asked.status, asked.code()), (403, code), "{list}"),
                    Ok(ids) => {
                        let taken = clinic.taken(&clinic.admin, list, "ndjson", json!({})).await;
                        let rows = taken.file.text.lines().map(|row| {
                            let row: Value = serde_json::from_str(row).expect("a row");
                            row["id"].as_str().expect("an id").to_owned()
                        });
                        assert_eq!(rows.collect::<BTreeSet<_>>(), ids, "{scope} {list}");
                    }
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sponsors_people_is_told_nothing_of_single_ones() {
    let portal = Portal::start().await;
    let (service, clinic) = (portal.service("platform").await, portal.clinic().await);
    let there = fed(&service).await;
    clinic.bind(&there[0].site, "owner", true).await.expect(200);
    let ceiling = json!({ "scope": "both", "directory": "platform", "registration": "open", "sites": 9 });
    clinic.allow(json!({ "ceiling": ceiling })).await.expect(200);
    clinic
        .set_access(json!({ "directory": "enrolled" }))
        .await
        .expect(200);

    for (path, answer) in everything_asked(&clinic.admin, &clinic, &there).await {
        for there in &there {
            for secret in [
                &there.patient,
                &there.specialist,
                &there.booking,
                &there.payment,
                &there.patient_name(),
                &there.specialist_name(),
            ] {
                assert!(!answer.text.contains(secret.as_str()), "{path}: {}", answer.text);
            }
        }
    }
    for list in ["bookings", "transactions", "patients", "specialists"] {
        let path = clinic.path(&format!("/{list}"));
        clinic
            .admin
            .get(&path)
            .await
            .expect_problem(403, "privacy_mode_required");
        let export = clinic.export(list, "csv", json!({})).await;
        export.expect_problem(403, "privacy_mode_required");
    }
}

/// What nobody is told without the permission for it, wherever else they may look.
const KEPT: [(Permission, &str, &str); 5] = [
    (Permission::PatientsRead, "a patient's name", "Pelikan"),
    (Permission::PatientsContact, "an address", "@nest.example"),
    (Permission::PatientsContact, "a telephone number", PHONE),
    (Permission::PatientsNotes, "a note", NOTE),
    (Permission::TransactionsRead, "an amount", "918273"),
];

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_tells_what_the_caller_has_no_permission_for() {
    // Given one of everything, and people who may all but one thing, and one who may see money alone
    let portal = Portal::start().await;
    let (service, clinic) = (portal.service("platform").await, portal.clinic().await);
    let there = fed(&service).await;
    clinic.bind(&there[0].site, "owner", true).await.expect(200);
    portal.settle().await.unwrap();
    let but = |kept: Permission| -> Vec<Permission> {
        let all = Permission::ALL.iter().copied();
        all.filter(|permission| *permission != kept).collect()
    };
    let mut roles: Vec<Vec<Permission>> = KEPT.iter().map(|(permission, ..)| but(*permission)).collect();
    roles.dedup();
    roles.push(vec![Permission::TransactionsRead, Permission::ExportsCreate]);

    let mut told = BTreeSet::new();
    for (n, role) in roles.iter().enumerate() {
        let permissions: Vec<&str> = role.iter().map(|permission| permission.as_str()).collect();
        let id = clinic.role(&format!("Role {n}"), &permissions).await;
        let person = clinic.member(&format!("Person{n}"), &id).await;

        // When they ask for everything, and take every list as a file
        let mut answers = everything_asked(&person, &clinic, &there).await;
        for list in ["bookings", "transactions", "patients", "specialists"] {
            let asked = clinic.export_by(&person, list, "ndjson", json!({})).await;
            if asked.status == 202 {
                let taken = clinic.taken(&person, list, "ndjson", json!({})).await;
                answers.push((format!("export of {list}"), taken.file));
            }
        }

        // Then nothing tells what they have no permission for
        for (path, answer) in &answers {
            for (permission, what, secret) in KEPT {
                let is_told = answer.text.contains(secret);
                assert!(
                    !is_told || role.contains(&permission),
                    "{path} tells {what}: {}",
                    answer.text
                );
                if is_told {
                    told.insert(what);
                }
            }
        }
    }
    // And each of them is told to those who have it
    assert_eq!(told.len(), KEPT.len(), "{told:?}");
}
