//! The engine's own lists: conflicts with their decisions, refusals with their reasons, nothing stuck without one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::checks::Violation;
use crate::fields::is_gone;
use crate::sides::Scene;
use crate::snapshot::{Conflict, Failure, Intent, KINDS, Snapshot};

/// So many records in one run are nobody's mistake.
const ALWAYS_ALLOWED: usize = 25;

/// Every conflict has one rule and either waits or has one decision (I-L3).
pub(crate) fn decisions(snapshot: &Snapshot) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut open: BTreeSet<(&str, i64, &str)> = BTreeSet::new();
    for one in &snapshot.conflicts {
        let about = || format!("conflict {} on {} {} {}", one.id, one.kind, one.local, one.field);
        if one.policy.is_empty() || one.field.is_empty() {
            found.push(Violation::new("I-L3", format!("{} names no rule or no field", about())));
        }
        if one.state == "PENDING" {
            if one.resolution.is_some() {
                found.push(Violation::new("I-L3", format!("{} waits and is decided", about())));
            }
            if !open.insert((&one.kind, one.local, &one.field)) {
                found.push(Violation::new("I-L3", format!("{} waits twice", about())));
            }
        } else if one.decided_by.is_none() {
            found.push(Violation::new("I-L3", format!("{} is {} by nobody", about(), one.state)));
        }
    }
    found
}

/// Conflicts in which both sides say the same, or only one of them said something new (I-L4).
pub(crate) fn false_conflicts(snapshot: &Snapshot) -> Vec<Violation> {
    let value = |text: &Option<String>| text.as_ref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let is_false = |one: &&Conflict| {
        let (base, app, xero) = (value(&one.base), value(&one.app), value(&one.xero));
        one.what == "FIELD" && (app == xero || app == base || xero == base)
    };
    snapshot
        .conflicts
        .iter()
        .filter(is_false)
        .map(|one| Violation::new("I-L4", format!("no conflict: {one:?}")))
        .collect()
}

/// Runs that removed or changed more than a person would have been asked about, and nobody was (I-D3).
pub(crate) fn unasked_removals(snapshot: &Snapshot) -> Vec<Violation> {
    #[derive(Default)]
    struct Done {
        removed: BTreeSet<i64>,
        changed: BTreeSet<i64>,
    }
    let mut of_runs: BTreeMap<(i64, &str), Done> = BTreeMap::new();
    for intent in snapshot.intents.iter().filter(|one| one.state == "DONE" && one.op != "CREATE") {
        let Some(run) = intent.run else { continue };
        let done = of_runs.entry((run, &intent.kind)).or_default();
        done.changed.insert(intent.local);
        if intent.op == "REMOVE" {
            done.removed.insert(intent.local);
        }
    }
    let mut found = Vec::new();
    for ((run, kind), Done { removed, changed }) in of_runs {
        // Books only grow: what is too much now was too much then.
        let all = snapshot.links.iter().filter(|link| link.kind == kind).count();
        let was_asked = |count: usize| {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            let is_it = |brake: &&crate::Brake| brake.kind == kind && brake.direction == "PUSH" && brake.would >= count;
            snapshot.brakes.iter().filter(is_it).any(|brake| matches!(brake.state.as_str(), "APPROVED" | "USED"))
        };
        for (what, count, limit) in [("removed", removed.len(), all / 10), ("changed", changed.len(), all / 2)] {
            if count > ALWAYS_ALLOWED.max(limit) && !was_asked(count) {
                let what = format!("run {run} {what} {count} of {all} records of {kind} in xero and nobody was asked");
                found.push(Violation::new("I-D3", what));
            }
        }
    }
    found
}

/// What Xero refused is listed with what it said (I-L9).
pub(crate) fn refusals(scene: &Scene<'_>) -> Vec<Violation> {
    let snapshot = scene.snapshot;
    let mut last: BTreeMap<(&str, i64), &Intent> = BTreeMap::new();
    for intent in &snapshot.intents {
        last.insert((&intent.kind, intent.local), intent);
    }
    let mut found = Vec::new();
    for failure in &snapshot.failures {
        let about = || format!("failure of {} {:?} {}", failure.kind, failure.local, failure.remote);
        if failure.code.is_empty() || failure.message.is_empty() {
            found.push(Violation::new("I-L9", format!("{} gives no reason", about())));
        }
        let Some(local) = failure.local.filter(|_| failure.direction == "PUSH") else { continue };
        // What the last write was refused with, if that is what is listed: since then a rule of our own may have refused.
        let refused =
            last.get(&(failure.kind.as_str(), local)).filter(|one| one.state == "REFUSED" && one.send.is_some());
        let words = refused.and_then(|one| one.message.as_deref()).unwrap_or_default();
        let is_quoted = !words.is_empty() && failure.message.contains(words);
        if is_quoted && failure.raw.as_deref().unwrap_or_default().is_empty() {
            found.push(Violation::new("I-L9", format!("{} does not say what xero said", about())));
        }
    }
    let listed: BTreeSet<(&str, i64)> =
        snapshot.failures.iter().filter_map(|one| Some((one.kind.as_str(), one.local?))).collect();
    for ((kind, local), intent) in last {
        let differs = || is_apart(scene, kind, local);
        if intent.state == "REFUSED" && !listed.contains(&(kind, local)) && differs() {
            let what = format!("{kind} {local} was refused ({:?}) and is not listed", intent.code);
            found.push(Violation::new("I-L9", what));
        }
    }
    found
}

/// Whether a record of the App is still without a counterpart in Xero, though it is there.
fn is_apart(scene: &Scene<'_>, kind: &str, local: i64) -> bool {
    let kind_of = KINDS.into_iter().find(|of| *of == kind);
    let row = kind_of.and_then(|kind| scene.sides.app.get(&(kind, local)));
    row.is_some_and(|row| !is_gone(row)) && scene.sides.xero_of(kind, local).is_none()
}

/// Nothing is left half done without a reason (I-J2).
pub(crate) fn stuck(scene: &Scene<'_>) -> Vec<Violation> {
    let snapshot = scene.snapshot;
    let mut found = Vec::new();
    for run in snapshot.runs.iter().filter(|run| run.state == "RUNNING") {
        found.push(Violation::new("I-J2", format!("run {} is running for ever", run.id)));
    }
    for intent in snapshot.intents.iter().filter(|one| matches!(one.state.as_str(), "PLANNED" | "SENDING" | "UNKNOWN"))
    {
        if !scene.is_listed(&intent.kind, intent.local) {
            let what = format!("{} of {} {} is {} and not listed", intent.op, intent.kind, intent.local, intent.state);
            found.push(Violation::new("I-J2", what));
        }
    }
    for sent in snapshot.sends.iter().filter(|sent| sent.state == "SENDING") {
        found.push(Violation::new("I-J2", format!("request {} is on its way for ever", sent.id)));
    }
    for one in &snapshot.captures {
        if !scene.is_listed(&one.kind, one.local) {
            found.push(Violation::new("I-J2", format!("a change of {} {} was never looked at", one.kind, one.local)));
        }
    }
    found
}

/// A record waits only for one that is not in order itself (I-J3).
pub(crate) fn waiting(scene: &Scene<'_>) -> Vec<Violation> {
    let snapshot = scene.snapshot;
    let is_ready = |kind: &str, local: i64| scene.sides.xero_of(kind, local).is_some() && !scene.is_listed(kind, local);
    let waits_for_nothing = |failure: &&Failure| {
        let Some(local) = failure.local.filter(|_| failure.code == "TO-WAITING" && failure.direction == "PUSH") else {
            return false;
        };
        let kind = KINDS.into_iter().find(|kind| *kind == failure.kind);
        let Some(row) = kind.and_then(|kind| snapshot.app.get(&(kind, local))) else { return false };
        let parents = [("customer", "customer_id"), ("invoice", "invoice_id")];
        let of = |(kind, column): (&'static str, &str)| Some((kind, row.columns.get(column)?.parse::<i64>().ok()?));
        let known: Vec<(&str, i64)> = parents.into_iter().filter_map(of).collect();
        // A payment's account, and an invoice of a customer, are nothing that the simulation takes away.
        !known.is_empty() && known.iter().all(|(kind, parent)| is_ready(kind, *parent))
    };
    let told = |one: &Failure| {
        Violation::new("I-J3", format!("{} {:?} waits and nothing is in its way: {}", one.kind, one.local, one.message))
    };
    snapshot.failures.iter().filter(waits_for_nothing).map(told).collect()
}

/// Every write that has arrived is written down once (I-A1): as an event, or, where it was found later, in words with the
/// write itself.
pub(crate) fn audit(snapshot: &Snapshot) -> Vec<Violation> {
    #[derive(Default)]
    struct Sums {
        done: usize,
        silent: usize,
        told: usize,
    }
    let mut sums: BTreeMap<(&str, i64), Sums> = BTreeMap::new();
    for intent in snapshot.intents.iter().filter(|one| one.state == "DONE") {
        let sum = sums.entry((&intent.kind, intent.local)).or_default();
        sum.done += 1;
        sum.silent += usize::from(intent.message.is_none());
    }
    for event in snapshot.events.iter().filter(|event| event.what == "record.sent") {
        if let (Some(kind), Some(local)) = (&event.kind, event.local) {
            sums.entry((kind, local)).or_default().told += 1;
        }
    }
    let apart = sums.into_iter().filter(|(_, sum)| sum.told > sum.done || sum.told < sum.silent);
    let told = |((kind, local), sum): ((&str, i64), Sums)| {
        let Sums { done, silent, told } = sum;
        let what =
            format!("{kind} {local}: {done} writes arrived, {silent} without a word, and {told} were written down");
        Violation::new("I-A1", what)
    };
    apart.map(told).collect()
}
