//! Credit notes, prepayments and overpayments: numbers, allocations, what remains.

use serde_json::{Value, json};

use super::{Bench, id_of};
use crate::books::{Amount, DocumentStatus};

fn note(bench: &mut Bench, kind: &str) -> Value {
    let mut body = if kind == "ACCRECCREDIT" { bench.sale("AUTHORISED") } else { bench.bill("AUTHORISED") };
    body["Type"] = kind.into();
    bench.put("/CreditNotes", body).first("CreditNotes")
}

fn allocate(bench: &mut Bench, note: &Value, invoice: &Value, amount: f64) -> super::Reply {
    let target = format!("/CreditNotes/{}/Allocations", note["CreditNoteID"].as_str().unwrap());
    let part = json!({"Invoice": {"InvoiceID": invoice["InvoiceID"]}, "Amount": amount, "Date": "2026-03-02"});
    bench.put(&target, json!({"Allocations": [part]}))
}

#[test]
fn credit_notes_are_numbered_and_found() {
    let mut bench = Bench::new();
    let first = note(&mut bench, "ACCRECCREDIT");
    assert_eq!(first["CreditNoteNumber"], "CN-0001");
    assert_eq!((&first["RemainingCredit"], &first["Total"]), (&json!(24.15), &json!(24.15)));
    assert_eq!(first["ID"], first["CreditNoteID"]);
    let mut body = bench.sale("DRAFT");
    body["Type"] = "ACCRECCREDIT".into();
    body["CreditNoteNumber"] = "CN-0001".into();
    bench.put("/CreditNotes", body.clone()).refused(&["Credit Note # must be unique."]);
    body["LineItems"][0]["DiscountRate"] = 5.into();
    body.as_object_mut().unwrap().remove("CreditNoteNumber");
    bench.put("/CreditNotes", body).refused(&["Discounts are only supported on ACCREC invoices and quotes"]);
    let unknown = json!({"CreditNoteID": "99999999-0000-4000-8000-000000000009"});
    bench
        .post("/CreditNotes", unknown)
        .refused(&["An existing Credit Note with the specified CreditNoteID could not be found"]);
    let renamed = bench.post("/CreditNotes/CN-0001", json!({"Reference": "R"})).first("CreditNotes");
    assert_eq!(renamed["Reference"], "R");
}

#[test]
fn allocations_settle_both_sides_and_come_off_again() {
    let mut bench = Bench::new();
    let invoice = bench.saved_sale("AUTHORISED");
    let note = note(&mut bench, "ACCRECCREDIT");
    let reply = allocate(&mut bench, &note, &invoice, 4.15).first("Allocations");
    assert_eq!(reply["Amount"], 4.15);
    assert_eq!(reply["Invoice"]["InvoiceID"], invoice["InvoiceID"]);
    assert_eq!(reply["CreditNote"]["CreditNoteID"], note["CreditNoteID"]);
    let note_id = id_of(&note, "CreditNoteID");
    let rest = allocate(&mut bench, &note, &invoice, 20.0).first("Allocations");
    let row = bench.invoice(&invoice);
    assert_eq!((row.status, row.amount_credited), (DocumentStatus::Paid, Amount::from_cents(2415)));
    let credit = bench.books.credit_notes.get(note_id).unwrap();
    assert_eq!((credit.status, credit.remaining), (DocumentStatus::Paid, Amount::ZERO));
    let before = row.updated;
    let target = format!(
        "/CreditNotes/{}/Allocations/{}",
        note["CreditNoteID"].as_str().unwrap(),
        rest["AllocationID"].as_str().unwrap()
    );
    let deleted = bench.delete(&target);
    assert_eq!(deleted.status, 200);
    assert_eq!((&deleted.json["IsDeleted"], &deleted.json["AllocationID"]), (&json!(true), &rest["AllocationID"]));
    let row = bench.invoice(&invoice);
    assert_eq!((row.status, row.amount_due), (DocumentStatus::Authorised, Amount::from_cents(2000)));
    assert!(row.updated > before);
    let credit = bench.books.credit_notes.get(note_id).unwrap();
    assert_eq!((credit.status, credit.remaining), (DocumentStatus::Authorised, Amount::from_cents(2000)));
    assert_eq!(bench.delete(&target).status, 404);
    let void = bench.post("/CreditNotes", json!({"CreditNoteID": note["CreditNoteID"], "Status": "VOIDED"}));
    void.refused(&[
        "The status VOIDED cannot be applied to the credit note because it has payments or credit notes allocated to it.",
    ]);
}

#[test]
fn what_may_not_be_allocated() {
    let mut bench = Bench::new();
    let invoice = bench.saved_sale("AUTHORISED");
    let small = note(&mut bench, "ACCRECCREDIT");
    let other_side = note(&mut bench, "ACCPAYCREDIT");
    allocate(&mut bench, &small, &invoice, 24.16).refused(&[
        "Payment amount exceeds the amount outstanding on this document",
        "The allocation amount exceeds the remaining credit",
    ]);
    allocate(&mut bench, &small, &invoice, 0.0).refused(&["Allocation amount must be greater than zero"]);
    allocate(&mut bench, &other_side, &invoice, 1.0)
        .refused(&["The credit and the invoice must have the same type, contact and currency"]);
    let draft = bench.saved_sale("DRAFT");
    allocate(&mut bench, &small, &draft, 1.0).refused(&["Payments can only be made against Authorised documents"]);
    let nothing = json!({"InvoiceID": "99999999-0000-4000-8000-000000000009"});
    allocate(&mut bench, &small, &nothing, 1.0)
        .refused(&["The document with the supplied id was not found for this endpoint."]);
    let target = format!("/CreditNotes/{}/Allocations", small["CreditNoteID"].as_str().unwrap());
    let undated = json!({"Invoice": {"InvoiceID": invoice["InvoiceID"]}, "Amount": 1});
    bench.put(&target, undated).refused(&["The Date field is required."]);
    assert_eq!(bench.put("/CreditNotes/nope/Allocations", json!({})).status, 404);
}

#[test]
fn prepayments_and_overpayments_are_allocated_alike() {
    for (kind, key, collection) in [
        ("RECEIVE-PREPAYMENT", "PrepaymentID", "Prepayments"),
        ("RECEIVE-OVERPAYMENT", "OverpaymentID", "Overpayments"),
    ] {
        let mut bench = Bench::new();
        let invoice = bench.saved_sale("AUTHORISED");
        let body = json!({"Type": kind, "Contact": {"ContactID": bench.contact.to_string()}, "BankAccount": {"Code": "090"},
            "LineAmountTypes": "NoTax",
            "LineItems": [{"Description": "Ahead", "Quantity": 1, "UnitAmount": 24.15, "AccountCode": "260"}]});
        let made = bench.put("/BankTransactions", body).first("BankTransactions");
        let id = made[key].as_str().unwrap().to_owned();
        let target = format!("/{collection}/{id}/Allocations");
        let part = json!({"Invoice": {"InvoiceID": invoice["InvoiceID"]}, "Amount": 24.15, "Date": "2026-03-02"});
        let reply = bench.put(&target, part).first("Allocations");
        assert_eq!(bench.invoice(&invoice).status, DocumentStatus::Paid, "{kind}");
        let answer = bench.delete(&format!("{target}/{}", reply["AllocationID"].as_str().unwrap()));
        assert_eq!(answer.json["IsDeleted"], true);
        assert_eq!(bench.invoice(&invoice).status, DocumentStatus::Authorised, "{kind}");
        let refund = json!({collection.trim_end_matches('s'): {key: id}, "Account": {"Code": "090"}, "Amount": 24.15});
        bench.put("/Payments", refund).first("Payments");
        let table = if key == "PrepaymentID" { &bench.books.prepayments } else { &bench.books.overpayments };
        assert_eq!(table.get(id.parse().unwrap()).unwrap().status, DocumentStatus::Paid);
    }
}
