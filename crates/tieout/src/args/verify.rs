//! Verifying: both sides compared, and what earlier comparisons found.

use clap::Subcommand;
use model::Kind;

use super::Which;

/// Compare both sides record by record.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    before_help = "\
Examples:
  tieout verify                           everything, Xero read afresh; nothing is written
  tieout verify --kind invoice            invoices and bills alone
  tieout verify --mend                    and read again what differs, however Xero dates it
  tieout verify --json
  tieout verify -o csv                    a line for each field that differs
  tieout verify ls                        what was verified when
  tieout verify show 7

Ends with 8 if a record differs and nothing is known that explains it."
)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Only this kind: account, tax_rate, customer, invoice, credit_note, prepayment, overpayment, payment, bank_transaction
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<Kind>,
    /// Read again what differs and merge it, as the daily sweep does
    #[arg(long)]
    pub(crate) mend: bool,
    #[command(subcommand)]
    pub(crate) command: Option<VerifyCommand>,
}

/// What to do with verifications.
#[derive(Debug, Subcommand)]
pub(crate) enum VerifyCommand {
    /// List them, newest first; samples and daily sweeps too
    Ls(VerifyLs),
    /// Show what one found
    Show {
        /// Id of the verification
        id: i64,
    },
}

/// Which verifications.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyLs {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Most verifications of each organisation to list
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=1_000))]
    pub(crate) limit: i64,
}
