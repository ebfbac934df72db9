//! Both sides against each other: what differs and is not listed, what stands twice, what is gone and nobody took away.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::checks::Violation;
use crate::edits::{By, Mark, Who, tokens_in};
use crate::fields::{Fields, Sides, is_gone};
use crate::snapshot::{KINDS, Snapshot};

/// Columns whose difference is money's.
const MONEY: [&str; 9] = [
    "sub_total",
    "total_tax",
    "total",
    "amount_due",
    "amount_paid",
    "amount_credited",
    "amount",
    "line_amount",
    "tax_amount",
];

/// How much of the App's books is listed as not in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Records with an open conflict or failure, or a pair that waits for a person.
    pub listed: usize,
    /// All.
    pub all: usize,
}

/// A moment put in order once for many questions.
pub(crate) struct Scene<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) sides: Sides,
    pub(crate) listed: Listed,
}

impl<'a> Scene<'a> {
    pub(crate) fn of(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, sides: Sides::of(snapshot), listed: Listed::of(snapshot) }
    }

    /// Whether a record of the App is listed, under whichever name.
    pub(crate) fn is_listed(&self, kind: &str, local: i64) -> bool {
        self.listed.has(kind, Some(local), self.sides.xero_of(kind, local))
    }
}

/// What the engine says is not in order, by record.
pub(crate) struct Listed {
    local: BTreeSet<(String, i64)>,
    xero: BTreeSet<(String, String)>,
}

impl Listed {
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let mut listed = Self { local: BTreeSet::new(), xero: BTreeSet::new() };
        for conflict in snapshot.conflicts.iter().filter(|one| one.state == "PENDING") {
            listed.local.insert((conflict.kind.clone(), conflict.local));
        }
        for failure in &snapshot.failures {
            listed.xero.insert((failure.kind.clone(), failure.remote.to_lowercase()));
            if let Some(local) = failure.local {
                listed.local.insert((failure.kind.clone(), local));
            }
        }
        for pair in &snapshot.candidates {
            listed.local.insert((pair.kind.clone(), pair.local));
            listed.xero.insert((pair.kind.clone(), pair.xero.to_string()));
        }
        listed
    }

    /// Whether a record is listed under either name.
    pub(crate) fn has(&self, kind: &str, local: Option<i64>, xero: Option<Uuid>) -> bool {
        local.is_some_and(|local| self.local.contains(&(kind.to_owned(), local)))
            || xero.is_some_and(|xero| self.xero.contains(&(kind.to_owned(), xero.to_string())))
    }
}

/// What differs and is not listed (I-C5; I-M2 and I-M5 for money).
pub(crate) fn differences(scene: &Scene<'_>) -> Vec<Violation> {
    let Scene { sides, listed, .. } = scene;
    let mut found = Vec::new();
    for ((kind, local), app) in &sides.app {
        let xero = sides.xero_of(kind, *local);
        if listed.has(kind, Some(*local), xero) {
            continue;
        }
        match xero.and_then(|xero| sides.xero.get(&(*kind, xero))) {
            Some(other) => found.extend(difference(kind, *local, app, other)),
            None if is_gone(app) => {}
            None => found.push(Violation::new("I-C5", format!("{kind} {local} is not in xero: {app:?}"))),
        }
    }
    for ((kind, xero), fields) in &sides.xero {
        let local = sides.local_of(kind, *xero);
        let is_here = local.is_some_and(|local| sides.app.contains_key(&(*kind, local)));
        if !is_here && !is_gone(fields) && !listed.has(kind, local, Some(*xero)) {
            found.push(Violation::new("I-C5", format!("{kind} {xero} ({local:?}) is not in the app: {fields:?}")));
        }
    }
    found
}

fn difference(kind: &str, local: i64, app: &Fields, xero: &Fields) -> Vec<Violation> {
    let names: BTreeSet<&String> = app.keys().chain(xero.keys()).collect();
    let is_other = |name: &&&String| {
        let (here, there) = (app.get(**name), xero.get(**name));
        // Overdue is the App's word.
        here != there && !(here.is_some_and(|here| here == "OVERDUE") && there.is_some_and(|there| there == "SENT"))
    };
    let mut parts: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for name in names.iter().filter(is_other) {
        let column = name.rsplit('.').next().unwrap_or(name);
        let invariant = match column {
            "currency" | "currency_rate" => "I-M5",
            column if MONEY.contains(&column) => "I-M2",
            _ => "I-C5",
        };
        let part = format!("{name}: app {:?} xero {:?}", app.get(*name), xero.get(*name));
        parts.entry(invariant).or_default().push(part);
    }
    let one = |(invariant, parts): (&'static str, Vec<String>)| {
        Violation::new(invariant, format!("{kind} {local} differs: {}", parts.join("; ")))
    };
    parts.into_iter().map(one).collect()
}

/// Records that stand twice in Xero (I-S1, I-S6): live ones of a kind with the same name and the same token. What a person
/// typed twice has two tokens.
pub(crate) fn duplicates(snapshot: &Snapshot, marks: &[Mark]) -> Vec<Violation> {
    let known: BTreeSet<usize> = marks.iter().map(|mark| mark.number).collect();
    let mut seen: BTreeMap<(&str, &str), BTreeSet<Uuid>> = BTreeMap::new();
    for ((kind, id), record) in &snapshot.xero {
        let text = |member: &str| record[member].as_str().filter(|text| !text.is_empty());
        let (names, status) = match *kind {
            "customer" => (vec![text("ContactNumber"), text("Name")], text("ContactStatus")),
            "invoice" => (vec![text("InvoiceNumber"), text("Reference")], text("Status")),
            _ => (vec![text("Reference")], text("Status")),
        };
        if matches!(status, Some("ARCHIVED" | "VOIDED" | "DELETED")) {
            continue;
        }
        for name in names.into_iter().flatten() {
            let is_marked = tokens_in(name).iter().any(|number| known.contains(number));
            // What the engine marks by itself, where the App gave nothing to find it by.
            if is_marked || name.starts_with("TO-") {
                seen.entry((*kind, name)).or_default().insert(*id);
            }
        }
    }
    let twice = seen.into_iter().filter(|(_, all)| all.len() > 1);
    twice
        .map(|((kind, name), all)| Violation::new("I-S1", format!("{kind} {name:?} stands twice in xero: {all:?}")))
        .collect()
}

/// Links are one to one (I-S2).
pub(crate) fn bijection(snapshot: &Snapshot) -> Vec<Violation> {
    let mut found = Vec::new();
    let (mut locals, mut xeros) = (BTreeMap::new(), BTreeMap::new());
    for link in &snapshot.links {
        if let Some(other) = locals.insert((link.connection, &link.kind, link.local), link.xero) {
            let what = format!("{} {} is linked with {other} and {}", link.kind, link.local, link.xero);
            found.push(Violation::new("I-S2", what));
        }
        if let Some(other) = xeros.insert((link.connection, &link.kind, link.xero), link.local) {
            let what = format!("{} {} is linked with {other} and {}", link.kind, link.xero, link.local);
            found.push(Violation::new("I-S2", what));
        }
    }
    found
}

/// Records that somebody made and that are gone on a side though nobody took them away (I-D1).
pub(crate) fn unexplained_removals(scene: &Scene<'_>, marks: &[Mark]) -> Vec<Violation> {
    let sides = &scene.sides;
    let pair = |mark: &Mark| match mark.who {
        Who::Local(local) => (Some(local), sides.xero_of(mark.kind, local)),
        Who::Xero(xero) => (sides.local_of(mark.kind, xero), Some(xero)),
    };
    let (mut here, mut there) = (BTreeSet::new(), BTreeSet::new());
    for mark in marks.iter().filter(|mark| mark.field == "removed") {
        let (local, xero) = pair(mark);
        here.extend(local.map(|local| (mark.kind, local)));
        there.extend(xero.map(|xero| (mark.kind, xero)));
    }
    let mut found = Vec::new();
    for mark in marks.iter().filter(|mark| mark.field == "new") {
        let (local, xero) = pair(mark);
        if local.is_some_and(|local| here.contains(&(mark.kind, local)))
            || xero.is_some_and(|xero| there.contains(&(mark.kind, xero)))
        {
            continue;
        }
        let app = local.map(|local| sides.app.get(&(mark.kind, local)).is_none_or(is_gone));
        let far = xero.map(|xero| sides.xero.get(&(mark.kind, xero)).is_none_or(is_gone));
        // What was never on the other side is not gone from there.
        if app == Some(true) || far == Some(true) {
            let side = if app == Some(true) { By::App } else { By::Xero };
            let what = format!("{} {local:?} {xero:?} is gone from {side:?} and nobody took it away", mark.kind);
            found.push(Violation::new("I-D1", what));
        }
    }
    found
}

/// How much of the App's books is listed: a list of excuses is no agreement.
pub fn extent(snapshot: &Snapshot) -> Extent {
    let scene = Scene::of(snapshot);
    let is_listed = |(kind, local): &&(&'static str, i64)| scene.is_listed(kind, *local);
    Extent { listed: snapshot.app.keys().filter(is_listed).count(), all: snapshot.app.len() }
}

/// How many records are listed for which reason.
pub fn listed_by_reason(snapshot: &Snapshot) -> BTreeMap<String, usize> {
    let mut sums = BTreeMap::new();
    for failure in &snapshot.failures {
        let why: String = failure.message.chars().take(120).collect();
        *sums.entry(format!("{} {} {why}", failure.kind, failure.code)).or_default() += 1;
    }
    for kind in KINDS {
        let open = snapshot.conflicts.iter().filter(|one| one.state == "PENDING" && one.kind == kind).count();
        if open > 0 {
            sums.insert(format!("{kind} open conflict"), open);
        }
    }
    sums
}
