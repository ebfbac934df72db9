//! Requests as a whole: batches that are not atomic, idempotency keys, bodies, content types, routes.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Bench, NOON, Reply};
use crate::http::Request;

#[test]
fn the_default_mode_saves_the_good_ones_and_names_only_the_bad() {
    let mut bench = Bench::new();
    let body =
        json!({"Contacts": [{"Name": "One"}, {"Name": "Example Ltd"}, {"FirstName": "Nobody"}, {"Name": "Two"}]});
    let reply = bench.put("/Contacts", body);
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json["Elements"].as_array().unwrap().len(), 2);
    assert!(!reply.text.contains("\"One\"") && !reply.text.contains("\"Two\""));
    assert!(bench.books.contact_by_name("One").is_some() && bench.books.contact_by_name("Two").is_some());
}

#[test]
fn summarize_errors_false_answers_every_element_in_order() {
    let mut bench = Bench::new();
    let body = json!({"contacts": [{"Name": "One"}, {"Name": "Example Ltd"}, {"Name": "Two"}]});
    let reply = bench.put("/Contacts?summarizeErrors=false", body);
    assert_eq!(reply.status, 200);
    let elements = reply.json["Contacts"].as_array().unwrap();
    let statuses: Vec<&Value> = elements.iter().map(|element| &element["StatusAttributeString"]).collect();
    assert_eq!(statuses, ["OK", "ERROR", "OK"]);
    assert_eq!(elements[1]["HasValidationErrors"], true);
    assert!(
        elements[1]["ValidationErrors"][0]["Message"].as_str().unwrap().starts_with("The contact name Example Ltd")
    );
    assert_eq!(elements[1]["ContactID"], "00000000-0000-0000-0000-000000000000");
    assert!(elements[0]["ContactID"] != elements[2]["ContactID"]);
    let plain = bench.put("/Contacts", json!([{"Name": "Three"}])).first("Contacts");
    assert!(plain.get("StatusAttributeString").is_none());
    let empty = bench.put("/Contacts", json!([]));
    assert_eq!((empty.status, &empty.json["Contacts"]), (200, &json!([])));
}

fn keyed(bench: &mut Bench, key: &str, target: &str, body: &Value) -> Reply {
    let request =
        Request::new("PUT", target).with_header("idempotency-key", key).with_body(Bytes::from(body.to_string()));
    bench.request(&request)
}

#[test]
fn a_key_replays_its_reply_for_six_minutes() {
    let mut bench = Bench::new();
    let body = json!({"Name": "Once"});
    let first = keyed(&mut bench, "k1", "/Contacts", &body);
    bench.now = NOON + 359_999;
    assert_eq!(keyed(&mut bench, "k1", "/Contacts", &body), first);
    assert_eq!(bench.books.contacts.len(), 3);
    bench.now = NOON + 10_000;
    let other = keyed(&mut bench, "k1", "/Contacts?summarizeErrors=false", &body);
    assert_eq!(other.status, 400);
    assert_eq!(other.json["Message"], "Idempotency Key: k1 is used with a different request.");
    let other = keyed(&mut bench, "k1", "/Contacts", &json!({"Name": "Twice"}));
    assert_eq!(other.json["Message"], "Idempotency Key: k1 is used with a different request.");
    bench.now = NOON + 360_000;
    keyed(&mut bench, "k1", "/Contacts", &body).refused(&[&super::super::rules::contact_name_taken("Once")]);
}

#[test]
fn a_key_replays_refusals_too() {
    let mut bench = Bench::new();
    let body = json!({"Name": "Example Ltd"});
    let refused = keyed(&mut bench, "k", "/Contacts", &body);
    assert_eq!(refused.status, 400);
    let id = bench.contact;
    bench.books.contacts.change(id, NOON, |row| row.name = "Renamed Ltd".into());
    assert_eq!(keyed(&mut bench, "k", "/Contacts", &body), refused);
    assert_eq!(keyed(&mut bench, &"x".repeat(128), "/Contacts", &body).status, 200);
    let long = keyed(&mut bench, &"x".repeat(129), "/Contacts", &json!({"Name": "Never"}));
    assert_eq!(long.status, 400);
    assert!(bench.books.contact_by_name("Never").is_none());
}

#[test]
fn a_key_on_a_delete_is_ignored() {
    let mut bench = Bench::new();
    let account = bench.put("/Accounts", json!({"Code": "201", "Name": "New", "Type": "REVENUE"})).first("Accounts");
    let target = format!("/Accounts/{}", account["AccountID"].as_str().unwrap());
    let request = Request::new("DELETE", &target).with_header("Idempotency-Key", "k");
    assert_eq!(bench.request(&request).status, 200);
    bench.request(&request).refused(&["The account is in use and cannot be deleted"]);
}

#[test]
fn bodies_that_cannot_be_read() {
    let mut bench = Bench::new();
    for (body, starts) in [
        ("", "Content is empty"),
        ("{\"Invoices\":[", "Unexpected end when reading JSON."),
        ("{\"Invoices\":[}", "Unexpected character encountered while parsing value: }."),
        ("7", "Error converting value 7"),
        ("[[]]", "Error converting value ["),
    ] {
        let reply = bench.request(&Request::new("POST", "/Invoices").with_body(body));
        assert_eq!((reply.status, &reply.json["ErrorNumber"]), (400, &json!(14)), "{body}");
        assert!(reply.json["Message"].as_str().unwrap().starts_with(starts), "{}", reply.text);
    }
    let mut body = bench.sale("DRAFT");
    body["LineAmountTypes"] = "NO_TAX".into();
    bench.put("/Invoices", json!({"Invoices": [bench.sale("DRAFT"), body]})).bad(
        "Error converting value \"NO_TAX\" to type 'Xero.API.Library..LineAmountType'. Path 'Invoices[1].LineAmountTypes'.",
    );
    assert!(bench.books.invoices.is_empty(), "a body that cannot be read saves nothing");
    bench.settings.max_body_bytes = 10;
    assert_eq!(bench.put("/Contacts", json!({"Name": "Too Large"})).status, 413);
}

#[test]
fn other_content_types_and_routes() {
    let mut bench = Bench::new();
    let xml = Request::new("PUT", "/Contacts").with_header("Content-Type", "application/xml").with_body("<Contact/>");
    assert_eq!(bench.request(&xml).status, 415);
    for (method, target, status) in [
        ("DELETE", "/Contacts/1", 501),
        ("DELETE", "/Invoices", 501),
        ("PUT", "/Invoices/INV-1", 501),
        ("POST", "/Organisation", 501),
        ("POST", "/Nothing", 404),
        ("PUT", "/Invoices/1/2/3/4", 404),
        ("POST", "/", 404),
        ("DELETE", "/Payments/1", 501),
    ] {
        assert_eq!(bench.send(method, target, json!({})).status, status, "{method} {target}");
    }
}

#[test]
fn the_same_requests_give_the_same_bytes() {
    let run = || {
        let mut bench = Bench::new();
        let invoice = bench.saved_sale("AUTHORISED");
        let paid = bench.pay(&invoice, "24.15").text;
        (invoice.to_string(), paid, bench.put("/Contacts", json!([{"Name": "A"}, {"Name": "A"}])).text)
    };
    assert_eq!(run(), run());
}
