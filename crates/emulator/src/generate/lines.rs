//! Lines of documents, drawn from a palette that all of them share.

use rand::Rng;
use uuid::Uuid;

use super::{Maker, chart, words};
use crate::books::*;
use crate::money;

/// What lines are drawn from: shared texts and accounts, so that a million lines share a few allocations.
pub(super) struct Palette {
    pub(super) sales: Vec<Text>,
    pub(super) purchases: Vec<Text>,
    /// Account, its tax type and the percent of that type.
    pub(super) income: Vec<(Uuid, Text, Amount)>,
    pub(super) costs: Vec<(Uuid, Text, Amount)>,
    pub(super) zero_rated: Text,
    pub(super) banks: Vec<Uuid>,
    pub(super) receivable: Uuid,
    pub(super) payable: Uuid,
    pub(super) none: Text,
    pub(super) tracking: Vec<LineTracking>,
    pub(super) currencies: Vec<(CurrencyCode, Rate)>,
    pub(super) theme: Option<Uuid>,
}

impl Palette {
    /// What the books offer.
    pub(super) fn of(books: &Books) -> Self {
        let texts = |list: &[&str]| list.iter().map(|text| Text::from(*text)).collect();
        let coded = |wanted: &dyn Fn(AccountType) -> bool| -> Vec<(Uuid, Text, Amount)> {
            books
                .accounts
                .iter()
                .filter(|row| wanted(row.kind) && row.system_account.is_none())
                .map(|row| {
                    let rate = books.tax_rate(&row.tax_type).map_or(Amount::ZERO, |rate| rate.effective_rate);
                    (row.id, row.tax_type.clone(), rate)
                })
                .collect()
        };
        let system = |name: &str| {
            let found = books.accounts.iter().find(|row| row.system_account.as_deref() == Some(name));
            found.map_or(Uuid::nil(), |row| row.id)
        };
        let tracking = books.tracking.iter().flat_map(|category| {
            category.options.iter().map(|option| LineTracking { category: category.id, option: option.id })
        });
        let currencies = chart::CURRENCIES
            .iter()
            .skip(1)
            .filter_map(|(code, _, rate)| CurrencyCode::parse(code).map(|code| (code, Rate(*rate))));
        Self {
            sales: texts(words::SALES),
            purchases: texts(words::PURCHASES),
            income: coded(&|kind| kind == AccountType::Revenue),
            costs: coded(&|kind| matches!(kind, AccountType::Expense | AccountType::DirectCosts)),
            zero_rated: "ZERORATED".into(),
            banks: books.accounts.iter().filter(|row| row.kind == AccountType::Bank).map(|row| row.id).collect(),
            receivable: system("DEBTORS"),
            payable: system("CREDITORS"),
            none: "NONE".into(),
            tracking: tracking.collect(),
            currencies: currencies.collect(),
            theme: books.themes.first().map(|theme| theme.id),
        }
    }
}

/// Lines with their totals.
pub(super) struct Body {
    pub(super) lines: Vec<Line>,
    pub(super) totals: money::Totals,
    pub(super) discount: Amount,
}

/// Makes so many lines (or a few), with tax and totals.
pub(super) fn body(
    maker: &mut Maker,
    palette: &Palette,
    is_sale: bool,
    is_foreign: bool,
    types: LineAmountTypes,
    count: Option<u32>,
) -> Body {
    let count = count.unwrap_or_else(|| [1, 1, 1, 2, 2, 3, 3, 4, 5][maker.below(9)]);
    let mut lines = Vec::with_capacity(count as usize);
    let mut discount = Amount::ZERO;
    for _ in 0..count {
        lines.push(line(maker, palette, is_sale, is_foreign, types, &mut discount));
    }
    let totals = money::totals(types, lines.iter().map(|line| (line.line_amount, line.tax_amount)));
    Body { lines, totals, discount }
}

fn line(
    maker: &mut Maker,
    palette: &Palette,
    is_sale: bool,
    is_foreign: bool,
    types: LineAmountTypes,
    total_discount: &mut Amount,
) -> Line {
    let quantity = if maker.chance(80) {
        Amount(maker.rng.random_range(1..=20) * Amount::UNIT)
    } else {
        Amount(maker.rng.random_range(1..=80_000))
    };
    let unit_amount = if maker.chance(85) {
        Amount::from_cents(maker.rng.random_range(100..=60_000))
    } else {
        Amount(maker.rng.random_range(10_000..=900_000))
    };
    let discount = match maker.below(25) {
        0 if is_sale => Discount::Rate(Amount(100_000)),
        1 if is_sale => Discount::Rate(Amount(125_000)),
        _ => Discount::None,
    };
    let gross = money::line_amount(quantity, unit_amount, Discount::None, maker.rounding).unwrap_or_default();
    let line_amount = money::line_amount(quantity, unit_amount, discount, maker.rounding).unwrap_or(gross);
    *total_discount += gross - line_amount;
    let (account, tax_type, rate) = maker.pick(if is_sale { &palette.income } else { &palette.costs }).clone();
    let (tax_type, rate) = match (types, is_foreign) {
        (LineAmountTypes::NoTax, _) => (palette.none.clone(), Amount::ZERO),
        (_, true) if is_sale => (palette.zero_rated.clone(), Amount::ZERO),
        _ => (tax_type, rate),
    };
    let tracking = if maker.chance(15) { vec![*maker.pick(&palette.tracking)] } else { Vec::new() };
    Line {
        id: maker.id(),
        description: Some(maker.pick(if is_sale { &palette.sales } else { &palette.purchases }).clone()),
        quantity: Some(quantity),
        unit_amount: Some(unit_amount),
        line_amount,
        tax_amount: money::line_tax(line_amount, rate, types, maker.rounding),
        discount,
        account: Some(account),
        tax_type: Some(tax_type),
        item_code: None,
        tracking,
    }
}
