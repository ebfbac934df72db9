//! Tokens: one refresh at a time, and no storm of them once a grant is over.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::checks::Violation;
use crate::snapshot::Call;

/// A refresh holds a lease for so long; until then no other process may refresh the same token.
const LEASE_MS: i64 = 30_000;
/// The slowest answer: who has one and cannot keep it gives the lease back at once, and another tries the same token.
const ANSWER_MS: i64 = 13_000;
/// Refusals of one token after which nobody should try it any more, restarts included.
const MOST_REFUSALS: usize = 8;

/// A member of a form or of a JSON body.
fn member(call: &Call, name: &str) -> Option<String> {
    match &call.body {
        Value::String(form) => form.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then(|| value.to_owned())
        }),
        body => body[name].as_str().map(str::to_owned),
    }
}

/// A person's consent is being exchanged for tokens. A call whose body is not known and that was granted may be one.
pub(super) fn is_consent(call: &Call) -> bool {
    match member(call, "grant_type") {
        Some(kind) => kind == "authorization_code",
        None => call.body.is_null() && call.status == 200,
    }
}

/// One token is refreshed by one process at a time (I-T2), and a dead one is left alone (I-T3).
pub(super) fn judge(calls: &[&Call]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut last: BTreeMap<String, &Call> = BTreeMap::new();
    let mut refusals: BTreeMap<String, usize> = BTreeMap::new();
    // Whose newer token was refused, goes back to the one before it.
    let mut refused: BTreeMap<usize, Option<String>> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.path.ends_with("/connect/token")) {
        let token = member(call, "refresh_token");
        if let Some(token) = &token
            && let Some(old) = last.insert(token.clone(), call)
            && old.process != call.process
            && refused.get(&call.process).is_none_or(|other| other.as_ref() == Some(token))
            && call.at_ms - old.at_ms < if old.status == 200 { ANSWER_MS } else { LEASE_MS }
        {
            let what = format!("calls {} and {} refresh one token at once", old.number, call.number);
            found.push(Violation::new("I-T2", what));
        }
        match call.status {
            200 => refused.remove(&call.process),
            _ => refused.insert(call.process, token.clone()),
        };
        // Without a body every refusal counts together.
        let name = token.unwrap_or_default();
        if call.status == 200 {
            refusals.clear();
        } else if call.answer["error"] == "invalid_grant" {
            let count = refusals.entry(name).or_default();
            *count += 1;
            if *count == MOST_REFUSALS {
                let what = format!("call {} is the {count}th try of a grant that is over", call.number);
                found.push(Violation::new("I-T3", what));
            }
        }
    }
    found
}
