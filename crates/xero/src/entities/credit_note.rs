//! Credit notes: needed on the pull side so that amounts due agree.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::shared::updated;
use super::{
    Allocatable, Allocation, ContactRef, DocumentStatus, Entity, InvoiceType, LineAmountTypes, LineItem, LineItemWrite,
    PaymentRef, Writable,
};
use crate::wire::model;

model! {
    /// A credit note to a customer (`ACCRECCREDIT`) or from a supplier (`ACCPAYCREDIT`).
    pub struct CreditNote {
        required {
            /// The key.
            #[serde(rename = "CreditNoteID")]
            pub credit_note_id: Uuid,
        }
        /// To a customer or from a supplier.
        #[serde(rename = "Type")]
        pub kind: Option<InvoiceType>,
        /// Unique for customers' credit notes.
        pub credit_note_number: Option<String>,
        /// Reference.
        pub reference: Option<String>,
        /// The customer or supplier.
        pub contact: Option<ContactRef>,
        /// A date in the organisation.
        pub date: Option<Date>,
        /// Due date, where set.
        pub due_date: Option<Date>,
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
        /// When nothing remained.
        pub fully_paid_on_date: Option<Date>,
        /// Whether it was marked as sent.
        pub sent_to_contact: Option<bool>,
        /// The branding theme.
        #[serde(rename = "BrandingThemeID")]
        pub branding_theme_id: Option<Uuid>,
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

model! {
    /// A credit note as it is sent. Allocating it is a second call.
    pub struct CreditNoteWrite {
        /// The credit note to update.
        #[serde(rename = "CreditNoteID")]
        pub credit_note_id: Option<Uuid>,
        /// To a customer or from a supplier.
        #[serde(rename = "Type")]
        pub kind: Option<InvoiceType>,
        /// Left out on a customer's, Xero numbers it.
        pub credit_note_number: Option<String>,
        /// Reference.
        pub reference: Option<String>,
        /// Send the id only.
        pub contact: Option<ContactRef>,
        /// Date.
        pub date: Option<Date>,
        /// The status to move to.
        pub status: Option<DocumentStatus>,
        /// How the lines relate to tax.
        pub line_amount_types: Option<LineAmountTypes>,
        /// Left out, the lines stay; sent, lines that are not listed are deleted.
        pub line_items: Option<Vec<LineItemWrite>>,
        /// ISO 4217 code.
        pub currency_code: Option<String>,
        /// Up to 6 decimals.
        pub currency_rate: Option<Decimal>,
        /// The branding theme.
        #[serde(rename = "BrandingThemeID")]
        pub branding_theme_id: Option<Uuid>,
    }
}

impl Entity for CreditNote {
    const PATH: &'static str = "CreditNotes";
    const COLLECTION: &'static str = "CreditNotes";
    const ID: &'static str = "CreditNoteID";
    const HAS_IMS: bool = true;
    const PAGED: bool = true;
    const HAS_LINES: bool = true;

    fn id(&self) -> Uuid {
        self.credit_note_id
    }

    fn updated(&self) -> Option<Timestamp> {
        updated(self.updated_date_utc, self.updated_date_utc_string)
    }
}

impl Writable for CreditNote {
    type Write = CreditNoteWrite;
}

impl Allocatable for CreditNote {}
