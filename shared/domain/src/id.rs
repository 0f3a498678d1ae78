//! Typed identifiers: a prefix that says the kind, and a UUID.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::{NoContext, Uuid};

use crate::code::{Code, Refusal};

/// Namespace of account ids: UUIDv5 of this product's name in the DNS namespace.
const ACCOUNTS: Uuid = Uuid::from_u128(0x6f72_6761_6e69_5a61_b469_6f6e_706f_7274);

/// Namespace of the ids of actions.
const ACTIONS: Uuid = Uuid::from_u128(0x6163_7469_6f6e_5a61_b473_6f66_706f_7274);

/// A new random, time-ordered UUIDv7 (RFC 9562 §5.7) for an item made at `now`.
#[expect(clippy::disallowed_methods, reason = "the one place where ids are made")]
fn mint(now: Timestamp) -> Uuid {
    let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanos))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, never given before, for something made at `now`.
            #[must_use]
            pub fn mint(now: Timestamp) -> Self {
                Self(mint(now))
            }

            /// The bare UUID, for compact binary forms.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// The id with this UUID.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.hyphenated())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = Refusal;

            fn from_str(text: &str) -> Result<Self, Refusal> {
                parse(text, concat!($prefix, "_"))
                    .map(Self)
                    .ok_or_else(|| Refusal::new(Code::IdInvalid, concat!("not an id of the form ", $prefix, "_<uuid>")))
            }
        }

        impl TryFrom<String> for $name {
            type Error = Refusal;

            fn try_from(text: String) -> Result<Self, Refusal> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }
    )*};
}

/// The UUID behind `prefix`, only in its one canonical spelling, so that an id has one key.
fn parse(text: &str, prefix: &str) -> Option<Uuid> {
    let bare = text.strip_prefix(prefix)?;
    let uuid = Uuid::try_parse(bare).ok()?;
    (uuid.hyphenated().to_string() == bare).then_some(uuid)
}

ids! {
    /// An organization.
    OrganizationId = "org";
    /// An account: the same person at the same identity provider always has the same one.
    AccountId = "acc";
    /// An invite.
    InviteId = "inv";
    /// A custom role.
    RoleId = "rol";
    /// An audit event.
    EventId = "evt";
    /// An export of a list.
    ExportId = "exp";
    /// An import of a file.
    ImportId = "imp";
    /// A message on its way out.
    MessageId = "msg";
    /// A site.
    SiteId = "sit";
    /// A patient.
    PatientId = "pat";
    /// A specialist.
    SpecialistId = "spc";
    /// A booking.
    BookingId = "bok";
    /// A transaction.
    TransactionId = "txn";
    /// An assignment of a specialist that is told apart.
    AssignmentId = "asg";
    /// A note on a patient.
    NoteId = "not";
    /// A service token.
    TokenId = "tok";
    /// An action: the same rule about the same thing at the same place always has the same one.
    ActionId = "act";
    /// A session.
    SessionId = "ses";
    /// A device of an account.
    DeviceId = "dev";
}

macro_rules! pairs {
    ($($(#[$doc:meta])* $name:ident { $first:ident: $of:ident, $second:ident: $with:ident, })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            #[doc = concat!("The ", stringify!($first), ".")]
            pub $first: $of,
            #[doc = concat!("The ", stringify!($second), ".")]
            pub $second: $with,
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}~{}", self.$first, self.$second)
            }
        }

        impl std::str::FromStr for $name {
            type Err = Refusal;

            fn from_str(text: &str) -> Result<Self, Refusal> {
                let ($first, $second) = text.split_once('~').ok_or(Code::IdInvalid)?;
                Ok(Self { $first: $first.parse()?, $second: $second.parse()? })
            }
        }
    )*};
}

pairs! {
    /// An enrollment by its patient and its sponsor: one patient has one with each.
    EnrollmentId { patient: PatientId, sponsor: OrganizationId, }
    /// An assignment by its specialist, with whom it is kept.
    AssignmentPlace { specialist: SpecialistId, assignment: AssignmentId, }
    /// An invite by its organization, where it is kept.
    InvitePlace { organization: OrganizationId, invite: InviteId, }
    /// A note by its patient, where it is kept.
    NotePlace { patient: PatientId, note: NoteId, }
}

impl OrganizationId {
    /// The platform itself, whose own audit log tells what its operator does to no organization. It is no member's.
    pub const PLATFORM: Self = Self(Uuid::nil());
}

/// Ids as their sixteen bare bytes, for stored copies that must stay small.
pub mod compact {
    use std::marker::PhantomData;

    use serde::de::{Error, SeqAccess, Visitor};
    use serde::{Deserializer, Serializer};
    use uuid::Uuid;

    /// The bytes of an id.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer, T: Copy + Into<Uuid>>(id: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes((*id).into().as_bytes())
    }

    /// The id of these bytes.
    ///
    /// # Errors
    /// The deserializer's, and for anything but sixteen bytes.
    pub fn deserialize<'de, D: Deserializer<'de>, T: From<Uuid>>(deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_bytes(Bytes(PhantomData))
    }

    struct Bytes<T>(PhantomData<T>);

    impl<'de, T: From<Uuid>> Visitor<'de> for Bytes<T> {
        type Value = T;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("sixteen bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<T, E> {
            let uuid = Uuid::from_slice(bytes).map_err(|_| E::invalid_length(bytes.len(), &self))?;
            Ok(uuid.into())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
            let mut bytes = Vec::new();
            while let Some(byte) = seq.next_element()? {
                bytes.push(byte);
            }
            self.visit_bytes(&bytes)
        }
    }
}

impl ActionId {
    /// The action that `rule` finds about `subject` at `place`: a UUIDv5 (RFC 9562 §5.5) of the three.
    #[must_use]
    pub fn of(rule: &str, place: &str, subject: &str) -> Self {
        let rule = Uuid::new_v5(&ACTIONS, rule.as_bytes());
        let place = Uuid::new_v5(&rule, place.as_bytes());
        Self(Uuid::new_v5(&place, subject.as_bytes()))
    }
}

impl AccountId {
    /// The account of `subject` at the identity provider called `issuer_name`: a UUIDv5 (RFC 9562 §5.5), so that
    /// it is known from the token alone and survives a move of the provider to another address.
    #[must_use]
    pub fn of(issuer_name: &str, subject: &str) -> Self {
        let issuer = Uuid::new_v5(&ACCOUNTS, issuer_name.as_bytes());
        Self(Uuid::new_v5(&issuer, subject.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = OrganizationId::mint(Timestamp::UNIX_EPOCH);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().to_uppercase().parse::<OrganizationId>().is_err());
        assert!(id.to_string().replace('-', "").parse::<OrganizationId>().is_err());
        assert!(id.to_string().parse::<InviteId>().is_err());
    }

    #[test]
    fn issuer_and_subject_do_not_run_together() {
        assert_ne!(AccountId::of("ab", "c"), AccountId::of("a", "bc"));
        assert_eq!(AccountId::of("ab", "c"), AccountId::of("ab", "c"));
    }

    #[test]
    fn later_ids_sort_later() {
        let early = InviteId::mint(Timestamp::from_millisecond(1_000).unwrap_or_default());
        let late = InviteId::mint(Timestamp::from_millisecond(2_000).unwrap_or_default());
        assert!(early.to_string() < late.to_string());
    }
}
