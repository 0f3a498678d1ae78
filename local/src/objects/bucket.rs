//! A bucket: the versions of its objects, and uploads in parts that are under way.
//!
//! In a folder, a version is two files called by its id: the bytes, and a description that is written last. What has no
//! description was never finished and is thrown away at the next start, like uploads that were under way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::content::{Content, Written};
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
}

/// An upload in parts.
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) media_type: Option<String>,
    /// The parts by number.
    pub(super) parts: BTreeMap<i32, Written>,
}

/// A bucket.
#[derive(Default)]
pub(super) struct Bucket {
    folder: Option<PathBuf>,
    /// The versions of each object, oldest first.
    versions: BTreeMap<String, Vec<(Version, Content)>>,
    uploads: BTreeMap<String, Upload>,
    last: u64,
}

/// The object is there, and was to be made only if it is not.
#[derive(Debug)]
pub(super) struct Exists;

impl Bucket {
    /// The bucket in `folder`, or a new one in memory.
    pub(super) fn open(folder: Option<&Path>) -> std::io::Result<Self> {
        let mut bucket = Self {
            folder: folder.map(Path::to_owned),
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
        media_type: Option<String>,
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

    /// Begins an upload in parts and gives its id.
    pub(super) fn begin(&mut self, key: &str, media_type: Option<String>) -> String {
        let id = random_id().simple().to_string();
        let upload = Upload {
            key: key.to_owned(),
            media_type,
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
        }
    }

    fn keep(&mut self, version: Version, content: Content) -> std::io::Result<()> {
        if let Some(folder) = &self.folder {
            let description = serde_json::to_vec(&version)?;
            std::fs::write(folder.join(format!("{}.json", version.id)), description)?;
        }
        self.versions
            .entry(version.key.clone())
            .or_default()
            .push((version, content));
        Ok(())
    }
}
