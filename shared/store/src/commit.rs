//! Turns a change into one transaction: each kind of write and fact once.

use jiff::Timestamp;
use portal_domain::change::{Change, CountChange, Fact, SeatEffect, Write};
use portal_domain::code::Code;
use portal_domain::plan::{Quota, QuotaEffect, QuotaStep, SeatChange, Seats};
use portal_domain::role::Role;

use crate::client::Store;
use crate::entity::binding::Bound;
use crate::entity::idempotency::Record;
use crate::entity::{
    self, account, action, binding, booking, count, device, due, enrollment, export, feed, import, invite,
    membership, note, organization, patient, quota, seats, session, specialist, tie, token,
};
use crate::error::StoreError;
use crate::expression::Expression;
use crate::transaction::{Failing, Transaction};

/// How many expired seat holds are tried before the plan's seats count as used up.
const MOST_TAKEOVERS: usize = 10;

/// How many seats of expired invites one request gives back.
const MOST_RETURNS: usize = 25;

impl Store {
    /// Commits everything in `change`, with its audit events, messages and the record of the answer, or nothing.
    ///
    /// Where no seat is left, a seat that an expired invite still holds is taken over. Where no session is left of a month that is
    /// over, the next month begins.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when what was read has changed, [`StoreError::Refused`] when a rule forbids it,
    /// [`StoreError::Answered`] when another request with the same idempotency key was first, [`StoreError::Busy`].
    pub async fn commit(
        &self,
        change: &Change,
        answer: Option<&Record>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let first = self.commit_once(change, answer, now).await;
        if let (Err(StoreError::Refused(refusal)), Some(effect)) = (&first, &change.quota)
            && refusal.code == Code::SessionQuotaReached
        {
            return self.commit_in_new_month(change, effect, answer, now).await;
        }
        match (first, change.needs_seats()) {
            (Err(StoreError::Refused(refusal)), Some(needed)) if refusal.code == Code::SeatLimitReached => {
                self.commit_with_expired_seats(change, answer, needed, now)
                    .await?
                    .ok_or(StoreError::Refused(refusal))
            }
            (committed, _) => committed,
        }
    }

    /// Commits what found no session left, if its month is to be begun.
    async fn commit_in_new_month(
        &self,
        change: &Change,
        effect: &QuotaEffect,
        answer: Option<&Record>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let before = self.quota(effect.root).await?;
        match Quota::begun(before.as_ref(), effect.root, effect.month) {
            Some(first) => {
                let change = change.clone().beginning_month(first, before.as_ref());
                self.commit_once(&change, answer, now).await
            }
            // Somebody else began it, or the limit was raised meanwhile.
            None if before.is_some_and(|quota| quota.month >= effect.month && quota.used < quota.limit) => {
                Err(StoreError::Stale)
            }
            None => Err(StoreError::Refused(Code::SessionQuotaReached.into())),
        }
    }

    /// Commits what found no seat, by what expired invites still hold; `None` if they hold nothing.
    async fn commit_with_expired_seats(
        &self,
        change: &Change,
        answer: Option<&Record>,
        needed: SeatEffect,
        now: Timestamp,
    ) -> Result<Option<()>, StoreError> {
        let (seats, mut holds) = tokio::try_join!(
            self.seats(needed.root),
            self.expired_holds(needed.root, now, MOST_TAKEOVERS)
        )?;
        let Some(seats) = seats.filter(|_| !holds.is_empty()) else {
            return Ok(None);
        };
        // In a plan that became smaller, what is used beyond it can be given back but not taken over.
        if seats.used > seats.limit || needed.change != SeatChange::Take {
            self.without_expired(seats, now).await?;
            return Err(StoreError::Stale);
        }
        // Requests that come at the same time begin at different holds.
        let first = rand::random_range(0..holds.len());
        holds.rotate_left(first);
        for expiry in holds.iter().filter_map(|hold| hold.expired("invites", now)) {
            match self
                .commit_once(&change.clone().taking_over(expiry), answer, now)
                .await
            {
                // The index was behind, or somebody else took this hold: the next one.
                Err(StoreError::Stale) => {}
                other => return other.map(Some),
            }
        }
        Err(StoreError::Stale)
    }

    /// The seats as they are once expired invites gave back what they hold beyond the limit of a plan that became smaller.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn without_expired(&self, seats: Seats, now: Timestamp) -> Result<Seats, StoreError> {
        let beyond = usize::try_from(seats.used.saturating_sub(seats.limit)).unwrap_or(MOST_RETURNS);
        if beyond == 0 {
            return Ok(seats);
        }
        let root = seats.organization;
        let holds = self.expired_holds(root, now, beyond.min(MOST_RETURNS)).await?;
        for expiry in holds.iter().filter_map(|hold| hold.expired("invites", now)) {
            match self.commit_once(&expiry, None, now).await {
                // The index was behind, or somebody else was first.
                Ok(()) | Err(StoreError::Stale) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.seats(root).await?.unwrap_or(seats))
    }

    async fn commit_once(
        &self,
        change: &Change,
        answer: Option<&Record>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = Transaction::default();
        for write in &change.writes {
            transaction = stage(transaction, write, now)?;
        }
        for fact in &change.facts {
            transaction = check(transaction, fact);
        }
        if let Some(effect) = &change.seats {
            transaction = seat(transaction, effect);
        }
        if let Some(effect) = &change.quota {
            transaction = take_session(transaction, effect)?;
        }
        for limit_use in &change.uses {
            transaction = crate::entity::limit::count(transaction, limit_use, now);
        }
        for event in &change.audit {
            transaction = transaction.create(event, Failing::Stale)?;
        }
        for message in &change.messages {
            transaction = transaction.create(message, Failing::Stale)?;
        }
        if let Some(record) = answer {
            transaction = transaction.put(record, Record::is_first(now), Failing::Answered)?;
        }
        self.commit_transaction(&transaction).await
    }
}

fn stage(transaction: Transaction, write: &Write, now: Timestamp) -> Result<Transaction, StoreError> {
    let exists = || Expression::new("attribute_exists(#pk)");
    Ok(match write {
        Write::AccountCreate(account) => transaction.create(account, Failing::Stale)?,
        Write::AccountReplace(account) => transaction.replace(account, account.rev)?,
        Write::AccountJoins(account, rev) => transaction.update(
            account::key(*account),
            Expression::new("SET #rev = :next").with("next", *rev + 1),
            Expression::new("#rev = :rev").with("rev", *rev),
            Failing::Stale,
        ),
        Write::EmailClaim(email, by) => account::claim(transaction, email, *by)?,
        Write::EmailRelease(email, by) => account::release(transaction, email, *by),
        Write::OrganizationCreate(organization) => {
            // Nobody else's: the item must not exist.
            crate::request::open_organization(organization.id);
            transaction.create(organization, Failing::Stale)?
        }
        Write::OrganizationReplace(organization) => transaction.replace(organization, organization.rev)?,
        Write::SiteCreate(site) => transaction.create(site, Failing::Stale)?,
        Write::SiteReplace(site) => transaction.replace(site, site.rev)?,
        Write::BookingPut(booking) => booking::put(transaction, booking)?,
        Write::BindingPut(organization, binding) => transaction.put(
            &Bound::new(*organization, *binding),
            Expression::default(),
            Failing::Stale,
        )?,
        Write::BindingDelete(organization, site) => transaction.delete(
            binding::key(*organization, *site),
            Expression::default(),
            Failing::Stale,
        ),
        Write::SeatLimit(root, limit) => seats::limit(transaction, *root, *limit),
        Write::SessionLimit(root, limit, month) => quota::limit(transaction, *root, *limit, *month),
        Write::TokenPut { new, old } => token::put(transaction, new, old.as_ref())?,
        Write::NamingPut(naming) if naming.rev == 1 => transaction.create(naming, Failing::Stale)?,
        Write::NamingPut(naming) => transaction.replace(naming, naming.rev)?,
        Write::ResourcePut(resource) if resource.rev == 1 => {
            transaction.create(resource.as_ref(), Failing::Stale)?
        }
        Write::ResourcePut(resource) => transaction.replace(resource.as_ref(), resource.rev)?,
        Write::AliasCreate(alias) => transaction.create(alias, Failing::Stale)?,
        Write::SeatsCreate(seats) => transaction.create(seats, Failing::Stale)?,
        Write::CountsCreate(organization) => {
            transaction.create(&count::Counts::first(*organization), Failing::Stale)?
        }
        Write::Counts(change) => counts(transaction, change),
        Write::MembershipCreate(membership) => {
            transaction.create(membership, Failing::Rule(Code::AlreadyMember))?
        }
        Write::MembershipReplace(membership) => membership::replace(transaction, membership)?,
        Write::MembershipDelete(membership) => transaction.delete(
            membership::key(membership.account, membership.organization),
            Expression::new("#rev = :rev").with("rev", membership.rev),
            Failing::Stale,
        ),
        Write::TieInvite(email, organization, invite, until) => {
            tie::invite(transaction, email, *organization, *invite, *until)?
        }
        Write::TieAccept(email, organization, invite) => {
            tie::accept(transaction, email, *organization, *invite)?
        }
        Write::TieRelease(email, organization, invite) => {
            tie::release(transaction, email, *organization, *invite)
        }
        Write::TieMember(email, organization) => tie::member(transaction, email, *organization, now)?,
        Write::TieForget(email, organization) => {
            transaction.delete(tie::key(email, *organization), exists(), Failing::Stale)
        }
        Write::InviteCreate(invite) => transaction.create(invite, Failing::Stale)?,
        Write::InviteReplace(invite, delivery) => invite::replace(transaction, invite, delivery)?,
        Write::InviteDelivery {
            organization,
            invite,
            version,
            from,
            to,
        } => invite::deliver(transaction, (*organization, *invite), *version, from, to)?,
        Write::TransactionPut { new, old } => entity::transaction::put(transaction, new, old.as_deref())?,
        Write::PatientPut { new, old } => patient::put(transaction, new, old.as_deref())?,
        Write::EnrollmentPut(enrollment) => enrollment::put(transaction, enrollment)?,
        Write::NotePut(note) => note::put(transaction, note)?,
        Write::SpecialistPut { new, old } => specialist::put(transaction, new, old.as_deref())?,
        Write::ToldPut(told) => feed::put(transaction, told)?,
        Write::ExportPut(export) => export::put(transaction, export)?,
        Write::SessionPut(session) => session::put(transaction, session)?,
        Write::DevicesPut(devices) => device::put(transaction, devices)?,
        Write::KeyRevoke(account, key) => device::revoke(transaction, *account, *key)?,
        Write::ActionPut(action) => transaction.put(action, Expression::default(), Failing::Stale)?,
        Write::WatchPut { new, old } => action::watch(transaction, new, *old)?,
        Write::WatchDelete(watch) => action::end_watch(transaction, watch),
        Write::HandlingPut(handling) => action::handle(transaction, handling)?,
        Write::ImportPut(import) => import::put(transaction, import)?,
        Write::DuePut(due) => transaction.put(due, Expression::default(), Failing::Stale)?,
        Write::DueDelete(due) => transaction.delete(due::key(due), Expression::default(), Failing::Stale),
    })
}

fn counts(transaction: Transaction, change: &CountChange) -> Transaction {
    let loses_admin = change.roles.get(&Role::Admin).is_some_and(|by| *by < 0) && !change.may_end;
    // Never zero admins: the same transaction that takes one away needs another to be there.
    let (condition, failing) = if loses_admin {
        (
            Expression::new("#role_admin > :one").with("one", 1_u64),
            Failing::Rule(Code::LastAdmin),
        )
    } else {
        (Expression::new("attribute_exists(#pk)"), Failing::Stale)
    };
    transaction.update(
        count::key(change.organization),
        count::update(&change.roles),
        condition,
        failing,
    )
}

fn check(transaction: Transaction, fact: &Fact) -> Transaction {
    match fact {
        Fact::AccountIs(account, rev) => transaction.check(
            account::key(*account),
            Expression::new("#rev = :rev").with("rev", *rev),
            Failing::Stale,
        ),
        Fact::OrganizationActive(id, access_rev) => transaction.check(
            organization::key(*id),
            Expression::new("#status = :active AND #access_rev = :access_rev")
                .with("active", "active")
                .with("access_rev", *access_rev),
            Failing::Stale,
        ),
        Fact::OrganizationEnding(id, access_rev) => transaction.check(
            organization::key(*id),
            Expression::new("#status = :dissolving AND #access_rev = :access_rev")
                .with("dissolving", "dissolving")
                .with("access_rev", *access_rev),
            Failing::Stale,
        ),
        Fact::ActorHolds(account, organization, role) => transaction.check(
            membership::key(*account, *organization),
            Expression::new("#role = :role").with("role", role.to_string()),
            Failing::Stale,
        ),
        Fact::ActorSeated(account, organization) => transaction.check(
            membership::key(*account, *organization),
            Expression::new("#seat = :seat").with("seat", true),
            Failing::Stale,
        ),
        Fact::BookingIs(id, rev) => transaction.check(
            booking::record_key(*id),
            Expression::new("#rev = :rev").with("rev", *rev),
            Failing::Stale,
        ),
        Fact::KeyNotRevoked(account, key) => device::not_revoked(transaction, *account, *key),
        Fact::InviterHolds(account, organization, roles) => transaction.check(
            membership::key(*account, *organization),
            membership::holds_one_of(roles),
            Failing::Rule(Code::InviterWithoutRight),
        ),
        Fact::SeatsWithinLimit(root) => transaction.check(
            seats::key(*root),
            Expression::new("#used <= #limit"),
            Failing::Stale,
        ),
        Fact::SeatsBeyondLimit(root) => transaction.check(
            seats::key(*root),
            Expression::new("#used > #limit"),
            Failing::Stale,
        ),
        Fact::RoleUnused(organization, role) => transaction.check(
            count::key(*organization),
            count::unused(Role::Custom(*role)),
            Failing::Rule(Code::RoleInUse),
        ),
        Fact::MembersAre(organization, members) => transaction.check(
            count::key(*organization),
            Expression::new("#members = :members").with("members", *members),
            Failing::Stale,
        ),
    }
}

fn seat(transaction: Transaction, effect: &SeatEffect) -> Transaction {
    let key = seats::key(effect.root);
    let full = Failing::Rule(Code::SeatLimitReached);
    match effect.change {
        SeatChange::Take => transaction.update(key, seats::by(1), Expression::new("#used < #limit"), full),
        SeatChange::Release => transaction.update(
            key,
            seats::by(-1),
            Expression::new("#used > :none").with("none", 0_u64),
            Failing::Stale,
        ),
        SeatChange::Keep if effect.within_limit => {
            transaction.check(key, Expression::new("#used <= #limit"), full)
        }
        SeatChange::Keep => transaction,
    }
}

/// Takes one session. Whether the month has one left is asked of the table alone, since all who start one ask at once.
fn take_session(transaction: Transaction, effect: &QuotaEffect) -> Result<Transaction, StoreError> {
    match &effect.step {
        QuotaStep::Take => Ok(transaction.update(
            quota::key(effect.root),
            quota::one_more(),
            quota::has_left(effect.month),
            Failing::Rule(Code::SessionQuotaReached),
        )),
        QuotaStep::Begin(first, before) => transaction.put(first, quota::was(*before), Failing::Stale),
    }
}
