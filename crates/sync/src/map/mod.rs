//! From Xero's words to the local books': one file per kind, and one register of all of them.
//!
//! A mapping either gives a record or a [`Rejection`] that names what is wrong with it; it never guesses and never
//! drops a record silently. Values that Xero adds later (a new status, a new account type) pass through.

mod account;
mod bank_transaction;
mod contact;
mod credit;
mod invoice;
mod line;
mod payment;
mod tax_rate;

use model::{Amount, AmountError, Kind, Rate};
use rust_decimal::Decimal;
use uuid::Uuid;

pub(crate) use credit::{CreditNotes, Overpayments, Prepayments};

/// The scopes that the kinds of this version need, and nothing more (xero-facts §1.6).
pub const MINIMUM_SCOPES: &[&str] = &[
    "openid",
    "profile",
    "email",
    "offline_access",
    "accounting.contacts",
    "accounting.invoices",
    "accounting.payments",
    "accounting.banktransactions",
    "accounting.settings.read",
    "accounting.reports.profitandloss.read",
    "accounting.reports.banksummary.read",
];

/// Why a record of Xero cannot stand in the local books.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Rejection(pub(crate) String);

/// A kind that is pulled: which wire type it has, which record it becomes, and how.
pub(crate) trait Pulled: Send + Sync + 'static {
    /// What Xero sends.
    type Wire: xero::Entity;
    /// What the books hold.
    type Record: store::Books + crate::matching::Alike;
    /// Its name.
    const KIND: Kind;
    /// Archived and deleted records are asked for too: they are how a deletion shows.
    const INCLUDE_ARCHIVED: bool = false;

    /// Its id; kinds without one derive it from their key.
    fn id(wire: &Self::Wire) -> Uuid {
        xero::Entity::id(wire)
    }

    /// The record.
    fn map(wire: Self::Wire) -> Result<Self::Record, Rejection>;

    /// What people call a record: its name or number.
    fn label(record: &Self::Record) -> String;

    /// Whether a record bears the mark of a create of ours, as it was written down with its intent.
    fn is_marked(_marker: &str, _record: &Self::Record) -> bool {
        false
    }

    /// Brings the amounts of the App's record up to date that follow from what the App changed since `base`.
    fn prepare(_record: &mut Self::Record, _base: &Self::Record, _rates: &crate::amounts::Rates) {}

    /// Points a document at another customer.
    fn set_customer(_record: &mut Self::Record, _customer: model::Ref) {}
}

/// Calls a generic function or method for the kind that a value names.
macro_rules! for_kind {
    ($kind:expr, $P:ident => $body:expr) => {
        match $kind {
            model::Kind::Account => {
                type $P = $crate::map::Accounts;
                $body
            }
            model::Kind::TaxRate => {
                type $P = $crate::map::TaxRates;
                $body
            }
            model::Kind::Customer => {
                type $P = $crate::map::Contacts;
                $body
            }
            model::Kind::Invoice => {
                type $P = $crate::map::Invoices;
                $body
            }
            model::Kind::CreditNote => {
                type $P = $crate::map::CreditNotes;
                $body
            }
            model::Kind::Prepayment => {
                type $P = $crate::map::Prepayments;
                $body
            }
            model::Kind::Overpayment => {
                type $P = $crate::map::Overpayments;
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
        }
    };
}
pub(crate) use for_kind;

pub(crate) use account::Accounts;
pub(crate) use bank_transaction::BankTransactions;
pub(crate) use contact::Contacts;
pub(crate) use invoice::Invoices;
pub(crate) use payment::Payments;
pub(crate) use tax_rate::TaxRates;

/// The names by which a kind's fields merge: fields, and groups of fields.
pub(crate) fn field_names(kind: Kind) -> Vec<&'static str> {
    fn of<R: model::Record>() -> Vec<&'static str> {
        let mut names: Vec<&'static str> =
            R::FIELDS.iter().map(|field| field.group.unwrap_or(field.name).trim_start_matches("r#")).collect();
        names.push("presence");
        names.dedup();
        names
    }
    for_kind!(kind, P => of::<<P as Pulled>::Record>())
}

/// An amount that may be missing.
fn amount(name: &str, value: Option<Decimal>) -> Result<Option<Amount>, Rejection> {
    value.map(Amount::try_from).transpose().map_err(|error| outside(name, &error))
}

/// An amount that counts as zero when it is missing.
fn amount_or_zero(name: &str, value: Option<Decimal>) -> Result<Amount, Rejection> {
    Ok(amount(name, value)?.unwrap_or_default())
}

/// An exchange rate that may be missing.
fn rate(name: &str, value: Option<Decimal>) -> Result<Option<Rate>, Rejection> {
    value.map(Rate::try_from).transpose().map_err(|error| outside(name, &error))
}

fn outside(name: &str, error: &AmountError) -> Rejection {
    Rejection(format!("{name}: {error}"))
}

/// Text, where an empty one says as much as none; U+0000 cannot stand in every database.
fn text(value: Option<String>) -> Option<String> {
    value.filter(|text| !text.is_empty()).map(printable)
}

/// Text of a column that is searched: an index holds no more than some kilobytes, and Xero's longest is 255 characters.
fn short(name: &str, value: Option<String>) -> Result<Option<String>, Rejection> {
    const MOST: usize = 500;
    let value = text(value);
    match value.as_ref().map(|text| text.chars().count()) {
        Some(length) if length > MOST => {
            Err(Rejection(format!("{name}: {length} characters, at most {MOST} make sense")))
        }
        _ => Ok(value),
    }
}

fn printable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// A reference by id; Xero writes the zero id where there is none.
fn reference(id: Option<Uuid>) -> Option<model::Ref> {
    id.filter(|id| !id.is_nil()).map(model::Ref::Xero)
}

/// A calendar date, where Xero's "unset" form (year 1, as on voided documents) is none.
fn date(value: Option<jiff::civil::Date>) -> Option<jiff::civil::Date> {
    value.filter(|date| !xero::scalars::is_unset(*date))
}

/// The App's status of a document (product.md S9).
fn document_status(status: Option<&xero::DocumentStatus>) -> (model::DocumentStatus, String) {
    use model::DocumentStatus as App;
    use xero::DocumentStatus as Xero;
    let Some(status) = status else { return (App::Other, String::new()) };
    let app = match status {
        Xero::Draft => App::Draft,
        Xero::Submitted | Xero::Authorised => App::Sent,
        Xero::Paid => App::Paid,
        Xero::Voided | Xero::Deleted => App::Cancelled,
        _ => App::Other,
    };
    (app, status.as_str().to_owned())
}

fn line_amount_types(
    types: Option<&xero::LineAmountTypes>,
    default: model::LineAmountTypes,
) -> Result<model::LineAmountTypes, Rejection> {
    match types {
        None => Ok(default),
        Some(xero::LineAmountTypes::Exclusive) => Ok(model::LineAmountTypes::Exclusive),
        Some(xero::LineAmountTypes::Inclusive) => Ok(model::LineAmountTypes::Inclusive),
        Some(xero::LineAmountTypes::NoTax) => Ok(model::LineAmountTypes::NoTax),
        // Its totals could not be understood.
        Some(other) => Err(Rejection(format!("line amount types {:?} are not known to this version", other.as_str()))),
    }
}
