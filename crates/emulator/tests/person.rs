//! A person in Xero's own pages: edits with Xero's validation, merges, locks, imports with old time stamps, history, and
//! what is counted of the application's writes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use common::*;
use emulator::Person;
use serde_json::{Value, json};
use uuid::Uuid;

fn world() -> (Client, Person) {
    let client = Client::connect(config());
    let person = client.emulator.person(client.tenant);
    (client, person)
}

fn id(row: &Value, key: &str) -> Uuid {
    row[key].as_str().unwrap().parse().unwrap()
}

fn sale(contact: Uuid) -> Value {
    json!({"Type": "ACCREC", "Status": "AUTHORISED", "Contact": {"ContactID": contact}, "Date": "2026-09-01",
        "DueDate": "2026-09-20", "LineItems": [
            {"Description": "Work", "Quantity": 2, "UnitAmount": 10.5, "AccountCode": "200"},
            {"Description": "Parts", "Quantity": 1, "UnitAmount": 4, "AccountCode": "200"}]})
}

#[test]
fn edits_pass_xeros_validation_and_move_the_time_stamp() {
    let (client, person) = world();
    let contact = id(&person.create("Contacts", &json!({"Name": "Ada Ltd"})).unwrap(), "ContactID");
    client.emulator.clock().advance(5_000);
    person.edit("Contacts", contact, &json!({"EmailAddress": "ada@example.test"})).unwrap();
    let row = person.read("Contacts", contact).unwrap();
    assert_eq!(
        (&row["EmailAddress"], &row["UpdatedDateUTC"]),
        (&json!("ada@example.test"), &json!(format!("/Date({}+0000)/", NOW + 5_000)))
    );
    assert_eq!(
        person.edit("Contacts", contact, &json!({"EmailAddress": "nobody"})).unwrap_err(),
        "Email address must be valid"
    );
    assert!(person.edit("Contacts", Uuid::nil(), &json!({"Name": "X"})).is_err());
    client.emulator.clock().advance(5_000);
    person.clone().quietly().edit("Contacts", contact, &json!({"EmailAddress": ""})).unwrap();
    let quiet = person.read("Contacts", contact).unwrap();
    assert_eq!((&quiet["EmailAddress"], &quiet["UpdatedDateUTC"]), (&json!(""), &row["UpdatedDateUTC"]));
    let log = client.emulator.log().len();
    person.edit("Contacts", contact, &json!({"FirstName": "A"})).unwrap();
    assert_eq!(client.emulator.log().len(), log, "a person's edits are no calls");
}

#[test]
fn the_archive_is_open_to_a_person_but_a_taken_name_is_not() {
    let (client, person) = world();
    let contact = id(&person.create("Contacts", &json!({"Name": "Ada Ltd"})).unwrap(), "ContactID");
    person.archive_contact(contact).unwrap();
    let body = json!({"ContactID": contact, "FirstName": "A"}).to_string();
    assert_eq!(client.send("POST", "Contacts", &body).status, 400);
    person.edit("Contacts", contact, &json!({"FirstName": "A"})).unwrap();
    let other = id(&person.create("Contacts", &json!({"Name": "ada ltd"})).unwrap(), "ContactID");
    assert!(person.restore_contact(contact).unwrap_err().contains("Ada Ltd"));
    assert!(
        person.edit("Contacts", contact, &json!({"ContactStatus": "ACTIVE"})).unwrap_err().contains("already assigned")
    );
    person.edit("Contacts", other, &json!({"Name": "Someone Else"})).unwrap();
    person.restore_contact(contact).unwrap();
    assert_eq!(client.send("POST", "Contacts", &body).status, 200);
}

#[test]
fn documents_payments_and_reconciling() {
    let (client, person) = world();
    let contact = id(&person.create("Contacts", &json!({"Name": "Ada Ltd"})).unwrap(), "ContactID");
    let invoice = id(&person.create("Invoices", &sale(contact)).unwrap(), "InvoiceID");
    assert!(client.rows(&format!("Invoices?createdByMyApp=true&IDs={invoice}")).is_empty());
    let payment = person.pay_invoice(invoice, Some("10.00")).unwrap();
    let row = person.read("Invoices", invoice).unwrap();
    assert_eq!((row["AmountPaid"].to_string(), row["AmountDue"].to_string()), ("10.0".into(), "18.75".into()));
    assert!(person.void_invoice(invoice).is_err());
    person.reconcile_payment(payment, true).unwrap();
    let remove =
        |client: &Client| client.send("POST", &format!("Payments/{payment}"), r#"{"Status":"DELETED"}"#).status;
    assert_eq!(remove(&client), 400);
    person.reconcile_payment(payment, false).unwrap();
    assert_eq!(remove(&client), 200);
    let bank = json!({"Type": "SPEND", "Contact": {"ContactID": contact}, "BankAccount": {"Code": "090"},
        "LineItems": [{"Description": "x", "Quantity": 1, "UnitAmount": 5, "AccountCode": "429"}]});
    let bank = id(&person.create("BankTransactions", &bank).unwrap(), "BankTransactionID");
    person.reconcile_bank_transaction(bank, true).unwrap();
    let edit = json!({"BankTransactionID": bank, "Reference": "changed"}).to_string();
    assert_eq!(client.send("POST", "BankTransactions", &edit).status, 400);
    person.reconcile_bank_transaction(bank, false).unwrap();
    assert_eq!(client.send("POST", "BankTransactions", &edit).status, 200);
}

#[test]
fn a_merge_moves_documents_with_or_without_a_bump() {
    for is_quiet in [false, true] {
        let (client, person) = world();
        let loser = id(&person.create("Contacts", &json!({"Name": "Loser"})).unwrap(), "ContactID");
        let winner = id(&person.create("Contacts", &json!({"Name": "Winner"})).unwrap(), "ContactID");
        let invoice = person.create("Invoices", &sale(loser)).unwrap();
        client.emulator.clock().advance(9_000);
        let merging = if is_quiet { person.clone().quietly() } else { person.clone() };
        merging.merge_contacts(loser, winner).unwrap();
        let moved = person.read("Invoices", id(&invoice, "InvoiceID")).unwrap();
        assert_eq!(moved["Contact"]["ContactID"], json!(winner));
        assert_eq!(moved["UpdatedDateUTC"] == invoice["UpdatedDateUTC"], is_quiet);
        let gone = person.read("Contacts", loser).unwrap();
        assert_eq!((&gone["ContactStatus"], &gone["MergedToContactID"]), (&json!("ARCHIVED"), &json!(winner)));
        assert_eq!(person.read("Contacts", winner).unwrap()["IsCustomer"], true);
        assert!(person.merge_contacts(winner, loser).is_err(), "a winner must be active");
    }
}

#[test]
fn locks_names_currencies_accounts_and_old_time_stamps() {
    let (client, person) = world();
    let contact = id(&person.create("Contacts", &json!({"Name": "Ada Ltd"})).unwrap(), "ContactID");
    person.set_lock_dates(Some("2026-09-30"), None).unwrap();
    let refused = person.create("Invoices", &sale(contact)).unwrap_err();
    assert!(
        refused.starts_with("The document date cannot be before the period lock date, currently set at"),
        "{refused}"
    );
    person.set_lock_dates(None, Some("2026-09-01")).unwrap();
    let refused = person.create("Invoices", &sale(contact)).unwrap_err();
    assert!(refused.starts_with("The document date cannot be before the end of year lock date"), "{refused}");
    person.set_lock_dates(None, None).unwrap();
    person.archive_account("200").unwrap();
    let refused = person.create("Invoices", &sale(contact)).unwrap_err();
    assert!(refused.starts_with("Account code '200' has been archived"), "{refused}");
    person.subscribe_currency("SGD", true).unwrap();
    let body = json!({"Name": "Money", "DefaultCurrency": "SGD"});
    let money = id(&person.create("Contacts", &body).unwrap(), "ContactID");
    person.subscribe_currency("SGD", false).unwrap();
    let refused = person.edit("Contacts", money, &json!({"DefaultCurrency": "SGD"})).unwrap_err();
    assert_eq!(refused, "Organisation is not subscribed to currency SGD");
    assert!(person.subscribe_currency("NZD", false).is_err());
    person.rename_organisation("New Name Ltd").unwrap();
    assert_eq!(client.rows("Organisation")[0]["Name"], "New Name Ltd");
    let old = person.clone().dated(NOW - 86_400_000 * 30).create("Contacts", &json!({"Name": "Old Import"})).unwrap();
    let since = client.get_since("Contacts", "2026-09-01T00:00:00");
    assert!(!rows(&since).iter().any(|row| row["ContactID"] == old["ContactID"]), "an import from before the cursor");
    assert!(person.list("Contacts").unwrap().iter().any(|row| row["ContactID"] == old["ContactID"]));
    assert!(!person.list("Accounts").unwrap().is_empty());
}

#[test]
fn the_history_says_who_and_when() {
    let (client, person) = world();
    let made = client.send("PUT", "Contacts", r#"{"Name":"Watched"}"#);
    let contact = id(&rows(&made)[0], "ContactID");
    client.emulator.clock().advance(2_000);
    person.edit("Contacts", contact, &json!({"FirstName": "A"})).unwrap();
    let note =
        client.send("PUT", &format!("Contacts/{contact}/History"), r#"{"HistoryRecords":[{"Details":"Called"}]}"#);
    assert_eq!(note.status, 200, "{}", note.text_body());
    let history = client.rows(&format!("Contacts/{contact}/History"));
    let shown: Vec<_> = history.iter().map(|row| (&row["Changes"], &row["User"])).collect();
    assert_eq!(
        shown,
        [
            (&json!("Note"), &json!("System Generated")),
            (&json!("Edited"), &json!("Somebody in Xero")),
            (&json!("Created"), &json!("System Generated")),
        ]
    );
    assert_eq!(history[1]["DateUTCString"], "2026-09-14T09:30:32");
    assert_eq!(history[0]["Details"], "Called");
    assert_eq!(client.send("PUT", &format!("Contacts/{contact}/History"), "{}").status, 400);
}

#[test]
fn writes_are_counted_and_recreated_lines_noticed() {
    let (client, person) = world();
    let contact = id(&person.create("Contacts", &json!({"Name": "Ada Ltd"})).unwrap(), "ContactID");
    let made = rows(&client.send("PUT", "Invoices", &sale(contact).to_string())).remove(0);
    let counters = || client.emulator.counters(client.tenant).unwrap();
    let update = |lines: Value| {
        let body = json!({"InvoiceID": made["InvoiceID"], "LineItems": lines}).to_string();
        assert_eq!(client.send("POST", "Invoices", &body).status, 200);
    };
    let line = |at: usize| json!({"LineItemID": made["LineItems"][at]["LineItemID"]});
    update(json!([line(0), line(1)]));
    update(json!([line(0)]));
    update(json!([line(0), {"Description": "Really new", "Quantity": 1, "UnitAmount": 9, "AccountCode": "200"}]));
    assert_eq!(counters().lines_recreated_unintended, 0, "kept, removed and added lines are meant");
    update(json!([{"Description": "Work", "Quantity": 2, "UnitAmount": 11, "AccountCode": "200"}]));
    assert_eq!(counters().lines_recreated_unintended, 1, "no ids at all");
    client.send("PUT", "Invoices", &json!({"Type": "ACCREC", "Contact": {"Name": "Made By Document"}}).to_string());
    let named = json!({"Type": "ACCREC", "Contact": {"Name": "Made By Document"},
        "LineItems": [{"Description": "x", "Quantity": 1, "UnitAmount": 1, "AccountCode": "200"}]});
    client.send("PUT", "Invoices", &named.to_string());
    let counters = counters();
    assert_eq!((counters.contacts_by_documents, counters.writes_without_key), (1, 7));
    let puts = counters.writes["PUT Invoices"];
    assert_eq!((puts.calls, puts.saved, puts.refused), (3, 2, 1));
    assert_eq!((counters.write_calls(), counters.saved(), counters.largest_batch), (7, 6, 1));
}

#[test]
fn look_ups_find_what_was_written() {
    let (client, _) = world();
    let made = rows(&client.send("PUT", "Contacts", r#"{"Name":"Marked","ContactNumber":"tieout-7"}"#)).remove(0);
    let contact = id(&made, "ContactID");
    let mut body = sale(contact);
    body["InvoiceNumber"] = "T-100".into();
    let invoice = id(&rows(&client.send("PUT", "Invoices", &body.to_string()))[0], "InvoiceID");
    let payment =
        json!({"Invoice": {"InvoiceID": invoice}, "Account": {"Code": "090"}, "Amount": 5, "Date": "2026-09-02"});
    client.send("PUT", "Payments", &payment.to_string());
    let bank = json!({"Type": "SPEND", "Contact": {"ContactID": contact}, "BankAccount": {"Code": "090"}, "Date": "2026-09-03",
        "LineItems": [{"Description": "x", "Quantity": 1, "UnitAmount": 5, "AccountCode": "429"}]});
    client.send("PUT", "BankTransactions", &bank.to_string());
    for (list, filter) in [
        ("Contacts?includeArchived=true", "ContactNumber==\"TIEOUT-7\"".to_owned()),
        ("Invoices?createdByMyApp=true", "InvoiceNumber==\"T-100\"".to_owned()),
        ("Payments?page=1", format!("Invoice.InvoiceId==guid(\"{invoice}\")")),
        ("BankTransactions?page=1", format!("Date==DateTime(2026,9,3) AND Contact.ContactID==guid(\"{contact}\")")),
    ] {
        assert_eq!(client.rows(&format!("{list}&where={}", encode(&filter))).len(), 1, "{filter}");
    }
    let cleared = json!({"ContactID": contact, "ContactNumber": "", "EmailAddress": ""}).to_string();
    client.send("POST", "Contacts", &cleared);
    let found = client.rows(&format!("Contacts?where={}", encode("ContactNumber==\"tieout-7\"")));
    assert!(found.is_empty(), "an empty text clears the number");
    let batch = json!({"Contacts": [{"Name": "Half"}, {"ContactID": Uuid::from_u128(9), "Name": "Nobody"}]});
    assert_eq!(client.send("POST", "Contacts?summarizeErrors=false", &batch.to_string()).status, 404);
    assert!(client.rows("Contacts?searchTerm=Half").is_empty(), "nothing of the batch is saved");
}
