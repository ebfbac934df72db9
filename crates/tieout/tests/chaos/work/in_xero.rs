//! What somebody does in Xero's pages.

use oracle::{By, Who, token, tokens_in};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Work, places, shaped};
use crate::now_ms;
use crate::xero::Xero;

type Did = Result<Option<&'static str>, String>;

impl Work {
    pub(super) async fn edit_xero(&mut self, xero: &Xero) -> Did {
        match self.xero_dice.below(100) {
            0..10 => self.xero_new_contact(xero).await,
            10..34 => self.xero_contact(xero).await,
            34..48 => self.xero_new_invoice(xero).await,
            48..60 => self.xero_reference(xero).await,
            60..74 => self.xero_line(xero).await,
            74..79 => self.xero_approve(xero).await,
            79..82 => self.xero_void(xero).await,
            82..92 => self.xero_pay(xero).await,
            92..96 => self.xero_new_bank(xero).await,
            _ => self.xero_bank(xero).await,
        }
    }

    fn any(&mut self, kind: &'static str) -> Option<Uuid> {
        self.xero_dice.recent(self.known.get(kind)?)
    }

    /// A text field gets a token; what it held was seen.
    async fn set_field(
        &mut self,
        xero: &Xero,
        (kind, id): (&'static str, Uuid),
        before: &Value,
        looked_ms: i64,
        (field, member, shape): (&'static str, &'static str, &'static str),
        mut body: Value,
    ) -> Result<(), String> {
        body[member] = json!(shaped(shape, self.next()));
        xero.edit(places(kind).1, id, &body).await?;
        self.see(By::Xero, before[member].as_str().unwrap_or_default());
        let number = self.mark(By::Xero, kind, Who::Xero(id), field);
        self.deed(Some(number), id, field, looked_ms);
        Ok(())
    }

    /// Notes what was made, with every token that it bears: the first is the record's own.
    fn made(&mut self, kind: &'static str, id: &str, made: &Value) -> Result<(), String> {
        let id: Uuid = made[id].as_str().and_then(|id| id.parse().ok()).ok_or("no id in Xero's answer")?;
        let (first, mut tokens) = (self.next(), tokens_in(&made.to_string()));
        tokens.retain(|number| *number >= first);
        tokens.sort_unstable();
        tokens.dedup();
        for number in tokens {
            self.mark(By::Xero, kind, Who::Xero(id), if number == first { "new" } else { "line" });
        }
        self.known.entry(kind).or_default().push(id);
        Ok(())
    }

    async fn xero_new_contact(&mut self, xero: &Xero) -> Did {
        let name = token(self.next());
        let body = json!({"Name": format!("Xero {name}"), "EmailAddress": "new@xero.test"});
        let made = xero.create("Contacts", &body).await?;
        self.made("customer", "ContactID", &made)?;
        Ok(Some("xero: new contact"))
    }

    async fn xero_contact(&mut self, xero: &Xero) -> Did {
        let Some(id) = self.any("customer") else { return Ok(None) };
        let looked_ms = now_ms();
        let before = xero.read("Contacts", id).await?;
        if before["ContactStatus"] != "ACTIVE" {
            return Ok(None);
        }
        let fields = [
            ("first_name", "FirstName", "Bea #"),
            ("last_name", "LastName", "Ng #"),
            ("email", "EmailAddress", "#@xero.test"),
            ("account_number", "AccountNumber", "XA-#"),
            ("tax_number", "TaxNumber", "XT-#"),
            ("company_number", "CompanyNumber", "XC-#"),
            ("name", "Name", "Known as #"),
        ];
        let Some(field) = self.xero_dice.of(&fields) else { return Ok(None) };
        self.set_field(xero, ("customer", id), &before, looked_ms, field, json!({})).await?;
        Ok(Some("xero: contact's field"))
    }

    async fn xero_new_invoice(&mut self, xero: &Xero) -> Did {
        let Some(contact) = self.any("customer") else { return Ok(None) };
        let (of_type, code) = if self.xero_dice.one_in(4) { ("ACCPAY", "429") } else { ("ACCREC", "200") };
        let status = self.xero_dice.of(&["DRAFT", "SUBMITTED", "AUTHORISED", "AUTHORISED"]);
        let number = self.next();
        let (day, price) = (self.xero_dice.between(1, 29), self.xero_dice.between(1, 400));
        let own = shaped("#", number);
        let lines: Vec<Value> = (1..=usize::try_from(self.xero_dice.between(1, 4)).unwrap())
            .map(|at| {
                let text = format!("Item {}", token(number + at));
                json!({"Description": text, "Quantity": at, "UnitAmount": format!("{price}.25"), "AccountCode": code})
            })
            .collect();
        // Reference is a field of sales invoices only.
        let name = if of_type == "ACCPAY" { "InvoiceNumber" } else { "Reference" };
        let body = json!({
            "Type": of_type, "Contact": {"ContactID": contact}, "Date": format!("2026-06-{day:02}"), name: own,
            "DueDate": "2026-08-01", "Status": status, "LineAmountTypes": "Exclusive", "LineItems": lines,
        });
        let made = xero.create("Invoices", &body).await?;
        self.made("invoice", "InvoiceID", &made)?;
        Ok(Some("xero: new invoice"))
    }

    /// An invoice as somebody sees it who is about to change it.
    async fn open_invoice(&mut self, xero: &Xero) -> Result<Option<(Uuid, Value)>, String> {
        let Some(id) = self.any("invoice") else { return Ok(None) };
        let before = xero.read("Invoices", id).await?;
        Ok((!matches!(before["Status"].as_str(), Some("VOIDED" | "DELETED"))).then_some((id, before)))
    }

    async fn xero_reference(&mut self, xero: &Xero) -> Did {
        let looked_ms = now_ms();
        let Some((id, before)) = self.open_invoice(xero).await? else { return Ok(None) };
        if before["Type"] != "ACCREC" {
            return Ok(None);
        }
        let field = ("reference", "Reference", "Xref #");
        self.set_field(xero, ("invoice", id), &before, looked_ms, field, json!({})).await?;
        Ok(Some("xero: reference"))
    }

    async fn xero_line(&mut self, xero: &Xero) -> Did {
        let looked_ms = now_ms();
        let Some((id, before)) = self.open_invoice(xero).await? else { return Ok(None) };
        if is_some(&before["AmountPaid"]) || is_some(&before["AmountCredited"]) {
            return Ok(None);
        }
        let mut lines: Vec<Value> = before["LineItems"].as_array().into_iter().flatten().map(bare_line).collect();
        let places: Vec<usize> = (0..lines.len()).collect();
        let Some(at) = self.xero_dice.of(&places) else { return Ok(None) };
        let is_text = self.xero_dice.one_in(2);
        // The whole set is sent: tokens of every line are written over, but the same texts are written again.
        let gone = lines[at]["Description"].as_str().unwrap_or_default().to_owned();
        if is_text {
            lines[at]["Description"] = json!(shaped("Told #", self.next()));
        } else {
            lines[at]["UnitAmount"] = json!(format!("{}.50", self.xero_dice.between(1, 300)));
        }
        let body = json!({"LineItems": lines, "LineAmountTypes": before["LineAmountTypes"]});
        xero.edit("Invoices", id, &body).await?;
        if !is_text {
            self.deed(None, id, "line", looked_ms);
            return Ok(Some("xero: line's price"));
        }
        self.see(By::Xero, &gone);
        let number = self.mark(By::Xero, "invoice", Who::Xero(id), "line");
        self.deed(Some(number), id, "line", looked_ms);
        Ok(Some("xero: line's description"))
    }

    async fn xero_approve(&mut self, xero: &Xero) -> Did {
        let Some((id, before)) = self.open_invoice(xero).await? else { return Ok(None) };
        if !matches!(before["Status"].as_str(), Some("DRAFT" | "SUBMITTED")) {
            return Ok(None);
        }
        xero.edit("Invoices", id, &json!({"Status": "AUTHORISED"})).await?;
        Ok(Some("xero: approved"))
    }

    async fn xero_void(&mut self, xero: &Xero) -> Did {
        let looked_ms = now_ms();
        let Some((id, _)) = self.open_invoice(xero).await? else { return Ok(None) };
        xero.deed(&format!("invoices/{id}/void")).await?;
        let number = self.mark(By::Xero, "invoice", Who::Xero(id), "removed");
        self.deed(Some(number), id, "removed", looked_ms);
        Ok(Some("xero: voided"))
    }

    async fn xero_pay(&mut self, xero: &Xero) -> Did {
        let Some((id, before)) = self.open_invoice(xero).await? else { return Ok(None) };
        if before["Status"] != "AUTHORISED" {
            return Ok(None);
        }
        let due = cents_of(&before["AmountDue"]);
        let cents = if self.xero_dice.one_in(2) { due } else { due / 2 };
        let body = json!({
            "Invoice": {"InvoiceID": id}, "Account": {"Code": "090"}, "Date": "2026-06-29",
            "Amount": format!("{}.{:02}", cents / 100, cents % 100), "Reference": shaped("Bank #", self.next()),
        });
        let made = xero.create("Payments", &body).await?;
        self.made("payment", "PaymentID", &made)?;
        Ok(Some("xero: payment"))
    }

    async fn xero_new_bank(&mut self, xero: &Xero) -> Did {
        let Some(contact) = self.any("customer") else { return Ok(None) };
        let (of_type, code) = if self.xero_dice.one_in(3) { ("RECEIVE", "200") } else { ("SPEND", "429") };
        let (day, price) = (self.xero_dice.between(1, 29), self.xero_dice.between(1, 400));
        let body = json!({
            "Type": of_type, "Contact": {"ContactID": contact}, "BankAccount": {"Code": "090"},
            "Date": format!("2026-05-{day:02}"), "Reference": shaped("Eftpos #", self.next()),
            "LineItems": [{"Description": "Things", "Quantity": 1, "UnitAmount": price, "AccountCode": code}],
        });
        let made = xero.create("BankTransactions", &body).await?;
        self.made("bank_transaction", "BankTransactionID", &made)?;
        Ok(Some("xero: new bank transaction"))
    }

    async fn xero_bank(&mut self, xero: &Xero) -> Did {
        let Some(id) = self.any("bank_transaction") else { return Ok(None) };
        let looked_ms = now_ms();
        let before = xero.read("BankTransactions", id).await?;
        if before["Status"] != "AUTHORISED" || before["IsReconciled"] == true {
            return Ok(None);
        }
        let lines: Vec<Value> = before["LineItems"].as_array().into_iter().flatten().map(bare_line).collect();
        let body = json!({
            "Type": before["Type"], "Contact": {"ContactID": before["Contact"]["ContactID"]},
            "BankAccount": {"AccountID": before["BankAccount"]["AccountID"]},
            "LineItems": lines, "LineAmountTypes": before["LineAmountTypes"],
        });
        let field = ("reference", "Reference", "Shop #");
        self.set_field(xero, ("bank_transaction", id), &before, looked_ms, field, body).await?;
        Ok(Some("xero: bank transaction's reference"))
    }
}

fn is_some(amount: &Value) -> bool {
    amount.to_string().bytes().any(|byte| (b'1'..=b'9').contains(&byte))
}

/// An amount with at most two decimals, in cents.
fn cents_of(amount: &Value) -> u64 {
    let text = amount.to_string();
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{part:0<2}").parse().unwrap_or(0)
}

/// What a line is made of, without what follows from it.
fn bare_line(line: &Value) -> Value {
    let members = [
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
    let own = members.into_iter().filter_map(|member| Some((member.to_owned(), line.get(member)?.clone())));
    Value::Object(own.collect())
}
