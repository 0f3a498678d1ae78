//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | I1 | one invite | table | `ORG#{organization}` | `INVITE#{invite}` |
//! | I2 | pending and expired, or answered and revoked, invites | by-org | `ORG#{organization}#INVITE#open` or `#closed` | invite (by creation) |
//! | I3 | seats that expired invites still hold | by-site | `ORG#{root}#HOLD` | expiry, invite |

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use portal_domain::id::{InviteId, OrganizationId};
use portal_domain::invite::{Delivery, Invite, State, Status};

use crate::client::Store;
use crate::entity::{Entity, organization};
use crate::error::StoreError;
use crate::expression::Expression;
use crate::page::{Listing, Page, Position};
use crate::request;
use crate::table::{Index, Key, sortable};
use crate::transaction::{Failing, Transaction};

const SK: &str = "INVITE#";

fn key((organization, invite): (OrganizationId, InviteId)) -> Key {
    Key {
        pk: organization::partition(organization),
        sk: format!("{SK}{invite}"),
    }
}

fn list(organization: OrganizationId, is_open: bool) -> String {
    format!(
        "{}#INVITE#{}",
        organization::partition(organization),
        if is_open { "open" } else { "closed" }
    )
}

fn holds(root: OrganizationId) -> String {
    format!("{}#HOLD", organization::partition(root))
}

impl Entity for Invite {
    const KIND: &'static str = "invite";

    fn key(&self) -> Key {
        key((self.organization, self.id))
    }

    fn indexes(&self) -> Vec<(Index, String, String)> {
        let is_open = matches!(self.state, State::Pending { .. } | State::Expired { .. });
        let until = self.expires_at().filter(|_| self.seat_held);
        let listed = (
            Index::ByOrg,
            list(self.organization, is_open),
            self.id.to_string(),
        );
        let held = until.map(|expires_at| {
            (
                Index::BySite,
                holds(self.root),
                format!("{}#{}", sortable(expires_at), self.id),
            )
        });
        std::iter::once(listed).chain(held).collect()
    }
}

fn delivery(at: &Delivery) -> Result<AttributeValue, StoreError> {
    Ok(serde_dynamo::to_attribute_value(at)?)
}

/// Puts an invite's next revision. Its mail goes on its way without one: where that was read to be is a condition too.
pub(crate) fn replace(
    transaction: Transaction,
    invite: &Invite,
    read: &Delivery,
) -> Result<Transaction, StoreError> {
    let unmoved = Expression::new("#delivery = :delivery").with("delivery", delivery(read)?);
    Ok(transaction
        .replace(invite, invite.rev)?
        .check(invite.key(), unmoved, Failing::Stale))
}

/// Moves an invite's mail on its way.
pub(crate) fn deliver(
    transaction: Transaction,
    id: (OrganizationId, InviteId),
    version: u32,
    from: &Delivery,
    to: &Delivery,
) -> Result<Transaction, StoreError> {
    let update = Expression::new("SET #delivery = :to").with("to", delivery(to)?);
    let condition = Expression::new("#version = :version AND #delivery = :from")
        .with("version", u64::from(version))
        .with("from", delivery(from)?);
    Ok(transaction.update(key(id), update, condition, Failing::Stale))
}

impl Store {
    /// I1: one invite.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn invite(
        &self,
        organization: OrganizationId,
        invite: InviteId,
    ) -> Result<Option<Invite>, StoreError> {
        self.get(&key((organization, invite))).await
    }

    /// I2: an organization's invites, newest first.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn invites(
        &self,
        organization: OrganizationId,
        status: Option<Status>,
        now: Timestamp,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<Invite>, StoreError> {
        let at = |text: &str| Expression::new(text).with("now", now);
        let filter = match status {
            None => Expression::default(),
            Some(Status::Pending) => at("#expires_at > :now"),
            Some(Status::Expired) => at("#expires_at <= :now"),
            Some(answered) => Expression::new("#status = :status").with("status", answered.as_str()),
        };
        let pk = list(organization, status.is_none_or(Status::is_open));
        self.page(Listing {
            filter,
            newest_first: true,
            after,
            ..Listing::of(Some(Index::ByOrg), pk, limit)
        })
        .await
    }

    /// I3: invites that expired by `now` and still hold a seat of `root`, longest expired first.
    pub(crate) async fn expired_holds(
        &self,
        root: OrganizationId,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<Invite>, StoreError> {
        // A hold may be that of a sister organization: seats are the root's.
        let range = Expression::new("#sk <= :until").with("until", format!("{}#~", sortable(now)));
        let page: Page<Invite> = self
            .page(Listing {
                range,
                ..Listing::of(Some(Index::BySite), holds(root), most)
            })
            .await?;
        for hold in &page.items {
            request::open_organization(hold.organization);
        }
        Ok(page.items)
    }
}
