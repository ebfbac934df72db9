//! Line items and tracking, which every document shares.

use model::{Line, Tracking};

use super::{Rejection, amount, text};

pub(super) fn lines(items: Vec<xero::LineItem>) -> Result<Vec<Line>, Rejection> {
    items
        .into_iter()
        .enumerate()
        .map(|(at, item)| line(item).map_err(|Rejection(why)| Rejection(format!("line {}: {why}", at + 1))))
        .collect()
}

fn line(item: xero::LineItem) -> Result<Line, Rejection> {
    Ok(Line {
        xero_line_id: item.line_item_id.filter(|id| !id.is_nil()),
        description: text(item.description),
        quantity: amount("quantity", item.quantity)?,
        unit_amount: amount("unit amount", item.unit_amount)?,
        discount_rate: amount("discount rate", item.discount_rate)?,
        discount_amount: amount("discount amount", item.discount_amount)?,
        account_code: text(item.account_code),
        tax_type: text(item.tax_type),
        tax_amount: amount("tax amount", item.tax_amount)?,
        line_amount: amount("line amount", item.line_amount)?,
        item_code: text(item.item_code),
        tracking: item
            .tracking
            .into_iter()
            .filter_map(|choice| Some(Tracking { category: text(choice.name)?, option: text(choice.option)? }))
            .collect(),
    })
}
