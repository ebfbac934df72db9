//! Which status to send: the App's status against Xero's, cell by cell.
//!
//! Xero's own moves (its documentation of invoices): a draft may become submitted, authorised or deleted; a submitted one
//! may go back to draft, be authorised or deleted; an authorised one can only be voided, and only while nothing is paid
//! or credited; paid is made and unmade by Xero itself as payments come and go; voided and deleted are final.

use super::Refusal;
use crate::{DocumentStatus, Invoice};

/// What a document's status asks of Xero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusMove {
    /// Send this status.
    Send(&'static str),
    /// Xero's status says the same already, or decides by itself.
    Keep,
    /// The document is cancelled and Xero never had it: there is nothing to create.
    NothingToCreate,
}

/// The table. `xero_status` is Xero's own word; `None` means that Xero does not have the document yet.
///
/// # Errors
/// `TO-STATUS` for a move that Xero does not know, `TO-PAID-BY-STATUS` for settling by status, and `TO-HAS-PAYMENTS` for
/// cancelling what is paid.
pub fn status_move(app: DocumentStatus, xero_status: Option<&str>) -> Result<StatusMove, Refusal> {
    use DocumentStatus::{Cancelled, Draft, Other, Overdue, Paid, Sent};
    use StatusMove::{Keep, NothingToCreate, Send};
    match (app, xero_status) {
        (Other, None) => Err(unknown_app_status()),
        (Draft, None) => Ok(Send("DRAFT")),
        (Sent | Overdue, None) => Ok(Send("AUTHORISED")),
        (Paid, None) => Err(paid_by_status()),
        (Cancelled, None) => Ok(NothingToCreate),

        (Draft, Some("DRAFT")) => Ok(Keep),
        (Draft, Some("SUBMITTED")) => Ok(Send("DRAFT")),
        (Sent | Overdue, Some("DRAFT" | "SUBMITTED")) => Ok(Send("AUTHORISED")),
        (Cancelled, Some("DRAFT" | "SUBMITTED")) => Ok(Send("DELETED")),

        // Whether it is paid is Xero's to say.
        (Sent | Overdue, Some("AUTHORISED" | "PAID")) | (Paid, Some("PAID")) => Ok(Keep),
        (Paid, Some("DRAFT" | "SUBMITTED" | "AUTHORISED")) => Err(paid_by_status()),
        (Cancelled, Some("AUTHORISED")) => Ok(Send("VOIDED")),
        (Cancelled, Some("PAID")) => Err(has_payments()),
        (Draft, Some(now @ ("AUTHORISED" | "PAID"))) => Err(Refusal::new(
            "TO-STATUS",
            format!(
                "the document is {now} in Xero and cannot become a draft again: set its status to SENT, or cancel it and make a new one"
            ),
        )),

        (Cancelled, Some("VOIDED" | "DELETED")) => Ok(Keep),
        (_, Some(now @ ("VOIDED" | "DELETED"))) => Err(gone(now)),

        (Other, Some("DRAFT" | "SUBMITTED" | "AUTHORISED" | "PAID")) => Err(unknown_app_status()),
        (Other, Some(_)) => Ok(Keep),
        (_, Some(now)) => Err(Refusal::new(
            "TO-STATUS",
            format!(
                "the document has the status {now:?} in Xero, which this version does not know: change its status in Xero"
            ),
        )),
    }
}

/// The status to send for an App status: `None` if there is none to send.
///
/// # Errors
/// As [`status_move`]; a cancelled document that Xero never had is refused here (`TO-STATUS`), because without a status
/// Xero would create a draft.
pub fn xero_status_for(app: DocumentStatus, xero_status: Option<&str>) -> Result<Option<&'static str>, Refusal> {
    match status_move(app, xero_status)? {
        StatusMove::Send(status) => Ok(Some(status)),
        StatusMove::Keep => Ok(None),
        StatusMove::NothingToCreate => Err(Refusal::new(
            "TO-STATUS",
            "the document is cancelled and Xero never had it, so there is nothing to create: set another status if Xero should have it",
        )),
    }
}

/// The status to send for a document, which is none as long as the App did not change it: a submitted bill whose
/// reference changes must not be approved by the way.
///
/// # Errors
/// As [`xero_status_for`].
pub fn status_to_send(remote: Option<&Invoice>, outgoing: &Invoice) -> Result<Option<&'static str>, Refusal> {
    match remote {
        None => xero_status_for(outgoing.status, None),
        Some(remote) if open(remote.status) == open(outgoing.status) => Ok(None),
        Some(remote) => xero_status_for(outgoing.status, Some(&remote.xero_status)),
    }
}

/// `OVERDUE` is the App's word for `SENT` past its due date; Xero makes no difference.
fn open(status: DocumentStatus) -> DocumentStatus {
    if status == DocumentStatus::Overdue { DocumentStatus::Sent } else { status }
}

fn paid_by_status() -> Refusal {
    Refusal::new(
        "TO-PAID-BY-STATUS",
        "a document becomes PAID only through payments: set the status back to SENT and record a payment",
    )
}

pub(super) fn has_payments() -> Refusal {
    Refusal::new(
        "TO-HAS-PAYMENTS",
        "payments or credits are booked on the document, so it cannot be cancelled: cancel the payments and take the credits off first",
    )
}

pub(super) fn gone(xero_status: &str) -> Refusal {
    let done = if xero_status == "VOIDED" { "voided" } else { "deleted" };
    Refusal::new(
        "TO-STATUS",
        format!(
            "the document was {done} in Xero, which is final: set its status to CANCELLED, and make a new document if one is needed"
        ),
    )
}

fn unknown_app_status() -> Refusal {
    Refusal::new("TO-STATUS", "OTHER is not a status that Xero can be given: use DRAFT, SENT or CANCELLED")
}

#[cfg(test)]
mod tests {
    use DocumentStatus::{Cancelled, Draft, Other, Overdue, Paid, Sent};

    use super::*;

    /// Rows: the App's status. Columns: create, DRAFT, SUBMITTED, AUTHORISED, PAID, VOIDED, DELETED, one nobody knows.
    /// A cell is what is sent, `=` for nothing, `none` for nothing to create, or the code of the refusal.
    #[test]
    fn every_cell_of_the_status_table() {
        let columns = [
            None,
            Some("DRAFT"),
            Some("SUBMITTED"),
            Some("AUTHORISED"),
            Some("PAID"),
            Some("VOIDED"),
            Some("DELETED"),
            Some("FROBBED"),
        ];
        let (st, by, hp) = ("TO-STATUS", "TO-PAID-BY-STATUS", "TO-HAS-PAYMENTS");
        let rows = [
            (Draft, ["DRAFT", "=", "DRAFT", st, st, st, st, st]),
            (Sent, ["AUTHORISED", "AUTHORISED", "AUTHORISED", "=", "=", st, st, st]),
            (Overdue, ["AUTHORISED", "AUTHORISED", "AUTHORISED", "=", "=", st, st, st]),
            (Paid, [by, by, by, by, "=", st, st, st]),
            (Cancelled, ["none", "DELETED", "DELETED", "VOIDED", hp, "=", "=", st]),
            (Other, [st, st, st, st, st, st, st, "="]),
        ];
        for (app, cells) in rows {
            for (xero, cell) in columns.into_iter().zip(cells) {
                let found = match status_move(app, xero) {
                    Ok(StatusMove::Send(status)) => status,
                    Ok(StatusMove::Keep) => "=",
                    Ok(StatusMove::NothingToCreate) => "none",
                    Err(refusal) => refusal.code,
                };
                assert_eq!(found, cell, "{app} on {xero:?}");
                let promised = xero_status_for(app, xero);
                match cell {
                    "=" => assert_eq!(promised, Ok(None), "{app} on {xero:?}"),
                    "none" => assert_eq!(promised.unwrap_err().code, st),
                    code if code.starts_with("TO-") => assert_eq!(promised.unwrap_err().code, code),
                    status => assert_eq!(promised.unwrap(), Some(status)),
                }
            }
        }
    }

    #[test]
    fn an_untouched_status_is_not_sent() {
        let submitted = Invoice { status: Sent, xero_status: "SUBMITTED".into(), ..Invoice::default() };
        assert_eq!(status_to_send(Some(&submitted), &submitted), Ok(None));
        let overdue = Invoice { status: Overdue, ..submitted.clone() };
        assert_eq!(status_to_send(Some(&submitted), &overdue), Ok(None));
        let draft = Invoice { status: Draft, ..submitted.clone() };
        assert_eq!(status_to_send(Some(&submitted), &draft), Ok(Some("DRAFT")));
        assert_eq!(status_to_send(None, &submitted), Ok(Some("AUTHORISED")));
    }
}
