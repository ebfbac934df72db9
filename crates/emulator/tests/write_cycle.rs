//! Writes through the front door: token, tenant, route, answer, and what reads show afterwards.

mod common;

use common::{Client, NOW, config, json, rows};
use emulator::Clock;
use serde_json::{Value, json};

fn put(client: &Client, target: &str, body: Value) -> Value {
    let response = client.send("PUT", target, &body.to_string());
    assert_eq!(response.status, 200, "{target}: {}", response.text_body());
    rows(&response)[0].clone()
}

fn post(client: &Client, target: &str, body: Value) -> Value {
    let response = client.send("POST", target, &body.to_string());
    assert_eq!(response.status, 200, "{target}: {}", response.text_body());
    rows(&response)[0].clone()
}

/// An active account of that type, by its code.
fn account(client: &Client, kind: &str) -> Value {
    let found = client.rows("Accounts").into_iter().find(|row| {
        row["Type"] == kind
            && row["Status"] == "ACTIVE"
            && row.get("SystemAccount").is_none()
            && row["Code"].is_string()
    });
    found.unwrap_or_else(|| panic!("the organisation has an account of type {kind}"))["Code"].clone()
}

fn sale(client: &Client, contact: &Value) -> Value {
    let account = client
        .rows("Accounts")
        .into_iter()
        .find(|row| row["Class"] == "REVENUE" && row["Status"] == "ACTIVE" && row.get("SystemAccount").is_none());
    json!({"Type": "ACCREC", "Status": "AUTHORISED", "Contact": {"ContactID": contact["ContactID"]},
        "LineItems": [{"Description": "Work", "Quantity": 2, "UnitAmount": 10.5, "TaxType": "NONE",
            "AccountCode": account.expect("a revenue account")["Code"]}]})
}

#[test]
fn a_contact_an_invoice_and_its_payment_are_read_back() {
    let client = Client::connect(config());
    let contact = put(&client, "Contacts", json!({"Name": "Cycle & Sons", "ContactNumber": "cycle-1"}));
    let invoice = put(&client, "Invoices?unitdp=4", sale(&client, &contact));
    assert_eq!((&invoice["Total"], &invoice["AmountDue"]), (&json!(21.0), &json!(21.0)));
    let target = format!("Invoices/{}", invoice["InvoiceID"].as_str().unwrap());
    assert_eq!(client.rows(&target)[0]["Contact"]["Name"], "Cycle & Sons");

    let bank = account(&client, "BANK");
    let pay = json!({"Invoice": {"InvoiceID": invoice["InvoiceID"]}, "Account": {"Code": bank}, "Amount": 21});
    let payment = put(&client, "Payments", pay);
    let read = &client.rows(&target)[0];
    assert_eq!((&read["Status"], &read["AmountDue"]), (&json!("PAID"), &json!(0.0)));
    assert_eq!(read["Payments"][0]["PaymentID"], payment["PaymentID"]);

    let payment_target = format!("Payments/{}", payment["PaymentID"].as_str().unwrap());
    post(&client, &payment_target, json!({"Status": "DELETED"}));
    let read = &client.rows(&target)[0];
    assert_eq!((&read["Status"], &read["AmountDue"]), (&json!("AUTHORISED"), &json!(21.0)));
    assert_eq!(read["Payments"], json!([]));
    assert_eq!(client.rows(&payment_target)[0]["Status"], "DELETED");
}

#[test]
fn a_write_shows_in_an_incremental_list_at_its_tail() {
    let client = Client::connect(config());
    let contact = client.rows("Contacts?page=1")[0].clone();
    post(&client, "Contacts", json!({"ContactID": contact["ContactID"], "FirstName": "Late"}));
    let since = client.get_since("Contacts?page=1", "2026-09-14T09:30:30");
    let changed = rows(&since);
    assert_eq!(changed.last().unwrap()["ContactID"], contact["ContactID"]);
    let all = client.rows("Contacts?page=1&pageSize=1000");
    assert_eq!(all.last().unwrap()["ContactID"], contact["ContactID"], "it moved to the tail of the default order");
}

#[test]
fn every_generated_invoice_that_may_be_edited_survives_being_sent_back() {
    let client = Client::connect(config());
    let invoices = client.rows("Invoices?page=1&pageSize=1000&unitdp=4");
    assert!(invoices.len() >= 60);
    let (mut saved, mut refused) = (0, 0);
    for invoice in &invoices {
        let mut body = invoice.clone();
        body["Contact"] = json!({"ContactID": invoice["Contact"]["ContactID"]});
        let response = client.send("POST", "Invoices?unitdp=4", &body.to_string());
        let is_terminal = ["VOIDED", "DELETED"].contains(&invoice["Status"].as_str().unwrap());
        let text = response.text_body();
        if response.status == 200 {
            let answer = &rows(&response)[0];
            for key in ["Status", "SubTotal", "TotalTax", "Total", "AmountDue", "CurrencyRate", "DueDateString"] {
                assert_eq!(answer[key], invoice[key], "{key} of {invoice}");
            }
            let ids = |document: &Value| -> Vec<Value> {
                document["LineItems"].as_array().unwrap().iter().map(|line| line["LineItemID"].clone()).collect()
            };
            assert_eq!(ids(answer), ids(invoice), "no line was made anew");
            saved += 1;
        } else {
            let explained = is_terminal || text.contains("lock date") || text.contains("archived contact");
            assert!(explained, "{text}\n{invoice}");
            refused += 1;
        }
        assert!(!is_terminal || response.status == 400, "{text}");
    }
    assert!(saved > 30, "{saved} saved, {refused} refused");
}

#[test]
fn a_batch_answers_per_element_and_its_key_replays() {
    let client = Client::connect(config());
    let taken = client.rows("Contacts?page=1")[0]["Name"].clone();
    let body = json!({"Contacts": [{"Name": "Fresh One"}, {"Name": taken}]}).to_string();
    let request = client
        .request("PUT", "Contacts?summarizeErrors=false")
        .with_header("Content-Type", "application/json")
        .with_header("Idempotency-Key", "batch-1")
        .with_body(body);
    let first = client.emulator.handle(&request);
    let elements = rows(&first);
    assert_eq!(elements[0]["StatusAttributeString"], "OK");
    assert_eq!(elements[1]["StatusAttributeString"], "ERROR");
    let again = client.emulator.handle(&request);
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    let other = client
        .request("PUT", "Contacts")
        .with_header("Content-Type", "application/json")
        .with_header("Idempotency-Key", "batch-1")
        .with_body("{\"Name\":\"Fresh Two\"}");
    let refused = client.emulator.handle(&other);
    assert_eq!(refused.status, 400);
    assert_eq!(json(&refused)["Message"], "Idempotency Key: batch-1 is used with a different request.");
}

#[test]
fn the_same_writes_give_the_same_bytes() {
    let run = || {
        let client = Client::connect(common::config());
        let contact = put(&client, "Contacts", json!({"Name": "Same"}));
        let body = sale(&client, &contact).to_string();
        let answer = client.send("PUT", "Invoices?summarizeErrors=false", &body);
        let list = client.get("Invoices?page=1&order=InvoiceID");
        (answer.body, list.body)
    };
    assert_eq!(run(), run());
}

#[test]
fn a_key_is_forgotten_after_six_minutes_of_the_virtual_clock() {
    let clock = Clock::frozen(NOW);
    let client = Client::connect(emulator::Config { clock: clock.clone(), ..config() });
    let request = client
        .request("PUT", "Contacts")
        .with_header("Content-Type", "application/json")
        .with_header("Idempotency-Key", "k")
        .with_body("{\"Name\":\"Once\"}");
    assert_eq!(client.emulator.handle(&request).status, 200);
    clock.advance(359_999);
    assert_eq!(client.emulator.handle(&request).status, 200, "still replayed");
    clock.advance(1);
    assert_eq!(client.emulator.handle(&request).status, 400, "the name is taken now");
}
