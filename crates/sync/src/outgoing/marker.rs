//! How a record that was sent to Xero is found there when the answer was lost.

use jiff::civil::Date;
use model::{Amount, Line};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use xero::{Field, Filter};

use super::line;

/// By what a record is known in Xero, kept as JSON with its intent. What is absent is not compared.
///
/// A mark that we made up ourselves is unique: nothing else is compared then. A number or reference of the App's own may
/// stand on several records, so whom it is to, when it is and what its lines come to must agree too.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Marker {
    /// The mark is our own, and no other record has it.
    pub(super) is_own: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) r#type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) customer: Option<Uuid>,
    /// The document that a payment pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) date: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) amount: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lines: Option<Vec<LineMark>>,
}

/// The figures of a line as they are sent. Figures that Xero computes are not part of it: how it rounds must not decide
/// whether a document is found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LineMark {
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_amount: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line_amount: Option<Amount>,
}

impl Marker {
    /// The lines to compare.
    pub(super) fn lines_of(lines: &[Line]) -> Vec<LineMark> {
        let marked = lines.iter().map(|line| LineMark {
            quantity: line.quantity,
            unit_amount: line.unit_amount,
            line_amount: line::sent_line_amount(line),
        });
        marked.collect()
    }

    /// Whether these lines of a record from Xero are the marked ones.
    pub(super) fn has_lines(&self, lines: &[Line]) -> bool {
        let Some(marked) = &self.lines else { return true };
        marked.len() == lines.len()
            && marked.iter().zip(lines).all(|(mark, line)| {
                agrees(&mark.quantity, &line.quantity)
                    && agrees(&mark.unit_amount, &line.unit_amount)
                    && agrees(&mark.line_amount, &line.line_amount)
            })
    }
}

/// Whether a record has what the marker names; a marker that names nothing agrees with everything.
pub(super) fn agrees<T: PartialEq>(marked: &Option<T>, found: &Option<T>) -> bool {
    marked.is_none() || marked == found
}

/// Whether the texts are the same to the letter. Xero cuts spaces off the ends.
pub(super) fn same_text(marked: &Option<String>, found: &Option<String>) -> bool {
    match (marked, found) {
        (None, _) => true,
        (Some(marked), Some(found)) => marked.trim() == found.trim(),
        (Some(_), None) => false,
    }
}

/// `field==text`, unless the text cannot stand in an expression.
pub(super) fn is_text(field: &str, text: &str) -> Option<Filter> {
    let filter = Field::new(field).eq(text);
    filter.expression().is_ok().then_some(filter)
}

/// All of the filters that there are.
pub(super) fn all_of(filters: impl IntoIterator<Item = Option<Filter>>) -> Option<Filter> {
    filters.into_iter().flatten().reduce(Filter::and)
}

/// Of this contact.
pub(super) fn of_contact(id: Option<Uuid>) -> Option<Filter> {
    id.map(|id| Field::new("Contact.ContactID").eq(id))
}

/// On this date.
pub(super) fn on_date(date: Option<Date>) -> Option<Filter> {
    date.map(|date| Field::new("Date").eq(date))
}
