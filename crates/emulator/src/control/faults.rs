//! Fault rules over the control API: added as JSON or as text, listed with how often they struck, removed.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Refusal, tenant_id};
use crate::emulator::Emulator;
use crate::faults::{FaultRule, FaultState, When, parse_action, parse_when};

/// `GET faults`, `POST faults`, `DELETE faults`, `DELETE faults/{id}`.
pub(super) fn answer(emulator: &Emulator, method: &str, path: &[&str], body: &Value) -> Result<Value, Refusal> {
    match (method, path) {
        ("GET", []) => Ok(Value::Array(emulator.faults().iter().map(shown).collect())),
        ("POST", []) => {
            let rules = rules(emulator, body)?;
            let ids: Vec<u64> = rules.into_iter().map(|rule| emulator.add_fault(rule)).collect();
            Ok(json!({"ids": ids}))
        }
        ("DELETE", []) => Ok(json!({"not_fired": emulator.clear_faults()})),
        ("DELETE", [id]) => {
            let is_gone = id.parse().is_ok_and(|id| emulator.remove_fault(id));
            if is_gone { Ok(json!({})) } else { Err(Refusal::Unknown("no such fault rule".into())) }
        }
        _ => Err(Refusal::Unknown("no such control route".into())),
    }
}

fn shown(state: &FaultState) -> Value {
    json!({
        "id": state.id,
        "rule": state.rule.to_string(),
        "action": state.rule.action.to_string(),
        "seen": state.seen,
        "fired": state.fired,
    })
}

/// Every rule of a body, none of which is added unless all make sense.
fn rules(emulator: &Emulator, body: &Value) -> Result<Vec<FaultRule>, String> {
    match body {
        Value::String(text) => {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            let rules: Vec<FaultRule> = lines.map(str::parse).collect::<Result<_, _>>()?;
            if rules.is_empty() { Err("there is no rule".into()) } else { Ok(rules) }
        }
        Value::Array(items) => {
            let rules = items.iter().map(|item| rules(emulator, item)).collect::<Result<Vec<_>, _>>()?;
            Ok(rules.into_iter().flatten().collect())
        }
        _ => rule(emulator, body).map(|rule| vec![rule]),
    }
}

/// `{"method": "PUT", "path_contains": "Invoices", "nth": 1, "action": "commit-then-lose"}`; instead of `nth` also
/// `"every": 2` or `"p": "0.05"`, and `times` and `tenant`. Actions that need a figure take it as in text
/// (`"late=30s"`) or from `status` or `ms` beside them.
fn rule(emulator: &Emulator, body: &Value) -> Result<FaultRule, String> {
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    if let Some(line) = body["rule"].as_str() {
        return line.parse();
    }
    let number = |key: &str| match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or_else(|| format!("{key} must be a whole number")),
    };
    let word = text("action").replace('_', "-");
    let word = match word.as_str() {
        "status-before" => "refuse",
        "status-after" => "commit-then-status",
        other => other,
    };
    let figure = ["status", "ms", "value"].into_iter().find_map(|key| match &body[key] {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        _ => None,
    });
    let action = parse_action(&figure.map_or_else(|| word.to_owned(), |figure| format!("{word}={figure}")))?;
    let when = match (number("nth")?, number("every")?, &body["p"]) {
        (None, None, Value::Null) => When::Nth(1),
        (Some(nth), None, Value::Null) => When::Nth(nth.max(1)),
        (None, Some(step), Value::Null) => When::Every(step.max(1)),
        (None, None, Value::Number(chance)) => parse_when(&format!("p={chance}")).unwrap_or(Ok(When::Nth(1)))?,
        (None, None, Value::String(chance)) => parse_when(&format!("p={chance}")).unwrap_or(Ok(When::Nth(1)))?,
        _ => return Err("a rule has one of nth, every and p".into()),
    };
    let tenant: Option<Uuid> = match &body["tenant"] {
        Value::Null => None,
        Value::String(id) => Some(tenant_id(emulator, id).ok_or("no such tenant")?),
        other => Some(tenant_id(emulator, &other.to_string()).ok_or("no such tenant")?),
    };
    let (method, path_contains) = (text("method"), text("path_contains"));
    Ok(FaultRule { method, path_contains, tenant, when, times: number("times")?, action })
}
