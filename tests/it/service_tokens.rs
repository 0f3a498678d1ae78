//! Service tokens: who has which, for how long, and that what is revoked opens nothing more.

use reqwest::Method;
use serde_json::json;

use crate::support::service::{Service, TOKENS, upsert};
use crate::support::{Answer, DAY, Portal, SECOND};

async fn feeds(service: &Service) -> Answer {
    let site = json!({ "name": "North", "status": "live" });
    service.feed("sites", &[upsert("sites", "north", 1, &site)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_what_it_was_given_for_and_its_secret_is_told_once() {
    let portal = Portal::start().await;
    let operator = portal.operator();
    let wanted = json!({ "source": "platform", "scopes": ["sites"] });
    let made = operator.post(TOKENS, wanted).await.expect(201);
    let secret = made.text_at("/secret");
    let service = portal.service_with(&secret);

    feeds(&service).await.expect(200);
    service
        .feed("patients", &[])
        .await
        .expect_problem(403, "token_scope_missing");
    let path = format!("{TOKENS}/{}", made.id());
    let told = operator.get(&path).await.expect(200);
    assert!(
        !told.text.contains(&secret) && !told.text.contains("secret\":"),
        "{}",
        told.text
    );
    assert_eq!(told.text_at("/status"), "active");
    assert_ne!(told.text_at("/last_used_at"), "");
    assert_eq!(operator.all(TOKENS).await.len(), 1);

    // A person's token opens nothing here, and a service's nothing of persons
    let person = portal.service_with(&operator.token);
    feeds(&person).await.expect_problem(401, "unauthenticated");
    service.get("/v1/me").await.expect_problem(401, "unauthenticated");
    portal
        .person("Eve")
        .get(TOKENS)
        .await
        .expect_problem(403, "operator_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_revoked_is_refused_on_the_next_call() {
    let portal = Portal::start().await;
    let operator = portal.operator();
    let wanted = json!({ "source": "platform", "scopes": ["sites"] });
    let made = operator.post(TOKENS, wanted).await.expect(201);
    let service = portal.service_with(&made.text_at("/secret"));
    feeds(&service).await.expect(200);

    let path = format!("{TOKENS}/{}", made.id());
    operator
        .delete(&path, "\"7\"")
        .await
        .expect_problem(412, "revision_mismatch");
    let etag = operator.etag(&path).await;
    operator.delete(&path, &etag).await.expect(204);
    feeds(&service).await.expect_problem(401, "unauthenticated");
    assert_eq!(
        operator.get(&path).await.expect(200).text_at("/status"),
        "revoked"
    );
    operator
        .post(&format!("{path}/rotate"), json!({ "overlap_seconds": 60 }))
        .await
        .expect_problem(409, "token_ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_works_for_as_long_as_was_said() {
    let portal = Portal::start().await;
    let operator = portal.operator();
    let wanted = json!({ "source": "platform", "scopes": ["sites"] });
    let made = operator.post(TOKENS, wanted).await.expect(201);
    let old = portal.service_with(&made.text_at("/secret"));
    let rotate = format!("{TOKENS}/{}/rotate", made.id());
    let rotated = operator
        .post(&rotate, json!({ "overlap_seconds": 60 }))
        .await
        .expect(200);
    let new = portal.service_with(&rotated.text_at("/secret"));
    feeds(&old).await.expect(200);
    feeds(&new).await.expect(200);
    portal.clock.advance(60 * SECOND);
    feeds(&old).await.expect_problem(401, "unauthenticated");
    feeds(&new).await.expect(200);

    // Sent again under its key, the request is answered as it was: what is kept of that is sealed
    let wanted = json!({ "source": "platform", "scopes": ["sites"] });
    let first = operator
        .post_with_key(TOKENS, "one", wanted.clone())
        .await
        .expect(201);
    let again = operator.post_with_key(TOKENS, "one", wanted).await.expect(201);
    assert_eq!(first.text, again.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_when_it_was_said_to() {
    let portal = Portal::start().await;
    let operator = portal.operator();
    let ends = portal.clock.now() + DAY;
    let wanted = json!({ "source": "platform", "scopes": ["sites"], "expires_at": ends });
    let made = operator.post(TOKENS, wanted).await.expect(201);
    let service = portal.service_with(&made.text_at("/secret"));
    portal.clock.advance(DAY - SECOND);
    feeds(&service).await.expect(200);
    portal.clock.advance(SECOND);
    feeds(&service).await.expect_problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_be_is_refused() {
    let portal = Portal::start().await;
    let operator = portal.operator();
    let past = portal.clock.now() - DAY;
    for (wanted, code) in [
        (json!({ "source": "platform", "scopes": [] }), "fields_invalid"),
        (
            json!({ "source": "platform", "scopes": ["horses"] }),
            "token_scope_unknown",
        ),
        (
            json!({ "source": "Plat form", "scopes": ["sites"] }),
            "text_invalid",
        ),
        (
            json!({ "source": "platform", "scopes": ["sites"], "expires_at": past }),
            "fields_invalid",
        ),
    ] {
        operator.post(TOKENS, wanted).await.expect_problem(422, code);
    }
    let nobody = format!("{TOKENS}/tok_01890a5d-ac96-774b-bcce-b302099a8057");
    operator.get(&nobody).await.expect_problem(404, "token_not_found");
    let service = portal.service("platform").await;
    let bare = portal.service_with("");
    for secret in ["ptk_", "ptk_x", "Bearer", &"x".repeat(5_000)] {
        let forged = portal.service_with(secret);
        feeds(&forged).await.expect_problem(401, "unauthenticated");
    }
    feeds(&bare).await.expect_problem(401, "unauthenticated");
    let unsigned = service
        .request(Method::POST, "/v1/ingest/sites")
        .raw("application/json", "[]")
        .send();
    unsigned.await.expect_problem(400, "malformed_body");
}
