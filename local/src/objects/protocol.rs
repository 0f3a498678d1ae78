//! What of S3's protocol is served: single objects and their versions, and uploads in parts.

use std::time::SystemTime;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use jiff::Timestamp;
use s3s::auth::Credentials;
use s3s::dto::{
    Checksum, CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput, ETag,
    ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, IfNoneMatch,
    PutObjectInput, PutObjectOutput, StreamingBlob, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, StdError};

use super::Objects;
use super::bucket::{Bucket, Exists, Upload, Version};
use super::checksum::Checksums;
use super::content::{Content, Writing, Written};
use crate::sync::lock;

/// The smallest part that is not the last one.
const SMALLEST_PART: u64 = 5 * 1024 * 1024;

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
        (written, media_type): (Written, Option<String>),
        only_new: bool,
        operation: &str,
    ) -> S3Result<Version> {
        let now = self.0.0.clock.now();
        let kept = self.within(bucket, |bucket| {
            bucket
                .put(key, written, media_type, only_new, now)
                .map_err(broken)
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
        let body = stream::iter(input.body).flatten();
        let (written, checksum) = self.written(&input.bucket, body, checksums).await?;
        let what = (written, input.content_type);
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
            version_id: Some(version.id),
            ..HeadObjectOutput::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        if input.version_id.is_some() {
            return unserved("the deletion of a version");
        }
        let now = self.0.0.clock.now();
        let marker = self.within(&input.bucket, |bucket| {
            bucket.delete(&input.key, now).map_err(broken)
        })?;
        Ok(S3Response::new(DeleteObjectOutput {
            delete_marker: Some(true),
            version_id: Some(marker.id),
            ..DeleteObjectOutput::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = request.input;
        let id = self.within(&input.bucket, |bucket| {
            Ok(bucket.begin(&input.key, input.content_type))
        })?;
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
        let (place, parts, media_type) = self.within(&input.bucket, |bucket| {
            let place = bucket.place();
            let upload = bucket
                .upload(&input.upload_id, &input.key)
                .ok_or(S3ErrorCode::NoSuchUpload)?;
            Ok((place, chosen(upload, &wanted)?, upload.media_type.clone()))
        })?;
        let mut writing = Writing::begin(place).map_err(broken)?;
        for part in &parts {
            for piece in part.content.read(0..part.length).map_err(broken)? {
                writing.write(&piece.map_err(broken)?).map_err(broken)?;
            }
        }
        let mut written = writing.finish();
        written.tag = format!("{}-{}", written.tag, parts.len());
        let what = (written, media_type);
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
