//! Documents as streams of bytes.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use crate::Documents;
use crate::error::DocumentError;
use crate::key::Key;

/// A document that is being read.
#[derive(Debug)]
pub struct Reading {
    /// How many bytes are to come.
    pub length: u64,
    body: ByteStream,
}

impl Documents {
    /// Reads a document from its byte `from` on; nothing if there is no such document, or it has no such byte.
    ///
    /// # Errors
    /// When the bucket cannot be read.
    pub async fn read(&self, key: &Key, from: u64) -> Result<Option<Reading>, DocumentError> {
        let sent = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key.to_string())
            .range(format!("bytes={from}-"))
            .send()
            .await;
        match sent {
            Ok(found) => Ok(Some(Reading {
                length: found
                    .content_length
                    .and_then(|length| u64::try_from(length).ok())
                    .unwrap_or(0),
                body: found.body,
            })),
            Err(error) if matches!(error.code(), Some("NoSuchKey" | "InvalidRange")) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Reading {
    /// The next bytes; nothing at the end.
    ///
    /// # Errors
    /// When the connection breaks. What came so far is right: another reading can go on behind it.
    pub async fn next(&mut self) -> Result<Option<Bytes>, DocumentError> {
        self.body.try_next().await.map_err(DocumentError::new)
    }
}
