//! What every answer has in common, and requests that try to be something else than they are.

use std::collections::BTreeSet;

use portal_domain::id::{AccountId, ActionId, InviteId, RoleId, SiteId};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::direct::{event, invoke, routes};
use crate::support::{Answer, Clinic, Portal};

const SECURITY: [(&str, &str); 5] = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("strict-transport-security", "max-age=63072000; includeSubDomains"),
    (
        "content-security-policy",
        "default-src 'none'; frame-ancestors 'none'",
    ),
    ("referrer-policy", "no-referrer"),
];

/// One answer of every sort: success with and without a body, and refusals from every layer.
async fn answers_of_every_sort(clinic: &Clinic<'_>) -> Vec<(u16, Answer)> {
    let (portal, dana) = (clinic.portal, &clinic.admin);
    let viewer = clinic.member("Vera", "viewer").await;
    let leaver = clinic.member("Lea", "viewer").await;
    let etag = dana.etag(&clinic.path("")).await;
    let rename = json!({ "name": "Riverside" });
    let nowhere = format!(
        "/v1/organizations/{}",
        portal_domain::id::OrganizationId::mint(portal.clock.now())
    );
    vec![
        (200, dana.get("/v1/me").await),
        (
            201,
            dana.post(
                &clinic.path("/roles"),
                json!({ "name": "Desk", "permissions": [] }),
            )
            .await,
        ),
        (204, leaver.post(&clinic.path("/leave"), json!({})).await),
        (400, dana.get(&clinic.path("/members?limit=0")).await),
        (
            400,
            dana.request(Method::POST, "/v1/organizations")
                .json(&rename)
                .send()
                .await,
        ),
        (401, dana.with_token("nobody").get("/v1/me").await),
        (403, viewer.get(&clinic.path("/members")).await),
        (404, dana.get(&nowhere).await),
        (404, dana.get("/v1/organizations/not-an-id").await),
        (409, dana.post(&clinic.path("/leave"), json!({})).await),
        (412, dana.patch(&clinic.path(""), "\"99\"", rename.clone()).await),
        (
            413,
            dana.post("/v1/organizations", json!({ "name": "a".repeat(70_000) }))
                .await,
        ),
        (
            415,
            dana.request(Method::PATCH, &clinic.path(""))
                .header("if-match", &etag)
                .raw("text/plain", "{}")
                .send()
                .await,
        ),
        (
            422,
            dana.post(
                &clinic.path("/invites"),
                json!({ "email": "nobody", "role": "viewer" }),
            )
            .await,
        ),
        (
            428,
            dana.request(Method::PATCH, &clinic.path(""))
                .json(&rename)
                .send()
                .await,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_the_security_headers_and_an_id_of_its_own() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;

    let mut ids = BTreeSet::new();
    for (status, answer) in answers_of_every_sort(&clinic).await {
        let answer = answer.expect(status);
        for (name, value) in SECURITY {
            assert_eq!(answer.header(name), value, "{name} of a {status}");
        }
        assert_eq!(answer.header("vary"), "origin", "a {status}");
        assert!(!answer.header("x-request-id").is_empty(), "a {status}");
        assert!(ids.insert(answer.header("x-request-id")), "an id is given twice");
        assert_eq!(answer.header("set-cookie"), "", "a {status}");
        let kind = match status {
            // The gateway's own word: there is nothing to have a type.
            204 => {
                assert_eq!(answer.text, "");
                continue;
            }
            200 | 201 => "application/json",
            _ => "application/problem+json",
        };
        assert_eq!(answer.header("content-type"), kind, "a {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_a_problem_as_the_document_describes_it() {
    // Given what the document says of problems
    let described = portal_local::functions::described().into_iter();
    let document = portal_http::document(described.map(|function| function.document)).expect("one document");
    let document = serde_json::to_value(document).expect("a document is JSON");
    let schemas = &document["components"]["schemas"];

    // When requests are refused for every sort of reason
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let refusals = answers_of_every_sort(&clinic).await;

    // Then each answer says what it was, in that form
    let codes: Vec<&str> = portal_domain::code::Code::ALL
        .iter()
        .map(|code| code.as_str())
        .collect();
    for (status, answer) in refusals.into_iter().filter(|(status, _)| *status >= 400) {
        let problem = answer.json();
        conforms(&problem, &schemas["Problem"], schemas, "Problem");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["instance"], answer.header("x-request-id"));
        assert!(codes.contains(&problem["code"].as_str().unwrap()), "{problem}");
        assert_eq!(
            problem["type"],
            format!("urn:organization-portal:problem:{}", answer.code())
        );
        for text in ["title", "detail"] {
            assert!(!problem[text].as_str().unwrap().is_empty(), "{problem}");
        }
    }
}

/// Fails unless `value` has exactly what `schema` says: its types, all that is required and nothing else.
fn conforms(value: &Value, schema: &Value, schemas: &Value, place: &str) {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return conforms(value, &schemas[name], schemas, name);
    }
    match schema["type"]
        .as_str()
        .unwrap_or_else(|| panic!("{place} has no type: {schema}"))
    {
        "object" => {
            let (fields, known) = (
                value.as_object().expect(place),
                schema["properties"].as_object().expect(place),
            );
            for required in schema["required"].as_array().into_iter().flatten() {
                assert!(
                    fields.contains_key(required.as_str().unwrap()),
                    "{place} lacks {required}: {value}"
                );
            }
            for (name, field) in fields {
                let schema = known
                    .get(name)
                    .unwrap_or_else(|| panic!("{place} has an unknown {name}"));
                conforms(field, schema, schemas, name);
            }
        }
        "array" => {
            for item in value.as_array().expect(place) {
                conforms(item, &schema["items"], schemas, place);
            }
        }
        "string" => assert!(value.is_string(), "{place}: {value}"),
        "integer" => assert!(value.is_u64(), "{place}: {value}"),
        other => panic!("{place}: {other} is not expected in a problem"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_allowed_origins_may_read_answers_in_a_browser() {
    let portal = Portal::start().await;
    let dana = portal.person("Dana");
    let allowed = "http://127.0.0.1:5173";
    let with_origin = async |origin: &str| {
        dana.request(Method::GET, "/v1/me")
            .header("origin", origin)
            .send()
            .await
            .expect(200)
    };

    // An allowed one, exactly
    let answer = with_origin(allowed).await;
    assert_eq!(answer.header("access-control-allow-origin"), allowed);
    assert!(answer.header("access-control-expose-headers").contains("etag"));
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    assert_eq!(answer.header("vary"), "origin");

    // Refusals can be read too: the portal shows them
    let refused = dana
        .with_token("")
        .request(Method::GET, "/v1/me")
        .header("origin", allowed);
    let refused = refused.send().await.expect_problem(401, "unauthenticated");
    assert_eq!(refused.header("access-control-allow-origin"), allowed);

    // Look-alikes
    for origin in [
        "null",
        "*",
        "http://127.0.0.1:5174",
        "https://127.0.0.1:5173",
        "HTTP://127.0.0.1:5173",
        "http://127.0.0.1:5173/",
        "http://127.0.0.1:5173.evil.example",
        "http://evil.example",
        "http://127.0.0.1:5173, http://evil.example",
        "http://127.0.0.1:5173\tx",
    ] {
        let answer = with_origin(origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        assert_eq!(answer.header("access-control-allow-methods"), "", "{origin}");
        assert_eq!(answer.header("vary"), "origin", "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_needs_no_token_and_changes_nothing() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    portal.settle().await.expect("all is delivered");
    portal.dynamo.clear_operations();

    for (function, method, path) in routes() {
        let path = path.replace("{organization_id}", &clinic.id.to_string());
        let preflight = async |origin: &str| {
            let head = format!(
                "OPTIONS {path} HTTP/1.1\r\nhost: {}\r\norigin: {origin}\r\naccess-control-request-method: {method}\r\n\
                 access-control-request-headers: authorization,content-type,if-match,idempotency-key",
                portal.host()
            );
            portal.exchange(&head, b"").await.expect(204)
        };
        let answer = preflight("http://127.0.0.1:5173").await;
        assert_eq!(
            answer.header("access-control-allow-origin"),
            "http://127.0.0.1:5173",
            "{function} {path}"
        );
        assert!(
            answer
                .header("access-control-allow-methods")
                .contains(method.as_str()),
            "{function} {path}"
        );
        for header in ["authorization", "content-type", "if-match", "idempotency-key"] {
            assert!(
                answer.header("access-control-allow-headers").contains(header),
                "{function} {path}"
            );
        }
        assert_eq!(answer.text, "");
        let answer = preflight("http://evil.example").await;
        assert_eq!(
            answer.header("access-control-allow-origin"),
            "",
            "{function} {path}"
        );
    }
    assert_eq!(portal.dynamo.operations(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_routes_and_methods_are_problems_too() {
    let portal = Portal::start().await;
    let dana = portal.person("Dana");
    let authorization = format!("Bearer {}", dana.token);
    let headers = [("authorization", authorization.as_str())];

    // What the gateway would not let through, should it ever
    for name in ["organizations", "invites", "members", "audit"] {
        let function = portal.function(name);
        for path in [
            "/",
            "/v1",
            "/v1/",
            "/v1/nothing",
            "/v2/me",
            "/V1/ME",
            "/-/malformed/x",
        ] {
            let answer = invoke(&function, &event(&Method::GET, path, &headers)).await;
            answer.expect_problem(404, "route_not_found");
        }
    }
    let members = portal.function("members");
    for method in ["DELETE", "POST", "PUT", "TRACE", "CONNECT", "PROPFIND"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = invoke(&members, &event(&method, "/v1/me", &headers)).await;
        let answer = answer.expect_problem(405, "method_not_allowed");
        assert!(
            answer.header("allow").contains("PATCH"),
            "{method}: {:?}",
            answer.headers
        );
    }

    // A method that somebody only claims in a header is none
    for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
        let answer = dana
            .request(Method::GET, "/v1/me?_method=PATCH")
            .header(name, "PATCH")
            .send()
            .await;
        assert_eq!(answer.expect(200).id(), dana.account.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_answered_like_get_without_a_body() {
    let portal = Portal::start().await;
    let dana = portal.person("Dana");
    let authorization = format!("Bearer {}", dana.token);
    let headers = [("authorization", authorization.as_str())];
    let members = portal.function("members");

    let get = invoke(&members, &event(&Method::GET, "/v1/me", &headers))
        .await
        .expect(200);
    let head = invoke(&members, &event(&Method::HEAD, "/v1/me", &headers))
        .await
        .expect(200);
    assert_eq!(head.text, "");
    assert_eq!(head.etag(), get.etag());
    let nobody = invoke(&members, &event(&Method::HEAD, "/v1/me", &[]))
        .await
        .expect(401);
    assert_eq!(nobody.header("x-content-type-options"), "nosniff");
}

/// What is put in place of an id, or behind a path: encoded as a client sends it.
const HOSTILE_SEGMENTS: [&str; 22] = [
    "%2F..%2F",
    "..%2F..%2Fme",
    "x%2F..%2F..%2F..%2Fme",
    "%2e%2e",
    "..",
    ".",
    "%2E%2E%2Fmembers",
    "%3Flimit=1",
    "%23",
    "%5C..%5C..%5Cme",
    "%00",
    "%0a",
    "%0d%0aset-cookie:%20a=b",
    "%25%32%66..%25%32%66me",
    "%252F..%252Fme",
    "//me",
    ";a=b",
    "%09",
    "%7Borganization_id%7D",
    "*",
    "%C3%BC",
    "%F0%9F%92%A3",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_path_never_reaches_another_handler() {
    // Given somebody who may do everything in their clinic
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let now = portal.clock.now();
    let ids = [
        ("{organization_id}", clinic.id.to_string()),
        ("{invite_id}", InviteId::mint(now).to_string()),
        ("{role_id}", RoleId::mint(now).to_string()),
        ("{account_id}", AccountId::of("nowhere", "nobody").to_string()),
        ("{site_id}", SiteId::mint(now).to_string()),
        ("{action_id}", ActionId::mint(now).to_string()),
    ];
    let whole = |path: &str| {
        ids.iter()
            .fold(path.to_owned(), |path, (name, id)| path.replace(name, id))
    };
    let operator = portal.operator();
    let audit_before = clinic.audit_verbs().await;

    // When each place of each route's path is given each hostile text, through the gateway and as the event itself
    let mut tried = 0;
    for (name, method, path) in routes() {
        let function = &portal.function(name);
        let is_operators = path.starts_with("/v1/platform/");
        let caller = if is_operators { &operator } else { &clinic.admin };
        let authorization = format!("Bearer {}", caller.token);
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", "hostile"),
            ("if-match", "\"1\""),
        ];
        let places: Vec<&str> = ids
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| path.contains(name))
            .collect();
        for segment in HOSTILE_SEGMENTS {
            let in_place = places.iter().map(|place| whole(&path.replace(place, segment)));
            let behind = [
                format!("{}{segment}", whole(&path)),
                format!("{}/{segment}", whole(&path)),
            ];
            for target in in_place.chain(behind) {
                let lines = headers
                    .map(|(name, value)| format!("{name}: {value}"))
                    .join("\r\n");
                let head = format!("{method} {target} HTTP/1.1\r\nhost: {}\r\n{lines}", portal.host());
                let answer = portal.exchange(&head, b"").await;
                assert!(
                    [400, 404].contains(&answer.status),
                    "{method} {target}: {} {}",
                    answer.status,
                    answer.text
                );

                let decoded = decoded(&target);
                let answer = invoke(function, &event(&method, &decoded, &headers)).await;
                assert!(
                    [400, 404, 405].contains(&answer.status),
                    "{method} {decoded:?}: {} {}",
                    answer.status,
                    answer.text
                );
                assert_eq!(answer.header("content-type"), "application/problem+json");
                tried += 1;
            }
        }
        // Longer than any path
        for long in ["a".repeat(64 * 1024), "%2e".repeat(20_000), "/..".repeat(20_000)] {
            let target = format!("{}/{long}", whole(&path));
            let answer = invoke(function, &event(&method, &target, &headers)).await;
            answer.expect_problem(400, "malformed_request");
        }
        let target = whole(&path.replace("{organization_id}", &"a".repeat(60_000)));
        let head = format!(
            "{method} {target}a HTTP/1.1\r\nhost: {}\r\nauthorization: {authorization}",
            portal.host()
        );
        let answer = portal.exchange(&head, b"").await;
        assert!(
            [400, 404].contains(&answer.status),
            "{method} {path}: {}",
            answer.status
        );
    }

    // Then nothing was done, and everything still works
    assert!(tried > 1_000, "only {tried} paths were tried");
    assert_eq!(clinic.audit_verbs().await, audit_before);
    clinic.admin.get(&clinic.path("")).await.expect(200);
}

/// The path as the gateway hands it to a function: decoded once.
fn decoded(target: &str) -> String {
    let path = target.split('?').next().unwrap_or_default();
    let mut bytes = Vec::new();
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| {
            byte.and_then(|byte| char::from(byte).to_digit(16))
                .expect("a whole escape")
        };
        bytes.push(if byte == b'%' {
            u8::try_from(digit(rest.next()) * 16 + digit(rest.next())).unwrap()
        } else {
            byte
        });
    }
    String::from_utf8(bytes).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_escapes_and_bytes_that_are_no_text_are_refused() {
    let portal = Portal::start().await;
    let dana = portal.person("Dana");
    for target in [
        "/v1/me%",
        "/v1/me%2",
        "/v1/%zz",
        "/v1/%ff",
        "/v1/%C3",
        "/v1/me%u002f",
        "/v1/%c0%af",
    ] {
        let head = format!(
            "GET {target} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}",
            portal.host(),
            dana.token
        );
        portal.exchange(&head, b"").await.expect(400);
    }
    let authorization = format!("Bearer {}", dana.token);
    let members = portal.function("members");
    for query in [
        "a=%",
        "a=%zz",
        "a=\"",
        "a=<script>",
        "a= b",
        "a=\n",
        "a=#",
        "a=\u{fc}",
        "a=\\",
        "a=^",
    ] {
        let mut event = event(&Method::GET, "/v1/me", &[("authorization", &authorization)]);
        event["rawQueryString"] = json!(query);
        invoke(&members, &event)
            .await
            .expect_problem(400, "malformed_request");
    }
    dana.get("/v1/me").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_somebody_claims_is_believed_nowhere() {
    // Given a clinic whose admin sends every header that could say where the portal is
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let body = json!({ "email": "ada@riverside.example", "role": "viewer" }).to_string();
    for (number, host) in [
        "evil.example",
        "evil.example:8080",
        "[::1",
        "a b",
        "evil.example/@",
        "",
        "\u{fc}",
        ":::::",
        "127.0.0.1:99999999",
    ]
    .iter()
    .enumerate()
    {
        let email = format!("ada{number}@riverside.example");
        let body = body.replace("ada@riverside.example", &email);
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             idempotency-key: host-{number}\r\nx-forwarded-host: evil.example\r\nx-forwarded-proto: javascript\r\n\
             x-forwarded-port: 666\r\nx-forwarded-for: 203.0.113.66\r\nforwarded: for=203.0.113.66;host=evil.example\r\n\
             x-original-url: /v1/me\r\nx-rewrite-url: /v1/me\r\norigin: http://evil.example\r\nreferer: http://evil.example/",
            clinic.path("/invites"),
            clinic.admin.token
        );

        // When an invite is sent
        let answer = portal.exchange(&head, body.as_bytes()).await.expect(201);

        // Then its answer and mail lead to the portal, and the log has the address that the gateway saw
        assert!(!answer.text.contains("evil"), "{}", answer.text);
        assert!(answer.header("location").starts_with("/v1/organizations/"));
        clinic.token(&email).await;
        let mail = &portal.mailbox.messages(&email)[0];
        assert!(
            mail.links.iter().all(|link| link.starts_with(&portal.base)),
            "{:?}",
            mail.links
        );
        assert!(!format!("{}{}", mail.text, mail.html).contains("evil"));
    }
    let events = clinic
        .admin
        .get(&clinic.path("/audit-events?verb=invite.created"))
        .await
        .expect(200);
    assert_eq!(events.items().len(), 9);
    assert!(
        events
            .items()
            .iter()
            .all(|event| event["origin"]["ip"] == "127.0.0.1"),
        "{}",
        events.text
    );

    // And an event that the conversion could not survive is answered all the same
    let authorization = format!("Bearer {}", clinic.admin.token);
    let members = portal.function("members");
    for (name, value) in [
        ("host", "[::1"),
        ("host", "a b"),
        ("host", ""),
        ("x-forwarded-proto", "java script"),
        ("x-forwarded-proto", ""),
    ] {
        let mut event = event(
            &Method::GET,
            "/v1/me",
            &[("authorization", &authorization), (name, value)],
        );
        event["requestContext"]["domainName"] = json!("not a [host");
        invoke(&members, &event).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_take_only_the_parameters_they_know_once_and_in_range() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let lists = ["/members", "/invites", "/audit-events", "/roles"].map(|list| clinic.path(list));
    for list in lists.iter().map(String::as_str).chain(["/v1/organizations"]) {
        for query in [
            "nothing=1",
            "Limit=1",
            "limit=1&limit=1",
            "limit=1&limit=2",
            "limit%5B%5D=1",
            "organization_id=1",
            "a",
            "limit",
            "limit=",
            "limit=0",
            "limit=101",
            "limit=-1",
            "limit=%2B1",
            "limit=+1",
            "limit=1%20",
            "limit=1.0",
            "limit=1e1",
            "limit=0x10",
            "limit=0001",
            "limit=%D9%A1",
            "limit=99999999999999999999",
            "limit=NaN",
            "limit=1%00",
            "cursor=",
            "cursor=x",
            "cursor=x&cursor=x",
        ] {
            let answer = clinic.admin.get(&format!("{list}?{query}")).await;
            let code = if query.starts_with("cursor=") && !query.contains('&') {
                "cursor_invalid"
            } else {
                "query_invalid"
            };
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (400, code),
                "{list}?{query}: {}",
                answer.text
            );
        }
        for query in ["limit=1", "limit=100", "limit=007", ""] {
            clinic.admin.get(&format!("{list}?{query}")).await.expect(200);
        }
        let long = format!("{list}?a={}", "a".repeat(10_000));
        clinic
            .admin
            .get(&long)
            .await
            .expect_problem(400, "malformed_request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_text_and_never_part_of_an_expression() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    clinic.member("Ada", "viewer").await;

    // What is searched is looked for as it is
    for search in [
        "%22)%20OR%20attribute_exists(pk)",
        "%3Apk",
        "%23pk",
        "%3Asearch%20OR%20%3Asearch%20%3D%20%3Asearch",
        "*",
        "%25",
        "_",
        ".*",
        "%24ne",
        "%7B%22%24gt%22%3A%22%22%7D",
        "'%20OR%20'1'%3D'1",
        "%00",
        "a%0d%0ab",
        "%FF",
        "%E2%80%AE",
        "ORG%23",
    ] {
        let found = clinic
            .admin
            .get(&clinic.path(&format!("/members?search={search}")))
            .await
            .expect(200);
        assert_eq!(found.items(), [] as [Value; 0], "{search}");
    }
    let found = clinic
        .admin
        .get(&clinic.path("/members?search=ADA"))
        .await
        .expect(200);
    assert_eq!(found.items().len(), 1);

    // What comes to no text, or is none of the known values, is refused
    let long = format!("members?search={}", "a".repeat(101));
    for query in [
        "members?search=",
        "members?search=%20%20",
        "members?search=%CC%81",
        "members?search=%0d%0a",
        long.as_str(),
        "members?role=owner",
        "members?role=admin%20OR%201%3D1",
        "members?role=",
        "members?role=rol_0",
        "invites?status=open",
        "invites?status=PENDING",
        "invites?status=",
        "audit-events?actor=*",
        "audit-events?actor=acc%23",
        "audit-events?actor=a%20OR%20b",
        "audit-events?actor=",
        "audit-events?object=%23object",
        "audit-events?object=x%00",
        "audit-events?object=..%2F",
        "audit-events?object=",
        "audit-events?verb=everything",
        "audit-events?verb=",
        "audit-events?from=yesterday",
        "audit-events?from=2026-01-01",
        "audit-events?from=",
        "audit-events?until=1e400",
        "audit-events?from=2026-13-01T00:00:00Z",
        "audit-events?from=2027-01-01T00:00:00Z&until=2026-01-01T00:00:00Z",
    ] {
        let answer = clinic.admin.get(&clinic.path(&format!("/{query}"))).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "query_invalid"),
            "{query}: {}",
            answer.text
        );
    }

    // What nobody did is nothing, at the ends of time as well
    for query in [
        "actor=acc_00000000-0000-5000-8000-000000000000",
        "object=anything",
        "actor=system:nobody",
        "from=9999-12-30T22:00:00Z",
        "until=-009999-01-02T01:59:59Z",
        "until=1970-01-01T00:00:00Z",
    ] {
        let found = clinic
            .admin
            .get(&clinic.path(&format!("/audit-events?{query}")))
            .await
            .expect(200);
        assert_eq!(found.items(), [] as [Value; 0], "{query}");
    }
    let all = "from=-009999-01-02T01:59:59Z&until=9999-12-30T22:00:00Z";
    let found = clinic
        .admin
        .get(&clinic.path(&format!("/audit-events?{all}")))
        .await
        .expect(200);
    assert_eq!(found.items().len(), clinic.audit_verbs().await.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_used_up_says_when_to_try_again() {
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    // At the beginning of every window: none ends while the test counts.
    portal.wait(jiff::SignedDuration::from_secs(
        86_400 - portal.clock.now().as_second() % 86_400,
    ));

    // Ten mails a day to one mailbox, however it is spelled
    for number in 0..10 {
        clinic
            .invite(&format!("ada+{number}@elsewhere.example"), "viewer")
            .await
            .expect(201);
    }
    let refused = clinic
        .invite("ada+more@elsewhere.example", "viewer")
        .await
        .expect_problem(429, "rate_limited");
    let seconds: i64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=86_400).contains(&seconds), "{seconds}");
    assert_eq!(portal.mailbox.messages("ada+more@elsewhere.example").len(), 0);

    // When that time is over, it works
    portal.wait(jiff::SignedDuration::from_secs(seconds));
    clinic
        .invite("ada+more@elsewhere.example", "viewer")
        .await
        .expect(201);

    // A hundred wrong links in ten minutes from one network, whatever follows in X-Forwarded-For
    let ada = portal.person("Ada");
    let wrong = async |number: usize| {
        let request = ada.request(Method::POST, "/v1/invites/preview");
        request
            .header("x-forwarded-for", &format!("203.0.{number}.1"))
            .json(&json!({ "token": "k.AAAA.BBBB" }))
            .send()
            .await
    };
    for number in 0..100 {
        wrong(number).await.expect_problem(404, "invite_not_found");
    }
    let refused = wrong(100).await.expect_problem(429, "rate_limited");
    let seconds: i64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=600).contains(&seconds), "{seconds}");
    portal.wait(jiff::SignedDuration::from_secs(seconds));
    wrong(101).await.expect_problem(404, "invite_not_found");
}
