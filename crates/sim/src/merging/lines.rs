//! Lines of documents: edits of either side, and what Xero makes of them.

use model::{Amount, Line, LineAmountTypes, Side, Tracking};

use super::books::{id, put_text, text, trim, types_of};
use super::case::{BACK, Edit};

/// One of a few amounts.
pub(super) fn amount(to: u8) -> Amount {
    Amount::from_e4([0, 10_000, 20_000, 25_000, 1_234_500][usize::from(to % 5)])
}

fn some_amount(to: u8) -> Option<Amount> {
    (to > 0).then(|| amount(to))
}

/// The first of the edits that change the list of lines.
const LIST: u8 = 9;

/// Edits the lines of a document on one side.
pub(super) fn edit(
    lines: &mut Vec<Line>,
    types: &mut LineAmountTypes,
    edit: Edit,
    side: Side,
    was: (&[Line], LineAmountTypes),
    given: &mut u128,
) {
    if edit.what >= LIST {
        return edit_list(lines, types, edit, side, was, given);
    }
    let count = lines.len();
    let at = usize::from(edit.place) % count.max(1);
    let Some(line) = lines.get_mut(at) else { return };
    let before = match line.xero_line_id {
        Some(id) => was.0.iter().find(|old| old.xero_line_id == Some(id)),
        // Whether the App has got an id yet depends on who is met first: the edit must not.
        None => was.0.get(at).filter(|_| was.0.len() == count),
    };
    let before = before.cloned();
    let nothing = Line::default();
    let old = before.as_ref().unwrap_or(&nothing);
    let back = edit.to == BACK;
    match edit.what {
        0 => put_text(&mut line.description, edit, Some(&old.description)),
        1 => line.quantity = if back { old.quantity } else { some_amount(1 + edit.to % 4) },
        2 => line.unit_amount = if back { old.unit_amount } else { some_amount(1 + edit.to % 4) },
        3 => line.discount_rate = if back { old.discount_rate } else { some_amount(edit.to) },
        4 => put_text(&mut line.account_code, edit, Some(&old.account_code)),
        5 => put_text(&mut line.item_code, edit, Some(&old.item_code)),
        6 => {
            let tracking = |option| vec![Tracking { category: "Region".into(), option }];
            line.tracking =
                if back { old.tracking.clone() } else { text(Edit { how: 0, ..edit }).map_or_else(Vec::new, tracking) };
        }
        7 => line.tax_type = if back { old.tax_type.clone() } else { Some(tax_type(edit.to).to_owned()) },
        // Tax set by hand.
        _ => {
            line.tax_amount =
                if back { old.tax_amount } else { Some(Amount::from_e4(990_000 + i64::from(edit.to) * 100)) }
        }
    }
    let sets_inputs = matches!(edit.what, 1..=3 | 7);
    if sets_inputs && (side == Side::Xero || edit.how & 4 != 0) {
        if back {
            (line.line_amount, line.tax_amount) = (old.line_amount, old.tax_amount);
        } else {
            work_out(line, *types);
        }
    }
    if side == Side::Xero {
        trim_line(line);
        if line.tax_amount.is_none() {
            work_out(line, *types);
        }
    }
}

fn edit_list(
    lines: &mut Vec<Line>,
    types: &mut LineAmountTypes,
    edit: Edit,
    side: Side,
    was: (&[Line], LineAmountTypes),
    given: &mut u128,
) {
    let count = lines.len();
    let at = usize::from(edit.place) % count.max(1);
    match edit.what - LIST {
        0 => *types = if edit.to == BACK { was.1 } else { types_of(edit.to) },
        1 => {
            let mut line = Line {
                description: text(Edit { to: 1 + edit.to % 4, ..edit }).map(|text| format!("{text}{}", edit.token)),
                quantity: some_amount(1 + edit.place % 4),
                unit_amount: some_amount(1 + edit.to % 4),
                ..Line::default()
            };
            if edit.how & 4 != 0 {
                line.tax_type = Some("OUTPUT".into());
                work_out(&mut line, *types);
            }
            lines.insert(usize::from(edit.place) % (count + 1), line);
        }
        2 if count > 0 => drop(lines.remove(at)),
        3 if count > 0 => lines.swap(at, usize::from(edit.to) % count),
        // The copy has the id of the first.
        4 if count > 0 => lines.insert(at + 1, lines[at].clone()),
        5 => lines.iter_mut().for_each(|line| line.xero_line_id = None),
        _ => {}
    }
    if side == Side::App {
        return;
    }
    for at in 0..lines.len() {
        let is_copy = lines[..at].iter().any(|line| line.xero_line_id == lines[at].xero_line_id);
        if lines[at].xero_line_id.is_none() || is_copy {
            give_id(&mut lines[at], *types, given);
        }
    }
    if edit.what == LIST {
        lines.iter_mut().for_each(|line| work_out(line, *types));
    }
}

fn tax_type(to: u8) -> &'static str {
    ["OUTPUT", "NONE", "OUTPUT2", "NONE", "OUTPUT"][usize::from(to % 5)]
}

/// Xero names a line, and fills in what was left blank.
fn give_id(line: &mut Line, types: LineAmountTypes, given: &mut u128) {
    *given += 1;
    line.xero_line_id = Some(id(1_000 + *given));
    trim_line(line);
    line.account_code.get_or_insert_with(|| "200".into());
    line.tax_type.get_or_insert_with(|| "OUTPUT".into());
    let tax = line.tax_amount;
    work_out(line, types);
    line.tax_amount = tax.or(line.tax_amount);
}

fn trim_line(line: &mut Line) {
    [&mut line.description, &mut line.account_code, &mut line.item_code].into_iter().for_each(trim);
}

/// What follows from quantity, price and discount, and the tax of it, rounded to cents.
fn work_out(line: &mut Line, types: LineAmountTypes) {
    if let (Some(quantity), Some(price)) = (line.quantity, line.unit_amount) {
        let off = i128::from(line.discount_rate.map_or(0, Amount::e4));
        let whole = i128::from(quantity.e4()) * i128::from(price.e4()) * (1_000_000 - off);
        line.line_amount = Some(cents(whole, 10_000 * 1_000_000));
    }
    let of = i128::from(line.line_amount.map_or(0, Amount::e4));
    let percent = match line.tax_type.as_deref() {
        Some("OUTPUT") => 15,
        Some("OUTPUT2") => 10,
        _ => 0,
    };
    line.tax_amount = line.line_amount.map(|_| match types {
        LineAmountTypes::Exclusive => cents(of * percent, 100),
        LineAmountTypes::Inclusive => cents(of * percent, 100 + percent),
        LineAmountTypes::NoTax => Amount::ZERO,
    });
}

/// A fraction of ten-thousandths, to the nearest cent.
fn cents(of: i128, by: i128) -> Amount {
    let by = by * 100;
    let rounded = (of * 2 + by * of.signum()) / (by * 2);
    Amount::from_e4(i64::try_from(rounded * 100).unwrap_or(i64::MAX))
}

/// Xero stores lines: known ones keep their id, and tax that somebody set; the rest is worked out.
pub(super) fn take(
    lines: &mut [Line],
    types: LineAmountTypes,
    before: &[Line],
    types_before: LineAmountTypes,
    given: &mut u128,
) {
    for line in lines {
        trim_line(line);
        let Some(old) = line.xero_line_id.and_then(|id| before.iter().find(|old| old.xero_line_id == Some(id))) else {
            give_id(line, types, given);
            continue;
        };
        let inputs = |line: &Line| (line.quantity, line.unit_amount, line.discount_rate, line.tax_type.clone());
        let is_taxed_by_hand = line.tax_amount.is_some() && line.tax_amount != old.tax_amount;
        if inputs(line) != inputs(old) || types != types_before || line.tax_amount.is_none() {
            let tax = line.tax_amount;
            work_out(line, types);
            if is_taxed_by_hand {
                line.tax_amount = tax;
            }
        }
    }
}

/// Without tax, tax, and all.
pub(super) fn totals(lines: &[Line], types: LineAmountTypes) -> (Amount, Amount, Amount) {
    let sum: Amount = lines.iter().filter_map(|line| line.line_amount).sum();
    let tax: Amount = lines.iter().filter_map(|line| line.tax_amount).sum();
    match types {
        LineAmountTypes::Inclusive => (sum - tax, tax, sum),
        _ => (sum, tax, sum + tax),
    }
}
