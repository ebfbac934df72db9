//! The merge, a million times: records edited on both sides, met in any order until nothing is left to write, and
//! compared with an oracle that shares no code with the merge (reliability.md A7, T1).
//!
//! A seed draws a batch of records. Each is agreed on by both sides, edited on both (the same field, other fields, the
//! same edit, an edit taken back, another spelling; lines added, removed, moved and edited; records voided and rows
//! deleted), met and pushed to an in-memory Xero that answers as Xero does, and edited again. At every rest both sides,
//! what is agreed on, the conflicts and the writes must be what the oracle says, and one more round must write nothing.

mod books;
mod case;
mod judge;
mod lines;
mod pair;
mod plain;
mod reached;
mod shrink;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use model::{BankTransaction, Customer, Decision, FieldConflict, Invoice, Payment, Policy, Record, Removal};

use crate::dice::Dice;
use case::Case;
use pair::{Life, Pair};
use reached::{Reached, Reaches};

/// Rounds within which everything must have come to rest (I-C5).
const MAX_ROUNDS: usize = 8;
/// Failures that are shrunk and kept; a run stops there.
const MAX_FAILURES: usize = 10;
/// Of so many cases one is met again in another order.
const SHUFFLE: u64 = 8;

/// A three-way merge, so that wrong ones can be put in the place of the real one.
pub trait Merging {
    /// As [`model::merge`].
    ///
    /// # Errors
    /// As there.
    fn merge<R: Record>(
        &self,
        base: &R,
        local: &R,
        remote: &R,
        policy: &dyn Fn(&str) -> Policy,
    ) -> Result<Decision<R>, serde_json::Error>;

    /// As [`model::merge_removed`].
    fn merge_removed<R: Record>(
        &self,
        base: &R,
        remote: &R,
        policy: &dyn Fn(&str) -> Policy,
    ) -> (Removal, Option<FieldConflict>) {
        model::merge_removed(base, remote, policy)
    }
}

/// The merge that the engine uses.
#[derive(Debug, Clone, Copy)]
pub struct Real;

impl Merging for Real {
    fn merge<R: Record>(
        &self,
        base: &R,
        local: &R,
        remote: &R,
        policy: &dyn Fn(&str) -> Policy,
    ) -> Result<Decision<R>, serde_json::Error> {
        model::merge(base, local, remote, policy)
    }
}

/// A case that did not come out as the oracle says.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed; [`replay`] tells its story.
    pub seed: u64,
    /// The invariant of reliability.md A4 that is broken, and how.
    pub what: String,
    /// The story of the case with everything dropped that it fails without.
    pub shrunk: String,
}

/// What a run came to.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Cases run.
    pub cases: u64,
    /// Cases by the rounds with a write that they took.
    pub rounds: [u64; MAX_ROUNDS + 1],
    /// Conflicts that came up, as the oracle counts them.
    pub conflicts: u64,
    /// How often each thing that has to happen happened.
    pub reached: BTreeMap<&'static str, u64>,
    /// What went wrong; at most ten, after which the run stopped.
    pub failures: Vec<Failure>,
}

/// Runs so many cases, from this seed on.
pub fn run(first_seed: u64, cases: u64) -> Outcome {
    run_with(&Real, first_seed, cases)
}

/// The same with another merge.
pub fn run_with<M: Merging>(merging: &M, first_seed: u64, cases: u64) -> Outcome {
    let mut outcome = Outcome::default();
    let mut reached = Reached::default();
    for seed in (0..cases).map(|at| first_seed.wrapping_add(at)) {
        let case = Case::draw(seed);
        outcome.cases += 1;
        match play_and_shuffle(&case, merging, &mut reached) {
            Ok(rounds) => outcome.rounds[rounds.min(MAX_ROUNDS)] += 1,
            Err(what) => {
                let shrunk =
                    shrink::shrink(case, &what, &|case| play_and_shuffle(case, merging, &mut Reached::default()).err());
                outcome.failures.push(Failure { seed, what, shrunk: story(&shrunk, merging) });
                if outcome.failures.len() == MAX_FAILURES {
                    break;
                }
            }
        }
    }
    outcome.conflicts = reached.conflicts;
    outcome.reached = reached.counters();
    outcome
}

/// Tells the story of a case: both sides, every decision, what the oracle expects, and how it ended.
pub fn replay(seed: u64) -> String {
    story(&Case::draw(seed), &Real)
}

fn story<M: Merging>(case: &Case, merging: &M) -> String {
    let mut lives = lives::<M>(case, true);
    let end = play(case, merging, &mut lives, &mut Reached::default(), false);
    let mut story = format!("merge case {:#x}\n", case.seed);
    lives.iter_mut().for_each(|life| story += &life.story());
    match end.and_then(|_| play_and_shuffle(case, merging, &mut Reached::default())) {
        Ok(rounds) => story + &format!("at rest after {rounds} rounds\n"),
        Err(what) => story + &what + "\n",
    }
}

/// Plays a case; some also in another order, which must come to the same (I-C7).
fn play_and_shuffle<M: Merging>(case: &Case, merging: &M, reached: &mut Reached) -> Result<usize, String> {
    let mut lives_of_one = lives::<M>(case, false);
    let rounds = play(case, merging, &mut lives_of_one, reached, false)?;
    reached.reach_if(lives_of_one.len() > 1, Reaches::Batch);
    if case.seed.is_multiple_of(SHUFFLE) {
        let mut turned = case.clone();
        for epoch in turned.plans.iter_mut().flat_map(|plan| plan.epochs.iter_mut().skip(usize::from(plan.is_first))) {
            epoch.is_app_first = !epoch.is_app_first;
        }
        let mut others = lives::<M>(&turned, false);
        play(&turned, merging, &mut others, &mut Reached::default(), true)?;
        for (one, other) in lives_of_one.iter().zip(&others) {
            let (one, other) = (one.state()?, other.state()?);
            if one != other {
                return Err(format!("I-C7: another order comes to another end:\n{one}\nand\n{other}"));
            }
        }
        reached.reach(Reaches::Shuffled);
    }
    Ok(rounds)
}

type Lives<M> = Vec<Box<dyn Life<M>>>;

fn lives<M: Merging>(case: &Case, is_told: bool) -> Lives<M> {
    let plans = case.plans.iter().cloned();
    plans
        .map(|plan| -> Box<dyn Life<M>> {
            match plan.kind {
                0 => Box::new(Pair::<Customer>::new(plan, is_told)),
                1 => Box::new(Pair::<Invoice>::new(plan, is_told)),
                2 => Box::new(Pair::<Payment>::new(plan, is_told)),
                _ => Box::new(Pair::<BankTransaction>::new(plan, is_told)),
            }
        })
        .collect()
}

/// Plays all epochs to rest; says how many rounds the longest one took.
fn play<M: Merging>(
    case: &Case,
    merging: &M,
    lives: &mut Lives<M>,
    reached: &mut Reached,
    is_turned: bool,
) -> Result<usize, String> {
    let mut dice = Dice::new(case.seed, if is_turned { "order turned" } else { "order" });
    let mut longest = 0;
    loop {
        let mut acting = Vec::new();
        for (at, life) in lives.iter_mut().enumerate() {
            if life.begin(reached)? {
                acting.push(at);
            }
        }
        if acting.is_empty() {
            return Ok(longest);
        }
        let mut rounds = 0;
        loop {
            let by = usize::try_from(dice.below(acting.len() as u64)).unwrap_or(0);
            acting.rotate_left(by);
            let mut has_written = false;
            for at in &acting {
                has_written |= lives[*at].round(merging)?;
            }
            if !has_written {
                break;
            }
            rounds += 1;
            if rounds > MAX_ROUNDS {
                return Err(format!("I-C5: nothing has come to rest after {MAX_ROUNDS} rounds"));
            }
        }
        longest = longest.max(rounds);
        for at in acting {
            lives[at].finish(merging, reached)?;
        }
    }
}
