//! The status machine: every cell of the documented table, for invoices and for credit notes.

use serde_json::{Value, json};

use super::Bench;

const ILLEGAL: &str = "Invoice not of valid status for modification";

fn has_payments(status: &str) -> String {
    format!(
        "The status {status} cannot be applied to the invoice because it has payments or credit notes allocated to it."
    )
}

/// An invoice brought to a status by the moves that lead there.
fn at(bench: &mut Bench, status: &str) -> Value {
    let created = match status {
        "DRAFT" | "DELETED" => "DRAFT",
        "SUBMITTED" => "SUBMITTED",
        _ => "AUTHORISED",
    };
    let invoice = bench.saved_sale(created);
    match status {
        "DELETED" | "VOIDED" => {
            move_to(bench, &invoice, status).first("Invoices");
        }
        "PART-PAID" => {
            bench.pay(&invoice, "4.15").first("Payments");
        }
        "PAID" => {
            bench.pay(&invoice, "24.15").first("Payments");
        }
        _ => {}
    }
    invoice
}

fn move_to(bench: &mut Bench, invoice: &Value, status: &str) -> super::Reply {
    bench.post("/Invoices", json!({"InvoiceID": invoice["InvoiceID"], "Status": status}))
}

#[test]
fn creation() {
    let mut bench = Bench::new();
    for (status, allowed) in [
        ("DRAFT", true),
        ("SUBMITTED", true),
        ("AUTHORISED", true),
        ("PAID", false),
        ("VOIDED", false),
        ("DELETED", false),
    ] {
        let body = bench.sale(status);
        let reply = bench.put("/Invoices", body);
        if allowed {
            assert_eq!(reply.first("Invoices")["Status"], status);
        } else {
            reply.refused(&["Invoice not of valid status for creation"]);
        }
    }
    let mut body = bench.sale("");
    body.as_object_mut().unwrap().remove("Status");
    assert_eq!(bench.put("/Invoices", body).first("Invoices")["Status"], "DRAFT");
}

#[test]
fn every_cell_of_the_table() {
    const STATUSES: [&str; 6] = ["DRAFT", "SUBMITTED", "AUTHORISED", "DELETED", "VOIDED", "PAID"];
    // One letter per column: y allowed, i illegal, p refused for its payments.
    let table = [
        ("DRAFT", "yyyyii"),
        ("SUBMITTED", "yyyyii"),
        ("AUTHORISED", "iiyiyi"),
        ("PART-PAID", "ppyipi"),
        ("PAID", "pppipy"),
        ("VOIDED", "iiiiii"),
        ("DELETED", "iiiiii"),
    ];
    for (from, row) in table {
        for (to, cell) in STATUSES.iter().zip(row.chars()) {
            let mut bench = Bench::new();
            let invoice = at(&mut bench, from);
            let before = bench.invoice(&invoice).clone();
            let reply = move_to(&mut bench, &invoice, to);
            match cell {
                'y' => {
                    assert_eq!(reply.first("Invoices")["Status"], *to, "{from} to {to}");
                    assert_eq!(bench.invoice(&invoice).status.as_str(), *to, "{from} to {to}");
                }
                'i' => reply.refused(&[ILLEGAL]),
                _ => reply.refused(&[&has_payments(to)]),
            }
            if cell != 'y' {
                let after = bench.invoice(&invoice);
                assert_eq!((after.status, after.updated), (before.status, before.updated), "{from} to {to}");
                assert_eq!(reply.json["Elements"][0]["Status"], *to, "the echo has the requested status");
            }
        }
    }
}

#[test]
fn terminal_documents_take_no_edits_at_all() {
    for status in ["VOIDED", "DELETED"] {
        let mut bench = Bench::new();
        let invoice = at(&mut bench, status);
        let edit = json!({"InvoiceID": invoice["InvoiceID"], "Reference": "late"});
        bench.post("/Invoices", edit).refused(&[ILLEGAL]);
    }
}

#[test]
fn a_void_answers_with_the_old_amount_due_and_stores_none() {
    let mut bench = Bench::new();
    let invoice = bench.saved_sale("AUTHORISED");
    let voided = move_to(&mut bench, &invoice, "VOIDED").first("Invoices");
    assert_eq!(voided["AmountDue"], 24.15);
    assert!(bench.invoice(&invoice).amount_due.is_zero());
}

#[test]
fn the_echo_of_an_illegal_move_has_the_observed_shape() {
    let mut bench = Bench::new();
    let invoice = bench.saved_sale("AUTHORISED");
    let target = "/Invoices?summarizeErrors=false";
    let reply = bench.post(target, json!({"InvoiceID": invoice["InvoiceID"], "Status": "DELETED"}));
    assert_eq!(reply.status, 200);
    let keys: Vec<&str> = vec![
        "Type",
        "InvoiceID",
        "Payments",
        "CreditNotes",
        "Prepayments",
        "Overpayments",
        "IsDiscounted",
        "InvoiceAddresses",
        "HasErrors",
        "InvoicePaymentServices",
        "Contact",
        "DateString",
        "Date",
        "DueDateString",
        "DueDate",
        "Status",
        "LineAmountTypes",
        "LineItems",
        "SubTotal",
        "TotalTax",
        "Total",
        "CurrencyCode",
        "StatusAttributeString",
        "ValidationErrors",
    ];
    let element = &reply.json["Invoices"][0];
    let mut seen: Vec<&String> = element.as_object().unwrap().keys().collect();
    let mut expected = keys.clone();
    seen.sort();
    expected.sort_unstable();
    assert_eq!(seen, expected);
    // The order of keys is checked on the text, since a parsed object may sort them.
    let body = &reply.text[reply.text.find("\"Invoices\":").unwrap()..];
    let mut from = 0;
    for key in keys {
        let found = body[from..].find(&format!("\"{key}\":"));
        from += found.unwrap_or_else(|| panic!("{key} is missing or out of order"));
    }
    assert_eq!(element["StatusAttributeString"], "ERROR");
    assert_eq!(element["Total"], 24.15);
    assert_eq!(element["Contact"]["ValidationErrors"], json!([]));
}

#[test]
fn credit_notes_follow_the_same_table() {
    let mut bench = Bench::new();
    let mut body = bench.sale("AUTHORISED");
    body["Type"] = "ACCRECCREDIT".into();
    let note = bench.put("/CreditNotes", body.clone()).first("CreditNotes");
    for status in ["DRAFT", "SUBMITTED", "DELETED", "PAID"] {
        let reply = bench.post("/CreditNotes", json!({"CreditNoteID": note["CreditNoteID"], "Status": status}));
        reply.refused(&["Credit Note not of valid status for modification"]);
    }
    let voided = bench.post("/CreditNotes", json!({"CreditNoteID": note["CreditNoteID"], "Status": "VOIDED"}));
    assert_eq!(voided.first("CreditNotes")["RemainingCredit"], 0.0);
    body["Status"] = "PAID".into();
    bench.put("/CreditNotes", body).refused(&["Credit Note not of valid status for creation"]);
}
