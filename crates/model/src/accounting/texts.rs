//! Checks of single values that several kinds share: lengths, codes, decimals.

use super::Refusal;
use crate::{Amount, Rate};

/// A refusal of one field.
pub(super) fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new("TO-BAD-FIELD", message)
}

/// Refuses a text of more than `max` characters.
pub(super) fn check_length(what: &str, text: Option<&str>, max: usize) -> Result<(), Refusal> {
    let length = text.map_or(0, |text| text.chars().count());
    if length > max {
        return Err(bad(format!("the {what} has {length} characters and Xero takes {max}: shorten it")));
    }
    Ok(())
}

/// Refuses what is not the form of an ISO 4217 code. Whether the organisation uses the currency, Xero says.
pub(super) fn check_currency(code: Option<&str>) -> Result<(), Refusal> {
    match code {
        Some(code) if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_uppercase()) => Err(Refusal::new(
            "TO-CURRENCY",
            format!("{code:?} is not a currency code: use the three capital letters of ISO 4217, such as NZD"),
        )),
        _ => Ok(()),
    }
}

/// Refuses an exchange rate that is not above zero.
pub(super) fn check_rate(rate: Option<Rate>) -> Result<(), Refusal> {
    match rate {
        Some(rate) if rate.decimal().is_sign_negative() || rate.decimal().is_zero() => Err(Refusal::new(
            "TO-CURRENCY",
            format!(
                "an exchange rate of {rate} is not above zero: correct it, or leave it out and Xero takes the rate of the day"
            ),
        )),
        _ => Ok(()),
    }
}

/// Refuses more than two decimals: Xero would round, and the two sides would differ.
pub(super) fn check_cents(what: &str, amount: Option<Amount>) -> Result<(), Refusal> {
    match amount {
        Some(amount) if amount.e4() % 100 != 0 => {
            Err(bad(format!("the {what} {amount} has more than two decimals, which Xero does not keep: round it")))
        }
        _ => Ok(()),
    }
}
