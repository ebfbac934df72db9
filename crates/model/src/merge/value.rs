//! How values compare, and how JSON shows them: blank and absent are one.

use serde_json::{Map, Value};

/// The members of a record, or of an item of a list, in JSON.
pub(super) type Members = Map<String, Value>;

/// Two texts are the same.
pub(super) fn exactly(a: &str, b: &str) -> bool {
    a == b
}

/// Xero left a text alone: it trims what it is sent, which is no edit.
pub(super) fn trimmed(a: &str, b: &str) -> bool {
    a == b || a.trim() == b.trim()
}

/// True for what says nothing: absent, null, an empty text or list, false. Zero says something.
pub(super) fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_blank),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// The value without its blanks, so that one content has one form; null if nothing is left.
pub(super) fn plain(value: &Value) -> Value {
    match value {
        value if is_blank(value) => Value::Null,
        Value::Object(members) => Value::Object(plain_members(members)),
        Value::Array(items) => items.iter().map(plain).collect(),
        value => value.clone(),
    }
}

/// The members that are not blank.
pub(super) fn plain_members(members: &Members) -> Members {
    let kept = members.iter().filter(|(_, value)| !is_blank(value));
    kept.map(|(name, value)| (name.clone(), plain(value))).collect()
}
