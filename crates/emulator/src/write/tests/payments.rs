//! Payments: what they do to their documents, what is refused, and taking them back.

use serde_json::{Value, json};

use super::{Bench, id_of};
use crate::books::{Amount, DocumentStatus, PaymentStatus};

const EXCEEDS: &str = "Payment amount exceeds the amount outstanding on this document";
const ONLY_AUTHORISED: &str = "Payments can only be made against Authorised documents";

#[test]
fn paying_settles_and_bumps_the_invoice() {
    let mut bench = Bench::new();
    let invoice = bench.saved_sale("AUTHORISED");
    let created = bench.invoice(&invoice).updated;
    let payment = bench.pay(&invoice, "4.15").first("Payments");
    for (key, expected) in [
        ("Amount", json!(4.15)),
        ("BankAmount", json!(4.15)),
        ("PaymentType", json!("ACCRECPAYMENT")),
        ("Status", json!("AUTHORISED")),
        ("CurrencyRate", json!(1.0)),
        ("HasAccount", json!(true)),
        ("IsReconciled", json!(false)),
        ("Date", json!("/Date(1772409600000+0000)/")),
        ("HasValidationErrors", json!(false)),
    ] {
        assert_eq!(payment[key], expected, "{key}");
    }
    assert_eq!(payment["Account"]["Name"], "Bank");
    assert_eq!(payment["Invoice"]["AmountDue"], 20.0);
    let row = bench.invoice(&invoice);
    assert_eq!((row.status, row.amount_paid), (DocumentStatus::Authorised, Amount::from_cents(415)));
    assert!(row.updated > created);
    bench.pay(&invoice, "20.00").first("Payments");
    let row = bench.invoice(&invoice);
    assert_eq!((row.status, row.amount_due), (DocumentStatus::Paid, Amount::ZERO));
    assert!(row.fully_paid_on.is_some());
}

#[test]
fn deleting_a_payment_reopens_the_invoice() {
    let mut bench = Bench::new();
    let invoice = bench.saved_sale("AUTHORISED");
    let payment = bench.pay(&invoice, "24.15").first("Payments");
    let paid = bench.invoice(&invoice).updated;
    let target = format!("/Payments/{}", payment["PaymentID"].as_str().unwrap());
    let deleted = bench.post(&target, json!({"Status": "DELETED"})).first("Payments");
    assert_eq!(deleted["Status"], "DELETED");
    assert_eq!(deleted["Invoice"]["Status"], "AUTHORISED");
    assert_eq!(deleted["Invoice"]["AmountDue"], 24.15);
    assert_ne!(deleted["UpdatedDateUTC"], payment["UpdatedDateUTC"]);
    let row = bench.invoice(&invoice);
    assert_eq!((row.status, row.amount_paid, row.fully_paid_on), (DocumentStatus::Authorised, Amount::ZERO, None));
    assert!(row.updated > paid);
    bench.post(&target, json!({"Status": "DELETED"})).refused(&["Payment not of valid status for modification"]);
    bench.pay(&invoice, "24.15").first("Payments");
}

#[test]
fn what_may_not_be_paid() {
    let mut bench = Bench::new();
    let draft = bench.saved_sale("DRAFT");
    bench.pay(&draft, "1").refused(&[ONLY_AUTHORISED]);
    let invoice = bench.saved_sale("AUTHORISED");
    bench.pay(&invoice, "24.16").refused(&[EXCEEDS]);
    bench.pay(&invoice, "0").refused(&["Payment amount must be greater than zero"]);
    bench.pay(&invoice, "24.15").first("Payments");
    bench.pay(&invoice, "1").refused(&[ONLY_AUTHORISED, EXCEEDS]);
    let open = bench.saved_sale("AUTHORISED");
    let base = json!({"Invoice": {"InvoiceID": open["InvoiceID"]}, "Account": {"Code": "090"}, "Amount": 1});
    for (key, value, message) in [
        ("Account", json!({"Code": "200"}), "Account must be valid."),
        ("Account", json!({"Code": "NOPE"}), "Account must be valid."),
        ("Account", Value::Null, "Account must be valid."),
        (
            "Invoice",
            json!({"InvoiceID": "99999999-0000-4000-8000-000000000009"}),
            "The document with the supplied id was not found for this endpoint.",
        ),
        (
            "Invoice",
            json!({"InvoiceNumber": "NOPE"}),
            "The document with the supplied id was not found for this endpoint.",
        ),
        ("Invoice", Value::Null, "A payment must have exactly one of Invoice, CreditNote, Prepayment and Overpayment"),
        (
            "CreditNote",
            json!({"CreditNoteID": "99999999-0000-4000-8000-000000000009"}),
            "A payment must have exactly one of Invoice, CreditNote, Prepayment and Overpayment",
        ),
        ("Status", json!("DELETED"), "Payment not of valid status for creation"),
    ] {
        let mut body = base.clone();
        body[key] = value;
        bench.put("/Payments", body).refused(&[message]);
    }
    assert_eq!(bench.books.payments.len(), 1);
    let mut body = base;
    body["Account"] = json!({"Code": "880"});
    bench.put("/Payments", body.clone()).first("Payments");
    body["Invoice"] = json!({"InvoiceNumber": open["InvoiceNumber"]});
    bench.post("/Payments", body).first("Payments");
}

#[test]
fn payments_are_never_edited() {
    let mut bench = Bench::new();
    let invoice = bench.saved_sale("AUTHORISED");
    let payment = bench.pay(&invoice, "1").first("Payments");
    let id = payment["PaymentID"].as_str().unwrap();
    let message = "Payment not of valid status for modification";
    bench.post(&format!("/Payments/{id}"), json!({"Reference": "new"})).refused(&[message]);
    bench.post("/Payments", json!({"PaymentID": id, "Amount": 2})).refused(&[message]);
    bench.post("/Payments", json!({"PaymentID": id, "Status": "DELETED"})).first("Payments");
    let unknown = json!({"PaymentID": "99999999-0000-4000-8000-000000000009", "Status": "DELETED"});
    bench.post("/Payments", unknown).refused(&["The document with the supplied id was not found for this endpoint."]);
    let unknown = "/Payments/99999999-0000-4000-8000-000000000009";
    assert_eq!(bench.post(unknown, json!({"Status": "DELETED"})).status, 404);
}

#[test]
fn reconciled_and_batched_payments_stay() {
    let mut bench = Bench::new();
    let invoice = bench.saved_sale("AUTHORISED");
    let body = json!({"Invoice": {"InvoiceID": invoice["InvoiceID"]}, "Account": {"Code": "090"}, "Amount": 1,
        "IsReconciled": true});
    let payment = bench.put("/Payments", body).first("Payments");
    let target = format!("/Payments/{}", payment["PaymentID"].as_str().unwrap());
    let reconciled = "A payment that has been reconciled cannot be deleted";
    bench.post(&target, json!({"Status": "DELETED"})).refused(&[reconciled]);
    let id = id_of(&payment, "PaymentID");
    let batch = bench.books.next_id();
    bench.books.payments.change_quietly(id, |row| {
        row.is_reconciled = false;
        row.batch = Some(batch);
    });
    bench
        .post(&target, json!({"Status": "DELETED"}))
        .refused(&["A payment that is part of a batch payment cannot be deleted individually"]);
    assert_eq!(bench.books.payments.get(id).unwrap().status, PaymentStatus::Authorised);
}

#[test]
fn foreign_payments_have_both_amounts() {
    let mut bench = Bench::new();
    let mut body = bench.sale("AUTHORISED");
    body["CurrencyCode"] = "USD".into();
    body["CurrencyRate"] = json!(0.5);
    let invoice = bench.put("/Invoices", body).first("Invoices");
    let id = &invoice["InvoiceID"];
    let base = json!({"Invoice": {"InvoiceID": id}, "Account": {"Code": "090"}, "Amount": 2});
    let payment = bench.put("/Payments", base.clone()).first("Payments");
    assert_eq!((&payment["Amount"], &payment["BankAmount"]), (&json!(2.0), &json!(4.0)));
    let mut own = base.clone();
    own["CurrencyRate"] = json!(0.8);
    assert_eq!(bench.put("/Payments", own).first("Payments")["BankAmount"], 2.5);
    let mut dollars = base.clone();
    dollars["Account"] = json!({"Code": "091"});
    assert_eq!(bench.put("/Payments", dollars).first("Payments")["BankAmount"], 2.0);
    let mut told = base;
    told["BankAmount"] = json!(4.01);
    assert_eq!(bench.put("/Payments", told).first("Payments")["BankAmount"], 4.01);
}

#[test]
fn refunds_use_up_a_credit_note() {
    let mut bench = Bench::new();
    let mut note = bench.sale("AUTHORISED");
    note["Type"] = "ACCRECCREDIT".into();
    let note = bench.put("/CreditNotes", note).first("CreditNotes");
    let refund =
        json!({"CreditNote": {"CreditNoteID": note["CreditNoteID"]}, "Account": {"Code": "090"}, "Amount": 24.15});
    let payment = bench.put("/Payments", refund.clone()).first("Payments");
    assert_eq!(payment["PaymentType"], "ARCREDITPAYMENT");
    let id = id_of(&note, "CreditNoteID");
    assert_eq!(bench.books.credit_notes.get(id).unwrap().status, DocumentStatus::Paid);
    bench.put("/Payments", refund).refused(&[ONLY_AUTHORISED, EXCEEDS]);
    let target = format!("/Payments/{}", payment["PaymentID"].as_str().unwrap());
    bench.post(&target, json!({"Status": "DELETED"})).first("Payments");
    let row = bench.books.credit_notes.get(id).unwrap();
    assert_eq!((row.status, row.remaining), (DocumentStatus::Authorised, Amount::from_cents(2415)));
}

#[test]
fn a_batch_of_payments_saves_the_good_ones_unless_told() {
    for atomic in [false, true] {
        let mut bench = Bench::new();
        bench.settings.payments_atomic = atomic;
        let invoice = bench.saved_sale("AUTHORISED");
        let of = |amount: i64| json!({"Invoice": {"InvoiceID": invoice["InvoiceID"]}, "Account": {"Code": "090"}, "Amount": amount});
        bench.put("/Payments", json!({"Payments": [of(10), of(20), of(14)]})).refused(&[EXCEEDS]);
        assert_eq!(bench.books.payments.len(), if atomic { 0 } else { 2 });
    }
}
