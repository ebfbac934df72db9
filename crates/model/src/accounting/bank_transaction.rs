//! What Xero takes of a bank transaction.

use super::lines::{self, LineRules};
use super::money::line_sum;
use super::texts::{bad, check_currency, check_length, check_rate};
use super::{Change, MAX_LINE_AMOUNT, Op, Refusal, Rules};
use crate::{Amount, BankTransaction, PaymentStatus};

/// The kinds that can be written; prepayments, overpayments and transfers are made elsewhere in Xero.
const WRITABLE: [&str; 2] = ["SPEND", "RECEIVE"];

impl Rules for BankTransaction {
    fn check(change: &Change<'_, Self>) -> Result<(), Refusal> {
        match (change.op, change.remote) {
            (Op::Remove, None) => Ok(()),
            (Op::Remove, Some(remote)) if remote.status == PaymentStatus::Cancelled => Ok(()),
            (Op::Remove, Some(remote)) => check_editable(change, remote),
            (_, Some(remote)) => check_update(change, remote),
            (_, None) => check_create(change),
        }
    }
}

fn check_create(change: &Change<'_, BankTransaction>) -> Result<(), Refusal> {
    let outgoing = change.outgoing;
    if outgoing.status != PaymentStatus::Completed {
        return Err(Refusal::new(
            "TO-STATUS",
            format!(
                "the bank transaction is {} and Xero never had it, so there is nothing to create: set it COMPLETED if Xero should have it",
                outgoing.status
            ),
        ));
    }
    if !WRITABLE.contains(&outgoing.r#type.as_str()) {
        return Err(bad(
            "the type of a bank transaction must be SPEND or RECEIVE: set it, and make transfers, prepayments and overpayments in Xero",
        ));
    }
    check_content(change)
}

fn check_update(change: &Change<'_, BankTransaction>, remote: &BankTransaction) -> Result<(), Refusal> {
    let outgoing = change.outgoing;
    if same_content(remote, outgoing) && remote.status == outgoing.status {
        return Ok(());
    }
    match (remote.status, outgoing.status) {
        (PaymentStatus::Cancelled, PaymentStatus::Cancelled) | (PaymentStatus::Other, PaymentStatus::Other) => {
            return Err(Refusal::new(
                "TO-STATUS",
                format!(
                    "the bank transaction is {} in Xero, which is final: take the change back, and make a new one if one is needed",
                    remote.xero_status
                ),
            ));
        }
        (PaymentStatus::Completed, PaymentStatus::Cancelled) => return check_editable(change, remote),
        (was, now) if was != now => {
            return Err(Refusal::new(
                "TO-STATUS",
                format!(
                    "the bank transaction is {was} in Xero and cannot become {now}: take the change back, and make a new one if one is needed"
                ),
            ));
        }
        _ => {}
    }
    check_editable(change, remote)?;
    if remote.r#type != outgoing.r#type {
        return Err(Refusal::new(
            "TO-IMMUTABLE",
            format!(
                "the bank transaction is {} in Xero and cannot become {}: cancel it and make a new one",
                remote.r#type, outgoing.r#type
            ),
        ));
    }
    if remote.date.is_some() && outgoing.date.is_none() {
        return Err(bad("Xero cannot clear the date of a bank transaction: set another one"));
    }
    check_content(change)
}

/// Whether nothing that Xero keeps differs; the status is judged apart.
fn same_content(remote: &BankTransaction, outgoing: &BankTransaction) -> bool {
    let bare = |record: &BankTransaction| BankTransaction {
        status: PaymentStatus::Completed,
        xero_status: String::new(),
        sub_total: Amount::ZERO,
        total_tax: Amount::ZERO,
        total: Amount::ZERO,
        is_reconciled: false,
        ..record.clone()
    };
    bare(remote) == bare(outgoing)
}

fn check_editable(change: &Change<'_, BankTransaction>, remote: &BankTransaction) -> Result<(), Refusal> {
    if !WRITABLE.contains(&remote.r#type.as_str()) {
        return Err(Refusal::new(
            "TO-IMMUTABLE",
            format!(
                "a bank transaction of the type {} can be changed in Xero only: take the change back, and change it there",
                remote.r#type
            ),
        ));
    }
    if remote.is_reconciled {
        return Err(Refusal::new(
            "TO-RECONCILED",
            "the bank transaction is matched with a line of a bank statement in Xero and cannot change: undo the match in Xero first",
        ));
    }
    change.facts.check_open("bank transaction", remote.date)
}

fn check_content(change: &Change<'_, BankTransaction>) -> Result<(), Refusal> {
    let outgoing = change.outgoing;
    if change.touches(|record| &record.customer) && outgoing.customer.is_none() {
        return Err(bad("the bank transaction has no customer: set whom the money went to or came from"));
    }
    if change.touches(|record| &record.account) && outgoing.account.is_none() {
        return Err(Refusal::new("TO-ACCOUNT", "the bank transaction has no bank account: set one"));
    }
    if change.touches(|record| &record.reference) {
        check_length("reference", outgoing.reference.as_deref(), 255)?;
    }
    if change.touches(|record| &record.currency) || change.touches(|record| &record.currency_rate) {
        check_currency(outgoing.currency.as_deref())?;
        check_rate(outgoing.currency_rate)?;
    }
    change.facts.check_open("bank transaction", outgoing.date)?;
    check_lines(change)
}

fn check_lines(change: &Change<'_, BankTransaction>) -> Result<(), Refusal> {
    let outgoing = change.outgoing;
    if !change.touches(|record| &record.lines) {
        return Ok(());
    }
    if outgoing.lines.is_empty() {
        return Err(Refusal::new("TO-NO-LINES", "the bank transaction has no lines: add at least one"));
    }
    let rules = LineRules { types: outgoing.line_amount_types, takes_discounts: false, counts_must_be_positive: true };
    let old = change.remote.map_or(&[][..], |remote| &remote.lines);
    lines::check(&outgoing.lines, old, rules)?;
    lines::check_coded(&outgoing.lines)?;
    match line_sum(&outgoing.lines) {
        Some(sum) if sum > Amount::ZERO && sum <= MAX_LINE_AMOUNT => Ok(()),
        _ => Err(bad(
            "the lines of a bank transaction must come to more than zero: correct them, or turn SPEND and RECEIVE round",
        )),
    }
}
