//! Prepayments: money received or spent before there is an invoice. Read only here; Xero makes them from bank transactions.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::shared::updated;
use super::{Allocatable, Allocation, ContactRef, DocumentStatus, Entity, LineAmountTypes, LineItem, PaymentRef};
use crate::wire::{model, open_enum};

open_enum! {
    /// Which way the money went.
    pub enum PrepaymentType {
        Receive = "RECEIVE-PREPAYMENT",
        Spend = "SPEND-PREPAYMENT",
        Ar = "ARPREPAYMENT",
        Ap = "APPREPAYMENT",
    }
}

model! {
    /// Money received or spent before there is an invoice for it.
    pub struct Prepayment {
        required {
            /// The key.
            #[serde(rename = "PrepaymentID")]
            pub prepayment_id: Uuid,
        }
        /// Which way the money went.
        #[serde(rename = "Type")]
        pub kind: Option<PrepaymentType>,
        /// The invoice's number, repeated.
        pub reference: Option<String>,
        /// The invoice's number.
        pub invoice_number: Option<String>,
        /// The customer or supplier.
        pub contact: Option<ContactRef>,
        /// A date in the organisation.
        pub date: Option<Date>,
        /// The status; `PAID` when nothing remains.
        pub status: Option<DocumentStatus>,
        /// How the lines relate to tax.
        pub line_amount_types: Option<LineAmountTypes>,
        /// The lines.
        pub line_items: Vec<LineItem>,
        /// Without tax.
        pub sub_total: Option<Decimal>,
        /// Tax.
        pub total_tax: Option<Decimal>,
        /// With tax.
        pub total: Option<Decimal>,
        /// Not yet applied or refunded.
        pub remaining_credit: Option<Decimal>,
        /// Applied so far.
        pub applied_amount: Option<Decimal>,
        /// ISO 4217 code.
        pub currency_code: Option<String>,
        /// Units of the document's currency per unit of the base currency.
        pub currency_rate: Option<Decimal>,
        /// Whether there are attachments.
        pub has_attachments: Option<bool>,
        /// Applications to invoices.
        pub allocations: Vec<Allocation>,
        /// Refunds.
        pub payments: Vec<PaymentRef>,
        /// When it was last changed, to the millisecond.
        #[serde(rename = "UpdatedDateUTC")]
        pub updated_date_utc: Option<Timestamp>,
        /// The same cut to the second.
        #[serde(rename = "UpdatedDateUTCString")]
        pub updated_date_utc_string: Option<Timestamp>,
    }
}

impl Entity for Prepayment {
    const PATH: &'static str = "Prepayments";
    const COLLECTION: &'static str = "Prepayments";
    const ID: &'static str = "PrepaymentID";
    const HAS_IMS: bool = true;
    const PAGED: bool = true;
    const HAS_LINES: bool = true;

    fn id(&self) -> Uuid {
        self.prepayment_id
    }

    fn updated(&self) -> Option<Timestamp> {
        updated(self.updated_date_utc, self.updated_date_utc_string)
    }
}

impl Allocatable for Prepayment {}
