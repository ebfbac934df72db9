//! Accounts, tax rates, currencies, tracking categories.

use serde_json::{Value, json};

use super::{Bench, id_of};

#[test]
fn accounts_are_made_changed_archived_and_deleted() {
    let mut bench = Bench::new();
    let body = json!({"Accounts": [{"Code": "201", "Name": "Other Sales", "Type": "REVENUE", "TaxType": "OUTPUT2"},
        {"Code": "202", "Name": "Ignored", "Type": "REVENUE"}]});
    let made = bench.put("/Accounts", body).first("Accounts");
    assert_eq!((&made["Class"], &made["Status"]), (&json!("REVENUE"), &json!("ACTIVE")));
    assert!(bench.books.account_by_code("202").is_none(), "only the first account of a request counts");
    let target = format!("/Accounts/{}", made["AccountID"].as_str().unwrap());
    let changed = bench.post(&target, json!({"Name": "Sundry Sales"})).first("Accounts");
    assert_eq!((&changed["Name"], &changed["Code"]), (&json!("Sundry Sales"), &json!("201")));
    assert_eq!(bench.post(&target, json!({"Status": "ARCHIVED"})).first("Accounts")["Status"], "ARCHIVED");
    assert_eq!(bench.delete(&target).first("Accounts")["Status"], "DELETED");
    bench.post(&target, json!({"Name": "X"})).refused(&["A deleted account cannot be updated"]);
    bench.saved_sale("DRAFT");
    let used = bench.books.account_by_code("200").unwrap().id;
    bench.delete(&format!("/Accounts/{used}")).refused(&["The account is in use and cannot be deleted"]);
    assert_eq!(bench.delete("/Accounts/nope").status, 404);
}

#[test]
fn accounts_refused() {
    let cases: [(Value, &str); 7] = [
        (json!({"Code": "200", "Name": "New", "Type": "REVENUE"}), "Please enter a unique Code."),
        (json!({"Code": "201", "Name": "sales", "Type": "REVENUE"}), "Please enter a unique Name."),
        (
            json!({"Code": "12345678901", "Name": "New", "Type": "REVENUE"}),
            "Account Code is too long. Maximum of 10 characters allowed",
        ),
        (json!({"Code": "201", "Name": "New", "Type": "REVENUE", "TaxType": "NOPE"}), "Tax rate must be valid."),
        (json!({"Code": "201", "Type": "REVENUE"}), "An account must have a Name and a Type"),
        (json!({"Name": "New", "Type": "REVENUE"}), "An account must have a Code"),
        (json!({"Name": "New", "Type": "BANK"}), "A bank account must have a BankAccountNumber"),
    ];
    for (body, message) in cases {
        let reply = Bench::new().put("/Accounts", body);
        reply.refused(&[message]);
        assert_eq!(reply.json["Elements"][0]["AccountID"], "00000000-0000-0000-0000-000000000000");
    }
    let mut bench = Bench::new();
    let system = bench.books.account_by_code("610").unwrap().id;
    bench
        .post(&format!("/Accounts/{system}"), json!({"Status": "ARCHIVED"}))
        .refused(&["System accounts cannot be archived or deleted"]);
}

#[test]
fn tax_rates_are_made_changed_and_used() {
    let mut bench = Bench::new();
    let body = json!({"Name": "Split", "ReportTaxType": "OUTPUT", "TaxComponents": [{"Name": "A", "Rate": 5}, {"Name": "B", "Rate": 10, "IsCompound": true}]});
    let made = bench.put("/TaxRates", body).first("TaxRates");
    assert_eq!(
        (&made["TaxType"], &made["EffectiveRate"], &made["DisplayTaxRate"]),
        (&json!("TAX001"), &json!(15.5), &json!(15.0))
    );
    let mut sale = bench.sale("AUTHORISED");
    sale["LineItems"][0]["TaxType"] = "TAX001".into();
    assert_eq!(bench.put("/Invoices", sale.clone()).first("Invoices")["TotalTax"], 3.26);
    bench.post("/TaxRates", json!({"Name": "Split", "Status": "DELETED"})).first("TaxRates");
    bench.put("/Invoices", sale).refused(&["Tax rate must be valid."]);
    bench
        .put("/TaxRates", json!({"Name": "output2", "TaxComponents": [{"Name": "A", "Rate": 1}]}))
        .refused(&["Please enter a unique Name."]);
    bench
        .put("/TaxRates", json!({"Name": "Bare"}))
        .refused(&["A tax rate must have a Name and at least one tax component"]);
}

#[test]
fn currencies_are_subscribed_once() {
    let mut bench = Bench::new();
    for _ in 0..2 {
        let made = bench.put("/Currencies", json!({"Code": "EUR", "Description": "Euro"})).first("Currencies");
        assert_eq!(made, json!({"Code": "EUR", "Description": "Euro"}));
    }
    assert_eq!(bench.books.currencies.len(), 5);
    let mut sale = bench.sale("DRAFT");
    sale["CurrencyCode"] = "EUR".into();
    bench.put("/Invoices", sale).first("Invoices");
}

#[test]
fn tracking_categories_and_options() {
    let mut bench = Bench::new();
    let made = bench.put("/TrackingCategories", json!({"Name": "Team"})).first("TrackingCategories");
    let target = format!("/TrackingCategories/{}/Options", made["TrackingCategoryID"].as_str().unwrap());
    let option = bench.put(&target, json!({"Name": "Red"})).first("Options");
    assert_eq!((&option["IsActive"], &option["Status"]), (&json!(true), &json!("ACTIVE")));
    bench.put(&target, json!({"Name": "red"})).refused(&["Please enter a unique Name."]);
    bench
        .put(&target, json!({"Name": "x".repeat(101)}))
        .refused(&["Name is too long. Maximum of 100 characters allowed"]);
    bench
        .put("/TrackingCategories", json!({"Name": "Third"}))
        .refused(&["An organisation can have at most 2 active tracking categories"]);
    let one = format!("{target}/{}", option["TrackingOptionID"].as_str().unwrap());
    assert_eq!(bench.post(&one, json!({"Name": "Crimson"})).first("Options")["Name"], "Crimson");
    let mut sale = bench.sale("DRAFT");
    sale["LineItems"][0]["Tracking"] = json!([{"Name": "Team", "Option": "Crimson"}]);
    bench.put("/Invoices", sale).first("Invoices");
    bench.delete(&one).refused(&["The tracking option is in use and cannot be deleted"]);
    assert_eq!(bench.post(&one, json!({"Status": "ARCHIVED"})).first("Options")["IsArchived"], true);
    let category = format!("/TrackingCategories/{}", id_of(&made, "TrackingCategoryID"));
    assert_eq!(bench.post(&category, json!({"Name": "Squad"})).first("TrackingCategories")["Name"], "Squad");
    assert_eq!(bench.put("/TrackingCategories/nope/Options", json!({"Name": "X"})).status, 404);
}
