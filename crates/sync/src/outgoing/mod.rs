//! From the local books' words to Xero's: one file per two-way kind, pure functions of records.
//!
//! What is sent is as little as can be: a create sends what is set, an update what differs from what Xero has. A text
//! that was cleared is sent empty, because Xero leaves alone what is not sent. What cannot be said to Xero at all (no
//! due date any more, no currency, no quantity, no account on a line) is left out; the answer then brings Xero's value
//! back into the books, so that both sides still agree.
//!
//! A record that Xero does not have yet gets a mark: a text of its own that Xero keeps, so that after a lost answer the
//! record can be found instead of being made twice. See [`Marker`].

mod bank_transaction;
mod contact;
mod invoice;
mod line;
mod marker;
mod payment;
#[cfg(test)]
mod round_trip;

use model::accounting::Refusal;
use model::{Amount, Ref};
use rust_decimal::Decimal;
use uuid::Uuid;
use xero::ListQuery;

use crate::map::Pulled;

pub(crate) use marker::Marker;

/// What is sent for one record of a kind.
pub(crate) type Write<P> = <<P as Pulled>::Wire as xero::Writable>::Write;

/// A kind that is pushed. Records come with every reference as Xero's id; one that is still local ends in `TO-WAITING`.
pub(crate) trait Pushed: Pulled<Wire: xero::Writable, Record: model::accounting::Rules> {
    /// Whether Xero takes removals one by one (`POST /Payments/{id}`) instead of in batches.
    const REMOVES_ONE_BY_ONE: bool = false;

    /// Everything that is set, for a `PUT`.
    fn create(record: &Self::Record) -> Result<Write<Self>, Refusal>;

    /// The id and what differs, with what Xero requires beside it. Lines are left out unless they differ; then all are
    /// sent, with their ids.
    fn update(xero_id: Uuid, remote: &Self::Record, outgoing: &Self::Record) -> Result<Write<Self>, Refusal>;

    /// Void, delete or archive, as Xero's present status asks for.
    fn remove(xero_id: Uuid, remote: &Self::Record) -> Result<Write<Self>, Refusal>;

    /// Gives `mark` to a record that has no mark of its own, and tells how to find it. `mark` is unique and at most 50
    /// characters of printable ASCII without quotes, backslashes and commas.
    fn mark(record: &mut Self::Record, mark: &str) -> Marker;

    /// A narrow list in Xero in which the marked record is, if it is there. May hold others.
    fn look_up(marker: &Marker) -> ListQuery;

    /// Whether a record from Xero is the marked one, whatever its status: one that was voided meanwhile was created all
    /// the same.
    fn bears(marker: &Marker, record: &Self::Record) -> bool;
}

/// Calls a generic function or method for the two-way kind that a value names. The second form says what else to do
/// with kinds that are only pulled; without it they are a mistake of the caller's.
macro_rules! for_two_way {
    ($kind:expr, $P:ident => $body:expr) => {
        $crate::outgoing::for_two_way!($kind, $P => $body, other => unreachable!("{other} is not pushed"))
    };
    ($kind:expr, $P:ident => $body:expr, $other:ident => $else:expr) => {
        match $kind {
            model::Kind::Customer => {
                type $P = $crate::map::Contacts;
                $body
            }
            model::Kind::Invoice => {
                type $P = $crate::map::Invoices;
                $body
            }
            model::Kind::Payment => {
                type $P = $crate::map::Payments;
                $body
            }
            model::Kind::BankTransaction => {
                type $P = $crate::map::BankTransactions;
                $body
            }
            $other => $else,
        }
    };
}
pub(crate) use for_two_way;

/// Whether a record bears the mark that was written down with an intent.
pub(crate) fn is_marked<P: Pushed>(marker: &str, record: &P::Record) -> bool {
    serde_json::from_str::<Marker>(marker).is_ok_and(|marker| P::bears(&marker, record))
}

/// Xero's id of a record that another one names.
fn id_of(what: &str, reference: Option<Ref>) -> Result<Option<Uuid>, Refusal> {
    match reference {
        None => Ok(None),
        Some(Ref::Xero(id)) => Ok(Some(id)),
        Some(Ref::Local(id)) => Err(Refusal::new(
            "TO-WAITING",
            format!("the {what} {id} that it names is not in Xero yet: it is sent as soon as that is there"),
        )),
    }
}

/// Xero's id of a record that another one names, where it has one.
fn known_id(reference: Option<Ref>) -> Option<Uuid> {
    match reference {
        Some(Ref::Xero(id)) => Some(id),
        _ => None,
    }
}

fn contact(customer: Option<Ref>) -> Result<Option<xero::ContactRef>, Refusal> {
    // The id only: other fields would change the contact, and an unknown name would make one.
    let id = id_of("customer", customer)?;
    Ok(id.map(|id| xero::ContactRef { contact_id: Some(id), ..xero::ContactRef::default() }))
}

fn account(account: Option<Ref>) -> Result<Option<xero::AccountRef>, Refusal> {
    let id = id_of("account", account)?;
    Ok(id.map(|id| xero::AccountRef { account_id: Some(id), ..xero::AccountRef::default() }))
}

/// A text that changed; one that was cleared is sent empty.
fn changed_text(remote: &Option<String>, outgoing: &Option<String>) -> Option<String> {
    (remote != outgoing).then(|| outgoing.clone().unwrap_or_default())
}

/// A value that changed. That it is gone cannot be said: then nothing is.
fn changed<T: PartialEq + Clone>(remote: &Option<T>, outgoing: &Option<T>) -> Option<T> {
    if remote == outgoing { None } else { outgoing.clone() }
}

fn line_amount_types(types: model::LineAmountTypes) -> xero::LineAmountTypes {
    match types {
        model::LineAmountTypes::Exclusive => xero::LineAmountTypes::Exclusive,
        model::LineAmountTypes::Inclusive => xero::LineAmountTypes::Inclusive,
        model::LineAmountTypes::NoTax => xero::LineAmountTypes::NoTax,
    }
}

/// True for a text that says something.
fn is_set(text: &Option<String>) -> bool {
    text.as_ref().is_some_and(|text| !text.trim().is_empty())
}

/// An amount as it is written: without needless zeros.
fn decimal(amount: Amount) -> Decimal {
    amount.decimal().normalize()
}
