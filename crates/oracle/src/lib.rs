//! The judge of simulations: what must hold of both sides, written anew from the requirements.
//!
//! It depends on no other crate of ours: shared code would be wrong together with what it judges. It is given plain data
//! (edits, rows, Xero's own pages, calls on the wire) and says which rule is broken, and where.
//!
//! - [`judge_always`] holds at every moment, [`judge_rest`] once edits and faults have stopped and nothing is left to do.
//! - [`judge_passage`] compares two moments: what may only grow, and what may not change by itself.
//! - [`judge_echo`] looks at one more round after rest, [`judge_calm`] at what came after the last edit.
//! - [`judge_wire`] reads the calls that went over the wire.
//!
//! Every rule carries the name that the list of invariants gives it (`I-L1`), and can be left out ([`Checks`]), so that it
//! can be shown that none is there for nothing.

mod checks;
mod edits;
mod fields;
mod lists;
pub mod merge;
mod money;
mod passage;
mod sides;
mod snapshot;
#[cfg(test)]
mod tests;
mod wire;

pub use checks::{Checks, Violation};
pub use edits::{By, Fate, Mark, Who, edits_of, fate_of, token, tokens_in};
pub use passage::{judge_calm, judge_echo, judge_passage};
pub use sides::{Extent, extent, listed_by_reason};
pub use snapshot::{
    AppRow, Brake, Call, Candidate, Capture, Conflict, Cursor, Event, Failure, Intent, KINDS, Link, Run, Sent, Snapshot,
};
pub use wire::{judge_audit, judge_wire, judge_wire_with};

/// What must hold at every moment, also in the middle of a storm.
pub fn judge_always(snapshot: &Snapshot, marks: &[Mark], checks: &Checks) -> Vec<Violation> {
    let mut found = Vec::new();
    found.extend(sides::duplicates(snapshot, marks));
    found.extend(sides::bijection(snapshot));
    found.extend(money::payments(snapshot, marks));
    found.extend(lists::decisions(snapshot));
    found.extend(lists::false_conflicts(snapshot));
    found.extend(lists::unasked_removals(snapshot));
    checks.keep(found)
}

/// What must hold once edits and faults have stopped and the engine says that nothing is left to do.
pub fn judge_rest(snapshot: &Snapshot, marks: &[Mark], checks: &Checks) -> Vec<Violation> {
    let mut found = judge_always(snapshot, marks, checks);
    let scene = sides::Scene::of(snapshot);
    found.extend(sides::differences(&scene));
    found.extend(sides::unexplained_removals(&scene, marks));
    found.extend(money::apart(&scene));
    found.extend(edits::lost(&scene, marks));
    found.extend(edits::came_back(&scene, marks));
    found.extend(lists::refusals(&scene));
    found.extend(lists::stuck(&scene));
    found.extend(lists::waiting(&scene));
    found.extend(lists::audit(snapshot));
    checks.keep(found)
}
