//! What went over the wire: every rule about sending that needs no look at either side's books.
//!
//! Times are those of the wire, not of any process's clock. Rules about what a process knew look only at what that process
//! was answered.

mod contents;
mod creates;
mod limits;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use crate::checks::{Checks, Violation};
use crate::snapshot::{Call, Snapshot};

/// Where the accounting API begins.
const API: &str = "/api.xro/2.0/";

/// Members that name a record, the most telling first: a payment's answer holds its invoice too.
const IDS: [&str; 4] = ["PaymentID", "BankTransactionID", "InvoiceID", "ContactID"];

/// Every rule of the wire.
pub fn judge_wire(calls: &[Call]) -> Vec<Violation> {
    judge_wire_with(calls, &Checks::all())
}

/// Some rules of the wire.
pub fn judge_wire_with(calls: &[Call], checks: &Checks) -> Vec<Violation> {
    let mut sorted: Vec<&Call> = calls.iter().filter(|call| call.was_sent).collect();
    sorted.sort_by_key(|call| (call.at_ms, call.number));
    let mut found = keys(&sorted);
    found.extend(creates::resends(&sorted));
    found.extend(creates::twice(&sorted));
    found.extend(contents::judge(&sorted));
    found.extend(tenants(&sorted));
    found.extend(after_disconnect(&sorted));
    found.extend(tokens::judge(&sorted));
    found.extend(limits::judge(&sorted));
    checks.keep(found)
}

/// Every write was written down before it left: once, under its key (I-A1). Not for runs that begin from an old backup.
pub fn judge_audit(calls: &[Call], snapshot: &Snapshot, checks: &Checks) -> Vec<Violation> {
    let mut kept: BTreeMap<&str, usize> = BTreeMap::new();
    // What is known not to have reached the books is no write.
    for sent in snapshot.sends.iter().filter(|sent| sent.outcome.as_deref() != Some("NOT_APPLIED")) {
        *kept.entry(&sent.key).or_default() += 1;
    }
    let mut found = Vec::new();
    for call in calls.iter().filter(|call| is_write(call) && call.applied_at_ms.is_some()) {
        let Some(key) = call.key.as_deref() else {
            found
                .push(Violation::new("I-A1", format!("call {} {} {} has no key", call.number, call.method, call.path)));
            continue;
        };
        let times = kept.get(key).copied().unwrap_or(0);
        if times != 1 {
            let what = format!("call {} {} {} is written down {times} times", call.number, call.method, call.path);
            found.push(Violation::new("I-A1", what));
        }
    }
    checks.keep(found)
}

/// A request that writes to Xero's books and left.
pub(crate) fn is_write(call: &Call) -> bool {
    call.was_sent && call.method != "GET" && call.path.starts_with(API)
}

/// The collection that a path names.
fn collection(path: &str) -> &str {
    let rest = path.strip_prefix(API).unwrap_or(path);
    rest.split('/').next().unwrap_or(rest)
}

/// The records of a body: of its only list, or the body itself.
fn elements(body: &Value) -> Vec<&Value> {
    let Some(members) = body.as_object() else { return Vec::new() };
    match members.values().find_map(Value::as_array) {
        Some(list) if !members.contains_key("LineItems") && !IDS.iter().any(|id| members.contains_key(*id)) => {
            list.iter().collect()
        }
        _ => vec![body],
    }
}

fn is_refused(element: &Value) -> bool {
    element["HasValidationErrors"] == true
        || element["StatusAttributeString"] == "ERROR"
        || element["ValidationErrors"].as_array().is_some_and(|errors| !errors.is_empty())
}

fn id_of(element: &Value) -> Option<Uuid> {
    IDS.iter().find_map(|member| Uuid::parse_str(element[*member].as_str()?).ok()).filter(|id| !id.is_nil())
}

/// The records that a call saved, also where the answer never arrived.
pub(crate) fn saved_ids(call: &Call) -> Vec<Uuid> {
    elements(&call.answer).into_iter().filter(|element| !is_refused(element)).filter_map(id_of).collect()
}

/// The same key always goes with the same request, and every write has one (I-S4).
fn keys(calls: &[&Call]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut first: BTreeMap<&str, &Call> = BTreeMap::new();
    for call in calls.iter().filter(|call| is_write(call)) {
        let about = || format!("call {} {} {}", call.number, call.method, call.path);
        let Some(key) = call.key.as_deref().filter(|key| !key.is_empty()) else {
            found.push(Violation::new("I-S4", format!("{} has no key", about())));
            continue;
        };
        let old = first.entry(key).or_insert(call);
        if (&old.method, &old.path, &old.body) != (&call.method, &call.path, &call.body) {
            found.push(Violation::new(
                "I-S4",
                format!("{} uses the key of call {} for another request", about(), old.number),
            ));
        }
    }
    found
}

/// Every call to the books names its organisation, and every record in it is that organisation's (I-X1).
fn tenants(calls: &[&Call]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut owners: BTreeMap<Uuid, Uuid> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.path.starts_with(API)) {
        let about = || format!("call {} {} {}", call.number, call.method, call.path);
        let Some(tenant) = call.tenant else {
            found.push(Violation::new("I-X1", format!("{} names no organisation", about())));
            continue;
        };
        let in_path = call.path.rsplit('/').next().and_then(|last| Uuid::parse_str(last).ok());
        let in_query = call.query.split(['=', ',', '&']).filter_map(|part| Uuid::parse_str(part).ok());
        let mut named: BTreeSet<Uuid> = in_path.into_iter().chain(in_query).collect();
        ids_in(&call.body, &mut named);
        for id in named {
            if let Some(owner) = owners.get(&id).filter(|owner| **owner != tenant) {
                found.push(Violation::new("I-X1", format!("{} takes {id} of {owner} to {tenant}", about())));
            }
        }
        let mut shown = BTreeSet::new();
        ids_in(&call.answer, &mut shown);
        for id in shown {
            owners.entry(id).or_insert(tenant);
        }
    }
    found
}

/// Every record's id in a body, at any depth.
fn ids_in(value: &Value, found: &mut BTreeSet<Uuid>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| ids_in(item, found)),
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str().filter(|_| IDS.contains(&name.as_str())) {
                    Some(text) => found.extend(Uuid::parse_str(text).ok().filter(|id| !id.is_nil())),
                    None => ids_in(member, found),
                }
            }
        }
        _ => {}
    }
}

/// Once disconnected, at most the call that was on its way (I-X2). Judged where there is one organisation.
fn after_disconnect(calls: &[&Call]) -> Vec<Violation> {
    let tenants: BTreeSet<Uuid> = calls.iter().filter_map(|call| call.tenant).collect();
    if tenants.len() > 1 {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut since = None;
    for call in calls {
        if call.method == "DELETE" && call.path.to_ascii_lowercase().starts_with("/connections/") && call.status == 204
        {
            since = Some(0);
        } else if call.path.ends_with("/connect/token") && tokens::is_consent(call) {
            since = None;
        } else if call.path.starts_with(API)
            && let Some(count) = &mut since
        {
            *count += 1;
            if *count > 1 {
                let what =
                    format!("call {} {} {} after the end of the connection", call.number, call.method, call.path);
                found.push(Violation::new("I-X2", what));
            }
        }
    }
    found
}
