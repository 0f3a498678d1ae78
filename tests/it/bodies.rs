//! Bodies that are none, too much, ambiguous, or say more than a caller may decide.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Person, Portal, fresh_key};

/// Long enough for a busy machine and a mebibyte more or less, far too short for work that grows with hostile input.
const QUICKLY: Duration = Duration::from_secs(5);

async fn create(person: &Person, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
    let body = body.into();
    let quickly = QUICKLY * (1 + u32::try_from(body.len() / (1024 * 1024)).unwrap());
    let begun = Instant::now();
    let request = person.request(Method::POST, "/v1/organizations");
    let answer = request
        .header("idempotency-key", &fresh_key())
        .raw(content_type, body)
        .send()
        .await;
    assert!(begun.elapsed() < quickly, "answered after {:?}", begun.elapsed());
    answer
}

/// Not one JSON document that everybody reads alike.
const MALFORMED: [(&str, &[u8]); 23] = [
    ("white space", b"  \n "),
    ("half a document", br#"{"name":"A""#),
    ("something behind it", br#"{"name":"A"} x"#),
    ("two documents", br#"{"name":"A"}{"name":"B"}"#),
    ("a zero byte behind it", b"{\"name\":\"A\"}\0"),
    ("a byte order mark", b"\xef\xbb\xbf{\"name\":\"A\"}"),
    ("UTF-16", b"\xff\xfe{\0}\0"),
    ("invalid UTF-8 in a value", b"{\"name\":\"\xff\"}"),
    ("overlong UTF-8", b"{\"name\":\"\xc0\xaf\"}"),
    ("a surrogate in UTF-8", b"{\"name\":\"\xed\xa0\x80\"}"),
    ("a lone high surrogate", br#"{"name":"\ud800"}"#),
    ("a lone low surrogate", br#"{"name":"\udc00x"}"#),
    ("a lone surrogate as a key", br#"{"\ud800":1}"#),
    ("a control character", b"{\"name\":\"a\nb\"}"),
    ("a key twice", br#"{"name":"A","name":"B"}"#),
    (
        "a key twice, spelled differently",
        br#"{"name":"A","n\u0061me":"B"}"#,
    ),
    (
        "a key twice, inside",
        br#"{"name":"A","languages":{"default":"en","default":"de"}}"#,
    ),
    ("a number beyond all", br#"{"name":"A","x":1e999}"#),
    ("no number", br#"{"name":"A","x":NaN}"#),
    ("a hexadecimal number", br#"{"name":"A","x":0x1}"#),
    ("a comment", br#"{"name":"A"/**/}"#),
    ("a comma too many", br#"{"name":"A",}"#),
    ("single quotes", br"{'name':'A'}"),
];

/// JSON, but not the object that is asked for.
const OTHERS: [(&str, &[u8]); 12] = [
    ("nothing", b""),
    ("an array", br#"["A"]"#),
    ("an array of all fields", br#"["A",[],null,{}]"#),
    ("a string", br#""A""#),
    ("null", b"null"),
    ("a number", b"1"),
    (
        "an array in place of an inner object",
        br#"{"name":"A","languages":["en",["en"]]}"#,
    ),
    ("a name of another type", br#"{"name":{"first":"A"}}"#),
    ("a name that is null", br#"{"name":null}"#),
    ("no name", b"{}"),
    ("a key in capitals", br#"{"Name":"A"}"#),
    (
        "a key that pollutes",
        br#"{"name":"A","__proto__":{"role":"admin"}}"#,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_one_plain_document_is_refused_at_once() {
    let portal = Portal::start().await;
    let dana = portal.person("Dana");
    let refused = async |what: &str, body: &[u8], status: u16, code: &str| {
        let answer = create(&dana, "application/json", body.to_vec()).await;
        let outcome = (answer.status, answer.code());
        assert_eq!(outcome, (status, code.to_owned()), "{what}: {}", answer.text);
    };
    for (what, body) in MALFORMED {
        refused(what, body, 400, "malformed_body").await;
    }
    for (what, body) in OTHERS {
        refused(what, body, 422, "fields_invalid").await;
    }
    let digits = format!(r#"{{"name":"A","x":{}}}"#, "9".repeat(60_000));
    refused(
        "a number of 60,000 digits",
        digits.as_bytes(),
        400,
        "malformed_body",
    )
    .await;
    let deep = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    refused("deep arrays", deep.as_bytes(), 413, "body_too_large").await;
    let deep = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    refused("deep objects", deep.as_bytes(), 413, "body_too_large").await;
    let many = format!(r#"{{"name":"A","x":[{}]}}"#, vec!["1"; 5_000].join(","));
    refused("5,000 values", many.as_bytes(), 413, "body_too_large").await;
    let deep = format!(r#"{{"name":"A","x":{}1{}}}"#, "[".repeat(12), "]".repeat(12));
    refused("deep within the bound", deep.as_bytes(), 422, "fields_invalid").await;

    // Too large: for the function, and for the gateway
    for size in [64 * 1024 + 1, 1024 * 1024, 5 * 1024 * 1024] {
        let body = format!(r#"{{"name":"{}"}}"#, "a".repeat(size));
        create(&dana, "application/json", body)
            .await
            .expect_problem(413, "body_too_large");
    }
    let head = format!(
        "POST /v1/organizations HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\nidempotency-key: huge",
        portal.host(),
        dana.token
    );
    portal
        .exchange(&head, "a".repeat(10 * 1024 * 1024).as_bytes())
        .await
        .expect(413);

    // Nothing was made of any of it, and the next one is
    let mine = dana.get("/v1/organizations").await.expect(200);
    assert_eq!(mine.items(), [] as [Value; 0]);
    create(&dana, "application/json", r#"{"name":"A"}"#)
        .await
        .expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_json_that_says_so_is_read() {
    let portal = Portal::start().await;
    let dana = portal.person("Dana");
    let body = r#"{"name":"A"}"#;
    for kind in [
        "text/plain",
        "text/json",
        "application/jsonx",
        "application/problem+json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/json; charset=iso-8859-1",
        "application/json; boundary=x",
        "application/json, application/json",
        "application/json,text/plain",
        "application/json;application/json",
        "*/*",
        "json",
        "",
    ] {
        let answer = create(&dana, kind, body).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (415, "media_type_unsupported"),
            "{kind}"
        );
    }
    // Two headers, and none
    let request = || {
        dana.request(Method::POST, "/v1/organizations")
            .header("idempotency-key", &fresh_key())
    };
    let twice = request()
        .header("content-type", "application/json")
        .raw("application/json", body);
    twice.send().await.expect_problem(415, "media_type_unsupported");
    let head = format!(
        "POST /v1/organizations HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\nidempotency-key: none",
        portal.host(),
        dana.token
    );
    portal
        .exchange(&head, body.as_bytes())
        .await
        .expect_problem(415, "media_type_unsupported");

    // A coding is not undone: neither a real one nor one that is only claimed
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xabV\xcaK\xccMU\xb2RrT\xaa\x05\x00".to_vec();
    for coding in ["gzip", "br", "identity, gzip", "x"] {
        for body in [gzip.clone(), body.as_bytes().to_vec()] {
            let answer = request()
                .header("content-encoding", coding)
                .raw("application/json", body)
                .send()
                .await;
            answer.expect_problem(415, "media_type_unsupported");
        }
    }
    create(&dana, "application/json", gzip)
        .await
        .expect_problem(400, "malformed_body");

    // Case, spaces and the one charset there is do not matter
    for kind in [
        "application/json",
        "Application/JSON",
        "application/json; charset=UTF-8",
        "application/json;charset=utf-8",
    ] {
        create(&dana, kind, body).await.expect(201);
    }
    let plain = request()
        .header("content-encoding", "identity")
        .raw("application/json", body);
    plain.send().await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_hide_something_are_refused_everywhere() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let dana = &clinic.admin;
    let role = clinic.role("Desk", &[]).await;
    let role_path = clinic.path(&format!("/roles/{role}"));
    let before = (
        dana.get(&clinic.path("")).await.text,
        dana.get("/v1/me").await.text,
        dana.get(&role_path).await.text,
    );
    let long = "a".repeat(101);
    for name in [
        "",
        "   ",
        "a\0b",
        "a\u{7}b",
        "a\nb",
        "a\r\nBcc: x@y.example",
        "a\u{7f}b",
        "a\u{85}b",
        "a\u{200b}b",
        "a\u{200d}b",
        "\u{feff}a",
        "a\u{2060}b",
        "a\u{202e}b",
        "a\u{2066}b\u{2069}",
        "a\u{200f}b",
        "a\u{61c}b",
        "a\u{2028}b",
        "a\u{2029}b",
        "a\u{ad}b",
        "a\u{e0041}b",
        "a\u{e000}b",
        "a\u{ffff}b",
        "a\u{300}\u{301}\u{302}\u{303}",
        long.as_str(),
    ] {
        let organization = dana.post("/v1/organizations", json!({ "name": name })).await;
        let renamed = dana
            .patch(
                &clinic.path(""),
                &dana.etag(&clinic.path("")).await,
                json!({ "name": name }),
            )
            .await;
        let new_role = dana
            .post(&clinic.path("/roles"), json!({ "name": name, "permissions": [] }))
            .await;
        let old_role = dana
            .patch(&role_path, &dana.etag(&role_path).await, json!({ "name": name }))
            .await;
        let me = dana
            .patch("/v1/me", &dana.etag("/v1/me").await, json!({ "name": name }))
            .await;
        for answer in [organization, renamed, new_role, old_role, me] {
            let answer = answer.expect_problem(422, "text_invalid");
            assert_eq!(answer.text_at("/errors/0/pointer"), "/name", "{name:?}");
        }
    }
    for email in [
        "a\0@riverside.example",
        "a\u{202e}@riverside.example",
        "a\u{200b}@riverside.example",
        "a@river\u{200b}side.example\r\nBcc: x",
    ] {
        let answer = clinic
            .invite(email, "viewer")
            .await
            .expect_problem(422, "email_invalid");
        assert_eq!(answer.text_at("/errors/0/pointer"), "/email");
    }
    let after = (
        dana.get(&clinic.path("")).await.text,
        dana.get("/v1/me").await.text,
        dana.get(&role_path).await.text,
    );
    assert_eq!(before, after);
}

/// Fields that no request has: only the portal decides them.
fn decided_by_the_portal() -> Vec<(&'static str, Value)> {
    vec![
        ("id", json!("org_00000000-0000-7000-8000-000000000000")),
        (
            "organization_id",
            json!("org_00000000-0000-7000-8000-000000000000"),
        ),
        ("account_id", json!("acc_00000000-0000-5000-8000-000000000000")),
        ("owner", json!(true)),
        ("state", json!("active")),
        ("status", json!("accepted")),
        ("rev", json!(1)),
        ("version", json!(99)),
        ("plan", json!("enterprise")),
        ("seats", json!(1_000)),
        ("takes_seat", json!(false)),
        ("email_verified", json!(true)),
        ("expires_at", json!("2099-01-01T00:00:00Z")),
        ("created_at", json!("2000-01-01T00:00:00Z")),
        ("invited_by", json!("acc_00000000-0000-5000-8000-000000000000")),
        ("pk", json!("ORG#x")),
        ("ttl", json!(1)),
        ("kind", json!("organization")),
        ("", json!(null)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_decides_more_than_the_fields_a_request_has() {
    // Given every request with a body that would work
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let dana = &clinic.admin;
    let vera = clinic.member("Vera", "viewer").await;
    let ben = portal.person("Ben");
    let (invite, token) = clinic.invited(&ben, "viewer").await;
    let role = clinic.role("Desk", &[]).await;
    let role_path = clinic.path(&format!("/roles/{role}"));
    let requests = [
        (
            Method::POST,
            "/v1/organizations".to_owned(),
            json!({ "name": "Another" }),
        ),
        (Method::PATCH, clinic.path(""), json!({ "name": "Riverside" })),
        (
            Method::POST,
            clinic.path("/dissolution"),
            json!({ "name": "Riverside Family Practice", "remove_members": true }),
        ),
        (
            Method::POST,
            clinic.path("/roles"),
            json!({ "name": "Office", "permissions": [] }),
        ),
        (Method::PATCH, role_path.clone(), json!({ "name": "Office" })),
        (
            Method::POST,
            clinic.path("/invites"),
            json!({ "email": "cy@riverside.example", "role": "viewer" }),
        ),
        (
            Method::POST,
            clinic.path(&format!("/invites/{invite}/resend")),
            json!({}),
        ),
        (
            Method::PATCH,
            clinic.member_path(&vera),
            json!({ "role": "provider" }),
        ),
        (Method::PATCH, "/v1/me".to_owned(), json!({ "name": "Dana" })),
        (
            Method::POST,
            "/v1/invites/preview".to_owned(),
            json!({ "token": token }),
        ),
        (
            Method::POST,
            "/v1/invites/accept".to_owned(),
            json!({ "token": token }),
        ),
        (
            Method::POST,
            "/v1/invites/decline".to_owned(),
            json!({ "token": token }),
        ),
    ];
    let audit_before = clinic.audit_verbs().await;

    // When each carries a field that only the portal decides
    for (method, path, body) in requests {
        let person = if path.starts_with("/v1/invites") {
            &ben
        } else {
            dana
        };
        let etag = if method == Method::PATCH {
            dana.etag(&path).await
        } else {
            "\"1\"".to_owned()
        };
        for (field, value) in decided_by_the_portal() {
            let mut body = body.clone();
            body[field] = value;
            let request = person.request(method.clone(), &path);
            let request = request
                .header("idempotency-key", &fresh_key())
                .header("if-match", &etag);
            let answer = request
                .json(&body)
                .send()
                .await
                .expect_problem(422, "fields_invalid");
            assert_eq!(answer.text_at("/errors/0/pointer"), format!("/{field}"), "{path}");
        }
    }

    // Then nothing was done
    assert_eq!(clinic.audit_verbs().await, audit_before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_says_too_much_is_refused_alone() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;

    let rows = json!({ "invites": [
        { "email": "dee@riverside.example", "role": "viewer", "status": "accepted" },
        { "email": "eve@riverside.example", "role": "viewer" },
        ["fay@riverside.example", "viewer", null],
    ] });
    let results = clinic
        .admin
        .post(&clinic.path("/invites/bulk"), rows)
        .await
        .expect(200);
    let statuses: Vec<Value> = results.json()["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["status"].clone())
        .collect();
    assert_eq!(statuses, [json!(422), json!(201), json!(422)], "{}", results.text);
    assert_eq!(
        clinic.audit_verbs().await,
        ["organization.created", "invite.created"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_needs_the_revision_that_was_seen() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let dana = &clinic.admin;
    let vera = clinic.member("Vera", "viewer").await;
    let invite = clinic
        .invite("cy@riverside.example", "viewer")
        .await
        .expect(201)
        .id();
    let role = clinic.role("Desk", &[]).await;
    let role_path = clinic.path(&format!("/roles/{role}"));
    let invite_path = clinic.path(&format!("/invites/{invite}"));
    let changes = [
        (Method::PATCH, clinic.path(""), json!({ "name": "Riverside" })),
        (Method::PATCH, role_path.clone(), json!({ "name": "Office" })),
        (
            Method::PATCH,
            clinic.member_path(&vera),
            json!({ "role": "provider" }),
        ),
        (Method::PATCH, "/v1/me".to_owned(), json!({ "name": "Dana" })),
        (Method::DELETE, invite_path, Value::Null),
        (Method::DELETE, clinic.member_path(&vera), Value::Null),
        (Method::DELETE, role_path, Value::Null),
    ];
    let before = clinic.audit_verbs().await;
    for (method, path, body) in &changes {
        let request = || dana.request(method.clone(), path);
        request()
            .json(body)
            .send()
            .await
            .expect_problem(428, "revision_missing");
        let seen = dana.etag(path).await;
        let two = format!("{seen}, \"2\"");
        let weak = format!("W/{seen}");
        let bare = seen.trim_matches('"').to_owned();
        for wrong in [
            "\"999\"",
            "\"-1\"",
            "\"\"",
            "*",
            "\"18446744073709551616\"",
            "\"x\"",
            "",
            &two,
            &weak,
            &bare,
        ] {
            let answer = request().header("if-match", wrong).json(body).send().await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (412, "revision_mismatch"),
                "{method} {path} {wrong}"
            );
        }
    }
    assert_eq!(clinic.audit_verbs().await, before);

    // Of two who saw the same, the second one learns that it changed
    let path = clinic.path("");
    let seen = dana.etag(&path).await;
    dana.patch(&path, &seen, json!({ "name": "First" }))
        .await
        .expect(200);
    dana.patch(&path, &seen, json!({ "name": "Second" }))
        .await
        .expect_problem(412, "revision_mismatch");
    assert_eq!(dana.get(&path).await.text_at("/name"), "First");
}
