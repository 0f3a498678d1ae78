//! Documents that are written while they come into being, in parts of bounded size.

use std::fmt::Write;

use aws_lc_rs::digest;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};

use crate::Documents;
use crate::error::DocumentError;
use crate::key::Key;

/// How much is held back before it is sent as a part: 10,000 parts of it are 80 GB.
const PART: usize = 8 * 1024 * 1024;

/// A document that is being written. It is not there before [`Upload::finish`]; one that is never finished leaves nothing but
/// parts, which the bucket's lifecycle removes.
pub struct Upload {
    documents: Documents,
    key: Key,
    media_type: String,
    waiting: Vec<u8>,
    digest: digest::Context,
    length: u64,
    /// The upload in parts, once there is more than one.
    parts: Option<(String, Vec<CompletedPart>)>,
}

/// A document that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// How many bytes it has.
    pub length: u64,
    /// Their SHA-256, in hexadecimal digits.
    pub sha256: String,
}

impl Documents {
    /// Begins to write a document.
    #[must_use]
    pub fn upload(&self, key: Key, media_type: &str) -> Upload {
        Upload {
            documents: self.clone(),
            key,
            media_type: media_type.to_owned(),
            waiting: Vec::new(),
            digest: digest::Context::new(&digest::SHA256),
            length: 0,
            parts: None,
        }
    }
}

impl Upload {
    /// Adds bytes; sends a part when there is enough of them.
    ///
    /// # Errors
    /// When the bucket does not take a part.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), DocumentError> {
        self.digest.update(bytes);
        self.length += bytes.len() as u64;
        self.waiting.extend_from_slice(bytes);
        while self.waiting.len() >= PART {
            let rest = self.waiting.split_off(PART);
            let part = std::mem::replace(&mut self.waiting, rest);
            self.send(part).await?;
        }
        Ok(())
    }

    /// Makes the document be there: nothing may be under its key.
    ///
    /// # Errors
    /// When it is not certain that the bucket has it.
    pub async fn finish(mut self) -> Result<Stored, DocumentError> {
        let last = std::mem::take(&mut self.waiting);
        if self.parts.is_none() {
            self.put(last).await?;
        } else {
            if !last.is_empty() {
                self.send(last).await?;
            }
            self.complete().await?;
        }
        let sha256 = self
            .digest
            .finish()
            .as_ref()
            .iter()
            .fold(String::new(), |mut hex, byte| {
                // Writing to a string cannot fail.
                let _ = write!(hex, "{byte:02x}");
                hex
            });
        Ok(Stored {
            length: self.length,
            sha256,
        })
    }

    /// The whole document at once.
    async fn put(&self, bytes: Vec<u8>) -> Result<(), DocumentError> {
        self.documents
            .client
            .put_object()
            .bucket(&self.documents.bucket)
            .key(self.key.to_string())
            .content_type(&self.media_type)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .if_none_match("*")
            .body(ByteStream::from(bytes))
            .send()
            .await?;
        Ok(())
    }

    /// One more part.
    async fn send(&mut self, bytes: Vec<u8>) -> Result<(), DocumentError> {
        let (upload, mut parts) = match self.parts.take() {
            Some(begun) => begun,
            None => (self.begin().await?, Vec::new()),
        };
        let number = i32::try_from(parts.len() + 1).map_err(DocumentError::new)?;
        let sent = self
            .documents
            .client
            .upload_part()
            .bucket(&self.documents.bucket)
            .key(self.key.to_string())
            .upload_id(&upload)
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .body(ByteStream::from(bytes))
            .send()
            .await?;
        parts.push(
            CompletedPart::builder()
                .part_number(number)
                .set_e_tag(sent.e_tag)
                .set_checksum_sha256(sent.checksum_sha256)
                .build(),
        );
        self.parts = Some((upload, parts));
        Ok(())
    }

    async fn begin(&self) -> Result<String, DocumentError> {
        let begun = self
            .documents
            .client
            .create_multipart_upload()
            .bucket(&self.documents.bucket)
            .key(self.key.to_string())
            .content_type(&self.media_type)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .send()
            .await?;
        begun
            .upload_id
            .ok_or_else(|| DocumentError::new("an upload without an id"))
    }

    async fn complete(&mut self) -> Result<(), DocumentError> {
        let Some((upload, parts)) = self.parts.take() else {
            return Ok(());
        };
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        self.documents
            .client
            .complete_multipart_upload()
            .bucket(&self.documents.bucket)
            .key(self.key.to_string())
            .upload_id(upload)
            .multipart_upload(parts)
            .if_none_match("*")
            .send()
            .await?;
        Ok(())
    }
}
