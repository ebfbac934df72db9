//! Hostile bodies: whatever comes in, an answer goes out, and the books stay consistent.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::Bench;
use crate::books::{Amount, DocumentStatus};
use crate::http::Request;

const TARGETS: [(&str, &str); 14] = [
    ("PUT", "/Contacts"),
    ("POST", "/Contacts"),
    ("PUT", "/Invoices"),
    ("POST", "/Invoices?unitdp=4&summarizeErrors=false"),
    ("POST", "/Invoices/INV-0001"),
    ("PUT", "/CreditNotes"),
    ("PUT", "/CreditNotes/CN-0001/Allocations"),
    ("PUT", "/Payments"),
    ("PUT", "/BankTransactions"),
    ("POST", "/BankTransactions?summarizeErrors=false"),
    ("PUT", "/Accounts"),
    ("PUT", "/TaxRates"),
    ("PUT", "/Currencies"),
    ("PUT", "/TrackingCategories"),
];

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "Invoices",
        "Contacts",
        "CreditNotes",
        "Payments",
        "BankTransactions",
        "Accounts",
        "TaxRates",
        "Allocations",
        "Type",
        "Status",
        "Contact",
        "ContactID",
        "Name",
        "ContactNumber",
        "EmailAddress",
        "Phones",
        "PhoneType",
        "PhoneNumber",
        "Addresses",
        "AddressType",
        "ContactPersons",
        "InvoiceID",
        "InvoiceNumber",
        "Invoice",
        "Date",
        "DueDate",
        "LineItems",
        "LineItemID",
        "Quantity",
        "UnitAmount",
        "LineAmount",
        "TaxAmount",
        "TaxType",
        "AccountCode",
        "DiscountRate",
        "DiscountAmount",
        "Tracking",
        "Option",
        "LineAmountTypes",
        "CurrencyCode",
        "CurrencyRate",
        "Amount",
        "BankAmount",
        "Account",
        "BankAccount",
        "Code",
        "TaxComponents",
        "Rate",
        "Url",
        "SentToContact",
        "Reference",
        "CreditNote",
    ])
    .prop_map(str::to_owned)
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1000i64..1000).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec![
            "ACCREC",
            "ACCPAY",
            "ACCRECCREDIT",
            "AUTHORISED",
            "DRAFT",
            "DELETED",
            "VOIDED",
            "Inclusive",
            "NoTax",
            "SPEND",
            "RECEIVE-PREPAYMENT",
            "2026-03-02",
            "/Date(0)/",
            "/Date(-62135596800000)/",
            "0001-01-01",
            "9999-12-31",
            "200",
            "400",
            "090",
            "OUTPUT2",
            "NONE",
            "NZD",
            "JPY",
            "Example Ltd",
            "INV-0001",
            "DEFAULT",
            "STREET",
            "9999999999.99",
            "-0.005",
            "1e12",
            "https://example.test/",
            "REVENUE",
            "North",
            "Region",
        ])
        .prop_map(Value::from),
    ]
}

fn body() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(5, 48, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((key(), inner), 0..8).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// A well-formed invoice with one field replaced by anything: gets further than pure noise.
fn nearly_an_invoice() -> impl Strategy<Value = Value> {
    let line = (key(), leaf()).prop_map(|(key, value)| {
        let mut line = json!({"Description": "Work", "Quantity": 2, "UnitAmount": 10.5, "AccountCode": "200"});
        line[key] = value;
        line
    });
    (prop::collection::vec(line, 1..4), key(), leaf()).prop_map(|(lines, key, value)| {
        let mut body =
            json!({"Type": "ACCREC", "Status": "AUTHORISED", "Contact": {"Name": "Example Ltd"}, "LineItems": lines});
        body[key] = value;
        body
    })
}

fn check_books(bench: &Bench) {
    for row in bench.books.invoices.iter() {
        assert_eq!(row.total, row.sub_total + row.total_tax);
        let gone = matches!(row.status, DocumentStatus::Voided | DocumentStatus::Deleted);
        let due = if gone { Amount::ZERO } else { row.total - row.amount_paid - row.amount_credited };
        assert_eq!(row.amount_due, due);
        assert!(row.lines.iter().all(|line| !line.id.is_nil() && line.line_amount.0 % 100 == 0));
        assert!(bench.books.contacts.get(row.contact).is_some());
    }
    for row in bench.books.bank_transactions.iter() {
        assert!(row.total > Amount::ZERO);
        assert!(row.contact.is_some_and(|id| bench.books.contacts.get(id).is_some()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_json_never_panics(bodies in prop::collection::vec((prop::sample::select(TARGETS.to_vec()), body()), 1..6)) {
        let mut bench = Bench::new();
        bench.saved_sale("AUTHORISED");
        for ((method, target), body) in bodies {
            let reply = bench.send(method, target, body);
            prop_assert!([200, 400, 404].contains(&reply.status), "{}", reply.text);
        }
        check_books(&bench);
    }

    #[test]
    fn nearly_valid_invoices_never_panic(body in nearly_an_invoice(), change in nearly_an_invoice()) {
        let mut bench = Bench::new();
        let first = bench.put("/Invoices?summarizeErrors=false&unitdp=4", body);
        prop_assert!([200, 400].contains(&first.status), "{}", first.text);
        bench.post("/Invoices/INV-0001", change);
        check_books(&bench);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in any::<String>()) {
        let mut bench = Bench::new();
        for body in [bytes, text.into_bytes()] {
            let reply = bench.request(&Request::new("POST", "/Invoices").with_body(body));
            prop_assert!([200, 400].contains(&reply.status));
        }
    }
}
