//! The object store of the local stack: what the S3 client and links get of it, and that the rest is refused.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    CompletedMultipartUpload, CompletedPart, ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockMode,
    ObjectLockRetention, ObjectLockRetentionMode,
};
use futures_util::FutureExt as _;
use jiff::SignedDuration;
use portal_app::Part;
use portal_documents::{Documents, Expected, Key, LINK_LASTS, Link, Served};
use portal_domain::id::{ExportId, OrganizationId};
use portal_local::consumer::Consumer;
use portal_local::faults::{Kind, Rule};
use portal_local::functions::signing;
use portal_local::queues::Delivery;
use portal_local::stack::{AUDIT_BUCKET, BUCKET, Options};
use serde_json::{Value, json};

use crate::support::{Answer, DAY, Portal, SECOND, at_once};

const MEBIBYTE: usize = 1024 * 1024;

impl Portal {
    fn documents(&self) -> Documents {
        Documents::build(self.config(0)).expect("a bucket")
    }

    fn document(&self) -> Key {
        let now = self.clock.now();
        Key::export(OrganizationId::mint(now), ExportId::mint(now), 1, "csv")
    }
}

async fn put(client: &Client, key: &str, body: &str) -> String {
    let put = client.put_object().bucket(BUCKET).key(key);
    let put = put.body(ByteStream::from(body.as_bytes().to_vec()));
    put.send()
        .await
        .expect("it is put")
        .version_id
        .expect("a version")
}

async fn read(client: &Client, key: &str, version: Option<String>) -> String {
    let get = client
        .get_object()
        .bucket(BUCKET)
        .key(key)
        .set_version_id(version);
    let bytes = get.send().await.expect("it is there").body.collect().await;
    String::from_utf8(bytes.expect("readable").to_vec()).expect("text")
}

/// Bytes that are not the same everywhere.
fn varied(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| u8::try_from(at * 7 % 251).unwrap())
        .collect()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_is_got_whole_or_in_part_and_every_version_of_it_stays() {
    let portal = Portal::start().await;
    let s3 = portal.s3();

    // Given an object that was written twice
    let first = put(&s3, "a/b c", "first").await;
    let second = put(&s3, "a/b c", "second").await;
    assert_ne!(first, second);

    // Then the newest is given, and the older by its id
    assert_eq!(read(&s3, "a/b c", None).await, "second");
    assert_eq!(read(&s3, "a/b c", Some(first.clone())).await, "first");
    let range = s3.get_object().bucket(BUCKET).key("a/b c").range("bytes=2-3");
    let range = range.send().await.expect("it is there");
    assert_eq!(range.content_range(), Some("bytes 2-3/6"));
    let tag = range.e_tag().expect("a tag").to_owned();
    assert_eq!(range.body.collect().await.unwrap().to_vec(), b"co");
    for (tag, code) in [(tag.as_str(), None), ("\"other\"", Some("PreconditionFailed"))] {
        let same = s3.get_object().bucket(BUCKET).key("a/b c").if_match(tag).send();
        let refused = same.await.err();
        assert_eq!(refused.as_ref().and_then(|error| error.code()), code);
    }
    let head = s3.head_object().bucket(BUCKET).key("a/b c").send().await;
    assert_eq!(head.expect("it is there").content_length(), Some(6));

    // And once it is deleted, it is not there, but its versions are
    let deleted = s3.delete_object().bucket(BUCKET).key("a/b c").send().await;
    assert_eq!(deleted.expect("it is deleted").delete_marker(), Some(true));
    let gone = s3.get_object().bucket(BUCKET).key("a/b c").send().await;
    assert_eq!(gone.unwrap_err().code(), Some("NoSuchKey"));
    assert_eq!(read(&s3, "a/b c", Some(second)).await, "second");
    assert!(portal.objects.keys(BUCKET, "a/").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_list_is_told_that_an_object_is_not_there() {
    let portal = Portal::start().await;
    for (function, code) in [("run-imports", "NoSuchKey"), ("exports", "AccessDenied")] {
        let s3 = Client::new(&signing(portal.config(0), function).aws);
        let got = s3.get_object().bucket(BUCKET).key("uploads/x").send().await;
        assert_eq!(got.unwrap_err().code(), Some(code), "{function}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_that_write_what_must_be_new_one_does() {
    let portal = Portal::start().await;
    let s3 = portal.s3();
    let writers = (0..20).map(async |number: u32| {
        let put = s3.put_object().bucket(BUCKET).key("once").if_none_match("*");
        let put = put.body(ByteStream::from(number.to_string().into_bytes()));
        put.send().await.map_err(|error| error.code().map(str::to_owned))
    });
    let (written, refused): (Vec<_>, Vec<_>) = at_once(writers).await.into_iter().partition(Result::is_ok);
    assert_eq!((written.len(), refused.len()), (1, 19));
    for refusal in refused {
        assert_eq!(refusal.unwrap_err().as_deref(), Some("PreconditionFailed"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_comes_in_parts_and_is_there_when_the_last_is() {
    let portal = Portal::start().await;
    let s3 = portal.s3();
    let upload = async || {
        let begun = s3.create_multipart_upload().bucket(BUCKET).key("large");
        begun.send().await.expect("begun").upload_id.expect("an id")
    };
    let part = async |upload: &str, number: i32, bytes: Vec<u8>| {
        let sent = s3.upload_part().bucket(BUCKET).key("large").upload_id(upload);
        let sent = sent
            .part_number(number)
            .body(ByteStream::from(bytes))
            .send()
            .await;
        let tag = sent.expect("a part").e_tag;
        CompletedPart::builder()
            .part_number(number)
            .set_e_tag(tag)
            .build()
    };
    let complete = async |upload: &str, parts: Vec<CompletedPart>| {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let done = s3
            .complete_multipart_upload()
            .bucket(BUCKET)
            .key("large")
            .upload_id(upload);
        let done = done.multipart_upload(parts).send().await;
        done.map_err(|error| error.code().unwrap_or_default().to_owned())
    };

    // Parts in another order, small ones before the last, and none at all make no object
    let begun = upload().await;
    let one = part(&begun, 1, varied(5 * MEBIBYTE)).await;
    let two = part(&begun, 2, vec![1; 10]).await;
    let three = part(&begun, 3, vec![2; 10]).await;
    let wrong = complete(&begun, vec![two.clone(), one.clone()]).await;
    assert_eq!(wrong.unwrap_err(), "InvalidPartOrder");
    let wrong = complete(&begun, vec![one.clone(), two.clone(), three]).await;
    assert_eq!(wrong.unwrap_err(), "EntityTooSmall");
    assert!(portal.objects.bytes(BUCKET, "large").is_none());

    // Those that are meant do
    complete(&begun, vec![one, two]).await.expect("it is whole");
    let whole = portal.objects.bytes(BUCKET, "large").expect("it is there");
    assert_eq!(whole.len(), 5 * MEBIBYTE + 10);
    assert_eq!(whole[..5 * MEBIBYTE], varied(5 * MEBIBYTE));
}

/// Sends what a link is for.
async fn follow(portal: &Portal, link: &Link, method: reqwest::Method, body: Vec<u8>) -> Answer {
    let mut request = portal.client().request(method, &link.url);
    for (name, value) in &link.headers {
        request = request.header(name, value);
    }
    Answer::of(request.body(body).send().await.expect("an answer")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_gives_one_document_for_five_minutes() {
    // Given a document and a link to it
    let portal = Portal::start().await;
    let (documents, key) = (portal.documents(), portal.document());
    let mut upload = documents.upload(key.clone(), "text/csv; charset=utf-8");
    upload.write(b"id,name\r\n").await.expect("written");
    let stored = upload.finish().await.expect("stored");
    assert_eq!(stored.length, 9);
    let served = Served {
        name: "bookings \"2026\".csv",
        media_type: "text/csv",
    };
    let link = documents.taking(&key, served, portal.clock.now()).await;
    let link = link.expect("signed");
    assert!(!format!("{link:?}").contains("X-Amz"));

    // Then whoever has it gets the document, to keep and not to show
    let answer = follow(&portal, &link, reqwest::Method::GET, Vec::new())
        .await
        .expect(200);
    assert_eq!(answer.text, "id,name\r\n");
    assert_eq!(answer.header("content-type"), "text/csv");
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"bookings2026.csv\""
    );
    assert_eq!(answer.header("cache-control"), "private, no-store");

    // And not another one, nor by other means, nor unsigned
    let other = |from: &str, to: &str| Link {
        url: link.url.replacen(from, to, 1),
        ..link.clone()
    };
    for other in [
        other(".csv?", ".ndjson?"),
        other("attachment", "inline"),
        other("X-Amz-Expires=300", "X-Amz-Expires=3000"),
        other("X-Amz-Signature=", "X-Amz-Signature=0"),
        Link {
            url: link.url.split('?').next().unwrap().to_owned(),
            ..link.clone()
        },
    ] {
        let refused = follow(&portal, &other, reqwest::Method::GET, Vec::new()).await;
        assert!([400, 403].contains(&refused.status), "{}", refused.text);
    }
    let refused = follow(&portal, &link, reqwest::Method::PUT, b"mine".to_vec()).await;
    assert_eq!(refused.status, 403, "{}", refused.text);

    // Until its time is over by the stack's clock
    portal.wait(SECOND * 298);
    follow(&portal, &link, reqwest::Method::GET, Vec::new())
        .await
        .expect(200);
    portal.wait(SECOND * 3);
    let late = follow(&portal, &link, reqwest::Method::GET, Vec::new())
        .await
        .expect(403);
    assert!(late.text.contains("AccessDenied"), "{}", late.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_takes_the_expected_document_and_takes_it_once() {
    // Given a link for bringing a document
    let portal = Portal::start().await;
    let (documents, key) = (portal.documents(), portal.document());
    let bytes = varied(3 * MEBIBYTE);
    let expected = Expected {
        length: bytes.len() as u64,
        media_type: "application/x-ndjson".to_owned(),
        sha256: sha256(&bytes),
    };
    let link = documents
        .bringing(&key, &expected, portal.clock.now(), LINK_LASTS)
        .await;
    let link = link.expect("signed");
    let bring = async |link: &Link, bytes: &[u8]| {
        let answer = follow(&portal, link, reqwest::Method::PUT, bytes.to_vec()).await;
        answer.status
    };

    // Then another size, other bytes, another type and another condition are refused
    let mut other = bytes.clone();
    other[7] = other[7].wrapping_add(1);
    assert_eq!(bring(&link, &other).await, 400);
    let without = |name: &str| Link {
        headers: link
            .headers
            .iter()
            .filter(|(known, _)| known != name)
            .cloned()
            .collect(),
        ..link.clone()
    };
    assert_eq!(bring(&without("content-length"), &bytes[1..]).await, 403);
    for name in ["content-type", "if-none-match", "x-amz-checksum-sha256"] {
        let sent =
            |link: &Link| link.headers.iter().any(|(known, _)| known == name) || link.url.contains(name);
        assert!(sent(&link), "{name} is not part of the link");
        if !link.url.contains(name) {
            assert_eq!(bring(&without(name), &bytes).await, 403, "{name}");
        }
    }
    assert!(portal.objects.keys(BUCKET, "exports/").is_empty());

    // And the expected one is taken, once
    assert_eq!(bring(&link, &bytes).await, 200);
    assert_eq!(bring(&link, &bytes).await, 412);
    let kept = portal.objects.bytes(BUCKET, &key.to_string());
    assert_eq!(kept.as_deref(), Some(&bytes[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_written_in_parts_and_read_from_anywhere() {
    // Given a document of several parts, written while the store is now and then too busy
    let portal = Portal::start().await;
    let (documents, key) = (portal.documents(), portal.document());
    portal
        .faults
        .set(7, vec![Rule::new(Kind::ObjectsDown, 0.3).only("UploadPart")]);
    let bytes = varied(20 * MEBIBYTE + 123);
    let mut upload = documents.upload(key.clone(), "application/x-ndjson");
    for piece in bytes.chunks(777_777) {
        upload.write(piece).await.expect("written");
    }
    assert!(portal.objects.keys(BUCKET, "").is_empty());
    let stored = upload.finish().await.expect("stored");
    portal.faults.set(7, Vec::new());

    // Then it is whole
    assert_eq!(stored.length, bytes.len() as u64);
    let hash = sha256(&bytes);
    let hex = hash
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    assert_eq!(stored.sha256, hex);
    let asked = portal.objects.operations();
    let parts = asked.iter().filter(|operation| operation.name == "UploadPart");
    assert!(parts.count() >= 3);

    // And is read from any byte on, and not behind its end
    for from in [0, 5, 20 * MEBIBYTE] {
        let mut reading = documents
            .read(&key, from as u64)
            .await
            .expect("readable")
            .expect("there");
        assert_eq!(reading.length, (bytes.len() - from) as u64);
        let mut read = Vec::new();
        while let Some(piece) = reading.next().await.expect("readable") {
            read.extend_from_slice(&piece);
        }
        assert_eq!(read, bytes[from..]);
    }
    for (key, from) in [(&key, bytes.len() as u64), (&portal.document(), 0)] {
        assert!(documents.read(key, from).await.expect("readable").is_none());
    }

    // And nobody writes another one in its place
    let mut again = documents.upload(key.clone(), "text/csv");
    again.write(b"other").await.expect("held back");
    assert!(again.finish().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn new_objects_are_told_to_the_queue_that_waits_for_them() {
    // Given a function that waits for objects below a prefix
    let portal = Portal::start().await;
    let s3 = portal.s3();
    let heard: Arc<Mutex<Vec<Value>>> = Arc::default();
    let ears = heard.clone();
    let consumer: Consumer = Arc::new(move |event: Value| {
        let records = event["Records"].as_array().cloned().unwrap_or_default();
        let bodies = records
            .iter()
            .map(|record| serde_json::from_str::<Value>(record["body"].as_str().unwrap()).unwrap());
        ears.lock().unwrap().extend(bodies);
        async { Ok(json!({ "batchItemFailures": [] })) }.boxed()
    });
    portal.queues.create("arrivals", Delivery::default());
    portal.queues.register("arrivals", consumer);
    portal.objects.tell(BUCKET, "uploads/", "arrivals");

    // When some are made, there and elsewhere
    put(&s3, "uploads/one", "1").await;
    put(&s3, "elsewhere/two", "22").await;
    s3.delete_object()
        .bucket(BUCKET)
        .key("uploads/one")
        .send()
        .await
        .expect("it is deleted");
    put(&s3, "uploads/three", "333").await;
    portal.settle().await.expect("all is delivered");

    // Then it hears of those, as the event bus says it
    let heard = heard.lock().unwrap();
    let keys: Vec<&str> = heard
        .iter()
        .map(|event| event["detail"]["object"]["key"].as_str().unwrap())
        .collect();
    assert_eq!(keys, ["uploads/one", "uploads/three"]);
    assert_eq!(heard[1]["detail-type"], "Object Created");
    assert_eq!(heard[1]["detail"]["bucket"]["name"], BUCKET);
    assert_eq!(heard[1]["detail"]["object"]["size"], 3);
    assert_eq!(heard[1]["detail"]["reason"], "PutObject");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_served_is_refused_and_not_ignored() {
    let portal = Portal::start().await;
    let s3 = portal.s3();
    let key = |request: aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder| {
        request
            .bucket(BUCKET)
            .key("locked")
            .body(ByteStream::from_static(b"x"))
    };
    for put in [
        key(s3.put_object()).metadata("owner", "dana"),
        key(s3.put_object()).tagging("a=b"),
        key(s3.put_object()).if_match("tag"),
        key(s3.put_object()).cache_control("no-store"),
    ] {
        let refused = put.send().await.unwrap_err();
        assert_eq!(refused.code(), Some("NotImplemented"), "{refused:?}");
    }
    let unknown = s3.get_object().bucket(BUCKET).key("nothing").send().await;
    assert_eq!(unknown.unwrap_err().code(), Some("NoSuchKey"));
    assert!(portal.objects.keys(BUCKET, "locked").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_without_object_lock_locks_nothing() {
    let portal = Portal::start().await;
    let s3 = portal.s3();
    let put = || {
        let put = s3.put_object().bucket(BUCKET).key("locked");
        put.body(ByteStream::from_static(b"x"))
    };
    for put in [
        put()
            .object_lock_mode(ObjectLockMode::Compliance)
            .object_lock_retain_until_date(at(&portal, DAY)),
        put().object_lock_mode(ObjectLockMode::Compliance),
        put().object_lock_legal_hold_status(ObjectLockLegalHoldStatus::On),
    ] {
        assert_eq!(put.send().await.unwrap_err().code(), Some("InvalidRequest"));
    }
    let on = ObjectLockLegalHold::builder().status(ObjectLockLegalHoldStatus::On);
    let hold = s3.put_object_legal_hold().bucket(BUCKET).key("locked");
    assert_eq!(
        hold.legal_hold(on.build()).send().await.unwrap_err().code(),
        Some("InvalidRequest")
    );
    let none = s3.get_object_lock_configuration().bucket(BUCKET).send().await;
    assert_eq!(
        none.unwrap_err().code(),
        Some("ObjectLockConfigurationNotFoundError")
    );
}

/// When `from_now` is over, as the client says it.
fn at(portal: &Portal, from_now: SignedDuration) -> DateTime {
    DateTime::from_secs((portal.clock.now() + from_now).as_second())
}

/// What becomes of the deletion of a version: nothing, or the code of its refusal.
async fn deletion(s3: &Client, key: &str, version: &str) -> Option<String> {
    let delete = s3
        .delete_object()
        .bucket(AUDIT_BUCKET)
        .key(key)
        .version_id(version);
    let refused = delete.send().await.err();
    refused.map(|error| error.code().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_version_outlives_everybody_until_its_time_is_over() {
    let portal = Portal::start().await;
    let s3 = portal.s3();
    let put = |key: &str| {
        let put = s3.put_object().bucket(AUDIT_BUCKET).key(key);
        put.body(ByteStream::from_static(b"x"))
    };
    let version = async |put: PutObjectFluentBuilder| {
        let put = put.send().await.expect("it is put");
        put.version_id.expect("a version")
    };

    // Given a version that says nothing of locks: the bucket's default is the template's
    let rule = s3
        .get_object_lock_configuration()
        .bucket(AUDIT_BUCKET)
        .send()
        .await;
    let rule = rule.unwrap().object_lock_configuration.unwrap().rule.unwrap();
    let default = rule.default_retention.unwrap();
    assert_eq!(default.mode, Some(ObjectLockRetentionMode::Compliance));
    assert_eq!(default.days, Some(2_223));
    let kept = version(put("default")).await;
    let head = s3
        .head_object()
        .bucket(AUDIT_BUCKET)
        .key("default")
        .send()
        .await
        .unwrap();
    assert_eq!(head.object_lock_mode, Some(ObjectLockMode::Compliance));
    let until = head.object_lock_retain_until_date.unwrap();
    assert!((until.secs() - at(&portal, DAY * 2_223).secs()).abs() < 60);

    // And one with a retention of its own, and a hold
    let governed = put("own")
        .object_lock_mode(ObjectLockMode::Governance)
        .object_lock_retain_until_date(at(&portal, DAY))
        .object_lock_legal_hold_status(ObjectLockLegalHoldStatus::On);
    let own = version(governed).await;

    // Then neither is deleted, nor by asking to bypass; but a marker may be put over it, and taken away
    for (key, version) in [("default", &kept), ("own", &own)] {
        assert_eq!(deletion(&s3, key, version).await.as_deref(), Some("AccessDenied"));
    }
    let bypass = s3
        .delete_object()
        .bucket(AUDIT_BUCKET)
        .key("own")
        .version_id(&own);
    let bypass = bypass.bypass_governance_retention(true).send().await;
    assert_eq!(bypass.unwrap_err().code(), Some("NotImplemented"));
    let marked = s3
        .delete_object()
        .bucket(AUDIT_BUCKET)
        .key("own")
        .send()
        .await
        .unwrap();
    let marker = marked.version_id.expect("a marker");
    let gone = s3.get_object().bucket(AUDIT_BUCKET).key("own").send().await;
    assert_eq!(gone.unwrap_err().code(), Some("NoSuchKey"));
    assert_eq!(deletion(&s3, "own", &marker).await, None);
    let there = s3
        .get_object()
        .bucket(AUDIT_BUCKET)
        .key("own")
        .send()
        .await
        .unwrap();
    assert_eq!(
        there.object_lock_legal_hold_status,
        Some(ObjectLockLegalHoldStatus::On)
    );

    // And retentions become longer, never shorter or softer
    let retain = async |key: &str, mode: ObjectLockRetentionMode, days: i32| {
        let retention = ObjectLockRetention::builder()
            .mode(mode)
            .retain_until_date(at(&portal, DAY * days))
            .build();
        let put = s3.put_object_retention().bucket(AUDIT_BUCKET).key(key);
        let refused = put.retention(retention).send().await.err();
        refused.map(|error| error.code().unwrap_or_default().to_owned())
    };
    let denied = Some("AccessDenied".to_owned());
    assert_eq!(
        retain("default", ObjectLockRetentionMode::Compliance, 2_000).await,
        denied
    );
    assert_eq!(
        retain("default", ObjectLockRetentionMode::Governance, 3_000).await,
        denied
    );
    assert_eq!(retain("own", ObjectLockRetentionMode::Governance, 2).await, None);
    assert_eq!(retain("own", ObjectLockRetentionMode::Compliance, 3).await, None);
    assert_eq!(
        retain("own", ObjectLockRetentionMode::Governance, 4).await,
        denied
    );
    let now = s3
        .get_object_retention()
        .bucket(AUDIT_BUCKET)
        .key("own")
        .send()
        .await;
    assert_eq!(
        now.unwrap().retention.unwrap().mode,
        Some(ObjectLockRetentionMode::Compliance)
    );

    // And once the time is over, only the hold is left, and then nothing
    portal.clock.advance(DAY * 3 + SECOND);
    assert_eq!(deletion(&s3, "own", &own).await, denied);
    let off = ObjectLockLegalHold::builder().status(ObjectLockLegalHoldStatus::Off);
    let lift = s3.put_object_legal_hold().bucket(AUDIT_BUCKET).key("own");
    lift.legal_hold(off.build()).send().await.expect("it is lifted");
    let hold = s3
        .get_object_legal_hold()
        .bucket(AUDIT_BUCKET)
        .key("own")
        .send()
        .await;
    assert_eq!(
        hold.unwrap().legal_hold.unwrap().status,
        Some(ObjectLockLegalHoldStatus::Off)
    );
    assert_eq!(deletion(&s3, "own", &own).await, None);
    assert_eq!(deletion(&s3, "default", &kept).await, denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_and_objects_are_listed_page_by_page() {
    let portal = Portal::start().await;
    let s3 = portal.s3();
    let mut made = Vec::new();
    for key in ["l/a", "l/b", "l/b", "l/c"] {
        made.push((key.to_owned(), put(&s3, key, "x").await));
    }
    let deleted = s3.delete_object().bucket(BUCKET).key("l/c").send().await.unwrap();
    made.push(("l/c".to_owned(), deleted.version_id.unwrap()));
    put(&s3, "m", "x").await;

    // Given all pages of two versions
    let (mut listed, mut markers) = (Vec::new(), 0);
    let (mut key, mut version) = (None, None);
    loop {
        let list = s3.list_object_versions().bucket(BUCKET).prefix("l/").max_keys(2);
        let list = list.set_key_marker(key).set_version_id_marker(version);
        let page = list.send().await.expect("a list");
        for found in page.versions.unwrap_or_default() {
            listed.push((found.key.unwrap(), found.version_id.unwrap()));
        }
        for found in page.delete_markers.unwrap_or_default() {
            assert_eq!(found.is_latest, Some(true));
            markers += 1;
            listed.push((found.key.unwrap(), found.version_id.unwrap()));
        }
        if page.is_truncated != Some(true) {
            break;
        }
        (key, version) = (page.next_key_marker, page.next_version_id_marker);
    }

    // Then each is there once
    listed.sort();
    made.sort();
    assert_eq!((listed, markers), (made, 1));

    // And objects that are not deleted are listed by key
    let (mut keys, mut token) = (Vec::new(), None);
    loop {
        let list = s3.list_objects_v2().bucket(BUCKET).prefix("l/").max_keys(1);
        let page = list.set_continuation_token(token).send().await.expect("a list");
        keys.extend(
            page.contents
                .unwrap_or_default()
                .into_iter()
                .filter_map(|found| found.key),
        );
        token = page.next_continuation_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(keys, ["l/a", "l/b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_and_the_signing_key_outlive_a_restart() {
    let folder = Folder::new();
    let options = || Options {
        data: Some(folder.0.clone()),
        ..Options::default()
    };
    let (version, key) = {
        let portal = Portal::start_with(options()).await;
        let put = portal.s3().put_object().bucket(AUDIT_BUCKET).key("kept");
        let put = put.body(ByteStream::from_static(b"x")).send().await.unwrap();
        (put.version_id.unwrap(), portal.kms.public_key().fingerprint())
    };
    let portal = Portal::start_with(options()).await;
    let denied = Some("AccessDenied".to_owned());
    assert_eq!(deletion(&portal.s3(), "kept", &version).await, denied);
    portal.clock.advance(DAY * 2_223 + SECOND);
    assert_eq!(deletion(&portal.s3(), "kept", &version).await, None);
    assert_eq!(portal.kms.public_key().fingerprint(), key);
}

/// A folder of its own that is gone when the test is.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("portal-objects-{:016x}", rand::random::<u64>())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_in_files_outlive_a_restart() {
    let folder = Folder::new();
    let options = || Options {
        data: Some(folder.0.clone()),
        ..Options::default()
    };
    let (first, document) = {
        let portal = Portal::start_with(options()).await;
        let s3 = portal.s3();
        let first = put(&s3, "kept", "first").await;
        put(&s3, "kept", "second").await;
        put(&s3, "deleted", "x").await;
        let deleted = s3.delete_object().bucket(BUCKET).key("deleted").send().await;
        deleted.expect("it is deleted");
        let key = portal.document();
        let mut upload = portal.documents().upload(key.clone(), "text/csv");
        upload.write(&varied(9 * MEBIBYTE)).await.expect("written");
        upload.finish().await.expect("stored");
        // One that is never finished
        let mut upload = portal.documents().upload(portal.document(), "text/csv");
        upload.write(&varied(9 * MEBIBYTE)).await.expect("written");
        (first, key)
    };

    let portal = Portal::start_with(options()).await;
    let s3 = portal.s3();
    assert_eq!(
        portal.objects.keys(BUCKET, ""),
        [document.to_string(), "kept".to_owned()]
    );
    assert_eq!(read(&s3, "kept", None).await, "second");
    assert_eq!(read(&s3, "kept", Some(first)).await, "first");
    let bytes = portal.objects.bytes(BUCKET, &document.to_string());
    assert_eq!(bytes.as_deref(), Some(&varied(9 * MEBIBYTE)[..]));
    let files = std::fs::read_dir(folder.0.join("objects").join(BUCKET)).unwrap();
    // Of five versions: bytes and description of each, but no bytes of the mark of a deletion.
    assert_eq!(files.count(), 2 * 5 - 1);
}
