//! What Xero accepts, when: the rules of accounting that a change must keep before it is sent.
//!
//! A change that Xero would refuse is refused here, before a call is spent on it, with a stable code, one sentence that
//! says what to do, and who can do it. What only Xero can know (is that account still active?) is left to Xero; its words
//! are then turned into the same codes by `sync`. Only what a change touches is checked, so that an old record that Xero
//! itself holds in an odd state can still be mended.
//!
//! Sources: Xero's documentation of invoices (status changes, editing paid invoices), payments, bank transactions and
//! contacts.

mod bank_transaction;
mod customer;
mod invoice;
mod lines;
mod money;
mod payment;
mod refresh;
mod refusal;
mod status;
#[cfg(test)]
mod tests;
mod texts;

use jiff::civil::Date;

pub use money::{MAX_LINE_AMOUNT, Totals, line_amount, line_tax, totals};
pub use payment::check_payable;
pub use refresh::{refresh_amounts, refresh_changed_types};
pub use refusal::{Advice, CODES, Refusal, advice_of};
pub use status::{StatusMove, status_move, status_to_send, xero_status_for};

use crate::Record;

/// What is to be done to a record in Xero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Xero does not have it yet.
    Create,
    /// Xero has it, and some of it changes.
    Update,
    /// It is to be voided, deleted or archived.
    Remove,
}

/// What has to be known of the organisation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Documents dated on or before it are locked for all but advisers.
    pub period_lock_date: Option<Date>,
    /// Documents dated on or before it are locked for everybody.
    pub end_of_year_lock_date: Option<Date>,
    /// ISO 4217 code of the organisation's own currency.
    pub base_currency: Option<String>,
}

/// A change on its way to Xero.
#[derive(Debug)]
pub struct Change<'a, R> {
    /// What is to be done.
    pub op: Op,
    /// The record as Xero has it; `None` for a create.
    pub remote: Option<&'a R>,
    /// The record as Xero should have it. For a removal its fields do not count.
    pub outgoing: &'a R,
    /// Paths of what is pushed. The rules compare `remote` with `outgoing` instead of trusting names of fields.
    pub push: &'a [String],
    /// The organisation.
    pub facts: &'a Facts,
}

/// A kind of record whose changes can be checked before they are sent.
pub trait Rules: Record {
    /// Checks a change. One that changes nothing is always fine.
    ///
    /// # Errors
    /// A [`Refusal`], if Xero would not take it or would take it for something else than was meant.
    fn check(change: &Change<'_, Self>) -> Result<(), Refusal>;
}

impl<R> Change<'_, R> {
    /// Whether a part of the record is new or differs from what Xero has.
    fn touches<T: PartialEq>(&self, part: impl Fn(&R) -> &T) -> bool {
        self.remote.is_none_or(|remote| part(remote) != part(self.outgoing))
    }
}

impl Facts {
    /// Refuses a date in a locked period, naming the lock that reaches further.
    fn check_open(&self, what: &str, date: Option<Date>) -> Result<(), Refusal> {
        let Some(date) = date else { return Ok(()) };
        let locked = |lock: Option<Date>| lock.filter(|lock| date <= *lock);
        let (name, lock) = match (locked(self.end_of_year_lock_date), locked(self.period_lock_date)) {
            (Some(lock), _) => ("end of year lock date", lock),
            (None, Some(lock)) => ("period lock date", lock),
            (None, None) => return Ok(()),
        };
        Err(Refusal::new(
            "TO-LOCKED-PERIOD",
            format!(
                "the {what} is dated {date}, which the {name} {lock} locks: use a later date, or ask who may move the lock date in Xero"
            ),
        ))
    }
}
