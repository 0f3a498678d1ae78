//! Sessions: what providers hold and keep, what their plan allows, and what their organization sees of it.

use jiff::{SignedDuration, Timestamp};
use portal_domain::session::LIFETIME;
use portal_local::faults::{Kind, Rule};
use serde_json::{Value, json};

use crate::invariants::Table;
use crate::support::sessions::{SESSIONS, session};
use crate::support::{Clinic, DAY, Person, Portal, SECOND, at_once, fresh_key, insist, seed};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn ids(listed: &[Value]) -> Vec<String> {
    let id = |session: &Value| session["id"].as_str().expect("an id").to_owned();
    listed.iter().map(id).collect()
}

/// The ids of what `person` sees of the clinic's sessions.
async fn seen(clinic: &Clinic<'_>, person: &Person, query: &str) -> Vec<String> {
    ids(&person.all(&clinic.path(&format!("/sessions{query}"))).await)
}

/// Of the sessions in the table, everything is as it must be.
fn all_is_well(portal: &Portal) {
    let violations = Table::read(portal).session_violations();
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

// ---- A session's life -----------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_starts_names_and_ends_a_session() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = clinic.member("Ada", "provider").await;

    // When Ada starts a session
    let started = clinic
        .start(&ada, json!({ "name": "First visit" }))
        .await
        .expect(201);
    assert_eq!(started.header("location"), session(&started, ""));
    let told = started.json();
    assert_eq!(told["organization_id"], clinic.id.to_string());
    assert_eq!(
        (&told["name"], &told["mode"]),
        (&json!("First visit"), &json!("shared_device"))
    );
    assert_eq!(
        (&told["status"], &told["booking_id"]),
        (&json!("active"), &Value::Null)
    );
    let began: Timestamp = told["started_at"].as_str().unwrap().parse().unwrap();
    let expires: Timestamp = told["expires_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(expires.duration_since(began), LIFETIME);

    // And calls it otherwise
    let path = session(&started, "");
    let read = ada.get(&path).await.expect(200);
    assert_eq!(
        (read.text.as_str(), read.etag()),
        (started.text.as_str(), started.etag())
    );
    portal.wait(MINUTE);
    let named = ada
        .patch(&path, &started.etag(), json!({ "name": "Second visit" }))
        .await
        .expect(200);
    assert_eq!(named.text_at("/name"), "Second visit");
    ada.patch(&path, &started.etag(), json!({ "name": null }))
        .await
        .expect_problem(412, "revision_mismatch");
    ada.patch(&path, &named.etag(), json!({ "name": "a\u{202e}b" }))
        .await
        .expect_problem(422, "text_invalid");

    // And ends it, twice
    let ended = ada.post(&session(&started, "/end"), json!({})).await.expect(200);
    assert_eq!(ended.text_at("/status"), "ended");
    let end: Timestamp = ended.text_at("/ended_at").parse().unwrap();
    assert!(end.duration_since(began) >= MINUTE);
    portal.wait(MINUTE);
    let again = ada.post(&session(&started, "/end"), json!({})).await.expect(200);
    assert_eq!(again.text, ended.text);

    // Then it can be named still, and the log has what happened once, without names
    let bare = ada
        .patch(&path, &ended.etag(), json!({ "name": null }))
        .await
        .expect(200);
    assert_eq!(bare.json()["name"], Value::Null);
    let log = format!("/audit-events?object={}", started.id());
    let log = clinic.admin.get(&clinic.path(&log)).await.expect(200);
    let verbs: Vec<Value> = log.items().iter().map(|event| event["verb"].clone()).collect();
    let expected = [
        "session.updated",
        "session.ended",
        "session.updated",
        "session.started",
    ];
    assert_eq!(verbs, expected);
    assert!(!log.text.contains("visit"), "{}", log.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_nobody_ends_expires_after_twelve_hours() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = clinic.member("Ada", "provider").await;
    let started = clinic.start(&ada, json!({})).await.expect(201);
    let status = async |query: &str| ids(&ada.all(&format!("{SESSIONS}?status={query}")).await).len();

    portal.wait(LIFETIME - MINUTE);
    let ada = portal.person("Ada");
    assert_eq!(ada.get(&session(&started, "")).await.text_at("/status"), "active");
    portal.wait(MINUTE);

    assert_eq!(
        ada.get(&session(&started, "")).await.text_at("/status"),
        "expired"
    );
    ada.post(&session(&started, "/end"), json!({}))
        .await
        .expect_problem(409, "session_expired");
    assert_eq!(
        (
            status("active").await,
            status("expired").await,
            status("ended").await
        ),
        (0, 1, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_have_the_mode_of_their_organization_unless_they_say_another() {
    let portal = Portal::start().await;
    let ada = portal.person("Ada");
    let body = json!({ "name": "Riverside", "session_mode": "two_device", "session_sharing": true });
    let made = ada.post("/v1/organizations", body).await.expect(201);
    assert_eq!(
        (
            made.text_at("/session_mode"),
            made.json()["session_sharing"] == true
        ),
        ("two_device".to_owned(), true)
    );
    let clinic = Clinic {
        portal: &portal,
        admin: ada.clone(),
        id: made.id().parse().unwrap(),
    };
    let path = clinic.member_path(&ada);
    let etag = ada.etag(&path).await;
    ada.patch(&path, &etag, json!({ "provides_care": true }))
        .await
        .expect(200);

    let mode = async |more: Value| clinic.start(&ada, more).await.expect(201).text_at("/mode");
    assert_eq!(mode(json!({})).await, "two_device");
    assert_eq!(mode(json!({ "mode": "shared_device" })).await, "shared_device");
    let etag = ada.etag(&clinic.path("")).await;
    let change = json!({ "session_mode": "shared_device" });
    ada.patch(&clinic.path(""), &etag, change).await.expect(200);
    assert_eq!(mode(json!({})).await, "shared_device");
    clinic
        .start(&ada, json!({ "mode": "hologram" }))
        .await
        .expect_problem(422, "fields_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_for_members_who_take_a_seat() {
    // Given an admin without a seat, a viewer and a stranger
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let vera = clinic.member("Vera", "viewer").await;
    let eve = portal.person("Eve");

    clinic
        .start(&clinic.admin, json!({}))
        .await
        .expect_problem(409, "seat_missing");
    clinic
        .start(&vera, json!({}))
        .await
        .expect_problem(403, "permission_missing");
    clinic
        .start(&eve, json!({}))
        .await
        .expect_problem(404, "organization_not_found");
    assert!(
        clinic.store().quota(clinic.id).await.unwrap().is_none(),
        "nothing was taken"
    );

    // Then the admin may, once they provide care
    let path = clinic.member_path(&clinic.admin);
    let etag = clinic.admin.etag(&path).await;
    let care = json!({ "provides_care": true });
    clinic.admin.patch(&path, &etag, care).await.expect(200);
    clinic.start(&clinic.admin, json!({})).await.expect(201);

    // And no longer once their role is another
    let ada = clinic.member("Ada", "provider").await;
    clinic.start(&ada, json!({})).await.expect(201);
    clinic.set_role(&ada, "viewer").await.expect(200);
    clinic
        .start(&ada, json!({}))
        .await
        .expect_problem(403, "permission_missing");
    assert_eq!(clinic.quota().await.used, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_loses_their_seat_while_they_start_holds_no_session() {
    // Given providers who start a session while they are made viewers
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let mut people = Vec::new();
    for name in ["Ada", "Ben", "Cleo", "Dora"] {
        people.push(clinic.member(name, "provider").await);
    }
    let rounds = at_once(people.iter().map(async |person| {
        let (started, _) = tokio::join!(clinic.start(person, json!({})), clinic.set_role(person, "viewer"));
        started
    }))
    .await;

    // Then each began before, or not at all
    let mut begun = 0;
    for started in rounds {
        match started.status {
            201 => begun += 1,
            403 => drop(started.expect_problem(403, "permission_missing")),
            409 => drop(started.expect_problem(409, "seat_missing")),
            other => panic!("{other}: {}", started.text),
        }
    }
    let quota = clinic.store().quota(clinic.id).await.unwrap();
    assert_eq!(quota.map_or(0, |quota| quota.used), begun);
    all_is_well(&portal);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_about_a_booking_that_the_organization_sees_and_that_is_to_come() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("North", "owner").await;
    let other = portal.site("Elsewhere").await;
    let ada = clinic.member("Ada", "provider").await;
    let booking = portal.booking(&site, json!({})).await.id;
    let past = portal.booking(&site, json!({ "status": "fulfilled" })).await.id;
    let foreign = portal.booking(&other, json!({})).await.id;
    clinic.share_sessions(true).await;

    let started = clinic
        .start(&ada, json!({ "booking_id": booking }))
        .await
        .expect(201);
    assert_eq!(started.text_at("/booking_id"), booking.to_string());
    for (booking, status, code) in [(past, 409, "booking_closed"), (foreign, 404, "booking_not_found")] {
        let refused = clinic.start(&ada, json!({ "booking_id": booking })).await;
        let refused = refused.expect_problem(status, code);
        assert_eq!(refused.text_at("/errors/0/pointer"), "/booking_id");
    }
    clinic
        .start(&ada, json!({ "booking_id": "bok_1" }))
        .await
        .expect_problem(422, "id_invalid");
    assert_eq!(clinic.quota().await.used, 1, "what was refused took nothing");

    // Which booking it is, is told to those who see bookings
    let path = clinic.path(&format!("/sessions/{}", started.id()));
    let vera = clinic.member("Vera", "viewer").await;
    assert_eq!(
        clinic.admin.get(&path).await.expect(200).text_at("/booking_id"),
        booking.to_string()
    );
    assert_eq!(
        vera.get(&path).await.expect(200).json()["booking_id"],
        Value::Null
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_start_sent_again_is_one_session() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = clinic.member("Ada", "provider").await;
    let (key, body) = (fresh_key(), clinic.to_start(json!({ "name": "Once" })));

    let answers = at_once((0..8).map(|_| insist(|| ada.post_with_key(SESSIONS, &key, body.clone())))).await;

    let first = answers[0].answer.clone().expect(201);
    assert!(answers.iter().all(|answer| answer.text == first.text));
    assert_eq!(clinic.quota().await.used, 1);
    assert_eq!(ada.all(SESSIONS).await.len(), 1);
    let end = session(&first, "/end");
    let ended = at_once((0..8).map(|_| insist(|| ada.post(&end, json!({}))))).await;
    assert!(ended.iter().all(|answer| answer.status == 200));
    let verbs = clinic.audit_verbs().await;
    assert_eq!(verbs.iter().filter(|verb| *verb == "session.ended").count(), 1);
    all_is_well(&portal);
}

// ---- The plan's quota -----------------------------------------------------------------------------------------

/// Five hundred starts of five people, a hundred at a time, for ten sessions that are left; how many were told that they began.
async fn five_hundred_starts(portal: &Portal) -> (usize, Clinic<'_>, Person) {
    let clinic = portal.clinic().await;
    let mut people = Vec::new();
    for number in 0..5 {
        people.push(clinic.member(&format!("P{number}"), "provider").await);
    }
    clinic.start(&people[0], json!({})).await.expect(201);
    clinic.allow(json!({ "session_limit": 11 })).await.expect(200);
    let mut begun = 0;
    for _ in 0..5 {
        let starts = (0..100).map(|number| clinic.start(&people[number % people.len()], json!({})));
        for answer in at_once(starts).await {
            match answer.status {
                201 => begun += 1,
                // Whoever finds no turn in the time that there is for an answer.
                503 => drop(answer.expect_problem(503, "busy")),
                _ => drop(answer.expect_problem(409, "session_quota_reached")),
            }
        }
    }
    (begun, clinic, people.remove(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_five_hundred_starts_for_ten_that_are_left_ten_succeed() {
    let portal = Portal::start().await;

    let (begun, clinic, provider) = five_hundred_starts(&portal).await;

    let quota = clinic.quota().await;
    assert_eq!((begun, quota.used, quota.limit), (10, 11, 11));
    clinic.share_sessions(true).await;
    assert_eq!(seen(&clinic, &clinic.admin, "").await.len(), 11);
    let refused = clinic.start(&provider, json!({})).await;
    refused.expect_problem(409, "session_quota_reached");
    all_is_well(&portal);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_succeed_where_transactions_meet() {
    // Given a table that cancels transactions which overlap in an item, as the cloud's does
    let portal = Portal::start().await;
    let rules = vec![
        Rule::new(Kind::Delay, 0.5).lasting(3),
        Rule::new(Kind::Conflict, 0.2).lasting(5),
    ];
    portal.faults.set(seed(), rules);

    let (begun, clinic, provider) = five_hundred_starts(&portal).await;
    portal.faults.clear();

    // Then what was begun is what is counted, and what is left can be had
    let used = clinic.quota().await.used;
    assert!(begun <= 10 && used <= 11, "{begun} begun, {used} used");
    for _ in used..11 {
        clinic.start(&provider, json!({})).await.expect(201);
    }
    let refused = clinic.start(&provider, json!({})).await;
    refused.expect_problem(409, "session_quota_reached");
    clinic.share_sessions(true).await;
    assert_eq!(seen(&clinic, &clinic.admin, "").await.len(), 11);
    all_is_well(&portal);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_take_no_session_twice() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = clinic.member("Ada", "provider").await;
    clinic.allow(json!({ "session_limit": 8 })).await.expect(200);
    let rules = vec![Rule::new(Kind::LostAnswer, 0.3), Rule::new(Kind::Throttle, 0.2)];
    portal.faults.set(seed(), rules);

    let starts = at_once((0..12).map(async |_| {
        let (key, body) = (fresh_key(), clinic.to_start(json!({})));
        insist(|| ada.post_with_key(SESSIONS, &key, body.clone())).await
    }))
    .await;

    portal.faults.clear();
    let begun = starts.iter().filter(|answer| answer.status == 201).count();
    let refused = starts.iter().filter(|answer| answer.status == 409).count();
    assert_eq!((begun, refused), (8, 4));
    assert_eq!(clinic.quota().await.used, 8);
    assert_eq!(ada.all(SESSIONS).await.len(), 8);
    all_is_well(&portal);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_of_utc_begins_once_whoever_is_first() {
    // Given a plan whose sessions of this month are used, in an organization on the other side of the date line
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let etag = clinic.admin.etag(&clinic.path("")).await;
    let zone = json!({ "time_zone": "Pacific/Kiritimati" });
    clinic
        .admin
        .patch(&clinic.path(""), &etag, zone)
        .await
        .expect(200);
    let ada = clinic.member("Ada", "provider").await;
    clinic.allow(json!({ "session_limit": 3 })).await.expect(200);
    for _ in 0..3 {
        clinic.start(&ada, json!({})).await.expect(201);
    }
    let month = clinic.quota().await.month;

    // When the last minute of the month is there
    portal.wait(month.ends_at().duration_since(portal.clock.now()) - MINUTE);
    let ada = portal.person("Ada");
    clinic
        .start(&ada, json!({}))
        .await
        .expect_problem(409, "session_quota_reached");

    // And, a little later, many start
    portal.wait(MINUTE);
    let starts = at_once((0..12).map(|_| insist(|| clinic.start(&ada, json!({}))))).await;

    // Then the new month has its own three, counted from the first on
    let begun = starts.iter().filter(|answer| answer.status == 201).count();
    let refused = starts.iter().filter(|answer| answer.status == 409).count();
    assert_eq!((begun, refused), (3, 9));
    let next = clinic.quota().await;
    assert!(next.month > month);
    assert_eq!((next.used, next.limit), (3, 3));

    // And the operator sees it, and allows more
    let told = portal
        .operator()
        .get(&clinic.allowance())
        .await
        .expect(200)
        .json();
    assert_eq!(
        told["sessions"],
        json!({ "month": next.month.to_string(), "used": 3, "limit": 3 })
    );
    let told = clinic
        .allow(json!({ "session_limit": 4 }))
        .await
        .expect(200)
        .json();
    assert_eq!(told["sessions"]["limit"], 4);
    clinic.start(&ada, json!({})).await.expect(201);
    clinic
        .start(&ada, json!({}))
        .await
        .expect_problem(409, "session_quota_reached");
    clinic
        .allow(json!({ "session_limit": 100_000_001 }))
        .await
        .expect_problem(422, "limit_exceeded");
    all_is_well(&portal);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_without_sessions_lets_nobody_start_one() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = clinic.member("Ada", "provider").await;
    clinic.allow(json!({ "session_limit": 0 })).await.expect(200);
    clinic
        .start(&ada, json!({}))
        .await
        .expect_problem(409, "session_quota_reached");
    portal.wait(DAY * 40);
    let ada = portal.person("Ada");
    clinic
        .start(&ada, json!({}))
        .await
        .expect_problem(409, "session_quota_reached");
}

// ---- What the organization sees -------------------------------------------------------------------------------

/// A clinic that shares, with three sessions of Ada's and one of Ben's: the first has expired, the second was ended, the third
/// and Ben's go on. Their ids in the order in which they began.
async fn busy(clinic: &Clinic<'_>) -> (Person, Person, Vec<String>) {
    let portal = clinic.portal;
    let (ada, ben) = (
        clinic.member("Ada", "provider").await,
        clinic.member("Ben", "provider").await,
    );
    clinic.share_sessions(true).await;
    let expired = clinic
        .start(&ada, json!({ "name": "Mia Berg, knee" }))
        .await
        .expect(201);
    portal.wait(LIFETIME);
    // Their tokens are over by then.
    let (ada, ben) = (portal.person(&ada.name), portal.person(&ben.name));
    let two = json!({ "mode": "two_device", "name": "Jonas Weber" });
    let ended = clinic.start(&ada, two).await.expect(201);
    portal.wait(MINUTE * 50);
    ada.post(&session(&ended, "/end"), json!({})).await.expect(200);
    let active = clinic.start(&ada, json!({})).await.expect(201);
    portal.wait(SECOND);
    let bens = clinic
        .start(&ben, json!({ "mode": "two_device" }))
        .await
        .expect(201);
    let all = [expired, ended, active, bens].map(|answer| answer.id());
    (ada, ben, all.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_that_shares_filters_its_sessions_and_never_learns_their_names() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (ada, ben, all) = busy(&clinic).await;
    let vera = clinic.member("Vera", "viewer").await;
    let admin = portal.person("Dana");
    let [expired, ended, active, bens] = [0, 1, 2, 3].map(|place: usize| all[place].clone());

    // Newest first, by all that they are filtered by
    let began = clinic
        .store()
        .own_session(ada.account, active.parse().unwrap())
        .await
        .unwrap()
        .unwrap()
        .started_at;
    for (query, expected) in [
        (String::new(), vec![&bens, &active, &ended, &expired]),
        ("?status=active".to_owned(), vec![&bens, &active]),
        ("?status=ended".to_owned(), vec![&ended]),
        ("?status=expired".to_owned(), vec![&expired]),
        ("?mode=two_device".to_owned(), vec![&bens, &ended]),
        ("?mode=two_device&status=active".to_owned(), vec![&bens]),
        (
            format!("?provider_id={}", ada.account),
            vec![&active, &ended, &expired],
        ),
        (format!("?provider_id={}&status=ended", ada.account), vec![&ended]),
        (format!("?provider_id={}", vera.account), vec![]),
        (format!("?from={began}"), vec![&bens, &active]),
        (format!("?until={began}"), vec![&ended, &expired]),
        (format!("?from={began}&until={}", began + SECOND), vec![&active]),
        (format!("?status=expired&from={began}"), vec![]),
    ] {
        let expected: Vec<String> = expected.into_iter().cloned().collect();
        assert_eq!(seen(&clinic, &vera, &query).await, expected, "{query}");
        // Page by page it is the same
        let joint = if query.is_empty() { "?" } else { "&" };
        assert_eq!(
            seen(&clinic, &vera, &format!("{query}{joint}limit=1")).await,
            expected,
            "{query}"
        );
    }
    for query in [
        "status=over",
        "mode=phone",
        "provider_id=ada",
        "from=now",
        "from=2026-05-05T00:00:00Z&until=2026-05-05T00:00:00Z",
        "name=Mia",
    ] {
        let path = clinic.path(&format!("/sessions?{query}"));
        vera.get(&path).await.expect_problem(400, "query_invalid");
    }

    // Each with who held it and when, to the minute, and without its name
    let list = vera.get(&clinic.path("/sessions")).await.expect(200);
    assert_eq!(list.json()["hidden"], Value::Null);
    let told = list
        .items()
        .into_iter()
        .find(|told| told["id"] == ended.as_str())
        .unwrap();
    let one = vera
        .get(&clinic.path(&format!("/sessions/{ended}")))
        .await
        .expect(200);
    assert_eq!(one.json(), told);
    assert_eq!(
        told["provider"],
        json!({ "id": ada.account.to_string(), "name": "Ada" })
    );
    let [start, end] =
        ["started_at", "ended_at"].map(|name| told[name].as_str().unwrap().parse::<Timestamp>().unwrap());
    assert_eq!((start.as_second() % 60, end.as_second() % 60), (0, 0));
    // Time goes on while the test does.
    assert!((50..=51).contains(&end.duration_since(start).as_mins()));
    for text in [&list.text, &one.text] {
        assert!(
            !text.contains("Mia") && !text.contains("Jonas") && !text.contains("\"name\":\"J"),
            "{text}"
        );
    }
    // A list is one round trip for whoever was active this hour
    let list = admin.get(&clinic.path("/sessions")).await.expect(200);
    assert!(!list.text.contains("Mia"));

    // And a file has what the list has
    let taken = clinic
        .taken(&admin, "sessions", "ndjson", json!({ "status": "ended" }))
        .await;
    let line: Value = serde_json::from_str(taken.file.text.trim()).unwrap();
    assert_eq!(
        line,
        admin
            .get(&clinic.path(&format!("/sessions/{ended}")))
            .await
            .json()
    );
    assert!(!taken.file.text.contains("Jonas"));

    // To strangers, to providers, and under another organization, they are not there
    let path = clinic.path(&format!("/sessions/{bens}"));
    for person in [&ada, &ben] {
        person.get(&path).await.expect_problem(403, "permission_missing");
        person
            .get(&clinic.path("/sessions"))
            .await
            .expect_problem(403, "permission_missing");
    }
    portal
        .person("Eve")
        .get(&path)
        .await
        .expect_problem(404, "organization_not_found");
    let hillside = Clinic::of(&portal, portal.person("Hana"), "Hillside").await;
    hillside.share_sessions(true).await;
    hillside
        .admin
        .get(&hillside.path(&format!("/sessions/{bens}")))
        .await
        .expect_problem(404, "session_not_found");
    assert_eq!(seen(&hillside, &hillside.admin, "").await, [] as [String; 0]);
    for (person, session) in [(&ben, &active), (&admin, &active), (&hillside.admin, &bens)] {
        let own = format!("{SESSIONS}/{session}");
        person.get(&own).await.expect_problem(404, "session_not_found");
        person
            .post(&format!("{own}/end"), json!({}))
            .await
            .expect_problem(404, "session_not_found");
        let change = json!({ "name": "Mine" });
        person
            .patch(&own, "\"1\"", change)
            .await
            .expect_problem(404, "session_not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_that_does_not_share_learns_numbers_and_why() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (ada, _, all) = busy(&clinic).await;
    let admin = portal.person("Dana");
    let file = clinic
        .export_by(&admin, "sessions", "csv", json!({}))
        .await
        .expect(202)
        .id();
    portal.settle().await.expect("all is delivered");

    // When sharing is turned off
    clinic.share_sessions(false).await;

    // Then the list tells how many there are, and nothing else
    let hidden = async |query: &str| {
        let list = admin
            .get(&clinic.path(&format!("/sessions{query}")))
            .await
            .expect(200);
        assert_eq!((list.items(), list.next_cursor()), (Vec::new(), None));
        let told = list.json();
        assert_eq!(told["hidden"]["reason"], "session_sharing_off");
        for id in &all {
            assert!(!list.text.contains(id.as_str()));
        }
        assert!(!list.text.contains("acc_"), "{}", list.text);
        let counts = &told["hidden"]["counts"];
        assert_eq!(counts["is_at_least"], false);
        ["active", "ended", "expired"].map(|status| counts[status].as_u64().unwrap())
    };
    assert_eq!(hidden("").await, [2, 1, 1]);
    assert_eq!(hidden("?limit=1").await, [2, 1, 1]);
    assert_eq!(hidden("?status=ended").await, [0, 1, 0]);
    assert_eq!(hidden("?status=expired").await, [0, 0, 1]);
    assert_eq!(hidden("?mode=two_device").await, [1, 1, 0]);

    // And no single session, no single provider, and no file, also not the one from before
    let of_one = clinic.path(&format!("/sessions?provider_id={}", ada.account));
    admin
        .get(&of_one)
        .await
        .expect_problem(403, "session_sharing_off");
    for id in all
        .iter()
        .map(String::as_str)
        .chain(["ses_0192f0c1-2b3c-7d4e-8f50-61728394a5b6"])
    {
        let path = clinic.path(&format!("/sessions/{id}"));
        admin.get(&path).await.expect_problem(403, "session_sharing_off");
    }
    let asked = clinic.export_by(&admin, "sessions", "csv", json!({})).await;
    asked.expect_problem(403, "session_sharing_off");
    let file = admin.get(&clinic.export_path(&file)).await.expect(200).json();
    assert_eq!(
        (&file["status"], &file["links"]),
        (&json!("outdated"), &Value::Null)
    );

    // While the provider sees their own as before
    assert_eq!(ada.all(SESSIONS).await.len(), 3);

    // And when it shares again, earlier ones are there too
    clinic.share_sessions(true).await;
    assert_eq!(seen(&clinic, &admin, "").await.len(), 4);
}

// ---- Whose they are -------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_of_several_organizations_has_all_sessions_in_one_list() {
    let portal = Portal::start().await;
    let (one, two) = (
        portal.clinic().await,
        Clinic::of(&portal, portal.person("Hana"), "Hillside").await,
    );
    let ada = one.member("Ada", "provider").await;
    two.join(&ada, "provider").await;
    let first = one.start(&ada, json!({ "name": "Here" })).await.expect(201).id();
    portal.wait(SECOND);
    let second = two
        .start(&ada, json!({ "mode": "two_device" }))
        .await
        .expect(201)
        .id();
    let own = async |query: &str| ids(&ada.all(&format!("{SESSIONS}{query}")).await);

    assert_eq!(own("").await, [second.clone(), first.clone()]);
    assert_eq!(own("?limit=1").await, [second.clone(), first.clone()]);
    let of_one = own(&format!("?organization_id={}", one.id)).await;
    assert_eq!(of_one, std::slice::from_ref(&first));
    assert_eq!(own("?mode=two_device").await, [second]);
    assert_eq!(own("?status=active&mode=shared_device").await, [first]);
    ada.get(&format!("{SESSIONS}?provider_id={}", ada.account))
        .await
        .expect_problem(400, "query_invalid");
    ada.get(&format!("{SESSIONS}?organization_id=here"))
        .await
        .expect_problem(400, "query_invalid");
    // Each organization has its own quota
    assert_eq!((one.quota().await.used, two.quota().await.used), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_or_is_removed_keeps_their_sessions_and_so_does_the_organization() {
    // Given a provider who leaves, and one who is removed, both within a session
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (ada, ben, all) = busy(&clinic).await;
    ada.post(&clinic.path("/leave"), json!({})).await.expect(204);
    let admin = portal.person("Dana");
    let path = clinic.member_path(&ben);
    let etag = admin.etag(&path).await;
    admin.delete(&path, &etag).await.expect(204);

    // Then each has their own, and ends what goes on
    for (person, kept, open) in [(&ada, 3, &all[2]), (&ben, 1, &all[3])] {
        assert_eq!(person.all(SESSIONS).await.len(), kept);
        let path = format!("{SESSIONS}/{open}");
        person.get(&path).await.expect(200);
        person.post(&format!("{path}/end"), json!({})).await.expect(200);
        clinic
            .start(person, json!({}))
            .await
            .expect_problem(404, "organization_not_found");
        person
            .get(&clinic.path("/sessions"))
            .await
            .expect_problem(404, "organization_not_found");
    }
    let named = ada.get(&format!("{SESSIONS}/{}", all[0])).await.expect(200);
    assert_eq!(named.text_at("/name"), "Mia Berg, knee");

    // And the organization sees what was held for it
    assert_eq!(seen(&clinic, &admin, "").await.len(), 4);
    let of_ben = format!("?provider_id={}&status=ended", ben.account);
    assert_eq!(seen(&clinic, &admin, &of_ben).await, [all[3].clone()]);
    let told = admin
        .get(&clinic.path(&format!("/sessions/{}", all[3])))
        .await
        .expect(200);
    assert_eq!(told.text_at("/provider/name"), "Ben");
    let log = format!("/audit-events?object={}&verb=session.ended", all[3]);
    let log = admin.get(&clinic.path(&log)).await.expect(200);
    assert_eq!(
        log.items()[0]["actor"]["role"],
        Value::Null,
        "nobody's role is told who has none"
    );
    all_is_well(&portal);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_end_of_the_organization_its_providers_have_their_sessions_and_nobody_else() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (_, _, all) = busy(&clinic).await;
    let admin = portal.person("Dana");
    let body = json!({ "name": "Riverside Family Practice", "remove_members": true });
    admin.post(&clinic.path("/dissolution"), body).await.expect(200);
    let ada = portal.person("Ada");
    clinic
        .start(&ada, json!({}))
        .await
        .expect_problem(409, "organization_dissolving");
    admin
        .get(&clinic.path("/sessions"))
        .await
        .expect_problem(409, "organization_dissolving");
    portal.wait(DAY * 31);
    portal.run_job("finish-dissolutions").await.unwrap().unwrap();

    let (ada, admin) = (portal.person("Ada"), portal.person("Dana"));
    assert_eq!(ada.all(SESSIONS).await.len(), 3);
    let kept = ada.get(&format!("{SESSIONS}/{}", all[1])).await.expect(200);
    assert_eq!(kept.text_at("/name"), "Jonas Weber");
    let (path, etag) = (format!("{SESSIONS}/{}", all[1]), kept.etag());
    ada.patch(&path, &etag, json!({ "name": "J." })).await.expect(200);
    for path in ["/sessions".to_owned(), format!("/sessions/{}", all[1])] {
        admin
            .get(&clinic.path(&path))
            .await
            .expect_problem(404, "organization_not_found");
    }
    admin
        .get(&format!("{SESSIONS}/{}", all[1]))
        .await
        .expect_problem(404, "session_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_named_and_ended_at_once_is_both_or_told_of() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = clinic.member("Ada", "provider").await;
    for _ in 0..6 {
        let started = clinic.start(&ada, json!({})).await.expect(201);
        let (path, end) = (session(&started, ""), session(&started, "/end"));
        let etag = started.etag();
        let name = insist(|| ada.patch(&path, &etag, json!({ "name": "Named" })));
        let (named, ended) = tokio::join!(name, insist(|| ada.post(&end, json!({}))));

        assert_eq!(ended.status, 200, "{}", ended.text);
        let left = ada.get(&path).await.expect(200);
        assert_eq!(left.text_at("/status"), "ended");
        match named.status {
            200 => assert_eq!(left.text_at("/name"), "Named"),
            _ => drop(named.answer.clone().expect_problem(412, "revision_mismatch")),
        }
    }
    all_is_well(&portal);
}
