//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | V1 | one service token | table | `PLATFORM` | `TOKEN#{token}` |
//! | V2 | all service tokens, by creation | table | `PLATFORM` | `TOKEN#` as prefix |
//! | V3 | what a secret opens | table | `TOKEN#{SHA-256 of secret}` | `TOKEN` |
//!
//! A secret is looked up by its hash and compared with nothing. What it opens is in that one item, written with its token.

use jiff::Timestamp;
use portal_domain::id::TokenId;
use portal_domain::token::{Credential, SecretHash, ServiceToken};

use crate::client::Store;
use crate::entity::Entity;
use crate::error::StoreError;
use crate::expression::Expression;
use crate::page::{Listing, Page, Position};
use crate::table::Key;
use crate::transaction::{Failing, Transaction};

const PLATFORM: &str = "PLATFORM";
const PREFIX: &str = "TOKEN#";
const SK: &str = "TOKEN";

fn key(token: TokenId) -> Key {
    Key {
        pk: PLATFORM.to_owned(),
        sk: format!("{PREFIX}{token}"),
    }
}

fn secret(hash: &SecretHash) -> Key {
    Key {
        pk: format!("{PREFIX}{}", hash.as_str()),
        sk: SK.to_owned(),
    }
}

impl Entity for ServiceToken {
    const KIND: &'static str = "token";

    fn key(&self) -> Key {
        key(self.id)
    }
}

impl Entity for Credential {
    const KIND: &'static str = "credential";

    fn key(&self) -> Key {
        secret(&self.hash)
    }

    fn ends_at(&self) -> Option<Timestamp> {
        self.ends_at
    }
}

/// Puts a token with what its secrets open; the secrets it no longer has open nothing.
pub(crate) fn put(
    transaction: Transaction,
    new: &ServiceToken,
    old: Option<&ServiceToken>,
) -> Result<Transaction, StoreError> {
    let mut transaction = match old {
        None => transaction.create(new, Failing::Stale)?,
        Some(_) => transaction.replace(new, new.rev)?,
    };
    let credentials = new.credentials();
    for credential in &credentials {
        transaction = transaction.put(credential, Expression::default(), Failing::Stale)?;
    }
    for former in old.into_iter().flat_map(ServiceToken::credentials) {
        if !credentials.iter().any(|kept| kept.hash == former.hash) {
            transaction = transaction.delete(secret(&former.hash), Expression::default(), Failing::Stale);
        }
    }
    Ok(transaction)
}

impl Store {
    /// V1: one service token.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn token(&self, token: TokenId) -> Result<Option<ServiceToken>, StoreError> {
        self.get(&key(token)).await
    }

    /// V2: all service tokens, by creation.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn tokens(
        &self,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<ServiceToken>, StoreError> {
        let range = Expression::new("begins_with(#sk, :sk)").with("sk", PREFIX);
        let listing = Listing::of(None, PLATFORM.to_owned(), limit);
        self.page(Listing {
            range,
            after,
            ..listing
        })
        .await
    }

    /// V3: what the secret with this hash opens.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn credential(&self, hash: &SecretHash) -> Result<Option<Credential>, StoreError> {
        self.get(&secret(hash)).await
    }

    /// Notes the hour in which a secret was used; nothing if it was noted or revoked meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn token_used(&self, credential: &Credential, hour: Timestamp) -> Result<(), StoreError> {
        let set = |attribute: &str| Expression::new(format!("SET #{attribute} = :hour")).with("hour", hour);
        let is_news = "attribute_exists(#pk) AND (attribute_not_exists(#used_at) OR #used_at < :hour)";
        let noted = Transaction::default()
            .update(
                secret(&credential.hash),
                set("used_at"),
                Expression::new(is_news).with("hour", hour),
                Failing::Stale,
            )
            .update(
                key(credential.token),
                set("last_used_at"),
                Expression::new("attribute_exists(#pk)"),
                Failing::Stale,
            );
        match self.commit_transaction(&noted).await {
            // Another request of this hour was first, or the token was revoked.
            Err(StoreError::Stale) => Ok(()),
            noted => noted,
        }
    }
}
