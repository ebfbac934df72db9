//! Credit notes, prepayments and overpayments: money that reduces what is due on invoices.

use jiff::civil::Date;
use uuid::Uuid;

use crate::record::{Listed, record};
use crate::{Amount, DocumentStatus, Field, Kind, Line, LineAmountTypes, Rate, Record, Ref};

record! {
    /// A part of a credit that settles a part of an invoice.
    Allocation {
        /// Xero's id of the allocation, where it tells one.
        xero xero_allocation_id: Option<Uuid>,
        /// The invoice.
        xero invoice: Option<Ref>,
        /// In the currency of the credit.
        xero amount: Amount,
        /// Calendar date.
        xero date: Option<Date>,
    }
}

record! {
    /// A credit note, prepayment or overpayment. Tieout reads these; it does not write them.
    Credit {
        /// Xero's type, for example `ACCRECCREDIT` or `RECEIVE-PREPAYMENT`.
        xero r#type: String,
        /// Number of a credit note.
        xero number: Option<String>,
        /// Reference.
        xero reference: Option<String>,
        /// Whom it is to, or from.
        xero customer: Option<Ref>,
        /// Calendar date of the document.
        xero date: Option<Date>,
        /// The App's status.
        xero status: DocumentStatus,
        /// Xero's own status, word for word.
        xero xero_status: String,
        /// ISO 4217 code.
        xero currency: Option<String>,
        /// Units of this currency for one of the base currency.
        xero currency_rate: Option<Rate>,
        /// Whether line amounts contain tax.
        xero line_amount_types: LineAmountTypes,
        /// The line items, in order.
        xero lines: Vec<Line>,
        /// Sum of the lines without tax.
        xero sub_total: Amount,
        /// Sum of the lines' tax.
        xero total_tax: Amount,
        /// What it is worth in all.
        xero total: Amount,
        /// What is not yet allocated or refunded.
        xero remaining_credit: Amount,
        /// What it has settled.
        xero allocations: Vec<Allocation>,
    }
}

impl Listed for Allocation {}

impl Record for Credit {
    const FIELDS: &'static [Field] = Self::TABLE;
    const TWO_WAY: bool = false;

    fn references(&self) -> Vec<(Kind, Ref)> {
        let customer = self.customer.map(|customer| (Kind::Customer, customer));
        let invoices = self.allocations.iter().filter_map(|part| part.invoice.map(|invoice| (Kind::Invoice, invoice)));
        customer.into_iter().chain(invoices).collect()
    }

    fn is_live(&self) -> bool {
        self.status != DocumentStatus::Cancelled
    }
}
