//! Signatures that others can verify: made by a key that never leaves the key service (ECDSA on P-256 with SHA-256), verified with
//! its public key alone, also offline.

use std::fmt::Write as _;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::error::{DisplayErrorContext, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// What stands before the point in a P-256 public key's `SubjectPublicKeyInfo` (RFC 5480): that it is one.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// The length of an uncompressed point: a 4, then two coordinates.
const POINT: usize = 65;

/// The key service did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("the key service did not do it: {0}")]
pub struct SigningError(String);

impl<E: std::error::Error + 'static, R: std::fmt::Debug + 'static> From<SdkError<E, R>> for SigningError {
    fn from(error: SdkError<E, R>) -> Self {
        Self(DisplayErrorContext(error).to_string())
    }
}

/// A key in the key service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Signer {
    client: Client,
    key: String,
}

impl Signer {
    /// The key called `key` (an id, ARN or alias), reached as `config` says.
    #[must_use]
    pub fn new(config: &aws_sdk_kms::Config, key: &str) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_attempt_timeout(Duration::from_secs(3))
            .operation_timeout(Duration::from_secs(10))
            .build();
        let config = config
            .to_builder()
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(4))
            .build();
        Self {
            client: Client::from_conf(config),
            key: key.to_owned(),
        }
    }

    /// The signature of `bytes`: ECDSA in DER.
    ///
    /// # Errors
    /// [`SigningError`].
    pub async fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, SigningError> {
        let signed = self
            .client
            .sign()
            .key_id(&self.key)
            // The service takes messages of 4 KB at most, and the digest of any.
            .message_type(MessageType::Digest)
            .message(Blob::new(digest(&SHA256, bytes).as_ref()))
            .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256)
            .send()
            .await?;
        let signature = signed.signature.map(Blob::into_inner);
        signature.ok_or_else(|| SigningError("an answer without a signature".to_owned()))
    }

    /// The public key that verifies what [`Self::sign`] signs.
    ///
    /// # Errors
    /// [`SigningError`], also for a key of another kind.
    pub async fn public_key(&self) -> Result<PublicKey, SigningError> {
        let found = self.client.get_public_key().key_id(&self.key).send().await?;
        let encoded = found.public_key.map(Blob::into_inner).unwrap_or_default();
        PublicKey::from_der(&encoded).ok_or_else(|| SigningError("not a P-256 key".to_owned()))
    }
}

/// A P-256 public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    point: Vec<u8>,
}

impl PublicKey {
    /// From its `SubjectPublicKeyInfo`; none if it is that of another kind of key.
    #[must_use]
    pub fn from_der(encoded: &[u8]) -> Option<Self> {
        let point = encoded.strip_prefix(&P256[..])?;
        (point.len() == POINT && point.first() == Some(&4)).then(|| Self {
            point: point.to_vec(),
        })
    }

    /// From the uncompressed point.
    #[must_use]
    pub fn from_point(point: &[u8]) -> Option<Self> {
        Self::from_der(&[&P256[..], point].concat())
    }

    /// From PEM; none if it holds no such key.
    #[must_use]
    pub fn from_pem(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once("-----BEGIN PUBLIC KEY-----")?;
        let (body, _) = rest.split_once("-----END PUBLIC KEY-----")?;
        let body: String = body.split_ascii_whitespace().collect();
        Self::from_der(&BASE64_STANDARD.decode(body).ok()?)
    }

    /// Its `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        [&P256[..], &self.point].concat()
    }

    /// As PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let body = BASE64_STANDARD.encode(self.to_der());
        let (mut text, mut rest) = ("-----BEGIN PUBLIC KEY-----\n".to_owned(), body.as_str());
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(64));
            text.push_str(line);
            text.push('\n');
            rest = after;
        }
        text.push_str("-----END PUBLIC KEY-----\n");
        text
    }

    /// Its name: the SHA-256 of its `SubjectPublicKeyInfo`, in hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = digest(&SHA256, &self.to_der());
        digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// Whether `signature` (ECDSA in DER) is of `bytes`.
    #[must_use]
    pub fn verifies(&self, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point)
            .verify(bytes, signature)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

    use super::*;

    fn pair() -> (EcdsaKeyPair, PublicKey) {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let public = PublicKey::from_point(pair.public_key().as_ref()).unwrap();
        (pair, public)
    }

    #[test]
    fn a_signature_is_of_these_bytes_and_this_key() {
        let (pair, public) = pair();
        let signature = pair.sign(&SystemRandom::new(), b"these bytes").unwrap();
        assert!(public.verifies(b"these bytes", signature.as_ref()));
        assert!(!public.verifies(b"those bytes", signature.as_ref()));
        assert!(!public.verifies(b"these bytes", &signature.as_ref()[1..]));
        let (_, other) = self::pair();
        assert!(!other.verifies(b"these bytes", signature.as_ref()));
        assert_ne!(public.fingerprint(), other.fingerprint());
    }

    #[test]
    fn a_public_key_reads_back_from_each_of_its_forms() {
        let (_, public) = pair();
        assert_eq!(PublicKey::from_der(&public.to_der()), Some(public.clone()));
        assert_eq!(PublicKey::from_pem(&public.to_pem()), Some(public.clone()));
        assert!(public.to_pem().lines().all(|line| line.len() <= 64));
        assert_eq!(PublicKey::from_der(&public.to_der()[1..]), None);
        assert_eq!(PublicKey::from_pem("no key"), None);
    }
}
