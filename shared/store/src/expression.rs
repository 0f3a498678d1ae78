//! Expressions whose names and values are always placeholders.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

/// An expression over `#attribute` names and `:value` placeholders. Every `#name` stands for the attribute `name`, so
/// reserved words need no care and no input can become part of an expression.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expression {
    text: String,
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            values: HashMap::new(),
        }
    }

    /// The expression with `:name` standing for `value`.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(format!(":{name}"), value.into().0);
        self
    }

    /// Both.
    pub(crate) fn and(self, other: Self) -> Self {
        if self.text.is_empty() {
            return other;
        }
        if other.text.is_empty() {
            return self;
        }
        let text = format!("({}) AND ({})", self.text, other.text);
        Self {
            text,
            values: self.values.into_iter().chain(other.values).collect(),
        }
    }

    /// That an attribute is one of these values; nothing for none. The table takes 100 at a time.
    pub(crate) fn one_of<V: Into<Value>>(attribute: &str, values: impl IntoIterator<Item = V>) -> Self {
        let values: Vec<(String, V)> = values
            .into_iter()
            .enumerate()
            .map(|(n, value)| (format!("{attribute}{n}"), value))
            .collect();
        let group = |group: &[(String, V)]| {
            let names: Vec<String> = group.iter().map(|(name, _)| format!(":{name}")).collect();
            format!("#{attribute} IN ({})", names.join(", "))
        };
        let text: Vec<String> = values.chunks(100).map(group).collect();
        values
            .into_iter()
            .fold(Self::new(text.join(" OR ")), |expression, (name, value)| {
                expression.with(&name, value)
            })
    }

    /// The same values in another text.
    pub(crate) fn saying(self, text: String) -> Self {
        Self { text, ..self }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

type Names = Option<HashMap<String, String>>;
type Values = Option<HashMap<String, AttributeValue>>;

/// Names and values of all `expressions` of one operation; none where there are none, as the API wants it.
pub(crate) fn placeholders(expressions: &[&Expression]) -> (Names, Values) {
    let names: HashMap<String, String> = expressions
        .iter()
        .flat_map(|expression| names_in(&expression.text))
        .map(|name| (format!("#{name}"), name.to_owned()))
        .collect();
    let values: HashMap<String, AttributeValue> = expressions
        .iter()
        .flat_map(|expression| expression.values.clone())
        .collect();
    (
        (!names.is_empty()).then_some(names),
        (!values.is_empty()).then_some(values),
    )
}

fn names_in(text: &str) -> impl Iterator<Item = &str> {
    text.split('#').skip(1).map(|rest| {
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        &rest[..end]
    })
}

/// A value of an expression.
pub(crate) struct Value(pub(crate) AttributeValue);

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self(AttributeValue::S(text))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self(AttributeValue::S(text.to_owned()))
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self(AttributeValue::N(number.to_string()))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self(AttributeValue::N(number.to_string()))
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self(AttributeValue::Bool(truth))
    }
}

impl From<jiff::Timestamp> for Value {
    fn from(at: jiff::Timestamp) -> Self {
        Self(AttributeValue::N(at.as_millisecond().to_string()))
    }
}

impl From<AttributeValue> for Value {
    fn from(value: AttributeValue) -> Self {
        Self(value)
    }
}

impl Expression {
    /// The expression, in which `#sk` stands for the sort key attribute `attribute`.
    pub(crate) fn for_sort_key(mut self, attribute: &str) -> Self {
        self.text = self
            .text
            .replace("#sk ", &format!("#{attribute} "))
            .replace("#sk,", &format!("#{attribute},"));
        self
    }
}
