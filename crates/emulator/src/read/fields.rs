//! The values of fields that `where` and `order` ask for.

use uuid::Uuid;

use crate::books::*;
use crate::dates::date_ms;
use crate::filter::{Fields, Value};

fn text(value: Option<&Text>) -> Value<'_> {
    value.map_or(Value::Null, |text| Value::text(text))
}

fn id(value: Option<Uuid>) -> Value<'static> {
    value.map_or(Value::Null, |id| Value::Guid(id.as_u128()))
}

fn date(value: Option<jiff::civil::Date>) -> Value<'static> {
    value.map_or(Value::Null, |day| Value::Instant(date_ms(day)))
}

fn word(value: &'static str) -> Value<'static> {
    Value::text(value)
}

fn contact_of<'a>(books: &'a Books, contact: Option<Uuid>, path: &str) -> Value<'a> {
    let row = contact.and_then(|id| books.contacts.get(id));
    match path {
        "Contact.ContactID" => id(contact),
        "Contact.Name" => text(row.map(|row| &row.name)),
        "Contact.ContactNumber" => text(row.and_then(|row| row.number.as_ref())),
        _ => Value::Null,
    }
}

pub(super) fn contact<'a>(row: &'a Contact, path: &str) -> Value<'a> {
    match path {
        "ContactID" => id(Some(row.id)),
        "ContactNumber" => text(row.number.as_ref()),
        "AccountNumber" => text(row.account_number.as_ref()),
        "ContactStatus" => word(row.status.as_str()),
        "Name" => text(Some(&row.name)),
        "FirstName" => text(row.first_name.as_ref()),
        "LastName" => text(row.last_name.as_ref()),
        "EmailAddress" => text(row.email.as_ref()),
        "BankAccountDetails" => text(row.bank_account_details.as_ref()),
        "TaxNumber" => text(row.tax_number.as_ref()),
        "CompanyNumber" => text(row.company_number.as_ref()),
        "IsSupplier" => Value::Bool(row.is_supplier),
        "IsCustomer" => Value::Bool(row.is_customer),
        "DefaultCurrency" => row.default_currency.as_ref().map_or(Value::Null, |code| Value::text(code.as_str())),
        "UpdatedDateUTC" => Value::Instant(row.updated),
        _ => Value::Null,
    }
}

pub(super) fn invoice<'a>(books: &'a Books, row: &'a Invoice, path: &str) -> Value<'a> {
    match path {
        "InvoiceID" => id(Some(row.id)),
        "Type" => word(row.kind.as_str()),
        "InvoiceNumber" => text(row.number.as_ref()),
        "Reference" => text(row.reference.as_ref()),
        "Status" => word(row.status.as_str()),
        "LineAmountTypes" => word(row.line_amount_types.as_str()),
        "Date" => date(Some(row.date)),
        "DueDate" => date(row.due_date),
        "ExpectedPaymentDate" => date(row.expected_payment_date),
        "PlannedPaymentDate" => date(row.planned_payment_date),
        "FullyPaidOnDate" => date(row.fully_paid_on),
        "UpdatedDateUTC" => Value::Instant(row.updated),
        "SubTotal" => Value::amount(row.sub_total),
        "TotalTax" => Value::amount(row.total_tax),
        "Total" => Value::amount(row.total),
        "TotalDiscount" => Value::amount(row.total_discount),
        "AmountDue" => Value::amount(row.amount_due),
        "AmountPaid" => Value::amount(row.amount_paid),
        "AmountCredited" => Value::amount(row.amount_credited),
        "CurrencyCode" => Value::text(row.currency.as_str()),
        "CurrencyRate" => Value::rate(row.currency_rate),
        "SentToContact" => Value::Bool(row.sent_to_contact),
        "BrandingThemeID" => id(row.branding_theme),
        "Url" => text(row.url.as_ref()),
        _ => contact_of(books, Some(row.contact), path),
    }
}

pub(super) fn payment<'a>(books: &'a Books, row: &'a Payment, path: &str) -> Value<'a> {
    match path {
        "PaymentID" => id(Some(row.id)),
        "PaymentType" => word(row.kind.as_str()),
        "Status" => word(row.status.as_str()),
        "Date" => date(Some(row.date)),
        "Amount" => Value::amount(row.amount),
        "BankAmount" => Value::amount(row.bank_amount),
        "CurrencyRate" => Value::rate(row.currency_rate),
        "Reference" => text(row.reference.as_ref()),
        "IsReconciled" => Value::Bool(row.is_reconciled),
        "UpdatedDateUTC" => Value::Instant(row.updated),
        "Invoice.InvoiceID" => id(Some(row.target.id())),
        "Invoice.InvoiceNumber" => text(target_number(books, row.target)),
        "Account.AccountID" => id(row.account),
        "Account.Code" => {
            text(row.account.and_then(|id| books.accounts.get(id)).and_then(|account| account.code.as_ref()))
        }
        "BatchPaymentID" => id(row.batch),
        _ => Value::Null,
    }
}

fn target_number(books: &Books, target: PaymentTarget) -> Option<&Text> {
    match target {
        PaymentTarget::Invoice(id) => books.invoices.get(id)?.number.as_ref(),
        PaymentTarget::CreditNote(id) => books.credit_notes.get(id)?.number.as_ref(),
        PaymentTarget::Prepayment(id) => books.prepayments.get(id)?.number.as_ref(),
        PaymentTarget::Overpayment(id) => books.overpayments.get(id)?.number.as_ref(),
    }
}

pub(super) fn bank_transaction<'a>(books: &'a Books, row: &'a BankTransaction, path: &str) -> Value<'a> {
    match path {
        "BankTransactionID" => id(Some(row.id)),
        "Type" => word(row.kind.as_str()),
        "Status" => word(row.status.as_str()),
        "Date" => date(Some(row.date)),
        "Reference" => text(row.reference.as_ref()),
        "LineAmountTypes" => word(row.line_amount_types.as_str()),
        "IsReconciled" => Value::Bool(row.is_reconciled),
        "SubTotal" => Value::amount(row.sub_total),
        "TotalTax" => Value::amount(row.total_tax),
        "Total" => Value::amount(row.total),
        "CurrencyCode" => Value::text(row.currency.as_str()),
        "CurrencyRate" => Value::rate(row.currency_rate),
        "UpdatedDateUTC" => Value::Instant(row.updated),
        "PrepaymentID" => id(row.prepayment),
        "OverpaymentID" => id(row.overpayment),
        "BankAccount.AccountID" => id(Some(row.bank_account)),
        "BankAccount.Code" => text(books.accounts.get(row.bank_account).and_then(|account| account.code.as_ref())),
        _ => contact_of(books, row.contact, path),
    }
}

pub(super) fn credit<'a>(books: &'a Books, row: &'a Credit, path: &str) -> Value<'a> {
    match path {
        "CreditNoteID" | "PrepaymentID" | "OverpaymentID" => id(Some(row.id)),
        "CreditNoteNumber" | "InvoiceNumber" => text(row.number.as_ref()),
        "Type" => word(row.kind.as_str()),
        "Status" => word(row.status.as_str()),
        "Date" => date(Some(row.date)),
        "DueDate" => date(row.due_date),
        "Reference" => text(row.reference.as_ref()),
        "LineAmountTypes" => word(row.line_amount_types.as_str()),
        "SubTotal" => Value::amount(row.sub_total),
        "TotalTax" => Value::amount(row.total_tax),
        "Total" => Value::amount(row.total),
        "RemainingCredit" => Value::amount(row.remaining),
        "CurrencyCode" => Value::text(row.currency.as_str()),
        "CurrencyRate" => Value::rate(row.currency_rate),
        "FullyPaidOnDate" => date(row.fully_paid_on),
        "UpdatedDateUTC" => Value::Instant(row.updated),
        _ => contact_of(books, Some(row.contact), path),
    }
}

pub(super) fn account<'a>(row: &'a Account, path: &str) -> Value<'a> {
    match path {
        "AccountID" => id(Some(row.id)),
        "Code" => text(row.code.as_ref()),
        "Name" => text(Some(&row.name)),
        "Type" => word(row.kind.as_str()),
        "Class" => word(row.kind.class().as_str()),
        "Status" => word(row.status.as_str()),
        "Description" => text(row.description.as_ref()),
        "TaxType" => text(Some(&row.tax_type)),
        "SystemAccount" => text(row.system_account.as_ref()),
        "EnablePaymentsToAccount" => Value::Bool(row.enable_payments),
        "ShowInExpenseClaims" => Value::Bool(row.show_in_expense_claims),
        "BankAccountNumber" => text(row.bank_account_number.as_ref()),
        "BankAccountType" => text(row.bank_account_type.as_ref()),
        "CurrencyCode" => row.currency.as_ref().map_or(Value::Null, |code| Value::text(code.as_str())),
        "UpdatedDateUTC" => Value::Instant(row.updated),
        _ => Value::Null,
    }
}

impl Fields for TaxRate {
    fn field(&self, path: &str) -> Value<'_> {
        match path {
            "TaxType" => Value::text(&self.tax_type),
            "Name" => Value::text(&self.name),
            "Status" => word(self.status.as_str()),
            "ReportTaxType" => Value::text(&self.report_tax_type),
            "EffectiveRate" => Value::amount(self.effective_rate),
            "DisplayTaxRate" => Value::amount(self.display_rate),
            _ => Value::Null,
        }
    }
}

impl Fields for Currency {
    fn field(&self, path: &str) -> Value<'_> {
        match path {
            "Code" => Value::text(self.code.as_str()),
            "Description" => Value::text(&self.description),
            _ => Value::Null,
        }
    }
}

impl Fields for TrackingCategory {
    fn field(&self, path: &str) -> Value<'_> {
        match path {
            "TrackingCategoryID" => id(Some(self.id)),
            "Name" => Value::text(&self.name),
            "Status" => word(self.status.as_str()),
            _ => Value::Null,
        }
    }
}
