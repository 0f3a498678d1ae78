//! Who the product's mails come from.

use std::str::FromStr;

use portal_domain::email::EmailAddress;

/// The address that mails come from, with the name that mail programs show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    name: Option<String>,
    address: EmailAddress,
}

/// The configured sender cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sender is an address, or a name and an address: Portal <no-reply@portal.example>")]
pub struct SenderError;

impl Sender {
    /// The name to show, if there is one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The address.
    #[must_use]
    pub const fn address(&self) -> &EmailAddress {
        &self.address
    }
}

impl FromStr for Sender {
    type Err = SenderError;

    /// Reads `no-reply@portal.example`, `Portal <no-reply@portal.example>` or `"Portal" <no-reply@portal.example>`.
    fn from_str(text: &str) -> Result<Self, SenderError> {
        let text = text.trim();
        let (name, address) = match text.strip_suffix('>').and_then(|inner| inner.rsplit_once('<')) {
            Some((name, address)) => (name.trim(), address),
            None => ("", text),
        };
        let name = name
            .strip_prefix('"')
            .and_then(|inner| inner.strip_suffix('"'))
            .unwrap_or(name);
        if name
            .chars()
            .any(|character| character.is_control() || "<>\"\\".contains(character))
        {
            return Err(SenderError);
        }
        let address = address.parse().map_err(|_| SenderError)?;
        Ok(Self {
            name: (!name.is_empty()).then(|| name.to_owned()),
            address,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_an_address_with_or_without_a_name() {
        for (text, name) in [
            ("no-reply@portal.example", None),
            ("<no-reply@portal.example>", None),
            ("Portal <no-reply@portal.example>", Some("Portal")),
            (
                " \"Praxis, Portal\" <no-reply@portal.example> ",
                Some("Praxis, Portal"),
            ),
        ] {
            let sender: Sender = text.parse().unwrap();
            assert_eq!(
                (sender.name(), sender.address().as_str()),
                (name, "no-reply@portal.example"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_could_change_the_header_is_refused() {
        for text in [
            "",
            "Portal",
            "Portal <>",
            "A <a@x.example>, B <b@x.example>",
            "a@x.example, b@x.example",
            "P\r\nBcc: e@x.example <a@x.example>",
            "P <a@x.example\r\n>",
            "\"P\" <b@x.example> <a@x.example>",
        ] {
            assert_eq!(text.parse::<Sender>(), Err(SenderError), "{text:?}");
        }
    }
}
