//! The functions of the product, as the gateway, the stream, the queues and the schedules call them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use http::Method;
use lambda_http::request::LambdaRequest;
use lambda_runtime::LambdaEvent;
use portal_app::{
    App, Config, ConfigError, Exporting, FileWeb, Importing, InviteWeb, Mailing, Part, PlatformWeb, Relaying,
    Sealing, Web,
};
use portal_http::{Function, Routes};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower::Service;
use utoipa::openapi::OpenApi;

use crate::consumer::Consumer;

/// A function behind the gateway: its name and what its routes say of themselves.
pub struct Described {
    /// The function's name.
    pub name: &'static str,
    /// Its part of the OpenAPI document.
    pub document: OpenApi,
}

/// The functions behind the gateway, described.
#[must_use]
pub fn described() -> Vec<Described> {
    vec![
        Described {
            name: "organizations",
            document: organizations::routes().document(),
        },
        Described {
            name: "invites",
            document: invites::routes().document(),
        },
        Described {
            name: "members",
            document: members::routes().document(),
        },
        Described {
            name: "audit",
            document: audit::routes().document(),
        },
        Described {
            name: "sites",
            document: sites::routes().document(),
        },
        Described {
            name: "bookings",
            document: bookings::routes().document(),
        },
        Described {
            name: "sessions",
            document: sessions::routes().document(),
        },
        Described {
            name: "transactions",
            document: transactions::routes().document(),
        },
        Described {
            name: "dashboard",
            document: dashboard::routes().document(),
        },
        Described {
            name: "directory",
            document: directory::routes().document(),
        },
        Described {
            name: "exports",
            document: exports::routes().document(),
        },
        Described {
            name: "actions",
            document: actions::routes().document(),
        },
        Described {
            name: "platform",
            document: platform::routes().document(),
        },
        Described {
            name: "ingest",
            document: ingest::routes().document(),
        },
    ]
}

/// The methods and paths in a document.
#[must_use]
pub fn routes(document: &OpenApi) -> Vec<(Method, String)> {
    let of = |(path, item): (&String, &utoipa::openapi::PathItem)| {
        let methods = [
            (Method::GET, item.get.is_some()),
            (Method::POST, item.post.is_some()),
            (Method::PUT, item.put.is_some()),
            (Method::PATCH, item.patch.is_some()),
            (Method::DELETE, item.delete.is_some()),
        ];
        let path = path.clone();
        methods
            .into_iter()
            .filter(|(_, is_there)| *is_there)
            .map(move |(method, _)| (method, path.clone()))
    };
    document.paths.paths.iter().flat_map(of).collect()
}

/// One function in several sandboxes, asked in turn: no lock in one of them can help another.
#[derive(Clone)]
pub(crate) struct Sandboxes {
    functions: Arc<[Function]>,
    next: Arc<AtomicUsize>,
}

impl Service<LambdaEvent<LambdaRequest>> for Sandboxes {
    type Response = <Function as Service<LambdaEvent<LambdaRequest>>>::Response;
    type Error = <Function as Service<LambdaEvent<LambdaRequest>>>::Error;
    type Future = <Function as Service<LambdaEvent<LambdaRequest>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, event: LambdaEvent<LambdaRequest>) -> Self::Future {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.functions.len();
        self.functions[turn].clone().call(event)
    }
}

/// The configuration of the function called `name`: its requests to the table are signed in its name, so that the table knows
/// what they may do, and its record tells who asked for what.
#[must_use]
pub fn signing(config: &Config, name: &'static str) -> Config {
    let credentials = Credentials::new(name, "local", None, None, "local");
    let mut config = config.clone();
    config.aws = config
        .aws
        .to_builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    config
}

/// What the gateway calls.
pub(crate) struct BehindGateway {
    /// All routes of all functions, each with its function in as many sandboxes as there are configurations.
    pub(crate) routes: Vec<(Method, String, Sandboxes)>,
    /// What the sandboxes of each do before the first request.
    pub(crate) warm_up: Vec<BoxFuture<'static, ()>>,
}

/// The functions behind the gateway.
pub(crate) fn behind_gateway(sandboxes: &[Config]) -> Result<BehindGateway, ConfigError> {
    let mut all = BehindGateway {
        routes: Vec::new(),
        warm_up: Vec::new(),
    };
    for Described { name, document } in described() {
        let (function, warm_up) = match name {
            "organizations" => several(sandboxes, name, organizations::routes)?,
            "invites" => several(sandboxes, name, invites::routes)?,
            "members" => several(sandboxes, name, members::routes)?,
            "sites" => several(sandboxes, name, sites::routes)?,
            "bookings" => several(sandboxes, name, bookings::routes)?,
            "sessions" => several(sandboxes, name, sessions::routes)?,
            "transactions" => several(sandboxes, name, transactions::routes)?,
            "dashboard" => several(sandboxes, name, dashboard::routes)?,
            "directory" => several(sandboxes, name, directory::routes)?,
            "exports" => several(sandboxes, name, exports::routes)?,
            "actions" => several(sandboxes, name, actions::routes)?,
            "platform" => several(sandboxes, name, platform::routes)?,
            "ingest" => several(sandboxes, name, ingest::routes)?,
            _ => several(sandboxes, name, audit::routes)?,
        };
        all.warm_up.push(warm_up);
        all.routes.extend(
            routes(&document)
                .into_iter()
                .map(|(method, path)| (method, path, function.clone())),
        );
    }
    Ok(all)
}

/// A function in as many sandboxes as there are configurations, and what these do before their first request.
fn several<S: Part + AsRef<Web>>(
    sandboxes: &[Config],
    name: &'static str,
    routes: fn() -> Routes<S>,
) -> Result<(Sandboxes, BoxFuture<'static, ()>), ConfigError> {
    let state = |config| S::build(&signing(config, name));
    let states: Vec<S> = sandboxes.iter().map(state).collect::<Result<_, _>>()?;
    let functions: Vec<Function> = states.iter().map(|state| routes().into_function(state)).collect();
    let sandboxes = Sandboxes {
        functions: functions.into(),
        next: Arc::default(),
    };
    let warm_up = async move {
        join_all(states.iter().map(Part::warm_up)).await;
    };
    Ok((sandboxes, warm_up.boxed()))
}

/// A function that events call, from JSON to JSON as the runtime does it.
fn consumer<S, E, A, F>(state: S, handle: impl Fn(S, E) -> F + Send + Sync + 'static) -> Consumer
where
    S: Clone + Send + Sync + 'static,
    E: DeserializeOwned + Send + 'static,
    A: Serialize,
    F: Future<Output = Result<A, portal_http::Error>> + Send + 'static,
{
    Arc::new(move |event| {
        let answer = serde_json::from_value::<E>(event).map(|event| handle(state.clone(), event));
        async move {
            let answer = answer
                .map_err(|error| error.to_string())?
                .await
                .map_err(|error| error.to_string())?;
            serde_json::to_value(answer).map_err(|error| error.to_string())
        }
        .boxed()
    })
}

/// The function called `name`, from the JSON of an event to that of its answer, as the runtime calls it; `None` if there is none.
///
/// # Errors
/// When `config` lacks what the function needs.
pub fn named(config: &Config, name: &str) -> Result<Option<Consumer>, ConfigError> {
    Ok(match name {
        "organizations" => Some(behind_api(
            organizations::routes().into_function(&Web::build(config)?),
        )),
        "invites" => Some(behind_api(
            invites::routes().into_function(&InviteWeb::build(config)?),
        )),
        "members" => Some(behind_api(members::routes().into_function(&Web::build(config)?))),
        "audit" => Some(behind_api(audit::routes().into_function(&Web::build(config)?))),
        "sites" => Some(behind_api(sites::routes().into_function(&Web::build(config)?))),
        "bookings" => Some(behind_api(bookings::routes().into_function(&Web::build(config)?))),
        "sessions" => Some(behind_api(sessions::routes().into_function(&Web::build(config)?))),
        "transactions" => Some(behind_api(
            transactions::routes().into_function(&Web::build(config)?),
        )),
        "dashboard" => Some(behind_api(
            dashboard::routes().into_function(&Web::build(config)?),
        )),
        "directory" => Some(behind_api(
            directory::routes().into_function(&Web::build(config)?),
        )),
        "actions" => Some(behind_api(actions::routes().into_function(&Web::build(config)?))),
        "ingest" => Some(behind_api(
            ingest::routes().into_function(&FileWeb::build(config)?),
        )),
        "exports" => Some(behind_api(
            exports::routes().into_function(&FileWeb::build(config)?),
        )),
        "platform" => Some(behind_api(
            platform::routes().into_function(&PlatformWeb::build(config)?),
        )),
        name => consumers(config)?
            .into_iter()
            .find_map(|(known, consumer)| (known == name).then_some(consumer)),
    })
}

/// A function behind the gateway, from JSON to JSON.
fn behind_api(function: Function) -> Consumer {
    Arc::new(move |event| {
        let mut function = function.clone();
        async move {
            let event: LambdaRequest =
                serde_json::from_str(&event.to_string()).map_err(|error| error.to_string())?;
            let answer = function
                .call(LambdaEvent::new(event, lambda_runtime::Context::default()))
                .await
                .map_err(|error| error.to_string())?;
            serde_json::to_value(answer).map_err(|error| error.to_string())
        }
        .boxed()
    })
}

/// The functions that events call, by name.
pub(crate) fn consumers(config: &Config) -> Result<Vec<(&'static str, Consumer)>, ConfigError> {
    let relaying = Relaying::build(&signing(config, "relay"))?;
    let mailing = Mailing::build(&signing(config, "send-mail"))?;
    let writing = Exporting::build(&signing(config, "write-exports"))?;
    let importing = Importing::build(&signing(config, "run-imports"))?;
    let expiring = App::build(&signing(config, "expire-invites"))?;
    let finishing = App::build(&signing(config, "finish-dissolutions"))?;
    let projecting = App::build(&signing(config, "project-changes"))?;
    let reconciling = App::build(&signing(config, "reconcile"))?;
    let sealing = Sealing::build(&signing(config, "seal-audit-log"))?;
    let sweeping = App::build(&signing(config, "sweep-actions"))?;
    Ok(vec![
        (
            "sweep-actions",
            consumer(sweeping, async |app: App, event| {
                sweep_actions::handle(&app, event).await
            }),
        ),
        (
            "seal-audit-log",
            consumer(sealing, async |app: Sealing, event| {
                seal_audit_log::handle(&app, event).await
            }),
        ),
        (
            "relay",
            consumer(relaying, async |app: Relaying, event| {
                relay::handle(&app, event).await
            }),
        ),
        (
            "send-mail",
            consumer(mailing, async |app: Mailing, event| {
                send_mail::handle(&app, event).await
            }),
        ),
        (
            "write-exports",
            consumer(writing, async |app: Exporting, event| {
                write_exports::handle(&app, event).await
            }),
        ),
        (
            "run-imports",
            consumer(importing, async |app: Importing, event| {
                run_imports::handle(&app, event).await
            }),
        ),
        (
            "expire-invites",
            consumer(expiring, async |app: App, event| {
                expire_invites::handle(&app, event).await
            }),
        ),
        (
            "finish-dissolutions",
            consumer(finishing, async |app: App, event| {
                finish_dissolutions::handle(&app, event).await
            }),
        ),
        (
            "project-changes",
            consumer(projecting, async |app: App, event| {
                project_changes::handle(&app, event).await
            }),
        ),
        (
            "reconcile",
            consumer(reconciling, async |app: App, event| {
                reconcile::handle(&app, event).await
            }),
        ),
    ])
}
