//! The App's invoices, payments and bank transactions.

use oracle::{By, Who};

use super::super::app::quoted;
use super::super::{Workload, odd, table};

/// What may change while nothing is booked on it.
const OPEN: &str = "status IN ('DRAFT', 'SENT') AND amount_paid = 0 AND amount_credited = 0";

impl Workload {
    pub(in super::super) async fn app_new_invoice(
        &mut self,
        currency: Option<&str>,
        is_long: bool,
    ) -> Option<&'static str> {
        let customer = self.pick("customers", "status = 'ACTIVE'").await?;
        let org = self.org;
        let is_bill = self.dice.one_in(4);
        let status = self.dice.of(&["DRAFT", "SENT", "SENT"]);
        let types = self.dice.of(&["EXCLUSIVE", "INCLUSIVE", "NO_TAX"]);
        let (number, text) = self.token();
        let values = match (is_bill, self.dice.below(8)) {
            // Neither: the engine has to mark it by itself.
            (_, 0) => "NULL, NULL".to_owned(),
            (false, 1..4) => format!("NULL, 'R {text}'"),
            _ => format!("'N-{text}', NULL"),
        };
        let has_token = values != "NULL, NULL";
        let of_type = if is_bill { "ACCPAY" } else { "ACCREC" };
        let day = 1 + self.dice.below(28);
        let currency = currency.map_or_else(|| "NULL".to_owned(), quoted);
        let id = self
            .app
            .insert(&format!(
                "INSERT INTO invoices (org_id, type, number, reference, customer_id, date, due_date, status, \
                 line_amount_types, currency) VALUES ({org}, '{of_type}', {values}, {customer}, '2026-06-{day:02}', \
                 '2026-07-{day:02}', '{status}', '{types}', {currency})"
            ))
            .await?;
        if has_token {
            self.mark(number, By::App, "invoice", Who::Local(id), "new");
        }
        let lines =
            if is_long { 10 + self.dice.below(self.options.lines.saturating_sub(9)) } else { 1 + self.dice.below(3) };
        for position in 1..=lines {
            let code = self.account(is_bill);
            self.app_line("invoice", id, position, &code, is_long).await?;
        }
        Some(if is_long { "app: long invoice" } else { "app: new invoice" })
    }

    fn account(&mut self, is_bill: bool) -> String {
        let codes: &[&str] = if is_bill { &["429", "429", "404", "461"] } else { &["200", "200", "260"] };
        self.dice.of(codes).to_owned()
    }

    async fn app_line(
        &mut self,
        kind: &'static str,
        id: i64,
        position: u64,
        account: &str,
        is_bare: bool,
    ) -> Option<()> {
        let (number, text) = self.token();
        let (child, parent) = lines_of(kind);
        let fraction = if self.dice.one_in(3) { self.dice.below(10_000) } else { 0 };
        let quantity = i64::try_from((1 + self.dice.below(5)) * 10_000 + fraction).ok()?;
        let price = i64::try_from(10_000 + self.dice.below(3_000_000)).ok()?;
        let (quantity, price) = (self.app.money(quantity), self.app.money(price));
        // No two lines of a document say the same.
        self.sql(&format!(
            "INSERT INTO {child} ({parent}, position, description, quantity, unit_amount, account_code) \
             VALUES ({id}, {position}, 'Work {text} no {position}', {quantity}, {price}, '{account}')"
        ))
        .await?;
        if !is_bare || position <= 20 {
            self.mark(number, By::App, kind, Who::Local(id), "line");
        }
        Some(())
    }

    pub(super) async fn app_odd_line(&mut self) -> Option<&'static str> {
        let id = self.pick("invoices", OPEN).await?;
        let next = self.next_position("invoice", id).await?;
        let (number, token) = self.token();
        let text = quoted(&odd::text(&mut self.dice, &token, 400));
        let (quantity, price) = odd::figures(&mut self.dice);
        let (quantity, price) = (self.app.money(quantity), self.app.money(price));
        let code =
            self.app.text(&format!("SELECT account_code AS c FROM invoice_lines WHERE invoice_id = {id}")).await?;
        self.sql(&format!(
            "INSERT INTO invoice_lines (invoice_id, position, description, quantity, unit_amount, account_code) \
             VALUES ({id}, {next}, {text}, {quantity}, {price}, {})",
            quoted(&code)
        ))
        .await?;
        self.mark(number, By::App, "invoice", Who::Local(id), "line");
        Some("app: odd line")
    }

    async fn next_position(&self, kind: &str, id: i64) -> Option<i64> {
        let (child, parent) = lines_of(kind);
        self.app.number(&format!("SELECT COALESCE(MAX(position), 0) + 1 AS c FROM {child} WHERE {parent} = {id}")).await
    }

    pub(super) async fn app_invoice_header(&mut self) -> Option<&'static str> {
        match self.dice.below(10) {
            0..6 => {
                let id = self.pick("invoices", "type = 'ACCREC' AND status <> 'CANCELLED'").await?;
                self.set_text("invoice", id, "reference", "Ref #").await?;
                Some("app: reference")
            }
            6..8 => {
                let id = self.pick("invoices", "status <> 'CANCELLED'").await?;
                self.set_text("invoice", id, "number", "INV/#").await?;
                Some("app: number")
            }
            8 => {
                let id = self.pick("invoices", "status <> 'CANCELLED'").await?;
                let day = 1 + self.dice.below(28);
                self.sql(&format!("UPDATE invoices SET due_date = '2026-09-{day:02}' WHERE id = {id}")).await?;
                Some("app: due date")
            }
            _ => {
                let id = self.pick("invoices", "status IN ('DRAFT', 'SENT')").await?;
                let customer = self.pick("customers", "status = 'ACTIVE'").await?;
                self.sql(&format!("UPDATE invoices SET customer_id = {customer} WHERE id = {id}")).await?;
                Some("app: customer of an invoice")
            }
        }
    }

    pub(super) async fn app_lines(&mut self, kind: &'static str) -> Option<&'static str> {
        let (child, parent) = lines_of(kind);
        // Now and then a paid one too: that must end in the list of failures.
        let condition = match kind {
            "invoice" if self.dice.one_in(8) => "status <> 'CANCELLED'",
            "invoice" => OPEN,
            _ => "status = 'COMPLETED' AND type IN ('SPEND', 'RECEIVE')",
        };
        let id = self.pick(table(kind), condition).await?;
        let sql = format!("SELECT position AS c FROM {child} WHERE {parent} = {id} ORDER BY position");
        let positions: Vec<String> = self.app.texts(&sql).await.ok()?.into_iter().flatten().collect();
        if positions.is_empty() {
            return None;
        }
        let at = &positions[self.dice.place(positions.len())];
        let of_line = format!("{parent} = {id} AND position = {at}");
        let before = self.app.text(&format!("SELECT description AS c FROM {child} WHERE {of_line}")).await;
        let before = before.unwrap_or_default();
        match self.dice.below(10) {
            0..4 => {
                let (number, text) = self.token();
                self.sql(&format!("UPDATE {child} SET description = 'Said {text}' WHERE {of_line}")).await?;
                self.see(By::App, &before);
                self.mark(number, By::App, kind, Who::Local(id), "line");
                Some("app: line's description")
            }
            4..8 => {
                let price = self.app.money(i64::try_from(10_000 + self.dice.below(2_000_000)).ok()?);
                self.sql(&format!("UPDATE {child} SET unit_amount = {price} WHERE {of_line}")).await?;
                Some("app: line's price")
            }
            8 => {
                let code = self.app.text(&format!("SELECT account_code AS c FROM {child} WHERE {of_line}")).await?;
                let next = u64::try_from(self.next_position(kind, id).await?).ok()?;
                self.app_line(kind, id, next, &code, false).await?;
                Some("app: line added")
            }
            _ if positions.len() > 1 => {
                self.sql(&format!("DELETE FROM {child} WHERE {of_line}")).await?;
                self.see(By::App, &before);
                Some("app: line removed")
            }
            _ => None,
        }
    }

    pub(super) async fn app_invoice_status(&mut self) -> Option<&'static str> {
        if self.dice.one_in(2) {
            let id = self.pick("invoices", "status = 'DRAFT'").await?;
            self.sql(&format!("UPDATE invoices SET status = 'SENT' WHERE id = {id}")).await?;
            return Some("app: approved");
        }
        if self.dice.one_in(12) {
            // The database takes it; Xero cannot: it must be listed.
            let id = self.pick("invoices", "status = 'SENT'").await?;
            self.sql(&format!("UPDATE invoices SET status = 'PAID' WHERE id = {id}")).await?;
            return Some("app: paid by status");
        }
        if self.dice.one_in(6) {
            let id = self.pick("invoices", "status = 'SENT'").await?;
            self.sql(&format!("UPDATE invoices SET status = 'OVERDUE' WHERE id = {id}")).await?;
            return Some("app: overdue");
        }
        let id = self.pick("invoices", OPEN).await?;
        self.app_cancel(id).await?;
        Some("app: cancelled")
    }

    pub(in super::super) async fn app_cancel(&mut self, id: i64) -> Option<()> {
        self.sql(&format!("UPDATE invoices SET status = 'CANCELLED' WHERE id = {id}")).await?;
        self.removed(By::App, "invoice", Who::Local(id));
        Some(())
    }

    pub(in super::super) async fn app_pay(&mut self, invoice: Option<i64>) -> Option<&'static str> {
        let id = match invoice {
            Some(id) => id,
            None => self.pick("invoices", "status IN ('SENT', 'OVERDUE') AND amount_due > 0").await?,
        };
        let due = self.app.text(&format!("SELECT amount_due AS c FROM invoices WHERE id = {id}")).await?;
        let due = self.app.ten_thousandths(&due)?;
        // Now and then more than is due.
        let amount = match self.dice.below(12) {
            0 => due + 10_000,
            1..5 => due,
            _ => (due / 20_000) * 10_000,
        };
        if amount <= 0 {
            return None;
        }
        let (number, text) = self.token();
        let (org, bank, amount) = (self.org, self.bank?, self.app.money(amount));
        // Now and then without anything to find it by.
        let reference = if self.dice.one_in(6) { "NULL".to_owned() } else { format!("'Paid {text}'") };
        let payment = self
            .app
            .insert(&format!(
                "INSERT INTO payments (org_id, invoice_id, account_id, date, amount, reference) \
                 VALUES ({org}, {id}, {bank}, '2026-06-30', {amount}, {reference})"
            ))
            .await?;
        if reference != "NULL" {
            self.mark(number, By::App, "payment", Who::Local(payment), "new");
        }
        Some("app: payment")
    }

    pub(super) async fn app_unpay(&mut self) -> Option<&'static str> {
        let id = self.pick("payments", "status = 'COMPLETED' AND invoice_id IS NOT NULL").await?;
        if self.dice.one_in(3) {
            self.sql(&format!("DELETE FROM payments WHERE id = {id}")).await?;
            self.forget("payment", id);
            return Some("app: payment's row deleted");
        }
        self.sql(&format!("UPDATE payments SET status = 'CANCELLED' WHERE id = {id}")).await?;
        self.removed(By::App, "payment", Who::Local(id));
        Some("app: payment cancelled")
    }

    pub(super) async fn app_new_bank(&mut self) -> Option<&'static str> {
        let customer = self.pick("customers", "status = 'ACTIVE'").await?;
        let (of_type, code) = if self.dice.one_in(3) { ("RECEIVE", "200") } else { ("SPEND", "429") };
        let (number, text) = self.token();
        let (org, bank) = (self.org, self.bank?);
        let day = 1 + self.dice.below(28);
        let reference = if self.dice.one_in(8) { "NULL".to_owned() } else { format!("'Card {text}'") };
        let id = self
            .app
            .insert(&format!(
                "INSERT INTO bank_transactions (org_id, type, customer_id, account_id, date, reference) \
                 VALUES ({org}, '{of_type}', {customer}, {bank}, '2026-06-{day:02}', {reference})"
            ))
            .await?;
        if reference != "NULL" {
            self.mark(number, By::App, "bank_transaction", Who::Local(id), "new");
        }
        self.app_line("bank_transaction", id, 1, code, false).await?;
        Some("app: new bank transaction")
    }

    pub(super) async fn app_bank(&mut self) -> Option<&'static str> {
        let id = self.pick("bank_transactions", "status = 'COMPLETED' AND type IN ('SPEND', 'RECEIVE')").await?;
        match self.dice.below(8) {
            0 => {
                self.sql(&format!("UPDATE bank_transactions SET status = 'CANCELLED' WHERE id = {id}")).await?;
                self.removed(By::App, "bank_transaction", Who::Local(id));
                Some("app: bank transaction cancelled")
            }
            1 => {
                self.sql(&format!("DELETE FROM bank_transactions WHERE id = {id}")).await?;
                self.forget("bank_transaction", id);
                Some("app: bank transaction's row deleted")
            }
            _ => {
                self.set_text("bank_transaction", id, "reference", "Moved #").await?;
                Some("app: bank transaction's reference")
            }
        }
    }

    pub(super) async fn app_delete(&mut self) -> Option<&'static str> {
        let id = self.pick("invoices", OPEN).await?;
        // The database refuses while something refers to it.
        self.sql(&format!("DELETE FROM invoices WHERE id = {id}")).await?;
        self.forget("invoice", id);
        Some("app: invoice's row deleted")
    }
}

fn lines_of(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "invoice" => ("invoice_lines", "invoice_id"),
        _ => ("bank_transaction_lines", "bank_transaction_id"),
    }
}
