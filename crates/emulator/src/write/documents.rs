//! Invoices, bills and credit notes: create, update, approve, void, delete. Both families follow the same rules.

use jiff::civil::Date;
use uuid::Uuid;

use super::answer::{Failure, Outcome};
use super::contact_plan;
use super::document_plan::{DocumentPlan, DocumentRefusal, Settled, plan};
use super::document_request::DocumentRequest;
use super::lines;
use super::rules::DOCUMENT_UNKNOWN;
use super::{Verb, Writer, each, only, path_id};
use crate::books::{
    Amount, Credit, CreditType, CurrencyCode, DocumentStatus, Invoice, InvoiceType, Line, LineAmountTypes, Rate, Text,
};
use crate::http::Response;
use crate::money::Totals;
use crate::render::{self, Object, Shape};

/// The two families of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Invoices and bills.
    Invoice,
    /// Credit notes of both sides.
    CreditNote,
}

impl Family {
    fn collection(self) -> &'static str {
        match self {
            Self::Invoice => "Invoices",
            Self::CreditNote => "CreditNotes",
        }
    }

    pub(super) fn id_key(self) -> &'static str {
        match self {
            Self::Invoice => "InvoiceID",
            Self::CreditNote => "CreditNoteID",
        }
    }

    pub(super) fn number_key(self) -> &'static str {
        match self {
            Self::Invoice => "InvoiceNumber",
            Self::CreditNote => "CreditNoteNumber",
        }
    }

    /// How refusals call the document.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Invoice => "Invoice",
            Self::CreditNote => "Credit Note",
        }
    }

    /// The customer's document, other than `own`, that holds a number.
    pub(super) fn number_holder(self, writer: &Writer<'_>, number: &str, own: Uuid) -> Option<Uuid> {
        let settings = writer.settings;
        let holds = |status: DocumentStatus| match status {
            DocumentStatus::Deleted => !settings.deleted_frees_number,
            DocumentStatus::Voided => !settings.voided_frees_number,
            _ => true,
        };
        match self {
            Self::Invoice => writer
                .books
                .invoices_by_number(number)
                .find(|row| row.kind == InvoiceType::AccRec && row.id != own && holds(row.status))
                .map(|row| row.id),
            Self::CreditNote => writer
                .books
                .credit_notes_by_number(number)
                .find(|row| row.kind == CreditType::AccRecCredit && row.id != own && holds(row.status))
                .map(|row| row.id),
        }
    }

    fn load(self, writer: &Writer<'_>, id: Uuid) -> Option<(Document, Settled)> {
        let books = &*writer.books;
        match self {
            Self::Invoice => books.invoices.get(id).map(|row| {
                let by_credit = books.credit_notes_on(id).next().is_some();
                (Document::of_invoice(row), Settled { in_part: books.is_settled_in_part(id), by_credit })
            }),
            Self::CreditNote => books.credit_notes.get(id).map(|row| {
                let allocated = !row.allocations.is_empty();
                let in_part = allocated || books.live_payments_of(id).next().is_some();
                (Document::of_credit(row), Settled { in_part, by_credit: allocated })
            }),
        }
    }
}

/// The editable part of a document, the same for both families.
#[derive(Debug, Clone)]
pub(super) struct Document {
    /// Nil until it is stored.
    pub(super) id: Uuid,
    pub(super) is_sale: bool,
    pub(super) number: Option<Text>,
    pub(super) reference: Option<Text>,
    /// Nil until it is known.
    pub(super) contact: Uuid,
    pub(super) date: Date,
    pub(super) due_date: Option<Date>,
    pub(super) status: DocumentStatus,
    pub(super) line_amount_types: LineAmountTypes,
    pub(super) lines: Vec<Line>,
    pub(super) totals: Totals,
    pub(super) total_discount: Amount,
    pub(super) currency: CurrencyCode,
    pub(super) currency_rate: Rate,
    pub(super) sent_to_contact: bool,
    pub(super) branding_theme: Option<Uuid>,
    pub(super) url: Option<Text>,
    pub(super) expected_payment_date: Option<Date>,
    pub(super) planned_payment_date: Option<Date>,
}

pub(super) fn write(writer: &mut Writer<'_>, body: &[u8], verb: Verb, family: Family) -> Result<Response, Failure> {
    each(
        writer,
        body,
        family.collection(),
        |fields, writer| DocumentRequest::decode(fields, writer, family),
        |writer, request| Ok(apply(writer, family, &request, verb)),
    )
}

/// `POST /Invoices/{InvoiceID or InvoiceNumber}` and the same for credit notes.
pub(super) fn write_one(writer: &mut Writer<'_>, body: &[u8], id: &str, family: Family) -> Result<Response, Failure> {
    let by_id = path_id(id).filter(|id| family.load(writer, *id).is_some());
    let by_number = || family.number_holder(writer, id, Uuid::nil()).or_else(|| any_with_number(writer, family, id));
    let found = by_id.or_else(by_number).ok_or(Failure::Gone)?;
    only(
        writer,
        body,
        family.collection(),
        |fields, writer| DocumentRequest::decode(fields, writer, family),
        |writer, mut request| {
            request.id = Some(found);
            Ok(apply(writer, family, &request, Verb::Upsert))
        },
    )
}

/// A bill, or a document whose number is free again: the newest with that number.
fn any_with_number(writer: &Writer<'_>, family: Family, number: &str) -> Option<Uuid> {
    match family {
        Family::Invoice => writer.books.invoices_by_number(number).map(|row| row.id).last(),
        Family::CreditNote => writer.books.credit_notes_by_number(number).map(|row| row.id).last(),
    }
}

fn apply(writer: &mut Writer<'_>, family: Family, request: &DocumentRequest, verb: Verb) -> Outcome {
    let stored = match locate(writer, family, request, verb) {
        Ok(stored) => stored,
        Err(message) => {
            let mut element = Vec::new();
            render::push_object(&mut element, |object| unknown_echo(object, family, request));
            return Outcome::refused(element, vec![message]);
        }
    };
    let planned = plan(writer, family, request, stored.as_ref().map(|(document, settled)| (document, *settled)));
    match planned {
        Ok(plan) => {
            let warnings = plan.warnings.clone();
            let element = commit(writer, family, plan, stored.map(|(document, _)| document));
            Outcome::Saved { element, warnings }
        }
        Err(DocumentRefusal { document, messages }) => {
            let mut element = Vec::new();
            render::push_object(&mut element, |object| echo(object, writer, family, &document, request));
            Outcome::refused(element, messages)
        }
    }
}

/// The stored document that a request is about, if it is about one.
fn locate(
    writer: &Writer<'_>,
    family: Family,
    request: &DocumentRequest,
    verb: Verb,
) -> Result<Option<(Document, Settled)>, String> {
    let by_id = request.id.and_then(|id| family.load(writer, id));
    if verb == Verb::Create {
        // What Xero says to a create with a known id is not documented.
        return match by_id {
            Some(_) => Err(format!("{} not of valid status for creation", family.noun())),
            None => Ok(None),
        };
    }
    if request.id.is_some() {
        return by_id.map(Some).ok_or_else(|| match family {
            Family::Invoice => DOCUMENT_UNKNOWN.into(),
            Family::CreditNote => "An existing Credit Note with the specified CreditNoteID could not be found".into(),
        });
    }
    let number = request.number.as_deref().filter(|number| !number.is_empty() && request.is_sale != Some(false));
    let holder = number.and_then(|number| family.number_holder(writer, number, Uuid::nil()));
    Ok(holder.and_then(|id| family.load(writer, id)))
}

/// Stores a planned document and renders it as it is now.
fn commit(writer: &mut Writer<'_>, family: Family, plan: DocumentPlan, stored: Option<Document>) -> Vec<u8> {
    let DocumentPlan { mut document, contact, is_quiet, .. } = plan;
    if let Some(contact) = contact {
        document.contact = contact_plan::commit(writer, contact);
    }
    if let Some(stored) = &stored {
        writer.notes.lines_recreated += lines::recreated(&stored.lines, &document.lines);
    }
    for line in document.lines.iter_mut().filter(|line| line.id.is_nil()) {
        line.id = writer.books.next_id();
    }
    if document.number.is_none() && document.is_sale {
        document.number = Some(match family {
            Family::Invoice => writer.books.take_invoice_number(),
            Family::CreditNote => writer.books.take_credit_note_number(),
        });
    }
    if stored.is_none() {
        document.id = writer.books.next_id();
    }
    flag_contact(writer, &document);
    match family {
        Family::Invoice => store_invoice(writer, document, stored.is_none(), is_quiet),
        Family::CreditNote => store_credit_note(writer, document, stored.is_none(), is_quiet),
    }
}

/// The first document of a side makes the contact a customer or supplier, without a new time stamp.
fn flag_contact(writer: &mut Writer<'_>, document: &Document) {
    let is_flagged = |is_customer: bool, is_supplier: bool| if document.is_sale { is_customer } else { is_supplier };
    let row = writer.books.contacts.get(document.contact);
    if row.is_some_and(|row| !is_flagged(row.is_customer, row.is_supplier)) {
        writer.books.contacts.change_quietly(document.contact, |row| {
            row.is_customer |= document.is_sale;
            row.is_supplier |= !document.is_sale;
        });
    }
}

fn store_invoice(writer: &mut Writer<'_>, document: Document, is_new: bool, is_quiet: bool) -> Vec<u8> {
    let id = document.id;
    let now = writer.now;
    let due_before = writer.books.invoices.get(id).map(|row| row.amount_due);
    if is_new {
        writer.books.invoices.insert(document.into_invoice(now, !writer.is_person));
    } else if is_quiet {
        writer.books.invoices.change_quietly(id, |row| document.store_in_invoice(row));
    } else {
        writer.books.invoices.change(id, now, |row| document.store_in_invoice(row));
    }
    let mut element = Vec::new();
    if let Some(row) = writer.books.invoices.get(id) {
        let voided = row.status == DocumentStatus::Voided;
        match due_before.filter(|_| voided) {
            // The answer to a void still prints what was due before; reads print nothing due.
            Some(amount_due) => {
                let shown = Invoice { amount_due, ..row.clone() };
                render::invoice(&mut element, &writer.view(), &shown, Shape::Write);
            }
            None => render::invoice(&mut element, &writer.view(), row, Shape::Write),
        }
    }
    element
}

fn store_credit_note(writer: &mut Writer<'_>, document: Document, is_new: bool, is_quiet: bool) -> Vec<u8> {
    let id = document.id;
    let now = writer.now;
    let refunded: Amount = writer.books.live_payments_of(id).map(|payment| payment.amount).sum();
    if is_new {
        writer.books.credit_notes.insert(document.into_credit(now, !writer.is_person));
    } else if is_quiet {
        writer.books.credit_notes.change_quietly(id, |row| document.store_in_credit(row, refunded));
    } else {
        writer.books.credit_notes.change(id, now, |row| document.store_in_credit(row, refunded));
    }
    let mut element = Vec::new();
    if let Some(row) = writer.books.credit_notes.get(id) {
        render::credit(&mut element, &writer.view(), row, Shape::Write);
    }
    element
}

impl Document {
    fn of_invoice(row: &Invoice) -> Self {
        Self {
            id: row.id,
            is_sale: row.kind == InvoiceType::AccRec,
            number: row.number.clone(),
            reference: row.reference.clone(),
            contact: row.contact,
            date: row.date,
            due_date: row.due_date,
            status: row.status,
            line_amount_types: row.line_amount_types,
            lines: row.lines.clone(),
            totals: Totals { sub_total: row.sub_total, total_tax: row.total_tax, total: row.total },
            total_discount: row.total_discount,
            currency: row.currency,
            currency_rate: row.currency_rate,
            sent_to_contact: row.sent_to_contact,
            branding_theme: row.branding_theme,
            url: row.url.clone(),
            expected_payment_date: row.expected_payment_date,
            planned_payment_date: row.planned_payment_date,
        }
    }

    fn of_credit(row: &Credit) -> Self {
        Self {
            id: row.id,
            is_sale: row.kind.is_receivable(),
            number: row.number.clone(),
            reference: row.reference.clone(),
            contact: row.contact,
            date: row.date,
            due_date: row.due_date,
            status: row.status,
            line_amount_types: row.line_amount_types,
            lines: row.lines.clone(),
            totals: Totals { sub_total: row.sub_total, total_tax: row.total_tax, total: row.total },
            total_discount: Amount::ZERO,
            currency: row.currency,
            currency_rate: row.currency_rate,
            sent_to_contact: row.sent_to_contact,
            branding_theme: row.branding_theme,
            url: None,
            expected_payment_date: None,
            planned_payment_date: None,
        }
    }

    fn into_invoice(self, now: i64, created_by_app: bool) -> Invoice {
        let mut row = Invoice {
            id: self.id,
            kind: if self.is_sale { InvoiceType::AccRec } else { InvoiceType::AccPay },
            number: None,
            reference: None,
            contact: self.contact,
            date: self.date,
            due_date: None,
            status: self.status,
            line_amount_types: self.line_amount_types,
            lines: Vec::new(),
            sub_total: Amount::ZERO,
            total_tax: Amount::ZERO,
            total: Amount::ZERO,
            total_discount: Amount::ZERO,
            amount_due: Amount::ZERO,
            amount_paid: Amount::ZERO,
            amount_credited: Amount::ZERO,
            currency: self.currency,
            currency_rate: self.currency_rate,
            fully_paid_on: None,
            sent_to_contact: false,
            branding_theme: None,
            url: None,
            expected_payment_date: None,
            planned_payment_date: None,
            created_by_app,
            updated: now,
        };
        self.store_in_invoice(&mut row);
        row
    }

    fn store_in_invoice(self, row: &mut Invoice) {
        let is_gone = matches!(self.status, DocumentStatus::Voided | DocumentStatus::Deleted);
        row.number = self.number;
        row.reference = self.reference;
        row.contact = self.contact;
        row.date = self.date;
        row.due_date = self.due_date;
        row.status = self.status;
        row.line_amount_types = self.line_amount_types;
        row.lines = self.lines;
        row.sub_total = self.totals.sub_total;
        row.total_tax = self.totals.total_tax;
        row.total = self.totals.total;
        row.total_discount = self.total_discount;
        row.amount_due = if is_gone { Amount::ZERO } else { row.total - row.amount_paid - row.amount_credited };
        row.currency = self.currency;
        row.currency_rate = self.currency_rate;
        row.sent_to_contact = self.sent_to_contact;
        row.branding_theme = self.branding_theme;
        row.url = self.url;
        row.expected_payment_date = self.expected_payment_date;
        row.planned_payment_date = self.planned_payment_date;
    }

    fn into_credit(self, now: i64, created_by_app: bool) -> Credit {
        let mut row = Credit {
            id: self.id,
            kind: if self.is_sale { CreditType::AccRecCredit } else { CreditType::AccPayCredit },
            number: None,
            reference: None,
            contact: self.contact,
            date: self.date,
            due_date: None,
            status: self.status,
            line_amount_types: self.line_amount_types,
            lines: Vec::new(),
            sub_total: Amount::ZERO,
            total_tax: Amount::ZERO,
            total: Amount::ZERO,
            remaining: Amount::ZERO,
            allocations: Vec::new(),
            currency: self.currency,
            currency_rate: self.currency_rate,
            fully_paid_on: None,
            sent_to_contact: false,
            branding_theme: None,
            created_by_app,
            updated: now,
        };
        self.store_in_credit(&mut row, Amount::ZERO);
        row
    }

    fn store_in_credit(self, row: &mut Credit, refunded: Amount) {
        let is_gone = matches!(self.status, DocumentStatus::Voided | DocumentStatus::Deleted);
        let allocated: Amount = row.allocations.iter().map(|part| part.amount).sum();
        row.number = self.number;
        row.reference = self.reference;
        row.contact = self.contact;
        row.date = self.date;
        row.due_date = self.due_date;
        row.status = self.status;
        row.line_amount_types = self.line_amount_types;
        row.lines = self.lines;
        row.sub_total = self.totals.sub_total;
        row.total_tax = self.totals.total_tax;
        row.total = self.totals.total;
        row.remaining = if is_gone { Amount::ZERO } else { row.total - allocated - refunded };
        row.currency = self.currency;
        row.currency_rate = self.currency_rate;
        row.sent_to_contact = self.sent_to_contact;
        row.branding_theme = self.branding_theme;
    }
}

/// A refused document: the merge of what is stored and what was sent, with the status that was asked for.
fn echo(object: &mut Object<'_>, writer: &Writer<'_>, family: Family, document: &Document, request: &DocumentRequest) {
    let kind = match (family, document.is_sale) {
        (Family::Invoice, true) => InvoiceType::AccRec.as_str(),
        (Family::Invoice, false) => InvoiceType::AccPay.as_str(),
        (Family::CreditNote, true) => CreditType::AccRecCredit.as_str(),
        (Family::CreditNote, false) => CreditType::AccPayCredit.as_str(),
    };
    object.text("Type", kind);
    object.id(family.id_key(), document.id);
    object.text_if(family.number_key(), request.number.as_deref());
    object.text_if("Reference", request.reference.as_deref());
    if family == Family::Invoice {
        object.no(&["Payments", "CreditNotes", "Prepayments", "Overpayments"]);
        object.flag("IsDiscounted", !document.total_discount.is_zero());
        object.nothing("InvoiceAddresses");
    } else {
        object.no(&["Payments", "Allocations"]);
    }
    object.flag("HasErrors", true);
    if family == Family::Invoice {
        object.nothing("InvoicePaymentServices");
    }
    object.object("Contact", |inner| {
        inner.id("ContactID", document.contact);
        inner.text_if("Name", request.contact.as_ref().and_then(|contact| contact.name.as_deref()));
        inner.no(&["Addresses", "Phones", "ContactGroups", "ContactPersons"]);
        inner.flag("HasValidationErrors", false);
        inner.nothing("ValidationErrors");
    });
    object.date_pair("Date", "DateString", document.date);
    if let Some(due) = document.due_date {
        object.date_pair("DueDate", "DueDateString", due);
    }
    object.text("Status", document.status.as_str());
    object.text("LineAmountTypes", document.line_amount_types.as_str());
    render::lines(object, &writer.view(), &document.lines, Shape::Write);
    object.amount("SubTotal", document.totals.sub_total);
    object.amount("TotalTax", document.totals.total_tax);
    object.amount("Total", document.totals.total);
    object.text("CurrencyCode", document.currency.as_str());
}

/// An element that points to no document, or may not point to one.
fn unknown_echo(object: &mut Object<'_>, family: Family, request: &DocumentRequest) {
    object.id(family.id_key(), request.id.unwrap_or(Uuid::nil()));
    object.text_if(family.number_key(), request.number.as_deref());
    object.no(&["LineItems"]);
    object.flag("HasErrors", true);
}
