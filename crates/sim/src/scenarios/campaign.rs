//! All places of many scenarios, over as many threads as there are.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use oracle::Violation;

use super::{Base, Kill, Outcome, Restart, Scenario, play};
use crate::dice::die;

/// Which places of which scenarios.
pub struct Campaign<'a> {
    /// The scenarios.
    pub scenarios: Vec<&'static dyn Scenario>,
    /// Where their databases are.
    pub base: Base<'a>,
    /// One place in so many.
    pub every: u64,
    /// When processes are started again: each place is tried with all of these.
    pub restarts: Vec<Restart>,
    /// Each place with one of them instead, in turn.
    pub is_in_turn: bool,
    /// Of the scenarios that are played with two deaths: how many second places for each first one; 0 for none.
    pub seconds: u64,
    /// Threads.
    pub jobs: usize,
}

/// What came of a scenario.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Its place in the list.
    pub number: u8,
    /// What happens.
    pub name: &'static str,
    /// Places that its plain run counts.
    pub points: u64,
    /// Runs, with the plain one.
    pub runs: u64,
    /// Deaths in all of them.
    pub deaths: u64,
    /// Runs that broke a rule, with what they broke; the plain one has no death.
    pub failed: Vec<(Option<Kill>, Vec<Violation>)>,
}

impl Tally {
    /// True if every run held.
    pub fn holds(&self) -> bool {
        self.failed.is_empty() && self.points > 0
    }
}

impl Campaign<'_> {
    /// Plays them. First all plain ones, which say how many places there are.
    pub fn play(&self) -> Vec<Tally> {
        let plain = self.in_parallel(&self.scenarios, |scenario| play(*scenario, self.base, None, false));
        let mut tallies: Vec<Tally> = Vec::with_capacity(plain.len());
        let mut all: Vec<(usize, Kill)> = Vec::new();
        for (place, (scenario, outcome)) in self.scenarios.iter().zip(plain).enumerate() {
            let mut tally = Tally {
                number: scenario.number(),
                name: scenario.name(),
                points: outcome.points,
                runs: 0,
                deaths: 0,
                failed: Vec::new(),
            };
            tally.add(None, outcome);
            // A scenario that does not even hold without a death says nothing about deaths.
            if tally.failed.is_empty() {
                all.extend(self.kills(*scenario, tally.points).into_iter().map(|kill| (place, kill)));
            }
            tallies.push(tally);
        }
        let outcomes =
            self.in_parallel(&all, |(place, kill)| play(self.scenarios[*place], self.base, Some(*kill), false));
        for ((place, kill), outcome) in all.into_iter().zip(outcomes) {
            tallies[place].add(Some(kill), outcome);
        }
        tallies
    }

    fn kills(&self, scenario: &dyn Scenario, points: u64) -> Vec<Kill> {
        let mut kills = Vec::new();
        for at in (1..=points).filter(|at| (at - 1).is_multiple_of(self.every.max(1))) {
            let turn = usize::try_from((at - 1) / self.every.max(1)).unwrap_or(0) % self.restarts.len().max(1);
            let chosen = self.restarts.iter().enumerate().filter(|(which, _)| !self.is_in_turn || *which == turn);
            kills.extend(chosen.map(|(_, restart)| Kill { at, again: None, restart: *restart }));
            if scenario.has_pairs() {
                kills.extend(self.pairs(at, points));
            }
        }
        kills
    }

    /// Second deaths after one: as many places as the plain run has, or some of them.
    fn pairs(&self, at: u64, points: u64) -> Vec<Kill> {
        let seconds: Vec<u64> = if self.seconds >= points {
            (1..=points).collect()
        } else {
            (0..self.seconds).map(|which| 1 + die(at, "second death", which) % points).collect()
        };
        let pair = |(which, after): (usize, u64)| Kill {
            at,
            again: Some(at + after),
            restart: self.restarts[which % self.restarts.len().max(1)],
        };
        seconds.into_iter().enumerate().map(pair).collect()
    }

    /// The same for each, in their order.
    fn in_parallel<T: Sync>(&self, all: &[T], work: impl Fn(&T) -> Outcome + Sync) -> Vec<Outcome> {
        let next = AtomicUsize::new(0);
        let done: Vec<Mutex<Option<Outcome>>> = all.iter().map(|_| Mutex::new(None)).collect();
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.clamp(1, all.len().max(1)) {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(one) = all.get(at) else { return };
                        let outcome = work(one);
                        if let Ok(mut place) = done[at].lock() {
                            *place = Some(outcome);
                        }
                    }
                });
            }
        });
        let taken = done.into_iter().map(|place| place.into_inner().ok().flatten());
        taken.map(|outcome| outcome.unwrap_or_else(|| Outcome::broken("its thread failed".into()))).collect()
    }
}

impl Tally {
    fn add(&mut self, kill: Option<Kill>, outcome: Outcome) {
        self.runs += 1;
        self.deaths += outcome.deaths;
        let mut broken = outcome.violations;
        let wanted = kill.map_or(0, |kill| 1 + u64::from(kill.again.is_some()));
        if outcome.deaths != wanted {
            let what = format!("{} deaths instead of {wanted}", outcome.deaths);
            broken.push(Violation { invariant: "harness", what });
        }
        if !broken.is_empty() {
            self.failed.push((kill, broken));
        }
    }
}
