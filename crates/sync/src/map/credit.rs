//! Credit notes, prepayments and overpayments, which are one table of credits in the books.

use model::{Allocation, Credit, Kind, LineAmountTypes};

use super::{
    Pulled, Rejection, amount_or_zero, date, document_status, line, line_amount_types, rate, reference, short, text,
};

pub(crate) struct CreditNotes;
pub(crate) struct Prepayments;
pub(crate) struct Overpayments;

/// The fields that the three share carry the same names on the wire.
macro_rules! credit {
    ($wire:ident, $what:literal, number: $number:expr, lines: $default:ident) => {{
        let (status, xero_status) = document_status($wire.status.as_ref());
        let kind = $wire.kind.ok_or_else(|| Rejection(concat!("the ", $what, " has no type").into()))?;
        Ok(Credit {
            r#type: kind.as_str().to_owned(),
            number: $number,
            reference: text($wire.reference),
            customer: $wire.contact.and_then(|contact| reference(contact.contact_id)),
            date: date($wire.date),
            status,
            xero_status,
            currency: text($wire.currency_code),
            currency_rate: rate("currency rate", $wire.currency_rate)?,
            line_amount_types: line_amount_types($wire.line_amount_types.as_ref(), LineAmountTypes::$default)?,
            lines: line::lines($wire.line_items)?,
            sub_total: amount_or_zero("sub-total", $wire.sub_total)?,
            total_tax: amount_or_zero("total tax", $wire.total_tax)?,
            total: amount_or_zero("total", $wire.total)?,
            remaining_credit: amount_or_zero("remaining credit", $wire.remaining_credit)?,
            allocations: allocations($wire.allocations)?,
        })
    }};
}

impl Pulled for CreditNotes {
    type Wire = xero::CreditNote;
    type Record = Credit;
    const KIND: Kind = Kind::CreditNote;

    fn map(wire: xero::CreditNote) -> Result<Credit, Rejection> {
        credit!(wire, "credit note", number: short("number", wire.credit_note_number)?, lines: Exclusive)
    }

    fn label(record: &Credit) -> String {
        record.number.clone().or_else(|| record.reference.clone()).unwrap_or_default()
    }
}

impl Pulled for Prepayments {
    type Wire = xero::Prepayment;
    type Record = Credit;
    const KIND: Kind = Kind::Prepayment;

    fn map(wire: xero::Prepayment) -> Result<Credit, Rejection> {
        credit!(wire, "prepayment", number: short("number", wire.invoice_number)?, lines: Inclusive)
    }

    fn label(record: &Credit) -> String {
        record.number.clone().or_else(|| record.reference.clone()).unwrap_or_default()
    }
}

impl Pulled for Overpayments {
    type Wire = xero::Overpayment;
    type Record = Credit;
    const KIND: Kind = Kind::Overpayment;

    fn map(wire: xero::Overpayment) -> Result<Credit, Rejection> {
        credit!(wire, "overpayment", number: None, lines: NoTax)
    }

    fn label(record: &Credit) -> String {
        record.number.clone().or_else(|| record.reference.clone()).unwrap_or_default()
    }
}

fn allocations(wire: Vec<xero::Allocation>) -> Result<Vec<Allocation>, Rejection> {
    let mut parts = wire
        .into_iter()
        .filter(|part| part.is_deleted != Some(true))
        .map(|part| {
            Ok(Allocation {
                xero_allocation_id: part.allocation_id.filter(|id| !id.is_nil()),
                invoice: part.invoice.and_then(|invoice| reference(invoice.invoice_id)),
                amount: amount_or_zero("allocation", part.amount)?,
                date: date(part.date),
            })
        })
        .collect::<Result<Vec<_>, Rejection>>()?;
    // Xero promises no order; without one the same credit could look changed.
    parts.sort_by_key(|part| (part.date, part.invoice, part.xero_allocation_id, part.amount));
    Ok(parts)
}
