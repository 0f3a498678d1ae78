//! What a mail is about, told to the provider so that it comes back with a bounce or a complaint.

use portal_domain::id::{InviteId, OrganizationId};

/// The organization that the mail speaks for.
pub(crate) const ORGANIZATION: &str = "organization";
/// The invite whose link the mail carries.
pub(crate) const INVITE: &str = "invite";
/// The version of that link.
pub(crate) const VERSION: &str = "version";

/// The longest name or value that SES takes.
const LONGEST: usize = 256;

/// The tags of the mail that carries version `version` of an invite's link.
#[must_use]
pub fn of_invite(organization: OrganizationId, invite: InviteId, version: u32) -> Vec<(String, String)> {
    vec![
        (ORGANIZATION.to_owned(), organization.to_string()),
        (INVITE.to_owned(), invite.to_string()),
        (VERSION.to_owned(), version.to_string()),
    ]
}

/// Whether SES takes `text` as the name or value of a tag. It refuses the whole mail otherwise.
pub(crate) fn is_allowed(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn the_tags_of_an_invite_are_allowed() {
        let now = Timestamp::UNIX_EPOCH;
        for (name, value) in of_invite(OrganizationId::mint(now), InviteId::mint(now), u32::MAX) {
            assert!(is_allowed(&name) && is_allowed(&value), "{name}={value}");
        }
    }

    #[test]
    fn other_characters_are_not() {
        for text in ["", "a b", "a@x.example", "ä", "a\r\nb", &"a".repeat(257)] {
            assert!(!is_allowed(text), "{text:?}");
        }
    }
}
