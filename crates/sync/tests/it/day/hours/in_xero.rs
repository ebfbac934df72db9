//! What somebody in Xero does in a day, by Xero's own pages.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{By, Day, Who, endpoint, token, tokens_in};

impl Day {
    fn any(&mut self, kind: &'static str) -> Option<Uuid> {
        let all = self.known.get(kind)?;
        let most = all.len() as u64;
        let at = if self.dice.one_in(2) {
            most.saturating_sub(1 + self.dice.below(self.crowd))
        } else {
            self.dice.below(most)
        };
        self.known[kind].get(usize::try_from(at).unwrap()).copied()
    }

    fn active_contact(&mut self) -> Option<Uuid> {
        let id = self.any("customer")?;
        (self.person.read("Contacts", id).ok()?["ContactStatus"] == "ACTIVE").then_some(id)
    }

    fn took(&mut self, answer: Result<Value, String>, deed: &'static str) -> Option<&'static str> {
        match answer {
            Ok(_) => Some(deed),
            Err(message) => {
                *self.refused.entry(format!("{deed}: {message}")).or_default() += 1;
                None
            }
        }
    }

    pub fn edit_xero(&mut self) -> Option<&'static str> {
        match self.dice.below(100) {
            0..5 => self.xero_new_contact(),
            5..22 => self.xero_contact(),
            22..34 => self.xero_slot(),
            34..42 => self.xero_new_invoice(),
            42..54 => self.xero_invoice_header(),
            54..68 => self.xero_lines(),
            68..74 => self.xero_invoice_status(),
            74..82 => self.xero_pay(),
            82..85 => self.xero_unpay(),
            85..89 => self.xero_new_bank(),
            89..95 => self.xero_bank(),
            95..97 => self.xero_archive(),
            97..99 => self.xero_merge(),
            _ => self.xero_reconcile(),
        }
    }

    /// A text field of a record in Xero gets a token.
    fn set_field(
        &mut self,
        kind: &'static str,
        id: Uuid,
        field: &'static str,
        member: &str,
        shape: &str,
        rest: Value,
    ) -> Result<Value, String> {
        let before = self.person.read(endpoint(kind), id)?;
        let number = self.marks.len();
        let mut body = rest;
        body[member] = json!(shape.replace('#', &token(number)));
        let answer = self.person.edit(endpoint(kind), id, &body)?;
        self.see(By::Xero, before[member].as_str().unwrap_or_default());
        self.mark(By::Xero, kind, Who::Xero(id), field);
        Ok(answer)
    }

    fn created(
        &mut self,
        kind: &'static str,
        answer: Result<Value, String>,
        id: &str,
        deed: &'static str,
    ) -> Option<&'static str> {
        if let Ok(made) = &answer {
            let id: Uuid = made[id].as_str()?.parse().ok()?;
            // One for the record and one for its only line, where it has one.
            for number in tokens_in(&made.to_string()) {
                if number == self.marks.len() {
                    self.mark(By::Xero, kind, Who::Xero(id), "new");
                }
            }
            self.known.get_mut(kind)?.push(id);
        }
        self.took(answer, deed)
    }

    fn xero_new_contact(&mut self) -> Option<&'static str> {
        let text = token(self.marks.len());
        let answer =
            self.person.create("Contacts", &json!({"Name": format!("Xero {text}"), "EmailAddress": "new@xero.test"}));
        self.created("customer", answer, "ContactID", "xero: new contact")
    }

    fn xero_contact(&mut self) -> Option<&'static str> {
        let id = self.active_contact()?;
        let (field, member, shape) = match self.dice.below(7) {
            0 => ("first_name", "FirstName", "Bea #"),
            1 => ("last_name", "LastName", "Ng #"),
            2 => ("email", "EmailAddress", "#@xero.test"),
            3 => ("account_number", "AccountNumber", "XA-#"),
            4 => ("tax_number", "TaxNumber", "XT-#"),
            5 => ("company_number", "CompanyNumber", "XC-#"),
            _ => ("name", "Name", "Known as #"),
        };
        let answer = self.set_field("customer", id, field, member, shape, json!({}));
        self.took(answer, "xero: contact's field")
    }

    fn xero_slot(&mut self) -> Option<&'static str> {
        let id = self.active_contact()?;
        let before = self.person.read("Contacts", id).ok()?;
        let text = token(self.marks.len());
        let (list, key, slot, member, field) = match self.dice.below(3) {
            0 => ("Addresses", "AddressType", "STREET", "City", "address STREET"),
            1 => ("Phones", "PhoneType", "MOBILE", "PhoneNumber", "phone MOBILE"),
            _ => ("Phones", "PhoneType", "DEFAULT", "PhoneNumber", "phone DEFAULT"),
        };
        let old =
            before[list].as_array().into_iter().flatten().find(|item| item[key] == slot).cloned().unwrap_or_default();
        let mut item = json!({key: slot, member: text});
        for same in [
            "PhoneAreaCode",
            "PhoneCountryCode",
            "AddressLine1",
            "AddressLine2",
            "AddressLine3",
            "AddressLine4",
            "Region",
            "PostalCode",
            "Country",
            "AttentionTo",
        ] {
            if let Some(value) = old.get(same) {
                item[same] = value.clone();
            }
        }
        let answer = self.person.edit("Contacts", id, &json!({list: [item]}));
        if answer.is_ok() {
            self.see(By::Xero, old[member].as_str().unwrap_or_default());
            self.mark(By::Xero, "customer", Who::Xero(id), field);
        }
        self.took(answer, "xero: phone or address")
    }

    fn xero_new_invoice(&mut self) -> Option<&'static str> {
        let contact = self.active_contact()?;
        let (of_type, code) = if self.dice.one_in(4) { ("ACCPAY", "429") } else { ("ACCREC", "200") };
        let status = self.dice.of(&["DRAFT", "SUBMITTED", "AUTHORISED", "AUTHORISED"]);
        let types = self.dice.of(&["Exclusive", "Inclusive", "NoTax"]);
        let day = 1 + self.dice.below(28);
        let (price, cents) = (1 + self.dice.below(400), self.dice.below(100));
        let text = token(self.marks.len());
        let lines: Vec<Value> = (0..=self.dice.below(3))
            .map(|at| json!({"Description": format!("{text} item {at}"), "Quantity": at + 1, "UnitAmount": format!("{price}.{cents:02}"), "AccountCode": code}))
            .collect();
        let answer = self.person.create(
            "Invoices",
            &json!({"Type": of_type, "Contact": {"ContactID": contact}, "Date": format!("2026-06-{day:02}"), "DueDate": "2026-08-01",
                "Status": status, "LineAmountTypes": types, "LineItems": lines}),
        );
        self.created("invoice", answer, "InvoiceID", "xero: new invoice")
    }

    fn xero_invoice_header(&mut self) -> Option<&'static str> {
        let id = self.any("invoice")?;
        let before = self.person.read("Invoices", id).ok()?;
        if matches!(before["Status"].as_str(), Some("VOIDED" | "DELETED")) {
            return None;
        }
        match self.dice.below(10) {
            0..6 if before["Type"] == "ACCREC" => {
                let answer = self.set_field("invoice", id, "reference", "Reference", "Xref #", json!({}));
                self.took(answer, "xero: reference")
            }
            6..8 => {
                let answer = self.set_field("invoice", id, "number", "InvoiceNumber", "X-#", json!({}));
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

    fn xero_lines(&mut self) -> Option<&'static str> {
        let kind = if self.dice.one_in(5) { "bank_transaction" } else { "invoice" };
        let id = self.any(kind)?;
        let before = self.person.read(endpoint(kind), id).ok()?;
        if matches!(before["Status"].as_str(), Some("VOIDED" | "DELETED")) || before["IsReconciled"] == true {
            return None;
        }
        if kind == "invoice" && (is_some(&before["AmountPaid"]) || is_some(&before["AmountCredited"])) {
            return None;
        }
        let mut lines: Vec<Value> = before["LineItems"].as_array()?.iter().map(bare_line).collect();
        let at = usize::try_from(self.dice.below(lines.len() as u64)).unwrap();
        let text = token(self.marks.len());
        let (mut gone, mut is_marked) = (String::new(), false);
        let deed = match self.dice.below(10) {
            0..4 => {
                gone = lines.get(at)?["Description"].as_str().unwrap_or_default().to_owned();
                lines[at]["Description"] = json!(format!("Told {text}"));
                is_marked = true;
                "xero: line's description"
            }
            4..8 => {
                lines.get(at)?;
                lines[at]["UnitAmount"] = json!(format!("{}.{:02}", 1 + self.dice.below(300), self.dice.below(100)));
                "xero: line's price"
            }
            8 => {
                let code = lines.get(at)?["AccountCode"].clone();
                lines.push(json!({"Description": format!("More {text}"), "Quantity": 1, "UnitAmount": "12.34", "AccountCode": code}));
                is_marked = true;
                "xero: line added"
            }
            _ if lines.len() > 1 => {
                gone = lines.remove(at)["Description"].as_str().unwrap_or_default().to_owned();
                "xero: line removed"
            }
            _ => return None,
        };
        let mut body = json!({"LineItems": lines, "LineAmountTypes": before["LineAmountTypes"]});
        if kind == "bank_transaction" {
            body = with_required(body, &before);
        }
        let answer = self.person.edit(endpoint(kind), id, &body);
        if answer.is_ok() {
            self.see(By::Xero, &gone);
            if is_marked {
                self.mark(By::Xero, kind, Who::Xero(id), "line");
            }
        }
        self.took(answer, deed)
    }

    fn xero_invoice_status(&mut self) -> Option<&'static str> {
        let id = self.any("invoice")?;
        let status = self.person.read("Invoices", id).ok()?["Status"].as_str()?.to_owned();
        match status.as_str() {
            "DRAFT" | "SUBMITTED" if !self.dice.one_in(4) => {
                let answer = self.person.edit("Invoices", id, &json!({"Status": "AUTHORISED"}));
                self.took(answer, "xero: approved")
            }
            "DRAFT" | "SUBMITTED" | "AUTHORISED" => {
                let answer = self.person.void_invoice(id);
                self.took(answer, "xero: voided")
            }
            _ => None,
        }
    }

    fn xero_pay(&mut self) -> Option<&'static str> {
        let id = self.any("invoice")?;
        let invoice = self.person.read("Invoices", id).ok()?;
        if invoice["Status"] != "AUTHORISED" {
            return None;
        }
        let due: u64 = invoice["AmountDue"].to_string().replace('.', "").parse().ok()?;
        let amount = if self.dice.one_in(2) { due } else { due / 2 };
        let text = token(self.marks.len());
        let answer = self.person.create(
            "Payments",
            &json!({"Invoice": {"InvoiceID": id}, "Account": {"Code": "090"}, "Date": "2026-06-29",
                "Amount": format!("{}.{:02}", amount / 100, amount % 100), "Reference": format!("Bank {text}")}),
        );
        self.created("payment", answer, "PaymentID", "xero: payment")
    }

    fn xero_unpay(&mut self) -> Option<&'static str> {
        let id = self.any("payment")?;
        if self.person.read("Payments", id).ok()?["Status"] != "AUTHORISED" {
            return None;
        }
        let answer = self.person.delete_payment(id);
        self.took(answer, "xero: payment deleted")
    }

    fn xero_new_bank(&mut self) -> Option<&'static str> {
        let contact = self.active_contact()?;
        let (of_type, code) = if self.dice.one_in(3) { ("RECEIVE", "200") } else { ("SPEND", "429") };
        let text = token(self.marks.len());
        let (day, price) = (1 + self.dice.below(28), 1 + self.dice.below(400));
        let answer = self.person.create(
            "BankTransactions",
            &json!({"Type": of_type, "Contact": {"ContactID": contact}, "BankAccount": {"Code": "090"}, "Date": format!("2026-05-{day:02}"),
                "Reference": format!("Eftpos {text}"), "LineItems": [{"Description": "Things", "Quantity": 1, "UnitAmount": price, "AccountCode": code}]}),
        );
        self.created("bank_transaction", answer, "BankTransactionID", "xero: new bank transaction")
    }

    fn xero_bank(&mut self) -> Option<&'static str> {
        let id = self.any("bank_transaction")?;
        let before = self.person.read("BankTransactions", id).ok()?;
        if before["Status"] != "AUTHORISED" || before["IsReconciled"] == true {
            return None;
        }
        if self.dice.one_in(5) {
            let answer = self.person.edit("BankTransactions", id, &json!({"Status": "DELETED"}));
            return self.took(answer, "xero: bank transaction deleted");
        }
        let lines: Vec<Value> = before["LineItems"].as_array()?.iter().map(bare_line).collect();
        let rest = json!({"LineItems": lines, "LineAmountTypes": before["LineAmountTypes"]});
        let answer =
            self.set_field("bank_transaction", id, "reference", "Reference", "Shop #", with_required(rest, &before));
        self.took(answer, "xero: bank transaction's reference")
    }

    fn xero_archive(&mut self) -> Option<&'static str> {
        let id = self.any("customer")?;
        let contact = self.person.read("Contacts", id).ok()?;
        if contact["ContactStatus"] == "ACTIVE" {
            let answer = if self.dice.one_in(3) { self.person.archive_contact(id) } else { return None };
            return self.took(answer, "xero: contact archived");
        }
        if contact.get("MergedToContactID").is_some() {
            return None;
        }
        let answer = self.person.restore_contact(id);
        self.took(answer, "xero: contact restored")
    }

    fn xero_merge(&mut self) -> Option<&'static str> {
        let (loser, winner) = (self.active_contact()?, self.active_contact()?);
        if loser == winner {
            return None;
        }
        let answer = if self.dice.one_in(3) {
            self.person.clone().quietly().merge_contacts(loser, winner)
        } else {
            self.person.merge_contacts(loser, winner)
        };
        self.took(answer, "xero: contacts merged")
    }

    fn xero_reconcile(&mut self) -> Option<&'static str> {
        let id = self.any("payment")?;
        let is_reconciled = self.dice.one_in(2);
        let answer = self.person.reconcile_payment(id, is_reconciled);
        self.took(answer, "xero: payment reconciled or not")
    }
}

fn is_some(amount: &Value) -> bool {
    amount.to_string().bytes().any(|byte| (b'1'..=b'9').contains(&byte))
}

/// What a line is made of, without what follows from it.
fn bare_line(line: &Value) -> Value {
    let mut bare = json!({});
    for member in [
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
    ] {
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
