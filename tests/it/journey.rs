//! The way a clinic begins: create, invite, read the mail, accept, list, resend, expire.

use portal_domain::invite::LIFETIME;
use serde_json::json;

use crate::support::Portal;

#[tokio::test(flavor = "multi_thread")]
async fn a_clinic_invites_its_people_and_manages_them() {
    // Given a clinic
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = portal.person("Ada");

    // When Ada is invited and follows the link in her mail
    let (_, token) = clinic.invited(&ada, "provider").await;
    let preview = ada
        .post("/v1/invites/preview", json!({ "token": token }))
        .await
        .expect(200);
    let accepted = ada
        .post("/v1/invites/accept", json!({ "token": token }))
        .await
        .expect(201);

    // Then she is a member, and the log says how that came
    assert_eq!(preview.text_at("/organization_name"), "Riverside Family Practice");
    assert_eq!(accepted.id(), ada.account.to_string());
    let found = clinic
        .admin
        .get(&clinic.path("/members?search=ada"))
        .await
        .expect(200);
    assert_eq!(found.items().len(), 1);
    assert_eq!(
        clinic.audit_verbs().await,
        ["organization.created", "invite.created", "invite.accepted"]
    );
    assert_eq!(clinic.seats_used().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_kills_the_old_link_and_seven_days_kill_the_new_one() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ben = portal.person("Ben");
    let (invite, old) = clinic.invited(&ben, "viewer").await;

    clinic
        .admin
        .post(&clinic.path(&format!("/invites/{invite}/resend")), json!({}))
        .await
        .expect(200);
    let new = clinic.token(&ben.email).await;

    assert_ne!(old, new);
    ben.post("/v1/invites/accept", json!({ "token": old }))
        .await
        .expect_problem(409, "invite_superseded");
    portal.wait(LIFETIME);
    ben.post("/v1/invites/accept", json!({ "token": new }))
        .await
        .expect_problem(410, "invite_expired");
}
