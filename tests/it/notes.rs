//! Notes on patients: whose they are, who reads them, and that nobody else does.

use portal_domain::patient::Patient;
use serde_json::{Value, json};

use crate::support::{Clinic, Person, Portal, SECOND, at_once, fresh_key};

fn notes(clinic: &Clinic<'_>, patient: &Patient) -> String {
    clinic.path(&format!("/patients/{}/notes", patient.id))
}

fn text(text: &str) -> Value {
    json!({ "text": text })
}

async fn texts(person: &Person, path: &str) -> Vec<Value> {
    let items = person.all(path).await;
    items.iter().map(|note| note["text"].clone()).collect()
}

/// Two clinics that see the same patient: the site's owner, and one that the site is shared with.
async fn two_clinics(portal: &Portal) -> (Clinic<'_>, Clinic<'_>, Patient) {
    let clinic = portal.clinic().await;
    let site = clinic.bound("Riverside Online", "owner").await;
    let other = Clinic::of(portal, portal.person("Olaf"), "Lakeside Practice").await;
    other.bind(&site, "shared", true).await.expect(200);
    let ada = portal.patient("Ada Abel", &[&site]).await;
    (clinic, other, ada)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_is_written_read_and_changed() {
    // Given a patient
    let portal = Portal::start().await;
    let (clinic, _, ada) = two_clinics(&portal).await;
    let path = notes(&clinic, &ada);

    // When notes are written, of several lines too
    let first = clinic
        .admin
        .post(&path, text("Called at noon.\r\n\tNo answer."))
        .await
        .expect(201);
    assert_eq!(first.text_at("/text"), "Called at noon.\n\tNo answer.");
    assert_eq!(first.text_at("/author/name"), "Dana");
    assert_eq!(
        first.text_at("/author/account_id"),
        clinic.admin.account.to_string()
    );
    assert_eq!(first.text_at("/patient_id"), ada.id.to_string());
    assert_eq!(first.header("location"), format!("{path}/{}", first.id()));
    portal.clock.advance(SECOND);
    clinic.admin.post(&path, text("Called back.")).await.expect(201);

    // Then they are read, the newest first, and one can be changed by whoever has seen it
    assert_eq!(
        texts(&clinic.admin, &format!("{path}?limit=1")).await,
        ["Called back.", "Called at noon.\n\tNo answer."]
    );
    let one = format!("{path}/{}", first.id());
    let seen = clinic.admin.get(&one).await.expect(200);
    assert_eq!((seen.etag(), &seen.text), (first.etag(), &first.text));
    let changed = clinic
        .admin
        .patch(&one, &first.etag(), text("Called at one."))
        .await
        .expect(200);
    assert_eq!(
        (changed.text_at("/text"), changed.etag()),
        ("Called at one.".to_owned(), "\"2\"".to_owned())
    );
    clinic
        .admin
        .patch(&one, &first.etag(), text("Late."))
        .await
        .expect_problem(412, "revision_mismatch");

    // And the log tells who wrote and looked when, and not a word of it
    let log = clinic
        .admin
        .all(&clinic.path(&format!("/audit-events?object={}", first.id())))
        .await;
    let verbs: Vec<&Value> = log.iter().map(|event| &event["verb"]).collect();
    assert_eq!(verbs, ["note.updated", "note.viewed", "note.created"]);
    assert!(log.iter().all(|event| !event.to_string().contains("Called")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_is_for_the_organization_that_wrote_it_and_that_of_a_source_for_all() {
    // Given a note of one of two clinics that see a patient, and a note of the source
    let portal = Portal::start().await;
    let (clinic, other, ada) = two_clinics(&portal).await;
    let own = clinic
        .admin
        .post(&notes(&clinic, &ada), text("Prefers mornings."))
        .await
        .expect(201);
    portal.clock.advance(SECOND);
    let told = portal.told_note(&ada, "Allergic to nuts.").await;

    // Then the other clinic sees the source's alone
    assert_eq!(
        texts(&clinic.admin, &notes(&clinic, &ada)).await,
        ["Allergic to nuts.", "Prefers mornings."]
    );
    assert_eq!(
        texts(&other.admin, &notes(&other, &ada)).await,
        ["Allergic to nuts."]
    );
    let path = |clinic: &Clinic<'_>, id: &str| format!("{}/{id}", notes(clinic, &ada));
    let foreign = path(&other, &own.id());
    other
        .admin
        .get(&foreign)
        .await
        .expect_problem(404, "note_not_found");
    other
        .admin
        .patch(&foreign, "\"1\"", text("x"))
        .await
        .expect_problem(404, "note_not_found");

    // And nobody changes what the source wrote
    let sourced = path(&clinic, &told.id.to_string());
    let seen = clinic.admin.get(&sourced).await.expect(200);
    assert_eq!(
        (
            seen.text_at("/source"),
            seen.text_at("/author/name"),
            seen.text_at("/author/account_id")
        ),
        ("platform".to_owned(), "Nora Lind".to_owned(), "null".to_owned())
    );
    clinic
        .admin
        .patch(&sourced, &seen.etag(), text("x"))
        .await
        .expect_problem(409, "source_owned");

    // And a note is on one patient
    let ben = portal
        .patient("Ben Bell", &[&ada.sites().next().unwrap().to_string()])
        .await;
    let elsewhere = format!("{}/{}", notes(&clinic, &ben), own.id());
    clinic
        .admin
        .get(&elsewhere)
        .await
        .expect_problem(404, "note_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_need_their_own_permission_and_tell_nothing_of_those_one_may_not_know() {
    let portal = Portal::start().await;
    let (clinic, _, ada) = two_clinics(&portal).await;
    let path = notes(&clinic, &ada);
    let note = clinic
        .admin
        .post(&path, text("Prefers mornings."))
        .await
        .expect(201);
    let one = format!("{path}/{}", note.id());

    // Who sees the patient, contact and all, sees no notes
    let role = clinic
        .role("Desk", &["patients.read", "patients.contact", "patients.manage"])
        .await;
    let desk = clinic.member("Desk", &role).await;
    let profile = desk
        .get(&clinic.path(&format!("/patients/{}", ada.id)))
        .await
        .expect(200);
    assert!(!profile.text.contains("mornings"));
    for answer in [
        desk.get(&path).await,
        desk.get(&one).await,
        desk.post(&path, text("x")).await,
        desk.patch(&one, "\"1\"", text("x")).await,
    ] {
        let refused = answer.expect_problem(403, "permission_missing");
        assert!(refused.text_at("/detail").ends_with("patients.notes"));
    }

    // Who may read notes and not know patients reads nothing
    let role = clinic.role("Notes", &["patients.notes"]).await;
    let blind = clinic.member("Bo", &role).await;
    assert_eq!(texts(&blind, &path).await, [Value::Null]);
    assert_eq!(blind.get(&one).await.expect(200).text_at("/text"), "null");
    let role = clinic.role("Care", &["patients.read", "patients.notes"]).await;
    let care = clinic.member("Cara", &role).await;
    assert_eq!(texts(&care, &path).await, ["Prefers mornings."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_cannot_be_is_refused_and_one_sent_twice_is_there_once() {
    let portal = Portal::start().await;
    let (clinic, _, ada) = two_clinics(&portal).await;
    let path = notes(&clinic, &ada);
    for (body, code) in [
        (text(""), "text_invalid"),
        (text(" \n "), "text_invalid"),
        (text("a\u{202e}b"), "text_invalid"),
        (text(&"x".repeat(10_001)), "text_invalid"),
        (json!({}), "fields_invalid"),
        (json!({ "text": "x", "author": "eve" }), "fields_invalid"),
    ] {
        clinic.admin.post(&path, body).await.expect_problem(422, code);
    }
    let unkeyed = clinic
        .admin
        .request(reqwest::Method::POST, &path)
        .json(&text("x"))
        .send();
    unkeyed.await.expect_problem(400, "idempotency_key_missing");

    let key = fresh_key();
    let send = || clinic.admin.post_with_key(&path, &key, text(&"ä".repeat(10_000)));
    let answers = at_once((0..4).map(|_| send())).await;
    let again = send().await.expect(201);
    for answer in answers.iter().filter(|answer| answer.status != 503) {
        assert_eq!((answer.status, &answer.text), (201, &again.text));
    }
    assert_eq!(texts(&clinic.admin, &path).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_changes_of_a_note_at_once_one_is_made() {
    let portal = Portal::start().await;
    let (clinic, _, ada) = two_clinics(&portal).await;
    let note = clinic
        .admin
        .post(&notes(&clinic, &ada), text("One."))
        .await
        .expect(201);
    let path = format!("{}/{}", notes(&clinic, &ada), note.id());

    let answers = at_once(["Two.", "Three.", "Four."].map(|words| {
        let (admin, path, etag) = (&clinic.admin, &path, note.etag());
        async move { admin.patch(path, &etag, text(words)).await }
    }))
    .await;

    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(made.len(), 1);
    for lost in answers.iter().filter(|answer| answer.status != 200) {
        lost.clone().expect_problem(412, "revision_mismatch");
    }
    assert_eq!(clinic.admin.get(&path).await.text, made[0].text);
}
