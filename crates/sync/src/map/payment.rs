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
        Ok(Payment {
            invoice: wire.invoice.and_then(|target| reference(target.invoice_id)),
            credit_note: wire.credit_note.and_then(|target| reference(target.credit_note_id)),
            prepayment: wire.prepayment.and_then(|target| reference(target.prepayment_id)),
            overpayment: wire.overpayment.and_then(|target| reference(target.overpayment_id)),
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
