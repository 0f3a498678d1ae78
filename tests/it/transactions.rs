//! Transactions: which ones are listed to whom, and what is told of them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use portal_domain::transaction::{Kind, Transaction};
use rand::prelude::IndexedRandom;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::support::ledger::{findings, found, ids, listed, own, path, set, statement, trail};
use crate::support::{Answer, Clinic, DAY, Person, Portal, rounds, seed};

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

/// One entry of each kind, at `site`: a payment with a refund, an earning with a reversal, a payout with a return.
async fn one_of_each(portal: &Portal, site: &str) -> BTreeMap<&'static str, Transaction> {
    let mut all = BTreeMap::new();
    for whole in [Kind::Payment, Kind::Earning, Kind::Payout] {
        let whole = portal.posting(whole, site).await.tell().await;
        let part = portal.giving_back(&whole, 1_500).tell().await;
        all.insert(part.row.kind().as_str(), part);
        all.insert(whole.row.kind().as_str(), whole);
    }
    all
}

// ---- What is told ---------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_told_with_all_that_is_known_of_it() {
    // Given a payment that was partly refunded, for a booking
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let mia = portal.named_patient("Mia Berg");
    let booking = portal.line(&site).await.of(&mia).tell().await;
    let paid = portal
        .posting(Kind::Payment, &site)
        .await
        .of(&mia)
        .for_booking(&booking)
        .called("pi_3Qx");
    let paid = paid
        .say(json!({ "fee_minor": 320, "net_minor": 9_680, "available_on": "2026-05-06" }))
        .tell()
        .await;
    portal.wait(SignedDuration::from_secs(1));
    let back = portal.giving_back(&paid, 2_500).tell().await;

    // When it is asked for, then all of that is told
    let details = clinic.admin.get(&path(&clinic, &paid)).await.expect(200);
    assert_eq!(details.etag(), "\"2\"");
    let told = details.json();
    for (field, expected) in [
        ("id", json!(paid.row.id)),
        ("kind", json!("payment")),
        ("party", json!("patient")),
        ("status", json!("succeeded")),
        ("amount_minor", json!(10_000)),
        ("currency", json!("EUR")),
        ("fee_minor", json!(320)),
        ("net_minor", json!(9_680)),
        ("given_back_minor", json!(2_500)),
        ("available_on", json!("2026-05-06")),
        ("site_id", json!(site)),
        ("patient", json!({ "id": mia.id, "name": "Mia Berg" })),
        ("specialist", Value::Null),
        ("booking_id", json!(booking.id)),
        ("parent_id", Value::Null),
        ("failure", Value::Null),
        ("sponsored", json!(false)),
        (
            "source",
            json!({ "name": "platform", "system": "tests", "value": "pi_3Qx" }),
        ),
    ] {
        assert_eq!(told[field], expected, "{field}");
    }

    // And the list has both, the newest first, as they are now
    let list = clinic
        .admin
        .get(&clinic.path("/transactions"))
        .await
        .expect(200)
        .items();
    assert_eq!(ids(&list), own(&[&back, &paid]));
    assert_eq!(list[1]["given_back_minor"], 2_500);
    assert_eq!(
        (
            &list[0]["parent_id"],
            &list[0]["fee_minor"],
            &list[0]["given_back_minor"]
        ),
        (&json!(paid.row.id), &Value::Null, &Value::Null)
    );
    assert!(list[0].get("source").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_that_was_paid_may_fail_and_says_why() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let sent = portal.posting(Kind::Payout, &site).await.tell().await;
    let failure = json!({ "code": "account_closed", "message_key": "payout.account_closed" });
    let failed = portal.next_posting(&sent, None);
    failed
        .say(json!({ "status": "failed", "failure": failure }))
        .tell()
        .await;

    let told = clinic.admin.get(&path(&clinic, &sent)).await.expect(200).json();
    assert_eq!((&told["status"], &told["failure"]), (&json!("failed"), &failure));
    assert_eq!(
        listed(&clinic.admin, &clinic, "?status=failed&kind=payout").await,
        own(&[&sent])
    );
    assert_eq!(listed(&clinic.admin, &clinic, "?status=paid").await, own(&[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_filter_narrows_and_the_parts_are_the_whole() {
    // Given one entry of each kind at one site, and one of another currency, person, time and booking at another
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (here, there) = (
        clinic.bound("Here", "owner").await,
        clinic.bound("There", "owner").await,
    );
    let all = one_of_each(&portal, &here).await;
    portal.wait(DAY);
    let mia = portal.named_patient("Mia Álvarez");
    let booking = portal.line(&there).await.of(&mia).tell().await;
    let other = portal
        .posting(Kind::Payment, &there)
        .await
        .of(&mia)
        .for_booking(&booking);
    let other = other
        .say(json!({ "currency": "JPY", "status": "processing" }))
        .called("pi_77");
    let other = other.tell().await;
    let admin = &clinic.admin;
    let of = |kinds: &[&'static str]| kinds.iter().map(|kind| &all[kind]).collect::<Vec<&Transaction>>();
    let earning = &all["earning"];
    let specialist = earning.row.person.specialist().unwrap();

    // When the list is filtered, then it has what is wanted
    let at = other.row.occurred_at;
    for (query, expected) in [
        (
            "kind=payment".to_owned(),
            [of(&["payment"]), vec![&other]].concat(),
        ),
        (
            "kind=refund,payout_reversal".to_owned(),
            of(&["refund", "payout_reversal"]),
        ),
        ("status=partially_reversed".to_owned(), of(&["earning"])),
        (
            "status=processing,paid".to_owned(),
            [of(&["payout", "payout_reversal"]), vec![&other]].concat(),
        ),
        (
            "party=patient".to_owned(),
            [of(&["payment", "refund"]), vec![&other]].concat(),
        ),
        ("party=specialist&kind=payment".to_owned(), vec![]),
        (format!("from={at}"), vec![&other]),
        (format!("until={at}"), all.values().collect()),
        (format!("from={at}&until={at}"), vec![]),
        (format!("patient_id={}", mia.id), vec![&other]),
        (
            format!("specialist_id={specialist}"),
            of(&["earning", "earning_reversal"]),
        ),
        (
            format!("specialist_id={specialist}&kind=earning"),
            of(&["earning"]),
        ),
        (
            format!("patient_id={}&specialist_id={specialist}", mia.id),
            vec![],
        ),
        (format!("booking_id={}", booking.id), vec![&other]),
        (format!("booking_id={}&kind=refund", booking.id), vec![]),
        (format!("site_id={here}"), all.values().collect()),
        (format!("site_id={here}&kind=payout"), of(&["payout"])),
        (format!("site_id={here}&patient_id={}", mia.id), vec![]),
        ("currency=JPY".to_owned(), vec![&other]),
        ("search=ALVAREZ".to_owned(), vec![&other]),
        (
            "search=lena".to_owned(),
            of(&["earning", "earning_reversal", "payout", "payout_reversal"]),
        ),
        ("search=pi_77".to_owned(), vec![&other]),
        ("search=pi_7".to_owned(), vec![]),
    ] {
        assert_eq!(
            found(admin, &clinic, &format!("?{query}")).await,
            set(&expected),
            "{query}"
        );
    }

    // And the kinds, and the parties, are together the whole
    let whole = listed(admin, &clinic, "").await;
    assert_eq!(whole.len(), 7);
    let mut parts = 0;
    for kind in Kind::ALL {
        parts += listed(admin, &clinic, &format!("?kind={}", kind.as_str()))
            .await
            .len();
    }
    assert_eq!(parts, whole.len());

    // And what makes no sense is refused without being repeated
    for query in [
        "kind=",
        "kind=payment,",
        "kind=dispute",
        "status=done",
        "party=organization",
        "from=yesterday",
        "patient_id=7",
        "specialist_id=pat_1",
        "booking_id=x",
        "site_id=x",
        "currency=eur",
        "search=",
        "nothing=1",
        "kind=payment&kind=refund",
        "from=2026-05-02T00:00:00Z&until=2026-05-01T00:00:00Z",
    ] {
        let answer = admin.get(&clinic.path(&format!("/transactions?{query}"))).await;
        answer.expect_problem(400, "query_invalid");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_source_has_deleted_is_told_nowhere() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let booking = portal.booking(&site, json!({})).await;
    let paid = portal
        .posting(Kind::Payment, &site)
        .await
        .for_booking(&booking)
        .tell()
        .await;
    let back = portal.giving_back(&paid, 2_500).tell().await;
    let paid = clinic.kept_transaction(&paid).await;
    portal.retract(&back, Some(&paid)).await;

    clinic
        .admin
        .get(&path(&clinic, &back))
        .await
        .expect_problem(404, "transaction_not_found");
    assert_eq!(listed(&clinic.admin, &clinic, "").await, own(&[&paid]));
    assert_eq!(
        listed(&clinic.admin, &clinic, &format!("?booking_id={}", booking.id)).await,
        own(&[&paid])
    );
    let trail = trail(&clinic.admin, &clinic, &booking.id)
        .await
        .expect(200)
        .json();
    assert_eq!(trail["payments"][0]["parts"], json!([]));
    assert_eq!(trail["totals"][0]["refunded_minor"], 0);
    assert_eq!(trail["payments"][0]["transaction"]["given_back_minor"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_moves_a_transaction_to_whom_and_what_it_belongs() {
    // Given a payment for the wrong booking of the wrong patient
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let (wrong, right) = (
        portal.named_patient("Wrong Person"),
        portal.named_patient("Right Person"),
    );
    let first = portal.line(&site).await.of(&wrong).tell().await;
    let second = portal.line(&site).await.of(&right).tell().await;
    let paid = portal
        .posting(Kind::Payment, &site)
        .await
        .of(&wrong)
        .for_booking(&first)
        .tell()
        .await;

    // When the source corrects it
    let corrected = portal.next_posting(&paid, None).of(&right).for_booking(&second);
    corrected
        .say(json!({ "occurred_at": portal.clock.now() - DAY }))
        .tell()
        .await;

    // Then it is there and nowhere else, once
    let admin = &clinic.admin;
    assert_eq!(listed(admin, &clinic, "").await, own(&[&paid]));
    for (query, expected) in [
        (format!("?patient_id={}", wrong.id), own(&[])),
        (format!("?patient_id={}", right.id), own(&[&paid])),
        (format!("?booking_id={}", first.id), own(&[])),
        (format!("?booking_id={}", second.id), own(&[&paid])),
    ] {
        assert_eq!(listed(admin, &clinic, &query).await, expected, "{query}");
    }
    let old = trail(admin, &clinic, &first.id).await.expect(200).json();
    assert_eq!(old["payments"], json!([]));
}

// ---- Who sees what --------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn who_reviews_money_sees_no_patients_and_no_profiles() {
    // Given somebody who may see transactions and nothing else, and somebody who may see people too
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let mia = portal.named_patient("Mia Berg");
    let lena = portal.named_specialist("Lena Brandt");
    let booking = portal.line(&site).await.of(&mia).with(&lena).tell().await;
    let paid = portal
        .posting(Kind::Payment, &site)
        .await
        .of(&mia)
        .for_booking(&booking)
        .tell()
        .await;
    let earned = portal
        .posting(Kind::Earning, &site)
        .await
        .with(&lena)
        .for_booking(&booking)
        .tell()
        .await;
    let finance = holder(&clinic, "Finance", &["transactions.read"], None).await;
    let people = [
        "transactions.read",
        "patients.read",
        "specialists.read",
        "bookings.read",
    ];
    let people = holder(&clinic, "People", &people, None).await;

    // When both read everything there is
    let month = clinic.admin.get(&path(&clinic, &earned)).await.json()["occurred_at"]
        .as_str()
        .unwrap()[..7]
        .to_owned();
    let mut told = String::new();
    for answer in [
        finance.get(&clinic.path("/transactions")).await,
        finance.get(&path(&clinic, &paid)).await,
        finance.get(&path(&clinic, &earned)).await,
        statement(&finance, &clinic, &lena.id, &month).await,
    ] {
        told += &answer.expect(200).text;
    }

    // Then the one is told names of specialists, and no links
    assert!(told.contains("Lena Brandt") && !told.contains("Mia Berg"));
    for id in [mia.id.to_string(), lena.id.to_string(), booking.id.to_string()] {
        assert!(!told.contains(&id), "{id}");
    }
    let trail_of_finance = trail(&finance, &clinic, &booking.id).await.expect(200).text;
    assert!(!trail_of_finance.contains("Mia Berg") && !trail_of_finance.contains(&lena.id.to_string()));
    let told = people.get(&path(&clinic, &paid)).await.expect(200).json();
    assert_eq!(told["patient"], json!({ "id": mia.id, "name": "Mia Berg" }));
    assert_eq!(told["booking_id"], json!(booking.id));
    let told = people.get(&path(&clinic, &earned)).await.expect(200).json();
    assert_eq!(
        told["specialist"],
        json!({ "id": lena.id, "name": "Lena Brandt" })
    );

    // And cannot find out by asking
    for query in [
        format!("patient_id={}", mia.id),
        format!("specialist_id={}", lena.id),
    ] {
        let path = clinic.path(&format!("/transactions?{query}"));
        finance.get(&path).await.expect_problem(403, "permission_missing");
        assert_eq!(people.get(&path).await.expect(200).items().len(), 1);
    }
    assert_eq!(listed(&finance, &clinic, "?search=berg").await, own(&[]));
    assert_eq!(listed(&people, &clinic, "?search=berg").await, own(&[&paid]));
    assert_eq!(listed(&finance, &clinic, "?search=brandt").await, own(&[&earned]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_sees_the_money_of_whom_it_oversees() {
    // Given a booking with money of both parties
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let booking = portal.booking(&site, json!({ "status": "fulfilled" })).await;
    let paid = portal
        .posting(Kind::Payment, &site)
        .await
        .for_booking(&booking)
        .tell()
        .await;
    let back = portal.giving_back(&paid, 2_500).tell().await;
    let earned = portal
        .posting(Kind::Earning, &site)
        .await
        .for_booking(&booking)
        .tell()
        .await;
    let sent = portal.posting(Kind::Payout, &site).await.tell().await;
    let admin = &clinic.admin;
    let specialist = earned.row.person.specialist().unwrap();

    for (scope, seen, hidden, finding) in [
        (
            "both",
            vec![&paid, &back, &earned, &sent],
            vec![],
            vec!["refund_without_reversal"],
        ),
        // What is not seen is not missed, either.
        ("patients", vec![&paid, &back], vec![&earned, &sent], vec![]),
        ("specialists", vec![&earned, &sent], vec![&paid, &back], vec![]),
    ] {
        // When its scope is this
        clinic.set_access(json!({ "scope": scope })).await.expect(200);

        // Then list, detail, filters, trail and statement show that alone
        assert_eq!(found(admin, &clinic, "").await, set(&seen), "{scope}");
        for transaction in &seen {
            admin.get(&path(&clinic, transaction)).await.expect(200);
        }
        for transaction in &hidden {
            let answer = admin.get(&path(&clinic, transaction)).await;
            answer.expect_problem(404, "transaction_not_found");
            let query = format!("?kind={}", transaction.row.kind().as_str());
            assert_eq!(listed(admin, &clinic, &query).await, own(&[]), "{scope}");
        }
        let trail = trail(admin, &clinic, &booking.id).await.expect(200);
        assert_eq!(findings(&trail), finding, "{scope}");
        let told = trail.json();
        assert_eq!(
            told["payments"].as_array().unwrap().is_empty(),
            scope == "specialists"
        );
        assert_eq!(
            told["earnings"].as_array().unwrap().is_empty(),
            scope == "patients"
        );
        let of_specialist = clinic.path(&format!("/transactions?specialist_id={specialist}"));
        let statement = statement(admin, &clinic, &specialist, "2026-05").await;
        if scope == "patients" {
            statement.expect_problem(403, "scope_excludes");
            admin
                .get(&of_specialist)
                .await
                .expect_problem(403, "scope_excludes");
        } else {
            statement.expect(200);
            assert_eq!(admin.get(&of_specialist).await.expect(200).items().len(), 1);
        }
        let of_patient = clinic.path(&format!(
            "/transactions?patient_id={}",
            paid.row.person.patient().unwrap()
        ));
        match scope {
            "specialists" => admin.get(&of_patient).await.expect_problem(403, "scope_excludes"),
            _ => admin.get(&of_patient).await.expect(200),
        };
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn specialists_of_a_shared_site_show_no_earnings_unless_they_are_shared() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "shared").await;
    let owned = clinic.bound("Own", "owner").await;
    let booking = portal.booking(&site, json!({ "status": "fulfilled" })).await;
    let paid = portal
        .posting(Kind::Payment, &site)
        .await
        .for_booking(&booking)
        .tell()
        .await;
    let earned = portal
        .posting(Kind::Earning, &site)
        .await
        .for_booking(&booking)
        .tell()
        .await;
    let ours = portal.posting(Kind::Earning, &owned).await.tell().await;
    let admin = &clinic.admin;
    let specialist = earned.row.person.specialist().unwrap();

    // Given that they are not, list, detail, trail and statement have no earnings of theirs
    assert_eq!(found(admin, &clinic, "").await, set(&[&paid, &ours]));
    assert_eq!(found(admin, &clinic, "?kind=earning").await, set(&[&ours]));
    assert_eq!(
        found(admin, &clinic, &format!("?booking_id={}", booking.id)).await,
        set(&[&paid])
    );
    assert_eq!(
        found(admin, &clinic, &format!("?specialist_id={specialist}")).await,
        set(&[])
    );
    admin
        .get(&path(&clinic, &earned))
        .await
        .expect_problem(404, "transaction_not_found");
    let told = trail(admin, &clinic, &booking.id).await.expect(200).json();
    assert_eq!(
        (&told["earnings"], told["totals"][0]["earned_minor"].as_i64()),
        (&json!([]), Some(0))
    );
    statement(admin, &clinic, &specialist, "2026-05")
        .await
        .expect_problem(404, "specialist_not_found");

    // When they are, then all do
    clinic.bind(&site, "shared", true).await.expect(200);
    assert_eq!(found(admin, &clinic, "").await, set(&[&paid, &earned, &ours]));
    admin.get(&path(&clinic, &earned)).await.expect(200);
    let told = trail(admin, &clinic, &booking.id).await.expect(200).json();
    assert_eq!(told["earnings"].as_array().unwrap().len(), 1);
    statement(admin, &clinic, &specialist, "2026-05")
        .await
        .expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_who_are_at_several_sites_show_what_is_at_ones_own() {
    // Given a patient and a specialist with money at our site and, much more of it, at another
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ours = clinic.bound("Ours", "owner").await;
    let foreign = portal.site("Foreign").await;
    let (mia, lena) = (
        portal.named_patient("Mia Berg"),
        portal.named_specialist("Lena Brandt"),
    );
    let zoe = portal.named_specialist("Zoe Stranger");
    let paid = portal.posting(Kind::Payment, &ours).await.of(&mia).tell().await;
    let earned = portal
        .posting(Kind::Earning, &ours)
        .await
        .with(&lena)
        .tell()
        .await;
    for _ in 0..40 {
        portal
            .posting(Kind::Payment, &foreign)
            .await
            .of(&mia)
            .tell()
            .await;
        portal
            .posting(Kind::Earning, &foreign)
            .await
            .with(&lena)
            .tell()
            .await;
        portal
            .posting(Kind::Earning, &foreign)
            .await
            .with(&zoe)
            .tell()
            .await;
    }
    let admin = &clinic.admin;
    let month = portal.clock.now().to_string()[..7].to_owned();

    // When their money is asked for, then ours is shown, and not by empty pages that there is more
    for (query, expected) in [
        (format!("patient_id={}", mia.id), own(&[&paid])),
        (format!("specialist_id={}", lena.id), own(&[&earned])),
        (format!("specialist_id={}", zoe.id), own(&[])),
    ] {
        let page = admin
            .get(&clinic.path(&format!("/transactions?{query}&limit=1")))
            .await
            .expect(200);
        let mut all = ids(&page.items());
        if let Some(cursor) = page.next_cursor() {
            // Only what is at another site is left.
            let next = admin
                .get(&clinic.path(&format!("/transactions?{query}&limit=1&cursor={cursor}")))
                .await;
            all.extend(ids(&next.expect(200).items()));
        }
        assert_eq!(all, expected, "{query}");
    }
    let empty = admin
        .get(&clinic.path(&format!("/transactions?specialist_id={}&limit=1", zoe.id)))
        .await;
    let unknown = portal.named_specialist("Nobody");
    let nothing = admin
        .get(&clinic.path(&format!("/transactions?specialist_id={}&limit=1", unknown.id)))
        .await;
    assert_eq!(empty.expect(200).text, nothing.expect(200).text);
    let told = statement(admin, &clinic, &lena.id, &month)
        .await
        .expect(200)
        .json();
    assert_eq!(told["lines"].as_array().unwrap().len(), 1);
    assert_eq!(told["totals"][0]["earned_minor"], 10_000);

    // And who has nothing here is as one who does not exist
    let stranger = statement(admin, &clinic, &zoe.id, &month).await;
    let nobody = statement(admin, &clinic, &unknown.id, &month).await;
    let of = |answer: Answer| {
        let mut problem = answer.expect_problem(404, "specialist_not_found").json();
        problem["instance"] = Value::Null;
        problem
    };
    assert_eq!(of(stranger), of(nobody));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_limited_to_sites_sees_the_money_of_these() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (here, there) = (
        clinic.bound("Here", "owner").await,
        clinic.bound("There", "owner").await,
    );
    let ours = portal.posting(Kind::Payment, &here).await.tell().await;
    let other = portal.posting(Kind::Payment, &there).await.tell().await;
    let booking = portal.booking(&there, json!({})).await;
    let limited = holder(&clinic, "Hedda", &["transactions.read"], Some(&[&here])).await;

    assert_eq!(listed(&limited, &clinic, "").await, own(&[&ours]));
    limited.get(&path(&clinic, &ours)).await.expect(200);
    limited
        .get(&path(&clinic, &other))
        .await
        .expect_problem(404, "transaction_not_found");
    trail(&limited, &clinic, &booking.id)
        .await
        .expect_problem(404, "booking_not_found");
    let elsewhere = clinic.path(&format!("/transactions?site_id={there}"));
    limited
        .get(&elsewhere)
        .await
        .expect_problem(404, "site_not_found");
    assert_eq!(
        listed(&clinic.admin, &clinic, &format!("?site_id={there}")).await,
        own(&[&other])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn money_of_sponsored_people_needs_a_privacy_mode() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let paid = portal.posting(Kind::Payment, &site).await.tell().await;
    let booking = portal.booking(&site, json!({})).await;
    clinic
        .set_access(json!({ "directory": "enrolled" }))
        .await
        .expect(200);

    let specialist = portal.named_specialist("Lena Brandt").id;
    for answer in [
        clinic.admin.get(&clinic.path("/transactions")).await,
        clinic.admin.get(&path(&clinic, &paid)).await,
        trail(&clinic.admin, &clinic, &booking.id).await,
        statement(&clinic.admin, &clinic, &specialist, "2026-05").await,
    ] {
        answer.expect_problem(403, "privacy_mode_required");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_platforms_money_is_seen_by_whom_the_operator_lets() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let anywhere = portal.site("Anywhere").await;
    let all = one_of_each(&portal, &anywhere).await;
    assert_eq!(listed(&clinic.admin, &clinic, "").await, own(&[]));

    let ceiling = json!({ "scope": "both", "directory": "platform", "registration": "open", "sites": 5 });
    clinic.allow(json!({ "ceiling": ceiling })).await.expect(200);
    clinic
        .set_access(json!({ "directory": "platform" }))
        .await
        .expect(200);

    let everything: Vec<_> = all.values().collect();
    assert_eq!(found(&clinic.admin, &clinic, "").await, set(&everything));
    assert_eq!(
        found(&clinic.admin, &clinic, "?kind=payout").await,
        set(&[&all["payout"]])
    );
    clinic.admin.get(&path(&clinic, &all["refund"])).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_anothers_is_as_what_does_not_exist() {
    // Given money and a booking at a site that is not ours
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    clinic.bound("Ours", "owner").await;
    let foreign = portal.site("Foreign").await;
    let paid = portal.posting(Kind::Payment, &foreign).await.tell().await;
    let booking = portal.booking(&foreign, json!({})).await;

    // When they are asked for by their ids, then the answer is that of ids that name nothing
    let now = portal.clock.now();
    let random = portal_domain::id::TransactionId::mint(now).to_string();
    let nothing = portal_domain::id::BookingId::mint(now).to_string();
    for (theirs, nowhere, code) in [
        (
            format!("/transactions/{}", paid.row.id),
            format!("/transactions/{random}"),
            "transaction_not_found",
        ),
        (
            format!("/bookings/{}/money-trail", booking.id),
            format!("/bookings/{nothing}/money-trail"),
            "booking_not_found",
        ),
    ] {
        let mut answers = Vec::new();
        for path in [theirs, nowhere] {
            let answer = clinic.admin.get(&clinic.path(&path)).await;
            let mut problem = answer.expect_problem(404, code).json();
            problem["instance"] = Value::Null;
            answers.push(problem);
        }
        assert_eq!(answers[0], answers[1]);
    }
    assert_eq!(
        listed(&clinic.admin, &clinic, &format!("?booking_id={}", booking.id)).await,
        own(&[])
    );
    for path in ["/transactions/x", "/bookings/x/money-trail"] {
        clinic
            .admin
            .get(&clinic.path(path))
            .await
            .expect_problem(404, "route_not_found");
    }
}

// ---- Lists ----------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn pages_over_many_sites_have_everything_once_and_in_order() {
    // Given entries at several sites, many of them at the same instants
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let mut sites = Vec::new();
    for name in ["A", "B", "C", "D"] {
        sites.push(
            clinic
                .bound(name, if name == "D" { "shared" } else { "owner" })
                .await,
        );
    }
    let mut random = StdRng::seed_from_u64(seed());
    let mut all: Vec<(Timestamp, String, bool)> = Vec::new();
    let begun = portal.clock.now();
    for _ in 0..rounds(90) {
        let site = sites.choose(&mut random).unwrap();
        let kind = *Kind::ALL[..].choose(&mut random).unwrap();
        let kind = kind.parent().unwrap_or(kind);
        let at = begun - SignedDuration::from_secs(random.random_range(0..12));
        let told = portal
            .posting(kind, site)
            .await
            .say(json!({ "occurred_at": at }))
            .tell()
            .await;
        let is_seen = site != &sites[3] || kind == Kind::Payment;
        all.push((at, told.row.id.to_string(), is_seen));
    }
    all.sort_by(|a, b| b.cmp(a));
    let expected: Vec<String> = all
        .iter()
        .filter(|(.., is_seen)| *is_seen)
        .map(|(_, id, _)| id.clone())
        .collect();

    // When they are listed in pages of any size, then each is there once, the newest first
    for limit in [3, 7, 25, 100] {
        let pages = listed(&clinic.admin, &clinic, &format!("?limit={limit}")).await;
        assert_eq!(pages, expected, "{limit}");
    }
    // And a filter leaves the rest in its order
    let payments = listed(&clinic.admin, &clinic, "?kind=payment&limit=7").await;
    let at_a_site = listed(&clinic.admin, &clinic, &format!("?site_id={}&limit=7", sites[0])).await;
    for part in [payments, at_a_site] {
        let positions: Vec<_> = part
            .iter()
            .map(|id| expected.iter().position(|known| known == id))
            .collect();
        assert!(positions.iter().all(Option::is_some) && positions.is_sorted());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_ends_when_what_may_be_seen_changes() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let booking = portal.booking(&site, json!({})).await;
    for _ in 0..3 {
        portal
            .posting(Kind::Payment, &site)
            .await
            .for_booking(&booking)
            .tell()
            .await;
    }
    let list = clinic.path("/transactions?limit=1");
    let cursor = clinic.admin.get(&list).await.expect(200).next_cursor().unwrap();
    clinic
        .admin
        .get(&format!("{list}&cursor={cursor}"))
        .await
        .expect(200);
    // A cursor works for its own filters only.
    let other = clinic.path(&format!("/transactions?limit=1&kind=payment&cursor={cursor}"));
    clinic
        .admin
        .get(&other)
        .await
        .expect_problem(400, "cursor_invalid");

    clinic
        .set_access(json!({ "scope": "patients" }))
        .await
        .expect(200);
    clinic
        .admin
        .get(&format!("{list}&cursor={cursor}"))
        .await
        .expect_problem(400, "cursor_expired");

    // The pages of one booking's go on where they were.
    let of_booking = clinic.path(&format!("/transactions?limit=1&booking_id={}", booking.id));
    assert_eq!(clinic.admin.all(&of_booking).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_from_too_many_sites_needs_a_site_or_a_person() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let mut last = String::new();
    for number in 0..33 {
        last = clinic.bound(&format!("Site {number}"), "owner").await;
    }
    let paid = portal.posting(Kind::Payment, &last).await.tell().await;
    clinic
        .admin
        .get(&clinic.path("/transactions"))
        .await
        .expect_problem(422, "site_filter_required");
    assert_eq!(
        listed(&clinic.admin, &clinic, &format!("?site_id={last}")).await,
        own(&[&paid])
    );
    let patient = paid.row.person.patient().unwrap();
    assert_eq!(
        listed(&clinic.admin, &clinic, &format!("?patient_id={patient}")).await,
        own(&[&paid])
    );
}
