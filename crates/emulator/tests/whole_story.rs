//! One application's day: log in, create, correct, pay, and find all of it again by the usual ways of reading.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use common::*;
use emulator::Config;
use emulator::config::Limits;
use serde_json::{Value, json};

fn created(response: &emulator::http::Response) -> Value {
    assert_eq!(response.status, 200, "{}", response.text_body());
    rows(response)[0].clone()
}

#[test]
fn create_update_pay_and_read_back() {
    let client = Client::connect(config());
    client.emulator.clock().advance(60_000);
    let contact =
        created(&client.send("PUT", "Contacts?summarizeErrors=false", r#"{"Contacts":[{"Name":"Example Ltd"}]}"#));
    let contact_id = contact["ContactID"].as_str().unwrap();
    let invoice = json!({"Invoices": [{"Type": "ACCREC", "Contact": {"ContactID": contact_id}, "Date": "2026-09-14",
        "DueDate": "2026-09-30", "Status": "AUTHORISED", "LineAmountTypes": "Exclusive", "Reference": "job 7",
        "LineItems": [{"Description": "Work", "Quantity": 2, "UnitAmount": 10.5, "AccountCode": "200"}]}]});
    let made = created(&client.send("PUT", "Invoices?summarizeErrors=false&unitdp=4", &invoice.to_string()));
    assert_eq!(made["Total"].to_string(), "24.15");
    assert!(made.get("Payments").is_none() && made["Prepayments"] == json!([]));
    let id = made["InvoiceID"].as_str().unwrap().to_owned();

    let since = "2026-09-14T09:31:00";
    let changed = rows(&client.get_since("Invoices?page=1", since));
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0]["LineItems"][0]["TaxType"], "OUTPUT2", "the account's default tax");
    assert_eq!(client.rows("Invoices?page=1&createdByMyApp=true").len(), 1);
    let balance = &client.rows(&format!("Contacts/{contact_id}"))[0]["Balances"]["AccountsReceivable"]["Outstanding"];
    assert_eq!(balance.to_string(), "24.15");

    client.emulator.clock().advance(60_000);
    let payment =
        json!({"Invoice": {"InvoiceID": id}, "Account": {"Code": "090"}, "Date": "2026-09-14", "Amount": 24.15});
    let paid = created(&client.send("PUT", "Payments", &payment.to_string()));
    let row = client.rows(&format!("Invoices/{id}"))[0].clone();
    assert_eq!((row["Status"].as_str(), row["AmountDue"].to_string()), (Some("PAID"), "0.0".to_owned()));
    assert_eq!(row["Payments"][0]["PaymentID"], paid["PaymentID"]);
    assert_eq!(rows(&client.get_since("Invoices?page=1", "2026-09-14T09:32:00")).len(), 1, "paying shows in a pull");

    client.emulator.clock().advance(60_000);
    let target = format!("Payments/{}", paid["PaymentID"].as_str().unwrap());
    created(&client.send("POST", &target, r#"{"Status":"DELETED"}"#));
    assert_eq!(client.rows(&format!("Invoices/{id}"))[0]["Status"], "AUTHORISED");
    assert_eq!(rows(&client.get_since("Payments?page=1", "2026-09-14T09:33:00"))[0]["Status"], "DELETED");
}

#[test]
fn item_14_a_replayed_call_changes_nothing_but_is_counted() {
    let client = Client::connect(Config { limits: Limits::default(), ..config() });
    let send = || {
        let request = client.request("PUT", "Contacts").with_header("Idempotency-Key", "one");
        client.emulator.handle(&request.with_body(r#"{"Name":"Only Once"}"#))
    };
    let (first, second) = (send(), send());
    assert_eq!(first.body, second.body);
    assert_eq!(first.header("X-MinLimit-Remaining"), Some("59"));
    assert_eq!(second.header("X-MinLimit-Remaining"), Some("58"));
    assert_eq!(client.rows("Contacts?searchTerm=only%20once").len(), 1);
}

#[test]
fn a_lost_answer_is_found_again_by_its_key() {
    let client = Client::connect(config());
    let action = emulator::FaultAction::LoseAnswer;
    let fault = emulator::Fault { method: "PUT".into(), path_contains: "Contacts".into(), nth: 1, action };
    client.emulator.add_fault(fault);
    let request = client.request("PUT", "Contacts").with_header("Idempotency-Key", "lost");
    let request = request.with_body(r#"{"Name":"Lost And Found"}"#);
    assert_eq!(client.emulator.call(&request), emulator::Outcome::Lost);
    let again = client.emulator.handle(&request);
    assert_eq!(again.status, 200, "{}", again.text_body());
    assert_eq!(client.rows("Contacts?searchTerm=lost%20and").len(), 1);
}
