//! Paths: decoded as the gateway decodes them, matched segment by segment.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

/// A route's path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Segment>);

/// Literals sort before variables.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(String),
    Variable(String),
}

impl Pattern {
    pub(super) fn new(path: &str) -> Self {
        let segment = |text: &str| match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(name) => Segment::Variable(name.to_owned()),
            None => Segment::Literal(text.to_owned()),
        };
        Self(path.split('/').skip(1).map(segment).collect())
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        let mut segments = path.split('/').skip(1);
        let all = self.0.iter().all(|segment| match (segment, segments.next()) {
            (Segment::Literal(literal), Some(given)) => literal == given,
            (Segment::Variable(_), Some(given)) => !given.is_empty(),
            (_, None) => false,
        });
        all && segments.next().is_none()
    }

    /// The variables' values in a path that matches.
    pub(super) fn parameters(&self, path: &str) -> BTreeMap<String, String> {
        let pairs = self.0.iter().zip(path.split('/').skip(1));
        pairs
            .filter_map(|(segment, given)| match segment {
                Segment::Variable(name) => Some((name.clone(), given.to_owned())),
                Segment::Literal(_) => None,
            })
            .collect()
    }
}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pattern {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|segment| match segment {
            Segment::Literal(literal) => write!(f, "/{literal}"),
            Segment::Variable(name) => write!(f, "/{{{name}}}"),
        })
    }
}

/// The path without its percent-encoding, once; `None` when the encoding or the text in it is broken.
pub(super) fn decode(path: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let [high, low, tail @ ..] = rest else { return None };
            let digit = |byte: &u8| {
                char::from(*byte)
                    .to_digit(16)
                    .and_then(|digit| u8::try_from(digit).ok())
            };
            decoded.push(digit(high)? * 16 + digit(low)?);
            rest = tail;
        } else {
            decoded.push(*first);
        }
    }
    String::from_utf8(decoded).ok()
}
