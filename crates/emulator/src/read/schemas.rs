//! What each list may be filtered and ordered by, and which of it Xero serves from an index.

use crate::filter::Kind::{Bool, Guid, Instant, Number, Text};
use crate::filter::Schema;

pub(super) static CONTACT: Schema = Schema {
    name: "Contact",
    fields: &[
        ("ContactID", Guid),
        ("ContactNumber", Text),
        ("AccountNumber", Text),
        ("ContactStatus", Text),
        ("Name", Text),
        ("FirstName", Text),
        ("LastName", Text),
        ("EmailAddress", Text),
        ("BankAccountDetails", Text),
        ("TaxNumber", Text),
        ("CompanyNumber", Text),
        ("IsSupplier", Bool),
        ("IsCustomer", Bool),
        ("DefaultCurrency", Text),
        ("UpdatedDateUTC", Instant),
    ],
    equality: &["ContactID", "Name", "EmailAddress", "AccountNumber"],
    range: &["UpdatedDateUTC"],
    or_equality: &["ContactID"],
    order: &["ContactID", "UpdatedDateUTC", "Name"],
};

pub(super) static INVOICE: Schema = Schema {
    name: "Invoice",
    fields: &[
        ("InvoiceID", Guid),
        ("Type", Text),
        ("InvoiceNumber", Text),
        ("Reference", Text),
        ("Status", Text),
        ("LineAmountTypes", Text),
        ("Date", Instant),
        ("DueDate", Instant),
        ("ExpectedPaymentDate", Instant),
        ("PlannedPaymentDate", Instant),
        ("FullyPaidOnDate", Instant),
        ("UpdatedDateUTC", Instant),
        ("SubTotal", Number),
        ("TotalTax", Number),
        ("Total", Number),
        ("TotalDiscount", Number),
        ("AmountDue", Number),
        ("AmountPaid", Number),
        ("AmountCredited", Number),
        ("CurrencyCode", Text),
        ("CurrencyRate", Number),
        ("SentToContact", Bool),
        ("BrandingThemeID", Guid),
        ("Url", Text),
        ("Contact.ContactID", Guid),
        ("Contact.Name", Text),
        ("Contact.ContactNumber", Text),
    ],
    equality: &[
        "Status",
        "Contact.ContactID",
        "Contact.Name",
        "Contact.ContactNumber",
        "Reference",
        "InvoiceNumber",
        "InvoiceID",
        "Type",
        "AmountDue",
        "AmountPaid",
        "Date",
        "DueDate",
    ],
    range: &["Date", "DueDate", "AmountDue", "UpdatedDateUTC"],
    or_equality: &["InvoiceID"],
    order: &["InvoiceID", "UpdatedDateUTC", "Date"],
};

pub(super) static PAYMENT: Schema = Schema {
    name: "Payment",
    fields: &[
        ("PaymentID", Guid),
        ("PaymentType", Text),
        ("Status", Text),
        ("Date", Instant),
        ("Amount", Number),
        ("BankAmount", Number),
        ("CurrencyRate", Number),
        ("Reference", Text),
        ("IsReconciled", Bool),
        ("UpdatedDateUTC", Instant),
        ("Invoice.InvoiceID", Guid),
        ("Invoice.InvoiceNumber", Text),
        ("Account.AccountID", Guid),
        ("Account.Code", Text),
        ("BatchPaymentID", Guid),
    ],
    equality: &["PaymentType", "Status", "Date", "Invoice.InvoiceID", "Reference", "PaymentID"],
    range: &["Date", "UpdatedDateUTC"],
    or_equality: &["PaymentID", "Invoice.InvoiceID"],
    order: &["PaymentID", "UpdatedDateUTC", "Date"],
};

pub(super) static BANK_TRANSACTION: Schema = Schema {
    name: "BankTransaction",
    fields: &[
        ("BankTransactionID", Guid),
        ("Type", Text),
        ("Status", Text),
        ("Date", Instant),
        ("Reference", Text),
        ("LineAmountTypes", Text),
        ("IsReconciled", Bool),
        ("SubTotal", Number),
        ("TotalTax", Number),
        ("Total", Number),
        ("CurrencyCode", Text),
        ("CurrencyRate", Number),
        ("UpdatedDateUTC", Instant),
        ("PrepaymentID", Guid),
        ("OverpaymentID", Guid),
        ("Contact.ContactID", Guid),
        ("Contact.Name", Text),
        ("BankAccount.AccountID", Guid),
        ("BankAccount.Code", Text),
    ],
    equality: &["Type", "Status", "Date", "Contact.ContactID", "BankTransactionID"],
    range: &["Date", "UpdatedDateUTC"],
    or_equality: &["BankTransactionID"],
    order: &["BankTransactionID", "UpdatedDateUTC", "Date"],
};

/// The fields of the three kinds of credits, with the name of their id.
macro_rules! credit {
    ($schema:ident, $name:literal, $id:literal, $number:literal) => {
        pub(super) static $schema: Schema = Schema {
            name: $name,
            fields: &[
                ($id, Guid),
                ($number, Text),
                ("Type", Text),
                ("Status", Text),
                ("Date", Instant),
                ("DueDate", Instant),
                ("Reference", Text),
                ("LineAmountTypes", Text),
                ("SubTotal", Number),
                ("TotalTax", Number),
                ("Total", Number),
                ("RemainingCredit", Number),
                ("CurrencyCode", Text),
                ("CurrencyRate", Number),
                ("FullyPaidOnDate", Instant),
                ("UpdatedDateUTC", Instant),
                ("Contact.ContactID", Guid),
                ("Contact.Name", Text),
                ("Contact.ContactNumber", Text),
            ],
            equality: &[
                "Status",
                "Date",
                "Reference",
                "Contact.ContactID",
                "Contact.Name",
                "Contact.ContactNumber",
                $id,
            ],
            range: &["Date", "UpdatedDateUTC"],
            or_equality: &[$id],
            order: &[$id, "UpdatedDateUTC", "Date"],
        };
    };
}
credit!(CREDIT_NOTE, "CreditNote", "CreditNoteID", "CreditNoteNumber");
credit!(PREPAYMENT, "Prepayment", "PrepaymentID", "InvoiceNumber");
credit!(OVERPAYMENT, "Overpayment", "OverpaymentID", "InvoiceNumber");

pub(super) static ACCOUNT: Schema = Schema {
    name: "Account",
    fields: &[
        ("AccountID", Guid),
        ("Code", Text),
        ("Name", Text),
        ("Type", Text),
        ("Class", Text),
        ("Status", Text),
        ("Description", Text),
        ("TaxType", Text),
        ("SystemAccount", Text),
        ("EnablePaymentsToAccount", Bool),
        ("ShowInExpenseClaims", Bool),
        ("BankAccountNumber", Text),
        ("BankAccountType", Text),
        ("CurrencyCode", Text),
        ("UpdatedDateUTC", Instant),
    ],
    equality: &[],
    range: &[],
    or_equality: &[],
    order: &[],
};

pub(super) static TAX_RATE: Schema = Schema {
    name: "TaxRate",
    fields: &[
        ("TaxType", Text),
        ("Name", Text),
        ("Status", Text),
        ("ReportTaxType", Text),
        ("EffectiveRate", Number),
        ("DisplayTaxRate", Number),
    ],
    equality: &[],
    range: &[],
    or_equality: &[],
    order: &[],
};

pub(super) static CURRENCY: Schema = Schema {
    name: "Currency",
    fields: &[("Code", Text), ("Description", Text)],
    equality: &[],
    range: &[],
    or_equality: &[],
    order: &[],
};

pub(super) static TRACKING_CATEGORY: Schema = Schema {
    name: "TrackingCategory",
    fields: &[("TrackingCategoryID", Guid), ("Name", Text), ("Status", Text)],
    equality: &[],
    range: &[],
    or_equality: &[],
    order: &[],
};
