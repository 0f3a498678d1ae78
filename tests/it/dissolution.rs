//! The end of an organization: at once for everybody, taken back within thirty days, final after them.

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::Poll;

use jiff::SignedDuration;
use portal_domain::id::AccountId;
use portal_domain::organization::GRACE;
use portal_store::StoreError;
use portal_store::entity::{audit, membership};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Clinic, DAY, Person, Portal, SECOND, fresh_key};

const NAME: &str = "Riverside Family Practice";
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const JOB: &str = "finish-dissolutions";

async fn dissolve(clinic: &Clinic<'_>) -> Answer {
    let body = json!({ "name": NAME, "remove_members": true });
    clinic
        .admin
        .post(&clinic.path("/dissolution"), body)
        .await
        .expect(200)
}

/// Dana cancels, signed in today.
async fn cancel(clinic: &Clinic<'_>) -> Answer {
    let dana = clinic.portal.person("Dana");
    dana.request(Method::DELETE, &clinic.path("/dissolution"))
        .send()
        .await
}

/// Runs the job, which leaves nothing, and gives how much it did and found settled.
async fn finish(portal: &Portal) -> (u64, u64) {
    let report = portal.run_job(JOB).await.unwrap().unwrap();
    let number = |name: &str| report[name].as_u64().unwrap();
    (number("done"), number("settled"))
}

/// The same person, with a token of today.
fn again(portal: &Portal, person: &Person) -> Person {
    portal.person_with(&person.name, &person.email)
}

/// Everything that can be asked of an organization, with a body where there is one.
async fn routes(clinic: &Clinic<'_>) -> Vec<(Method, String, Value)> {
    let member = clinic.member_path(&clinic.admin);
    let role = clinic.path(&format!("/roles/{}", clinic.role("Front desk", &[]).await));
    let invite = clinic
        .invite("pending@riverside.example", "viewer")
        .await
        .expect(201)
        .id();
    let invite = clinic.path(&format!("/invites/{invite}"));
    let row = json!({ "email": "x@riverside.example", "role": "viewer" });
    vec![
        (Method::GET, clinic.path(""), json!(null)),
        (Method::GET, clinic.path("/audit-events"), json!(null)),
        (Method::PATCH, clinic.path(""), json!({ "name": "Anew" })),
        (Method::POST, clinic.path("/leave"), json!({})),
        (
            Method::POST,
            clinic.path("/dissolution"),
            json!({ "name": NAME, "remove_members": true }),
        ),
        (Method::GET, clinic.path("/roles"), json!(null)),
        (
            Method::POST,
            clinic.path("/roles"),
            json!({ "name": "A", "permissions": [] }),
        ),
        (Method::GET, role.clone(), json!(null)),
        (Method::PATCH, role.clone(), json!({ "name": "B" })),
        (Method::DELETE, role, json!(null)),
        (Method::GET, clinic.path("/members"), json!(null)),
        (Method::GET, member.clone(), json!(null)),
        (Method::PATCH, member.clone(), json!({ "provides_care": true })),
        (Method::DELETE, member, json!(null)),
        (Method::GET, clinic.path("/invites"), json!(null)),
        (Method::POST, clinic.path("/invites"), row.clone()),
        (
            Method::POST,
            clinic.path("/invites/bulk"),
            json!({ "invites": [row] }),
        ),
        (Method::GET, invite.clone(), json!(null)),
        (Method::POST, format!("{invite}/resend"), json!({})),
        (Method::DELETE, invite, json!(null)),
    ]
}

async fn ask(person: &Person, (method, path, body): &(Method, String, Value)) -> Answer {
    let request = person.request(method.clone(), path).header("if-match", "\"1\"");
    let request = request.header("idempotency-key", &fresh_key());
    if body.is_null() {
        request.send().await
    } else {
        request.json(body).send().await
    }
}

/// How often each verb is in the log, which nobody can read through the API any more.
async fn told(clinic: &Clinic<'_>) -> BTreeMap<String, usize> {
    let (mut all, mut after) = (BTreeMap::new(), None);
    let now = clinic.portal.clock.now();
    loop {
        let page = clinic
            .store()
            .audit_events(clinic.id, &audit::Wanted::default(), now, 100, after)
            .await
            .unwrap();
        for event in page.items {
            *all.entry(event.verb.as_str().to_owned()).or_default() += 1;
        }
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dissolution_needs_the_name_and_a_word_about_the_others() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let path = clinic.path("/dissolution");
    clinic.member("Vera", "viewer").await;
    for name in [
        "",
        "riverside family practice",
        "Riverside Family Practice ",
        "Elsewhere",
    ] {
        let body = json!({ "name": name, "remove_members": true });
        let refused = clinic
            .admin
            .post(&path, body)
            .await
            .expect_problem(422, "name_mismatch");
        assert_eq!(refused.text_at("/errors/0/pointer"), "/name");
    }
    for body in [
        json!({ "name": NAME }),
        json!({ "name": NAME, "remove_members": false }),
    ] {
        let refused = clinic
            .admin
            .post(&path, body)
            .await
            .expect_problem(409, "members_remaining");
        assert_eq!(refused.text_at("/errors/0/pointer"), "/remove_members");
    }
    let body = json!({ "name": NAME, "remove_members": "yes" });
    clinic
        .admin
        .post(&path, body)
        .await
        .expect_problem(422, "fields_invalid");
    clinic
        .admin
        .request(Method::DELETE, &path)
        .send()
        .await
        .expect_problem(409, "not_dissolving");

    let ending = dissolve(&clinic).await;

    assert_eq!(ending.text_at("/status"), "dissolving");
    let final_at: jiff::Timestamp = ending.text_at("/final_at").parse().unwrap();
    let left = final_at.duration_since(portal.clock.now());
    assert!(left <= GRACE && left > GRACE - MINUTE, "{left}");
    // Whoever is alone needs no second word.
    let alone = Clinic::of(&portal, portal.person("Olga"), "Alone").await;
    alone
        .admin
        .post(&alone.path("/dissolution"), json!({ "name": "Alone" }))
        .await
        .expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_stops_at_once_for_everybody_and_comes_back_with_the_cancelling() {
    // Given a clinic with an admin, a viewer, a provider and two pending invites
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (vera, pia) = (
        clinic.member("Vera", "viewer").await,
        clinic.member("Pia", "provider").await,
    );
    let ada = portal.person("Ada");
    let (_, token) = clinic.invited(&ada, "provider").await;
    let routes = routes(&clinic).await;
    let answers = ["/v1/invites/preview", "/v1/invites/accept", "/v1/invites/decline"];
    portal.settle().await.unwrap();
    let mails = portal.mailbox.all().len();

    // When Dana dissolves it
    dissolve(&clinic).await;

    // Then she sees it and its log, and nobody does anything else
    for route in &routes {
        let is_seen =
            [clinic.path(""), clinic.path("/audit-events")].contains(&route.1) && route.0 == Method::GET;
        for person in [&clinic.admin, &vera, &pia] {
            let answer = ask(person, route).await;
            let who = format!("{} {route:?}: {}", person.name, answer.text);
            match answer.status {
                200 => assert!(is_seen && person.account == clinic.admin.account, "{who}"),
                403 => assert!(
                    answer.code() == "permission_missing" && person.account != clinic.admin.account,
                    "{who}"
                ),
                status => assert_eq!(
                    (status, answer.code().as_str()),
                    (409, "organization_dissolving"),
                    "{who}"
                ),
            }
        }
    }
    for path in [
        clinic.path(""),
        clinic.path("/audit-events"),
        clinic.path("/roles"),
    ] {
        vera.get(&path)
            .await
            .expect_problem(409, "organization_dissolving");
    }
    for path in answers {
        ada.post(path, json!({ "token": token }))
            .await
            .expect_problem(409, "organization_dissolving");
    }
    let mine = pia.get("/v1/organizations").await.expect(200).items();
    assert_eq!((&mine[0]["status"], mine.len()), (&json!("dissolving"), 1));
    for person in [&vera, &pia] {
        let refused = person
            .request(Method::DELETE, &clinic.path("/dissolution"))
            .send()
            .await;
        refused.expect_problem(403, "permission_missing");
    }
    portal.settle().await.unwrap();
    assert_eq!(portal.mailbox.all().len(), mails, "no mail goes out any more");

    // And when she cancels, all is as it was
    let back = cancel(&clinic).await.expect(200);
    assert_eq!(
        (back.text_at("/status"), back.text_at("/final_at")),
        ("active".into(), "null".into())
    );
    cancel(&clinic).await.expect_problem(409, "not_dissolving");
    for (person, role) in [(&clinic.admin, "admin"), (&vera, "viewer"), (&pia, "provider")] {
        assert_eq!(
            person.get(&clinic.path("")).await.expect(200).text_at("/role"),
            role
        );
    }
    ada.post("/v1/invites/accept", json!({ "token": token }))
        .await
        .expect(201);
    assert_eq!((clinic.seats_used().await, clinic.admins().await), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_dissolve_it_may_see_the_end_and_cancel_it() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let closing = clinic.role("Closing", &["organization.dissolve"]).await;
    let cora = clinic.member("Cora", &closing).await;
    let (path, body) = (
        clinic.path("/dissolution"),
        json!({ "name": NAME, "remove_members": true }),
    );

    cora.post(&path, body).await.expect(200);

    assert_eq!(
        cora.get(&clinic.path("")).await.expect(200).text_at("/status"),
        "dissolving"
    );
    cora.get(&clinic.path("/audit-events"))
        .await
        .expect_problem(403, "permission_missing");
    cora.request(Method::DELETE, &path).send().await.expect(200);
    clinic.admin.get(&clinic.path("/members")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_cancelled_until_the_last_instant_and_stays_cancelled() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    clinic.member("Vera", "viewer").await;
    dissolve(&clinic).await;
    portal.wait(GRACE - MINUTE);
    assert_eq!(finish(&portal).await, (0, 0));

    cancel(&clinic).await.expect(200);

    portal.wait(DAY);
    assert_eq!(finish(&portal).await, (0, 0));
    let dana = portal.person("Dana");
    assert_eq!(
        dana.get(&clinic.path("/members")).await.expect(200).items().len(),
        2
    );

    // Another one begins another grace period
    let body = json!({ "name": NAME, "remove_members": true });
    dana.post(&clinic.path("/dissolution"), body).await.expect(200);
    portal.wait(GRACE - MINUTE);
    assert_eq!(finish(&portal).await, (0, 0));
    assert_eq!(
        portal
            .person("Dana")
            .get(&clinic.path(""))
            .await
            .expect(200)
            .text_at("/status"),
        "dissolving"
    );
    portal.wait(MINUTE);
    cancel(&clinic)
        .await
        .expect_problem(404, "organization_not_found");
    assert_eq!(finish(&portal).await.0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_thirty_days_nothing_is_left_to_reach() {
    // Given a dissolving clinic with members, a pending provider invite and a role that somebody holds
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let role = clinic.role("Front desk", &["members.read"]).await;
    let people = [
        clinic.admin.clone(),
        clinic.member("Max", "admin").await,
        clinic.member("Vera", "viewer").await,
        clinic.member("Pia", "provider").await,
        clinic.member("Fay", &role).await,
    ];
    let routes = routes(&clinic).await;
    let ada = portal.person("Ada");
    let (_, token) = clinic.invited(&ada, "provider").await;
    dissolve(&clinic).await;
    portal.wait(GRACE - MINUTE);
    assert_eq!(finish(&portal).await, (0, 0), "not before");

    // When the job runs after them
    portal.wait(MINUTE);
    assert_eq!(finish(&portal).await, (1, 0));
    assert_eq!(finish(&portal).await, (0, 0), "and again");

    // Then it is nowhere to be found, by nobody
    for person in &people {
        let person = again(&portal, person);
        for route in &routes {
            ask(&person, route)
                .await
                .expect_problem(404, "organization_not_found");
        }
        let cancelled = person
            .request(Method::DELETE, &clinic.path("/dissolution"))
            .send()
            .await;
        cancelled.expect_problem(404, "organization_not_found");
        assert!(
            person
                .get("/v1/organizations")
                .await
                .expect(200)
                .items()
                .is_empty()
        );
        let me = person.get("/v1/me").await.expect(200);
        assert_eq!(
            (me.text_at("/email"), &me.json()["memberships"]),
            (person.email.clone(), &json!([]))
        );
        assert!(
            clinic
                .store()
                .member(clinic.id, person.account)
                .await
                .unwrap()
                .is_none()
        );
    }
    let ada = again(&portal, &ada);
    let late = ada.post("/v1/invites/accept", json!({ "token": token })).await;
    assert!(
        late.status >= 400 && !late.text.contains("Riverside"),
        "{}",
        late.text
    );
    assert!(
        clinic
            .store()
            .members(clinic.id, &membership::Wanted::default(), 100, None)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let open = clinic
        .store()
        .invites(clinic.id, None, portal.clock.now(), 100, None)
        .await
        .unwrap();
    assert!(open.items.is_empty());

    // The log has told each end once, and every count is at nothing
    let told = told(&clinic).await;
    assert_eq!((told["member.removed"], told["organization.dissolved"]), (5, 1));
    assert_eq!((clinic.seats_used().await, clinic.admins().await), (0, 0));
    assert_eq!(
        clinic.store().counts(clinic.id).await.unwrap().unwrap().members,
        0
    );

    // And its people are free to begin elsewhere, under the same name
    let anew = Clinic::of(&portal, again(&portal, &people[1]), NAME).await;
    anew.join(&again(&portal, &people[0]), "provider").await;
    anew.join(&ada, "viewer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_comes_late_finds_its_work() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    clinic.member("Vera", "viewer").await;
    finish(&portal).await;
    dissolve(&clinic).await;
    portal.wait(GRACE + DAY + SECOND);
    let dana = portal.person("Dana");
    // Late is not lenient: nothing can be changed or cancelled meanwhile.
    cancel(&clinic)
        .await
        .expect_problem(404, "organization_not_found");
    dana.get(&clinic.path("/members"))
        .await
        .expect_problem(404, "organization_not_found");
    assert_eq!(finish(&portal).await, (1, 0));
    dana.get(&clinic.path(""))
        .await
        .expect_problem(404, "organization_not_found");
}

/// Runs the job, but stops it for good after it was woken `most` times; whether it came to its end.
async fn finish_a_little(portal: &Portal, most: usize) -> bool {
    let mut job = pin!(portal.run_job(JOB));
    let mut polls = 0;
    std::future::poll_fn(|context| match job.as_mut().poll(context) {
        Poll::Ready(report) => {
            report.unwrap().unwrap();
            Poll::Ready(true)
        }
        Poll::Pending if polls == most => Poll::Ready(false),
        Poll::Pending => {
            polls += 1;
            Poll::Pending
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_killed_anywhere_is_finished_by_the_next() {
    // Given a clinic whose time is over, with members and invites
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let mut people = vec![clinic.admin.clone()];
    for (name, role) in [
        ("Vera", "viewer"),
        ("Pia", "provider"),
        ("Max", "admin"),
        ("Paul", "provider"),
    ] {
        people.push(clinic.member(name, role).await);
    }
    clinic.invite("a@riverside.example", "provider").await.expect(201);
    clinic.invite("b@riverside.example", "viewer").await.expect(201);
    dissolve(&clinic).await;
    portal.wait(GRACE - SignedDuration::from_hours(1));
    assert_eq!(
        finish(&portal).await,
        (0, 0),
        "it looks at the last hours only from now on"
    );
    portal.wait(SignedDuration::from_hours(1));

    // When its job is killed again and again, each time a little later
    let mut kills = 0;
    for most in 0.. {
        if finish_a_little(&portal, most).await {
            break;
        }
        kills += 1;
        assert!(kills < 1_000, "it never ends");
        // Somewhere on the way nobody sees half an organization.
        let seen = again(&portal, &people[kills % people.len()])
            .get(&clinic.path("/roles"))
            .await;
        assert!([404, 409].contains(&seen.status), "{}", seen.text);
    }
    assert!(kills > 5, "{kills}");

    // Then it is over, and every end was told once
    finish(&portal).await;
    let told = told(&clinic).await;
    assert_eq!(
        (
            told["member.removed"],
            told["organization.dissolved"],
            told["invite.voided"]
        ),
        (5, 1, 2)
    );
    for person in &people {
        again(&portal, person)
            .get(&clinic.path(""))
            .await
            .expect_problem(404, "organization_not_found");
    }
    assert_eq!(
        clinic.store().counts(clinic.id).await.unwrap().unwrap().members,
        0
    );
    assert_eq!(clinic.seats_used().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_clock_is_ahead_removes_nobody_from_what_was_cancelled() {
    // Given a job that has read a dissolving organization, with a clock that says that its time is over
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let vera = clinic.member("Vera", "viewer").await;
    let invite = clinic
        .invite("a@riverside.example", "viewer")
        .await
        .expect(201)
        .id();
    dissolve(&clinic).await;
    let ending = clinic.store().organization(clinic.id).await.unwrap().unwrap();
    let ahead = portal.clock.now() + GRACE + SECOND;
    let member = async |account: AccountId| clinic.store().member(clinic.id, account).await.unwrap().unwrap();
    let invite = clinic
        .store()
        .invite(clinic.id, invite.parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    let late = [
        member(clinic.admin.account)
            .await
            .ending_with(&ending, ahead)
            .unwrap(),
        member(vera.account).await.ending_with(&ending, ahead).unwrap(),
        invite.ended_with(&ending, ahead).unwrap(),
        ending.dissolved(ahead).unwrap(),
    ];

    // When it is cancelled, Then the job's decisions commit nothing
    cancel(&clinic).await.expect(200);
    for change in late {
        assert!(
            matches!(
                clinic.store().commit(&change, None, ahead).await,
                Err(StoreError::Stale)
            ),
            "{change:?}"
        );
    }
    assert_eq!(
        clinic
            .admin
            .get(&clinic.path("/members"))
            .await
            .expect(200)
            .items()
            .len(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_organizations_end_in_one_run() {
    let portal = Portal::start().await;
    let dana = portal.person("Dana");
    let mut clinics = Vec::new();
    for n in 0..6 {
        let clinic = Clinic::of(&portal, dana.clone(), &format!("Clinic {n}")).await;
        clinic.member(&format!("Member{n}"), "viewer").await;
        clinics.push(clinic);
    }
    for clinic in &clinics[..4] {
        let name = clinic
            .admin
            .get(&clinic.path(""))
            .await
            .expect(200)
            .text_at("/name");
        let body = json!({ "name": name, "remove_members": true });
        clinic
            .admin
            .post(&clinic.path("/dissolution"), body)
            .await
            .expect(200);
    }
    cancel(&clinics[3]).await.expect(200);
    portal.wait(GRACE);
    assert_eq!(finish(&portal).await, (3, 0));
    let left = portal
        .person("Dana")
        .get("/v1/organizations")
        .await
        .expect(200)
        .items();
    let names: Vec<_> = left
        .iter()
        .map(|organization| organization["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Clinic 3", "Clinic 4", "Clinic 5"]);
}
