//! Money as Xero computes it: scaled integers, no floats, every rounding written out.
//!
//! Documents carry two decimals whatever their currency is (yen and dinar documents too); unit amounts and quantities
//! carry four. All are [`Amount`]s: ten-thousandths. Products are taken in 128 bits and checked, so that no request can
//! overflow. Rules: line amount from any two of quantity, unit amount and line amount; tax per line; half-up away from
//! zero per line (a setting) and then summed.

use std::cmp::Ordering;

use crate::books::{Amount, Discount, LineAmountTypes, Rate};
use crate::config::Rounding;

/// The largest amount that Xero takes on a line: 9,999,999,999.99.
pub(crate) const MAX_LINE_AMOUNT: Amount = Amount::from_cents(999_999_999_999);

/// 100 % in ten-thousandths of a percent.
const PERCENT_WHOLE: i128 = 1_000_000;
/// Ten-thousandths per cent of money.
const PER_CENT: i128 = 100;

/// The figures of a line as they were sent; any two of the three determine the third.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineInput {
    /// Quantity, if it was sent.
    pub quantity: Option<Amount>,
    /// Unit amount, if it was sent, already rounded to the `unitdp` of the request.
    pub unit_amount: Option<Amount>,
    /// Line amount, if it was sent, rounded to cents.
    pub line_amount: Option<Amount>,
    /// Discount.
    pub discount: Discount,
    /// Decimals kept when a unit amount has to be derived: 2 or 4.
    pub unit_dp: u32,
}

/// The complete figures of a line. A line with a description only has no quantity and no unit amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineFigures {
    /// Quantity.
    pub quantity: Option<Amount>,
    /// Unit amount.
    pub unit_amount: Option<Amount>,
    /// Line amount after discount, in whole cents.
    pub line_amount: Amount,
}

/// Why a line has no figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineError {
    /// All three were sent and contradict each other.
    Mismatch {
        /// The line amount that was sent.
        sent: Amount,
        /// The line amount that quantity and unit amount make.
        expected: Amount,
    },
    /// An amount is beyond what a document can hold.
    TooLarge,
}

/// Totals of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Sum without tax, whatever the line amount type.
    pub sub_total: Amount,
    /// Sum of the lines' tax.
    pub total_tax: Amount,
    /// `sub_total + total_tax`.
    pub total: Amount,
}

/// Divides and rounds half-up away from zero. A zero divisor gives `None`.
fn div_round(numerator: i128, divisor: i128) -> Option<i128> {
    div_rounded(numerator, divisor, Rounding::HalfUp)
}

/// Divides and rounds to the nearest whole, halves as told. A zero divisor gives `None`.
fn div_rounded(numerator: i128, divisor: i128, rounding: Rounding) -> Option<i128> {
    if divisor == 0 {
        return None;
    }
    let (n, d) = if divisor < 0 { (numerator.checked_neg()?, divisor.checked_neg()?) } else { (numerator, divisor) };
    let quotient = n / d;
    let remainder = (n % d).abs();
    // Comparing with the distance to the next whole avoids doubling, which could overflow.
    let away = match remainder.cmp(&(d - remainder)) {
        Ordering::Less => false,
        Ordering::Greater => true,
        Ordering::Equal => rounding == Rounding::HalfUp || quotient % 2 != 0,
    };
    Some(if away { quotient + n.signum() } else { quotient })
}

/// Rounds to `dp` decimals (0 to 4), half-up away from zero.
pub(crate) fn round_to(value: Amount, dp: u32) -> Amount {
    let unit = 10_i128.pow(4 - dp.min(4));
    div_round(i128::from(value.0), unit).and_then(|q| i64::try_from(q * unit).ok()).map_or(value, Amount)
}

/// `numerator / divisor` in whole cents, as an amount. `None` when it does not fit on a line.
fn cents_of(numerator: i128, divisor: i128, rounding: Rounding) -> Option<Amount> {
    div_rounded(numerator, divisor, rounding)
        .and_then(|cents| i64::try_from(cents * PER_CENT).ok())
        .map(Amount)
        .filter(|amount| fits(*amount))
}

fn fits(amount: Amount) -> bool {
    amount.0.unsigned_abs() <= MAX_LINE_AMOUNT.0.unsigned_abs()
}

/// `round2(quantity × unit amount × (1 − rate))`, or `round2(quantity × unit amount) − discount amount`.
pub(crate) fn line_amount(
    quantity: Amount,
    unit_amount: Amount,
    discount: Discount,
    rounding: Rounding,
) -> Result<Amount, LineError> {
    let gross = i128::from(quantity.0) * i128::from(unit_amount.0);
    let amount = match discount {
        Discount::None => cents_of(gross, 1_000_000, rounding),
        Discount::Rate(rate) => gross
            .checked_mul(PERCENT_WHOLE - i128::from(rate.0))
            .and_then(|net| cents_of(net, 1_000_000 * PERCENT_WHOLE, rounding)),
        Discount::Amount(off) => cents_of(gross, 1_000_000, rounding).map(|g| g - off).filter(|a| fits(*a)),
    };
    amount.ok_or(LineError::TooLarge)
}

/// What a discount takes off a line: `round2(quantity × unit amount) − line amount`.
pub(crate) fn discount_of(figures: &LineFigures, rounding: Rounding) -> Amount {
    let (Some(quantity), Some(unit_amount)) = (figures.quantity, figures.unit_amount) else { return Amount::ZERO };
    line_amount(quantity, unit_amount, Discount::None, rounding)
        .map_or(Amount::ZERO, |gross| gross - figures.line_amount)
}

/// Completes a line from any two of its three figures. A missing quantity counts as one when there is a price.
pub fn resolve_line(input: &LineInput, rounding: Rounding) -> Result<LineFigures, LineError> {
    let one = Amount(Amount::UNIT);
    let figures = |quantity, unit_amount, line_amount| LineFigures { quantity, unit_amount, line_amount };
    if let Some(sent) = input.line_amount.filter(|sent| !fits(*sent)) {
        debug_assert!(!sent.is_zero(), "zero fits");
        return Err(LineError::TooLarge);
    }
    match (input.quantity, input.unit_amount, input.line_amount) {
        (quantity, None, None) => Ok(figures(quantity, quantity.map(|_| Amount::ZERO), Amount::ZERO)),
        (quantity, Some(unit_amount), None) => {
            let quantity = quantity.unwrap_or(one);
            let amount = line_amount(quantity, unit_amount, input.discount, rounding)?;
            Ok(figures(Some(quantity), Some(unit_amount), amount))
        }
        (quantity, None, Some(amount)) => {
            let quantity = quantity.unwrap_or(one);
            let unit_amount = round_to(derive(amount, input.discount, quantity)?, input.unit_dp);
            Ok(figures(Some(quantity), Some(unit_amount), amount))
        }
        (None, Some(unit_amount), Some(sent)) => {
            if unit_amount.is_zero() && !sent.is_zero() {
                return Err(LineError::Mismatch { sent, expected: Amount::ZERO });
            }
            let quantity = derive(sent, input.discount, unit_amount)?;
            Ok(figures(Some(quantity), Some(unit_amount), sent))
        }
        (Some(quantity), Some(unit_amount), Some(sent)) => {
            let expected = line_amount(quantity, unit_amount, input.discount, rounding)?;
            if sent == expected {
                Ok(figures(Some(quantity), Some(unit_amount), sent))
            } else {
                Err(LineError::Mismatch { sent, expected })
            }
        }
    }
}

/// The missing factor: the amount before discount divided by `by`, to four decimals.
fn derive(amount: Amount, discount: Discount, by: Amount) -> Result<Amount, LineError> {
    let net = i128::from(amount.0) * 10_000;
    let gross = match discount {
        Discount::None => Some(net),
        Discount::Amount(off) => Some(net + i128::from(off.0) * 10_000),
        Discount::Rate(rate) if i128::from(rate.0) >= PERCENT_WHOLE => Some(0),
        Discount::Rate(rate) => div_round(net * PERCENT_WHOLE, PERCENT_WHOLE - i128::from(rate.0)),
    };
    if by.is_zero() {
        return Ok(Amount::ZERO);
    }
    gross
        .and_then(|gross| div_round(gross, i128::from(by.0)))
        .and_then(|value| i64::try_from(value).ok())
        .map(Amount)
        .ok_or(LineError::TooLarge)
}

/// An amount of a foreign currency in the base currency, in whole cents. `rate` is units of the foreign currency per unit
/// of the base currency.
pub(crate) fn divide_by_rate(amount: Amount, rate: Rate) -> Option<Amount> {
    cents_of(i128::from(amount.0) * 10_000_000_000, i128::from(rate.0) * PER_CENT, Rounding::HalfUp)
}

/// The tax of a line, in whole cents. `rate` is the effective rate in percent (15 % is `Amount(150_000)`).
pub fn line_tax(line_amount: Amount, rate: Amount, types: LineAmountTypes, rounding: Rounding) -> Amount {
    let product = i128::from(line_amount.0) * i128::from(rate.0);
    let tax = match types {
        LineAmountTypes::NoTax => None,
        LineAmountTypes::Exclusive => cents_of(product, PERCENT_WHOLE * PER_CENT, rounding),
        LineAmountTypes::Inclusive => cents_of(product, (PERCENT_WHOLE + i128::from(rate.0)) * PER_CENT, rounding),
    };
    tax.unwrap_or(Amount::ZERO)
}

/// Sums the lines' `(line amount, tax amount)` into a document's totals. Sums saturate; callers bound each line and the
/// number of lines, so that it never happens.
pub fn totals(types: LineAmountTypes, lines: impl IntoIterator<Item = (Amount, Amount)>) -> Totals {
    let (mut amounts, mut total_tax) = (Amount::ZERO, Amount::ZERO);
    for (amount, tax) in lines {
        amounts += amount;
        total_tax += tax;
    }
    match types {
        LineAmountTypes::Exclusive => Totals { sub_total: amounts, total_tax, total: amounts + total_tax },
        LineAmountTypes::Inclusive => Totals { sub_total: amounts - total_tax, total_tax, total: amounts },
        LineAmountTypes::NoTax => Totals { sub_total: amounts, total_tax: Amount::ZERO, total: amounts },
    }
}

/// Reads the text of a JSON number as an amount, half-up at `dp` decimals (at most 4).
pub(crate) fn parse_amount(text: &str, dp: u32) -> Option<Amount> {
    let dp = dp.min(4);
    parse_scaled(text, dp)?.checked_mul(10_i64.pow(4 - dp)).map(Amount)
}

/// Reads the text of a JSON number (or of a number in a string) into an integer scaled by `10^dp`, rounding further
/// decimals half-up away from zero. `None` if it is not a number or does not fit.
pub(crate) fn parse_scaled(text: &str, dp: u32) -> Option<i64> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], rest[at + 1..].parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut digits: i128 = 0;
    let mut scale: i64 = 0;
    for (index, byte) in whole.bytes().chain(fraction.bytes()).enumerate() {
        if !byte.is_ascii_digit() {
            return None;
        }
        // Beyond 30 significant digits nothing can change the rounded value; whole digits there cannot fit anyway.
        if digits < 10_i128.pow(30) {
            digits = digits * 10 + i128::from(byte - b'0');
            scale += i64::from(index >= whole.len());
        } else if index < whole.len() {
            return None;
        }
    }
    let shift = i64::from(dp) + i64::from(exponent) - scale;
    let scaled = if digits == 0 || shift < -40 {
        0
    } else if shift < 0 {
        // 10^38 fits in 128 bits and a larger divisor rounds thirty digits to nothing.
        10_i128.checked_pow(u32::try_from(-shift).ok()?).map_or(Some(0), |divisor| div_round(digits, divisor))?
    } else {
        digits.checked_mul(10_i128.checked_pow(u32::try_from(shift).ok()?)?)?
    };
    i64::try_from(if negative { -scaled } else { scaled }).ok()
}

/// Writes a scaled integer as Xero writes numbers: no trailing zeros but at least one decimal (`21.0`, `24.15`, `0.0`).
pub(crate) fn push_number(out: &mut Vec<u8>, value: i64, dp: u32) {
    let mut digits = [b'0'; 24];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    let mut remaining_decimals = dp;
    let mut significant = false;
    while remaining_decimals > 0 {
        let digit = (rest % 10) as u8;
        rest /= 10;
        significant |= digit != 0 || remaining_decimals == 1;
        if significant {
            at -= 1;
            digits[at] = b'0' + digit;
        }
        remaining_decimals -= 1;
    }
    if dp == 0 {
        at -= 1;
        digits[at] = b'0';
    }
    at -= 1;
    digits[at] = b'.';
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// An amount as Xero writes it: no trailing zeros but at least one decimal.
pub(crate) fn push_amount(out: &mut Vec<u8>, amount: Amount) {
    push_number(out, amount.0, 4);
}

/// An amount with exactly two decimals, as validation messages print it.
pub(crate) fn fixed2(amount: Amount) -> String {
    let cents = round_to(amount, 2).0 / 100;
    let sign = if cents < 0 { "-" } else { "" };
    let magnitude = cents.unsigned_abs();
    format!("{sign}{}.{:02}", magnitude / 100, magnitude % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Rounding::{HalfEven, HalfUp};

    fn e4(text: &str) -> Amount {
        parse_amount(text, 4).unwrap()
    }

    fn cents(text: &str) -> Amount {
        parse_amount(text, 2).unwrap()
    }

    #[test]
    fn numbers_are_read_exactly_and_rounded_away_from_zero() {
        let table = [
            ("0", 0),
            ("24.15", 2415),
            ("-24.15", -2415),
            ("0.005", 1),
            ("-0.005", -1),
            ("0.00499999999999999999999999999999999999", 0),
            ("1.005", 101),
            ("2.675", 268),
            ("1e2", 10_000),
            ("1.5E-1", 15),
            ("1e-400", 0),
            ("0e999999", 0),
            ("9999999999.99", 999_999_999_999),
        ];
        for (text, expected) in table {
            assert_eq!(parse_scaled(text, 2), Some(expected), "{text}");
        }
        for text in ["", ".", "-", "abc", "1.2.3", "1e", "1e99", "99999999999999999999", "0x10", "1 "] {
            assert_eq!(parse_scaled(text, 2), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_written_with_at_least_one_decimal() {
        let table = [
            (0, 2, "0.0"),
            (2415, 2, "24.15"),
            (2100, 2, "21.0"),
            (1050, 2, "10.5"),
            (-5, 2, "-0.05"),
            (10_000, 4, "1.0"),
            (10_001, 4, "1.0001"),
            (12_345_600_000, 10, "1.23456"),
            (7, 0, "7.0"),
            (i64::MIN, 2, "-92233720368547758.08"),
            (1, 10, "0.0000000001"),
        ];
        for (value, dp, expected) in table {
            let mut out = Vec::new();
            push_number(&mut out, value, dp);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn line_amounts_round_half_up_away_from_zero() {
        let table = [
            ("2", "10.50", Discount::None, "21.00"),
            ("1", "0.005", Discount::None, "0.01"),
            ("-1", "0.005", Discount::None, "-0.01"),
            ("3", "0.3333", Discount::None, "1.00"),
            ("0.3333", "10", Discount::None, "3.33"),
            ("1", "2.6750", Discount::None, "2.68"),
            ("1", "100", Discount::Rate(Amount(100_000)), "90.00"),
            ("1", "0.15", Discount::Rate(Amount(500_000)), "0.08"),
            ("3", "33.3333", Discount::Rate(Amount(125_000)), "87.50"),
            ("1", "100", Discount::Rate(Amount(1_000_000)), "0.00"),
            ("2", "50", Discount::Amount(cents("12.50")), "87.50"),
        ];
        for (quantity, unit, discount, expected) in table {
            assert_eq!(
                line_amount(e4(quantity), e4(unit), discount, HalfUp),
                Ok(cents(expected)),
                "{quantity} x {unit}"
            );
        }
        assert_eq!(
            line_amount(Amount(i64::MAX), Amount(i64::MAX), Discount::Rate(Amount(1)), HalfUp),
            Err(LineError::TooLarge)
        );
        assert_eq!(line_amount(e4("1"), e4("10000000000"), Discount::None, HalfUp), Err(LineError::TooLarge));
        assert_eq!(line_amount(e4("1"), e4("0.005"), Discount::None, HalfEven), Ok(Amount::ZERO));
        assert_eq!(line_amount(e4("1"), e4("0.015"), Discount::None, HalfEven), Ok(cents("0.02")));
    }

    #[test]
    fn any_two_of_three_make_the_third() {
        let resolve = |quantity: Option<&str>, unit: Option<&str>, amount: Option<&str>, discount, unit_dp| {
            let line = LineInput {
                quantity: quantity.map(e4),
                unit_amount: unit.map(e4),
                line_amount: amount.map(cents),
                discount,
                unit_dp,
            };
            resolve_line(&line, HalfUp)
                .map(|f| (f.quantity.map(|q| q.0), f.unit_amount.map(|u| u.0), f.line_amount.0 / 100))
        };
        let n = Discount::None;
        assert_eq!(resolve(None, None, None, n, 2), Ok((None, None, 0)));
        assert_eq!(resolve(Some("3"), Some("2.5"), None, n, 2), Ok((Some(30_000), Some(25_000), 750)));
        assert_eq!(resolve(None, Some("2.5"), None, n, 2), Ok((Some(10_000), Some(25_000), 250)));
        assert_eq!(resolve(Some("3"), None, None, n, 2), Ok((Some(30_000), Some(0), 0)));
        assert_eq!(resolve(Some("3"), None, Some("10"), n, 2), Ok((Some(30_000), Some(33_300), 1000)));
        assert_eq!(resolve(Some("3"), None, Some("10"), n, 4), Ok((Some(30_000), Some(33_333), 1000)));
        assert_eq!(resolve(None, None, Some("10"), n, 2), Ok((Some(10_000), Some(100_000), 1000)));
        assert_eq!(resolve(None, Some("4"), Some("10"), n, 2), Ok((Some(25_000), Some(40_000), 1000)));
        assert_eq!(
            resolve(Some("1"), None, Some("90"), Discount::Rate(Amount(100_000)), 2),
            Ok((Some(10_000), Some(1_000_000), 9000))
        );
        assert_eq!(
            resolve(Some("2"), None, Some("90"), Discount::Amount(cents("10")), 2),
            Ok((Some(20_000), Some(500_000), 9000))
        );
        assert_eq!(resolve(Some("2"), Some("5"), Some("10"), n, 2), Ok((Some(20_000), Some(50_000), 1000)));
        assert_eq!(
            resolve(Some("10"), Some("10"), Some("1"), n, 2),
            Err(LineError::Mismatch { sent: cents("1"), expected: cents("100") })
        );
        assert_eq!(
            resolve(None, Some("0"), Some("1"), n, 2),
            Err(LineError::Mismatch { sent: cents("1"), expected: Amount::ZERO })
        );
    }

    #[test]
    fn tax_per_line_in_all_three_modes() {
        use LineAmountTypes::{Exclusive, Inclusive, NoTax};
        let table = [
            ("21.00", 150_000, Exclusive, "3.15"),
            ("541.25", 150_000, Inclusive, "70.60"),
            ("541.25", 150_000, NoTax, "0.00"),
            ("0.10", 150_000, Exclusive, "0.02"),
            ("-0.10", 150_000, Exclusive, "-0.02"),
            ("0.30", 150_000, Exclusive, "0.05"),
            ("33.33", 125_000, Exclusive, "4.17"),
            ("100.00", 0, Inclusive, "0.00"),
            ("1.15", 150_000, Inclusive, "0.15"),
            ("0.04", 150_000, Inclusive, "0.01"),
        ];
        for (amount, rate, types, expected) in table {
            assert_eq!(line_tax(cents(amount), Amount(rate), types, HalfUp), cents(expected), "{amount} {types:?}");
        }
        assert_eq!(line_tax(cents("1"), Amount(-1_000_000), Inclusive, HalfUp), Amount::ZERO);
    }

    #[test]
    fn totals_keep_sub_total_without_tax() {
        use LineAmountTypes::{Exclusive, Inclusive, NoTax};
        let lines = [("541.25", "70.60"), ("10", "1.30")].map(|(amount, tax)| (cents(amount), cents(tax)));
        let figures = |types| {
            let t = totals(types, lines);
            [t.sub_total, t.total_tax, t.total].map(fixed2)
        };
        assert_eq!(figures(Exclusive), ["551.25", "71.90", "623.15"]);
        assert_eq!(figures(Inclusive), ["479.35", "71.90", "551.25"]);
        assert_eq!(figures(NoTax), ["551.25", "0.00", "551.25"]);
        assert_eq!(fixed2(cents("-0.05")), "-0.05");
    }

    #[test]
    fn rounding_to_the_unit_decimals() {
        assert_eq!(round_to(Amount(12_345), 2), Amount(12_300));
        assert_eq!(round_to(Amount(12_350), 2), Amount(12_400));
        assert_eq!(round_to(Amount(-12_350), 2), Amount(-12_400));
        assert_eq!(round_to(Amount(12_345), 4), Amount(12_345));
    }
}
