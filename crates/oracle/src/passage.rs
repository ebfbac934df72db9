//! Two moments against each other: what may only grow, what may not change by itself, and how often something is written
//! once people have stopped.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::checks::{Checks, Violation};
use crate::snapshot::{Call, Link, Snapshot};
use crate::wire;

/// Writes of one record to one side that the last edits may cause.
const MOST_WRITES: usize = 2;

/// What may only grow, and what may not change by itself, between any two moments. Glances will do.
pub fn judge_passage(before: &Snapshot, after: &Snapshot, checks: &Checks) -> Vec<Violation> {
    let mut found = relinked(before, after);
    found.extend(went_back(before, after));
    found.extend(emptied(before, after));
    checks.keep(found)
}

fn key(link: &Link) -> (i64, &str, i64) {
    (link.connection, &link.kind, link.local)
}

/// A link never changes, unless somebody says so, and that is written down (I-S2).
fn relinked(before: &Snapshot, after: &Snapshot) -> Vec<Violation> {
    let last = before.events.last().map_or(0, |event| event.id);
    let news = after.events.iter().filter(|event| event.id > last);
    let said: BTreeSet<(&str, i64)> = news
        .filter(|event| matches!(event.what.as_str(), "record.linked" | "failure.linked" | "conflict.resolved"))
        .filter_map(|event| Some((event.kind.as_deref()?, event.local?)))
        .collect();
    let was: BTreeMap<_, Uuid> = before.links.iter().map(|link| (key(link), link.xero)).collect();
    let changed = after.links.iter().filter(|link| {
        was.get(&key(link)).is_some_and(|xero| *xero != link.xero) && !said.contains(&(&link.kind, link.local))
    });
    let told = |link: &Link| {
        format!("{} {} was linked with {:?} and is with {}", link.kind, link.local, was.get(&key(link)), link.xero)
    };
    changed.map(|link| Violation::new("I-S2", told(link))).collect()
}

/// Cursors and versions only move on (I-C1, I-L7).
fn went_back(before: &Snapshot, after: &Snapshot) -> Vec<Violation> {
    let mut found = Vec::new();
    let was: BTreeMap<_, _> =
        before.cursors.iter().map(|one| ((one.connection, one.kind.as_str()), one.read_until_ms)).collect();
    for one in &after.cursors {
        let old = was.get(&(one.connection, one.kind.as_str())).copied().flatten();
        if old.is_some() && one.read_until_ms < old {
            let what = format!("the cursor of {} went from {old:?} to {:?}", one.kind, one.read_until_ms);
            found.push(Violation::new("I-C1", what));
        }
    }
    let was: BTreeMap<_, _> = before.links.iter().map(|link| (key(link), (link.xero, link.updated_ms))).collect();
    for link in &after.links {
        let Some((xero, old)) = was.get(&key(link)) else { continue };
        if *xero == link.xero && old.is_some() && link.updated_ms < *old {
            let (kind, local) = (&link.kind, link.local);
            let what = format!("{kind} {local} was known as of {old:?} and is as of {:?}", link.updated_ms);
            found.push(Violation::new("I-L7", what));
        }
    }
    for ((kind, local), row) in &after.app {
        if before.app.get(&(kind, *local)).is_some_and(|old| row.revision < old.revision) {
            found.push(Violation::new("I-L7", format!("{kind} {local} went back to an older revision")));
        }
    }
    found
}

/// A list that comes empty or cut short takes nothing away (I-D4).
fn emptied(before: &Snapshot, after: &Snapshot) -> Vec<Violation> {
    let count = |snapshot: &Snapshot| {
        let mut sums: BTreeMap<(i64, String), usize> = BTreeMap::new();
        for link in &snapshot.links {
            *sums.entry((link.connection, link.kind.clone())).or_default() += 1;
        }
        sums
    };
    let now = count(after);
    let mut found = Vec::new();
    for ((connection, kind), had) in count(before) {
        let has = now.get(&(connection, kind.clone())).copied().unwrap_or(0);
        if had > 3 && has * 2 < had {
            found.push(Violation::new("I-D4", format!("of {had} links of {kind} {has} are left")));
        }
    }
    found
}

/// At most two writes of a record to each side after the last edit (I-L6), and one more for each write of it that waited
/// for its answer then, and for each payment of an invoice that moved. `stopped` is a full snapshot of that moment, `rest`
/// one of when nothing was left to do, `calls` what went over the wire between them.
pub fn judge_calm(stopped: &Snapshot, rest: &Snapshot, calls: &[Call], checks: &Checks) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut reasons: BTreeMap<(&str, i64), usize> = BTreeMap::new();
    for intent in stopped.intents.iter().filter(|one| matches!(one.state.as_str(), "SENDING" | "UNKNOWN")) {
        *reasons.entry((&intent.kind, intent.local)).or_default() += 1;
    }
    for ((kind, local), row) in rest.app.iter().filter(|((kind, _), _)| *kind == "payment") {
        let is_moved = stopped.app.get(&(kind, *local)).is_none_or(|old| old.revision != row.revision);
        let invoice = row.columns.get("invoice_id").filter(|_| is_moved).and_then(|id| id.parse().ok());
        if let Some(invoice) = invoice {
            *reasons.entry(("invoice", invoice)).or_default() += 1;
        }
    }
    let most = |kind: &str, local: i64| MOST_WRITES + reasons.get(&(kind, local)).copied().unwrap_or(0);
    // The same request sent twice is one write.
    let mut written: BTreeMap<Uuid, BTreeSet<Option<&str>>> = BTreeMap::new();
    for call in calls.iter().filter(|call| wire::is_write(call)) {
        for id in wire::saved_ids(call) {
            written.entry(id).or_default().insert(call.key.as_deref());
        }
    }
    for (id, keys) in written {
        let link = rest.links.iter().find(|link| link.xero == id);
        if keys.len() > link.map_or(MOST_WRITES, |link| most(&link.kind, link.local)) {
            let what = format!("{id} was written to xero {} times after the last edit", keys.len());
            found.push(Violation::new("I-L6", what));
        }
    }
    for ((kind, local), row) in &rest.app {
        let times = row.revision - stopped.app.get(&(kind, *local)).map_or(0, |old| old.revision);
        if usize::try_from(times).unwrap_or(0) > most(kind, *local) {
            let what = format!("{kind} {local} was written {times} times after the last edit");
            found.push(Violation::new("I-L6", what));
        }
    }
    checks.keep(found)
}

/// Once nothing is left to do, one more round is all echo: it writes nothing on either side (I-L5).
pub fn judge_echo(rest: &Snapshot, after: &Snapshot, calls: &[Call], checks: &Checks) -> Vec<Violation> {
    let mut found = Vec::new();
    for call in calls.iter().filter(|call| wire::is_write(call)) {
        found.push(Violation::new("I-L5", format!("{} {} was sent at rest", call.method, call.path)));
    }
    for ((kind, local), row) in &after.app {
        if rest.app.get(&(kind, *local)).map(|old| old.revision) != Some(row.revision) {
            found.push(Violation::new("I-L5", format!("{kind} {local} was written at rest")));
        }
    }
    checks.keep(found)
}
