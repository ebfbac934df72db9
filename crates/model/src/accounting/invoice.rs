//! What Xero takes of an invoice or a bill, new, open, part-paid, paid or gone.

use super::lines::{self, LineRules};
use super::money::line_sum;
use super::status::{gone, has_payments, status_to_send, xero_status_for};
use super::texts::{bad, check_currency, check_length, check_rate};
use super::{Change, MAX_LINE_AMOUNT, Op, Refusal, Rules};
use crate::{Amount, DocumentStatus, Invoice, Line};

/// Xero's words for a sales invoice and a bill.
const SALE: &str = "ACCREC";
const BILL: &str = "ACCPAY";

impl Rules for Invoice {
    fn check(change: &Change<'_, Self>) -> Result<(), Refusal> {
        let outgoing = change.outgoing;
        let to = match (change.op, change.remote) {
            (Op::Remove, None) => return Ok(()),
            (Op::Remove, Some(remote)) => xero_status_for(DocumentStatus::Cancelled, Some(&remote.xero_status))?,
            (_, remote) => status_to_send(remote, outgoing)?,
        };
        if let Some(remote) = change.remote {
            if change.op == Op::Remove || matches!(to, Some("VOIDED" | "DELETED")) {
                return check_cancel(change, remote, to);
            }
            if same_content(remote, outgoing) && to.is_none() {
                return Ok(());
            }
            if matches!(remote.xero_status.as_str(), "VOIDED" | "DELETED") {
                return Err(gone(&remote.xero_status));
            }
            change.facts.check_open("document", remote.date)?;
            if remote.r#type != outgoing.r#type {
                return Err(Refusal::new(
                    "TO-IMMUTABLE",
                    format!(
                        "the document is {} in Xero and cannot become {}: cancel it and make a new one",
                        remote.r#type, outgoing.r#type
                    ),
                ));
            }
            if is_settled(remote) {
                check_frozen(remote, outgoing)?;
            }
        } else if ![SALE, BILL].contains(&outgoing.r#type.as_str()) {
            return Err(bad("the type of a document must be ACCREC for a sales invoice or ACCPAY for a bill: set it"));
        }
        change.facts.check_open("document", outgoing.date)?;
        check_header(change)?;
        check_lines(change)?;
        if to == Some("AUTHORISED") {
            check_approvable(outgoing)?;
        }
        Ok(())
    }
}

/// A document on which payments or credits are booked.
fn is_settled(remote: &Invoice) -> bool {
    !remote.amount_paid.is_zero() || !remote.amount_credited.is_zero()
}

/// Whether nothing that Xero keeps differs; the App's status is judged apart.
fn same_content(remote: &Invoice, outgoing: &Invoice) -> bool {
    let bare = |invoice: &Invoice| Invoice {
        status: DocumentStatus::Draft,
        xero_status: String::new(),
        sub_total: Amount::ZERO,
        total_tax: Amount::ZERO,
        total: Amount::ZERO,
        amount_due: Amount::ZERO,
        amount_paid: Amount::ZERO,
        amount_credited: Amount::ZERO,
        fully_paid_on: None,
        ..invoice.clone()
    };
    bare(remote) == bare(outgoing)
}

/// Voiding and deleting: nothing else of the change counts.
fn check_cancel(change: &Change<'_, Invoice>, remote: &Invoice, to: Option<&str>) -> Result<(), Refusal> {
    if to.is_none() {
        return Ok(());
    }
    if is_settled(remote) {
        return Err(has_payments());
    }
    change.facts.check_open("document", remote.date)
}

/// On a part-paid or paid document Xero lets only these change: reference, due date, number, contact (unless a credit of
/// that contact is allocated), and of its lines the description, the account and the tracking, by their ids.
fn check_frozen(remote: &Invoice, outgoing: &Invoice) -> Result<(), Refusal> {
    let frozen = |what: &str| {
        Err(Refusal::new(
            "TO-FROZEN",
            format!(
                "payments or credits are booked on the document, so {what} cannot change: take the change back, or cancel the payments first"
            ),
        ))
    };
    if remote.date != outgoing.date {
        return frozen("its date");
    }
    if remote.currency != outgoing.currency || remote.currency_rate != outgoing.currency_rate {
        return frozen("its currency and exchange rate");
    }
    if remote.line_amount_types != outgoing.line_amount_types {
        return frozen("its line amount types");
    }
    if remote.customer != outgoing.customer && !remote.amount_credited.is_zero() {
        return frozen("its customer (a credit of the customer's is allocated to it)");
    }
    let ids = |lines: &[Line]| lines.iter().map(|line| line.xero_line_id).collect::<Vec<_>>();
    if remote.lines == outgoing.lines {
        return Ok(());
    }
    if outgoing.lines.iter().any(|line| line.xero_line_id.is_none()) || ids(&remote.lines) != ids(&outgoing.lines) {
        return frozen("which lines it has");
    }
    let pairs = || remote.lines.iter().zip(&outgoing.lines);
    if let Some(at) = pairs().position(|(old, new)| !lines::same_figures(old, new)) {
        return frozen(&format!("the figures of line {}", at + 1));
    }
    match pairs().position(|(old, new)| old.item_code != new.item_code) {
        Some(at) => frozen(&format!("the item of line {}", at + 1)),
        None => Ok(()),
    }
}

fn check_header(change: &Change<'_, Invoice>) -> Result<(), Refusal> {
    let outgoing = change.outgoing;
    let is_sale = outgoing.r#type == SALE;
    if change.touches(|invoice| &invoice.number) {
        check_number(outgoing.number.as_deref(), is_sale && change.remote.is_some())?;
    }
    if change.touches(|invoice| &invoice.reference) {
        check_length("reference", outgoing.reference.as_deref(), 255)?;
        if !is_sale && outgoing.reference.as_deref().is_some_and(|reference| !reference.is_empty()) {
            return Err(bad("Xero keeps no reference on bills: put it into the number, and clear the reference"));
        }
    }
    if change.touches(|invoice| &invoice.customer) && outgoing.customer.is_none() {
        return Err(bad("the document has no customer: set one"));
    }
    if change.touches(|invoice| &invoice.currency) || change.touches(|invoice| &invoice.currency_rate) {
        check_currency(outgoing.currency.as_deref())?;
        check_rate(outgoing.currency_rate)?;
    }
    if let Some(remote) = change.remote {
        for (what, is_cleared) in [
            ("date", remote.date.is_some() && outgoing.date.is_none()),
            ("due date", remote.due_date.is_some() && outgoing.due_date.is_none()),
            ("currency", remote.currency.is_some() && outgoing.currency.is_none()),
        ] {
            if is_cleared {
                return Err(bad(format!("Xero cannot clear the {what} of a document: set another one")));
            }
        }
    }
    Ok(())
}

fn check_number(number: Option<&str>, must_stay: bool) -> Result<(), Refusal> {
    let number = number.unwrap_or_default();
    if number.is_empty() && must_stay {
        return Err(bad("Xero cannot clear the number of a sales invoice: set another one"));
    }
    check_length("number", Some(number), 255)?;
    if !number.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Err(bad(
            "the number has characters other than printable ASCII, which Xero does not take: replace them",
        ));
    }
    Ok(())
}

fn check_lines(change: &Change<'_, Invoice>) -> Result<(), Refusal> {
    let outgoing = change.outgoing;
    if !change.touches(|invoice| &invoice.lines) {
        return Ok(());
    }
    if outgoing.lines.is_empty() {
        return Err(Refusal::new("TO-NO-LINES", "the document has no lines: add at least one"));
    }
    let rules = LineRules {
        types: outgoing.line_amount_types,
        takes_discounts: outgoing.r#type == SALE,
        counts_must_be_positive: false,
    };
    let old = change.remote.map_or(&[][..], |remote| &remote.lines);
    lines::check(&outgoing.lines, old, rules)?;
    // An open document stays approvable: Xero asks the same of every version of it.
    let is_approved = change.remote.is_some_and(|remote| matches!(remote.xero_status.as_str(), "AUTHORISED" | "PAID"));
    if is_approved {
        lines::check_coded(&outgoing.lines)?;
    }
    match line_sum(&outgoing.lines) {
        Some(sum) if sum <= MAX_LINE_AMOUNT && sum >= -MAX_LINE_AMOUNT => Ok(()),
        _ => Err(bad(format!(
            "the lines come to more than {MAX_LINE_AMOUNT}, which Xero does not take: split the document"
        ))),
    }
}

fn check_approvable(outgoing: &Invoice) -> Result<(), Refusal> {
    if outgoing.r#type == SALE && outgoing.due_date.is_none() {
        return Err(bad("a sales invoice needs a due date to be approved: set one, or leave it a draft"));
    }
    if outgoing.lines.is_empty() {
        return Err(Refusal::new("TO-NO-LINES", "the document has no lines: add at least one to approve it"));
    }
    lines::check_coded(&outgoing.lines)
}
