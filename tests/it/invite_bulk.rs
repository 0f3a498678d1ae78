//! Many invites in one request.

use portal_domain::limit::MAIL_PER_RECIPIENT;
use portal_local::faults::{Kind, Rule};
use serde_json::{Value, json};

use crate::support::{Answer, Clinic, Portal, fresh_key, seed};

async fn bulk(clinic: &Clinic<'_>, key: &str, rows: &[Value]) -> Answer {
    let body = json!({ "invites": rows });
    clinic
        .admin
        .post_with_key(&clinic.path("/invites/bulk"), key, body)
        .await
}

/// The answer to all rows: those that a slow machine left no time for are sent again, as clients do.
async fn bulk_to_the_end(clinic: &Clinic<'_>, rows: &[Value]) -> Answer {
    let key = fresh_key();
    loop {
        let answer = bulk(clinic, &key, rows).await.expect(200);
        if !results(&answer).contains(&(503, "busy".to_owned())) {
            return answer;
        }
    }
}

fn provider(n: usize) -> Value {
    json!({ "email": format!("p{n}@x.example"), "role": "provider" })
}

fn results(answer: &Answer) -> Vec<(u16, String)> {
    let results = answer.json()["results"].as_array().unwrap().clone();
    for (row, result) in results.iter().enumerate() {
        assert_eq!(result["row"], row);
        assert_eq!(
            result["invite"].is_null(),
            result["status"] != 201,
            "{result}: an invite or a problem, never both"
        );
        assert_eq!(result["problem"].is_null(), result["status"] == 201, "{result}");
    }
    let of = |result: &Value| {
        let status = result["status"].as_u64().unwrap().try_into().unwrap();
        (
            status,
            result["problem"]["code"].as_str().unwrap_or_default().to_owned(),
        )
    };
    results.iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_has_its_own_result_and_bad_rows_change_nothing_for_the_others() {
    // Given a clinic with a member, a pending invite and allowed domains
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    clinic.member("Mia", "viewer").await;
    clinic
        .configure(json!({ "allowed_domains": ["x.example", "riverside.example"] }))
        .await;
    clinic.invite("known@x.example", "viewer").await.expect(201);

    // When rows of every kind are sent
    let rows = [
        (json!({ "email": "a@x.example", "role": "provider" }), 201, ""),
        (
            json!({ "email": "not an address", "role": "provider" }),
            422,
            "email_invalid",
        ),
        (
            json!({ "email": "b@x.example", "role": "admin" }),
            422,
            "role_not_invitable",
        ),
        (
            json!({ "email": "b@x.example", "role": "nurse" }),
            422,
            "role_unknown",
        ),
        (json!({ "email": "b@x.example" }), 422, "fields_invalid"),
        (
            json!({ "email": "b@x.example", "role": "viewer", "admin": true }),
            422,
            "fields_invalid",
        ),
        (json!("b@x.example"), 422, "fields_invalid"),
        (Value::Null, 422, "fields_invalid"),
        (json!([]), 422, "fields_invalid"),
        (
            json!({ "email": "b@evil.example", "role": "viewer" }),
            422,
            "email_domain_not_allowed",
        ),
        (
            json!({ "email": "Known@X.example", "role": "viewer" }),
            409,
            "invite_pending",
        ),
        (
            json!({ "email": "mia@riverside.example", "role": "viewer" }),
            409,
            "already_member",
        ),
        (
            json!({ "email": "A@x.example", "role": "viewer" }),
            409,
            "invite_pending",
        ),
        (
            json!({ "email": "b@x.example", "role": "viewer", "language": "xx" }),
            422,
            "locale_unsupported",
        ),
        (
            json!({ "email": "b@x.example", "role": "viewer", "language": "de" }),
            201,
            "",
        ),
    ];
    let bodies: Vec<Value> = rows.iter().map(|(body, ..)| body.clone()).collect();
    let answer = bulk(&clinic, &fresh_key(), &bodies).await.expect(200);

    // Then each has the result it would have alone, in order
    let expected: Vec<(u16, String)> = rows
        .iter()
        .map(|(_, status, code)| (*status, (*code).to_owned()))
        .collect();
    assert_eq!(results(&answer), expected, "{}", answer.text);
    assert_eq!(answer.text_at("/results/0/invite/email"), "a@x.example");
    assert_eq!(answer.text_at("/results/1/problem/errors/0/pointer"), "/email");
    assert_eq!(answer.text_at("/results/3/problem/errors/0/pointer"), "/role");
    // And only the good ones have an effect
    portal.settle().await.unwrap();
    assert_eq!(clinic.audited("invite.created").await, 4);
    assert_eq!(clinic.seats_used().await, 1);
    assert_eq!(portal.mailbox.messages("b@x.example").len(), 1);
    assert_eq!(portal.mailbox.messages("a@x.example").len(), 1);
    assert_eq!(portal.mailbox.all().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seats_that_are_left_go_to_the_first_rows() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let rows: Vec<Value> = (0..30).map(provider).collect();

    let answer = bulk_to_the_end(&clinic, &rows).await;

    for (row, (status, code)) in results(&answer).into_iter().enumerate() {
        let expected = if row < 10 {
            (201, "")
        } else {
            (409, "seat_limit_reached")
        };
        assert_eq!((status, code.as_str()), expected, "row {row}");
    }
    assert_eq!(clinic.seats_used().await, 10);
    portal.settle().await.unwrap();
    assert_eq!(portal.mailbox.all().len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_gets_the_same_invites_and_tries_only_what_failed() {
    // Given a bulk request of which a part found no seat
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    clinic.plan(2).await;
    let key = fresh_key();
    let rows: Vec<Value> = (0..3).map(provider).collect();
    let first = bulk(&clinic, &key, &rows).await.expect(200);

    // When it comes again with another seat
    clinic.plan(3).await;
    let again = bulk(&clinic, &key, &rows).await.expect(200);

    // Then the rows that were done have the same answer, and the other is done now
    assert_eq!(results(&first)[2], (409, "seat_limit_reached".to_owned()));
    for row in 0..2 {
        assert_eq!(first.json()["results"][row], again.json()["results"][row]);
    }
    assert_eq!(results(&again)[2], (201, String::new()));
    let third = bulk(&clinic, &key, &rows).await.expect(200);
    assert_eq!(third.text, again.text, "the same bytes from then on");
    portal.settle().await.unwrap();
    assert_eq!(portal.mailbox.all().len(), 3);
    assert_eq!(clinic.audited("invite.created").await, 3);
    assert_eq!(clinic.seats_used().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_slow_table_leaves_no_time_for_are_answered_and_can_be_sent_again() {
    // Given a table that takes so long for a change that fifty rows take longer than a function may
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let slow = Rule::new(Kind::Delay, 1.0)
        .only("TransactWriteItems")
        .lasting(800);
    portal.faults.set(seed(), vec![slow]);
    let viewer = |n: usize| json!({ "email": format!("v{n}@x.example"), "role": "viewer" });
    let rows: Vec<Value> = (0..50).map(viewer).collect();
    let key = fresh_key();

    // When they are sent
    let answer = bulk(&clinic, &key, &rows).await.expect(200);
    portal.faults.clear();

    // Then the first are made and the others told to come again
    let told = results(&answer);
    let made = told.iter().take_while(|(status, _)| *status == 201).count();
    assert!((1..50).contains(&made), "{made} rows");
    let busy = (503, "busy".to_owned());
    assert!(told[made..].iter().all(|result| *result == busy), "{told:?}");
    assert_eq!(clinic.audited("invite.created").await, made);

    // And when they do, they are made, too, and the first have the same answers
    let mut again = bulk(&clinic, &key, &rows).await.expect(200);
    while results(&again).contains(&busy) {
        again = bulk(&clinic, &key, &rows).await.expect(200);
    }
    for row in 0..made {
        assert_eq!(answer.json()["results"][row], again.json()["results"][row]);
    }
    assert!(results(&again).iter().all(|(status, _)| *status == 201));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_request_under_the_same_key_is_refused_as_a_whole() {
    // Given a bulk request of which a row failed
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let key = fresh_key();
    let bad = json!({ "email": "no address", "role": "viewer" });
    bulk(&clinic, &key, &[bad, provider(1)]).await.expect(200);

    // When its key comes with other rows, one of them in the failed one's place
    let others = [provider(2), provider(3)];
    bulk(&clinic, &key, &others)
        .await
        .expect_problem(422, "idempotency_key_reused");

    // Then nobody else was invited
    assert_eq!(clinic.audited("invite.created").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_one_to_fifty_rows() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let viewer = |n: usize| json!({ "email": format!("v{n}@x.example"), "role": "viewer" });
    let too_many: Vec<Value> = (0..51).map(viewer).collect();

    for rows in [&[][..], &too_many] {
        let refused = bulk(&clinic, &fresh_key(), rows)
            .await
            .expect_problem(422, "fields_invalid");
        assert_eq!(refused.text_at("/errors/0/pointer"), "/invites");
    }
    assert_eq!(clinic.audited("invite.created").await, 0);
    let fifty = bulk_to_the_end(&clinic, &too_many[..50]).await;
    assert!(results(&fifty).iter().all(|(status, _)| *status == 201));
    assert_eq!(clinic.audited("invite.created").await, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_row_by_row_and_rights_for_the_whole() {
    let portal = Portal::start().await;
    portal.wait_for_window(MAIL_PER_RECIPIENT);
    let clinic = portal.clinic().await;
    let rows: Vec<Value> = (0..12)
        .map(|n| json!({ "email": format!("ada+{n}@x.example"), "role": "viewer" }))
        .collect();

    let answer = bulk(&clinic, &fresh_key(), &rows).await.expect(200);
    let refused = results(&answer)
        .into_iter()
        .filter(|result| *result == (429, "rate_limited".to_owned()))
        .count();
    assert_eq!(refused, 2, "{}", answer.text);

    let ben = clinic.member("Ben", "viewer").await;
    let path = clinic.path("/invites/bulk");
    ben.post(&path, json!({ "invites": [provider(1)] }))
        .await
        .expect_problem(403, "permission_missing");
    portal
        .person("Eve")
        .post(&path, json!({ "invites": [provider(1)] }))
        .await
        .expect_problem(404, "organization_not_found");
}
