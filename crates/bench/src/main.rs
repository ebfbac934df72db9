//! `tieout-bench first-sync`: Tieout and the bare program side by side, each run in a process and a database of its own.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line program")]

mod report;

use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::Context as _;
use bench::figures::Figures;
use bench::{counting, emulated, engine, floor};
use clap::{Args, Parser, Subcommand, ValueEnum};
use report::{Measured, Report};
use testkit::Database;

const EXAMPLES: &str = "\
Examples:
  cargo run --release -p tieout-bench -- first-sync                 both databases, three times each
  cargo run --release -p tieout-bench -- first-sync --database sqlite --repeat 1
  cargo run --release -p tieout-bench -- first-sync --invoices 10000 --contacts 2000 --payments 10000";

/// Measures Tieout against a bare program that fetches the same pages and writes the same rows.
#[derive(Debug, Parser)]
#[command(version, before_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// A first full sync, and an incremental one after it
    FirstSync(FirstSync),
    /// The emulated Xero, until killed; prints its address
    #[command(hide = true)]
    Emulator(Books),
    /// One run of one program; prints its figures
    #[command(hide = true)]
    Once { program: Program, database: String, base: String },
}

#[derive(Debug, Args)]
struct FirstSync {
    #[command(flatten)]
    books: Books,
    /// Which database; both when left out
    #[arg(long)]
    database: Option<Kind>,
    /// How often each program runs on each database; medians are reported
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    repeat: u32,
}

/// What the organisation has.
#[derive(Debug, Clone, Copy, Args)]
struct Books {
    /// Customers and suppliers
    #[arg(long, default_value_t = 20_000)]
    contacts: u32,
    /// Sales invoices and bills
    #[arg(long, default_value_t = 100_000)]
    invoices: u32,
    /// Lines of each
    #[arg(long, default_value_t = 3)]
    lines: u32,
    /// Payments
    #[arg(long, default_value_t = 100_000)]
    payments: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Sqlite,
    Postgres,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Program {
    Tieout,
    Floor,
}

fn main() -> ExitCode {
    let worked = match Cli::parse().command {
        Task::FirstSync(task) => runtime().and_then(|runtime| runtime.block_on(first_sync(task))),
        Task::Emulator(books) => runtime().and_then(|runtime| runtime.block_on(serve(books))),
        Task::Once { program, database, base } => {
            runtime().and_then(|runtime| runtime.block_on(once(program, &database, &base)))
        }
    };
    match worked {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

async fn serve(books: Books) -> anyhow::Result<()> {
    let size = emulated::size(books.contacts, books.invoices, books.lines, books.payments);
    let (base, serving) = emulated::bind(size).await?;
    println!("{base}");
    Ok(serving.await?)
}

async fn once(program: Program, database: &str, base: &str) -> anyhow::Result<()> {
    let figures: Vec<Figures> = match program {
        Program::Tieout => engine::run(database, base).await?.into(),
        Program::Floor => vec![floor::run(database, base).await?],
    };
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

async fn first_sync(task: FirstSync) -> anyhow::Result<()> {
    let emulator = Emulator::start(task.books)?;
    let mut report = Report::new(u64::from(task.books.contacts + task.books.invoices + task.books.payments));
    for kind in [Kind::Sqlite, Kind::Postgres] {
        if task.database.is_some_and(|only| only != kind) {
            continue;
        }
        let mut runs: [Vec<Vec<Figures>>; 2] = [Vec::new(), Vec::new()];
        for round in 0..task.repeat {
            // Whoever comes second may find something warmer: they take turns.
            let mut order = [Program::Tieout, Program::Floor];
            if round % 2 == 0 {
                order.reverse();
            }
            let mut rows = Vec::new();
            for program in order {
                let (figures, counts) = one_run(kind, program, &emulator.base).await?;
                eprintln!("{} {program:?} {}: {figures:?}", kind.name(), round + 1);
                runs[usize::from(program == Program::Floor)].push(figures);
                rows.push(counts);
            }
            anyhow::ensure!(rows[0] == rows[1], "the two programs wrote different rows: {rows:?}");
        }
        let [tieout, floor] = runs;
        let pick = |runs: &[Vec<Figures>], at: usize| runs.iter().filter_map(|run| run.get(at).copied()).collect();
        report.add(Measured {
            database: kind.name(),
            tieout: pick(&tieout, 0),
            incremental: pick(&tieout, 1),
            floor: pick(&floor, 0),
        });
    }
    println!("{report}");
    Ok(())
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// One run in a process and an empty database of its own, and the rows that it left behind.
async fn one_run(kind: Kind, program: Program, base: &str) -> anyhow::Result<(Vec<Figures>, Vec<(&'static str, u64)>)> {
    let database = match kind {
        Kind::Sqlite => Database::sqlite(None).await,
        Kind::Postgres => Database::postgres(None).await,
    };
    let word = program.to_possible_value().context("every program has a name")?;
    let output = Command::new(std::env::current_exe()?)
        .args(["once", word.get_name(), &database.url(), base])
        .stderr(Stdio::inherit())
        .output()?;
    anyhow::ensure!(output.status.success(), "{program:?} failed on {}", kind.name());
    Ok((serde_json::from_slice(&output.stdout)?, counting::counts(&database.url()).await?))
}

/// The emulated Xero in a process of its own, killed when dropped.
struct Emulator {
    process: Child,
    base: String,
}

impl Emulator {
    fn start(books: Books) -> anyhow::Result<Self> {
        let Books { contacts, invoices, lines, payments } = books;
        let mut process = Command::new(std::env::current_exe()?)
            .arg("emulator")
            .args(["--contacts", &contacts.to_string(), "--invoices", &invoices.to_string()])
            .args(["--lines", &lines.to_string(), "--payments", &payments.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut base = String::new();
        let stdout = process.stdout.take().context("the emulator has no output")?;
        // It says where it is once its books are made.
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut base)?;
        anyhow::ensure!(!base.is_empty(), "the emulator did not start");
        Ok(Self { process, base: base.trim().to_owned() })
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
