//! Actions: what rules find in what is told, how each is closed by its next step, who sees them, and what is made of them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use portal_app::{App, Part as _};
use portal_domain::action::{Rule, SubjectKind};
use portal_local::faults::{Kind, Rule as Fault};
use portal_local::mailbox::{Bounce, Event};
use portal_local::probe::routes;
use portal_local::stack::Options;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::service::{Service, delete, upsert};
use crate::support::{Answer, Clinic, DAY, Person, Portal, at_once, fresh_key, seed};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A clinic with a site that a source feeds.
struct Scene<'a> {
    portal: &'a Portal,
    service: Service,
    clinic: Clinic<'a>,
    site: String,
    version: AtomicU64,
}

fn name(system: &str, value: &str) -> Value {
    json!({ "system": system, "value": value })
}

/// `record` with the fields of `more` over its own.
fn with(mut record: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().expect("fields") {
        record[name] = value.clone();
    }
    record
}

fn at_north() -> Value {
    json!([{ "site": name("sites", "north"), "joined_at": "2026-01-02T08:00:00Z" }])
}

/// A patient whom no rule finds anything in.
fn patient() -> Value {
    json!({
        "given_name": "Mia", "family_name": "Berg", "email": "mia@hillside.example", "locale": "de",
        "time_zone": "Europe/Berlin", "registrations": at_north(),
    })
}

/// A specialist in whom no rule finds anything but that nobody has approved.
fn specialist() -> Value {
    json!({
        "given_name": "Greta", "family_name": "Vogel", "time_zone": "Europe/Berlin", "languages": ["de"],
        "specializations": ["Sleep"], "session_minutes": 50, "price": { "amount_minor": 9_000, "currency": "EUR" },
        "availability": [{ "day": "monday", "from": "09:00", "until": "12:00" }], "assignments": at_north(),
    })
}

impl<'a> Scene<'a> {
    async fn start(portal: &'a Portal) -> Self {
        let (service, clinic) = (portal.service("platform").await, portal.clinic().await);
        let mut scene = Self {
            portal,
            service,
            clinic,
            site: String::new(),
            version: AtomicU64::new(0),
        };
        let live = json!({ "name": "North", "status": "live", "domains": ["north.example"] });
        scene.site = scene.tell("sites", "north", &live).await;
        scene.clinic.bind(&scene.site, "owner", true).await.expect(200);
        // Two admins, so that nothing is found in the clinic itself.
        scene.clinic.member("Ada", "admin").await;
        scene
    }

    fn next(&self) -> u64 {
        self.version.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The source tells of a record; what rules find in it is found when this returns. Gives the record's id.
    async fn tell(&self, of: &str, value: &str, data: &Value) -> String {
        let line = upsert(of, value, self.next(), data);
        let answer = self.service.feed(of, &[line]).await.expect(200);
        let outcome = answer.outcomes().remove(0);
        assert!(["created", "updated"].contains(&outcome.as_str()), "{outcome}");
        self.portal.settle().await.expect("all is delivered");
        answer.text_at("/results/0/id")
    }

    async fn people(&self) -> (String, String) {
        let mia = self.tell("patients", "mia", &patient()).await;
        (mia, self.tell("specialists", "greta", &specialist()).await)
    }

    fn booking(&self, more: &Value) -> Value {
        let start = self.portal.clock.now() + DAY * 2;
        let booking = json!({
            "site": name("sites", "north"), "patient": name("patients", "mia"), "specialist": name("specialists", "greta"),
            "service": "Physiotherapy", "status": "booked", "modality": "video", "start": start, "end": start + HOUR,
        });
        with(booking, more)
    }

    fn entry(&self, kind: &str, status: &str, more: &Value) -> Value {
        let entry = json!({
            "kind": kind, "status": status, "amount_minor": 9_000, "currency": "EUR",
            "occurred_at": self.portal.clock.now(), "site": name("sites", "north"),
        });
        with(entry, more)
    }

    /// Time passes, and what depends on it is looked at.
    async fn wait(&self, time: SignedDuration) {
        self.portal.wait(time);
        self.sweep().await;
    }

    async fn sweep(&self) {
        self.portal.run_job("sweep-actions").await.unwrap().unwrap();
    }

    async fn listed(&self, person: &Person, query: &str) -> Vec<Value> {
        self.portal.settle().await.expect("all is delivered");
        person.all(&self.clinic.path(&format!("/actions{query}"))).await
    }

    /// The rules of what is open.
    async fn open(&self) -> Vec<String> {
        rules(&self.listed(&self.clinic.admin, "").await)
    }

    /// The only action of a rule, which is open, told as the rule says.
    async fn found(&self, rule: Rule) -> Value {
        let listed = self
            .listed(&self.clinic.admin, &format!("?rule={}", rule.as_str()))
            .await;
        assert_eq!(listed.len(), 1, "{} of {:?}", rule.as_str(), self.open().await);
        let action = listed[0].clone();
        assert_eq!(action["severity"], rule.severity().as_str());
        assert_eq!(action["means"], rule.means());
        assert_eq!(action["subject"]["kind"], rule.subject().as_str());
        assert_eq!(
            action["next_step"]["permission"],
            rule.next_step().permission.as_str()
        );
        let is_own = matches!(rule.subject(), SubjectKind::Invite | SubjectKind::Organization);
        let site = if is_own { Value::Null } else { json!(self.site) };
        assert_eq!(action["site_id"], site);
        action
    }

    /// Takes the next step of an action, as its answer names it.
    async fn step(&self, action: &Value, body: &Value) -> Answer {
        let (method, path) = (&action["next_step"]["method"], &action["next_step"]["path"]);
        let (method, path) = (method.as_str().unwrap(), path.as_str().unwrap());
        self.ask(method, path, body).await
    }

    /// The admin asks for a change of what is at `path`, or above it, as it is now.
    async fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        let admin = &self.clinic.admin;
        let method: Method = method.parse().unwrap();
        if method == Method::GET {
            return admin.get(path).await.expect(200);
        }
        let seen = if method == Method::POST {
            path.rsplit_once('/').unwrap().0
        } else {
            path
        };
        let etag = admin.etag(seen).await;
        let request = admin.request(method, path).header("if-match", &etag);
        let request = request.header("idempotency-key", &fresh_key());
        let request = if body.is_null() {
            request
        } else {
            request.json(body)
        };
        let answer = request.send().await;
        assert!(answer.status < 300, "{}", answer.text);
        self.portal.settle().await.expect("all is delivered");
        answer
    }

    /// A specialist with these fields, whom the clinic has approved.
    async fn approved(&self, more: &Value) -> String {
        let put_forward = json!({ "submitted_at": "2026-01-03T08:00:00Z" });
        let record = with(with(specialist(), &put_forward), more);
        let id = self.tell("specialists", "greta", &record).await;
        for step in ["begin", "approve"] {
            let path = self.clinic.path(&format!("/specialists/{id}/review"));
            self.ask("POST", &path, &json!({ "step": step })).await;
        }
        id
    }

    /// That an action is closed, and nothing else is open.
    async fn closed(&self, rule: Rule) {
        assert_eq!(self.open().await, [] as [&str; 0]);
        let query = format!("?status=closed&rule={}", rule.as_str());
        let closed = self.listed(&self.clinic.admin, &query).await;
        assert_eq!(closed.len(), 1);
        assert!(closed[0]["closed_at"].is_string());
    }

    fn path_of(&self, action: &Value) -> String {
        let id = action["id"].as_str().unwrap();
        self.clinic.path(&format!("/actions/{id}"))
    }

    /// A member handles an action as they see it.
    async fn handle(&self, person: &Person, action: &Value, verb: &str, body: &Value) -> Answer {
        let path = self.path_of(action);
        let etag = person.get(&path).await.etag();
        let request = person.request(Method::POST, &format!("{path}/{verb}"));
        let request = request.header("if-match", &etag);
        request
            .header("idempotency-key", &fresh_key())
            .json(body)
            .send()
            .await
    }
}

fn rules(listed: &[Value]) -> Vec<String> {
    let rule = |action: &Value| action["rule"].as_str().expect("a rule").to_owned();
    listed.iter().map(rule).collect()
}

// ---- Each rule, opened by what is told and closed by its next step ---------------------------------------------

/// The rules that have a test here, by the tests' own word.
const TESTED: &[Rule] = &[
    Rule::PaymentFailed,
    Rule::PayoutFailed,
    Rule::CredentialExpired,
    Rule::SessionQuotaReached,
    Rule::BookingOverdue,
    Rule::ProposalUnanswered,
    Rule::CredentialExpiring,
    Rule::ReviewWaiting,
    Rule::AvailabilityMissing,
    Rule::PriceMissing,
    Rule::SpecialistTimeZoneMissing,
    Rule::PatientTimeZoneMissing,
    Rule::InviteUndeliverable,
    Rule::SingleAdmin,
    Rule::SessionQuotaAlmostReached,
    Rule::SiteWithoutDomain,
    Rule::SessionQuotaNear,
    Rule::InviteExpiring,
    Rule::PatientProfileIncomplete,
    Rule::SpecialistProfileIncomplete,
];

#[test]
fn every_rule_has_a_test_and_a_next_step_that_there_is() {
    assert_eq!(TESTED, Rule::ALL);
    let source = include_str!("actions.rs");
    let routes = routes();
    for rule in Rule::ALL {
        let is_found = format!("found(Rule::{rule:?})");
        let is_closed = format!("closed(Rule::{rule:?})");
        assert!(
            source.contains(&is_found) && source.contains(&is_closed),
            "tests/it/actions.rs does not open and close {rule:?}"
        );
        let step = rule.next_step();
        let is_there = routes
            .iter()
            .any(|route| route.method == step.method && route.path == step.path);
        assert!(is_there, "{} {}", step.method, step.path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_payment_is_told_of_until_one_goes_through() {
    let portal = Portal::start().await;
    let scene = Scene::start(&portal).await;
    scene.people().await;
    scene.tell("bookings", "b1", &scene.booking(&json!({}))).await;
    let of = json!({ "patient": name("patients", "mia"), "booking": name("bookings", "b1") });
    let pay = |status| scene.entry("payment", status, &of);
    scene.tell("transactions", "p1", &pay("failed")).await;

    let action = scene.found(Rule::PaymentFailed).await;
    let trail = scene.step(&action, &Value::Null).await;
    assert_eq!(trail.json()["totals"][0]["paid_minor"], 0);
    scene.tell("transactions", "p2", &pay("succeeded")).await;

    scene.closed(Rule::PaymentFailed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_payment_matters_until_the_session_begins() {
    let portal = Portal::start().await;
    let scene = Scene::start(&portal).await;
    scene.people().await;
    scene.tell("bookings", "b1", &scene.booking(&json!({}))).await;
    let of = json!({ "patient": name("patients", "mia"), "booking": name("bookings", "b1") });
    scene
        .tell("transactions", "p1", &scene.entry("payment", "failed", &of))
        .await;
    assert_eq!(scene.open().await, ["payment_failed"]);
    scene.wait(DAY * 2).await;
    assert_eq!(scene.open().await, [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_payout_is_told_of_until_a_later_one_is_on_its_way() {
    let portal = Portal::start().await;
    let scene = Scene::start(&portal).await;
    scene.people().await;
    let of = json!({ "specialist": name("specialists", "greta") });
    let failed = with(of.clone(), &json!({ "failure": { "code": "account_closed" } }));
    scene
        .tell("transactions", "o1", &scene.entry("payout", "failed", &failed))
        .await;

    let action = scene.found(Rule::PayoutFailed).await;
    let payout = scene.step(&action, &Value::Null).await;
    assert_eq!(payout.text_at("/status"), "failed");
    portal.wait(HOUR);
    scene
        .tell("transactions", "o2", &scene.entry("payout", "pending", &of))
        .await;
    assert_eq!(scene.open().await, ["payout_failed"]);
    scene
        .tell("transactions", "o2", &scene.entry("payout", "in_transit", &of))
        .await;

    scene.closed(Rule::PayoutFailed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_credential_has_expired_is_suspended_or_brings_another() {
    let portal = Portal::start().await;
    let scene = Scene::start(&portal).await;
    let licence = |days: i32| {
        let on = (portal.clock.now() + DAY * days)
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date();
        json!({ "kind": "Licence", "check": "verified", "valid_to": on })
    };
    let greta = scene.approved(&json!({ "credentials": [licence(70)] })).await;
    assert_eq!(scene.open().await, [] as [&str; 0]);

    // It expires soon
    scene.wait(DAY * 15).await;
    let action = scene.found(Rule::CredentialExpiring).await;
    let details = scene.step(&action, &Value::Null).await;
    assert_eq!(details.id(), greta);
    assert!(action["at"].as_str().unwrap() > portal.clock.now().to_string().as_str());
    let renewed = with(specialist(), &json!({ "credentials": [licence(400)] }));
    scene.tell("specialists", "greta", &renewed).await;
    scene.closed(Rule::CredentialExpiring).await;

    // It has expired
    let old = with(specialist(), &json!({ "credentials": [licence(-3)] }));
    scene.tell("specialists", "greta", &old).await;
    let action = scene.found(Rule::CredentialExpired).await;
    let body = json!({ "step": "suspend", "reason": "Her licence has expired." });
    scene.step(&action, &body).await;
    scene.closed(Rule::CredentialExpired).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overdue_booking_is_told_of_until_its_source_says_what_became_of_it() {
    let portal = Portal::start().await;
    let scene = Scene::start(&portal).await;
    scene.people().await;
    let booking = scene.booking(&json!({}));
    let id = scene.tell("bookings", "b1", &booking).await;
    scene.wait(DAY * 2 + HOUR).await;
    assert_eq!(scene.open().await, [] as [&str; 0]);
    scene.wait(HOUR + HOUR).await;

    let action = scene.found(Rule::BookingOverdue).await;
    assert_eq!(action["subject"]["id"], id);
    scene.step(&action, &json!({ "transition": "fulfill" })).await;
    assert_eq!(
        scene.open().await,
        ["booking_overdue"],
        "its source has not answered"
    );
    let fulfilled = with(booking, &json!({ "status": "fulfilled" }));
    scene.tell("bookings", "b1", &fulfilled).await;

    scene.closed(Rule::BookingOverdue).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_proposal_is_told_of_a_day_before_it_ends_and_afterwards() {
    let portal = Portal::start().await;
    let scene = Scene::start(&portal).await;
    scene.people().await;
    let waiting = json!({ "patient": "needs-action", "specialist": "accepted" });
    let expires_at = portal.clock.now() + HOUR * 30;
    let proposed =
        scene.booking(&json!({ "status": "proposed", "participants": waiting, "expires_at": expires_at }));
    scene.tell("bookings", "b1", &proposed).await;
    assert_eq!(scene.open().await, [] as [&str; 0]);
    scene.wait(HOUR * 7).await;
    assert_eq!(scene.open().await, ["proposal_unanswered"]);
    scene.wait(DAY).await;

    let action = scene.found(Rule::ProposalUnanswered).await;
    let body = json!({ "transition": "cancel", "reason": "patient_request" });
    scene.step(&action, &body).await;
    let cancelled = scene.booking(
        &json!({ "status": "cancelled", "status_by": "organization", "status_reason": "patient_request" }),
    );
    scene.tell("bookings", "b1", &cancelled).await;

    scene.closed(Rule::ProposalUnanswered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_review_is_told_of_until_somebody_decides() {
    let portal = Portal::start().await;
    let scene = Scene::start(&portal).await;
    let put_forward = with(specialist(), &json!({ "submitted_at": "2026-01-03T08:00:00Z" }));
    scene.tell("specialists", "greta", &put_forward).await;

    let action = scene.found(Rule::ReviewWaiting).await;
    scene.step(&action, &json!({ "step": "begin" })).await;
    assert_eq!(scene.open().await, ["review_waiting"]);
    scene.step(&action, &json!({ "step": "approve" })).await;

    scene.closed(Rule::ReviewWaiting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_specialist_without_availability_is_told_of() {
    let portal = Portal::start().await;
    let scene = Scene::start(&portal).await;
    scene.approved(&json!({ "availability": [] })).await;

    let action = scene.found(Rule::AvailabilityMissing).await;
    let monday = json!({ "availability": specialist()["availability"] });
    scene.step(&action, &monday).await;
    scene.tell("specialists", "greta", &specialist()).await;

    scene.closed(Rule::AvailabilityMissing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_specialist_without_a_price_is_told_of() {
    let portal = Portal::start().await;
    let scene = Scene::start(&portal).await;
    scene.approved(&json!({ "price": null })).await;

    let action = scene.found(Rule::PriceMissing).await;
    scene
        .step(&action, &json!({ "price": specialist()["price"] }))
        .await;
    scene.tell("specialists", "greta", &specialist()).await;

    scene.closed(Rule::PriceMissing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_specialist_without_a_time_zone_is_told_of() {
    let portal = Portal::start().await;
    let scene = Scene::start(&portal).await;
    scene.approved(&json!({ "time_zone": null })).await;

    let action = scene.found(Rule::SpecialistTimeZoneMissing).await;
    scene
        .step(&action, &json!({ "time_zone": "Europe/Berlin" }))
        .await;
    scene.tell("specialists", "greta", &specialist()).await;

    scene.closed(Rule::SpecialistTimeZoneMissing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_profile_of_a_specialist_says_what_it_lacks() {
    let portal = Portal::start().await;
    let scene = Scene::start(&portal).await;
    let bare = json!({ "session_minutes": null, "languages": [] });
    let greta = scene.approved(&bare).await;

    let action = scene.found(Rule::SpecialistProfileIncomplete).await;
    assert_eq!(action["missing"], json!(["languages", "session_minutes"]));
    scene.step(&action, &json!({ "session_minutes": 50 })).await;
    let asked = scene
        .clinic
        .admin
        .get(&scene.clinic.path(&format!("/specialists/{greta}")))
        .await;
    assert_eq!(asked.json()["requested"]["session_minutes"], 50);
    scene
        .tell(
            "specialists",
            "greta",
            &with(specialist(), &json!({ "languages": [] })),
        )
        .await;
    assert_eq!(
        scene.found(Rule::SpecialistProfileIncomplete).await["missing"],
        json!(["languages"])
    );
    scene.tell("specialists", "greta", &specialist()).await;

    scene.closed(Rule::SpecialistProfileIncomplete).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_without_a_time_zone_is_told_of_until_the_source_has_it() {
    let portal = Portal::start().await;
    let scene = Scene::start(&portal).await;
    let mia = scene
        .tell("patients", "mia", &with(patient(), &json!({ "time_zone": null })))
        .await;

    let action = scene.found(Rule::PatientTimeZoneMissing).await;
    assert_eq!(action["subject"]["id"], mia);
    scene
        .step(&action, &json!({ "time_zone": "Europe/Berlin" }))
        .await;
    assert_eq!(scene.open().await.len(), 1, "it is asked for");
    scene.tell("patients", "mia", &patient()).await;

    scene.closed(Rule::PatientTimeZoneMissing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_profile_of_a_patient_says_what_it_lacks_and_never_what_it_has() {
    let portal = Portal::start().await;
    let scene = Scene::start(&portal).await;
    scene
        .tell(
            "patients",
            "mia",
            &with(patient(), &json!({ "email": null, "locale": null })),
        )
        .await;

    let action = scene.found(Rule::PatientProfileIncomplete).await;
    assert_eq!(action["missing"], json!(["contact", "locale"]));
    assert!(!action.to_string().contains("Berg"));
    scene
        .step(
            &action,
            &json!({ "email": "mia@hillside.example", "locale": "de" }),
        )
        .await;
    scene.tell("patients", "mia", &patient()).await;

    scene.closed(Rule::PatientProfileIncomplete).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_whose_mail_bounced_is_told_of_until_it_is_revoked() {
    let portal = Portal::start().await;
    let scene = Scene::start(&portal).await;
    scene
        .clinic
        .invite("gone@riverside.example", "viewer")
        .await
        .expect(201);
    portal.settle().await.unwrap();
    assert!(
        portal
            .mailbox
            .report("gone@riverside.example", Event::Bounce, Bounce::Permanent)
    );

    let action = scene.found(Rule::InviteUndeliverable).await;
    scene.step(&action, &Value::Null).await;

    scene.closed(Rule::InviteUndeliverable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_that_is_about_to_expire_is_told_of_until_it_is_sent_again() {
    let portal = Portal::start().await;
    let scene = Scene::start(&portal).await;
    scene
        .clinic
        .invite("late@riverside.example", "viewer")
        .await
        .expect(201);
    portal.settle().await.unwrap();
    scene.wait(DAY * 6 + HOUR).await;

    let action = scene.found(Rule::InviteExpiring).await;
    scene.step(&action, &json!({})).await;

    scene.closed(Rule::InviteExpiring).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_admin_is_told_of_until_there_is_another() {
    let portal = Portal::start().await;
    let scene = Scene::start(&portal).await;
    scene.clinic.member("Vera", "viewer").await;
    let alone = scene
        .clinic
        .admin
        .all(&scene.clinic.path("/members?search=ada"))
        .await
        .remove(0);
    let ada = scene
        .clinic
        .path(&format!("/members/{}", alone["id"].as_str().unwrap()));
    scene.ask("PATCH", &ada, &json!({ "role": "viewer" })).await;

    let action = scene.found(Rule::SingleAdmin).await;
    let path = action["next_step"]["path"].as_str().unwrap();
    let path = path.replace("{account_id}", alone["id"].as_str().unwrap());
    scene.ask("PATCH", &path, &json!({ "role": "admin" })).await;

    scene.closed(Rule::SingleAdmin).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_is_told_of_at_80_95_and_100_percent_until_more_is_allowed() {
    // Given a plan of twenty sessions
    let portal = Portal::start().await;
    let scene = Scene::start(&portal).await;
    let pia = scene.clinic.member("Pia", "provider").await;
    let limit = |sessions: u32| json!({ "session_limit": sessions });
    scene.clinic.allow(limit(20)).await.expect(200);
    let start = async |sessions: u32| {
        for _ in 0..sessions {
            scene.clinic.start(&pia, json!({})).await.expect(201);
        }
    };
    start(15).await;
    assert_eq!(scene.open().await, [] as [&str; 0]);

    // Then each level is told of alone, before anything is refused
    start(1).await;
    let near = scene.found(Rule::SessionQuotaNear).await;
    scene.step(&near, &Value::Null).await;
    start(2).await;
    assert_eq!(scene.open().await, ["session_quota_near"]);
    start(1).await;
    scene.found(Rule::SessionQuotaAlmostReached).await;
    assert_eq!(scene.open().await.len(), 1);
    start(1).await;
    let reached = scene.found(Rule::SessionQuotaReached).await;
    assert_eq!(scene.open().await.len(), 1);
    let refused = scene.clinic.start(&pia, json!({})).await;
    refused.expect_problem(409, "session_quota_reached");
    let seen = scene.step(&reached, &Value::Null).await;
    assert_eq!(seen.json()["hidden"]["counts"]["active"], 20);

    // And more closes them
    scene.clinic.allow(limit(100)).await.expect(200);
    scene.closed(Rule::SessionQuotaNear).await;
    scene.closed(Rule::SessionQuotaAlmostReached).await;
    scene.closed(Rule::SessionQuotaReached).await;

    // As does the end of the month, told of with the action
    scene.clinic.allow(limit(20)).await.expect(200);
    let action = scene.found(Rule::SessionQuotaReached).await;
    let end: Timestamp = action["at"].as_str().unwrap().parse().unwrap();
    assert!(end > portal.clock.now());
    scene.wait(end.duration_since(portal.clock.now()) + HOUR).await;
    let clinic = Clinic {
        admin: portal.person("Dana"),
        ..scene.clinic
    };
    let scene = Scene { clinic, ..scene };
    scene.closed(Rule::SessionQuotaReached).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_site_without_a_domain_is_told_to_whoever_runs_it() {
    let portal = Portal::start().await;
    let scene = Scene::start(&portal).await;
    let other = Clinic::of(&portal, portal.person("Hana"), "Hillside").await;
    let site = json!({ "name": "Riverside Online" });
    let site = scene
        .clinic
        .admin
        .post(&scene.clinic.path("/sites"), site)
        .await
        .expect(201)
        .id();
    let path = scene.clinic.path(&format!("/sites/{site}"));
    other.bind(&site, "shared", true).await.expect(200);
    scene.ask("PATCH", &path, &json!({ "status": "live" })).await;

    let scene = Scene { site, ..scene };
    let action = scene.found(Rule::SiteWithoutDomain).await;
    let elsewhere = rules(&other.admin.all(&other.path("/actions")).await);
    assert_eq!(elsewhere, ["single_admin"]);
    scene
        .step(&action, &json!({ "domains": ["online.riverside.example"] }))
        .await;

    scene.closed(Rule::SiteWithoutDomain).await;
}

// ---- Who sees which ---------------------------------------------------------------------------------------------

/// Somebody with a custom role of these permissions, at all sites or at some.
async fn holder(clinic: &Clinic<'_>, name: &str, permissions: &[&str], sites: Option<&[&str]>) -> Person {
    let body = json!({ "name": name, "permissions": permissions, "sites": sites });
    let role = clinic.admin.post(&clinic.path("/roles"), body).await;
    let role = role.expect(201).id();
    clinic.member(name, &role).await
}

/// One action of patients, one of specialists and one of bookings, one of the clinic itself, and one of the site.
async fn busy(portal: &Portal) -> Scene<'_> {
    let scene = Scene::start(portal).await;
    scene
        .tell("patients", "mia", &with(patient(), &json!({ "time_zone": null })))
        .await;
    let put_forward = with(specialist(), &json!({ "submitted_at": "2026-01-03T08:00:00Z" }));
    scene.tell("specialists", "greta", &put_forward).await;
    let waiting = json!({ "patient": "needs-action", "specialist": "accepted" });
    let soon = portal.clock.now() + HOUR;
    let proposed =
        scene.booking(&json!({ "status": "proposed", "participants": waiting, "expires_at": soon }));
    scene.tell("bookings", "b1", &proposed).await;
    scene
        .clinic
        .invite("gone@riverside.example", "viewer")
        .await
        .expect(201);
    portal.settle().await.unwrap();
    assert!(
        portal
            .mailbox
            .report("gone@riverside.example", Event::Bounce, Bounce::Permanent)
    );
    scene
        .tell("sites", "north", &json!({ "name": "North", "status": "live" }))
        .await;
    scene
}

const ALL_OF_IT: [&str; 5] = [
    "invite_undeliverable",
    "patient_time_zone_missing",
    "proposal_unanswered",
    "review_waiting",
    "site_without_domain",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_action_is_seen_by_whoever_sees_what_it_is_about() {
    let portal = Portal::start().await;
    let scene = busy(&portal).await;
    let (clinic, site) = (&scene.clinic, scene.site.as_str());
    let seen = async |person: &Person| {
        let mut seen = rules(&scene.listed(person, "").await);
        seen.sort();
        seen
    };
    assert_eq!(seen(&clinic.admin).await, ALL_OF_IT);

    for (name, permissions, sites, expected) in [
        (
            "Bo",
            vec!["bookings.read"],
            None,
            vec!["proposal_unanswered", "site_without_domain"],
        ),
        (
            "Pat",
            vec!["patients.read"],
            None,
            vec!["patient_time_zone_missing", "site_without_domain"],
        ),
        (
            "Sam",
            vec!["specialists.read"],
            None,
            vec!["review_waiting", "site_without_domain"],
        ),
        (
            "Ivy",
            vec!["invites.read"],
            None,
            vec!["invite_undeliverable", "site_without_domain"],
        ),
        (
            "Lim",
            vec!["bookings.read", "invites.read"],
            Some(vec![site]),
            vec!["proposal_unanswered", "site_without_domain"],
        ),
        ("Nil", vec![], None, vec!["site_without_domain"]),
    ] {
        let held: Vec<&str> = permissions.iter().copied().chain(["actions.read"]).collect();
        let person = holder(clinic, name, &held, sites.as_deref()).await;
        assert_eq!(seen(&person).await, expected, "{name}");
        // What is not listed is not told by its id, nor handled
        for action in scene.listed(&clinic.admin, "").await {
            let answer = person.get(&scene.path_of(&action)).await;
            let is_seen = expected.iter().any(|rule| action["rule"] == *rule);
            assert_eq!(answer.status, if is_seen { 200 } else { 404 }, "{name} {action}");
        }
    }

    // What the organization does not oversee is not told of either
    for (access, expected) in [
        (
            json!({ "scope": "patients" }),
            vec![
                "invite_undeliverable",
                "patient_time_zone_missing",
                "proposal_unanswered",
                "site_without_domain",
            ],
        ),
        (
            json!({ "scope": "specialists" }),
            vec![
                "invite_undeliverable",
                "proposal_unanswered",
                "review_waiting",
                "site_without_domain",
            ],
        ),
        (json!({ "sites": [] }), vec!["invite_undeliverable"]),
        (json!({ "scope": "both", "sites": [site] }), ALL_OF_IT.to_vec()),
        (json!({ "directory": "enrolled" }), vec!["invite_undeliverable"]),
    ] {
        clinic.set_access(access.clone()).await.expect(200);
        assert_eq!(seen(&clinic.admin).await, expected, "{access}");
    }
    for query in ["rule=review_waiting".to_owned(), format!("site_id={site}")] {
        let path = clinic.path(&format!("/actions?{query}"));
        clinic
            .admin
            .get(&path)
            .await
            .expect_problem(403, "privacy_mode_required");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_shares_a_site_sees_its_actions_and_makes_of_them_what_they_like() {
    let portal = Portal::start().await;
    let scene = busy(&portal).await;
    let other = Clinic::of(&portal, portal.person("Hana"), "Hillside").await;
    other.bind(&scene.site, "shared", false).await.expect(200);
    portal.settle().await.unwrap();
    let theirs = async || rules(&other.admin.all(&other.path("/actions")).await);
    let of_site = ["single_admin", "proposal_unanswered", "patient_time_zone_missing"];
    let sorted = |rules: &[String]| rules.iter().cloned().collect::<BTreeSet<_>>();
    let expected = sorted(&of_site.map(str::to_owned));
    assert_eq!(
        sorted(&theirs().await),
        expected,
        "neither specialists nor what only the owner sees to"
    );

    // When one of them dismisses an action
    let action = scene.found(Rule::ProposalUnanswered).await;
    let body = json!({ "reason": "Mia called." });
    scene
        .handle(&scene.clinic.admin, &action, "dismiss", &body)
        .await
        .expect(200);

    // Then it is the other's as before
    assert!(!scene.open().await.contains(&"proposal_unanswered".to_owned()));
    assert_eq!(sorted(&theirs().await), expected);
    let path = other.path(&format!("/actions/{}", action["id"].as_str().unwrap()));
    let seen = other.admin.get(&path).await.expect(200).json();
    assert_eq!(
        (&seen["status"], &seen["dismissal"]),
        (&json!("open"), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_are_filtered_and_come_page_by_page_the_gravest_first() {
    let portal = Portal::start().await;
    let scene = busy(&portal).await;
    let admin = &scene.clinic.admin;
    scene
        .tell("patients", "ben", &with(patient(), &json!({ "email": null })))
        .await;
    let of = json!({ "specialist": name("specialists", "greta") });
    scene
        .tell("transactions", "o1", &scene.entry("payout", "failed", &of))
        .await;

    let whole = scene.listed(admin, "").await;
    let severities: Vec<&str> = whole
        .iter()
        .map(|action| action["severity"].as_str().unwrap())
        .collect();
    assert_eq!(
        severities,
        [
            "critical", "warning", "warning", "warning", "warning", "warning", "info"
        ]
    );
    let opened: Vec<Timestamp> = whole[1..6]
        .iter()
        .map(|action| action["opened_at"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(opened.is_sorted(), "{opened:?}");
    for limit in [1, 2, 3] {
        assert_eq!(
            scene.listed(admin, &format!("?limit={limit}")).await,
            whole,
            "{limit}"
        );
    }
    for (query, expected) in [
        ("?severity=critical", vec!["payout_failed"]),
        ("?severity=info", vec!["patient_profile_incomplete"]),
        ("?rule=review_waiting", vec!["review_waiting"]),
        ("?rule=review_waiting&severity=info", vec![]),
        ("?status=snoozed", vec![]),
        ("?status=closed", vec!["single_admin"]),
    ] {
        assert_eq!(rules(&scene.listed(admin, query).await), expected, "{query}");
    }
    let at_site = scene.listed(admin, &format!("?site_id={}", scene.site)).await;
    assert_eq!(at_site.len(), whole.len() - 1, "all but the invite");
    for query in [
        "rule=none",
        "severity=grave",
        "status=gone",
        "assignee=x",
        "site_id=x",
        "nothing=1",
    ] {
        let answer = admin.get(&scene.clinic.path(&format!("/actions?{query}"))).await;
        answer.expect_problem(400, "query_invalid");
    }
    let elsewhere = portal.site("Elsewhere").await;
    let path = scene.clinic.path(&format!("/actions?site_id={elsewhere}"));
    admin.get(&path).await.expect_problem(404, "site_not_found");
}

// ---- What is made of them ---------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn an_action_is_assigned_snoozed_dismissed_and_taken_up_again() {
    let portal = Portal::start().await;
    let scene = busy(&portal).await;
    let clinic = &scene.clinic;
    let dana = &clinic.admin;
    let action = scene.found(Rule::PatientTimeZoneMissing).await;
    let listed = async |query: &str| rules(&scene.listed(dana, query).await);

    // Given to somebody who sees it, and to nobody else
    let rita = holder(clinic, "Rita", &["actions.read", "patients.read"], None).await;
    let vera = clinic.member("Vera", "viewer").await;
    let to = |person: &Person| json!({ "account_id": person.account });
    for person in [&vera, &portal.person("Eve")] {
        let refused = scene.handle(dana, &action, "assign", &to(person)).await;
        refused.expect_problem(422, "assignee_invalid");
    }
    let given = scene
        .handle(dana, &action, "assign", &to(&rita))
        .await
        .expect(200);
    assert_eq!(
        (given.etag(), given.text_at("/assignee_id")),
        ("\"1\"".to_owned(), rita.account.to_string())
    );
    let of_rita = format!("?assignee={}", rita.account);
    assert_eq!(listed(&of_rita).await, ["patient_time_zone_missing"]);
    assert_eq!(
        listed(&format!("?assignee={}", dana.account)).await,
        [] as [&str; 0]
    );

    // It waits for a day
    let until = portal.clock.now() + DAY;
    let past = json!({ "until": portal.clock.now() });
    let refused = scene.handle(dana, &action, "snooze", &past).await;
    refused.expect_problem(422, "fields_invalid");
    let waits = scene
        .handle(dana, &action, "snooze", &json!({ "until": until }))
        .await
        .expect(200);
    assert_eq!(waits.text_at("/status"), "snoozed");
    assert_eq!(listed("?status=snoozed").await, ["patient_time_zone_missing"]);
    assert_eq!(listed(&of_rita).await, [] as [&str; 0]);
    assert_eq!(
        listed(&format!("{of_rita}&status=snoozed")).await,
        ["patient_time_zone_missing"]
    );
    assert_eq!(listed("?rule=patient_time_zone_missing").await, [] as [&str; 0]);
    portal.wait(DAY);
    assert_eq!(
        listed("?rule=patient_time_zone_missing").await,
        ["patient_time_zone_missing"]
    );
    assert_eq!(listed("?status=snoozed").await, [] as [&str; 0]);

    // It is dismissed, and taken up again
    scene
        .handle(dana, &action, "dismiss", &json!({}))
        .await
        .expect_problem(422, "fields_invalid");
    let reason = json!({ "reason": "Mia travels." });
    let gone = scene.handle(dana, &action, "dismiss", &reason).await.expect(200);
    assert_eq!(gone.text_at("/dismissal/reason"), "Mia travels.");
    assert_eq!(listed("?status=dismissed").await, ["patient_time_zone_missing"]);
    let open = scene
        .handle(dana, &action, "reopen", &json!({}))
        .await
        .expect(200);
    assert_eq!(
        (open.text_at("/status"), open.text_at("/assignee_id")),
        ("open".to_owned(), rita.account.to_string())
    );

    // Only by those who manage actions, having seen how it stands
    scene
        .handle(&rita, &action, "reopen", &json!({}))
        .await
        .expect_problem(403, "permission_missing");
    let path = format!("{}/dismiss", scene.path_of(&action));
    let request = || {
        dana.request(Method::POST, &path)
            .header("idempotency-key", &fresh_key())
    };
    request()
        .json(&reason)
        .send()
        .await
        .expect_problem(428, "revision_missing");
    let stale = request().header("if-match", "\"0\"").json(&reason).send().await;
    stale.expect_problem(412, "revision_mismatch");

    // And the log tells of each, without the reason
    let verbs = clinic.audit_verbs().await;
    let of_actions: Vec<&str> = verbs
        .iter()
        .map(String::as_str)
        .filter(|verb| verb.starts_with("action."))
        .collect();
    assert_eq!(
        of_actions,
        [
            "action.assigned",
            "action.snoozed",
            "action.dismissed",
            "action.reopened"
        ]
    );
    let log = dana
        .get(&clinic.path("/audit-events?limit=100"))
        .await
        .expect(200)
        .text;
    assert!(!log.contains("travels"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_dismissed_comes_back_when_its_cause_was_gone_and_comes_back() {
    let portal = Portal::start().await;
    let scene = busy(&portal).await;
    let dana = &scene.clinic.admin;
    let action = scene.found(Rule::PatientTimeZoneMissing).await;
    scene
        .handle(dana, &action, "dismiss", &json!({ "reason": "Known." }))
        .await
        .expect(200);

    // Another change of the patient changes nothing
    let without = with(patient(), &json!({ "time_zone": null, "locale": "en" }));
    scene.tell("patients", "mia", &without).await;
    assert_eq!(scene.listed(dana, "?status=dismissed").await.len(), 1);

    scene.tell("patients", "mia", &patient()).await;
    assert_eq!(scene.listed(dana, "?status=dismissed").await, [] as [Value; 0]);
    let closed = dana.get(&scene.path_of(&action)).await.expect(200);
    assert_eq!(closed.text_at("/status"), "closed");
    scene
        .handle(dana, &action, "reopen", &json!({}))
        .await
        .expect_problem(409, "action_closed");

    portal.wait(HOUR);
    scene.tell("patients", "mia", &without).await;
    let anew = scene.found(Rule::PatientTimeZoneMissing).await;
    assert_eq!((&anew["id"], &anew["dismissal"]), (&action["id"], &Value::Null));
    assert_ne!(anew["opened_at"], action["opened_at"]);
    scene
        .handle(
            dana,
            &anew,
            "snooze",
            &json!({ "until": portal.clock.now() + DAY }),
        )
        .await
        .expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_handle_an_action_at_once_one_learns_of_the_other() {
    let portal = Portal::start().await;
    let scene = busy(&portal).await;
    let dana = &scene.clinic.admin;
    let action = scene.found(Rule::PatientTimeZoneMissing).await;
    let path = scene.path_of(&action);
    let etag = dana.etag(&path).await;
    let tries = (0..6).map(|n| {
        let reason = json!({ "reason": format!("Reason {n}") });
        let request = dana.request(Method::POST, &format!("{path}/dismiss"));
        let request = request
            .header("if-match", &etag)
            .header("idempotency-key", &fresh_key());
        async move { request.json(&reason).send().await.status }
    });
    let mut statuses = at_once(tries).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412]);

    // The same request, sent again, is answered as it was
    let key = fresh_key();
    let send = || {
        let request = dana.request(Method::POST, &format!("{path}/reopen"));
        request
            .header("if-match", "\"1\"")
            .header("idempotency-key", &key)
            .json(&json!({}))
            .send()
    };
    let (first, again) = (send().await.expect(200), send().await.expect(200));
    assert_eq!(
        (first.text, first.headers.get("etag")),
        (again.text, again.headers.get("etag"))
    );
}

// ---- However the stream comes -----------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_twice_late_or_in_pieces_opens_and_closes_each_action_once() {
    let portal = Portal::start().await;
    let scene = Scene::start(&portal).await;
    let faults = [
        (Kind::DuplicateStream, 0.5),
        (Kind::SplitStream, 0.5),
        (Kind::Conflict, 0.1),
        (Kind::LostAnswer, 0.1),
    ];
    let faults = faults.map(|(kind, rate)| Fault::new(kind, rate));
    portal.faults.set(seed(), faults.to_vec());
    let round = async |round: u32, zone: Value| {
        let lines = (0..8).map(|n| {
            let fields = json!({ "time_zone": zone, "given_name": format!("Mia {round}") });
            let record = with(patient(), &fields);
            upsert("patients", &format!("p{n}"), scene.next(), &record)
        });
        let lines: Vec<Value> = lines.collect();
        // A service asks again when it was too busy.
        while scene
            .service
            .feed("patients", &lines)
            .await
            .outcomes()
            .iter()
            .any(|outcome| outcome.starts_with("failed"))
        {}
    };
    for n in 0..4 {
        round(2 * n, json!("Europe/Berlin")).await;
        round(2 * n + 1, Value::Null).await;
    }
    portal.settle().await.unwrap();
    portal.faults.clear();
    assert_eq!(scene.open().await, ["patient_time_zone_missing"; 8]);
    round(8, json!("Europe/Berlin")).await;
    assert_eq!(scene.open().await, [] as [&str; 0]);
    let closed = scene.listed(
        &scene.clinic.admin,
        "?status=closed&rule=patient_time_zone_missing",
    );
    assert_eq!(closed.await.len(), 8);
    assert!(portal.stream.failed().is_empty());

    // What a source deletes has no actions any more
    let without = with(patient(), &json!({ "time_zone": null }));
    scene.tell("patients", "p1", &without).await;
    assert_eq!(scene.open().await, ["patient_time_zone_missing"]);
    let gone = delete("patients", "p1", scene.next());
    assert_eq!(scene.service.outcomes("patients", &[gone]).await, ["updated"]);
    assert_eq!(scene.open().await, [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_cannot_be_read_keeps_no_other_from_being_looked_at() {
    // Given a clinic that nobody has looked at
    let options = Options {
        follows: false,
        ..Options::default()
    };
    let portal = Portal::start_with(options).await;
    let clinic = portal.clinic().await;
    let list = async || rules(&clinic.admin.all(&clinic.path("/actions")).await);
    assert_eq!(list().await, [] as [&str; 0]);

    // When its change comes behind a damaged one and what has nothing to do with rules, and all of that once more
    let record = |number: &str, kind: &str, id: &str| {
        let image = json!({ "kind": { "S": kind }, "id": { "S": id } });
        json!({
            "eventName": "MODIFY", "awsRegion": "eu-central-1",
            "eventID": "one", "eventSource": "aws:dynamodb",
            "dynamodb": { "Keys": {}, "NewImage": image, "SequenceNumber": number, "SizeBytes": 1, "ApproximateCreationDateTime": 0 },
        })
    };
    let id = clinic.id.to_string();
    let records = [
        record("1", "patient", "damaged"),
        record("2", "note", "any"),
        record("3", "organization", &id),
    ];
    let app = App::build(portal.config(0)).unwrap();
    for _ in 0..2 {
        let event = serde_json::from_value(json!({ "Records": records })).unwrap();
        let answer = project_changes::handle(&app, event).await.unwrap();
        let failed: Vec<_> = answer
            .batch_item_failures
            .iter()
            .map(|failure| failure.item_identifier.as_deref())
            .collect();

        // Then only the damaged one is to come again, and what is found is found once
        assert_eq!(failed, [Some("1")]);
        assert_eq!(list().await, ["single_admin"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_runs_twice_or_late_does_what_is_due_once() {
    let portal = Portal::start().await;
    let scene = Scene::start(&portal).await;
    scene.people().await;
    for booking in ["b1", "b2", "b3"] {
        scene.tell("bookings", booking, &scene.booking(&json!({}))).await;
    }
    portal.wait(DAY * 3);
    let reports = at_once((0..3).map(|_| portal.run_job("sweep-actions"))).await;
    let done: u64 = reports
        .into_iter()
        .map(|report| report.unwrap().unwrap()["done"].as_u64().unwrap())
        .sum();
    assert!(done >= 3, "{done}");
    assert_eq!(scene.open().await, ["booking_overdue"; 3]);
    let again = portal.run_job("sweep-actions").await.unwrap().unwrap();
    assert_eq!(again["done"], 0, "{again}");
    let opened = scene.listed(&scene.clinic.admin, "").await;
    scene.sweep().await;
    assert_eq!(scene.listed(&scene.clinic.admin, "").await, opened);
    let at: Timestamp = opened[0]["at"].as_str().unwrap().parse().unwrap();
    assert!(at < portal.clock.now());
}
