//! The platform's operator: what organizations are allowed, and which sites they are bound to.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Portal, at_once};

/// An organization that never was.
const UNKNOWN: &str = "org_0192f0c1-2b3c-7d4e-8f50-61728394a5b6";
/// A site that never was.
const NOWHERE: &str = "sit_0192f0c1-2b3c-7d4e-8f50-61728394a5b6";

fn ceiling(scope: &str, directory: &str, registration: &str, sites: u32) -> Value {
    json!({ "scope": scope, "directory": directory, "registration": registration, "sites": sites })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_sees_what_an_organization_is_allowed_and_none_of_its_people() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    clinic.member("Ada", "provider").await;

    let seen = portal.operator().get(&clinic.allowance()).await.expect(200);

    let body = seen.json();
    assert_eq!(body["name"], "Riverside Family Practice");
    assert_eq!(body["seats"], json!({ "used": 1, "limit": 10 }));
    assert_eq!(body["access"]["ceiling"], ceiling("both", "sites", "open", 5));
    assert_eq!(body["access"]["registration"], "invite_only");
    assert!(!seen.text.contains("dana") && !seen.text.contains("ada@"));
    portal
        .operator()
        .get(&format!("/v1/platform/organizations/{UNKNOWN}"))
        .await
        .expect_problem(404, "organization_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_nobody_verified_is_no_operators() {
    let portal = Portal::start().await;
    let sign_in = portal_local::identity::SignIn {
        email_verified: Some(false),
        ..portal_local::identity::SignIn::new(portal_local::stack::OPERATOR)
    };
    crate::support::Person::with(&portal, &sign_in)
        .get("/v1/platform/sites")
        .await
        .expect_problem(403, "operator_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_ceiling_narrows_at_once_and_a_wider_one_widens_nothing() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;

    // When the operator lowers the ceiling
    let narrow = json!({ "ceiling": ceiling("patients", "enrolled", "invite_only", 0) });
    clinic.allow(narrow).await.expect(200);

    // Then the configuration is no wider, and cannot be made so
    let access = clinic.admin.get(&clinic.path("/access")).await.expect(200).json();
    assert_eq!(
        (&access["scope"], &access["directory"]),
        (&json!("patients"), &json!("enrolled"))
    );
    for (change, pointer) in [
        (json!({ "scope": "both" }), "/scope"),
        (json!({ "scope": "specialists" }), "/scope"),
        (json!({ "directory": "sites" }), "/directory"),
        (json!({ "registration": "open" }), "/registration"),
    ] {
        let refused = clinic
            .set_access(change)
            .await
            .expect_problem(403, "ceiling_exceeded");
        assert_eq!(refused.text_at("/errors/0/pointer"), pointer);
    }

    // And when it is raised again, the organization's own choice stays
    let wide = json!({ "ceiling": ceiling("both", "platform", "open", 9) });
    let raised = clinic.allow(wide).await.expect(200).json();
    assert_eq!(raised["access"]["scope"], "patients");
    let both = json!({ "scope": "both", "directory": "platform", "registration": "open" });
    let widened = clinic.set_access(both).await.expect(200).json();
    assert_eq!(
        (&widened["scope"], &widened["directory"]),
        (&json!("both"), &json!("platform"))
    );

    // And the organization's log tells all of it, without who the operator is by name
    let log = clinic
        .admin
        .all(&clinic.path("/audit-events?verb=organization.ceiling_changed"))
        .await;
    assert_eq!(log.len(), 2);
    assert_eq!(
        log[1]["changes"]["ceiling.scope"],
        json!({ "before": "both", "after": "patients" })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_are_as_many_as_the_operator_says() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;

    let allowed = clinic.allow(json!({ "seat_limit": 1 })).await.expect(200);

    assert_eq!(allowed.json()["seats"], json!({ "used": 0, "limit": 1 }));
    clinic
        .invite("ada@riverside.example", "provider")
        .await
        .expect(201);
    clinic
        .invite("ben@riverside.example", "provider")
        .await
        .expect_problem(409, "seat_limit_reached");
    clinic.allow(json!({ "seat_limit": 2 })).await.expect(200);
    clinic
        .invite("ben@riverside.example", "provider")
        .await
        .expect(201);
    for (allowance, pointer) in [
        (json!({ "seat_limit": 100_001 }), "/seat_limit"),
        (
            json!({ "ceiling": ceiling("both", "sites", "open", 201) }),
            "/ceiling/sites",
        ),
    ] {
        let refused = clinic
            .allow(allowance)
            .await
            .expect_problem(422, "limit_exceeded");
        assert_eq!(refused.text_at("/errors/0/pointer"), pointer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowance_is_changed_as_it_was_seen() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let operator = portal.operator();
    let etag = operator.etag(&clinic.allowance()).await;
    operator
        .patch(&clinic.allowance(), &etag, json!({ "seat_limit": 3 }))
        .await
        .expect(200);

    operator
        .patch(&clinic.allowance(), &etag, json!({ "seat_limit": 4 }))
        .await
        .expect_problem(412, "revision_mismatch");
    operator
        .request(Method::PATCH, &clinic.allowance())
        .json(&json!({ "seat_limit": 4 }))
        .send()
        .await
        .expect_problem(428, "revision_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_seen_while_the_organization_is_bound_to_it() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = portal.site("Lakeside Online").await;
    let path = clinic.path(&format!("/sites/{site}"));
    clinic
        .admin
        .get(&path)
        .await
        .expect_problem(404, "site_not_found");

    // When the operator binds it, twice
    let bound = clinic.bind(&site, "shared", true).await.expect(200).json();
    let again = clinic.bind(&site, "shared", true).await.expect(200).json();

    // Then it is seen, once
    assert_eq!(bound["sites"], again["sites"]);
    assert_eq!(
        bound["sites"],
        json!([{ "site_id": site, "role": "shared", "specialists_shared": true, "active": true }])
    );
    assert_eq!(
        clinic.admin.get(&path).await.expect(200).json()["name"],
        "Lakeside Online"
    );
    let organizations = portal
        .operator()
        .all(&format!("/v1/platform/sites/{site}/organizations"))
        .await;
    assert_eq!(organizations[0]["organization_id"], clinic.id.to_string());

    // And no longer after it is unbound
    clinic.unbind(&site).await.expect(204);
    clinic
        .admin
        .get(&path)
        .await
        .expect_problem(404, "site_not_found");
    clinic.unbind(&site).await.expect_problem(404, "site_not_found");
    let none = portal
        .operator()
        .all(&format!("/v1/platform/sites/{site}/organizations"))
        .await;
    assert_eq!(none, Vec::<Value>::new());

    // And the log has each change
    let log = clinic
        .admin
        .all(&clinic.path(&format!("/audit-events?object={site}")))
        .await;
    let verbs: Vec<&Value> = log.iter().map(|event| &event["verb"]).collect();
    assert_eq!(verbs, ["site.unbound", "site.bound"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_was_given_up_stays_so_when_it_is_bound_in_another_way() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside Online", "shared").await;
    clinic.set_access(json!({ "sites": [] })).await.expect(200);

    let bound = clinic.bind(&site, "owner", false).await.expect(200).json();

    assert_eq!(
        bound["sites"],
        json!([{ "site_id": site, "role": "owner", "specialists_shared": true, "active": false }])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_of_the_platform_is_where_its_answer_says() {
    let portal = Portal::start().await;
    let operator = portal.operator();
    let body = json!({ "name": "Lakeside Online" });
    let made = operator.post("/v1/platform/sites", body).await.expect(201);

    let found = operator.get(&made.header("location")).await.expect(200);

    assert_eq!((found.json(), found.etag()), (made.json(), made.etag()));
    operator
        .get(&format!("/v1/platform/sites/{NOWHERE}"))
        .await
        .expect_problem(404, "site_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_bound_to_nothing() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = portal.site("Lakeside Online").await;
    let refused = clinic
        .bind(NOWHERE, "owner", false)
        .await
        .expect_problem(422, "site_unknown");
    assert_eq!(refused.text_at("/errors/0/pointer"), "/site_id");
    portal
        .operator()
        .request(
            Method::PUT,
            &format!("/v1/platform/organizations/{UNKNOWN}/sites/{site}"),
        )
        .json(&json!({ "role": "owner" }))
        .send()
        .await
        .expect_problem(404, "organization_not_found");
    let refused = portal
        .operator()
        .post("/v1/platform/sites", json!({ "name": "Busy", "shards": 17 }))
        .await
        .expect_problem(422, "limit_exceeded");
    assert_eq!(refused.text_at("/errors/0/pointer"), "/shards");
}

#[tokio::test(flavor = "multi_thread")]
async fn sites_that_are_bound_at_once_are_all_bound() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let mut sites = Vec::new();
    for number in 0..6 {
        sites.push(portal.site(&format!("Site {number}")).await);
    }

    let bound = at_once(sites.iter().map(|site| clinic.bind(site, "owner", false))).await;

    for answer in bound {
        answer.expect(200);
    }
    assert_eq!(clinic.site_names(&clinic.admin).await.len(), 6);
    let listed = portal.operator().all("/v1/platform/sites?limit=4").await;
    assert_eq!(listed.len(), 6);
}
