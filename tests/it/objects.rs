//! The object store of the local stack: what the S3 client and links get of it, and that the rest is refused.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, ObjectLockMode};
use futures_util::FutureExt as _;
use portal_app::Part;
use portal_documents::{Documents, Expected, Key, LINK_LASTS, Link, Served};
use portal_domain::id::{ExportId, OrganizationId};
use portal_local::consumer::Consumer;
use portal_local::faults::{Kind, Rule};
use portal_local::functions::signing;
use portal_local::queues::Delivery;
use portal_local::stack::{BUCKET, Options};
use serde_json::{Value, json};

use crate::support::{Answer, Portal, SECOND, at_once};

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
    let until = aws_sdk_s3::primitives::DateTime::from_secs(4_000_000_000);
    for put in [
        key(s3.put_object()).object_lock_mode(ObjectLockMode::Compliance),
        key(s3.put_object()).object_lock_retain_until_date(until),
        key(s3.put_object()).metadata("owner", "dana"),
        key(s3.put_object()).tagging("a=b"),
        key(s3.put_object()).if_match("tag"),
        key(s3.put_object()).cache_control("no-store"),
    ] {
        let refused = put.send().await.unwrap_err();
        assert_eq!(refused.code(), Some("NotImplemented"), "{refused:?}");
    }
    let version = put(&s3, "kept", "x").await;
    let refused = s3
        .delete_object()
        .bucket(BUCKET)
        .key("kept")
        .version_id(version)
        .send()
        .await;
    assert_eq!(refused.unwrap_err().code(), Some("NotImplemented"));
    let unknown = s3.get_object().bucket(BUCKET).key("nothing").send().await;
    assert_eq!(unknown.unwrap_err().code(), Some("NoSuchKey"));
    assert!(portal.objects.keys(BUCKET, "locked").is_empty());
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
