//! Payments.

use model::{Kind, Payment, PaymentMethod, PaymentStatus};

use super::{Pulled, Rejection, amount, date, rate, reference, text};

pub(crate) struct Payments;

impl Pulled for Payments {
    type Wire = xero::Payment;
    type Record = Payment;
    const KIND: Kind = Kind::Payment;

    fn map(wire: xero::Payment) -> Result<Payment, Rejection> {
        let status = match wire.status {
            Some(xero::PaymentStatus::Authorised) => PaymentStatus::Completed,
            Some(xero::PaymentStatus::Deleted) => PaymentStatus::Cancelled,
            _ => PaymentStatus::Other,
        };
        // The refund of a credit names it in the place of the invoice, and only the type tells.
        let named = wire.invoice.as_ref().and_then(|target| reference(target.invoice_id));
        let document = wire.invoice.as_ref().and_then(|target| target.kind.as_ref()).map(xero::InvoiceType::as_str);
        let paid = target(document, wire.payment_type.as_ref());
        let when = |target: Target| named.filter(|_| paid == target);
        Ok(Payment {
            invoice: when(Target::Invoice),
            credit_note: when(Target::CreditNote)
                .or(wire.credit_note.and_then(|target| reference(target.credit_note_id))),
            prepayment: when(Target::Prepayment).or(wire.prepayment.and_then(|target| reference(target.prepayment_id))),
            overpayment: when(Target::Overpayment)
                .or(wire.overpayment.and_then(|target| reference(target.overpayment_id))),
            account: wire.account.and_then(|account| reference(account.account_id)),
            date: date(wire.date),
            amount: amount("amount", wire.amount)?.ok_or_else(|| Rejection("the payment has no amount".into()))?,
            bank_amount: amount("bank amount", wire.bank_amount)?,
            currency_rate: rate("currency rate", wire.currency_rate)?,
            reference: text(wire.reference),
            method: method(wire.payment_type.as_ref()),
            payment_type: wire.payment_type.map(|kind| kind.as_str().to_owned()),
            status,
            xero_status: wire.status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
            is_reconciled: wire.is_reconciled.unwrap_or_default(),
        })
    }

    fn label(record: &Payment) -> String {
        record.reference.clone().unwrap_or_else(|| record.amount.to_string())
    }

    fn is_marked(marker: &str, record: &Payment) -> bool {
        crate::outgoing::is_marked::<Self>(marker, record)
    }
}

/// What a payment settles or refunds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Invoice,
    CreditNote,
    Prepayment,
    Overpayment,
}

/// By the type of the document that it names; where that is missing, by its own.
fn target(document: Option<&str>, payment: Option<&xero::PaymentType>) -> Target {
    match (document, method(payment)) {
        (Some("ACCRECCREDIT" | "ACCPAYCREDIT"), _) | (None, PaymentMethod::Credit) => Target::CreditNote,
        (Some("ARPREPAYMENT" | "APPREPAYMENT"), _) | (None, PaymentMethod::Prepayment) => Target::Prepayment,
        (Some("AROVERPAYMENT" | "APOVERPAYMENT"), _) | (None, PaymentMethod::Overpayment) => Target::Overpayment,
        _ => Target::Invoice,
    }
}

/// The method of a payment type (product.md S9): what the money settles or refunds.
fn method(kind: Option<&xero::PaymentType>) -> PaymentMethod {
    match kind.map(xero::PaymentType::as_str) {
        Some("ACCRECPAYMENT" | "ACCPAYPAYMENT") => PaymentMethod::BankTransfer,
        Some("ARCREDITPAYMENT" | "APCREDITPAYMENT") => PaymentMethod::Credit,
        Some("AROVERPAYMENTPAYMENT" | "APOVERPAYMENTPAYMENT") => PaymentMethod::Overpayment,
        Some("ARPREPAYMENTPAYMENT" | "APPREPAYMENTPAYMENT") => PaymentMethod::Prepayment,
        _ => PaymentMethod::Other,
    }
}
