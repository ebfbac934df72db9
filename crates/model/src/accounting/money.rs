//! Xero's arithmetic: line amounts, tax and totals, exact, rounded half-up away from zero per line and then summed.
//!
//! Documents have two decimals whatever their currency is; quantities and prices have four (Xero's documentation of
//! invoices). Everything is counted in ten-thousandths in 128 bits and checked: what does not fit is `None`.

use crate::{Amount, Line, LineAmountTypes};

/// The largest amount that a line or a document may have: 9,999,999,999.99.
pub const MAX_LINE_AMOUNT: Amount = Amount::from_e4(99_999_999_999_900);

/// Ten-thousandths in one.
const ONE: i128 = 10_000;
/// Ten-thousandths in a cent.
const CENT: i128 = 100;
/// Ten-thousandths of a percent in the whole.
const HUNDRED_PERCENT: i128 = 100 * ONE;

/// The totals of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Sum of the lines without tax, in all three line amount types.
    pub sub_total: Amount,
    /// Sum of the lines' tax.
    pub total_tax: Amount,
    /// `sub_total` and `total_tax` together.
    pub total: Amount,
}

/// The nearest multiple of a cent to `numerator / denominator` ten-thousandths; a half goes away from zero.
fn to_cents(numerator: i128, denominator: i128) -> Option<Amount> {
    let step = denominator.checked_mul(CENT)?;
    if step <= 0 {
        return None;
    }
    let (size, step) = (numerator.unsigned_abs(), step.unsigned_abs());
    let up = size % step >= step.div_ceil(2);
    let cents = i128::try_from(size / step).ok()?.checked_add(i128::from(up))?;
    let e4 = cents.checked_mul(CENT)?.checked_mul(numerator.signum())?;
    i64::try_from(e4).ok().map(Amount::from_e4)
}

/// What a line comes to: quantity times price, less the discount, in whole cents.
///
/// A price without a quantity counts once. A line that lacks the price (or the quantity, but has an amount) is worth the
/// amount it names, and one that names nothing, nothing. A discount in percent is taken before rounding, one as an amount
/// after. `None` if it is out of range.
pub fn line_amount(line: &Line) -> Option<Amount> {
    let (quantity, price) = match (line.quantity, line.unit_amount, line.line_amount) {
        (Some(quantity), Some(price), _) => (i128::from(quantity.e4()), i128::from(price.e4())),
        (None, Some(price), None) => (ONE, i128::from(price.e4())),
        (_, _, named) => return Some(named.unwrap_or_default()),
    };
    let gross = quantity.checked_mul(price)?;
    let set = |discount: Option<Amount>| discount.filter(|discount| !discount.is_zero());
    match (set(line.discount_rate), set(line.discount_amount)) {
        (Some(rate), _) => {
            let kept = HUNDRED_PERCENT - i128::from(rate.e4());
            to_cents(gross.checked_mul(kept)?, ONE * HUNDRED_PERCENT)
        }
        (None, Some(off)) => to_cents(gross, ONE)?.e4().checked_sub(off.e4()).map(Amount::from_e4),
        (None, None) => to_cents(gross, ONE),
    }
}

/// The tax of a line amount, in whole cents; `percent` is the tax rate. `None` if it is out of range.
pub fn line_tax(line_amount: Amount, percent: Amount, types: LineAmountTypes) -> Option<Amount> {
    let rate = i128::from(percent.e4());
    let product = i128::from(line_amount.e4()).checked_mul(rate)?;
    match types {
        LineAmountTypes::NoTax => Some(Amount::ZERO),
        LineAmountTypes::Exclusive => to_cents(product, HUNDRED_PERCENT),
        LineAmountTypes::Inclusive => to_cents(product, HUNDRED_PERCENT + rate),
    }
}

/// The totals of a document's lines. Tax that a line names counts as it is; the rest is worked out with `rate`, which
/// tells the percentage of a tax type.
///
/// `None` if a line's tax cannot be known (an unknown tax type, or an amount without one: Xero would take the account's),
/// or if something is out of range.
pub fn totals(lines: &[Line], types: LineAmountTypes, rate: &dyn Fn(&str) -> Option<Amount>) -> Option<Totals> {
    let (mut amounts, mut total_tax) = (Amount::ZERO, Amount::ZERO);
    for line in lines {
        let amount = line_amount(line)?;
        amounts = amounts.checked_add(amount)?;
        total_tax = total_tax.checked_add(tax_of(line, amount, types, rate)?)?;
    }
    let (sub_total, total) = match types {
        LineAmountTypes::Exclusive => (amounts, amounts.checked_add(total_tax)?),
        LineAmountTypes::Inclusive => (amounts.checked_add(-total_tax)?, amounts),
        LineAmountTypes::NoTax => (amounts, amounts),
    };
    Some(Totals { sub_total, total_tax, total })
}

/// What the lines come to, tax as it may be contained. `None` if it is out of range.
pub(super) fn line_sum(lines: &[Line]) -> Option<Amount> {
    lines.iter().try_fold(Amount::ZERO, |sum, line| sum.checked_add(line_amount(line)?))
}

fn tax_of(
    line: &Line,
    amount: Amount,
    types: LineAmountTypes,
    rate: &dyn Fn(&str) -> Option<Amount>,
) -> Option<Amount> {
    if types == LineAmountTypes::NoTax {
        return Some(Amount::ZERO);
    }
    match (line.tax_amount, line.tax_type.as_deref()) {
        (Some(named), _) => Some(named),
        (None, None) if amount.is_zero() => Some(Amount::ZERO),
        (None, None) => None,
        (None, Some(tax_type)) => computed_tax(tax_type, amount, types, rate),
    }
}

/// The tax of an amount by the code of its rate. `NONE` is no tax in every organisation.
pub(super) fn computed_tax(
    tax_type: &str,
    amount: Amount,
    types: LineAmountTypes,
    rate: &dyn Fn(&str) -> Option<Amount>,
) -> Option<Amount> {
    let percent = rate(tax_type).or_else(|| (tax_type == "NONE").then_some(Amount::ZERO))?;
    line_tax(amount, percent, types)
}

#[cfg(test)]
mod tests {
    use LineAmountTypes::{Exclusive, Inclusive, NoTax};

    use super::*;

    fn amount(text: &str) -> Amount {
        text.parse().unwrap()
    }

    fn some(text: &str) -> Option<Amount> {
        (!text.is_empty()).then(|| amount(text))
    }

    fn line(quantity: &str, unit: &str, rate: &str, off: &str) -> Line {
        Line {
            quantity: some(quantity),
            unit_amount: some(unit),
            discount_rate: some(rate),
            discount_amount: some(off),
            ..Line::default()
        }
    }

    #[test]
    fn line_amounts_round_half_up_away_from_zero() {
        for (quantity, unit, rate, off, expected) in [
            ("2", "10.50", "", "", "21"),
            ("1", "0.005", "", "", "0.01"),
            ("-1", "0.005", "", "", "-0.01"),
            ("1", "0.0049", "", "", "0"),
            ("0.3333", "10", "", "", "3.33"),
            ("3", "0.3333", "", "", "1"),
            ("1", "100", "10", "", "90"),
            ("1", "0.15", "50", "", "0.08"),
            ("-1", "0.15", "50", "", "-0.08"),
            ("3", "33.3333", "12.5", "", "87.50"),
            ("1", "100", "100", "", "0"),
            ("2", "50", "", "12.50", "87.50"),
            ("1", "0.005", "", "0.01", "0"),
            ("1", "50", "0", "5", "45"),
            ("", "7.125", "", "", "7.13"),
            ("0", "7", "", "", "0"),
            ("3", "", "", "", "0"),
            ("", "", "", "", "0"),
        ] {
            assert_eq!(
                line_amount(&line(quantity, unit, rate, off)),
                some(expected),
                "{quantity} x {unit} {rate} {off}"
            );
        }
        let named = Line { line_amount: some("10"), quantity: some("3"), ..Line::default() };
        assert_eq!(line_amount(&named), some("10"));
        let most = Amount::from_e4(i64::MAX);
        let huge = Line { quantity: Some(most), unit_amount: Some(most), ..Line::default() };
        assert_eq!(line_amount(&huge), None);
        assert_eq!(line_amount(&Line { discount_rate: some("5"), ..huge }), None);
    }

    #[test]
    fn tax_in_all_three_types() {
        for (of, percent, types, expected) in [
            ("21", "15", Exclusive, "3.15"),
            ("541.25", "15", Inclusive, "70.60"),
            ("541.25", "15", NoTax, "0"),
            ("0.10", "15", Exclusive, "0.02"),
            ("-0.10", "15", Exclusive, "-0.02"),
            ("33.33", "12.5", Exclusive, "4.17"),
            ("0.04", "15", Inclusive, "0.01"),
            ("100", "0", Inclusive, "0"),
        ] {
            assert_eq!(line_tax(amount(of), amount(percent), types), some(expected), "{of} {types}");
        }
        assert_eq!(line_tax(amount("1"), amount("-100"), Inclusive), None);
        assert_eq!(line_tax(Amount::from_e4(i64::MAX), Amount::from_e4(i64::MAX), Exclusive), None);
    }

    #[test]
    fn totals_sum_what_was_rounded() {
        let rate = |tax_type: &str| (tax_type == "OUTPUT2").then(|| amount("15"));
        let taxed = |unit: &str| Line { tax_type: Some("OUTPUT2".into()), ..line("1", unit, "", "") };
        let note = Line { description: Some("thank you".into()), ..Line::default() };
        let lines = [taxed("541.25"), taxed("10"), note];
        for (types, expected) in [
            (Exclusive, ["551.25", "82.69", "633.94"]),
            (Inclusive, ["479.35", "71.90", "551.25"]),
            (NoTax, ["551.25", "0.00", "551.25"]),
        ] {
            let found = totals(&lines, types, &rate).unwrap();
            assert_eq!([found.sub_total, found.total_tax, found.total].map(|part| part.to_string()), expected);
        }
        let named = Line { tax_amount: some("1"), ..taxed("10") };
        assert_eq!(totals(&[named], Exclusive, &rate).unwrap().total, amount("11"));
        let unknown = Line { tax_type: Some("TAX009".into()), ..line("1", "1", "", "") };
        assert_eq!(totals(&[unknown], Exclusive, &rate), None);
        assert_eq!(totals(&[line("1", "1", "", "")], Exclusive, &rate), None);
        let free = Line { tax_type: Some("NONE".into()), ..line("1", "1", "", "") };
        assert_eq!(totals(&[free], Exclusive, &|_| None).unwrap().total, amount("1"));
    }
}
