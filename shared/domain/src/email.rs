//! One identity rule for e-mail addresses and their domains, used wherever an address is read.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::code::{Code, Refusal};

/// A normalized address: two spellings of one mailbox are equal.
///
/// Compatibility-normalized (full width → ASCII), lower case; the local part is a dot-atom of RFC 5322 §3.2.3 in ASCII (a
/// quoted or non-ASCII local part is refused, not guessed); the domain is in its ASCII form by UTS #46. Plus-addresses are
/// addresses of their own. Personal data: hidden in debug output.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

impl EmailAddress {
    /// The normalized address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the `@`.
    #[must_use]
    pub fn domain(&self) -> EmailDomain {
        EmailDomain(
            self.0
                .split_once('@')
                .map_or_else(String::new, |(_, domain)| domain.to_owned()),
        )
    }

    /// The address without its `+tag`: the mailbox that mail limits count for.
    #[must_use]
    pub fn mailbox(&self) -> String {
        let (local, domain) = self.0.split_once('@').unwrap_or((&self.0, ""));
        let bare = local.split_once('+').map_or(local, |(bare, _)| bare);
        format!("{bare}@{domain}")
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl std::str::FromStr for EmailAddress {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refused = || Refusal::from(Code::EmailInvalid);
        if text.len() > 1_000 {
            return Err(refused());
        }
        let text: String = text.trim_matches(' ').nfkc().collect();
        let (local, domain) = text.rsplit_once('@').ok_or_else(refused)?;
        // Lower-casing comes after the ASCII check: `İ` and the Kelvin sign must not become ASCII letters.
        if local.is_empty() || local.len() > 64 || !local.split('.').all(is_atom) {
            return Err(refused());
        }
        let domain: EmailDomain = domain.parse().map_err(|_| refused())?;
        let address = format!("{}@{}", local.to_ascii_lowercase(), domain.0);
        if address.len() > 254 {
            Err(refused())
        } else {
            Ok(Self(address))
        }
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

impl std::fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EmailAddress(…)")
    }
}

fn is_atom(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
}

/// A mail domain in its ASCII form. Equal means equal: a domain never matches its subdomains or suffixes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailDomain(String);

impl EmailDomain {
    /// The domain.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EmailDomain {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl std::str::FromStr for EmailDomain {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refused = || Refusal::from(Code::DomainInvalid);
        if text.len() > 1_000 {
            return Err(refused());
        }
        // Strict: STD3 rules, hyphen checks and label lengths; `xn--example-.org` is an error and not `example.org`.
        let domain = idna::domain_to_ascii_strict(text).map_err(|_| refused())?;
        let last = domain.rsplit('.').next().unwrap_or_default();
        let is_name = domain.contains('.')
            && !domain.ends_with('.')
            && domain.split('.').all(|label| !label.is_empty());
        // An address literal or an all-numeric top label is no mail domain (RFC 3696 §2).
        if is_name && !last.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(domain))
        } else {
            Err(refused())
        }
    }
}

impl From<EmailDomain> for String {
    fn from(domain: EmailDomain) -> Self {
        domain.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<String> {
        text.parse::<EmailAddress>().ok().map(String::from)
    }

    #[test]
    fn spellings_of_one_mailbox_are_equal() {
        for text in [
            "Ada@Example.ORG",
            " ada@example.org ",
            "ａｄａ@example.org",
            "ada@ｅxample。org",
        ] {
            assert_eq!(parsed(text).as_deref(), Some("ada@example.org"), "{text}");
        }
        assert_eq!(parsed("info@bücher.de"), parsed("info@xn--bcher-kva.de"));
        assert_ne!(parsed("ada+1@example.org"), parsed("ada@example.org"));
    }

    #[test]
    fn what_is_no_single_plain_address_is_refused() {
        for text in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@localhost",
            "ada@example.org.",
            "ada@.example.org",
            "a..b@example.org",
            ".a@example.org",
            "\"a@allowed.org\"@evil.org",
            "a@allowed.org@evil.org",
            "a@evil.org,b@allowed.org",
            "ada@example.org\r\nBcc: eve@evil.org",
            "a da@example.org",
            "ada@xn--example-.org",
            "ada@[127.0.0.1]",
            "ada@127.0.0.1",
            "straße@example.org",
            "İda@example.org",
            "\u{212a}im@exam ple.org",
            "a\0@example.org",
            "ada@exa\u{200b}mple.org\u{202e}",
        ] {
            assert_eq!(parsed(text), None, "{text:?}");
        }
        assert_eq!(parsed(&format!("{}@example.org", "a".repeat(65))), None);
    }

    #[test]
    fn domains_match_exactly() {
        let allowed: EmailDomain = "Example.org".parse().unwrap();
        let domain_of = |text: &str| text.parse::<EmailAddress>().unwrap().domain();
        assert_eq!(domain_of("ada@EXAMPLE.org"), allowed);
        assert_ne!(domain_of("ada@sub.example.org"), allowed);
        assert_ne!(domain_of("ada@evilexample.org"), allowed);
        assert_ne!(domain_of("ada@example.org.evil.com"), allowed);
        assert_ne!(domain_of("ada@ex\u{0430}mple.org"), allowed);
    }

    #[test]
    fn plus_addresses_share_their_mailbox() {
        assert_eq!("a+1@x.org".parse::<EmailAddress>().unwrap().mailbox(), "a@x.org");
        assert_eq!("a@x.org".parse::<EmailAddress>().unwrap().mailbox(), "a@x.org");
    }
}
