//! Bookings: which ones are listed to whom, what is told of them, and what is asked of their source.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use portal_domain::booking::{Booking, BookingQuery, Modality, OVERDUE_AFTER, Order, Status, Tab};
use portal_domain::id::{BookingId, PatientId, SiteId, SpecialistId};
use rand::prelude::IndexedRandom;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::support::{Answer, Clinic, DAY, Person, Portal, at_once, fresh_key, rounds, seed};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn path(clinic: &Clinic<'_>, booking: &Booking) -> String {
    clinic.path(&format!("/bookings/{}", booking.id))
}

fn ids(items: &[Value]) -> Vec<String> {
    let id = |item: &Value| item["id"].as_str().expect("an id").to_owned();
    items.iter().map(id).collect()
}

async fn listed(person: &Person, clinic: &Clinic<'_>, query: &str) -> Vec<String> {
    ids(&person.all(&clinic.path(&format!("/bookings{query}"))).await)
}

/// Asks for a change of a booking that was seen as `etag`.
async fn ask(person: &Person, clinic: &Clinic<'_>, booking: &Booking, etag: &str, body: &Value) -> Answer {
    let path = format!("{}/transitions", path(clinic, booking));
    person
        .request(reqwest::Method::POST, &path)
        .header("idempotency-key", &fresh_key())
        .header("if-match", etag)
        .json(body)
        .send()
        .await
}

/// Somebody with a custom role of these permissions, at all sites or at some.
async fn holder(clinic: &Clinic<'_>, name: &str, permissions: &[&str], sites: Option<&[&str]>) -> Person {
    let body = json!({ "name": name, "permissions": permissions, "sites": sites });
    let role = clinic
        .admin
        .post(&clinic.path("/roles"), body)
        .await
        .expect(201)
        .id();
    clinic.member(name, &role).await
}

// ---- What is told ---------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_is_told_with_all_that_it_has_been() {
    // Given a booking that was proposed, agreed to, and cancelled three hours before its start
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let waiting = json!({ "patient": "needs-action", "specialist": "accepted" });
    let agreed = json!({ "patient": "accepted", "specialist": "accepted" });
    let expires_at = portal.clock.now() + HOUR * 12;
    let proposed = portal
        .booking(
            &site,
            json!({ "status": "proposed", "participants": waiting, "expires_at": expires_at }),
        )
        .await;
    let details = clinic.admin.get(&path(&clinic, &proposed)).await.expect(200);
    assert_eq!(details.etag(), "\"1\"");
    assert_eq!(
        (
            details.text_at("/status"),
            details.text_at("/participants/patient")
        ),
        ("proposed".to_owned(), "needs-action".to_owned())
    );
    assert!(details.json()["expires_at"].is_string());

    let line = portal.next_line(&proposed).await;
    let booked = line
        .say(json!({ "status": "booked", "participants": agreed }))
        .tell()
        .await;
    portal.wait(HOUR * 21);
    let line = portal.next_line(&booked).await;
    line.say(json!({ "status": "cancelled", "status_by": "patient", "status_reason": "pat-cpp" }))
        .tell()
        .await;

    // When its reader asks for it, then all of that is told
    let details = clinic.admin.get(&path(&clinic, &proposed)).await.expect(200);
    assert_eq!(details.etag(), "\"3\"");
    let told = details.json();
    let history: Vec<&str> = told["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["status"].as_str().unwrap())
        .collect();
    assert_eq!(history, ["proposed", "booked", "cancelled"]);
    assert_eq!(told["history"][2]["reason"], "pat-cpp");
    let cancellation = &told["cancellation"];
    assert_eq!(
        (
            &cancellation["by"],
            &cancellation["reason"],
            &cancellation["late"]
        ),
        (&json!("patient"), &json!("pat-cpp"), &json!(true))
    );
    assert_eq!(
        (
            &told["tab"],
            &told["patient"]["name"],
            &told["specialist"]["name"]
        ),
        (&json!("past"), &json!("Jonas Weber"), &json!("Lena Brandt"))
    );
    assert_eq!(told["price"], json!({ "amount_minor": 9_000, "currency": "EUR" }));
    assert_eq!(
        (&told["expires_at"], &told["requested"], &told["sponsored"]),
        (&Value::Null, &Value::Null, &json!(false))
    );

    // And the list has it once, as it is now
    let list = clinic
        .admin
        .get(&clinic.path("/bookings"))
        .await
        .expect(200)
        .items();
    assert_eq!(ids(&list), [proposed.id.to_string()]);
    assert_eq!(
        (&list[0]["status"], &list[0]["tab"], &list[0]["price"]["currency"]),
        (&json!("cancelled"), &json!("past"), &json!("EUR"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rescheduled_booking_and_its_successor_name_each_other() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let mia = portal.named_patient("Mia Berg");
    let old = portal.line(&site).await.of(&mia).tell().await;
    let line = portal.next_line(&old).await;
    let old = line
        .say(json!({ "status": "cancelled", "status_by": "patient", "status_reason": "rescheduled" }))
        .tell()
        .await;
    let new = portal.line(&site).await.of(&mia).in_place_of(&old).tell().await;

    let told = |booking: Booking| {
        let (admin, path) = (&clinic.admin, path(&clinic, &booking));
        async move { admin.get(&path).await.expect(200).json() }
    };
    assert_eq!(told(old.clone()).await["replaced_by"], new.id.to_string());
    assert_eq!(told(new.clone()).await["replaces"], old.id.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn long_texts_are_cut_in_lists_and_whole_in_the_booking() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let service = "Physiotherapy after an operation of the knee, with exercises for home and the office";
    let booking = portal.booking(&site, json!({ "service": service })).await;
    let whole = clinic.admin.get(&path(&clinic, &booking)).await.expect(200);
    assert_eq!(whole.text_at("/service"), service);
    let list = clinic.admin.get(&clinic.path("/bookings")).await.expect(200);
    let cut = list.text_at("/items/0/service");
    assert!(
        cut.ends_with('…') && service.starts_with(cut.trim_end_matches('…')),
        "{cut}"
    );
}

// ---- Tabs, filters, pages -------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_alone_makes_a_booking_overdue() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let booking = portal.booking(&site, json!({})).await;
    let id = booking.id.to_string();
    let tabs = || async {
        let mut found = Vec::new();
        for tab in Tab::ALL {
            let of_tab = listed(&clinic.admin, &clinic, &format!("?tab={}", tab.as_str())).await;
            found.extend(of_tab.contains(&id).then_some(tab.as_str()));
        }
        let details = clinic.admin.get(&path(&clinic, &booking)).await.expect(200);
        assert_eq!(found, [details.text_at("/tab")]);
        found.concat()
    };

    assert_eq!(tabs().await, "active");
    portal.wait(DAY + OVERDUE_AFTER);
    assert_eq!(tabs().await, "active", "it lasts fifty minutes");
    portal.wait(HOUR);
    assert_eq!(tabs().await, "overdue");
    let line = portal.next_line(&booking).await;
    line.say(json!({ "status": "fulfilled" })).tell().await;
    assert_eq!(tabs().await, "past");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_without_a_time_comes_last_and_in_no_range() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let untimed = json!({ "status": "waitlist", "start": null, "end": null });
    let untimed = portal.booking(&site, untimed).await.id.to_string();
    let timed = portal.booking(&site, json!({})).await.id.to_string();

    let all = || async { listed(&clinic.admin, &clinic, "?tab=active&limit=1").await };
    assert_eq!(all().await, [timed.clone(), untimed.clone()]);
    let from = portal.clock.now();
    assert_eq!(
        listed(&clinic.admin, &clinic, &format!("?tab=active&from={from}")).await,
        [timed]
    );
    assert_eq!(
        listed(&clinic.admin, &clinic, "?status=waitlist").await,
        [untimed]
    );
}

/// An organization at three sites, one of them in four partitions, and a fourth site that is not its own.
struct Network<'a> {
    clinic: Clinic<'a>,
    sites: [SiteId; 3],
    patients: Vec<PatientId>,
    specialists: Vec<SpecialistId>,
    /// All bookings, those of the fourth site among them.
    bookings: Vec<Booking>,
}

async fn network<'a>(portal: &'a Portal, random: &mut StdRng) -> Network<'a> {
    let clinic = portal.clinic().await;
    let (first, second) = (clinic.bound("A", "owner").await, clinic.bound("B", "owner").await);
    let hot = json!({ "name": "Hot", "shards": 4 });
    let hot = portal
        .operator()
        .post("/v1/platform/sites", hot)
        .await
        .expect(201)
        .id();
    clinic.bind(&hot, "owner", true).await.expect(200);
    let foreign = portal.site("Elsewhere").await;
    let patients = ["Jonas Weber", "Fatima Haddad", "Oskar Lind"].map(|name| portal.named_patient(name));
    let specialists = ["Lena Brandt", "Tomás Herrera"].map(|name| portal.named_specialist(name));

    let now = portal.clock.now();
    let mut bookings = Vec::new();
    for number in 0..rounds(60) {
        let site = [&first, &second, &hot, &hot, &foreign][number % 5];
        let status = *Status::ALL.choose(random).unwrap();
        // Some at the same instant, none near the instant at which the tab changes.
        let start = now + HOUR * random.random_range(-9..9) * 7;
        let is_timed = !status.may_lack_time() || random.random_bool(0.7);
        let (start, end) = (json!(start), json!(start + HOUR / 2));
        let line = portal.line(site).await.say(json!({
            "status": status, "status_by": "system", "status_reason": "so_it_is",
            "modality": Modality::ALL.choose(random).unwrap(),
            "start": if is_timed { &start } else { &Value::Null }, "end": if is_timed { &end } else { &Value::Null },
        }));
        let line = line
            .of(patients.choose(random).unwrap())
            .with(specialists.choose(random).unwrap());
        bookings.push(line.tell().await);
    }
    let id = |site: &str| site.parse().unwrap();
    Network {
        clinic,
        sites: [id(&first), id(&second), id(&hot)],
        patients: patients.map(|patient| patient.id).to_vec(),
        specialists: specialists.map(|specialist| specialist.id).to_vec(),
        bookings,
    }
}

impl Network<'_> {
    /// The bookings that are wanted and the organization's to see, in the order of the list.
    fn wanted(&self, query: &BookingQuery, now: Timestamp) -> Vec<String> {
        let is_ours = |booking: &&Booking| self.sites.contains(&booking.site);
        let mut found: Vec<(Option<Timestamp>, BookingId)> = self
            .bookings
            .iter()
            .filter(|booking| is_ours(booking) && query.matches(booking, now))
            .map(|booking| (booking.start(), booking.id))
            .collect();
        // Those without a time come behind all that have one.
        found.sort_by_key(|(start, id)| (start.unwrap_or(Timestamp::MAX), id.to_string()));
        if query.order() == Order::Descending {
            found.reverse();
        }
        found.into_iter().map(|(_, id)| id.to_string()).collect()
    }

    fn some_query(&self, random: &mut StdRng, now: Timestamp) -> BookingQuery {
        let hours = |random: &mut StdRng| now + HOUR * random.random_range(-70..70);
        let from = random.random_bool(0.3).then(|| hours(random));
        let until = random
            .random_bool(0.3)
            .then(|| hours(random))
            .filter(|until| from < Some(*until));
        let statuses = random
            .random_bool(0.3)
            .then(|| Status::ALL.sample(random, 3).copied().collect());
        BookingQuery {
            tab: random.random_bool(0.7).then(|| *Tab::ALL.choose(random).unwrap()),
            statuses: statuses.unwrap_or_default(),
            from,
            until,
            patient: self
                .patients
                .choose(random)
                .copied()
                .filter(|_| random.random_bool(0.3)),
            specialist: self
                .specialists
                .choose(random)
                .copied()
                .filter(|_| random.random_bool(0.3)),
            site: self
                .sites
                .choose(random)
                .copied()
                .filter(|_| random.random_bool(0.3)),
            modality: Modality::ALL
                .choose(random)
                .copied()
                .filter(|_| random.random_bool(0.3)),
        }
    }
}

/// A query as it is sent.
fn sent(query: &BookingQuery) -> String {
    let statuses: Vec<&str> = query.statuses.iter().map(|status| status.as_str()).collect();
    let parts = [
        ("tab", query.tab.map(|tab| tab.as_str().to_owned())),
        ("status", (!statuses.is_empty()).then(|| statuses.join(","))),
        ("from", query.from.map(|from| from.to_string())),
        ("until", query.until.map(|until| until.to_string())),
        ("patient_id", query.patient.map(|id| id.to_string())),
        ("specialist_id", query.specialist.map(|id| id.to_string())),
        ("site_id", query.site.map(|id| id.to_string())),
        (
            "modality",
            query.modality.map(|modality| modality.as_str().to_owned()),
        ),
    ];
    let parts = parts
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", value?)));
    parts.collect::<Vec<_>>().join("&")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_what_its_query_means_without_gaps_or_repetitions() {
    // Given bookings of all sorts at several sites, in several partitions, and at a site that is not the organization's
    let portal = Portal::start().await;
    let mut random = StdRng::seed_from_u64(seed());
    let network = network(&portal, &mut random).await;
    let clinic = &network.clinic;
    // The specialists of these sites are the organization's to see, as owners' are.
    let now = portal.clock.now();

    // When they are asked for in many ways and in pages of any size
    let mut found = 0;
    for _ in 0..rounds(30) {
        let query = network.some_query(&mut random, now);
        let limit = random.random_range(2..9);
        let list = listed(&clinic.admin, clinic, &format!("?limit={limit}&{}", sent(&query))).await;

        // Then the list is what the query means, in its order
        assert_eq!(list, network.wanted(&query, now), "{query:?} by {limit}");
        found += list.len();
    }
    assert!(found > 20, "{found} found");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_may_change_their_size_and_go_on_where_the_last_one_ended() {
    let portal = Portal::start().await;
    let mut random = StdRng::seed_from_u64(seed());
    let network = network(&portal, &mut random).await;
    let clinic = &network.clinic;
    for tab in ["", "tab=active&", "tab=overdue&", "tab=past&"] {
        let whole = listed(&clinic.admin, clinic, &format!("?{tab}limit=100")).await;
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        for limit in [1, 3, 2].into_iter().cycle() {
            let query = clinic.path(&format!("/bookings?{tab}limit={limit}{cursor}"));
            let page = clinic.admin.get(&query).await.expect(200);
            assert!(page.items().len() <= limit);
            seen.extend(ids(&page.items()));
            match page.next_cursor() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, whole, "{tab}");
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), whole.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_means_nothing_is_refused_and_not_repeated() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    clinic.bound("Lakeside", "owner").await;
    let now = portal.clock.now();
    let earlier = now - HOUR;
    for query in [
        "tab=all",
        "tab=",
        "tab=active&tab=past",
        "status=",
        "status=booked,",
        "status=no-show",
        "status=booked;arrived",
        "status=booked%20OR%201%3D1",
        "from=yesterday",
        "from=2026-05-04",
        "from=1777885200",
        &format!("from={now}&until={earlier}"),
        "patient_id=secret",
        "patient_id=PAT_0192f0c1-2b3c-7d4e-8f50-61728394a5b6",
        "specialist_id=pat_0192f0c1-2b3c-7d4e-8f50-61728394a5b6",
        "site_id=%23SITE",
        "modality=in-person",
        "modality=video%00",
        "sort=start",
        "organization_id=x",
        "limit=0",
        "limit=101",
        "cursor=secret",
    ] {
        let answer = clinic
            .admin
            .get(&clinic.path(&format!("/bookings?{query}")))
            .await;
        let code = if query.starts_with("cursor") {
            "cursor_invalid"
        } else {
            "query_invalid"
        };
        let answer = answer.expect_problem(400, code);
        assert!(!answer.text.contains("secret"), "{}", answer.text);
    }
    // Times far away are times.
    for query in [
        "from=0001-01-01T00:00:00Z",
        "until=9999-12-30T00:00:00Z",
        "until=1960-01-01T00:00:00Z",
    ] {
        clinic
            .admin
            .get(&clinic.path(&format!("/bookings?{query}")))
            .await
            .expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_good_for_its_list_and_its_configuration_only() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    for _ in 0..3 {
        portal.booking(&site, json!({})).await;
    }
    let page = clinic
        .admin
        .get(&clinic.path("/bookings?tab=active&limit=1"))
        .await
        .expect(200);
    let cursor = page.next_cursor().unwrap();
    for telling in ["SITE", "bok_", "last"] {
        assert!(!cursor.contains(telling));
    }
    clinic
        .admin
        .get(&clinic.path(&format!("/bookings?tab=past&limit=1&cursor={cursor}")))
        .await
        .expect_problem(400, "cursor_invalid");
    clinic.bound("Hillside", "owner").await;
    clinic
        .admin
        .get(&clinic.path(&format!("/bookings?tab=active&limit=1&cursor={cursor}")))
        .await
        .expect_problem(400, "cursor_expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_from_too_many_sites_wants_one_of_them() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let mut sites = Vec::new();
    for number in 0..3 {
        let body = json!({ "name": format!("Site {number}"), "shards": 11 });
        let site = portal
            .operator()
            .post("/v1/platform/sites", body)
            .await
            .expect(201)
            .id();
        clinic.bind(&site, "owner", true).await.expect(200);
        sites.push(site);
    }
    let booking = portal.booking(&sites[1], json!({})).await;
    for query in ["", "?tab=active"] {
        clinic
            .admin
            .get(&clinic.path(&format!("/bookings{query}")))
            .await
            .expect_problem(422, "site_filter_required");
    }
    let query = format!("?site_id={}", sites[1]);
    assert_eq!(
        listed(&clinic.admin, &clinic, &query).await,
        [booking.id.to_string()]
    );
    // What is one patient's comes from one place.
    let query = format!("?patient_id={}", booking.patient);
    assert_eq!(
        listed(&clinic.admin, &clinic, &query).await,
        [booking.id.to_string()]
    );
}

// ---- Who sees what --------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_at_other_sites_is_not_there() {
    // Given a patient and a specialist who meet at our site and at another one
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (ours, theirs) = (clinic.bound("Ours", "owner").await, portal.site("Theirs").await);
    let (mia, noah) = (
        portal.named_patient("Mia Berg"),
        portal.named_specialist("Noah Okoro"),
    );
    let here = portal.line(&ours).await.of(&mia).with(&noah).tell().await;
    let there = portal.line(&theirs).await.of(&mia).with(&noah).tell().await;

    // Then only what happens at ours is seen, by whichever way it is asked for
    for query in [
        String::new(),
        format!("?patient_id={}", mia.id),
        format!("?specialist_id={}", noah.id),
        format!("?patient_id={}&specialist_id={}&limit=1", mia.id, noah.id),
        format!("?site_id={ours}"),
    ] {
        assert_eq!(
            listed(&clinic.admin, &clinic, &query).await,
            [here.id.to_string()],
            "{query}"
        );
    }
    clinic
        .admin
        .get(&clinic.path(&format!("/bookings?site_id={theirs}")))
        .await
        .expect_problem(404, "site_not_found");
    let cancel = json!({ "transition": "cancel", "reason": "x" });
    let nobodys = Booking {
        id: BookingId::mint(portal.clock.now()),
        ..there.clone()
    };
    for booking in [&there, &nobodys] {
        let seen = clinic.admin.get(&path(&clinic, booking)).await;
        seen.expect_problem(404, "booking_not_found");
        let asked = ask(&clinic.admin, &clinic, booking, "\"1\"", &cancel).await;
        asked.expect_problem(404, "booking_not_found");
    }

    // And what its source has deleted is not there either
    let gone = here.deleted(here.sourced.clone().unwrap(), portal.clock.now());
    let change = portal_domain::change::Write::BookingPut(Box::new(gone));
    let change = portal_domain::change::Change::default().write(change);
    portal
        .app
        .store
        .commit(&change, None, portal.clock.now())
        .await
        .unwrap();
    clinic
        .admin
        .get(&path(&clinic, &here))
        .await
        .expect_problem(404, "booking_not_found");
    assert_eq!(listed(&clinic.admin, &clinic, "").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_loses_a_site_loses_its_bookings_at_once() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (first, second) = (clinic.bound("A", "owner").await, clinic.bound("B", "owner").await);
    let at_first = portal.booking(&first, json!({})).await;
    let at_second = portal.booking(&second, json!({})).await;
    let desk = holder(
        &clinic,
        "Desk",
        &["bookings.read", "bookings.manage"],
        Some(&[&first]),
    )
    .await;

    // A role that is limited to sites sees these
    assert_eq!(listed(&desk, &clinic, "").await, [at_first.id.to_string()]);
    desk.get(&path(&clinic, &at_second))
        .await
        .expect_problem(404, "booking_not_found");
    let cancel = json!({ "transition": "cancel", "reason": "x" });
    let asked = ask(&desk, &clinic, &at_second, "\"1\"", &cancel).await;
    asked.expect_problem(404, "booking_not_found");

    // And an organization that gives a site up sees it no more
    clinic.set_access(json!({ "sites": [second] })).await.expect(200);
    assert_eq!(listed(&desk, &clinic, "").await, Vec::<String>::new());
    assert_eq!(
        listed(&clinic.admin, &clinic, "").await,
        [at_second.id.to_string()]
    );
    clinic.unbind(&second).await.expect(204);
    clinic
        .admin
        .get(&path(&clinic, &at_second))
        .await
        .expect_problem(404, "booking_not_found");
    assert_eq!(listed(&clinic.admin, &clinic, "").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_people_one_sponsors_is_told_nothing_about_single_bookings() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let booking = portal.booking(&site, json!({})).await;
    clinic
        .set_access(json!({ "directory": "enrolled" }))
        .await
        .expect(200);
    for query in [
        "",
        "?tab=past",
        "?site_id=sit_0192f0c1-2b3c-7d4e-8f50-61728394a5b6",
    ] {
        clinic
            .admin
            .get(&clinic.path(&format!("/bookings{query}")))
            .await
            .expect_problem(403, "privacy_mode_required");
    }
    clinic
        .admin
        .get(&path(&clinic, &booking))
        .await
        .expect_problem(403, "privacy_mode_required");
    let cancel = json!({ "transition": "cancel", "reason": "x" });
    let asked = ask(&clinic.admin, &clinic, &booking, "\"1\"", &cancel).await;
    asked.expect_problem(403, "privacy_mode_required");
}

/// What a booking tells of its people and its price, in the list and by itself; it must be the same.
async fn told(person: &Person, clinic: &Clinic<'_>, booking: &Booking) -> [bool; 4] {
    let details = person.get(&path(clinic, booking)).await.expect(200).json();
    let list = person.all(&clinic.path("/bookings")).await;
    let row = list
        .iter()
        .find(|row| row["id"] == booking.id.to_string())
        .expect("listed");
    for part in ["patient", "specialist", "price"] {
        assert_eq!(row[part], details[part], "{part}");
    }
    assert_eq!(details["specialist"]["name"], "Lena Brandt");
    assert_eq!(
        details["patient"].is_null(),
        details["patient_time_zone"].is_null()
    );
    let patient = &details["patient"];
    assert_eq!(patient["name"].is_string(), patient["id"].is_string());
    [
        patient.is_object(),
        details["specialist"]["id"].is_string(),
        !details["price"].is_null(),
        details["patient_time_zone"].is_string(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_as_much_of_a_booking_as_their_permissions_and_the_scope_have() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (own, shared) = (
        clinic.bound("Own", "owner").await,
        clinic.bound("Shared", "shared").await,
    );
    let here = portal.booking(&own, json!({})).await;
    let there = portal.booking(&shared, json!({})).await;

    // By permission
    for (permissions, expected) in [
        (&["bookings.read"][..], [false; 4]),
        (&["bookings.read", "patients.read"], [true, false, false, true]),
        (
            &["bookings.read", "specialists.read"],
            [false, true, false, false],
        ),
        (
            &["bookings.read", "transactions.read"],
            [false, false, true, false],
        ),
    ] {
        let name = permissions.last().unwrap().replace('.', "");
        let reader = holder(&clinic, &name, permissions, None).await;
        assert_eq!(told(&reader, &clinic, &here).await, expected, "{permissions:?}");
        // Nobody finds out by a filter what they are not shown.
        for (filter, permission) in [
            (format!("patient_id={}", here.patient), "patients.read"),
            (format!("specialist_id={}", here.specialist), "specialists.read"),
        ] {
            let answer = reader.get(&clinic.path(&format!("/bookings?{filter}"))).await;
            if permissions.contains(&permission) {
                answer.expect(200);
            } else {
                let answer = answer.expect_problem(403, "permission_missing");
                assert!(answer.text_at("/detail").ends_with(permission));
            }
        }
    }

    // By the site: the specialists of a shared site are names
    assert_eq!(told(&clinic.admin, &clinic, &here).await, [true; 4]);
    assert_eq!(
        told(&clinic.admin, &clinic, &there).await,
        [true, false, true, true]
    );
    let query = format!("?specialist_id={}", there.specialist);
    assert_eq!(listed(&clinic.admin, &clinic, &query).await, Vec::<String>::new());
    clinic.bind(&shared, "shared", true).await.expect(200);
    assert_eq!(told(&clinic.admin, &clinic, &there).await, [true; 4]);
    assert_eq!(
        listed(&clinic.admin, &clinic, &query).await,
        [there.id.to_string()]
    );

    // By the scope
    for (scope, expected, filter) in [
        (
            "patients",
            [true, false, true, true],
            format!("specialist_id={}", here.specialist),
        ),
        (
            "specialists",
            [false, true, true, false],
            format!("patient_id={}", here.patient),
        ),
    ] {
        clinic.set_access(json!({ "scope": scope })).await.expect(200);
        assert_eq!(told(&clinic.admin, &clinic, &here).await, expected, "{scope}");
        let answer = clinic
            .admin
            .get(&clinic.path(&format!("/bookings?{filter}")))
            .await;
        answer.expect_problem(403, "scope_excludes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_sponsor_is_told_that_it_pays_and_only_its_members_who_asked() {
    // Given a site that two clinics see, and a booking that the second one pays for
    let portal = Portal::start().await;
    let ours = portal.clinic().await;
    let hana = portal.person_with("Hana", "hana@hillside.example");
    let theirs = Clinic::of(&portal, hana, "Hillside").await;
    let site = ours.bound("Lakeside", "owner").await;
    theirs.bind(&site, "shared", true).await.expect(200);
    let booking = portal.booking(&site, json!({ "sponsor": theirs.id })).await;
    let cancel = json!({ "transition": "cancel", "reason": "no_budget" });
    ask(&theirs.admin, &theirs, &booking, "\"1\"", &cancel)
        .await
        .expect(200);

    for (clinic, is_theirs) in [(&ours, false), (&theirs, true)] {
        let told = clinic.admin.get(&path(clinic, &booking)).await.expect(200);
        assert_eq!(told.json()["sponsored"], is_theirs);
        assert_eq!(told.json()["requested"]["requested_by"].is_string(), is_theirs);
        assert_eq!(told.text_at("/requested/transition"), "cancel");
        assert!(!told.text.contains(&theirs.id.to_string()));
    }
}

// ---- What is asked of the source ------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_transition_is_pending_until_the_source_has_made_it() {
    // Given a booking
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let booking = portal.booking(&site, json!({})).await;

    // When an admin cancels it
    let cancel = json!({ "transition": "cancel", "reason": "specialist_ill" });
    let asked = ask(&clinic.admin, &clinic, &booking, "\"1\"", &cancel)
        .await
        .expect(200);

    // Then it is as it was, with the request pending, wherever it is told
    assert_eq!(asked.etag(), "\"2\"");
    let told = clinic.admin.get(&path(&clinic, &booking)).await.expect(200);
    assert_eq!((told.json(), told.etag()), (asked.json(), asked.etag()));
    assert_eq!(told.text_at("/status"), "booked");
    let requested = &told.json()["requested"];
    assert_eq!(
        (
            &requested["transition"],
            &requested["reason"],
            &requested["outcome"],
            &requested["requested_by"]
        ),
        (
            &json!("cancel"),
            &json!("specialist_ill"),
            &json!("pending"),
            &json!(clinic.admin.account)
        )
    );
    let list = clinic.admin.get(&clinic.path("/bookings")).await.expect(200);
    assert_eq!(list.text_at("/items/0/pending_transition"), "cancel");
    let log = clinic.path(&format!("/audit-events?object={}", booking.id));
    let log = clinic.admin.all(&log).await;
    assert_eq!(log.len(), 1);
    assert_eq!(log[0]["verb"], "booking.transition_requested");
    assert_eq!(log[0]["changes"]["transition"]["after"], "cancel");
    assert_eq!(log[0]["changes"]["reason"]["after"], "specialist_ill");

    // And nothing else can be asked for meanwhile
    ask(&clinic.admin, &clinic, &booking, "\"2\"", &cancel)
        .await
        .expect_problem(409, "transition_pending");

    // When the source has made it, then it is confirmed
    portal.wait(HOUR);
    let line = portal.next_line(&clinic.kept(&booking).await).await;
    line.say(
        json!({ "status": "cancelled", "status_by": "organization", "status_reason": "specialist_ill" }),
    )
    .tell()
    .await;
    let told = clinic.admin.get(&path(&clinic, &booking)).await.expect(200);
    assert_eq!(
        (told.text_at("/status"), told.text_at("/requested/outcome")),
        ("cancelled".to_owned(), "confirmed".to_owned())
    );
    let list = clinic.admin.get(&clinic.path("/bookings")).await.expect(200);
    assert_eq!(list.json()["items"][0]["pending_transition"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_state_without_the_change_settles_it() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let booking = portal.booking(&site, json!({})).await;
    let start = portal.clock.now() + DAY * 3;
    let later = json!({ "transition": "reschedule", "reason": "patient_request", "start": start, "end": start + HOUR });
    let asked = ask(&clinic.admin, &clinic, &booking, "\"1\"", &later)
        .await
        .expect(200);
    assert_eq!(asked.json()["start"], json!(booking.start()), "its start stays");
    assert_eq!(
        asked
            .text_at("/requested/start")
            .parse::<Timestamp>()
            .unwrap()
            .as_millisecond(),
        start.as_millisecond()
    );

    portal.wait(HOUR);
    let line = portal.next_line(&clinic.kept(&booking).await).await;
    line.say(json!({ "status": "arrived" })).tell().await;
    let told = clinic.admin.get(&path(&clinic, &booking)).await.expect(200);
    assert_eq!(told.text_at("/requested/outcome"), "settled");
    // And what comes next can be asked for.
    let check_in = json!({ "transition": "check_in" });
    ask(&clinic.admin, &clinic, &booking, &told.etag(), &check_in)
        .await
        .expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_booking_does_not_allow_is_refused_with_its_reason() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let mut bookings = BTreeMap::new();
    for status in ["booked", "fulfilled", "cancelled", "proposed"] {
        let fields = json!({ "status": status, "status_by": "system", "status_reason": "so_it_is" });
        bookings.insert(status, portal.booking(&site, fields).await);
    }
    let booked = &bookings["booked"];
    let now = portal.clock.now();
    let time = |start: Timestamp, end: Timestamp| json!({ "transition": "reschedule", "reason": "x", "start": start, "end": end });
    let same = booked.period.unwrap();
    let reassign =
        |specialist: &str| json!({ "transition": "reassign", "reason": "x", "specialist_id": specialist });

    let cases = [
        (
            "cancelled",
            json!({ "transition": "cancel", "reason": "x" }),
            409,
            "transition_forbidden",
            "",
        ),
        (
            "fulfilled",
            json!({ "transition": "cancel", "reason": "x" }),
            409,
            "transition_forbidden",
            "",
        ),
        (
            "booked",
            json!({ "transition": "check_in" }),
            409,
            "transition_forbidden",
            "",
        ),
        (
            "proposed",
            json!({ "transition": "book" }),
            409,
            "transition_forbidden",
            "",
        ),
        (
            "fulfilled",
            reassign("spc_0192f0c1-2b3c-7d4e-8f50-61728394a5b6"),
            409,
            "transition_forbidden",
            "",
        ),
        (
            "booked",
            json!({ "transition": "cancel" }),
            422,
            "reason_missing",
            "/reason",
        ),
        (
            "booked",
            json!({ "transition": "enter_in_error" }),
            422,
            "reason_missing",
            "/reason",
        ),
        (
            "fulfilled",
            json!({ "transition": "no_show" }),
            422,
            "reason_missing",
            "/reason",
        ),
        (
            "booked",
            json!({ "transition": "cancel", "reason": "Mia is ill" }),
            422,
            "text_invalid",
            "/reason",
        ),
        (
            "booked",
            json!({ "transition": "cancel", "reason": null, "by": "me" }),
            422,
            "fields_invalid",
            "/by",
        ),
        (
            "booked",
            json!({ "transition": "uncancel" }),
            422,
            "fields_invalid",
            "/transition",
        ),
        ("booked", json!({ "reason": "x" }), 422, "fields_invalid", ""),
        (
            "booked",
            json!({ "transition": "reschedule", "reason": "x" }),
            422,
            "fields_invalid",
            "/start",
        ),
        (
            "booked",
            json!({ "transition": "reschedule", "reason": "x", "start": now + DAY }),
            422,
            "fields_invalid",
            "/end",
        ),
        (
            "booked",
            json!({ "transition": "reschedule", "reason": "x", "start": "Tuesday", "end": now }),
            422,
            "fields_invalid",
            "/start",
        ),
        (
            "booked",
            json!({ "transition": "cancel", "reason": "x", "start": now }),
            422,
            "fields_invalid",
            "/start",
        ),
        (
            "booked",
            json!({ "transition": "cancel", "reason": "x", "specialist_id": booked.specialist }),
            422,
            "fields_invalid",
            "/specialist_id",
        ),
        (
            "booked",
            time(now + DAY, now + DAY),
            422,
            "fields_invalid",
            "/end",
        ),
        (
            "booked",
            time(now - HOUR, now + HOUR),
            422,
            "fields_invalid",
            "/start",
        ),
        (
            "booked",
            time(same.start(), same.end()),
            422,
            "fields_invalid",
            "/start",
        ),
        ("booked", reassign("secret"), 422, "id_invalid", "/specialist_id"),
        (
            "booked",
            reassign(&booked.specialist.to_string()),
            422,
            "fields_invalid",
            "/specialist_id",
        ),
    ];
    for (status, body, expected, code, pointer) in cases {
        let waiting = json!({ "patient": "tentative", "specialist": "accepted" });
        let booking = &bookings[status];
        if status == "proposed" {
            assert_ne!(json!(booking.participants), waiting);
        }
        let answer = ask(&clinic.admin, &clinic, booking, "\"1\"", &body).await;
        let answer = answer.expect_problem(expected, code);
        if !pointer.is_empty() {
            assert_eq!(answer.text_at("/errors/0/pointer"), pointer, "{body}");
        }
        for typed in ["secret", "Mia", "Tuesday"] {
            assert!(!answer.text.contains(typed), "{}", answer.text);
        }
    }
    // Nothing was written.
    for booking in bookings.values() {
        let told = clinic.admin.get(&path(&clinic, booking)).await.expect(200);
        assert_eq!(
            (told.etag(), &told.json()["requested"]),
            ("\"1\"".to_owned(), &Value::Null)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_specialist_is_chosen_by_who_sees_specialists() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (own, shared) = (
        clinic.bound("Own", "owner").await,
        clinic.bound("Shared", "shared").await,
    );
    let here = portal.booking(&own, json!({})).await;
    let there = portal.booking(&shared, json!({})).await;
    let noah = portal.named_specialist("Noah Okoro");
    let body = json!({ "transition": "reassign", "reason": "specialist_ill", "specialist_id": noah.id });

    let blind = holder(
        &clinic,
        "Blind",
        &["bookings.read", "bookings.manage", "patients.read"],
        None,
    )
    .await;
    let refused = ask(&blind, &clinic, &here, "\"1\"", &body).await;
    assert!(
        refused
            .expect_problem(403, "permission_missing")
            .text_at("/detail")
            .ends_with("specialists.read")
    );
    let refused = ask(&clinic.admin, &clinic, &there, "\"1\"", &body).await;
    refused.expect_problem(403, "scope_excludes");

    let asked = ask(&clinic.admin, &clinic, &here, "\"1\"", &body)
        .await
        .expect(200);
    assert_eq!(asked.text_at("/requested/specialist_id"), noah.id.to_string());
    assert_eq!(asked.text_at("/specialist/id"), here.specialist.to_string());
    let seen = blind.get(&path(&clinic, &here)).await.expect(200);
    assert_eq!(seen.json()["requested"]["specialist_id"], Value::Null);

    portal.wait(HOUR);
    let line = portal.next_line(&clinic.kept(&here).await).await;
    line.with(&noah).tell().await;
    let told = clinic.admin.get(&path(&clinic, &here)).await.expect(200);
    assert_eq!(
        (
            told.text_at("/requested/outcome"),
            told.text_at("/specialist/name")
        ),
        ("confirmed".to_owned(), "Noah Okoro".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_names_what_was_seen_and_has_its_effect_once() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let booking = portal.booking(&site, json!({})).await;
    let transitions = format!("{}/transitions", path(&clinic, &booking));
    let cancel = json!({ "transition": "cancel", "reason": "x" });
    let send = |key: Option<&str>, etag: Option<&str>, body: &Value| {
        let mut request = clinic.admin.request(reqwest::Method::POST, &transitions);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(etag) = etag {
            request = request.header("if-match", etag);
        }
        request.json(body).send()
    };

    send(Some("a"), None, &cancel)
        .await
        .expect_problem(428, "revision_missing");
    send(Some("b"), Some("\"0\""), &cancel)
        .await
        .expect_problem(412, "revision_mismatch");
    send(Some("c"), Some("*"), &cancel)
        .await
        .expect_problem(412, "revision_mismatch");
    send(None, Some("\"1\""), &cancel)
        .await
        .expect_problem(400, "idempotency_key_missing");

    // Sent twice, it is done once and answered twice
    let first = send(Some("d"), Some("\"1\""), &cancel).await.expect(200);
    let again = send(Some("d"), Some("\"1\""), &cancel).await.expect(200);
    assert_eq!(
        (first.text, first.headers["etag"].clone()),
        (again.text, again.headers["etag"].clone())
    );
    let other = json!({ "transition": "arrive" });
    send(Some("d"), Some("\"2\""), &other)
        .await
        .expect_problem(422, "idempotency_key_reused");
    assert_eq!(clinic.kept(&booking).await.rev, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_requests_at_once_one_is_made() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let booking = portal.booking(&site, json!({})).await;
    let asks = (0..12).map(|number| {
        let body = json!({ "transition": "cancel", "reason": format!("reason-{number}") });
        let (clinic, booking) = (&clinic, &booking);
        async move {
            loop {
                let answer = ask(&clinic.admin, clinic, booking, "\"1\"", &body).await;
                if answer.code() != "busy" {
                    break answer;
                }
            }
        }
    });
    let answers = at_once(asks).await;
    let made = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(made, 1);
    for refused in answers.into_iter().filter(|answer| answer.status != 200) {
        refused.expect_problem(412, "revision_mismatch");
    }
    let log = clinic.path(&format!("/audit-events?object={}", booking.id));
    assert_eq!(clinic.admin.all(&log).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_request_and_a_line_at_the_same_time_neither_is_lost() {
    // Given a booking, and a line of its source that rests on what a member is about to change
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let booking = portal.booking(&site, json!({})).await;
    let cancel = json!({ "transition": "cancel", "reason": "x" });
    ask(&clinic.admin, &clinic, &booking, "\"1\"", &cancel)
        .await
        .expect(200);

    // When the line is committed over what it has read, then it is not
    let now = portal.clock.now();
    let stale = Booking {
        rev: 2,
        updated_at: now,
        ..booking.clone()
    };
    let put = portal_domain::change::Write::BookingPut(Box::new(stale));
    let change = portal_domain::change::Change::default().write(put);
    let committed = portal.app.store.commit(&change, None, now).await;
    assert!(
        matches!(committed, Err(portal_store::StoreError::Stale)),
        "{committed:?}"
    );
    assert!(clinic.kept(&booking).await.pending().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_asks_for_nothing_any_more() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let booking = portal.booking(&site, json!({})).await;
    let desk = holder(&clinic, "Desk", &["bookings.read", "bookings.manage"], None).await;
    let etag = clinic.admin.etag(&clinic.member_path(&desk)).await;
    clinic
        .admin
        .delete(&clinic.member_path(&desk), &etag)
        .await
        .expect(204);
    let cancel = json!({ "transition": "cancel", "reason": "x" });
    ask(&desk, &clinic, &booking, "\"1\"", &cancel)
        .await
        .expect_problem(404, "organization_not_found");
}
