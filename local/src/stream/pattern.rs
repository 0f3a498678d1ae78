//! Event patterns: the part of the filter language that event source mappings are written in here.

use serde_json::Value;

/// Whether `event` has everything the pattern names: an object matches member by member, a list matches when one of its
/// rules does: a literal, `{"prefix": …}`, `{"exists": …}` or `{"anything-but": […]}`.
pub(super) fn matches(pattern: &Value, event: &Value) -> bool {
    match pattern {
        Value::Object(members) => members
            .iter()
            .all(|(name, pattern)| matches(pattern, &event[name])),
        Value::Array(rules) => rules.iter().any(|rule| rule_matches(rule, event)),
        _ => false,
    }
}

fn rule_matches(rule: &Value, value: &Value) -> bool {
    match rule {
        Value::Object(rule) => rule.iter().all(|(name, wanted)| match name.as_str() {
            "prefix" => value
                .as_str()
                .zip(wanted.as_str())
                .is_some_and(|(value, prefix)| value.starts_with(prefix)),
            "exists" => wanted.as_bool() == Some(!value.is_null()),
            "anything-but" => wanted
                .as_array()
                .is_some_and(|not| !value.is_null() && !not.contains(value)),
            _ => false,
        }),
        literal => literal == value,
    }
}
