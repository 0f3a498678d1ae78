//! What of S3's protocol is served: single objects, their versions and locks, lists of both, and uploads in parts.

use std::time::SystemTime;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use jiff::Timestamp;
use s3s::auth::Credentials;
use s3s::dto::{
    Checksum, CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, DefaultRetention, DeleteMarkerEntry,
    DeleteObjectInput, DeleteObjectOutput, ETag, ETagCondition, GetObjectInput, GetObjectLegalHoldInput,
    GetObjectLegalHoldOutput, GetObjectLockConfigurationInput, GetObjectLockConfigurationOutput,
    GetObjectOutput, GetObjectRetentionInput, GetObjectRetentionOutput, HeadObjectInput, HeadObjectOutput,
    IfNoneMatch, ListObjectVersionsInput, ListObjectVersionsOutput, ListObjectsV2Input, ListObjectsV2Output,
    Object, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockLegalHold, ObjectLockLegalHoldStatus,
    ObjectLockMode, ObjectLockRetention, ObjectLockRetentionMode, ObjectLockRule, ObjectVersion,
    PutObjectInput, PutObjectLegalHoldInput, PutObjectLegalHoldOutput, PutObjectOutput,
    PutObjectRetentionInput, PutObjectRetentionOutput, StreamingBlob, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, StdError};

use super::Objects;
use super::bucket::{Bucket, Described, Exists, Locked, Upload, Version};
use super::checksum::Checksums;
use super::content::{Content, Writing, Written};
use super::lock::{Lock, Locking, Wanted};
use crate::sync::lock;

/// The smallest part that is not the last one.
const SMALLEST_PART: u64 = 5 * 1024 * 1024;

/// The most entries of a list.
const MOST_LISTED: usize = 1_000;

/// The protocol over the buckets.
pub(super) struct Protocol(pub(super) Objects);

fn refused<T>(code: S3ErrorCode) -> S3Result<T> {
    Err(code.into())
}

fn unserved<T>(what: &'static str) -> S3Result<T> {
    Err(S3Error::with_message(
        S3ErrorCode::NotImplemented,
        format!("{what} is not served here"),
    ))
}

fn broken(error: std::io::Error) -> S3Error {
    S3Error::with_source(S3ErrorCode::InternalError, Box::new(error))
}

fn time(at: Timestamp) -> s3s::dto::Timestamp {
    SystemTime::from(at).into()
}

fn tag(tag: &str) -> ETag {
    ETag::Strong(tag.to_owned())
}

fn signed(length: u64) -> Option<i64> {
    i64::try_from(length).ok()
}

/// How many entries a list has at most, as the request wants it.
fn most(wanted: Option<i32>) -> usize {
    wanted
        .and_then(|wanted| usize::try_from(wanted).ok())
        .unwrap_or(MOST_LISTED)
        .min(MOST_LISTED)
}

fn mode_of(lock: Lock) -> Option<ObjectLockMode> {
    lock.retention
        .map(|retention| ObjectLockMode::from(retention.mode.as_str().to_owned()))
}

fn hold_of(lock: Lock) -> Option<ObjectLockLegalHoldStatus> {
    lock.is_held
        .then(|| ObjectLockLegalHoldStatus::from_static(ObjectLockLegalHoldStatus::ON))
}

/// Whether an object is to be made only if it is not there.
fn only_new(condition: Option<&IfNoneMatch>) -> S3Result<bool> {
    match condition {
        None => Ok(false),
        Some(ETagCondition::Any) => Ok(true),
        Some(ETagCondition::ETag(_)) => unserved("if-none-match with a tag"),
    }
}

impl Protocol {
    /// Works in a bucket.
    fn within<T>(&self, bucket: &str, work: impl FnOnce(&mut Bucket) -> S3Result<T>) -> S3Result<T> {
        match lock(&self.0.0.buckets).get_mut(bucket) {
            Some(bucket) => work(bucket),
            None => refused(S3ErrorCode::NoSuchBucket),
        }
    }

    /// An object, as whoever has these credentials is told of it.
    fn found(
        &self,
        caller: Option<&Credentials>,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> S3Result<(Version, Content)> {
        let is_blind = caller.is_some_and(|caller| self.0.0.blind.contains(&caller.access_key));
        self.within(bucket, |bucket| {
            let (found, code) = match version {
                Some(id) => (bucket.version(key, id), S3ErrorCode::NoSuchVersion),
                None => (bucket.current(key), S3ErrorCode::NoSuchKey),
            };
            let code = if is_blind { S3ErrorCode::AccessDenied } else { code };
            found.ok_or_else(|| code.into())
        })
    }

    /// The locks of a version that is to be made now.
    fn locked(&self, bucket: &str, wanted: Wanted) -> S3Result<Lock> {
        let now = self.0.0.clock.now();
        self.within(bucket, |bucket| wanted.within(bucket.locking, now))
    }

    /// Changes the locks of a version.
    fn change_lock(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        change: impl FnOnce(Lock) -> S3Result<Lock>,
    ) -> S3Result<()> {
        self.within(bucket, |bucket| {
            if bucket.locking == Locking::Off {
                let why = "the bucket has no object lock";
                return Err(S3Error::with_message(S3ErrorCode::InvalidRequest, why));
            }
            let changed = bucket.lock(key, version, change).map_err(broken)?;
            changed.unwrap_or_else(|| {
                refused(if version.is_some() {
                    S3ErrorCode::NoSuchVersion
                } else {
                    S3ErrorCode::NoSuchKey
                })
            })
        })
    }

    /// The locks of a version.
    fn lock_of(&self, bucket: &str, key: &str, version: Option<&str>) -> S3Result<Lock> {
        let mut found = Lock::default();
        self.change_lock(bucket, key, version, |lock| {
            found = lock;
            Ok(lock)
        })?;
        Ok(found)
    }

    /// Writes a body down and compares it with its checksums.
    async fn written(
        &self,
        bucket: &str,
        body: impl Stream<Item = Result<Bytes, StdError>> + Send,
        mut checksums: Checksums,
    ) -> S3Result<(Written, Checksum)> {
        let place = self.within(bucket, |bucket| Ok(bucket.place()))?;
        let mut writing = Writing::begin(place).map_err(broken)?;
        let mut body = std::pin::pin!(body);
        let mut failed = None;
        while let Some(piece) = body.next().await {
            match piece {
                Ok(piece) => {
                    checksums.update(&piece);
                    writing.write(&piece).map_err(broken)?;
                }
                Err(error) => {
                    failed = Some(S3Error::with_source(S3ErrorCode::IncompleteBody, error));
                    break;
                }
            }
        }
        let written = writing.finish();
        let compared = failed.map_or_else(|| checksums.compare(), Err);
        match compared {
            Ok(checksum) => Ok((written, checksum)),
            Err(error) => {
                written.content.forget();
                Err(error)
            }
        }
    }

    /// Keeps what was written as a new version and tells of it.
    fn keep(
        &self,
        bucket: &str,
        key: &str,
        (written, described): (Written, Described),
        only_new: bool,
        operation: &str,
    ) -> S3Result<Version> {
        let now = self.0.0.clock.now();
        let kept = self.within(bucket, |bucket| {
            bucket.put(key, written, described, only_new, now).map_err(broken)
        })?;
        let version = kept.or_else(|Exists| refused(S3ErrorCode::PreconditionFailed))?;
        self.0.announce(bucket, &version, operation);
        Ok(version)
    }
}

#[async_trait::async_trait]
impl S3 for Protocol {
    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let checksums = Checksums::of(&request.headers, request.trailing_headers);
        let input = request.input;
        if input.content_md5.is_some() || input.if_match.is_some() {
            return unserved("content-md5 or if-match");
        }
        let only_new = only_new(input.if_none_match.as_ref())?;
        let wanted = Wanted::of(
            input.object_lock_mode.as_ref(),
            input.object_lock_retain_until_date.as_ref(),
            input.object_lock_legal_hold_status.as_ref(),
        )?;
        let lock = self.locked(&input.bucket, wanted)?;
        let body = stream::iter(input.body).flatten();
        let (written, checksum) = self.written(&input.bucket, body, checksums).await?;
        let described = Described {
            media_type: input.content_type,
            lock,
        };
        let what = (written, described);
        let version = self.keep(&input.bucket, &input.key, what, only_new, "PutObject")?;
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(tag(&version.tag)),
            version_id: Some(version.id),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            ..PutObjectOutput::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let (caller, input) = (request.credentials.as_ref(), request.input);
        if input.part_number.is_some() || input.if_none_match.is_some() {
            return unserved("a part or a condition");
        }
        let (version, content) =
            self.found(caller, &input.bucket, &input.key, input.version_id.as_deref())?;
        // Who reads in parts wants all of them to be of one version.
        let is_meant = |wanted: &ETagCondition| match wanted {
            ETagCondition::Any => true,
            ETagCondition::ETag(wanted) => wanted.value() == version.tag,
        };
        if !input.if_match.as_ref().is_none_or(is_meant) {
            return refused(S3ErrorCode::PreconditionFailed);
        }
        let range = match input.range {
            Some(range) => range
                .check(version.length)
                .map_err(|_| S3ErrorCode::InvalidRange)?,
            None => 0..version.length,
        };
        let is_part = input.range.is_some();
        let told = format!(
            "bytes {}-{}/{}",
            range.start,
            range.end.saturating_sub(1),
            version.length
        );
        let length = signed(range.end - range.start);
        let pieces = content.read(range).map_err(broken)?;
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(StreamingBlob::wrap(stream::iter(pieces))),
            content_length: length,
            content_range: is_part.then_some(told),
            content_type: version.media_type,
            e_tag: Some(tag(&version.tag)),
            last_modified: Some(time(version.at)),
            object_lock_mode: mode_of(version.lock),
            object_lock_retain_until_date: version.lock.retention.map(|retention| time(retention.until)),
            object_lock_legal_hold_status: hold_of(version.lock),
            version_id: Some(version.id),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let (caller, input) = (request.credentials.as_ref(), request.input);
        let has_condition = input.if_none_match.is_some() || input.if_match.is_some();
        if input.part_number.is_some() || has_condition || input.range.is_some() {
            return unserved("a part, a range or a condition");
        }
        let (version, _) = self.found(caller, &input.bucket, &input.key, input.version_id.as_deref())?;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: signed(version.length),
            content_type: version.media_type,
            e_tag: Some(tag(&version.tag)),
            last_modified: Some(time(version.at)),
            object_lock_mode: mode_of(version.lock),
            object_lock_retain_until_date: version.lock.retention.map(|retention| time(retention.until)),
            object_lock_legal_hold_status: hold_of(version.lock),
            version_id: Some(version.id),
            ..HeadObjectOutput::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        let now = self.0.0.clock.now();
        if let Some(id) = input.version_id {
            let forgotten = self.within(&input.bucket, |bucket| {
                bucket.forget(&input.key, &id, now).map_err(broken)
            })?;
            let forgotten = forgotten.map_err(|Locked| {
                let why = "the version is protected by object lock";
                S3Error::with_message(S3ErrorCode::AccessDenied, why)
            })?;
            return Ok(S3Response::new(DeleteObjectOutput {
                delete_marker: forgotten.filter(|version| version.is_deletion).map(|_| true),
                version_id: Some(id),
                ..DeleteObjectOutput::default()
            }));
        }
        let marker = self.within(&input.bucket, |bucket| {
            bucket.delete(&input.key, now).map_err(broken)
        })?;
        Ok(S3Response::new(DeleteObjectOutput {
            delete_marker: Some(true),
            version_id: Some(marker.id),
            ..DeleteObjectOutput::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        if input.delimiter.is_some() || input.encoding_type.is_some() {
            return unserved("a delimiter or an encoding");
        }
        let prefix = input.prefix.clone().unwrap_or_default();
        let most = most(input.max_keys);
        // A token is the last key of the page before it.
        let after = input.continuation_token.clone().or(input.start_after.clone());
        let (contents, is_truncated) = self.within(&input.bucket, |bucket| {
            let newest = bucket.all(&prefix).filter(|(version, is_newest)| {
                let is_behind = after.as_ref().is_none_or(|after| version.key > *after);
                *is_newest && !version.is_deletion && is_behind
            });
            let mut objects: Vec<Object> = newest
                .take(most + 1)
                .map(|(version, _)| listed(version))
                .collect();
            let is_cut = objects.len() > most;
            objects.truncate(most);
            Ok((objects, is_cut))
        })?;
        let last = contents.last().and_then(|object| object.key.clone());
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            continuation_token: input.continuation_token,
            start_after: input.start_after,
            max_keys: i32::try_from(most).ok(),
            key_count: i32::try_from(contents.len()).ok(),
            is_truncated: Some(is_truncated),
            next_continuation_token: last.filter(|_| is_truncated),
            contents: Some(contents),
            ..ListObjectsV2Output::default()
        }))
    }

    async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let input = request.input;
        if input.delimiter.is_some() || input.encoding_type.is_some() {
            return unserved("a delimiter or an encoding");
        }
        let prefix = input.prefix.clone().unwrap_or_default();
        let most = most(input.max_keys);
        let (mut versions, mut deletions) = (Vec::new(), Vec::new());
        let next = self.within(&input.bucket, |bucket| {
            let mut last = None;
            for (version, is_newest) in bucket.all(&prefix) {
                // By key, and the versions of each from the newest: behind the markers is what comes after both.
                let is_behind = input.key_marker.as_ref().is_none_or(|marker| {
                    let of_marked = input.version_id_marker.as_ref();
                    version.key > *marker
                        || version.key == *marker && of_marked.is_some_and(|id| version.id < *id)
                });
                if !is_behind {
                    continue;
                }
                if versions.len() + deletions.len() == most {
                    return Ok(last);
                }
                last = Some((version.key.clone(), version.id.clone()));
                if version.is_deletion {
                    deletions.push(DeleteMarkerEntry {
                        is_latest: Some(is_newest),
                        key: Some(version.key.clone()),
                        last_modified: Some(time(version.at)),
                        version_id: Some(version.id.clone()),
                        ..DeleteMarkerEntry::default()
                    });
                } else {
                    versions.push(ObjectVersion {
                        e_tag: Some(tag(&version.tag)),
                        is_latest: Some(is_newest),
                        key: Some(version.key.clone()),
                        last_modified: Some(time(version.at)),
                        size: signed(version.length),
                        version_id: Some(version.id.clone()),
                        ..ObjectVersion::default()
                    });
                }
            }
            Ok(None)
        })?;
        let is_truncated = next.is_some();
        let (next_key, next_version) = next.unzip();
        Ok(S3Response::new(ListObjectVersionsOutput {
            name: Some(input.bucket),
            prefix: input.prefix,
            key_marker: input.key_marker,
            version_id_marker: input.version_id_marker,
            max_keys: i32::try_from(most).ok(),
            is_truncated: Some(is_truncated),
            next_key_marker: next_key,
            next_version_id_marker: next_version,
            versions: Some(versions),
            delete_markers: Some(deletions),
            ..ListObjectVersionsOutput::default()
        }))
    }

    async fn get_object_lock_configuration(
        &self,
        request: S3Request<GetObjectLockConfigurationInput>,
    ) -> S3Result<S3Response<GetObjectLockConfigurationOutput>> {
        let locking = self.within(&request.input.bucket, |bucket| Ok(bucket.locking))?;
        let Locking::On { default } = locking else {
            return refused(S3ErrorCode::ObjectLockConfigurationNotFoundError);
        };
        let rule = default.map(|(mode, days)| ObjectLockRule {
            default_retention: Some(DefaultRetention {
                days: i32::try_from(days).ok(),
                mode: Some(ObjectLockRetentionMode::from(mode.as_str().to_owned())),
                years: None,
            }),
        });
        Ok(S3Response::new(GetObjectLockConfigurationOutput {
            object_lock_configuration: Some(ObjectLockConfiguration {
                object_lock_enabled: Some(ObjectLockEnabled::from_static(ObjectLockEnabled::ENABLED)),
                rule,
            }),
        }))
    }

    async fn get_object_retention(
        &self,
        request: S3Request<GetObjectRetentionInput>,
    ) -> S3Result<S3Response<GetObjectRetentionOutput>> {
        let input = request.input;
        let lock = self.lock_of(&input.bucket, &input.key, input.version_id.as_deref())?;
        let Some(retention) = lock.retention else {
            return refused(S3ErrorCode::NoSuchObjectLockConfiguration);
        };
        Ok(S3Response::new(GetObjectRetentionOutput {
            retention: Some(ObjectLockRetention {
                mode: Some(ObjectLockRetentionMode::from(retention.mode.as_str().to_owned())),
                retain_until_date: Some(time(retention.until)),
            }),
        }))
    }

    async fn put_object_retention(
        &self,
        request: S3Request<PutObjectRetentionInput>,
    ) -> S3Result<S3Response<PutObjectRetentionOutput>> {
        let (input, now) = (request.input, self.0.0.clock.now());
        let wanted = input.retention.unwrap_or_default();
        let version = input.version_id.as_deref();
        self.change_lock(&input.bucket, &input.key, version, |lock| {
            lock.retained(&wanted, now)
        })?;
        Ok(S3Response::new(PutObjectRetentionOutput::default()))
    }

    async fn get_object_legal_hold(
        &self,
        request: S3Request<GetObjectLegalHoldInput>,
    ) -> S3Result<S3Response<GetObjectLegalHoldOutput>> {
        let input = request.input;
        let lock = self.lock_of(&input.bucket, &input.key, input.version_id.as_deref())?;
        let off = || ObjectLockLegalHoldStatus::from_static(ObjectLockLegalHoldStatus::OFF);
        Ok(S3Response::new(GetObjectLegalHoldOutput {
            legal_hold: Some(ObjectLockLegalHold {
                status: Some(hold_of(lock).unwrap_or_else(off)),
            }),
        }))
    }

    async fn put_object_legal_hold(
        &self,
        request: S3Request<PutObjectLegalHoldInput>,
    ) -> S3Result<S3Response<PutObjectLegalHoldOutput>> {
        let input = request.input;
        let version = input.version_id.as_deref();
        let wanted = input.legal_hold.as_ref();
        self.change_lock(&input.bucket, &input.key, version, |lock| lock.held(wanted))?;
        Ok(S3Response::new(PutObjectLegalHoldOutput::default()))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = request.input;
        let wanted = Wanted::of(
            input.object_lock_mode.as_ref(),
            input.object_lock_retain_until_date.as_ref(),
            input.object_lock_legal_hold_status.as_ref(),
        )?;
        let described = Described {
            media_type: input.content_type,
            lock: self.locked(&input.bucket, wanted)?,
        };
        let id = self.within(&input.bucket, |bucket| Ok(bucket.begin(&input.key, described)))?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            checksum_algorithm: input.checksum_algorithm,
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let checksums = Checksums::of(&request.headers, request.trailing_headers);
        let input = request.input;
        if input.content_md5.is_some() {
            return unserved("content-md5");
        }
        if !(1..=10_000).contains(&input.part_number) {
            return refused(S3ErrorCode::InvalidArgument);
        }
        let body = stream::iter(input.body).flatten();
        let (written, checksum) = self.written(&input.bucket, body, checksums).await?;
        let named = tag(&written.tag);
        self.within(&input.bucket, |bucket| {
            let Some(upload) = bucket.upload(&input.upload_id, &input.key) else {
                written.content.forget();
                return refused(S3ErrorCode::NoSuchUpload);
            };
            if let Some(earlier) = upload.parts.insert(input.part_number, written) {
                earlier.content.forget();
            }
            Ok(())
        })?;
        Ok(S3Response::new(UploadPartOutput {
            e_tag: Some(named),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            ..UploadPartOutput::default()
        }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        if input.if_match.is_some() {
            return unserved("if-match");
        }
        let only_new = only_new(input.if_none_match.as_ref())?;
        let wanted = input
            .multipart_upload
            .and_then(|upload| upload.parts)
            .unwrap_or_default();
        let (place, parts, described) = self.within(&input.bucket, |bucket| {
            let place = bucket.place();
            let upload = bucket
                .upload(&input.upload_id, &input.key)
                .ok_or(S3ErrorCode::NoSuchUpload)?;
            let described = Described {
                media_type: upload.media_type.clone(),
                lock: upload.lock,
            };
            Ok((place, chosen(upload, &wanted)?, described))
        })?;
        let mut writing = Writing::begin(place).map_err(broken)?;
        for part in &parts {
            for piece in part.content.read(0..part.length).map_err(broken)? {
                writing.write(&piece.map_err(broken)?).map_err(broken)?;
            }
        }
        let mut written = writing.finish();
        written.tag = format!("{}-{}", written.tag, parts.len());
        let what = (written, described);
        let version = self.keep(
            &input.bucket,
            &input.key,
            what,
            only_new,
            "CompleteMultipartUpload",
        )?;
        self.within(&input.bucket, |bucket| {
            bucket.end(&input.upload_id);
            Ok(())
        })?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(tag(&version.tag)),
            version_id: Some(version.id),
            ..CompleteMultipartUploadOutput::default()
        }))
    }
}

/// The parts that an upload is to be made of.
fn chosen(upload: &Upload, wanted: &[CompletedPart]) -> S3Result<Vec<Written>> {
    let number = |part: &CompletedPart| part.part_number.unwrap_or_default();
    if wanted.is_empty() || !wanted.is_sorted_by(|one, other| number(one) < number(other)) {
        return refused(S3ErrorCode::InvalidPartOrder);
    }
    let one = |part: &CompletedPart| {
        let known = upload.parts.get(&number(part));
        let is_meant = |known: &&Written| part.e_tag.as_ref().is_some_and(|tag| tag.value() == known.tag);
        known
            .filter(is_meant)
            .cloned()
            .ok_or_else(|| S3Error::from(S3ErrorCode::InvalidPart))
    };
    let parts: Vec<Written> = wanted.iter().map(one).collect::<S3Result<_>>()?;
    match parts.split_last() {
        Some((_, rest)) if rest.iter().any(|part| part.length < SMALLEST_PART) => {
            refused(S3ErrorCode::EntityTooSmall)
        }
        _ => Ok(parts),
    }
}

/// An object in a list.
fn listed(version: &Version) -> Object {
    Object {
        e_tag: Some(tag(&version.tag)),
        key: Some(version.key.clone()),
        last_modified: Some(time(version.at)),
        size: signed(version.length),
        ..Object::default()
    }
}
