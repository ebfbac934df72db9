//! Invoices and bills.

use model::{Amount, DocumentStatus, Invoice, Kind, LineAmountTypes};

use super::{
    Pulled, Rejection, amount_or_zero, date, document_status, line, line_amount_types, rate, reference, short, text,
};

pub(crate) struct Invoices;

impl Pulled for Invoices {
    type Wire = xero::Invoice;
    type Record = Invoice;
    const KIND: Kind = Kind::Invoice;
    const INCLUDE_ARCHIVED: bool = true;

    fn map(wire: xero::Invoice) -> Result<Invoice, Rejection> {
        let (status, xero_status) = document_status(wire.status.as_ref());
        // Of what is voided nothing is due, but the answer to the voiding still says what was.
        let amount_due = match status {
            DocumentStatus::Cancelled => Amount::ZERO,
            _ => amount_or_zero("amount due", wire.amount_due)?,
        };
        let total = amount_or_zero("total", wire.total)?;
        let amount_paid = amount_or_zero("amount paid", wire.amount_paid)?;
        // The answer to a write does not show it. What is cancelled has none: its credits were taken off first.
        let amount_credited = match (wire.amount_credited, status) {
            (None, DocumentStatus::Cancelled) => Amount::ZERO,
            (None, _) => total - amount_paid - amount_due,
            (shown, _) => amount_or_zero("amount credited", shown)?,
        };
        Ok(Invoice {
            r#type: wire.kind.ok_or_else(|| Rejection("the invoice has no type".into()))?.as_str().to_owned(),
            number: short("number", wire.invoice_number)?,
            reference: text(wire.reference),
            customer: wire.contact.and_then(|contact| reference(contact.contact_id)),
            date: date(wire.date),
            due_date: date(wire.due_date),
            status,
            xero_status,
            currency: text(wire.currency_code),
            currency_rate: rate("currency rate", wire.currency_rate)?,
            line_amount_types: line_amount_types(wire.line_amount_types.as_ref(), LineAmountTypes::Exclusive)?,
            lines: line::lines(wire.line_items)?,
            sub_total: amount_or_zero("sub-total", wire.sub_total)?,
            total_tax: amount_or_zero("total tax", wire.total_tax)?,
            total,
            amount_due,
            amount_paid,
            amount_credited,
            fully_paid_on: date(wire.fully_paid_on_date),
        })
    }

    fn label(record: &Invoice) -> String {
        record.number.clone().or_else(|| record.reference.clone()).unwrap_or_default()
    }

    fn is_marked(marker: &str, record: &Invoice) -> bool {
        crate::outgoing::is_marked::<Self>(marker, record)
    }

    fn prepare(record: &mut Invoice, base: &Invoice, rates: &crate::amounts::Rates) {
        rates.prepare_invoice(record, base);
    }

    fn set_customer(record: &mut Invoice, customer: model::Ref) {
        record.customer = Some(customer);
    }
}
