//! The protocols of A6 (create, refresh, lease, cursor) as small explicit state machines, explored exhaustively: two
//! workers, a crash at every step, every outcome at Xero, every order of time (reliability.md A7, T2).
//!
//! The machines are models of this engine: their steps bear the names of the code (`note_again`, `found_nothing`,
//! `finish_refresh`, …), and one step is what the code does in one transaction or one call. Beside each machine stand the
//! wrong variants: one rule of it left out or changed. A model that cannot see a wrong rule proves nothing, so each
//! variant must fail, with the invariant that it is expected to break, and its shortest counterexample is kept.
//!
//! Times are whole ticks. Whatever has to be at least so long apart is rounded up, whatever must not be longer as well,
//! and everything between is left to chance: nothing in a model happens promptly unless it says so.

use std::fmt;

pub mod create;
mod create_state;
mod create_steps;
pub mod cursor;
mod cursor_steps;
pub mod explore;
pub mod lease;
pub mod refresh;
mod refresh_state;
mod refresh_steps;

pub use explore::{Counterexample, Explored, Machine, Step, explore};

/// How much is explored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// What every change is checked with: seconds, even unoptimised.
    Ci,
    /// Finer ticks, more faults, three workers.
    Full,
}

/// What exploring one set of rules must bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Every invariant holds, in at least so many states.
    Holds {
        /// Fewer would mean that the model has lost a part of itself.
        states: usize,
    },
    /// A wrong rule: this invariant breaks.
    Breaks(&'static str),
    /// Right rules, in a world that keeps none of the bounds that they are promised for: this invariant breaks, honestly.
    BreaksOutside(&'static str),
}

/// One set of rules, explored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The protocol.
    pub protocol: &'static str,
    /// Its rules, or the one that was changed.
    pub rules: &'static str,
    /// What had to come out.
    pub expected: Expected,
    /// What came out.
    pub explored: Explored,
}

impl Report {
    fn of<M: Machine>(protocol: &'static str, rules: &'static str, expected: Expected, machine: &M) -> Self {
        Self { protocol, rules, expected, explored: explore(machine) }
    }

    /// Whether it came out as it had to.
    pub fn is_as_expected(&self) -> bool {
        let found = self.explored.counterexample.as_ref().map(|found| found.invariant);
        match self.expected {
            Expected::Holds { states } => {
                found.is_none() && self.explored.missed.is_empty() && self.explored.states >= states
            }
            Expected::Breaks(invariant) | Expected::BreaksOutside(invariant) => found == Some(invariant),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Explored { states, transitions, depth, counterexample, missed } = &self.explored;
        writeln!(f, "{}: {}: {states} states, {transitions} transitions, depth {depth}", self.protocol, self.rules)?;
        if !missed.is_empty() {
            writeln!(f, "  never seen: {}", missed.join("; "))?;
        }
        let Some(found) = counterexample else { return Ok(()) };
        writeln!(f, "  broken: {}", found.invariant)?;
        for (number, step) in found.steps.iter().enumerate() {
            writeln!(f, "  {:>3}. {step}", number + 1)?;
        }
        writeln!(f, "  then: {}", found.state)
    }
}

/// Everything: each protocol as it is, then its wrong variants.
pub fn all(size: Size) -> Vec<Report> {
    [create::reports(size), refresh::reports(size), lease::reports(size), cursor::reports(size)].concat()
}

/// The table for people (Markdown).
pub fn table(reports: &[Report]) -> String {
    let mut table =
        String::from("| protocol | rules | states | transitions | depth | verdict |\n|---|---|---:|---:|---:|---|\n");
    for report in reports {
        let Explored { states, transitions, depth, counterexample, .. } = &report.explored;
        let found = counterexample.as_ref().map(|found| (found.invariant, found.steps.len()));
        let verdict = match (found, report.is_as_expected(), report.expected) {
            (None, true, _) => "holds".to_owned(),
            (Some((invariant, steps)), true, Expected::BreaksOutside(_)) => {
                format!("outside the bounds, after {steps} steps: not *{invariant}*")
            }
            (Some((invariant, steps)), true, _) => format!("caught after {steps} steps: not *{invariant}*"),
            (Some((invariant, steps)), false, _) => format!("**UNEXPECTED** after {steps} steps: not *{invariant}*"),
            (None, false, _) => "**UNEXPECTED**: nothing is broken, or too little was seen".to_owned(),
        };
        let (protocol, rules) = (report.protocol, report.rules);
        table.push_str(&format!("| {protocol} | {rules} | {states} | {transitions} | {depth} | {verdict} |\n"));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_expected(reports: &[Report]) {
        for report in reports {
            assert!(report.is_as_expected(), "not as expected ({:?}):\n{report}", report.expected);
        }
        // A protocol without a right machine, or without a wrong one, would show nothing.
        assert!(reports.iter().any(|report| matches!(report.expected, Expected::Holds { .. })));
        assert!(reports.iter().any(|report| matches!(report.expected, Expected::Breaks(_))));
    }

    #[test]
    fn create_never_makes_two_and_every_wrong_rule_does() {
        as_expected(&create::reports(Size::Ci));
    }

    #[test]
    fn refresh_loses_no_token_and_every_wrong_rule_does() {
        as_expected(&refresh::reports(Size::Ci));
    }

    #[test]
    fn only_the_holder_of_a_lease_has_an_effect() {
        as_expected(&lease::reports(Size::Ci));
    }

    #[test]
    fn no_change_is_left_unread() {
        as_expected(&cursor::reports(Size::Ci));
    }

    #[test]
    fn the_table_says_what_came_out() {
        let counterexample = Counterexample { invariant: "one", steps: vec!["A: falls".into()], state: "1".into() };
        let explored = Explored { states: 7, transitions: 9, depth: 3, counterexample: None, missed: Vec::new() };
        let broken = Explored { counterexample: Some(counterexample), ..explored.clone() };
        let holds = Report { protocol: "p", rules: "r", expected: Expected::Holds { states: 7 }, explored };
        let caught = Report { rules: "w", expected: Expected::Breaks("one"), explored: broken, ..holds.clone() };
        let missed = Report { expected: Expected::Breaks("two"), ..caught.clone() };
        let short = Report { expected: Expected::Holds { states: 8 }, ..holds.clone() };
        let table = table(&[holds, caught.clone(), missed, short]);
        let lines: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(lines[0], "| p | r | 7 | 9 | 3 | holds |");
        assert_eq!(lines[1], "| p | w | 7 | 9 | 3 | caught after 1 steps: not *one* |");
        assert!(lines[2].contains("UNEXPECTED") && lines[3].contains("UNEXPECTED"), "{table}");
        assert!(caught.to_string().contains("1. A: falls"), "{caught}");
    }
}
