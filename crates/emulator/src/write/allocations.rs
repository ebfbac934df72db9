//! Allocations: parts of credit notes, prepayments and overpayments set against invoices, and taken off again.

use jiff::civil::Date;
use uuid::Uuid;

use super::answer::{Failure, Outcome};
use super::body::{BadBody, Fields};
use super::rules::{DOCUMENT_UNKNOWN, EXCEEDS_OUTSTANDING, ONLY_AUTHORISED, check_lock_dates};
use super::{Writer, each, path_id};
use crate::books::{Allocation, Amount, Credit, DocumentStatus, Invoice, InvoiceType, Key, Table};
use crate::http::Response;
use crate::render;

/// Whose part is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    CreditNote,
    Prepayment,
    Overpayment,
}

impl Source {
    /// The source that a path begins with.
    pub(super) fn parse(head: &str) -> Self {
        match head.to_ascii_lowercase().as_str() {
            "prepayments" => Self::Prepayment,
            "overpayments" => Self::Overpayment,
            _ => Self::CreditNote,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::CreditNote => "CreditNote",
            Self::Prepayment => "Prepayment",
            Self::Overpayment => "Overpayment",
        }
    }

    fn table<'w>(self, writer: &'w Writer<'_>) -> &'w Table<Credit> {
        match self {
            Self::CreditNote => &writer.books.credit_notes,
            Self::Prepayment => &writer.books.prepayments,
            Self::Overpayment => &writer.books.overpayments,
        }
    }

    fn table_mut<'w>(self, writer: &'w mut Writer<'_>) -> &'w mut Table<Credit> {
        match self {
            Self::CreditNote => &mut writer.books.credit_notes,
            Self::Prepayment => &mut writer.books.prepayments,
            Self::Overpayment => &mut writer.books.overpayments,
        }
    }

    /// The credit that a path names: by id, and credit notes also by number.
    fn find(self, writer: &Writer<'_>, id: &str) -> Option<Uuid> {
        let by_id = path_id(id).filter(|id| self.table(writer).get(*id).is_some());
        let by_number = || {
            let is_note = self == Self::CreditNote;
            writer.books.credit_notes_by_number(id).next().filter(|_| is_note).map(|row| row.id)
        };
        by_id.or_else(by_number)
    }
}

/// An allocation as sent.
#[derive(Debug, Clone)]
struct AllocationRequest {
    invoice: Option<Uuid>,
    number: Option<String>,
    amount: Option<Amount>,
    date: Option<Date>,
}

impl AllocationRequest {
    fn decode(fields: &Fields<'_>) -> Result<Self, BadBody> {
        let invoice = fields.object("Invoice")?;
        let amount = match fields.amount("Amount", 2)? {
            Some(amount) => Some(amount),
            None => fields.amount("AppliedAmount", 2)?,
        };
        Ok(Self {
            invoice: invoice.as_ref().map_or(Ok(None), |part| part.id("InvoiceID"))?,
            number: invoice.as_ref().map_or(Ok(None), |part| part.text("InvoiceNumber"))?,
            amount,
            date: fields.date("Date")?,
        })
    }
}

/// `PUT /CreditNotes/{id}/Allocations` and the same for prepayments and overpayments.
pub(super) fn write(writer: &mut Writer<'_>, body: &[u8], source: Source, id: &str) -> Result<Response, Failure> {
    let credit = source.find(writer, id).ok_or(Failure::Gone)?;
    each(
        writer,
        body,
        "Allocations",
        |fields, _| AllocationRequest::decode(fields),
        |writer, request| Ok(allocate(writer, source, credit, &request)),
    )
}

fn allocate(writer: &mut Writer<'_>, source: Source, credit: Uuid, request: &AllocationRequest) -> Outcome {
    let amount = request.amount.unwrap_or(Amount::ZERO);
    let invoice = find_invoice(writer, request).map(|row| row.id);
    let messages = check(writer, source, credit, invoice, amount, request.date);
    let (Some(invoice), Some(date), true) = (invoice, request.date, messages.is_empty()) else {
        let mut element = Vec::new();
        render::push_object(&mut element, |object| {
            object.amount("Amount", amount);
            if let Some(date) = request.date {
                object.date("Date", date);
            }
            object.object("Invoice", |inner| {
                inner.id("InvoiceID", request.invoice.unwrap_or(Uuid::nil()));
                inner.no(&["LineItems", "ValidationErrors"]);
            });
        });
        return Outcome::refused(element, messages);
    };
    let row = Allocation { id: writer.books.next_id(), invoice, amount, date };
    let stored = row.clone();
    let now = writer.now;
    source.table_mut(writer).change_quietly(credit, |credit| credit.allocations.push(stored));
    writer.books.settle_credit(credit, date, now);
    writer.books.settle_invoice(invoice, date, now);
    let mut element = Vec::new();
    render::push_object(&mut element, |object| {
        render::allocation_keys(object, &writer.view(), &row);
        object.object(source.name(), |inner| {
            inner.id(&format!("{}ID", source.name()), credit);
            inner.id("ID", credit);
            inner.nothing("LineItems");
        });
        object.nothing("ValidationErrors");
    });
    Outcome::saved(element)
}

fn find_invoice<'w>(writer: &'w Writer<'_>, request: &AllocationRequest) -> Option<&'w Invoice> {
    match (request.invoice, request.number.as_deref()) {
        (Some(id), _) => writer.books.invoices.get(id),
        (None, Some(number)) if !number.is_empty() => {
            let live = |row: &&Invoice| !matches!(row.status, DocumentStatus::Deleted | DocumentStatus::Voided);
            writer
                .books
                .invoices
                .find(Key::text("number", number))
                .filter(live)
                .find(|row| row.number.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(number)))
        }
        _ => None,
    }
}

/// The words are documented for payments only; allocations are refused in the same ones where they fit.
fn check(
    writer: &Writer<'_>,
    source: Source,
    credit: Uuid,
    invoice: Option<Uuid>,
    amount: Amount,
    date: Option<Date>,
) -> Vec<String> {
    let mut messages = Vec::new();
    let credit = source.table(writer).get(credit);
    let invoice = invoice.and_then(|id| writer.books.invoices.get(id));
    match date {
        Some(date) => messages.extend(check_lock_dates(writer, date)),
        None => messages.push("The Date field is required.".into()),
    }
    if amount <= Amount::ZERO {
        messages.push("Allocation amount must be greater than zero".into());
    }
    let (Some(credit), Some(invoice)) = (credit, invoice) else {
        messages.push(DOCUMENT_UNKNOWN.into());
        return messages;
    };
    if credit.status != DocumentStatus::Authorised || invoice.status != DocumentStatus::Authorised {
        messages.push(ONLY_AUTHORISED.into());
    }
    if amount > invoice.amount_due {
        messages.push(EXCEEDS_OUTSTANDING.into());
    }
    if amount > credit.remaining {
        messages.push("The allocation amount exceeds the remaining credit".into());
    }
    if credit.kind.is_receivable() != (invoice.kind == InvoiceType::AccRec)
        || credit.contact != invoice.contact
        || credit.currency != invoice.currency
    {
        messages.push("The credit and the invoice must have the same type, contact and currency".into());
    }
    messages
}

/// `DELETE /CreditNotes/{id}/Allocations/{AllocationID}`: 200 with `IsDeleted: true`.
pub(super) fn delete(writer: &mut Writer<'_>, source: Source, id: &str, allocation: &str) -> Result<Response, Failure> {
    let credit = source.find(writer, id).ok_or(Failure::Gone)?;
    let allocation = path_id(allocation).ok_or(Failure::Gone)?;
    let stored = source.table(writer).get(credit);
    let row = stored.and_then(|credit| credit.allocations.iter().find(|part| part.id == allocation)).cloned();
    let row = row.ok_or(Failure::Gone)?;
    let mut element = Vec::new();
    render::push_object(&mut element, |object| {
        render::allocation_keys(object, &writer.view(), &row);
        object.flag("IsDeleted", true);
    });
    if let Some(message) = check_lock_dates(writer, row.date) {
        let refused = Outcome::refused(element, vec![message]);
        return Ok(super::answer(writer, "Allocations", vec![refused]));
    }
    let now = writer.now;
    source.table_mut(writer).change_quietly(credit, |credit| credit.allocations.retain(|part| part.id != allocation));
    writer.books.settle_credit(credit, row.date, now);
    writer.books.settle_invoice(row.invoice, row.date, now);
    Ok(Response::json(200, element))
}
