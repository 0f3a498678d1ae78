//! The patient directory: who is in it, what is told of them, and what members ask to be changed.

use portal_domain::patient::Patient;
use portal_local::faults::{Kind, Rule};
use portal_store::table::PK;
use serde_json::{Value, json};

use crate::support::directory::names;
use crate::support::{Clinic, Person, Portal, SECOND, at_once};

/// A member with a custom role of these permissions.
async fn member(clinic: &Clinic<'_>, name: &str, permissions: &[&str]) -> Person {
    let role = clinic.role(name, permissions).await;
    clinic.member(name, &role).await
}

fn path(clinic: &Clinic<'_>, patient: &Patient) -> String {
    clinic.path(&format!("/patients/{}", patient.id))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_tells_identity_and_contact_to_those_who_may_see_them() {
    // Given a patient whom the clinic has enrolled
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Riverside Online", "owner").await;
    let more = json!({
        "birth_date": "1990-12-10", "gender": "female", "locale": "de-at", "referral_source": "insurer",
        "phone": "+43 1 234 56 78", "address": ["Ring 1", "1010 Wien"],
    });
    let ada = portal.patient_with("Ada Lovelace", &[&site], &more).await;
    portal.enrolled(&ada, clinic.id).await;
    let path = path(&clinic, &ada);

    // When an admin looks
    let seen = clinic.admin.get(&path).await.expect(200);

    // Then there is all of it
    let profile = seen.json();
    assert_eq!(
        profile["identity"],
        json!({
            "name": { "full": "Ada Lovelace", "given": "Ada", "family": "Lovelace" }, "birth_date": "1990-12-10",
            "gender": "female", "locale": "de-AT", "time_zone": "Europe/London", "referral_source": "insurer",
        })
    );
    assert_eq!(
        profile["contact"],
        json!({ "email": "ada@hillside.example", "phone": "+43 1 234 56 78", "address": ["Ring 1", "1010 Wien"] })
    );
    assert_eq!(profile["registrations"][0]["site_id"], *site);
    assert_eq!(
        (&profile["status"], &profile["source"], &profile["merged_into"]),
        (&json!("active"), &json!("platform"), &Value::Null)
    );
    assert_eq!(
        (
            &profile["enrollment"]["status"],
            &profile["enrollment"]["eligibility_reference"]
        ),
        (&json!("active"), &json!("E-1001"))
    );
    assert_eq!(seen.etag(), "\"1\"");

    // And without the right to contact there is no contact, in the profile and in the list
    let reader = member(&clinic, "Rita", &["patients.read"]).await;
    let profile = reader.get(&path).await.expect(200).json();
    assert_eq!(
        (&profile["contact"], &profile["identity"]["name"]["full"]),
        (&Value::Null, &json!("Ada Lovelace"))
    );
    let row = |list: Value| list["items"][0].clone();
    let list = clinic.path("/patients");
    assert_eq!(row(reader.get(&list).await.json())["email"], Value::Null);
    assert_eq!(
        row(clinic.admin.get(&list).await.json())["email"],
        "ada@hillside.example"
    );

    // And who changes without reading learns nothing by it
    let manager = member(&clinic, "Max", &["patients.manage"]).await;
    manager.get(&path).await.expect_problem(403, "permission_missing");
    for (rev, zone) in [(1, "Europe/London"), (2, "Europe/Berlin")] {
        let asked = manager
            .patch(&path, &format!("\"{rev}\""), json!({ "time_zone": zone }))
            .await
            .expect(200)
            .json();
        for part in ["identity", "contact", "requested", "enrollment"] {
            assert_eq!(asked[part], Value::Null, "{part}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_within_reach_is_not_there() {
    // Given patients at a site of another clinic, and one whom the source has deleted
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ours = clinic.bound("Riverside Online", "owner").await;
    let foreign = portal.site("Lakeside Online").await;
    let stranger = portal.patient("Eve Stranger", &[&foreign]).await;
    let gone = portal.patient("Gus Gone", &[&ours]).await;
    portal.delete_patient(&gone).await;
    let nobody = portal.patient("Nils Nobody", &[]).await;

    // Then their ids are as good as any
    let unknown = "pat_01a07ac6-20c0-7000-8000-00000000ffff".to_owned();
    for id in [
        stranger.id.to_string(),
        gone.id.to_string(),
        nobody.id.to_string(),
        unknown,
    ] {
        let path = clinic.path(&format!("/patients/{id}"));
        let admin = &clinic.admin;
        let note = json!({ "text": "Called." });
        for answer in [
            admin.get(&path).await,
            admin.patch(&path, "\"1\"", json!({ "time_zone": "UTC" })).await,
            admin.get(&format!("{path}/notes")).await,
            admin.post(&format!("{path}/notes"), note).await,
        ] {
            let told = answer.expect_problem(404, "patient_not_found").json();
            assert_eq!(told["title"], "There is no such patient for you.");
        }
    }
    assert!(names(&clinic.admin, &clinic.path("/patients")).await.is_empty());
    assert!(
        names(&clinic.admin, &clinic.path("/patients?search=stra"))
            .await
            .is_empty()
    );
    clinic
        .admin
        .get(&clinic.path(&format!("/patients?site_id={foreign}")))
        .await
        .expect_problem(404, "site_not_found");

    // And a site that is given up takes its patients along
    let ada = portal.patient("Ada Lovelace", &[&ours]).await;
    clinic.admin.get(&path(&clinic, &ada)).await.expect(200);
    clinic.unbind(&ours).await.expect(204);
    clinic
        .admin
        .get(&path(&clinic, &ada))
        .await
        .expect_problem(404, "patient_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_registrations_that_are_within_reach_are_told() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ours = clinic.bound("Riverside Online", "owner").await;
    let foreign = portal.site("Lakeside Online").await;
    let ada = portal.patient("Ada Lovelace", &[&ours, &foreign]).await;

    for told in [
        clinic.admin.get(&path(&clinic, &ada)).await.expect(200),
        clinic.admin.get(&clinic.path("/patients")).await.expect(200),
        clinic
            .admin
            .get(&clinic.path("/patients?search=ada"))
            .await
            .expect(200),
    ] {
        assert!(
            told.text.contains(&ours) && !told.text.contains(&foreign),
            "{}",
            told.text
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scope_directory_and_the_sites_of_a_role_decide_who_is_seen() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (north, south) = (
        clinic.bound("North", "owner").await,
        clinic.bound("South", "shared").await,
    );
    let (ada, ben) = (
        portal.patient("Ada Abel", &[&north]).await,
        portal.patient("Ben Bell", &[&south]).await,
    );
    let elsewhere = portal.site("Elsewhere").await;
    portal.patient("Eve Else", &[&elsewhere]).await;
    let list = clinic.path("/patients");
    assert_eq!(names(&clinic.admin, &list).await, ["Ada Abel", "Ben Bell"]);

    // A role that is limited to a site sees this one
    let body = json!({ "name": "South", "permissions": ["patients.read"], "sites": [south] });
    let role = clinic
        .admin
        .post(&clinic.path("/roles"), body)
        .await
        .expect(201)
        .id();
    let limited = clinic.member("Lea", &role).await;
    assert_eq!(names(&limited, &list).await, ["Ben Bell"]);
    assert_eq!(
        names(&limited, &format!("{list}?search=a")).await,
        Vec::<String>::new()
    );
    limited.get(&path(&clinic, &ben)).await.expect(200);
    limited
        .get(&path(&clinic, &ada))
        .await
        .expect_problem(404, "patient_not_found");
    limited
        .get(&format!("{list}?site_id={north}"))
        .await
        .expect_problem(404, "site_not_found");

    // Nobody sees patients who oversees specialists only, or persons whom the organization sponsors
    for (change, code) in [
        (json!({ "scope": "specialists" }), "scope_excludes"),
        (
            json!({ "scope": "both", "directory": "enrolled" }),
            "privacy_mode_required",
        ),
    ] {
        clinic.set_access(change).await.expect(200);
        let notes = format!("{}/notes", path(&clinic, &ada));
        for path in [&list, &path(&clinic, &ada), &notes] {
            clinic.admin.get(path).await.expect_problem(403, code);
        }
    }

    // The whole platform, if that is allowed
    let ceiling = json!({ "ceiling": { "scope": "both", "directory": "platform", "registration": "open", "sites": 5 } });
    clinic.allow(ceiling).await.expect(200);
    clinic
        .set_access(json!({ "directory": "platform" }))
        .await
        .expect(200);
    let everybody = ["Ada Abel", "Ben Bell", "Eve Else"];
    assert_eq!(names(&clinic.admin, &list).await, everybody);
    assert_eq!(
        names(&clinic.admin, &format!("{list}?sort=newest")).await.len(),
        everybody.len()
    );
    assert_eq!(
        names(&clinic.admin, &format!("{list}?search=else")).await,
        ["Eve Else"]
    );
    assert_eq!(names(&limited, &list).await, ["Ben Bell"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn patients_are_found_by_what_any_of_their_names_begins_with() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (north, south) = (
        clinic.bound("North", "owner").await,
        clinic.bound("South", "owner").await,
    );
    let both = [north.as_str(), south.as_str()];
    portal.patient("Maria Mayer", &both).await;
    portal.patient("José Álvarez-Mann", &[&south]).await;
    portal.patient("Ивана Петровић", &[&north]).await;
    portal.patient("Wei 张伟", &[&north]).await;
    let found = async |search: &str| {
        let url = reqwest::Url::parse_with_params("http://localhost", [("search", search)]).unwrap();
        let query = url.query().unwrap();
        names(&clinic.admin, &clinic.path(&format!("/patients?{query}"))).await
    };

    // At two sites, with two names that begin so: once
    assert_eq!(found("ma").await, ["José Álvarez-Mann", "Maria Mayer"]);
    assert_eq!(found("MÄYER").await, ["Maria Mayer"]);
    assert_eq!(found("alv jo").await, ["José Álvarez-Mann"]);
    assert_eq!(found("ma jo").await, ["José Álvarez-Mann"]);
    assert_eq!(found("пет").await, ["Ивана Петровић"]);
    assert_eq!(found("张").await, ["Wei 张伟"]);
    assert_eq!(found("ayer").await, Vec::<String>::new());

    // By name, the family name first, in every script
    assert_eq!(
        names(&clinic.admin, &clinic.path("/patients")).await,
        ["José Álvarez-Mann", "Maria Mayer", "Ивана Петровић", "Wei 张伟"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_finds_somebody_for_those_who_may_see_addresses() {
    // Given a patient, and a member who sees patients without contact
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Riverside Online", "owner").await;
    portal.patient("Ada Lovelace", &[&site]).await;
    let reader = member(&clinic, "Rita", &["patients.read"]).await;
    let contact = member(&clinic, "Cora", &["patients.read", "patients.contact"]).await;
    let by = |search: &str| clinic.path(&format!("/patients?search={search}"));

    // Then those who see addresses find by them
    for search in ["ada@hillside.example", "ADA@HILL", "ada@"] {
        assert_eq!(names(&contact, &by(search)).await, ["Ada Lovelace"], "{search}");
    }
    assert!(names(&contact, &by("eve@hillside.example")).await.is_empty());

    // And to the other the answer is the same whether or not there is somebody, and costs the same: nothing is looked for
    let mut told = Vec::new();
    for search in ["ada@hillside.example", "eve@hillside.example", "ada@"] {
        let refused = reader
            .get(&by(search))
            .await
            .expect_problem(403, "permission_missing");
        assert!(refused.text_at("/detail").ends_with("patients.contact"));
        let (round_trips, read, _) = refused.cost();
        told.push((refused.text_at("/detail"), round_trips, read.to_bits()));
    }
    assert!(told.windows(2).all(|two| two[0] == two[1]), "{told:?}");
    assert_eq!(told[0].1, 1);

    // And no part of an address finds anybody by a name
    for search in ["hillside", "example", "ada.hillside", "hillside.example"] {
        assert!(names(&reader, &by(search)).await.is_empty(), "{search}");
    }
    assert_eq!(names(&reader, &by("ada")).await, ["Ada Lovelace"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_narrow_and_what_is_none_is_refused() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (north, south) = (
        clinic.bound("North", "owner").await,
        clinic.bound("South", "owner").await,
    );
    let ada = portal
        .patient_with("Ada Abel", &[&north], &json!({ "referral_source": "insurer" }))
        .await;
    portal
        .patient_with("Ben Bell", &[&south], &json!({ "status": "locked" }))
        .await;
    let merged_into = json!({ "system": "urn:portal:scene", "value": ada.id });
    portal
        .patient_with(
            "Cleo Abel",
            &[&north, &south],
            &json!({ "status": "merged", "merged_into": merged_into }),
        )
        .await;
    let list = async |query: &str| names(&clinic.admin, &clinic.path(&format!("/patients?{query}"))).await;

    assert_eq!(list("limit=1").await, ["Ada Abel", "Ben Bell"]);
    assert_eq!(list("status=locked").await, ["Ben Bell"]);
    assert_eq!(list("status=merged").await, ["Cleo Abel"]);
    assert_eq!(list("search=abel").await, ["Ada Abel"]);
    assert_eq!(list("search=abel&status=merged").await, ["Cleo Abel"]);
    assert_eq!(list("referral_source=insurer").await, ["Ada Abel"]);
    assert_eq!(list("referral_source=friend").await, Vec::<String>::new());
    assert_eq!(list(&format!("site_id={south}")).await, ["Ben Bell"]);
    assert_eq!(
        list(&format!("site_id={north}&search=b")).await,
        Vec::<String>::new()
    );

    let merged = clinic
        .admin
        .get(&clinic.path("/patients?status=merged"))
        .await
        .items();
    let path = clinic.path(&format!("/patients/{}", merged[0]["id"].as_str().unwrap()));
    let profile = clinic.admin.get(&path).await.expect(200);
    assert_eq!(profile.text_at("/merged_into"), ada.id.to_string());

    for query in [
        "status=deleted",
        "status=active&status=locked",
        "sort=oldest",
        "site_id=north",
        "referral_source=",
        "search=",
        "search=%20",
        "search=a+b+c+d+e+f",
        "search=@",
        "search=ada&sort=newest",
        "search=ada&joined_from=2026-01-01T00:00:00Z",
        "sort=name&joined_from=2026-01-01T00:00:00Z",
        "joined_from=2026-01-02T00:00:00Z&joined_until=2026-01-01T00:00:00Z",
        "joined_from=yesterday",
        "email=ada@hillside.example",
        "limit=0",
    ] {
        clinic
            .admin
            .get(&clinic.path(&format!("/patients?{query}")))
            .await
            .expect_problem(400, "query_invalid");
    }
}

/// The pages of a list, two items each.
async fn pages(person: &Person, path: &str) -> Vec<Vec<String>> {
    let joint = if path.contains('?') { '&' } else { '?' };
    let mut cursor = None;
    let mut pages = Vec::new();
    loop {
        let next = cursor.map_or(String::new(), |cursor| format!("&cursor={cursor}"));
        let page = person
            .get(&format!("{path}{joint}limit=2{next}"))
            .await
            .expect(200);
        let name = |item: &Value| item["name"]["full"].as_str().unwrap().to_owned();
        pages.push(page.items().iter().map(name).collect());
        cursor = page.next_cursor();
        if cursor.is_none() {
            return pages;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_over_several_sites_have_everybody_once_and_in_order() {
    // Given patients at three sites, several of them at two or three, who came one after the other and to one site after the other
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let mut sites = Vec::new();
    for name in ["North", "South", "East"] {
        sites.push(clinic.bound(name, "owner").await);
    }
    let [north, south, east] = [0, 1, 2].map(|at| sites[at].as_str());
    let mut newest: Vec<String> = Vec::new();
    for (name, at) in [
        ("Sol Gray", vec![north]),
        ("Sam Adams", vec![south, east]),
        ("Sia Fox", vec![east]),
        ("Sue Brown", vec![north, south]),
        ("Stu Adams", vec![south]),
        ("Sid Clark", vec![north, south, east]),
        ("Sky Evans", vec![east]),
    ] {
        let mut registrations = Vec::new();
        for (site, minutes) in at.iter().zip([0, 60, 30]) {
            let joined_at = portal.clock.now() + SECOND * (60 * minutes);
            registrations.push(portal_local::feed::at_site(site, joined_at));
        }
        portal
            .patient_with(name, &[], &json!({ "registrations": registrations }))
            .await;
        newest.insert(0, name.to_owned());
        portal.clock.advance(SECOND * (2 * 60 * 60));
    }
    let admin = portal.person("Dana");
    let by_name = [
        "Sam Adams",
        "Stu Adams",
        "Sue Brown",
        "Sid Clark",
        "Sky Evans",
        "Sia Fox",
        "Sol Gray",
    ];

    // Then each way through the list has all of them once, and no page is longer than asked for
    for (query, expected) in [
        ("", by_name.to_vec()),
        ("?sort=newest", newest.iter().map(String::as_str).collect()),
        (
            "?search=s",
            vec![
                "Sam Adams",
                "Sia Fox",
                "Sid Clark",
                "Sky Evans",
                "Sol Gray",
                "Stu Adams",
                "Sue Brown",
            ],
        ),
        ("?search=adams", vec!["Sam Adams", "Stu Adams"]),
    ] {
        let pages = pages(&admin, &clinic.path(&format!("/patients{query}"))).await;
        assert!(pages.iter().all(|page| page.len() <= 2), "{pages:?}");
        let mut all = pages.concat();
        if query.starts_with("?search=s") {
            // By the name that was found: those of one id's order may differ where two begin alike.
            all.sort();
            let mut expected = expected.clone();
            expected.sort_unstable();
            assert_eq!(all, expected, "{query}");
        } else {
            assert_eq!(all, expected, "{query}");
        }
    }

    // And those who came in a time are those of the list in that time, each where they came last
    let all = admin.all(&clinic.path("/patients?sort=newest")).await;
    let last = |row: &Value| -> String {
        let joined = row["registrations"].as_array().unwrap().iter();
        joined
            .map(|at| at["joined_at"].as_str().unwrap().to_owned())
            .max()
            .unwrap()
    };
    assert!(all.windows(2).all(|two| last(&two[0]) > last(&two[1])));
    let (from, until) = (last(&all[5]), last(&all[1]));
    let query = format!("/patients?joined_from={from}&joined_until={until}");
    assert_eq!(names(&admin, &clinic.path(&query)).await, newest[2..6]);
    let query = format!("/patients?joined_from={until}");
    assert_eq!(names(&admin, &clinic.path(&query)).await, newest[..2]);
    let query = "/patients?joined_until=1969-01-01T00:00:00Z";
    assert!(names(&admin, &clinic.path(query)).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_gone_on_with_only_where_it_was_begun() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("North", "owner").await;
    for name in ["Ada Abel", "Ben Bell", "Cleo Carr"] {
        portal.patient(name, &[&site]).await;
    }
    let first = clinic.path("/patients?limit=1");
    let cursor = clinic.admin.get(&first).await.expect(200).next_cursor().unwrap();
    let next = format!("{first}&cursor={cursor}");
    assert_eq!(
        clinic.admin.get(&next).await.expect(200).items()[0]["name"]["full"],
        "Ben Bell"
    );
    for other in [
        format!("{next}&sort=newest"),
        clinic.path(&format!("/specialists?limit=1&cursor={cursor}")),
    ] {
        clinic
            .admin
            .get(&other)
            .await
            .expect_problem(400, "cursor_invalid");
    }

    // What an organization sees has changed: the list is another one
    clinic.bound("South", "owner").await;
    clinic
        .admin
        .get(&next)
        .await
        .expect_problem(400, "cursor_expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_from_too_many_sites_needs_a_site() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let mut last = String::new();
    for number in 0..33 {
        last = clinic.bound(&format!("Site {number}"), "owner").await;
    }
    portal.patient("Ada Abel", &[&last]).await;
    for query in ["", "?sort=newest", "?search=ada"] {
        clinic
            .admin
            .get(&clinic.path(&format!("/patients{query}")))
            .await
            .expect_problem(422, "site_filter_required");
        let joint = if query.is_empty() { '?' } else { '&' };
        let at_one = clinic.path(&format!("/patients{query}{joint}site_id={last}"));
        assert_eq!(names(&clinic.admin, &at_one).await, ["Ada Abel"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_source_says_is_asked_of_it_and_pending_until_it_answers() {
    // Given a patient whom a source feeds
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("North", "owner").await;
    let ada = portal.patient("Ada Abel", &[&site]).await;
    let path = path(&clinic, &ada);

    // When a member wants another time zone and address
    let body = json!({ "time_zone": "Europe/Berlin", "email": "ada.abel@hillside.example" });
    let asked = clinic.admin.patch(&path, "\"1\"", body).await.expect(200);

    // Then nothing is different yet, and everybody sees what is asked for
    assert_eq!(asked.etag(), "\"2\"");
    for seen in [asked, clinic.admin.get(&path).await.expect(200)] {
        let profile = seen.json();
        assert_eq!(profile["identity"]["time_zone"], "Europe/London");
        assert_eq!(profile["contact"]["email"], "ada@hillside.example");
        let requested = &profile["requested"];
        assert_eq!(
            (&requested["time_zone"], &requested["email"], &requested["phone"]),
            (
                &json!("Europe/Berlin"),
                &json!("ada.abel@hillside.example"),
                &Value::Null
            )
        );
        assert_eq!(requested["requested_by"], clinic.admin.account.to_string());
    }
    let reader = member(&clinic, "Rita", &["patients.read"]).await;
    let requested = reader.get(&path).await.expect(200).json()["requested"].clone();
    assert_eq!(
        (&requested["time_zone"], &requested["email"]),
        (&json!("Europe/Berlin"), &Value::Null)
    );

    // And the source's answer settles it
    portal.clock.advance(SECOND);
    let zone = json!({ "time_zone": "Europe/Berlin" });
    portal
        .told_again(&ada, portal.patient_record("Ada Abel", &[&site], &zone))
        .await;
    let settled = clinic.admin.get(&path).await.expect(200).json();
    assert_eq!(
        (&settled["identity"]["time_zone"], &settled["requested"]),
        (&json!("Europe/Berlin"), &Value::Null)
    );

    // And the log names what was asked for, and tells none of it
    let events = clinic
        .admin
        .all(&clinic.path(&format!(
            "/audit-events?object={}&verb=patient.change_requested",
            ada.id
        )))
        .await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["verb"], "patient.change_requested");
    let fields: Vec<_> = events[0]["changes"].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["email", "time_zone"]);
    let told = events[0].to_string();
    assert!(!told.contains("Berlin") && !told.contains("hillside") && !told.contains("Abel"));

    // And that somebody looked at the patient is there as often as they did, before they saw anything
    let looks = async || {
        let path = clinic.path(&format!("/audit-events?object={}&verb=patient.viewed", ada.id));
        clinic.admin.all(&path).await
    };
    let before = looks().await.len();
    clinic.admin.get(&path).await.expect(200);
    let seen = looks().await;
    assert_eq!(seen.len(), before + 1);
    assert_eq!(seen[0]["actor"]["id"], clinic.admin.account.to_string());
    assert_eq!(seen[0]["changes"], json!({}));
    let down = Rule::new(Kind::Throttle, 1.0).only("TransactWriteItems");
    portal.faults.set(7, vec![down]);
    clinic.admin.get(&path).await.expect_problem(503, "busy");
    portal.faults.clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_cannot_be_is_refused() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("North", "owner").await;
    let ada = portal.patient("Ada Abel", &[&site]).await;
    let path = path(&clinic, &ada);
    let zone = json!({ "time_zone": "Europe/Berlin" });
    let unseen = clinic
        .admin
        .request(reqwest::Method::PATCH, &path)
        .json(&zone)
        .send();
    unseen.await.expect_problem(428, "revision_missing");
    clinic
        .admin
        .patch(&path, "\"7\"", zone)
        .await
        .expect_problem(412, "revision_mismatch");
    for (body, code) in [
        (json!({ "time_zone": "Mars/Olympus" }), "time_zone_unknown"),
        (json!({ "locale": "english" }), "language_tag_invalid"),
        (json!({ "email": "nobody" }), "email_invalid"),
        (json!({ "phone": "call me" }), "phone_invalid"),
        (json!({ "family_name": "a\u{202e}b" }), "text_invalid"),
        (json!({ "given_name": "x".repeat(61) }), "text_invalid"),
        (json!({ "birth_date": "1990-12-10" }), "fields_invalid"),
        (json!({ "status": "locked" }), "fields_invalid"),
        (json!({ "rev": 9 }), "fields_invalid"),
    ] {
        clinic
            .admin
            .patch(&path, "\"1\"", body)
            .await
            .expect_problem(422, code);
    }
    let manager = member(&clinic, "Max", &["patients.read", "patients.manage"]).await;
    for body in [
        json!({ "email": "ada@lake.example" }),
        json!({ "phone": "555 0100" }),
    ] {
        let refused = manager.patch(&path, "\"1\"", body).await;
        refused.expect_problem(403, "permission_missing");
    }
    assert_eq!(portal.known_patient(&ada).await, ada);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_made_here_is_changed_at_once_and_found_anew() {
    // Given a patient at two sites whom no source feeds
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (north, south) = (
        clinic.bound("North", "owner").await,
        clinic.bound("South", "owner").await,
    );
    let ada = portal.own_patient("Ada Abel", &[&north, &south]).await;
    portal.patient("Zoe Abel", &[&south]).await;
    let path = path(&clinic, &ada);

    // When they get another name and address
    let body = json!({ "family_name": "Zumthor", "email": "ada.zumthor@hillside.example" });
    let etag = clinic.admin.etag(&path).await;
    let changed = clinic.admin.patch(&path, &etag, body).await.expect(200).json();

    // Then they are called so everywhere, and found so and no more as before
    assert_eq!(changed["identity"]["name"]["full"], "Ada Zumthor");
    assert_eq!(
        (&changed["requested"], &changed["source"]),
        (&Value::Null, &Value::Null)
    );
    let list = async |query: &str| names(&clinic.admin, &clinic.path(&format!("/patients{query}"))).await;
    assert_eq!(list("").await, ["Zoe Abel", "Ada Zumthor"]);
    for site in [&north, &south] {
        assert!(
            list(&format!("?site_id={site}"))
                .await
                .contains(&"Ada Zumthor".to_owned())
        );
    }
    assert_eq!(list("?search=zum").await, ["Ada Zumthor"]);
    assert_eq!(list("?search=abel").await, ["Zoe Abel"]);
    assert_eq!(list("?search=ada.zumthor@").await, ["Ada Zumthor"]);
    assert!(list("?search=ada@hillside.example").await.is_empty());
    let verbs = clinic
        .admin
        .all(&clinic.path(&format!("/audit-events?object={}", ada.id)))
        .await;
    assert_eq!(verbs[0]["verb"], "patient.updated");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_a_site_or_is_deleted_leaves_no_copy_behind() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (north, south) = (
        clinic.bound("North", "owner").await,
        clinic.bound("South", "owner").await,
    );
    let ada = portal.patient("Ada Abel", &[&north, &south]).await;
    let copies = || -> usize {
        let scanned = portal
            .dynamo
            .database()
            .scan(serde_json::from_value(json!({ "TableName": portal_local::stack::TABLE })).unwrap());
        let items = serde_json::to_value(scanned.unwrap().items).unwrap();
        let items = items.as_array().unwrap();
        let is_copy = |item: &&Value| {
            let key = item[PK]["S"].as_str().unwrap_or_default();
            key.starts_with("FIND#") || key.starts_with("PATIENT#")
        };
        items.iter().filter(is_copy).count()
    };
    // The patient, a row for the platform and each site, and each of these under two names and an address
    assert_eq!(copies(), 1 + 3 + 3 * 3);
    portal.clock.advance(SECOND);
    let moved = portal
        .told_again(
            &ada,
            portal.patient_record("Ada Abel", &[&south], &json!({ "family_name": "Ada" })),
        )
        .await;
    assert_eq!(copies(), 1 + 2 + 2 * 2);
    assert!(
        names(&clinic.admin, &clinic.path(&format!("/patients?site_id={north}")))
            .await
            .is_empty()
    );
    portal.delete_patient(&moved).await;
    assert_eq!(copies(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_changes_at_once_one_is_made() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("North", "owner").await;
    let ada = portal.own_patient("Ada Abel", &[&site]).await;
    let path = path(&clinic, &ada);
    let etag = clinic.admin.etag(&path).await;

    let answers = at_once(["Bell", "Carr", "Dorn", "Ende"].map(|name| {
        let (admin, path, etag) = (&clinic.admin, &path, &etag);
        async move { admin.patch(path, etag, json!({ "family_name": name })).await }
    }))
    .await;

    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(made.len(), 1);
    for lost in answers.iter().filter(|answer| answer.status != 200) {
        lost.clone().expect_problem(412, "revision_mismatch");
    }
    let name = made[0].text_at("/identity/name/full");
    assert_eq!(
        names(&clinic.admin, &clinic.path("/patients")).await,
        std::slice::from_ref(&name)
    );
    let family = name.split(' ').next_back().unwrap();
    let found = clinic.path(&format!("/patients?search={family}"));
    assert_eq!(names(&clinic.admin, &found).await, [name]);
}
