//! What came of a hunt, as Markdown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::hunt::{Hunt, Matrix, Settings};

/// A line for every bug.
pub(super) fn hunts(hunts: &[Hunt], settings: &Settings) -> String {
    let mut text =
        String::from("| Bug | What is broken | Expected | Caught by | Seeds (median) |\n|---|---|---|---|---:|\n");
    for hunt in hunts {
        let broken: Vec<String> = hunt.broken().into_iter().collect();
        let took = hunt.median().map_or_else(|| format!("not in {}", settings.limit), |took| took.to_string());
        let (name, what, breaks) = (&hunt.bug.name, &hunt.bug.what, hunt.bug.breaks.join(" "));
        // Writing into a text never fails.
        let _ = writeln!(text, "| `{name}` | {what} | {breaks} | {} | {took} |", broken.join(" "));
    }
    let caught = hunts.iter().filter(|hunt| hunt.is_caught()).count();
    let _ = writeln!(text, "\n{caught} of {} bugs caught, from {} starting seeds each.", hunts.len(), settings.starts);
    if !settings.without.is_empty() {
        let _ = writeln!(text, "Not looked at: {}.", settings.without.join(", "));
    }
    text
}

/// How many seeds break what, and which bugs only one rule finds.
pub(super) fn matrix(found: &[Matrix], seeds: u64) -> String {
    let mut text = format!("| Bug | Seeds of {seeds} | Rules |\n|---|---:|---|\n");
    let mut only: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for one in found {
        let mut sums: BTreeMap<&String, usize> = BTreeMap::new();
        one.seeds.iter().flatten().for_each(|rule| *sums.entry(rule).or_default() += 1);
        let mut rules: Vec<(&String, usize)> = sums.iter().map(|(rule, count)| (*rule, *count)).collect();
        rules.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let told: Vec<String> = rules.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
        let _ = writeln!(text, "| `{}` | {} | {} |", one.bug.name, one.seeds.len(), told.join(", "));
        for rule in indispensable(&one.seeds) {
            only.entry(rule).or_default().push(&one.bug.name);
        }
    }
    text.push_str("\n| Without this rule | these get away |\n|---|---|\n");
    for (rule, bugs) in only {
        let _ = writeln!(text, "| {rule} | {} |", bugs.join(", "));
    }
    text
}

/// Rules without any one of which no seed would find the bug.
fn indispensable(seeds: &[BTreeSet<String>]) -> Vec<String> {
    let all: BTreeSet<&String> = seeds.iter().flatten().collect();
    let is_needed = |rule: &&&String| seeds.iter().all(|broken| broken.len() == 1 && broken.contains(**rule));
    all.iter().filter(is_needed).map(|rule| (*rule).clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_indispensable_if_nothing_else_ever_breaks() {
        let set = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(indispensable(&[set(&["A"]), set(&["A"])]), ["A"]);
        assert!(indispensable(&[set(&["A"]), set(&["A", "B"])]).is_empty());
        assert!(indispensable(&[set(&["A"]), set(&["B"])]).is_empty());
        assert!(indispensable(&[]).is_empty());
    }
}
