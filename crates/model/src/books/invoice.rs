//! Invoices and bills, and the line items that every document shares.

use jiff::civil::Date;
use serde_json::Value;
use uuid::Uuid;

use crate::record::{Listed, record};
use crate::{Amount, DocumentStatus, Field, Keyed, Kind, LineAmountTypes, List, Rate, Record, Ref};

record! {
    /// One choice of a tracking category on a line.
    Tracking {
        /// Name of the category.
        both category: String,
        /// Name of the option.
        both option: String,
    }
}

record! {
    /// One line item. What its amounts are made of only makes sense together, and merges as one.
    Line {
        /// Xero's id of the line, once it has one; lines are merged by it.
        xero xero_line_id: Option<Uuid>,
        /// What it is for; a line may consist of nothing else.
        both description: Option<String>,
        /// Quantity, four decimals.
        both quantity["amounts"]: Option<Amount>,
        /// Price of one, four decimals.
        both unit_amount["amounts"]: Option<Amount>,
        /// Discount in percent.
        both discount_rate["amounts"]: Option<Amount>,
        /// Discount as an amount.
        both discount_amount["amounts"]: Option<Amount>,
        /// Code of the ledger account.
        both account_code: Option<String>,
        /// Code of the tax rate.
        both tax_type["amounts"]: Option<String>,
        /// Tax of the line.
        both tax_amount["amounts"]: Option<Amount>,
        /// Quantity times price less discount, rounded to two decimals.
        both line_amount["amounts"]: Option<Amount>,
        /// Code of the item sold or bought.
        both item_code: Option<String>,
        /// At most two categories.
        both tracking: Vec<Tracking>,
    }
}

record! {
    /// A sales invoice or a bill.
    Invoice {
        /// `ACCREC` for a sales invoice, `ACCPAY` for a bill.
        both r#type: String,
        /// Number: unique for sales invoices, free for bills.
        both number: Option<String>,
        /// Reference of a sales invoice.
        both reference: Option<String>,
        /// Whom it is to, or from.
        both customer: Option<Ref>,
        /// Calendar date of the document.
        both date: Option<Date>,
        /// Calendar date by which it is due.
        both due_date: Option<Date>,
        /// The App's status.
        both status: DocumentStatus,
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
        /// What is to be paid in all.
        xero total: Amount,
        /// What is still to be paid.
        xero amount_due: Amount,
        /// What payments have settled.
        xero amount_paid: Amount,
        /// What credit notes, prepayments and overpayments have settled.
        xero amount_credited: Amount,
        /// Calendar date on which nothing was due any more.
        xero fully_paid_on: Option<Date>,
    }
}

impl Listed for Tracking {}

impl Listed for Line {
    const LIST: Option<List> = Some(List::Lines);
}

impl Line {
    /// How documents' lines merge: by Xero's id of the line, and inside a line by its fields and groups.
    pub(crate) const KEYED: &'static [Keyed] = &[Keyed { field: "lines", key: "xero_line_id", parts: Self::TABLE }];
}

impl Record for Invoice {
    const FIELDS: &'static [Field] = Self::TABLE;
    const KEYED: &'static [Keyed] = Line::KEYED;

    fn references(&self) -> Vec<(Kind, Ref)> {
        self.customer.map(|customer| (Kind::Customer, customer)).into_iter().collect()
    }

    fn is_live(&self) -> bool {
        self.status != DocumentStatus::Cancelled
    }

    /// Overdue is the App's word for sent and late: Xero knows it as sent.
    fn same(field: &str, app: &Value, xero: &Value) -> bool {
        let word = |value: &Value| match value.as_str() {
            Some("OVERDUE") if field == "status" => Value::from("SENT"),
            _ => value.clone(),
        };
        app == xero || word(app) == word(xero)
    }
}
