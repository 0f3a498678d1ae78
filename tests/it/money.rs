//! Money: what a booking's trail and a specialist's month say of it, and that the ledger holds whatever is told at once.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use portal_domain::transaction::{Kind, MOST_AT_ONCE};
use portal_store::StoreError;
use serde_json::{Value, json};

use crate::support::ledger::{Posting, findings, ids, listed, own, path, set, statement, trail};
use crate::support::{Portal, at_once, rounds};

// ---- The money trail ------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_money_trail_leads_from_the_payment_to_the_payout() {
    // Given a booking that was kept, paid, earned by, partly refunded and reversed, and paid out
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let lena = portal.named_specialist("Lena Brandt");
    let booking = portal.booking(&site, json!({ "status": "fulfilled" })).await;
    let paid = portal.posting(Kind::Payment, &site).await.for_booking(&booking);
    let paid = paid.say(json!({ "fee_minor": 320 })).tell().await;
    let earned = portal
        .posting(Kind::Earning, &site)
        .await
        .with(&lena)
        .for_booking(&booking);
    let earned = earned
        .say(json!({ "amount_minor": 8_000, "fee_minor": 800 }))
        .tell()
        .await;
    portal.wait(SignedDuration::from_secs(1));
    let back = portal.giving_back(&paid, 2_500).tell().await;

    // Then a refund without a reversal does not fit
    let first = trail(&clinic.admin, &clinic, &booking.id).await.expect(200);
    assert_eq!(
        first.json()["findings"],
        json!([{ "finding": "refund_without_reversal", "transaction_id": back.row.id }])
    );

    // When it is reversed and paid out
    let reversed = portal.giving_back(&earned, 2_000).tell().await;
    let sent = portal
        .posting(Kind::Payout, &site)
        .await
        .with(&lena)
        .for_booking(&booking);
    let sent = sent
        .say(json!({ "amount_minor": 5_200, "available_on": "2026-05-08" }))
        .tell()
        .await;

    // Then the trail has all of it in its place, and its sums
    let told = trail(&clinic.admin, &clinic, &booking.id)
        .await
        .expect(200)
        .json();
    assert_eq!(told["booking_id"], json!(booking.id));
    for (branch, whole, part) in [
        ("payments", &paid, Some(&back)),
        ("earnings", &earned, Some(&reversed)),
        ("payouts", &sent, None),
    ] {
        let branches = told[branch].as_array().unwrap();
        assert_eq!(branches.len(), 1, "{branch}");
        assert_eq!(branches[0]["transaction"]["id"], json!(whole.row.id));
        let parts = ids(branches[0]["parts"].as_array().unwrap());
        assert_eq!(
            parts,
            part.map(|part| part.row.id.to_string())
                .into_iter()
                .collect::<Vec<_>>()
        );
    }
    assert_eq!(told["payouts"][0]["transaction"]["available_on"], "2026-05-08");
    assert_eq!((&told["loose"], &told["findings"]), (&json!([]), &json!([])));
    assert_eq!(
        told["totals"],
        json!([{
            "currency": "EUR", "paid_minor": 10_000, "refunded_minor": 2_500, "payment_fees_minor": 320, "earned_minor": 8_000,
            "reversed_minor": 2_000, "earning_fees_minor": 800, "paid_out_minor": 5_200, "paid_back_minor": 0, "balance_minor": 0,
        }])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_money_trail_tells_what_does_not_fit() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let found = async |booking: &portal_domain::booking::Booking| {
        findings(&trail(&clinic.admin, &clinic, &booking.id).await.expect(200))
    };

    let kept = portal.booking(&site, json!({ "status": "fulfilled" })).await;
    assert_eq!(found(&kept).await, ["fulfilled_booking_without_payment"]);
    let free = portal
        .booking(&site, json!({ "status": "fulfilled", "price": null }))
        .await;
    assert_eq!(found(&free).await, [""; 0]);
    let cancelled = json!({ "status": "cancelled", "status_by": "patient", "status_reason": "pat" });
    let hour = SignedDuration::from_hours(1);
    let ahead = async |hours: i32| {
        let start = portal.clock.now() + hour * hours;
        let times = json!({ "start": start, "end": start + hour });
        portal
            .line(&site)
            .await
            .say(cancelled.clone())
            .say(times)
            .tell()
            .await
    };
    let ended = ahead(200).await;
    portal
        .posting(Kind::Earning, &site)
        .await
        .for_booking(&ended)
        .tell()
        .await;
    assert_eq!(found(&ended).await, ["earning_without_fulfilled_booking"]);
    // Who cancels at the last moment may owe it.
    let late = ahead(3).await;
    portal
        .posting(Kind::Earning, &site)
        .await
        .for_booking(&late)
        .tell()
        .await;
    assert_eq!(found(&late).await, [""; 0]);
    // A part whose whole went to another booking.
    let one = portal.booking(&site, json!({})).await;
    let other = portal.booking(&site, json!({})).await;
    let paid = portal
        .posting(Kind::Payment, &site)
        .await
        .for_booking(&one)
        .tell()
        .await;
    let back = portal.giving_back(&paid, 100).tell().await;
    let paid = clinic.kept_transaction(&paid).await;
    portal.next_posting(&paid, None).for_booking(&other).tell().await;
    let told = trail(&clinic.admin, &clinic, &one.id).await.expect(200);
    assert_eq!(findings(&told), ["part_without_whole"]);
    assert_eq!(ids(told.json()["loose"].as_array().unwrap()), own(&[&back]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_are_never_across_currencies() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let booking = portal.booking(&site, json!({ "status": "fulfilled" })).await;
    for (currency, amount) in [("EUR", 10_000), ("JPY", 1_200), ("EUR", 500)] {
        let paid = portal.posting(Kind::Payment, &site).await.for_booking(&booking);
        paid.say(json!({ "currency": currency, "amount_minor": amount }))
            .tell()
            .await;
    }
    let told = trail(&clinic.admin, &clinic, &booking.id)
        .await
        .expect(200)
        .json();
    let totals = told["totals"].as_array().unwrap().iter();
    let totals: Vec<_> = totals
        .map(|total| {
            (
                total["currency"].as_str().unwrap(),
                total["paid_minor"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(totals, [("EUR", 10_500), ("JPY", 1_200)]);
}

// ---- Statements -----------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_the_filtered_list_and_its_sums() {
    // Given a specialist with entries around a month, in the zone of an organization that is ahead of UTC
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let etag = clinic.admin.etag(&clinic.path("")).await;
    let zone = json!({ "time_zone": "Europe/Berlin" });
    clinic
        .admin
        .patch(&clinic.path(""), &etag, zone)
        .await
        .expect(200);
    let lena = portal.named_specialist("Lena Brandt");
    let told = async |kind: Kind, at: &str, fields: Value| {
        let posting = portal
            .posting(kind, &site)
            .await
            .with(&lena)
            .say(json!({ "occurred_at": at }));
        posting.say(fields).tell().await
    };
    told(Kind::Earning, "2026-04-30T21:59:59.999Z", json!({})).await;
    let first = told(
        Kind::Earning,
        "2026-04-30T22:00:00Z",
        json!({ "fee_minor": 1_000 }),
    )
    .await;
    let sent = told(
        Kind::Payout,
        "2026-05-20T10:00:00Z",
        json!({ "amount_minor": 4_000 }),
    )
    .await;
    let failed = told(
        Kind::Payout,
        "2026-05-21T10:00:00Z",
        json!({ "amount_minor": 4_000, "status": "failed" }),
    )
    .await;
    let yen = told(
        Kind::Earning,
        "2026-05-22T10:00:00Z",
        json!({ "amount_minor": 900, "currency": "JPY" }),
    )
    .await;
    let back = portal
        .giving_back(&first, 2_500)
        .say(json!({ "occurred_at": "2026-05-31T21:59:59.999Z" }))
        .tell()
        .await;
    told(Kind::Earning, "2026-05-31T22:00:00Z", json!({})).await;
    portal
        .posting(Kind::Earning, &site)
        .await
        .say(json!({ "occurred_at": "2026-05-20T10:00:00Z" }))
        .tell()
        .await;

    // When the month is stated
    let answer = statement(&clinic.admin, &clinic, &lena.id, "2026-05")
        .await
        .expect(200);
    let stated = answer.json();

    // Then its lines are those of the list with its bounds
    assert_eq!(
        (&stated["specialist"], &stated["month"], &stated["time_zone"]),
        (
            &json!({ "id": lena.id, "name": "Lena Brandt" }),
            &json!("2026-05"),
            &json!("Europe/Berlin")
        )
    );
    let (from, until) = (
        stated["from"].as_str().unwrap(),
        stated["until"].as_str().unwrap(),
    );
    assert_eq!((from, until), ("2026-04-30T22:00:00Z", "2026-05-31T22:00:00Z"));
    let lines = stated["lines"].as_array().unwrap();
    let of_lines: Vec<Value> = lines.iter().map(|line| line["transaction"].clone()).collect();
    assert_eq!(ids(&of_lines), own(&[&first, &sent, &failed, &yen, &back]));
    let list = format!("?specialist_id={}&from={from}&until={until}", lena.id);
    let mut newest_first = listed(&clinic.admin, &clinic, &list).await;
    newest_first.reverse();
    assert_eq!(ids(&of_lines), newest_first);

    // And its totals are their sums, of what counts, each currency for itself
    let balance = |line: &Value| line["balance_minor"].as_i64().unwrap();
    assert_eq!(
        lines.iter().map(balance).collect::<Vec<_>>(),
        [9_000, -4_000, 0, 900, -2_500]
    );
    let totals = stated["totals"].as_array().unwrap();
    assert_eq!(totals.len(), 2);
    for total in totals {
        let own = lines
            .iter()
            .filter(|line| line["transaction"]["currency"] == total["currency"]);
        assert_eq!(
            total["balance_minor"].as_i64().unwrap(),
            own.map(balance).sum::<i64>()
        );
    }
    assert_eq!(
        (
            &totals[0]["earned_minor"],
            &totals[0]["earning_fees_minor"],
            &totals[0]["reversed_minor"],
            &totals[0]["paid_out_minor"]
        ),
        (&json!(10_000), &json!(1_000), &json!(2_500), &json!(4_000))
    );

    // And a month without entries is empty
    let empty = statement(&clinic.admin, &clinic, &lena.id, "2025-05")
        .await
        .expect(200)
        .json();
    assert_eq!((&empty["lines"], &empty["totals"]), (&json!([]), &json!([])));
    assert_eq!(empty["specialist"]["name"], "Lena Brandt");
    let new = portal.specialist("Nova Neu", &[&site]).await;
    let none = statement(&clinic.admin, &clinic, &new.id, "2026-05")
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&none["lines"], &none["specialist"]["name"]),
        (&json!([]), &json!("Nova Neu"))
    );
    let elsewhere = portal.specialist("Elsa Elsewhere", &[]).await;
    statement(&clinic.admin, &clinic, &elsewhere.id, "2026-05")
        .await
        .expect_problem(404, "specialist_not_found");
    for month in ["2026-13", "2026-5", "may", "2026-05-01"] {
        statement(&clinic.admin, &clinic, &lena.id, month)
            .await
            .expect_problem(404, "route_not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_thousand_entries_are_read_as_a_list() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let lena = portal.named_specialist("Lena Brandt");
    let booking = portal.line(&site).await.with(&lena).tell().await;
    let posting = portal
        .posting(Kind::Earning, &site)
        .await
        .with(&lena)
        .for_booking(&booking);
    let posting = posting.say(json!({ "occurred_at": "2026-05-20T10:00:00Z" }));
    posting.tell_times(MOST_AT_ONCE).await;
    let told = trail(&clinic.admin, &clinic, &booking.id)
        .await
        .expect(200)
        .json();
    assert_eq!(told["earnings"].as_array().unwrap().len(), MOST_AT_ONCE);
    let stated = statement(&clinic.admin, &clinic, &lena.id, "2026-05")
        .await
        .expect(200)
        .json();
    assert_eq!(stated["totals"][0]["earned_minor"], 10_000_000);

    posting.tell_times(1).await;
    trail(&clinic.admin, &clinic, &booking.id)
        .await
        .expect_problem(409, "too_many_entries");
    statement(&clinic.admin, &clinic, &lena.id, "2026-05")
        .await
        .expect_problem(409, "too_many_entries");
    let list = clinic.path(&format!("/transactions?booking_id={}&limit=100", booking.id));
    assert_eq!(clinic.admin.all(&list).await.len(), MOST_AT_ONCE + 1);
}

// ---- The ledger -----------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn of_two_refunds_that_are_too_much_together_one_is_taken() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    for round in 0..rounds(9) {
        // Given a payment, an earning or a payout, and two that give back more than half of it over the same state of it
        let whole = [Kind::Payment, Kind::Earning, Kind::Payout][round % 3];
        let whole = portal.posting(whole, &site).await.tell().await;
        let postings = [6_000, 7_000].map(|amount| portal.giving_back(&whole, amount));

        // When both are told at once
        let results = at_once(postings.map(Posting::try_tell)).await;

        // Then one is taken, and the other has to be decided anew
        let (taken, stale): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!((taken.len(), stale.len()), (1, 1));
        assert!(matches!(stale[0], Err(StoreError::Stale | StoreError::Busy)));
        let taken = taken.into_iter().next().unwrap().unwrap();
        let kept = clinic.kept_transaction(&whole).await;
        assert_eq!(kept.row.given_back_minor(), Some(taken.row.amount.amount_minor));
        assert!(!clinic.give_back(&whole, 6_000).await);
        let path = clinic.path("/transactions?limit=2");
        let newest = clinic.admin.get(&path).await.expect(200).items();
        assert_eq!(
            ids(&newest).into_iter().collect::<BTreeSet<_>>(),
            set(&[&whole, &taken])
        );
        portal.wait(SignedDuration::from_secs(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_refunds_come_at_once_they_are_never_more_than_the_payment() {
    // Given a payment of a hundred euros
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

    // When twelve refunds of fifteen come at once, each told until it is taken or too much
    let taken = at_once((0..12).map(|_| clinic.give_back(&paid, 1_500))).await;

    // Then six of them are taken, everywhere
    assert_eq!(taken.into_iter().filter(|taken| *taken).count(), 6);
    let kept = clinic.kept_transaction(&paid).await;
    assert_eq!((kept.row.given_back_minor(), kept.rev), (Some(9_000), 7));
    let refunds = clinic.admin.all(&clinic.path("/transactions?kind=refund")).await;
    let sum: i64 = refunds
        .iter()
        .map(|refund| refund["amount_minor"].as_i64().unwrap())
        .sum();
    assert_eq!((refunds.len(), sum), (6, 9_000));
    let told = trail(&clinic.admin, &clinic, &booking.id)
        .await
        .expect(200)
        .json();
    assert_eq!(told["totals"][0]["refunded_minor"], 9_000);
    assert_eq!(told["payments"][0]["transaction"]["given_back_minor"], 9_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_fails_makes_room_for_another() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let paid = portal.posting(Kind::Payment, &site).await.tell().await;
    let pending = portal
        .giving_back(&paid, 10_000)
        .say(json!({ "status": "pending" }))
        .tell()
        .await;
    assert!(!clinic.give_back(&paid, 1).await);

    let kept = clinic.kept_transaction(&paid).await;
    let failed = portal.next_posting(&pending, Some(&kept));
    failed
        .say(json!({ "status": "failed", "failure": { "code": "expired_or_canceled_card" } }))
        .tell()
        .await;

    assert_eq!(
        clinic.kept_transaction(&paid).await.row.given_back_minor(),
        Some(0)
    );
    assert!(clinic.give_back(&paid, 10_000).await);
    let told = clinic
        .admin
        .get(&path(&clinic, &pending))
        .await
        .expect(200)
        .json();
    assert_eq!(
        told["failure"],
        json!({ "code": "expired_or_canceled_card", "message_key": null })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_line_told_twice_at_once_is_taken_once() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let paid = portal
        .posting(Kind::Payment, &site)
        .await
        .say(json!({ "status": "processing" }))
        .tell()
        .await;
    let line = || {
        portal
            .next_posting(&paid, None)
            .say(json!({ "status": "succeeded" }))
            .try_tell()
    };
    let results = at_once((0..4).map(|_| line())).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(clinic.kept_transaction(&paid).await.rev, 2);
    assert_eq!(listed(&clinic.admin, &clinic, "").await, own(&[&paid]));
}
