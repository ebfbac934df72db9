//! Documents with lines: invoices, credit notes, prepayments, overpayments, bank transactions.

use uuid::Uuid;

use super::{Object, Shape, View, embedded_contact, push_object};
use crate::books::{
    Allocation, Amount, BankTransaction, Credit, CreditType, Discount, Invoice, InvoiceType, Line, Payment,
};
use crate::money;

/// An invoice or bill.
pub(crate) fn invoice(out: &mut Vec<u8>, view: &View<'_>, row: &Invoice, shape: Shape) {
    push_object(out, |object| invoice_keys(object, view, row, shape));
}

/// The keys of an invoice, in an object that the caller may add to.
pub(crate) fn invoice_keys(object: &mut Object<'_>, view: &View<'_>, row: &Invoice, shape: Shape) {
    let is_sale = row.kind == InvoiceType::AccRec;
    let is_read = shape != Shape::Write;
    object.text("Type", row.kind.as_str());
    object.id("InvoiceID", row.id);
    object.text_or_empty("InvoiceNumber", row.number.as_deref());
    object.text_or_empty("Reference", row.reference.as_deref().filter(|_| is_sale));
    object.text_if("Url", row.url.as_deref());
    // Invoices without payments or credits are not looked up in their tables: lists of them must be fast.
    if is_read {
        if shape != Shape::Summary {
            let payments = (!row.amount_paid.is_zero()).then(|| view.books.live_payments_of(row.id));
            let payments = payments.into_iter().flatten();
            object.array("Payments", payments, nested_payment);
        }
        let notes = (!row.amount_credited.is_zero()).then(|| view.books.credit_notes_on(row.id));
        let notes = notes.into_iter().flatten();
        object.array("CreditNotes", notes, |out, part| nested_credit(out, "CreditNote", part));
    }
    if row.amount_credited.is_zero() {
        object.no(&["Prepayments", "Overpayments"]);
    } else {
        let prepayments = view.books.prepayments_on(row.id);
        object.array("Prepayments", prepayments, |out, part| nested_credit(out, "Prepayment", part));
        let overpayments = view.books.overpayments_on(row.id);
        object.array("Overpayments", overpayments, |out, part| nested_credit(out, "Overpayment", part));
    }
    object.amount("AmountDue", row.amount_due);
    object.amount("AmountPaid", row.amount_paid);
    if is_read {
        object.amount("AmountCredited", row.amount_credited);
    }
    if is_sale {
        object.flag("SentToContact", row.sent_to_contact);
    }
    object.rate("CurrencyRate", row.currency_rate);
    if !row.total_discount.is_zero() {
        object.amount("TotalDiscount", row.total_discount);
    }
    object.flag("IsDiscounted", !row.total_discount.is_zero());
    if is_read && shape != Shape::Summary {
        object.flag("HasAttachments", false);
    }
    object.flag("HasErrors", false);
    if shape == Shape::Single {
        object.nothing("Attachments");
    }
    object.nothing("InvoicePaymentServices");
    if is_read {
        object.nothing("InvoiceAddresses");
    }
    object.utc_string("UpdatedDateUTCString", row.updated);
    embedded_contact(object, view, row.contact, shape);
    object.date_pair("Date", "DateString", row.date);
    if let Some(due) = row.due_date {
        object.date_pair("DueDate", "DueDateString", due);
    }
    if let Some(expected) = row.expected_payment_date.filter(|_| is_sale) {
        object.date_pair("ExpectedPaymentDate", "ExpectedPaymentDateString", expected);
    }
    if let Some(planned) = row.planned_payment_date.filter(|_| !is_sale) {
        object.date_pair("PlannedPaymentDate", "PlannedPaymentDateString", planned);
    }
    if let Some(theme) = row.branding_theme.filter(|_| is_sale) {
        object.id("BrandingThemeID", theme);
    }
    object.text("Status", row.status.as_str());
    object.text("LineAmountTypes", row.line_amount_types.as_str());
    if shape != Shape::Summary {
        lines(object, view, &row.lines, shape);
    }
    object.amount("SubTotal", row.sub_total);
    object.amount("TotalTax", row.total_tax);
    object.amount("Total", row.total);
    object.instant("UpdatedDateUTC", row.updated);
    object.text("CurrencyCode", row.currency.as_str());
    if let Some(paid_on) = row.fully_paid_on {
        object.date("FullyPaidOnDate", paid_on);
    }
}

/// The lines of a document, `[]` where the shape has none.
pub(crate) fn lines(object: &mut Object<'_>, view: &View<'_>, lines: &[Line], shape: Shape) {
    let shown = if shape.has_lines() { lines } else { &[] };
    object.array("LineItems", shown, |out, row| line(out, view, row, shape));
}

/// One line.
pub(crate) fn line(out: &mut Vec<u8>, view: &View<'_>, row: &Line, shape: Shape) {
    let account = row.account.and_then(|id| view.books.accounts.get(id));
    push_object(out, |object| {
        object.text_if("ItemCode", row.item_code.as_deref());
        object.text_if("Description", row.description.as_deref());
        if let Some(unit_amount) = row.unit_amount {
            object.amount("UnitAmount", money::round_to(unit_amount, view.unit_dp));
        }
        object.text_if("TaxType", row.tax_type.as_deref());
        object.amount("TaxAmount", row.tax_amount);
        object.amount("LineAmount", row.line_amount);
        object.text_if("AccountCode", account.and_then(|account| account.code.as_deref()));
        object.array("Tracking", &row.tracking, |out, part| tracking(out, view, part.category, part.option, shape));
        if let Some(quantity) = row.quantity {
            object.amount("Quantity", quantity);
        }
        match row.discount {
            Discount::None => {}
            Discount::Rate(rate) => object.amount("DiscountRate", rate),
            Discount::Amount(amount) => object.amount("DiscountAmount", amount),
        }
        object.id("LineItemID", row.id);
        if let Some(account) = account {
            object.id("AccountID", account.id);
        }
        if shape.is_full() {
            object.nothing("ValidationErrors");
        }
    });
}

/// Pages show `Options: []` and no option id; single documents show the option id and no `Options`.
fn tracking(out: &mut Vec<u8>, view: &View<'_>, category: Uuid, option: Uuid, shape: Shape) {
    let found = view.books.tracking.iter().find(|row| row.id == category);
    let chosen = found.and_then(|row| row.options.iter().find(|row| row.id == option));
    push_object(out, |object| {
        object.text_if("Name", found.map(|row| &*row.name));
        object.text_if("Option", chosen.map(|row| &*row.name));
        object.id("TrackingCategoryID", category);
        if shape.is_full() {
            object.id("TrackingOptionID", option);
        } else {
            object.nothing("Options");
        }
    });
}

/// A payment inside the document that it pays.
pub(crate) fn nested_payment(out: &mut Vec<u8>, row: &Payment) {
    push_object(out, |object| {
        object.id("PaymentID", row.id);
        object.date("Date", row.date);
        object.amount("Amount", row.amount);
        object.text_or_empty("Reference", row.reference.as_deref());
        object.rate("CurrencyRate", row.currency_rate);
        object.flag("HasAccount", row.account.is_some());
        object.flag("HasValidationErrors", false);
    });
}

/// A credit inside the invoice that a part of it is set against.
fn nested_credit(out: &mut Vec<u8>, name: &str, (row, allocation): (&Credit, &Allocation)) {
    push_object(out, |object| {
        object.id(&format!("{name}ID"), row.id);
        if name == "CreditNote" {
            object.text_or_empty("CreditNoteNumber", row.number.as_deref());
        }
        object.id("ID", row.id);
        object.amount("AppliedAmount", allocation.amount);
        object.date_pair("Date", "DateString", allocation.date);
        object.nothing("LineItems");
        object.amount("Total", row.total);
    });
}

/// A credit note, prepayment or overpayment, by its kind.
pub(crate) fn credit(out: &mut Vec<u8>, view: &View<'_>, row: &Credit, shape: Shape) {
    push_object(out, |object| credit_keys(object, view, row, shape));
}

/// The keys of a credit, in an object that the caller may add to.
pub(crate) fn credit_keys(object: &mut Object<'_>, view: &View<'_>, row: &Credit, shape: Shape) {
    let payments = view.books.live_payments_of(row.id);
    match row.kind {
        CreditType::AccRecCredit | CreditType::AccPayCredit => {
            object.id("CreditNoteID", row.id);
            object.text_or_empty("CreditNoteNumber", row.number.as_deref());
            object.array("Payments", payments, nested_payment);
            object.id("ID", row.id);
            object.rate("CurrencyRate", row.currency_rate);
            object.text("Type", row.kind.as_str());
            let is_sale = row.kind == CreditType::AccRecCredit;
            object.text_or_empty("Reference", row.reference.as_deref().filter(|_| is_sale));
            if is_sale {
                object.flag("SentToContact", row.sent_to_contact);
            }
        }
        CreditType::ReceivePrepayment | CreditType::SpendPrepayment => {
            object.id("PrepaymentID", row.id);
            object.id("ID", row.id);
            object.rate("CurrencyRate", row.currency_rate);
            object.text("Type", row.kind.as_str());
            object.text_or_empty("Reference", row.number.as_deref().or(row.reference.as_deref()));
            object.text_if("InvoiceNumber", row.number.as_deref());
            object.array("Payments", payments, nested_payment);
        }
        CreditType::ReceiveOverpayment | CreditType::SpendOverpayment => {
            object.id("OverpaymentID", row.id);
            object.id("ID", row.id);
            object.rate("CurrencyRate", row.currency_rate);
            object.text("Type", row.kind.as_str());
            object.text_or_empty("Reference", row.reference.as_deref());
            object.array("Payments", payments, nested_payment);
        }
    }
    let applied: Amount = row.allocations.iter().map(|part| part.amount).sum();
    object.amount("RemainingCredit", row.remaining);
    if !applied.is_zero() {
        object.amount("AppliedAmount", applied);
    }
    object.array("Allocations", &row.allocations, |out, part| allocation(out, view, part));
    object.flag("HasAttachments", false);
    embedded_contact(object, view, row.contact, shape);
    object.date_pair("Date", "DateString", row.date);
    if let Some(due) = row.due_date {
        object.date_pair("DueDate", "DueDateString", due);
    }
    if let Some(theme) = row.branding_theme.filter(|_| row.kind == CreditType::AccRecCredit) {
        object.id("BrandingThemeID", theme);
    }
    object.text("Status", row.status.as_str());
    object.text("LineAmountTypes", row.line_amount_types.as_str());
    lines(object, view, &row.lines, shape);
    object.amount("SubTotal", row.sub_total);
    object.amount("TotalTax", row.total_tax);
    object.amount("Total", row.total);
    object.instant("UpdatedDateUTC", row.updated);
    object.utc_string("UpdatedDateUTCString", row.updated);
    object.text("CurrencyCode", row.currency.as_str());
    let is_note = matches!(row.kind, CreditType::AccRecCredit | CreditType::AccPayCredit);
    if let Some(paid_on) = row.fully_paid_on.filter(|_| is_note) {
        object.date("FullyPaidOnDate", paid_on);
    }
}

/// A part of a credit set against an invoice, as listed on the credit.
pub(crate) fn allocation(out: &mut Vec<u8>, view: &View<'_>, row: &Allocation) {
    push_object(out, |object| allocation_keys(object, view, row));
}

/// The keys of an allocation, in an object that the caller may add to.
pub(crate) fn allocation_keys(object: &mut Object<'_>, view: &View<'_>, row: &Allocation) {
    let invoice = view.books.invoices.get(row.invoice);
    object.id("AllocationID", row.id);
    object.amount("Amount", row.amount);
    object.date("Date", row.date);
    object.object("Invoice", |inner| {
        inner.id("InvoiceID", row.invoice);
        inner.text_or_empty("InvoiceNumber", invoice.and_then(|invoice| invoice.number.as_deref()));
        inner.no(&["Payments", "CreditNotes", "Prepayments", "Overpayments"]);
        inner.flag("HasErrors", false);
        inner.flag("IsDiscounted", false);
        inner.nothing("LineItems");
    });
}

/// A bank transaction.
pub(crate) fn bank_transaction(out: &mut Vec<u8>, view: &View<'_>, row: &BankTransaction, shape: Shape) {
    push_object(out, |object| bank_transaction_keys(object, view, row, shape));
}

/// The keys of a bank transaction, in an object that the caller may add to.
pub(crate) fn bank_transaction_keys(object: &mut Object<'_>, view: &View<'_>, row: &BankTransaction, shape: Shape) {
    object.id("BankTransactionID", row.id);
    if let Some(account) = view.books.accounts.get(row.bank_account) {
        object.object("BankAccount", |inner| {
            inner.id("AccountID", account.id);
            inner.text_if("Code", account.code.as_deref());
            inner.text("Name", &account.name);
        });
    }
    object.text("Type", row.kind.as_str());
    object.text_if("Reference", row.reference.as_deref());
    object.text_if("Url", row.url.as_deref());
    object.flag("IsReconciled", row.is_reconciled);
    if let Some(id) = row.prepayment {
        object.id("PrepaymentID", id);
    }
    if let Some(id) = row.overpayment {
        object.id("OverpaymentID", id);
    }
    object.flag("HasAttachments", false);
    if let Some(contact) = row.contact {
        embedded_contact(object, view, contact, shape);
    }
    object.date_pair("Date", "DateString", row.date);
    object.text("Status", row.status.as_str());
    object.text("LineAmountTypes", row.line_amount_types.as_str());
    lines(object, view, &row.lines, shape);
    object.amount("SubTotal", row.sub_total);
    object.amount("TotalTax", row.total_tax);
    object.amount("Total", row.total);
    object.instant("UpdatedDateUTC", row.updated);
    object.text("CurrencyCode", row.currency.as_str());
    if row.currency != view.books.organisation.base_currency {
        object.rate("CurrencyRate", row.currency_rate);
    }
}
