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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const ONE: &str = "b25lIGtleSBvZiB0aGlydHktdHdvIGJ5dGVzIG9yIG1vcmU=";
    const OTHER: &str = "YW5vdGhlciBrZXkgb2YgdGhpcnR5LXR3byBieXRlcyBvciBtb3Jl";

    fn configured(keys: &str) -> Result<Links, ConfigError> {
        let variables = [
            (LINK_KEYS.name.to_owned(), keys.to_owned()),
            (PORTAL_URL.name.to_owned(), "https://portal.example/".to_owned()),
        ];
        let aws = aws_config::SdkConfig::builder().build();
        Links::new(&Config::new(variables.into(), aws, Clock::system()))
    }

    fn links(current: &str, keys: &[(&str, &str)]) -> Links {
        let keys: BTreeMap<_, _> = keys.iter().copied().collect();
        configured(&serde_json::json!({ "current": current, "keys": keys }).to_string()).unwrap()
    }

    fn link() -> InviteLink {
        let at = "2026-03-01T12:00:00.123Z".parse().unwrap();
        InviteLink {
            organization: OrganizationId::mint(at),
            root: OrganizationId::mint(at),
            invite: InviteId::mint(at),
            version: 7,
            expires_at: at,
        }
    }

    #[test]
    fn a_token_says_what_was_signed() {
        let links = links("k1", &[("k1", ONE)]);
        let link = link();
        assert_eq!(links.verify(&links.token(&link).unwrap()), Ok(link));
    }

    #[test]
    fn a_former_key_verifies_as_long_as_it_is_kept() {
        let before = links("k1", &[("k1", ONE)]).token(&link()).unwrap();
        assert!(links("k2", &[("k1", ONE), ("k2", OTHER)]).verify(&before).is_ok());
        for without in [
            links("k2", &[("k2", OTHER)]),
            links("k2", &[("k2", ONE)]),
            links("k1", &[("k1", OTHER)]),
        ] {
            assert_eq!(without.verify(&before), Err(Code::InviteNotFound.into()));
        }
    }

    #[test]
    fn no_changed_bit_and_no_other_spelling_is_a_link() {
        let links = links("k1", &[("k1", ONE), ("k2", ONE)]);
        let token = links.token(&link()).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        for (part, bytes) in [1, 2].map(|part| (part, BASE64_URL_SAFE_NO_PAD.decode(parts[part]).unwrap())) {
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                let mut parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
                parts[part] = BASE64_URL_SAFE_NO_PAD.encode(changed);
                assert!(links.read(&parts.join(".")).is_none(), "bit {bit} of part {part}");
            }
        }
        // The bits of the last character that no byte needs.
        let last = token.chars().last().unwrap();
        for other in ('A'..='Z')
            .chain('a'..='z')
            .chain('0'..='9')
            .filter(|other| *other != last)
        {
            assert!(
                links
                    .read(&format!("{}{other}", &token[..token.len() - 1]))
                    .is_none(),
                "{other}"
            );
        }
        for cut in 0..token.len() {
            assert!(links.read(&token[..cut]).is_none(), "{cut}");
        }
        for other in [
            token.replacen("k1", "k2", 1),
            token.replacen("k1", "K1", 1),
            token.replacen("k1", "", 1),
            token.replace('.', "\u{2024}"),
            format!("{token}."),
            format!("{token}="),
            format!(".{token}"),
            format!("{} {}", parts[0], token),
            "x".repeat(513),
            String::new(),
        ] {
            assert!(links.read(&other).is_none(), "{other}");
        }
    }

    #[test]
    fn what_was_signed_for_another_purpose_is_no_link() {
        let links = links("k1", &[("k1", ONE)]);
        let token = links.token(&link()).unwrap();
        let (signed, _) = token.rsplit_once('.').unwrap();
        let key = &links.keys["k1"];
        for purpose in ["", ".", "portal.invite-link.v2.", "portal.consent-link.v1."] {
            let tag = hmac::sign(key, format!("{purpose}{signed}").as_bytes());
            let other = format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag));
            assert!(links.read(&other).is_none(), "{purpose}");
        }
        // A payload of another length, well signed.
        for length in [0, LENGTH - 1, LENGTH + 1] {
            let signed = format!("k1.{}", BASE64_URL_SAFE_NO_PAD.encode(vec![0; length]));
            let tag = hmac::sign(key, format!("{PURPOSE}.{signed}").as_bytes());
            assert!(
                links
                    .read(&format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag)))
                    .is_none()
            );
        }
    }

    #[test]
    fn without_a_good_current_key_nothing_starts() {
        for keys in [
            String::new(),
            "{}".to_owned(),
            format!(r#"{{"current":"k2","keys":{{"k1":"{ONE}"}}}}"#),
            r#"{"current":"k1","keys":{"k1":"c2hvcnQ="}}"#.to_owned(),
            r#"{"current":"k1","keys":{"k1":"%%%"}}"#.to_owned(),
            format!(r#"{{"current":"k.1","keys":{{"k.1":"{ONE}"}}}}"#),
        ] {
            let error = configured(&keys).unwrap_err().to_string();
            assert!(error.contains(LINK_KEYS.name) && !error.contains(ONE), "{error}");
        }
    }
}
