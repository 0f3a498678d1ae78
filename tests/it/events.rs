//! The sample events: every route has one, and each does in its function what `events/expected.json` says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use portal_domain::invite::Delivery;
use portal_local::demo::{self, ids};
use portal_local::functions;
use portal_local::stack::{Options, Stack};
use serde_json::Value;

use crate::support::{differences, project};

/// Where the events' tokens say that they were issued: the default address of `make up`.
const ISSUER_BASE: &str = "http://127.0.0.1:9000";

/// All events, by function and case.
fn events() -> BTreeMap<String, Value> {
    let read = |path: &Path| -> Value {
        serde_json::from_str(&std::fs::read_to_string(path).expect("a readable event"))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let inside = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).expect("a readable folder");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    };
    let name = |path: &Path| path.file_stem().expect("a name").to_string_lossy().into_owned();
    inside(&project("events"))
        .iter()
        .filter(|path| path.is_dir())
        .flat_map(|folder| inside(folder).into_iter().map(|file| (name(folder), file)))
        .map(|(function, file)| (format!("{function}/{}", name(&file)), read(&file)))
        .collect()
}

/// What is expected of each event, in an order in which none spoils what another needs.
fn expected() -> Vec<(String, Value)> {
    let text = std::fs::read_to_string(project("events/expected.json")).expect("expectations");
    let all: Vec<Value> = serde_json::from_str(&text).expect("a list of expectations");
    all.into_iter()
        .map(|expected| {
            (
                expected["event"].as_str().expect("an event's name").to_owned(),
                expected,
            )
        })
        .collect()
}

async fn demo_stack() -> Stack {
    let options = Options {
        issuer_base: Some(ISSUER_BASE.to_owned()),
        ..Options::default()
    };
    let stack = Stack::start(options).await.expect("the stack starts");
    demo::fill(&stack).await.expect("the demo data is written");
    stack
}

/// What a function answers to an event.
async fn invoked(stack: &Stack, event: &str, payload: Value) -> Value {
    let function = event.split('/').next().unwrap_or_default();
    let function = functions::named(stack.config(0), function)
        .expect("the function is configured")
        .unwrap_or_else(|| panic!("{event}: there is no such function"));
    function(payload)
        .await
        .unwrap_or_else(|error| panic!("{event}: {error}"))
}

/// How an answer differs from what is expected of it.
fn unexpected(answer: &Value, wanted: &Value) -> Vec<String> {
    let Some(status) = wanted.get("status") else {
        return differences(answer, &wanted["answer"]);
    };
    let body = answer["body"].as_str().filter(|body| !body.is_empty());
    let body: Value = body.map_or(Value::Null, |body| serde_json::from_str(body).expect("JSON"));
    let mut all = differences(&answer["statusCode"], status);
    if let Some(wanted) = wanted.get("body") {
        all.extend(differences(&body, wanted));
    }
    if !all.is_empty() {
        all.push(format!("the body was {body}"));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_does_in_its_function_what_is_expected() {
    // Given the demo data
    let stack = demo_stack().await;
    let (mut events, expected) = (events(), expected());

    // When each event reaches its function
    let mut wrong = Vec::new();
    for (name, expected) in expected {
        let payload = events
            .remove(&name)
            .unwrap_or_else(|| panic!("events/expected.json: there is no event {name}"));
        let answer = invoked(&stack, &name, payload).await;
        let differences = unexpected(&answer, &expected);
        wrong.extend(differences.iter().map(|what| format!("{name}: {what}")));
    }
    let forgotten: Vec<_> = events.keys().collect();
    assert!(
        forgotten.is_empty(),
        "events/expected.json does not say what to expect of {forgotten:?}"
    );

    // Then each answer is the expected one, and what happens behind the answers happened
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    stack.settle().await.expect("all is delivered");
    for (invite, mails) in [(ids::RELAYED, 1), (ids::MAILED, 1), (ids::BOUNCING, 0)] {
        let invite = stack
            .app
            .store
            .invite(ids::RIVERSIDE, invite)
            .await
            .expect("readable")
            .expect("there");
        assert_eq!(stack.mailbox.messages(invite.email.as_str()).len(), mails);
        let is_undeliverable = matches!(invite.delivery, Delivery::Undeliverable { .. });
        assert_eq!(is_undeliverable, mails == 0, "{:?}", invite.delivery);
    }
}

#[test]
fn every_route_has_an_event() {
    let events = events();
    let routes_of = |function: &str| -> Vec<String> {
        let own = events
            .iter()
            .filter(|(name, _)| name.starts_with(&format!("{function}/")));
        own.map(|(_, event)| event["routeKey"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    for described in functions::described() {
        let with_event = routes_of(described.name);
        for (method, path) in functions::routes(&described.document) {
            assert!(
                with_event.contains(&format!("{method} {path}")),
                "{method} {path} has no event: add events/{}/<operation>.json and its line in events/expected.json",
                described.name
            );
        }
    }
    for function in [
        "expire-invites",
        "finish-dissolutions",
        "seal-audit-log",
        "project-changes",
        "reconcile",
        "relay",
        "send-mail",
        "sweep-actions",
        "run-imports",
        "write-exports",
    ] {
        assert!(
            events
                .keys()
                .any(|name| name.starts_with(&format!("{function}/"))),
            "{function} has no event"
        );
    }
}

#[test]
fn cargo_lambda_routes_like_the_functions() {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(project("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("the workspace's metadata");
    let watched: BTreeMap<String, String> =
        serde_json::from_value(metadata.workspace_metadata["lambda"]["watch"]["router"].clone())
            .expect("[workspace.metadata.lambda.watch.router] in Cargo.toml: path = function");
    let served: BTreeMap<String, String> = functions::described()
        .iter()
        .flat_map(|described| {
            let routes = functions::routes(&described.document).into_iter();
            routes.map(|(_, path)| (path, described.name.to_owned()))
        })
        .collect();
    assert_eq!(watched, served);
}
