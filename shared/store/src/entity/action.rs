//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | AC1 | one action | table | `ACTION#{action}` | `ACTION` |
//! | AC2 | what is open about a subject, and when rules look at it again | table | `ACTION#{subject}` | `WATCH` |
//! | AC3 | a site's actions, open or closed | by-site | `SITE#{site}#ACTION#open#{shard}`, `SITE#{site}#ACTION#closed#{shard}` | severity, opening, action |
//! | AC4 | the actions of all sites | by-org | `PLATFORM#ACTION#open#{0..15}`, `PLATFORM#ACTION#closed#{0..15}` | severity, opening, action |
//! | AC5 | an organization's own actions | by-org | `ORG#{organization}#ACTION#open` or `#closed` | severity, opening, action |
//! | AC6 | what an organization makes of an action | table | `ORG#{organization}` | `ACTIONSTATE#{action}` |
//! | AC7 | the actions that an organization has made something of | by-org | `ORG#{organization}#ACTIONSTATE` | severity, opening, action |
//!
//! Actions belong to nobody: what is seen of them is decided over what was read. What organizations make of them is their own.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portal_domain::action::{
    Action, ActionQuery, Case, Handling, KEPT, Place, Record, Rule, Sight, Standing, Status, Subject, Watch,
};
use portal_domain::booking::Booking;
use portal_domain::id::{ActionId, OrganizationId, SiteId, SpecialistId};
use portal_domain::invite::Invite;
use portal_domain::organization::Organization;
use portal_domain::patient::Patient;
use portal_domain::plan::Quota;
use portal_domain::reach::{Of, PLATFORM_SHARDS, Source};
use portal_domain::role::Role;
use portal_domain::site::Site;
use portal_domain::specialist::Specialist;
use portal_domain::transaction::{Kind, Status as EntryStatus, Transaction as LedgerEntry, TransactionRow};

use crate::client::{Item, Store, pause};
use crate::entity::count::Counts;
use crate::entity::{Entity, booking, organization, patient, site, specialist, transaction};
use crate::error::StoreError;
use crate::expression::Expression;
use crate::merge::Merged;
use crate::page::{Page, Position};
use crate::sought::Sought;
use crate::table::{Index, KIND, Key, sortable};
use crate::transaction::{Failing, Transaction};

const SK: &str = "ACTION";
const WATCH: &str = "WATCH";
const HANDLING: &str = "ACTIONSTATE";

/// What rules look at, by what the stream's records call it.
pub const KINDS: [&str; 9] = [
    Patient::KIND,
    Specialist::KIND,
    Booking::KIND,
    LedgerEntry::KIND,
    Site::KIND,
    Invite::KIND,
    Organization::KIND,
    Counts::KIND,
    Quota::KIND,
];

/// How often a subject is looked at before it is left for later: something about it changes all the time.
const MOST_LOOKS: u32 = 8;

fn key(action: ActionId) -> Key {
    Key {
        pk: format!("{SK}#{action}"),
        sk: SK.to_owned(),
    }
}

fn watch_key(subject: Subject) -> Key {
    Key {
        pk: format!("{SK}#{subject}"),
        sk: WATCH.to_owned(),
    }
}

fn handling_key(organization: OrganizationId, action: ActionId) -> Key {
    Key {
        pk: organization::partition(organization),
        sk: format!("{HANDLING}#{action}"),
    }
}

const fn part(is_open: bool) -> &'static str {
    if is_open { "open" } else { "closed" }
}

fn of_site(site: SiteId, shard: u8, is_open: bool) -> (Index, String) {
    let partition = format!("{}#{SK}#{}#{shard}", site::partition(site), part(is_open));
    (Index::BySite, partition)
}

fn of_platform(shard: u8, is_open: bool) -> (Index, String) {
    let collection = format!("{SK}#{}#{shard}", part(is_open));
    (Index::ByOrg, site::platform(&collection))
}

fn of_organization(organization: OrganizationId, is_open: bool) -> (Index, String) {
    let partition = format!("{}#{SK}#{}", organization::partition(organization), part(is_open));
    (Index::ByOrg, partition)
}

fn handled(organization: OrganizationId) -> (Index, String) {
    let partition = format!("{}#{HANDLING}", organization::partition(organization));
    (Index::ByOrg, partition)
}

/// The order of lists: the gravest first, then the oldest.
fn place(rule: Rule, opened_at: Timestamp, action: ActionId) -> String {
    format!("{}#{}#{action}", rule.severity().rank(), sortable(opened_at))
}

impl Entity for Action {
    const KIND: &'static str = "action";

    fn key(&self) -> Key {
        key(self.id)
    }

    fn indexes(&self) -> Vec<(Index, String, String)> {
        let is_open = self.closed_at.is_none();
        let partitions = match self.place {
            Place::Site { site, shard } => {
                let number = self.id.uuid().as_u128() % u128::from(PLATFORM_SHARDS);
                let platform = of_platform(u8::try_from(number).unwrap_or(0), is_open);
                vec![of_site(site, shard, is_open), platform]
            }
            Place::Organization { organization } => vec![of_organization(organization, is_open)],
        };
        let place = place(self.rule, self.opened_at, self.id);
        let placed = |(index, partition)| (index, partition, place.clone());
        partitions.into_iter().map(placed).collect()
    }

    fn ends_at(&self) -> Option<Timestamp> {
        self.closed_at.map(|closed_at| closed_at + KEPT)
    }
}

impl Entity for Watch {
    const KIND: &'static str = "action_watch";

    fn key(&self) -> Key {
        watch_key(self.subject)
    }
}

impl Entity for Handling {
    const KIND: &'static str = "action_state";

    fn key(&self) -> Key {
        handling_key(self.organization, self.action)
    }

    fn indexes(&self) -> Vec<(Index, String, String)> {
        let (index, partition) = handled(self.organization);
        vec![(index, partition, place(self.rule, self.opened_at, self.action))]
    }
}

/// Puts a watch in place of the one in the revision `old`.
pub(crate) fn watch(
    transaction: Transaction,
    watch: &Watch,
    old: Option<u64>,
) -> Result<Transaction, StoreError> {
    match old {
        None => transaction.create(watch, Failing::Stale),
        Some(old) => transaction.put(watch, is_in(old), Failing::Stale),
    }
}

/// Ends a watch in the revision that was read.
pub(crate) fn end_watch(transaction: Transaction, watch: &Watch) -> Transaction {
    transaction.delete(watch.key(), is_in(watch.rev), Failing::Stale)
}

fn is_in(rev: u64) -> Expression {
    Expression::new("#rev = :rev").with("rev", rev)
}

/// Puts what an organization makes of an action, in the revision after the one that was read.
pub(crate) fn handle(transaction: Transaction, handling: &Handling) -> Result<Transaction, StoreError> {
    match handling.rev {
        1 => transaction.create(handling, Failing::Stale),
        rev => transaction.replace(handling, rev),
    }
}

/// What a new image in the stream is about; nothing if there is no rule about such.
fn subjects(image: serde_dynamo::Item) -> Result<Vec<Subject>, StoreError> {
    let item: Item = image.into();
    let text = |name: &str| {
        item.get(name)
            .and_then(|value| value.as_s().ok())
            .map(String::as_str)
    };
    let named = |name: &str| {
        let id = text(name).and_then(|id| id.parse::<Subject>().ok());
        id.ok_or_else(|| StoreError::Broken(format!("a record in the stream has no {name}")))
    };
    Ok(match text(KIND) {
        Some(LedgerEntry::KIND) => match text("entry") {
            Some("payout") => vec![named("id")?],
            Some("payment") if text("booking").is_some() => vec![named("booking")?],
            // Of nothing else that happens to money is there a rule.
            _ => Vec::new(),
        },
        Some(Invite::KIND) => {
            let place = text("organization").zip(text("id"));
            let place =
                place.and_then(|(organization, invite)| format!("{organization}~{invite}").parse().ok());
            let place =
                place.ok_or_else(|| StoreError::Broken("an invite in the stream has no id".to_owned()))?;
            vec![place]
        }
        Some(Counts::KIND | Quota::KIND) => vec![named("organization")?],
        Some(kind) if KINDS.contains(&kind) => vec![named("id")?],
        _ => Vec::new(),
    })
}

/// To whom the payout in an image goes, unless it has failed itself.
fn payee(image: &serde_dynamo::Item) -> Option<SpecialistId> {
    let text = |name: &str| match image.get(name) {
        Some(serde_dynamo::AttributeValue::S(text)) => Some(text.as_str()),
        _ => None,
    };
    let is_payout = text(KIND) == Some(LedgerEntry::KIND) && text("entry") == Some(Kind::Payout.as_str());
    let has_failed = text("status") == Some(EntryStatus::Failed.as_str());
    let specialist = text("specialist").filter(|_| is_payout && !has_failed)?;
    specialist.parse().ok()
}

impl Store {
    /// The subjects about which rules may find something else because of a new image in the stream: what it is about, and the
    /// failed payouts that a payout may make up for.
    ///
    /// # Errors
    /// [`StoreError::Broken`] when it does not say what it is about; [`StoreError::Busy`].
    pub async fn concerned(&self, image: serde_dynamo::Item) -> Result<Vec<Subject>, StoreError> {
        let payee = payee(&image);
        let mut subjects = subjects(image)?;
        if let Some(specialist) = payee {
            let failed = |row: &TransactionRow| row.status() == EntryStatus::Failed;
            let payouts = self.payouts(specialist).await?;
            subjects.extend(
                payouts
                    .iter()
                    .filter(|row| failed(row))
                    .map(|row| Subject::Transaction(row.id)),
            );
        }
        Ok(subjects)
    }

    /// AC2: lets all rules look at `subject` as it is now, and opens, changes and closes its actions; whether anything changed.
    ///
    /// Whoever has changed something looks once more: what the subject became between the look and the change is seen by one of
    /// the two, whoever else looks at it meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when it never stays as it was looked at; [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn judge(&self, subject: Subject, now: Timestamp) -> Result<bool, StoreError> {
        let mut has_changed = false;
        for look in 0..MOST_LOOKS {
            let watch_key = watch_key(subject);
            let (kept, record) = tokio::try_join!(self.get(&watch_key), self.record(subject))?;
            let Some(change) = Watch::judged(kept.as_ref(), subject, record.as_ref(), now) else {
                return Ok(has_changed);
            };
            match self.commit(&change, None, now).await {
                Ok(()) => has_changed = true,
                Err(StoreError::Stale) => pause(look).await,
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Stale)
    }

    /// A subject as it is now, with what belongs to it.
    async fn record(&self, subject: Subject) -> Result<Option<Record>, StoreError> {
        Ok(match subject {
            Subject::Patient(id) => {
                let found = self.get(&patient::key(id)).await?;
                found.map(|patient| Record::Patient(Box::new(patient)))
            }
            Subject::Specialist(id) => {
                let found = self.get(&specialist::record_key(id)).await?;
                found.map(|specialist| Record::Specialist(Box::new(specialist)))
            }
            Subject::Booking(id) => {
                let key = booking::record_key(id);
                let (found, rows) = tokio::try_join!(self.get(&key), self.of_booking(id))?;
                found.map(|booking| Record::Booking(Box::new(booking), rows))
            }
            Subject::Transaction(id) => {
                let found: Option<LedgerEntry> = self.get(&transaction::record_key(id)).await?;
                let payee = found.as_ref().filter(|entry| entry.row.kind() == Kind::Payout);
                let others = match payee.and_then(|entry| entry.row.person.specialist()) {
                    Some(specialist) => self.payouts(specialist).await?,
                    None => Vec::new(),
                };
                found.map(|entry| Record::Transaction(Box::new(entry), others))
            }
            Subject::Invite(place) => {
                let found = self.invite(place.organization, place.invite).await?;
                found.map(|invite| Record::Invite(Box::new(invite)))
            }
            Subject::Organization(id) => {
                let (found, counts, quota) =
                    tokio::try_join!(self.organization(id), self.counts(id), self.quota(id))?;
                let admins = counts.map_or(0, |counts| counts.holders(Role::Admin));
                let standing = Standing { admins, quota };
                found.map(|organization| Record::Organization(Box::new(organization), standing))
            }
            Subject::Site(id) => self.site(id).await?.map(|site| Record::Site(Box::new(site))),
        })
    }

    /// AC1, AC6: an action, as `organization` sees it.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn action(
        &self,
        organization: OrganizationId,
        action: ActionId,
    ) -> Result<Sought<Case>, StoreError> {
        let (key, handling) = (key(action), handling_key(organization, action));
        let (found, handling) = tokio::try_join!(self.get(&key), self.get(&handling))?;
        Ok(Sought::new(found.map(|action| Case { action, handling })))
    }

    /// AC3, AC4, AC5 or AC7: the actions that are wanted and seen, the gravest first, then the oldest.
    ///
    /// # Errors
    /// As a refusal: [`portal_domain::code::Code::CursorExpired`], [`portal_domain::code::Code::SiteFilterRequired`].
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn actions(
        &self,
        sight: &Sight,
        query: &ActionQuery,
        now: Timestamp,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<Case>, StoreError> {
        if sight.rules.is_empty() {
            return Ok(Page::empty());
        }
        let page = if query.is_of_handled() {
            self.handled_actions(sight, query, now, limit, after).await?
        } else {
            self.found_actions(sight, query, limit, after).await?
        };
        let is_wanted = |case: &Case| {
            let is_theirs = query.assignee.is_none() || case.assignee() == query.assignee;
            is_theirs && case.status(now) == query.status() && sight.shows(&case.action)
        };
        Ok(page.keeping(is_wanted))
    }

    /// The actions themselves, with what the organization has made of them.
    async fn found_actions(
        &self,
        sight: &Sight,
        query: &ActionQuery,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<Case>, StoreError> {
        let is_open = query.status() != Status::Closed;
        let organization = sight.reach.organization;
        let of_sites = if sight.has_sites() {
            sight.reach.sources(Of::Events)?
        } else {
            Vec::new()
        };
        let of_sites = of_sites.into_iter().map(|source| match source {
            Source::Site(site, shard) => of_site(site, shard, is_open),
            Source::Platform(shard) => of_platform(shard, is_open),
        });
        let own = sight.has_own().then(|| of_organization(organization, is_open));
        let list = Merged::of(&sight.reach, of_sites.chain(own).collect(), limit, after)?;
        let list = Merged {
            filter: of_rules(sight),
            ..list
        };
        let page: Page<Action> = self.merged(&list).await?;
        let keys: Vec<Key> = page
            .items
            .iter()
            .map(|action| handling_key(organization, action.id))
            .collect();
        let handlings: Vec<Handling> = self.get_all(&keys).await?;
        let mut handlings: BTreeMap<ActionId, Handling> = handlings
            .into_iter()
            .map(|handling| (handling.action, handling))
            .collect();
        Ok(page.map(|action| {
            let handling = handlings.remove(&action.id);
            Case { action, handling }
        }))
    }

    /// What the organization has made of actions, with these.
    async fn handled_actions(
        &self,
        sight: &Sight,
        query: &ActionQuery,
        now: Timestamp,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<Case>, StoreError> {
        let mut filter = of_rules(sight);
        if let Some(assignee) = query.assignee {
            filter =
                filter.and(Expression::new("#assignee = :assignee").with("assignee", assignee.to_string()));
        }
        match query.status() {
            Status::Snoozed => {
                filter = filter.and(Expression::new("#snoozed_until > :now").with("now", now));
            }
            Status::Dismissed => filter = filter.and(Expression::new("attribute_exists(#dismissal)")),
            Status::Open | Status::Closed => {}
        }
        let source = handled(sight.reach.organization);
        let list = Merged {
            filter,
            ..Merged::of(&sight.reach, vec![source], limit, after)?
        };
        let page: Page<Handling> = self.merged(&list).await?;
        let keys: Vec<Key> = page.items.iter().map(|handling| key(handling.action)).collect();
        let actions: Vec<Action> = self.get_all(&keys).await?;
        let mut actions: BTreeMap<ActionId, Action> =
            actions.into_iter().map(|action| (action.id, action)).collect();
        let case = |handling: Handling| {
            let action = actions.remove(&handling.action)?;
            let handling = Some(handling);
            Some(Case { action, handling })
        };
        Ok(page.filter_map(case))
    }
}

/// That an action is of a rule that is seen; nothing where all are.
fn of_rules(sight: &Sight) -> Expression {
    if sight.rules.len() == Rule::ALL.len() {
        return Expression::default();
    }
    Expression::one_of("rule", sight.rules.iter().map(|rule| rule.as_str()))
}

#[cfg(test)]
mod tests {
    use portal_domain::action::{Cause, Dismissal, Field, Finding};
    use portal_domain::id::{AccountId, PatientId};

    use super::*;
    use crate::entity::{from_item, to_item};

    fn now() -> Timestamp {
        "2026-05-04T09:00:00Z".parse().unwrap()
    }

    fn finding(place: Place) -> Finding {
        Finding {
            rule: Rule::PatientProfileIncomplete,
            place,
            cause: Cause {
                at: Some(now()),
                fields: vec![Field::Contact, Field::Locale],
            },
            opened_at: now(),
        }
    }

    #[test]
    fn what_is_kept_of_actions_reads_back_as_it_was_stored() {
        let subject = Subject::Patient(PatientId::mint(now()));
        let places = [
            Place::Site {
                site: SiteId::mint(now()),
                shard: 3,
            },
            Place::Organization {
                organization: OrganizationId::mint(now()),
            },
        ];
        for place in places {
            let action = Action::of(subject, &finding(place));
            let closed = Action {
                closed_at: Some(now()),
                ..action.clone()
            };
            for action in [action, closed] {
                let item = to_item(&action).unwrap();
                assert_eq!(item.contains_key(crate::table::TTL), action.closed_at.is_some());
                assert_eq!(from_item::<Action>(item).unwrap(), action);
            }
        }
        let watch = Watch {
            subject,
            open: places.map(finding).to_vec(),
            due: Some(now()),
            rev: u64::try_from(now().as_millisecond()).unwrap(),
        };
        assert_eq!(from_item::<Watch>(to_item(&watch).unwrap()).unwrap(), watch);
        let handling = Handling {
            organization: OrganizationId::mint(now()),
            action: Action::of(subject, &finding(places[0])).id,
            rule: Rule::PatientProfileIncomplete,
            opened_at: now(),
            assignee: Some(AccountId::of("tests", "ada")),
            snoozed_until: Some(now()),
            dismissal: Some(Dismissal {
                by: AccountId::of("tests", "ada"),
                reason: "Known".parse().unwrap(),
                at: now(),
            }),
            rev: 1,
            updated_at: now(),
        };
        assert_eq!(
            from_item::<Handling>(to_item(&handling).unwrap()).unwrap(),
            handling
        );
    }

    #[test]
    fn lists_begin_with_the_gravest_and_go_on_with_the_oldest() {
        let id = ActionId::mint(now());
        let later = now() + jiff::SignedDuration::from_hours(1);
        let ordered = [
            place(Rule::PayoutFailed, now(), id),
            place(Rule::PaymentFailed, later, id),
            place(Rule::BookingOverdue, now(), id),
            place(Rule::InviteExpiring, now(), id),
        ];
        assert!(ordered.is_sorted());
    }
}
