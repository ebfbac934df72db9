//! Payments: made, and taken back one by one; never changed (Xero's rule).

use model::{Payment, PaymentStatus, Ref};
use uuid::Uuid;
use xero::{Field, ListQuery, PaymentWrite};

use super::marker::{agrees, same_text};
use super::{Marker, Pushed, Refusal, account, decimal, id_of, is_set, known_id};
use crate::map::Payments;

impl Pushed for Payments {
    const REMOVES_ONE_BY_ONE: bool = true;

    fn create(record: &Payment) -> Result<PaymentWrite, Refusal> {
        let invoice = id_of("invoice", record.invoice)?;
        let credit_note = id_of("credit note", record.credit_note)?;
        let prepayment = id_of("prepayment", record.prepayment)?;
        let overpayment = id_of("overpayment", record.overpayment)?;
        Ok(PaymentWrite {
            invoice: invoice.map(|id| xero::InvoiceRef { invoice_id: Some(id), ..xero::InvoiceRef::default() }),
            credit_note: credit_note
                .map(|id| xero::CreditNoteRef { credit_note_id: Some(id), ..xero::CreditNoteRef::default() }),
            prepayment: prepayment
                .map(|id| xero::PrepaymentRef { prepayment_id: Some(id), ..xero::PrepaymentRef::default() }),
            overpayment: overpayment
                .map(|id| xero::OverpaymentRef { overpayment_id: Some(id), ..xero::OverpaymentRef::default() }),
            account: account(record.account)?,
            date: record.date,
            amount: Some(decimal(record.amount)),
            currency_rate: record.currency_rate.map(|rate| rate.decimal()),
            reference: record.reference.clone(),
            ..PaymentWrite::default()
        })
    }

    /// The one change that there is: taking the payment back.
    fn update(xero_id: Uuid, remote: &Payment, outgoing: &Payment) -> Result<PaymentWrite, Refusal> {
        let taken_back = Payment { status: PaymentStatus::Cancelled, ..remote.clone() };
        if remote.status == PaymentStatus::Completed && *outgoing == taken_back {
            return Self::remove(xero_id, remote);
        }
        Err(Refusal::new(
            "TO-PAYMENT-IMMUTABLE",
            "Xero does not change payments: cancel this one and record a new one with the right values",
        ))
    }

    /// To be posted to the payment itself; the body names no id.
    fn remove(_xero_id: Uuid, _remote: &Payment) -> Result<PaymentWrite, Refusal> {
        Ok(PaymentWrite::deletion())
    }

    /// Payments have no key at all: the reference is the nearest thing to one.
    fn mark(record: &mut Payment, mark: &str) -> Marker {
        let is_own = !is_set(&record.reference);
        if is_own {
            record.reference = Some(mark.to_owned());
        }
        Marker {
            is_own,
            reference: record.reference.clone(),
            target: known_id(target(record)),
            date: record.date,
            amount: Some(record.amount),
            ..Marker::default()
        }
    }

    fn look_up(marker: &Marker) -> ListQuery {
        // Refunds name their credit in the place of the invoice.
        let filter = marker.target.map(|id| Field::new("Invoice.InvoiceID").eq(id));
        ListQuery { filter, ..ListQuery::default() }
    }

    fn bears(marker: &Marker, record: &Payment) -> bool {
        marker.reference.is_some()
            && same_text(&marker.reference, &record.reference)
            && agrees(&marker.target, &known_id(target(record)))
            && (marker.is_own || agrees(&marker.date, &record.date) && agrees(&marker.amount, &Some(record.amount)))
    }
}

/// What it pays or refunds.
fn target(record: &Payment) -> Option<Ref> {
    record.invoice.or(record.credit_note).or(record.prepayment).or(record.overpayment)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use model::Amount;
    use serde_json::json;

    use super::*;

    const ID: Uuid = Uuid::from_u128(1);

    fn payment() -> Payment {
        Payment {
            invoice: Some(Ref::Xero(Uuid::from_u128(2))),
            account: Some(Ref::Xero(Uuid::from_u128(3))),
            date: Some(date(2026, 3, 2)),
            amount: "24.15".parse().unwrap(),
            reference: Some("chq 7".into()),
            xero_status: "AUTHORISED".into(),
            ..Payment::default()
        }
    }

    #[test]
    fn a_payment_is_made() {
        assert_eq!(
            serde_json::to_value(Payments::create(&payment()).unwrap()).unwrap(),
            json!({"Invoice": {"InvoiceID": Uuid::from_u128(2)}, "Account": {"AccountID": Uuid::from_u128(3)},
                "Date": "2026-03-02", "Amount": 24.15, "Reference": "chq 7"})
        );
        let id = Some(Ref::Xero(ID));
        let rate = Some("0.9123".parse().unwrap());
        let bare = Payment { invoice: None, account: None, date: None, reference: None, ..payment() };
        for (refund, expected) in [
            (Payment { credit_note: id, ..bare.clone() }, json!({"CreditNote": {"CreditNoteID": ID}, "Amount": 24.15})),
            (Payment { prepayment: id, ..bare.clone() }, json!({"Prepayment": {"PrepaymentID": ID}, "Amount": 24.15})),
            (
                Payment { overpayment: id, ..bare.clone() },
                json!({"Overpayment": {"OverpaymentID": ID}, "Amount": 24.15}),
            ),
            (Payment { currency_rate: rate, ..bare.clone() }, json!({"CurrencyRate": 0.9123, "Amount": 24.15})),
        ] {
            assert_eq!(serde_json::to_value(Payments::create(&refund).unwrap()).unwrap(), expected);
        }
        let waits = Payment { invoice: Some(Ref::Local(5)), ..payment() };
        assert_eq!(Payments::create(&waits).unwrap_err().code, "TO-WAITING");
    }

    #[test]
    fn it_is_taken_back_and_never_changed() {
        const { assert!(Payments::REMOVES_ONE_BY_ONE) };
        let deletion = json!({"Status": "DELETED"});
        assert_eq!(serde_json::to_value(Payments::remove(ID, &payment()).unwrap()).unwrap(), deletion);
        let cancelled = Payment { status: PaymentStatus::Cancelled, ..payment() };
        assert_eq!(serde_json::to_value(Payments::update(ID, &payment(), &cancelled).unwrap()).unwrap(), deletion);
        for other in [
            Payment { amount: Amount::from_e4(1), ..payment() },
            Payment { date: None, ..payment() },
            Payment { amount: Amount::from_e4(1), ..cancelled.clone() },
        ] {
            assert_eq!(Payments::update(ID, &payment(), &other).unwrap_err().code, "TO-PAYMENT-IMMUTABLE");
        }
        assert_eq!(Payments::update(ID, &cancelled, &payment()).unwrap_err().code, "TO-PAYMENT-IMMUTABLE");
    }

    #[test]
    fn marks() {
        let mut own = payment();
        let marker = Payments::mark(&mut own, "m-1");
        assert_eq!(own, payment());
        let query = Payments::look_up(&marker);
        assert_eq!(
            query.filter.unwrap().expression(),
            Ok(r#"Invoice.InvoiceID==guid("00000000-0000-0000-0000-000000000002")"#)
        );
        let deleted = Payment { status: PaymentStatus::Cancelled, ..payment() };
        assert!(Payments::bears(&marker, &deleted));
        for other in [
            Payment { amount: Amount::from_e4(1), ..payment() },
            Payment { date: Some(date(2026, 3, 3)), ..payment() },
            Payment { reference: Some("CHQ 7".into()), ..payment() },
            Payment { invoice: Some(Ref::Xero(ID)), ..payment() },
        ] {
            assert!(!Payments::bears(&marker, &other));
        }
        let mut blank = Payment { reference: None, date: None, ..payment() };
        let marker = Payments::mark(&mut blank, "m-1");
        assert!(Payments::bears(&marker, &Payment { reference: Some("m-1".into()), ..payment() }));
        assert!(!Payments::bears(&marker, &Payment { reference: None, ..payment() }));
    }
}
