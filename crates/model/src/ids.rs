//! Names of things: kinds of record, organisations, connections, references.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An organisation: a tenant of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrgId(pub i64);

/// A connection: one organisation's link to one Xero tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionId(pub i64);

impl fmt::Display for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What one record refers to another by.
///
/// A record that is already in Xero is named by its Xero id, so that a base compares equal whatever local ids are; one
/// that Xero has not seen yet can only be named by its local id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Ref {
    /// Known to Xero by this id.
    Xero(Uuid),
    /// Known only to the App so far.
    Local(i64),
}

impl Ref {
    /// The Xero id, if the record has one.
    pub fn xero(self) -> Option<Uuid> {
        match self {
            Self::Xero(id) => Some(id),
            Self::Local(_) => None,
        }
    }
}

/// The kinds of record that are linked one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A ledger account of the chart of accounts.
    Account,
    /// A tax rate.
    TaxRate,
    /// A customer or supplier: Xero's contact.
    Customer,
    /// A sales invoice (`ACCREC`) or a bill (`ACCPAY`).
    Invoice,
    /// A credit note.
    CreditNote,
    /// Money received or paid before there is an invoice.
    Prepayment,
    /// Money received or paid beyond what was due.
    Overpayment,
    /// A payment against an invoice or a credit.
    Payment,
    /// Money spent or received directly through a bank account.
    BankTransaction,
}

impl Kind {
    /// Every kind, parents before children: the order in which a pull reads them.
    pub const ALL: [Self; 9] = [
        Self::Account,
        Self::TaxRate,
        Self::Customer,
        Self::Invoice,
        Self::CreditNote,
        Self::Prepayment,
        Self::Overpayment,
        Self::Payment,
        Self::BankTransaction,
    ];

    /// The name in the database, the API, logs and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::TaxRate => "tax_rate",
            Self::Customer => "customer",
            Self::Invoice => "invoice",
            Self::CreditNote => "credit_note",
            Self::Prepayment => "prepayment",
            Self::Overpayment => "overpayment",
            Self::Payment => "payment",
            Self::BankTransaction => "bank_transaction",
        }
    }

    /// Whether changes of the App go to Xero too; the other kinds are only read from Xero.
    pub const fn is_two_way(self) -> bool {
        matches!(self, Self::Customer | Self::Invoice | Self::Payment | Self::BankTransaction)
    }

    /// The plural that people read.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Account => "accounts",
            Self::TaxRate => "tax rates",
            Self::Customer => "customers",
            Self::Invoice => "invoices",
            Self::CreditNote => "credit notes",
            Self::Prepayment => "prepayments",
            Self::Overpayment => "overpayments",
            Self::Payment => "payments",
            Self::BankTransaction => "bank transactions",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A kind that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown kind {0:?}; known kinds: account, tax_rate, customer, invoice, credit_note, prepayment, overpayment, payment, bank_transaction"
)]
pub struct UnknownKind(pub String);

impl FromStr for Kind {
    type Err = UnknownKind;

    /// Accepts the singular and the plural, with `_`, `-` or a space between words, and Xero's word `contact`.
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let wanted = text.trim().to_ascii_lowercase().replace(['-', ' '], "_");
        let wanted = match wanted.as_str() {
            "contact" | "contacts" => "customer",
            other => other,
        };
        Self::ALL
            .into_iter()
            .find(|kind| wanted == kind.as_str() || wanted == kind.plural().replace(' ', "_"))
            .ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_parses_from_its_own_names() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(kind.plural().parse(), Ok(kind));
        }
        assert_eq!("Contacts".parse(), Ok(Kind::Customer));
        assert!("quote".parse::<Kind>().is_err());
    }

    #[test]
    fn references_keep_their_form_in_json() {
        let xero = Ref::Xero(Uuid::from_u128(7));
        let text = serde_json::to_string(&xero).unwrap();
        assert_eq!(serde_json::from_str::<Ref>(&text).unwrap(), xero);
        assert_eq!(serde_json::from_str::<Ref>("12").unwrap(), Ref::Local(12));
    }
}
