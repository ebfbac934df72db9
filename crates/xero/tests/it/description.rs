//! Every JSON example of Xero's published description, for the kinds of this crate: it decodes, what is mapped survives a round
//! trip, and what is not mapped is a list that somebody decided on.
//!
//! The description stands beside the checkout and is never copied into it. Where it is missing the tests fail, unless
//! `TIEOUT_WITHOUT_XERO_DESCRIPTION=1` says that this is known.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use xero::scalars::{parse_date, parse_decimal, parse_instant};
use xero::{
    Account, AccountWrite, BankTransaction, BankTransactionWrite, Contact, ContactWrite, CreditNote, CreditNoteWrite,
    Error, Invoice, InvoiceWrite, Organisation, Overpayment, Payment, PaymentWrite, Prepayment, Report, TaxRate,
    WriteOptions,
};

use crate::support::{bench, json};

/// The path of an operation and one of its examples.
type Example = (String, Value);

fn examples(part: &str) -> Option<Vec<Example>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/xero-openapi/xero_accounting.yaml");
    if !path.exists() {
        let known = std::env::var("TIEOUT_WITHOUT_XERO_DESCRIPTION").is_ok_and(|value| value == "1");
        assert!(
            known,
            "xero's description is not at {}: set TIEOUT_WITHOUT_XERO_DESCRIPTION=1 to go without",
            path.display()
        );
        return None;
    }
    let text = std::fs::read_to_string(path).unwrap();
    let tree: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text).unwrap();
    let tree: Value = serde_json::from_str(&serde_json::to_string(&tree).unwrap()).unwrap();
    let mut found = Vec::new();
    for (path, operations) in tree["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let contents = match part {
                "responses" => operation["responses"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(code, r)| (code.as_str(), r))
                    .collect(),
                _ => vec![("request", &operation["requestBody"])],
            };
            for (code, content) in contents {
                let json = &content["content"]["application/json"];
                let several = json["examples"].as_object().into_iter().flatten().map(|(_, example)| &example["value"]);
                for example in several.chain([&json["example"]]).filter(|example| !example.is_null()) {
                    // Some examples are JSON in a text.
                    let value = match example.as_str() {
                        Some(text) => serde_json::from_str(text).unwrap(),
                        None => example.clone(),
                    };
                    found.push((format!("{method} {path} {code}"), value));
                }
            }
        }
    }
    assert!(found.len() > 50, "the description was read: {}", found.len());
    Some(found)
}

/// What became of one kind's examples.
#[derive(Default)]
struct Tally {
    elements: usize,
    unmapped: BTreeSet<String>,
}

fn check<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(
    place: &str,
    element: &Value,
    tally: &mut Tally,
) {
    let text = element.to_string();
    let read: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{place}: {error}\n{text}"));
    let written = serde_json::to_string(&read).unwrap();
    let again: T = serde_json::from_str(&written).unwrap();
    assert_eq!(again, read, "{place}");
    let written: Value = serde_json::from_str(&written).unwrap();
    same(&written, element, place);
    collect_unmapped(&written, element, "", &mut tally.unmapped);
    tally.elements += 1;
}

/// Whatever was written is what was read: same keys, same values.
fn same(written: &Value, read: &Value, place: &str) {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            for (key, value) in written {
                same(value, read.get(key).unwrap_or(&Value::Null), &format!("{place} {key}"));
            }
        }
        (Value::Array(written), Value::Array(read)) => {
            assert_eq!(written.len(), read.len(), "{place}");
            written.iter().zip(read).for_each(|(written, read)| same(written, read, place));
        }
        (Value::Bool(written), read) => assert_eq!(written.to_string(), bare(read), "{place}"),
        (Value::Number(written), read) => {
            let decimal = |text: &str| parse_decimal(text).unwrap();
            assert_eq!(decimal(&written.to_string()), decimal(&bare(read)), "{place}");
        }
        (Value::String(written), read) if *written == bare(read) => {}
        (Value::String(written), Value::String(read)) => {
            let dates = parse_date(written).ok().zip(parse_date(read).ok()).is_some_and(|(a, b)| a == b);
            let instants = parse_instant(written).ok().zip(parse_instant(read).ok()).is_some_and(|(a, b)| a == b);
            assert!(dates || instants, "{place}: {written} was {read}");
        }
        _ => panic!("{place}: {written} was {read}"),
    }
}

fn bare(value: &Value) -> String {
    value.as_str().map(str::to_owned).unwrap_or_else(|| value.to_string())
}

/// Names of fields with a value that the model does not have.
fn collect_unmapped(written: &Value, read: &Value, path: &str, unmapped: &mut BTreeSet<String>) {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            for (key, value) in read {
                let empty = value.is_null() || *value == Value::Array(Vec::new()) || value.as_str() == Some("");
                let name = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                match written.get(key) {
                    Some(own) => collect_unmapped(own, value, &name, unmapped),
                    None if !empty => drop(unmapped.insert(name)),
                    None => {}
                }
            }
        }
        (Value::Array(written), Value::Array(read)) => {
            written.iter().zip(read).for_each(|(written, read)| collect_unmapped(written, read, path, unmapped));
        }
        _ => {}
    }
}

fn check_kind(kind: &str, place: &str, element: &Value, tally: &mut Tally) {
    match kind {
        "Organisations" => check::<Organisation>(place, element, tally),
        "Contacts" => check::<Contact>(place, element, tally),
        "Invoices" => check::<Invoice>(place, element, tally),
        "Payments" => check::<Payment>(place, element, tally),
        "CreditNotes" => check::<CreditNote>(place, element, tally),
        "Prepayments" => check::<Prepayment>(place, element, tally),
        "Overpayments" => check::<Overpayment>(place, element, tally),
        "BankTransactions" => check::<BankTransaction>(place, element, tally),
        "Accounts" => check::<Account>(place, element, tally),
        "TaxRates" => check::<TaxRate>(place, element, tally),
        "Reports" => check::<Report>(place, element, tally),
        other => panic!("{other} is no kind of this crate"),
    }
}

const KINDS: [(&str, &str); 11] = [
    ("/Accounts", "Accounts"),
    ("/BankTransactions", "BankTransactions"),
    ("/Contacts", "Contacts"),
    ("/CreditNotes", "CreditNotes"),
    ("/Invoices", "Invoices"),
    ("/Organisation", "Organisations"),
    ("/Overpayments", "Overpayments"),
    ("/Payments", "Payments"),
    ("/Prepayments", "Prepayments"),
    ("/Reports", "Reports"),
    ("/TaxRates", "TaxRates"),
];

#[test]
fn every_answer_of_a_kind_decodes_and_survives() {
    let Some(examples) = examples("responses") else { return };
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for (place, example) in &examples {
        let path = place.split(' ').nth(1).unwrap();
        for (_, kind) in KINDS.iter().filter(|(root, _)| path == *root || path.starts_with(&format!("{root}/"))) {
            for element in example[*kind].as_array().into_iter().flatten() {
                check_kind(kind, place, element, tallies.entry(kind).or_default());
            }
        }
    }
    let counted: Vec<(&str, usize)> = tallies.iter().map(|(kind, tally)| (*kind, tally.elements)).collect();
    let kinds: Vec<&str> = counted.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, KINDS.map(|(_, kind)| kind), "each kind has examples");
    for (kind, tally) in &tallies {
        let expected = UNMAPPED.iter().find(|(name, _)| name == kind).map(|(_, fields)| *fields).unwrap_or_default();
        let unmapped: Vec<&str> =
            tally.unmapped.iter().map(String::as_str).filter(|name| !is_left_out(kind, name)).collect();
        assert_eq!(unmapped, expected, "{kind}: map the field or say here that it is left out");
    }
}

/// What every model leaves out: bookkeeping of the answer, and twins of a field that is mapped.
const EVERYWHERE: [&str; 10] = [
    "Attachments",
    "BatchPayment",
    "BatchPayments",
    "DateString",
    "DueDateString",
    "HasErrors",
    "HasValidationErrors",
    "ID",
    "StatusAttributeString",
    "ValidationErrors",
];

/// Documents refer to a contact and payments to an invoice: of these the reference is mapped, the rest is read where it lives.
fn is_left_out(kind: &str, name: &str) -> bool {
    let in_reference = match kind {
        "Contacts" => false,
        "Payments" => name.starts_with("Invoice."),
        _ => name.starts_with("Contact.") || name.starts_with("Allocations.Invoice."),
    };
    in_reference || name.rsplit('.').next().is_some_and(|last| EVERYWHERE.contains(&last) || last == "HasAccount")
}

/// What the examples hold and the models leave out beyond that, on purpose.
const UNMAPPED: [(&str, &[&str]); 5] = [
    ("Contacts", &["BrandingTheme"]),
    ("Organisations", &["APIKey", "DefaultPurchasesTax", "DefaultSalesTax", "OrganisationEntityType"]),
    ("Overpayments", &["LineItems.DiscountEnteredAsPercent"]),
    ("Prepayments", &["BrandingThemeID", "LineItems.DiscountEnteredAsPercent"]),
    // The 1099 report, which this crate does not ask for.
    ("Reports", &["Contacts"]),
];

#[tokio::test]
async fn every_refusal_of_the_description_keeps_its_messages() {
    let Some(examples) = examples("responses") else { return };
    let mut refusals = 0;
    for (place, example) in examples.iter().filter(|(place, _)| place.ends_with(" 400")) {
        let bench = bench([json(400, example.to_string())]);
        let error = bench.books.put::<Payment>(&[PaymentWrite::default()], &WriteOptions::default()).await.unwrap_err();
        let Error::Rejected(rejected) = &error else { panic!("{place}: {error}") };
        let text = example.to_string();
        let told = text.matches("\"Message\"").count();
        assert!(
            told > 0
                && rejected.messages().iter().all(|message| text.contains(&serde_json::to_string(message).unwrap())),
            "{place}"
        );
        let elements = example["Elements"].as_array().map_or(0, Vec::len);
        assert_eq!(rejected.elements.len(), elements, "{place}");
        refusals += 1;
    }
    assert!(refusals > 10, "{refusals}");
}

#[test]
fn requests_of_the_description_fit_the_write_models() {
    let Some(examples) = examples("requests") else { return };
    let mut seen = BTreeSet::new();
    for (place, example) in &examples {
        let path = place.split(' ').nth(1).unwrap();
        let elements = |collection: &str| match &example[collection] {
            Value::Array(list) => list.clone(),
            _ => vec![example.clone()],
        };
        let mut check = |kind: &str, read: &dyn Fn(&str) -> Result<String, serde_json::Error>| {
            if path != format!("/{kind}") {
                return;
            }
            for element in elements(kind) {
                let written = read(&element.to_string()).unwrap_or_else(|error| panic!("{place}: {error}"));
                same(&serde_json::from_str(&written).unwrap(), &element, place);
                seen.insert(kind.to_owned());
            }
        };
        check("Accounts", &rewrite::<AccountWrite>);
        check("BankTransactions", &rewrite::<BankTransactionWrite>);
        check("Contacts", &rewrite::<ContactWrite>);
        check("CreditNotes", &rewrite::<CreditNoteWrite>);
        check("Invoices", &rewrite::<InvoiceWrite>);
        check("Payments", &rewrite::<PaymentWrite>);
    }
    let kinds: Vec<&str> = seen.iter().map(String::as_str).collect();
    assert_eq!(kinds, ["Accounts", "BankTransactions", "Contacts", "CreditNotes", "Invoices", "Payments"]);
}

fn rewrite<W: DeserializeOwned + Serialize>(text: &str) -> Result<String, serde_json::Error> {
    serde_json::to_string(&serde_json::from_str::<W>(text)?)
}
