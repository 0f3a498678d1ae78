//! What is said twice says the same: handlers and OpenAPI document, routers and template, table and template, code and docs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use portal_app::config::{VARIABLES, Variable};
use portal_app::{
    App, Config, ConfigError, Exporting, FileWeb, Importing, InviteWeb, Mailing, Part, Relaying, Sealing, Web,
};
use portal_domain::{export, import, lease};
use portal_local::dynamodb::{Operation, Right, granted};
use portal_local::functions::described;
use portal_local::generate::{Pattern, documents, patterns};
use portal_local::mailbox::{Bounce, Event};
use portal_local::probe::{Probe, Who, is_for_services, routes};
use portal_local::stack::{
    export_delivery, import_delivery, mail_delivery, project_changes_mapping, relay_mapping,
};
use portal_local::template::Template;
use portal_store::entity::{action, audit as log, feed, outbox};
use portal_store::table;
use serde_json::{Value, json};
use utoipa::openapi::{ComponentsBuilder, OpenApiBuilder, PathItem, Paths};

use crate::support::statistics::forget_counts;
use crate::support::{Answer, DAY, Portal, SECOND};

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn template() -> Template {
    Template::read(&project()).unwrap()
}

/// One value or several, as several.
fn several(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

// ---- Documents ------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn every_generated_document_is_the_one_that_is_committed() {
    let stale: Vec<&str> = documents(&project())
        .await
        .unwrap()
        .iter()
        .filter(|document| {
            std::fs::read_to_string(project().join(document.path))
                .ok()
                .as_ref()
                != Some(&document.text)
        })
        .map(|document| document.path)
        .collect();
    assert!(
        stale.is_empty(),
        "{} no longer say what the code says: run `make generate` and commit them",
        stale.join(", ")
    );
}

#[test]
fn the_openapi_document_says_of_every_operation_what_a_client_needs() {
    let text = std::fs::read_to_string(project().join("docs/openapi.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(document["security"], json!([{ "bearer": [] }]));

    let mut ids = BTreeSet::new();
    for route in routes() {
        let method = route.method.as_str().to_lowercase();
        let operation = &document["paths"][&route.path][&method];
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id.to_owned()), "two operations are called {id}");
        assert!(
            operation["tags"].as_array().is_some_and(|tags| tags.len() == 1),
            "{id} has one tag"
        );
        assert!(
            operation["summary"]
                .as_str()
                .is_some_and(|summary| !summary.is_empty()),
            "{id} has a summary"
        );
        assert!(operation["x-permission"].is_string(), "{id} says what it needs");

        let responses = operation["responses"].as_object().unwrap();
        assert!(
            responses.keys().any(|status| status.starts_with('2')),
            "{id} can succeed"
        );
        let problem = &responses["4XX"]["content"]["application/problem+json"]["schema"]["$ref"];
        assert_eq!(
            problem, "#/components/schemas/Problem",
            "{id} says how it refuses"
        );

        let named: BTreeSet<&str> = several(&operation["parameters"])
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .filter_map(|parameter| {
                route
                    .path
                    .split(['{', '}'])
                    .find(|part| parameter["name"] == *part)
            })
            .collect();
        assert_eq!(
            named.len(),
            route.path.matches('{').count(),
            "{id} describes its path parameters"
        );
        let has_body = operation["requestBody"].is_object();
        assert!(!has_body || route.method != "GET", "{id} reads with a body");
    }
}

/// Whether a file in `folder`, or in one inside it, holds `text`.
fn is_in(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            is_in(&path, text)
        } else {
            std::fs::read_to_string(path).unwrap().contains(text)
        }
    })
}

#[test]
fn an_operation_is_called_as_its_handler() {
    for route in routes() {
        let folder = project().join(format!("functions/{}/src", route.function));
        let handler = format!("async fn {}(", route.operation);
        let is_there = is_in(&folder, &handler);
        assert!(is_there, "functions/{} has no `{handler}…)`", route.function);
    }
}

#[test]
fn two_functions_cannot_claim_one_path_or_one_schema_name() {
    let with_path = || {
        let paths = Paths::builder().path("/v1/things", PathItem::default()).build();
        OpenApiBuilder::new().paths(paths).build()
    };
    let with_schema = |of: utoipa::openapi::schema::Type| {
        let schema = utoipa::openapi::ObjectBuilder::new().schema_type(of).build();
        let components = ComponentsBuilder::new().schema("ThingView", schema).build();
        OpenApiBuilder::new().components(Some(components)).build()
    };
    let (text, number) = (
        utoipa::openapi::schema::Type::String,
        utoipa::openapi::schema::Type::Number,
    );

    assert!(
        portal_http::document([with_path(), with_path()])
            .err()
            .unwrap()
            .contains("/v1/things")
    );
    let two = [with_schema(text.clone()), with_schema(number)];
    assert!(portal_http::document(two).err().unwrap().contains("ThingView"));
    assert!(portal_http::document([with_schema(text.clone()), with_schema(text)]).is_ok());
}

// ---- Routes ---------------------------------------------------------------------------------------------------

#[test]
fn the_template_lists_each_route_once_with_the_function_that_serves_it() {
    let template = template();
    let mut deployed = Vec::new();
    for function in template.functions() {
        for (event, value) in function.properties["Events"].as_object().into_iter().flatten() {
            if value["Type"] != "HttpApi" {
                continue;
            }
            let of = |name: &str| value["Properties"][name].as_str().unwrap_or_default().to_owned();
            let (method, path) = (of("Method"), of("Path"));
            assert!(
                method != "ANY" && !path.contains('+') && !path.contains("$default") && !path.is_empty(),
                "{event}: there is no catch-all"
            );
            assert_eq!(value["Properties"]["ApiId"]["Ref"], "Api", "{event}");
            // The authorizer knows the tokens of the identity provider; service tokens are looked up by the function.
            let is_service = is_for_services(&path);
            let authorizer = &value["Properties"]["Auth"];
            let expected = if is_service {
                json!({ "Authorizer": "NONE" })
            } else {
                Value::Null
            };
            assert_eq!(
                *authorizer, expected,
                "{event}: every route has the API's authorizer"
            );
            deployed.push((function.name.clone(), method, path));
        }
    }
    let mut routed: Vec<_> = routes()
        .into_iter()
        .map(|route| (route.function.to_owned(), route.method.to_string(), route.path))
        .collect();
    deployed.sort();
    routed.sort();
    assert_eq!(
        deployed, routed,
        "infra/template.yaml has one event for each route of the routers"
    );
    assert_eq!(
        template.at("/Resources/Api/Properties/Auth/DefaultAuthorizer"),
        "Jwt"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_in_the_cloud_tells_browsers_what_the_functions_tell_them() {
    let portal = Portal::start().await;
    let preflight = portal
        .client()
        .request(reqwest::Method::OPTIONS, format!("{}/v1/me", portal.base))
        .header("origin", &portal.base)
        .header("access-control-request-method", "PATCH");
    let answer = Answer::of(preflight.send().await.unwrap()).await;
    let template = template();
    let deployed = template.at("/Resources/Api/Properties/CorsConfiguration");
    for (setting, header) in [
        ("AllowMethods", "access-control-allow-methods"),
        ("AllowHeaders", "access-control-allow-headers"),
        ("ExposeHeaders", "access-control-expose-headers"),
    ] {
        let told = answer.header(header);
        let told: Vec<&str> = told.split(", ").collect();
        assert_eq!(deployed[setting], json!(told), "{setting}");
    }
    let kept: u64 = answer.header("access-control-max-age").parse().unwrap();
    assert_eq!(deployed["MaxAge"], json!(kept));
    assert_eq!(deployed["AllowCredentials"], json!(false));
}

#[test]
fn a_path_has_one_function() {
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for part in described() {
        for path in part.document.paths.paths.keys() {
            let other = owners.insert(path.clone(), part.name);
            assert_eq!(other, None, "{path} is served by two functions");
        }
    }
}

// ---- The table ------------------------------------------------------------------------------------------------

#[test]
fn the_template_makes_the_table_of_the_store() {
    let template = template();
    let deployed = template.at("/Resources/Table/Properties");
    let defined = table::definition("portal");
    for part in [
        "BillingMode",
        "KeySchema",
        "AttributeDefinitions",
        "GlobalSecondaryIndexes",
    ] {
        assert_eq!(deployed[part], defined[part], "{part}");
    }
    assert_eq!(
        deployed["StreamSpecification"]["StreamViewType"],
        defined["StreamSpecification"]["StreamViewType"]
    );
    let expiry = table::time_to_live("portal");
    assert_eq!(
        deployed["TimeToLiveSpecification"],
        expiry["TimeToLiveSpecification"]
    );
}

#[test]
fn the_stream_and_the_queues_behave_here_as_they_are_deployed() {
    let template = template();
    let outbox = template.at("/Resources/RelayFunction/Properties/Events/Outbox/Properties");
    let changes = template.at("/Resources/ProjectChangesFunction/Properties/Events/Changes/Properties");
    for (event, mapping, kinds) in [
        (
            outbox,
            relay_mapping(),
            json!([outbox::KIND, feed::KIND, log::KIND]),
        ),
        (changes, project_changes_mapping(), json!(action::KINDS)),
    ] {
        let pattern = event["FilterCriteria"]["Filters"][0]["Pattern"].as_str().unwrap();
        let pattern: Value = serde_json::from_str(pattern).unwrap();
        assert_eq!(pattern["dynamodb"]["NewImage"]["kind"]["S"], kinds);
        assert_eq!(mapping.filters, [pattern]);
        assert_eq!(event["BatchSize"], json!(mapping.batch_size));
        assert_eq!(event["MaximumRetryAttempts"], json!(mapping.retries));
    }
    for batching in [
        outbox,
        changes,
        template.at("/Resources/SendMailFunction/Properties/Events/Mail/Properties"),
        template.at("/Resources/SendMailFunction/Properties/Events/Feedback/Properties"),
    ] {
        assert_eq!(
            batching["FunctionResponseTypes"],
            json!(["ReportBatchItemFailures"])
        );
    }

    for queue in ["MailQueue", "FeedbackQueue"] {
        let queue = template.at(&format!("/Resources/{queue}/Properties"));
        assert_eq!(
            queue["RedrivePolicy"]["maxReceiveCount"],
            json!(mail_delivery().max_receive_count)
        );
        // Invisible for longer than the consumer may take, so that a slow batch is not delivered twice.
        let patience = template
            .at("/Resources/SendMailFunction/Properties/Timeout")
            .as_u64()
            .unwrap();
        assert!(queue["VisibilityTimeout"].as_u64().unwrap() >= 6 * patience);
    }
}

#[test]
fn exports_are_written_and_kept_here_as_they_are_deployed() {
    let template = template();
    let at = |pointer: &str| template.at(&format!("/Resources/{pointer}")).clone();
    let queue = at("ExportQueue/Properties");
    assert_eq!(
        queue["RedrivePolicy"]["maxReceiveCount"],
        json!(export_delivery().max_receive_count)
    );
    let writer = at("WriteExportsFunction/Properties");
    let mapping = &writer["Events"]["Exports"]["Properties"];
    assert_eq!(
        (&mapping["BatchSize"], &mapping["FunctionResponseTypes"]),
        (&json!(1), &json!(["ReportBatchItemFailures"]))
    );
    // A function ends before its lease, and the lease before the message is seen again.
    let seconds = |value: &Value| value.as_i64().unwrap();
    assert!(seconds(&writer["Timeout"]) < lease::LEASE.as_secs());
    assert!(lease::LEASE.as_secs() < seconds(&queue["VisibilityTimeout"]));

    let rules = at("DocumentsBucket/Properties/LifecycleConfiguration/Rules");
    assert_eq!(
        (&rules[0]["Prefix"], &rules[0]["ExpirationInDays"]),
        (&json!("exports/"), &json!(export::KEPT.as_hours() / 24))
    );
    let longest = at("DocumentsBucketPolicy/Properties/PolicyDocument/Statement/1/Condition");
    let longest = &longest["NumericGreaterThan"]["s3:signatureAge"];
    assert_eq!(
        longest.as_i64(),
        Some(portal_documents::LINK_LASTS.as_secs() * 1_000)
    );
}

#[test]
fn imports_are_brought_run_and_kept_here_as_they_are_deployed() {
    let template = template();
    let at = |pointer: &str| template.at(&format!("/Resources/{pointer}")).clone();
    let queue = at("ImportQueue/Properties");
    assert_eq!(
        queue["RedrivePolicy"]["maxReceiveCount"],
        json!(import_delivery().max_receive_count)
    );
    assert!(lease::MOST_ATTEMPTS < import_delivery().max_receive_count);
    let runner = at("RunImportsFunction/Properties");
    let mapping = &runner["Events"]["Imports"]["Properties"];
    assert_eq!(
        (&mapping["BatchSize"], &mapping["FunctionResponseTypes"]),
        (&json!(1), &json!(["ReportBatchItemFailures"]))
    );
    // A run begins its last piece long before the function ends, the function ends before its lease, and the lease before the
    // message is seen again.
    let seconds = |value: &Value| value.as_i64().unwrap();
    assert!(import::RUN.as_secs() + 120 < seconds(&runner["Timeout"]));
    assert!(seconds(&runner["Timeout"]) < lease::LEASE.as_secs());
    assert!(lease::LEASE.as_secs() < seconds(&queue["VisibilityTimeout"]));

    // Every file that is brought is told of, and kept for as long as imports say
    let pattern = at("UploadsRule/Properties/EventPattern");
    assert_eq!(
        pattern["detail"]["object"]["key"],
        json!([{ "prefix": portal_documents::UPLOADS }])
    );
    assert_eq!(
        (&pattern["source"], &pattern["detail-type"]),
        (&json!(["aws.s3"]), &json!(["Object Created"]))
    );
    let rules = at("DocumentsBucket/Properties/LifecycleConfiguration/Rules");
    for (rule, prefix) in [(1, "uploads/"), (2, "imports/")] {
        assert_eq!(
            (&rules[rule]["Prefix"], &rules[rule]["ExpirationInDays"]),
            (&json!(prefix), &json!(import::KEPT.as_hours() / 24))
        );
    }
    let longest = at("DocumentsBucketPolicy/Properties/PolicyDocument/Statement/2/Condition");
    let longest = &longest["NumericGreaterThan"]["s3:signatureAge"];
    assert_eq!(longest.as_i64(), Some(import::LINK_LASTS.as_secs() * 1_000));
}

#[test]
fn what_the_mail_service_is_asked_to_report_is_applied_or_kept() {
    let template = template();
    let asked = template.at("/Resources/MailFeedback/Properties/EventDestination/MatchingEventTypes");
    for event in several(asked) {
        let event = event.as_str().unwrap();
        let name = format!("{}{}", event[..1].to_uppercase(), &event[1..]);
        let report = json!({ "eventType": name, "mail": { "tags": {} } }).to_string();
        let feedback = portal_mail::feedback::parse(&report).unwrap();
        assert!(feedback.is_some(), "nobody listens to `{event}`");
    }
    let subscription = template.at("/Resources/FeedbackSubscription/Properties");
    assert_eq!(
        subscription["RedrivePolicy"],
        json!({ "deadLetterTargetArn": { "Fn::GetAtt": "FeedbackDeadLetters.Arn" } })
    );
}

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-limits.html>: a limit that cannot be raised.
const MOST_METRICS_OF_AN_ALARM: usize = 10;

#[test]
fn each_function_is_watched_by_alarms_that_can_be_made() {
    let template = template();
    let mut watched: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, alarm) in template.resources("AWS::CloudWatch::Alarm") {
        let metrics = alarm["Properties"]["Metrics"].as_array();
        let read = metrics
            .into_iter()
            .flatten()
            .map(|metric| &metric["MetricStat"]["Metric"]);
        let read: Vec<&Value> = read.filter(|metric| !metric.is_null()).collect();
        assert!(
            read.len() <= MOST_METRICS_OF_AN_ALARM,
            "{name} rests on {}",
            read.len()
        );
        for metric in read {
            let of = metric["Dimensions"][0]["Value"]["Ref"]
                .as_str()
                .unwrap_or_default();
            watched
                .entry(metric["MetricName"].as_str().unwrap())
                .or_default()
                .insert(of);
        }
    }
    let functions = template.resources("AWS::Serverless::Function");
    let functions: BTreeSet<&str> = functions.into_iter().map(|(name, _)| name).collect();
    assert_eq!(watched["Errors"], functions);
    assert_eq!(watched["Throttles"], functions);
}

#[test]
fn the_alarms_that_count_lines_count_what_is_logged() {
    let template = template();
    for (resource, source) in [
        ("MailRefused", "functions/send-mail/src/invite.rs"),
        ("ExportGivenUp", "functions/write-exports/src/write.rs"),
        ("ImportGivenUp", "functions/run-imports/src/run.rs"),
        ("StatisticsDrifted", "functions/reconcile/src/lib.rs"),
    ] {
        let metric = template.at(&format!("/Resources/{resource}Metric/Properties"));
        let pattern = metric["FilterPattern"].as_str().unwrap();
        let message = pattern.split('"').nth(1).unwrap();
        let text = std::fs::read_to_string(project().join(source)).unwrap();
        // At the level that no setting of `LogLevel` leaves out.
        let line = text
            .lines()
            .find(|line| line.contains(&format!("\"{message}\"")))
            .unwrap_or_else(|| panic!("{source} logs no `{message}`"));
        assert!(line.contains("tracing::error!"), "{line}");
        assert_eq!(pattern, format!("{{ $.message = \"{message}\" }}"));

        let alarm = template.at(&format!("/Resources/{resource}Alarm/Properties"));
        let transformation = &metric["MetricTransformations"][0];
        assert_eq!(alarm["Namespace"], transformation["MetricNamespace"]);
        assert_eq!(alarm["MetricName"], transformation["MetricName"]);
    }
}

// ---- Configuration --------------------------------------------------------------------------------------------

/// Builds what a function is made of, as its `main` does.
fn build(function: &str, config: &Config) -> Result<(), ConfigError> {
    fn routed<S: Part + AsRef<Web>>(_: portal_http::Routes<S>, config: &Config) -> Result<(), ConfigError> {
        S::build(config).map(drop)
    }
    match function {
        "organizations" => routed(organizations::routes(), config),
        "invites" => routed::<InviteWeb>(invites::routes(), config),
        "members" => routed(members::routes(), config),
        "audit" => routed(audit::routes(), config),
        "sites" => routed(sites::routes(), config),
        "bookings" => routed(bookings::routes(), config),
        "sessions" => routed(sessions::routes(), config),
        "transactions" => routed(transactions::routes(), config),
        "dashboard" => routed(dashboard::routes(), config),
        "directory" => routed(directory::routes(), config),
        "exports" => routed::<FileWeb>(exports::routes(), config),
        "platform" => routed(platform::routes(), config),
        "actions" => routed(actions::routes(), config),
        "ingest" => routed::<FileWeb>(ingest::routes(), config),
        "relay" => Relaying::build(config).map(drop),
        "write-exports" => Exporting::build(config).map(drop),
        "run-imports" => Importing::build(config).map(drop),
        "seal-audit-log" => Sealing::build(config).map(drop),
        "send-mail" => Mailing::build(config).map(drop),
        "expire-invites" | "finish-dissolutions" | "project-changes" | "reconcile" | "sweep-actions" => {
            App::build(config).map(drop)
        }
        other => panic!("say in tests/it/contracts.rs what {other} is made of"),
    }
}

/// The functions that read a variable which has a default, and so would start without it.
fn reads(function: &str, variable: &str) -> bool {
    let is_behind_api = routes().iter().any(|route| route.function == function);
    match variable {
        "LOG_LEVEL" => true,
        "MAIL_CONFIGURATION_SET" => function == "send-mail",
        "PLATFORM_OPERATORS" => function == "platform",
        // The command's.
        "AUDIT_PUBLIC_KEYS" => false,
        _ => is_behind_api,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_gets_the_variables_it_needs_and_no_others() {
    let portal = Portal::start().await;
    let all = portal.environment();
    let known = |name: &str| VARIABLES.iter().find(|variable| variable.name == name);
    for function in template().functions() {
        let given = function.variables();
        let config = |without: &str| {
            let kept = given.iter().filter(|name| *name != without);
            let value = |name: &String| all.get(name).cloned().unwrap_or_default();
            let variables = kept.map(|name| (name.clone(), value(name))).collect();
            Config::new(variables, portal.config(0).aws.clone(), portal.clock.clone())
        };

        let started = build(&function.name, &config(""));
        assert!(
            started.is_ok(),
            "{} does not start as deployed: {started:?}",
            function.name
        );
        for name in &given {
            let Variable { default, .. } = known(name).unwrap_or_else(|| panic!("no code reads {name}"));
            let is_needed = match default {
                None => {
                    matches!(build(&function.name, &config(name)), Err(ConfigError::Missing(missing)) if missing == name)
                }
                Some(_) => reads(&function.name, name),
            };
            assert!(is_needed, "{} gets {name} and has no use for it", function.name);
        }
        for variable in VARIABLES.iter().filter(|variable| variable.default.is_some()) {
            let is_given = given.iter().any(|name| name == variable.name);
            assert_eq!(
                is_given,
                reads(&function.name, variable.name),
                "{} and {}",
                function.name,
                variable.name
            );
        }
    }
}

// ---- Rights ---------------------------------------------------------------------------------------------------

#[test]
fn no_role_has_a_wildcard_or_may_scan() {
    let template = template();
    for function in template.functions() {
        for statement in template.statements(&function) {
            assert_eq!(statement["Effect"], "Allow");
            for action in several(&statement["Action"]) {
                let action = action.as_str().unwrap();
                assert!(!action.contains('*'), "{}: {action}", function.name);
                assert!(
                    !action.contains("Scan") && !action.contains("PartiQL"),
                    "{}: {action}",
                    function.name
                );
            }
            for resource in several(&statement["Resource"]) {
                assert_ne!(resource, "*", "{}: {statement}", function.name);
                let text = resource.to_string();
                let may_be = [
                    "${Table.Arn}/stream/*",
                    "${DocumentsBucket.Arn}/exports/*",
                    "${DocumentsBucket.Arn}/uploads/*",
                    "${DocumentsBucket.Arn}/imports/*",
                    "${AuditBucket.Arn}/audit/*",
                ];
                assert!(
                    !text.contains('*') || may_be.iter().any(|several| text.contains(several)),
                    "{}: {resource}",
                    function.name
                );
            }
        }
    }
}

/// Does everything that functions do to the table, and gives what they asked of it.
async fn everything_that_is_asked() -> Vec<Operation> {
    let mut asked = Vec::new();
    let probe = Probe::start(false).await.unwrap();
    // What sandboxes read to open their connections is nothing that is there.
    probe.stack.dynamo.clear_operations();
    for route in routes() {
        probe.prices_of(&route.operation).await.unwrap();
        asked.extend(probe.stack.dynamo.operations());
        probe.stack.dynamo.clear_operations();
    }

    // A clinic whose invite bounces and expires, and which ends with a member and open invites in it
    let probe = Probe::start(true).await.unwrap();
    probe.stack.dynamo.clear_operations();
    let scene = probe.scene_with_care().await.unwrap();
    let member = scene.somebody(Who::Viewer, None).await.unwrap();
    let invited = scene.request("create_invite", &member, false).await.unwrap();
    scene.founder.send(&invited).await.unwrap().success().unwrap();
    let told = scene
        .request("request_transition", &scene.founder, false)
        .await
        .unwrap();
    scene.founder.send(&told).await.unwrap().success().unwrap();
    probe.patient_who_goes().await.unwrap();
    probe.stack.settle().await.unwrap();
    let email = invited.body.unwrap()["email"].as_str().unwrap().to_owned();
    assert!(
        probe
            .stack
            .mailbox
            .report(&email, Event::Bounce, Bounce::Permanent)
    );
    probe.stack.settle().await.unwrap();
    scene.export_everything().await.unwrap();
    scene.request("list_actions", &member, false).await.unwrap();
    probe.stack.settle().await.unwrap();
    scene.import_everything().await.unwrap();
    scene.dissolving(true).await.unwrap();
    probe.stack.clock.advance(DAY * 8);
    let looked = probe.stack.run_job("sweep-actions").await.unwrap().unwrap();
    assert_ne!(looked["done"], 0, "{looked}");
    let expired = probe.stack.run_job("expire-invites").await.unwrap().unwrap();
    assert_ne!(expired["done"], 0, "{expired}");
    let sealed = probe.stack.run_job("seal-audit-log").await.unwrap().unwrap();
    assert_ne!(sealed["done"], 0, "{sealed}");
    probe.stack.clock.advance(DAY * 23);
    let ended = probe.stack.run_job("finish-dissolutions").await.unwrap().unwrap();
    assert_ne!(ended["done"], 0, "{ended}");

    // Counts that drift
    scene_recounted(&probe).await;

    // And somebody who looks at everything for the first time in an hour
    let scene = probe.scene().await.unwrap();
    probe.stack.clock.advance(DAY + SECOND);
    let founder = probe
        .signed_in(&scene.founder.subject, &scene.founder.email)
        .unwrap();
    for operation in [
        "get_organization",
        "list_invites",
        "list_members",
        "list_audit_events",
        "list_sites",
        "list_bookings",
        "list_transactions",
        "get_dashboard",
        "list_patients",
        "list_actions",
    ] {
        let request = scene.request(operation, &founder, false).await.unwrap();
        probe.stack.clock.advance(DAY);
        let founder = probe.signed_in(&founder.subject, &founder.email).unwrap();
        founder.send(&request).await.unwrap().success().unwrap();
    }
    probe.stack.settle().await.unwrap();
    asked.extend(probe.stack.dynamo.operations());
    asked
}

/// Loses the counts of a record, and lets them be found and mended.
async fn scene_recounted(probe: &Probe) {
    let scene = probe.scene().await.unwrap();
    let founder = &scene.founder;
    scene.request("get_dashboard", founder, false).await.unwrap();
    let scan = serde_json::from_value(json!({ "TableName": "portal" })).unwrap();
    let items = probe.stack.dynamo.database().scan(scan).unwrap().items;
    let items = serde_json::to_value(items).unwrap();
    forget_counts(&probe.stack.dynamo, items.as_array().unwrap());
    for mended in [false, true] {
        let report = probe.stack.run_job("reconcile").await.unwrap().unwrap();
        assert_eq!(report["finished"], true, "{report}");
        assert_eq!(report["mended"] != 0, mended, "{report}");
        probe.stack.clock.advance(DAY);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_refuses_a_function_what_its_role_does_not_give() {
    let portal = Portal::start().await;
    let asking = async |caller: &str, target: &str, mut request: Value| {
        request["TableName"] = json!("portal");
        portal
            .client()
            .post(format!("{}/_local/aws/dynamodb", portal.base))
            .header("x-amz-target", format!("DynamoDB_20120810.{target}"))
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential={caller}/x"))
            .body(request.to_string())
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    };
    let key = json!({ "pk": { "S": "ORG#none" }, "sk": { "S": "ORG" } });
    let delete = json!({ "Key": key });
    let transaction = json!({ "TransactItems": [{ "Delete": { "TableName": "portal", "Key": key } }] });
    let query = json!({
        "IndexName": "by-site",
        "KeyConditionExpression": "by_site_pk = :pk",
        "ExpressionAttributeValues": { ":pk": { "S": "ORG#none" } },
    });
    for (target, request, may, may_not) in [
        ("DeleteItem", delete, "members", "audit"),
        ("TransactWriteItems", transaction, "relay", "audit"),
        ("Query", query, "invites", "organizations"),
    ] {
        let refused = asking(may_not, target, request.clone()).await;
        assert!(refused.contains("AccessDeniedException"), "{target}: {refused}");
        for caller in [may, "somebody-else"] {
            let answer = asking(caller, target, request.clone()).await;
            assert!(!answer.contains("Exception"), "{target} by {caller}: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_have_the_rights_they_use_and_use_documented_keys() {
    // Given everything that functions do to the table
    let asked = everything_that_is_asked().await;

    // Then each role gives just that
    let template = template();
    let mut wrong = Vec::new();
    for function in template.functions() {
        let used: BTreeSet<Right> = asked
            .iter()
            .filter(|operation| operation.caller == function.name)
            .flat_map(Operation::rights)
            .collect();
        let granted = granted(&template, &function);
        for (action, resource) in used.difference(&granted) {
            wrong.push(format!(
                "{} uses {action} on {resource} and may not",
                function.name
            ));
        }
        for (action, resource) in granted.difference(&used) {
            wrong.push(format!(
                "{} may {action} on {resource} and never does",
                function.name
            ));
        }
    }
    assert!(wrong.is_empty(), "infra/template.yaml:\n{}", wrong.join("\n"));

    // And every key is one of a documented access pattern
    let patterns = patterns(&project()).unwrap();
    let mut unknown = BTreeSet::new();
    for key in asked.iter().flat_map(|operation| &operation.keys) {
        let index = key.index.as_deref().unwrap_or("table");
        let is_known = patterns.iter().any(|pattern| {
            pattern.index == index
                && fits(&pattern.partition, &key.partition)
                && fits_sort(pattern, key.sort.as_deref())
        });
        if !is_known {
            unknown.insert(format!(
                "{index}: {} / {}",
                key.partition,
                key.sort.as_deref().unwrap_or("…")
            ));
        }
    }
    assert!(
        unknown.is_empty(),
        "no table at the head of an entity's file has\n{}",
        unknown.into_iter().collect::<Vec<_>>().join("\n")
    );
}

/// The templates in a cell of an access pattern: `` `A#{x}#open` or `#closed` `` are two.
fn templates(cell: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for quoted in cell.split('`').skip(1).step_by(2) {
        let whole = match (quoted.strip_prefix('#'), all.first()) {
            (Some(ending), Some(first)) => first.rsplit_once('#').map(|(stem, _)| format!("{stem}#{ending}")),
            _ => Some(quoted.to_owned()),
        };
        all.extend(whole);
    }
    all
}

/// Whether a key is of one of the templates in `cell`.
fn fits(cell: &str, key: &str) -> bool {
    templates(cell).iter().any(|template| {
        let (wanted, found): (Vec<&str>, Vec<&str>) =
            (template.split('#').collect(), key.split('#').collect());
        wanted.len() == found.len()
            && wanted
                .iter()
                .zip(found)
                .all(|(wanted, found)| wanted.starts_with('{') || *wanted == found)
    })
}

/// Sort keys that are described in words fit always; so does a query without one.
fn fits_sort(pattern: &Pattern, sort: Option<&str>) -> bool {
    sort.is_none_or(|sort| !pattern.sort.contains('`') || fits(&pattern.sort, sort))
}
