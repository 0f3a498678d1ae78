//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | A1 | an account with its memberships | table | `ACCOUNT#{account}` | `ACCOUNT` to `MEMBER#{organization}` |
//! | A2 | who claims an address | table | `EMAIL#{address}` | `EMAIL` |

use portal_domain::account::Account;
use portal_domain::email::EmailAddress;
use portal_domain::id::{AccountId, OrganizationId};
use portal_domain::membership::{MOST_MEMBERSHIPS, Membership};
use portal_domain::organization::Organization;
use serde::{Deserialize, Serialize};

use crate::client::Store;
use crate::entity::{Entity, from_item, membership, organization};
use crate::error::StoreError;
use crate::expression::Expression;
use crate::page::Listing;
use crate::request;
use crate::table::{KIND, Key};
use crate::transaction::{Failing, Transaction};

const SK: &str = "ACCOUNT";
const CLAIM: &str = "EMAIL";

/// The partition of an account: its memberships and devices are in it too.
pub(crate) fn partition(account: AccountId) -> String {
    format!("ACCOUNT#{account}")
}

impl Entity for Account {
    const KIND: &'static str = "account";

    fn key(&self) -> Key {
        key(self.id)
    }
}

pub(crate) fn key(account: AccountId) -> Key {
    Key {
        pk: partition(account),
        sk: SK.to_owned(),
    }
}

/// That an account has an address.
#[derive(Debug, Serialize, Deserialize)]
struct Claim {
    email: EmailAddress,
    account: AccountId,
}

/// The partition of an address.
pub(crate) fn address(email: &EmailAddress) -> String {
    format!("EMAIL#{}", email.as_str())
}

impl Entity for Claim {
    const KIND: &'static str = "email_claim";

    fn key(&self) -> Key {
        Key {
            pk: address(&self.email),
            sk: CLAIM.to_owned(),
        }
    }
}

pub(crate) fn claim(
    transaction: Transaction,
    email: &EmailAddress,
    account: AccountId,
) -> Result<Transaction, StoreError> {
    let claim = Claim {
        email: email.clone(),
        account,
    };
    let free = Expression::new("attribute_not_exists(#pk) OR #account = :account")
        .with("account", account.to_string());
    transaction.put(&claim, free, Failing::Claimed)
}

pub(crate) fn release(transaction: Transaction, email: &EmailAddress, account: AccountId) -> Transaction {
    let own = Expression::new("#account = :account").with("account", account.to_string());
    transaction.delete(
        Key {
            pk: address(email),
            sk: CLAIM.to_owned(),
        },
        own,
        Failing::Stale,
    )
}

/// What is known of the caller.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// Their account, once they signed in for the first time.
    pub account: Option<Account>,
    /// Their memberships.
    pub memberships: Vec<Membership>,
}

impl Store {
    /// A1: the caller's account and memberships.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn caller(&self, account: AccountId) -> Result<Caller, StoreError> {
        let range = Expression::new("#sk BETWEEN :first AND :last")
            .with("first", SK)
            .with("last", format!("{}~", membership::SK));
        let most = MOST_MEMBERSHIPS + 20;
        let listing = Listing {
            range,
            ..Listing::of(None, partition(account), most)
        };
        let (items, _) = self
            .query(&listing, i32::try_from(most).unwrap_or(i32::MAX))
            .await?;
        let mut caller = Caller::default();
        for item in items {
            match item
                .get(KIND)
                .and_then(|kind| kind.as_s().ok())
                .map(String::as_str)
            {
                Some(Account::KIND) => caller.account = Some(from_item(item)?),
                Some(Membership::KIND) => caller.memberships.push(from_item(item)?),
                _ => {}
            }
        }
        Ok(caller)
    }

    /// A1 beside O1: everything that a decision about access needs, in one round trip.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn access(
        &self,
        account: AccountId,
        id: OrganizationId,
    ) -> Result<(Caller, Option<Organization>), StoreError> {
        request::open_organization(id);
        let organization_key = organization::key(id);
        let (caller, organization) =
            tokio::try_join!(self.caller(account), self.get::<Organization>(&organization_key))?;
        for ancestor in organization.iter().flat_map(|o| o.path.iter().chain([&o.root])) {
            request::open_organization(*ancestor);
        }
        Ok((caller, organization))
    }
}
