//! Money spent or received directly through a bank account.

use jiff::civil::Date;

use crate::record::record;
use crate::{Amount, Field, Keyed, Kind, Line, LineAmountTypes, PaymentStatus, Rate, Record, Ref};

record! {
    /// A bank transaction.
    BankTransaction {
        /// `SPEND`, `RECEIVE`, or one of Xero's read-only kinds such as `SPEND-TRANSFER`.
        both r#type: String,
        /// Whom the money went to, or came from.
        both customer: Option<Ref>,
        /// The bank account.
        both account: Option<Ref>,
        /// Calendar date.
        both date: Option<Date>,
        /// Reference.
        both reference: Option<String>,
        /// The App's status.
        both status: PaymentStatus,
        /// Xero's own status, word for word.
        xero xero_status: String,
        /// ISO 4217 code.
        both currency["money"]: Option<String>,
        /// Units of this currency for one of the base currency.
        both currency_rate["money"]: Option<Rate>,
        /// Whether line amounts contain tax.
        both line_amount_types["lines"]: LineAmountTypes,
        /// The line items, in order.
        both lines["lines"]: Vec<Line>,
        /// Sum of the lines without tax.
        xero sub_total: Amount,
        /// Sum of the lines' tax.
        xero total_tax: Amount,
        /// What moved in all.
        xero total: Amount,
        /// Matched with a line of a bank statement in Xero.
        xero is_reconciled: bool,
    }
}

impl Record for BankTransaction {
    const FIELDS: &'static [Field] = Self::TABLE;
    const KEYED: &'static [Keyed] = Line::KEYED;

    fn references(&self) -> Vec<(Kind, Ref)> {
        [(Kind::Customer, self.customer), (Kind::Account, self.account)]
            .into_iter()
            .filter_map(|(kind, target)| target.map(|target| (kind, target)))
            .collect()
    }

    fn is_live(&self) -> bool {
        self.status != PaymentStatus::Cancelled
    }
}
