//! Reports are computed from the same books that the lists show.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::collections::BTreeMap;

use common::*;
use rust_decimal::Decimal;
use serde_json::{Value, json};

fn decimal(value: &Value) -> Decimal {
    value.as_str().unwrap_or_else(|| panic!("{value} is not text")).parse().unwrap()
}

fn report(client: &Client, target: &str) -> Value {
    client.rows(target)[0].clone()
}

/// Label and figures of every row, sections flattened.
fn lines(rows: &Value) -> Vec<(String, Vec<Decimal>)> {
    let mut found = Vec::new();
    for row in rows.as_array().unwrap() {
        if row["RowType"] == "Section" {
            found.extend(lines(&row["Rows"]));
        } else if row["RowType"] != "Header" {
            let cells = row["Cells"].as_array().unwrap();
            let figures = cells[1..].iter().map(|cell| decimal(&cell["Value"])).collect();
            found.push((cells[0]["Value"].as_str().unwrap().to_owned(), figures));
        }
    }
    found
}

fn figure(client: &Client, query: &str, label: &str) -> Vec<Decimal> {
    let report = report(client, &format!("Reports/ProfitAndLoss?{query}"));
    let rows = lines(&report["Rows"]);
    rows.into_iter().find(|(own, _)| own == label).map(|(_, figures)| figures).unwrap_or_default()
}

#[test]
fn profit_and_loss_follows_an_invoice_a_payment_and_a_void() {
    let client = Client::connect(config());
    let accrual = "fromDate=2026-09-01&toDate=2026-09-30";
    let cash = format!("{accrual}&paymentsOnly=true");
    let net = |query: &str| figure(&client, query, "Net Profit")[0];
    let (accrual_before, cash_before) = (net(accrual), net(&cash));
    let contact = client.rows("Contacts")[0]["ContactID"].as_str().unwrap().to_owned();
    let body = json!({"contact_id": contact, "date": "2026-09-02",
        "lines": [{"description": "Work", "unit_amount": "200.00"}]});
    let invoice = client.control("invoices", &body.to_string())["invoice_id"].as_str().unwrap().to_owned();
    assert_eq!(net(accrual) - accrual_before, Decimal::from(200), "net of tax");
    assert_eq!(net(&cash), cash_before, "nothing was paid yet");
    client.control(&format!("invoices/{invoice}/pay"), r#"{"amount":"115.00","date":"2026-09-03"}"#);
    assert_eq!(net(&cash) - cash_before, Decimal::from(100), "half of it was paid");
    assert_eq!(net(accrual) - accrual_before, Decimal::from(200));
}

#[test]
fn profit_and_loss_sections_add_up() {
    let client = Client::connect(config());
    let query = "fromDate=2023-01-01&toDate=2026-12-31";
    let one = |label: &str| figure(&client, query, label).first().copied().unwrap_or_default();
    let gross = one("Total Income") - one("Total Cost of Sales");
    assert_eq!(one("Gross Profit"), gross);
    assert_eq!(one("Net Profit"), gross - one("Total Operating Expenses"));
    assert!(one("Total Income") > Decimal::ZERO);
    let report = report(&client, &format!("Reports/ProfitAndLoss?{query}"));
    assert_eq!(report["ReportTitles"][2], "1 January 2023 to 31 December 2026");
    let income = &report["Rows"][1];
    assert_eq!(income["Title"], "Income");
    let first = &income["Rows"][0]["Cells"];
    assert_eq!(first[0]["Attributes"][0]["Id"], "account");
    assert_eq!(first[0]["Attributes"], first[1]["Attributes"]);
}

#[test]
fn profit_and_loss_compares_earlier_periods() {
    let client = Client::connect(config());
    let query = "fromDate=2026-08-01&toDate=2026-08-31&periods=2&timeframe=MONTH";
    let report = report(&client, &format!("Reports/ProfitAndLoss?{query}"));
    let header: Vec<_> =
        report["Rows"][0]["Cells"].as_array().unwrap()[1..].iter().map(|cell| &cell["Value"]).collect();
    assert_eq!(header, ["31 Aug 26", "31 Jul 26", "30 Jun 26"]);
    let columns = figure(&client, query, "Net Profit");
    let july = figure(&client, "fromDate=2026-07-01&toDate=2026-07-31", "Net Profit");
    assert_eq!(columns[1], july[0]);
    for bad in ["periods=12", "periods=0", "periods=x", "timeframe=DECADE", "fromDate=soon", "fromDate=2027-01-01"] {
        assert_eq!(client.get(&format!("Reports/ProfitAndLoss?{bad}")).status, 400, "{bad}");
    }
    assert_eq!(client.get("Reports/BalanceSheet").status, 401, "its scope was not granted");
}

#[test]
fn bank_summary_moves_with_payments_and_carries_over() {
    let client = Client::connect(config());
    let rows = |query: &str| -> BTreeMap<String, Vec<Decimal>> {
        lines(&report(&client, &format!("Reports/BankSummary?{query}"))["Rows"]).into_iter().collect()
    };
    for (label, figures) in rows("fromDate=2026-01-01&toDate=2026-06-30") {
        assert_eq!(figures[0] + figures[1] - figures[2], figures[3], "{label}");
    }
    let first = rows("fromDate=2026-01-01&toDate=2026-06-30");
    let second = rows("fromDate=2026-07-01&toDate=2026-08-31");
    for (label, figures) in &first {
        assert_eq!(figures[3], second[label][0], "{label} carries over");
    }
    let september = "fromDate=2026-09-01&toDate=2026-09-30";
    let before = rows(september)["Business Bank Account"].clone();
    let contact = client.rows("Contacts")[0]["ContactID"].as_str().unwrap().to_owned();
    let body = json!({"contact_id": contact, "lines": [{"unit_amount": "100"}]});
    let invoice = client.control("invoices", &body.to_string())["invoice_id"].as_str().unwrap().to_owned();
    client.control(&format!("invoices/{invoice}/pay"), "");
    let after = rows(september)["Business Bank Account"].clone();
    assert_eq!(after[1] - before[1], Decimal::from(115));
    let shown = report(&client, &format!("Reports/BankSummary?{september}"));
    let cells = &shown["Rows"][1]["Rows"][0]["Cells"];
    assert_eq!(cells[0]["Attributes"][0]["Id"], "accountID");
    assert_eq!(cells[2]["Attributes"][0]["Id"], "account");
    assert!(cells[1].get("Attributes").is_none());
}
