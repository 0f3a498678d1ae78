//! The gateway: an HTTP request in, the event that API Gateway makes of it to the function, the function's answer out.

mod answer;
mod event;
mod path;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use lambda_http::request::LambdaRequest;
use lambda_runtime::{Context, LambdaEvent};
use portal_app::Clock;
use serde::Serialize;
use serde_json::{Value, json};
use tower::{Service, ServiceExt as _};

use self::path::Pattern;

use crate::random::random_id;

/// What a request's body may weigh at the gateway.
const LARGEST_BODY: usize = 10 * 1024 * 1024;
/// What an event or an answer may weigh at the function.
const LARGEST_PAYLOAD: usize = 6 * 1024 * 1024;

/// A function, whatever its service's types are.
type Invoke =
    Arc<dyn Fn(LambdaEvent<LambdaRequest>) -> BoxFuture<'static, Result<Value, String>> + Send + Sync>;

/// All routes and the functions behind them; clones share them.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    clock: Clock,
    /// How long a function may take.
    timeout: Duration,
    routes: Vec<Route>,
}

struct Route {
    method: Method,
    pattern: Pattern,
    invoke: Invoke,
}

impl Gateway {
    /// A gateway with these routes: method, path as in the template (`/v1/organizations/{organization_id}`), function. A function
    /// that takes longer than `timeout` is ended.
    pub fn new<S, R, P>(
        clock: &Clock,
        timeout: Duration,
        routes: impl IntoIterator<Item = (Method, P, S)>,
    ) -> Self
    where
        S: Service<LambdaEvent<LambdaRequest>, Response = R> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: std::fmt::Display,
        R: Serialize,
        P: AsRef<str>,
    {
        let route = |(method, path, service): (Method, P, S)| {
            let invoke: Invoke = Arc::new(move |event| {
                let answer = service.clone().oneshot(event);
                async move {
                    let answer = answer.await.map_err(|error| error.to_string())?;
                    serde_json::to_value(answer).map_err(|error| error.to_string())
                }
                .boxed()
            });
            Route {
                method,
                pattern: Pattern::new(path.as_ref()),
                invoke,
            }
        };
        let mut routes: Vec<Route> = routes.into_iter().map(route).collect();
        // A literal segment wins over a variable one, whatever the order they were given in.
        routes.sort_by(|one, other| one.pattern.cmp(&other.pattern));
        Self(Arc::new(Inner {
            clock: clock.clone(),
            timeout,
            routes,
        }))
    }

    /// The routes under `/v1`.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/v1", any(endpoint))
            .route("/v1/", any(endpoint))
            .route("/v1/{*path}", any(endpoint))
            .with_state(self.clone())
    }

    /// The route of a method and a decoded path. A preflight has none of its own: it goes to the function that owns the
    /// path, by the method it asks about.
    fn route(&self, method: &Method, wanted: Option<&Method>, path: &str) -> Option<&Route> {
        let mut owners = self.0.routes.iter().filter(|route| route.pattern.matches(path));
        if *method == Method::OPTIONS {
            let owners: Vec<&Route> = owners.collect();
            let asked = owners.iter().find(|route| Some(&route.method) == wanted);
            return asked.or(owners.first()).copied();
        }
        owners.find(|route| route.method == *method)
    }

    async fn serve(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let Some(path) = path::decode(parts.uri.path()) else {
            return said(StatusCode::BAD_REQUEST, "Bad Request");
        };
        let wanted = parts.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD);
        let wanted = wanted.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
        let Some(route) = self.route(&parts.method, wanted.as_ref(), &path) else {
            return said(StatusCode::NOT_FOUND, "Not Found");
        };
        let body = match read(body).await {
            Ok(body) => body,
            Err(response) => return *response,
        };

        let id = random_id().to_string();
        let route_key = format!("{} {}", parts.method, route.pattern);
        let event = event::event(&event::Received {
            parts: &parts,
            path: &path,
            parameters: route.pattern.parameters(&path),
            route_key: &route_key,
            body: &body,
            id: &id,
            now: self.0.clock.now(),
        });
        let event = event.to_string();
        if event.len() > LARGEST_PAYLOAD {
            return said(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        }
        let Ok(event) = serde_json::from_str::<LambdaRequest>(&event) else {
            tracing::error!(route_key, "the event is not one that a function reads");
            return said(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
        };

        // In a task of its own, like the sandbox it stands for: a panic ends only this, and no impatient client does.
        let timeout = self.0.timeout;
        let work = (route.invoke)(LambdaEvent::new(event, context(&id, timeout)));
        match tokio::spawn(tokio::time::timeout(timeout, work)).await {
            Ok(Ok(Ok(answer))) => answer::response(&answer, LARGEST_PAYLOAD).unwrap_or_else(|| {
                tracing::error!(route_key, "the function's answer has another form");
                said(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }),
            Ok(Ok(Err(error))) => {
                tracing::error!(route_key, error, "the function failed");
                said(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }
            Ok(Err(_)) => {
                tracing::error!(route_key, "the function took too long and was ended");
                said(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }
            Err(error) => {
                tracing::error!(
                    route_key,
                    error = &error as &dyn std::error::Error,
                    "the function ended early"
                );
                said(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }
        }
    }
}

async fn endpoint(State(gateway): State<Gateway>, request: Request) -> Response {
    gateway.serve(request).await
}

async fn read(body: Body) -> Result<bytes::Bytes, Box<Response>> {
    match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Box::new(said(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Request Entity Too Large",
        ))),
        Err(_) => Err(Box::new(said(StatusCode::BAD_REQUEST, "Bad Request"))),
    }
}

/// The gateway's own answers.
fn said(status: StatusCode, message: &str) -> Response {
    (status, axum::Json(json!({ "message": message }))).into_response()
}

/// What the runtime tells the function about the invocation.
#[expect(
    clippy::disallowed_methods,
    reason = "the deadline is one of the machine, not of the stack's movable clock"
)]
fn context(id: &str, timeout: Duration) -> Context {
    let mut context = Context::default();
    id.clone_into(&mut context.request_id);
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + timeout;
    context.deadline = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
    "arn:aws:lambda:local:000000000000:function:local".clone_into(&mut context.invoked_function_arn);
    context
}
