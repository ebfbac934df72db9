//! Hunting: the simulation with one bug awake, until a rule breaks that does not break without the bug.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::bugs::Bug;

/// Between two starting seeds.
const APART: u64 = 1_000_000;
/// Seeds that one process plays.
const CHUNK: u64 = 50;
/// A process that plays no more for so long is stuck, which is a finding.
const STUCK: Duration = Duration::from_secs(900);

/// How to hunt.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Starting seeds: the median is over them.
    pub(super) starts: u64,
    /// Seeds after which a bug has got away.
    pub(super) limit: u64,
    /// Bugs hunted at a time.
    pub(super) jobs: usize,
    /// Rules that are not looked at.
    pub(super) without: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { starts: 5, limit: 2_000, jobs, without: Vec::new() }
    }
}

/// Rules that a seed broke.
type Broken = BTreeSet<String>;

/// A bug and what came of hunting it.
pub(super) struct Hunt {
    pub(super) bug: Bug,
    /// For every starting seed: how many seeds it took and what broke; none if it got away.
    pub(super) catches: Vec<Option<(u64, Broken)>>,
}

impl Hunt {
    /// Whether most starting seeds led to it.
    pub(super) fn is_caught(&self) -> bool {
        self.median().is_some()
    }

    /// How many seeds it took, in the middle.
    pub(super) fn median(&self) -> Option<u64> {
        let mut took: Vec<u64> =
            self.catches.iter().map(|catch| catch.as_ref().map_or(u64::MAX, |(took, _)| *took)).collect();
        took.sort_unstable();
        took.get(took.len().saturating_sub(1) / 2).copied().filter(|took| *took < u64::MAX)
    }

    /// All rules that broke first.
    pub(super) fn broken(&self) -> Broken {
        self.catches.iter().flatten().flat_map(|(_, broken)| broken.iter().cloned()).collect()
    }
}

/// Hunts all of them, several at a time.
pub(super) fn hunt(program: &Path, bugs: &[&Bug], settings: &Settings) -> Result<Vec<Hunt>, String> {
    each(bugs, settings.jobs, |bug| {
        let starts = 0..settings.starts;
        let catches: Vec<_> =
            starts.map(|start| catch(program, bug, 1 + start * APART, settings)).collect::<Result<_, _>>()?;
        let hunt = Hunt { bug: bug.clone(), catches };
        let said = hunt.median().map_or("got away".into(), |took| format!("caught in {took} seeds"));
        eprintln!("{}: {said} {:?}", bug.name, hunt.broken());
        Ok(hunt)
    })
}

/// From one starting seed on.
fn catch(program: &Path, bug: &Bug, first: u64, settings: &Settings) -> Result<Option<(u64, Broken)>, String> {
    let mut next = first;
    while next < first + settings.limit {
        let seeds = CHUNK.min(first + settings.limit - next);
        let found = play(program, &bug.name, next, seeds, true, settings)?;
        let Some((seed, broken)) = found.into_iter().next() else {
            next += seeds;
            continue;
        };
        // What breaks without the bug, too, is no sign of it.
        let plain = play(program, "", seed, 1, false, settings)?.remove(&seed).unwrap_or_default();
        let new: Broken = broken.difference(&plain).cloned().collect();
        if !new.is_empty() {
            return Ok(Some((seed - first + 1, new)));
        }
        next = seed + 1;
    }
    Ok(None)
}

/// For every bug, how many seeds break which rules that hold without the bug, over the same seeds for all.
pub(super) struct Matrix {
    pub(super) bug: Bug,
    /// Every seed's broken rules.
    pub(super) seeds: Vec<Broken>,
}

/// Plays the same seeds with every bug, to their end.
pub(super) fn all_of(program: &Path, bugs: &[&Bug], seeds: u64, settings: &Settings) -> Result<Vec<Matrix>, String> {
    let plain = through(program, "", seeds, settings)?;
    each(bugs, settings.jobs, |bug| {
        let found = through(program, &bug.name, seeds, settings)?;
        let nothing = Broken::new();
        let new = |(seed, broken): (&u64, &Broken)| -> Broken {
            broken.difference(plain.get(seed).unwrap_or(&nothing)).cloned().collect()
        };
        let seeds: Vec<Broken> = found.iter().map(new).filter(|broken| !broken.is_empty()).collect();
        eprintln!("{}: {} seeds", bug.name, seeds.len());
        Ok(Matrix { bug: (*bug).clone(), seeds })
    })
}

fn through(program: &Path, bug: &str, seeds: u64, settings: &Settings) -> Result<BTreeMap<u64, Broken>, String> {
    let mut found = BTreeMap::new();
    let mut next = 1;
    while next <= seeds {
        let some = CHUNK.min(seeds + 1 - next);
        found.extend(play(program, bug, next, some, false, settings)?);
        next += some;
    }
    Ok(found)
}

/// Does something for every bug, several at a time; in order.
fn each<T: Send>(
    bugs: &[&Bug],
    jobs: usize,
    work: impl Fn(&Bug) -> Result<T, String> + Sync,
) -> Result<Vec<T>, String> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(bugs.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(bug) = bugs.get(at) else { return };
                    let outcome = work(bug);
                    done.lock().unwrap_or_else(PoisonError::into_inner).insert(at, outcome);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// Plays some seeds with a bug awake (none for an empty name); the rules that each broke.
fn play(
    program: &Path,
    bug: &str,
    first: u64,
    seeds: u64,
    is_first_enough: bool,
    settings: &Settings,
) -> Result<BTreeMap<u64, Broken>, String> {
    let mut command = Command::new(program);
    command.args(["run", "--findings", "--jobs", "1", "--twice", "0"]);
    command.args(["--first", &first.to_string(), "--seeds", &seeds.to_string()]);
    if is_first_enough {
        command.arg("--fail-fast");
    }
    for check in &settings.without {
        command.args(["--without-check", check]);
    }
    let mut child = command
        .env("TIEOUT_ZOO", bug)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot run {}: {error}", program.display()))?;
    let began = Instant::now();
    // What it says at its end is short: it does not wait for a reader.
    while child.try_wait().map_err(|error| error.to_string())?.is_none() {
        if began.elapsed() > STUCK {
            // It may have ended by itself just now.
            let _ = child.kill();
            let _ = child.wait();
            return Ok(BTreeMap::from([(first, BTreeSet::from(["stuck".to_owned()]))]));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    read(&output.stdout)
        .ok_or_else(|| format!("the simulation with {bug:?} from seed {first} says nothing that can be read"))
}

/// `{"failed":[{"seed":1,"broken":["I-L1"]}]}`
fn read(text: &[u8]) -> Option<BTreeMap<u64, Broken>> {
    let said: Value = serde_json::from_slice(text).ok()?;
    let one = |failed: &Value| {
        let broken = failed["broken"].as_array()?.iter().filter_map(|name| Some(name.as_str()?.to_owned()));
        Some((failed["seed"].as_u64()?, broken.collect()))
    };
    said["failed"].as_array()?.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_simulation_says_is_read() {
        let read = read(br#"{"seeds":3,"failed":[{"seed":2,"broken":["I-L1","I-S3"]}]}"#).unwrap();
        assert_eq!(read[&2], BTreeSet::from(["I-L1".to_owned(), "I-S3".to_owned()]));
        assert!(super::read(b"no").is_none());
    }

    #[test]
    fn the_median_counts_those_that_got_away() {
        let bug = Bug { name: "a".into(), what: "b".into(), breaks: vec![], changes: vec![] };
        let hunt = |took: &[Option<u64>]| Hunt {
            bug: bug.clone(),
            catches: took.iter().map(|took| took.map(|took| (took, Broken::new()))).collect(),
        };
        assert_eq!(hunt(&[Some(9), Some(1), Some(5)]).median(), Some(5));
        assert_eq!(hunt(&[Some(9), None, Some(5)]).median(), Some(9));
        assert_eq!(hunt(&[None, None, Some(5)]).median(), None);
        assert!(!hunt(&[None]).is_caught() && hunt(&[Some(1)]).is_caught());
    }
}
