//! Contacts: identity, uniqueness, archiving, slots that merge and people that are replaced.

use serde_json::json;

use super::super::rules::{ARCHIVED_CONTACT, CONTACT_NUMBER_TAKEN};
use super::Bench;

const NAME_TAKEN: &str = "The contact name Example Ltd is already assigned to another contact. The contact name must be \
    unique across all active contacts.";

#[test]
fn a_create_answers_in_the_observed_shape() {
    let mut bench = Bench::new();
    let contact = bench.put("/Contacts", json!({"Name": "New Ltd", "ContactNumber": "C-1"})).first("Contacts");
    assert_eq!(contact["ContactStatus"], "ACTIVE");
    assert_eq!(contact["EmailAddress"], "");
    assert_eq!(contact["Addresses"].as_array().unwrap().len(), 2);
    let phones: Vec<&str> =
        contact["Phones"].as_array().unwrap().iter().map(|phone| phone["PhoneType"].as_str().unwrap()).collect();
    assert_eq!(phones, ["DEFAULT", "DDI", "FAX", "MOBILE"]);
    assert_eq!((&contact["IsCustomer"], &contact["HasValidationErrors"]), (&json!(false), &json!(false)));
    assert!(contact.get("Balances").is_none());
}

#[test]
fn put_refuses_what_exists_in_the_observed_shape() {
    let mut bench = Bench::new();
    let body = json!({"Name": "Example Ltd", "EmailAddress": "a@example.test", "IsCustomer": true,
        "Phones": [{"PhoneType": "DEFAULT", "PhoneNumber": "09 111"}]});
    let reply = bench.put("/Contacts", body);
    reply.refused(&[NAME_TAKEN]);
    let expected = concat!(
        r#"{"ErrorNumber":10,"Type":"ValidationException","Message":"A validation exception occurred","Elements":["#,
        r#"{"ContactID":"00000000-0000-0000-0000-000000000000","Name":"Example Ltd","EmailAddress":"a@example.test","#,
        r#""Addresses":[],"Phones":[{"PhoneType":"DEFAULT","PhoneNumber":"09 111","ValidationErrors":[]}],"#,
        r#""ContactGroups":[],"IsCustomer":true,"ContactPersons":[],"HasValidationErrors":true,"#,
        r#""ValidationErrors":[{"Message":"The contact name Example Ltd is already assigned to another contact. "#,
        r#"The contact name must be unique across all active contacts."}]}]}"#,
    );
    assert_eq!(reply.text, expected);
    bench
        .put("/Contacts", json!({"Name": "eXAMPLE ltd"}))
        .refused(&[&NAME_TAKEN.replace("Example Ltd", "eXAMPLE ltd")]);
    bench.put("/Contacts", json!({"Name": "Numbered", "ContactNumber": "C-1"})).first("Contacts");
    bench.put("/Contacts", json!({"Name": "Other", "ContactNumber": "C-1"})).refused(&[CONTACT_NUMBER_TAKEN]);
    let id = bench.contact.to_string();
    bench.put("/Contacts", json!({"ContactID": id, "Name": "Renamed"})).refused(&[NAME_TAKEN]);
    bench.put("/Contacts", json!({"Name": "Gone Ltd"})).first("Contacts");
}

#[test]
fn post_matches_by_id_then_number_then_name() {
    let mut bench = Bench::new();
    let id = bench.contact.to_string();
    bench.post("/Contacts", json!({"ContactID": id, "ContactNumber": "C-1"})).first("Contacts");
    for body in [
        json!({"ContactNumber": "c-1", "FirstName": "A"}),
        json!({"Name": "EXAMPLE LTD", "FirstName": "B"}),
        json!({"Contacts": [{"ContactID": id, "FirstName": "C"}]}),
    ] {
        assert_eq!(bench.post("/Contacts", body).first("Contacts")["ContactID"], id);
    }
    for target in [format!("/Contacts/{id}"), "/Contacts/C-1".to_owned()] {
        assert_eq!(bench.post(&target, json!({"LastName": "L"})).first("Contacts")["ContactID"], id);
    }
    let created = bench.post("/Contacts", json!({"Name": "Made By Post"})).first("Contacts");
    assert_ne!(created["ContactID"], id);
    let unknown = "99999999-0000-4000-8000-000000000009";
    assert_eq!(bench.post("/Contacts", json!({"ContactID": unknown, "Name": "X"})).status, 404);
    assert_eq!(bench.post(&format!("/Contacts/{unknown}"), json!({"Name": "X"})).status, 404);
    assert_eq!(bench.post("/Contacts/C-404", json!({"Name": "X"})).status, 404);
    let message = "The Contact must contain at least 1 of the following elements to identify the contact: Name, \
        ContactID, ContactNumber";
    bench.post("/Contacts", json!({"FirstName": "Nobody"})).refused(&[message]);
    bench.post("/Contacts", json!({"ContactNumber": "C-404"})).refused(&[message]);
}

#[test]
fn renaming_and_numbering_stay_unique() {
    let mut bench = Bench::new();
    let other = bench.put("/Contacts", json!({"Name": "Other", "ContactNumber": "C-9"})).first("Contacts");
    let rename = json!({"ContactID": other["ContactID"], "Name": "Example Ltd"});
    bench.post("/Contacts", rename).refused(&[NAME_TAKEN]);
    let own = bench.contact.to_string();
    bench.post("/Contacts", json!({"ContactID": own, "ContactNumber": "C-9"})).refused(&[CONTACT_NUMBER_TAKEN]);
    bench.post("/Contacts", json!({"ContactID": other["ContactID"], "Name": "OTHER"})).first("Contacts");
    bench.post("/Contacts", json!({"ContactID": other["ContactID"], "Name": "Gone Ltd"})).first("Contacts");
}

#[test]
fn archiving_is_one_way() {
    let mut bench = Bench::new();
    bench.saved_sale("AUTHORISED");
    let id = bench.contact.to_string();
    let archived = bench.post("/Contacts", json!({"ContactID": id, "ContactStatus": "ARCHIVED"})).first("Contacts");
    assert_eq!(archived["ContactStatus"], "ARCHIVED", "open invoices do not hinder");
    for body in [
        json!({"ContactID": id, "ContactStatus": "ACTIVE"}),
        json!({"ContactID": id, "FirstName": "A"}),
        json!({"Name": "Example Ltd", "FirstName": "A"}),
    ] {
        bench.post("/Contacts", body).refused(&[ARCHIVED_CONTACT]);
    }
    let again = bench.put("/Contacts", json!({"Name": "Example Ltd"})).first("Contacts");
    assert_ne!(again["ContactID"], id, "the name is free again");
}

#[test]
fn slots_merge_by_type_and_people_are_replaced() {
    let mut bench = Bench::new();
    let id = bench.contact.to_string();
    let first = json!({"ContactID": id,
        "Addresses": [{"AddressType": "STREET", "AddressLine1": "1 Main St", "City": "Napier"}],
        "Phones": [{"PhoneType": "MOBILE", "PhoneNumber": "1", "PhoneAreaCode": "21"}],
        "ContactPersons": [{"FirstName": "Ann", "IncludeInEmails": true}, {"FirstName": "Bob"}]});
    bench.post("/Contacts", first).first("Contacts");
    let second = json!({"ContactID": id,
        "Addresses": [{"AddressType": "STREET", "City": "Hastings"}, {"AddressType": "POBOX", "City": "Box"}],
        "Phones": [{"PhoneType": "DDI", "PhoneNumber": "2"}, {"PhoneType": "MOBILE", "PhoneAreaCode": ""}],
        "ContactPersons": [{"FirstName": "Cid"}]});
    bench.post("/Contacts", second).first("Contacts");
    let row = bench.books.contacts.get(bench.contact).unwrap();
    assert_eq!(row.addresses[0].lines[0].as_deref(), Some("1 Main St"));
    assert_eq!((row.addresses[0].city.as_deref(), row.addresses[1].city.as_deref()), (Some("Hastings"), Some("Box")));
    assert_eq!((row.phones[1].number.as_deref(), row.phones[3].number.as_deref()), (Some("2"), Some("1")));
    assert_eq!(row.phones[3].area_code, None);
    let people: Vec<_> = row.persons.iter().map(|person| person.first_name.as_deref().unwrap()).collect();
    assert_eq!(people, ["Cid"]);
    assert_eq!(row.email.as_deref(), Some("a@example.test"), "what is not sent stays");
    bench.post("/Contacts", json!({"ContactID": id, "EmailAddress": ""})).first("Contacts");
    assert_eq!(bench.books.contacts.get(bench.contact).unwrap().email, None, "an empty text clears");
}

#[test]
fn texts_are_checked() {
    let long = "x".repeat(256);
    let table = [
        (json!({"Name": long}), "Contact Name is too long. Maximum of 255 characters allowed"),
        (json!({"Name": "a <b>"}), "Contact Name must not contain the characters < and >"),
        (json!({"Name": " a"}), "Contact Name must not have leading, trailing or repeated spaces"),
        (json!({"Name": "a  b"}), "Contact Name must not have leading, trailing or repeated spaces"),
        (
            json!({"Name": "A", "ContactNumber": "x".repeat(51)}),
            "Contact Number is too long. Maximum of 50 characters allowed",
        ),
        (json!({"Name": "A", "EmailAddress": "nobody"}), "Email address must be valid"),
        (json!({"Name": "A", "EmailAddress": "ü@example.test"}), "Email address must be valid"),
        (json!({"Name": "A", "EmailAddress": "a@b@example.test"}), "Email address must be valid"),
        (
            json!({"Name": "A", "Phones": [{"PhoneType": "DDI", "PhoneAreaCode": "12345678901"}]}),
            "Phone Area Code is too long. Maximum of 10 characters allowed",
        ),
        (
            json!({"Name": "A", "ContactPersons": [{}, {}, {}, {}, {}, {}]}),
            "A contact can have at most 5 contact persons",
        ),
        (json!({"Name": "A", "DefaultCurrency": "EUR"}), "Organisation is not subscribed to currency EUR"),
    ];
    for (body, message) in table {
        Bench::new().put("/Contacts", body).refused(&[message]);
    }
    for name in ["Quote \" and ' Ltd", "Emoji 🦜 Ltd", &"y".repeat(255)] {
        let saved = Bench::new().put("/Contacts", json!({"Name": name})).first("Contacts");
        assert_eq!(saved["Name"], name);
    }
    Bench::new()
        .put("/Contacts", json!({"Name": "A", "ContactStatus": "LOST"}))
        .bad("Error converting value \"LOST\" to type 'Xero.API.Library..ContactStatus'. Path 'ContactStatus'.");
}

#[test]
fn updates_move_the_time_stamp() {
    let mut bench = Bench::new();
    let before = bench.books.contacts.get(bench.contact).unwrap().updated;
    let id = bench.contact.to_string();
    bench.post("/Contacts", json!({"ContactID": id, "FirstName": "A"})).first("Contacts");
    assert!(bench.books.contacts.get(bench.contact).unwrap().updated > before);
}
