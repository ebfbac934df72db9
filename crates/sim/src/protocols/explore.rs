//! The explorer: every state that a small machine can reach, breadth first, so that a counterexample is a shortest one.
//!
//! Deterministic: states are numbered in the order in which they are found, and nothing depends on a hash's order.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};

/// A protocol as an explicit state machine.
pub trait Machine {
    /// Everything that matters: what is durable, what each worker holds in memory, what Xero holds, what is on its way.
    type State: Clone + Eq + Hash + Debug;

    /// Where it may begin.
    fn initial(&self) -> Vec<Self::State>;

    /// Everything that may happen next.
    fn next(&self, state: &Self::State, steps: &mut Vec<Step<Self::State>>);

    /// The invariant that this state breaks, if it breaks one.
    fn broken(&self, state: &Self::State) -> Option<&'static str>;

    /// Whether everything has come to rest as it should. From every state such a state must be in reach: nothing is ever
    /// stuck.
    fn is_rest(&self, state: &Self::State) -> bool;

    /// What must happen somewhere, or the model does not show what it is meant to show; at most 64.
    fn landmarks(&self) -> &'static [&'static str] {
        &[]
    }

    /// Which landmarks this state is: bit n is the n-th of [`Machine::landmarks`].
    fn passes(&self, _state: &Self::State) -> u64 {
        0
    }
}

/// One thing that may happen.
#[derive(Debug, Clone)]
pub struct Step<S> {
    /// Who does it: a worker, Xero, time.
    pub by: &'static str,
    /// What it is, in the words of the code.
    pub what: &'static str,
    /// What is then.
    pub to: S,
}

/// What exploring a machine brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explored {
    /// States found; all there are, unless one of them was broken.
    pub states: usize,
    /// Transitions followed.
    pub transitions: usize,
    /// The longest of the shortest ways to a state, in steps.
    pub depth: usize,
    /// What was broken first, with the shortest way there.
    pub counterexample: Option<Counterexample>,
    /// Landmarks that were never passed; only known when everything was explored.
    pub missed: Vec<&'static str>,
}

/// A shortest way to a state that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counterexample {
    /// The invariant.
    pub invariant: &'static str,
    /// The steps, one line each.
    pub steps: Vec<String>,
    /// The state at the end of them.
    pub state: String,
}

/// Nothing that can be rested at is in reach any more.
pub const STUCK: &str = "never stuck: from every state the work can still be ended";
/// The machine is larger than it was meant to be.
pub const TOO_LARGE: &str = "the machine has a bounded number of states";

/// More states than any machine here has.
const MOST_STATES: usize = 30_000_000;

/// Multiplies and shifts: quick, and the same everywhere.
struct Mixer(u64);

impl Mixer {
    fn mix(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.mix(value.unsigned_abs() as u64);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
}

/// States by number, and numbers by state.
struct Known<S> {
    states: Vec<S>,
    /// Open addressing: 0 is free, else the number plus one.
    slots: Vec<u32>,
}

impl<S: Eq + Hash> Known<S> {
    fn new() -> Self {
        Self { states: Vec::new(), slots: vec![0; 1 << 12] }
    }

    fn slot_of(&self, state: &S) -> usize {
        let mut mixer = Mixer(0);
        state.hash(&mut mixer);
        let mask = self.slots.len() - 1;
        let mut at = (mixer.finish() as usize) & mask;
        while self.slots[at] != 0 && self.states[self.slots[at] as usize - 1] != *state {
            at = (at + 1) & mask;
        }
        at
    }

    /// The number of a state, and whether it is new.
    fn number(&mut self, state: S) -> (u32, bool) {
        let at = self.slot_of(&state);
        if self.slots[at] != 0 {
            return (self.slots[at] - 1, false);
        }
        self.states.push(state);
        self.slots[at] = self.states.len() as u32;
        if self.states.len() * 2 > self.slots.len() {
            self.slots = vec![0; self.slots.len() * 4];
            for number in 0..self.states.len() {
                let mut mixer = Mixer(0);
                self.states[number].hash(&mut mixer);
                let mask = self.slots.len() - 1;
                let mut at = (mixer.finish() as usize) & mask;
                while self.slots[at] != 0 {
                    at = (at + 1) & mask;
                }
                self.slots[at] = number as u32 + 1;
            }
        }
        (self.states.len() as u32 - 1, true)
    }
}

/// How a state was first reached.
#[derive(Clone, Copy)]
struct Way {
    from: u32,
    by: &'static str,
    what: &'static str,
    depth: u32,
}

const BEGINNING: u32 = u32::MAX;

/// Follows everything that may happen, from every beginning, until nothing new is found or something is broken.
pub fn explore<M: Machine>(machine: &M) -> Explored {
    let mut known = Known::new();
    let mut ways: Vec<Way> = Vec::new();
    let (mut targets, mut starts): (Vec<u32>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut passed = 0;
    for state in machine.initial() {
        if known.number(state).1 {
            ways.push(Way { from: BEGINNING, by: "", what: "", depth: 0 });
        }
    }
    let mut steps = Vec::new();
    let mut at = 0;
    let mut end = None;
    while at < known.states.len() && end.is_none() {
        let state = known.states[at].clone();
        starts.push(targets.len());
        if let Some(invariant) = machine.broken(&state) {
            end = Some((at, invariant));
            break;
        }
        passed |= machine.passes(&state);
        machine.next(&state, &mut steps);
        for Step { by, what, to } in steps.drain(..) {
            let (number, is_new) = known.number(to);
            targets.push(number);
            if is_new {
                ways.push(Way { from: at as u32, by, what, depth: ways[at].depth + 1 });
            }
        }
        at += 1;
        if known.states.len() > MOST_STATES {
            end = Some((at, TOO_LARGE));
        }
    }
    starts.push(targets.len());
    let end = end.or_else(|| first_stuck(machine, &known.states, &starts, &targets).map(|at| (at, STUCK)));
    let names = machine.landmarks().iter().enumerate();
    let missed = names.filter(|(bit, _)| end.is_none() && passed & (1 << bit) == 0).map(|(_, name)| *name).collect();
    Explored {
        states: known.states.len(),
        transitions: targets.len(),
        depth: ways.last().map_or(0, |way| way.depth as usize),
        counterexample: end.map(|(at, invariant)| Counterexample {
            invariant,
            steps: way_to(&ways, at),
            state: format!("{:?}", known.states[at]),
        }),
        missed,
    }
}

fn way_to(ways: &[Way], at: usize) -> Vec<String> {
    let mut steps = Vec::new();
    let mut way = ways[at];
    while way.from != BEGINNING {
        steps.push(format!("{}: {}", way.by, way.what));
        way = ways[way.from as usize];
    }
    steps.reverse();
    steps
}

/// The first state, if any, from which no state of rest is in reach: found by walking back from all of those.
fn first_stuck<M: Machine>(machine: &M, states: &[M::State], starts: &[usize], targets: &[u32]) -> Option<usize> {
    let mut first_in = vec![0_u32; states.len() + 2];
    for target in targets {
        first_in[*target as usize + 2] += 1;
    }
    for number in 2..first_in.len() {
        first_in[number] += first_in[number - 1];
    }
    let mut sources = vec![0_u32; targets.len()];
    for from in 0..states.len() {
        for target in &targets[starts[from]..starts[from + 1]] {
            let at = &mut first_in[*target as usize + 1];
            sources[*at as usize] = from as u32;
            *at += 1;
        }
    }
    let mut is_alive: Vec<bool> = states.iter().map(|state| machine.is_rest(state)).collect();
    let mut open: Vec<u32> = (0..states.len() as u32).filter(|number| is_alive[*number as usize]).collect();
    while let Some(number) = open.pop() {
        let (from, to) = (first_in[number as usize] as usize, first_in[number as usize + 1] as usize);
        for source in &sources[from..to] {
            if !is_alive[*source as usize] {
                is_alive[*source as usize] = true;
                open.push(*source);
            }
        }
    }
    is_alive.iter().position(|is_alive| !is_alive)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts up; may fall into a hole, or go too far.
    struct Counter {
        most: u8,
        has_hole: bool,
    }

    impl Machine for Counter {
        type State = u8;

        fn initial(&self) -> Vec<u8> {
            vec![0]
        }

        fn next(&self, state: &u8, steps: &mut Vec<Step<u8>>) {
            if *state < 10 {
                steps.push(Step { by: "A", what: "adds one", to: state + 1 });
                steps.push(Step { by: "A", what: "adds two", to: state + 2 });
            }
            if self.has_hole && *state == 4 {
                steps.push(Step { by: "A", what: "falls", to: 100 });
            }
        }

        fn broken(&self, state: &u8) -> Option<&'static str> {
            (*state > self.most && *state < 100).then_some("not too far")
        }

        fn is_rest(&self, state: &u8) -> bool {
            *state >= 10 && *state < 100
        }

        fn landmarks(&self) -> &'static [&'static str] {
            &["seven", "twelve"]
        }

        fn passes(&self, state: &u8) -> u64 {
            u64::from(*state == 7) | u64::from(*state == 12) << 1
        }
    }

    #[test]
    fn everything_is_explored_and_what_is_missed_is_named() {
        let explored = explore(&Counter { most: 20, has_hole: false });
        assert_eq!((explored.states, explored.transitions, explored.depth), (12, 20, 6));
        assert_eq!(explored.counterexample, None);
        assert_eq!(explored.missed, ["twelve"]);
    }

    #[test]
    fn a_counterexample_is_the_shortest() {
        let found = explore(&Counter { most: 6, has_hole: false }).counterexample.unwrap();
        assert_eq!(found.invariant, "not too far");
        assert_eq!((found.steps.len(), found.state.as_str()), (4, "7"), "{found:?}");
    }

    #[test]
    fn a_state_that_nothing_leads_out_of_is_found() {
        let found = explore(&Counter { most: 20, has_hole: true }).counterexample.unwrap();
        assert_eq!((found.invariant, found.steps.len()), (STUCK, 3));
        assert_eq!(found.steps[2], "A: falls");
    }
}
