//! Lines, which every document shares: sent all or not at all, because Xero deletes the ones that are not listed.

use model::{Amount, Line, LineAmountTypes, Tracking};
use rust_decimal::Decimal;
use xero::{LineItemWrite, LineTracking};

/// What a kind of document lets be said about the tax of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tax {
    /// Invoices and bills: a line's tax may be overridden.
    Free,
    /// Bank transactions: it must be what Xero computes, so it is only sent where the App put another one in its place,
    /// for Xero to refuse in its own words.
    Computed,
}

/// The lines of a document that Xero does not have yet.
pub(super) fn create(lines: &[Line], tax: Tax) -> Vec<LineItemWrite> {
    let new = |line: &Line| {
        let tax_amount = line.tax_amount.filter(|_| tax == Tax::Free && !is_words_only(line));
        LineItemWrite { tax_amount: decimal(tax_amount), ..bare(line) }
    };
    lines.iter().map(new).collect()
}

/// Whether lines have to be sent: the amounts that Xero computes are no difference by themselves, except tax, which may
/// be overridden.
pub(super) fn differ(remote: &[Line], outgoing: &[Line]) -> bool {
    remote.len() != outgoing.len()
        || remote.iter().zip(outgoing).any(|(old, new)| {
            let computed = sent_line_amount(new).is_none();
            *new != if computed { Line { line_amount: new.line_amount, ..old.clone() } } else { old.clone() }
        })
}

/// All lines of a document that Xero has, with the ids that it knows; the others are new.
pub(super) fn update(
    remote: (LineAmountTypes, &[Line]),
    outgoing: (LineAmountTypes, &[Line]),
    tax: Tax,
) -> Vec<LineItemWrite> {
    let same_types = remote.0 == outgoing.0;
    let one = |line: &Line| {
        let known = line.xero_line_id.and_then(|id| remote.1.iter().find(|old| old.xero_line_id == Some(id)));
        let Some(old) = known else { return create(std::slice::from_ref(line), tax).remove(0) };
        LineItemWrite {
            line_item_id: line.xero_line_id,
            tax_amount: decimal(tax_amount(old, line, same_types, tax)),
            description: kept(&old.description, &line.description),
            item_code: kept(&old.item_code, &line.item_code),
            discount_rate: decimal(kept_amount(old.discount_rate, line.discount_rate, line.discount_amount)),
            discount_amount: decimal(kept_amount(old.discount_amount, line.discount_amount, line.discount_rate)),
            tracking: (!line.tracking.is_empty() || !old.tracking.is_empty()).then(|| tracking(&line.tracking)),
            ..bare(line)
        }
    };
    outgoing.1.iter().map(one).collect()
}

/// The tax to send for a line that Xero has. Left out, Xero computes it.
fn tax_amount(old: &Line, new: &Line, same_types: bool, tax: Tax) -> Option<Amount> {
    if is_words_only(new) {
        return None;
    }
    let same_inputs = same_types && inputs(old) == inputs(new);
    let changed = old.tax_amount != new.tax_amount;
    match tax {
        Tax::Free if changed => new.tax_amount,
        // What Xero has may be an override, which must survive the edit of a description.
        Tax::Free if same_inputs => old.tax_amount,
        Tax::Computed if changed && same_inputs => new.tax_amount,
        Tax::Free | Tax::Computed => None,
    }
}

/// What the tax of a line is computed from.
fn inputs(line: &Line) -> impl PartialEq + use<> {
    let figures = (line.quantity, line.unit_amount, line.discount_rate, line.discount_amount);
    (figures, sent_line_amount(line), line.tax_type.clone())
}

/// The line's amount, where Xero cannot compute it from quantity and price.
pub(super) fn sent_line_amount(line: &Line) -> Option<Amount> {
    match (line.quantity, line.unit_amount) {
        (Some(_), Some(_)) => None,
        _ if is_words_only(line) => None,
        _ => line.line_amount,
    }
}

/// A line that only says something: Xero gives it an amount of zero, and would make a price of one that was sent.
fn is_words_only(line: &Line) -> bool {
    line.quantity.is_none() && line.unit_amount.is_none() && line.line_amount.is_none_or(Amount::is_zero)
}

/// A line's values without id and tax.
fn bare(line: &Line) -> LineItemWrite {
    let set = |amount: Option<Amount>| decimal(amount.filter(|amount| !amount.is_zero()));
    LineItemWrite {
        line_item_id: None,
        description: line.description.clone(),
        quantity: decimal(line.quantity),
        unit_amount: decimal(line.unit_amount),
        item_code: line.item_code.clone(),
        account_code: line.account_code.clone(),
        tax_type: line.tax_type.clone(),
        tax_amount: None,
        line_amount: decimal(sent_line_amount(line)),
        discount_rate: set(line.discount_rate),
        discount_amount: set(line.discount_amount),
        tracking: (!line.tracking.is_empty()).then(|| tracking(&line.tracking)),
    }
}

/// The text of a line: as it is, and empty if it was there before. An account or a tax type cannot be taken away so.
fn kept(old: &Option<String>, new: &Option<String>) -> Option<String> {
    new.clone().or_else(|| old.as_ref().map(|_| String::new()))
}

/// A discount: as it is; zero takes off one that was there, unless the other form takes its place.
fn kept_amount(old: Option<Amount>, new: Option<Amount>, other: Option<Amount>) -> Option<Amount> {
    let is_set = |amount: Option<Amount>| amount.is_some_and(|amount| !amount.is_zero());
    match (is_set(old), is_set(new)) {
        (_, true) => new,
        (true, false) if !is_set(other) => Some(Amount::ZERO),
        _ => None,
    }
}

fn tracking(choices: &[Tracking]) -> Vec<LineTracking> {
    let one = |choice: &Tracking| LineTracking {
        name: Some(choice.category.clone()),
        option: Some(choice.option.clone()),
        ..LineTracking::default()
    };
    choices.iter().map(one).collect()
}

fn decimal(amount: Option<Amount>) -> Option<Decimal> {
    amount.map(super::decimal)
}
