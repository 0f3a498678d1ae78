//! A bucket: the versions of its objects, and uploads in parts that are under way.
//!
//! In a folder, a version is two files called by its id: the bytes, and a description that is written last. What has no
//! description was never finished and is thrown away at the next start, like uploads that were under way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::content::{Content, Written};
use super::lock::{Lock, Locking};
use crate::random::random_id;

/// What is known of a version of an object, beside its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Version {
    /// Its id. Ids of later versions are greater as texts.
    pub(super) id: String,
    pub(super) key: String,
    pub(super) at: Timestamp,
    pub(super) length: u64,
    /// Names its bytes.
    pub(super) tag: String,
    pub(super) media_type: Option<String>,
    /// Whether it only says that the object was deleted.
    pub(super) is_deletion: bool,
    /// What keeps it from being deleted.
    #[serde(default)]
    pub(super) lock: Lock,
}

/// An upload in parts.
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) media_type: Option<String>,
    /// What keeps the object from being deleted, once it is made.
    pub(super) lock: Lock,
    /// The parts by number.
    pub(super) parts: BTreeMap<i32, Written>,
}

/// A bucket.
#[derive(Default)]
pub(super) struct Bucket {
    folder: Option<PathBuf>,
    /// Whether versions can be locked.
    pub(super) locking: Locking,
    /// The versions of each object, oldest first.
    versions: BTreeMap<String, Vec<(Version, Content)>>,
    uploads: BTreeMap<String, Upload>,
    last: u64,
}

/// The object is there, and was to be made only if it is not.
#[derive(Debug)]
pub(super) struct Exists;

/// The version is locked.
#[derive(Debug)]
pub(super) struct Locked;

/// What a new version is beside its bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Described {
    pub(super) media_type: Option<String>,
    pub(super) lock: Lock,
}

impl Bucket {
    /// The bucket in `folder`, or a new one in memory.
    pub(super) fn open(folder: Option<&Path>, locking: Locking) -> std::io::Result<Self> {
        let mut bucket = Self {
            folder: folder.map(Path::to_owned),
            locking,
            ..Self::default()
        };
        let Some(folder) = folder else {
            return Ok(bucket);
        };
        std::fs::create_dir_all(folder)?;
        let mut described = BTreeMap::new();
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let version: Version = serde_json::from_slice(&std::fs::read(&path)?)?;
                described.insert(version.id.clone(), version);
            } else {
                files.push(path);
            }
        }
        for path in files {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if !described.contains_key(name) {
                std::fs::remove_file(path)?;
            }
        }
        // By id, and so from the oldest.
        for (id, version) in described {
            bucket.last = u64::from_str_radix(&id, 16).unwrap_or(0).max(bucket.last);
            let content = Content::File(folder.join(id));
            bucket
                .versions
                .entry(version.key.clone())
                .or_default()
                .push((version, content));
        }
        Ok(bucket)
    }

    /// Where new bytes are written, if it is to be a file.
    pub(super) fn place(&self) -> Option<PathBuf> {
        self.folder
            .as_ref()
            .map(|folder| folder.join(format!("new-{}", random_id())))
    }

    /// The newest version of an object and its bytes; none if it is deleted or was never there.
    pub(super) fn current(&self, key: &str) -> Option<(Version, Content)> {
        let newest = self.versions.get(key)?.last()?;
        (!newest.0.is_deletion).then(|| newest.clone())
    }

    /// A version of an object and its bytes.
    pub(super) fn version(&self, key: &str, id: &str) -> Option<(Version, Content)> {
        let versions = self.versions.get(key)?;
        versions
            .iter()
            .find(|(version, _)| version.id == id && !version.is_deletion)
            .cloned()
    }

    /// The keys of all objects that begin with `prefix`, in order.
    pub(super) fn keys(&self, prefix: &str) -> Vec<String> {
        let is_there =
            |versions: &[(Version, Content)]| versions.last().is_some_and(|(newest, _)| !newest.is_deletion);
        self.versions
            .iter()
            .filter(|(key, versions)| key.starts_with(prefix) && is_there(versions))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Keeps what was written as the newest version of `key`; with `only_new`, only if there is no such object.
    pub(super) fn put(
        &mut self,
        key: &str,
        written: Written,
        Described { media_type, lock }: Described,
        only_new: bool,
        now: Timestamp,
    ) -> std::io::Result<Result<Version, Exists>> {
        if only_new && self.current(key).is_some() {
            written.content.forget();
            return Ok(Err(Exists));
        }
        let version = Version {
            length: written.length,
            tag: written.tag,
            media_type,
            lock,
            ..self.next(key, now)
        };
        let content = match (written.content, &self.folder) {
            (Content::File(path), Some(folder)) => {
                let place = folder.join(&version.id);
                std::fs::rename(path, &place)?;
                Content::File(place)
            }
            (content, _) => content,
        };
        self.keep(version.clone(), content)?;
        Ok(Ok(version))
    }

    /// Marks an object as deleted; its versions stay.
    pub(super) fn delete(&mut self, key: &str, now: Timestamp) -> std::io::Result<Version> {
        let marker = Version {
            is_deletion: true,
            ..self.next(key, now)
        };
        self.keep(marker.clone(), Content::Memory(bytes::Bytes::new()))?;
        Ok(marker)
    }

    /// Deletes a version for good, and says which it was; none if there is none.
    pub(super) fn forget(
        &mut self,
        key: &str,
        id: &str,
        now: Timestamp,
    ) -> std::io::Result<Result<Option<Version>, Locked>> {
        let Some(versions) = self.versions.get_mut(key) else {
            return Ok(Ok(None));
        };
        let Some(at) = versions.iter().position(|(version, _)| version.id == id) else {
            return Ok(Ok(None));
        };
        if versions[at].0.lock.holds(now) {
            return Ok(Err(Locked));
        }
        // The description goes first: bytes without one are thrown away at the next start.
        if let Some(folder) = &self.folder {
            std::fs::remove_file(folder.join(format!("{id}.json")))?;
        }
        let (version, content) = versions.remove(at);
        content.forget();
        if versions.is_empty() {
            self.versions.remove(key);
        }
        Ok(Ok(Some(version)))
    }

    /// Changes the locks of a version, the newest if none is named; none if there is no such version.
    pub(super) fn lock<E>(
        &mut self,
        key: &str,
        id: Option<&str>,
        change: impl FnOnce(Lock) -> Result<Lock, E>,
    ) -> std::io::Result<Option<Result<(), E>>> {
        let is_meant = |version: &Version| !version.is_deletion && id.is_none_or(|id| version.id == id);
        let versions = self.versions.get_mut(key).into_iter().flatten();
        // A deletion is no version that could be locked, nor is one behind it the newest.
        let found = match id {
            Some(_) => versions
                .map(|(version, _)| version)
                .find(|version| is_meant(version)),
            None => versions
                .map(|(version, _)| version)
                .next_back()
                .filter(|version| is_meant(version)),
        };
        let Some(version) = found else {
            return Ok(None);
        };
        let lock = match change(version.lock) {
            Ok(lock) => lock,
            Err(refusal) => return Ok(Some(Err(refusal))),
        };
        let changed = Version {
            lock,
            ..version.clone()
        };
        if let Some(folder) = &self.folder {
            describe(folder, &changed)?;
        }
        *version = changed;
        Ok(Some(Ok(())))
    }

    /// All versions and deletions of objects whose keys begin with `prefix`, by key and from the newest; with each, whether it is
    /// its object's newest.
    pub(super) fn all(&self, prefix: &str) -> impl Iterator<Item = (&Version, bool)> {
        self.versions
            .iter()
            .filter(move |(key, _)| key.starts_with(prefix))
            .flat_map(|(_, versions)| {
                let newest_first = versions.iter().rev().enumerate();
                newest_first.map(|(behind, (version, _))| (version, behind == 0))
            })
    }

    /// Begins an upload in parts and gives its id.
    pub(super) fn begin(&mut self, key: &str, Described { media_type, lock }: Described) -> String {
        let id = random_id().simple().to_string();
        let upload = Upload {
            key: key.to_owned(),
            media_type,
            lock,
            parts: BTreeMap::new(),
        };
        self.uploads.insert(id.clone(), upload);
        id
    }

    /// The upload with this id, if it is for `key`.
    pub(super) fn upload(&mut self, id: &str, key: &str) -> Option<&mut Upload> {
        self.uploads.get_mut(id).filter(|upload| upload.key == key)
    }

    /// Ends an upload and throws its parts away.
    pub(super) fn end(&mut self, id: &str) {
        for part in self
            .uploads
            .remove(id)
            .into_iter()
            .flat_map(|upload| upload.parts.into_values())
        {
            part.content.forget();
        }
    }

    /// An empty version with the next id: times sort, and those of one millisecond count on.
    fn next(&mut self, key: &str, now: Timestamp) -> Version {
        let time = u64::try_from(now.as_millisecond()).unwrap_or(0) << 16;
        self.last = time.max(self.last + 1);
        Version {
            id: format!("{:016x}", self.last),
            key: key.to_owned(),
            at: now,
            length: 0,
            tag: String::new(),
            media_type: None,
            is_deletion: false,
            lock: Lock::default(),
        }
    }

    fn keep(&mut self, version: Version, content: Content) -> std::io::Result<()> {
        if let Some(folder) = &self.folder {
            describe(folder, &version)?;
        }
        self.versions
            .entry(version.key.clone())
            .or_default()
            .push((version, content));
        Ok(())
    }
}

/// Writes down what is known of a version: whole, or not at all.
fn describe(folder: &Path, version: &Version) -> std::io::Result<()> {
    let place = folder.join(format!("{}.json", version.id));
    let beside = folder.join(format!("{}.new", version.id));
    std::fs::write(&beside, serde_json::to_vec(version)?)?;
    std::fs::rename(beside, place)
}
