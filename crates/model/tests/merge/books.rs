//! Records to merge, and Xero as far as a merge meets it.

use model::{Amount, DocumentStatus, Invoice, Line};
use uuid::Uuid;

pub(crate) fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// An amount; none for an empty text.
pub(crate) fn amount(text: &str) -> Option<Amount> {
    (!text.is_empty()).then(|| text.parse().unwrap())
}

/// A line that has been in Xero, with everything that Xero gives a line.
pub(crate) fn line(number: u128, description: &str) -> Line {
    Line {
        xero_line_id: Some(id(number)),
        unit_amount: amount("10"),
        account_code: Some("200".into()),
        ..priced(description, "1")
    }
}

/// A line as an application writes it: no id, and no sums.
pub(crate) fn priced(description: &str, quantity: &str) -> Line {
    Line {
        description: Some(description.into()),
        quantity: amount(quantity),
        unit_amount: amount("10"),
        ..Line::default()
    }
}

pub(crate) fn invoice(lines: impl IntoIterator<Item = Line>) -> Invoice {
    Invoice { status: DocumentStatus::Sent, lines: lines.into_iter().collect(), ..Invoice::default() }
}

/// Xero as far as a merge meets it: takes what it is sent, gives new lines ids, and works out sums.
#[derive(Default)]
pub(crate) struct Xero {
    given: u128,
}

impl Xero {
    pub(crate) fn take(&mut self, sent: &Invoice) -> Invoice {
        let mut reply = sent.clone();
        for line in &mut reply.lines {
            if line.xero_line_id.is_none() {
                self.given += 1;
                line.xero_line_id = Some(id(1_000 + self.given));
                line.account_code.get_or_insert_with(|| "200".into());
                line.tax_type.get_or_insert_with(|| "OUTPUT".into());
                line.description = line.description.take().map(|text| text.trim().to_owned());
            }
            work_out(line);
        }
        if reply.status == DocumentStatus::Overdue {
            reply.status = DocumentStatus::Sent;
        }
        reply.total = reply.lines.iter().filter_map(|line| line.line_amount).sum();
        reply
    }
}

/// The sums that Xero gives a line that has a quantity and a price.
pub(crate) fn work_out(line: &mut Line) {
    if let (Some(quantity), Some(price)) = (line.quantity, line.unit_amount) {
        let e4 = quantity.e4() * (price.e4() / 10_000);
        line.line_amount = Some(Amount::from_e4(e4));
        line.tax_amount = Some(Amount::from_e4(e4 / 10));
    }
}
