//! | #  | access pattern | index | partition | sort |
//! |----|----------------|-------|-----------|------|
//! | D1 | a job's work of an hour | table | `DUE#{job}#{hour}#{shard}` | subject |
//! | D2 | how far a job has come | table | `DUE#{job}` | `DONE` |

use jiff::Timestamp;
use portal_domain::due::{Due, Job};
use serde::{Deserialize, Serialize};

use crate::client::Store;
use crate::entity::Entity;
use crate::error::StoreError;
use crate::page::{Listing, Page, Position};
use crate::table::{Key, hashed};

/// How many partitions an hour of a job's work is spread over.
const SHARDS: u8 = 4;

const HOUR: i64 = 3_600;

/// A job that works off what has fallen due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Worker {
    /// Frees what expired invites hold.
    ExpireInvites,
    /// Ends organizations whose grace period is over.
    FinishDissolutions,
    /// Seals the days of audit chains that are over.
    SealAuditLog,
    /// Looks again at what rules about actions may find something else in.
    SweepActions,
}

impl Worker {
    /// The function's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ExpireInvites => "expire-invites",
            Self::FinishDissolutions => "finish-dissolutions",
            Self::SealAuditLog => "seal-audit-log",
            Self::SweepActions => "sweep-actions",
        }
    }
}

fn partition(worker: Worker, hour: i64, shard: u8) -> String {
    format!("DUE#{}#{hour}#{shard}", worker.name())
}

pub(crate) fn key(due: &Due) -> Key {
    let (worker, subject) = match due.job {
        Job::ExpireInvite { invite, .. } => (Worker::ExpireInvites, invite.to_string()),
        Job::FinishDissolution { organization } => (Worker::FinishDissolutions, organization.to_string()),
        Job::SealAuditLog { organization } => (Worker::SealAuditLog, organization.to_string()),
        Job::SweepActions { subject } => (Worker::SweepActions, subject.to_string()),
    };
    let shard = u8::from_str_radix(&hashed(&subject)[..2], 16).unwrap_or(0) % SHARDS;
    Key {
        pk: partition(worker, hour_of(due.at), shard),
        sk: subject,
    }
}

fn hour_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(HOUR)
}

impl Entity for Due {
    const KIND: &'static str = "due";

    fn key(&self) -> Key {
        key(self)
    }
}

/// How far a job has come.
#[derive(Debug, Serialize, Deserialize)]
struct Done {
    worker: Worker,
    /// The first hour (since the epoch) that may still hold work.
    hour: i64,
}

impl Entity for Done {
    const KIND: &'static str = "job_progress";

    fn key(&self) -> Key {
        done_key(self.worker)
    }
}

fn done_key(worker: Worker) -> Key {
    Key {
        pk: format!("DUE#{}", worker.name()),
        sk: "DONE".to_owned(),
    }
}

/// An hour of a job's work, in one of its partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    worker: Worker,
    hour: i64,
    shard: u8,
}

impl Store {
    /// D2: the slots that may hold work that is due at `now`, oldest first. A job that never ran begins with the last
    /// `lookback_hours`.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn due_slots(
        &self,
        worker: Worker,
        lookback_hours: i64,
        now: Timestamp,
    ) -> Result<Vec<Slot>, StoreError> {
        let done: Option<Done> = self.get(&done_key(worker)).await?;
        let last = hour_of(now);
        let first = done.map_or(last - lookback_hours, |done| done.hour).min(last);
        Ok((first..=last)
            .flat_map(|hour| (0..SHARDS).map(move |shard| Slot { worker, hour, shard }))
            .collect())
    }

    /// D1: a page of the work in a slot.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn due(&self, slot: Slot, after: Option<Position>) -> Result<Page<Due>, StoreError> {
        let listing = Listing::of(None, partition(slot.worker, slot.hour, slot.shard), 100);
        self.page(Listing { after, ..listing }).await
    }

    /// Forgets work that has settled itself.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn due_settled(&self, due: &Due) -> Result<(), StoreError> {
        self.delete(&key(due)).await
    }

    /// Notes that everything before the hour of `now` is done: call it only when nothing was left.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Broken`].
    pub async fn due_done(&self, worker: Worker, now: Timestamp) -> Result<(), StoreError> {
        self.put(&Done {
            worker,
            hour: hour_of(now),
        })
        .await
    }
}
