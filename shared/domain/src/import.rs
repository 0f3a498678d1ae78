//! Imports: files of lines that a source brings, taken piece by piece, from where the last piece ended.

mod file;
mod mapping;
mod progress;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::audit::{Actor, AuditEvent, Origin, Verb};
use crate::booking::words;
use crate::change::{Change, Write};
use crate::code::{Code, Refusal};
use crate::external::SourceName;
use crate::id::{ImportId, OrganizationId, TokenId};
use crate::ingest::RecordType;
use crate::lease::{Claim, LEASE, MOST_ATTEMPTS};
use crate::limit::IMPORTS_PER_TOKEN;
use crate::token::{Scope, Service};

pub use file::{FileHash, ImportRequest, LARGEST_FILE};
pub use mapping::{Mapping, Sheet};
pub use progress::{Counts, Parts, Progress};

/// The most lines of a file.
pub const MOST_LINES: u64 = 5_000_000;
/// How long a file is waited for.
pub const AWAITED: SignedDuration = SignedDuration::from_hours(24);
/// How long a link for bringing the file works, at most.
pub const LINK_LASTS: SignedDuration = SignedDuration::from_mins(15);
/// How long before a link is over the same one is no longer given again.
const LINK_RENEWED: SignedDuration = SignedDuration::from_mins(5);
/// How long the bucket keeps what was brought, and what failed of it.
pub const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long what is known of an import is kept.
pub const REMEMBERED: SignedDuration = SignedDuration::from_hours(90 * 24);
/// For how long a run takes further pieces: the function may end three minutes later.
pub const RUN: SignedDuration = SignedDuration::from_mins(12);
/// The function that takes the lines, as the audit log calls it.
const RUNNER: &str = "run-imports";

words! {
    /// The form of a file.
    ImportFormat {
        /// A line of JSON for each record, as in a batch.
        Ndjson = "ndjson",
        /// A table (RFC 4180) with a header, whose columns are mapped into lines.
        Csv = "csv",
    }
}

impl ImportFormat {
    /// The media type of files.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

/// The file of the lines that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorFile {
    /// The run that wrote it.
    pub run: u32,
    /// How many bytes it has.
    pub bytes: u64,
}

/// Where an import is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum State {
    /// The file was not brought, or nobody has seen it yet.
    Awaiting,
    /// Nobody is at it: it goes on where the last run left it.
    Queued,
    /// A run has it for itself.
    Running {
        /// Until then; after that, another may go on.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        until: Timestamp,
        /// The message that the run was called with.
        by: String,
    },
    /// Every line has its outcome.
    Completed {
        /// Since when.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        at: Timestamp,
        /// The lines that failed, if some did.
        errors: Option<ErrorFile>,
    },
    /// It goes no further. What was taken stays.
    Failed {
        /// Why: the code of a refusal.
        code: String,
        /// A sentence for people.
        detail: String,
        /// Since when.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        at: Timestamp,
        /// The lines before that failed, if some did.
        errors: Option<ErrorFile>,
    },
}

/// An import of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Its id.
    pub id: ImportId,
    /// Whose records.
    pub source: SourceName,
    /// The token it was asked for with: when that ends, so does the import.
    pub token: TokenId,
    /// What is brought, and how it is to be taken.
    pub request: ImportRequest,
    /// Where it is.
    pub state: State,
    /// How far the lines were taken.
    pub progress: Progress,
    /// How many runs there were.
    pub runs: u32,
    /// How many of them in a row came no further.
    pub attempts: u32,
    /// Its revision.
    pub rev: u64,
    /// When it was asked for.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
}

impl Service {
    /// Asks for an import: it is counted, and told in the platform's own log.
    ///
    /// # Errors
    /// [`Code::TokenScopeMissing`].
    pub fn create_import(&self, request: ImportRequest, now: Timestamp) -> Result<(Import, Change), Refusal> {
        self.credential.allows(Scope::Ingest(request.of))?;
        let import = Import {
            id: ImportId::mint(now),
            source: self.credential.source.clone(),
            token: self.credential.token,
            request,
            state: State::Awaiting,
            progress: Progress::default(),
            runs: 0,
            attempts: 0,
            rev: 1,
            created_at: now,
        };
        let actor = Actor::Service {
            token: import.token,
            source: import.source.clone(),
        };
        let told = |text: &str| Some(text.to_owned());
        let event = import
            .event(Verb::ImportCreated, actor, &self.origin, now)
            .changed("type", None, told(import.request.of.as_str()))
            .changed("format", None, told(import.request.format.as_str()))
            .changed("bytes", None, Some(import.request.length.to_string()));
        let change = Change::audited(event)
            .write(Write::ImportPut(Box::new(import.clone())))
            .counted(IMPORTS_PER_TOKEN.used_by(import.token.to_string(), now));
        Ok((import, change))
    }
}

impl Import {
    /// Until when its file can be brought.
    #[must_use]
    pub fn awaited_until(&self) -> Timestamp {
        self.created_at + AWAITED
    }

    /// Where it is: `awaiting_upload`, `expired` if the file never came, `queued`, `running`, `completed` or `failed`.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> &'static str {
        match &self.state {
            State::Awaiting if now < self.awaited_until() => "awaiting_upload",
            State::Awaiting => "expired",
            State::Running { until, .. } if now < *until => "running",
            State::Queued | State::Running { .. } => "queued",
            State::Completed { .. } => "completed",
            State::Failed { .. } => "failed",
        }
    }

    /// From when on a link for bringing the file is to work, if one is to be had: the same for some minutes, so that a request
    /// that is sent again has the same answer.
    #[must_use]
    pub fn link_from(&self, now: Timestamp) -> Option<Timestamp> {
        if self.state != State::Awaiting || now >= self.awaited_until() {
            return None;
        }
        let step = (LINK_LASTS - LINK_RENEWED).as_secs();
        let steps = now.duration_since(self.created_at).as_secs().max(0) / step;
        Some(self.created_at + SignedDuration::from_secs(steps * step))
    }

    /// Begins a run that `message` calls. One that comes again takes over from its own former run, which is dead or will find
    /// that the import is in another revision. An import that is taken is another message's: should its run die, that message comes
    /// again.
    #[must_use]
    pub fn claim(&self, message: &str, now: Timestamp) -> Claim<Self> {
        match &self.state {
            State::Completed { .. } | State::Failed { .. } => Claim::Settled,
            State::Running { until, by } if now < *until && by != message => Claim::Taken,
            _ if self.attempts >= MOST_ATTEMPTS => {
                Claim::GivenUp(Box::new(self.failed(&Code::Internal.into(), None, now)))
            }
            _ => {
                let state = State::Running {
                    until: now + LEASE,
                    by: message.to_owned(),
                };
                let claimed = Self {
                    runs: self.runs + 1,
                    attempts: self.attempts + 1,
                    ..self.next(state)
                };
                let change = claimed.put();
                Claim::Claimed(Box::new(claimed), Box::new(change))
            }
        }
    }

    /// After a piece that was taken, for the same run.
    #[must_use]
    pub fn advanced(&self, progress: Progress) -> (Self, Change) {
        let advanced = Self {
            progress,
            attempts: 0,
            ..self.next(self.state.clone())
        };
        let change = advanced.put();
        (advanced, change)
    }

    /// The end of a run that leaves something to the next.
    #[must_use]
    pub fn released(&self) -> Change {
        self.next(State::Queued).put()
    }

    /// The end, with every line taken or refused.
    #[must_use]
    pub fn completed(&self, errors: Option<ErrorFile>, now: Timestamp) -> Change {
        let ended = self.next(State::Completed { at: now, errors });
        ended.ended("completed", now)
    }

    /// The end before the end of the file.
    #[must_use]
    pub fn failed(&self, why: &Refusal, errors: Option<ErrorFile>, now: Timestamp) -> Change {
        let ended = self.next(State::Failed {
            code: why.code.as_str().to_owned(),
            detail: why.detail.clone().into_owned(),
            at: now,
            errors,
        });
        ended.ended("failed", now)
    }

    fn ended(&self, status: &str, now: Timestamp) -> Change {
        let actor = Actor::System {
            name: RUNNER.to_owned(),
        };
        let event = self
            .event(Verb::ImportEnded, actor, &Origin::default(), now)
            .changed("status", None, Some(status.to_owned()))
            .changed("lines", None, Some(self.progress.counts.total().to_string()));
        Change::audited(event).write(Write::ImportPut(Box::new(self.clone())))
    }

    fn event(&self, verb: Verb, actor: Actor, origin: &Origin, now: Timestamp) -> AuditEvent {
        AuditEvent::new(OrganizationId::PLATFORM, verb, actor, &self.id, origin, now)
    }

    fn put(&self) -> Change {
        Change::default().write(Write::ImportPut(Box::new(self.clone())))
    }

    fn next(&self, state: State) -> Self {
        Self {
            state,
            rev: self.rev + 1,
            ..self.clone()
        }
    }

    /// The lines that failed, once it has ended and if some did: until when the bucket has them.
    #[must_use]
    pub fn errors(&self) -> Option<(&ErrorFile, Timestamp)> {
        match &self.state {
            State::Completed { at, errors } | State::Failed { at, errors, .. } => {
                Some((errors.as_ref()?, *at + KEPT))
            }
            State::Awaiting | State::Queued | State::Running { .. } => None,
        }
    }

    /// The type of its records.
    #[must_use]
    pub const fn of(&self) -> RecordType {
        self.request.of
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::now;
    use crate::token::{Credential, TokenSecret};

    const MINUTE: SignedDuration = SignedDuration::from_mins(1);

    fn service(scopes: &[Scope]) -> Service {
        Service {
            credential: Credential {
                hash: TokenSecret::of(&[7; 32]).hash(),
                token: TokenId::mint(now()),
                source: "platform".parse().unwrap(),
                scopes: scopes.iter().copied().collect(),
                ends_at: None,
                used_at: None,
            },
            origin: Origin::default(),
        }
    }

    fn request() -> ImportRequest {
        let hash = "00".repeat(32).parse().unwrap();
        ImportRequest::new(RecordType::Patients, ImportFormat::Ndjson, None, false, 10, hash).unwrap()
    }

    fn import() -> Import {
        let service = service(&[Scope::Ingest(RecordType::Patients)]);
        service.create_import(request(), now()).unwrap().0
    }

    fn claimed(import: &Import, message: &str, now: Timestamp) -> Import {
        match import.claim(message, now) {
            Claim::Claimed(import, _) => *import,
            other => panic!("{other:?}"),
        }
    }

    fn written(change: &Change) -> Import {
        match &change.writes[..] {
            [Write::ImportPut(import)] => (**import).clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_import_needs_the_scope_of_its_type_and_is_in_the_log() {
        let other = service(&[Scope::Ingest(RecordType::Sites), Scope::Changes]);
        let refused = other.create_import(request(), now()).unwrap_err();
        assert_eq!(refused.code, Code::TokenScopeMissing);
        let service = service(&[Scope::Ingest(RecordType::Patients)]);
        let (import, change) = service.create_import(request(), now()).unwrap();
        assert_eq!(written(&change), import);
        assert_eq!(change.audit[0].verb, Verb::ImportCreated);
        assert_eq!(change.uses.len(), 1);
    }

    #[test]
    fn a_file_is_awaited_for_a_day_by_links_that_work_for_minutes() {
        let import = import();
        let mut at = now();
        while at < now() + AWAITED {
            assert_eq!(import.status(at), "awaiting_upload");
            let from = import.link_from(at).unwrap();
            let left = from + LINK_LASTS - at;
            assert!(from <= at && left.total(jiff::Unit::Minute).unwrap() > 5.0);
            at += MINUTE;
        }
        assert_eq!((import.status(at), import.link_from(at)), ("expired", None));
        assert_eq!(import.link_from(now()), import.link_from(now() + MINUTE * 9));
        // What was brought in time is taken, however late it is seen.
        assert_eq!(claimed(&import, "a", at).link_from(now()), None);
    }

    #[test]
    fn one_run_at_a_time_has_an_import_and_a_message_that_comes_again_takes_over() {
        let running = claimed(&import(), "a", now());
        assert_eq!(running.status(now()), "running");
        let later = now() + LEASE - SignedDuration::from_millis(1);
        assert_eq!(running.claim("b", later), Claim::Taken);
        let again = claimed(&running, "a", later);
        assert_eq!((again.runs, again.rev), (2, running.rev + 1));
        assert_eq!(running.status(now() + LEASE), "queued");
        assert_eq!(claimed(&running, "b", now() + LEASE).runs, 2);
    }

    #[test]
    fn runs_that_come_no_further_have_an_end_and_those_that_do_have_none() {
        let mut import = import();
        for _ in 0..3 * MOST_ATTEMPTS {
            let running = claimed(&import, "a", now());
            (import, _) = running.advanced(Progress {
                offset: running.progress.offset + 1,
                ..running.progress.clone()
            });
            import = written(&import.released());
            assert_eq!(import.status(now()), "queued");
        }
        for _ in 0..MOST_ATTEMPTS {
            import = claimed(&import, "a", now());
        }
        let Claim::GivenUp(change) = import.claim("a", now()) else {
            panic!("there is another run")
        };
        let failed = written(&change);
        assert_eq!(failed.status(now()), "failed");
        assert_eq!(failed.claim("a", now()), Claim::Settled);
        assert_eq!(change.audit[0].verb, Verb::ImportEnded);
    }

    #[test]
    fn an_import_reads_back_as_it_was_stored() {
        let running = claimed(&import(), "a", now());
        let errors = Some(ErrorFile { run: 1, bytes: 3 });
        for import in [
            written(&running.completed(errors.clone(), now())),
            written(&running.failed(&Code::TokenEnded.into(), errors, now())),
            written(&running.released()),
            running,
            import(),
        ] {
            let stored = serde_json::to_value(&import).unwrap();
            assert_eq!(serde_json::from_value::<Import>(stored).unwrap(), import);
        }
    }
}
