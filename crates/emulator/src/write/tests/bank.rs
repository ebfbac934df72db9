//! Bank transactions: required parts, tax, kinds, edits, deletion.

use serde_json::{Value, json};

use super::{Bench, id_of};
use crate::books::BankTransactionStatus;

fn spend(bench: &Bench) -> Value {
    json!({"Type": "SPEND", "Contact": {"ContactID": bench.contact.to_string()}, "BankAccount": {"Code": "090"},
        "Date": "2026-03-02",
        "LineItems": [{"Description": "Ads", "Quantity": 1, "UnitAmount": 11.5, "AccountCode": "400"}]})
}

#[test]
fn money_spent_is_inclusive_of_tax() {
    let mut bench = Bench::new();
    let body = spend(&bench);
    let made = bench.put("/BankTransactions", body).first("BankTransactions");
    for (key, expected) in [
        ("Type", json!("SPEND")),
        ("Status", json!("AUTHORISED")),
        ("LineAmountTypes", json!("Inclusive")),
        ("SubTotal", json!(10.0)),
        ("TotalTax", json!(1.5)),
        ("Total", json!(11.5)),
        ("CurrencyCode", json!("NZD")),
        ("IsReconciled", json!(false)),
    ] {
        assert_eq!(made[key], expected, "{key}");
    }
    assert_eq!(made["BankAccount"]["Name"], "Bank");
}

#[test]
fn what_is_refused() {
    let cases: [(&str, Value, &str); 10] = [
        ("Contact", Value::Null, "A Contact must be specified for this type of transaction"),
        ("BankAccount", Value::Null, "Account must be valid."),
        ("BankAccount", json!({"Code": "200"}), "Account must be valid."),
        ("LineItems", json!([]), "One or more line items must be specified"),
        ("Type", json!("SPEND-TRANSFER"), "Transfers can only be made through the BankTransfers endpoint"),
        ("Status", json!("DELETED"), "Bank transaction not of valid status for creation"),
        ("CurrencyCode", json!("USD"), "The currency must be the currency of the bank account"),
        ("CurrencyCode", json!("EUR"), "Organisation is not subscribed to currency EUR"),
        (
            "LineItems",
            json!([{"Quantity": 1, "UnitAmount": -1, "AccountCode": "400"}]),
            "The total of the bank transaction must be greater than zero",
        ),
        (
            "LineItems",
            json!([{"Quantity": 1, "UnitAmount": 1, "TaxAmount": 0.5, "AccountCode": "400"}]),
            "The tax total 0.50 does not match the expected tax total 0.13",
        ),
    ];
    for (key, value, message) in cases {
        let mut bench = Bench::new();
        let mut body = spend(&bench);
        body[key] = value;
        bench.put("/BankTransactions", body).refused(&[message]);
        assert!(bench.books.bank_transactions.is_empty());
    }
    let mut bench = Bench::new();
    let mut body = spend(&bench);
    body["LineItems"] = json!([{"Quantity": 0, "UnitAmount": 1, "AccountCode": "400"}, {"Quantity": 1, "UnitAmount": 0, "AccountCode": "400"}, {"Quantity": 1, "UnitAmount": 5, "AccountCode": "400"}]);
    bench.put("/BankTransactions", body).refused(&[
        "The quantity of a line item must be greater than zero",
        "The unit amount of a line item must not be zero",
    ]);
}

#[test]
fn negative_lines_are_taken_while_the_total_is_positive() {
    let mut bench = Bench::new();
    let mut body = spend(&bench);
    body["LineItems"] = json!([{"Quantity": 1, "UnitAmount": 10, "AccountCode": "400", "TaxType": "NONE"},
        {"Quantity": 1, "UnitAmount": -4, "AccountCode": "400", "TaxType": "NONE"}]);
    assert_eq!(bench.put("/BankTransactions", body).first("BankTransactions")["Total"], 6.0);
}

#[test]
fn edits_and_deletion() {
    let mut bench = Bench::new();
    let body = spend(&bench);
    let made = bench.put("/BankTransactions", body).first("BankTransactions");
    let id = made["BankTransactionID"].as_str().unwrap().to_owned();
    let line = &made["LineItems"][0]["LineItemID"];
    let change =
        json!({"BankTransactionID": id, "Reference": "R", "LineItems": [{"LineItemID": line, "UnitAmount": 23}]});
    let edited = bench.post("/BankTransactions", change).first("BankTransactions");
    assert_eq!((&edited["Total"], &edited["LineItems"][0]["LineItemID"]), (&json!(23.0), line));
    let target = format!("/BankTransactions/{id}");
    bench.post(&target, json!({"Type": "RECEIVE"})).refused(&["Bank transaction not of valid status for modification"]);
    let deleted = bench.post(&target, json!({"Status": "DELETED"})).first("BankTransactions");
    assert_eq!(deleted["Status"], "DELETED");
    let row = bench.books.bank_transactions.get(id_of(&made, "BankTransactionID")).unwrap();
    assert_eq!(row.status, BankTransactionStatus::Deleted);
    bench
        .post(&target, json!({"Reference": "late"}))
        .refused(&["Bank transaction not of valid status for modification"]);
    let unknown = json!({"BankTransactionID": "99999999-0000-4000-8000-000000000009"});
    bench
        .post("/BankTransactions", unknown)
        .refused(&["The document with the supplied id was not found for this endpoint."]);
}

#[test]
fn reconciled_ones_and_prepayments_are_not_edited() {
    let mut bench = Bench::new();
    let mut body = spend(&bench);
    body["IsReconciled"] = true.into();
    let made = bench.put("/BankTransactions", body).first("BankTransactions");
    let change = json!({"BankTransactionID": made["BankTransactionID"], "Reference": "R"});
    bench
        .post("/BankTransactions", change)
        .refused(&["This bank transaction cannot be edited as it has been reconciled with a bank statement line."]);
    let mut body = spend(&bench);
    body["Type"] = "SPEND-PREPAYMENT".into();
    let made = bench.put("/BankTransactions", body).first("BankTransactions");
    assert_eq!(bench.books.prepayments.len(), 1);
    let change = json!({"BankTransactionID": made["BankTransactionID"], "Status": "DELETED"});
    bench.post("/BankTransactions", change).refused(&["Bank transaction not of valid status for modification"]);
}

#[test]
fn an_overpayment_is_one_line_on_the_control_account() {
    let mut bench = Bench::new();
    let mut body = spend(&bench);
    body["Type"] = "RECEIVE-OVERPAYMENT".into();
    body["LineItems"] = json!([{"Description": "Too much", "LineAmount": 50}]);
    let made = bench.put("/BankTransactions", body.clone()).first("BankTransactions");
    assert_eq!(made["LineItems"][0]["AccountCode"], "610");
    assert_eq!((&made["Total"], &made["TotalTax"]), (&json!(50.0), &json!(0.0)));
    let credit = bench.books.overpayments.get(id_of(&made, "OverpaymentID")).unwrap();
    assert_eq!(credit.remaining, credit.total);
    body["LineItems"] = json!([{"LineAmount": 50}, {"LineAmount": 1}]);
    bench.put("/BankTransactions", body).refused(&["An overpayment can only have one line item"]);
}
