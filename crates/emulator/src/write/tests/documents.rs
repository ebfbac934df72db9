//! Invoices and bills: numbers, contacts, currencies, dates, locks, the white list of paid documents, time stamps.

use serde_json::{Value, json};

use super::{Bench, NOON, day, id_of};
use crate::books::{Amount, CurrencyCode, Rate};

#[test]
fn a_create_answers_in_the_observed_shape() {
    let mut bench = Bench::new();
    let mut body = bench.sale("AUTHORISED");
    body["Reference"] = "job 7".into();
    let reply = bench.put("/Invoices?summarizeErrors=false", body);
    let invoice = reply.first("Invoices");
    assert_eq!(reply.json["Status"], "OK");
    assert_eq!(reply.json["ProviderName"], "Test App");
    for (key, expected) in [
        ("Type", json!("ACCREC")),
        ("InvoiceNumber", json!("INV-0001")),
        ("Reference", json!("job 7")),
        ("AmountDue", json!(24.15)),
        ("AmountPaid", json!(0.0)),
        ("SubTotal", json!(21.0)),
        ("TotalTax", json!(3.15)),
        ("Total", json!(24.15)),
        ("Status", json!("AUTHORISED")),
        ("LineAmountTypes", json!("Exclusive")),
        ("CurrencyCode", json!("NZD")),
        ("CurrencyRate", json!(1.0)),
        ("DateString", json!("2026-03-02T00:00:00")),
        ("Date", json!("/Date(1772409600000+0000)/")),
        ("DueDateString", json!("2026-03-20T00:00:00")),
        ("UpdatedDateUTCString", json!("2026-03-01T12:00:00Z")),
        ("HasErrors", json!(false)),
        ("StatusAttributeString", json!("OK")),
    ] {
        assert_eq!(invoice[key], expected, "{key}");
    }
    assert!(reply.text.ends_with("\"StatusAttributeString\":\"OK\"}]}"), "the status is the last key");
    assert!(reply.text.contains(r#""DateTimeUTC":"\/Date(1772366400000)\/""#));
    assert!(invoice.get("Payments").is_none() && invoice.get("CreditNotes").is_none());
    let line = &invoice["LineItems"][0];
    for (key, expected) in [
        ("Description", json!("Work")),
        ("UnitAmount", json!(10.5)),
        ("Quantity", json!(2.0)),
        ("TaxType", json!("OUTPUT2")),
        ("TaxAmount", json!(3.15)),
        ("LineAmount", json!(21.0)),
        ("AccountCode", json!("200")),
        ("Tracking", json!([])),
        ("ValidationErrors", json!([])),
    ] {
        assert_eq!(line[key], expected, "{key}");
    }
    assert_eq!(invoice["Contact"]["Name"], "Example Ltd");
    assert_eq!(invoice["Contact"]["IsCustomer"], true);
    assert_eq!(invoice["Contact"]["Phones"].as_array().unwrap().len(), 4);
}

#[test]
fn dates_default_to_today_in_the_organisation() {
    let mut bench = Bench::new();
    let mut body = bench.sale("DRAFT");
    body.as_object_mut().unwrap().remove("Date");
    body.as_object_mut().unwrap().remove("DueDate");
    let invoice = bench.put("/Invoices", body).first("Invoices");
    assert_eq!(invoice["DateString"], "2026-03-02T00:00:00");
    assert_eq!(invoice["DueDateString"], "2026-03-02T00:00:00");
    for form in ["/Date(1772409600000+0000)/", "2026-03-02T00:00:00", "/Date(1772409600000)/"] {
        let mut body = bench.sale("DRAFT");
        body["Date"] = form.into();
        assert_eq!(bench.put("/Invoices", body).first("Invoices")["DateString"], "2026-03-02T00:00:00");
    }
    let mut body = bench.sale("DRAFT");
    body["Date"] = "20100510".into();
    bench.put("/Invoices", body).bad("The string '20100510' is not a valid AllXsd value.");
    let mut body = bench.sale("DRAFT");
    body["Date"] = "1907-08-30".into();
    let old = bench.put("/Invoices", body).first("Invoices");
    assert_eq!(old["Date"], "/Date(-1967328000000+0000)/");
}

#[test]
fn sales_numbers_are_unique_and_bills_are_free() {
    let mut bench = Bench::new();
    let mut body = bench.sale("DRAFT");
    body["InvoiceNumber"] = "INV-0002".into();
    bench.put("/Invoices", body.clone()).first("Invoices");
    assert_eq!(bench.saved_sale("DRAFT")["InvoiceNumber"], "INV-0001");
    assert_eq!(bench.saved_sale("DRAFT")["InvoiceNumber"], "INV-0003", "a taken number is skipped");
    body["InvoiceNumber"] = "inv-0002".into();
    bench.put("/Invoices", body).refused(&["Invoice # must be unique."]);
    let mut bill = bench.bill("DRAFT");
    bill["InvoiceNumber"] = "INV-0002".into();
    let first = bench.put("/Invoices", bill.clone()).first("Invoices");
    let second = bench.post("/Invoices", bill).first("Invoices");
    assert_ne!(first["InvoiceID"], second["InvoiceID"], "bills are never matched by number");
    let mut unnumbered = bench.bill("DRAFT");
    unnumbered["InvoiceNumber"] = "".into();
    unnumbered["Reference"] = "ignored".into();
    let unnumbered = bench.put("/Invoices", unnumbered).first("Invoices");
    assert_eq!((&unnumbered["InvoiceNumber"], &unnumbered["Reference"]), (&json!(""), &json!("")));
}

#[test]
fn deleted_numbers_are_free_and_voided_ones_are_not() {
    let mut bench = Bench::new();
    for (status, end, refused) in [("DRAFT", "DELETED", false), ("AUTHORISED", "VOIDED", true)] {
        let mut body = bench.sale(status);
        body["InvoiceNumber"] = end.into();
        let invoice = bench.put("/Invoices", body.clone()).first("Invoices");
        bench.post("/Invoices", json!({"InvoiceID": invoice["InvoiceID"], "Status": end})).first("Invoices");
        let again = bench.put("/Invoices", body);
        if refused {
            again.refused(&["Invoice # must be unique."]);
        } else {
            again.first("Invoices");
        }
    }
    bench.settings.voided_frees_number = true;
    let mut body = bench.sale("DRAFT");
    body["InvoiceNumber"] = "VOIDED".into();
    bench.put("/Invoices", body).first("Invoices");
}

#[test]
fn post_updates_by_id_by_number_and_by_path() {
    let mut bench = Bench::new();
    let invoice = bench.saved_sale("DRAFT");
    let id = invoice["InvoiceID"].as_str().unwrap().to_owned();
    for (target, body) in [
        ("/Invoices".to_owned(), json!({"InvoiceID": id, "Reference": "A"})),
        ("/Invoices".to_owned(), json!({"InvoiceNumber": "INV-0001", "Reference": "B"})),
        (format!("/Invoices/{id}"), json!({"Invoices": [{"Reference": "C"}]})),
        ("/Invoices/INV-0001".to_owned(), json!({"Reference": "D"})),
    ] {
        let updated = bench.post(&target, body).first("Invoices");
        assert_eq!(updated["InvoiceID"], invoice["InvoiceID"], "{target}");
    }
    assert_eq!(bench.invoice(&invoice).reference.as_deref(), Some("D"));
    assert_eq!(bench.books.invoices.len(), 1);
    let unknown = "99999999-0000-4000-8000-000000000009";
    let missing = bench.post(&format!("/Invoices/{unknown}"), json!({"Reference": "E"}));
    assert_eq!(missing.status, 404);
    assert!(missing.text.contains("The resource you're looking for cannot be found"));
    let message = "The document with the supplied id was not found for this endpoint.";
    bench.post("/Invoices", json!({"InvoiceID": unknown})).refused(&[message]);
    let known = bench.put("/Invoices", json!({"InvoiceID": id, "Type": "ACCREC"}));
    known.refused(&["Invoice not of valid status for creation"]);
    bench
        .post("/Invoices", json!({"InvoiceID": id, "Type": "ACCPAY"}))
        .refused(&["The Type of an existing document cannot be changed"]);
}

#[test]
fn contacts_of_documents_are_found_or_made() {
    let mut bench = Bench::new();
    let mut body = bench.sale("DRAFT");
    body["Contact"] = json!({"Name": "example LTD"});
    let found = bench.put("/Invoices", body.clone()).first("Invoices");
    assert_eq!(id_of(&found["Contact"], "ContactID"), bench.contact);
    body["Contact"] = json!({"Name": "New & Co"});
    let made = bench.put("/Invoices", body.clone()).first("Invoices");
    let contact = bench.books.contact_by_name("New & Co").unwrap();
    assert_eq!(contact.id, id_of(&made["Contact"], "ContactID"));
    assert!(contact.is_customer && !contact.is_supplier);
    let contacts = bench.books.contacts.len();
    for (contact, message) in [
        (
            json!({}),
            "The Contact must contain at least 1 of the following elements to identify the contact: Name, ContactID, ContactNumber",
        ),
        (json!({"ContactID": bench.archived_contact.to_string()}), super::super::rules::ARCHIVED_CONTACT),
        (json!({"Name": "Gone Ltd"}), super::super::rules::ARCHIVED_CONTACT),
        (json!({"Name": "Bad Mail Ltd", "EmailAddress": "ümlaut@example.test"}), "Email address must be valid"),
        (
            json!({"ContactID": "99999999-0000-4000-8000-000000000009"}),
            "The contact with the specified ContactID could not be found",
        ),
    ] {
        body["Contact"] = contact;
        bench.put("/Invoices", body.clone()).refused(&[message]);
    }
    body.as_object_mut().unwrap().remove("Contact");
    bench.put("/Invoices", body.clone()).refused(&["A Contact must be specified for this type of transaction"]);
    body["Contact"] = json!({"Name": "Not Made Ltd"});
    body["LineItems"] = json!([]);
    bench.put("/Invoices", body).refused(&["One or more line items must be specified"]);
    assert_eq!(bench.books.contacts.len(), contacts, "a refused document makes no contact");
}

#[test]
fn a_contact_with_details_in_a_document_is_changed_and_loses_its_people() {
    let mut bench = Bench::new();
    let id = bench.contact.to_string();
    let people = json!({"ContactID": id, "ContactPersons": [{"FirstName": "Ann", "EmailAddress": "ann@example.test"}]});
    bench.post("/Contacts", people).first("Contacts");
    bench.saved_sale("DRAFT");
    assert_eq!(bench.books.contacts.get(bench.contact).unwrap().persons.len(), 1, "an id alone changes nothing");
    let mut body = bench.sale("DRAFT");
    body["Contact"] = json!({"ContactID": id, "EmailAddress": "new@example.test"});
    bench.put("/Invoices", body).first("Invoices");
    let contact = bench.books.contacts.get(bench.contact).unwrap();
    assert_eq!(contact.email.as_deref(), Some("new@example.test"));
    assert!(contact.persons.is_empty());
}

#[test]
fn the_flags_of_a_contact_move_without_its_time_stamp() {
    let mut bench = Bench::new();
    let body = bench.bill("DRAFT");
    bench.put("/Invoices", body).first("Invoices");
    let contact = bench.books.contacts.get(bench.contact).unwrap();
    assert_eq!((contact.is_customer, contact.is_supplier, contact.updated), (false, true, 1000));
}

#[test]
fn currencies_must_be_subscribed() {
    let mut bench = Bench::new();
    let mut body = bench.sale("AUTHORISED");
    body["CurrencyCode"] = "EUR".into();
    bench.put("/Invoices", body.clone()).refused(&["Organisation is not subscribed to currency EUR"]);
    body["CurrencyCode"] = "EURO".into();
    bench
        .put("/Invoices", body.clone())
        .bad("Error converting value \"EURO\" to type 'Xero.API.Library..CurrencyCode'. Path 'CurrencyCode'.");
    for (code, rate) in [("JPY", 91.158536), ("KWD", 0.187195)] {
        body["CurrencyCode"] = code.into();
        let invoice = bench.put("/Invoices", body.clone()).first("Invoices");
        assert_eq!(invoice["Total"], 24.15, "two decimals whatever the currency");
        assert_eq!(invoice["CurrencyRate"], rate);
    }
    body["CurrencyRate"] = json!(0.1234567891);
    let invoice = bench.put("/Invoices", body).first("Invoices");
    assert_eq!(bench.invoice(&invoice).currency_rate, Rate(1_234_567_891));
    assert_eq!(bench.invoice(&invoice).currency, CurrencyCode::parse("KWD").unwrap());
}

#[test]
fn both_lock_dates_refuse_in_their_own_words() {
    let mut bench = Bench::new();
    let early = bench.saved_sale("AUTHORISED");
    bench.books.organisation.period_lock_date = Some(day("2026-03-02"));
    let period = "The document date cannot be before the period lock date, currently set at 02-Mar-2026";
    let year = "The document date cannot be before the end of year lock date, currently set at 31-Mar-2026";
    let body = bench.sale("DRAFT");
    bench.put("/Invoices", body.clone()).refused(&[period]);
    let id = &early["InvoiceID"];
    bench.post("/Invoices", json!({"InvoiceID": id, "Reference": "x"})).refused(&[period]);
    bench.post("/Invoices", json!({"InvoiceID": id, "Date": "2026-03-05"})).refused(&[period]);
    bench.post("/Invoices", json!({"InvoiceID": id, "Status": "VOIDED"})).refused(&[period]);
    bench.pay(&early, "1").refused(&[period]);
    bench.books.organisation.end_of_year_lock_date = Some(day("2026-03-31"));
    bench.put("/Invoices", body.clone()).refused(&[year]);
    bench.books.organisation.period_lock_date = None;
    bench.books.organisation.end_of_year_lock_date = Some(day("2026-03-01"));
    bench.put("/Invoices", body).first("Invoices");
}

#[test]
fn approval_needs_an_account_and_a_draft_does_not() {
    let mut bench = Bench::new();
    let mut body = bench.sale("DRAFT");
    body["LineItems"] = json!([{"Description": "Work", "Quantity": 1, "UnitAmount": 5}]);
    let draft = bench.put("/Invoices", body.clone()).first("Invoices");
    let approve = json!({"InvoiceID": draft["InvoiceID"], "Status": "AUTHORISED"});
    bench.post("/Invoices", approve).refused(&["Account must be valid."]);
    body["Status"] = "AUTHORISED".into();
    bench.put("/Invoices", body.clone()).refused(&["Account must be valid."]);
    body["LineItems"] = json!([{"Description": "Only words"}, {"Quantity": 1, "UnitAmount": 5, "AccountCode": "200"}]);
    let invoice = bench.put("/Invoices", body.clone()).first("Invoices");
    assert!(invoice["LineItems"][0].get("Quantity").is_none());
    body["LineItems"] = json!([{"Quantity": -1, "UnitAmount": 5, "AccountCode": "200"}]);
    bench.put("/Invoices", body).refused(&["The document total must not be negative"]);
}

#[test]
fn sent_to_contact_only_counts_once_approved() {
    let mut bench = Bench::new();
    let mut body = bench.sale("DRAFT");
    body["SentToContact"] = true.into();
    let reply = bench.put("/Invoices?summarizeErrors=false", body);
    let draft = reply.first("Invoices");
    assert_eq!(draft["StatusAttributeString"], "WARNING");
    assert_eq!(draft["Warnings"][0]["Message"], "Only AUTHORISED invoices may have SentToContact updated.");
    assert_eq!(draft["SentToContact"], false);
    let approve = json!({"InvoiceID": draft["InvoiceID"], "Status": "AUTHORISED", "SentToContact": true});
    let approved = bench.post("/Invoices?summarizeErrors=false", approve).first("Invoices");
    assert_eq!((&approved["SentToContact"], &approved["StatusAttributeString"]), (&json!(true), &json!("OK")));
}

#[test]
fn links_numbers_and_texts_are_checked() {
    let mut bench = Bench::new();
    for (key, value, message) in [
        ("Url", json!("not a url"), "Url must be a valid absolute URL"),
        ("Url", json!("https://go.xero.com/x"), "Url must be a valid absolute URL"),
        ("InvoiceNumber", json!("é"), "InvoiceNumber must consist of printable ASCII characters"),
        ("InvoiceNumber", json!("x".repeat(256)), "InvoiceNumber is too long. Maximum of 255 characters allowed"),
        ("Reference", json!("x".repeat(256)), "Reference is too long. Maximum of 255 characters allowed"),
        ("BrandingThemeID", json!("99999999-0000-4000-8000-000000000009"), "The branding theme could not be found"),
    ] {
        let mut body = bench.sale("DRAFT");
        body[key] = value;
        bench.put("/Invoices", body).refused(&[message]);
    }
    let mut body = bench.sale("DRAFT");
    body["Url"] = "https://example.test/a".into();
    assert_eq!(bench.put("/Invoices", body).first("Invoices")["Url"], "https://example.test/a");
}

/// A part-paid invoice and its line as the API shows it.
fn part_paid(bench: &mut Bench) -> (Value, Value) {
    let invoice = bench.saved_sale("AUTHORISED");
    bench.pay(&invoice, "4.15").first("Payments");
    let line = invoice["LineItems"][0].clone();
    (invoice, line)
}

#[test]
fn paid_documents_take_only_the_white_list() {
    const FROZEN: &str = "This document cannot be edited as it has a payment or credit note allocated to it.";
    let mut bench = Bench::new();
    let (invoice, line) = part_paid(&mut bench);
    let id = &invoice["InvoiceID"];
    for change in [
        json!({"Date": "2026-03-05"}),
        json!({"LineAmountTypes": "Inclusive"}),
        json!({"CurrencyCode": "USD"}),
        json!({"LineItems": [{"LineItemID": line["LineItemID"], "Quantity": 3}]}),
        json!({"LineItems": [{"LineItemID": line["LineItemID"], "TaxAmount": 1}]}),
        json!({"LineItems": [{"LineItemID": line["LineItemID"], "TaxType": "NONE"}]}),
    ] {
        let mut body = change.clone();
        body["InvoiceID"] = id.clone();
        bench.post("/Invoices", body).refused(&[FROZEN]);
    }
    let without_id = json!({"InvoiceID": id, "LineItems": [{"Description": "New words"}]});
    bench
        .post("/Invoices", without_id)
        .refused(&["To update fields on a paid invoice line item, you must supply a LineItemID"]);
    let allowed = json!({
        "InvoiceID": id, "Reference": "R", "DueDate": "2026-04-01", "InvoiceNumber": "INV-9", "Status": "AUTHORISED",
        "Contact": {"Name": "Another Ltd"}, "Url": "https://example.test/", "Date": "2026-03-02",
        "LineItems": [{"LineItemID": line["LineItemID"], "Description": "New words", "AccountCode": "260",
            "Tracking": [{"Name": "Region", "Option": "North"}], "Quantity": 2.0, "UnitAmount": 10.5}]
    });
    let updated = bench.post("/Invoices", allowed).first("Invoices");
    assert_eq!(updated["InvoiceNumber"], "INV-9");
    assert_eq!(updated["AmountDue"], 20.0);
    assert_eq!(updated["LineItems"][0]["Description"], "New words");
    assert_eq!(updated["LineItems"][0]["AccountCode"], "260");
    assert_eq!(updated["LineItems"][0]["TaxType"], "OUTPUT2");
    assert_eq!(updated["LineItems"][0]["Tracking"][0]["Option"], "North");
}

#[test]
fn due_date_of_a_part_paid_document_moves_without_a_time_stamp() {
    let mut bench = Bench::new();
    let (invoice, _) = part_paid(&mut bench);
    let before = bench.invoice(&invoice).updated;
    let id = &invoice["InvoiceID"];
    bench.post("/Invoices", json!({"InvoiceID": id, "DueDate": "2026-05-01"})).first("Invoices");
    bench.post("/Invoices", json!({"InvoiceID": id, "SentToContact": true})).first("Invoices");
    let row = bench.invoice(&invoice);
    assert_eq!((row.due_date, row.sent_to_contact, row.updated), (Some(day("2026-05-01")), true, before));
    bench.post("/Invoices", json!({"InvoiceID": id, "DueDate": "2026-06-01", "Reference": "R"})).first("Invoices");
    assert!(bench.invoice(&invoice).updated > before, "any other change shows");
    let unpaid = bench.saved_sale("AUTHORISED");
    let before = bench.invoice(&unpaid).updated;
    let change = json!({"InvoiceID": unpaid["InvoiceID"], "DueDate": "2026-05-01"});
    bench.post("/Invoices", change).first("Invoices");
    assert!(bench.invoice(&unpaid).updated > before, "on unpaid documents the due date shows too");
}

#[test]
fn a_document_paid_by_credit_note_keeps_its_contact() {
    let mut bench = Bench::new();
    let invoice = bench.saved_sale("AUTHORISED");
    let mut note = bench.sale("AUTHORISED");
    note["Type"] = "ACCRECCREDIT".into();
    let note = bench.put("/CreditNotes", note).first("CreditNotes");
    let target = format!("/CreditNotes/{}/Allocations", note["CreditNoteID"].as_str().unwrap());
    let part =
        json!({"Allocations": [{"Invoice": {"InvoiceID": invoice["InvoiceID"]}, "Amount": 5, "Date": "2026-03-02"}]});
    bench.put(&target, part).first("Allocations");
    let change = json!({"InvoiceID": invoice["InvoiceID"], "Contact": {"Name": "Another Ltd"}});
    bench.post("/Invoices", change).refused(&[super::super::rules::FROZEN]);
    assert_eq!(bench.invoice(&invoice).amount_credited, Amount::from_cents(500));
}

#[test]
fn new_documents_carry_the_time_of_the_clock() {
    let mut bench = Bench::new();
    let invoice = bench.saved_sale("DRAFT");
    assert_eq!(bench.invoice(&invoice).updated, NOON);
    assert!(bench.invoice(&invoice).created_by_app);
}
