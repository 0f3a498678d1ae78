//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | C1 | how many hold which role | table | `ORG#{organization}` | `COUNT` |
//!
//! Apart from the organization's item, so that joining and leaving does not contend with reading it.

use std::collections::BTreeMap;

use portal_domain::id::OrganizationId;
use portal_domain::role::Role;
use serde::{Deserialize, Serialize};

use crate::client::Store;
use crate::entity::{Entity, organization};
use crate::error::StoreError;
use crate::expression::Expression;
use crate::table::Key;

const SK: &str = "COUNT";

/// How many members an organization has, and how many hold each role (`role_{role}`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    organization: OrganizationId,
    /// All members.
    pub members: u64,
    /// Holders of each role.
    #[serde(flatten)]
    roles: BTreeMap<String, serde_json::Value>,
}

impl Counts {
    /// Those of a new organization, whose creator is its admin.
    #[must_use]
    pub fn first(organization: OrganizationId) -> Self {
        Self {
            organization,
            members: 1,
            roles: [(attribute(Role::Admin), 1.into())].into(),
        }
    }

    /// How many hold `role`.
    #[must_use]
    pub fn holders(&self, role: Role) -> u64 {
        self.roles
            .get(&attribute(role))
            .and_then(serde_json::Value::as_u64)
            .unwrap_or(0)
    }
}

impl Entity for Counts {
    const KIND: &'static str = "counts";

    fn key(&self) -> Key {
        key(self.organization)
    }
}

pub(crate) fn key(organization: OrganizationId) -> Key {
    Key {
        pk: organization::partition(organization),
        sk: SK.to_owned(),
    }
}

/// An attribute name that an expression can hold: ids have hyphens.
fn attribute(role: Role) -> String {
    format!("role_{}", role.to_string().replace('-', "_"))
}

/// Adds to the counts of roles, and their sum to the number of members.
pub(crate) fn update(roles: &BTreeMap<Role, i32>) -> Expression {
    let members: i64 = roles.values().map(|by| i64::from(*by)).sum();
    let mut terms = vec!["#members :by_members".to_owned()];
    let mut values = vec![("by_members".to_owned(), members)];
    for (n, (role, by)) in roles.iter().enumerate() {
        terms.push(format!("#{} :by_role{n}", attribute(*role)));
        values.push((format!("by_role{n}"), i64::from(*by)));
    }
    values.into_iter().fold(
        Expression::new(format!("ADD {}", terms.join(", "))),
        |update, (name, by)| update.with(&name, by),
    )
}

/// The condition that nobody holds `role`.
pub(crate) fn unused(role: Role) -> Expression {
    let attribute = attribute(role);
    Expression::new(format!(
        "attribute_not_exists(#{attribute}) OR #{attribute} = :none"
    ))
    .with("none", 0_u64)
}

impl Store {
    /// C1: how many members an organization has.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn counts(&self, organization: OrganizationId) -> Result<Option<Counts>, StoreError> {
        self.get(&key(organization)).await
    }
}
