//! Reads: which route gives which rows, in which shape.

mod fields;
mod list;
mod query;
mod schemas;

pub(crate) use list::Selections;

use uuid::Uuid;

use crate::api::bad_request;
use crate::books::*;
use crate::config::Settings;
use crate::filter::{Fields, Filter, QueryError, Schema, parse_order};
use crate::http::{Request, Response};
use crate::ledger::History;
use crate::render::{self, Shape, View};
use list::list;
use query::Query;

/// What a read works on: one organisation's books at one instant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadContext<'a> {
    pub(crate) books: &'a Books,
    pub(crate) history: &'a History,
    pub(crate) now: Millis,
    pub(crate) settings: &'a Settings,
    /// The application's name, the envelope's `ProviderName`.
    pub(crate) provider: &'a str,
    /// The envelope's `Id`.
    pub(crate) answer_id: Uuid,
}

impl<'a> ReadContext<'a> {
    fn view(&self, unit_dp: u32) -> View<'a> {
        View { books: self.books, today: self.books.organisation.today(self.now), unit_dp }
    }

    /// An unpaged envelope around what `write` appends.
    pub(crate) fn envelope(&self, key: &str, write: impl FnOnce(&mut Vec<u8>)) -> Response {
        Response::json(200, render::envelope(self.answer_id, self.provider, self.now, None, key, write))
    }

    fn one<T>(&self, key: &str, row: Option<&T>, write: impl FnOnce(&mut Vec<u8>, &T)) -> Response {
        let Some(row) = row else { return Response::not_found() };
        self.envelope(key, |out| {
            out.push(b'[');
            write(out, row);
            out.push(b']');
        })
    }
}

/// What a refused query answers.
fn refused(error: QueryError) -> Response {
    bad_request(16, "QueryParseException", &error.0)
}

/// A GET; `segments` come after `/api.xro/2.0/`.
pub(crate) fn handle(
    context: &ReadContext<'_>,
    selections: &mut Selections,
    request: &Request,
    segments: &[&str],
) -> Response {
    let books = context.books;
    let query = match Query::read(request, context.settings) {
        Ok(query) => query,
        Err(response) => return response,
    };
    let view = context.view(query.unit_dp);
    match segments {
        ["Contacts"] => list::<Contact>(context, selections, &query),
        ["Invoices"] => list::<Invoice>(context, selections, &query),
        ["CreditNotes"] => list::<list::CreditNotes>(context, selections, &query),
        ["Prepayments"] => list::<list::Prepayments>(context, selections, &query),
        ["Overpayments"] => list::<list::Overpayments>(context, selections, &query),
        ["Payments"] => list::<Payment>(context, selections, &query),
        ["BankTransactions"] => list::<BankTransaction>(context, selections, &query),
        ["Accounts"] => list::<Account>(context, selections, &query),
        ["Contacts", id] => {
            let row = by_id(&books.contacts, id).or_else(|| books.contact_by_number(id));
            context.one("Contacts", row, |out, row| render::contact(out, &view, row, Shape::Single))
        }
        ["Invoices", id] => {
            let row = by_id(&books.invoices, id).or_else(|| invoice_by_number(books, id));
            context.one("Invoices", row, |out, row| render::invoice(out, &view, row, Shape::Single))
        }
        ["CreditNotes", id] => {
            let row = by_id(&books.credit_notes, id).or_else(|| books.credit_notes_by_number(id).next());
            context.one("CreditNotes", row, |out, row| render::credit(out, &view, row, Shape::Single))
        }
        ["Prepayments", id] => {
            let row = by_id(&books.prepayments, id);
            context.one("Prepayments", row, |out, row| render::credit(out, &view, row, Shape::Single))
        }
        ["Overpayments", id] => {
            let row = by_id(&books.overpayments, id);
            context.one("Overpayments", row, |out, row| render::credit(out, &view, row, Shape::Single))
        }
        ["Payments", id] => {
            let row = by_id(&books.payments, id);
            context.one("Payments", row, |out, row| render::payment(out, &view, row, Shape::Single))
        }
        ["BankTransactions", id] => {
            let row = by_id(&books.bank_transactions, id);
            context.one("BankTransactions", row, |out, row| render::bank_transaction(out, &view, row, Shape::Single))
        }
        ["Accounts", id] => context.one("Accounts", by_id(&books.accounts, id), render::account),
        ["TaxRates", tax_type] => context.one("TaxRates", books.tax_rate(tax_type), render::tax_rate),
        _ => settings(context, &query, segments),
    }
}

/// Small lists that are always given whole, and sub-resources.
fn settings(context: &ReadContext<'_>, query: &Query, segments: &[&str]) -> Response {
    let books = context.books;
    let small = |key: &str, result: Result<Vec<u8>, QueryError>| match result {
        Ok(rows) => context.envelope(key, |out| out.extend_from_slice(&rows)),
        Err(error) => refused(error),
    };
    match segments {
        ["TaxRates"] => {
            small("TaxRates", small_list(query, &schemas::TAX_RATE, books.tax_rates.iter().collect(), render::tax_rate))
        }
        ["Currencies"] => small(
            "Currencies",
            small_list(query, &schemas::CURRENCY, books.currencies.iter().collect(), render::currency),
        ),
        ["TrackingCategories"] => {
            let archived = query.include_archived;
            let is_shown = |row: &&TrackingCategory| {
                row.status == ReferenceStatus::Active || (archived && row.status == ReferenceStatus::Archived)
            };
            let rows = books.tracking.iter().filter(is_shown).collect();
            let write = |out: &mut Vec<u8>, row: &TrackingCategory| render::tracking_category(out, row, archived);
            small("TrackingCategories", small_list(query, &schemas::TRACKING_CATEGORY, rows, write))
        }
        ["TrackingCategories", id] => {
            let row = Uuid::parse_str(id).ok().and_then(|id| books.tracking.iter().find(|row| row.id == id));
            context.one("TrackingCategories", row, |out, row| render::tracking_category(out, row, true))
        }
        ["Organisation"] => context.one("Organisations", Some(&books.organisation), render::organisation),
        ["Organisation", "Actions"] => context.envelope("Actions", |out| {
            render::actions(out, &books.organisation, books.currencies.len() > 1);
        }),
        ["BrandingThemes"] => context.envelope("BrandingThemes", |out| {
            render::push_array(out, books.themes.iter().enumerate(), |out, (place, row)| {
                render::branding_theme(out, row, place);
            });
        }),
        ["BrandingThemes", id] => {
            let row = books.themes.iter().enumerate().find(|(_, row)| row.id.to_string() == **id);
            context.one("BrandingThemes", row.as_ref(), |out, (place, row)| render::branding_theme(out, row, *place))
        }
        ["Items"] => context.envelope("Items", |out| out.extend_from_slice(b"[]")),
        ["ContactGroups"] => context.envelope("ContactGroups", |out| out.extend_from_slice(b"[]")),
        [_, id, "History"] if is_document(books, segments[0], id) => {
            let records = Uuid::parse_str(id).into_iter().flat_map(|id| context.history.of(id));
            context.envelope("HistoryRecords", |out| render::history(out, records))
        }
        [_, id, "Attachments"] if is_document(books, segments[0], id) => {
            context.envelope("Attachments", |out| out.extend_from_slice(b"[]"))
        }
        _ => Response::not_found(),
    }
}

fn small_list<T>(
    query: &Query,
    schema: &Schema,
    mut rows: Vec<&T>,
    mut write: impl FnMut(&mut Vec<u8>, &T),
) -> Result<Vec<u8>, QueryError>
where
    T: Fields,
{
    if let Some(text) = &query.filter {
        let filter = Filter::parse(text, schema)?;
        let mut kept = Vec::new();
        for row in rows {
            if filter.matches(row)? {
                kept.push(row);
            }
        }
        rows = kept;
    }
    if let Some(text) = &query.order {
        let order = parse_order(text, schema)?;
        rows.sort_by(|left, right| order.compare(*left, *right));
    }
    let mut out = Vec::new();
    render::push_array(&mut out, rows, |out, row| write(out, row));
    Ok(out)
}

fn by_id<'a, T: Row>(table: &'a Table<T>, id: &str) -> Option<&'a T> {
    table.get(Uuid::parse_str(id).ok()?)
}

/// The invoice of that number: a live one before a voided or deleted one, a sales invoice before a bill.
fn invoice_by_number<'a>(books: &'a Books, number: &'a str) -> Option<&'a Invoice> {
    books.invoices_by_number(number).min_by_key(|row| {
        let is_dead = matches!(row.status, DocumentStatus::Voided | DocumentStatus::Deleted);
        (is_dead, row.kind)
    })
}

/// Whether there is such a record.
pub(crate) fn is_document(books: &Books, kind: &str, id: &str) -> bool {
    let Ok(id) = Uuid::parse_str(id) else { return false };
    match kind {
        "Contacts" => books.contacts.get(id).is_some(),
        "Invoices" => books.invoices.get(id).is_some(),
        "CreditNotes" => books.credit_notes.get(id).is_some(),
        "Prepayments" => books.prepayments.get(id).is_some(),
        "Overpayments" => books.overpayments.get(id).is_some(),
        "Payments" => books.payments.get(id).is_some(),
        "BankTransactions" => books.bank_transactions.get(id).is_some(),
        "Accounts" => books.accounts.get(id).is_some(),
        _ => false,
    }
}
