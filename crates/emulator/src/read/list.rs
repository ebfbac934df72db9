//! Lists of big tables: selection, order, paging. A page costs what it shows, not what the table holds.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use uuid::Uuid;

use super::query::Query;
use super::{ReadContext, fields, refused, schemas};
use crate::api::bad_request;
use crate::books::*;
use crate::filter::{Fields, Filter, Order, QueryError, Schema, Value, fold, parse_order};
use crate::http::Response;
use crate::render::{self, Pagination, Shape, View};

/// How many filtered or sorted selections are kept, so that the next page of the same query need not select again.
const KEPT_SELECTIONS: usize = 8;

/// Selections of the last queries, valid as long as no row changes.
#[derive(Debug, Default)]
pub(crate) struct Selections(VecDeque<(String, Arc<Vec<Slot>>)>);

impl Selections {
    fn get(&self, key: &str) -> Option<Arc<Vec<Slot>>> {
        self.0.iter().find(|(own, _)| own == key).map(|(_, slots)| Arc::clone(slots))
    }

    fn keep(&mut self, key: String, slots: Arc<Vec<Slot>>) {
        if self.0.len() == KEPT_SELECTIONS {
            self.0.pop_front();
        }
        self.0.push_back((key, slots));
    }
}

/// A list endpoint.
pub(crate) trait Listed {
    /// Its rows.
    type Row: Row;
    /// What `where` and `order` may mention. The first field is the id.
    const SCHEMA: &'static Schema;
    /// The collection's key in the envelope.
    const KEY: &'static str;
    /// Fields that `summaryOnly=true` drops, so that filters may not use them.
    const NOT_IN_SUMMARY: &'static [&'static str] = &[];
    /// Whether the endpoint pages at all.
    const IS_PAGED: bool = true;

    /// The table of the rows.
    fn table(books: &Books) -> &Table<Self::Row>;
    /// The value of a field.
    fn field<'a>(books: &'a Books, row: &'a Self::Row, path: &str) -> Value<'a>;
    /// Writes a row.
    fn render(out: &mut Vec<u8>, view: &View<'_>, row: &Self::Row, shape: Shape);
    /// Whether the endpoint's own parameters (not `where`) keep the row.
    fn is_kept(_books: &Books, _row: &Self::Row, _query: &Query) -> bool {
        true
    }
    /// Whether [`Listed::is_kept`] keeps every row for this query, so that nothing has to be looked at.
    fn keeps_all(_books: &Books, _query: &Query) -> bool {
        true
    }
    /// Rows under a secondary key that the filter demands, if it demands one.
    fn candidates(_books: &Books, _filter: Option<&Filter>, _query: &Query) -> Option<Vec<Uuid>> {
        None
    }
}

struct RowFields<'a, L: Listed> {
    books: &'a Books,
    row: &'a L::Row,
}

impl<L: Listed> Fields for RowFields<'_, L> {
    fn field(&self, path: &str) -> Value<'_> {
        L::field(self.books, self.row, path)
    }
}

/// Which of the table's orders a query needs.
enum Base {
    Updated,
    Id { descending: bool },
    Sorted(Order),
}

fn base<L: Listed>(query: &Query) -> Result<Base, QueryError> {
    let Some(text) = &query.order else { return Ok(Base::Updated) };
    let order = parse_order(text, L::SCHEMA)?;
    let id = L::SCHEMA.fields[0].0;
    Ok(match order.keys() {
        [("UpdatedDateUTC", false)] => Base::Updated,
        [(path, descending)] if *path == id => Base::Id { descending: *descending },
        _ => Base::Sorted(order),
    })
}

/// Answers a list.
pub(super) fn list<L: Listed>(context: &ReadContext<'_>, selections: &mut Selections, query: &Query) -> Response {
    match answer::<L>(context, selections, query) {
        Ok(response) | Err(response) => response,
    }
}

fn answer<L: Listed>(
    context: &ReadContext<'_>,
    selections: &mut Selections,
    query: &Query,
) -> Result<Response, Response> {
    let books = context.books;
    let table = L::table(books);
    let base = base::<L>(query).map_err(refused)?;
    let filter = query.filter.as_deref().map(|text| Filter::parse(text, L::SCHEMA)).transpose().map_err(refused)?;
    refuse_unoptimised::<L>(context, query, &base, filter.as_ref())?;
    let asked = filter.as_ref().filter(|_| query.summary_only);
    if let Some(path) = asked.and_then(|filter| L::NOT_IN_SUMMARY.iter().find(|path| filter.uses(path))) {
        let text = format!("The field {path} cannot be used in a filter when summaryOnly is true");
        return Err(bad_request(16, "QueryParseException", &text));
    }

    let is_plain = filter.is_none() && query.ids.is_none() && L::keeps_all(books, query);
    let selected = match &base {
        Base::Updated if is_plain => Selected::Part(&table.updated_order()[updated_from(context, table, query)..]),
        Base::Id { descending: false } if is_plain && query.since.is_none() => Selected::Part(table.id_order()),
        _ => {
            let key = format!("{} {} {}", L::KEY, books.revision(), query.selection_key);
            let slots = match selections.get(&key) {
                Some(slots) => slots,
                None => {
                    let slots = Arc::new(select::<L>(context, query, &base, filter.as_ref()).map_err(refused)?);
                    selections.keep(key, Arc::clone(&slots));
                    slots
                }
            };
            Selected::Whole(slots)
        }
    };
    let slots = selected.slots();
    if slots.is_empty() && query.since.is_some() && context.settings.ims_304 {
        return Ok(Response::empty(304));
    }
    let page = query.page.filter(|_| L::IS_PAGED);
    let (shown, pagination) = match page {
        Some(page) => cut(context, slots, page, query.page_size),
        None if slots.len() > context.settings.unoptimised_rows => {
            let text = "The number of records in the response exceeds the limit. Use paging to read them in parts.";
            return Err(bad_request(10, "ValidationException", text));
        }
        None => (slots, None),
    };
    let shape = match page {
        Some(_) if query.summary_only => Shape::Summary,
        Some(_) => Shape::Page,
        None => Shape::List,
    };
    let view = context.view(query.unit_dp);
    let body = render::envelope(context.answer_id, context.provider, context.now, pagination, L::KEY, |out| {
        out.reserve(shown.len() * 1024);
        render::push_array(out, shown, |out, slot| L::render(out, &view, table.at(*slot), shape));
    });
    Ok(Response::json(200, body))
}

/// A run of one of the table's own orders, or a selection made for the query.
enum Selected<'a> {
    Part(&'a [Slot]),
    Whole(Arc<Vec<Slot>>),
}

impl Selected<'_> {
    fn slots(&self) -> &[Slot] {
        match self {
            Self::Part(slots) => slots,
            Self::Whole(slots) => slots,
        }
    }
}

/// Cuts a page by position; past the end it is empty.
fn cut<'s>(
    context: &ReadContext<'_>,
    slots: &'s [Slot],
    page: usize,
    page_size: usize,
) -> (&'s [Slot], Option<Pagination>) {
    let from = (page - 1).saturating_mul(page_size).min(slots.len());
    let to = from.saturating_add(page_size).min(slots.len());
    let page_count = match slots.len() {
        0 => context.settings.empty_page_count as usize,
        count => count.div_ceil(page_size),
    };
    (&slots[from..to], Some(Pagination { page, page_size, page_count, item_count: slots.len() }))
}

/// The first row that was modified since the wanted second.
fn updated_from<T: Row>(context: &ReadContext<'_>, table: &Table<T>, query: &Query) -> usize {
    let Some(since) = query.since else { return 0 };
    table.updated_order().partition_point(|slot| !is_modified(context, table.at(*slot).updated(), since))
}

/// Whether a row counts as modified since a second. Milliseconds are not looked at.
fn is_modified(context: &ReadContext<'_>, updated: Millis, since: Millis) -> bool {
    let second = updated.div_euclid(1000) * 1000;
    if context.settings.ims_inclusive { second >= since } else { second > since }
}

fn select<L: Listed>(
    context: &ReadContext<'_>,
    query: &Query,
    base: &Base,
    filter: Option<&Filter>,
) -> Result<Vec<Slot>, QueryError> {
    let books = context.books;
    let table = L::table(books);
    let wanted = match &query.ids {
        Some(ids) => Some(ids.iter().copied().collect()),
        None => L::candidates(books, filter, query),
    };
    let mut slots: Vec<Slot> = match wanted {
        Some(ids) => {
            let mut slots: Vec<Slot> = ids.into_iter().filter_map(|id| table.slot(id)).collect();
            slots.sort_unstable_by_key(|slot| (table.at(*slot).updated(), table.at(*slot).id()));
            slots.dedup();
            slots
        }
        None => match base {
            Base::Id { .. } => table.id_order().to_vec(),
            _ => table.updated_order()[updated_from(context, table, query)..].to_vec(),
        },
    };
    let mut failure = None;
    slots.retain(|slot| {
        let row = table.at(*slot);
        let is_new = query.since.is_none_or(|since| is_modified(context, row.updated(), since));
        if failure.is_some() || !is_new || !L::is_kept(books, row, query) {
            return false;
        }
        let Some(filter) = filter else { return true };
        filter.matches(&RowFields::<L> { books, row }).unwrap_or_else(|error| {
            failure = Some(error);
            false
        })
    });
    if let Some(error) = failure {
        return Err(error);
    }
    match base {
        Base::Updated => {}
        Base::Id { descending } => {
            slots.sort_unstable_by_key(|slot| table.at(*slot).id());
            if *descending {
                slots.reverse();
            }
        }
        Base::Sorted(order) => slots.sort_by(|left, right| {
            let (left, right) = (table.at(*left), table.at(*right));
            let ordering = order.compare(&RowFields::<L> { books, row: left }, &RowFields::<L> { books, row: right });
            if ordering == Ordering::Equal { left.id().cmp(&right.id()) } else { ordering }
        }),
    }
    Ok(slots)
}

/// Xero refuses filters and orders without an index over more than 100,000 rows.
fn refuse_unoptimised<L: Listed>(
    context: &ReadContext<'_>,
    query: &Query,
    base: &Base,
    filter: Option<&Filter>,
) -> Result<(), Response> {
    if L::table(context.books).len() <= context.settings.unoptimised_rows || query.ids.is_some() {
        return Ok(());
    }
    let is_slow_filter = filter.is_some_and(|filter| !filter.is_optimised(L::SCHEMA));
    let is_slow_order = matches!(base, Base::Sorted(order) if !order.is_optimised(L::SCHEMA));
    if is_slow_filter || is_slow_order {
        let text = "The filter or order is not optimised for an organisation of this size. Use optimised fields.";
        return Err(bad_request(10, "ValidationException", text));
    }
    Ok(())
}

/// Whether any of the texts contains the folded search term.
fn found(term: &str, texts: &[Option<&str>]) -> bool {
    texts.iter().flatten().any(|text| fold(text).contains(term))
}

impl Listed for Contact {
    type Row = Self;
    const SCHEMA: &'static Schema = &schemas::CONTACT;
    const KEY: &'static str = "Contacts";
    const NOT_IN_SUMMARY: &'static [&'static str] = &["IsCustomer", "IsSupplier"];

    fn table(books: &Books) -> &Table<Self> {
        &books.contacts
    }
    fn field<'a>(_books: &'a Books, row: &'a Self, path: &str) -> Value<'a> {
        fields::contact(row, path)
    }
    fn render(out: &mut Vec<u8>, view: &View<'_>, row: &Self, shape: Shape) {
        render::contact(out, view, row, shape);
    }
    fn is_kept(_books: &Books, row: &Self, query: &Query) -> bool {
        let texts = || {
            [
                Some(&*row.name),
                row.first_name.as_deref(),
                row.last_name.as_deref(),
                row.number.as_deref(),
                row.company_number.as_deref(),
                row.email.as_deref(),
            ]
        };
        (query.include_archived || row.status == ContactStatus::Active)
            && query.search.as_deref().is_none_or(|term| found(term, &texts()))
    }
    fn keeps_all(_books: &Books, query: &Query) -> bool {
        query.include_archived && query.search.is_none()
    }
    fn candidates(books: &Books, filter: Option<&Filter>, _query: &Query) -> Option<Vec<Uuid>> {
        // Text compares without accents, which the keys do not know.
        let ascii = |path: &str| match filter?.required_equality(path) {
            Some(Value::Text(text)) if text.is_ascii() => Some(text.to_string()),
            _ => None,
        };
        let number = ascii("ContactNumber")?;
        Some(books.contacts.find(Key::text("number", &number)).map(|row| row.id).collect())
    }
}

impl Listed for Invoice {
    type Row = Self;
    const SCHEMA: &'static Schema = &schemas::INVOICE;
    const KEY: &'static str = "Invoices";

    fn table(books: &Books) -> &Table<Self> {
        &books.invoices
    }
    fn field<'a>(books: &'a Books, row: &'a Self, path: &str) -> Value<'a> {
        fields::invoice(books, row, path)
    }
    fn render(out: &mut Vec<u8>, view: &View<'_>, row: &Self, shape: Shape) {
        render::invoice(out, view, row, shape);
    }
    fn is_kept(_books: &Books, row: &Self, query: &Query) -> bool {
        let number = row.number.as_deref().unwrap_or_default();
        query.statuses.as_ref().is_none_or(|statuses| statuses.contains(row.status.as_str()))
            && query.contacts.as_ref().is_none_or(|contacts| contacts.contains(&row.contact))
            && query.numbers.as_ref().is_none_or(|numbers| numbers.contains(&fold(number)))
            && (!query.created_by_app || row.created_by_app)
            && query.search.as_deref().is_none_or(|term| found(term, &[Some(number), row.reference.as_deref()]))
    }
    fn keeps_all(_books: &Books, query: &Query) -> bool {
        query.statuses.is_none()
            && query.contacts.is_none()
            && query.numbers.is_none()
            && !query.created_by_app
            && query.search.is_none()
    }
    fn candidates(books: &Books, filter: Option<&Filter>, query: &Query) -> Option<Vec<Uuid>> {
        if let Some(numbers) = &query.numbers {
            let ids = numbers.iter().flat_map(|number| books.invoices_by_number(number)).map(|row| row.id);
            return Some(ids.collect());
        }
        if let Some(contacts) = &query.contacts {
            let ids = contacts.iter().flat_map(|id| books.invoices_of_contact(*id)).map(|row| row.id);
            return Some(ids.collect());
        }
        if let Some(Value::Guid(id)) = filter?.required_equality("Contact.ContactID") {
            return Some(books.invoices_of_contact(Uuid::from_u128(*id)).map(|row| row.id).collect());
        }
        match filter?.required_equality("InvoiceNumber") {
            // Text compares without accents, which the index by number does not know.
            Some(Value::Text(number)) if number.is_ascii() => {
                Some(books.invoices_by_number(number).map(|row| row.id).collect())
            }
            _ => None,
        }
    }
}

impl Listed for Payment {
    type Row = Self;
    const SCHEMA: &'static Schema = &schemas::PAYMENT;
    const KEY: &'static str = "Payments";

    fn table(books: &Books) -> &Table<Self> {
        &books.payments
    }
    fn field<'a>(books: &'a Books, row: &'a Self, path: &str) -> Value<'a> {
        fields::payment(books, row, path)
    }
    fn render(out: &mut Vec<u8>, view: &View<'_>, row: &Self, shape: Shape) {
        render::payment(out, view, row, shape);
    }
    fn candidates(books: &Books, filter: Option<&Filter>, _query: &Query) -> Option<Vec<Uuid>> {
        match filter?.required_equality("Invoice.InvoiceID") {
            Some(Value::Guid(id)) => Some(books.payments_of(Uuid::from_u128(*id)).map(|row| row.id).collect()),
            _ => None,
        }
    }
}

impl Listed for BankTransaction {
    type Row = Self;
    const SCHEMA: &'static Schema = &schemas::BANK_TRANSACTION;
    const KEY: &'static str = "BankTransactions";

    fn table(books: &Books) -> &Table<Self> {
        &books.bank_transactions
    }
    fn field<'a>(books: &'a Books, row: &'a Self, path: &str) -> Value<'a> {
        fields::bank_transaction(books, row, path)
    }
    fn render(out: &mut Vec<u8>, view: &View<'_>, row: &Self, shape: Shape) {
        render::bank_transaction(out, view, row, shape);
    }
    fn candidates(books: &Books, filter: Option<&Filter>, _query: &Query) -> Option<Vec<Uuid>> {
        match filter?.required_equality("Contact.ContactID") {
            Some(Value::Guid(id)) => {
                let rows = books.bank_transactions.find(Key::id("contact", Uuid::from_u128(*id)));
                Some(rows.map(|row| row.id).collect())
            }
            _ => None,
        }
    }
}

impl Listed for Account {
    type Row = Self;
    const SCHEMA: &'static Schema = &schemas::ACCOUNT;
    const KEY: &'static str = "Accounts";
    const IS_PAGED: bool = false;

    fn table(books: &Books) -> &Table<Self> {
        &books.accounts
    }
    fn field<'a>(_books: &'a Books, row: &'a Self, path: &str) -> Value<'a> {
        fields::account(row, path)
    }
    fn render(out: &mut Vec<u8>, _view: &View<'_>, row: &Self, _shape: Shape) {
        render::account(out, row);
    }
}

/// The three lists of credits differ in their table, their schema and their name.
macro_rules! credits {
    ($(#[$outer:meta])* $name:ident, $table:ident, $schema:ident, $key:literal) => {
        $(#[$outer])*
        #[derive(Debug)]
        pub(super) struct $name;

        impl Listed for $name {
            type Row = Credit;
            const SCHEMA: &'static Schema = &schemas::$schema;
            const KEY: &'static str = $key;

            fn table(books: &Books) -> &Table<Credit> {
                &books.$table
            }
            fn field<'a>(books: &'a Books, row: &'a Credit, path: &str) -> Value<'a> {
                fields::credit(books, row, path)
            }
            fn render(out: &mut Vec<u8>, view: &View<'_>, row: &Credit, shape: Shape) {
                render::credit(out, view, row, shape);
            }
            fn is_kept(_books: &Books, row: &Credit, query: &Query) -> bool {
                let folded = |text: &Option<Text>| fold(text.as_deref().unwrap_or_default());
                query.numbers.as_ref().is_none_or(|numbers| numbers.contains(&folded(&row.number)))
                    && query.references.as_ref().is_none_or(|texts| texts.contains(&folded(&row.reference)))
            }
            fn keeps_all(_books: &Books, query: &Query) -> bool {
                query.numbers.is_none() && query.references.is_none()
            }
        }
    };
}

credits!(
    /// `/CreditNotes`.
    CreditNotes, credit_notes, CREDIT_NOTE, "CreditNotes"
);
credits!(
    /// `/Prepayments`.
    Prepayments, prepayments, PREPAYMENT, "Prepayments"
);
credits!(
    /// `/Overpayments`.
    Overpayments, overpayments, OVERPAYMENT, "Overpayments"
);
