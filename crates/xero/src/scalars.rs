//! Xero's scalars: exact decimals and every form of date (xero-facts §4), as pure functions of their text.
//!
//! Money never passes through a binary float: the digits of the JSON number are read as they stand. Calendar dates are
//! organisation-local dates that Xero encodes as UTC midnight, so the UTC date is the date, whatever the offset says.
//! Absurd values are errors of the element that holds them, never panics.

use jiff::civil::{Date, DateTime};
use jiff::{Timestamp, tz::Offset};
use rust_decimal::Decimal;

/// The text of a value that cannot be read; bounded, because it ends up in messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not {expected}")]
pub struct InvalidScalar {
    expected: &'static str,
    text: String,
}

impl InvalidScalar {
    fn new(expected: &'static str, text: &str) -> InvalidScalar {
        InvalidScalar { expected, text: bounded(text, 64).to_owned() }
    }
}

/// The longest prefix of `text` that has at most `limit` bytes and ends between characters.
pub(crate) fn bounded(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Reads `24.15`, `-1`, `1E-3`: the JSON number grammar, exactly. More than 28 significant digits is an error, never a rounding.
pub fn parse_decimal(text: &str) -> Result<Decimal, InvalidScalar> {
    const EXPECTED: &str = "a decimal number of at most 28 digits";
    let invalid = || InvalidScalar::new(EXPECTED, text);
    let trimmed = text.trim();
    let (mantissa, exponent) = match trimmed.find(['e', 'E']) {
        Some(at) => (&trimmed[..at], parse_exponent(&trimmed[at + 1..]).ok_or_else(invalid)?),
        None => (trimmed, 0),
    };
    if !is_plain_number(mantissa) {
        return Err(invalid());
    }
    let mut value = Decimal::from_str_exact(mantissa).map_err(|_| invalid())?;
    if value.is_zero() {
        // No signed zero: -0.00 and 0.00 are one amount.
        value.set_sign_positive(true);
        return Ok(value);
    }
    if exponent < 0 {
        let scale = value.scale().checked_add(exponent.unsigned_abs()).ok_or_else(invalid)?;
        value.set_scale(scale).map_err(|_| invalid())?;
    } else if exponent > 0 {
        let shift = exponent.unsigned_abs();
        let from_scale = shift.min(value.scale());
        value.set_scale(value.scale() - from_scale).map_err(|_| invalid())?;
        let factor = 10_i128.checked_pow(shift - from_scale).ok_or_else(invalid)?;
        let factor = Decimal::try_from_i128_with_scale(factor, 0).map_err(|_| invalid())?;
        value = value.checked_mul(factor).ok_or_else(invalid)?;
    }
    Ok(value)
}

fn parse_exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn is_plain_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    digits(whole) && digits(fraction)
}

/// Reads an instant: `/Date(ms)/`, `/Date(ms±hhmm)/`, or ISO 8601 with or without a zone (without is UTC).
///
/// The offset inside `/Date()/` is decoration: the milliseconds are since the epoch in UTC.
pub fn parse_instant(text: &str) -> Result<Timestamp, InvalidScalar> {
    let invalid = || InvalidScalar::new("a date and time", text);
    if let Some(milliseconds) = parse_slash_date(text).ok_or_else(invalid)? {
        return Timestamp::from_millisecond(milliseconds).map_err(|_| invalid());
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let naive: DateTime = text.parse().map_err(|_| invalid())?;
    Offset::UTC.to_timestamp(naive).map_err(|_| invalid())
}

/// Reads a calendar date: the UTC date of `/Date(ms±hhmm)/`, or the date that an ISO text begins with.
pub fn parse_date(text: &str) -> Result<Date, InvalidScalar> {
    let invalid = || InvalidScalar::new("a date", text);
    if let Some(milliseconds) = parse_slash_date(text).ok_or_else(invalid)? {
        let instant = Timestamp::from_millisecond(milliseconds).map_err(|_| invalid())?;
        return Ok(Offset::UTC.to_datetime(instant).date());
    }
    if text.len() == 10 {
        return text.parse().map_err(|_| invalid());
    }
    // The rest must still be a time: a date with rubbish behind it is not a date.
    parse_instant(text).map_err(|_| invalid())?;
    text.get(..10).and_then(|date| date.parse().ok()).ok_or_else(invalid)
}

/// The milliseconds of `/Date(…)/`; `Some(None)` if the text has another form, `None` if it has this form and is malformed.
#[allow(clippy::option_option)] // three answers: not this form, malformed, a value
fn parse_slash_date(text: &str) -> Option<Option<i64>> {
    let Some(rest) = text.strip_prefix("/Date(") else { return Some(None) };
    let inner = rest.strip_suffix(")/")?;
    // A sign after the first character starts the offset; one at the very start belongs to the number.
    let offset_at = inner.char_indices().skip(1).find(|(_, c)| matches!(c, '+' | '-')).map(|(at, _)| at);
    let (number, offset) = inner.split_at(offset_at.unwrap_or(inner.len()));
    let digits = number.strip_prefix('-').unwrap_or(number);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let offset_is_sound =
        offset.is_empty() || (offset.len() == 5 && offset.bytes().skip(1).all(|b| b.is_ascii_digit()));
    offset_is_sound.then(|| number.parse().ok()).flatten().map(Some)
}

/// Whether a date is one of Xero's spellings of "not set": the year 1 (`/Date(-62135596800000+0000)/`).
pub fn is_unset(date: Date) -> bool {
    date.year() <= 1
}

/// A date as requests write it: `2026-09-14`.
pub fn format_date(date: Date) -> String {
    date.to_string()
}

/// An instant as Xero writes it: `/Date(1789378199100+0000)/`; finer than a millisecond falls back to ISO 8601.
pub fn format_instant(instant: Timestamp) -> String {
    if instant.subsec_nanosecond() % 1_000_000 == 0 {
        format!("/Date({}+0000)/", instant.as_millisecond())
    } else {
        instant.to_string()
    }
}

/// `If-Modified-Since` as documented: `yyyy-mm-ddThh:mm:ss`, UTC, the part below a second cut off.
pub fn format_modified_since(instant: Timestamp) -> String {
    Offset::UTC.to_datetime(instant).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// Reads an HTTP `Date` header, which bounds Xero's clock to the second.
pub fn parse_http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_read_to_the_digit() {
        let table = [
            ("24.15", "24.15"),
            ("1.0", "1.0"),
            ("0", "0"),
            ("-0.0", "0.0"),
            ("-6250.09", "-6250.09"),
            ("0.7777777777", "0.7777777777"),
            ("9999999999.99", "9999999999.99"),
            ("0.1", "0.1"),
            ("1e2", "100"),
            ("1.5E3", "1500"),
            ("1.25e1", "12.5"),
            ("1.5E-3", "0.0015"),
            ("2E+0", "2"),
            ("1e-28", "0.0000000000000000000000000001"),
            ("7e28", "70000000000000000000000000000"),
            ("0e999999999", "0"),
            ("79228162514264337593543950335", "79228162514264337593543950335"),
            (" 12.50 ", "12.50"),
        ];
        for (text, expected) in table {
            assert_eq!(parse_decimal(text).map(|d| d.to_string()), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_exact_decimal_is_refused() {
        let table = [
            "",
            " ",
            "-",
            ".",
            "1.",
            ".5",
            "+1",
            "1,000.00",
            "1_000",
            "NaN",
            "Infinity",
            "0x10",
            "1e",
            "1e+",
            "1e1.5",
            "--1",
            "1 2",
            "79228162514264337593543950336",
            "1e29",
            "1e-29",
            "1e99999999999999999999",
            "1e2147483648",
            "1e-2147483648",
            "0.00000000000000000000000000001",
            "true",
            "null",
            "１",
        ];
        for text in table {
            assert!(parse_decimal(text).is_err(), "{text}");
        }
        assert_eq!(parse_decimal(&"9".repeat(500)).unwrap_err().to_string().len(), 64 + 47);
    }

    #[test]
    fn instants_in_every_form() {
        let table = [
            ("/Date(1789378199100+0000)/", "2026-09-14T09:29:59.1Z"),
            ("/Date(1789378230894)/", "2026-09-14T09:30:30.894Z"),
            ("/Date(1789378199100+1300)/", "2026-09-14T09:29:59.1Z"),
            ("/Date(1789378199100-0930)/", "2026-09-14T09:29:59.1Z"),
            ("/Date(0+0000)/", "1970-01-01T00:00:00Z"),
            ("/Date(0)/", "1970-01-01T00:00:00Z"),
            ("/Date(-62135596800000+0000)/", "0001-01-01T00:00:00Z"),
            ("/Date(-1-0000)/", "1969-12-31T23:59:59.999Z"),
            ("2026-09-14T09:29:59Z", "2026-09-14T09:29:59Z"),
            ("2026-09-14T09:29:59", "2026-09-14T09:29:59Z"),
            ("2026-03-01T09:12:44.1234560", "2026-03-01T09:12:44.123456Z"),
            ("2026-09-14T21:29:59+12:00", "2026-09-14T09:29:59Z"),
            ("2026-09-02T01:15:39.902", "2026-09-02T01:15:39.902Z"),
        ];
        for (text, expected) in table {
            assert_eq!(parse_instant(text).map(|t| t.to_string()), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn dates_are_utc_dates() {
        let table = [
            ("/Date(1772409600000+0000)/", date(2026, 3, 2)),
            ("/Date(1772409600000+1300)/", date(2026, 3, 2)),
            ("/Date(1772495999999-1200)/", date(2026, 3, 2)),
            ("/Date(1772409600000)/", date(2026, 3, 2)),
            ("/Date(-86400000+0000)/", date(1969, 12, 31)),
            ("/Date(-62135596800000+0000)/", date(1, 1, 1)),
            ("2026-09-14T00:00:00", date(2026, 9, 14)),
            ("2026-09-14", date(2026, 9, 14)),
            ("1957-02-28", date(1957, 2, 28)),
            ("2024-02-29T00:00:00Z", date(2024, 2, 29)),
        ];
        for (text, expected) in table {
            assert_eq!(parse_date(text), Ok(expected), "{text}");
        }
        assert!(is_unset(date(1, 1, 1)));
        assert!(!is_unset(date(1970, 1, 1)));
    }

    #[test]
    fn malformed_dates_are_refused() {
        let table = [
            "",
            "/Date()/",
            "/Date(x)/",
            "/Date(-)/",
            "/Date(12",
            "/Date(12)",
            "/Date(1+)/",
            "/Date(1+00)/",
            "/Date(1+00000)/",
            "/Date(1+0a00)/",
            "/Date(99999999999999999999)/",
            "/Date(9223372036854775807)/",
            "/Date(--1)/",
            "/Date(1)/ ",
            "2026-13-01",
            "2026-02-30T00:00:00",
            "14/09/2026",
            "yesterday",
            "2026-09-14T25:00:00",
            "2026-09-14 rubbish",
            "/Date(１)/",
        ];
        for text in table {
            assert!(parse_instant(text).is_err(), "instant {text}");
            assert!(parse_date(text).is_err(), "date {text}");
        }
    }

    #[test]
    fn written_forms() {
        let instant: Timestamp = "2026-09-14T09:29:59.987Z".parse().unwrap();
        assert_eq!(format_modified_since(instant), "2026-09-14T09:29:59");
        assert_eq!(format_instant(instant), "/Date(1789378199987+0000)/");
        assert_eq!(format_date(date(2026, 9, 4)), "2026-09-04");
        assert_eq!(parse_http_date("Mon, 14 Sep 2026 09:29:59 GMT"), "2026-09-14T09:29:59Z".parse().ok());
        assert_eq!(parse_http_date("soon"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = parse_decimal(&text);
            let _ = parse_date(&text);
            let _ = parse_instant(&text);
            let _ = parse_http_date(&text);
        }

        #[test]
        fn anything_between_the_brackets(text in "[-+0-9Ee.]{0,30}") {
            let _ = parse_decimal(&text);
            let _ = parse_instant(&format!("/Date({text})/"));
            let _ = parse_date(&format!("/Date({text})/"));
        }

        #[test]
        fn decimals_survive(mantissa in -9_999_999_999_999_999_i64..=9_999_999_999_999_999, scale in 0_u32..=10) {
            let value = Decimal::new(mantissa, scale);
            prop_assert_eq!(parse_decimal(&value.to_string()).unwrap().to_string(), value.to_string());
        }

        #[test]
        fn instants_survive(milliseconds in -62_135_596_800_000_i64..=253_402_300_799_000) {
            let instant = Timestamp::from_millisecond(milliseconds).unwrap();
            prop_assert_eq!(parse_instant(&format_instant(instant)), Ok(instant));
            let day = parse_date(&format_instant(instant)).unwrap();
            prop_assert_eq!(parse_date(&format_date(day)), Ok(day));
        }
    }
}
