//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | M1 | one member | table | `ACCOUNT#{account}` | `MEMBER#{organization}` |
//! | M2 | an organization's members by name | by-org | `ORG#{organization}#MEMBER` | folded name, account |

use jiff::Timestamp;
use portal_domain::id::{AccountId, OrganizationId};
use portal_domain::membership::Membership;
use portal_domain::role::Role;
use portal_domain::text::{PersonName, folded, sorted};
use serde::{Deserialize, Serialize};

use crate::client::Store;
use crate::entity::{Entity, account, organization};
use crate::error::StoreError;
use crate::expression::Expression;
use crate::page::{Listing, Page, Position};
use crate::table::{Index, Key};
use crate::transaction::{Failing, Transaction};

pub(crate) const SK: &str = "MEMBER#";
/// Name and address, folded.
const SEARCH: &str = "search";

pub(crate) fn key(account: AccountId, organization: OrganizationId) -> Key {
    Key {
        pk: account::partition(account),
        sk: format!("{SK}{organization}"),
    }
}

fn name_key(membership: &Membership) -> String {
    let name = membership
        .name
        .as_ref()
        .map_or(membership.email.as_str(), PersonName::as_str);
    format!("{}#{}", sorted(name), membership.account)
}

impl Entity for Membership {
    const KIND: &'static str = "membership";

    fn key(&self) -> Key {
        key(self.account, self.organization)
    }

    fn indexes(&self) -> Vec<(Index, String, String)> {
        vec![(
            Index::ByOrg,
            format!("{}#MEMBER", organization::partition(self.organization)),
            name_key(self),
        )]
    }

    fn filters(&self) -> Vec<(&'static str, String)> {
        let name = self.name.as_ref().map_or("", PersonName::as_str);
        vec![(SEARCH, folded(&format!("{name} {}", self.email.as_str())))]
    }
}

/// Puts a membership's next revision. Activity is noted without one: what was read of it is a condition too.
pub(crate) fn replace(transaction: Transaction, membership: &Membership) -> Result<Transaction, StoreError> {
    let idle = Expression::new("#last_active_at = :seen").with("seen", membership.last_active_at);
    Ok(transaction
        .replace(membership, membership.rev)?
        .check(membership.key(), idle, Failing::Stale))
}

/// The condition that a membership has one of `roles`.
pub(crate) fn holds_one_of(roles: &[Role]) -> Expression {
    let names: Vec<String> = (0..roles.len()).map(|n| format!(":role{n}")).collect();
    roles.iter().enumerate().fold(
        Expression::new(format!("#role IN ({})", names.join(", "))),
        |condition, (n, role)| condition.with(&format!("role{n}"), role.to_string()),
    )
}

/// Which members are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Part of the name or address, in any case and without accents.
    pub search: Option<String>,
    /// Only of this role.
    pub role: Option<Role>,
}

impl Store {
    /// M1: one member.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn member(
        &self,
        organization: OrganizationId,
        account: AccountId,
    ) -> Result<Option<Membership>, StoreError> {
        self.get(&key(account, organization)).await
    }

    /// M2: an organization's members by name.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn members(
        &self,
        organization: OrganizationId,
        wanted: &Wanted,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<Membership>, StoreError> {
        let mut filter = Expression::default();
        if let Some(role) = wanted.role {
            filter = filter.and(Expression::new("#role = :role").with("role", role.to_string()));
        }
        if let Some(search) = &wanted.search {
            filter = filter
                .and(Expression::new(format!("contains(#{SEARCH}, :search)")).with("search", folded(search)));
        }
        let pk = format!("{}#MEMBER", organization::partition(organization));
        self.page(Listing {
            filter,
            after,
            ..Listing::of(Some(Index::ByOrg), pk, limit)
        })
        .await
    }

    /// Notes that a member was active; nothing if they are none any more.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn touch(&self, membership: &Membership, now: Timestamp) -> Result<(), StoreError> {
        let update = Expression::new("SET #last_active_at = :now").with("now", now);
        // Another request of this hour may have been first: one write is enough.
        let condition = Expression::new("attribute_exists(#pk) AND #last_active_at = :seen")
            .with("seen", membership.last_active_at);
        self.update(
            &key(membership.account, membership.organization),
            &update,
            &condition,
        )
        .await?;
        Ok(())
    }
}
