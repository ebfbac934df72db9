//! Documents with lines: invoices and bills, credit notes, prepayments, overpayments, bank transactions; and payments.

use jiff::civil::Date;
use uuid::Uuid;

use super::scalar::{Amount, CurrencyCode, Millis, Rate, Text, words};
use super::table::{Key, Row};

words! {
    /// Sales invoice or bill.
    InvoiceType {
        /// Sales invoice (accounts receivable).
        AccRec = "ACCREC",
        /// Bill (accounts payable).
        AccPay = "ACCPAY",
    }
}

words! {
    /// Status of an invoice, bill, credit note, prepayment or overpayment. PAID is set by the system only.
    DocumentStatus {
        /// Being written.
        Draft = "DRAFT",
        /// Waiting for approval.
        Submitted = "SUBMITTED",
        /// Approved, in the ledger.
        Authorised = "AUTHORISED",
        /// Nothing left to pay.
        Paid = "PAID",
        /// Approved and taken back; terminal.
        Voided = "VOIDED",
        /// Thrown away before approval; terminal.
        Deleted = "DELETED",
    }
}

words! {
    /// Whether line amounts contain tax.
    LineAmountTypes {
        /// Tax comes on top.
        Exclusive = "Exclusive",
        /// Tax is inside.
        Inclusive = "Inclusive",
        /// No tax at all.
        NoTax = "NoTax",
    }
}

/// A discount on one line of a sales invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Discount {
    /// None.
    #[default]
    None,
    /// Percent of quantity × unit amount.
    Rate(Amount),
    /// An amount taken off quantity × unit amount.
    Amount(Amount),
}

/// A tracking option on a line; at most two per line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineTracking {
    /// The category.
    pub category: Uuid,
    /// The option in it.
    pub option: Uuid,
}

/// One line of a document.
#[derive(Debug, Clone)]
pub struct Line {
    /// `LineItemID`.
    pub id: Uuid,
    /// Text; a line may have nothing else.
    pub description: Option<Text>,
    /// Up to 4 decimals.
    pub quantity: Option<Amount>,
    /// Up to 4 decimals; shown with 2 unless `unitdp=4`.
    pub unit_amount: Option<Amount>,
    /// Rounded to cents, after discount; contains tax when the document is Inclusive.
    pub line_amount: Amount,
    /// Tax of the line.
    pub tax_amount: Amount,
    /// Discount (sales invoices only).
    pub discount: Discount,
    /// The account; its code may change, its id does not.
    pub account: Option<Uuid>,
    /// Tax type code such as `OUTPUT2`.
    pub tax_type: Option<Text>,
    /// Item code.
    pub item_code: Option<Text>,
    /// Tracking, at most two.
    pub tracking: Vec<LineTracking>,
}

/// An invoice (ACCREC) or bill (ACCPAY).
#[derive(Debug, Clone)]
pub struct Invoice {
    /// Key.
    pub id: Uuid,
    /// ACCREC or ACCPAY.
    pub kind: InvoiceType,
    /// Unique on ACCREC; free on ACCPAY, where the user interface calls it the reference.
    pub number: Option<Text>,
    /// ACCREC only.
    pub reference: Option<Text>,
    /// The contact.
    pub contact: Uuid,
    /// Document date in the organisation's calendar.
    pub date: Date,
    /// Due date in the organisation's calendar.
    pub due_date: Option<Date>,
    /// Status.
    pub status: DocumentStatus,
    /// Whether line amounts contain tax.
    pub line_amount_types: LineAmountTypes,
    /// Lines in order.
    pub lines: Vec<Line>,
    /// Without tax.
    pub sub_total: Amount,
    /// Sum of the lines' tax.
    pub total_tax: Amount,
    /// `sub_total + total_tax`.
    pub total: Amount,
    /// Sum of discounts; shown when not zero.
    pub total_discount: Amount,
    /// `total − amount_paid − amount_credited`; 0 when VOIDED or DELETED.
    pub amount_due: Amount,
    /// Sum of live payments.
    pub amount_paid: Amount,
    /// Sum of live allocations.
    pub amount_credited: Amount,
    /// Currency.
    pub currency: CurrencyCode,
    /// Rate to the base currency.
    pub currency_rate: Rate,
    /// Day on which it became PAID.
    pub fully_paid_on: Option<Date>,
    /// Marked as sent.
    pub sent_to_contact: bool,
    /// Branding theme (ACCREC).
    pub branding_theme: Option<Uuid>,
    /// Link to a source document.
    pub url: Option<Text>,
    /// Expected payment date (ACCREC).
    pub expected_payment_date: Option<Date>,
    /// Planned payment date (ACCPAY).
    pub planned_payment_date: Option<Date>,
    /// Made through the API by the connected application (`createdByMyApp=true`).
    pub created_by_app: bool,
    /// `UpdatedDateUTC`.
    pub updated: Millis,
}

impl Row for Invoice {
    fn id(&self) -> Uuid {
        self.id
    }
    fn updated(&self) -> Millis {
        self.updated
    }
    fn set_updated(&mut self, at: Millis) {
        self.updated = at;
    }
    fn keys(&self, keys: &mut Vec<Key>) {
        keys.extend(self.number.as_deref().map(|number| Key::text("number", number)));
        keys.push(Key::id("contact", self.contact));
    }
}

words! {
    /// What kind of credit a [`Credit`] is.
    CreditType {
        /// Credit note to a customer.
        AccRecCredit = "ACCRECCREDIT",
        /// Credit note from a supplier.
        AccPayCredit = "ACCPAYCREDIT",
        /// Prepayment received.
        ReceivePrepayment = "RECEIVE-PREPAYMENT",
        /// Prepayment made.
        SpendPrepayment = "SPEND-PREPAYMENT",
        /// Overpayment received.
        ReceiveOverpayment = "RECEIVE-OVERPAYMENT",
        /// Overpayment made.
        SpendOverpayment = "SPEND-OVERPAYMENT",
    }
}

impl CreditType {
    /// Whether it is owed to a customer (else due from a supplier).
    pub fn is_receivable(self) -> bool {
        matches!(self, Self::AccRecCredit | Self::ReceivePrepayment | Self::ReceiveOverpayment)
    }
}

/// A part of a credit set against an invoice.
#[derive(Debug, Clone)]
pub struct Allocation {
    /// Key.
    pub id: Uuid,
    /// The invoice or bill.
    pub invoice: Uuid,
    /// In the currency of the credit.
    pub amount: Amount,
    /// Day of the allocation.
    pub date: Date,
}

/// A credit note, prepayment or overpayment: money that can be allocated to invoices. Deleted allocations are removed.
#[derive(Debug, Clone)]
pub struct Credit {
    /// Key: `CreditNoteID`, `PrepaymentID` or `OverpaymentID`.
    pub id: Uuid,
    /// Which of the six kinds.
    pub kind: CreditType,
    /// `CreditNoteNumber` (unique on ACCRECCREDIT); none on overpayments.
    pub number: Option<Text>,
    /// Reference.
    pub reference: Option<Text>,
    /// The contact.
    pub contact: Uuid,
    /// Document date.
    pub date: Date,
    /// Due date (credit notes).
    pub due_date: Option<Date>,
    /// Status; PAID when nothing remains.
    pub status: DocumentStatus,
    /// Whether line amounts contain tax.
    pub line_amount_types: LineAmountTypes,
    /// Lines in order.
    pub lines: Vec<Line>,
    /// Without tax.
    pub sub_total: Amount,
    /// Sum of the lines' tax.
    pub total_tax: Amount,
    /// `sub_total + total_tax`.
    pub total: Amount,
    /// `total − Σ allocations − Σ live refunds`; 0 when VOIDED or DELETED.
    pub remaining: Amount,
    /// Live allocations.
    pub allocations: Vec<Allocation>,
    /// Currency.
    pub currency: CurrencyCode,
    /// Rate to the base currency.
    pub currency_rate: Rate,
    /// Day on which nothing remained.
    pub fully_paid_on: Option<Date>,
    /// Marked as sent.
    pub sent_to_contact: bool,
    /// Branding theme.
    pub branding_theme: Option<Uuid>,
    /// Made through the API by the connected application.
    pub created_by_app: bool,
    /// `UpdatedDateUTC`.
    pub updated: Millis,
}

impl Row for Credit {
    fn id(&self) -> Uuid {
        self.id
    }
    fn updated(&self) -> Millis {
        self.updated
    }
    fn set_updated(&mut self, at: Millis) {
        self.updated = at;
    }
    fn keys(&self, keys: &mut Vec<Key>) {
        keys.extend(self.number.as_deref().map(|number| Key::text("number", number)));
        keys.push(Key::id("contact", self.contact));
        for allocation in &self.allocations {
            let key = Key::id("invoice", allocation.invoice);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
}

/// The one document that a payment settles or refunds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentTarget {
    /// An invoice or bill.
    Invoice(Uuid),
    /// Refund of a credit note.
    CreditNote(Uuid),
    /// Refund of a prepayment.
    Prepayment(Uuid),
    /// Refund of an overpayment.
    Overpayment(Uuid),
}

impl PaymentTarget {
    /// The document's id.
    pub fn id(self) -> Uuid {
        match self {
            Self::Invoice(id) | Self::CreditNote(id) | Self::Prepayment(id) | Self::Overpayment(id) => id,
        }
    }
}

words! {
    /// Read-only kind of a payment, told by its document.
    PaymentType {
        /// On a sales invoice.
        AccRec = "ACCRECPAYMENT",
        /// On a bill.
        AccPay = "ACCPAYPAYMENT",
        /// Refund of a credit note to a customer.
        ArCredit = "ARCREDITPAYMENT",
        /// Refund of a supplier's credit note.
        ApCredit = "APCREDITPAYMENT",
        /// Refund of an overpayment received.
        ArOverpayment = "AROVERPAYMENTPAYMENT",
        /// Refund of a prepayment received.
        ArPrepayment = "ARPREPAYMENTPAYMENT",
        /// Refund of a prepayment made.
        ApPrepayment = "APPREPAYMENTPAYMENT",
        /// Refund of an overpayment made.
        ApOverpayment = "APOVERPAYMENTPAYMENT",
    }
}

words! {
    /// A payment is made or taken back, never edited.
    PaymentStatus {
        /// Live.
        Authorised = "AUTHORISED",
        /// Taken back; terminal.
        Deleted = "DELETED",
    }
}

/// A payment of a document, or the refund of a credit.
#[derive(Debug, Clone)]
pub struct Payment {
    /// Key.
    pub id: Uuid,
    /// What it pays.
    pub target: PaymentTarget,
    /// Kind, told by the target.
    pub kind: PaymentType,
    /// Day of the payment.
    pub date: Date,
    /// In the currency of the document.
    pub amount: Amount,
    /// In the currency of the account.
    pub bank_amount: Amount,
    /// Rate of the document's currency.
    pub currency_rate: Rate,
    /// Free text.
    pub reference: Option<Text>,
    /// Live or taken back.
    pub status: PaymentStatus,
    /// Account it was paid from or to.
    pub account: Option<Uuid>,
    /// Matched to a bank statement line; then it cannot be taken back over the API.
    pub is_reconciled: bool,
    /// The batch payment it belongs to; then it cannot be taken back alone.
    pub batch: Option<Uuid>,
    /// `UpdatedDateUTC`.
    pub updated: Millis,
}

impl Row for Payment {
    fn id(&self) -> Uuid {
        self.id
    }
    fn updated(&self) -> Millis {
        self.updated
    }
    fn set_updated(&mut self, at: Millis) {
        self.updated = at;
    }
    fn keys(&self, keys: &mut Vec<Key>) {
        keys.push(Key::id("target", self.target.id()));
    }
}

words! {
    /// Kind of a bank transaction.
    BankTransactionType {
        /// Money received.
        Receive = "RECEIVE",
        /// Money spent.
        Spend = "SPEND",
        /// Prepayment received.
        ReceivePrepayment = "RECEIVE-PREPAYMENT",
        /// Prepayment made.
        SpendPrepayment = "SPEND-PREPAYMENT",
        /// Overpayment received.
        ReceiveOverpayment = "RECEIVE-OVERPAYMENT",
        /// Overpayment made.
        SpendOverpayment = "SPEND-OVERPAYMENT",
        /// Transfer in; made by bank transfers only.
        ReceiveTransfer = "RECEIVE-TRANSFER",
        /// Transfer out; made by bank transfers only.
        SpendTransfer = "SPEND-TRANSFER",
    }
}

impl BankTransactionType {
    /// Whether money came in.
    pub fn is_receive(self) -> bool {
        matches!(self, Self::Receive | Self::ReceivePrepayment | Self::ReceiveOverpayment | Self::ReceiveTransfer)
    }
}

words! {
    /// Status of a bank transaction.
    BankTransactionStatus {
        /// In the ledger.
        Authorised = "AUTHORISED",
        /// Thrown away; terminal.
        Deleted = "DELETED",
        /// Taken back; terminal.
        Voided = "VOIDED",
    }
}

/// Money spent or received straight from a bank account.
#[derive(Debug, Clone)]
pub struct BankTransaction {
    /// Key.
    pub id: Uuid,
    /// Kind.
    pub kind: BankTransactionType,
    /// The contact; transfers have none.
    pub contact: Option<Uuid>,
    /// An account of type BANK.
    pub bank_account: Uuid,
    /// Day.
    pub date: Date,
    /// Free text.
    pub reference: Option<Text>,
    /// Status.
    pub status: BankTransactionStatus,
    /// Matched to a bank statement line.
    pub is_reconciled: bool,
    /// Whether line amounts contain tax; default Inclusive.
    pub line_amount_types: LineAmountTypes,
    /// Lines in order.
    pub lines: Vec<Line>,
    /// Without tax.
    pub sub_total: Amount,
    /// Sum of the lines' tax.
    pub total_tax: Amount,
    /// `sub_total + total_tax`.
    pub total: Amount,
    /// Currency.
    pub currency: CurrencyCode,
    /// Rate to the base currency.
    pub currency_rate: Rate,
    /// Link to a source document.
    pub url: Option<Text>,
    /// The prepayment that it made, in the table of prepayments.
    pub prepayment: Option<Uuid>,
    /// The overpayment that it made, in the table of overpayments.
    pub overpayment: Option<Uuid>,
    /// `UpdatedDateUTC`.
    pub updated: Millis,
}

impl Row for BankTransaction {
    fn id(&self) -> Uuid {
        self.id
    }
    fn updated(&self) -> Millis {
        self.updated
    }
    fn set_updated(&mut self, at: Millis) {
        self.updated = at;
    }
    fn keys(&self, keys: &mut Vec<Key>) {
        keys.extend(self.contact.map(|contact| Key::id("contact", contact)));
        keys.push(Key::id("bank", self.bank_account));
    }
}
