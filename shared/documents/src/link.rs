//! Links that let whoever has them take or bring one document for some minutes.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};

use crate::Documents;
use crate::error::DocumentError;
use crate::key::Key;

/// How long a link to take a document works.
pub const LINK_LASTS: SignedDuration = SignedDuration::from_mins(5);

/// A presigned request. Whoever has it can send it, so it hides in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// Where.
    pub url: String,
    /// The headers that must be sent with it, exactly so.
    pub headers: Vec<(String, String)>,
    /// Until when.
    pub expires_at: Timestamp,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link(until {})", self.expires_at)
    }
}

/// As what a document is given to a browser: always as a file to keep, never to show.
#[derive(Debug, Clone, Copy)]
pub struct Served<'a> {
    /// The file's name: letters, digits, `.`, `-` and `_`.
    pub name: &'a str,
    /// Its media type.
    pub media_type: &'a str,
}

/// What must be brought, exactly.
#[derive(Debug, Clone)]
pub struct Expected {
    /// How many bytes.
    pub length: u64,
    /// Of which media type.
    pub media_type: String,
    /// With which SHA-256.
    pub sha256: [u8; 32],
}

impl Documents {
    /// A link to take a document with.
    ///
    /// # Errors
    /// When there are no credentials to sign with.
    pub async fn taking(&self, key: &Key, served: Served<'_>, now: Timestamp) -> Result<Link, DocumentError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        let name: String = served.name.chars().filter(|c| is_plain(*c)).collect();
        let request = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key.to_string())
            .response_content_type(served.media_type)
            .response_content_disposition(format!("attachment; filename=\"{name}\""))
            .response_cache_control("private, no-store")
            .presigned(works(now, LINK_LASTS)?);
        // Boxed: the SDK's futures are large.
        Ok(Link::of(&Box::pin(request).await?, now + LINK_LASTS))
    }

    /// A link to bring a document with: once, and only the one that is expected. It works from `from` on for `lasts`.
    ///
    /// # Errors
    /// When there are no credentials to sign with.
    pub async fn bringing(
        &self,
        key: &Key,
        expected: &Expected,
        from: Timestamp,
        lasts: SignedDuration,
    ) -> Result<Link, DocumentError> {
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key.to_string())
            .content_length(i64::try_from(expected.length).map_err(DocumentError::new)?)
            .content_type(&expected.media_type)
            .checksum_sha256(BASE64_STANDARD.encode(expected.sha256))
            .if_none_match("*")
            .presigned(works(from, lasts)?);
        Ok(Link::of(&Box::pin(request).await?, from + lasts))
    }
}

/// A link that works from `from` on for `lasts`.
fn works(from: Timestamp, lasts: SignedDuration) -> Result<PresigningConfig, DocumentError> {
    let lasts = Duration::try_from(lasts).map_err(DocumentError::new)?;
    PresigningConfig::builder()
        .start_time(SystemTime::from(from))
        .expires_in(lasts)
        .build()
        .map_err(DocumentError::new)
}

impl Link {
    fn of(request: &PresignedRequest, expires_at: Timestamp) -> Self {
        let headers = request
            .headers()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            url: request.uri().to_owned(),
            headers: headers.collect(),
            expires_at,
        }
    }
}
