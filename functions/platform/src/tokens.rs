//! `/v1/platform/service-tokens`.

use std::collections::BTreeSet;

use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use portal_app::{PlatformWeb, token_secret};
use portal_domain::code::{Code, Refusal};
use portal_domain::external::SourceName;
use portal_domain::id::TokenId;
use portal_domain::token::{Draft, Scope, Secret, ServiceToken, State as Life, TokenSecret};
use portal_http::problem::Problem;
use portal_http::{ApiError, Idempotent, IfMatch, List, ListView, NoFilter, Paging, Path, Reply, View};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::operator::Operator;

/// What a new service token is to be for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceTokenCreate {
    /// The system whose records it feeds: 1 to 40 of a to z, 0 to 9 and hyphens. No other source can touch them.
    #[schema(value_type = String, example = "platform")]
    source: SourceName,
    /// What it may be used for: types of records to feed, and `changes`.
    #[schema(value_type = Vec<String>, min_items = 1, example = json!(["patients", "bookings"]))]
    scopes: BTreeSet<Scope>,
    /// Until when it opens; until it is revoked, if not given.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// How a secret is to be replaced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceTokenRotate {
    /// How long the former secrets still open, 0 to 604,800 seconds (seven days).
    #[schema(minimum = 0, maximum = 604_800, example = 3_600)]
    overlap_seconds: i64,
}

/// A service token, without its secrets.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServiceTokenView {
    /// Its id.
    #[schema(example = "tok_0192f0c1-2b3c-7d4e-8f50-61728394a5b6")]
    id: String,
    /// The system whose records it feeds.
    #[schema(example = "platform")]
    source: String,
    /// What it may be used for.
    #[schema(value_type = Vec<String>)]
    scopes: Vec<&'static str>,
    /// `active`, `expired` or `revoked`.
    #[schema(example = "active")]
    status: &'static str,
    /// Its secrets that still open, the present one last.
    secrets: Vec<ServiceTokenSecretView>,
    /// Until when it opens; null until it is revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    /// The hour in which it was used last; null until it was.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// When a secret opens.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServiceTokenSecretView {
    /// From when on.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Until when, if it was replaced.
    #[schema(value_type = Option<String>, format = DateTime)]
    ends_at: Option<Timestamp>,
}

/// A service token with its new secret, which no other answer shows.
#[derive(Serialize, ToSchema)]
pub(crate) struct ServiceTokenMadeView {
    /// The token.
    #[serde(flatten)]
    token: ServiceTokenView,
    /// What to send as the bearer token. It is kept nowhere here.
    #[schema(example = "ptk_Zm9yIGV4YW1wbGUgb25seTogMzIgcmFuZG9tIGJ5dGVz")]
    secret: String,
}

impl View for ServiceTokenView {}
impl View for ServiceTokenMadeView {}

impl ServiceTokenView {
    fn new(token: &ServiceToken, now: Timestamp) -> Self {
        let is_open = |secret: &&Secret| secret.ends_at.is_none_or(|end| end > now);
        let secret = |secret: &Secret| ServiceTokenSecretView {
            created_at: secret.created_at,
            ends_at: secret.ends_at,
        };
        Self {
            id: token.id.to_string(),
            source: token.source.to_string(),
            scopes: token.scopes.iter().map(|scope| scope.as_str()).collect(),
            status: token.status(now),
            secrets: token.secrets.iter().filter(is_open).map(secret).collect(),
            expires_at: token.expires_at,
            revoked_at: match token.state {
                Life::Active => None,
                Life::Revoked { at, .. } => Some(at),
            },
            last_used_at: token.last_used_at,
            created_at: token.created_at,
            updated_at: token.updated_at,
        }
    }
}

impl ServiceTokenMadeView {
    fn new(token: &ServiceToken, secret: &TokenSecret, now: Timestamp) -> Self {
        Self {
            token: ServiceTokenView::new(token, now),
            secret: secret.reveal().to_owned(),
        }
    }
}

/// Create a service token
///
/// The answer shows its secret, this once; sent again with the same key, it shows it again.
#[utoipa::path(post, path = "/v1/platform/service-tokens", tag = "platform", request_body = ServiceTokenCreate,
    params(("idempotency-key" = String, Header)),
    responses((status = 201, description = "Created, with its secret", body = ServiceTokenMadeView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %operator.account()))]
pub(crate) async fn create_service_token(
    operator: Operator,
    request: Idempotent<ServiceTokenCreate>,
) -> Result<Reply, ApiError> {
    let secret = token_secret().ok_or(Code::Internal)?;
    operator
        .caller
        .perform(
            Some(&request.key),
            async || Ok(()),
            |_, _, (), now| {
                let draft = Draft {
                    source: request.body.source.clone(),
                    scopes: request.body.scopes.clone(),
                    expires_at: request.body.expires_at,
                };
                let (token, change) = operator.acting().create_token(draft, secret.hash(), now)?;
                let location = format!("/v1/platform/service-tokens/{}", token.id);
                let view = ServiceTokenMadeView::new(&token, &secret, now);
                let reply = Reply::created(&view, location).etag(token.rev).secret();
                Ok::<_, Refusal>((change, reply))
            },
        )
        .await
}

/// List service tokens
///
/// All of them, oldest first; the ended ones too.
#[utoipa::path(get, path = "/v1/platform/service-tokens", tag = "platform", params(Paging),
    responses((status = 200, description = "A page of service tokens", body = ListView<ServiceTokenView>),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %operator.account()))]
pub(crate) async fn list_service_tokens(
    State(platform): State<PlatformWeb>,
    operator: Operator,
    list: List<NoFilter>,
) -> Result<Reply, ApiError> {
    let web = &platform.web;
    let after = list.after(&web.cursors, operator.account())?;
    let tokens = web.store.tokens(list.limit, after);
    let (_, _, page) = operator.caller.beside(tokens).await?;
    let now = web.clock.now();
    let page = page.map(|token| ServiceTokenView::new(&token, now));
    Ok(list.reply(&web.cursors, operator.account(), page))
}

/// Get a service token
#[utoipa::path(get, path = "/v1/platform/service-tokens/{token_id}", tag = "platform",
    params(("token_id" = String, Path)),
    responses((status = 200, description = "The service token", body = ServiceTokenView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %operator.account()))]
pub(crate) async fn get_service_token(
    State(platform): State<PlatformWeb>,
    operator: Operator,
    Path(token): Path<TokenId>,
) -> Result<Reply, ApiError> {
    let web = &platform.web;
    let (_, _, found) = operator.caller.beside(web.store.token(token)).await?;
    let found = found.ok_or(Code::TokenNotFound)?;
    let view = ServiceTokenView::new(&found, web.clock.now());
    Ok(Reply::ok(&view).etag(found.rev))
}

/// Replace the secret of a service token
///
/// The answer shows the new secret, this once. The former ones open until the overlap is over, at most five at a time.
#[utoipa::path(post, path = "/v1/platform/service-tokens/{token_id}/rotate", tag = "platform", request_body = ServiceTokenRotate,
    params(("token_id" = String, Path), ("idempotency-key" = String, Header)),
    responses((status = 200, description = "Rotated, with the new secret", body = ServiceTokenMadeView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %operator.account()))]
pub(crate) async fn rotate_service_token(
    State(platform): State<PlatformWeb>,
    operator: Operator,
    Path(token): Path<TokenId>,
    request: Idempotent<ServiceTokenRotate>,
) -> Result<Reply, ApiError> {
    let secret = token_secret().ok_or(Code::Internal)?;
    // Beyond any bound, it is refused by the rule like all that are too long.
    let overlap = SignedDuration::from_secs(request.body.overlap_seconds);
    operator
        .caller
        .perform(
            Some(&request.key),
            || platform.web.store.token(token),
            |_, _, found, now| {
                let (token, change) = operator
                    .acting()
                    .rotate_token(found, secret.hash(), overlap, now)?;
                let view = ServiceTokenMadeView::new(&token, &secret, now);
                Ok::<_, Refusal>((change, Reply::ok(&view).etag(token.rev).secret()))
            },
        )
        .await
}

/// Revoke a service token
///
/// It opens nothing from the next request on. What it fed stays.
#[utoipa::path(delete, path = "/v1/platform/service-tokens/{token_id}", tag = "platform",
    params(("token_id" = String, Path), ("if-match" = String, Header)),
    responses((status = 204, description = "Revoked"),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %operator.account()))]
pub(crate) async fn revoke_service_token(
    State(platform): State<PlatformWeb>,
    operator: Operator,
    Path(token): Path<TokenId>,
    IfMatch(seen): IfMatch,
) -> Result<Reply, ApiError> {
    operator
        .caller
        .perform(
            None,
            || platform.web.store.token(token),
            |_, _, found, now| {
                let change = operator.acting().revoke_token(found, seen, now)?;
                Ok::<_, Refusal>((change, Reply::no_content()))
            },
        )
        .await
}
