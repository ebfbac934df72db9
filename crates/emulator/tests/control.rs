//! The control API: state, clock, log, faults, and changes as a person in Xero would make them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use common::*;
use emulator::http::{Request, Response};
use emulator::{Emulator, Fault, FaultAction, Outcome};
use serde_json::{Value, json};

fn control(emulator: &Emulator, method: &str, path: &str, body: &str) -> Response {
    emulator.handle(&Request::new(method, &format!("/_emulator/{path}")).with_body(body.to_owned()))
}

#[test]
fn state_and_log_tell_what_happened_and_are_not_logged_themselves() {
    let client = Client::connect(config());
    client.get("Organisation?x=1");
    let keyed = client.request("PUT", "Contacts").with_header("Idempotency-Key", "k-1").with_body("{}");
    client.emulator.handle(&keyed);
    let state = json(&control(&client.emulator, "GET", "state", ""));
    assert_eq!(state["tenants"][0]["is_connected"], true);
    assert_eq!(state["tenants"][0]["counts"]["invoices"], 60);
    assert_eq!(state["is_frozen"], true);
    let log = json(&control(&client.emulator, "GET", "log?after=2", ""));
    assert_eq!(log.as_array().unwrap().len(), 2);
    assert_eq!(log[0]["target"], "/api.xro/2.0/Organisation?x=1");
    assert_eq!(log[0]["tenant_id"], json!(client.tenant));
    assert_eq!(log[1]["idempotency_key"], "k-1");
    assert_eq!(client.emulator.call_count(), 4);
    assert!(!client.emulator.log().iter().any(|call| call.target.contains(&client.access)), "no token in the log");
}

#[test]
fn the_clock_is_moved_frozen_and_run() {
    let client = Client::connect(config());
    let at = |body: &str| json(&control(&client.emulator, "POST", "clock", body))["now_ms"].as_i64().unwrap();
    assert_eq!(at("{}"), NOW);
    assert_eq!(at(r#"{"advance_ms": 5000}"#), NOW + 5_000);
    assert_eq!(at(r#"{"freeze_at_ms": 1000}"#), 1_000);
    assert!(at(r#"{"run": true}"#) >= 1_000);
    assert_eq!(control(&client.emulator, "POST", "clock", r#"{"advance_ms": "soon"}"#).status, 400);
}

#[test]
fn faults_before_and_after_commit_and_lost_answers() {
    let client = Client::connect(config());
    let put = |name: &str| client.send("PUT", "Contacts", &format!(r#"{{"Name":"{name}"}}"#));
    let exists = |name: &str| !client.rows(&format!("Contacts?searchTerm={}", encode(name))).is_empty();
    let fault = |action: &str| {
        let body = format!(r#"{{"method":"PUT","path_contains":"Contacts","nth":1,{action}}}"#);
        assert_eq!(control(&client.emulator, "POST", "faults", &body).status, 200);
    };
    fault(r#""action":"status_before","status":503"#);
    assert_eq!(put("Never Made").status, 503);
    assert!(!exists("Never Made"));
    fault(r#""action":"status_after","status":500"#);
    assert_eq!(put("Made Anyway").status, 500);
    assert!(exists("Made Anyway"));
    fault(r#""action":"lose_answer""#);
    let request = client.request("PUT", "Contacts").with_body(r#"{"Name":"Unanswered"}"#);
    assert_eq!(client.emulator.call(&request), Outcome::Lost);
    assert!(exists("Unanswered"));
    assert_eq!(client.emulator.log().iter().filter(|call| call.status == 0).count(), 1);

    let action = FaultAction::StatusBefore(500);
    client.emulator.add_fault(Fault { method: String::new(), path_contains: "Nowhere".into(), nth: 1, action });
    assert_eq!(client.emulator.clear_faults(), 1, "a rule that never fired is still there");
    assert_eq!(control(&client.emulator, "POST", "faults", r#"{"action":"explode"}"#).status, 400);
}

#[test]
fn tokens_expire_and_tenants_disconnect_on_command() {
    let client = Client::connect(config());
    control(&client.emulator, "POST", "tokens/expire", "");
    let detail = json(&client.get("Organisation"))["Detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("TokenExpired: token expired at 09/14/2026 09:30:30"), "{detail}");
    let tokens = json(&refresh(&client.emulator, &client.refresh));
    let client = Client {
        access: tokens["access_token"].as_str().unwrap().to_owned(),
        refresh: tokens["refresh_token"].as_str().unwrap().to_owned(),
        ..client
    };
    assert_eq!(client.get("Organisation").status, 200);
    assert_eq!(client.control("disconnect", "")["was_connected"], true);
    assert_eq!(client.get("Organisation").status, 403);
    control(&client.emulator, "POST", "tokens/revoke", "");
    assert_eq!(refresh(&client.emulator, &client.refresh).status, 400);
}

fn some(rows: &[Value], key: &str) -> String {
    rows[0][key].as_str().unwrap().to_owned()
}

#[test]
fn a_merge_archives_the_loser_and_moves_its_documents() {
    let client = Client::connect(config());
    let invoice = &client.rows("Invoices?page=1")[0];
    let loser = invoice["Contact"]["ContactID"].as_str().unwrap().to_owned();
    let contacts = client.rows("Contacts");
    let winner = contacts.iter().map(|row| row["ContactID"].as_str().unwrap()).find(|id| *id != loser).unwrap();
    client.emulator.clock().advance(1_000);
    client.control(&format!("contacts/{loser}/merge"), &format!(r#"{{"into":"{winner}"}}"#));
    let merged = &client.rows(&format!("Contacts/{loser}"))[0];
    assert_eq!((&merged["ContactStatus"], &merged["MergedToContactID"]), (&json!("ARCHIVED"), &json!(winner)));
    assert_eq!(client.rows(&format!("Invoices?page=1&ContactIDs={loser}")).len(), 0);
    let moved = &client.rows(&format!("Invoices/{}", invoice["InvoiceID"].as_str().unwrap()))[0];
    assert_eq!(moved["Contact"]["ContactID"], winner);
}

#[test]
fn invoices_are_made_renamed_and_voided_in_the_books() {
    let client = Client::connect(config());
    let contact = some(&client.rows("Contacts"), "ContactID");
    let body = json!({"contact_id": contact, "date": "2026-09-01",
        "lines": [{"description": "Chairs", "quantity": "2.5", "unit_amount": "19.99"}]});
    let made = client.control("invoices", &body.to_string());
    let id = made["invoice_id"].as_str().unwrap().to_owned();
    let row = &client.rows(&format!("Invoices/{id}"))[0];
    let figures = ["SubTotal", "TotalTax", "Total", "AmountDue"].map(|key| row[key].to_string());
    assert_eq!(figures, ["49.98", "7.5", "57.48", "57.48"]);
    client.control(&format!("invoices/{id}"), r#"{"number":"RENAMED-1"}"#);
    assert_eq!(some(&client.rows("Invoices/renamed-1"), "InvoiceID"), id);
    client.control(&format!("invoices/{id}/void"), "");
    let row = &client.rows(&format!("Invoices/{id}"))[0];
    assert_eq!((&row["Status"], row["AmountDue"].to_string()), (&json!("VOIDED"), "0.0".to_owned()));
}

#[test]
fn wrong_control_calls_say_what_is_wrong() {
    let client = Client::connect(config());
    for (method, path, body, status) in [
        ("GET", "nothing", "", 404),
        ("POST", "tenants/99/disconnect", "", 404),
        ("POST", "tenants/0/nonsense", "{}", 400),
        ("GET", "tenants/0/disconnect", "", 400),
        ("POST", "tenants/0/tier", r#"{"tier":"gold"}"#, 400),
        ("POST", "tenants/0/lock-dates", r#"{"period":"someday"}"#, 400),
        ("POST", "tenants/0/contacts", "{}", 400),
        ("POST", "tenants/0/contacts/x", "{}", 400),
        ("POST", "tenants/0/invoices", "{", 400),
        ("POST", "tenants/0/invoices", "{}", 400),
    ] {
        let response = control(&client.emulator, method, path, body);
        assert_eq!(response.status, status, "{method} {path} {body}: {}", response.text_body());
        assert!(json(&response)["error"].is_string());
    }
}
