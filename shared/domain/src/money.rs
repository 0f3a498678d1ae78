//! Money: integer minor units of one currency, never a float, never a sum across currencies.

use serde::{Deserialize, Serialize};

use crate::code::{Code, Refusal};

/// The largest amount, in minor units: every whole number up to it is exact in JSON.
pub const MOST_MINOR: i64 = 9_007_199_254_740_991;

/// The currencies of ISO 4217 whose minor unit is not a hundredth, with the decimal places they have.
const EXPONENTS: &[(&str, u8)] = &[
    ("BHD", 3),
    ("BIF", 0),
    ("CLF", 4),
    ("CLP", 0),
    ("DJF", 0),
    ("GNF", 0),
    ("IQD", 3),
    ("ISK", 0),
    ("JOD", 3),
    ("JPY", 0),
    ("KMF", 0),
    ("KRW", 0),
    ("KWD", 3),
    ("LYD", 3),
    ("OMR", 3),
    ("PYG", 0),
    ("RWF", 0),
    ("TND", 3),
    ("UGX", 0),
    ("UYI", 0),
    ("UYW", 4),
    ("VND", 0),
    ("VUV", 0),
    ("XAF", 0),
    ("XOF", 0),
    ("XPF", 0),
];

/// A currency by its ISO 4217 code: three capital letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// How many decimal places its minor unit is.
    #[must_use]
    pub fn exponent(self) -> u8 {
        let listed = EXPONENTS.iter().find(|(code, _)| *code == self.as_str());
        listed.map_or(2, |(_, exponent)| *exponent)
    }
}

impl std::fmt::Display for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Currency {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        match text.as_bytes() {
            &[a, b, c] if text.bytes().all(|byte| byte.is_ascii_uppercase()) => Ok(Self([a, b, c])),
            _ => Err(Refusal::new(
                Code::CurrencyUnknown,
                "must be three capital letters, as in ISO 4217",
            )),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

/// An amount of one currency, in its minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// How many minor units. May be negative in sums.
    pub amount_minor: i64,
    /// Of what.
    pub currency: Currency,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_is_three_capital_letters() {
        for text in ["", "EU", "eur", "EURO", "E1R", "€UR", "ÄÖÜ"] {
            assert_eq!(
                text.parse::<Currency>().unwrap_err().code,
                Code::CurrencyUnknown,
                "{text}"
            );
        }
        let euro: Currency = "EUR".parse().unwrap();
        assert_eq!((euro.as_str(), euro.to_string().as_str()), ("EUR", "EUR"));
    }

    #[test]
    fn minor_units_are_those_of_the_standard() {
        let exponent = |code: &str| code.parse::<Currency>().unwrap().exponent();
        assert_eq!(["EUR", "JPY", "KWD", "CLF", "USD"].map(exponent), [2, 0, 3, 4, 2]);
        assert!(EXPONENTS.iter().all(|(code, _)| code.parse::<Currency>().is_ok()));
        assert!(EXPONENTS.is_sorted());
    }
}
