//! How people are found: by what any of their names begins with, or by what their address begins with.
//!
//! A person is kept under each of a few tokens. Addresses are among them only behind a sign that no name has: whoever may not
//! see addresses cannot find anybody by one.

use crate::code::{Code, Refusal};
use crate::email::EmailAddress;
use crate::person::FullName;
use crate::text::folded;

/// The most words of a name that it is found by, the family name's first.
pub const MOST_WORDS: usize = 5;

/// The longest part of a word that counts.
const LONGEST_WORD: usize = 60;

/// The longest text that is searched for.
const LONGEST_SEARCH: usize = 254;

/// What the token of an address begins with.
const ADDRESS: char = '@';

/// What somebody is searched by.
#[derive(Clone, PartialEq, Eq)]
pub enum Search {
    /// Each of these begins a word of the name.
    Name(Vec<String>),
    /// This begins the address.
    Address(String),
}

crate::person::hidden!(Search);

/// The words of `text`, folded, each once: letters and digits, whatever stands between them.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let folded = folded(text);
    for word in folded.split(|character: char| !character.is_alphanumeric()) {
        let word: String = word.chars().take(LONGEST_WORD).collect();
        if !word.is_empty() && !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

/// What a person of this name, and this address if it is searched by, is found under: at most [`MOST_WORDS`] words and one
/// address, in order.
#[must_use]
pub fn tokens(name: &FullName, address: Option<&EmailAddress>) -> Vec<String> {
    let words = words(&name.by_family()).into_iter().take(MOST_WORDS);
    let address = address.map(|address| format!("{ADDRESS}{}", address.as_str()));
    let mut tokens: Vec<String> = words.chain(address).collect();
    tokens.sort_unstable();
    tokens
}

impl Search {
    /// Whether it asks for an address.
    #[must_use]
    pub const fn is_for_address(&self) -> bool {
        matches!(self, Self::Address(_))
    }

    /// What the token begins with that is looked up: of several words the longest, since it is the most telling.
    #[must_use]
    pub fn looked_up(&self) -> String {
        match self {
            Self::Address(address) => format!("{ADDRESS}{address}"),
            Self::Name(words) => words
                .iter()
                .rev()
                .max_by_key(|word| word.chars().count())
                .cloned()
                .unwrap_or_default(),
        }
    }

    /// What else begins a word of the name, beside what is looked up.
    #[must_use]
    pub fn others(&self) -> Vec<&str> {
        let looked_up = self.looked_up();
        match self {
            Self::Address(_) => Vec::new(),
            Self::Name(words) => {
                let others = words.iter().map(String::as_str);
                others.filter(|word| *word != looked_up).collect()
            }
        }
    }

    /// Whether a person with these tokens is found.
    #[must_use]
    pub fn finds(&self, tokens: &[String]) -> bool {
        let begins_one = |text: &str| tokens.iter().any(|token| token.starts_with(text));
        match self {
            Self::Address(address) => begins_one(&format!("{ADDRESS}{address}")),
            Self::Name(words) => words.iter().all(|word| begins_one(word)),
        }
    }

    /// Whether `token` is the one of `tokens` under which the person is given: the first that is looked up, so that somebody
    /// whose names begin alike is given once.
    #[must_use]
    pub fn gives(&self, token: &str, tokens: &[String]) -> bool {
        let looked_up = self.looked_up();
        let first = tokens.iter().find(|token| token.starts_with(&looked_up));
        first.is_some_and(|first| first == token) && self.finds(tokens)
    }
}

impl std::str::FromStr for Search {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refused = |why: &'static str| Err(Refusal::new(Code::QueryInvalid, why));
        if text.chars().count() > LONGEST_SEARCH {
            return refused("search must have at most 254 characters");
        }
        if text.contains('@') {
            // As addresses are folded; one that is whole in its one spelling.
            let address = text.parse::<EmailAddress>();
            let address = address.map_or_else(|_| folded(text), |address| address.as_str().to_owned());
            if address.contains(char::is_whitespace) || address.starts_with('@') {
                return refused("an address has no spaces and something before its @");
            }
            return Ok(Self::Address(address));
        }
        match words(text) {
            words if words.is_empty() || words.len() > MOST_WORDS => {
                refused("search must have 1 to 5 words of letters and digits")
            }
            words => Ok(Self::Name(words)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(given: &str, family: &str) -> FullName {
        let part = |text: &str| text.parse().ok();
        FullName::of(part(given), part(family)).unwrap()
    }

    fn search(text: &str) -> Search {
        text.parse().unwrap()
    }

    #[test]
    fn a_person_is_found_by_what_any_name_begins_with() {
        let tokens = tokens(&name("Marie-Claire", "O’Brien Müller"), None);
        assert_eq!(tokens, ["brien", "claire", "marie", "muller", "o"]);
        for text in [
            "mü",
            "MULLER",
            "claire",
            "o'brien",
            "mar mul",
            "müller, marie",
            "ｍａｒｉｅ",
        ] {
            assert!(search(text).finds(&tokens), "{text}");
        }
        for text in ["ller", "maria", "mar mus", "obrien"] {
            assert!(!search(text).finds(&tokens), "{text}");
        }
    }

    #[test]
    fn an_address_is_found_by_its_beginning_and_by_no_name() {
        let address: EmailAddress = "ada@riverside.example".parse().unwrap();
        let tokens = tokens(&name("Ada", "Lovelace"), Some(&address));
        assert_eq!(tokens, ["@ada@riverside.example", "ada", "lovelace"]);
        for text in ["ada@", "ADA@River", "ａｄａ@riverside.example"] {
            assert!(
                search(text).is_for_address() && search(text).finds(&tokens),
                "{text}"
            );
        }
        assert!(!search("da@riverside.example").finds(&tokens));
        // Without the sign it is a name that is asked for: nobody is found by what their address says.
        for text in ["riverside", "ada riverside", "example"] {
            let search = search(text);
            assert!(!search.is_for_address() && !search.finds(&tokens), "{text}");
        }
    }

    #[test]
    fn what_finds_nobody_is_refused() {
        for text in [
            "",
            "   ",
            "'- -'",
            "@",
            "@example.org",
            "a b@c",
            "a b c d e f",
            &"x".repeat(255),
        ] {
            assert_eq!(
                text.parse::<Search>().unwrap_err().code,
                Code::QueryInvalid,
                "{text:?}"
            );
        }
    }

    #[test]
    fn of_several_words_the_longest_is_looked_up() {
        let search = search("o'brien Marie mar");
        assert_eq!(search.looked_up(), "brien");
        assert_eq!(search.others(), ["o", "marie", "mar"]);
        assert_eq!(self::search("ada@riv").looked_up(), "@ada@riv");
    }

    #[test]
    fn a_long_name_has_few_tokens_and_the_family_name_is_among_them() {
        let tokens = tokens(&name("Pablo Diego José Francisco de Paula", "Ruiz Picasso"), None);
        assert_eq!(tokens, ["diego", "jose", "pablo", "picasso", "ruiz"]);
    }

    proptest! {
        #[test]
        fn tokens_are_few_and_short_and_give_a_person_once(
            given in "[A-Za-zäßﷺé ’-]{0,49}", family in "[A-Za-zäßﷺé ’-]{0,50}", length in 1_usize..4,
        ) {
            let part = |text: &str| text.parse().ok();
            prop_assume!(part(&given).is_some() || part(&family).is_some());
            let address = "a@example.org".parse().unwrap();
            let tokens = tokens(&FullName::of(part(&given), part(&family)).unwrap(), Some(&address));
            prop_assert!(tokens.len() <= MOST_WORDS + 1 && tokens.is_sorted());
            for token in &tokens {
                prop_assert!(token.len() <= 254 && !token.contains('#'));
                let prefix: String = token.chars().take(length).collect();
                if let Ok(search) = prefix.parse::<Search>() {
                    prop_assert!(search.finds(&tokens));
                    let given = tokens.iter().filter(|token| search.gives(token, &tokens)).count();
                    prop_assert_eq!(given, 1);
                }
            }
        }
    }
}
