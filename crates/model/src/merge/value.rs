//! How values of canonical JSON compare: blank and absent are one.

use serde_json::{Map, Value};

/// The members of a record, or of an item of a list.
pub(super) type Members = Map<String, Value>;

/// True for what says nothing: absent, null, an empty text or list, false. Zero says something.
pub(super) fn is_blank(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(members)) => members.values().all(|value| is_blank(Some(value))),
        Some(Value::Bool(true) | Value::Number(_)) => false,
    }
}

/// Whether two values are the same, blanks being one.
pub(super) fn agree(a: Option<&Value>, b: Option<&Value>) -> bool {
    compare(a, b, str::eq)
}

/// Whether Xero left a value alone: it trims what it is sent, which is no edit.
pub(super) fn loosely_agree(a: Option<&Value>, b: Option<&Value>) -> bool {
    compare(a, b, |a, b| a.trim() == b.trim())
}

fn compare(a: Option<&Value>, b: Option<&Value>, same_text: fn(&str, &str) -> bool) -> bool {
    match (a, b) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            a.iter().all(|(name, value)| compare(Some(value), b.get(name), same_text))
                && b.iter().all(|(name, value)| a.contains_key(name) || is_blank(Some(value)))
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| compare(Some(a), Some(b), same_text))
        }
        (Some(Value::String(a)), Some(Value::String(b))) => same_text(a, b),
        (Some(Value::String(text)), other) | (other, Some(Value::String(text))) if is_blank(other) => {
            same_text(text, "")
        }
        _ => (is_blank(a) && is_blank(b)) || a == b,
    }
}

/// The value without its blanks, so that one content has one form; null if nothing is left.
pub(super) fn plain(value: Option<&Value>) -> Value {
    match value {
        value if is_blank(value) => Value::Null,
        Some(Value::Object(members)) => Value::Object(plain_members(members)),
        Some(Value::Array(items)) => items.iter().map(|item| plain(Some(item))).collect(),
        Some(value) => value.clone(),
        None => Value::Null,
    }
}

/// The members that are not blank.
pub(super) fn plain_members(members: &Members) -> Members {
    let kept = members.iter().filter(|(_, value)| !is_blank(Some(value)));
    kept.map(|(name, value)| (name.clone(), plain(Some(value)))).collect()
}
