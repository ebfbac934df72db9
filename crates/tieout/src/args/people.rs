//! What waits for a person: failures, conflicts, candidates, brakes; and why a record is as it is.

use clap::{Subcommand, ValueEnum};
use model::Kind;
use uuid::Uuid;

use super::{RecordId, RecordOf, Which};

/// Records.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  tieout records explain invoice 12
  tieout records explain customer 8b9e2f6a-26c4-4b4d-9b13-3f0a2f3f3c11 -o json")]
pub(crate) enum Records {
    /// Why a record is in sync, or is not; what happened to it, and what happens next
    Explain(RecordOf),
}

/// Records that could not be brought over.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    before_help = "\
Examples:
  tieout failures
  tieout failures groups                  by cause, with what to do about it
  tieout failures show 31
  tieout failures retry 31
  tieout failures retry --code TO-ARCHIVED
  tieout failures ignore 31 --reason \"belongs to last year\"
  tieout failures link 31 8b9e2f6a-26c4-4b4d-9b13-3f0a2f3f3c11
  tieout failures --org \"Demo Company (NZ)\" -o csv"
)]
pub(crate) struct Failures {
    #[command(flatten)]
    pub(crate) list: FailuresLs,
    #[command(subcommand)]
    pub(crate) command: Option<FailuresCommand>,
}

/// Which failures to list.
#[derive(Debug, clap::Args)]
pub(crate) struct FailuresLs {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Only those of this kind
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<Kind>,
    /// Only those of this cause
    #[arg(long, value_name = "CODE")]
    pub(crate) code: Option<String>,
    /// Most failures to list
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=100_000))]
    pub(crate) limit: i64,
}

/// What to do with failures.
#[derive(Debug, Subcommand)]
pub(crate) enum FailuresCommand {
    /// List them, newest first
    #[command(visible_alias = "list")]
    Ls(FailuresLs),
    /// Count them by cause, and say what to do about each
    Groups(Which),
    /// Show one, with what Xero said
    Show {
        /// Id of the failure
        id: i64,
        #[command(flatten)]
        which: Which,
    },
    /// Try again: one, those of a cause or a kind, or all
    Retry(RetryWhat),
    /// Set one aside; it comes back if its cause changes
    Ignore {
        /// Id of the failure
        id: i64,
        /// Why, for whoever looks later
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        which: Which,
    },
    /// Say which record in Xero it is, instead of creating one
    Link {
        /// Id of the failure
        id: i64,
        /// Id of the record in Xero
        xero_id: Uuid,
        #[command(flatten)]
        which: Which,
    },
}

/// What to retry.
#[derive(Debug, clap::Args)]
#[group(id = "retried", required = true, multiple = true)]
pub(crate) struct RetryWhat {
    /// Id of the failure
    #[arg(group = "retried", conflicts_with_all = ["code", "kind", "all"])]
    pub(crate) id: Option<i64>,
    /// Those of this cause
    #[arg(long, value_name = "CODE", group = "retried")]
    pub(crate) code: Option<String>,
    /// Those of this kind
    #[arg(long, value_name = "KIND", group = "retried")]
    pub(crate) kind: Option<Kind>,
    /// All of them
    #[arg(long, group = "retried", conflicts_with_all = ["code", "kind"])]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) which: Which,
}

/// Fields that both sides changed differently.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    before_help = "\
Examples:
  tieout conflicts
  tieout conflicts show 3                 both values, and what each choice writes where
  tieout conflicts resolve 3 --app        the App's value goes to Xero
  tieout conflicts resolve 3 --set email=accounts@acme.test
  tieout conflicts resolve --kind invoice --record 12 --xero
  tieout conflicts resolve --all --xero --yes
  tieout conflicts undo 3
  tieout conflicts policy set ask --kind invoice --field due_date"
)]
pub(crate) struct Conflicts {
    #[command(flatten)]
    pub(crate) list: ConflictsLs,
    #[command(subcommand)]
    pub(crate) command: Option<ConflictsCommand>,
}

/// Which conflicts to list.
#[derive(Debug, clap::Args)]
pub(crate) struct ConflictsLs {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Only those of this kind
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<Kind>,
    /// Only those of this record (its row in the books)
    #[arg(long, value_name = "ID", requires = "kind")]
    pub(crate) record: Option<i64>,
    /// Decided ones too, those that a policy decided included
    #[arg(long)]
    pub(crate) decided: bool,
    /// Most conflicts to list
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    pub(crate) limit: i64,
}

/// What to do with conflicts.
#[derive(Debug, Subcommand)]
pub(crate) enum ConflictsCommand {
    /// List those that wait for a decision, newest first
    #[command(visible_alias = "list")]
    Ls(ConflictsLs),
    /// Show one: both values, and what each choice would write where
    Show {
        /// Id of the conflict
        id: i64,
        #[command(flatten)]
        which: Which,
    },
    /// Decide: one, all of a record, or all
    Resolve(Box<Resolve>),
    /// Take a decision back, while Xero allows it
    Undo {
        /// Id of the conflict
        id: i64,
        #[command(flatten)]
        which: Which,
    },
    /// Who wins where both sides changed one field, without anybody being asked
    Policy(PolicyList),
}

/// What to decide, and how.
#[derive(Debug, clap::Args)]
#[group(id = "decided", required = true, multiple = true)]
pub(crate) struct Resolve {
    /// Id of the conflict
    #[arg(group = "decided", conflicts_with_all = ["kind", "record", "all"])]
    pub(crate) id: Option<i64>,
    /// Kind of the record, with --record; with --all, those of this kind only
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<Kind>,
    /// All conflicts of this record (its row in the books)
    #[arg(long, value_name = "ID", group = "decided", requires = "kind")]
    pub(crate) record: Option<i64>,
    /// All that wait for a decision
    #[arg(long, group = "decided", conflicts_with_all = ["record", "set"])]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) ruling: Ruling,
    /// Only if it is still as it was shown: the version that tieout conflicts show printed
    #[arg(long, value_name = "VERSION", requires = "id")]
    pub(crate) seen: Option<String>,
    #[command(flatten)]
    pub(crate) which: Which,
}

/// Who is right.
#[derive(Debug, clap::Args)]
#[group(id = "ruling", required = true, multiple = false)]
pub(crate) struct Ruling {
    /// The App's value goes to Xero
    #[arg(long, group = "ruling")]
    pub(crate) app: bool,
    /// Xero's value goes to the App
    #[arg(long, group = "ruling")]
    pub(crate) xero: bool,
    /// Both get this value; once for each field
    #[arg(long, value_name = "FIELD=VALUE", group = "ruling")]
    pub(crate) set: Vec<String>,
    /// Leave both as they are, until one of them changes
    #[arg(long, group = "ruling")]
    pub(crate) ignore: bool,
    /// Of a suspected duplicate: this record in Xero is the one
    #[arg(long, value_name = "XERO-ID", group = "ruling", conflicts_with_all = ["record", "all"])]
    pub(crate) link: Option<Uuid>,
}

/// Who wins.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct PolicyList {
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(subcommand)]
    pub(crate) command: Option<PolicyCommand>,
}

/// What to do with the rules.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Set a rule, for everything, a kind, a field, or a field of a kind; the closest one counts
    Set {
        /// Who wins
        rule: RuleName,
        /// Of this kind only
        #[arg(long, value_name = "KIND")]
        kind: Option<Kind>,
        /// Of this field, or group of fields, only
        #[arg(long, value_name = "FIELD")]
        field: Option<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Take a rule away, so that the next wider one counts
    Clear {
        /// Of this kind
        #[arg(long, value_name = "KIND")]
        kind: Option<Kind>,
        /// Of this field, or group of fields
        #[arg(long, value_name = "FIELD")]
        field: Option<String>,
        #[command(flatten)]
        which: Which,
    },
}

/// Who wins where both sides changed one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuleName {
    /// The side that was changed later
    LastWrite,
    /// The App
    App,
    /// Xero
    Xero,
    /// Nobody, until a person has decided
    Ask,
}

/// Pairs that may be the same record.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    before_help = "\
Examples:
  tieout candidates
  tieout candidates same customer 12 8b9e2f6a-26c4-4b4d-9b13-3f0a2f3f3c11
  tieout candidates different customer 12 8b9e2f6a-26c4-4b4d-9b13-3f0a2f3f3c11"
)]
pub(crate) struct Candidates {
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(subcommand)]
    pub(crate) command: Option<CandidatesCommand>,
}

/// What to do with pairs.
#[derive(Debug, Subcommand)]
pub(crate) enum CandidatesCommand {
    /// List those that wait for a decision
    #[command(visible_alias = "list")]
    Ls(Which),
    /// They are one record: link them
    Same(Pair),
    /// They are two records: each is copied to the other side
    Different(Pair),
}

/// A pair of records.
#[derive(Debug, clap::Args)]
pub(crate) struct Pair {
    /// Their kind
    pub(crate) kind: Kind,
    /// The record in the books, by its row
    pub(crate) record: i64,
    /// The record in Xero, by its id
    pub(crate) xero_id: Uuid,
    #[command(flatten)]
    pub(crate) which: Which,
}

/// Syncs that stopped and ask.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    before_help = "\
Examples:
  tieout brakes
  tieout brakes approve 2                 the next sync does it, once
  tieout brakes refuse 2"
)]
pub(crate) struct Brakes {
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(subcommand)]
    pub(crate) command: Option<BrakesCommand>,
}

/// What to do with brakes.
#[derive(Debug, Subcommand)]
pub(crate) enum BrakesCommand {
    /// List them, newest first
    #[command(visible_alias = "list")]
    Ls(Which),
    /// Let it go on: the next sync does it, once
    Approve {
        /// Id of the brake
        id: i64,
        #[command(flatten)]
        which: Which,
    },
    /// Leave it undone; if a sync still would, it asks again
    Refuse {
        /// Id of the brake
        id: i64,
        #[command(flatten)]
        which: Which,
    },
}

impl RecordOf {
    /// As people write it.
    pub(crate) fn shown(&self) -> String {
        match self.id {
            RecordId::Local(id) => format!("{} {id}", self.kind),
            RecordId::Xero(id) => format!("{} {id}", self.kind),
        }
    }
}
