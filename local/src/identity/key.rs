//! Signing keys.

use std::io::Write as _;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Why there is no key or no signature.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The key's file.
    #[error("the signing key's file cannot be read or written")]
    File(#[from] std::io::Error),
    /// The key.
    #[error("the signing key is unusable")]
    Unusable,
}

/// A P-256 key pair.
pub(super) struct SigningKey {
    /// Its name in token headers: its thumbprint (RFC 7638).
    pub(super) id: String,
    pair: EcdsaKeyPair,
}

impl SigningKey {
    /// A new key.
    pub(super) fn generate() -> Result<Self, KeyError> {
        Self::from_document(&new_document()?)
    }

    /// The key in a file that only its owner may read; made when it is missing.
    pub(super) fn in_file(path: &Path) -> Result<Self, KeyError> {
        Self::from_document(&document_in_file(path)?)
    }

    fn from_document(document: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document)
            .map_err(|_| KeyError::Unusable)?;
        let (x, y) = coordinates(&pair);
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let id = URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()));
        Ok(Self { id, pair })
    }

    /// The key as the key set publishes it.
    pub(super) fn public(&self) -> Value {
        let (x, y) = coordinates(&self.pair);
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id, "x": x, "y": y })
    }

    /// The message with its signature behind it.
    pub(super) fn sign(&self, message: &str) -> Result<String, KeyError> {
        let signature = self
            .pair
            .sign(&SystemRandom::new(), message.as_bytes())
            .map_err(|_| KeyError::Unusable)?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// The key pair (PKCS #8) in a file that only its owner may read; made when it is missing.
pub(crate) fn document_in_file(path: &Path) -> Result<Vec<u8>, KeyError> {
    if !path.exists() {
        let document = new_document()?;
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path)?.write_all(&document)?;
    }
    Ok(std::fs::read(path)?)
}

/// A new P-256 key pair (PKCS #8).
pub(crate) fn new_document() -> Result<Vec<u8>, KeyError> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    Ok(document.map_err(|_| KeyError::Unusable)?.as_ref().to_vec())
}

/// The public point's coordinates: the uncompressed form is a 4, then 32 bytes each.
fn coordinates(pair: &EcdsaKeyPair) -> (String, String) {
    let (x, y) = pair
        .public_key()
        .as_ref()
        .get(1..)
        .unwrap_or_default()
        .split_at_checked(32)
        .unwrap_or_default();
    (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
}
