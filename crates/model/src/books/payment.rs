//! Payments against invoices, bills and credits.

use jiff::civil::Date;

use crate::record::record;
use crate::{Amount, Field, Kind, PaymentMethod, PaymentStatus, Rate, Record, Ref};

record! {
    /// A payment. It is made and deleted, never edited (Xero's rule).
    Payment {
        /// The invoice or bill that it pays.
        both invoice["target"]: Option<Ref>,
        /// The credit note that it refunds.
        both credit_note["target"]: Option<Ref>,
        /// The prepayment that it refunds.
        both prepayment["target"]: Option<Ref>,
        /// The overpayment that it refunds.
        both overpayment["target"]: Option<Ref>,
        /// The account that the money went through.
        both account: Option<Ref>,
        /// Calendar date.
        both date: Option<Date>,
        /// In the currency of the document.
        both amount["money"]: Amount,
        /// In the currency of the account, where Xero tells it.
        xero bank_amount: Option<Amount>,
        /// Units of the document's currency for one of the base currency.
        both currency_rate["money"]: Option<Rate>,
        /// Reference.
        both reference: Option<String>,
        /// How it was made.
        both method: PaymentMethod,
        /// Xero's payment type, word for word.
        xero payment_type: Option<String>,
        /// The App's status.
        both status: PaymentStatus,
        /// Xero's own status, word for word.
        xero xero_status: String,
        /// Matched with a line of a bank statement in Xero.
        xero is_reconciled: bool,
    }
}

impl Record for Payment {
    const FIELDS: &'static [Field] = Self::TABLE;

    fn references(&self) -> Vec<(Kind, Ref)> {
        [
            (Kind::Invoice, self.invoice),
            (Kind::CreditNote, self.credit_note),
            (Kind::Prepayment, self.prepayment),
            (Kind::Overpayment, self.overpayment),
            (Kind::Account, self.account),
        ]
        .into_iter()
        .filter_map(|(kind, target)| target.map(|target| (kind, target)))
        .collect()
    }

    fn is_live(&self) -> bool {
        self.status != PaymentStatus::Cancelled
    }
}
