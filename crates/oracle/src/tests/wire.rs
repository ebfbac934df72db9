//! Rules about what went over the wire.

use super::*;
use crate::{Sent, judge_audit, judge_wire};

fn wire(calls: &[Call]) -> Vec<&'static str> {
    broken(&judge_wire(calls))
}

const NONE: [&str; 0] = [];

/// A create of one bill.
fn bill() -> Value {
    json!({"Invoices": [{"Type": "ACCPAY", "InvoiceNumber": "N-tk00001a", "Contact": {"ContactID": id(1)}}]})
}

fn made(call: Call, invoice: Uuid) -> Call {
    Call { answer: json!({"Invoices": [{"InvoiceID": invoice, "InvoiceNumber": "N-tk00001a"}]}), ..call }
}

/// Sent, carried out, no answer.
fn lost(call: Call) -> Call {
    Call { status: 0, ..call }
}

fn put(number: u64, at_ms: i64, key: &str) -> Call {
    write(number, at_ms, "PUT", "Invoices", key, bill())
}

#[test]
fn the_same_bytes_go_again_within_ninety_seconds() {
    let first = lost(made(put(1, 0, "a"), id(5)));
    assert_eq!(wire(&[first.clone(), made(put(2, 89_000, "a"), id(5))]), NONE);
    assert_eq!(wire(&[first.clone(), made(put(2, 95_000, "a"), id(5))]), ["I-S3"]);
    let refused = Call { status: 429, answer: Value::Null, ..put(1, 0, "a") };
    assert_eq!(wire(&[refused, made(put(2, 95_000, "a"), id(5))]), NONE, "what was not looked at starts no time");
    let broken = Call { status: 500, ..first };
    assert_eq!(wire(&[broken, made(put(2, 1_000, "a"), id(5))]), ["I-S3"], "an answer of 500 is kept under the key");
}

#[test]
fn another_key_needs_two_looks_after_everything_has_landed() {
    let first = lost(put(1, 0, "a"));
    let looks =
        |one, two| vec![first.clone(), look(2, one, "Invoices"), look(3, two, "Invoices"), put(4, 400_000, "b")];
    assert_eq!(wire(&looks(250_000, 311_000)), NONE);
    assert_eq!(wire(&looks(200_000, 311_000)), ["I-S3"], "a look that was too early does not count");
    assert_eq!(wire(&looks(250_000, 260_000)), ["I-S3"], "two looks are a minute apart");
    let mut failed = looks(250_000, 311_000);
    failed[2].status = 503;
    assert_eq!(wire(&failed), ["I-S3"], "a look that failed does not count");
    let mut elsewhere = looks(250_000, 311_000);
    elsewhere[2].path = "/api.xro/2.0/Contacts".into();
    assert_eq!(wire(&elsewhere), ["I-S3"]);
}

#[test]
fn what_was_refused_may_go_again_at_once() {
    let refused = Call { status: 400, answer: json!({"ErrorNumber": 10}), ..put(1, 0, "a") };
    assert_eq!(wire(&[refused, put(2, 1_000, "b")]), NONE);
    let element = json!({"Invoices": [{"StatusAttributeString": "ERROR", "ValidationErrors": [{"Message": "no"}]}]});
    let in_a_batch = Call { answer: element, ..put(1, 0, "a") };
    assert_eq!(wire(&[in_a_batch, put(2, 1_000, "b")]), NONE);
    let unsent = Call { was_sent: false, status: 0, ..put(1, 0, "a") };
    assert_eq!(wire(&[unsent, put(2, 1_000, "b")]), NONE);
}

#[test]
fn one_record_is_made_once_inside_the_bounds() {
    let looks = [look(2, 250_000, "Invoices"), look(3, 311_000, "Invoices")];
    let first = lost(made(put(1, 0, "a"), id(5)));
    let again = made(put(4, 400_000, "b"), id(6));
    let calls = [vec![first.clone()], looks.to_vec(), vec![again]].concat();
    assert_eq!(wire(&calls), ["I-S1"]);
    let late = Call { applied_at_ms: Some(390_000), ..first };
    let calls = [vec![late], looks.to_vec(), vec![made(put(4, 400_000, "b"), id(6))]].concat();
    assert_eq!(wire(&calls), NONE, "nobody can help what lands later than D");
}

#[test]
fn a_key_goes_with_one_request() {
    let other = json!({"Invoices": [{"InvoiceID": id(9), "Reference": "other"}]});
    let first = write(1, 0, "POST", "Invoices", "a", json!({"Invoices": [{"InvoiceID": id(9), "Reference": "x"}]}));
    assert_eq!(wire(&[first.clone(), Call { number: 2, ..first.clone() }]), NONE);
    assert_eq!(wire(&[first.clone(), Call { number: 2, body: other, ..first.clone() }]), ["I-S4"]);
    assert_eq!(wire(&[Call { key: None, ..first }]), ["I-S4"]);
}

/// The process has read a document.
fn shown(document: Value) -> Call {
    Call { answer: json!({"Invoices": [document]}), ..look(1, 0, "Invoices") }
}

fn post(element: Value) -> Call {
    write(2, 1_000, "POST", "Invoices", "k", json!({"Invoices": [element]}))
}

#[test]
fn what_is_over_is_left_alone() {
    let document = |status: &str| shown(json!({"InvoiceID": id(9), "Status": status, "Reference": "old"}));
    let edit = post(json!({"InvoiceID": id(9), "Reference": "new"}));
    assert_eq!(wire(&[document("VOIDED"), edit.clone()]), ["I-D2"]);
    assert_eq!(wire(&[document("AUTHORISED"), edit.clone()]), NONE);
    let other = Call { process: 2, ..document("VOIDED") };
    assert_eq!(wire(&[other, edit]), NONE, "only what a process was told binds it");
    let void = post(json!({"InvoiceID": id(9), "Status": "VOIDED"}));
    assert_eq!(wire(&[document("PAID"), void.clone()]), ["I-D2"]);
    assert_eq!(wire(&[document("AUTHORISED"), void]), NONE);
}

#[test]
fn lines_keep_their_ids_and_contacts_are_only_named() {
    let there =
        json!({"InvoiceID": id(9), "LineItems": [{"LineItemID": id(50), "Description": "Work", "Quantity": 1}]});
    let sent = |line: Value| post(json!({"InvoiceID": id(9), "LineItems": [line]}));
    let bare = sent(json!({"Description": "Work", "Quantity": 2}));
    assert_eq!(wire(&[shown(there.clone()), bare]), ["I-L8"]);
    let kept = sent(json!({"LineItemID": id(50), "Description": "Work", "Quantity": 2}));
    assert_eq!(wire(&[shown(there.clone()), kept]), NONE);
    let new = sent(json!({"Description": "Other", "Quantity": 2}));
    assert_eq!(wire(&[shown(there), new]), NONE);
    let named = |contact: Value| wire(&[post(json!({"InvoiceID": id(9), "Contact": contact}))]);
    assert_eq!(named(json!({"ContactID": id(1)})), NONE);
    assert_eq!(named(json!({"ContactID": id(1), "Name": "Renamed"})), ["I-L8"]);
}

#[test]
fn a_write_says_something_new() {
    let there = json!({"InvoiceID": id(9), "Type": "ACCREC", "DueDate": "/Date(1782777600000+0000)/", "Total": 12.5,
        "Reference": "old", "Contact": {"ContactID": id(1), "Name": "x"},
        "LineItems": [{"LineItemID": id(50), "Description": "Work", "UnitAmount": 12.50}]});
    let sent = |change: Value| wire(&[shown(there.clone()), post(change)]);
    let same = json!({"InvoiceID": id(9), "Type": "ACCREC", "DueDate": "2026-06-30", "Contact": {"ContactID": id(1)},
        "LineItems": [{"LineItemID": id(50), "Description": "Work", "UnitAmount": "12.5"}]});
    assert_eq!(sent(same.clone()), ["I-L5"]);
    let with = |name: &str, value: Value| {
        let mut other = same.clone();
        other[name] = value;
        other
    };
    assert_eq!(sent(with("DueDate", json!("2026-07-01"))), NONE);
    assert_eq!(sent(with("Reference", json!("new"))), NONE);
    assert_eq!(sent(with("Contact", json!({"ContactID": id(2)}))), NONE);
    assert_eq!(sent(json!({"InvoiceID": id(9), "LineItems": []})), NONE, "removing a line is something new");
}

#[test]
fn a_record_goes_to_its_own_organisation() {
    let mine = shown(json!({"InvoiceID": id(9), "Reference": "old"}));
    let edit = post(json!({"InvoiceID": id(9), "Reference": "new"}));
    assert_eq!(wire(&[mine.clone(), Call { tenant: Some(id(98)), ..edit.clone() }]), ["I-X1"]);
    assert_eq!(wire(&[mine.clone(), Call { tenant: None, ..edit.clone() }]), ["I-X1"]);
    assert_eq!(wire(&[mine.clone(), edit]), NONE);
    let by_id = Call { path: format!("/api.xro/2.0/Invoices/{}", id(9)), tenant: Some(id(98)), ..look(2, 5, "") };
    assert_eq!(wire(&[mine, by_id]), ["I-X1"]);
}

#[test]
fn after_the_end_of_a_connection_nothing_is_sent() {
    let end = Call { method: "DELETE".into(), path: "/connections/7".into(), status: 204, ..look(1, 0, "") };
    let calls = |count: u64| -> Vec<Call> {
        let after = (0..count).map(|number| look(2 + number, 10, "Invoices"));
        std::iter::once(end.clone()).chain(after).collect()
    };
    assert_eq!(wire(&calls(1)), NONE, "one may be on its way");
    assert_eq!(wire(&calls(2)), ["I-X2"]);
    let mut again = calls(3);
    again.insert(1, token_call(1, 5, 1, "grant_type=authorization_code&code=c", 200));
    assert_eq!(wire(&again), NONE);
}

fn token_call(number: u64, at_ms: i64, process: usize, form: &str, status: u16) -> Call {
    let answer = if status == 200 { json!({}) } else { json!({"error": "invalid_grant"}) };
    let call = write(number, at_ms, "POST", "", "", json!(form));
    Call { path: "/connect/token".into(), process, status, tenant: None, answer, ..call }
}

#[test]
fn a_token_is_refreshed_by_one_process_at_a_time() {
    let refresh =
        |number, at, process| token_call(number, at, process, "grant_type=refresh_token&refresh_token=r1", 200);
    assert_eq!(wire(&[refresh(1, 0, 1), refresh(2, 5_000, 2)]), ["I-T2"]);
    assert_eq!(wire(&[refresh(1, 0, 1), refresh(2, 70_000, 2)]), NONE, "the lease was over");
    assert_eq!(wire(&[refresh(1, 0, 1), refresh(2, 5_000, 1)]), NONE, "an answer may be lost");
    let other = token_call(2, 5_000, 2, "grant_type=refresh_token&refresh_token=r2", 200);
    assert_eq!(wire(&[refresh(1, 0, 1), other]), NONE);
}

#[test]
fn a_grant_that_is_over_is_left_alone() {
    let refused = |number| token_call(number, 60_000, 1, "grant_type=refresh_token&refresh_token=r1", 400);
    let storm: Vec<Call> = (0..8).map(refused).collect();
    assert_eq!(wire(&storm), ["I-T3"]);
    assert_eq!(wire(&storm[..4]), NONE);
}

#[test]
fn every_write_was_written_down_before_it_left() {
    let mut books = Snapshot::default();
    let calls = [put(1, 0, "a")];
    let judge = |books: &Snapshot, calls: &[Call]| broken(&judge_audit(calls, books, &Checks::all()));
    assert_eq!(judge(&books, &calls), ["I-A1"]);
    books.sends = vec![Sent { key: "a".into(), ..Sent::default() }];
    assert_eq!(judge(&books, &calls), NONE);
    assert_eq!(judge(&books, &[Call { key: None, ..put(1, 0, "") }]), ["I-A1"]);
    books.sends.push(Sent { key: "a".into(), ..Sent::default() });
    assert_eq!(judge(&books, &calls), ["I-A1"]);
}
