//! The specialist directory: who is in it, who may practise, and who decides that.

use portal_domain::specialist::Specialist;
use serde_json::{Value, json};

use crate::support::directory::names;
use crate::support::{Answer, Clinic, Person, Portal, SECOND, at_once, fresh_key};

fn path(clinic: &Clinic<'_>, specialist: &Specialist) -> String {
    clinic.path(&format!("/specialists/{}", specialist.id))
}

/// `person` takes a step of a review, having seen its present state.
async fn step(person: &Person, path: &str, body: Value) -> Answer {
    let etag = person.etag(path).await;
    review(person, path, &etag, &fresh_key(), body).await
}

async fn review(person: &Person, path: &str, etag: &str, key: &str, body: Value) -> Answer {
    person
        .request(reqwest::Method::POST, &format!("{path}/review"))
        .header("idempotency-key", key)
        .header("if-match", etag)
        .json(&body)
        .send()
        .await
}

async fn approve(clinic: &Clinic<'_>, specialist: &Specialist) {
    for taken in ["begin", "approve"] {
        let path = path(clinic, specialist);
        step(&clinic.admin, &path, json!({ "step": taken }))
            .await
            .expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_tells_what_somebody_offers_and_money_to_those_who_may_see_it() {
    // Given a specialist whose price has changed
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Riverside Online", "owner").await;
    let more = json!({
        "languages": ["de", "EN"], "expertise": ["CBT"], "education": ["M.Sc."], "experience_years": 12,
        "availability": [
            { "day": "friday", "from": "13:00", "until": "24:00" }, { "day": "monday", "from": "09:00", "until": "12:00" },
        ],
        "credentials": [{ "kind": "Licence", "number": "L-1", "issuer": "Board", "valid_to": "2100-12-31" }],
    });
    let greta = portal.specialist_with("Greta Vogel", &[&site], &more).await;
    portal.clock.advance(SECOND);
    let mut dearer = more.clone();
    dearer["price"] = json!({ "amount_minor": 9_500, "currency": "EUR" });
    let record = portal.specialist_record("Greta Vogel", &[&site], &dearer);
    portal.specialist_again(&greta, record).await;

    // When an admin looks
    let profile = clinic.admin.get(&path(&clinic, &greta)).await.expect(200).json();

    // Then there is all of it
    assert_eq!(profile["profile"]["name"]["full"], "Greta Vogel");
    assert_eq!(profile["profile"]["languages"], json!(["de", "en"]));
    assert_eq!(
        profile["profile"]["availability"][0],
        json!({ "day": "monday", "from": "09:00", "until": "12:00" })
    );
    assert_eq!(profile["credentials"][0]["status"], "unverified");
    assert_eq!(
        profile["price"],
        json!({ "amount_minor": 9_500, "currency": "EUR" })
    );
    let amounts: Vec<&Value> = profile["price_history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|price| &price["amount"]["amount_minor"])
        .collect();
    assert_eq!(amounts, [9_500, 9_000]);
    assert_eq!(
        (&profile["review"]["status"], &profile["listed"]),
        (&json!("submitted"), &json!(false))
    );

    // And who may not see amounts sees none, and proposes none
    let role = clinic
        .role("Care", &["specialists.read", "specialists.manage"])
        .await;
    let care = clinic.member("Cara", &role).await;
    let seen = care.get(&path(&clinic, &greta)).await.expect(200);
    assert_eq!(
        (&seen.json()["price"], &seen.json()["price_history"]),
        (&Value::Null, &Value::Null)
    );
    let listed = care.get(&clinic.path("/specialists")).await.expect(200);
    assert_eq!(listed.items()[0]["price"], Value::Null);
    assert!(!seen.text.contains("9500") && !listed.text.contains("9500"));
    let price = json!({ "price": { "amount_minor": 9_500, "currency": "EUR" } });
    care.patch(&path(&clinic, &greta), &seen.etag(), price)
        .await
        .expect_problem(403, "permission_missing");

    // And who manages without reading learns nothing by it
    let role = clinic.role("Managers", &["specialists.manage"]).await;
    let blind = clinic.member("Bo", &role).await;
    let asked = blind
        .patch(
            &path(&clinic, &greta),
            &seen.etag(),
            json!({ "session_minutes": 50 }),
        )
        .await
        .expect(200)
        .json();
    for part in ["profile", "credentials", "requested", "price"] {
        assert_eq!(asked[part], Value::Null, "{part}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_goes_its_way_step_by_step() {
    // Given somebody whom the source has put forward
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Riverside Online", "owner").await;
    let greta = portal.specialist("Greta Vogel", &[&site]).await;
    let path = path(&clinic, &greta);
    let because = |step: &str| json!({ "step": step, "reason": "The licence cannot be read." });

    // Then no step is left out, and what is decided against somebody has a reason
    step(&clinic.admin, &path, json!({ "step": "approve" }))
        .await
        .expect_problem(409, "review_step_impossible");
    let begun = step(&clinic.admin, &path, json!({ "step": "begin" }))
        .await
        .expect(200);
    assert_eq!(
        begun.text_at("/review/decided_by"),
        clinic.admin.account.to_string()
    );
    for needy in ["request_changes", "reject"] {
        let refused = step(&clinic.admin, &path, json!({ "step": needy })).await;
        let refused = refused.expect_problem(422, "reason_missing");
        assert_eq!(refused.text_at("/errors/0/pointer"), "/reason");
    }
    let asked = step(&clinic.admin, &path, because("request_changes"))
        .await
        .expect(200);
    assert_eq!(asked.text_at("/review/reason"), "The licence cannot be read.");

    // And the source puts forward again, and cannot approve
    let record = |more: Value| portal.specialist_record("Greta Vogel", &[&site], &more);
    let before = greta.sourced.as_ref().unwrap().stamp.occurred_at;
    portal
        .specialist_again(&greta, record(json!({ "submitted_at": before })))
        .await;
    assert_eq!(
        clinic.admin.get(&path).await.text_at("/review/status"),
        "changes_requested"
    );
    portal.clock.advance(SECOND);
    portal.specialist_again(&greta, record(json!({}))).await;
    assert_eq!(
        clinic.admin.get(&path).await.text_at("/review/status"),
        "submitted"
    );

    // And the rest of the way
    for (taken, body, status, listed) in [
        ("begin", json!({ "step": "begin" }), "in_review", false),
        ("approve", json!({ "step": "approve" }), "approved", true),
        ("suspend", because("suspend"), "suspended", false),
        ("reinstate", json!({ "step": "reinstate" }), "approved", true),
        ("suspend", because("suspend"), "suspended", false),
        ("archive", json!({ "step": "archive" }), "archived", false),
    ] {
        let answer = step(&clinic.admin, &path, body).await.expect(200);
        assert_eq!(answer.text_at("/review/status"), status, "{taken}");
        assert_eq!(answer.text_at("/listed"), listed.to_string(), "{taken}");
    }
    portal.clock.advance(SECOND);
    portal.specialist_again(&greta, record(json!({}))).await;
    assert_eq!(
        clinic.admin.get(&path).await.text_at("/review/status"),
        "archived"
    );

    // And the log has each step, without its reason
    let log = clinic
        .admin
        .all(&clinic.path(&format!("/audit-events?object={}", greta.id)))
        .await;
    assert_eq!(log.len(), 8);
    assert_eq!(
        log[0]["changes"]["review"],
        json!({ "before": "suspended", "after": "archived" })
    );
    assert!(
        log.iter()
            .all(|event| !event.to_string().contains("cannot be read"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_taken_once_by_whoever_saw_the_present_state() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Riverside Online", "owner").await;
    let greta = portal.specialist("Greta Vogel", &[&site]).await;
    let path = path(&clinic, &greta);
    let begin = json!({ "step": "begin" });

    // Sent again with its key: the same answer
    let key = fresh_key();
    let first = review(&clinic.admin, &path, "\"1\"", &key, begin.clone())
        .await
        .expect(200);
    let again = review(&clinic.admin, &path, "\"1\"", &key, begin.clone())
        .await
        .expect(200);
    assert_eq!((&first.text, first.etag()), (&again.text, again.etag()));
    let other = review(&clinic.admin, &path, "\"1\"", &key, json!({ "step": "submit" })).await;
    other.expect_problem(422, "idempotency_key_reused");
    let late = review(&clinic.admin, &path, "\"1\"", &fresh_key(), begin.clone()).await;
    late.expect_problem(412, "revision_mismatch");
    for (body, code) in [
        (json!({ "step": "promote" }), "fields_invalid"),
        (json!({ "step": "approve", "reason": "" }), "text_invalid"),
        (json!({ "step": "approve", "by": "eve" }), "fields_invalid"),
        (json!({}), "fields_invalid"),
    ] {
        let refused = review(&clinic.admin, &path, "\"2\"", &fresh_key(), body).await;
        refused.expect_problem(422, code);
    }
    let unseen = clinic.admin.post(&format!("{path}/review"), begin).await;
    unseen.expect_problem(428, "revision_missing");

    // Two decide at once: one does
    let answers = at_once(["approve", "reject", "request_changes"].map(|taken| {
        let (admin, path, key) = (&clinic.admin, &path, fresh_key());
        let body = json!({ "step": taken, "reason": "So it is." });
        async move { review(admin, path, "\"2\"", &key, body).await }
    }))
    .await;
    let taken: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(taken.len(), 1);
    for lost in answers.iter().filter(|answer| answer.status != 200) {
        lost.clone().expect_problem(412, "revision_mismatch");
    }
    assert_eq!(clinic.admin.get(&path).await.text, taken[0].text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_takes_somebody_off_the_list_when_a_credential_ends() {
    // Given an approved specialist whose licence ends in two days in Berlin, and one without a check of theirs
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Riverside Online", "owner").await;
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let today = portal.clock.now().to_zoned(zone.clone()).date();
    let last = today.tomorrow().unwrap();
    let licence = |check: &str| {
        json!({ "credentials": [
            { "kind": "Licence", "valid_to": last.to_string(), "check": check, "required": true },
            { "kind": "Diploma", "check": "revoked" },
        ] })
    };
    let greta = portal
        .specialist_with("Greta Vogel", &[&site], &licence("verified"))
        .await;
    let henrik = portal
        .specialist_with("Henrik Dahl", &[&site], &licence("unverified"))
        .await;
    approve(&clinic, &greta).await;
    approve(&clinic, &henrik).await;
    let list = async |query: &str| names(&clinic.admin, &clinic.path(&format!("/specialists?{query}"))).await;
    assert_eq!(list("listed=true").await, ["Greta Vogel"]);
    assert_eq!(list("listed=false").await, ["Henrik Dahl"]);
    let status = async || {
        let profile = clinic.admin.get(&path(&clinic, &greta)).await.expect(200);
        profile.text_at("/credentials/0/status")
    };
    assert_eq!(status().await, "expiring");

    // When its last day is over there
    let end = last.tomorrow().unwrap().to_zoned(zone).unwrap().timestamp();
    portal
        .clock
        .advance(end.duration_since(portal.clock.now()) - SECOND);
    let clinic = Clinic {
        admin: portal.person("Dana"),
        ..clinic
    };
    let list = async |query: &str| names(&clinic.admin, &clinic.path(&format!("/specialists?{query}"))).await;
    assert_eq!(list("listed=true").await, ["Greta Vogel"]);
    portal.clock.advance(SECOND);

    // Then she cannot be booked any more, though nobody has done anything
    assert_eq!(list("listed=true").await, Vec::<String>::new());
    assert_eq!(list("listed=false").await, ["Henrik Dahl", "Greta Vogel"]);
    let profile = clinic.admin.get(&path(&clinic, &greta)).await.expect(200).json();
    assert_eq!(
        (
            &profile["credentials"][0]["status"],
            &profile["listed"],
            &profile["review"]["status"]
        ),
        (&json!("expired"), &json!(false), &json!("approved"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_searched_filtered_and_merged_from_several_sites() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (north, south) = (
        clinic.bound("North", "owner").await,
        clinic.bound("South", "owner").await,
    );
    let greta = portal.specialist("Greta Vogel", &[&north, &south]).await;
    portal.clock.advance(SECOND);
    portal
        .specialist_with("Vera Gold", &[&south], &json!({ "submitted_at": null }))
        .await;
    portal.clock.advance(SECOND);
    let gil = portal.specialist("Gil Adler", &[&north]).await;
    approve(&clinic, &gil).await;
    let list = async |query: &str| names(&clinic.admin, &clinic.path(&format!("/specialists{query}"))).await;

    assert_eq!(list("?limit=1").await, ["Gil Adler", "Vera Gold", "Greta Vogel"]);
    assert_eq!(
        list("?limit=1&sort=newest").await,
        ["Gil Adler", "Vera Gold", "Greta Vogel"]
    );
    assert_eq!(
        list("?search=g&limit=1").await,
        ["Gil Adler", "Vera Gold", "Greta Vogel"]
    );
    assert_eq!(list("?search=vo%20gr").await, ["Greta Vogel"]);
    assert_eq!(list("?review=draft").await, ["Vera Gold"]);
    assert_eq!(list("?review=submitted").await, ["Greta Vogel"]);
    assert_eq!(list("?listed=true").await, ["Gil Adler"]);
    assert_eq!(
        list(&format!("?site_id={south}")).await,
        ["Vera Gold", "Greta Vogel"]
    );

    // Who is put away is there for those who ask for it
    let path = path(&clinic, &gil);
    for taken in ["suspend", "archive"] {
        let body = json!({ "step": taken, "reason": "Has left." });
        step(&clinic.admin, &path, body).await.expect(200);
    }
    assert_eq!(list("").await, ["Vera Gold", "Greta Vogel"]);
    assert_eq!(list("?review=archived").await, ["Gil Adler"]);
    clinic.admin.get(&path).await.expect(200);

    for query in [
        "search=doctor@hillside.example",
        "review=promoted",
        "listed=yes",
        "status=active",
        "sort=price",
    ] {
        clinic
            .admin
            .get(&clinic.path(&format!("/specialists?{query}")))
            .await
            .expect_problem(400, "query_invalid");
    }
    assert_eq!(greta.assignments.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_specialist_is_seen_by_those_they_are_shared_with_and_decided_on_by_none_of_them() {
    // Given a specialist at sites of a clinic that are shared with another, one of them with its specialists
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (open, closed) = (
        clinic.bound("Open", "owner").await,
        clinic.bound("Closed", "owner").await,
    );
    let other = Clinic::of(&portal, portal.person("Olaf"), "Lakeside Practice").await;
    other.bind(&open, "shared", true).await.expect(200);
    other.bind(&closed, "shared", false).await.expect(200);
    let greta = portal.specialist("Greta Vogel", &[&open, &closed]).await;
    let hidden = portal.specialist("Henrik Dahl", &[&closed]).await;
    assert_eq!(
        names(&clinic.admin, &clinic.path("/specialists")).await,
        ["Henrik Dahl", "Greta Vogel"]
    );

    // Then the other one sees who is shared, there where they are shared
    for query in ["", "?sort=newest", "?search=g"] {
        let list = other.path(&format!("/specialists{query}"));
        assert_eq!(names(&other.admin, &list).await, ["Greta Vogel"], "{query}");
    }
    assert!(
        names(&other.admin, &other.path("/specialists?search=dahl"))
            .await
            .is_empty()
    );
    assert!(
        names(
            &other.admin,
            &other.path(&format!("/specialists?site_id={closed}"))
        )
        .await
        .is_empty()
    );
    let seen = other.admin.get(&path(&other, &greta)).await.expect(200);
    assert!(seen.text.contains(&open) && !seen.text.contains(&closed));
    let hidden = path(&other, &hidden);
    for answer in [
        other.admin.get(&hidden).await,
        other.admin.patch(&hidden, "\"1\"", json!({})).await,
        review(
            &other.admin,
            &hidden,
            "\"1\"",
            &fresh_key(),
            json!({ "step": "begin" }),
        )
        .await,
    ] {
        answer.expect_problem(404, "specialist_not_found");
    }

    // And decides nothing about them
    let begin = json!({ "step": "begin" });
    step(&other.admin, &path(&other, &greta), begin.clone())
        .await
        .expect_problem(403, "site_not_bound");
    other
        .admin
        .patch(
            &path(&other, &greta),
            &seen.etag(),
            json!({ "session_minutes": 25 }),
        )
        .await
        .expect_problem(403, "site_not_bound");
    step(&clinic.admin, &path(&clinic, &greta), begin)
        .await
        .expect(200);

    // And who oversees patients only, or persons it sponsors, has no specialists
    for (change, code) in [
        (json!({ "scope": "patients" }), "scope_excludes"),
        (
            json!({ "scope": "both", "directory": "enrolled" }),
            "privacy_mode_required",
        ),
    ] {
        clinic.set_access(change).await.expect(200);
        for path in [clinic.path("/specialists"), path(&clinic, &greta)] {
            clinic.admin.get(&path).await.expect_problem(403, code);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_source_says_of_a_specialist_is_asked_of_it() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Riverside Online", "owner").await;
    let greta = portal.specialist("Greta Vogel", &[&site]).await;
    let path = path(&clinic, &greta);
    let wanted = json!({
        "session_minutes": 25, "price": { "amount_minor": 5_000, "currency": "EUR" },
        "availability": [{ "day": "monday", "from": "09:00", "until": "12:30" }],
    });

    // When a member wants something else
    let asked = clinic
        .admin
        .patch(&path, "\"1\"", wanted.clone())
        .await
        .expect(200)
        .json();

    // Then it is pending until the source says so
    assert_eq!(asked["profile"]["session_minutes"], 50);
    for field in ["session_minutes", "price", "availability"] {
        assert_eq!(asked["requested"][field], wanted[field], "{field}");
    }
    portal.clock.advance(SECOND);
    let record = portal.specialist_record("Greta Vogel", &[&site], &wanted);
    portal.specialist_again(&greta, record).await;
    let settled = clinic.admin.get(&path).await.expect(200).json();
    assert_eq!(settled["requested"], Value::Null);
    assert_eq!(settled["profile"]["availability"], wanted["availability"]);
    assert_eq!(settled["price_history"].as_array().unwrap().len(), 2);

    // And what cannot be is refused at its field
    for (body, code, pointer) in [
        (
            json!({ "session_minutes": 1 }),
            "fields_invalid",
            "/session_minutes",
        ),
        (
            json!({ "price": { "amount_minor": -1, "currency": "EUR" } }),
            "fields_invalid",
            "/price/amount_minor",
        ),
        (
            json!({ "price": { "amount_minor": 1, "currency": "eur" } }),
            "currency_unknown",
            "/price/currency",
        ),
        (json!({ "price": [1, "EUR"] }), "fields_invalid", "/price"),
        (
            json!({ "availability": [{ "day": "monday", "from": "12:00", "until": "09:00" }] }),
            "fields_invalid",
            "/availability",
        ),
        (
            json!({ "availability": [["monday", "09:00", "12:00"]] }),
            "fields_invalid",
            "/availability/0",
        ),
        (json!({ "review": "approved" }), "fields_invalid", "/review"),
        (json!({ "credentials": [] }), "fields_invalid", "/credentials"),
    ] {
        let refused = clinic
            .admin
            .patch(&path, "\"3\"", body)
            .await
            .expect_problem(422, code);
        assert_eq!(refused.text_at("/errors/0/pointer"), pointer);
    }
    let log = clinic
        .admin
        .all(&clinic.path(&format!("/audit-events?object={}", greta.id)))
        .await;
    assert_eq!(log[0]["verb"], "specialist.change_requested");
    let fields: Vec<_> = log[0]["changes"].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["availability", "price", "session_minutes"]);
    assert!(!log[0].to_string().contains("5000"));
}
