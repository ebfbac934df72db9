//! Brings the computed columns of lines up to date after somebody changed what they are computed from.
//!
//! An application that sets a quantity by plain SQL rarely sets the line's amount and tax beside it. What it did set
//! stays as it is, and is checked before it is sent.

use super::line_amount;
use super::money::computed_tax;
use crate::{Amount, Line, LineAmountTypes};

/// Recomputes `line_amount` and `tax_amount` of the lines whose inputs differ from `base` while the computed columns do
/// not, and fills them in new lines. `rates` tells the percentage of a tax type; tax whose rate is unknown becomes empty,
/// and Xero computes it.
pub fn refresh_amounts(
    local: &mut [Line],
    base: &[Line],
    types: LineAmountTypes,
    rates: &dyn Fn(&str) -> Option<Amount>,
) {
    refresh(local, base, types, false, rates);
}

/// The same for a document whose line amount types changed since `base`: then tax is recomputed on every line that
/// still has the old one.
pub fn refresh_changed_types(
    local: &mut [Line],
    base: &[Line],
    types: LineAmountTypes,
    rates: &dyn Fn(&str) -> Option<Amount>,
) {
    refresh(local, base, types, true, rates);
}

fn refresh(
    local: &mut [Line],
    base: &[Line],
    types: LineAmountTypes,
    types_changed: bool,
    rates: &dyn Fn(&str) -> Option<Amount>,
) {
    for line in local {
        let known = line.xero_line_id.and_then(|id| base.iter().find(|old| old.xero_line_id == Some(id)));
        match known {
            Some(old) => refresh_known(line, old, types, types_changed, rates),
            None => fill(line, types, rates),
        }
    }
}

fn refresh_known(
    line: &mut Line,
    old: &Line,
    types: LineAmountTypes,
    types_changed: bool,
    rates: &dyn Fn(&str) -> Option<Amount>,
) {
    let factors = |line: &Line| (line.quantity, line.unit_amount, line.discount_rate, line.discount_amount);
    let has_factors = line.quantity.is_some() || line.unit_amount.is_some();
    if factors(line) != factors(old) && line.line_amount == old.line_amount {
        let bare = Line { line_amount: None, ..line.clone() };
        line.line_amount = if has_factors { line_amount(&bare) } else { None };
    }
    let taxed_anew = types_changed || line.line_amount != old.line_amount || line.tax_type != old.tax_type;
    if taxed_anew && line.tax_amount == old.tax_amount {
        line.tax_amount = tax(line, types, rates);
    }
}

fn fill(line: &mut Line, types: LineAmountTypes, rates: &dyn Fn(&str) -> Option<Amount>) {
    if line.line_amount.is_none() && line.unit_amount.is_some() {
        line.line_amount = line_amount(line);
    }
    if line.tax_amount.is_none() {
        line.tax_amount = tax(line, types, rates);
    }
}

fn tax(line: &Line, types: LineAmountTypes, rates: &dyn Fn(&str) -> Option<Amount>) -> Option<Amount> {
    let amount = line.line_amount?;
    if types == LineAmountTypes::NoTax {
        return Some(Amount::ZERO);
    }
    computed_tax(line.tax_type.as_deref()?, amount, types, rates)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn some(text: &str) -> Option<Amount> {
        Some(text.parse().unwrap())
    }

    fn rates(tax_type: &str) -> Option<Amount> {
        (tax_type == "OUTPUT2").then(|| "15".parse().unwrap())
    }

    fn base() -> Line {
        Line {
            xero_line_id: Some(Uuid::from_u128(1)),
            quantity: some("2"),
            unit_amount: some("10"),
            tax_type: Some("OUTPUT2".into()),
            line_amount: some("20"),
            tax_amount: some("3"),
            ..Line::default()
        }
    }

    fn refreshed(line: Line) -> (Option<Amount>, Option<Amount>) {
        let mut local = [line];
        refresh_amounts(&mut local, &[base()], LineAmountTypes::Exclusive, &rates);
        (local[0].line_amount, local[0].tax_amount)
    }

    #[test]
    fn only_what_follows_from_a_change_is_recomputed() {
        assert_eq!(refreshed(base()), (some("20"), some("3")));
        assert_eq!(refreshed(Line { quantity: some("3"), ..base() }), (some("30"), some("4.5")));
        assert_eq!(refreshed(Line { discount_rate: some("50"), ..base() }), (some("10"), some("1.5")));
        assert_eq!(refreshed(Line { tax_type: Some("NONE".into()), ..base() }), (some("20"), some("0")));
        assert_eq!(refreshed(Line { tax_type: Some("TAX9".into()), ..base() }), (some("20"), None));
        // What was set stays, right or wrong.
        assert_eq!(
            refreshed(Line { quantity: some("3"), line_amount: some("31"), ..base() }),
            (some("31"), some("4.65"))
        );
        assert_eq!(refreshed(Line { quantity: some("3"), tax_amount: some("4"), ..base() }), (some("30"), some("4")));
        assert_eq!(refreshed(Line { quantity: None, unit_amount: None, ..base() }), (None, None));
        assert_eq!(refreshed(Line { quantity: some("0"), ..base() }), (some("0"), some("0")));
    }

    #[test]
    fn tax_that_xero_was_told_survives_an_edit_of_the_text() {
        let odd = Line { tax_amount: some("2.99"), ..base() };
        let mut local = [Line { description: Some("new words".into()), ..odd.clone() }];
        refresh_amounts(&mut local, std::slice::from_ref(&odd), LineAmountTypes::Exclusive, &rates);
        assert_eq!(local[0].tax_amount, odd.tax_amount);
    }

    #[test]
    fn new_lines_are_filled() {
        let new = Line { xero_line_id: None, line_amount: None, tax_amount: None, ..base() };
        assert_eq!(refreshed(new.clone()), (some("20"), some("3")));
        assert_eq!(refreshed(Line { quantity: None, ..new.clone() }), (some("10"), some("1.5")));
        assert_eq!(refreshed(Line { tax_type: None, ..new.clone() }), (some("20"), None));
        let unknown = Line { xero_line_id: Some(Uuid::from_u128(9)), ..new };
        assert_eq!(refreshed(unknown), (some("20"), some("3")));
        assert_eq!(refreshed(Line { description: Some("only words".into()), ..Line::default() }), (None, None));
    }

    #[test]
    fn other_line_amount_types_make_other_tax() {
        let mut local = [base()];
        refresh_changed_types(&mut local, &[base()], LineAmountTypes::Inclusive, &rates);
        assert_eq!(local[0].tax_amount, some("2.61"));
        refresh_changed_types(
            &mut local,
            &[Line { tax_amount: some("2.61"), ..base() }],
            LineAmountTypes::NoTax,
            &rates,
        );
        assert_eq!(local[0].tax_amount, some("0"));
    }
}
