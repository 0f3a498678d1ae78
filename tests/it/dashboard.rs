//! The dashboard: each tile is as long as its list, for everybody who sees it, and for nobody else.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use portal_domain::transaction::Kind;
use serde_json::{Value, json};

use crate::support::{Answer, Clinic, Person, Portal};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A portal at ten past nine on the tenth of a month.
async fn on_a_morning() -> Portal {
    let portal = Portal::start().await;
    let date = portal.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let tenth = date.last_of_month().saturating_add(jiff::Span::new().days(10));
    let midnight = tenth.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    portal.wait_until(midnight + HOUR * 9 + MINUTE * 10);
    portal
}

/// The dashboard once all is counted.
async fn dashboard(person: &Person, clinic: &Clinic<'_>, query: &str) -> Answer {
    clinic.portal.settle().await.expect("all is delivered");
    person
        .get(&clinic.path(&format!("/dashboard{query}")))
        .await
        .expect(200)
}

fn tiles(dashboard: &Answer) -> Vec<Value> {
    dashboard.json()["tiles"].as_array().unwrap().clone()
}

fn name(tile: &Value) -> String {
    let of = |name: &str| tile[name].as_str().unwrap().to_owned();
    let currency = tile.pointer("/amount/currency").and_then(Value::as_str);
    let name = format!("{} {}", of("metric"), of("period"));
    currency.map_or_else(|| name.clone(), |currency| format!("{name} {currency}"))
}

/// The numbers that are not nothing.
fn numbers(dashboard: &Answer) -> BTreeMap<String, i64> {
    let number = |tile: &Value| (name(tile), tile["value"].as_i64().unwrap());
    let all = tiles(dashboard);
    all.iter().map(number).filter(|(_, value)| *value != 0).collect()
}

/// Follows each tile to its list: it is as long as the tile says, and comes to what it says.
async fn follow(person: &Person, dashboard: &Answer) {
    for tile in tiles(dashboard) {
        let list = person.all(tile["list"].as_str().unwrap()).await;
        let length = i64::try_from(list.len()).unwrap();
        assert_eq!(tile["value"], length, "{tile}");
        assert_eq!(tile["at_least"], false, "{tile}");
        if tile["amount"].is_object() {
            let sum: i64 = list.iter().map(|of| of["amount_minor"].as_i64().unwrap()).sum();
            assert_eq!(tile["amount"]["amount_minor"], sum, "{tile}");
        }
    }
}

/// Everything that tiles tell of, at `site`.
async fn busy(portal: &Portal, site: &str) {
    let now = portal.clock.now();
    let at = |start: Timestamp| json!({ "start": start, "end": start + HOUR });
    // Overdue, today, later today, within seven days, behind them, and last month
    for hours in [-4, 2, 11, 30, 24 * 6, 24 * 8, -24 * 12] {
        portal.booking(site, at(now + HOUR * hours)).await;
    }
    // This quarter of an hour has begun ten minutes ago
    portal.booking(site, at(now - MINUTE * 5)).await;
    for status in ["fulfilled", "noshow"] {
        let booking = portal.booking(site, at(now - HOUR * 3)).await;
        let line = portal.next_line(&booking).await;
        line.say(json!({ "status": status })).tell().await;
    }
    let waiting = json!({ "status": "waitlist", "start": null, "end": null });
    portal.booking(site, waiting).await;

    for (kind, fields) in [
        (Kind::Payment, json!({})),
        (Kind::Payment, json!({ "currency": "CHF", "amount_minor": 7 })),
        (Kind::Payment, json!({ "status": "processing" })),
        (Kind::Payment, json!({ "status": "failed" })),
        (Kind::Payment, json!({ "occurred_at": now - HOUR * 30 })),
        (Kind::Payment, json!({ "occurred_at": now - HOUR * 24 * 20 })),
        (Kind::Earning, json!({})),
        (Kind::Payout, json!({ "status": "in_transit" })),
        (Kind::Payout, json!({ "status": "failed" })),
    ] {
        portal.posting(kind, site).await.say(fields).tell().await;
    }
    let paid = portal.posting(Kind::Payment, site).await.tell().await;
    portal.giving_back(&paid, 2_500).try_tell().await.unwrap();

    for (name, status, days) in [("Ada", "active", 0), ("Ben", "locked", 3), ("Cleo", "active", 40)] {
        let joined = now - HOUR * 24 * days;
        let there = portal_local::feed::at_site(site, joined);
        let more = json!({ "status": status, "registrations": [there] });
        portal.patient_with(name, &[site], &more).await;
    }
    portal.specialist("Lin", &[site]).await;
    let draft = json!({ "submitted_at": null });
    portal.specialist_with("Sam", &[site], &draft).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_tile_is_as_long_as_its_list() {
    // Given two busy sites, the second shared without its specialists, and somebody who is at both
    let portal = on_a_morning().await;
    let clinic = portal.clinic().await;
    let (own, shared) = (
        clinic.bound("Own", "owner").await,
        clinic.bound("Shared", "shared").await,
    );
    clinic.configure(json!({ "time_zone": "America/New_York" })).await;
    busy(&portal, &own).await;
    busy(&portal, &shared).await;
    let now = portal.clock.now();
    let places = [
        portal_local::feed::at_site(&own, now - HOUR * 24 * 2),
        portal_local::feed::at_site(&shared, now),
    ];
    let more = json!({ "registrations": places });
    portal.patient_with("Dora", &[&own, &shared], &more).await;

    // Then what the admin sees of both is what the lists have
    let all = dashboard(&clinic.admin, &clinic, "").await;
    follow(&clinic.admin, &all).await;
    let counted = numbers(&all);
    for (tile, number) in [
        ("bookings.overdue now", 4),
        ("bookings.fulfilled today", 2),
        ("bookings.noshow month", 2),
        ("patients.active now", 5),
        ("patients.new month", 5),
        ("specialists.to_review now", 1),
        ("transactions.payment month EUR", 6),
        ("transactions.payment month CHF", 2),
        ("transactions.payment.failed month", 2),
        ("transactions.payout.failed month", 1),
        ("transactions.refund today EUR", 2),
        ("transactions.earning today EUR", 1),
    ] {
        assert_eq!(counted.get(tile), Some(&number), "{tile} of {counted:?}");
    }

    // And of each site alone
    for site in [&own, &shared] {
        let of_site = dashboard(&clinic.admin, &clinic, &format!("?site_id={site}")).await;
        follow(&clinic.admin, &of_site).await;
        assert_eq!(numbers(&of_site)["bookings.overdue now"], 2);
        assert_eq!(numbers(&of_site)["patients.active now"], 3);
    }

    // And in every zone
    for zone in ["Pacific/Kiritimati", "Asia/Kathmandu", "Pacific/Honolulu"] {
        clinic.configure(json!({ "time_zone": zone })).await;
        let there = dashboard(&clinic.admin, &clinic, "").await;
        assert_eq!(there.text_at("/time_zone"), zone);
        follow(&clinic.admin, &there).await;
    }

    // And of the whole platform
    clinic
        .allow(json!({ "ceiling": { "scope": "both", "directory": "platform", "registration": "open", "sites": 3 } }))
        .await
        .expect(200);
    clinic
        .set_access(json!({ "directory": "platform" }))
        .await
        .expect(200);
    busy(&portal, &portal.site("Elsewhere").await).await;
    let everywhere = dashboard(&clinic.admin, &clinic, "").await;
    follow(&clinic.admin, &everywhere).await;
    assert_eq!(numbers(&everywhere)["bookings.overdue now"], 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_the_tiles_of_the_lists_they_see() {
    // Given two busy sites
    let portal = on_a_morning().await;
    let clinic = portal.clinic().await;
    let (north, south) = (
        clinic.bound("North", "owner").await,
        clinic.bound("South", "owner").await,
    );
    busy(&portal, &north).await;
    busy(&portal, &south).await;
    let shown = |dashboard: &Answer| -> BTreeSet<String> {
        let all = tiles(dashboard);
        let collection = |tile: &Value| {
            let mut list = tile["list"].as_str().unwrap().split(['/', '?']);
            list.nth(4).unwrap().to_owned()
        };
        all.iter().map(collection).collect()
    };
    let set = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<_>>()
    };

    // Whoever may see a list sees its tiles
    for (name, collection) in [
        ("Bo", "bookings"),
        ("Pat", "patients"),
        ("Spencer", "specialists"),
        ("Tara", "transactions"),
    ] {
        let role = clinic.role(name, &[&format!("{collection}.read")]).await;
        let person = clinic.member(name, &role).await;
        let seen = dashboard(&person, &clinic, "").await;
        assert_eq!(shown(&seen), set(&[collection]));
        follow(&person, &seen).await;
        let has = |list: &str| !seen.json()[list].is_null();
        assert_eq!(has("next_bookings"), collection == "bookings");
        assert_eq!(has("recent_transactions"), collection == "transactions");
        // No name of a patient comes with money or bookings
        let tells = seen.text.contains("Jonas Weber");
        assert!(!tells, "{}", seen.text);
    }
    let viewer = clinic.member("Vera", "viewer").await;
    assert!(tiles(&dashboard(&viewer, &clinic, "").await).is_empty());

    // A role that is limited to a site sees that site
    let body =
        json!({ "name": "North", "permissions": ["bookings.read", "patients.read"], "sites": [north] });
    let role = clinic
        .admin
        .post(&clinic.path("/roles"), body)
        .await
        .expect(201)
        .id();
    let nora = clinic.member("Nora", &role).await;
    let seen = dashboard(&nora, &clinic, "").await;
    follow(&nora, &seen).await;
    assert_eq!(numbers(&seen)["bookings.overdue now"], 2);
    let path = clinic.path(&format!("/dashboard?site_id={south}"));
    nora.get(&path).await.expect_problem(404, "site_not_found");

    // A scope leaves out what it does not oversee
    for (scope, expected) in [
        ("patients", set(&["bookings", "patients", "transactions"])),
        ("specialists", set(&["bookings", "specialists", "transactions"])),
    ] {
        clinic.set_access(json!({ "scope": scope })).await.expect(200);
        let seen = dashboard(&clinic.admin, &clinic, "").await;
        assert_eq!(shown(&seen), expected);
        follow(&clinic.admin, &seen).await;
        let payouts = numbers(&seen).keys().any(|name| name.contains("payout"));
        assert_eq!(payouts, scope == "specialists");
    }

    // And who oversees whom it sponsors sees nothing of single persons
    clinic
        .set_access(json!({ "directory": "enrolled" }))
        .await
        .expect(200);
    let refused = clinic.admin.get(&clinic.path("/dashboard")).await;
    refused.expect_problem(403, "privacy_mode_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lists_on_the_dashboard_begin_with_what_is_nearest() {
    let portal = on_a_morning().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    let now = portal.clock.now();
    let mut made = BTreeMap::new();
    for hours in [-30_i32, -6, 1, 2, 3, 4, 5, 6] {
        let start = now + HOUR * hours;
        let booking = portal
            .booking(&site, json!({ "start": start, "end": start + HOUR }))
            .await;
        let booking = if hours < 0 {
            let line = portal.next_line(&booking).await;
            line.say(json!({ "status": "fulfilled" })).tell().await
        } else {
            booking
        };
        made.insert(hours, booking.id.to_string());
    }
    let paid = portal.posting(Kind::Payment, &site).await.tell().await;

    let seen = dashboard(&clinic.admin, &clinic, "").await.json();

    let ids = |list: &str| -> Vec<String> {
        let items = seen[list].as_array().unwrap().iter();
        items
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let of = |hours: &[i32]| -> Vec<String> { hours.iter().map(|hour| made[hour].clone()).collect() };
    assert_eq!(ids("next_bookings"), of(&[1, 2, 3, 4, 5]));
    assert_eq!(ids("recent_bookings"), of(&[-6, -30]));
    assert_eq!(ids("recent_transactions"), [paid.row.id.to_string()]);
    let ahead: Timestamp = seen["ahead"]["from"].as_str().unwrap().parse().unwrap();
    assert_eq!(now.duration_since(ahead).as_mins(), 10);
}
