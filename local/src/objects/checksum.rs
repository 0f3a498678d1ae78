//! Checksums that a client sends before or behind a body, compared with the body.

use http::{HeaderMap, HeaderValue};
use s3s::checksum::ChecksumHasher;
use s3s::dto::Checksum;
use s3s::{S3Error, S3ErrorCode, S3Result, TrailingHeaders};

/// The headers that a checksum may be in.
const HEADERS: [&str; 5] = [
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
];

/// Whether a header holds a checksum.
pub(super) fn is_one(header: &str) -> bool {
    HEADERS.contains(&header)
}

/// The checksums of one body.
pub(super) struct Checksums {
    hasher: ChecksumHasher,
    headers: HeaderMap,
    trailers: Option<TrailingHeaders>,
}

impl Checksums {
    /// Those that the request's headers hold, or promise behind the body.
    pub(super) fn of(headers: &HeaderMap, trailers: Option<TrailingHeaders>) -> Self {
        let promised = headers
            .get("x-amz-trailer")
            .map_or(&b""[..], HeaderValue::as_bytes);
        let promised = String::from_utf8_lossy(promised).to_ascii_lowercase();
        let is_wanted =
            |name: &str| headers.contains_key(name) || promised.split(',').any(|one| one.trim() == name);
        let hasher = ChecksumHasher {
            crc32: is_wanted(HEADERS[0]).then(Default::default),
            crc32c: is_wanted(HEADERS[1]).then(Default::default),
            crc64nvme: is_wanted(HEADERS[2]).then(Default::default),
            sha1: is_wanted(HEADERS[3]).then(Default::default),
            sha256: is_wanted(HEADERS[4]).then(Default::default),
        };
        Self {
            hasher,
            headers: headers.clone(),
            trailers,
        }
    }

    /// Takes a piece of the body.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// The body's checksums, if they are what the client says.
    ///
    /// # Errors
    /// `BadDigest` if one is another, or was promised and did not come.
    pub(super) fn compare(self) -> S3Result<Checksum> {
        let is = self.hasher.finalize();
        let behind = self
            .trailers
            .and_then(|trailers| trailers.take())
            .unwrap_or_default();
        let all = [
            &is.checksum_crc32,
            &is.checksum_crc32c,
            &is.checksum_crc64nvme,
            &is.checksum_sha1,
            &is.checksum_sha256,
        ];
        for (name, computed) in HEADERS.into_iter().zip(all) {
            let said = self.headers.get(name).or_else(|| behind.get(name));
            if computed
                .as_ref()
                .is_some_and(|computed| said.is_none_or(|said| said.as_bytes() != computed.as_bytes()))
            {
                return Err(S3Error::with_message(
                    S3ErrorCode::BadDigest,
                    format!("{name} is not the body's"),
                ));
            }
        }
        Ok(is)
    }
}
