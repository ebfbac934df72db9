//! The grammar as a table: what parses, what it finds, what it refuses and in which words.

use super::*;
use crate::books::Amount;

const SCHEMA: Schema = Schema {
    name: "Invoice",
    fields: &[
        ("InvoiceID", Kind::Guid),
        ("Reference", Kind::Text),
        ("Contact.Name", Kind::Text),
        ("Status", Kind::Text),
        ("AmountDue", Kind::Number),
        ("Date", Kind::Instant),
        ("SentToContact", Kind::Bool),
    ],
    equality: &["InvoiceID", "Status", "Contact.Name", "AmountDue", "Date", "Reference"],
    range: &["Date", "AmountDue"],
    or_equality: &["InvoiceID"],
    order: &["InvoiceID", "Date"],
};

struct Row {
    reference: &'static str,
    due_cents: i64,
}

impl Fields for Row {
    fn field(&self, path: &str) -> Value<'_> {
        match path {
            "InvoiceID" => Value::Guid(0x1111_1111_0000_4000_8000_0000_0000_0001),
            "Reference" if self.reference.is_empty() => Value::Null,
            "Reference" => Value::text(self.reference),
            "Contact.Name" => Value::text("Café Zoë"),
            "Status" => Value::text("AUTHORISED"),
            "AmountDue" => Value::amount(Amount::from_cents(self.due_cents)),
            "Date" => Value::Instant(1_772_409_600_000),
            "SentToContact" => Value::Bool(false),
            _ => Value::Null,
        }
    }
}

const ROW: Row = Row { reference: "Job 7", due_cents: 2415 };
const BARE: Row = Row { reference: "", due_cents: 0 };

fn ask(text: &str, row: &Row) -> Result<bool, String> {
    Filter::parse(text, &SCHEMA).and_then(|filter| filter.matches(row)).map_err(|QueryError(message)| message)
}

#[test]
fn what_it_finds() {
    let table = [
        (r#"Status=="AUTHORISED""#, true),
        (r#"Status = "authorised""#, true),
        (r#"status!="PAID""#, true),
        (r#"Contact.Name=="CAFE ZOE""#, true),
        (r#"contact.name.ToLower()=="café zoë""#, true),
        (r#"Contact.Name.ToUpper().Contains("ZO")"#, true),
        (r#"Contact.Name.StartsWith("caf") AND Contact.Name.EndsWith("oe")"#, true),
        (r#"Reference.Contains("job")==true"#, true),
        ("AmountDue==24.15", true),
        ("AmountDue = 24.15M && AmountDue > 24.14 and AmountDue <= 24.15", true),
        ("AmountDue>24.15", false),
        ("AmountDue > -1", true),
        (r#"InvoiceId==guid("11111111-0000-4000-8000-000000000001")"#, true),
        (r#"InvoiceID = Guid("{11111111-0000-4000-8000-000000000001}")"#, true),
        (r#"InvoiceID != Guid("11111111-0000-4000-8000-000000000002")"#, true),
        ("Date==DateTime(2026,3,2)", true),
        ("Date >= DateTime(2026, 03, 01) AND Date < DateTime(2026,03,02,00,00,01)", true),
        (r#"Date > DateTime.Parse("2026-03-02T00:00:00")"#, false),
        ("SentToContact==false", true),
        ("!SentToContact", true),
        ("NOT SentToContact AND (Status==\"PAID\" OR AmountDue>0)", true),
        ("(Status==\"PAID\" || Status==\"VOIDED\") && AmountDue>0", false),
        ("Status==\"PAID\" AND Status==\"VOIDED\" OR AmountDue>0", true),
        ("Reference==null", false),
        ("null != Reference", true),
        ("true", true),
        (r#"Reference=="say ""hi""" OR Reference=="a \"b\"" OR Status=="AUTHORISED""#, true),
    ];
    for (text, expected) in table {
        assert_eq!(ask(text, &ROW), Ok(expected), "{text}");
    }
}

#[test]
fn nulls_need_a_guard() {
    assert_eq!(ask(r#"Reference.Contains("x")"#, &ROW), Ok(false));
    assert_eq!(
        ask(r#"Reference.Contains("x")"#, &BARE),
        Err("Object reference not set to an instance of an object.".to_owned())
    );
    assert_eq!(ask(r#"Reference!=null AND Reference.Contains("x")"#, &BARE), Ok(false));
    assert_eq!(ask(r#"Reference==null OR Reference.Contains("x")"#, &BARE), Ok(true));
    assert_eq!(ask(r#"Reference=="x""#, &BARE), Ok(false));
    assert_eq!(ask(r#"Reference!="x""#, &BARE), Ok(true));
    assert_eq!(ask(r#"Reference<"x""#, &BARE), Ok(false));
}

#[test]
fn what_it_refuses_and_how() {
    let table = [
        ("Status=='PAID'", "Character literal must contain exactly one character"),
        ("Status==''", "Character literal must contain exactly one character"),
        ("Status=='P'", "Operator '==' incompatible with operand types 'String' and 'Char'"),
        ("()", "Expression expected"),
        ("", "Expression expected"),
        ("Status==", "Expression expected"),
        ("Status==\"PAID\" AND", "Expression expected"),
        ("(Status==\"PAID\"", "')' or operator expected"),
        ("Status==\"PAID\")", "Syntax error"),
        ("Status==\"PAID", "Unterminated string literal"),
        ("Status#1", "Syntax error '#'"),
        ("Nothing==1", "No property or field 'Nothing' exists in type 'Invoice'"),
        ("Contact.Nothing==1", "No property or field 'Nothing' exists in type 'Invoice'"),
        ("Status.Length==1", "No property or field 'Length' exists in type 'Invoice'"),
        ("Status.Trim()==\"x\"", "No applicable method 'Trim' exists in type 'String'"),
        ("AmountDue.Contains(\"x\")", "No applicable method 'Contains' exists in type 'Decimal'"),
        ("Status.Contains(1)", "No applicable method 'Contains' exists in type 'String'"),
        ("Status.Contains()", "No applicable method 'Contains' exists in type 'String'"),
        ("Foo(1)==1", "No applicable method 'Foo' exists in type 'Invoice'"),
        (
            "InvoiceID==\"11111111-0000-4000-8000-000000000001\"",
            "Operator '==' incompatible with operand types 'Guid' and 'String'",
        ),
        ("AmountDue==\"1\"", "Operator '==' incompatible with operand types 'Decimal' and 'String'"),
        ("SentToContact>true", "Operator '>' incompatible with operand types 'Boolean' and 'Boolean'"),
        ("AmountDue>null", "Operator '>' incompatible with operand types 'Decimal' and 'Object'"),
        ("Status", "Expression of type 'Boolean' expected"),
        ("Status AND true", "Operator 'AND' incompatible with operand types 'String' and 'Boolean'"),
        ("!Status", "Operator '!' incompatible with operand type 'String'"),
        (
            "InvoiceID==guid(\"7\")",
            "Guid should contain 32 digits with 4 dashes (xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx).",
        ),
        ("InvoiceID==guid()", "Expression expected"),
        ("Date==DateTime(2026,13,1)", "Year, Month, and Day parameters describe an un-representable DateTime."),
        ("Date==DateTime(2026)", "No matching constructor in type 'DateTime'"),
        ("Date==DateTime.Parse(\"soon\")", "String was not recognized as a valid DateTime."),
        ("Status==\"PAID\" Status==\"PAID\"", "Syntax error"),
    ];
    for (text, expected) in table {
        assert_eq!(ask(text, &ROW), Err(expected.to_owned()), "{text}");
    }
    assert_eq!(ask(&"(".repeat(5000), &ROW), Err("The query is too complex".to_owned()));
    assert_eq!(ask(&"!".repeat(5000), &ROW), Err("The query is too complex".to_owned()));
    let chain = format!("Status{}==\"a\"", ".ToLower()".repeat(500));
    assert_eq!(ask(&chain, &ROW), Err("The query is too complex".to_owned()));
    assert_eq!(ask(&"x".repeat(20_000), &ROW), Err("The query is too long".to_owned()));
    let long_or = vec!["AmountDue==1"; 1000].join(" OR ");
    assert_eq!(ask(&long_or, &ROW), Ok(false));
}

#[test]
fn which_expressions_are_optimised() {
    let table = [
        (r#"Status=="PAID""#, true),
        (r#"Status=="PAID" AND Date>DateTime(2026,1,1)"#, true),
        (r#"Status>"PAID""#, false),
        (r#"Status!="PAID""#, false),
        (r#"Status=="PAID" OR Status=="VOIDED""#, false),
        (
            r#"InvoiceID==guid("11111111-0000-4000-8000-000000000001") OR InvoiceID==guid("11111111-0000-4000-8000-000000000002")"#,
            true,
        ),
        (r#"Reference!=null AND Reference.Contains("x")"#, false),
        ("Reference==null", false),
        ("SentToContact==true", false),
    ];
    for (text, expected) in table {
        assert_eq!(Filter::parse(text, &SCHEMA).unwrap().is_optimised(&SCHEMA), expected, "{text}");
    }
    let filter = Filter::parse(r#"Status=="PAID" AND AmountDue==1"#, &SCHEMA).unwrap();
    assert_eq!(filter.required_equality("Status"), Some(&Value::text("PAID")));
    assert_eq!(filter.required_equality("AmountDue"), Some(&Value::amount(Amount::from_cents(100))));
    assert_eq!(filter.required_equality("Date"), None);
    assert!(filter.uses("Status") && !filter.uses("Date"));
    let either = Filter::parse(r#"Status=="PAID" OR AmountDue==1"#, &SCHEMA).unwrap();
    assert_eq!(either.required_equality("Status"), None);
}

#[test]
fn orders_parse_and_compare() {
    let order = parse_order("amountdue DESC, Reference", &SCHEMA).unwrap();
    assert_eq!(order.keys(), [("AmountDue", true), ("Reference", false)]);
    assert!(order.compare(&ROW, &BARE).is_lt());
    assert!(!order.is_optimised(&SCHEMA));
    assert!(parse_order("Date ASC", &SCHEMA).unwrap().is_optimised(&SCHEMA));
    assert!(parse_order("Reference", &SCHEMA).unwrap().compare(&ROW, &BARE).is_gt());
    for text in ["", "Nothing", "Date SIDEWAYS", "Date ASC DESC", "Date,", &["Date"; 9].join(",")] {
        assert!(parse_order(text, &SCHEMA).is_err(), "{text}");
    }
}

mod never_panics {
    use proptest::prelude::*;

    use super::*;

    fn fragment() -> impl Strategy<Value = String> {
        let words = prop::sample::select(vec![
            "Status",
            "Contact.Name",
            "AmountDue",
            "Date",
            "InvoiceID",
            ".",
            "==",
            "!=",
            ">",
            "<=",
            "(",
            ")",
            "AND",
            "OR",
            "!",
            "\"x\"",
            "\"",
            "'",
            "guid(",
            "DateTime(",
            "DateTime.Parse(",
            "1",
            "24.15",
            "-",
            ",",
            "null",
            "true",
            "Contains(",
            "ToLower()",
            "é",
            "\u{1F600}",
            "\\",
            "9999999999999999999999",
        ]);
        prop::collection::vec((words, prop::bool::ANY), 0..24)
            .prop_map(|parts| parts.into_iter().map(|(w, s)| if s { format!("{w} ") } else { w.to_owned() }).collect())
    }

    proptest! {
        #[test]
        fn on_fragments(text in fragment()) {
            let _ = ask(&text, &ROW);
            let _ = ask(&text, &BARE);
            let _ = parse_order(&text, &SCHEMA);
        }

        #[test]
        fn on_anything(text in any::<String>()) {
            let _ = ask(&text, &ROW);
            let _ = parse_order(&text, &SCHEMA);
            let _ = crate::dates::parse_request_date(&text);
            let _ = crate::dates::parse_if_modified_since(&text);
            let _ = crate::money::parse_scaled(&text, 4);
        }
    }
}
