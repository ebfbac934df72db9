//! The command line. Help leads with examples; the words are those of the API and the documentation.

mod people;
mod syncing;
mod verify;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;
pub(crate) use people::{
    Brakes, BrakesCommand, Candidates, CandidatesCommand, Conflicts, ConflictsCommand, ConflictsLs, Failures,
    FailuresCommand, FailuresLs, Pair, PolicyCommand, PolicyList, Records, Resolve, RetryWhat, RuleName, Ruling,
};
pub(crate) use syncing::{Apply, RecordId, RecordOf, Sync, SyncCommand, SyncWhat};
pub(crate) use verify::{Verify, VerifyCommand, VerifyLs};

use crate::output::Format;
use crate::words::parse_span;

const EXAMPLES: &str = "\
Examples:
  tieout demo                        try it: no account, no network, ten seconds
  tieout config init                 write tieout.toml, every setting explained
  tieout config new-key --file tieout.key
  tieout connect                     connect an organisation through the browser
  tieout sync full --dry-run         look at what a sync would do; nothing is written
  tieout sync full                   both sides brought together, whole
  tieout sync                        what changed on either side
  tieout status                      is everything in sync?
  tieout verify                      prove it: every record of both sides compared
  tieout records explain invoice 12  why is it, or why not?
  tieout serve                       the REST API; edits are sent as they are made";

const EXIT_CODES: &str = "\
Exit codes:
   0 done                        5 a brake stopped it       10 no database
   1 failed                      6 connect (again) first    11 locked by another process
   2 wrong command line          7 Xero's limit is used up  78 wrong settings, or no key
   3 some records failed         8 the two sides differ    130 interrupted
   4 conflicts wait for a person";

/// Xero's books in your own database, and proof that both agree.
#[derive(Debug, Parser)]
#[command(name = "tieout", version, before_help = EXAMPLES, after_help = EXIT_CODES, propagate_version = true)]
#[command(disable_help_subcommand = true, max_term_width = 120)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// Settings file (tieout.toml, if it is there)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Database: sqlite:///path/to/file.db or postgres://user@host/database
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// How data is written: table (the default), json, ndjson or csv
    #[arg(short = 'o', long, global = true, value_name = "FORMAT", hide_possible_values = true)]
    output: Option<Format>,
    /// Short for -o json
    #[arg(long, global = true, conflicts_with = "output")]
    json: bool,
    /// Ask nothing: yes to everything
    #[arg(short = 'y', long, global = true)]
    pub(crate) yes: bool,
    /// Yes, write to Xero although this is a live organisation
    #[arg(long, global = true)]
    pub(crate) live: bool,
    /// What is logged: error, warn, info, debug, or a filter such as sync=debug
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
}

impl Global {
    pub(crate) fn format(&self) -> Format {
        match self.json {
            true => Format::Json,
            false => self.output.unwrap_or(Format::Table),
        }
    }

    /// The settings that flags give.
    pub(crate) fn flags(&self) -> Vec<(&'static str, &'static str, String)> {
        let database = self.database_url.clone().map(|url| ("database_url", "--database-url", url));
        let log = self.log_level.clone().map(|level| ("log.level", "--log-level", level));
        database.into_iter().chain(log).collect()
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Try it: an emulated Xero, synced into a database, with an API on top
    Demo(Demo),
    /// Serve the REST API, and send edits to Xero as they are made
    Serve(Serve),
    /// Bring both sides together: Xero's changes into the books, the App's changes to Xero
    Sync(Sync),
    /// Send the App's changes to Xero now
    #[command(before_help = "Examples:\n  tieout push\n  tieout push --org \"Demo Company (NZ)\" -o json")]
    Push(Which),
    /// How every organisation stands
    Status(Status),
    /// What was synced when, and what came of it
    Runs(Runs),
    /// Why a record is in sync, or is not
    #[command(subcommand)]
    Records(Records),
    /// Records that could not be brought over, with their causes; retry, ignore, link
    #[command(visible_alias = "fail")]
    Failures(Failures),
    /// Fields that both sides changed differently; decide, undo, say who wins
    Conflicts(Conflicts),
    /// Pairs of records that may be the same; say which are
    Candidates(Candidates),
    /// Syncs that stopped because they would do too much; let them go on, or not
    Brakes(Brakes),
    /// Compare both sides record by record, and name what differs
    Verify(Verify),
    /// Compare the money of both sides, quickly
    #[command(before_help = "Examples:\n  tieout agree\n  tieout agree -o json")]
    Agree(Which),
    /// Connect an organisation through the browser
    Connect(Connect),
    /// End a connection, at Xero too; its data is kept
    #[command(before_help = "Examples:\n  tieout disconnect\n  tieout disconnect --org \"Demo Company (NZ)\" --yes")]
    Disconnect(Which),
    /// Refresh a connection's token now
    #[command(before_help = "Examples:\n  tieout refresh-token\n  tieout refresh-token --connection 2")]
    RefreshToken(Which),
    /// Check settings, key, database, Xero, clock and port
    #[command(
        before_help = "Examples:\n  tieout doctor\n  tieout doctor --config /etc/tieout.toml -o json\n  tieout doctor --fix"
    )]
    Doctor {
        /// Mend what can be mended here: capture triggers that are missing
        #[arg(long)]
        fix: bool,
    },
    /// Play this program's engine against an emulated Xero under edits, faults and crashes
    #[command(subcommand)]
    #[command(
        before_help = "Examples:\n  tieout sim run --seeds 1000\n  tieout sim replay 0x3b --trace\n  tieout sim shrink 0x3b"
    )]
    Sim(sim::cli::What),
    /// Serve an emulated Xero alone
    Emulator(Box<Emulator>),
    /// Look at settings, check them, begin with them
    #[command(subcommand)]
    Config(Config),
    /// Keys for the REST API
    #[command(subcommand)]
    Keys(Keys),
    /// Write a shell's completion script
    #[command(
        before_help = "Examples:\n  tieout completion bash > /etc/bash_completion.d/tieout\n  tieout completion fish > ~/.config/fish/completions/tieout.fish"
    )]
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// This program's version, and its database schema's
    #[command(before_help = "Examples:\n  tieout version\n  tieout version --json")]
    Version,
}

/// Try it.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  tieout demo                             sync an emulated organisation, then serve its books
  tieout demo --once --json               sync it, print what came of it, and end
  tieout demo --database-url postgres://tieout@localhost/demo
  tieout demo --real-limits               with Xero's own call limits")]
pub(crate) struct Demo {
    /// End when everything is synced and compared, instead of serving
    #[arg(long)]
    pub(crate) once: bool,
    /// Port of the API
    #[arg(long, default_value_t = 8787)]
    pub(crate) port: u16,
    /// The emulated organisation follows from it: same seed, same books
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Keep Xero's own call limits (60 a minute, 5,000 a day)
    #[arg(long)]
    pub(crate) real_limits: bool,
}

/// Serve the REST API.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  tieout serve                            on http://127.0.0.1:8787
  tieout serve --bind 127.0.0.1:9000
  tieout serve --bind 0.0.0.0:8787        for other machines too: put TLS in front")]
pub(crate) struct Serve {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) bind: Option<SocketAddr>,
}

/// Which connection is meant.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Which {
    /// Organisation, by name or id
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
    /// Connection, by id
    #[arg(long, value_name = "ID", conflicts_with = "org")]
    pub(crate) connection: Option<i64>,
}

/// How every organisation stands.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  tieout status
  tieout status --watch
  tieout status -o json")]
pub(crate) struct Status {
    /// Show it again and again, until Ctrl+C
    #[arg(long)]
    pub(crate) watch: bool,
    /// How long to wait in between
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = parse_span, requires = "watch")]
    pub(crate) every: SignedDuration,
}

/// What was synced when.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    before_help = "\
Examples:
  tieout runs
  tieout runs --limit 100 -o csv
  tieout runs show 12"
)]
pub(crate) struct Runs {
    #[command(flatten)]
    pub(crate) list: RunsLs,
    #[command(subcommand)]
    pub(crate) command: Option<RunsCommand>,
}

/// What to do with runs.
#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// List them, newest first
    Ls(RunsLs),
    /// Show one, kind by kind
    Show {
        /// Id of the run
        id: i64,
    },
}

/// Which runs.
#[derive(Debug, clap::Args)]
pub(crate) struct RunsLs {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Most runs to list
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    pub(crate) limit: i64,
}

/// Connect an organisation.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  tieout connect                          opens the browser
  tieout connect --no-browser             prints the address to open")]
pub(crate) struct Connect {
    /// Print the address instead of opening the browser
    #[arg(long)]
    pub(crate) no_browser: bool,
}

/// Serve an emulated Xero alone.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  tieout emulator                         one organisation on http://localhost:8910
  tieout emulator --size 100000 --no-limits
  TIEOUT_XERO_EMULATOR_URL=http://localhost:8910 tieout connect")]
pub(crate) struct Emulator {
    /// Host and port to listen on
    #[arg(long, default_value = "localhost:8910")]
    pub(crate) addr: String,
    /// Everything follows from it: same seed, same books
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Invoices and bills per organisation; the rest comes in proportion
    #[arg(long, default_value_t = 250)]
    pub(crate) size: u32,
    /// Lines per document (from 1 to 5 when left out)
    #[arg(long)]
    pub(crate) lines: Option<u32>,
    /// Contacts per organisation instead of the proportion
    #[arg(long)]
    pub(crate) contacts: Option<u32>,
    /// Payments per organisation instead of the proportion
    #[arg(long)]
    pub(crate) payments: Option<u32>,
    /// How many organisations the login has
    #[arg(long, default_value_t = 1)]
    pub(crate) organisations: u32,
    /// Xero's tier, which decides the calls per day
    #[arg(long, default_value = "core")]
    pub(crate) tier: TierName,
    /// Refuse no call for its number
    #[arg(long)]
    pub(crate) no_limits: bool,
    /// Wait so many milliseconds in every call
    #[arg(long, default_value_t = 0)]
    pub(crate) latency_ms: u64,
    /// Consent to every organisation without showing the page
    #[arg(long)]
    pub(crate) auto_consent: bool,
}

/// Xero's commercial tiers.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum TierName {
    /// 1,000 calls a day
    Starter,
    /// 5,000 calls a day
    Core,
}

/// Settings.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  tieout config init                      write tieout.toml with every setting, switched off
  tieout config new-key --file tieout.key
  tieout config check
  tieout config show                      every setting, and where its value comes from")]
pub(crate) enum Config {
    /// Show every setting and where its value comes from
    Show,
    /// Check the settings; nothing is started
    Check,
    /// Make an encryption key
    NewKey {
        /// Write it to this file, for its owner only, instead of printing it
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Write a settings file with every setting explained
    Init,
}

/// Keys for the REST API.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  tieout keys create --name reporting --scope read --expires-in 90d
  tieout keys ls
  tieout keys revoke 3")]
pub(crate) enum Keys {
    /// Make a key; it is shown once
    Create {
        /// A name for people
        #[arg(long)]
        name: String,
        /// What it may do; each scope includes those before it
        #[arg(long, default_value = "read")]
        scope: ScopeName,
        /// The one organisation that it is for (all, if left out), by name or id
        #[arg(long, value_name = "NAME")]
        org: Option<String>,
        /// When it ends (never, if left out)
        #[arg(long, value_name = "SPAN", value_parser = parse_span)]
        expires_in: Option<SignedDuration>,
    },
    /// List keys; the keys themselves are not kept
    Ls,
    /// Revoke a key at once
    Revoke {
        /// Id of the key
        id: i64,
    },
}

/// What an API key may do.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ScopeName {
    /// Read books, runs and status
    Read,
    /// Start syncs
    Sync,
    /// Connect, disconnect, manage keys
    Admin,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn json_is_short_for_the_output_format() {
        let format = |line: &str| Args::try_parse_from(line.split(' ')).map(|args| args.global.format()).ok();
        assert_eq!(format("tieout status --json"), Some(Format::Json));
        assert_eq!(format("tieout --json status"), Some(Format::Json));
        assert_eq!(format("tieout status -o ndjson"), Some(Format::Ndjson));
        assert_eq!(format("tieout status"), Some(Format::Table));
        assert_eq!(format("tieout status --json -o csv"), None);
        assert_eq!(format("tieout status -o xml"), None);
    }
}
