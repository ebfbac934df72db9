//! What holds for a line item. Only lines that are new or changed are checked, and of a changed one only the parts that
//! changed: Xero holds lines that would not pass here, and they must not stand in the way of an edit elsewhere.

use super::texts::{bad, check_cents, check_length};
use super::{MAX_LINE_AMOUNT, Refusal, line_amount};
use crate::{Amount, Line, LineAmountTypes};

/// Longest description.
const MAX_DESCRIPTION: usize = 4000;
/// Longest name of a tracking option.
const MAX_OPTION: usize = 100;
/// Most tracking categories on a line.
const MAX_TRACKING: usize = 2;
/// First quantity that has too many digits: Xero takes thirteen before the point.
const QUANTITY_LIMIT: i128 = 10_i128.pow(13 + 4);

/// What a document asks of its lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct LineRules {
    /// Whether line amounts contain tax.
    pub(super) types: LineAmountTypes,
    /// Sales invoices only.
    pub(super) takes_discounts: bool,
    /// Bank transactions: quantities above zero, prices not zero.
    pub(super) counts_must_be_positive: bool,
}

/// Checks the lines that differ from what Xero has.
pub(super) fn check(lines: &[Line], remote: &[Line], rules: LineRules) -> Result<(), Refusal> {
    for (at, line) in lines.iter().enumerate() {
        let place = at + 1;
        match counterpart(line, remote) {
            Some(old) if old == line => {}
            old => check_line(line, old, rules)
                .map_err(|refusal| Refusal { message: format!("line {place}: {}", refusal.message), ..refusal })?,
        }
    }
    Ok(())
}

/// The same line in Xero.
pub(super) fn counterpart<'a>(line: &Line, remote: &'a [Line]) -> Option<&'a Line> {
    let id = line.xero_line_id?;
    remote.iter().find(|old| old.xero_line_id == Some(id))
}

/// Whether the figures of two lines are the same: what may not change once money has been booked against them.
pub(super) fn same_figures(a: &Line, b: &Line) -> bool {
    let figures = |line: &Line| {
        let set = |amount: Option<Amount>| amount.filter(|amount| !amount.is_zero());
        (
            line.quantity,
            line.unit_amount,
            set(line.discount_rate),
            set(line.discount_amount),
            set(line.line_amount),
            set(line.tax_amount),
        )
    };
    figures(a) == figures(b) && a.tax_type == b.tax_type
}

/// Refuses a document that is to be approved and has lines without an account.
pub(super) fn check_coded(lines: &[Line]) -> Result<(), Refusal> {
    let has_account = |line: &Line| line.account_code.is_some() || line.item_code.is_some();
    let has_amount =
        |line: &Line| line.unit_amount.is_some() || line.line_amount.is_some_and(|amount| !amount.is_zero());
    if let Some(at) = lines.iter().position(|line| has_amount(line) && !has_account(line)) {
        let message = format!(
            "line {}: an approved document needs an account code on every line with an amount: set one",
            at + 1
        );
        return Err(Refusal::new("TO-ACCOUNT", message));
    }
    if !lines.iter().any(has_account) {
        return Err(Refusal::new(
            "TO-NO-LINES",
            "a document needs at least one line with an account code to be approved: add one, or leave it a draft",
        ));
    }
    Ok(())
}

fn check_line(line: &Line, old: Option<&Line>, rules: LineRules) -> Result<(), Refusal> {
    let is_new = old.is_none();
    if is_new && *line == (Line { xero_line_id: line.xero_line_id, ..Line::default() }) {
        return Err(bad("there is nothing on it: fill it, or remove it"));
    }
    if old.is_none_or(|old| old.description != line.description) {
        check_length("description", line.description.as_deref(), MAX_DESCRIPTION)?;
    }
    if old.is_none_or(|old| old.tracking != line.tracking) {
        check_tracking(line)?;
    }
    if old.is_none_or(|old| !same_figures(old, line)) {
        check_discount(line, rules)?;
        check_figures(line, rules)?;
    }
    Ok(())
}

fn check_tracking(line: &Line) -> Result<(), Refusal> {
    if line.tracking.len() > MAX_TRACKING {
        return Err(bad(format!("it has {} tracking categories and Xero takes two: remove some", line.tracking.len())));
    }
    for (at, part) in line.tracking.iter().enumerate() {
        if part.category.is_empty() || part.option.is_empty() {
            return Err(bad("a tracking choice needs the name of its category and of its option: fill both"));
        }
        check_length("tracking option", Some(&part.option), MAX_OPTION)?;
        if line.tracking[..at].iter().any(|other| other.category == part.category) {
            return Err(bad(format!(
                "the tracking category {:?} is there twice: keep one option of it",
                part.category
            )));
        }
    }
    Ok(())
}

fn check_discount(line: &Line, rules: LineRules) -> Result<(), Refusal> {
    let set = |discount: Option<Amount>| discount.filter(|discount| !discount.is_zero());
    let (rate, off) = (set(line.discount_rate), set(line.discount_amount));
    if rate.is_none() && off.is_none() {
        return Ok(());
    }
    if !rules.takes_discounts {
        return Err(bad("Xero takes discounts on sales invoices only: put the lower price into the unit amount"));
    }
    if rate.is_some() && off.is_some() {
        return Err(bad("it has a discount in percent and one as an amount: keep one of them"));
    }
    let hundred = Amount::from_e4(1_000_000);
    if rate.is_some_and(|rate| rate < Amount::ZERO || rate > hundred) {
        return Err(bad("a discount is between 0 and 100 percent: correct it"));
    }
    if off.is_some_and(|off| off < Amount::ZERO || off > MAX_LINE_AMOUNT) {
        return Err(bad("a discount must not be below zero or beyond any price: correct it"));
    }
    check_cents("discount amount", off)
}

fn check_figures(line: &Line, rules: LineRules) -> Result<(), Refusal> {
    check_cents("line amount", line.line_amount)?;
    check_cents("tax amount", line.tax_amount)?;
    if line.quantity.is_some_and(|quantity| i128::from(quantity.e4()).abs() >= QUANTITY_LIMIT) {
        return Err(bad("the quantity has more than 13 digits before the point: correct it"));
    }
    if rules.types == LineAmountTypes::NoTax && line.tax_amount.is_some_and(|tax| !tax.is_zero()) {
        return Err(Refusal::new(
            "TO-TAX",
            "it has a tax amount on a document without tax: clear it, or change the line amount types",
        ));
    }
    if rules.counts_must_be_positive {
        check_counts(line)?;
    }
    let is_sane = |amount: &Amount| *amount <= MAX_LINE_AMOUNT && *amount >= -MAX_LINE_AMOUNT;
    let computed = line_amount(line).filter(is_sane);
    let (Some(computed), true) = (computed, line.line_amount.as_ref().is_none_or(is_sane)) else {
        return Err(bad(format!("it comes to more than {MAX_LINE_AMOUNT}, which Xero does not take: split it")));
    };
    match line.line_amount {
        Some(named) if named != computed => Err(Refusal::new(
            "TO-LINE-TOTAL",
            format!(
                "the line amount {named} is not quantity times unit amount less discount, which is {computed}: correct one of them, or clear the line amount"
            ),
        )),
        _ => Ok(()),
    }
}

fn check_counts(line: &Line) -> Result<(), Refusal> {
    if line.quantity.is_some_and(|quantity| quantity <= Amount::ZERO) {
        return Err(bad(
            "the quantity on a bank transaction must be above zero: correct it, or make the unit amount negative",
        ));
    }
    let is_worthless = match line.unit_amount {
        Some(unit_amount) => unit_amount.is_zero(),
        None => line.line_amount.is_none_or(Amount::is_zero),
    };
    if is_worthless {
        return Err(bad("the unit amount on a bank transaction must not be zero: set it, or remove the line"));
    }
    Ok(())
}
