//! `GET` and `PATCH /v1/me`.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use jiff::Timestamp;
use portal_app::Web;
use portal_domain::account::{Account, AccountUpdate, MOST_COPIES, Standing};
use portal_domain::code::Refusal;
use portal_domain::email::EmailAddress;
use portal_domain::membership::Membership;
use portal_domain::text::PersonName;
use portal_http::problem::Problem;
use portal_http::{ApiError, Caller, IfMatch, Json, Reply, View};
use portal_store::request;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The caller's account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MeView {
    /// The account's id.
    #[schema(example = "acc_6f1c2d3e-4b5a-5c6d-8e7f-90a1b2c3d4e5")]
    id: String,
    /// The verified address; null while there is none.
    email: Option<String>,
    /// The verified address of this sign-in. Where it differs, adopt it by changing `email` to it.
    signed_in_email: Option<String>,
    /// The name that other members see.
    name: Option<String>,
    /// The organizations the person is a member of.
    memberships: Vec<OwnMembershipView>,
    /// When the person first signed in.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// One of the caller's memberships.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnMembershipView {
    /// The organization.
    organization_id: String,
    /// The role there.
    role: String,
}

impl View for MeView {}

impl MeView {
    fn new(account: &Account, memberships: &[Membership], caller: &Caller) -> Self {
        let text = |email: &EmailAddress| email.as_str().to_owned();
        let own = |membership: &Membership| OwnMembershipView {
            organization_id: membership.organization.to_string(),
            role: membership.role.to_string(),
        };
        Self {
            id: account.id.to_string(),
            email: account.email.as_ref().map(text),
            signed_in_email: caller.identity.verified_email.as_ref().map(text),
            name: account.name.as_ref().map(|name| name.as_str().to_owned()),
            memberships: memberships.iter().map(own).collect(),
            created_at: account.created_at,
        }
    }
}

/// What is to change; what is not given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MeUpdate {
    /// The name that other members see, 1 to 100 characters.
    #[schema(value_type = Option<String>)]
    name: Option<PersonName>,
    /// Adopt this address: it must be the verified one of this sign-in.
    #[schema(value_type = Option<String>)]
    email: Option<EmailAddress>,
}

/// Get my account
///
/// It is made at the first sign-in.
#[utoipa::path(get, path = "/v1/me", tag = "me",
    responses((status = 200, description = "The caller's account", body = MeView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %caller.identity.account))]
pub(crate) async fn get_me(caller: Caller) -> Result<Reply, ApiError> {
    let (account, memberships, ()) = caller.beside(async { Ok(()) }).await?;
    // A change that was interrupted before the last copy is finished here. Seeing one's account does not depend on it.
    if is_behind(&account, &memberships, &caller)
        && let Err(error) = catch_up(&caller).await
    {
        tracing::warn!(?error, "copies of name and address are behind");
    }
    Ok(Reply::ok(&MeView::new(&account, &memberships, &caller)).etag(account.rev))
}

/// Change my account
///
/// A new address takes the place of the old one in every membership, if all organizations allow it.
#[utoipa::path(patch, path = "/v1/me", tag = "me", request_body = MeUpdate,
    params(("if-match" = String, Header)),
    responses((status = 200, description = "Changed", body = MeView),
              (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[tracing::instrument(skip_all, fields(account.id = %caller.identity.account))]
pub(crate) async fn update_me(
    State(web): State<Web>,
    caller: Caller,
    IfMatch(seen): IfMatch,
    Json(wanted): Json<MeUpdate>,
) -> Result<Reply, ApiError> {
    let organizations = || async {
        let known = web.store.caller(caller.identity.account).await?;
        // Only a new address depends on what the organizations allow.
        let judging = known.memberships.into_iter().filter(|_| wanted.email.is_some());
        web.store.organizations(&judging.collect::<Vec<_>>()).await
    };
    let leaves_copies = AtomicBool::new(false);
    let reply = caller
        .perform(None, organizations, |account, memberships, organizations, now| {
            // The organizations are those of another read: one that was joined between the two is to be asked too.
            let is_judged =
                |membership: &Membership| organizations.iter().any(|o| o.id == membership.organization);
            if wanted.email.is_some() && !memberships.iter().all(is_judged) {
                return Err(ApiError::Stale);
            }
            let MeUpdate { name, email } = &wanted;
            let update = AccountUpdate {
                name: name.clone(),
                email: email.clone(),
            };
            let Caller { identity, origin, .. } = &caller;
            let standing = Standing {
                identity,
                memberships: &memberships,
                organizations: &organizations,
                origin,
            };
            let (account, change) = account.updated(update, seen, standing, now)?;
            // Copies of name and address are in all of the caller's organizations.
            for membership in &memberships {
                request::open_organization(membership.organization);
            }
            leaves_copies.store(memberships.len() > MOST_COPIES, Ordering::Relaxed);
            let view = MeView::new(&account, &memberships, &caller);
            Ok((change, Reply::ok(&view).etag(account.rev)))
        })
        .await?;
    // The change is made: what is left of its copies is finished with the next look at the account, should it fail now.
    if leaves_copies.into_inner()
        && let Err(error) = catch_up(&caller).await
    {
        tracing::warn!(?error, "copies of name and address are behind");
    }
    Ok(reply)
}

fn is_behind(account: &Account, memberships: &[Membership], caller: &Caller) -> bool {
    let copies = account.copies(memberships, &caller.origin, account.updated_at);
    !copies.writes.is_empty()
}

/// Brings copies of name and address up to date that did not fit into the first transaction.
async fn catch_up(caller: &Caller) -> Result<(), ApiError> {
    loop {
        let (account, memberships, ()) = caller.beside(async { Ok(()) }).await?;
        if !is_behind(&account, &memberships, caller) {
            return Ok(());
        }
        for membership in &memberships {
            request::open_organization(membership.organization);
        }
        let copy = |account: &Account, memberships: Vec<Membership>, (), now| {
            Ok::<_, Refusal>((
                account.copies(&memberships, &caller.origin, now),
                Reply::no_content(),
            ))
        };
        caller.perform(None, async || Ok(()), copy).await?;
    }
}
