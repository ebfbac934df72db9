//! Limits: whoever is told to wait, waits.

use std::collections::BTreeMap;

use super::API;
use crate::checks::Violation;
use crate::snapshot::Call;

/// What was on its way when the refusal came may still arrive: both ways take so long at most.
const ON_ITS_WAY_MS: i64 = 500;

/// After a 429 with `Retry-After` the same process calls the same organisation no sooner (I-Q1). Of another organisation's
/// calls, of other processes and of a life before nothing is asked: what is not kept is not known to them.
pub(super) fn judge(calls: &[&Call]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut told: BTreeMap<_, (&Call, i64)> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.path.starts_with(API)) {
        let who = (call.process, call.life, call.tenant);
        if let Some((refused, until)) = told.get(&who)
            && (refused.at_ms + ON_ITS_WAY_MS..*until).contains(&call.at_ms)
        {
            let early = until - call.at_ms;
            let what = format!(
                "call {} {} {} came {early} ms before what call {} was told to wait for",
                call.number, call.method, call.path, refused.number
            );
            found.push(Violation::new("I-Q1", what));
        }
        if call.status == 429
            && let Some(seconds) = call.retry_after_s
        {
            let until = call.at_ms + seconds * 1_000;
            let known = told.entry(who).or_insert((call, until));
            if known.1 < until {
                *known = (call, until);
            }
        }
    }
    found
}
