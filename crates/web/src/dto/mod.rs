//! What the API shows: JSON in camelCase, amounts as decimal strings, dates as dates, instants as RFC 3339.

pub(crate) mod books;
pub(crate) mod conflicts;
pub(crate) mod documents;
pub(crate) mod runs;
pub(crate) mod status;
pub(crate) mod writes;

use model::{Amount, Rate};
use serde::Serialize;
use utoipa::ToSchema;

/// An exact decimal number, as text: JSON numbers lose digits in many parsers. Amounts have at least two decimals and at
/// most four, exchange rates at most ten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(format = "decimal", example = "24.15")]
pub(crate) struct DecimalText(String);

impl From<Amount> for DecimalText {
    fn from(amount: Amount) -> Self {
        Self(amount.to_string())
    }
}

impl From<Rate> for DecimalText {
    fn from(rate: Rate) -> Self {
        Self(rate.to_string())
    }
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// Pass it as `cursor` for the next page; null on the last one.
    pub(crate) next_cursor: Option<String>,
}
