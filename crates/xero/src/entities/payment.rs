//! Payments: facts that are created and deleted, never changed.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::shared::updated;
use super::{AccountRef, CreditNoteRef, Entity, InvoiceRef, OverpaymentRef, PrepaymentRef, Writable};
use crate::wire::{model, open_enum};

open_enum! {
    /// Whether a payment stands.
    pub enum PaymentStatus {
        Authorised = "AUTHORISED",
        Deleted = "DELETED",
    }
}

open_enum! {
    /// What a payment pays.
    pub enum PaymentType {
        AccRecPayment = "ACCRECPAYMENT",
        AccPayPayment = "ACCPAYPAYMENT",
        ArCreditPayment = "ARCREDITPAYMENT",
        ApCreditPayment = "APCREDITPAYMENT",
        ArOverpaymentPayment = "AROVERPAYMENTPAYMENT",
        ArPrepaymentPayment = "ARPREPAYMENTPAYMENT",
        ApPrepaymentPayment = "APPREPAYMENTPAYMENT",
        ApOverpaymentPayment = "APOVERPAYMENTPAYMENT",
    }
}

model! {
    /// A payment of an invoice, or a refund of a credit note, prepayment or overpayment.
    pub struct Payment {
        required {
            /// The key.
            #[serde(rename = "PaymentID")]
            pub payment_id: Uuid,
        }
        /// Set when the payment is part of a batch; such a payment cannot be deleted alone.
        #[serde(rename = "BatchPaymentID")]
        pub batch_payment_id: Option<Uuid>,
        /// A date in the organisation.
        pub date: Option<Date>,
        /// In the document's currency.
        pub amount: Option<Decimal>,
        /// In the account's currency.
        pub bank_amount: Option<Decimal>,
        /// Units of the document's currency per unit of the base currency.
        pub currency_rate: Option<Decimal>,
        /// Reference.
        pub reference: Option<String>,
        /// What it pays.
        pub payment_type: Option<PaymentType>,
        /// Whether it stands.
        pub status: Option<PaymentStatus>,
        /// Whether it is matched to a bank statement line.
        pub is_reconciled: Option<bool>,
        /// Whether the account is known.
        pub has_account: Option<bool>,
        /// The account that the money moved on.
        pub account: Option<AccountRef>,
        /// The invoice or bill.
        pub invoice: Option<InvoiceRef>,
        /// The credit note that is refunded.
        pub credit_note: Option<CreditNoteRef>,
        /// The prepayment that is refunded.
        pub prepayment: Option<PrepaymentRef>,
        /// The overpayment that is refunded.
        pub overpayment: Option<OverpaymentRef>,
        /// When it was last changed, to the millisecond.
        #[serde(rename = "UpdatedDateUTC")]
        pub updated_date_utc: Option<Timestamp>,
        /// The same cut to the second.
        #[serde(rename = "UpdatedDateUTCString")]
        pub updated_date_utc_string: Option<Timestamp>,
    }
}

model! {
    /// A payment as it is sent: all of it on create, the status alone to delete.
    pub struct PaymentWrite {
        /// The invoice or bill to pay: id only. Exactly one of the four targets on create.
        pub invoice: Option<InvoiceRef>,
        /// The credit note to refund.
        pub credit_note: Option<CreditNoteRef>,
        /// The prepayment to refund.
        pub prepayment: Option<PrepaymentRef>,
        /// The overpayment to refund.
        pub overpayment: Option<OverpaymentRef>,
        /// A bank account, or one that takes payments.
        pub account: Option<AccountRef>,
        /// Date.
        pub date: Option<Date>,
        /// At most what is due, in the document's currency.
        pub amount: Option<Decimal>,
        /// For documents in another currency.
        pub currency_rate: Option<Decimal>,
        /// Make it unique: payments have no natural key.
        pub reference: Option<String>,
        /// `DELETED`, by [`crate::Books::post_one`].
        pub status: Option<PaymentStatus>,
    }
}

impl PaymentWrite {
    /// The change that deletes a payment.
    pub fn deletion() -> PaymentWrite {
        PaymentWrite { status: Some(PaymentStatus::Deleted), ..PaymentWrite::default() }
    }
}

impl Entity for Payment {
    const PATH: &'static str = "Payments";
    const COLLECTION: &'static str = "Payments";
    const ID: &'static str = "PaymentID";
    const HAS_IMS: bool = true;
    const PAGED: bool = true;

    fn id(&self) -> Uuid {
        self.payment_id
    }

    fn updated(&self) -> Option<Timestamp> {
        updated(self.updated_date_utc, self.updated_date_utc_string)
    }
}

impl Writable for Payment {
    type Write = PaymentWrite;
}
