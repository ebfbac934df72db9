//! Invoices: sales invoices (`ACCREC`) and bills (`ACCPAY`).

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::shared::updated;
use super::{
    ContactRef, CreditNoteRef, DocumentStatus, Entity, LineAmountTypes, LineItem, LineItemWrite, OverpaymentRef, Param,
    PaymentRef, PrepaymentRef, Writable,
};
use crate::wire::{model, open_enum};

open_enum! {
    /// Sale or bill; the credit types appear in documents nested in payments.
    pub enum InvoiceType {
        AccRec = "ACCREC",
        AccPay = "ACCPAY",
        AccRecCredit = "ACCRECCREDIT",
        AccPayCredit = "ACCPAYCREDIT",
        ArOverpayment = "AROVERPAYMENT",
        ArPrepayment = "ARPREPAYMENT",
        ApOverpayment = "APOVERPAYMENT",
        ApPrepayment = "APPREPAYMENT",
    }
}

model! {
    /// A sales invoice or a bill.
    pub struct Invoice {
        required {
            /// The key.
            #[serde(rename = "InvoiceID")]
            pub invoice_id: Uuid,
        }
        /// Sale or bill.
        #[serde(rename = "Type")]
        pub kind: Option<InvoiceType>,
        /// Unique for sales; free text for bills.
        pub invoice_number: Option<String>,
        /// Sales only.
        pub reference: Option<String>,
        /// The customer or supplier.
        pub contact: Option<ContactRef>,
        /// Invoice date, a date in the organisation.
        pub date: Option<Date>,
        /// Due date, a date in the organisation.
        pub due_date: Option<Date>,
        /// The status. `PAID` is set by Xero only.
        pub status: Option<DocumentStatus>,
        /// How the lines relate to tax.
        pub line_amount_types: Option<LineAmountTypes>,
        /// The lines; empty in lists without pages and in summaries.
        pub line_items: Vec<LineItem>,
        /// Without tax.
        pub sub_total: Option<Decimal>,
        /// Tax.
        pub total_tax: Option<Decimal>,
        /// With tax.
        pub total: Option<Decimal>,
        /// Sum of discounts.
        pub total_discount: Option<Decimal>,
        /// `Total - AmountPaid - AmountCredited`.
        pub amount_due: Option<Decimal>,
        /// Sum of live payments.
        pub amount_paid: Option<Decimal>,
        /// Sum of live allocations of credit notes, prepayments and overpayments.
        pub amount_credited: Option<Decimal>,
        /// ISO 4217 code.
        pub currency_code: Option<String>,
        /// Units of the document's currency per unit of the base currency, up to 10 decimals.
        pub currency_rate: Option<Decimal>,
        /// When it became fully paid.
        pub fully_paid_on_date: Option<Date>,
        /// When the customer is expected to pay; sales.
        pub expected_payment_date: Option<Date>,
        /// When it is planned to be paid; bills.
        pub planned_payment_date: Option<Date>,
        /// Whether it was marked as sent.
        pub sent_to_contact: Option<bool>,
        /// A link to the source document.
        pub url: Option<String>,
        /// The branding theme.
        #[serde(rename = "BrandingThemeID")]
        pub branding_theme_id: Option<Uuid>,
        /// The template that it was made from.
        #[serde(rename = "RepeatingInvoiceID")]
        pub repeating_invoice_id: Option<Uuid>,
        /// Whether there are attachments.
        pub has_attachments: Option<bool>,
        /// Whether a line has a discount.
        pub is_discounted: Option<bool>,
        /// Payments; absent in answers to writes.
        pub payments: Vec<PaymentRef>,
        /// Credit notes applied; absent in answers to writes.
        pub credit_notes: Vec<CreditNoteRef>,
        /// Prepayments applied.
        pub prepayments: Vec<PrepaymentRef>,
        /// Overpayments applied.
        pub overpayments: Vec<OverpaymentRef>,
        /// When it was last changed, to the millisecond.
        #[serde(rename = "UpdatedDateUTC")]
        pub updated_date_utc: Option<Timestamp>,
        /// The same cut to the second.
        #[serde(rename = "UpdatedDateUTCString")]
        pub updated_date_utc_string: Option<Timestamp>,
    }
}

model! {
    /// An invoice or bill as it is sent. What is not sent stays as it is.
    pub struct InvoiceWrite {
        /// The invoice to update; left out, Xero matches sales by number.
        #[serde(rename = "InvoiceID")]
        pub invoice_id: Option<Uuid>,
        /// Sale or bill.
        #[serde(rename = "Type")]
        pub kind: Option<InvoiceType>,
        /// Left out on a sale, Xero numbers it.
        pub invoice_number: Option<String>,
        /// Sales only.
        pub reference: Option<String>,
        /// Send the id only: other fields change the contact, and an unknown name creates one.
        pub contact: Option<ContactRef>,
        /// Invoice date.
        pub date: Option<Date>,
        /// Due date.
        pub due_date: Option<Date>,
        /// The status to move to.
        pub status: Option<DocumentStatus>,
        /// How the lines relate to tax.
        pub line_amount_types: Option<LineAmountTypes>,
        /// Left out, the lines stay; sent, lines that are not listed are deleted.
        pub line_items: Option<Vec<LineItemWrite>>,
        /// ISO 4217 code; the organisation must subscribe to it.
        pub currency_code: Option<String>,
        /// Up to 6 decimals.
        pub currency_rate: Option<Decimal>,
        /// When the customer is expected to pay; sales.
        pub expected_payment_date: Option<Date>,
        /// When it is planned to be paid; bills.
        pub planned_payment_date: Option<Date>,
        /// Settable once authorised.
        pub sent_to_contact: Option<bool>,
        /// A link to the source document.
        pub url: Option<String>,
        /// The branding theme.
        #[serde(rename = "BrandingThemeID")]
        pub branding_theme_id: Option<Uuid>,
    }
}

impl Entity for Invoice {
    const PATH: &'static str = "Invoices";
    const COLLECTION: &'static str = "Invoices";
    const ID: &'static str = "InvoiceID";
    const HAS_IMS: bool = true;
    const PAGED: bool = true;
    const HAS_LINES: bool = true;
    const PARAMS: &'static [Param] = &[
        Param::Ids,
        Param::InvoiceNumbers,
        Param::ContactIds,
        Param::Statuses,
        Param::IncludeArchived,
        Param::SummaryOnly,
        Param::CreatedByMyApp,
        Param::SearchTerm,
    ];

    fn id(&self) -> Uuid {
        self.invoice_id
    }

    fn updated(&self) -> Option<Timestamp> {
        updated(self.updated_date_utc, self.updated_date_utc_string)
    }
}

impl Writable for Invoice {
    type Write = InvoiceWrite;
}
