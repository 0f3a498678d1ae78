//! The code flow: a page where one types who one is, a code for the client, tokens for the code.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use super::{Identity, SignIn, failed, page};
use crate::loopback::is_loopback_url;
use crate::problem::problem;
use crate::random::random_id;
use crate::sync::lock;

/// How long a code can be exchanged.
const CODE_LIFETIME: SignedDuration = SignedDuration::from_secs(60);

/// What a client asks for (RFC 6749 §4.1.1, RFC 7636 §4.3). Parameters that are not known are ignored, as they must be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Request {
    response_type: String,
    client_id: String,
    redirect_uri: String,
    #[serde(default)]
    code_challenge: String,
    #[serde(default)]
    code_challenge_method: String,
    pub(super) state: Option<String>,
    nonce: Option<String>,
    prompt: Option<String>,
    pub(super) login_hint: Option<String>,
}

/// What the page sends: the request again, and who one is.
#[derive(Deserialize)]
struct Typed {
    request: String,
    email: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    verified: Option<String>,
}

/// What a code stands for.
pub(super) struct Granted {
    person: SignIn,
    request: Request,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct Exchange {
    #[serde(default)]
    grant_type: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    redirect_uri: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    code_verifier: String,
}

pub(super) fn router() -> Router<Identity> {
    Router::new()
        .route("/_local/oidc/authorize", get(authorize).post(typed))
        .route("/_local/oidc/token", post(token))
        .route("/_local/oidc/logout", get(logout))
}

/// The request, once it is clear that an answer may be sent to its redirect address.
fn parse(identity: &Identity, query: &str) -> Result<Request, Box<Response>> {
    let refused = |detail: &str| {
        Box::new(problem(
            StatusCode::BAD_REQUEST,
            "authorization_request_invalid",
            detail,
        ))
    };
    let request: Request = serde_urlencoded::from_str(query).map_err(|error| refused(&error.to_string()))?;
    if !identity.0.settings.clients.contains(&request.client_id) {
        return Err(refused("client_id is not known here"));
    }
    if !is_loopback_url(&request.redirect_uri) || request.redirect_uri.contains('#') {
        return Err(refused("redirect_uri is not on this machine"));
    }
    Ok(request)
}

async fn authorize(State(identity): State<Identity>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let request = match parse(&identity, &query) {
        Ok(request) => request,
        Err(refused) => return *refused,
    };
    if request.response_type != "code" {
        return back(&identity, &request, &[("error", "unsupported_response_type")]);
    }
    if request.code_challenge_method != "S256" || request.code_challenge.len() != 43 {
        let why = ("error_description", "PKCE with S256 is required");
        return back(&identity, &request, &[("error", "invalid_request"), why]);
    }
    // The provider remembers nobody: a client that wants no page gets no token.
    if request.prompt.as_deref() == Some("none") {
        return back(&identity, &request, &[("error", "login_required")]);
    }
    page::page(&query, request.login_hint.as_deref().unwrap_or_default(), None)
}

async fn typed(State(identity): State<Identity>, bytes: Bytes) -> Response {
    let Ok(typed) = serde_urlencoded::from_bytes::<Typed>(&bytes) else {
        return problem(StatusCode::BAD_REQUEST, "form_invalid", "the form is incomplete");
    };
    let request = match parse(&identity, &typed.request) {
        Ok(request) => request,
        Err(refused) => return *refused,
    };
    let email = typed.email.trim();
    if !email.contains('@') {
        return page::page(&typed.request, email, Some("This is not an e-mail address."));
    }
    let person = SignIn {
        email: email.to_owned(),
        name: Some(typed.name.trim().to_owned()),
        email_verified: Some(typed.verified.is_some()),
        sub: None,
    };
    let now = identity.0.clock.now();
    let expires_at = now.checked_add(CODE_LIFETIME).unwrap_or(Timestamp::MAX);
    let code = random_id().simple().to_string();
    let mut codes = lock(&identity.0.codes);
    codes.retain(|_, granted| granted.expires_at > now);
    codes.insert(
        code.clone(),
        Granted {
            person,
            request: request.clone(),
            expires_at,
        },
    );
    drop(codes);
    back(&identity, &request, &[("code", &code)])
}

/// Sends the browser back to the client with an answer.
fn back(identity: &Identity, request: &Request, answer: &[(&str, &str)]) -> Response {
    let Ok(mut url) = Url::parse(&request.redirect_uri) else {
        return problem(
            StatusCode::BAD_REQUEST,
            "authorization_request_invalid",
            "redirect_uri is not a URL",
        );
    };
    let state = request.state.as_deref().map(|state| ("state", state));
    url.query_pairs_mut()
        .extend_pairs(answer)
        .extend_pairs(state)
        .append_pair("iss", &identity.issuer());
    Redirect::to(url.as_str()).into_response()
}

async fn token(State(identity): State<Identity>, bytes: Bytes) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], exchange(&identity, &bytes)).into_response()
}

fn exchange(identity: &Identity, bytes: &[u8]) -> Response {
    let refused = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    let Ok(exchange) = serde_urlencoded::from_bytes::<Exchange>(bytes) else {
        return refused("invalid_request");
    };
    if exchange.grant_type != "authorization_code" {
        return refused("unsupported_grant_type");
    }
    // Taken out whatever follows: a code works once, and a wrong verifier spends it.
    let Some(granted) = lock(&identity.0.codes).remove(&exchange.code) else {
        return refused("invalid_grant");
    };
    let verifier = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, exchange.code_verifier.as_bytes());
    let matches = granted.request.code_challenge == URL_SAFE_NO_PAD.encode(verifier)
        && granted.request.redirect_uri == exchange.redirect_uri
        && granted.request.client_id == exchange.client_id
        && granted.expires_at > identity.0.clock.now();
    if !matches {
        return refused("invalid_grant");
    }
    match identity.tokens(
        &granted.person,
        &granted.request.client_id,
        granted.request.nonce.as_deref(),
    ) {
        Ok(tokens) => Json(json!({
            "access_token": tokens.access_token,
            "id_token": tokens.id_token,
            "token_type": "Bearer",
            "expires_in": tokens.expires_in,
            "scope": "openid email profile",
        }))
        .into_response(),
        Err(error) => failed(&error),
    }
}

#[derive(Deserialize)]
struct Logout {
    post_logout_redirect_uri: Option<String>,
    state: Option<String>,
}

/// There is no session to end: sends the browser back to where it wants to go, on this machine.
async fn logout(State(identity): State<Identity>, RawQuery(query): RawQuery) -> Response {
    let wanted: Option<Logout> = serde_urlencoded::from_str(&query.unwrap_or_default()).ok();
    let base = identity.0.settings.base.clone();
    let Some(Logout {
        post_logout_redirect_uri: Some(target),
        state,
    }) = wanted
    else {
        return Redirect::to(&base).into_response();
    };
    match Url::parse(&target) {
        Ok(mut url) if is_loopback_url(&target) => {
            if let Some(state) = state {
                url.query_pairs_mut().append_pair("state", &state);
            }
            Redirect::to(url.as_str()).into_response()
        }
        _ => problem(
            StatusCode::BAD_REQUEST,
            "logout_request_invalid",
            "post_logout_redirect_uri is not on this machine",
        ),
    }
}
