//! Service tokens: how the platform's own systems call, each for one source and only for what it was given.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::access::expect_revision;
use crate::audit::{Actor, AuditEvent, Origin, Verb};
use crate::change::{Change, Write};
use crate::code::{At, Code, Refusal};
use crate::external::SourceName;
use crate::id::{AccountId, OrganizationId, TokenId};
use crate::ingest::{RecordType, hex};
use crate::limit::BATCHES_PER_TOKEN;
use crate::operator::Operator;

/// The most secrets of one token that open at the same time.
pub const MOST_SECRETS: usize = 5;

/// The longest that a former secret still opens after a rotation.
pub const LONGEST_OVERLAP: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What every secret begins with, so that a leaked one can be found.
const PREFIX: &str = "ptk_";

/// The secret of a service token. Shown once, kept nowhere: the table has its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSecret(String);

impl TokenSecret {
    /// The secret made of these random bytes.
    #[must_use]
    pub fn of(bytes: &[u8; 32]) -> Self {
        Self(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The secret that `text` is; none if it cannot be one.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        (bytes.len() == 32).then(|| Self(text.to_owned()))
    }

    /// The text, for the one answer that shows it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it, and looked up.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash(hex(&Sha256::digest(&self.0)))
    }
}

impl std::fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenSecret(…)")
    }
}

/// The SHA-256 of a secret. The secret has 256 random bits, so that its hash tells nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SecretHash(String);

impl SecretHash {
    /// The hash in hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Scope {
    /// To feed records of a type.
    Ingest(RecordType),
    /// To read what was changed in the portal.
    Changes,
}

impl Scope {
    const CHANGES: &'static str = "changes";

    /// The scope as it is sent and stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest(of) => of.as_str(),
            Self::Changes => Self::CHANGES,
        }
    }
}

impl TryFrom<String> for Scope {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        if text == Self::CHANGES {
            return Ok(Self::Changes);
        }
        let of = text.parse().map_err(|_| Code::TokenScopeUnknown)?;
        Ok(Self::Ingest(of))
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.as_str().to_owned()
    }
}

/// One secret of a token, by its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// The hash.
    pub hash: SecretHash,
    /// When it was made.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
    /// Until when it opens, if it was replaced.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub ends_at: Option<Timestamp>,
}

/// Where a token is in its life. Whether it has expired is told by the clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum State {
    /// It opens until it expires.
    Active,
    /// It opens nothing any more.
    Revoked {
        /// Who revoked it.
        by: AccountId,
        /// When.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        at: Timestamp,
    },
}

/// A service token, as the platform operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceToken {
    /// Its id.
    pub id: TokenId,
    /// Whose records it feeds.
    pub source: SourceName,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// Its secrets, the present one last.
    pub secrets: Vec<Secret>,
    /// Where it is in its life.
    #[serde(flatten)]
    pub state: State,
    /// Until when it opens, if it ends by itself.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub expires_at: Option<Timestamp>,
    /// The hour in which it was used last.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::millisecond::optional"
    )]
    pub last_used_at: Option<Timestamp>,
    /// Who made it.
    pub created_by: AccountId,
    /// Its revision.
    pub rev: u64,
    /// When it was made.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
    /// When it was changed last.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub updated_at: Timestamp,
}

/// What the platform operator wants of a new token.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Whose records it is to feed.
    pub source: SourceName,
    /// What it is to be used for.
    pub scopes: BTreeSet<Scope>,
    /// Until when.
    pub expires_at: Option<Timestamp>,
}

impl ServiceToken {
    /// A token with its first secret.
    ///
    /// # Errors
    /// [`Code::FieldsInvalid`] without a scope or for a time that is over.
    pub fn create(draft: Draft, secret: SecretHash, by: AccountId, now: Timestamp) -> Result<Self, Refusal> {
        let invalid =
            |detail: &'static str, pointer: &str| Err(Refusal::new(Code::FieldsInvalid, detail)).at(pointer);
        if draft.scopes.is_empty() {
            return invalid("expected at least one scope", "/scopes");
        }
        if draft.expires_at.is_some_and(|end| end <= now) {
            return invalid("expected a time to come", "/expires_at");
        }
        Ok(Self {
            id: TokenId::mint(now),
            source: draft.source,
            scopes: draft.scopes,
            secrets: vec![Secret {
                hash: secret,
                created_at: now,
                ends_at: None,
            }],
            state: State::Active,
            expires_at: draft.expires_at,
            last_used_at: None,
            created_by: by,
            rev: 1,
            created_at: now,
            updated_at: now,
        })
    }

    /// Whether it opens nothing any more.
    #[must_use]
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.state != State::Active || self.expires_at.is_some_and(|end| end <= now)
    }

    /// The token with another secret; the former ones open no longer than `overlap` from now.
    ///
    /// # Errors
    /// [`Code::TokenEnded`]; [`Code::FieldsInvalid`] for an overlap that is negative or beyond [`LONGEST_OVERLAP`];
    /// [`Code::LimitExceeded`] when [`MOST_SECRETS`] would open at the same time.
    pub fn rotate(
        &self,
        secret: SecretHash,
        overlap: SignedDuration,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        if self.has_ended(now) {
            return Err(Code::TokenEnded.into());
        }
        if overlap.is_negative() || overlap > LONGEST_OVERLAP {
            let detail = format!("expected 0 to {} seconds", LONGEST_OVERLAP.as_secs());
            return Err(Refusal::new(Code::FieldsInvalid, detail).at("/overlap_seconds"));
        }
        let end = now + overlap;
        let mut secrets: Vec<Secret> = self.secrets.clone();
        for former in &mut secrets {
            former.ends_at = Some(former.ends_at.map_or(end, |sooner| sooner.min(end)));
        }
        secrets.retain(|former| former.ends_at.is_some_and(|end| end > now));
        if secrets.len() >= MOST_SECRETS {
            return Err(Refusal::new(
                Code::LimitExceeded,
                format!("at most {MOST_SECRETS} secrets of a token open at the same time"),
            ));
        }
        secrets.push(Secret {
            hash: secret,
            created_at: now,
            ends_at: None,
        });
        Ok(self.next(now, |token| token.secrets = secrets))
    }

    /// The token, revoked by somebody who has seen it in the revision `seen`.
    ///
    /// # Errors
    /// [`Code::RevisionMismatch`]; [`Code::TokenEnded`] when it was revoked before.
    pub fn revoke(&self, seen: u64, by: AccountId, now: Timestamp) -> Result<Self, Refusal> {
        expect_revision(self.rev, seen)?;
        if self.state != State::Active {
            return Err(Code::TokenEnded.into());
        }
        Ok(self.next(now, |token| {
            token.secrets.clear();
            token.state = State::Revoked { by, at: now };
        }))
    }

    /// Where it is in its life at `now`: `active`, `expired` or `revoked`.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> &'static str {
        match self.state {
            State::Revoked { .. } => "revoked",
            State::Active if self.has_ended(now) => "expired",
            State::Active => "active",
        }
    }

    fn next(&self, now: Timestamp, change: impl FnOnce(&mut Self)) -> Self {
        let mut token = self.clone();
        token.rev += 1;
        token.updated_at = now;
        change(&mut token);
        token
    }

    /// What is looked up by each of its secrets.
    #[must_use]
    pub fn credentials(&self) -> Vec<Credential> {
        let credential = |secret: &Secret| Credential {
            hash: secret.hash.clone(),
            token: self.id,
            source: self.source.clone(),
            scopes: self.scopes.clone(),
            ends_at: secret.ends_at.into_iter().chain(self.expires_at).min(),
            used_at: None,
        };
        self.secrets.iter().map(credential).collect()
    }
}

/// What one secret opens: all that a request by it needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// The secret's hash.
    pub hash: SecretHash,
    /// Whose secret it is.
    pub token: TokenId,
    /// Whose records it feeds.
    pub source: SourceName,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// Until when it opens.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub ends_at: Option<Timestamp>,
    /// The hour in which it was used last.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::millisecond::optional"
    )]
    pub used_at: Option<Timestamp>,
}

impl Credential {
    /// Whether it opens anything at `now`.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.ends_at.is_none_or(|end| end > now)
    }

    /// Refuses what it was not given for.
    ///
    /// # Errors
    /// [`Code::TokenScopeMissing`].
    pub fn allows(&self, scope: Scope) -> Result<(), Refusal> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        Err(Refusal::new(
            Code::TokenScopeMissing,
            format!("this needs the scope {}", scope.as_str()),
        ))
    }

    /// The hour to note as that of its last use; none if it is noted already.
    #[must_use]
    pub fn use_to_note(&self, now: Timestamp) -> Option<Timestamp> {
        let second = now.as_second() - now.as_second().rem_euclid(3_600);
        let hour = Timestamp::from_second(second).unwrap_or(now);
        self.used_at.is_none_or(|noted| noted < hour).then_some(hour)
    }
}

impl Operator {
    /// A new token.
    ///
    /// # Errors
    /// As [`ServiceToken::create`].
    pub fn create_token(
        &self,
        draft: Draft,
        secret: SecretHash,
        now: Timestamp,
    ) -> Result<(ServiceToken, Change), Refusal> {
        let token = ServiceToken::create(draft, secret, self.account, now)?;
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
        let event = self
            .event(OrganizationId::PLATFORM, Verb::TokenCreated, &token.id, now)
            .changed("source", None, Some(token.source.to_string()))
            .changed("scopes", None, Some(scopes.join(" ")))
            .changed("expires_at", None, token.expires_at.map(|end| end.to_string()));
        let write = Write::TokenPut {
            new: token.clone(),
            old: None,
        };
        Ok((token, Change::audited(event).write(write)))
    }

    /// A token with another secret.
    ///
    /// # Errors
    /// [`Code::TokenNotFound`]; as [`ServiceToken::rotate`].
    pub fn rotate_token(
        &self,
        token: Option<ServiceToken>,
        secret: SecretHash,
        overlap: SignedDuration,
        now: Timestamp,
    ) -> Result<(ServiceToken, Change), Refusal> {
        let old = token.ok_or(Code::TokenNotFound)?;
        let new = old.rotate(secret, overlap, now)?;
        let event = self
            .event(OrganizationId::PLATFORM, Verb::TokenRotated, &new.id, now)
            .changed("overlap_seconds", None, Some(overlap.as_secs().to_string()));
        Ok((new.clone(), replacing(old, new, Change::audited(event))))
    }

    /// A token that opens nothing from the next request on.
    ///
    /// # Errors
    /// [`Code::TokenNotFound`]; as [`ServiceToken::revoke`].
    pub fn revoke_token(
        &self,
        token: Option<ServiceToken>,
        seen: u64,
        now: Timestamp,
    ) -> Result<Change, Refusal> {
        let old = token.ok_or(Code::TokenNotFound)?;
        let new = old.revoke(seen, self.account, now)?;
        let event = self.event(OrganizationId::PLATFORM, Verb::TokenRevoked, &new.id, now);
        Ok(replacing(old, new, Change::audited(event)))
    }
}

fn replacing(old: ServiceToken, new: ServiceToken, change: Change) -> Change {
    change.write(Write::TokenPut { new, old: Some(old) })
}

/// Somebody who feeds or reads records: the bearer of a token's secret.
#[derive(Debug, Clone)]
pub struct Service {
    /// What the secret opens.
    pub credential: Credential,
    /// From where it calls, for the audit log.
    pub origin: Origin,
}

impl Service {
    /// What begins a batch of `lines` of a type, or in another language than ours: it is counted, and told in the platform's own log.
    #[must_use]
    pub fn ingested(&self, of: &str, lines: usize, now: Timestamp) -> Change {
        let token = self.credential.token;
        let actor = Actor::Service {
            token,
            source: self.credential.source.clone(),
        };
        let log = OrganizationId::PLATFORM;
        let event = AuditEvent::new(log, Verb::RecordsIngested, actor, &token, &self.origin, now)
            .changed("type", None, Some(of.to_owned()))
            .changed("lines", None, Some(lines.to_string()));
        Change::audited(event).counted(BATCHES_PER_TOKEN.used_by(token.to_string(), now))
    }

    /// What begins a batch that is only tried.
    #[must_use]
    pub fn tried(&self, now: Timestamp) -> Change {
        let used = BATCHES_PER_TOKEN.used_by(self.credential.token.to_string(), now);
        Change::default().counted(used)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::now;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    fn secret(seed: u8) -> TokenSecret {
        TokenSecret::of(&[seed; 32])
    }

    fn draft() -> Draft {
        Draft {
            source: "platform".parse().unwrap(),
            scopes: [Scope::Ingest(RecordType::Sites)].into(),
            expires_at: None,
        }
    }

    fn operator() -> AccountId {
        AccountId::of("sample", "olga")
    }

    fn created(draft: Draft) -> Result<ServiceToken, Refusal> {
        ServiceToken::create(draft, secret(0).hash(), operator(), now())
    }

    fn token() -> ServiceToken {
        created(draft()).unwrap()
    }

    /// The secrets that open at `at`.
    fn open(token: &ServiceToken, at: Timestamp) -> Vec<SecretHash> {
        let credentials = token.credentials().into_iter();
        credentials
            .filter(|credential| credential.is_open(at))
            .map(|credential| credential.hash)
            .collect()
    }

    #[test]
    fn a_secret_has_one_form_and_shows_nowhere() {
        let secret = secret(7);
        assert_eq!(secret.reveal().len(), 47);
        assert_eq!(TokenSecret::read(secret.reveal()), Some(secret.clone()));
        assert!(!format!("{secret:?}").contains(secret.reveal()));
        assert!(!secret.hash().as_str().contains(secret.reveal()));
        assert_eq!(secret.hash().as_str().len(), 64);
        let text = secret.reveal();
        for other in [
            String::new(),
            "ptk_".to_owned(),
            text[4..].to_owned(),
            text[..46].to_owned(),
            format!("{text}A"),
            format!("{text}="),
            format!(" {text}"),
            text.replace("ptk_", "PTK_"),
            text.replace("BwcH", "Bw+H"),
            text.replace("BwcH", "Bwc\u{e9}"),
        ] {
            assert_eq!(TokenSecret::read(&other), None, "{other}");
        }
    }

    #[test]
    fn scopes_read_back_and_there_are_no_others() {
        let all: Vec<Scope> = RecordType::ALL
            .iter()
            .map(|of| Scope::Ingest(*of))
            .chain([Scope::Changes])
            .collect();
        for scope in all {
            let text = serde_json::to_value(scope).unwrap();
            assert_eq!(text, scope.as_str());
            assert_eq!(serde_json::from_value::<Scope>(text).unwrap(), scope);
        }
        for other in ["", "*", "Sites", "site", "members"] {
            let refused = Scope::try_from(other.to_owned()).unwrap_err();
            assert_eq!(refused.code, Code::TokenScopeUnknown, "{other}");
        }
    }

    #[test]
    fn a_token_is_for_something_and_for_a_time_to_come() {
        let for_nothing = Draft {
            scopes: BTreeSet::new(),
            ..draft()
        };
        assert_eq!(created(for_nothing).unwrap_err().errors[0].pointer, "/scopes");
        let over = Draft {
            expires_at: Some(now()),
            ..draft()
        };
        assert_eq!(created(over).unwrap_err().errors[0].pointer, "/expires_at");
    }

    #[test]
    fn a_token_opens_until_it_expires() {
        let token = created(Draft {
            expires_at: Some(now() + HOUR),
            ..draft()
        })
        .unwrap();
        assert_eq!(open(&token, now()).len(), 1);
        assert!(open(&token, now() + HOUR).is_empty() && token.has_ended(now() + HOUR));
        let late = token.rotate(secret(1).hash(), HOUR, now() + HOUR).unwrap_err();
        assert_eq!(late.code, Code::TokenEnded);
        // A rotation makes it no older than it was to become.
        let rotated = token.rotate(secret(1).hash(), HOUR * 5, now()).unwrap();
        assert!(open(&rotated, now() + HOUR).is_empty());
    }

    #[test]
    fn former_secrets_open_until_the_overlap_ends() {
        let first = token();
        let second = first.rotate(secret(1).hash(), HOUR, now()).unwrap();
        let (old, new) = (secret(0).hash(), secret(1).hash());
        assert_eq!(open(&second, now()), [old, new.clone()]);
        assert_eq!(open(&second, now() + HOUR), [new]);
        assert_eq!((second.rev, second.id), (2, first.id));
        let at_once = second
            .rotate(secret(2).hash(), SignedDuration::ZERO, now())
            .unwrap();
        assert_eq!(open(&at_once, now()), [secret(2).hash()]);
    }

    #[test]
    fn an_overlap_is_never_made_longer_or_endless() {
        let twice = token()
            .rotate(secret(1).hash(), HOUR, now())
            .and_then(|token| token.rotate(secret(2).hash(), HOUR * 9, now()))
            .unwrap();
        assert_eq!(open(&twice, now() + HOUR), [secret(1).hash(), secret(2).hash()]);
        for overlap in [-SignedDuration::from_secs(1), LONGEST_OVERLAP + HOUR] {
            let refused = token().rotate(secret(1).hash(), overlap, now()).unwrap_err();
            assert_eq!(refused.errors[0].pointer, "/overlap_seconds");
        }
        let mut token = token();
        for seed in 1..5 {
            token = token.rotate(secret(seed).hash(), HOUR, now()).unwrap();
        }
        let one_too_many = |at| token.rotate(secret(9).hash(), HOUR, at);
        assert_eq!(one_too_many(now()).unwrap_err().code, Code::LimitExceeded);
        assert_eq!(open(&one_too_many(now() + HOUR).unwrap(), now() + HOUR).len(), 2);
    }

    #[test]
    fn a_revoked_token_opens_nothing_for_good() {
        let token = token();
        assert_eq!(
            token.revoke(7, operator(), now()).unwrap_err().code,
            Code::RevisionMismatch
        );
        let revoked = token.revoke(1, operator(), now()).unwrap();
        assert!(revoked.credentials().is_empty() && revoked.has_ended(now()));
        for refused in [
            revoked.revoke(2, operator(), now()),
            revoked.rotate(secret(1).hash(), HOUR, now()),
        ] {
            assert_eq!(refused.unwrap_err().code, Code::TokenEnded);
        }
    }

    #[test]
    fn a_credential_is_good_for_its_scopes_alone() {
        let credential = token().credentials().remove(0);
        assert_eq!(credential.allows(Scope::Ingest(RecordType::Sites)), Ok(()));
        for scope in [Scope::Changes, Scope::Ingest(RecordType::Patients)] {
            assert_eq!(
                credential.allows(scope).unwrap_err().code,
                Code::TokenScopeMissing
            );
        }
    }

    #[test]
    fn use_is_noted_once_an_hour() {
        let mut credential = token().credentials().remove(0);
        let at = now() + SignedDuration::from_mins(59);
        assert_eq!(credential.use_to_note(at), Some(now()));
        credential.used_at = Some(now());
        assert_eq!(credential.use_to_note(at), None);
        assert_eq!(credential.use_to_note(now() + HOUR), Some(now() + HOUR));
        // A clock that runs behind takes nothing back.
        assert_eq!(credential.use_to_note(now() - HOUR), None);
    }

    #[test]
    fn a_token_reads_back_as_it_was_stored() {
        let token = token().rotate(secret(1).hash(), HOUR, now()).unwrap();
        for token in [token.revoke(2, operator(), now()).unwrap(), token] {
            let stored = serde_json::to_value(&token).unwrap();
            assert_eq!(serde_json::from_value::<ServiceToken>(stored).unwrap(), token);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_rotated_the_present_secret_opens_and_few_others_do(overlaps in proptest::collection::vec((0_i64..10_000, 0_i64..10_000), 1..20)) {
            let (mut token, mut at) = (token(), now());
            for (seed, (wait, overlap)) in overlaps.into_iter().enumerate() {
                at += SignedDuration::from_secs(wait);
                let new = secret(u8::try_from(seed).unwrap() + 1).hash();
                if let Ok(next) = token.rotate(new.clone(), SignedDuration::from_secs(overlap), at) {
                    prop_assert!(open(&next, at).contains(&new));
                    prop_assert!(open(&next, at).len() <= MOST_SECRETS);
                    prop_assert!(open(&next, at + LONGEST_OVERLAP).len() == 1);
                    token = next;
                }
            }
        }
    }
}
