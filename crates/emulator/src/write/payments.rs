//! Payments and refunds: made, or taken back; never edited.

use jiff::civil::Date;
use uuid::Uuid;

use super::answer::{Failure, Outcome};
use super::body::{BadBody, Fields};
use super::contact_request::text_or_none;
use super::rules::{
    ACCOUNT_INVALID, DOCUMENT_UNKNOWN, EXCEEDS_OUTSTANDING, ONLY_AUTHORISED, check_length, check_lock_dates,
};
use super::{Writer, each, only, path_id};
use crate::books::{
    Account, AccountType, Amount, CreditType, CurrencyCode, DocumentStatus, InvoiceType, Payment, PaymentStatus,
    PaymentTarget, PaymentType, Rate, ReferenceStatus,
};
use crate::http::Response;
use crate::render::{self, Object, Shape};

/// How a document is named in a payment.
#[derive(Debug, Clone)]
struct DocumentName {
    kind: TargetKind,
    id: Option<Uuid>,
    number: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TargetKind {
    Invoice,
    CreditNote,
    Prepayment,
    Overpayment,
}

/// A payment as sent.
#[derive(Debug, Clone)]
struct PaymentRequest {
    id: Option<Uuid>,
    documents: Vec<DocumentName>,
    account_id: Option<Uuid>,
    account_code: Option<String>,
    date: Option<Date>,
    amount: Option<Amount>,
    bank_amount: Option<Amount>,
    currency_rate: Option<Rate>,
    reference: Option<String>,
    is_reconciled: bool,
    status: Option<PaymentStatus>,
}

impl PaymentRequest {
    fn decode(fields: &Fields<'_>) -> Result<Self, BadBody> {
        let mut documents = Vec::new();
        for (key, id_key, number_key, kind) in [
            ("Invoice", "InvoiceID", "InvoiceNumber", TargetKind::Invoice),
            ("CreditNote", "CreditNoteID", "CreditNoteNumber", TargetKind::CreditNote),
            ("Prepayment", "PrepaymentID", "InvoiceNumber", TargetKind::Prepayment),
            ("Overpayment", "OverpaymentID", "OverpaymentNumber", TargetKind::Overpayment),
        ] {
            if let Some(part) = fields.object(key)? {
                documents.push(DocumentName { kind, id: part.id(id_key)?, number: part.text(number_key)? });
            }
        }
        // Old clients name a document by its number beside the payment.
        for (key, kind) in [("InvoiceNumber", TargetKind::Invoice), ("CreditNoteNumber", TargetKind::CreditNote)] {
            if documents.is_empty() && fields.has(key) {
                documents.push(DocumentName { kind, id: None, number: fields.text(key)? });
            }
        }
        let account = fields.object("Account")?;
        let account_text = |key: &str| account.as_ref().map_or(Ok(None), |part| part.text(key));
        Ok(Self {
            id: fields.id("PaymentID")?,
            documents,
            account_id: account.as_ref().map_or(Ok(None), |part| part.id("AccountID"))?,
            account_code: account_text("Code")?.filter(|code| !code.is_empty()),
            date: fields.date("Date")?,
            amount: fields.amount("Amount", 2)?,
            bank_amount: fields.amount("BankAmount", 2)?,
            currency_rate: fields.rate("CurrencyRate")?,
            reference: fields.text("Reference")?,
            is_reconciled: fields.flag("IsReconciled")?.unwrap_or(false),
            status: fields.word("Status", "PaymentStatus", PaymentStatus::parse)?,
        })
    }
}

/// What a payment needs to know of the document that it pays.
struct Payable {
    target: PaymentTarget,
    kind: PaymentType,
    status: DocumentStatus,
    outstanding: Amount,
    currency: CurrencyCode,
    currency_rate: Rate,
}

pub(super) fn write(writer: &mut Writer<'_>, body: &[u8]) -> Result<Response, Failure> {
    // The whole batch stands or falls together only when the setting says so, and then only in the default mode.
    let before = (writer.settings.payments_atomic && writer.summarize).then(|| writer.books.clone());
    let response = each(
        writer,
        body,
        "Payments",
        |fields, _| PaymentRequest::decode(fields),
        |writer, request| {
            Ok(match request.id.filter(|id| writer.books.payments.get(*id).is_some()) {
                Some(id) => take_back(writer, id, &request),
                None if request.id.is_some() && request.status == Some(PaymentStatus::Deleted) => {
                    refused(&request, vec![DOCUMENT_UNKNOWN.into()])
                }
                None => create(writer, &request),
            })
        },
    )?;
    if let Some(books) = before.filter(|_| response.status != 200) {
        *writer.books = books;
    }
    Ok(response)
}

/// `POST /Payments/{PaymentID}`, which can only take the payment back.
pub(super) fn write_one(writer: &mut Writer<'_>, body: &[u8], id: &str) -> Result<Response, Failure> {
    let found = path_id(id).filter(|id| writer.books.payments.get(*id).is_some()).ok_or(Failure::Gone)?;
    only(
        writer,
        body,
        "Payments",
        |fields, _| PaymentRequest::decode(fields),
        |writer, request| Ok(take_back(writer, found, &request)),
    )
}

fn saved(writer: &Writer<'_>, id: Uuid) -> Outcome {
    let mut element = Vec::new();
    if let Some(row) = writer.books.payments.get(id) {
        render::payment(&mut element, &writer.view(), row, Shape::Write);
    }
    Outcome::saved(element)
}

fn refused(request: &PaymentRequest, messages: Vec<String>) -> Outcome {
    let mut element = Vec::new();
    render::push_object(&mut element, |object| echo(object, request));
    Outcome::refused(element, messages)
}

/// The words for what cannot be taken back are not documented.
fn take_back(writer: &mut Writer<'_>, id: Uuid, request: &PaymentRequest) -> Outcome {
    let Some(row) = writer.books.payments.get(id) else { return refused(request, vec![DOCUMENT_UNKNOWN.into()]) };
    let (target, date) = (row.target, row.date);
    let mut messages = Vec::new();
    if request.status != Some(PaymentStatus::Deleted) || row.status == PaymentStatus::Deleted {
        messages.push("Payment not of valid status for modification".to_owned());
    }
    if row.is_reconciled {
        messages.push("A payment that has been reconciled cannot be deleted".into());
    }
    if row.batch.is_some() {
        messages.push("A payment that is part of a batch payment cannot be deleted individually".into());
    }
    messages.extend(check_lock_dates(writer, date));
    if !messages.is_empty() {
        return refused(request, messages);
    }
    writer.books.payments.change(id, writer.now, |row| row.status = PaymentStatus::Deleted);
    settle(writer, target, date);
    saved(writer, id)
}

fn settle(writer: &mut Writer<'_>, target: PaymentTarget, on: Date) {
    match target {
        PaymentTarget::Invoice(id) => writer.books.settle_invoice(id, on, writer.now),
        other => writer.books.settle_credit(other.id(), on, writer.now),
    }
}

fn create(writer: &mut Writer<'_>, request: &PaymentRequest) -> Outcome {
    let mut messages = Vec::new();
    if request.status == Some(PaymentStatus::Deleted) {
        messages.push("Payment not of valid status for creation".to_owned());
    }
    let date = request.date.unwrap_or(writer.today);
    let payable = find_payable(writer, request, &mut messages);
    let account = find_account(writer, request, &mut messages).cloned();
    let amount = request.amount.unwrap_or(Amount::ZERO);
    if let Some(payable) = &payable {
        if payable.status != DocumentStatus::Authorised {
            messages.push(ONLY_AUTHORISED.into());
        }
        if amount > payable.outstanding {
            messages.push(EXCEEDS_OUTSTANDING.into());
        }
    }
    if amount <= Amount::ZERO {
        // The words are not documented.
        messages.push("Payment amount must be greater than zero".into());
    }
    check_length(&mut messages, "Reference", request.reference.as_deref(), 255);
    messages.extend(check_lock_dates(writer, date));
    if request.currency_rate.is_some_and(|rate| rate.0 <= 0) {
        messages.push("The currency rate must be greater than zero".into());
    }
    let (Some(payable), Some(account), true) = (payable, account, messages.is_empty()) else {
        return refused(request, messages);
    };
    let base = writer.books.organisation.base_currency;
    let currency_rate =
        if payable.currency == base { Rate::ONE } else { request.currency_rate.unwrap_or(payable.currency_rate) };
    let bank_amount = request
        .bank_amount
        .or_else(|| bank_amount(amount, payable.currency, currency_rate, account.currency.unwrap_or(base)));
    let row = Payment {
        id: writer.books.next_id(),
        target: payable.target,
        kind: payable.kind,
        date,
        amount,
        bank_amount: bank_amount.unwrap_or(amount),
        currency_rate,
        reference: request.reference.clone().and_then(text_or_none),
        status: PaymentStatus::Authorised,
        account: Some(account.id),
        is_reconciled: request.is_reconciled,
        batch: None,
        updated: writer.now,
    };
    let id = row.id;
    writer.books.payments.insert(row);
    settle(writer, payable.target, date);
    saved(writer, id)
}

/// An amount of a document in the currency of the account, which is the document's own or else the base currency.
fn bank_amount(amount: Amount, document: CurrencyCode, rate: Rate, account: CurrencyCode) -> Option<Amount> {
    if document == account {
        return Some(amount);
    }
    crate::money::divide_by_rate(amount, rate)
}

fn find_payable(writer: &Writer<'_>, request: &PaymentRequest, messages: &mut Vec<String>) -> Option<Payable> {
    let [name] = request.documents.as_slice() else {
        // The words are not documented.
        messages.push("A payment must have exactly one of Invoice, CreditNote, Prepayment and Overpayment".into());
        return None;
    };
    let found = match name.kind {
        TargetKind::Invoice => payable_invoice(writer, name),
        _ => payable_credit(writer, name),
    };
    if found.is_none() {
        messages.push(DOCUMENT_UNKNOWN.into());
    }
    found
}

fn payable_invoice(writer: &Writer<'_>, name: &DocumentName) -> Option<Payable> {
    let by_number = || {
        let number = name.number.as_deref().filter(|number| !number.is_empty())?;
        let with_number = || writer.books.invoices_by_number(number);
        let live = |status| !matches!(status, DocumentStatus::Deleted | DocumentStatus::Voided);
        with_number().find(|row| row.kind == InvoiceType::AccRec && live(row.status)).or_else(|| with_number().last())
    };
    let row = match name.id {
        Some(id) => writer.books.invoices.get(id),
        None => by_number(),
    }?;
    let kind = match row.kind {
        InvoiceType::AccRec => PaymentType::AccRec,
        InvoiceType::AccPay => PaymentType::AccPay,
    };
    Some(Payable {
        target: PaymentTarget::Invoice(row.id),
        kind,
        status: row.status,
        outstanding: row.amount_due,
        currency: row.currency,
        currency_rate: row.currency_rate,
    })
}

fn payable_credit(writer: &Writer<'_>, name: &DocumentName) -> Option<Payable> {
    let table = match name.kind {
        TargetKind::Prepayment => &writer.books.prepayments,
        TargetKind::Overpayment => &writer.books.overpayments,
        TargetKind::CreditNote | TargetKind::Invoice => &writer.books.credit_notes,
    };
    let by_number = || {
        let number = name.number.as_deref().filter(|_| name.kind == TargetKind::CreditNote)?;
        writer.books.credit_notes_by_number(number).find(|row| row.kind == CreditType::AccRecCredit)
    };
    let row = match name.id {
        Some(id) => table.get(id),
        None => by_number(),
    }?;
    let (target, kind) = match row.kind {
        CreditType::AccRecCredit => (PaymentTarget::CreditNote(row.id), PaymentType::ArCredit),
        CreditType::AccPayCredit => (PaymentTarget::CreditNote(row.id), PaymentType::ApCredit),
        CreditType::ReceivePrepayment => (PaymentTarget::Prepayment(row.id), PaymentType::ArPrepayment),
        CreditType::SpendPrepayment => (PaymentTarget::Prepayment(row.id), PaymentType::ApPrepayment),
        CreditType::ReceiveOverpayment => (PaymentTarget::Overpayment(row.id), PaymentType::ArOverpayment),
        CreditType::SpendOverpayment => (PaymentTarget::Overpayment(row.id), PaymentType::ApOverpayment),
    };
    Some(Payable {
        target,
        kind,
        status: row.status,
        outstanding: row.remaining,
        currency: row.currency,
        currency_rate: row.currency_rate,
    })
}

/// A bank account, or one that payments were enabled on.
fn find_account<'w>(
    writer: &'w Writer<'_>,
    request: &PaymentRequest,
    messages: &mut Vec<String>,
) -> Option<&'w Account> {
    let by_id = request.account_id.and_then(|id| writer.books.accounts.get(id));
    let by_code = || request.account_code.as_deref().and_then(|code| writer.books.account_by_code(code));
    let usable = |account: &&Account| {
        account.status == ReferenceStatus::Active && (account.kind == AccountType::Bank || account.enable_payments)
    };
    let found = by_id.or_else(by_code).filter(usable);
    if found.is_none() {
        messages.push(ACCOUNT_INVALID.into());
    }
    found
}

/// The refused payment as it was understood.
fn echo(object: &mut Object<'_>, request: &PaymentRequest) {
    object.id("PaymentID", request.id.unwrap_or(Uuid::nil()));
    if let Some(date) = request.date {
        object.date("Date", date);
    }
    if let Some(amount) = request.amount {
        object.amount("Amount", amount);
    }
    object.text_if("Reference", request.reference.as_deref());
    object.text_if("Status", request.status.map(|status| status.as_str()));
    if request.account_id.is_some() || request.account_code.is_some() {
        object.object("Account", |inner| {
            if let Some(id) = request.account_id {
                inner.id("AccountID", id);
            }
            inner.text_if("Code", request.account_code.as_deref());
            inner.nothing("ValidationErrors");
        });
    }
    for name in &request.documents {
        let (key, id_key) = match name.kind {
            TargetKind::Invoice => ("Invoice", "InvoiceID"),
            TargetKind::CreditNote => ("CreditNote", "CreditNoteID"),
            TargetKind::Prepayment => ("Prepayment", "PrepaymentID"),
            TargetKind::Overpayment => ("Overpayment", "OverpaymentID"),
        };
        object.object(key, |inner| {
            inner.id(id_key, name.id.unwrap_or(Uuid::nil()));
            inner.no(&["LineItems", "ValidationErrors"]);
        });
    }
    object.flag("HasValidationErrors", true);
}
