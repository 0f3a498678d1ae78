//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | DV1 | the devices of an account | table | `DEVICES#{account}` | `DEVICES` |
//! | DV2 | that an account has revoked a key | table | `DEVICES#{account}` | `REVOKED#{key}` |
//!
//! Apart from the account, so that finding out who somebody is does not read them.

use portal_domain::device::{Devices, PublicKey};
use portal_domain::id::AccountId;
use serde::{Deserialize, Serialize};

use crate::client::Store;
use crate::entity::Entity;
use crate::error::StoreError;
use crate::expression::Expression;
use crate::table::Key;
use crate::transaction::{Failing, Transaction};

const SK: &str = "DEVICES";

fn partition(account: AccountId) -> String {
    format!("{SK}#{account}")
}

fn key(account: AccountId) -> Key {
    Key {
        pk: partition(account),
        sk: SK.to_owned(),
    }
}

fn revoked_key(account: AccountId, key: PublicKey) -> Key {
    Key {
        pk: partition(account),
        sk: format!("REVOKED#{key}"),
    }
}

impl Entity for Devices {
    const KIND: &'static str = "devices";

    fn key(&self) -> Key {
        key(self.account)
    }
}

/// That an account has revoked a key: there for good.
#[derive(Debug, Serialize, Deserialize)]
struct Revoked {
    account: AccountId,
    public_key: PublicKey,
}

impl Entity for Revoked {
    const KIND: &'static str = "device_revoked";

    fn key(&self) -> Key {
        revoked_key(self.account, self.public_key)
    }
}

/// Puts an account's devices in the revision after the one that was read.
pub(crate) fn put(transaction: Transaction, devices: &Devices) -> Result<Transaction, StoreError> {
    match devices.rev {
        1 => transaction.create(devices, Failing::Stale),
        rev => transaction.replace(devices, rev),
    }
}

/// Notes that a key was revoked.
pub(crate) fn revoke(
    transaction: Transaction,
    account: AccountId,
    public_key: PublicKey,
) -> Result<Transaction, StoreError> {
    let revoked = Revoked { account, public_key };
    transaction.put(&revoked, Expression::default(), Failing::Stale)
}

/// That a key was not.
pub(crate) fn not_revoked(transaction: Transaction, account: AccountId, key: PublicKey) -> Transaction {
    transaction.check(
        revoked_key(account, key),
        Expression::new("attribute_not_exists(#pk)"),
        Failing::Stale,
    )
}

impl Store {
    /// DV1: the devices of an account.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn devices(&self, account: AccountId) -> Result<Devices, StoreError> {
        let found = self.get(&key(account)).await?;
        Ok(found.unwrap_or_else(|| Devices::none(account)))
    }

    /// DV1, DV2: the devices of an account, and whether it has revoked `public_key`.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn devices_and_revoked(
        &self,
        account: AccountId,
        public_key: PublicKey,
    ) -> Result<(Devices, bool), StoreError> {
        let revoked_key = revoked_key(account, public_key);
        let (devices, revoked) = tokio::try_join!(self.devices(account), self.get::<Revoked>(&revoked_key))?;
        Ok((devices, revoked.is_some()))
    }
}
