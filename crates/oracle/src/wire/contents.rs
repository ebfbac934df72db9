//! What is in a write, against what the process that sends it had last been shown of the record.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

use super::{API, elements, id_of, is_refused, is_write};
use crate::checks::Violation;
use crate::fields::day_of;
use crate::snapshot::Call;

/// Members that do not say what the record is to be.
const NO_CONTENT: [&str; 6] = ["PaymentID", "BankTransactionID", "InvoiceID", "ContactID", "LineItemID", "Type"];

/// Looks through all calls with what each process knew at the time.
pub(super) fn judge(calls: &[&Call]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut shown: BTreeMap<(usize, Uuid), &Value> = BTreeMap::new();
    let mut keys: BTreeSet<&str> = BTreeSet::new();
    for call in calls {
        // The same bytes again say nothing about what the process knows by now.
        let is_first = call.key.as_deref().is_none_or(|key| keys.insert(key));
        if is_write(call) && is_first {
            for element in elements(&call.body) {
                let id = id_of_own(element).or_else(|| id_in_path(call));
                let known = id.and_then(|id| shown.get(&(call.process, id)).copied());
                found.extend(judge_element(call, element, known));
            }
        }
        if call.status == 200 && call.path.starts_with(API) {
            for element in elements(&call.answer).into_iter().filter(|element| !is_refused(element)) {
                if let Some(id) = id_of(element) {
                    shown.insert((call.process, id), element);
                }
            }
        }
    }
    found
}

/// The record that an element changes; none where it makes one.
fn id_of_own(element: &Value) -> Option<Uuid> {
    let is_nested = element.get("Invoice").is_some() && element.get("PaymentID").is_none();
    if is_nested { None } else { id_of(element) }
}

/// The record that a request to a single one names.
fn id_in_path(call: &Call) -> Option<Uuid> {
    Uuid::parse_str(call.path.rsplit('/').next()?).ok()
}

fn judge_element(call: &Call, element: &Value, known: Option<&Value>) -> Vec<Violation> {
    let mut found = Vec::new();
    let about = |what: String| format!("call {} {} {}: {what}", call.number, call.method, call.path);
    for nested in ["Contact", "BankAccount", "Invoice", "Account"] {
        let Some(members) = element[nested].as_object() else { continue };
        let extra: Vec<&String> = members.keys().filter(|name| !name.ends_with("ID") && *name != "Code").collect();
        if !extra.is_empty() {
            found.push(Violation::new("I-L8", about(format!("its {nested} says {extra:?}"))));
        }
    }
    let Some(known) = known else { return found };
    if matches!(known["Status"].as_str(), Some("VOIDED" | "DELETED")) && known.get("ContactStatus").is_none() {
        found.push(Violation::new("I-D2", about(format!("it was known to be {}", known["Status"]))));
    }
    if known["Status"] == "PAID" && matches!(element["Status"].as_str(), Some("VOIDED" | "DELETED" | "DRAFT")) {
        found.push(Violation::new("I-D2", about(format!("a paid document is to become {}", element["Status"]))));
    }
    for description in remade(element, known) {
        found.push(Violation::new("I-L8", about(format!("the line {description:?} is sent without its id"))));
    }
    if says_nothing_new(element, known) {
        found.push(Violation::new("I-L5", about(format!("{element} is what xero had"))));
    }
    found
}

/// Lines sent without an id that Xero has under one: they would be deleted and made anew.
fn remade(element: &Value, known: &Value) -> Vec<String> {
    let lines = |of: &Value| of["LineItems"].as_array().cloned().unwrap_or_default();
    let sent = lines(element);
    let kept: BTreeSet<&str> = sent.iter().filter_map(|line| line["LineItemID"].as_str()).collect();
    let there = lines(known);
    let by_text = |text: &str| {
        there
            .iter()
            .any(|line| line["Description"] == text && line["LineItemID"].as_str().is_some_and(|id| !kept.contains(id)))
    };
    let bare = sent.iter().filter(|line| line["LineItemID"].is_null());
    bare.filter_map(|line| line["Description"].as_str()).filter(|text| by_text(text)).map(str::to_owned).collect()
}

/// Whether everything that is sent is there already.
fn says_nothing_new(sent: &Value, known: &Value) -> bool {
    let Some(members) = sent.as_object() else { return false };
    let content: Vec<_> = members.iter().filter(|(name, _)| !NO_CONTENT.contains(&name.as_str())).collect();
    !content.is_empty() && content.into_iter().all(|(name, value)| is_same(name, value, &known[name.as_str()]))
}

fn is_same(name: &str, sent: &Value, known: &Value) -> bool {
    match (sent, known) {
        (Value::Array(sent), Value::Array(known)) if name == "LineItems" => {
            sent.len() == known.len() && sent.iter().zip(known).all(|(sent, known)| holds(sent, known))
        }
        (Value::Array(sent), Value::Array(known)) => {
            sent.iter().all(|item| known.iter().any(|other| holds(item, other)))
        }
        (Value::Object(_), Value::Object(_)) => holds(sent, known),
        (Value::Null, Value::Null) => true,
        (Value::String(text), Value::Null) => text.is_empty(),
        (Value::String(_) | Value::Number(_) | Value::Bool(_), _) => scalar(name, sent) == scalar(name, known),
        _ => false,
    }
}

/// Whether an object has everything that another one says.
fn holds(sent: &Value, known: &Value) -> bool {
    let members = sent.as_object().into_iter().flatten();
    members.into_iter().all(|(name, value)| is_same(name, value, &known[name.as_str()]))
}

fn scalar(name: &str, value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if name.ends_with("Date") {
        return day_of(&text);
    }
    if name.ends_with("ID") {
        return text.to_ascii_lowercase();
    }
    match text.parse::<Decimal>() {
        Ok(number) if !name.ends_with("Number") && !name.ends_with("Code") => number.normalize().to_string(),
        _ => text,
    }
}
