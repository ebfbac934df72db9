//! For each rule something made by hand that breaks it, and something near it that does not: a rule that cannot be broken
//! is worth nothing.

mod passage;
mod rest;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{AppRow, By, Call, Checks, Intent, Link, Mark, Snapshot, Violation, Who};

/// An id that is easy to tell apart.
fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn columns(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn row(pairs: &[(&str, &str)]) -> AppRow {
    AppRow { columns: columns(pairs), children: BTreeMap::new(), revision: 1 }
}

fn link(kind: &str, local: i64, xero: Uuid) -> Link {
    Link { connection: 1, kind: kind.into(), local, xero, updated_ms: Some(1_000) }
}

/// A customer, an invoice of the customer's and a payment of the invoice, the same on both sides, with two edits that
/// arrived: the snapshot that every test begins with, and breaks somewhere.
fn books() -> (Snapshot, Vec<Mark>) {
    let mut books = Snapshot::default();
    let name = crate::token(1);
    books.app.insert(("customer", 1), row(&[("name", &format!("App {name}")), ("status", "ACTIVE")]));
    books.xero.insert(
        ("customer", id(1)),
        json!({"ContactID": id(1), "Name": format!("App {name}"), "ContactStatus": "ACTIVE"}),
    );
    books.app.insert(
        ("invoice", 2),
        row(&[
            ("type", "ACCREC"),
            ("number", "N-1"),
            ("customer_id", "1"),
            ("status", "SENT"),
            ("xero_status", "AUTHORISED"),
            ("currency", "NZD"),
            ("line_amount_types", "NO_TAX"),
            ("total", "10"),
            ("amount_due", "4"),
        ]),
    );
    books.xero.insert(
        ("invoice", id(2)),
        json!({"InvoiceID": id(2), "Type": "ACCREC", "InvoiceNumber": "N-1", "Contact": {"ContactID": id(1)},
            "Status": "AUTHORISED", "CurrencyCode": "NZD", "LineAmountTypes": "NoTax", "Total": 10, "AmountDue": 4.0}),
    );
    let reference = format!("Paid {}", crate::token(2));
    books.app.insert(
        ("payment", 3),
        row(&[("invoice_id", "2"), ("amount", "6"), ("reference", &reference), ("status", "COMPLETED")]),
    );
    books.xero.insert(
        ("payment", id(3)),
        json!({"PaymentID": id(3), "Invoice": {"InvoiceID": id(2)}, "Amount": 6.00, "Reference": reference,
            "Status": "AUTHORISED"}),
    );
    books.links = vec![link("customer", 1, id(1)), link("invoice", 2, id(2)), link("payment", 3, id(3))];
    let marks =
        vec![mark(1, By::App, "customer", Who::Local(1), "new"), mark(2, By::App, "payment", Who::Local(3), "new")];
    (books, marks)
}

fn mark(number: usize, by: By, kind: &'static str, who: Who, field: &'static str) -> Mark {
    let (is_superseded, is_seen, is_in_flight, back_from) = (false, false, false, None);
    Mark { number, by, kind, who, field, is_superseded, is_seen, is_in_flight, back_from }
}

fn column(books: &mut Snapshot, kind: &'static str, local: i64, name: &str, value: &str) {
    books.app.get_mut(&(kind, local)).unwrap().columns.insert(name.into(), value.into());
}

fn member(books: &mut Snapshot, kind: &'static str, xero: Uuid, name: &str, value: Value) {
    books.xero.get_mut(&(kind, xero)).unwrap()[name] = value;
}

fn intent(number: i64, op: &str, state: &str) -> Intent {
    Intent { id: number, kind: "customer".into(), local: 1, op: op.into(), state: state.into(), ..Intent::default() }
}

/// The rules that do not hold, each once.
fn broken(found: &[Violation]) -> Vec<&'static str> {
    found.iter().map(|one| one.invariant).collect::<BTreeSet<_>>().into_iter().collect()
}

fn at_rest(books: &Snapshot, marks: &[Mark]) -> Vec<&'static str> {
    broken(&crate::judge_rest(books, marks, &Checks::all()))
}

/// A write of the first process to an endpoint.
fn write(number: u64, at_ms: i64, method: &str, endpoint: &str, key: &str, body: Value) -> Call {
    Call {
        number,
        at_ms,
        process: 1,
        life: 1,
        method: method.into(),
        path: format!("/api.xro/2.0/{endpoint}"),
        query: String::new(),
        key: (!key.is_empty()).then(|| key.to_owned()),
        body,
        tenant: Some(id(99)),
        status: 200,
        retry_after_s: None,
        was_sent: true,
        applied_at_ms: Some(at_ms + 100),
        answer: Value::Null,
    }
}

fn look(number: u64, at_ms: i64, endpoint: &str) -> Call {
    Call { applied_at_ms: None, ..write(number, at_ms, "GET", endpoint, "", Value::Null) }
}
