//! Names: what bookings and transactions call people follows what the people are called.

use portal_domain::change::{Change, Write};
use portal_domain::text::PersonName;
use serde_json::{Value, json};

use crate::support::service::{Service, delete, upsert};
use crate::support::{Clinic, DAY, Portal};

const OLD: &str = "Zephyrine";
const GIVEN_BACK: &str = "Quillfeather";

fn name(system: &str, value: &str) -> Value {
    json!({ "system": system, "value": value })
}

fn person(given: &str, at: &str) -> Value {
    json!({
        "given_name": given, "family_name": "Berg",
        at: [{ "site": name("sites", "north"), "joined_at": "2026-01-02T08:00:00Z" }],
    })
}

/// A clinic with a patient and a specialist called the same, a booking of theirs, a payment and an earning.
async fn scene(portal: &Portal) -> (Service, Clinic<'_>) {
    let (service, clinic) = (portal.service("platform").await, portal.clinic().await);
    let tell = async |of: &str, value: &str, data: Value| {
        let told = service.feed(of, &[upsert(of, value, 1, &data)]).await.expect(200);
        assert_eq!(told.outcomes(), ["created"]);
        told.text_at("/results/0/id")
    };
    let site = json!({ "name": "North", "status": "live", "domains": ["north.example"] });
    let site = tell("sites", "north", site).await;
    clinic.bind(&site, "owner", true).await.expect(200);
    tell("patients", "mia", person(OLD, "registrations")).await;
    tell("specialists", "greta", person(OLD, "assignments")).await;
    let of = json!({ "patient": name("patients", "mia"), "specialist": name("specialists", "greta") });
    let start = portal.clock.now();
    let booking = json!({
        "site": name("sites", "north"), "patient": of["patient"], "specialist": of["specialist"],
        "service": "Physiotherapy", "status": "booked", "modality": "video", "start": start, "end": start + DAY,
    });
    tell("bookings", "b1", booking).await;
    for (kind, status, party) in [
        ("payment", "succeeded", "patient"),
        ("earning", "available", "specialist"),
    ] {
        let entry = json!({
            "kind": kind, "status": status, "amount_minor": 9_000, "currency": "EUR", "occurred_at": start,
            "site": name("sites", "north"), party: of[party], "booking": name("bookings", "b1"),
        });
        tell("transactions", kind, entry).await;
    }
    (service, clinic)
}

/// What the lists of bookings and transactions call patient and specialist.
async fn called(clinic: &Clinic<'_>) -> Vec<Value> {
    clinic.portal.settle().await.expect("all is delivered");
    let bookings = clinic.admin.all(&clinic.path("/bookings")).await;
    let transactions = clinic.admin.all(&clinic.path("/transactions")).await;
    let names = bookings
        .iter()
        .flat_map(|booking| [&booking["patient"]["name"], &booking["specialist"]["name"]]);
    let parties = transactions
        .iter()
        .flat_map(|entry| [&entry["patient"]["name"], &entry["specialist"]["name"]])
        .filter(|name| !name.is_null());
    names.chain(parties).cloned().collect()
}

/// How many items of the table hold a text.
fn holding(portal: &Portal, text: &str) -> usize {
    let scan = serde_json::from_value(json!({ "TableName": portal_local::stack::TABLE })).unwrap();
    let items = portal.dynamo.database().scan(scan).unwrap().items.unwrap();
    let items = items
        .iter()
        .map(|item| serde_json::to_string(item).unwrap().to_lowercase());
    items.filter(|item| item.contains(&text.to_lowercase())).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_is_in_all_that_somebody_has_and_an_erased_one_nowhere() {
    // Given what a patient and a specialist of one name have
    let portal = Portal::start().await;
    let (service, clinic) = scene(&portal).await;
    let before = format!("{OLD} Berg");
    assert_eq!(called(&clinic).await, [before.as_str(); 4]);

    // When both are called otherwise
    for (of, value, at) in [
        ("patients", "mia", "registrations"),
        ("specialists", "greta", "assignments"),
    ] {
        let line = upsert(of, value, 2, &person(GIVEN_BACK, at));
        assert_eq!(service.outcomes(of, &[line]).await, ["updated"]);
    }

    // Then all lists call them so, they are found by it in the ledger, and the old name is nowhere
    let after = format!("{GIVEN_BACK} Berg");
    assert_eq!(called(&clinic).await, [after.as_str(); 4]);
    let found = clinic
        .admin
        .all(&clinic.path("/transactions?search=quillf"))
        .await;
    assert_eq!(found.len(), 2);
    assert_eq!(holding(&portal, OLD), 0);

    // When both are deleted
    for (of, value) in [("patients", "mia"), ("specialists", "greta")] {
        assert_eq!(service.outcomes(of, &[delete(of, value, 3)]).await, ["updated"]);
    }

    // Then nothing has their names any more, and all they had is there
    assert_eq!(called(&clinic).await, [Value::Null, Value::Null]);
    assert_eq!(clinic.admin.all(&clinic.path("/transactions")).await.len(), 2);
    assert_eq!(holding(&portal, GIVEN_BACK), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_written_with_an_old_name_is_brought_up_to_date() {
    // Given a booking and a payment
    let portal = Portal::start().await;
    let (_, clinic) = scene(&portal).await;
    portal.settle().await.unwrap();
    let old: PersonName = "Ysolde Berg".parse().unwrap();
    let store = &portal.app.store;
    let id = |items: Vec<Value>| items[0]["id"].as_str().unwrap().to_owned();
    let booking = id(clinic.admin.all(&clinic.path("/bookings")).await)
        .parse()
        .unwrap();
    let payment = id(clinic.admin.all(&clinic.path("/transactions?kind=payment")).await);

    // When a writer that has read the patient earlier puts the name of then into both
    let now = portal.clock.now();
    let booking = store.fed_bookings([booking]).await.unwrap().remove(0);
    let stale = booking
        .calling(Some(old.clone()), booking.specialist_name.clone(), now)
        .unwrap();
    let change = Change::default().write(Write::BookingPut(Box::new(stale)));
    store.commit(&change, None, now).await.unwrap();
    let entry = store
        .fed_transactions([payment.parse().unwrap()])
        .await
        .unwrap()
        .remove(0);
    let stale = entry.calling(Some(old), now).unwrap();
    let write = Write::TransactionPut {
        new: Box::new(stale),
        old: Some(Box::new(entry)),
    };
    store
        .commit(&Change::default().write(write), None, now)
        .await
        .unwrap();

    // Then it does not stay there
    assert_eq!(called(&clinic).await, [format!("{OLD} Berg").as_str(); 4]);
    assert_eq!(holding(&portal, "Ysolde"), 0);
    let path = clinic.path(&format!("/transactions/{payment}"));
    let told = clinic.admin.get(&path).await.expect(200).json();
    assert_eq!(told["patient"]["name"], format!("{OLD} Berg"));
}
