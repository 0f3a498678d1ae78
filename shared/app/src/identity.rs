//! Verifies access tokens (RFC 8725, RFC 9068) and says who the caller is. Never what they may do.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use portal_domain::account::Identity;
use portal_domain::code::Code;
use portal_domain::id::AccountId;
use serde::Deserialize;

use crate::clock::Clock;
use crate::config::{
    Config, ConfigError, IDENTITY_AUDIENCE, IDENTITY_ISSUER, IDENTITY_ISSUER_NAME, IDENTITY_JWKS_URL,
};

/// Longer tokens are not read.
const LONGEST_TOKEN: usize = 8_192;
/// How far the clocks of provider and function may differ.
const LEEWAY: i64 = 30;
/// How old keys may be before they are fetched again.
const FRESH: SignedDuration = SignedDuration::from_hours(1);
/// How long to wait after a fetch before unknown keys cause another.
const PAUSE: SignedDuration = SignedDuration::from_secs(30);
/// The same while there are no keys at all, and so nobody is let in.
const PAUSE_WITHOUT_KEYS: SignedDuration = SignedDuration::from_secs(1);
/// The largest key set that is read.
const LARGEST_KEY_SET: usize = 150_000;

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SignInError {
    /// The token is not one of ours, or not now. Which of it, nobody is told.
    #[error("the access token is not valid")]
    Invalid,
    /// The provider's keys cannot be had.
    #[error("the identity provider's keys cannot be read")]
    KeysUnavailable,
}

impl From<SignInError> for Code {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Invalid => Self::Unauthenticated,
            SignInError::KeysUnavailable => Self::IdentityUnavailable,
        }
    }
}

/// The identity provider.
#[derive(Clone)]
pub struct Identities(Arc<Inner>);

struct Inner {
    issuer: String,
    issuer_name: String,
    audience: Vec<String>,
    key_set_url: String,
    client: reqwest::Client,
    clock: Clock,
    keys: RwLock<Keys>,
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Keys {
    by_id: BTreeMap<String, (DecodingKey, Algorithm)>,
    /// When a fetch last succeeded.
    fetched_at: Option<Timestamp>,
    /// When a fetch was last tried.
    tried_at: Option<Timestamp>,
}

impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identities({})", self.0.issuer)
    }
}

/// The header, strictly: a field given twice, or one that names a key to trust, makes the token invalid.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    crit: Option<serde_json::Value>,
    #[serde(default)]
    jku: Option<serde_json::Value>,
    #[serde(default)]
    jwk: Option<serde_json::Value>,
    #[serde(default)]
    x5u: Option<serde_json::Value>,
    #[serde(default)]
    x5c: Option<serde_json::Value>,
}

/// The claims, strictly typed: a time that is no whole number is not a time (CVE-2026-25537).
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    exp: u64,
    iat: u64,
    #[serde(default)]
    nbf: Option<u64>,
    #[serde(default)]
    aud: Option<Audience>,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    token_use: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    email_verified: Option<Flag>,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Cognito writes booleans of custom token claims as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Text(String),
}

impl Flag {
    fn is_true(&self) -> bool {
        match self {
            Self::Bool(flag) => *flag,
            Self::Text(text) => text == "true",
        }
    }
}

impl Identities {
    /// The provider that `config` names.
    ///
    /// # Errors
    /// [`ConfigError`] when a variable is missing, or the keys' address is neither https nor on loopback.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let key_set_url = config.get(&IDENTITY_JWKS_URL)?.to_owned();
        let is_safe = key_set_url.starts_with("https://")
            || key_set_url.starts_with("http://127.0.0.1:")
            || key_set_url.starts_with("http://[::1]:");
        if !is_safe {
            return Err(ConfigError::Invalid(
                IDENTITY_JWKS_URL.name,
                "neither https nor on loopback".to_owned(),
            ));
        }
        // The keys are at a configured address: a redirect would be somebody else's choice.
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_millis(1_500))
            .build()
            .map_err(|error| ConfigError::Invalid(IDENTITY_JWKS_URL.name, error.to_string()))?;
        Ok(Self(Arc::new(Inner {
            issuer: config.get(&IDENTITY_ISSUER)?.to_owned(),
            issuer_name: config.get(&IDENTITY_ISSUER_NAME)?.to_owned(),
            audience: config.list(&IDENTITY_AUDIENCE)?,
            key_set_url,
            client,
            clock: config.clock.clone(),
            keys: RwLock::default(),
            fetching: tokio::sync::Mutex::default(),
        })))
    }

    /// Fetches the keys, so that the first request finds them. A failure is no matter: the request tries again.
    pub async fn warm_up(&self) {
        let _ = self.0.fetch(self.0.clock.now()).await;
    }

    /// Who the bearer of `token` is.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn verify(&self, token: &str) -> Result<Identity, SignInError> {
        if token.len() > LONGEST_TOKEN {
            return Err(SignInError::Invalid);
        }
        let header = header(token)?;
        let now = self.0.clock.now();
        let (key, algorithm) = self.0.key(&header.kid, now).await?;
        // The algorithm is the key's, never the token's choice.
        if header.alg != name(algorithm) {
            return Err(SignInError::Invalid);
        }
        let mut validation = Validation::new(algorithm);
        // Times are compared with the injected clock below, and audience and issuer with them.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation)
            .map_err(|_| SignInError::Invalid)?
            .claims;
        self.0.accept(&header, claims, now).ok_or(SignInError::Invalid)
    }
}

fn header(token: &str) -> Result<Header, SignInError> {
    let encoded = token.split('.').next().unwrap_or_default();
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(encoded)
        .map_err(|_| SignInError::Invalid)?;
    let header: Header = serde_json::from_slice(&bytes).map_err(|_| SignInError::Invalid)?;
    let names_a_key = [&header.crit, &header.jku, &header.jwk, &header.x5u, &header.x5c]
        .into_iter()
        .any(Option::is_some);
    if names_a_key || header.kid.is_empty() || header.kid.len() > 200 {
        Err(SignInError::Invalid)
    } else {
        Ok(header)
    }
}

const fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::ES256 => "ES256",
        _ => "RS256",
    }
}

impl Inner {
    /// Who the claims are about, if they are an access token for us that is valid now.
    fn accept(&self, header: &Header, claims: Claims, now: Timestamp) -> Option<Identity> {
        let now = now.as_second();
        let at = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
        let is_timely = at(claims.exp) > now - LEEWAY
            && claims.nbf.is_none_or(|nbf| at(nbf) <= now + LEEWAY)
            && at(claims.iat) <= now + LEEWAY;
        let is_ours = |client: &String| self.audience.contains(client);
        let is_for_us = match &claims.aud {
            Some(Audience::One(audience)) => is_ours(audience),
            Some(Audience::Several(audiences)) => audiences.iter().any(is_ours),
            // Cognito's access tokens name the client and no audience.
            None => claims.client_id.as_ref().is_some_and(is_ours),
        };
        let typ = header.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
        let is_access_token = match claims.token_use.as_deref() {
            Some(purpose) => {
                purpose == "access" && matches!(typ.as_str(), "jwt" | "at+jwt" | "application/at+jwt")
            }
            None => matches!(typ.as_str(), "at+jwt" | "application/at+jwt"),
        };
        let is_valid = is_timely && is_for_us && is_access_token && claims.iss == self.issuer;
        if !is_valid || claims.sub.is_empty() || claims.sub.len() > 255 {
            return None;
        }
        let is_verified = claims.email_verified.as_ref().is_some_and(Flag::is_true);
        Some(Identity {
            account: AccountId::of(&self.issuer_name, &claims.sub),
            verified_email: claims
                .email
                .filter(|_| is_verified)
                .and_then(|email| email.parse().ok()),
            name: claims.name.and_then(|name| name.parse().ok()),
        })
    }

    /// The key called `id`. An unknown one causes one fetch, and no other for 30 seconds, however many ask.
    async fn key(&self, id: &str, now: Timestamp) -> Result<(DecodingKey, Algorithm), SignInError> {
        let (found, is_fresh) = self.known(id, now);
        if let Some(key) = &found
            && is_fresh
        {
            return Ok(key.clone());
        }
        let fetched = self.fetch(now).await;
        match (self.known(id, now).0, fetched) {
            // Keys that cannot be fetched anew are still known, for as long as that lasts; one that was withdrawn is not.
            (Some(key), _) => Ok(key),
            (None, true) => Err(SignInError::Invalid),
            (None, false) => Err(SignInError::KeysUnavailable),
        }
    }

    fn known(&self, id: &str, now: Timestamp) -> (Option<(DecodingKey, Algorithm)>, bool) {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = keys.fetched_at.is_some_and(|at| now.duration_since(at) < FRESH);
        (keys.by_id.get(id).cloned(), is_fresh)
    }

    /// Fetches the keys unless that was tried a moment ago; whether there are any.
    async fn fetch(&self, now: Timestamp) -> bool {
        let _one_at_a_time = self.fetching.lock().await;
        {
            let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
            let has_keys = keys.fetched_at.is_some();
            let pause = if has_keys { PAUSE } else { PAUSE_WITHOUT_KEYS };
            if keys.tried_at.is_some_and(|at| now.duration_since(at) < pause) {
                return has_keys;
            }
            keys.tried_at = Some(now);
        }
        match self.read_keys().await {
            Ok(by_id) => {
                let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
                *keys = Keys {
                    by_id,
                    fetched_at: Some(now),
                    tried_at: Some(now),
                };
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the identity provider's keys could not be fetched");
                self.keys
                    .read()
                    .unwrap_or_else(PoisonError::into_inner)
                    .fetched_at
                    .is_some()
            }
        }
    }

    async fn read_keys(&self) -> Result<BTreeMap<String, (DecodingKey, Algorithm)>, String> {
        let mut answer = self
            .client
            .get(&self.key_set_url)
            .send()
            .await
            .map_err(|e| e.without_url().to_string())?;
        if !answer.status().is_success() {
            return Err(format!("status {}", answer.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|error| error.without_url().to_string())?
        {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST_KEY_SET {
                return Err("the key set is too large".to_owned());
            }
        }
        let set: JwkSet = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        Ok(set.keys.iter().filter_map(usable).collect())
    }
}

/// A key that may verify tokens: RSA or P-256, published with an id, for signatures.
fn usable(jwk: &jsonwebtoken::jwk::Jwk) -> Option<(String, (DecodingKey, Algorithm))> {
    let is_for_signing = jwk
        .common
        .public_key_use
        .as_ref()
        .is_none_or(|usage| *usage == PublicKeyUse::Signature)
        && jwk
            .common
            .key_operations
            .as_ref()
            .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    let algorithm = match &jwk.algorithm {
        // Base64 of 2048 bits or more: shorter moduli can be factored.
        AlgorithmParameters::RSA(parameters) if parameters.n.len() >= 342 => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(parameters)
            if parameters.curve == jsonwebtoken::jwk::EllipticCurve::P256 =>
        {
            Algorithm::ES256
        }
        _ => return None,
    };
    let says_otherwise = jwk
        .common
        .key_algorithm
        .as_ref()
        .is_some_and(|said| said.to_string() != name(algorithm));
    let id = jwk
        .common
        .key_id
        .clone()
        .filter(|_| is_for_signing && !says_otherwise)?;
    Some((id, (DecodingKey::from_jwk(jwk).ok()?, algorithm)))
}
