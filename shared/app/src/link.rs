//! Invite links: signed, derived when they are mailed, stored nowhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use portal_domain::code::{Code, Refusal};
use portal_domain::id::{InviteId, OrganizationId};
use portal_domain::invite::{Invite, InviteLink};
use serde::Deserialize;

use crate::config::{Config, ConfigError, LINK_KEYS, PORTAL_URL};

/// What the signature is over, so that no other signed text of this product is a link.
const PURPOSE: &str = "portal.invite-link.v1";
/// Organization, root, invite: 16 bytes each; version: 4; expiry: 8.
const LENGTH: usize = 60;

#[derive(Deserialize)]
struct Stored {
    current: String,
    keys: BTreeMap<String, String>,
}

/// The keys of links. A link that an older key has signed is verified as long as that key is kept.
#[derive(Clone)]
pub struct Links {
    current: String,
    keys: Arc<BTreeMap<String, hmac::Key>>,
    portal: String,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Links({})", self.current)
    }
}

impl Links {
    /// With the keys of `config`.
    ///
    /// # Errors
    /// [`ConfigError`] when there is no current key, or one is shorter than 32 bytes.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let invalid = |why: &str| ConfigError::Invalid(LINK_KEYS.name, why.to_owned());
        let stored: Stored = serde_json::from_str(config.get(&LINK_KEYS)?)
            .map_err(|_| invalid("not JSON with current and keys"))?;
        let mut keys = BTreeMap::new();
        for (id, key) in &stored.keys {
            let bytes = BASE64_STANDARD
                .decode(key)
                .map_err(|_| invalid("a key is not base64"))?;
            if bytes.len() < 32 || id.contains('.') {
                return Err(invalid("a key is shorter than 32 bytes, or its id has a dot"));
            }
            keys.insert(id.clone(), hmac::Key::new(hmac::HMAC_SHA256, &bytes));
        }
        if !keys.contains_key(&stored.current) {
            return Err(invalid("the current key is not among the keys"));
        }
        let portal = config.get(&PORTAL_URL)?.trim_end_matches('/').to_owned();
        Ok(Self {
            current: stored.current,
            keys: Arc::new(keys),
            portal,
        })
    }

    /// The address in an invite's mail. The token is in the fragment, which browsers send to no server; `None` for
    /// an invite that was answered.
    #[must_use]
    pub fn address(&self, invite: &Invite) -> Option<String> {
        let token = self.token(&invite.link()?)?;
        Some(format!("{}/invites/accept#token={token}", self.portal))
    }

    fn token(&self, link: &InviteLink) -> Option<String> {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend(link.organization.uuid().as_bytes());
        bytes.extend(link.root.uuid().as_bytes());
        bytes.extend(link.invite.uuid().as_bytes());
        bytes.extend(link.version.to_be_bytes());
        bytes.extend(link.expires_at.as_millisecond().to_be_bytes());
        let key = self.keys.get(&self.current)?;
        let signed = format!("{}.{}", self.current, BASE64_URL_SAFE_NO_PAD.encode(&bytes));
        let tag = hmac::sign(key, format!("{PURPOSE}.{signed}").as_bytes());
        Some(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag)))
    }

    /// What a link's token says.
    ///
    /// # Errors
    /// [`Code::InviteNotFound`], whatever is wrong with it.
    pub fn verify(&self, token: &str) -> Result<InviteLink, Refusal> {
        self.read(token).ok_or_else(|| Code::InviteNotFound.into())
    }

    fn read(&self, token: &str) -> Option<InviteLink> {
        if token.len() > 512 {
            return None;
        }
        let (signed, tag) = token.rsplit_once('.')?;
        let (key, payload) = signed.split_once('.')?;
        let tag = BASE64_URL_SAFE_NO_PAD.decode(tag).ok()?;
        hmac::verify(
            self.keys.get(key)?,
            format!("{PURPOSE}.{signed}").as_bytes(),
            &tag,
        )
        .ok()?;
        let bytes: [u8; LENGTH] = BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?.try_into().ok()?;
        let uuid = |from: usize| Some(uuid::Uuid::from_bytes(bytes[from..from + 16].try_into().ok()?));
        Some(InviteLink {
            organization: OrganizationId::from_uuid(uuid(0)?),
            root: OrganizationId::from_uuid(uuid(16)?),
            invite: InviteId::from_uuid(uuid(32)?),
            version: u32::from_be_bytes(bytes[48..52].try_into().ok()?),
            expires_at: Timestamp::from_millisecond(i64::from_be_bytes(bytes[52..].try_into().ok()?)).ok()?,
        })
    }
}
