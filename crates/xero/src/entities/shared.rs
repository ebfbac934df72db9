//! Parts that several kinds share: lines, tracking, addresses, phones, allocations and references to other records.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::wire::{model, open_enum};

open_enum! {
    /// The status of an invoice, bill, credit note, prepayment or overpayment.
    pub enum DocumentStatus {
        Draft = "DRAFT",
        Submitted = "SUBMITTED",
        Authorised = "AUTHORISED",
        Paid = "PAID",
        Voided = "VOIDED",
        Deleted = "DELETED",
        Archived = "ARCHIVED",
    }
}

open_enum! {
    /// How a document's line amounts relate to tax.
    pub enum LineAmountTypes {
        Exclusive = "Exclusive",
        Inclusive = "Inclusive",
        NoTax = "NoTax",
    }
}

open_enum! {
    /// Which of a contact's addresses.
    pub enum AddressType {
        PoBox = "POBOX",
        Street = "STREET",
        Delivery = "DELIVERY",
    }
}

open_enum! {
    /// Which of a contact's phones.
    pub enum PhoneType {
        Default = "DEFAULT",
        Ddi = "DDI",
        Mobile = "MOBILE",
        Fax = "FAX",
        Office = "OFFICE",
    }
}

model! {
    /// A line of a document.
    pub struct LineItem {
        /// Xero's id of the line; lines sent without it are new ones.
        #[serde(rename = "LineItemID")]
        pub line_item_id: Option<Uuid>,
        /// Up to 4,000 characters; a line may be a description only.
        pub description: Option<String>,
        /// Up to 4 decimals.
        pub quantity: Option<Decimal>,
        /// Up to 4 decimals, because this crate always asks with `unitdp=4`.
        pub unit_amount: Option<Decimal>,
        /// The item's code.
        pub item_code: Option<String>,
        /// The account's code.
        pub account_code: Option<String>,
        /// The account's id.
        #[serde(rename = "AccountID")]
        pub account_id: Option<Uuid>,
        /// The tax type's code, such as `OUTPUT2`.
        pub tax_type: Option<String>,
        /// The line's tax, in the document's currency.
        pub tax_amount: Option<Decimal>,
        /// The line's amount after discount, with or without tax as [`LineAmountTypes`] says.
        pub line_amount: Option<Decimal>,
        /// Discount in percent; sales invoices only.
        pub discount_rate: Option<Decimal>,
        /// Discount as an amount; sales invoices only.
        pub discount_amount: Option<Decimal>,
        /// At most two tracking options.
        pub tracking: Vec<LineTracking>,
        /// The item, where `ItemCode` is set.
        pub item: Option<ItemRef>,
    }
}

model! {
    /// A line's choice in one tracking category. Lists leave out `TrackingOptionID`, single records give it.
    pub struct LineTracking {
        /// The category's id.
        #[serde(rename = "TrackingCategoryID")]
        pub tracking_category_id: Option<Uuid>,
        /// The option's id.
        #[serde(rename = "TrackingOptionID")]
        pub tracking_option_id: Option<Uuid>,
        /// The category's name.
        pub name: Option<String>,
        /// The option's name.
        pub option: Option<String>,
    }
}

model! {
    /// A reference to an item.
    pub struct ItemRef {
        /// The item's id.
        #[serde(rename = "ItemID")]
        pub item_id: Option<Uuid>,
        /// The item's code.
        pub code: Option<String>,
        /// The item's name.
        pub name: Option<String>,
    }
}

model! {
    /// A postal address.
    pub struct Address {
        /// Which address.
        pub address_type: Option<AddressType>,
        /// First line.
        #[serde(rename = "AddressLine1")]
        pub address_line_1: Option<String>,
        /// Second line.
        #[serde(rename = "AddressLine2")]
        pub address_line_2: Option<String>,
        /// Third line.
        #[serde(rename = "AddressLine3")]
        pub address_line_3: Option<String>,
        /// Fourth line.
        #[serde(rename = "AddressLine4")]
        pub address_line_4: Option<String>,
        /// Town or city.
        pub city: Option<String>,
        /// State, county or region.
        pub region: Option<String>,
        /// Postal code.
        pub postal_code: Option<String>,
        /// Country, as free text.
        pub country: Option<String>,
        /// Attention to.
        pub attention_to: Option<String>,
    }
}

model! {
    /// A phone number in its parts.
    pub struct Phone {
        /// Which phone.
        pub phone_type: Option<PhoneType>,
        /// The number.
        pub phone_number: Option<String>,
        /// The area code.
        pub phone_area_code: Option<String>,
        /// The country code.
        pub phone_country_code: Option<String>,
    }
}

model! {
    /// Credit that is applied to an invoice.
    pub struct Allocation {
        /// The allocation's id.
        #[serde(rename = "AllocationID")]
        pub allocation_id: Option<Uuid>,
        /// The invoice that the credit is applied to.
        pub invoice: Option<InvoiceRef>,
        /// In the document's currency.
        pub amount: Option<Decimal>,
        /// The date of the allocation.
        pub date: Option<Date>,
        /// Set in the answer to a deletion.
        pub is_deleted: Option<bool>,
    }
}

model! {
    /// Credit to be applied to an invoice.
    pub struct AllocationWrite {
        /// The invoice: id only. It must be of the credit's contact and currency.
        pub invoice: Option<InvoiceRef>,
        /// At most the remaining credit and what is due, in the document's currency.
        pub amount: Option<Decimal>,
        /// Required.
        pub date: Option<Date>,
    }
}

model! {
    /// A reference to a contact, as documents carry it. May hold more in single records than in lists.
    pub struct ContactRef {
        /// The contact's id.
        #[serde(rename = "ContactID")]
        pub contact_id: Option<Uuid>,
        /// The contact's number.
        pub contact_number: Option<String>,
        /// The contact's name.
        pub name: Option<String>,
    }
}

model! {
    /// A reference to an account.
    pub struct AccountRef {
        /// The account's id.
        #[serde(rename = "AccountID")]
        pub account_id: Option<Uuid>,
        /// The account's code.
        pub code: Option<String>,
        /// The account's name.
        pub name: Option<String>,
    }
}

model! {
    /// A reference to an invoice or bill, as payments and allocations carry it.
    pub struct InvoiceRef {
        /// The invoice's id.
        #[serde(rename = "InvoiceID")]
        pub invoice_id: Option<Uuid>,
        /// The invoice's number.
        pub invoice_number: Option<String>,
        /// `ACCREC`, `ACCPAY` or a credit type.
        #[serde(rename = "Type")]
        pub kind: Option<crate::InvoiceType>,
        /// The status, in single records.
        pub status: Option<DocumentStatus>,
        /// What is still due, in single records.
        pub amount_due: Option<Decimal>,
        /// The document's currency.
        pub currency_code: Option<String>,
        /// Whose invoice it is.
        pub contact: Option<ContactRef>,
    }
}

model! {
    /// A reference to a credit note, as invoices and payments carry it.
    pub struct CreditNoteRef {
        /// The credit note's id.
        #[serde(rename = "CreditNoteID")]
        pub credit_note_id: Option<Uuid>,
        /// The credit note's number.
        pub credit_note_number: Option<String>,
        /// How much of it is applied.
        pub applied_amount: Option<Decimal>,
        /// The credit note's date.
        pub date: Option<Date>,
        /// The credit note's total.
        pub total: Option<Decimal>,
    }
}

model! {
    /// A reference to a prepayment.
    pub struct PrepaymentRef {
        /// The prepayment's id.
        #[serde(rename = "PrepaymentID")]
        pub prepayment_id: Option<Uuid>,
        /// How much of it is applied.
        pub applied_amount: Option<Decimal>,
        /// The prepayment's date.
        pub date: Option<Date>,
        /// The prepayment's total.
        pub total: Option<Decimal>,
    }
}

model! {
    /// A reference to an overpayment.
    pub struct OverpaymentRef {
        /// The overpayment's id.
        #[serde(rename = "OverpaymentID")]
        pub overpayment_id: Option<Uuid>,
        /// How much of it is applied.
        pub applied_amount: Option<Decimal>,
        /// The overpayment's date.
        pub date: Option<Date>,
        /// The overpayment's total.
        pub total: Option<Decimal>,
    }
}

model! {
    /// A payment as documents carry it.
    pub struct PaymentRef {
        /// The payment's id.
        #[serde(rename = "PaymentID")]
        pub payment_id: Option<Uuid>,
        /// The payment's date.
        pub date: Option<Date>,
        /// In the document's currency.
        pub amount: Option<Decimal>,
        /// The payment's reference.
        pub reference: Option<String>,
        /// Units of the document's currency per unit of the base currency.
        pub currency_rate: Option<Decimal>,
    }
}

model! {
    /// When documents fall due by default.
    pub struct PaymentTerms {
        /// For bills.
        pub bills: Option<PaymentTerm>,
        /// For sales.
        pub sales: Option<PaymentTerm>,
    }
}

model! {
    /// One payment term.
    pub struct PaymentTerm {
        /// The day, counted as `kind` says.
        pub day: Option<i64>,
        /// How the day is counted.
        #[serde(rename = "Type")]
        pub kind: Option<PaymentTermType>,
    }
}

open_enum! {
    /// How the day of a payment term is counted.
    pub enum PaymentTermType {
        DaysAfterBillDate = "DAYSAFTERBILLDATE",
        DaysAfterBillMonth = "DAYSAFTERBILLMONTH",
        DaysAfterInvoiceDate = "DAYSAFTERINVOICEDATE",
        DaysAfterInvoiceMonth = "DAYSAFTERINVOICEMONTH",
        OfCurrentMonth = "OFCURRENTMONTH",
        OfFollowingMonth = "OFFOLLOWINGMONTH",
    }
}

model! {
    /// A line as it is sent. With a known id the line is updated; without one it is new; a line that is not sent is deleted.
    pub struct LineItemWrite {
        /// The line's id.
        #[serde(rename = "LineItemID")]
        pub line_item_id: Option<Uuid>,
        /// Up to 4,000 characters.
        pub description: Option<String>,
        /// Up to 4 decimals.
        pub quantity: Option<Decimal>,
        /// Up to 4 decimals.
        pub unit_amount: Option<Decimal>,
        /// The item's code.
        pub item_code: Option<String>,
        /// The account's code.
        pub account_code: Option<String>,
        /// The tax type's code.
        pub tax_type: Option<String>,
        /// The line's tax; left out, Xero computes it.
        pub tax_amount: Option<Decimal>,
        /// The line's amount; left out, Xero computes it.
        pub line_amount: Option<Decimal>,
        /// Discount in percent; sales invoices only.
        pub discount_rate: Option<Decimal>,
        /// Discount as an amount; sales invoices only.
        pub discount_amount: Option<Decimal>,
        /// Tracking; sent empty it clears the line's tracking.
        pub tracking: Option<Vec<LineTracking>>,
    }
}

/// The instant `UpdatedDateUTC` and its text twin `UpdatedDateUTCString` share; the first has milliseconds.
pub(crate) fn updated(instant: Option<Timestamp>, text: Option<Timestamp>) -> Option<Timestamp> {
    instant.or(text)
}
