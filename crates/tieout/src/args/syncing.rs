//! Syncing: both ways at once, planned and applied, one record alone.

use std::str::FromStr;

use clap::Subcommand;
use jiff::SignedDuration;
use model::Kind;
use uuid::Uuid;

use super::Which;
use crate::words::parse_span;

/// Bring both sides together.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    before_help = "\
Examples:
  tieout sync                             what changed on either side since the last sync
  tieout sync full                        everything; goes on where a stopped run was
  tieout sync --dry-run                   what it would do on each side; nothing is written
  tieout sync apply 7                     do what plan 7 shows, and nothing else
  tieout sync entity invoice 12           one record, now
  tieout sync --follow                    again every 15 minutes, edits at once, until Ctrl+C
  tieout sync full --org \"Demo Company (NZ)\" -o json"
)]
pub(crate) struct Sync {
    #[command(flatten)]
    pub(crate) what: SyncWhat,
    /// Everything, as with tieout sync full
    #[arg(long)]
    pub(crate) full: bool,
    #[command(subcommand)]
    pub(crate) command: Option<SyncCommand>,
}

/// How to sync.
#[derive(Debug, Subcommand)]
pub(crate) enum SyncCommand {
    /// Everything
    #[command(
        before_help = "Examples:\n  tieout sync full\n  tieout sync full --dry-run\n  tieout sync full --org \"Demo Company (NZ)\" -o json"
    )]
    Full(SyncWhat),
    /// What changed since the last sync
    #[command(
        before_help = "Examples:\n  tieout sync incremental\n  tieout sync incremental --dry-run\n  tieout sync incremental --follow --every 5m"
    )]
    Incremental(SyncWhat),
    /// Do what a plan shows; what has moved since is left alone and listed
    #[command(
        before_help = "Examples:\n  tieout sync full --dry-run\n  tieout sync apply 7\n  tieout sync apply 7 --yes -o json"
    )]
    Apply(Apply),
    /// One record: read it from Xero, merge, send what is to be sent
    #[command(
        before_help = "Examples:\n  tieout sync entity invoice 12\n  tieout sync entity customer 8b9e2f6a-26c4-4b4d-9b13-3f0a2f3f3c11"
    )]
    Entity(RecordOf),
}

/// Which organisations to sync, and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct SyncWhat {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Print what it would do, and write nothing on either side
    #[arg(long, conflicts_with = "follow")]
    pub(crate) dry_run: bool,
    /// Stay: sync what changed again and again, and send edits of the App as they are made
    #[arg(long)]
    pub(crate) follow: bool,
    /// How long to wait between two syncs with --follow
    #[arg(long, value_name = "SPAN", default_value = "15m", value_parser = parse_span, requires = "follow")]
    pub(crate) every: SignedDuration,
}

/// A plan.
#[derive(Debug, clap::Args)]
pub(crate) struct Apply {
    /// Number of the plan, as tieout sync --dry-run printed it
    pub(crate) plan: i64,
    #[command(flatten)]
    pub(crate) which: Which,
}

/// One record.
#[derive(Debug, clap::Args)]
pub(crate) struct RecordOf {
    /// Its kind: customer, invoice, payment, bank_transaction
    pub(crate) kind: Kind,
    /// Its id in the books, or in Xero
    pub(crate) id: RecordId,
    #[command(flatten)]
    pub(crate) which: Which,
}

/// What a record is called by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordId {
    /// Its row in the books.
    Local(i64),
    /// Its id in Xero.
    Xero(Uuid),
}

impl FromStr for RecordId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text.parse(), Uuid::parse_str(text)) {
            (Ok(id), _) if id > 0 => Ok(Self::Local(id)),
            (_, Ok(id)) => Ok(Self::Xero(id)),
            _ => Err(format!("{text:?} is neither a row's number nor an id of Xero")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_named_by_row_or_by_xeros_id() {
        assert_eq!("12".parse(), Ok(RecordId::Local(12)));
        let id = "8b9e2f6a-26c4-4b4d-9b13-3f0a2f3f3c11";
        assert_eq!(id.parse(), Ok(RecordId::Xero(id.parse().unwrap())));
        for wrong in ["", "0", "-3", "INV-1", "8b9e2f6a"] {
            assert!(wrong.parse::<RecordId>().is_err(), "{wrong}");
        }
    }
}
