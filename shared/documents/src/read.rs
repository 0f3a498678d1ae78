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
    /// Reads at most `most` bytes of a document, from its byte `from` on, at once; nothing if there is no such document, or it has
    /// no such byte.
    ///
    /// # Errors
    /// When the bucket cannot be read.
    pub async fn piece(&self, key: &Key, from: u64, most: u64) -> Result<Option<Bytes>, DocumentError> {
        let last = from + most.max(1) - 1;
        let Some(reading) = self.ranged(key, format!("bytes={from}-{last}")).await? else {
            return Ok(None);
        };
        let all = reading.body.collect().await.map_err(DocumentError::new)?;
        Ok(Some(all.into_bytes()))
    }

    /// Reads a document from its byte `from` on; nothing if there is no such document, or it has no such byte.
    ///
    /// # Errors
    /// When the bucket cannot be read.
    pub async fn read(&self, key: &Key, from: u64) -> Result<Option<Reading>, DocumentError> {
        self.ranged(key, format!("bytes={from}-")).await
    }

    async fn ranged(&self, key: &Key, range: String) -> Result<Option<Reading>, DocumentError> {
        let sent = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key.to_string())
            .range(range)
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
