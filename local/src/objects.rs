//! The object store: the S3 client's protocol in, versions of objects kept in memory or in files, events of new ones out.
//!
//! Buckets are at the root of the stack's address, because a client signs the whole path: `{base}/{bucket}/{key}`. Every write
//! is a version of its own and a deletion is a marker, as in a bucket with versioning; what a request asks for beyond what is
//! served here is refused, never ignored.

mod access;
mod bucket;
mod checksum;
mod content;
mod event;
mod lock;
mod protocol;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use http::StatusCode;
use portal_app::Clock;
use s3s::service::{S3Service, S3ServiceBuilder};
use tower::ServiceExt as _;

use self::bucket::{Bucket, Version};
pub use self::lock::{Locking, Mode, Retention};
use crate::faults::Faults;
use crate::queues::Queues;
use crate::sync::lock;
use crate::template::Template;

/// How many operations are remembered.
const REMEMBERED: usize = 10_000;

/// An operation that somebody asked for, answered or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// In whose name the request is signed.
    pub caller: String,
    /// What it is called: `PutObject`.
    pub name: String,
    /// The object's key, or nothing where it is about the bucket.
    pub key: Option<String>,
}

/// All buckets; clones share them.
#[derive(Clone)]
pub struct Objects(Arc<Inner>);

struct Inner {
    clock: Clock,
    faults: Faults,
    queues: Queues,
    folder: Option<PathBuf>,
    blind: BTreeSet<String>,
    buckets: Mutex<BTreeMap<String, Bucket>>,
    rules: Mutex<Vec<Rule>>,
    operations: Mutex<VecDeque<Operation>>,
}

/// Which new objects a queue hears of.
struct Rule {
    bucket: String,
    prefix: String,
    queue: String,
}

impl Objects {
    /// No buckets yet. Objects are kept in `folder`, or nowhere but in memory. Events go to `queues`. What functions are told of
    /// objects that are not there follows from their roles in `template`.
    #[must_use]
    pub fn new(
        clock: &Clock,
        faults: &Faults,
        queues: &Queues,
        folder: Option<&Path>,
        template: &Template,
    ) -> Self {
        Self(Arc::new(Inner {
            clock: clock.clone(),
            faults: faults.clone(),
            queues: queues.clone(),
            folder: folder.map(Path::to_owned),
            blind: access::blind(template),
            buckets: Mutex::default(),
            rules: Mutex::default(),
            operations: Mutex::default(),
        }))
    }

    /// Adds a bucket, with the objects that its folder holds.
    ///
    /// # Errors
    /// When the folder cannot be read or made.
    pub fn create(&self, name: &str) -> std::io::Result<()> {
        self.create_locking(name, Locking::Off)
    }

    /// Adds a bucket whose versions can be locked.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_locking(&self, name: &str, locking: Locking) -> std::io::Result<()> {
        let folder = self.0.folder.as_ref().map(|folder| folder.join(name));
        let bucket = Bucket::open(folder.as_deref(), locking)?;
        lock(&self.0.buckets).insert(name.to_owned(), bucket);
        Ok(())
    }

    /// Lets `queue` have an event for each object that is made in `bucket` from now on with a key that begins with `prefix`: an
    /// `Object Created` event, as a rule on the account's event bus delivers it.
    pub fn tell(&self, bucket: &str, prefix: &str, queue: &str) {
        lock(&self.0.rules).push(Rule {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            queue: queue.to_owned(),
        });
    }

    /// The keys of a bucket's objects that begin with `prefix`, in order.
    #[must_use]
    pub fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let buckets = lock(&self.0.buckets);
        buckets
            .get(bucket)
            .map(|bucket| bucket.keys(prefix))
            .unwrap_or_default()
    }

    /// The bytes of an object; none if there is none, or they cannot be read.
    #[must_use]
    pub fn bytes(&self, bucket: &str, key: &str) -> Option<Bytes> {
        let (version, content) = lock(&self.0.buckets).get(bucket)?.current(key)?;
        content
            .read(0..version.length)
            .ok()?
            .collect::<std::io::Result<Vec<Bytes>>>()
            .ok()
            .map(|parts| parts.concat().into())
    }

    /// The latest operations that were asked for, oldest first.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        lock(&self.0.operations).iter().cloned().collect()
    }

    /// The S3 endpoint of each bucket that was created: `/{bucket}` and `/{bucket}/{key}`.
    pub fn router(&self) -> Router {
        let mut builder = S3ServiceBuilder::new(protocol::Protocol(self.clone()));
        builder.set_auth(access::Keys);
        builder.set_access(access::Access(self.clone()));
        builder.set_config(access::config());
        let names: Vec<String> = lock(&self.0.buckets).keys().cloned().collect();
        let route = |router: Router<S3Service>, name: &String| {
            router
                .route(&format!("/{name}"), any(endpoint))
                .route(&format!("/{name}/"), any(endpoint))
                .route(&format!("/{name}/{{*key}}"), any(endpoint))
        };
        names
            .iter()
            .fold(Router::new(), route)
            .with_state(builder.build())
    }

    fn note(&self, operation: Operation) {
        let mut operations = lock(&self.0.operations);
        if operations.len() == REMEMBERED {
            operations.pop_front();
        }
        operations.push_back(operation);
    }

    /// Tells the queues that want to know that `version` was made by an operation of this name.
    fn announce(&self, bucket: &str, version: &Version, operation: &str) {
        let rules = lock(&self.0.rules);
        let is_for = |rule: &&Rule| rule.bucket == bucket && version.key.starts_with(&rule.prefix);
        for rule in rules.iter().filter(is_for) {
            let event = event::created(bucket, version, operation);
            if let Err(error) = self.0.queues.send(&rule.queue, &event.to_string()) {
                tracing::warn!(%error, "a new object was not told of");
            }
        }
    }
}

async fn endpoint(State(service): State<S3Service>, request: Request) -> Response {
    match service.oneshot(request).await {
        Ok(response) => response.map(axum::body::Body::new),
        Err(error) => {
            tracing::error!(?error, "the object store failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
