//! The demo data: it obeys every rule that real data obeys.

use std::collections::BTreeMap;

use portal_domain::id::OrganizationId;
use portal_domain::invite::{Invite, State, Status};
use portal_domain::membership::Membership;
use portal_domain::role::Role;
use portal_local::demo::{self, ids};
use portal_local::identity::SignIn;
use portal_local::verify::verify;
use portal_store::Position;
use portal_store::entity::membership::Wanted;
use serde_json::json;

use crate::support::{Person, Portal};

async fn filled() -> Portal {
    let portal = Portal::start().await;
    demo::fill(&portal).await.expect("the demo data is written");
    portal
}

fn dana(portal: &Portal) -> Person {
    Person::with(portal, &SignIn::new(demo::ADMIN))
}

async fn members(portal: &Portal) -> Vec<Membership> {
    let page = portal
        .app
        .store
        .members(ids::RIVERSIDE, &Wanted::default(), 100, None)
        .await
        .expect("readable");
    assert!(page.next.is_none());
    page.items
}

/// All invites, whatever became of them.
async fn invites(portal: &Portal) -> Vec<Invite> {
    let mut all = Vec::new();
    for status in [
        Status::Pending,
        Status::Expired,
        Status::Accepted,
        Status::Declined,
        Status::Revoked,
    ] {
        let mut after: Option<Position> = None;
        loop {
            let now = portal.clock.now();
            let page = portal
                .app
                .store
                .invites(ids::RIVERSIDE, Some(status), now, 100, after)
                .await
                .expect("readable");
            all.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clinic_has_sixty_members_and_its_counters_are_right() {
    let portal = filled().await;
    let (members, invites) = (members(&portal).await, invites(&portal).await);
    let store = &portal.app.store;

    // Sixty people, of whom three are admins
    assert_eq!(members.len(), 60);
    let mut holders: BTreeMap<Role, u64> = BTreeMap::new();
    for member in &members {
        *holders.entry(member.role).or_default() += 1;
    }
    let counts = store.counts(ids::RIVERSIDE).await.unwrap().expect("counts");
    assert_eq!(counts.members, 60);
    assert_eq!(holders[&Role::Admin], 3);
    for (role, held) in holders {
        assert_eq!(counts.holders(role), held, "{role}");
    }

    // All seats of the plan, as they are counted
    let seats = store.seats(ids::RIVERSIDE).await.unwrap().expect("seats");
    let taken = members.iter().filter(|member| member.seat).count()
        + invites.iter().filter(|invite| invite.seat_held).count();
    assert_eq!((seats.used, seats.limit), (10, 10));
    assert_eq!(taken, 10);

    // Each accepted invite led to at most one membership, and every kind of end is there
    let mut accepted: Vec<_> = invites
        .iter()
        .filter_map(|invite| match invite.state {
            State::Accepted { by, .. } => Some(by),
            _ => None,
        })
        .collect();
    accepted.sort_unstable();
    accepted.dedup();
    assert_eq!(
        accepted.len(),
        59 + 2,
        "all but the founder, and two who are gone"
    );
    for status in Status::ALL {
        let now = portal.clock.now();
        assert!(
            invites.iter().any(|invite| invite.status(now) == status),
            "no invite is {}",
            status.as_str()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_signs_in_and_finds_everything_in_place() {
    // Given the admin that `make up` names
    let portal = filled().await;
    let dana = dana(&portal);
    let clinic = format!("/v1/organizations/{}", ids::RIVERSIDE);

    // Then she is known, is in four organizations, and reads a log that begins with the first day
    let me = dana.get("/v1/me").await.expect(200);
    assert_eq!(me.text_at("/name"), "Dana Whitfield");
    let mine = dana.get("/v1/organizations").await.expect(200);
    assert_eq!(mine.items().len(), 4);
    let log = format!("{clinic}/audit-events?object={}&limit=100", ids::RIVERSIDE);
    let log = dana.get(&log).await.expect(200).items();
    let verbs: Vec<_> = log.iter().map(|event| event["verb"].clone()).collect();
    assert_eq!(verbs, ["organization.updated", "organization.created"]);

    // And addresses are tied as those of real members and invites are
    for (email, code) in [
        ("mateo.alvarez@riverside.example", "already_member"),
        ("renata.costa@riverside.example", "invite_pending"),
    ] {
        dana.post(
            &format!("{clinic}/invites"),
            json!({ "email": email, "role": "viewer" }),
        )
        .await
        .expect_problem(409, code);
    }

    // And nobody else can have a member's address
    let impostor = SignIn {
        sub: Some("another".to_owned()),
        ..SignIn::new("mateo.alvarez@riverside.example")
    };
    Person::with(&portal, &impostor)
        .get("/v1/me")
        .await
        .expect_problem(409, "email_claimed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_overdue_is_worked_off_once() {
    let portal = filled().await;
    let used = async || {
        let seats = portal.app.store.seats(ids::RIVERSIDE).await.unwrap();
        seats.expect("seats").used
    };
    assert_eq!(used().await, 10);

    let report = portal
        .run_job("expire-invites")
        .await
        .expect("a job")
        .expect("done");

    assert_eq!(report, json!({ "done": 1, "settled": 0 }));
    assert_eq!(used().await, 9);
    let again = portal
        .run_job("expire-invites")
        .await
        .expect("a job")
        .expect("done");
    assert_eq!(again, json!({ "done": 0, "settled": 0 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_holds_anything_is_left_alone() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;

    demo::fill(&portal).await.expect("nothing to do");

    dana(&portal)
        .get(&format!("/v1/organizations/{}", ids::RIVERSIDE))
        .await
        .expect_problem(404, "organization_not_found");
    assert_eq!(
        clinic
            .admin
            .get("/v1/organizations")
            .await
            .expect(200)
            .items()
            .len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_of_clinics_and_an_operator_of_two_brands_oversee_their_own() {
    let portal = filled().await;
    portal.settle().await.expect("all is delivered");
    for (admin, organization, sites, patients, specialists) in [
        (demo::NETWORK_ADMIN, ids::NORTHSHORE, 3, 36, 5),
        (demo::BRANDS_ADMIN, ids::CLEARBROOK, 2, 24, 3),
    ] {
        let admin = Person::with(&portal, &SignIn::new(admin));
        let path = |rest: &str| format!("/v1/organizations/{organization}{rest}");
        let all = async |list: &str| admin.all(&path(list)).await;
        assert_eq!(admin.get(&path("/sites")).await.expect(200).items().len(), sites);
        assert_eq!(all("/patients").await.len(), patients);
        assert_eq!(all("/specialists").await.len(), specialists);
        let (bookings, entries) = (all("/bookings").await, all("/transactions").await);
        assert_eq!(bookings.len(), patients * 3);
        let fulfilled = bookings
            .iter()
            .filter(|booking| booking["status"] == "fulfilled")
            .count();
        assert!(fulfilled > patients, "{fulfilled}");
        assert_eq!(entries.len(), fulfilled * 2);
        // The dashboard has what the lists have
        let dashboard = admin.get(&path("/dashboard")).await.expect(200).json();
        for tile in dashboard["tiles"].as_array().expect("tiles") {
            let list = admin.all(tile["list"].as_str().expect("a path")).await;
            assert_eq!(tile["value"], list.len(), "{tile}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_audit_log_verifies_and_its_days_are_sealed() {
    let portal = filled().await;
    portal.settle().await.unwrap();
    let organizations: Vec<OrganizationId> = portal
        .items()
        .iter()
        .filter(|item| item["kind"]["S"] == "organization")
        .map(|item| item["id"]["S"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(organizations.len() > 3);

    let sealed = portal.run_job("seal-audit-log").await.unwrap().unwrap();

    assert_ne!(sealed["done"], 0);
    for organization in organizations {
        let verdict = verify(portal.config(0), &organization.to_string(), None)
            .await
            .unwrap();
        assert_eq!(verdict.findings, [], "{organization}");
    }
}
