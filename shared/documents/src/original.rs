//! Documents that are written once and count as they were written first, whatever was put over them since.

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;
use bytes::Bytes;

use crate::Documents;
use crate::error::DocumentError;
use crate::key::Key;

impl Documents {
    /// Writes a document whole if there is none; `false` if there is one.
    ///
    /// # Errors
    /// When it is not certain that the bucket has it.
    pub async fn put_new(&self, key: &Key, bytes: Vec<u8>, media_type: &str) -> Result<bool, DocumentError> {
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key.to_string())
            .content_type(media_type)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .if_none_match("*")
            .body(ByteStream::from(bytes));
        match Box::pin(put.send()).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("PreconditionFailed") => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// A document as it was first written, also where newer versions or a deletion are over it; nothing if there never was one, or
    /// that version was deleted.
    ///
    /// # Errors
    /// When the bucket cannot be read.
    pub async fn original(&self, key: &Key) -> Result<Option<Bytes>, DocumentError> {
        let (name, mut first) = (key.to_string(), None);
        let (mut key_marker, mut version_marker) = (None, None);
        loop {
            let list = self
                .client
                .list_object_versions()
                .bucket(&self.bucket)
                .prefix(&name)
                .set_key_marker(key_marker)
                .set_version_id_marker(version_marker);
            let page = Box::pin(list.send()).await?;
            // From the newest: the last that comes is the first that was.
            let versions = page.versions.unwrap_or_default().into_iter();
            let mut of_it = versions.filter(|version| version.key.as_deref() == Some(&name));
            first = of_it.next_back().and_then(|version| version.version_id).or(first);
            if page.is_truncated != Some(true) {
                break;
            }
            (key_marker, version_marker) = (page.next_key_marker, page.next_version_id_marker);
        }
        let Some(version) = first else {
            return Ok(None);
        };
        let get = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(name)
            .version_id(version);
        let found = Box::pin(get.send()).await?;
        let all = found.body.collect().await.map_err(DocumentError::new)?;
        Ok(Some(all.into_bytes()))
    }
}
