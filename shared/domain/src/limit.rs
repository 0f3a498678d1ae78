//! How often costly things may be done. Counted in fixed windows in the table, in the transaction of the thing itself.

use jiff::Timestamp;

/// At most `most` in each window of `seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// What is counted; part of the key.
    pub name: &'static str,
    /// What is counted, for people.
    pub about: &'static str,
    /// The most in one window.
    pub most: u32,
    /// The window's length in seconds.
    pub seconds: i64,
}

/// Mails to one mailbox (plus-addresses count together), whoever sends them.
pub const MAIL_PER_RECIPIENT: Limit = Limit {
    name: "mail-recipient",
    about: "Mails to one mailbox, whoever sends them; plus-addresses count together.",
    most: 10,
    seconds: 86_400,
};
/// Invites and resends by one account.
pub const INVITES_PER_INVITER: Limit = Limit {
    name: "invite-inviter",
    about: "Invites and resends by one account.",
    most: 200,
    seconds: 3_600,
};
/// Invites and resends of one organization.
pub const INVITES_PER_ORGANIZATION: Limit = Limit {
    name: "invite-organization",
    about: "Invites and resends of one organization.",
    most: 500,
    seconds: 3_600,
};
/// Organizations made by one account: a new one must not reset the other limits.
pub const ORGANIZATIONS_PER_ACCOUNT: Limit = Limit {
    name: "organization-account",
    about: "Organizations made by one account.",
    most: 20,
    seconds: 86_400,
};
/// Links that open nothing, tried from one network (IPv4 /24, IPv6 /48).
pub const FAILED_LINKS_PER_NETWORK: Limit = Limit {
    name: "link-network",
    about: "Links that open nothing, tried from one network (IPv4 /24, IPv6 /48).",
    most: 100,
    seconds: 600,
};
/// Batches that one service token feeds.
pub const BATCHES_PER_TOKEN: Limit = Limit {
    name: "batch-token",
    about: "Batches of records by one service token.",
    most: 300,
    seconds: 60,
};

/// Imports that one service token asks for.
pub const IMPORTS_PER_TOKEN: Limit = Limit {
    name: "import-token",
    about: "Imports asked for by one service token.",
    most: 60,
    seconds: 3_600,
};

/// Exports asked for by one account.
pub const EXPORTS_PER_ACCOUNT: Limit = Limit {
    name: "export-account",
    about: "Exports asked for by one account.",
    most: 30,
    seconds: 3_600,
};
/// Exports asked for in one organization.
pub const EXPORTS_PER_ORGANIZATION: Limit = Limit {
    name: "export-organization",
    about: "Exports asked for in one organization.",
    most: 100,
    seconds: 3_600,
};

/// Device keys registered by one account: what is revoked is remembered for good.
pub const DEVICES_PER_ACCOUNT: Limit = Limit {
    name: "device-account",
    about: "Device keys registered by one account.",
    most: 40,
    seconds: 86_400,
};

/// All limits, for the documentation.
pub const ALL: &[Limit] = &[
    MAIL_PER_RECIPIENT,
    INVITES_PER_INVITER,
    INVITES_PER_ORGANIZATION,
    ORGANIZATIONS_PER_ACCOUNT,
    FAILED_LINKS_PER_NETWORK,
    BATCHES_PER_TOKEN,
    IMPORTS_PER_TOKEN,
    EXPORTS_PER_ACCOUNT,
    EXPORTS_PER_ORGANIZATION,
    DEVICES_PER_ACCOUNT,
];

/// One use of a limit by a subject at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The limit.
    pub limit: Limit,
    /// Who or what is counted; the store keeps only its hash.
    pub subject: String,
    /// When the window began.
    pub window: Timestamp,
}

impl Limit {
    /// A use by `subject` at `now`.
    #[must_use]
    pub fn used_by(self, subject: impl Into<String>, now: Timestamp) -> Use {
        let start = now.as_second() - now.as_second().rem_euclid(self.seconds);
        Use {
            limit: self,
            subject: subject.into(),
            window: Timestamp::from_second(start).unwrap_or(now),
        }
    }
}

impl Use {
    /// Seconds from `now` until the window ends.
    #[must_use]
    pub fn retry_after(&self, now: Timestamp) -> u32 {
        let left = self.window.as_second() + self.limit.seconds - now.as_second();
        u32::try_from(left.max(1)).unwrap_or(1)
    }

    /// When the counter can be thrown away.
    #[must_use]
    pub fn ends_at(&self) -> Timestamp {
        Timestamp::from_second(self.window.as_second() + self.limit.seconds).unwrap_or(self.window)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn limits_are_told_apart_by_their_names() {
        let names: BTreeSet<_> = ALL.iter().map(|limit| limit.name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(ALL.iter().all(|limit| limit.most > 0 && limit.seconds > 0));
    }

    #[test]
    fn a_limit_of_another_subject_is_another_one() {
        let now = Timestamp::from_second(1_780_000_000).unwrap();
        assert_ne!(
            INVITES_PER_INVITER.used_by("a", now),
            INVITES_PER_INVITER.used_by("b", now)
        );
        assert_ne!(
            INVITES_PER_INVITER.used_by("a", now),
            INVITES_PER_ORGANIZATION.used_by("a", now)
        );
    }

    proptest! {
        #[test]
        fn every_instant_is_in_one_window_that_ends(millis in 0_i64..4_000_000_000_000, which in 0..ALL.len()) {
            let (limit, now) = (ALL[which], Timestamp::from_millisecond(millis).unwrap());
            let used = limit.used_by("subject", now);

            prop_assert!(used.window <= now && now < used.ends_at());
            prop_assert_eq!(used.ends_at().duration_since(used.window), SignedDuration::from_secs(limit.seconds));
            // Who waits as long as they were told is in the next window.
            let wait = SignedDuration::from_secs(i64::from(used.retry_after(now)));
            prop_assert!(wait <= SignedDuration::from_secs(limit.seconds));
            prop_assert_eq!(limit.used_by("subject", now + wait).window, used.ends_at());
        }
    }
}
