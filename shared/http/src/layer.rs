//! What surrounds every request: its id, scope and cost, problem bodies, CORS, security headers and one log line.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use lambda_http::request::RequestContext;
use portal_app::Web;
use portal_domain::audit::Origin;
use portal_domain::code::Refusal;
use portal_store::request::{Request as Scope, Tally, scoped};

use crate::problem;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Headers of every answer: nothing is cached, sniffed, framed or told to other sites.
const SECURITY: [(HeaderName, HeaderValue); 5] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static("max-age=63072000; includeSubDomains"),
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// Answers one request.
pub(crate) async fn outermost(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let begun = std::time::Instant::now();
    let origin = origin(&request);
    let cors = cors(&web, &request);
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    request.extensions_mut().insert(origin.clone());

    let scope = Arc::new(Scope::default());
    let is_preflight = method == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_preflight {
        StatusCode::NO_CONTENT.into_response()
    } else {
        scoped(Arc::clone(&scope), next.run(request)).await
    };

    let refusal = response.extensions_mut().remove::<Refusal>();
    if let Some(refusal) = &refusal {
        problem::write(&mut response, refusal, &origin.request_id);
    }
    let tally = scope.tally();
    let headers = response.headers_mut();
    headers.extend(SECURITY);
    headers.extend(cors);
    if let Ok(id) = HeaderValue::from_str(&origin.request_id) {
        headers.insert(REQUEST_ID, id);
    }
    if web.server_timing
        && let Ok(timing) = HeaderValue::from_str(&timing(&tally, begun.elapsed()))
    {
        headers.insert(SERVER_TIMING, timing);
    }
    tracing::info!(
        target: "portal::request",
        request_id = origin.request_id,
        method = method.as_str(),
        route = route.unwrap_or_default(),
        status = response.status().as_u16(),
        code = refusal.map_or("", |refusal| refusal.code.as_str()),
        account = scope.account().unwrap_or_default(),
        organization = scope.organization().unwrap_or_default(),
        source = scope.source().unwrap_or_default(),
        round_trips = tally.round_trips,
        read_units = tally.read_units,
        write_units = tally.write_units,
        micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
        "answered"
    );
    response
}

fn timing(tally: &Tally, elapsed: std::time::Duration) -> String {
    let Tally {
        round_trips,
        read_units,
        write_units,
    } = tally;
    let millis = elapsed.as_secs_f64() * 1_000.0;
    format!(
        "total;dur={millis:.1}, db;desc=\"round-trips={round_trips} read-units={read_units} write-units={write_units}\""
    )
}

/// Where the request comes from, by the gateway's word alone: forwarded headers are the client's.
fn origin(request: &Request) -> Origin {
    match request.extensions().get::<RequestContext>() {
        Some(RequestContext::ApiGatewayV2(context)) => Origin {
            request_id: context.request_id.clone().unwrap_or_default(),
            ip: context.http.source_ip.clone(),
            user_agent: context
                .http
                .user_agent
                .as_ref()
                .map(|agent| agent.chars().filter(|c| !c.is_control()).take(200).collect()),
        },
        _ => Origin::default(),
    }
}

/// The CORS headers for a request from an allowed web origin, as the template has the gateway write them; a test compares.
/// Others get none, and their browser keeps the answer from them.
fn cors(web: &Web, request: &Request) -> Vec<(HeaderName, HeaderValue)> {
    let vary = (header::VARY, HeaderValue::from_static("origin"));
    let Some(origin) = request.headers().get(header::ORIGIN) else {
        return vec![vary];
    };
    if !web
        .origins
        .iter()
        .any(|allowed| allowed.as_bytes() == origin.as_bytes())
    {
        return vec![vary];
    }
    vec![
        vary,
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()),
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE"),
        ),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("authorization, content-type, idempotency-key, if-match"),
        ),
        (
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("etag, location, retry-after, server-timing, x-request-id"),
        ),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200")),
    ]
}
