//! Invoices and bills.
//!
//! A due date, a currency or a rate that was cleared cannot be said to Xero and is left out. The reference of a bill is
//! its number; Xero keeps no other, so none is sent.

use model::accounting::{status_to_send, xero_status_for};
use model::{DocumentStatus, Invoice};
use uuid::Uuid;
use xero::{InvoiceType, InvoiceWrite, ListQuery};

use super::line::{self, Tax};
use super::marker::{agrees, all_of, is_text, of_contact, on_date, same_text};
use super::{Marker, Pushed, Refusal, changed, changed_text, contact, is_set, known_id, line_amount_types};
use crate::map::Invoices;

const SALE: &str = "ACCREC";

impl Pushed for Invoices {
    fn create(record: &Invoice) -> Result<InvoiceWrite, Refusal> {
        Ok(InvoiceWrite {
            kind: Some(InvoiceType::from(record.r#type.as_str())),
            invoice_number: record.number.clone(),
            reference: record.reference.clone().filter(|_| is_sale(record)),
            contact: contact(record.customer)?,
            date: record.date,
            due_date: record.due_date,
            status: xero_status_for(record.status, None)?.map(Into::into),
            line_amount_types: Some(line_amount_types(record.line_amount_types)),
            line_items: Some(line::create(&record.lines, Tax::Free)),
            currency_code: record.currency.clone(),
            currency_rate: record.currency_rate.map(|rate| rate.decimal()),
            ..InvoiceWrite::default()
        })
    }

    fn update(xero_id: Uuid, remote: &Invoice, outgoing: &Invoice) -> Result<InvoiceWrite, Refusal> {
        let id = InvoiceWrite { invoice_id: Some(xero_id), ..InvoiceWrite::default() };
        let status = status_to_send(Some(remote), outgoing)?;
        if status.is_some() && outgoing.status == DocumentStatus::Cancelled {
            // Nothing else counts when a document goes.
            return Ok(InvoiceWrite { status: status.map(Into::into), ..id });
        }
        let other_types = remote.line_amount_types != outgoing.line_amount_types;
        // The two are one: lines mean something else under other types.
        let sends_lines = other_types || line::differ(&remote.lines, &outgoing.lines);
        let other_contact = remote.customer != outgoing.customer;
        Ok(InvoiceWrite {
            invoice_number: changed_text(&remote.number, &outgoing.number),
            reference: changed_text(&remote.reference, &outgoing.reference).filter(|_| is_sale(outgoing)),
            contact: if other_contact { contact(outgoing.customer)? } else { None },
            date: changed(&remote.date, &outgoing.date),
            due_date: changed(&remote.due_date, &outgoing.due_date),
            status: status.map(Into::into),
            line_amount_types: sends_lines.then(|| line_amount_types(outgoing.line_amount_types)),
            line_items: sends_lines.then(|| {
                let lines = |of: &'_ Invoice| of.line_amount_types;
                line::update((lines(remote), &remote.lines), (lines(outgoing), &outgoing.lines), Tax::Free)
            }),
            currency_code: changed(&remote.currency, &outgoing.currency),
            currency_rate: changed(&remote.currency_rate, &outgoing.currency_rate).map(|rate| rate.decimal()),
            ..id
        })
    }

    fn remove(xero_id: Uuid, remote: &Invoice) -> Result<InvoiceWrite, Refusal> {
        let status = xero_status_for(DocumentStatus::Cancelled, Some(&remote.xero_status))?.map(Into::into);
        Ok(InvoiceWrite { invoice_id: Some(xero_id), status, ..InvoiceWrite::default() })
    }

    /// A sales invoice is known by its number, or else by its reference; a bill by its number. What is blank gets the
    /// mark: the reference of a sales invoice, which Xero would otherwise number in its own row, and the number of a
    /// bill, whose only reference it is.
    fn mark(record: &mut Invoice, mark: &str) -> Marker {
        let mut marker = Marker { r#type: Some(record.r#type.clone()), ..Marker::default() };
        if is_set(&record.number) {
            marker.number = record.number.clone();
        } else if is_sale(record) {
            marker.is_own = !is_set(&record.reference);
            if marker.is_own {
                record.reference = Some(mark.to_owned());
            }
            marker.reference = record.reference.clone();
        } else {
            marker.is_own = true;
            record.number = Some(mark.to_owned());
            marker.number = record.number.clone();
        }
        marker.customer = known_id(record.customer);
        // The number of a sale is unique at Xero, so the rest may have been edited there meanwhile.
        let is_unique = marker.is_own || is_sale(record) && marker.number.is_some();
        if !is_unique {
            marker.date = record.date;
            marker.lines = Some(Marker::lines_of(&record.lines));
        }
        marker
    }

    fn look_up(marker: &Marker) -> ListQuery {
        let by_text = |field: &str, text: &Option<String>| text.as_deref().and_then(|text| is_text(field, text));
        let filter = by_text("InvoiceNumber", &marker.number)
            .or_else(|| by_text("Reference", &marker.reference))
            // A quote in the text: then all that the contact had on the day.
            .or_else(|| all_of([of_contact(marker.customer), on_date(marker.date)]));
        ListQuery { filter, created_by_my_app: true, ..ListQuery::default() }
    }

    fn bears(marker: &Marker, record: &Invoice) -> bool {
        let has_text = same_text(&marker.number, &record.number) && same_text(&marker.reference, &record.reference);
        let is_named = marker.number.is_some() || marker.reference.is_some();
        is_named
            && has_text
            && agrees(&marker.r#type, &Some(record.r#type.clone()))
            && (marker.is_own
                || agrees(&marker.customer, &known_id(record.customer))
                    && agrees(&marker.date, &record.date)
                    && marker.has_lines(&record.lines))
    }
}

fn is_sale(record: &Invoice) -> bool {
    record.r#type == SALE
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use model::{Amount, Line, LineAmountTypes, Ref, Tracking};
    use serde_json::{Value, json};

    use super::*;

    const ID: Uuid = Uuid::from_u128(1);
    const CONTACT: Uuid = Uuid::from_u128(7);

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn amount(text: &str) -> Option<Amount> {
        Some(text.parse().unwrap())
    }

    fn line(id: u128) -> Line {
        Line {
            xero_line_id: Some(Uuid::from_u128(id)),
            description: text("Work"),
            quantity: amount("2"),
            unit_amount: amount("10.5"),
            account_code: text("200"),
            tax_type: text("OUTPUT2"),
            tax_amount: amount("3.15"),
            line_amount: amount("21"),
            ..Line::default()
        }
    }

    /// What is sent for [`line`] when it is unchanged.
    fn line_json(id: u128) -> Value {
        json!({"LineItemID": Uuid::from_u128(id), "Description": "Work", "Quantity": 2, "UnitAmount": 10.5,
            "AccountCode": "200", "TaxType": "OUTPUT2", "TaxAmount": 3.15})
    }

    fn remote() -> Invoice {
        Invoice {
            r#type: SALE.into(),
            number: text("INV-1"),
            reference: text("job 7"),
            customer: Some(Ref::Xero(CONTACT)),
            date: Some(date(2026, 3, 2)),
            due_date: Some(date(2026, 4, 2)),
            status: DocumentStatus::Sent,
            xero_status: "AUTHORISED".into(),
            currency: text("NZD"),
            lines: vec![line(11), line(12)],
            total: "48.30".parse().unwrap(),
            ..Invoice::default()
        }
    }

    fn sent_for(remote: &Invoice, change: impl FnOnce(&mut Invoice)) -> Value {
        let mut outgoing = remote.clone();
        change(&mut outgoing);
        let sent = Invoices::update(ID, remote, &outgoing).unwrap();
        let mut sent = serde_json::to_value(sent).unwrap();
        assert_eq!(sent.as_object_mut().unwrap().remove("InvoiceID"), Some(json!(ID)));
        sent
    }

    fn sent(change: impl FnOnce(&mut Invoice)) -> Value {
        sent_for(&remote(), change)
    }

    #[test]
    fn an_edit_of_the_header_sends_no_lines() {
        let table: Vec<(Value, Value)> = vec![
            (sent(|_| ()), json!({})),
            (sent(|i| i.number = text("INV-2")), json!({"InvoiceNumber": "INV-2"})),
            (sent(|i| i.reference = text("job 8")), json!({"Reference": "job 8"})),
            (sent(|i| i.reference = None), json!({"Reference": ""})),
            (sent(|i| i.customer = Some(Ref::Xero(ID))), json!({"Contact": {"ContactID": ID}})),
            (sent(|i| i.date = Some(date(2026, 3, 3))), json!({"Date": "2026-03-03"})),
            (sent(|i| i.due_date = Some(date(2026, 5, 1))), json!({"DueDate": "2026-05-01"})),
            (sent(|i| i.due_date = None), json!({})),
            (sent(|i| i.status = DocumentStatus::Overdue), json!({})),
            (sent(|i| i.status = DocumentStatus::Cancelled), json!({"Status": "VOIDED"})),
            (sent(|i| i.currency = text("AUD")), json!({"CurrencyCode": "AUD"})),
            (sent(|i| i.currency_rate = Some("0.9".parse().unwrap())), json!({"CurrencyRate": 0.9})),
            (sent(|i| i.total = Amount::ZERO), json!({})),
            (sent(|i| i.amount_due = Amount::from_e4(5)), json!({})),
            // What Xero computes is no reason to send lines.
            (sent(|i| i.lines[0].line_amount = amount("22")), json!({})),
        ];
        for (sent, expected) in table {
            assert_eq!(sent, expected);
        }
        let draft = Invoice { status: DocumentStatus::Draft, xero_status: "DRAFT".into(), ..remote() };
        assert_eq!(sent_for(&draft, |i| i.status = DocumentStatus::Sent), json!({"Status": "AUTHORISED"}));
        assert_eq!(sent_for(&draft, |i| i.status = DocumentStatus::Cancelled), json!({"Status": "DELETED"}));
        let submitted = Invoice { xero_status: "SUBMITTED".into(), ..remote() };
        assert_eq!(sent_for(&submitted, |i| i.number = text("X")), json!({"InvoiceNumber": "X"}));
        let bill = Invoice { r#type: "ACCPAY".into(), ..remote() };
        assert_eq!(sent_for(&bill, |i| i.reference = text("x")), json!({}), "a bill has no reference");
        let mut outgoing = remote();
        outgoing.status = DocumentStatus::Paid;
        assert_eq!(Invoices::update(ID, &remote(), &outgoing).unwrap_err().code, "TO-PAID-BY-STATUS");
        outgoing = Invoice { customer: Some(Ref::Local(3)), ..remote() };
        assert_eq!(Invoices::update(ID, &remote(), &outgoing).unwrap_err().code, "TO-WAITING");
    }

    /// The lines that are sent after a change of the first.
    fn first_line(change: impl FnOnce(&mut Line)) -> Value {
        let sent = sent(|invoice| change(&mut invoice.lines[0]));
        assert_eq!(sent["LineItems"][1], line_json(12), "the other line stays as it is");
        assert_eq!(sent["LineAmountTypes"], "Exclusive");
        assert_eq!(sent.as_object().unwrap().len(), 2, "{sent}");
        sent["LineItems"][0].clone()
    }

    /// The unchanged line with other members; a null takes one out.
    fn with(other: Value) -> Value {
        let mut line = line_json(11);
        for (key, value) in other.as_object().unwrap() {
            if value.is_null() {
                line.as_object_mut().unwrap().remove(key);
            } else {
                line[key] = value.clone();
            }
        }
        line
    }

    #[test]
    fn an_edit_of_a_line_sends_all_of_them_with_their_ids() {
        let choice = |option: &str| Tracking { category: "Region".into(), option: option.into() };
        let table: Vec<(Value, Value)> = vec![
            (first_line(|l| l.description = text("Play")), with(json!({"Description": "Play"}))),
            (first_line(|l| l.description = None), with(json!({"Description": ""}))),
            (first_line(|l| l.account_code = text("260")), with(json!({"AccountCode": "260"}))),
            (first_line(|l| l.account_code = None), with(json!({"AccountCode": null}))),
            (first_line(|l| l.item_code = text("BOOK")), with(json!({"ItemCode": "BOOK"}))),
            (
                first_line(|l| l.tracking = vec![choice("North")]),
                with(json!({"Tracking": [{"Name": "Region", "Option": "North"}]})),
            ),
            // Other inputs: Xero computes the tax, unless the App has said another.
            (first_line(|l| l.quantity = amount("3")), with(json!({"Quantity": 3, "TaxAmount": null}))),
            (first_line(|l| l.unit_amount = amount("0.0001")), with(json!({"UnitAmount": 0.0001, "TaxAmount": null}))),
            (first_line(|l| l.tax_type = text("NONE")), with(json!({"TaxType": "NONE", "TaxAmount": null}))),
            (first_line(|l| l.tax_amount = amount("3.10")), with(json!({"TaxAmount": 3.1}))),
            (
                first_line(|l| (l.quantity, l.tax_amount) = (amount("3"), amount("4.73"))),
                with(json!({"Quantity": 3, "TaxAmount": 4.73})),
            ),
            (first_line(|l| l.discount_rate = amount("10")), with(json!({"DiscountRate": 10, "TaxAmount": null}))),
            (
                first_line(|l| (l.unit_amount, l.line_amount) = (None, amount("20"))),
                with(json!({"UnitAmount": null, "LineAmount": 20, "TaxAmount": null})),
            ),
        ];
        for (sent, expected) in table {
            assert_eq!(sent, expected);
        }
    }

    #[test]
    fn lines_come_and_go_and_clear() {
        let one = sent(|i| drop(i.lines.remove(0)));
        assert_eq!(one, json!({"LineAmountTypes": "Exclusive", "LineItems": [line_json(12)]}));
        let three = sent(|i| i.lines.push(Line { xero_line_id: None, tax_amount: None, ..line(0) }));
        let mut new = line_json(0);
        new.as_object_mut().unwrap().retain(|key, _| key != "LineItemID" && key != "TaxAmount");
        assert_eq!(three["LineItems"], json!([line_json(11), line_json(12), new]));
        let unknown = sent(|i| i.lines[1].xero_line_id = Some(Uuid::from_u128(99)));
        assert_eq!(unknown["LineItems"][1].get("LineItemID"), None, "an id that Xero does not know is none");

        let types = sent(|i| i.line_amount_types = LineAmountTypes::Inclusive);
        assert_eq!(types["LineAmountTypes"], "Inclusive");
        assert_eq!(types["LineItems"][0], with(json!({"TaxAmount": null})), "tax under other types is another");

        let mut rich = remote();
        rich.lines[0].discount_rate = amount("10");
        rich.lines[0].item_code = text("BOOK");
        rich.lines[0].tracking = vec![Tracking { category: "Region".into(), option: "North".into() }];
        let cleared = sent_for(&rich, |i| i.lines[0] = line(11));
        let expected = with(json!({"DiscountRate": 0, "ItemCode": "", "Tracking": [], "TaxAmount": null}));
        assert_eq!(cleared["LineItems"][0], expected);
        let other = sent_for(&rich, |i| {
            (i.lines[0].discount_rate, i.lines[0].discount_amount) = (None, amount("1"));
        });
        assert_eq!(other["LineItems"][0].get("DiscountRate"), None);
        assert_eq!(other["LineItems"][0]["DiscountAmount"], 1);

        let words = |id| Line {
            xero_line_id: id,
            description: text("Thank you"),
            line_amount: amount("0"),
            tax_amount: amount("0"),
            ..Line::default()
        };
        let invoice = Invoice { lines: vec![words(Some(ID)), line(12)], ..remote() };
        let sent = sent_for(&invoice, |i| i.lines[1].description = text("Play"));
        assert_eq!(sent["LineItems"][0], json!({"LineItemID": ID, "Description": "Thank you"}));
        let new = serde_json::to_value(line::create(&[words(None)], Tax::Free)).unwrap();
        assert_eq!(new, json!([{"Description": "Thank you"}]));
    }

    #[test]
    fn a_create_sends_everything_that_is_set() {
        let new = Invoice { lines: vec![line(11)], ..remote() };
        let mut item = line_json(11);
        item.as_object_mut().unwrap().remove("LineItemID");
        assert_eq!(
            serde_json::to_value(Invoices::create(&new).unwrap()).unwrap(),
            json!({"Type": "ACCREC", "InvoiceNumber": "INV-1", "Reference": "job 7", "Contact": {"ContactID": CONTACT},
                "Date": "2026-03-02", "DueDate": "2026-04-02", "Status": "AUTHORISED", "LineAmountTypes": "Exclusive",
                "LineItems": [item], "CurrencyCode": "NZD"})
        );
        let paid = Invoice { status: DocumentStatus::Paid, ..new.clone() };
        assert_eq!(Invoices::create(&paid).unwrap_err().code, "TO-PAID-BY-STATUS");
        let bill = Invoices::create(&Invoice { r#type: "ACCPAY".into(), ..new }).unwrap();
        assert_eq!(bill.reference, None);
    }

    #[test]
    fn a_removal_is_what_the_status_allows() {
        let removed = |xero_status: &str| {
            let write = Invoices::remove(ID, &Invoice { xero_status: xero_status.into(), ..remote() });
            write.map(|write| serde_json::to_value(write).unwrap()).map_err(|refusal| refusal.code)
        };
        assert_eq!(removed("DRAFT"), Ok(json!({"InvoiceID": ID, "Status": "DELETED"})));
        assert_eq!(removed("SUBMITTED"), Ok(json!({"InvoiceID": ID, "Status": "DELETED"})));
        assert_eq!(removed("AUTHORISED"), Ok(json!({"InvoiceID": ID, "Status": "VOIDED"})));
        assert_eq!(removed("PAID"), Err("TO-HAS-PAYMENTS"));
    }

    #[test]
    fn marks() {
        let filter = |marker: &Marker| Invoices::look_up(marker).filter.unwrap().expression().unwrap().to_owned();
        // By number.
        let mut sale = remote();
        let marker = Invoices::mark(&mut sale, "m-1");
        assert_eq!(sale, remote());
        assert_eq!(filter(&marker), r#"InvoiceNumber=="INV-1""#);
        assert!(Invoices::look_up(&marker).created_by_my_app);
        assert!(Invoices::bears(&marker, &Invoice { status: DocumentStatus::Cancelled, lines: vec![], ..remote() }));
        assert!(!Invoices::bears(&marker, &Invoice { customer: Some(Ref::Xero(ID)), ..remote() }));
        assert!(!Invoices::bears(&marker, &Invoice { number: text("inv-1"), ..remote() }));
        assert!(!Invoices::bears(&marker, &Invoice { r#type: "ACCPAY".into(), ..remote() }));
        // By a reference of the App's own: the content counts too.
        let mut named = Invoice { number: None, ..remote() };
        let marker = Invoices::mark(&mut named, "m-1");
        assert_eq!(named.reference.as_deref(), Some("job 7"));
        assert_eq!(filter(&marker), r#"Reference=="job 7""#);
        let found = Invoice { total: Amount::ZERO, ..remote() };
        assert!(Invoices::bears(&marker, &found), "Xero has numbered it meanwhile");
        assert!(!Invoices::bears(&marker, &Invoice { date: Some(date(2026, 3, 3)), ..found.clone() }));
        assert!(!Invoices::bears(&marker, &Invoice { lines: vec![line(11)], ..found.clone() }));
        let other = Line { unit_amount: amount("10.51"), ..line(12) };
        assert!(!Invoices::bears(&marker, &Invoice { lines: vec![line(11), other], ..found.clone() }));
        let rounded = Line { line_amount: amount("21.01"), tax_amount: amount("3.16"), ..line(12) };
        assert!(Invoices::bears(&marker, &Invoice { lines: vec![line(11), rounded], ..found.clone() }));
        // By our own mark: nothing else does.
        let mut blank = Invoice { number: None, reference: None, ..remote() };
        let marker = Invoices::mark(&mut blank, "m-1");
        assert_eq!((blank.number.as_deref(), blank.reference.as_deref()), (None, Some("m-1")));
        assert!(Invoices::bears(&marker, &Invoice { reference: text("m-1"), lines: vec![], date: None, ..remote() }));
        assert!(!Invoices::bears(&marker, &found));
        // Bills: by number only.
        let mut bill = Invoice { r#type: "ACCPAY".into(), number: None, ..remote() };
        let marker = Invoices::mark(&mut bill, "m-1");
        assert_eq!(bill.number.as_deref(), Some("m-1"));
        assert!(Invoices::bears(&marker, &bill));
        let mut bill = Invoice { number: text("4711"), ..bill };
        let marker = Invoices::mark(&mut bill, "m-1");
        assert!(Invoices::bears(&marker, &bill));
        assert!(
            !Invoices::bears(&marker, &Invoice { date: Some(date(2026, 3, 3)), ..bill.clone() }),
            "free numbers repeat"
        );
        // Numbers that lists of numbers or expressions cannot hold.
        let by = |number: &str| {
            let mut bill = Invoice { number: text(number), ..bill.clone() };
            filter(&Invoices::mark(&mut bill, "m-1"))
        };
        assert_eq!(by("A,B"), r#"InvoiceNumber=="A,B""#);
        assert_eq!(by("6\" pipe"), format!(r#"(Contact.ContactID==guid("{CONTACT}") AND Date==DateTime(2026,03,02))"#));
    }
}
