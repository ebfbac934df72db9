//! `tieout-sim crash-points`: every scenario, killed at every place.

use std::io::Write;
use std::num::NonZero;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};

use super::campaign::{Campaign, Tally};
use super::{Base, Kill, Restart, Scenario, all, play};
use crate::postgres::Server;

/// What is told of a broken rule, at most.
const SHOWN: usize = 400;

/// What the command line says.
#[derive(Debug, Args)]
pub struct CrashPoints {
    /// Only this scenario, by its number
    #[arg(long)]
    scenario: Option<u8>,
    /// Only those in which money may be lost
    #[arg(long)]
    money: bool,
    /// "sqlite", or the URL of a PostgreSQL server on which databases may be made
    #[arg(long, default_value = "sqlite")]
    database: String,
    /// One place in so many
    #[arg(long, default_value_t = 1)]
    every: u64,
    /// When the process is started again; both unless told
    #[arg(long, value_enum)]
    restart: Option<When>,
    /// Each place with one of the two restarts, in turn, instead of both
    #[arg(long)]
    in_turn: bool,
    /// Two deaths, too, where the scenario is played so: this many second places for each first
    #[arg(long, num_args = 0..=1, default_missing_value = "3", default_value_t = 0)]
    pairs: u64,
    /// Every second place
    #[arg(long, requires = "pairs")]
    all: bool,
    /// Threads; as many as there are cores unless told
    #[arg(long)]
    jobs: Option<NonZero<usize>>,
    /// Plays one run of the scenario and tells it all: 0 for the plain one, a place, or two
    #[arg(long, value_delimiter = ',', requires = "scenario")]
    at: Vec<u64>,
    /// Which of the scenarios with the number, from 1
    #[arg(long, default_value_t = 1)]
    form: usize,
}

/// [`Restart`], as it is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum When {
    /// Within the lease
    Soon,
    /// After the lease, and after the time for sending again
    Late,
}

impl CrashPoints {
    /// Does what was asked; false if a rule was broken.
    ///
    /// # Errors
    /// When the server cannot be used, what was found cannot be written, or there is no such scenario.
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<bool> {
        if self.database == "sqlite" {
            return self.run_on(Base::Sqlite, out);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let server = runtime.block_on(Server::prepare(&self.database))?;
        let holds = self.run_on(Base::Postgres(&server), out);
        runtime.block_on(server.end())?;
        holds
    }

    fn scenarios(&self) -> anyhow::Result<Vec<&'static dyn Scenario>> {
        let is_meant = |one: &&'static dyn Scenario| {
            self.scenario.is_none_or(|number| one.number() == number) && (!self.money || one.is_money())
        };
        let chosen: Vec<_> = all().into_iter().filter(is_meant).collect();
        ensure!(!chosen.is_empty(), "there is no such scenario: 1 to 18 and 21 to 28 are");
        Ok(chosen)
    }

    fn restarts(&self) -> Vec<Restart> {
        match self.restart {
            None => Restart::ALL.to_vec(),
            Some(When::Soon) => vec![Restart::Soon],
            Some(When::Late) => vec![Restart::Late],
        }
    }

    fn run_on(&self, base: Base<'_>, out: &mut dyn Write) -> anyhow::Result<bool> {
        let scenarios = self.scenarios()?;
        if !self.at.is_empty() {
            let form = self.form.checked_sub(1).and_then(|at| scenarios.get(at)).context("it has not so many forms")?;
            return self.tell_one(*form, base, out);
        }
        let cores = self.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get);
        let clock = xero::SystemClock;
        let started = xero::Clock::uptime(&clock);
        let seconds = if self.all { u64::MAX } else { self.pairs };
        let (every, restarts) = (self.every, self.restarts());
        let tallies =
            Campaign { scenarios, base, every, restarts, is_in_turn: self.in_turn, seconds, jobs: cores }.play();
        let took = xero::Clock::uptime(&clock).saturating_sub(started);
        tell(&tallies, out)?;
        let (points, runs): (u64, u64) =
            tallies.iter().fold((0, 0), |sum, tally| (sum.0 + tally.points, sum.1 + tally.runs));
        writeln!(out, "{points} places, {runs} runs in {} s on {cores} threads", took.as_secs())?;
        Ok(tallies.iter().all(Tally::holds))
    }

    fn tell_one(&self, scenario: &dyn Scenario, base: Base<'_>, out: &mut dyn Write) -> anyhow::Result<bool> {
        let restart = self.restarts()[0];
        let kill = |at: u64| Kill { at, again: self.at.get(1).copied(), restart };
        let kill = self.at.first().copied().filter(|at| *at > 0).map(kill);
        let outcome = play(scenario, base, kill, true);
        for line in &outcome.told {
            writeln!(out, "{line}")?;
        }
        for found in &outcome.violations {
            writeln!(out, "BROKEN {found}")?;
        }
        let verdict = if outcome.violations.is_empty() { "all rules hold" } else { "rules are broken" };
        writeln!(
            out,
            "{} {}: {} places ({} with the time afterwards), {} deaths, trace {:016x}: {verdict}",
            scenario.number(),
            scenario.name(),
            outcome.points,
            outcome.points_in_all,
            outcome.deaths,
            outcome.trace_hash,
        )?;
        Ok(outcome.violations.is_empty())
    }
}

/// The table.
fn tell(tallies: &[Tally], out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "{:>2}  {:<48} {:>6} {:>7} {:>7}  verdict", "no", "scenario", "places", "runs", "deaths")?;
    for tally in tallies {
        let verdict = if tally.holds() { "holds".to_owned() } else { format!("BROKEN in {} runs", tally.failed.len()) };
        let Tally { number, name, points, runs, deaths, .. } = tally;
        writeln!(out, "{number:>2}  {name:<48} {points:>6} {runs:>7} {deaths:>7}  {verdict}")?;
    }
    for tally in tallies {
        for (kill, found) in tally.failed.iter().take(5) {
            writeln!(out, "{} {}, {}:", tally.number, tally.name, told(*kill))?;
            for one in found.iter().take(3) {
                let what: String = one.what.chars().take(SHOWN).collect();
                writeln!(out, "    {}: {what}", one.invariant)?;
            }
        }
    }
    Ok(())
}

/// A death as the command line says it.
fn told(kill: Option<Kill>) -> String {
    let Some(Kill { at, again, restart }) = kill else { return "--at 0".into() };
    let again = again.map_or_else(String::new, |again| format!(",{again}"));
    format!("--at {at}{again} --restart {}", if restart == Restart::Soon { "soon" } else { "late" })
}
