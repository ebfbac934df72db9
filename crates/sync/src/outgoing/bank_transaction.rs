//! Bank transactions.
//!
//! Xero requires type, contact, account and lines on every write, so an update carries them even when they are the same;
//! the lines with their ids, which leaves them as they are. The tax of lines is Xero's to compute. A date or a currency
//! that was cleared is left out.

use model::{BankTransaction, PaymentStatus};
use uuid::Uuid;
use xero::{BankTransactionStatus, BankTransactionType, BankTransactionWrite, ListQuery};

use super::line::{self, Tax};
use super::marker::{agrees, all_of, is_text, of_contact, on_date, same_text};
use super::{Marker, Pushed, Refusal, account, changed, changed_text, contact, is_set, known_id, line_amount_types};
use crate::map::BankTransactions;

impl Pushed for BankTransactions {
    fn create(record: &BankTransaction) -> Result<BankTransactionWrite, Refusal> {
        Ok(BankTransactionWrite {
            kind: Some(BankTransactionType::from(record.r#type.as_str())),
            contact: contact(record.customer)?,
            bank_account: account(record.account)?,
            date: record.date,
            reference: record.reference.clone(),
            line_amount_types: Some(line_amount_types(record.line_amount_types)),
            line_items: Some(line::create(&record.lines, Tax::Computed)),
            currency_code: record.currency.clone(),
            currency_rate: record.currency_rate.map(|rate| rate.decimal()),
            ..BankTransactionWrite::default()
        })
    }

    fn update(
        xero_id: Uuid,
        remote: &BankTransaction,
        outgoing: &BankTransaction,
    ) -> Result<BankTransactionWrite, Refusal> {
        if remote.status != outgoing.status && outgoing.status == PaymentStatus::Cancelled {
            return Self::remove(xero_id, remote);
        }
        let types = (remote.line_amount_types, outgoing.line_amount_types);
        Ok(BankTransactionWrite {
            bank_transaction_id: Some(xero_id),
            kind: Some(BankTransactionType::from(outgoing.r#type.as_str())),
            contact: contact(outgoing.customer)?,
            bank_account: account(outgoing.account)?,
            date: changed(&remote.date, &outgoing.date),
            reference: changed_text(&remote.reference, &outgoing.reference),
            // Beside the lines always: Xero's default would be another one than an invoice's.
            line_amount_types: Some(line_amount_types(types.1)),
            line_items: Some(line::update((types.0, &remote.lines), (types.1, &outgoing.lines), Tax::Computed)),
            currency_code: changed(&remote.currency, &outgoing.currency),
            currency_rate: changed(&remote.currency_rate, &outgoing.currency_rate).map(|rate| rate.decimal()),
            ..BankTransactionWrite::default()
        })
    }

    fn remove(xero_id: Uuid, _remote: &BankTransaction) -> Result<BankTransactionWrite, Refusal> {
        let status = Some(BankTransactionStatus::Deleted);
        Ok(BankTransactionWrite { bank_transaction_id: Some(xero_id), status, ..BankTransactionWrite::default() })
    }

    fn mark(record: &mut BankTransaction, mark: &str) -> Marker {
        let is_own = !is_set(&record.reference);
        if is_own {
            record.reference = Some(mark.to_owned());
        }
        Marker {
            is_own,
            r#type: Some(record.r#type.clone()),
            reference: record.reference.clone(),
            customer: known_id(record.customer),
            date: record.date,
            lines: (!is_own).then(|| Marker::lines_of(&record.lines)),
            ..Marker::default()
        }
    }

    /// By the fields that Xero finds quickly; the reference is none of them and only stands in where both are unknown.
    fn look_up(marker: &Marker) -> ListQuery {
        let by_reference = || marker.reference.as_deref().and_then(|text| is_text("Reference", text));
        let filter = all_of([on_date(marker.date), of_contact(marker.customer)]).or_else(by_reference);
        ListQuery { filter, ..ListQuery::default() }
    }

    fn bears(marker: &Marker, record: &BankTransaction) -> bool {
        marker.reference.is_some()
            && same_text(&marker.reference, &record.reference)
            && agrees(&marker.r#type, &Some(record.r#type.clone()))
            && (marker.is_own
                || agrees(&marker.customer, &known_id(record.customer))
                    && agrees(&marker.date, &record.date)
                    && marker.has_lines(&record.lines))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use model::{Line, LineAmountTypes, Ref};
    use serde_json::{Value, json};

    use super::*;

    const ID: Uuid = Uuid::from_u128(1);
    const CONTACT: Uuid = Uuid::from_u128(7);
    const BANK: Uuid = Uuid::from_u128(8);

    fn remote() -> BankTransaction {
        BankTransaction {
            r#type: "SPEND".into(),
            customer: Some(Ref::Xero(CONTACT)),
            account: Some(Ref::Xero(BANK)),
            date: Some(date(2026, 3, 2)),
            reference: Some("card".into()),
            xero_status: "AUTHORISED".into(),
            currency: Some("NZD".into()),
            line_amount_types: LineAmountTypes::Inclusive,
            lines: vec![Line {
                xero_line_id: Some(ID),
                description: Some("Fuel".into()),
                quantity: Some("1".parse().unwrap()),
                unit_amount: Some("115".parse().unwrap()),
                account_code: Some("449".into()),
                tax_type: Some("INPUT2".into()),
                tax_amount: Some("15".parse().unwrap()),
                line_amount: Some("115".parse().unwrap()),
                ..Line::default()
            }],
            ..BankTransaction::default()
        }
    }

    /// What every update carries.
    fn required() -> Value {
        json!({"BankTransactionID": ID, "Type": "SPEND", "Contact": {"ContactID": CONTACT}, "BankAccount": {"AccountID": BANK},
            "LineAmountTypes": "Inclusive", "LineItems": [{"LineItemID": ID, "Description": "Fuel", "Quantity": 1,
            "UnitAmount": 115, "AccountCode": "449", "TaxType": "INPUT2"}]})
    }

    fn sent(change: impl FnOnce(&mut BankTransaction)) -> Value {
        let mut outgoing = remote();
        change(&mut outgoing);
        serde_json::to_value(BankTransactions::update(ID, &remote(), &outgoing).unwrap()).unwrap()
    }

    #[test]
    fn an_update_carries_what_xero_requires() {
        let table: Vec<(Value, &str, Value)> = vec![
            (sent(|_| ()), "/Type", json!("SPEND")),
            (sent(|t| t.reference = None), "/Reference", json!("")),
            (sent(|t| t.reference = Some("x".into())), "/Reference", json!("x")),
            (sent(|t| t.date = Some(date(2026, 3, 3))), "/Date", json!("2026-03-03")),
            (sent(|t| t.date = None), "/Type", json!("SPEND")),
            (sent(|t| t.customer = Some(Ref::Xero(ID))), "/Contact/ContactID", json!(ID)),
            (sent(|t| t.account = Some(Ref::Xero(ID))), "/BankAccount/AccountID", json!(ID)),
            (sent(|t| t.line_amount_types = LineAmountTypes::NoTax), "/LineAmountTypes", json!("NoTax")),
            (sent(|t| t.lines[0].quantity = Some("2".parse().unwrap())), "/LineItems/0/Quantity", json!(2)),
            (sent(|t| t.is_reconciled = true), "/Type", json!("SPEND")),
            // Tax that only follows from the inputs is Xero's to compute; one that was changed by itself is Xero's to refuse.
            (
                sent(|t| {
                    t.lines[0].quantity = Some("2".parse().unwrap());
                    t.lines[0].tax_amount = Some("30".parse().unwrap());
                }),
                "/LineItems/0/Quantity",
                json!(2),
            ),
            (sent(|t| t.lines[0].tax_amount = Some("14".parse().unwrap())), "/LineItems/0/TaxAmount", json!(14)),
        ];
        for (sent, pointer, value) in table {
            assert_eq!(sent.pointer(pointer), Some(&value), "{sent}");
            let mut expected = required();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            expected.pointer_mut(parent).unwrap()[key] = value;
            assert_eq!(sent, expected);
        }
    }

    #[test]
    fn creates_and_removals() {
        let mut expected = required();
        expected.as_object_mut().unwrap().remove("BankTransactionID");
        expected["LineItems"][0].as_object_mut().unwrap().remove("LineItemID");
        expected["Date"] = json!("2026-03-02");
        expected["Reference"] = json!("card");
        expected["CurrencyCode"] = json!("NZD");
        assert_eq!(serde_json::to_value(BankTransactions::create(&remote()).unwrap()).unwrap(), expected);
        let deletion = json!({"BankTransactionID": ID, "Status": "DELETED"});
        assert_eq!(serde_json::to_value(BankTransactions::remove(ID, &remote()).unwrap()).unwrap(), deletion);
        assert_eq!(sent(|t| t.status = PaymentStatus::Cancelled), deletion);
    }

    #[test]
    fn marks() {
        let mut own = remote();
        let marker = BankTransactions::mark(&mut own, "m-1");
        assert_eq!(own, remote());
        let filter =
            |marker: &Marker| BankTransactions::look_up(marker).filter.unwrap().expression().unwrap().to_owned();
        assert_eq!(
            filter(&marker),
            format!(r#"(Date==DateTime(2026,03,02) AND Contact.ContactID==guid("{CONTACT}"))"#)
        );
        assert!(BankTransactions::bears(&marker, &BankTransaction { status: PaymentStatus::Cancelled, ..remote() }));
        for other in [
            BankTransaction { r#type: "RECEIVE".into(), ..remote() },
            BankTransaction { lines: vec![], ..remote() },
            BankTransaction { reference: None, ..remote() },
            BankTransaction { date: None, ..remote() },
            BankTransaction { customer: Some(Ref::Xero(ID)), ..remote() },
        ] {
            assert!(!BankTransactions::bears(&marker, &other));
        }
        let mut blank = BankTransaction { reference: None, date: None, customer: None, ..remote() };
        let marker = BankTransactions::mark(&mut blank, "m-1");
        assert_eq!(filter(&marker), r#"Reference=="m-1""#);
        assert!(BankTransactions::bears(&marker, &BankTransaction { reference: Some("m-1".into()), ..remote() }));
        assert!(!BankTransactions::bears(&marker, &remote()));
    }
}
