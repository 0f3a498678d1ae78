//! Statistics: what is counted is what a recount gives, however changes come; days and months are the organization's.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use portal_domain::booking::{Booking, Status};
use portal_domain::id::{PatientId, SiteId};
use portal_domain::patient::Patient;
use portal_domain::specialist::Specialist;
use portal_domain::statistics::{Scope, Tally};
use portal_domain::transaction::{Kind, Transaction};
use portal_local::faults::{Kind as Fault, Rule};
use rand::prelude::{IndexedMutRandom, IndexedRandom, SliceRandom};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::support::records::Profile;
use crate::support::statistics::forget_counts;
use crate::support::{Clinic, DAY, Person, Portal, SECOND, killed_after, rounds, seed};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Records as they are now.
#[derive(Default)]
struct Records {
    bookings: Vec<Booking>,
    transactions: Vec<Transaction>,
    patients: Vec<Patient>,
    specialists: Vec<Specialist>,
}

impl Records {
    /// What there is to count.
    fn recount(&self) -> Tally {
        let mut all = Tally::default();
        for tally in (self.bookings.iter().map(Tally::of))
            .chain(self.transactions.iter().map(Tally::of))
            .chain(self.patients.iter().map(Tally::of))
            .chain(self.specialists.iter().map(Tally::of))
        {
            all = all.and(tally);
        }
        all
    }

    /// Something happens to one of them, or to a new one.
    async fn step(&mut self, portal: &Portal, sites: &[String], random: &mut StdRng) {
        let site = sites.choose(random).unwrap();
        let start = portal.clock.now() + HOUR * random.random_range(-40..40);
        let time = json!({ "start": start, "end": start + HOUR });
        match random.random_range(0..10) {
            0 | 1 => self.bookings.push(portal.booking(site, time).await),
            2 | 3 if !self.bookings.is_empty() => {
                let booking = self.bookings.choose_mut(random).unwrap();
                let line = portal.next_line(booking).await.say(time);
                let line = if booking.status() == Status::Booked {
                    line.say(json!({ "status": "fulfilled" }))
                } else {
                    line
                };
                *booking = line.tell().await;
            }
            4 => {
                let kind = *[Kind::Payment, Kind::Earning].choose(random).unwrap();
                let currency = *["EUR", "CHF"].choose(random).unwrap();
                let posting = portal.posting(kind, site).await;
                let said = json!({ "currency": currency, "occurred_at": start });
                self.transactions.push(posting.say(said).tell().await);
            }
            5 if !self.transactions.is_empty() => {
                // What is given back changes what it is of, too
                let parent = self.transactions.choose_mut(random).unwrap();
                if parent.row.parent().is_none() && parent.row.given_back_minor() == Some(0) {
                    let currency = parent.row.amount.currency;
                    let posting = portal
                        .giving_back(parent, 1_000)
                        .say(json!({ "currency": currency }));
                    let after = posting.taken().unwrap().parent;
                    let back = posting.tell().await;
                    *parent = after.expect("it changes, too");
                    self.transactions.push(back);
                }
            }
            6 => {
                let some: Vec<&str> = sites.sample(random, 2).map(String::as_str).collect();
                self.patients.push(portal.patient("Ada", &some).await);
            }
            7 if !self.patients.is_empty() => {
                let patient = self.patients.choose_mut(random).unwrap();
                let more = json!({ "status": "locked" });
                let record = portal.patient_record("Ada", &[site], &more);
                *patient = portal.told_again(patient, record).await;
            }
            8 => {
                let specialist = portal.specialist("Lin", &[site]).await;
                self.specialists.push(specialist);
            }
            9 if !self.specialists.is_empty() => {
                let specialist = self.specialists.choose_mut(random).unwrap();
                let record = portal.specialist_record("Lin", &[site], &json!({}));
                *specialist = portal.specialist_again(specialist, record).await;
            }
            _ => {}
        }
    }
}

fn scopes(sites: &[String]) -> Vec<Scope> {
    let site = |site: &String| Scope::Site(site.parse::<SiteId>().unwrap());
    sites.iter().map(site).chain([Scope::Platform]).collect()
}

async fn sites(portal: &Portal) -> Vec<String> {
    let mut sites = Vec::new();
    for name in ["North", "East", "South"] {
        sites.push(portal.site(name).await);
    }
    sites
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_what_a_recount_gives_however_changes_come() {
    // Given a stream that delivers twice and in parts, to a function whose answers get lost
    let portal = Portal::start().await;
    let (sites, seed) = (sites(&portal).await, seed());
    let (mut random, witnessed) = (StdRng::seed_from_u64(seed), portal.witnessed());
    portal.faults.set(
        seed,
        vec![
            Rule::new(Fault::DuplicateStream, 0.5).only("project-changes"),
            Rule::new(Fault::SplitStream, 0.5).only("project-changes"),
            Rule::new(Fault::LostAnswer, 0.05).only("TransactWriteItems"),
        ],
    );

    // When records come, change and move
    let mut records = Records::default();
    for _ in 0..rounds(60) {
        records.step(&portal, &sites, &mut random).await;
        portal.wait(SECOND);
    }

    // Then the counts are those of what is there
    let (scopes, recount) = (scopes(&sites), records.recount());
    let counted = portal.counted(&scopes).await;
    assert!(recount.len() > 10);
    assert_eq!(counted, recount);
    let fired = [Fault::DuplicateStream, Fault::SplitStream].map(|kind| portal.faults.fired(kind));
    assert!(fired.iter().all(|fired| *fired > 0), "{fired:?}");
    portal.faults.clear();

    // And stay so when all of it comes once more, in pieces and in any order
    let mut again = witnessed.lock().unwrap().clone();
    again.shuffle(&mut random);
    let function = portal.function("project-changes");
    for piece in again.chunks(7) {
        let answer = function(json!({ "Records": piece })).await.unwrap();
        assert_eq!(answer["batchItemFailures"], json!([]));
    }
    assert_eq!(portal.counted(&scopes).await, recount);
    assert!(portal.stream.failed().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_counted_in_whichever_order_they_come() {
    // Given changes that are counted for the first time backwards
    let portal = Portal::start().await;
    let sites = sites(&portal).await;
    let (mut random, witnessed) = (StdRng::seed_from_u64(seed()), portal.witnessed());
    let mut records = Records::default();
    for _ in 0..30 {
        records.step(&portal, &sites, &mut random).await;
    }
    let scopes = scopes(&sites);
    let counted = portal.counted(&scopes).await;
    let kinds = ["statistics", "seen"];
    for item in portal.items() {
        if kinds.iter().any(|kind| item["kind"]["S"] == *kind) {
            let request = json!({ "TableName": "portal", "Key": { "pk": item["pk"], "sk": item["sk"] } });
            let request = serde_json::from_value(request).unwrap();
            portal.dynamo.database().delete_item(request).unwrap();
        }
    }
    assert!(portal.counted(&scopes).await.is_empty());

    // When they come backwards, one by one
    let mut backwards = witnessed.lock().unwrap().clone();
    backwards.reverse();
    let function = portal.function("project-changes");
    for record in backwards {
        let answer = function(json!({ "Records": [record] })).await.unwrap();
        assert_eq!(answer["batchItemFailures"], json!([]));
    }

    // Then the counts are the same
    assert_eq!(portal.counted(&scopes).await, counted);
    assert_eq!(counted, records.recount());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_cannot_be_read_keeps_no_other_back() {
    let portal = Portal::start().await;
    let sites = sites(&portal).await;
    let witnessed = portal.witnessed();
    let booking = portal.booking(&sites[0], json!({})).await;
    portal.settle().await.unwrap();
    let is_booking = |change: &&Value| change["dynamodb"]["NewImage"]["kind"]["S"] == "booking";
    let good = witnessed.lock().unwrap().iter().find(is_booking).unwrap().clone();
    let mut bad = good.clone();
    bad["dynamodb"]["NewImage"]["status"]["S"] = json!("eaten");
    bad["dynamodb"]["SequenceNumber"] = json!("2");
    let mut other = good.clone();
    other["dynamodb"]["NewImage"]["pk"]["S"] = json!("BOOKING#other");

    let function = portal.function("project-changes");
    let answer = function(json!({ "Records": [bad, good, other] })).await.unwrap();

    assert_eq!(answer["batchItemFailures"], json!([{ "itemIdentifier": "2" }]));
    let counted = portal.counted(&scopes(&sites[..1])).await;
    assert_eq!(counted, Tally::of(&booking).and(Tally::of(&booking)));
}

// ---- Series ---------------------------------------------------------------------------------------------------

async fn series(person: &Person, clinic: &Clinic<'_>, query: &str) -> Vec<Value> {
    clinic.portal.settle().await.expect("all is delivered");
    let path = clinic.path(&format!("/statistics?{query}"));
    let answer = person.get(&path).await.expect(200).json();
    answer["periods"].as_array().unwrap().clone()
}

/// What a series has of something, by first day.
fn told(series: &[Value], pointer: &str) -> BTreeMap<String, i64> {
    let of = |period: &Value| {
        let begins_on = period["begins_on"].as_str().unwrap().to_owned();
        (begins_on, period.pointer(pointer).unwrap().as_i64().unwrap())
    };
    series.iter().map(of).collect()
}

fn days(days: &[(&str, i64)]) -> BTreeMap<String, i64> {
    days.iter()
        .map(|(day, count)| ((*day).to_owned(), *count))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_the_organizations_also_when_clocks_change() {
    // Given bookings around the shortest day of Berlin, which has 23 hours
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    clinic.configure(json!({ "time_zone": "Europe/Berlin" })).await;
    for start in [
        "2027-03-27T22:59:59.999Z",
        "2027-03-27T23:00:00Z",
        "2027-03-28T00:59:00Z",
        "2027-03-28T01:00:00Z",
        "2027-03-28T21:59:59Z",
        "2027-03-28T22:00:00Z",
    ] {
        let start: Timestamp = start.parse().unwrap();
        portal
            .booking(&site, json!({ "start": start, "end": start + HOUR }))
            .await;
    }

    // Then each is in its day, and the days are as long as they are
    let range = "from=2027-03-27&until=2027-03-30";
    let by_day = series(&clinic.admin, &clinic, &format!("{range}&by=day")).await;
    let expected = days(&[("2027-03-27", 1), ("2027-03-28", 4), ("2027-03-29", 1)]);
    assert_eq!(told(&by_day, "/bookings/booked"), expected);
    assert_eq!(by_day[1]["from"], "2027-03-27T23:00:00Z");
    assert_eq!(by_day[1]["until"], "2027-03-28T22:00:00Z");
    let by_month = series(&clinic.admin, &clinic, &format!("{range}&by=month")).await;
    assert_eq!(told(&by_month, "/bookings/booked"), days(&[("2027-03-01", 6)]));

    // And in the days of another zone as soon as it is the organization's: this one is 5 hours and 45 minutes ahead
    clinic.configure(json!({ "time_zone": "Asia/Kathmandu" })).await;
    let by_day = series(&clinic.admin, &clinic, &format!("{range}&by=day")).await;
    let expected = days(&[("2027-03-27", 0), ("2027-03-28", 4), ("2027-03-29", 2)]);
    assert_eq!(told(&by_day, "/bookings/booked"), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_tells_what_its_reader_sees() {
    // Given an own site and one that is shared without its specialists, with one of everything at each
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let (own, shared) = (
        clinic.bound("Own", "owner").await,
        clinic.bound("Shared", "shared").await,
    );
    for site in [&own, &shared] {
        let start = portal.clock.now();
        portal
            .booking(site, json!({ "start": start, "end": start + HOUR }))
            .await;
        portal.posting(Kind::Payment, site).await.tell().await;
        portal.posting(Kind::Earning, site).await.tell().await;
        portal.specialist("Lin", &[site]).await;
    }
    portal.patient("Ada", &[&own, &shared]).await;
    let today = portal.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let range = format!("from={}&until={}&by=month", today, today.tomorrow().unwrap());
    let month = async |person: &Person, more: &str| -> Value {
        let all = series(person, &clinic, &format!("{range}{more}")).await;
        assert_eq!(all.len(), 1);
        all[0].clone()
    };
    let money = |period: &Value| -> Vec<String> {
        let money = period["money"].as_array().unwrap().iter();
        money
            .map(|of| format!("{} {}", of["kind"].as_str().unwrap(), of["count"]))
            .collect()
    };

    // Then the admin is told of both, and of each person once
    let all = month(&clinic.admin, "").await;
    assert_eq!(
        (
            &all["bookings"]["booked"],
            &all["new_patients"],
            &all["new_specialists"]
        ),
        (&json!(2), &json!(1), &json!(1))
    );
    assert_eq!(money(&all), ["payment 2", "earning 1"]);
    assert_eq!(all["money"][0]["amount_minor"], 20_000);

    // Of one site alone where that is asked for
    let at_shared = month(&clinic.admin, &format!("&site_id={shared}")).await;
    assert_eq!(
        (
            &at_shared["bookings"]["booked"],
            &at_shared["new_patients"],
            &at_shared["new_specialists"]
        ),
        (&json!(1), &json!(1), &json!(0))
    );
    assert_eq!(money(&at_shared), ["payment 1"]);

    // Others are told what they may see
    let role = clinic.role("Bookings", &["bookings.read"]).await;
    let limited = month(&clinic.member("Bo", &role).await, "").await;
    assert_eq!(limited["bookings"]["booked"], 2);
    for other in ["new_patients", "new_specialists", "money"] {
        assert!(limited[other].is_null(), "{limited}");
    }
    clinic
        .set_access(json!({ "scope": "specialists" }))
        .await
        .expect(200);
    let specialists = month(&clinic.admin, "").await;
    assert!(specialists["new_patients"].is_null());
    assert_eq!(money(&specialists), ["earning 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sponsor_is_told_totals_of_closed_months_and_enough_people() {
    // Given an organization that oversees whom it sponsors: eleven people in March, ten in April
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let site = clinic.bound("Lakeside", "owner").await;
    clinic.configure(json!({ "time_zone": "Europe/Berlin" })).await;
    clinic
        .set_access(json!({ "directory": "enrolled" }))
        .await
        .expect(200);
    let people: Vec<_> = (0..11).map(|_| portal.named_patient("Noor")).collect();
    let told = async |at: &str, of: &[Profile<PatientId>], sponsor: Value, status: &str| {
        let start: Timestamp = at.parse().unwrap();
        for person in of {
            let said = json!({ "start": start, "end": start + HOUR, "sponsor": sponsor, "status": status });
            portal.line(&site).await.of(person).say(said).tell().await;
        }
    };
    let ours = json!(clinic.id);
    told("2027-03-31T21:59:00Z", &people, ours.clone(), "fulfilled").await;
    told("2027-03-02T10:00:00Z", &people[..3], ours.clone(), "fulfilled").await;
    told("2027-03-02T10:00:00Z", &people, ours.clone(), "noshow").await;
    told("2027-03-02T10:00:00Z", &people, Value::Null, "fulfilled").await;
    told("2027-03-31T22:00:00Z", &people[..10], ours.clone(), "fulfilled").await;

    // Then nothing is told before a month is closed for three days
    let range = "from=2027-02-01&until=2027-05-01";
    let dana = || portal.person("Dana");
    let asked = async |admin: Person| -> Vec<Value> {
        let all = series(&admin, &clinic, &format!("{range}&by=month")).await;
        all.iter().map(|month| month["sponsored"].clone()).collect()
    };
    portal.wait_until("2027-04-03T21:59:59Z".parse().unwrap());
    assert_eq!(asked(dana()).await, [Value::Null, Value::Null, Value::Null]);

    // And then only of enough people
    portal.wait_until("2027-05-03T22:00:00Z".parse().unwrap());
    let march = json!({ "bookings": 14, "people": 11, "utilization": null });
    assert_eq!(asked(dana()).await, [Value::Null, march.clone(), Value::Null]);

    // And never anything else, whatever is told late or in another zone: the difference would tell of somebody
    told("2027-03-03T10:00:00Z", &people[..1], ours.clone(), "fulfilled").await;
    told("2027-04-03T10:00:00Z", &people[10..], ours, "fulfilled").await;
    let etag = dana().etag(&clinic.path("")).await;
    let zone = json!({ "time_zone": "Pacific/Honolulu", "eligible_headcount": 250 });
    let changed = dana().patch(&clinic.path(""), &etag, zone).await.expect(200);
    assert_eq!(changed.json()["eligible_headcount"], 250);
    let march = json!({ "bookings": 14, "people": 11, "utilization": 0.044 });
    assert_eq!(asked(dana()).await, [Value::Null, march, Value::Null]);
    let etag = dana().etag(&clinic.path("")).await;
    let none = json!({ "eligible_headcount": 0 });
    let refused = dana().patch(&clinic.path(""), &etag, none).await;
    refused.expect_problem(422, "fields_invalid");

    // Nor of less than the whole by month
    for less in [
        "from=2027-03-01&until=2027-04-01&by=day".to_owned(),
        format!("from=2027-03-01&until=2027-04-01&by=month&site_id={site}"),
    ] {
        let path = clinic.path(&format!("/statistics?{less}"));
        let refused = dana().get(&path).await;
        refused.expect_problem(403, "privacy_mode_required");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_are_for_those_who_see_bookings() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let viewer = clinic.member("Vera", "viewer").await;
    clinic
        .set_access(json!({ "directory": "enrolled" }))
        .await
        .expect(200);
    let path = clinic.path("/statistics?from=2026-05-01&until=2026-06-01&by=month");
    viewer.get(&path).await.expect_problem(403, "permission_missing");
    clinic.admin.get(&path).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_is_of_the_last_days_or_months_if_nothing_is_said() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    clinic
        .configure(json!({ "time_zone": "Pacific/Kiritimati" }))
        .await;
    let zone = jiff::tz::TimeZone::get("Pacific/Kiritimati").unwrap();
    let today = portal.clock.now().to_zoned(zone).date();
    for (query, length, last) in [("", 30, today), ("by=month", 12, today.first_of_month())] {
        let all = series(&clinic.admin, &clinic, query).await;
        assert_eq!(all.len(), length);
        assert_eq!(all[length - 1]["begins_on"], last.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_that_makes_no_sense_is_refused() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let foreign = portal.site("Foreign").await;
    for (query, status, code) in [
        ("from=2026-05-01", 400, "query_invalid"),
        ("from=2026-05-01&until=2026-06-01&by=week", 400, "query_invalid"),
        ("from=2026-05-01&until=2026-05-01&by=day", 400, "query_invalid"),
        ("from=2026-05-01&until=2026-08-02&by=day", 400, "query_invalid"),
        ("from=2024-05-01&until=2026-05-02&by=month", 400, "query_invalid"),
        ("from=yesterday&until=2026-05-02&by=day", 400, "query_invalid"),
        ("from=9999-12-31&until=9999-12-31&by=day", 400, "query_invalid"),
        (
            "from=2026-05-01&until=2026-06-01&by=day&limit=5",
            400,
            "query_invalid",
        ),
        (
            &format!("from=2026-05-01&until=2026-06-01&by=day&site_id={foreign}"),
            404,
            "site_not_found",
        ),
    ] {
        let answer = clinic
            .admin
            .get(&clinic.path(&format!("/statistics?{query}")))
            .await;
        answer.expect_problem(status, code);
    }
}

// ---- Drift ----------------------------------------------------------------------------------------------------

async fn recounted(portal: &Portal) -> [u64; 2] {
    let report = portal.run_job("reconcile").await.unwrap().unwrap();
    assert_eq!(report["finished"], true, "{report}");
    ["differing", "mended"].map(|name| report[name].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_that_drifted_are_mended_once_it_is_certain() {
    // Given records whose counts were lost
    let portal = Portal::start().await;
    let sites = sites(&portal).await;
    let mut random = StdRng::seed_from_u64(seed());
    let mut records = Records::default();
    for _ in 0..40 {
        records.step(&portal, &sites, &mut random).await;
    }
    let (scopes, recount) = (scopes(&sites), records.recount());
    assert_eq!(portal.counted(&scopes).await, recount);
    assert_eq!(recounted(&portal).await, [0, 0]);
    forget_counts(&portal.dynamo, &portal.items());
    assert!(portal.counted(&scopes).await.is_empty());

    // When they are recounted, nothing is mended at first: changes might be under way
    let differing = u64::try_from(recount.len()).unwrap();
    assert_eq!(recounted(&portal).await, [differing, 0]);
    assert_eq!(recounted(&portal).await, [0, 0]);
    assert!(portal.counted(&scopes).await.is_empty());

    // A day later it is certain, but for what has happened meanwhile, which is counted as ever
    portal.wait(DAY);
    records.bookings.push(portal.booking(&sites[0], json!({})).await);
    assert_eq!(recounted(&portal).await[1], differing);
    assert_eq!(portal.counted(&scopes).await, records.recount());
    portal.wait(DAY);
    assert_eq!(recounted(&portal).await, [0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recount_that_is_killed_anywhere_is_finished_by_the_next() {
    // Given counts that were lost, and a first recount that found it
    let portal = Portal::start().await;
    let sites = sites(&portal).await;
    let mut random = StdRng::seed_from_u64(seed());
    let mut records = Records::default();
    for _ in 0..20 {
        records.step(&portal, &sites, &mut random).await;
    }
    let scopes = scopes(&sites);
    portal.counted(&scopes).await;
    forget_counts(&portal.dynamo, &portal.items());
    recounted(&portal).await;
    portal.wait(DAY);

    // When each run is killed a little later than the one before
    let mut kills = 0;
    while killed_after(kills, portal.run_job("reconcile")).await.is_none() {
        kills += 1;
    }

    // Then everything is mended once
    assert!(kills > 3, "it was killed {kills} times only");
    assert_eq!(portal.counted(&scopes).await, records.recount());
}
