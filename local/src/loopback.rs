//! The guard of everything under `/_local`: the machine's own programs and pages, nobody else's.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use url::{Host, Url};

use crate::problem::problem;

/// Refuses a request whose `Host` or `Origin` is not this machine.
///
/// The stack signs anybody in, so a web page that a developer happens to visit must not reach it: neither across origins
/// nor by a name that was rebound to 127.0.0.1.
pub async fn guard(request: Request, next: Next) -> Response {
    if is_local(request.headers()) {
        next.run(request).await
    } else {
        problem(
            StatusCode::FORBIDDEN,
            "loopback_only",
            "the local endpoints answer only to this machine's own address",
        )
    }
}

/// Lets pages of other ports of this machine read the answers: the portal has its own while it is being developed.
pub(crate) async fn share(request: Request, next: Next) -> Response {
    let origin = request
        .headers()
        .get(header::ORIGIN)
        .filter(|origin| origin.to_str().is_ok_and(is_loopback_url))
        .cloned();
    let preflight = request.method() == Method::OPTIONS && origin.is_some();
    let mut response = if preflight {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
        if preflight {
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static("GET, POST"),
            );
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static("content-type, authorization"),
            );
        }
    }
    response
}

fn is_local(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("invalid"));
    let host = text(header::HOST).is_none_or(|host| is_loopback_url(&format!("http://{host}/")));
    let origin = text(header::ORIGIN).is_none_or(is_loopback_url);
    host && origin
}

/// Whether `text` is an absolute `http` or `https` URL on this machine.
pub(crate) fn is_loopback_url(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    here && matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
}
