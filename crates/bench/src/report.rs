//! The figures as two tables for people, in Markdown: medians over the runs, and what Tieout takes for each unit that the
//! bare program takes.

use std::fmt;

use bench::figures::Figures;
use rust_decimal::Decimal;

/// The runs of both programs on one database.
pub(crate) struct Measured {
    pub(crate) database: &'static str,
    pub(crate) tieout: Vec<Figures>,
    pub(crate) incremental: Vec<Figures>,
    pub(crate) floor: Vec<Figures>,
}

pub(crate) struct Report {
    records: u64,
    measured: Vec<Measured>,
}

impl Report {
    /// Of runs that bring over so many records each.
    pub(crate) fn new(records: u64) -> Self {
        Self { records, measured: Vec::new() }
    }

    pub(crate) fn add(&mut self, measured: Measured) {
        self.measured.push(measured);
    }

    fn row(&self, f: &mut fmt::Formatter<'_>, database: &str, program: &str, runs: &[Figures]) -> fmt::Result {
        let wall_us = median(runs, |run| run.wall_us);
        let cpu_ms = median(runs, |run| run.cpu_ms);
        writeln!(
            f,
            "| {database} | {program} | {} | {} | {} | {} | {} |",
            Decimal::from(wall_us / 10_000) / Decimal::ONE_HUNDRED,
            self.records * 1_000_000 / wall_us.max(1),
            ratio(cpu_ms * 1000, self.records),
            median(runs, |run| run.peak_kb) / 1024,
            median(runs, |run| run.calls),
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| database | program | seconds | records/s | CPU ms per 1,000 | peak MB | list calls |")?;
        writeln!(f, "|---|---|---:|---:|---:|---:|---:|")?;
        for one in &self.measured {
            self.row(f, one.database, "Tieout", &one.tieout)?;
            self.row(f, one.database, "floor", &one.floor)?;
            let times = |of: fn(&Figures) -> u64| ratio(median(&one.tieout, of), median(&one.floor, of));
            let (wall, cpu, peak) = (times(|run| run.wall_us), times(|run| run.cpu_ms), times(|run| run.peak_kb));
            writeln!(f, "| {} | **Tieout / floor** | **{wall}** | | **{cpu}** | {peak} | |", one.database)?;
        }
        writeln!(f, "\n| database | incremental, nothing changed | CPU ms | list calls |")?;
        writeln!(f, "|---|---:|---:|---:|")?;
        for one in &self.measured {
            let (wall_us, cpu_ms) =
                (median(&one.incremental, |run| run.wall_us), median(&one.incremental, |run| run.cpu_ms));
            let calls = median(&one.incremental, |run| run.calls);
            writeln!(f, "| {} | {} ms | {cpu_ms} | {calls} |", one.database, wall_us / 1000)?;
        }
        Ok(())
    }
}

/// The middle one; of an even number, the lower of the two.
fn median(runs: &[Figures], of: impl Fn(&Figures) -> u64) -> u64 {
    let mut values: Vec<u64> = runs.iter().map(of).collect();
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

/// With two decimals.
fn ratio(part: u64, whole: u64) -> Decimal {
    Decimal::from(part * 100 / whole.max(1)) / Decimal::ONE_HUNDRED
}
