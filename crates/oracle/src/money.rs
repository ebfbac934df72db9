//! Money: payments against what is owed, and sums against sums.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use uuid::Uuid;

use crate::checks::Violation;
use crate::edits::{Mark, tokens_in};
use crate::fields::{Fields, is_gone};
use crate::sides::Scene;
use crate::snapshot::Snapshot;

/// Two live payments in Xero never come from one payment of the App, and what we made never exceeds it (I-S5).
pub(crate) fn payments(snapshot: &Snapshot, marks: &[Mark]) -> Vec<Violation> {
    let known: BTreeSet<usize> = marks.iter().filter(|mark| mark.kind == "payment").map(|mark| mark.number).collect();
    let links = snapshot.links.iter().filter(|link| link.kind == "payment");
    let locals: BTreeMap<Uuid, i64> = links.map(|link| (link.xero, link.local)).collect();
    let mut made: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut found = Vec::new();
    for ((kind, id), record) in snapshot.xero.iter().filter(|((kind, _), _)| *kind == "payment") {
        if record["Status"] == "DELETED" {
            continue;
        }
        for number in tokens_in(record["Reference"].as_str().unwrap_or_default()) {
            if known.contains(&number) {
                made.entry(number).or_default().push(id.to_string());
            }
        }
        let Some(row) = locals.get(id).and_then(|local| snapshot.app.get(&(*kind, *local))) else { continue };
        let amount = row.columns.get("amount").and_then(|text| text.parse::<Decimal>().ok());
        let there = record["Amount"].to_string().trim_matches('"').parse::<Decimal>().ok();
        if let (Some(here), Some(there)) = (amount, there)
            && there > here
        {
            found.push(Violation::new("I-S5", format!("payment {id} is {there} in xero and {here} in the app")));
        }
    }
    let twice = made.into_values().filter(|all| all.len() > 1);
    found.extend(twice.map(|all| Violation::new("I-S5", format!("one payment of the app stands in xero as {all:?}"))));
    found
}

/// Sums that differ between the sides, by kind, currency and status, over what is not listed (I-M3).
pub(crate) fn apart(scene: &Scene<'_>) -> Vec<Violation> {
    const COLUMNS: [&str; 6] = ["total", "total_tax", "amount_due", "amount_paid", "amount_credited", "amount"];
    let Scene { sides, listed, .. } = scene;
    let mut sums: BTreeMap<String, (Decimal, Decimal)> = BTreeMap::new();
    let mut add = |kind: &str, fields: &Fields, is_app: bool| {
        let text = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        let status = if text("status") == "OVERDUE" { "SENT" } else { text("status") };
        for name in COLUMNS {
            let Ok(amount) = text(name).parse::<Decimal>() else { continue };
            let sum = sums.entry(format!("{name} of {kind} {} {status}", text("currency"))).or_default();
            if is_app { sum.0 += amount } else { sum.1 += amount }
        }
    };
    for ((kind, local), fields) in &sides.app {
        let xero = sides.xero_of(kind, *local);
        if !listed.has(kind, Some(*local), xero) && (!is_gone(fields) || xero.is_some()) {
            add(kind, fields, true);
        }
    }
    for ((kind, xero), fields) in &sides.xero {
        let local = sides.local_of(kind, *xero);
        let is_removed_here = is_gone(fields) && local.is_none_or(|local| !sides.app.contains_key(&(*kind, local)));
        if !listed.has(kind, local, Some(*xero)) && !is_removed_here {
            add(kind, fields, false);
        }
    }
    let apart = sums.into_iter().filter(|(_, (app, xero))| app != xero);
    apart.map(|(what, (app, xero))| Violation::new("I-M3", format!("{what}: app {app}, xero {xero}"))).collect()
}
