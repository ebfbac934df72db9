//! Payments and refunds.

use uuid::Uuid;

use super::{Object, Shape, View, embedded_contact, invoice_keys, push_object};
use crate::books::{Credit, CurrencyCode, Payment, PaymentTarget};

/// A payment. Lists show its document slim; elsewhere the header of the document is complete.
pub(crate) fn payment(out: &mut Vec<u8>, view: &View<'_>, row: &Payment, shape: Shape) {
    push_object(out, |object| payment_keys(object, view, row, shape));
}

/// The keys of a payment, in an object that the caller may add to.
pub(crate) fn payment_keys(object: &mut Object<'_>, view: &View<'_>, row: &Payment, shape: Shape) {
    object.id("PaymentID", row.id);
    if let Some(batch) = row.batch {
        object.id("BatchPaymentID", batch);
        object.object("BatchPayment", |inner| {
            inner.id("BatchPaymentID", batch);
            inner.date("Date", row.date);
        });
    }
    object.date("Date", row.date);
    object.amount("BankAmount", row.bank_amount);
    object.amount("Amount", row.amount);
    object.text_or_empty("Reference", row.reference.as_deref());
    object.rate("CurrencyRate", row.currency_rate);
    object.text("PaymentType", row.kind.as_str());
    object.text("Status", row.status.as_str());
    object.instant("UpdatedDateUTC", row.updated);
    object.utc_string("UpdatedDateUTCString", row.updated);
    object.flag("HasAccount", row.account.is_some());
    object.flag("IsReconciled", row.is_reconciled);
    if let Some(account) = row.account.and_then(|id| view.books.accounts.get(id)) {
        object.object("Account", |inner| {
            inner.id("AccountID", account.id);
            inner.text_if("Code", account.code.as_deref());
            if shape.is_full() {
                inner.text("Name", &account.name);
            }
        });
    }
    match row.target {
        PaymentTarget::Invoice(id) => {
            if let Some(invoice) = view.books.invoices.get(id) {
                object.object("Invoice", |inner| {
                    if shape.is_full() {
                        invoice_keys(inner, view, invoice, Shape::List);
                    } else {
                        slim(inner, invoice.kind.as_str(), id, invoice.number.as_deref());
                        slim_end(inner, view, invoice.contact, invoice.currency);
                    }
                });
            }
        }
        PaymentTarget::CreditNote(id) => credit(object, view, view.books.credit_notes.get(id), shape),
        PaymentTarget::Prepayment(id) => credit(object, view, view.books.prepayments.get(id), shape),
        PaymentTarget::Overpayment(id) => credit(object, view, view.books.overpayments.get(id), shape),
    }
    object.flag("HasValidationErrors", false);
}

/// A refunded credit, which travels under the key `Invoice` with the credit's type and id.
fn credit(object: &mut Object<'_>, view: &View<'_>, row: Option<&Credit>, shape: Shape) {
    let Some(row) = row else { return };
    object.object("Invoice", |inner| {
        // Nested documents use the names of the invoice type enumeration.
        let kind = match row.kind.as_str() {
            "RECEIVE-PREPAYMENT" => "ARPREPAYMENT",
            "SPEND-PREPAYMENT" => "APPREPAYMENT",
            "RECEIVE-OVERPAYMENT" => "AROVERPAYMENT",
            "SPEND-OVERPAYMENT" => "APOVERPAYMENT",
            other => other,
        };
        slim(inner, kind, row.id, row.number.as_deref());
        if shape.is_full() {
            inner.date_pair("Date", "DateString", row.date);
            inner.text("Status", row.status.as_str());
            inner.text("LineAmountTypes", row.line_amount_types.as_str());
            inner.amount("SubTotal", row.sub_total);
            inner.amount("TotalTax", row.total_tax);
            inner.amount("Total", row.total);
            inner.instant("UpdatedDateUTC", row.updated);
        }
        slim_end(inner, view, row.contact, row.currency);
    });
}

fn slim(object: &mut Object<'_>, kind: &str, id: Uuid, number: Option<&str>) {
    object.text("Type", kind);
    object.id("InvoiceID", id);
    object.text_or_empty("InvoiceNumber", number);
    object.no(&["Payments", "CreditNotes", "Prepayments", "Overpayments"]);
    object.flag("HasErrors", false);
    object.flag("IsDiscounted", false);
}

fn slim_end(object: &mut Object<'_>, view: &View<'_>, contact: Uuid, currency: CurrencyCode) {
    embedded_contact(object, view, contact, Shape::List);
    object.nothing("LineItems");
    object.text("CurrencyCode", currency.as_str());
}
