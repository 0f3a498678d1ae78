//! Sites and the access configuration, as an organization's people see and change them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Clinic, Portal, at_once, fresh_key};

async fn create(clinic: &Clinic<'_>, name: &str) -> String {
    let body = json!({ "name": name });
    clinic
        .admin
        .post(&clinic.path("/sites"), body)
        .await
        .expect(201)
        .id()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_makes_and_changes_its_own_sites() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;

    // When an admin makes a site
    let body = json!({ "name": " Riverside Online ", "domains": ["Care.Riverside.example"], "time_zone": "europe/berlin" });
    let made = clinic.admin.post(&clinic.path("/sites"), body).await.expect(201);

    // Then it is a draft of the organization's own
    let path = clinic.path(&format!("/sites/{}", made.id()));
    assert_eq!(made.header("location"), path);
    let site = made.json();
    assert_eq!(
        (&site["name"], &site["status"], &site["time_zone"]),
        (
            &json!("Riverside Online"),
            &json!("draft"),
            &json!("Europe/Berlin")
        )
    );
    assert_eq!(site["domains"], json!(["care.riverside.example"]));
    assert_eq!(
        (&site["registration"], &site["source"]),
        (&Value::Null, &Value::Null)
    );
    let access = clinic.admin.get(&clinic.path("/access")).await.expect(200).json();
    assert_eq!(access["sites"][0]["role"], "owner");

    // And every member sees it, and only admins change it
    let ada = clinic.member("Ada", "viewer").await;
    assert_eq!(ada.get(&path).await.expect(200).json(), site);
    ada.patch(&path, &made.etag(), json!({ "status": "live" }))
        .await
        .expect_problem(403, "permission_missing");
    let live = clinic
        .admin
        .patch(
            &path,
            &made.etag(),
            json!({ "status": "live", "registration": "open" }),
        )
        .await
        .expect(200);
    assert_eq!(live.json()["registration"], "open");
    let as_before = clinic
        .admin
        .patch(&path, &live.etag(), json!({ "registration": null }))
        .await
        .expect(200);
    assert_eq!(
        (&as_before.json()["registration"], &as_before.json()["status"]),
        (&Value::Null, &json!("live"))
    );
    clinic
        .admin
        .patch(&path, &live.etag(), json!({ "name": "Late" }))
        .await
        .expect_problem(412, "revision_mismatch");

    // And the log has each change
    let log = clinic
        .admin
        .all(&clinic.path(&format!("/audit-events?object={}", made.id())))
        .await;
    let verbs: Vec<&Value> = log.iter().map(|event| &event["verb"]).collect();
    assert_eq!(verbs, ["site.updated", "site.updated", "site.created"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_cannot_be_is_refused_at_its_field() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let domains: Vec<String> = (0..21).map(|n| format!("site{n}.riverside.example")).collect();
    for (body, code) in [
        (json!({ "name": "" }), "text_invalid"),
        (json!({ "name": "a\u{202e}b" }), "text_invalid"),
        (
            json!({ "name": "A", "time_zone": "Mars/Olympus" }),
            "time_zone_unknown",
        ),
        (
            json!({ "name": "A", "domains": ["not a domain"] }),
            "domain_invalid",
        ),
        (json!({ "name": "A", "domains": domains }), "limit_exceeded"),
        (json!({ "name": "A", "shards": 4 }), "fields_invalid"),
        (json!({ "name": "A", "status": "live" }), "fields_invalid"),
    ] {
        clinic
            .admin
            .post(&clinic.path("/sites"), body)
            .await
            .expect_problem(422, code);
    }
    assert_eq!(clinic.site_names(&clinic.admin).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_sites_are_made_than_the_ceiling_has_whoever_is_first() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;

    let answers = at_once((0..12).map(|number| {
        let body = json!({ "name": format!("Site {number}") });
        let path = clinic.path("/sites");
        let admin = &clinic.admin;
        async move {
            let key = fresh_key();
            loop {
                let answer = admin.post_with_key(&path, &key, body.clone()).await;
                if answer.code() != "busy" {
                    break answer;
                }
            }
        }
    }))
    .await;

    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 5);
    for refused in answers.into_iter().filter(|answer| answer.status != 201) {
        refused.expect_problem(403, "ceiling_exceeded");
    }
    assert_eq!(clinic.site_names(&clinic.admin).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_site_is_seen_and_not_changed() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside Online", "shared").await;
    let path = clinic.path(&format!("/sites/{site}"));
    let etag = clinic.admin.etag(&path).await;

    clinic
        .admin
        .patch(&path, &etag, json!({ "name": "Ours" }))
        .await
        .expect_problem(403, "site_not_bound");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_site_of_others_can_be_reached_or_taken() {
    // Given two organizations with a site each
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let other = Clinic::of(&portal, portal.person("Eve"), "Elsewhere").await;
    let (ours, theirs) = (create(&clinic, "Ours").await, create(&other, "Theirs").await);

    // Then neither reaches the other's, which looks like one that never was
    let never = "sit_0192f0c1-2b3c-7d4e-8f50-61728394a5b6";
    for site in [theirs.as_str(), never] {
        let path = clinic.path(&format!("/sites/{site}"));
        clinic
            .admin
            .get(&path)
            .await
            .expect_problem(404, "site_not_found");
        clinic
            .admin
            .patch(&path, "\"1\"", json!({ "name": "Mine" }))
            .await
            .expect_problem(404, "site_not_found");
        let refused = clinic
            .set_access(json!({ "sites": [ours, site] }))
            .await
            .expect_problem(403, "site_not_bound");
        assert_eq!(refused.text_at("/errors/0/pointer"), "/sites");
        clinic
            .admin
            .post(
                &clinic.path("/roles"),
                json!({ "name": "Desk", "permissions": [], "sites": [site] }),
            )
            .await
            .expect_problem(403, "site_not_bound");
    }
    assert_eq!(clinic.site_names(&clinic.admin).await, ["Ours"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sites_are_given_up_and_taken_again_while_they_are_bound() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (first, second) = (create(&clinic, "First").await, create(&clinic, "Second").await);

    let narrowed = clinic.set_access(json!({ "sites": [first] })).await.expect(200);

    let sites = narrowed.json()["sites"].clone();
    let active = |site: &str| {
        let sites = sites.as_array().unwrap();
        sites.iter().find(|known| known["site_id"] == site).unwrap()["active"].clone()
    };
    assert_eq!((active(&first), active(&second)), (json!(true), json!(false)));
    clinic
        .set_access(json!({ "sites": [first, second] }))
        .await
        .expect(200);
    let log = clinic
        .admin
        .all(&clinic.path("/audit-events?verb=organization.access_configured"))
        .await;
    assert_eq!(log[1]["changes"]["sites"]["after"], first);

    // What is changed is changed as it was seen, and all of it
    let path = clinic.path("/access");
    let body = json!({ "scope": "both", "directory": "sites", "registration": "open", "sites": [] });
    clinic
        .admin
        .request(Method::PUT, &path)
        .header("if-match", "\"1\"")
        .json(&body)
        .send()
        .await
        .expect_problem(412, "revision_mismatch");
    let etag = clinic.admin.etag(&path).await;
    clinic
        .admin
        .request(Method::PUT, &path)
        .header("if-match", &etag)
        .json(&json!({ "scope": "both" }))
        .send()
        .await
        .expect_problem(422, "fields_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_limited_to_sites_sees_and_grants_no_others() {
    // Given a role for one of two sites
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (first, second) = (create(&clinic, "First").await, create(&clinic, "Second").await);
    let permissions = [
        "roles.manage",
        "members.read",
        "members.manage",
        "organization.update",
        "patients.read",
    ];
    let body = json!({ "name": "Front desk", "permissions": permissions, "sites": [first] });
    let role = clinic.admin.post(&clinic.path("/roles"), body).await.expect(201);
    assert_eq!(role.json()["sites"], json!([first]));
    let ada = clinic.member("Ada", &role.id()).await;

    // Then its holder sees that one
    assert_eq!(clinic.site_names(&ada).await, ["First"]);
    ada.get(&clinic.path(&format!("/sites/{second}")))
        .await
        .expect_problem(404, "site_not_found");

    // And makes no role that reaches further, no site, and no other configuration
    let wider = [
        json!({ "name": "Wider", "permissions": ["patients.read"] }),
        json!({ "name": "Wider", "permissions": ["patients.read"], "sites": [second] }),
        json!({ "name": "Wider", "permissions": ["patients.read"], "sites": [first, second] }),
    ];
    for body in wider {
        ada.post(&clinic.path("/roles"), body)
            .await
            .expect_problem(403, "grant_exceeds_own");
    }
    let same = json!({ "name": "Same", "permissions": ["patients.read"], "sites": [first] });
    ada.post(&clinic.path("/roles"), same).await.expect(201);
    let elsewhere = json!({ "name": "People", "permissions": ["members.read"] });
    ada.post(&clinic.path("/roles"), elsewhere).await.expect(201);
    ada.post(&clinic.path("/sites"), json!({ "name": "Third" }))
        .await
        .expect_problem(403, "grant_exceeds_own");
    let etag = ada.etag(&clinic.path("/access")).await;
    let body =
        json!({ "scope": "both", "directory": "sites", "registration": "open", "sites": [first, second] });
    ada.request(Method::PUT, &clinic.path("/access"))
        .header("if-match", &etag)
        .json(&body)
        .send()
        .await
        .expect_problem(403, "grant_exceeds_own");

    // And nobody makes themselves or others see more by changing the role
    let path = clinic.path(&format!("/roles/{}", role.id()));
    for sites in [json!(null), json!([first, second])] {
        let etag = ada.etag(&path).await;
        ada.patch(&path, &etag, json!({ "sites": sites }))
            .await
            .expect_problem(403, "grant_exceeds_own");
    }
    let etag = clinic.admin.etag(&path).await;
    let wide = clinic
        .admin
        .patch(&path, &etag, json!({ "sites": null }))
        .await
        .expect(200);
    assert_eq!(wide.json()["sites"], Value::Null);
    assert_eq!(clinic.site_names(&ada).await, ["First", "Second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sites_are_listed_without_a_gap_or_a_duplicate() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let wide = json!({ "scope": "both", "directory": "sites", "registration": "open", "sites": 30 });
    clinic.allow(json!({ "ceiling": wide })).await.expect(200);
    let mut expected = Vec::new();
    for number in 0..23 {
        let name = format!("Site {number:02}");
        create(&clinic, &name).await;
        expected.push(name);
    }
    let listed = clinic.admin.all(&clinic.path("/sites?limit=5")).await;
    let mut names: Vec<String> = listed
        .iter()
        .map(|site| site["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, expected);
}
