//! `tieout sim`, and `tieout-sim` in the repository: plays seeds, plays one again, makes a failing one smaller.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::coverage::Coverage;
use crate::knobs::{Fault, Knobs};
use crate::run::{Choice, Report, run as play};
use crate::stage::Plan;

/// Plays the real engine against the emulator under random edits, faults and crashes.
#[derive(Debug, Parser)]
#[command(name = "sim", version)]
pub struct Command {
    /// What to do
    #[command(subcommand)]
    pub what: What,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Plays many seeds; ends with an error if any breaks a rule
    Run(Run),
    /// Plays one seed again and tells what happened
    Replay(Replay),
    /// Leaves out edits and faults of a failing seed for as long as it still fails
    Shrink(Shrink),
    /// Kills the process of every scenario at every place; ends with an error if any breaks a rule
    CrashPoints(crate::scenarios::CrashPoints),
    /// Explores the protocols' models, right and wrong ones, to the last state
    Models(Models),
    /// Merges random records on two sides until they agree, against a merge written anew
    Merge(Merge),
}

/// Explores the protocols' models.
#[derive(Debug, Args)]
pub struct Models {
    /// Also the large ones, which take minutes
    #[arg(long)]
    full: bool,
}

/// Plays the merge.
#[derive(Debug, Args)]
pub struct Merge {
    /// How many cases
    #[arg(long, default_value_t = 1_000_000)]
    cases: u64,
    /// The first of them
    #[arg(long, default_value = "1", value_parser = seed)]
    first: u64,
    /// Threads; as many as there are cores unless told
    #[arg(long)]
    jobs: Option<NonZero<usize>>,
}

/// Plays many seeds.
#[derive(Debug, Args)]
pub struct Run {
    /// How many seeds
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value = "1", value_parser = seed)]
    first: u64,
    /// Threads; as many as there are cores unless told
    #[arg(long)]
    jobs: Option<NonZero<usize>>,
    /// One seed in so many is played twice, and must be the same both times
    #[arg(long, default_value_t = 100)]
    twice: u64,
    /// Stops at the first seed that breaks a rule
    #[arg(long)]
    fail_fast: bool,
    /// Rules that are not looked at, e.g. I-L1
    #[arg(long, value_delimiter = ',')]
    without_check: Vec<String>,
    /// Tells as JSON which seeds broke which rules, and nothing else
    #[arg(long)]
    findings: bool,
}

/// One seed, or a part of it.
#[derive(Debug, Args)]
pub struct Chosen {
    /// The seed, e.g. 0x5eed41
    #[arg(value_parser = seed)]
    seed: u64,
    /// Edits that are left out, by number
    #[arg(long, value_delimiter = ',')]
    without_steps: Vec<usize>,
    /// Faults that are left out, e.g. F1,F6
    #[arg(long, value_delimiter = ',')]
    without_faults: Vec<String>,
    /// Kills a process at this port call, and at no other
    #[arg(long)]
    kill_at: Option<u64>,
}

/// Plays one seed again.
#[derive(Debug, Args)]
pub struct Replay {
    #[command(flatten)]
    chosen: Chosen,
    /// Tells every event, not only the last ones
    #[arg(long)]
    trace: bool,
}

/// Makes a failing seed smaller.
#[derive(Debug, Args)]
pub struct Shrink {
    #[command(flatten)]
    chosen: Chosen,
}

fn seed(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("{text:?} is no seed: use a number, or 0x and hexadecimal digits"))
}

/// Does what was asked; false if a rule was broken.
///
/// # Errors
/// When what was found cannot be written, or the words make no sense.
pub fn run(what: &What, out: &mut dyn Write) -> anyhow::Result<bool> {
    match what {
        What::Models(models) => run_models(models, out),
        What::Merge(merge) => run_merge(merge, out),
        What::Run(run) => run_many(run, out),
        What::CrashPoints(points) => quietly(|| points.run(out)),
        What::Replay(replay) => {
            let mut choice = replay.chosen.choice()?;
            choice.plan.is_told = replay.trace;
            let report = quietly(|| play(replay.chosen.seed, &choice));
            tell(&report, true, out)?;
            Ok(report.holds())
        }
        What::Shrink(shrink) => {
            let (report, choice) = quietly(|| smaller(shrink.chosen.seed, shrink.chosen.choice()?))?;
            tell(&report, true, out)?;
            writeln!(out, "\n{}", reproduction(shrink.chosen.seed, &choice))?;
            Ok(report.holds())
        }
    }
}

impl Chosen {
    fn choice(&self) -> anyhow::Result<Choice> {
        let mut knobs = Knobs::drawn(self.seed);
        for word in &self.without_faults {
            let fault = Fault::ALL.into_iter().find(|fault| format!("{fault:?}").eq_ignore_ascii_case(word));
            let fault = fault.ok_or_else(|| anyhow::anyhow!("{word:?} is no fault: F1 to F27 are"))?;
            knobs.faults.remove(&fault);
            if fault == Fault::F22 {
                knobs.processes = 1;
            }
        }
        Ok(Choice {
            knobs: Some(knobs),
            without_steps: self.without_steps.iter().copied().collect(),
            plan: Plan { kill_at: self.kill_at, ..Plan::default() },
            ..Choice::default()
        })
    }
}

/// A panic is a finding of the seed; what the hook would print of it helps nobody.
fn quietly<T>(work: impl FnOnce() -> T) -> T {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let done = work();
    std::panic::set_hook(hook);
    done
}

#[derive(Default)]
struct Sums {
    seeds: u64,
    simulated_ms: i64,
    points: u64,
    calls: u64,
    coverage: Coverage,
    failed: BTreeMap<&'static str, Vec<(u64, String)>>,
}

fn run_many(run: &Run, out: &mut dyn Write) -> anyhow::Result<bool> {
    let jobs = run.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let left_out = |checks: oracle::Checks, check: &String| checks.without(check);
    let choice =
        Choice { checks: run.without_check.iter().fold(Choice::default().checks, left_out), ..Choice::default() };
    let next = AtomicU64::new(0);
    let sums = Mutex::new(Sums::default());
    let clock = xero::SystemClock;
    let started = xero::Clock::uptime(&clock);
    quietly(|| {
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let has_failed = run.fail_fast && sums.lock().is_ok_and(|sums| !sums.failed.is_empty());
                        if at >= run.seeds || has_failed {
                            return;
                        }
                        let seed = run.first.wrapping_add(at);
                        let report = play(seed, &choice);
                        let again =
                            (run.twice > 0 && at.is_multiple_of(run.twice)).then(|| play(seed, &choice).trace_hash);
                        if let Ok(mut sums) = sums.lock() {
                            sums.add(&report, again);
                        }
                    }
                });
            }
        });
    });
    let took = xero::Clock::uptime(&clock).saturating_sub(started);
    let sums = sums.into_inner().map_err(|_| anyhow::anyhow!("a thread of the simulation failed"))?;
    if run.findings {
        writeln!(out, "{}", sums.json())?;
    } else {
        sums.tell(took, jobs, out)?;
    }
    Ok(sums.failed.is_empty())
}

impl Sums {
    fn add(&mut self, report: &Report, again: Option<u64>) {
        self.seeds += 1;
        self.simulated_ms += report.simulated_ms;
        self.points += report.points;
        self.calls += report.calls as u64;
        self.coverage.add(&report.coverage);
        for found in &report.violations {
            self.failed.entry(found.invariant).or_default().push((report.seed, found.what.clone()));
        }
        if again.is_some_and(|hash| hash != report.trace_hash) {
            let what = "played twice it was not the same run".to_owned();
            self.failed.entry("determinism").or_default().push((report.seed, what));
        }
    }

    /// For programs: which seeds broke which rules.
    fn json(&self) -> serde_json::Value {
        let mut seeds: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
        for (invariant, cases) in &self.failed {
            for (seed, _) in cases {
                seeds.entry(*seed).or_default().insert(invariant);
            }
        }
        let failed: Vec<_> =
            seeds.iter().map(|(seed, broken)| serde_json::json!({ "seed": seed, "broken": broken })).collect();
        serde_json::json!({ "seeds": self.seeds, "failed": failed })
    }

    fn tell(&self, took: Duration, jobs: usize, out: &mut dyn Write) -> anyhow::Result<()> {
        let days = self.simulated_ms / 86_400_000;
        let ms = took.as_millis().max(1);
        let per_second = u128::from(self.seeds) * 1_000 / ms;
        let of_core = u128::from(self.seeds) * 10_000 / ms / jobs as u128;
        writeln!(
            out,
            "{} seeds, {days} simulated days, {} port calls, {} calls to xero in {} s on {jobs} threads: \
             {per_second} seeds/s, {}.{} per core",
            self.seeds,
            self.points,
            self.calls,
            took.as_secs(),
            of_core / 10,
            of_core % 10,
        )?;
        for (what, count) in self.coverage.counts() {
            writeln!(out, "  {count:>9}  {what:?}")?;
        }
        for (invariant, cases) in &self.failed {
            let seeds: BTreeSet<u64> = cases.iter().map(|(seed, _)| *seed).collect();
            writeln!(out, "BROKEN {invariant} in {} seeds:", seeds.len())?;
            for (seed, what) in cases.iter().take(8) {
                let what: String = what.chars().take(400).collect();
                writeln!(out, "  0x{seed:x}: {what}")?;
            }
        }
        Ok(())
    }
}

fn tell(report: &Report, with_story: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let faults: Vec<String> = report.knobs.faults.iter().map(|fault| format!("{fault:?}")).collect();
    writeln!(
        out,
        "seed 0x{:x}   faults: {}   {} processes   {}.{} simulated hours   {} port calls   {} calls",
        report.seed,
        faults.join(" "),
        report.knobs.processes,
        report.simulated_ms / 3_600_000,
        report.simulated_ms % 3_600_000 / 360_000,
        report.points,
        report.calls,
    )?;
    if with_story {
        for event in &report.told {
            writeln!(out, "{event}")?;
        }
    }
    for found in &report.violations {
        writeln!(out, "BROKEN {found}")?;
    }
    writeln!(
        out,
        "trace {:016x}: {}",
        report.trace_hash,
        if report.holds() { "all rules hold" } else { "rules are broken" }
    )?;
    Ok(())
}

/// Plays this very run again.
pub fn reproduction(seed: u64, choice: &Choice) -> String {
    let mut line = format!("tieout sim replay 0x{seed:x}");
    if let Some(knobs) = &choice.knobs {
        let gone: Vec<String> =
            Knobs::drawn(seed).faults.difference(&knobs.faults).map(|fault| format!("{fault:?}")).collect();
        if !gone.is_empty() {
            line.push_str(&format!(" --without-faults {}", gone.join(",")));
        }
    }
    if !choice.without_steps.is_empty() {
        let steps: Vec<String> = choice.without_steps.iter().map(usize::to_string).collect();
        line.push_str(&format!(" --without-steps {}", steps.join(",")));
    }
    if let Some(at) = choice.plan.kill_at {
        line.push_str(&format!(" --kill-at {at}"));
    }
    line
}

/// Leaves out what the failure does not need: faults first, then edits, in ever smaller pieces.
pub fn smaller(seed: u64, mut choice: Choice) -> anyhow::Result<(Report, Choice)> {
    let mut best = play(seed, &choice);
    let Some(wanted) = best.violations.first().map(|found| found.invariant) else { return Ok((best, choice)) };
    let fails = |report: &Report| report.violations.iter().any(|found| found.invariant == wanted);
    for fault in best.knobs.faults.clone() {
        let mut knobs = best.knobs.clone();
        knobs.faults.remove(&fault);
        if fault == Fault::F22 {
            knobs.processes = 1;
        }
        let without = Choice { knobs: Some(knobs), ..choice.clone() };
        let report = play(seed, &without);
        if fails(&report) {
            (best, choice) = (report, without);
        }
    }
    let mut piece = best.knobs.steps.div_ceil(2);
    while piece > 0 {
        let mut from = 0;
        while from < best.knobs.steps {
            let mut without = choice.clone();
            without.without_steps.extend(from..(from + piece).min(best.knobs.steps));
            if without.without_steps.len() > choice.without_steps.len() {
                let report = play(seed, &without);
                if fails(&report) {
                    (best, choice) = (report, without);
                }
            }
            from += piece;
        }
        piece /= 2;
    }
    Ok((best, choice))
}

fn run_models(models: &Models, out: &mut dyn Write) -> anyhow::Result<bool> {
    use crate::protocols::{Size, all, table};
    let reports = all(if models.full { Size::Full } else { Size::Ci });
    write!(out, "{}", table(&reports))?;
    let others: Vec<_> = reports.iter().filter(|report| !report.is_as_expected()).collect();
    for report in &others {
        writeln!(out, "BROKEN {report}")?;
    }
    Ok(others.is_empty())
}

fn absorb(sum: &mut crate::merging::Outcome, more: crate::merging::Outcome) {
    sum.cases += more.cases;
    sum.conflicts += more.conflicts;
    for (sum, more) in sum.rounds.iter_mut().zip(more.rounds) {
        *sum += more;
    }
    for (what, count) in more.reached {
        *sum.reached.entry(what).or_default() += count;
    }
    sum.failures.extend(more.failures);
}

/// Cases that a thread takes at once.
const HANDFUL: u64 = 10_000;

fn run_merge(merge: &Merge, out: &mut dyn Write) -> anyhow::Result<bool> {
    let jobs = merge.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let next = AtomicU64::new(0);
    let all = Mutex::new(crate::merging::Outcome::default());
    let clock = xero::SystemClock;
    let started = xero::Clock::uptime(&clock);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let from = next.fetch_add(HANDFUL, Ordering::Relaxed);
                    if from >= merge.cases {
                        return;
                    }
                    let count = HANDFUL.min(merge.cases - from);
                    let outcome = crate::merging::run(merge.first.wrapping_add(from), count);
                    if let Ok(mut all) = all.lock() {
                        absorb(&mut all, outcome);
                    }
                }
            });
        }
    });
    let took = xero::Clock::uptime(&clock).saturating_sub(started);
    let mut all = all.into_inner().map_err(|_| anyhow::anyhow!("a thread of the simulation failed"))?;
    // Which thread came first says nothing.
    all.failures.sort_by_key(|failure| failure.seed);
    let per_second = u128::from(all.cases) * 1_000 / took.as_millis().max(1);
    writeln!(
        out,
        "{} cases, {} conflicts, at rest after {:?} rounds, in {} s on {jobs} threads: {per_second} cases/s",
        all.cases,
        all.conflicts,
        all.rounds,
        took.as_secs()
    )?;
    for (what, count) in &all.reached {
        writeln!(out, "  {count:>9}  {what}")?;
    }
    for failure in &all.failures {
        writeln!(out, "BROKEN 0x{:x}: {}\n{}", failure.seed, failure.what, failure.shrunk)?;
    }
    Ok(all.failures.is_empty())
}
