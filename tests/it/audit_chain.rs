//! The chain over the audit log: every event once and in order, sealed day by day, and whatever is done to it is found.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use portal_app::Verdict;
use portal_domain::audit::{Actor, AuditEvent, Origin, Verb};
use portal_domain::chain::{Fault, Link};
use portal_domain::change::Change;
use portal_domain::id::OrganizationId;
use portal_local::faults::{Kind, Rule};
use portal_local::stack::{AUDIT_BUCKET, TABLE};
use portal_local::verify::verify;
use portal_signing::PublicKey;
use serde_json::{Value, json};

use crate::support::{Clinic, DAY, Portal, SECOND, at_once, project};

impl Portal {
    /// What the command finds in the log of `organization`.
    async fn verified(&self, organization: OrganizationId) -> Verdict {
        verify(self.config(0), &organization.to_string(), None)
            .await
            .expect("it can be verified")
    }

    /// The faults that it finds.
    async fn faults_of(&self, organization: OrganizationId) -> BTreeSet<&'static str> {
        let findings = self.verified(organization).await.findings;
        findings.into_iter().map(|found| found.fault.as_str()).collect()
    }

    async fn sealed(&self) -> Value {
        self.settle().await.expect("all is delivered");
        self.clock.advance(DAY + SECOND * 3_600);
        let report = self.run_job("seal-audit-log").await.expect("a job");
        report.expect("it is sealed")
    }

    async fn links(&self, organization: OrganizationId) -> Vec<Link> {
        self.settle().await.expect("all is delivered");
        let links = self.app.store.chain_links(organization, 0, 1_000).await;
        links.expect("readable").items
    }

    /// The items of a kind as the table has them.
    fn raw(&self, kind: &str) -> Vec<Value> {
        let scan = serde_json::from_value(json!({ "TableName": TABLE })).expect("a request");
        let items = self.dynamo.database().scan(scan).expect("readable").items;
        let items = serde_json::to_value(items).expect("items");
        let all = items.as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|item| item["kind"]["S"] == kind).collect()
    }

    /// Deletes an item behind everybody's back.
    fn lose(&self, item: &Value) {
        let key = json!({ "pk": item["pk"], "sk": item["sk"] });
        let request = serde_json::from_value(json!({ "TableName": TABLE, "Key": key })).expect("a request");
        self.dynamo.database().delete_item(request).expect("it is there");
    }

    /// Writes an item behind everybody's back.
    fn smuggle(&self, item: &Value) {
        let request = serde_json::from_value(json!({ "TableName": TABLE, "Item": item })).expect("a request");
        self.dynamo.database().put_item(request).expect("it is put");
    }
}

/// Renames the organization `times` times, which is one event each.
async fn busy(clinic: &Clinic<'_>, times: u32) {
    for number in 0..times {
        let etag = clinic.admin.etag(&clinic.path("")).await;
        let name = format!("Riverside \"{number}\" ü");
        clinic
            .admin
            .patch(&clinic.path(""), &etag, json!({ "name": name }))
            .await
            .expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_chained_once_and_in_order_however_often_the_stream_brings_it() {
    let portal = Portal::start().await;
    let faults = [
        Rule::new(Kind::DuplicateStream, 0.5),
        Rule::new(Kind::SplitStream, 0.3),
        Rule::new(Kind::Conflict, 0.2).only("TransactWriteItems"),
        Rule::new(Kind::LostAnswer, 0.2).only("TransactWriteItems"),
    ];
    let clinic = portal.clinic().await;
    portal.faults.set(7, faults.into());
    busy(&clinic, 12).await;
    clinic.invite("ada@example.org", "viewer").await.expect(201);
    let links = portal.links(clinic.id).await;
    portal.faults.clear();

    // Then the chain is the log, each event once, numbered without gaps
    let log = clinic.admin.all(&clinic.path("/audit-events?limit=100")).await;
    let log: BTreeSet<&str> = log.iter().filter_map(|event| event["id"].as_str()).collect();
    let chained: BTreeSet<String> = links.iter().map(|link| link.event.to_string()).collect();
    assert_eq!(links.len(), 14);
    assert_eq!(chained, log.into_iter().map(str::to_owned).collect());
    assert!(links.iter().map(|link| link.seq).eq(1..=14));
    assert!(links.windows(2).all(|two| two[1].prev == two[0].hash));
    assert!(links.is_sorted_by_key(|link| link.event_at));
    let verdict = portal.verified(clinic.id).await;
    assert_eq!(verdict.findings, []);
    assert_eq!((verdict.events, verdict.last, verdict.sealed), (14, 14, 0));
}

/// Events of an organization that nobody made otherwise, one after the other.
fn events(portal: &Portal, organization: OrganizationId, count: usize) -> Vec<AuditEvent> {
    let actor = Actor::System {
        name: "tests".to_owned(),
    };
    let event = |number| {
        AuditEvent::new(
            organization,
            Verb::OrganizationUpdated,
            actor.clone(),
            &organization,
            &Origin::default(),
            portal.clock.now(),
        )
        .changed("name", None, Some(format!("name {number}")))
    };
    (0..count).map(event).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_append_each_finds_a_place_of_its_own() {
    let portal = Portal::start().await;
    let organization = OrganizationId::mint(portal.clock.now());
    let events = events(&portal, organization, 20);
    // Given ten that each append the same ten events and one of their own, at once
    let appending = (0..10).map(async |number: usize| {
        let some: Vec<AuditEvent> = events[..10]
            .iter()
            .chain([&events[10 + number]])
            .cloned()
            .collect();
        portal
            .app
            .store
            .chain(organization, &some, portal.clock.now())
            .await
    });
    let appended = at_once(appending).await;

    // Then each that says so has appended, and none twice
    let links = portal.links(organization).await;
    let chained: BTreeSet<_> = links.iter().map(|link| link.event).collect();
    assert_eq!(chained.len(), links.len());
    assert!(links.iter().map(|link| link.seq).eq(1..=links.len() as u64));
    assert!(links.windows(2).all(|two| two[1].prev == two[0].hash));
    for (number, outcome) in appended.into_iter().enumerate() {
        if outcome.is_ok() {
            assert!(chained.contains(&events[10 + number].id));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_is_over_is_sealed_once_and_cannot_be_deleted() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    busy(&clinic, 3).await;

    // Given a run on the day itself, then one when it is over, and another
    portal.settle().await.expect("all is delivered");
    let early = portal.run_job("seal-audit-log").await.unwrap().unwrap();
    assert_eq!(early["done"], 0, "{early}");
    assert_eq!(portal.sealed().await["done"], 1);
    let again = portal.run_job("seal-audit-log").await.unwrap().unwrap();
    assert_eq!((&again["done"], &again["settled"]), (&json!(0), &json!(0)));

    // Then there is one segment, and it verifies
    let keys = portal
        .objects
        .keys(AUDIT_BUCKET, &format!("audit/{}/", clinic.id));
    assert_eq!(keys.len(), 1, "{keys:?}");
    let verdict = portal.verified(clinic.id).await;
    assert_eq!(verdict.findings, []);
    assert_eq!((verdict.segments, verdict.sealed, verdict.events), (1, 4, 4));

    // And another day goes on behind it
    let dana = portal.person_with("Dana", &clinic.admin.email);
    let clinic = Clinic {
        admin: dana,
        ..clinic
    };
    busy(&clinic, 2).await;
    assert_eq!(portal.sealed().await["done"], 1);
    let verdict = portal.verified(clinic.id).await;
    assert_eq!(verdict.findings, []);
    assert_eq!((verdict.segments, verdict.sealed), (2, 6));

    // And a day of it can be asked for alone
    let today = portal_domain::chain::day(portal.clock.now());
    let verdict = verify(portal.config(0), &clinic.id.to_string(), Some((today, today))).await;
    assert_eq!(verdict.expect("it can be verified").events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_dies_between_segment_and_note_is_continued() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    busy(&clinic, 3).await;
    portal.settle().await.expect("all is delivered");
    portal.clock.advance(DAY + SECOND * 3_600);

    // Given a run whose segment was written and not noted, and one without the key service
    let only = Rule::new(Kind::Throttle, 1.0).only("TransactWriteItems");
    portal.faults.set(7, vec![only]);
    assert!(portal.run_job("seal-audit-log").await.unwrap().is_err());
    portal.faults.set(7, vec![Rule::new(Kind::KeysDown, 1.0)]);
    assert!(portal.run_job("seal-audit-log").await.unwrap().is_err());
    portal.faults.clear();
    let keys = portal.objects.keys(AUDIT_BUCKET, "audit/");
    assert_eq!(keys.len(), 1);
    let written = portal.objects.bytes(AUDIT_BUCKET, &keys[0]);

    // Then the next run takes it as it is
    let report = portal.run_job("seal-audit-log").await.unwrap().unwrap();
    assert_eq!(report["done"], 1, "{report}");
    assert_eq!(portal.objects.keys(AUDIT_BUCKET, "audit/"), keys);
    assert_eq!(portal.objects.bytes(AUDIT_BUCKET, &keys[0]), written);
    assert_eq!(portal.verified(clinic.id).await.findings, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_stream_lost_is_appended_when_the_day_is_sealed() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    busy(&clinic, 2).await;
    let links = portal.links(clinic.id).await;

    // Given a chain that knows nothing of the last event
    for kind in ["chain_link", "chain_event"] {
        for item in portal.raw(kind).iter().filter(|item| item["seq"]["N"] == "3") {
            portal.lose(item);
        }
    }
    let mut head = portal.raw("chain_head").remove(0);
    head["seq"]["N"] = json!("2");
    head["hash"]["S"] = json!(links[1].hash);
    portal.smuggle(&head);
    assert_eq!(portal.verified(clinic.id).await.waiting, 1);

    // Then it is sealed with the day after
    assert_eq!(portal.sealed().await["done"], 1);
    let verdict = portal.verified(clinic.id).await;
    assert_eq!(
        (verdict.findings, verdict.last, verdict.waiting),
        (Vec::new(), 3, 0)
    );
}

/// A clinic whose log of five events is sealed.
async fn sealed_clinic(portal: &Portal) -> Clinic<'_> {
    let clinic = portal.clinic().await;
    busy(&clinic, 4).await;
    assert_eq!(portal.sealed().await["done"], 1);
    assert_eq!(portal.faults_of(clinic.id).await, BTreeSet::new());
    clinic
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_done_to_the_log_is_found() {
    let portal = Portal::start().await;
    let clinic = sealed_clinic(&portal).await;
    let event = portal.raw("audit_event").remove(2);
    let is = |faults: &[Fault]| faults.iter().map(|fault| fault.as_str()).collect::<BTreeSet<_>>();

    // Deleted
    portal.lose(&event);
    assert_eq!(portal.faults_of(clinic.id).await, is(&[Fault::EventDeleted]));
    portal.smuggle(&event);

    // Changed
    let mut changed = event.clone();
    changed["verb"]["S"] = json!("member.removed");
    portal.smuggle(&changed);
    assert_eq!(portal.faults_of(clinic.id).await, is(&[Fault::EventChanged]));
    portal.smuggle(&event);

    // Reordered: two links change places
    let links = portal.raw("chain_link");
    let (mut one, mut other) = (links[1].clone(), links[2].clone());
    (one["event"], other["event"]) = (links[2]["event"].clone(), links[1]["event"].clone());
    portal.smuggle(&one);
    portal.smuggle(&other);
    assert_eq!(portal.faults_of(clinic.id).await, is(&[Fault::Reordered]));
    portal.smuggle(&links[1]);
    portal.smuggle(&links[2]);

    // Cut off at the end, in log and chain
    let last = links
        .iter()
        .max_by_key(|link| link["sk"]["S"].as_str().unwrap().to_owned())
        .unwrap();
    let head = portal.raw("chain_head").remove(0);
    let mut turned_back = head.clone();
    turned_back["seq"]["N"] = json!("4");
    turned_back["hash"] = last["prev"].clone();
    portal.lose(last);
    portal.smuggle(&turned_back);
    let truncated = is(&[Fault::LinkMissing, Fault::Truncated]);
    assert_eq!(portal.faults_of(clinic.id).await, truncated);
    portal.smuggle(last);
    portal.smuggle(&head);

    // Nothing is left of all that
    assert_eq!(portal.faults_of(clinic.id).await, BTreeSet::new());

    // Inserted: the stream brings it to the chain, which says that it came late
    let mut inserted = event.clone();
    let id = event["id"]["S"].as_str().unwrap().replacen("evt_0", "evt_1", 1);
    inserted["sk"]["S"] = json!(event["sk"]["S"].as_str().unwrap().replacen("evt_0", "evt_1", 1));
    inserted["id"]["S"] = json!(id);
    portal.clock.advance(DAY * 3);
    portal.smuggle(&inserted);
    portal.settle().await.expect("all is delivered");
    assert_eq!(portal.faults_of(clinic.id).await, is(&[Fault::EventBackdated]));
    // And without a place in the chain it is seen, too
    for kind in ["chain_link", "chain_event"] {
        for item in portal.raw(kind).iter().filter(|item| item["seq"]["N"] == "6") {
            portal.lose(item);
        }
    }
    portal.smuggle(&head);
    assert_eq!(portal.faults_of(clinic.id).await, is(&[Fault::EventInserted]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_counts_as_it_was_written_first_and_by_the_key_alone() {
    let portal = Portal::start().await;
    let clinic = sealed_clinic(&portal).await;
    let key = portal.objects.keys(AUDIT_BUCKET, "audit/").remove(0);
    let s3 = aws_sdk_s3::Client::new(&portal.config(0).aws);

    // Given a forged segment over the first, and a deletion over both: the first counts
    let forged = s3.put_object().bucket(AUDIT_BUCKET).key(&key);
    forged
        .body(b"forged".to_vec().into())
        .send()
        .await
        .expect("it is put");
    s3.delete_object()
        .bucket(AUDIT_BUCKET)
        .key(&key)
        .send()
        .await
        .expect("it is marked");
    assert_eq!(portal.faults_of(clinic.id).await, BTreeSet::new());

    // And by another key nothing of it is believed
    let folder = std::env::temp_dir();
    let other = Portal::start().await;
    let file = folder.join(format!("{}.pem", clinic.id));
    std::fs::write(&file, other.kms.public_key().to_pem()).expect("it is written");
    let mut variables = portal.environment();
    let name = file.to_str().expect("a path").to_owned();
    variables.insert("AUDIT_PUBLIC_KEYS".to_owned(), name);
    let config = portal_app::Config::new(variables, portal.config(0).aws.clone(), portal.clock.clone());
    let verdict = verify(&config, &clinic.id.to_string(), None)
        .await
        .expect("it can be read");
    std::fs::remove_file(&file).expect("it is there");
    let faults: Vec<Fault> = verdict.findings.iter().map(|found| found.fault).collect();
    assert_eq!(faults, [Fault::CheckpointForged]);

    // And a chain that the table says is sealed further than there are segments is broken
    let mut sealed = portal.raw("chain_sealed").remove(0);
    sealed["seq"]["N"] = json!("9");
    portal.smuggle(&sealed);
    assert_eq!(
        portal.faults_of(clinic.id).await,
        BTreeSet::from(["segment_broken"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_ten_thousand_events_verifies() {
    let portal = Portal::start().await;
    let organization = OrganizationId::mint(portal.clock.now());
    for some in events(&portal, organization, 10_000).chunks(90) {
        let change = Change {
            audit: some.to_vec(),
            ..Change::default()
        };
        let committed = portal.app.store.commit(&change, None, portal.clock.now()).await;
        committed.expect("it is committed");
    }
    assert_eq!(portal.sealed().await["done"], 1);
    let verdict = portal.verified(organization).await;
    assert_eq!(verdict.findings, []);
    assert_eq!(
        (verdict.events, verdict.segments, verdict.sealed, verdict.last),
        (10_000, 10, 10_000, 10_000)
    );
}

/// What the script for those without this code says of a segment.
fn script(segment: &PathBuf, key: &PathBuf) -> (bool, String) {
    let venv = project(".venv/bin/python");
    let python = if venv.exists() {
        venv
    } else {
        PathBuf::from("python3")
    };
    let output = Command::new(python)
        .arg(project("docs/verify_audit_segment.py"))
        .args([key, segment])
        .output()
        .expect("Python 3 runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_knows_only_the_format_verifies_a_segment() {
    let portal = Portal::start().await;
    sealed_clinic(&portal).await;
    let folder = std::env::temp_dir().join(format!("segment-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (segment, key) = (folder.join("segment.jsonl"), folder.join("key.pem"));
    let public: &PublicKey = portal.kms.public_key();
    std::fs::write(&key, public.to_pem()).expect("it is written");
    let name = portal.objects.keys(AUDIT_BUCKET, "audit/").remove(0);
    let bytes = portal.objects.bytes(AUDIT_BUCKET, &name).expect("readable");
    std::fs::write(&segment, &bytes).expect("it is written");

    let (verifies, told) = script(&segment, &key);
    assert!(verifies, "{told}");
    assert!(told.contains("5 entries"), "{told}");

    // And each byte of it matters: one flipped in the middle of an entry, or of the signature
    for at in [bytes.len() / 3, bytes.len() - 20] {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1;
        std::fs::write(&segment, &flipped).expect("it is written");
        let (verifies, told) = script(&segment, &key);
        assert!(!verifies, "{told}");
    }
    std::fs::remove_dir_all(&folder).expect("it is there");
}
