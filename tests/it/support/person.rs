//! Somebody who is signed in.

use std::sync::atomic::{AtomicU64, Ordering};

use portal_domain::id::AccountId;
use portal_local::identity::SignIn;
use reqwest::Method;
use serde_json::Value;

use super::{Answer, Portal};

/// Somebody with an access token, and what they do with it.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) account: AccountId,
    pub(crate) token: String,
    base: String,
    client: reqwest::Client,
}

static KEYS: AtomicU64 = AtomicU64::new(0);

/// An idempotency key that no other request has.
pub(crate) fn fresh_key() -> String {
    format!("key-{}", KEYS.fetch_add(1, Ordering::Relaxed))
}

/// A request in the making.
pub(crate) struct Sending {
    request: reqwest::RequestBuilder,
}

impl Sending {
    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        Self {
            request: self.request.header(name, value),
        }
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.raw("application/json", body.to_string())
    }

    pub(crate) fn raw(self, content_type: &str, body: impl Into<reqwest::Body>) -> Self {
        Self {
            request: self.request.header("content-type", content_type).body(body),
        }
    }

    pub(crate) async fn send(self) -> Answer {
        Answer::of(self.request.send().await.expect("the gateway answers")).await
    }
}

impl Person {
    pub(crate) fn sign_in(portal: &Portal, name: &str, email: &str) -> Self {
        Self::with(
            portal,
            &SignIn {
                name: Some(name.to_owned()),
                ..SignIn::new(email)
            },
        )
    }

    /// Somebody who signs in as `sign_in` says.
    pub(crate) fn with(portal: &Portal, sign_in: &SignIn) -> Self {
        let signed_in = portal.identity.sign_in(sign_in).expect("the provider signs");
        let account = signed_in.account_id.to_string().parse().expect("an account id");
        Self {
            name: sign_in.name.clone().unwrap_or_default(),
            email: sign_in.email.clone(),
            account,
            token: signed_in.access_token,
            base: portal.base.clone(),
            client: portal.client(),
        }
    }

    /// The same person with another token.
    pub(crate) fn with_token(&self, token: impl Into<String>) -> Self {
        Self {
            token: token.into(),
            ..self.clone()
        }
    }

    /// A request with this person's token and nothing else.
    pub(crate) fn request(&self, method: Method, path: &str) -> Sending {
        let request = self.client.request(method, format!("{}{path}", self.base));
        Sending {
            request: request.bearer_auth(&self.token),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path).send().await
    }

    /// All items of a list, page by page.
    pub(crate) async fn all(&self, path: &str) -> Vec<Value> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut page = self.get(path).await.expect(200);
        let mut items = page.items();
        while let Some(cursor) = page.next_cursor() {
            page = self
                .get(&format!("{path}{joint}cursor={cursor}"))
                .await
                .expect(200);
            items.extend(page.items());
        }
        items
    }

    /// A POST with a fresh idempotency key.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_with_key(path, &fresh_key(), body).await
    }

    pub(crate) async fn post_with_key(&self, path: &str, key: &str, body: Value) -> Answer {
        self.request(Method::POST, path)
            .header("idempotency-key", key)
            .json(&body)
            .send()
            .await
    }

    /// A PATCH of what this person has seen as `etag`.
    pub(crate) async fn patch(&self, path: &str, etag: &str, body: Value) -> Answer {
        self.request(Method::PATCH, path)
            .header("if-match", etag)
            .json(&body)
            .send()
            .await
    }

    pub(crate) async fn delete(&self, path: &str, etag: &str) -> Answer {
        self.request(Method::DELETE, path)
            .header("if-match", etag)
            .send()
            .await
    }

    /// The resource's present `ETag`.
    pub(crate) async fn etag(&self, path: &str) -> String {
        self.get(path).await.expect(200).etag()
    }
}
