//! What Xero takes of a payment: it is made and taken back, never edited.

use super::texts::{bad, check_cents, check_length, check_rate};
use super::{Change, Op, Refusal, Rules};
use crate::{Amount, Invoice, Payment, PaymentStatus};

impl Rules for Payment {
    fn check(change: &Change<'_, Self>) -> Result<(), Refusal> {
        match (change.op, change.remote) {
            (Op::Remove, None) => Ok(()),
            (Op::Remove, Some(remote)) => check_take_back(change, remote),
            (_, Some(remote)) => check_update(change, remote),
            (_, None) => check_create(change),
        }
    }
}

/// Whether a payment may still be made: `due` is what the invoice has due just now, less what other payments on their
/// way will take of it.
///
/// # Errors
/// `TO-NOT-PAYABLE` unless the invoice is authorised in Xero, `TO-OVERPAID` if the payment is more than is due.
pub fn check_payable(payment: &Payment, invoice: &Invoice, due: Amount) -> Result<(), Refusal> {
    match invoice.xero_status.as_str() {
        "AUTHORISED" => {}
        "PAID" => {
            return Err(Refusal::new(
                "TO-NOT-PAYABLE",
                "the document is paid in full in Xero already: look there whether this is the same payment, and cancel this one if it is",
            ));
        }
        "DRAFT" | "SUBMITTED" => {
            return Err(Refusal::new(
                "TO-NOT-PAYABLE",
                "the document is not approved in Xero, and only approved ones can be paid: set its status to SENT first",
            ));
        }
        other => {
            return Err(Refusal::new(
                "TO-NOT-PAYABLE",
                format!(
                    "the document is {other} in Xero and cannot be paid: cancel the payment, or book it on another document"
                ),
            ));
        }
    }
    if payment.amount > due {
        return Err(Refusal::new(
            "TO-OVERPAID",
            format!(
                "the payment of {} is more than the {due} that are still due: lower it, and book the rest as an overpayment in Xero",
                payment.amount
            ),
        ));
    }
    Ok(())
}

fn check_create(change: &Change<'_, Payment>) -> Result<(), Refusal> {
    let payment = change.outgoing;
    if payment.status != PaymentStatus::Completed {
        return Err(Refusal::new(
            "TO-STATUS",
            format!(
                "the payment is {} and Xero never had it, so there is nothing to create: set it COMPLETED if Xero should have it",
                payment.status
            ),
        ));
    }
    let targets = [payment.invoice, payment.credit_note, payment.prepayment, payment.overpayment];
    if targets.iter().flatten().count() != 1 {
        return Err(bad(
            "a payment needs exactly one of invoice, credit note, prepayment and overpayment: set one and clear the others",
        ));
    }
    if payment.account.is_none() {
        return Err(Refusal::new(
            "TO-ACCOUNT",
            "the payment has no account: set the bank account that the money went through",
        ));
    }
    if payment.amount <= Amount::ZERO {
        return Err(bad(format!("a payment of {} is not above zero: correct the amount", payment.amount)));
    }
    check_cents("amount", Some(payment.amount))?;
    if payment.date.is_none() {
        return Err(bad("the payment has no date: set the day on which the money moved"));
    }
    check_length("reference", payment.reference.as_deref(), 255)?;
    check_rate(payment.currency_rate)?;
    change.facts.check_open("payment", payment.date)
}

fn check_update(change: &Change<'_, Payment>, remote: &Payment) -> Result<(), Refusal> {
    let outgoing = change.outgoing;
    match (remote.status, outgoing.status) {
        (PaymentStatus::Completed, PaymentStatus::Cancelled) => return check_take_back(change, remote),
        (was, now) if was == now => {}
        (was, now) => {
            return Err(Refusal::new(
                "TO-STATUS",
                format!(
                    "the payment is {was} in Xero and cannot become {now}: take the change back, and make a new payment if one is needed"
                ),
            ));
        }
    }
    let target = |payment: &Payment| (payment.invoice, payment.credit_note, payment.prepayment, payment.overpayment);
    if target(remote) != target(outgoing) {
        return Err(Refusal::new(
            "TO-IMMUTABLE",
            "a payment in Xero cannot be moved to another document: cancel it, and make a new one",
        ));
    }
    for (what, is_changed) in [
        ("account", remote.account != outgoing.account),
        ("date", remote.date != outgoing.date),
        ("amount", remote.amount != outgoing.amount),
        ("exchange rate", remote.currency_rate != outgoing.currency_rate),
        ("reference", remote.reference != outgoing.reference),
        ("method", remote.method != outgoing.method),
    ] {
        if is_changed {
            return Err(Refusal::new(
                "TO-PAYMENT-IMMUTABLE",
                format!("the {what} of a payment in Xero cannot change: cancel the payment, and make a new one"),
            ));
        }
    }
    Ok(())
}

/// Taking back: the payment's other fields do not count.
fn check_take_back(change: &Change<'_, Payment>, remote: &Payment) -> Result<(), Refusal> {
    if remote.status == PaymentStatus::Cancelled {
        return Ok(());
    }
    if remote.is_reconciled {
        return Err(Refusal::new(
            "TO-RECONCILED",
            "the payment is matched with a line of a bank statement in Xero and cannot be taken back: undo the match in Xero first",
        ));
    }
    change.facts.check_open("payment", remote.date)
}
