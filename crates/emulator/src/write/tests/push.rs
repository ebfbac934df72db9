//! What a synchronising application sends: batches of fifty, each element with an answer of its own, and every refusal in
//! Xero's words.

use serde_json::{Value, json};

use super::super::rules::{ARCHIVED_CONTACT, CONTACT_NUMBER_TAKEN};
use super::Bench;

fn messages(element: &Value) -> Vec<&str> {
    let errors = element["ValidationErrors"].as_array().into_iter().flatten();
    errors.filter_map(|error| error["Message"].as_str()).collect()
}

#[test]
fn fifty_elements_are_answered_in_their_order_and_the_good_ones_are_saved() {
    let mut bench = Bench::new();
    let batch: Vec<Value> = (0..50)
        .map(|n| {
            let mut body = bench.sale("AUTHORISED");
            body["InvoiceNumber"] = format!("T-{}", if n % 7 == 6 { n - 1 } else { n }).into();
            body
        })
        .collect();
    let reply = bench.put("/Invoices?summarizeErrors=false", json!({"Invoices": batch}));
    assert_eq!(reply.status, 200);
    let elements = reply.json["Invoices"].as_array().unwrap().clone();
    assert_eq!(elements.len(), 50);
    for (n, element) in elements.iter().enumerate() {
        if n % 7 == 6 {
            assert_eq!(messages(element), ["Invoice # must be unique."]);
            assert_eq!(element["StatusAttributeString"], "ERROR");
        } else {
            assert_eq!(
                (&element["InvoiceNumber"], &element["StatusAttributeString"]),
                (&json!(format!("T-{n}")), &json!("OK"))
            );
        }
    }
    assert_eq!(bench.books.invoices.len(), 43);
    assert_eq!((bench.notes.saved, bench.notes.refused), (43, 7));
}

#[test]
fn every_refusal_of_a_batch_has_its_own_words() {
    let mut bench = Bench::new();
    bench.put("/Contacts", json!({"Name": "Numbered", "ContactNumber": "C-1"})).first("Contacts");
    let archived = bench.archived_contact.to_string();
    let reply = bench.post(
        "/Contacts?summarizeErrors=false",
        json!({"Contacts": [
            {"ContactID": bench.contact.to_string(), "Name": "Numbered"},
            {"ContactID": archived, "FirstName": "A"},
            {"ContactID": bench.contact.to_string(), "ContactNumber": "C-1"},
            {"ContactID": bench.contact.to_string(), "EmailAddress": "nobody"},
        ]}),
    );
    let elements = reply.json["Contacts"].as_array().unwrap().clone();
    let taken = super::super::rules::contact_name_taken("Numbered");
    let expected = [taken.as_str(), ARCHIVED_CONTACT, CONTACT_NUMBER_TAKEN, "Email address must be valid"];
    for (element, message) in elements.iter().zip(expected) {
        assert_eq!(messages(element), [message]);
    }

    let with = |key: &str, value: Value| {
        let mut body = bench.sale("AUTHORISED");
        if body.get(key).is_some() || key == "CurrencyCode" {
            body[key] = value;
        } else {
            body["LineItems"][0][key] = value;
        }
        body
    };
    let batch = [
        (
            with("AccountCode", "499".into()),
            "Account code '499' has been archived, or has been deleted. Each line item must reference a valid account.",
        ),
        (with("AccountCode", "999".into()), "Account code '999' is not a valid code for this document."),
        (with("TaxType", "INPUT2".into()), "The TaxType code 'INPUT2' cannot be used with account code '200'."),
        (with("CurrencyCode", "EUR".into()), "Organisation is not subscribed to currency EUR"),
        (with("LineAmount", 1.into()), "The line total 1.00 does not match the expected line total 21.00"),
        (
            with("Date", "2026-01-31".into()),
            "The document date cannot be before the period lock date, currently set at 31-Jan-2026",
        ),
        (with("Contact", json!({"ContactID": archived})), ARCHIVED_CONTACT),
        (with("LineItems", json!([])), "One or more line items must be specified"),
        (with("Status", "PAID".into()), "Invoice not of valid status for creation"),
    ];
    bench.books.organisation.period_lock_date = Some(super::day("2026-01-31"));
    let bodies: Vec<&Value> = batch.iter().map(|(body, _)| body).collect();
    let reply = bench.put("/Invoices?summarizeErrors=false", json!({"Invoices": bodies}));
    let elements = reply.json["Invoices"].as_array().unwrap().clone();
    assert_eq!(elements.len(), batch.len());
    for (element, (_, message)) in elements.iter().zip(&batch) {
        assert_eq!(messages(element), [*message]);
    }
}

#[test]
fn payments_of_one_batch_cannot_pay_more_than_is_due_together() {
    let mut bench = Bench::new();
    let sale = bench.saved_sale("AUTHORISED");
    let payment = json!({"Invoice": {"InvoiceID": sale["InvoiceID"]}, "Account": {"Code": "090"}, "Amount": 20});
    let reply = bench.put("/Payments?summarizeErrors=false", json!({"Payments": [payment, payment]}));
    let elements = reply.json["Payments"].as_array().unwrap().clone();
    assert_eq!(elements[0]["StatusAttributeString"], "OK");
    assert_eq!(messages(&elements[1]), ["Payment amount exceeds the amount outstanding on this document"]);
    let frozen = json!({"InvoiceID": sale["InvoiceID"], "CurrencyCode": "USD"});
    let reply = bench.post("/Invoices?summarizeErrors=false", json!({"Invoices": [frozen]}));
    assert_eq!(
        messages(&reply.json["Invoices"][0]),
        ["This document cannot be edited as it has a payment or credit note allocated to it."]
    );
}
