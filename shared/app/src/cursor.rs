//! Cursors: positions in lists, sealed so that they show no keys and work only where they were given.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::{CURSOR_KEY, Config, ConfigError};

/// Longer cursors were not given by us.
const LONGEST: usize = 4_096;

/// Seals and opens cursors (AES-256-GCM, random nonce). The binding is authenticated with it: a cursor of another account,
/// organization, route or filter does not open.
#[derive(Clone)]
pub struct Cursors(Arc<LessSafeKey>);

impl std::fmt::Debug for Cursors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cursors(…)")
    }
}

impl Cursors {
    /// With the key of `config`.
    ///
    /// # Errors
    /// [`ConfigError`] when there is no key of 32 bytes.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let invalid = |why: &str| ConfigError::Invalid(CURSOR_KEY.name, why.to_owned());
        let bytes = BASE64_STANDARD
            .decode(config.get(&CURSOR_KEY)?)
            .map_err(|_| invalid("not base64"))?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| invalid("not 32 bytes"))?;
        Ok(Self(Arc::new(LessSafeKey::new(key))))
    }

    /// A cursor for `position` that works with `binding` only; `None` if the position cannot be written.
    pub fn seal(&self, position: &impl Serialize, binding: &str) -> Option<String> {
        let mut sealed = serde_json::to_vec(position).ok()?;
        let nonce: [u8; NONCE_LEN] = aws_lc_rs::rand::generate(&aws_lc_rs::rand::SystemRandom::new())
            .ok()?
            .expose();
        let aad = Aad::from(binding.as_bytes());
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .ok()?;
        let bytes: Vec<u8> = nonce.into_iter().chain(sealed).collect();
        Some(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The position in `cursor`; `None` if it was changed, or given for another binding.
    #[must_use]
    pub fn open<T: DeserializeOwned>(&self, cursor: &str, binding: &str) -> Option<T> {
        if cursor.len() > LONGEST {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let plain = self
            .0
            .open_in_place(nonce, Aad::from(binding.as_bytes()), &mut sealed)
            .ok()?;
        serde_json::from_slice(plain).ok()
    }
}
