//! The development identity provider: signs anybody in, for this machine only.
//!
//! OpenID Connect with the code flow and PKCE, as the cloud's provider speaks it, and a short cut for `curl` and tests. It signs
//! with ES256: a P-256 key is made at once, an RSA key would hold up every start.

mod flow;
pub(crate) mod key;
mod page;
mod sample;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use portal_app::Clock;
use portal_domain::email::EmailAddress;
use portal_domain::id::AccountId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

pub use self::key::KeyError;

use self::flow::Granted;
use self::key::SigningKey;
use crate::loopback::share;
use crate::problem::{body, problem};
use crate::random::random_id;
use crate::sync::lock;

/// Tokens live for 30 days: whoever moves the clock by a week to see an invite expire stays signed in.
const LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Subjects are derived in this namespace, so that they are the same after each start.
const SUBJECTS: Uuid = Uuid::from_u128(0x0c1e_5a38_90b4_4c1d_8f5e_6c1f_2d7a_9b43);

/// Who the provider is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The stack's own address, without a slash at the end.
    pub base: String,
    /// The issuer's stable name, which account ids are made from.
    pub issuer_name: String,
    /// The client ids it knows; tokens are for the first unless the flow names another.
    pub clients: Vec<String>,
}

/// The provider; clones share it.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    settings: Settings,
    clock: Clock,
    keys: Mutex<Vec<SigningKey>>,
    codes: Mutex<BTreeMap<String, Granted>>,
    key_set_fetches: AtomicU64,
    key_set_served: AtomicBool,
}

/// Who signs in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The address, as the provider knows it.
    pub email: String,
    /// The name; absent: what stands before the `@`.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether the address is known to be theirs; absent: it is.
    #[serde(default)]
    pub email_verified: Option<bool>,
    /// The subject; absent: one that belongs to the address and to whether it is verified. Somebody who merely claims an
    /// address is another person than its owner.
    #[serde(default)]
    pub sub: Option<String>,
}

impl SignIn {
    /// The owner of an address.
    #[must_use]
    pub fn new(email: &str) -> Self {
        Self {
            email: email.to_owned(),
            name: None,
            email_verified: None,
            sub: None,
        }
    }

    fn is_verified(&self) -> bool {
        self.email_verified.unwrap_or(true)
    }

    fn name(&self) -> &str {
        let local = self.email.split('@').next().unwrap_or_default();
        self.name
            .as_deref()
            .filter(|name| !name.is_empty())
            .unwrap_or(local)
    }

    fn subject(&self) -> String {
        if let Some(subject) = &self.sub {
            return subject.clone();
        }
        let address = self.email.parse::<EmailAddress>();
        let address = address.map_or_else(
            |_| self.email.to_lowercase(),
            |address| address.as_str().to_owned(),
        );
        let state = if self.is_verified() {
            "verified"
        } else {
            "unverified"
        };
        Uuid::new_v5(&SUBJECTS, format!("{state}:{address}").as_bytes()).to_string()
    }
}

/// What a sign-in gives.
#[derive(Debug, Clone, Serialize)]
pub struct SignedIn {
    /// The token for the API.
    pub access_token: String,
    /// Who they are to the portal.
    pub account_id: AccountId,
    /// The token for the client.
    pub id_token: String,
    /// How long both live, in seconds.
    pub expires_in: i64,
}

impl Identity {
    /// The provider. With a `key_file` it signs with the key in it, which it makes when it is missing.
    ///
    /// # Errors
    /// When the key can be neither read nor made.
    pub fn open(settings: Settings, clock: &Clock, key_file: Option<&Path>) -> Result<Self, KeyError> {
        let key = key_file.map_or_else(SigningKey::generate, SigningKey::in_file)?;
        Ok(Self(Arc::new(Inner {
            settings,
            clock: clock.clone(),
            keys: Mutex::new(vec![key]),
            codes: Mutex::default(),
            key_set_fetches: AtomicU64::new(0),
            key_set_served: AtomicBool::new(true),
        })))
    }

    /// Its `iss`.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("{}/_local/oidc", self.0.settings.base)
    }

    /// Where its keys are.
    #[must_use]
    pub fn key_set_url(&self) -> String {
        format!("{}/jwks.json", self.issuer())
    }

    /// The portal's account of a subject.
    #[must_use]
    pub fn account(&self, subject: &str) -> AccountId {
        AccountId::of(&self.0.settings.issuer_name, subject)
    }

    /// The portal's account of somebody who may never have signed in.
    #[must_use]
    pub fn account_of(&self, person: &SignIn) -> AccountId {
        self.account(&person.subject())
    }

    /// Signs somebody in.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign_in(&self, person: &SignIn) -> Result<SignedIn, KeyError> {
        self.tokens(person, self.client(), None)
    }

    /// The claims of an access token for somebody, to be changed and [signed](Self::sign) by tests.
    #[must_use]
    pub fn access_claims(&self, person: &SignIn) -> Value {
        self.claims(person, self.client(), "access")
    }

    /// The header of an access token.
    #[must_use]
    pub fn header(&self) -> Value {
        let key = lock(&self.0.keys).last().map(|key| key.id.clone());
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": key })
    }

    /// A token with this header and these claims, whatever they are, signed with the present key.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign(&self, header: &Value, claims: &Value) -> Result<String, KeyError> {
        let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        self.sign_text(&format!("{}.{}", encoded(header), encoded(claims)))
    }

    /// A token of this text, which is to be header and claims in base64, and its signature with the present key.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign_text(&self, message: &str) -> Result<String, KeyError> {
        lock(&self.0.keys).last().ok_or(KeyError::Unusable)?.sign(message)
    }

    /// Signs with a new key from now on; the earlier ones stay published.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn rotate_keys(&self) -> Result<(), KeyError> {
        lock(&self.0.keys).push(SigningKey::generate()?);
        Ok(())
    }

    /// Takes the earlier keys out of the key set: what they signed is void.
    pub fn forget_earlier_keys(&self) {
        let mut keys = lock(&self.0.keys);
        let earlier = keys.len().saturating_sub(1);
        keys.drain(..earlier);
    }

    /// How often the key set was fetched.
    #[must_use]
    pub fn key_set_fetches(&self) -> u64 {
        self.0.key_set_fetches.load(Ordering::Relaxed)
    }

    /// Whether the key set is to be had.
    pub fn serve_key_set(&self, served: bool) {
        self.0.key_set_served.store(served, Ordering::Relaxed);
    }

    /// The provider under `/_local/oidc`, and `POST /_local/sign-in`.
    pub fn router(&self) -> Router {
        flow::router()
            .route("/_local/oidc/.well-known/openid-configuration", get(discovery))
            .route("/_local/oidc/jwks.json", get(key_set))
            .route("/_local/sign-in", post(sign_in))
            .layer(axum::middleware::from_fn(share))
            .with_state(self.clone())
    }

    fn client(&self) -> &str {
        self.0
            .settings
            .clients
            .first()
            .map(String::as_str)
            .unwrap_or_default()
    }

    /// Both tokens for a client; the id token repeats the flow's `nonce`.
    fn tokens(&self, person: &SignIn, client: &str, nonce: Option<&str>) -> Result<SignedIn, KeyError> {
        let access_token = self.sign(&self.header(), &self.claims(person, client, "access"))?;
        let mut header = self.header();
        header["typ"] = json!("JWT");
        let mut claims = self.claims(person, client, "id");
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        let id_token = self.sign(&header, &claims)?;
        Ok(SignedIn {
            access_token,
            account_id: self.account_of(person),
            id_token,
            expires_in: LIFETIME.as_secs(),
        })
    }

    fn claims(&self, person: &SignIn, client: &str, token_use: &str) -> Value {
        let now = self.0.clock.now();
        let expires_at = now.checked_add(LIFETIME).unwrap_or(Timestamp::MAX);
        json!({
            "iss": self.issuer(),
            "aud": client,
            "client_id": client,
            "sub": person.subject(),
            "iat": now.as_second(),
            "nbf": now.as_second(),
            "exp": expires_at.as_second(),
            "auth_time": now.as_second(),
            "jti": random_id(),
            "token_use": token_use,
            "email": person.email,
            "email_verified": person.is_verified(),
            "name": person.name(),
        })
    }
}

async fn discovery(State(identity): State<Identity>) -> Json<Value> {
    let issuer = identity.issuer();
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "end_session_endpoint": format!("{issuer}/logout"),
        "jwks_uri": identity.key_set_url(),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "scopes_supported": ["openid", "email", "profile"],
        "token_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "email", "email_verified", "name"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

async fn key_set(State(identity): State<Identity>) -> Response {
    identity.0.key_set_fetches.fetch_add(1, Ordering::Relaxed);
    if !identity.0.key_set_served.load(Ordering::Relaxed) {
        return problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "keys_unavailable",
            "the key set is switched off",
        );
    }
    let keys: Vec<Value> = lock(&identity.0.keys)
        .iter()
        .map(SigningKey::public)
        .chain(sample::keys())
        .collect();
    Json(json!({ "keys": keys })).into_response()
}

async fn sign_in(State(identity): State<Identity>, bytes: Bytes) -> Response {
    let person: SignIn = match body(&bytes) {
        Ok(person) => person,
        Err(refused) => return *refused,
    };
    if !person.email.contains('@') {
        return problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "email_invalid",
            "sign in with an e-mail address",
        );
    }
    identity
        .sign_in(&person)
        .map_or_else(|error| failed(&error), |tokens| Json(tokens).into_response())
}

fn failed(error: &KeyError) -> Response {
    problem(
        StatusCode::INTERNAL_SERVER_ERROR,
        "signing_failed",
        &error.to_string(),
    )
}
