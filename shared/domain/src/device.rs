//! Devices: the public keys of an account, to which session keys can be sealed.
//!
//! The private keys never leave the devices. What a key is used for is not decided here; only whose it is, and that a key which was
//! revoked never counts again.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::audit::{Actor, AuditEvent, Verb};
use crate::change::{Change, Fact, Write};
use crate::code::{Code, Refusal};
use crate::id::{AccountId, DeviceId};
use crate::limit::DEVICES_PER_ACCOUNT;
use crate::membership::ACTIVITY_STEP;
use crate::session::Owner;
use crate::text::DeviceName;

/// The most devices of one account: they are one item.
pub const MOST_DEVICES: usize = 20;

/// In the logs of how many organizations a key is told of: one transaction holds no more.
const MOST_LOGS: usize = 90;

/// The order of the field that the curve is over, 2^255 - 19, most significant byte first (RFC 7748 §4.1).
const FIELD: [u8; 32] = {
    let mut order = [0xff; 32];
    order[0] = 0x7f;
    order[31] = 0xed;
    order
};

/// The points of small order, as keys are spelled: whoever agrees with one of them agrees on a secret that everybody knows
/// (RFC 7748 §6.1). The first is 0, the second 1, the last p - 1; between them those of order 8.
const OF_SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
        0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
        0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    {
        let mut last = [0xff; 32];
        last[0] = 0xec;
        last[31] = 0x7f;
        last
    },
];

/// An X25519 public key (RFC 7748) in base64url without padding, as a JWK has it (RFC 8037): 32 bytes, little-endian, below the
/// order of the field, and of no small order. So a key has one spelling, and one that was revoked cannot come back in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl TryFrom<String> for PublicKey {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl std::str::FromStr for PublicKey {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refused = |why: &'static str| Refusal::new(Code::PublicKeyInvalid, why);
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok();
        let bytes: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
        let bytes = bytes.ok_or_else(|| refused("must be 32 bytes in base64url without padding"))?;
        let mut number = bytes;
        number.reverse();
        if number >= FIELD {
            return Err(refused("must be below 2^255 - 19"));
        }
        if OF_SMALL_ORDER.contains(&bytes) {
            return Err(refused("must not be of small order"));
        }
        Ok(Self(bytes))
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// What its owner calls it.
    pub name: DeviceName,
    /// Its key.
    pub public_key: PublicKey,
    /// When it was registered.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub first_seen_at: Timestamp,
    /// When it last registered itself, to the hour.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub last_seen_at: Timestamp,
}

/// The devices of an account, all in one: nobody has many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Devices {
    /// Whose.
    pub account: AccountId,
    /// The devices, in the order in which they were registered.
    pub devices: Vec<Device>,
    /// Rises with every change; 0 before the first device.
    pub rev: u64,
}

/// What a device says of itself.
#[derive(Debug, Clone)]
pub struct DeviceDraft {
    /// What its owner calls it.
    pub name: DeviceName,
    /// Its key.
    pub public_key: PublicKey,
}

impl Devices {
    /// Those of an account that never had one.
    #[must_use]
    pub const fn none(account: AccountId) -> Self {
        Self {
            account,
            devices: Vec::new(),
            rev: 0,
        }
    }

    fn next(&self) -> Self {
        Self {
            rev: self.rev + 1,
            ..self.clone()
        }
    }

    /// The change to `new`, told in the logs of the organizations in which its owner holds sessions.
    fn told(&self, verb: Verb, device: DeviceId, owner: Owner<'_>, now: Timestamp) -> Change {
        let seated = owner.memberships.iter().filter(|membership| membership.seat);
        let event = |membership: &crate::membership::Membership| {
            let actor = Actor::Account {
                id: self.account,
                role: Some(membership.role),
            };
            AuditEvent::new(membership.organization, verb, actor, &device, owner.origin, now)
        };
        Change {
            audit: seated.take(MOST_LOGS).map(event).collect(),
            ..Change::default()
        }
    }

    /// The device of the key in `draft`: a new one, or the one that has it, seen now and called as it says. `is_revoked` tells
    /// whether the account has revoked that key.
    ///
    /// # Errors
    /// [`Code::DeviceRevoked`]; [`Code::LimitExceeded`] for more than [`MOST_DEVICES`].
    pub fn register(
        &self,
        draft: DeviceDraft,
        is_revoked: bool,
        owner: Owner<'_>,
        now: Timestamp,
    ) -> Result<(Device, Change), Refusal> {
        if is_revoked {
            return Err(Code::DeviceRevoked.into());
        }
        let mut new = self.next();
        let known = new
            .devices
            .iter_mut()
            .find(|device| device.public_key == draft.public_key);
        if let Some(known) = known {
            let is_news = now.duration_since(known.last_seen_at) >= ACTIVITY_STEP;
            if !is_news && known.name == draft.name {
                return Ok((known.clone(), Change::default()));
            }
            if is_news {
                known.last_seen_at = now;
            }
            known.name = draft.name;
            let device = known.clone();
            let change = Change::default().write(Write::DevicesPut(Box::new(new)));
            return Ok((device, change));
        }
        if self.devices.len() >= MOST_DEVICES {
            return Err(Code::LimitExceeded.into());
        }
        let device = Device {
            id: DeviceId::mint(now),
            name: draft.name,
            public_key: draft.public_key,
            first_seen_at: now,
            last_seen_at: now,
        };
        new.devices.push(device.clone());
        let change = self
            .told(Verb::DeviceRegistered, device.id, owner, now)
            .write(Write::DevicesPut(Box::new(new)))
            .fact(Fact::KeyNotRevoked(self.account, device.public_key))
            .counted(DEVICES_PER_ACCOUNT.used_by(self.account.to_string(), now));
        Ok((device, change))
    }

    /// The end of a device. Its key never counts again.
    ///
    /// # Errors
    /// [`Code::DeviceNotFound`].
    pub fn revoke(&self, device: DeviceId, owner: Owner<'_>, now: Timestamp) -> Result<Change, Refusal> {
        let mut new = self.next();
        let at = new.devices.iter().position(|known| known.id == device);
        let revoked = new.devices.remove(at.ok_or(Code::DeviceNotFound)?);
        Ok(self
            .told(Verb::DeviceRevoked, device, owner, now)
            .write(Write::DevicesPut(Box::new(new)))
            .write(Write::KeyRevoke(self.account, revoked.public_key)))
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;
    use crate::audit::Origin;
    use crate::membership::Membership;
    use crate::role::Role;
    use crate::sample::{member, now, organization};

    fn spelled(bytes: [u8; 32]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    fn key(number: u8) -> PublicKey {
        let mut bytes = [7; 32];
        bytes[0] = number;
        spelled(bytes).parse().unwrap()
    }

    fn draft(name: &str, number: u8) -> DeviceDraft {
        DeviceDraft {
            name: name.parse().unwrap(),
            public_key: key(number),
        }
    }

    fn nobodys() -> Devices {
        Devices::none(AccountId::of("sample", "dana"))
    }

    /// The devices after `change`.
    fn after(change: &Change) -> Devices {
        let put = change.writes.iter().find_map(|write| match write {
            Write::DevicesPut(devices) => Some(devices.as_ref().clone()),
            _ => None,
        });
        put.unwrap()
    }

    fn with_owner<T>(memberships: &[Membership], act: impl FnOnce(Owner<'_>) -> T) -> T {
        act(Owner {
            memberships,
            origin: &Origin::default(),
        })
    }

    #[test]
    fn a_key_has_one_spelling_and_no_small_order() {
        let one = key(1);
        assert_eq!(one.to_string().parse(), Ok(one));
        let mut high_bit = one.0;
        high_bit[31] |= 0x80;
        let (mut order, mut beyond) = (FIELD, FIELD);
        order.reverse();
        beyond.reverse();
        beyond[0] += 1;
        let refused = [high_bit, order, beyond, [0xff; 32]]
            .into_iter()
            .chain(OF_SMALL_ORDER)
            .map(spelled)
            .chain([
                String::new(),
                format!("{one}="),
                format!("{one}AA"),
                one.to_string().replace('B', "+"),
            ]);
        for text in refused {
            let refusal = text.parse::<PublicKey>().unwrap_err();
            assert_eq!(refusal.code, Code::PublicKeyInvalid, "{text}");
        }
        // What is left of the last character says nothing: it must be zero.
        let mut other = one.to_string();
        let last = other.pop();
        assert_eq!(last, Some('c'));
        assert!(format!("{other}d").parse::<PublicKey>().is_err());
        let mut highest = OF_SMALL_ORDER[4];
        highest[0] -= 1;
        assert!(spelled(highest).parse::<PublicKey>().is_ok());
    }

    #[test]
    fn a_key_is_one_device_which_is_seen_again() {
        let here = organization();
        let memberships = [
            member(&here, "dana", Role::Provider),
            member(&organization(), "dana", Role::Viewer),
        ];
        with_owner(&memberships, |owner| {
            let (device, change) = nobodys()
                .register(draft("Dana's phone", 1), false, owner, now())
                .unwrap();
            assert_eq!(change.audit.len(), 1);
            assert_eq!(change.audit[0].organization, here.id);
            assert!(
                !serde_json::to_string(&change.audit).unwrap().contains("phone"),
                "a device's name is personal"
            );
            assert!(!format!("{change:?}").contains("phone"));
            let devices = after(&change);
            let soon = now() + ACTIVITY_STEP - SignedDuration::from_secs(1);
            let (same, nothing) = devices
                .register(draft("Dana's phone", 1), false, owner, soon)
                .unwrap();
            assert_eq!((&same, nothing), (&device, Change::default()));
            let later = now() + ACTIVITY_STEP;
            let (seen, change) = devices
                .register(draft("Work phone", 1), false, owner, later)
                .unwrap();
            assert_eq!((seen.id, seen.first_seen_at), (device.id, device.first_seen_at));
            assert_eq!((seen.last_seen_at, seen.name.as_str()), (later, "Work phone"));
            assert!(change.audit.is_empty() && change.uses.is_empty());
            assert_eq!((after(&change).devices, after(&change).rev), (vec![seen], 2));
        });
    }

    #[test]
    fn a_key_that_was_revoked_never_comes_back() {
        with_owner(&[], |owner| {
            let (device, change) = nobodys()
                .register(draft("Phone", 1), false, owner, now())
                .unwrap();
            assert!(
                change
                    .facts
                    .contains(&Fact::KeyNotRevoked(device_owner(), key(1)))
            );
            let devices = after(&change);
            let change = devices.revoke(device.id, owner, now()).unwrap();
            assert!(change.writes.contains(&Write::KeyRevoke(device_owner(), key(1))));
            let left = after(&change);
            assert!(left.devices.is_empty());
            let again = left.register(draft("Phone", 1), true, owner, now());
            assert_eq!(again.unwrap_err().code, Code::DeviceRevoked);
            let twice = left.revoke(device.id, owner, now());
            assert_eq!(twice.unwrap_err().code, Code::DeviceNotFound);
        });
    }

    fn device_owner() -> AccountId {
        nobodys().account
    }

    #[test]
    fn nobody_has_more_than_twenty() {
        with_owner(&[], |owner| {
            let mut devices = nobodys();
            for number in 0..20 {
                let (_, change) = devices
                    .register(draft("Phone", number), false, owner, now())
                    .unwrap();
                devices = after(&change);
            }
            let refused = devices.register(draft("Phone", 20), false, owner, now());
            assert_eq!(refused.unwrap_err().code, Code::LimitExceeded);
            assert!(devices.register(draft("Laptop", 19), false, owner, now()).is_ok());
            let stored = serde_json::to_value(&devices).unwrap();
            assert_eq!(serde_json::from_value::<Devices>(stored).unwrap(), devices);
        });
    }

    proptest! {
        #[test]
        fn what_is_a_key_is_spelled_as_it_was_read(bytes in any::<[u8; 32]>()) {
            let text = spelled(bytes);
            if let Ok(key) = text.parse::<PublicKey>() {
                prop_assert_eq!(key.to_string(), text);
                prop_assert!(bytes[31] < 0x80);
            } else {
                prop_assert!(bytes[31] >= 0x7f, "few numbers are refused");
            }
        }
    }
}
