//! Bank transactions: money spent and received without an invoice.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{AccountRef, ContactRef, Entity, LineAmountTypes, LineItem, LineItemWrite, Writable};
use crate::wire::{model, open_enum};

open_enum! {
    /// What a bank transaction is. Only `SPEND` and `RECEIVE` can be changed or deleted.
    pub enum BankTransactionType {
        Receive = "RECEIVE",
        ReceiveOverpayment = "RECEIVE-OVERPAYMENT",
        ReceivePrepayment = "RECEIVE-PREPAYMENT",
        ReceiveTransfer = "RECEIVE-TRANSFER",
        Spend = "SPEND",
        SpendOverpayment = "SPEND-OVERPAYMENT",
        SpendPrepayment = "SPEND-PREPAYMENT",
        SpendTransfer = "SPEND-TRANSFER",
    }
}

open_enum! {
    /// Whether a bank transaction stands.
    pub enum BankTransactionStatus {
        Authorised = "AUTHORISED",
        Deleted = "DELETED",
        Voided = "VOIDED",
    }
}

model! {
    /// Money spent or received on a bank account.
    pub struct BankTransaction {
        required {
            /// The key.
            #[serde(rename = "BankTransactionID")]
            pub bank_transaction_id: Uuid,
        }
        /// What it is.
        #[serde(rename = "Type")]
        pub kind: Option<BankTransactionType>,
        /// Whether it stands.
        pub status: Option<BankTransactionStatus>,
        /// The payer or payee.
        pub contact: Option<ContactRef>,
        /// The bank account.
        pub bank_account: Option<AccountRef>,
        /// A date in the organisation.
        pub date: Option<Date>,
        /// Reference.
        pub reference: Option<String>,
        /// How the lines relate to tax; `Inclusive` by default here.
        pub line_amount_types: Option<LineAmountTypes>,
        /// The lines.
        pub line_items: Vec<LineItem>,
        /// Without tax.
        pub sub_total: Option<Decimal>,
        /// Tax.
        pub total_tax: Option<Decimal>,
        /// With tax.
        pub total: Option<Decimal>,
        /// ISO 4217 code.
        pub currency_code: Option<String>,
        /// Units of the transaction's currency per unit of the base currency.
        pub currency_rate: Option<Decimal>,
        /// Whether it is matched to a bank statement line; then it cannot be changed.
        pub is_reconciled: Option<bool>,
        /// A link to the source document.
        pub url: Option<String>,
        /// The prepayment that it made.
        #[serde(rename = "PrepaymentID")]
        pub prepayment_id: Option<Uuid>,
        /// The overpayment that it made.
        #[serde(rename = "OverpaymentID")]
        pub overpayment_id: Option<Uuid>,
        /// Whether there are attachments.
        pub has_attachments: Option<bool>,
        /// When it was last changed.
        #[serde(rename = "UpdatedDateUTC")]
        pub updated_date_utc: Option<Timestamp>,
    }
}

model! {
    /// A bank transaction as it is sent. What is not sent stays as it is.
    pub struct BankTransactionWrite {
        /// The transaction to update.
        #[serde(rename = "BankTransactionID")]
        pub bank_transaction_id: Option<Uuid>,
        /// `SPEND` or `RECEIVE`, or one of the prepayment and overpayment types on create.
        #[serde(rename = "Type")]
        pub kind: Option<BankTransactionType>,
        /// `DELETED` deletes.
        pub status: Option<BankTransactionStatus>,
        /// Send the id only.
        pub contact: Option<ContactRef>,
        /// A bank account, by id or code.
        pub bank_account: Option<AccountRef>,
        /// Date.
        pub date: Option<Date>,
        /// Reference.
        pub reference: Option<String>,
        /// How the lines relate to tax.
        pub line_amount_types: Option<LineAmountTypes>,
        /// Left out, the lines stay; sent, lines that are not listed are deleted.
        pub line_items: Option<Vec<LineItemWrite>>,
        /// ISO 4217 code.
        pub currency_code: Option<String>,
        /// Up to 6 decimals.
        pub currency_rate: Option<Decimal>,
        /// A link to the source document.
        pub url: Option<String>,
    }
}

impl Entity for BankTransaction {
    const PATH: &'static str = "BankTransactions";
    const COLLECTION: &'static str = "BankTransactions";
    const ID: &'static str = "BankTransactionID";
    const HAS_IMS: bool = true;
    const PAGED: bool = true;
    const HAS_LINES: bool = true;

    fn id(&self) -> Uuid {
        self.bank_transaction_id
    }

    fn updated(&self) -> Option<Timestamp> {
        self.updated_date_utc
    }
}

impl Writable for BankTransaction {
    type Write = BankTransactionWrite;
}
