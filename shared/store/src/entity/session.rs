//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | SE1 | one session | table | `SESSION#{session}` | `SESSION` |
//! | SE2 | an organization's sessions, open or ended | by-org | `ORG#{organization}#SESSION#open` or `#ended` | start, session |
//! | SE3 | those of one provider | by-patient | `ORG#{organization}#SESSION#{account}#open` or `#ended` | start, session |
//! | SE4 | somebody's own sessions, in whichever organization | by-specialist | `ACCOUNT#{account}#SESSION#open` or `#ended` | start, session |
//!
//! A session's id tells nothing of whose it is: it is given to its provider, or to its organization, and is else as if it were not
//! there. Open are those that nobody has ended; which of them have expired follows from their beginning.

use jiff::{SignedDuration, Timestamp};
use portal_domain::id::{AccountId, OrganizationId, SessionId};
use portal_domain::session::{Session, SessionCounts, SessionQuery};

use crate::client::Store;
use crate::entity::{Entity, account, from_item, organization};
use crate::error::StoreError;
use crate::expression::Expression;
use crate::merge::{FIRST, LAST_OF_ALL, Merged};
use crate::page::{Listing, MOST_EVALUATED, Page, Position};
use crate::table::{Index, Key, sortable};
use crate::transaction::{Failing, Transaction};

const SK: &str = "SESSION";

fn key(session: SessionId) -> Key {
    Key {
        pk: format!("{SK}#{session}"),
        sk: SK.to_owned(),
    }
}

const fn part(is_open: bool) -> &'static str {
    if is_open { "open" } else { "ended" }
}

fn of_organization(organization: OrganizationId, is_open: bool) -> (Index, String) {
    let partition = organization::partition(organization);
    (Index::ByOrg, format!("{partition}#{SK}#{}", part(is_open)))
}

fn of_provider(organization: OrganizationId, provider: AccountId, is_open: bool) -> (Index, String) {
    let partition = organization::partition(organization);
    let partition = format!("{partition}#{SK}#{provider}#{}", part(is_open));
    (Index::ByPatient, partition)
}

fn of_account(provider: AccountId, is_open: bool) -> (Index, String) {
    let partition = account::partition(provider);
    (Index::BySpecialist, format!("{partition}#{SK}#{}", part(is_open)))
}

impl Entity for Session {
    const KIND: &'static str = "session";

    fn key(&self) -> Key {
        key(self.id)
    }

    fn indexes(&self) -> Vec<(Index, String, String)> {
        let is_open = self.is_open();
        let place = format!("{}#{}", sortable(self.started_at), self.id);
        let partitions = [
            of_organization(self.organization, is_open),
            of_provider(self.organization, self.provider, is_open),
            of_account(self.provider, is_open),
        ];
        let placed = |(index, partition)| (index, partition, place.clone());
        partitions.map(placed).into()
    }
}

/// Puts a session in the revision after the one that was read, or a new one.
pub(crate) fn put(transaction: Transaction, session: &Session) -> Result<Transaction, StoreError> {
    match session.rev {
        1 => transaction.create(session, Failing::Stale),
        rev => transaction.replace(session, rev),
    }
}

/// The first and last place of what can be wanted at `now`; none if nothing can.
fn between(query: &SessionQuery, now: Timestamp) -> Option<(String, String)> {
    let epoch = Timestamp::UNIX_EPOCH;
    let (from, until) = query.span(now);
    let from = from.map_or_else(|| FIRST.to_owned(), |from| sortable(from.max(epoch)));
    let until = match until {
        None => LAST_OF_ALL.to_owned(),
        Some(until) => {
            let last = until.checked_sub(SignedDuration::from_millis(1)).ok()?;
            format!("{}#~", sortable(last.max(epoch)))
        }
    };
    (from <= until).then_some((from, until))
}

/// What is wanted beside what partition and place say.
fn filter(query: &SessionQuery) -> Expression {
    match query.mode {
        None => Expression::default(),
        Some(mode) => Expression::new("#mode = :mode").with("mode", mode.as_str()),
    }
}

/// A list over the partitions that `of` names, newest first; none if nothing can be in it.
fn list(
    query: &SessionQuery,
    of: impl Fn(bool) -> (Index, String),
    now: Timestamp,
    limit: usize,
    after: Option<Position>,
) -> Option<Merged> {
    let parts = query.parts().iter();
    let sources = parts.map(|is_open| of(*is_open)).collect();
    Some(Merged {
        between: between(query, now)?,
        filter: filter(query),
        newest_first: true,
        ..Merged::of_own(sources, limit, after)
    })
}

fn of_query(organization: OrganizationId, query: &SessionQuery, is_open: bool) -> (Index, String) {
    match query.provider {
        None => of_organization(organization, is_open),
        Some(provider) => of_provider(organization, provider, is_open),
    }
}

impl Store {
    /// SE1: a session of `provider`'s own.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn own_session(
        &self,
        provider: AccountId,
        session: SessionId,
    ) -> Result<Option<Session>, StoreError> {
        let found: Option<Session> = self.get(&key(session)).await?;
        Ok(found.filter(|session| session.provider == provider))
    }

    /// SE1: a session of `organization`. Whether it may see it is for others to say.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn organization_session(
        &self,
        organization: OrganizationId,
        session: SessionId,
    ) -> Result<Option<Session>, StoreError> {
        let found: Option<Session> = self.get(&key(session)).await?;
        Ok(found.filter(|session| session.organization == organization))
    }

    /// SE4: the sessions of `provider` that are wanted, newest first.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn own_sessions(
        &self,
        provider: AccountId,
        query: &SessionQuery,
        now: Timestamp,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<Session>, StoreError> {
        let of = |is_open| of_account(provider, is_open);
        let Some(mut list) = list(query, of, now, limit, after) else {
            return Ok(Page::empty());
        };
        if let Some(organization) = query.organization {
            let is_there = Expression::new("#organization = :organization")
                .with("organization", organization.to_string());
            list.filter = list.filter.and(is_there);
        }
        self.merged(&list).await
    }

    /// SE2 or SE3: the sessions of `organization` that are wanted, newest first. Whether it may see them is for others to say.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn organization_sessions(
        &self,
        organization: OrganizationId,
        query: &SessionQuery,
        now: Timestamp,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<Session>, StoreError> {
        let of = |is_open| of_query(organization, query, is_open);
        match list(query, of, now, limit, after) {
            Some(list) => self.merged(&list).await,
            None => Ok(Page::empty()),
        }
    }

    /// SE2: how many sessions of `organization` are wanted. Of those that nobody has ended, and of those that were ended, the
    /// newest 1,000 are looked at.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn organization_session_counts(
        &self,
        organization: OrganizationId,
        query: &SessionQuery,
        now: Timestamp,
    ) -> Result<SessionCounts, StoreError> {
        let mut counts = SessionCounts::default();
        let Some((from, until)) = between(query, now) else {
            return Ok(counts);
        };
        let look = async |is_open: &bool| {
            let (index, partition) = of_query(organization, query, *is_open);
            let range = Expression::new("#sk BETWEEN :from AND :until")
                .with("from", from.as_str())
                .with("until", until.as_str());
            let listing = Listing {
                range,
                filter: filter(query),
                newest_first: true,
                ..Listing::of(Some(index), partition, 0)
            };
            self.query(&listing, MOST_EVALUATED).await
        };
        let looks = query.parts().iter().map(look);
        for (items, rest) in futures_util::future::try_join_all(looks).await? {
            counts.is_cut |= rest.is_some();
            for item in items {
                counts.add(from_item::<Session>(item)?.status(now));
            }
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use portal_domain::session::{Mode, State, Status};

    use super::*;
    use crate::entity::to_item;

    fn now() -> Timestamp {
        "2026-05-04T09:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_session_reads_back_as_it_was_stored_and_is_listed_where_it_belongs() {
        let session = Session {
            id: SessionId::mint(now()),
            organization: OrganizationId::mint(now()),
            provider: AccountId::of("tests", "ada"),
            provider_name: Some("Ada Novak".parse().unwrap()),
            name: Some("Mia, knee".parse().unwrap()),
            mode: Mode::TwoDevice,
            booking: None,
            started_at: now(),
            state: State::Ended { ended_at: now() },
            rev: 2,
            updated_at: now(),
        };
        let item = to_item(&session).unwrap();
        assert_eq!(from_item::<Session>(item).unwrap(), session);
        let partitions: Vec<String> = session.indexes().into_iter().map(|(_, pk, _)| pk).collect();
        assert!(partitions.iter().all(|partition| partition.ends_with("#ended")));
        // An account has its sessions in one organization apart from those in another.
        assert!(partitions[1].contains(&session.organization.to_string()));
        assert!(partitions[1].contains(&session.provider.to_string()));
    }

    #[test]
    fn a_range_that_nothing_is_in_is_not_asked_for() {
        let expired_only_now = SessionQuery {
            status: Some(Status::Expired),
            from: Some(now()),
            ..SessionQuery::default()
        };
        assert_eq!(between(&expired_only_now, now()), None);
        let before_time = SessionQuery {
            until: Some(Timestamp::MIN),
            ..SessionQuery::default()
        };
        assert_eq!(between(&before_time, now()), None);
        assert!(between(&SessionQuery::default(), now()).is_some());
    }
}
