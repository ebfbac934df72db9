//! Xero's invoices, payments and bank transactions.

use oracle::{By, Who};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::{Workload, endpoint, odd};

impl Workload {
    pub(super) fn xero_new_invoice(&mut self, currency: Option<&str>, is_long: bool) -> Option<&'static str> {
        let contact = self.active_contact()?;
        let is_bill = self.dice.one_in(4);
        let codes: &[&str] = if is_bill { &["429", "429", "461"] } else { &["200", "200", "260"] };
        let code = self.dice.of(codes);
        let of_type = if is_bill { "ACCPAY" } else { "ACCREC" };
        let status = self.dice.of(&["DRAFT", "SUBMITTED", "AUTHORISED", "AUTHORISED"]);
        let types = self.dice.of(&["Exclusive", "Inclusive", "NoTax"]);
        let day = 1 + self.dice.below(28);
        let (price, cents) = (1 + self.dice.below(400), self.dice.below(100));
        let (number, text) = self.token();
        let count =
            if is_long { 10 + self.dice.below(self.options.lines.saturating_sub(9)) } else { 1 + self.dice.below(3) };
        let line = |at| {
            json!({"Description": format!("{text} item {at}"), "Quantity": at % 7 + 1,
                "UnitAmount": format!("{price}.{cents:02}"), "AccountCode": code})
        };
        let lines: Vec<Value> = (0..count).map(line).collect();
        let mut body = json!({"Type": of_type, "Contact": {"ContactID": contact}, "Date": format!("2026-06-{day:02}"),
            "DueDate": "2026-08-01", "Status": status, "LineAmountTypes": types, "LineItems": lines});
        if let Some(currency) = currency {
            body["CurrencyCode"] = json!(currency);
        }
        let answer = self.person.create("Invoices", &body);
        let deed = if is_long { "xero: long invoice" } else { "xero: new invoice" };
        self.created("invoice", answer, "InvoiceID", number, deed)
    }

    pub(super) fn xero_invoice_header(&mut self) -> Option<&'static str> {
        let id = self.any("invoice")?;
        let before = self.person.read("Invoices", id).ok()?;
        if is_gone(&before) {
            return None;
        }
        match self.dice.below(10) {
            0..6 if before["Type"] == "ACCREC" => {
                let answer = self.set_field("invoice", id, ("reference", "Reference"), "Xref #", json!({}));
                self.took(answer, "xero: reference")
            }
            6..8 => {
                let answer = self.set_field("invoice", id, ("number", "InvoiceNumber"), "X-#", json!({}));
                self.took(answer, "xero: number")
            }
            8 => {
                let day = 1 + self.dice.below(28);
                let answer = self.person.edit("Invoices", id, &json!({"DueDate": format!("2026-10-{day:02}")}));
                self.took(answer, "xero: due date")
            }
            _ => {
                let contact = self.active_contact()?;
                let answer = self.person.edit("Invoices", id, &json!({"Contact": {"ContactID": contact}}));
                self.took(answer, "xero: contact of an invoice")
            }
        }
    }

    pub(super) fn xero_lines(&mut self) -> Option<&'static str> {
        let kind = if self.dice.one_in(5) { "bank_transaction" } else { "invoice" };
        let id = self.any(kind)?;
        let before = self.person.read(endpoint(kind), id).ok()?;
        if !is_open(&before) {
            return None;
        }
        let mut lines: Vec<Value> = before["LineItems"].as_array()?.iter().map(bare_line).collect();
        if lines.is_empty() {
            return None;
        }
        let at = self.dice.place(lines.len());
        let (number, text) = self.token();
        let (mut gone, mut is_marked) = (String::new(), false);
        let deed = match self.dice.below(10) {
            0..4 => {
                gone = lines[at]["Description"].as_str().unwrap_or_default().to_owned();
                lines[at]["Description"] = json!(format!("Told {text}"));
                is_marked = true;
                "xero: line's description"
            }
            4..8 => {
                let (price, cents) = (1 + self.dice.below(300), self.dice.below(100));
                lines[at]["UnitAmount"] = json!(format!("{price}.{cents:02}"));
                "xero: line's price"
            }
            8 => {
                let code = lines[at]["AccountCode"].clone();
                lines.push(json!({"Description": format!("More {text}"), "Quantity": 1, "UnitAmount": "12.34",
                    "AccountCode": code}));
                is_marked = true;
                "xero: line added"
            }
            _ if lines.len() > 1 => {
                gone = lines.remove(at)["Description"].as_str().unwrap_or_default().to_owned();
                "xero: line removed"
            }
            _ => return None,
        };
        let answer = self.save_lines(kind, id, lines, &before);
        if answer.is_ok() {
            // Two lines may have been made with one token.
            let is_there_still = |text: &str| answer.as_ref().is_ok_and(|saved| saved.to_string().contains(text));
            if !is_there_still(&gone) {
                self.see(By::Xero, &gone);
            }
            if is_marked {
                self.mark(number, By::Xero, kind, Who::Xero(id), "line");
            }
        }
        self.took(answer, deed)
    }

    fn save_lines(&mut self, kind: &'static str, id: Uuid, lines: Vec<Value>, before: &Value) -> Result<Value, String> {
        let mut body = json!({"LineItems": lines, "LineAmountTypes": before["LineAmountTypes"]});
        if kind == "bank_transaction" {
            body = with_required(body, before);
        }
        self.person.edit(endpoint(kind), id, &body)
    }

    pub(super) fn xero_odd_line(&mut self) -> Option<&'static str> {
        let id = self.any("invoice")?;
        let before = self.person.read("Invoices", id).ok()?;
        if !is_open(&before) {
            return None;
        }
        let mut lines: Vec<Value> = before["LineItems"].as_array()?.iter().map(bare_line).collect();
        let code = lines.first()?["AccountCode"].clone();
        let (number, token) = self.token();
        let text = odd::text(&mut self.dice, &token, 400);
        let (quantity, price) = odd::figures(&mut self.dice);
        lines.push(json!({"Description": text, "Quantity": amount(quantity), "UnitAmount": amount(price),
            "AccountCode": code}));
        let answer = self.save_lines("invoice", id, lines, &before);
        if answer.is_ok() {
            self.mark(number, By::Xero, "invoice", Who::Xero(id), "line");
        }
        self.took(answer, "xero: odd line")
    }

    pub(super) fn xero_invoice_status(&mut self) -> Option<&'static str> {
        let id = self.any("invoice")?;
        let status = self.person.read("Invoices", id).ok()?["Status"].as_str()?.to_owned();
        match status.as_str() {
            "DRAFT" | "SUBMITTED" if !self.dice.one_in(4) => {
                let answer = self.person.edit("Invoices", id, &json!({"Status": "AUTHORISED"}));
                self.took(answer, "xero: approved")
            }
            "DRAFT" | "SUBMITTED" | "AUTHORISED" => self.xero_void(id),
            _ => None,
        }
    }

    pub(in super::super) fn xero_void(&mut self, id: Uuid) -> Option<&'static str> {
        let answer = self.person.void_invoice(id);
        self.gone("invoice", id, &answer);
        self.took(answer, "xero: voided")
    }

    pub(in super::super) fn xero_pay(&mut self, invoice: Option<Uuid>) -> Option<&'static str> {
        let id = match invoice {
            Some(id) => id,
            None => self.any("invoice")?,
        };
        let invoice = self.person.read("Invoices", id).ok()?;
        if invoice["Status"] != "AUTHORISED" {
            return None;
        }
        let due: u64 = invoice["AmountDue"].to_string().replace(['.', '"'], "").parse().ok()?;
        let amount = match self.dice.below(4) {
            0 | 1 => due,
            2 => due / 2,
            _ => due / 3,
        };
        let (number, text) = self.token();
        let answer = self.person.create(
            "Payments",
            &json!({"Invoice": {"InvoiceID": id}, "Account": {"Code": "090"}, "Date": "2026-06-29",
                "Amount": format!("{}.{:02}", amount / 100, amount % 100), "Reference": format!("Bank {text}")}),
        );
        self.created("payment", answer, "PaymentID", number, "xero: payment")
    }

    pub(super) fn xero_unpay(&mut self) -> Option<&'static str> {
        let id = self.any("payment")?;
        if self.person.read("Payments", id).ok()?["Status"] != "AUTHORISED" {
            return None;
        }
        let answer = self.person.delete_payment(id);
        self.gone("payment", id, &answer);
        self.took(answer, "xero: payment deleted")
    }

    pub(super) fn xero_new_bank(&mut self) -> Option<&'static str> {
        let contact = self.active_contact()?;
        let (of_type, code) = if self.dice.one_in(3) { ("RECEIVE", "200") } else { ("SPEND", "429") };
        let (number, text) = self.token();
        let (day, price) = (1 + self.dice.below(28), 1 + self.dice.below(400));
        let answer = self.person.create(
            "BankTransactions",
            &json!({"Type": of_type, "Contact": {"ContactID": contact}, "BankAccount": {"Code": "090"},
                "Date": format!("2026-05-{day:02}"), "Reference": format!("Eftpos {text}"),
                "LineItems": [{"Description": "Things", "Quantity": 1, "UnitAmount": price, "AccountCode": code}]}),
        );
        self.created("bank_transaction", answer, "BankTransactionID", number, "xero: new bank transaction")
    }

    pub(super) fn xero_bank(&mut self) -> Option<&'static str> {
        let id = self.any("bank_transaction")?;
        let before = self.person.read("BankTransactions", id).ok()?;
        if before["Status"] != "AUTHORISED" || before["IsReconciled"] == true {
            return None;
        }
        if self.dice.one_in(5) {
            let answer = self.person.edit("BankTransactions", id, &json!({"Status": "DELETED"}));
            self.gone("bank_transaction", id, &answer);
            return self.took(answer, "xero: bank transaction deleted");
        }
        let lines: Vec<Value> = before["LineItems"].as_array()?.iter().map(bare_line).collect();
        let rest = json!({"LineItems": lines, "LineAmountTypes": before["LineAmountTypes"]});
        let rest = with_required(rest, &before);
        let answer = self.set_field("bank_transaction", id, ("reference", "Reference"), "Shop #", rest);
        self.took(answer, "xero: bank transaction's reference")
    }

    pub(super) fn xero_reconcile(&mut self) -> Option<&'static str> {
        let is_reconciled = self.dice.one_in(2);
        if self.dice.one_in(3) {
            let id = self.any("bank_transaction")?;
            let answer = self.person.reconcile_bank_transaction(id, is_reconciled);
            return self.took(answer, "xero: bank transaction reconciled or not");
        }
        let id = self.any("payment")?;
        let answer = self.person.reconcile_payment(id, is_reconciled);
        self.took(answer, "xero: payment reconciled or not")
    }
}

fn is_gone(document: &Value) -> bool {
    matches!(document["Status"].as_str(), Some("VOIDED" | "DELETED"))
}

/// Whether its lines can be changed.
fn is_open(document: &Value) -> bool {
    let is_some = |amount: &Value| amount.to_string().bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    !is_gone(document)
        && document["IsReconciled"] != true
        && !is_some(&document["AmountPaid"])
        && !is_some(&document["AmountCredited"])
}

/// Ten-thousandths as a plain decimal.
fn amount(ten_thousandths: i64) -> String {
    let sign = if ten_thousandths < 0 { "-" } else { "" };
    let size = ten_thousandths.unsigned_abs();
    format!("{sign}{}.{:04}", size / 10_000, size % 10_000)
}

/// What a line is made of, without what follows from it.
fn bare_line(line: &Value) -> Value {
    const MEMBERS: [&str; 10] = [
        "LineItemID",
        "Description",
        "Quantity",
        "UnitAmount",
        "AccountCode",
        "TaxType",
        "DiscountRate",
        "DiscountAmount",
        "ItemCode",
        "Tracking",
    ];
    let mut bare = json!({});
    for member in MEMBERS {
        if let Some(value) = line.get(member) {
            bare[member] = value.clone();
        }
    }
    bare
}

fn with_required(mut body: Value, before: &Value) -> Value {
    body["Type"] = before["Type"].clone();
    body["Contact"] = json!({"ContactID": before["Contact"]["ContactID"]});
    body["BankAccount"] = json!({"AccountID": before["BankAccount"]["AccountID"]});
    body
}
