//! The one way in which requests read, decide and commit.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use portal_app::Web;
use portal_domain::access::Access;
use portal_domain::account::Account;
use portal_domain::change::{Change, Write};
use portal_domain::code::{Code, Refusal};
use portal_domain::membership::Membership;
use portal_domain::permission::Need;
use portal_domain::token;
use portal_store::entity::account::Caller as Known;
use portal_store::entity::idempotency::Record;
use portal_store::{StoreError, pause};

use crate::answer::Reply;
use crate::error::ApiError;
use crate::extract::caller::Caller;
use crate::extract::idempotent::Key;
use crate::extract::member::Member;
use crate::extract::service::Service;

/// How often a request decides anew when others change what it rests on.
const ATTEMPTS: u32 = 8;

/// For how long it does: every attempt has the store's own patience too, and the function has 15 seconds for all.
const PATIENCE: Duration = Duration::from_secs(4);

/// The attempts of one request to decide over facts that stay as they are.
struct Attempts {
    begun: Instant,
    failed: u32,
}

impl Attempts {
    fn begin() -> Self {
        Self {
            begun: Instant::now(),
            failed: 0,
        }
    }

    /// Waits a little before the next.
    ///
    /// # Errors
    /// [`Code::Busy`] when there is to be no other.
    async fn again(&mut self) -> Result<(), ApiError> {
        self.failed += 1;
        if self.failed == ATTEMPTS || self.begun.elapsed() > PATIENCE {
            return Err(Refusal::from(Code::Busy).retry_after(1).into());
        }
        pause(self.failed - 1).await;
        Ok(())
    }
}

/// What a decision comes to: a change to commit, and the answer once it is.
#[derive(Debug)]
pub struct Decision {
    /// The change.
    pub change: Change,
    /// The answer. A refusal here is given although the change is committed.
    pub answer: Result<Reply, Refusal>,
}

impl From<(Change, Reply)> for Decision {
    fn from((change, reply): (Change, Reply)) -> Self {
        Self {
            change,
            answer: Ok(reply),
        }
    }
}

impl Caller {
    /// Reads who the caller is here beside `read`, decides, and commits; again if that rests on something that has changed
    /// meanwhile, as the decision itself may say. With a key, a request that was answered before gets the same answer.
    ///
    /// # Errors
    /// The decision's refusal; what the commit refuses; [`Code::Busy`] after too many changes by others.
    pub async fn perform<T, R, D, E>(
        &self,
        key: Option<&Key>,
        read: impl Fn() -> R,
        decide: impl Fn(&Account, Vec<Membership>, T, Timestamp) -> Result<D, E>,
    ) -> Result<Reply, ApiError>
    where
        R: Future<Output = Result<T, StoreError>>,
        D: Into<Decision>,
        E: Into<ApiError>,
    {
        let mut attempts = Attempts::begin();
        loop {
            let now = self.web.clock.now();
            let (known, kept, data) = tokio::try_join!(
                self.web.store.caller(self.identity.account),
                kept(&self.web, self, key, now),
                read()
            )?;
            if let Some(answer) = replayed(&self.web, key, kept)? {
                return Ok(answer);
            }
            let outcome = match self.admit(&known, now).await {
                Ok(account) => match decide(&account, known.memberships, data, now) {
                    Ok(decision) => settle(&self.web, self, key, decision.into(), now).await,
                    Err(error) => refused(&self.web, self, key, error, now).await,
                },
                Err(error) => Err(error),
            };
            match outcome {
                Err(ApiError::Stale) => attempts.again().await?,
                settled => return settled,
            }
        }
    }

    /// The caller's account and memberships beside `read`; the account is made at first sign-in.
    ///
    /// # Errors
    /// [`Code::EmailClaimed`] at first sign-in with an address that another account has.
    pub async fn beside<T>(
        &self,
        read: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<(Account, Vec<Membership>, T), ApiError> {
        let (mut known, data) = tokio::try_join!(self.web.store.caller(self.identity.account), read)?;
        let mut attempts = Attempts::begin();
        loop {
            match self.admit(&known, self.web.clock.now()).await {
                Ok(account) => return Ok((account, known.memberships, data)),
                // Another request of the same person was first.
                Err(ApiError::Stale) => attempts.again().await?,
                Err(error) => return Err(error),
            }
            known = self.web.store.caller(self.identity.account).await?;
        }
    }

    /// The caller's account: made when it is seen for the first time, given its address when that was verified later.
    async fn admit(&self, known: &Known, now: Timestamp) -> Result<Account, ApiError> {
        let (account, write): (Account, fn(Account) -> Write) = match &known.account {
            None => (Account::first_seen(&self.identity, now), Write::AccountCreate),
            Some(account) => match account.with_first_address(&self.identity, now) {
                None => return Ok(account.clone()),
                Some(account) => (account, Write::AccountReplace),
            },
        };
        let claim = account
            .email
            .clone()
            .map(|email| Write::EmailClaim(email, account.id));
        let change = Change::default().write(write(account.clone())).writes(claim);
        self.web.store.commit(&change, None, now).await?;
        Ok(account)
    }
}

impl<P: Need> Member<P> {
    /// The caller's right, beside what `read` reads: one round trip. Without the right, nothing of the data is given.
    ///
    /// # Errors
    /// [`Code::OrganizationNotFound`] to strangers, [`Code::PermissionMissing`], [`Code::OrganizationDissolving`].
    pub async fn beside<T>(
        &self,
        read: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<(Access, T), ApiError> {
        let web = &self.caller.web;
        let (known, data) = tokio::join!(web.store.access(self.account(), self.organization), read);
        let (known, organization) = known?;
        let now = web.clock.now();
        let access = Access::resolve(
            organization,
            known.memberships,
            P::PERMISSION,
            self.phase,
            self.caller.origin.clone(),
            now,
        )?;
        let data = data?;
        self.touch(&access, now).await;
        Ok((access, data))
    }

    /// Reads the caller's right beside `read`, decides, and commits; again if that rests on something that has changed meanwhile.
    /// With a key, a request that was answered before gets the same answer, if its sender still has the right.
    ///
    /// # Errors
    /// As [`Self::beside`]; the decision's refusal; what the commit refuses; [`Code::Busy`].
    pub async fn perform<T, R, D>(
        &self,
        key: Option<&Key>,
        read: impl Fn() -> R,
        decide: impl Fn(&Access, T, Timestamp) -> Result<D, Refusal>,
    ) -> Result<Reply, ApiError>
    where
        R: Future<Output = Result<T, StoreError>>,
        D: Into<Decision>,
    {
        let web = &self.caller.web;
        let mut attempts = Attempts::begin();
        loop {
            let now = web.clock.now();
            let (access, (data, kept)) = self
                .beside(async { tokio::try_join!(read(), kept(web, &self.caller, key, now)) })
                .await?;
            if let Some(answer) = replayed(web, key, kept)? {
                return Ok(answer);
            }
            let settled = match decide(&access, data, now) {
                Ok(decision) => settle(web, &self.caller, key, decision.into(), now).await,
                Err(refusal) => refused(web, &self.caller, key, refusal, now).await,
            };
            match settled {
                Err(ApiError::Stale) => attempts.again().await?,
                settled => return settled,
            }
        }
    }

    /// Binds `key` to a request whose parts have keys and answers of their own.
    ///
    /// # Errors
    /// As [`Self::beside`]; [`Code::IdempotencyKeyReused`] when the key came with another request, of which parts may
    /// have failed and so left no answer to be compared with.
    pub async fn begin(&self, key: &Key) -> Result<(), ApiError> {
        let web = &self.caller.web;
        let now = web.clock.now();
        let (_, kept) = self.beside(kept(web, &self.caller, Some(key), now)).await?;
        if replayed(web, Some(key), kept)?.is_some() {
            return Ok(());
        }
        let record = key.record(self.account(), now);
        match web.store.commit(&Change::default(), Some(&record), now).await {
            Err(StoreError::Answered(first)) => Ok(key.check(*first).map(drop)?),
            committed => Ok(committed?),
        }
    }

    /// Notes that the member was active, at most once an hour.
    async fn touch(&self, access: &Access, now: Timestamp) {
        let membership = &access.membership;
        if membership.organization == self.organization && membership.is_activity_news(now) {
            // Nobody's request fails because it could not be noted that they made it.
            if let Err(error) = self.caller.web.store.touch(membership, now).await {
                tracing::warn!(%error, "a member's activity was not noted");
            }
        }
    }
}

impl Service {
    /// Commits what `decide` comes to, once for `key`, and gives what it says that was made. Of a request that came before it is
    /// what that one made: the answer is written anew, as things are now.
    ///
    /// # Errors
    /// The decision's refusal; what the commit refuses; [`Code::IdempotencyKeyReused`]; [`Code::Busy`].
    pub async fn once(
        &self,
        web: &Web,
        key: &Key,
        decide: impl Fn(&token::Service, Timestamp) -> Result<(String, Change), Refusal>,
    ) -> Result<String, ApiError> {
        let mut attempts = Attempts::begin();
        loop {
            let now = web.clock.now();
            if let Some(first) = web.store.answer(self.source(), key.text(), now).await? {
                return Ok(key.check(first)?.body);
            }
            let (made, change) = decide(self.bearer(), now)?;
            let record = key.record(self.source(), now);
            let record = record.answered(201, Vec::new(), made.clone(), false);
            match web.store.commit(&change, Some(&record), now).await {
                Ok(()) => return Ok(made),
                // The same request was sent twice at once, and the other was first.
                Err(StoreError::Answered(first)) => return Ok(key.check(*first)?.body),
                Err(StoreError::Stale) => attempts.again().await?,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The answer that was given under `key` before.
async fn kept(
    web: &Web,
    caller: &Caller,
    key: Option<&Key>,
    now: Timestamp,
) -> Result<Option<Record>, StoreError> {
    match key {
        Some(key) => web.store.answer(caller.identity.account, key.text(), now).await,
        None => Ok(None),
    }
}

fn replayed(web: &Web, key: Option<&Key>, kept: Option<Record>) -> Result<Option<Reply>, Refusal> {
    match (key, kept) {
        (Some(key), Some(record)) => Reply::kept(key.check(record)?, &web.cursors).map(Some),
        _ => Ok(None),
    }
}

/// The answer that the same request was given meanwhile, or the refusal: what stands in the way may be the effect of its twin,
/// which was committed between the two reads.
async fn refused(
    web: &Web,
    caller: &Caller,
    key: Option<&Key>,
    error: impl Into<ApiError>,
    now: Timestamp,
) -> Result<Reply, ApiError> {
    match replayed(web, key, kept(web, caller, key, now).await?)? {
        Some(answer) => Ok(answer),
        None => Err(error.into()),
    }
}

/// Commits a decision with the record of its answer.
async fn settle(
    web: &Web,
    caller: &Caller,
    key: Option<&Key>,
    decision: Decision,
    now: Timestamp,
) -> Result<Reply, ApiError> {
    let record = match (key, &decision.answer) {
        (Some(key), Ok(reply)) => Some(reply.keep(key.record(caller.identity.account, now), &web.cursors)?),
        _ => None,
    };
    match web.store.commit(&decision.change, record.as_ref(), now).await {
        Ok(()) => Ok(decision.answer?),
        // The same request was sent twice at once, and the other was first.
        Err(StoreError::Answered(record)) => replayed(web, key, Some(*record))?.ok_or(ApiError::Stale),
        Err(error) => Err(error.into()),
    }
}
