//! Paths of units, read and written.

use model::path::{get, put, root};
use model::{Customer, Invoice, Payment, Phone, PhoneType, Record};
use serde_json::{Value, json};

use crate::books::{id, invoice, line};

fn json_of<R: Record>(record: &R) -> Value {
    serde_json::to_value(record).unwrap()
}

fn document() -> Invoice {
    Invoice { currency: Some("NZD".into()), ..invoice([line(1, "first"), line(2, "second")]) }
}

#[test]
fn what_is_put_can_be_got() {
    let line_id = id(1);
    let rows = [
        ("reference".to_owned(), json!("R1")),
        ("reference".to_owned(), Value::Null),
        ("status".to_owned(), json!("DRAFT")),
        ("money".to_owned(), json!({ "currency": "AUD", "currency_rate": "1.5" })),
        ("money".to_owned(), json!({ "currency_rate": "1.5" })),
        ("money".to_owned(), json!({})),
        ("lines".to_owned(), json!({ "line_amount_types": "NO_TAX", "lines": [{ "description": "only" }] })),
        ("lines".to_owned(), json!({ "line_amount_types": "INCLUSIVE" })),
        (format!("lines[{line_id}].amounts"), json!({ "quantity": "0.00", "tax_type": "NONE" })),
        (format!("lines[{line_id}].amounts"), json!({})),
        (format!("lines[{line_id}].description"), json!("other")),
        (format!("lines[{line_id}].tracking"), json!([{ "category": "Region", "option": "North" }])),
        (format!("lines[{line_id}]"), json!({ "xero_line_id": line_id, "description": "other" })),
        (format!("lines[{line_id}]"), Value::Null),
        (format!("lines[{}]", id(9)), json!({ "xero_line_id": id(9), "description": "new" })),
        (format!("lines[{}]", id(9)), Value::Null),
        ("lines[#2]".to_owned(), json!({ "description": "by place" })),
        ("lines[#2].description".to_owned(), json!("by place")),
    ];
    for (path, value) in rows {
        let mut record = json_of(&document());
        let before = record.clone();
        assert!(put(&mut record, &path, &value), "{path} {value}");
        assert_eq!(get(&record, &path), Some(value.clone()), "{path}");
        let typed: Invoice = serde_json::from_value(record.clone()).unwrap();
        assert_eq!(json_of(&typed), record, "{path} {value}: canonical");
        // What was there before can be put back.
        let was = get(&before, &path).unwrap();
        assert!(put(&mut record, &path, &was));
        let (mut got, mut wanted) = (record, before);
        for record in [&mut got, &mut wanted] {
            if let Some(lines) = record["lines"].as_array_mut() {
                lines.sort_by_key(Value::to_string);
            }
        }
        assert_eq!(got, wanted, "{path}");
    }
}

#[test]
fn slots_come_and_go() {
    let mut record = json_of(&Customer::default());
    let mobile = json!({ "kind": "MOBILE", "number": "021" });
    assert_eq!(get(&record, "phones[MOBILE]"), Some(Value::Null));
    assert!(put(&mut record, "phones[MOBILE]", &mobile));
    assert_eq!(get(&record, "phones[MOBILE]"), Some(mobile));
    let customer: Customer = serde_json::from_value(record.clone()).unwrap();
    assert_eq!(customer.phones, [Phone { kind: PhoneType::Mobile, number: Some("021".into()), ..Phone::default() }]);
    assert!(put(&mut record, "phones[MOBILE]", &Value::Null));
    assert_eq!(record, json_of(&Customer::default()));
}

#[test]
fn a_payments_money_is_amount_and_rate() {
    let mut record = json_of(&Payment { amount: "5".parse().unwrap(), ..Payment::default() });
    assert_eq!(get(&record, "money"), Some(json!({ "amount": "5.00" })));
    assert!(put(&mut record, "money", &json!({ "amount": "6.00", "currency_rate": "2" })));
    assert_eq!(serde_json::from_value::<Payment>(record).unwrap().amount, "6".parse().unwrap());
}

#[test]
fn what_is_no_path_is_refused_and_changes_nothing() {
    let unknown = format!("lines[{}]", id(9));
    for path in [
        "",
        "colour",
        "presence",
        "phones[MOBILE",
        "phones[MOBILE].number",
        "lines[",
        "lines[new].amounts",
        "lines[#0].amounts",
        "lines[#3].amounts",
        "lines[#-1].amounts",
        &format!("{unknown}.amounts"),
        &format!("lines[{}].colour", id(1)),
        &format!("lines[{}]amounts", id(1)),
        "email.first",
        "money.currency",
        "ñ[x]",
    ] {
        let mut record = json_of(&document());
        assert_eq!(get(&record, path), None, "{path}");
        assert!(!put(&mut record, path, &json!({})), "{path}");
        assert_eq!(record, json_of(&document()), "{path}");
    }
    for (path, value) in [
        ("money".to_owned(), json!("NZD")),
        ("money".to_owned(), json!({ "colour": "red" })),
        (unknown, json!("text")),
        (format!("lines[{}].amounts", id(1)), json!(7)),
    ] {
        let mut record = json_of(&document());
        assert!(!put(&mut record, &path, &value), "{path} {value}");
        assert_eq!(record, json_of(&document()), "{path} {value}");
    }
    assert_eq!(get(&json!([]), "email"), None);
    assert!(!put(&mut json!(null), "email", &json!("a")));
}

#[test]
fn policies_are_set_for_the_root() {
    for (path, expected) in
        [("email", "email"), ("phones[MOBILE]", "phones"), ("lines[x].amounts", "lines"), ("presence", "presence")]
    {
        assert_eq!(root(path), expected);
    }
}
