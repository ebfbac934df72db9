//! Bodies: their three forms, what converts into what, and what is refused.

use jiff::civil::date;

use super::super::body::*;
use crate::books::Amount;

fn read(text: &str) -> Result<Json, String> {
    parse(text.as_bytes()).map_err(|BadBody(message)| message)
}

#[test]
fn bodies_of_all_three_forms() {
    for text in [
        r#"{"Invoices":[{"Total":1.10}]}"#,
        r#"{"invoices":{"Total":1.10}}"#,
        r#"[{"total":1.10},null]"#,
        r#"{"TOTAL":"1.10"}"#,
        "\u{feff} {\"Total\" : 1.10 } ",
    ] {
        let body = read(text).unwrap();
        let elements = elements(&body, "Invoices").unwrap();
        assert_eq!(elements.len(), 1, "{text}");
        assert_eq!(elements[0].amount("Total", 2), Ok(Some(Amount::from_cents(110))), "{text}");
    }
    assert!(elements(&read("7").unwrap(), "Invoices").is_err());
}

#[test]
fn values_convert_as_dot_net_converts_them() {
    let body = read(
        r#"{"A":"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud83d","N":12345678901234.56789,"T":7,"B":"True","D":"2026-03-01",
            "I":"11111111-0000-4000-8000-000000000001","Z":"00000000-0000-0000-0000-000000000000","L":null,"E":""}"#,
    )
    .unwrap();
    let fields = Fields::of(&body, "X[0]".into()).unwrap();
    assert_eq!(fields.text("a").unwrap().unwrap(), "a\"\\/\u{8}\u{c}\n\r\té😀\u{fffd}");
    assert_eq!(fields.amount("N", 4), Ok(Some(Amount(123_456_789_012_345_679))));
    assert_eq!(fields.text("T"), Ok(Some("7".into())));
    assert_eq!(fields.flag("B"), Ok(Some(true)));
    assert_eq!(fields.date("D"), Ok(Some(date(2026, 3, 1))));
    assert!(fields.id("I").unwrap().is_some());
    assert_eq!(fields.id("Z"), Ok(None));
    assert_eq!(fields.text("L"), Ok(None));
    assert_eq!(fields.amount("E", 2), Ok(None));
    assert!(!fields.has("L") && fields.has("E") && !fields.has("Missing"));
}

#[test]
fn what_does_not_convert_names_its_path() {
    let body =
        read(r#"{"Invoices":[{"X":1},{"Date":"20100510","Total":"abc","Lines":[{"N":{}}],"S":"soon"}]}"#).unwrap();
    let second = &elements(&body, "Invoices").unwrap()[1];
    let message = |BadBody(message)| message;
    assert_eq!(message(second.date("Date").unwrap_err()), "The string '20100510' is not a valid AllXsd value.");
    assert_eq!(
        message(second.amount("Total", 2).unwrap_err()),
        "Error converting value \"abc\" to type 'System.Nullable`1[System.Decimal]'. Path 'Invoices[1].Total'."
    );
    let line = &second.objects("Lines").unwrap().unwrap()[0];
    assert_eq!(
        message(line.amount("N", 2).unwrap_err()),
        "Error converting value { to type 'System.Nullable`1[System.Decimal]'. Path 'Invoices[1].Lines[0].N'."
    );
    assert_eq!(
        message(second.word("S", "LineAmountType", |_| None::<()>).unwrap_err()),
        "Error converting value \"soon\" to type 'Xero.API.Library..LineAmountType'. Path 'Invoices[1].S'."
    );
}

#[test]
fn broken_bodies_are_refused() {
    for text in [
        "",
        "  ",
        "{",
        "[",
        "{\"a\"",
        "{\"a\":}",
        "{\"a\":1,}",
        "[1,]",
        "[1 2]",
        "\"\\x\"",
        "\"\\u12\"",
        "\"abc",
        "tru",
        "1 2",
        "{a:1}",
        "-",
        "1e",
        "\u{1}",
        "{\"a\":1}x",
        "\"\\ud800\\u12é\"",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    assert!(read(&"[".repeat(100_000)).is_err());
    assert!(parse(&[0xff, 0xfe]).is_err());
}
