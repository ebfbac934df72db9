//! A day at work: random edits of both sides, each with a token of its own by which it can be found again.
//!
//! The App edits by plain SQL, somebody in Xero by Xero's own pages. What an edit writes over is looked at first, so that
//! at the end of the day every edit can be accounted for: a token that somebody on the other side wrote over had arrived.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::common::sql::App;

/// Which side an edit was made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    App,
    Xero,
}

/// The record of an edit, by the name it has on its own side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Local(i64),
    Xero(Uuid),
}

/// An edit that put a token somewhere.
#[derive(Debug, Clone)]
pub struct Mark {
    pub number: usize,
    pub by: By,
    pub kind: &'static str,
    pub who: Who,
    pub field: &'static str,
    /// The same side wrote over it, or removed what held it.
    pub is_superseded: bool,
    /// The other side had it before its eyes when it wrote over it.
    pub is_seen: bool,
}

/// Numbers from a seed, the same on every machine.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }
}

/// Both sides and what was done to them.
pub struct Day {
    pub app: App,
    pub person: emulator::Person,
    pub dice: Dice,
    pub org: i64,
    /// The App's id of the bank account that payments go through.
    pub bank: i64,
    pub marks: Vec<Mark>,
    pub edits: usize,
    /// What was done, how often: shows that a day was a day.
    pub deeds: BTreeMap<&'static str, usize>,
    pub refused: BTreeMap<String, usize>,
    /// Xero's ids by kind.
    pub known: BTreeMap<&'static str, Vec<Uuid>>,
    last: BTreeMap<(By, &'static str, Who, &'static str), usize>,
}

pub const KINDS: [&str; 4] = ["customer", "invoice", "payment", "bank_transaction"];

pub fn table(kind: &str) -> &'static str {
    match kind {
        "customer" => "customers",
        "invoice" => "invoices",
        "payment" => "payments",
        _ => "bank_transactions",
    }
}

pub fn endpoint(kind: &str) -> &'static str {
    match kind {
        "customer" => "Contacts",
        "invoice" => "Invoices",
        "payment" => "Payments",
        _ => "BankTransactions",
    }
}

pub fn token(number: usize) -> String {
    format!("tk{number:05}")
}

/// The tokens in a text.
pub fn tokens_in(text: &str) -> Vec<usize> {
    text.match_indices("tk").filter_map(|(at, _)| text.get(at + 2..at + 7)?.parse().ok()).collect()
}

impl Day {
    pub async fn new(app: App, person: emulator::Person, seed: u64) -> Self {
        let bank = app.text("SELECT id AS c FROM accounts WHERE code = '090'").await.unwrap().parse().unwrap();
        let org = app.text("SELECT MIN(org_id) AS c FROM customers").await.unwrap().parse().unwrap();
        let mut day = Self {
            app,
            person,
            dice: Dice::new(seed),
            org,
            bank,
            marks: Vec::new(),
            edits: 0,
            deeds: BTreeMap::new(),
            refused: BTreeMap::new(),
            known: BTreeMap::new(),
            last: BTreeMap::new(),
        };
        day.look_round().await;
        day
    }

    /// Learns which records there are by now.
    pub async fn look_round(&mut self) {
        let hex = match &self.app {
            App::Sqlite(_) => "lower(hex(xero_id))",
            App::Postgres(_) => "replace(CAST(xero_id AS TEXT), '-', '')",
        };
        for kind in KINDS {
            let sql = format!("SELECT {hex} AS c FROM links WHERE kind = '{kind}' ORDER BY local_id");
            let ids = self.app.texts(&sql).await.into_iter().flatten();
            self.known.insert(kind, ids.map(|id| Uuid::parse_str(&id).unwrap()).collect());
        }
    }

    /// Does edits until one was taken.
    pub async fn edit(&mut self) {
        loop {
            let deed = if self.dice.one_in(2) { self.edit_app().await } else { self.edit_xero() };
            if let Some(deed) = deed {
                *self.deeds.entry(deed).or_default() += 1;
                self.edits += 1;
                return;
            }
        }
    }

    // ---- tokens ----

    fn mark(&mut self, by: By, kind: &'static str, who: Who, field: &'static str) -> usize {
        let number = self.marks.len();
        self.marks.push(Mark { number, by, kind, who, field, is_superseded: false, is_seen: false });
        if field != "line" && field != "new" {
            if let Some(before) = self.last.insert((by, kind, who, field), number) {
                self.marks[before].is_superseded = true;
            }
        }
        number
    }

    /// Somebody is about to write over, or remove, what holds these tokens.
    fn see(&mut self, by: By, text: &str) {
        for number in tokens_in(text) {
            let Some(mark) = self.marks.get_mut(number) else { continue };
            if mark.by == by { mark.is_superseded = true } else { mark.is_seen = true }
        }
    }

    // ---- the App ----

    fn money(&self, ten_thousandths: u64) -> String {
        match &self.app {
            App::Sqlite(_) => ten_thousandths.to_string(),
            App::Postgres(_) => format!("{}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000),
        }
    }

    async fn pick(&mut self, table: &str, condition: &str) -> Option<i64> {
        let most: u64 = self.app.text(&format!("SELECT MAX(id) AS c FROM {table}")).await?.parse().ok()?;
        // Half of the time somebody works on what is new.
        let from = if self.dice.one_in(2) { most.saturating_sub(self.dice.below(15)) } else { self.dice.below(most) };
        let sql = format!("SELECT id AS c FROM {table} WHERE id >= {from} AND ({condition}) ORDER BY id LIMIT 1");
        self.app.text(&sql).await?.parse().ok()
    }

    async fn new_id(&self, table: &str) -> i64 {
        self.app.text(&format!("SELECT MAX(id) AS c FROM {table}")).await.unwrap().parse().unwrap()
    }

    /// A text column of the App gets a token.
    async fn set_text(&mut self, kind: &'static str, id: i64, column: &'static str, shape: &str) {
        let table = table(kind);
        let before = self.app.text(&format!("SELECT {column} AS c FROM {table} WHERE id = {id}")).await;
        self.see(By::App, &before.unwrap_or_default());
        let number = self.mark(By::App, kind, Who::Local(id), column);
        let text = shape.replace('#', &token(number));
        self.app.run(&format!("UPDATE {table} SET {column} = '{text}' WHERE id = {id}")).await;
    }

    async fn edit_app(&mut self) -> Option<&'static str> {
        match self.dice.below(100) {
            0..6 => self.app_new_customer().await,
            6..22 => self.app_customer().await,
            22..34 => self.app_slots().await,
            34..42 => self.app_new_invoice().await,
            42..54 => self.app_invoice_header().await,
            54..68 => self.app_lines("invoice").await,
            68..75 => self.app_invoice_status().await,
            75..83 => self.app_pay().await,
            83..86 => self.app_unpay().await,
            86..90 => self.app_new_bank().await,
            90..95 => self.app_bank().await,
            95..97 => self.app_lines("bank_transaction").await,
            97..98 => self.app_delete().await,
            _ => self.app_archive().await,
        }
    }

    async fn app_new_customer(&mut self) -> Option<&'static str> {
        let id = self.new_id("customers").await + 1_000_000_000; // Not known yet: the token is in the name.
        let number = self.mark(By::App, "customer", Who::Local(id), "new");
        let name = token(number);
        let org = self.org;
        self.app.run(&format!("INSERT INTO customers (org_id, name, email) VALUES ({org}, 'App {name}', '{name}@app.test')")).await;
        let id = self.new_id("customers").await;
        self.marks[number].who = Who::Local(id);
        if self.dice.one_in(2) {
            let number = self.mark(By::App, "customer", Who::Local(id), "phone MOBILE");
            let text = token(number);
            self.app.run(&format!("INSERT INTO customer_phones (customer_id, position, type, number) VALUES ({id}, 1, 'MOBILE', '021 {text}')")).await;
        }
        Some("app: new customer")
    }

    async fn app_customer(&mut self) -> Option<&'static str> {
        let id = self.pick("customers", "status = 'ACTIVE'").await?;
        let column = self.dice.of(&["first_name", "last_name", "email", "account_number", "tax_number", "company_number", "name"]);
        let (column, shape): (&'static str, &str) = match column {
            "first_name" => ("first_name", "Ann #"),
            "last_name" => ("last_name", "O Connor #"),
            "email" => ("email", "#@app.test"),
            "account_number" => ("account_number", "A-#"),
            "tax_number" => ("tax_number", "T-#"),
            "company_number" => ("company_number", "C-#"),
            _ => ("name", "Renamed #"),
        };
        self.set_text("customer", id, column, shape).await;
        Some("app: customer's field")
    }

    async fn app_slots(&mut self) -> Option<&'static str> {
        let id = self.pick("customers", "status = 'ACTIVE'").await?;
        if self.dice.one_in(3) {
            let (child, slot, column, field) = ("customer_addresses", "STREET", "city", "address STREET");
            return self.app_slot(id, child, slot, column, field).await;
        }
        let (slot, field) = if self.dice.one_in(2) { ("MOBILE", "phone MOBILE") } else { ("DEFAULT", "phone DEFAULT") };
        self.app_slot(id, "customer_phones", slot, "number", field).await
    }

    async fn app_slot(&mut self, id: i64, child: &str, slot: &str, column: &str, field: &'static str) -> Option<&'static str> {
        let before = self.app.text(&format!("SELECT {column} AS c FROM {child} WHERE customer_id = {id} AND type = '{slot}'")).await;
        self.see(By::App, before.as_deref().unwrap_or_default());
        if before.is_some() && self.dice.one_in(6) {
            let key = (By::App, "customer", Who::Local(id), field);
            if let Some(number) = self.last.remove(&key) {
                self.marks[number].is_superseded = true;
            }
            self.app.run(&format!("DELETE FROM {child} WHERE customer_id = {id} AND type = '{slot}'")).await;
            return Some("app: slot removed");
        }
        let number = self.mark(By::App, "customer", Who::Local(id), field);
        let text = token(number);
        let done = format!("UPDATE {child} SET {column} = '{text}' WHERE customer_id = {id} AND type = '{slot}'");
        if self.app.run(&done).await == 0 {
            let position = format!("(SELECT COALESCE(MAX(position), 0) + 1 FROM {child} WHERE customer_id = {id})");
            self.app.run(&format!("INSERT INTO {child} (customer_id, position, type, {column}) VALUES ({id}, {position}, '{slot}', '{text}')")).await;
        }
        Some("app: phone or address")
    }

    async fn app_new_invoice(&mut self) -> Option<&'static str> {
        let customer = self.pick("customers", "status = 'ACTIVE'").await?;
        let org = self.org;
        let is_bill = self.dice.one_in(4);
        let status = self.dice.of(&["DRAFT", "SENT", "SENT"]);
        let types = self.dice.of(&["EXCLUSIVE", "INCLUSIVE", "NO_TAX"]);
        let number = self.mark(By::App, "invoice", Who::Local(0), "new");
        let text = token(number);
        let has_number = is_bill || self.dice.one_in(2);
        let values = match has_number {
            true => format!("'N-{text}', NULL"),
            false => format!("NULL, 'R {text}'"),
        };
        let of_type = if is_bill { "ACCPAY" } else { "ACCREC" };
        let day = 1 + self.dice.below(28);
        self.app
            .run(&format!(
                "INSERT INTO invoices (org_id, type, number, reference, customer_id, date, due_date, status, line_amount_types) \
                 VALUES ({org}, '{of_type}', {values}, {customer}, '2026-06-{day:02}', '2026-07-{day:02}', '{status}', '{types}')"
            ))
            .await;
        let id = self.new_id("invoices").await;
        self.marks[number].who = Who::Local(id);
        for position in 1..=1 + self.dice.below(3) {
            self.app_line("invoice", id, position, if is_bill { "429" } else { "200" }).await;
        }
        Some("app: new invoice")
    }

    async fn app_line(&mut self, kind: &'static str, id: i64, position: u64, account: &str) {
        let number = self.mark(By::App, kind, Who::Local(id), "line");
        let text = token(number);
        let (child, parent) = lines_of(kind);
        let quantity = (1 + self.dice.below(5)) * 10_000 + self.dice_fraction();
        let quantity = self.money(quantity);
        let price = 10_000 + self.dice.below(3_000_000);
        let price = self.money(price);
        self.app
            .run(&format!(
                "INSERT INTO {child} ({parent}, position, description, quantity, unit_amount, account_code) \
                 VALUES ({id}, {position}, 'Work {text}', {quantity}, {price}, '{account}')"
            ))
            .await;
    }

    fn dice_fraction(&mut self) -> u64 {
        if self.dice.one_in(3) { self.dice.below(10_000) } else { 0 }
    }

    async fn app_invoice_header(&mut self) -> Option<&'static str> {
        match self.dice.below(10) {
            0..6 => {
                let id = self.pick("invoices", "type = 'ACCREC' AND status <> 'CANCELLED'").await?;
                self.set_text("invoice", id, "reference", "Ref #").await;
                Some("app: reference")
            }
            6..8 => {
                let id = self.pick("invoices", "status <> 'CANCELLED'").await?;
                self.set_text("invoice", id, "number", "INV/#").await;
                Some("app: number")
            }
            8 => {
                let id = self.pick("invoices", "status <> 'CANCELLED'").await?;
                let day = 1 + self.dice.below(28);
                self.app.run(&format!("UPDATE invoices SET due_date = '2026-09-{day:02}' WHERE id = {id}")).await;
                Some("app: due date")
            }
            _ => {
                let id = self.pick("invoices", "status IN ('DRAFT', 'SENT')").await?;
                let customer = self.pick("customers", "status = 'ACTIVE'").await?;
                self.app.run(&format!("UPDATE invoices SET customer_id = {customer} WHERE id = {id}")).await;
                Some("app: customer of an invoice")
            }
        }
    }

    async fn app_lines(&mut self, kind: &'static str) -> Option<&'static str> {
        let (child, parent) = lines_of(kind);
        // Now and then a paid one too: that must end in the list of failures.
        let condition = match kind {
            "invoice" if self.dice.one_in(8) => "status <> 'CANCELLED'",
            "invoice" => "status IN ('DRAFT', 'SENT') AND amount_paid = 0 AND amount_credited = 0",
            _ => "status = 'COMPLETED' AND type IN ('SPEND', 'RECEIVE')",
        };
        let id = self.pick(table(kind), condition).await?;
        let positions = self.app.texts(&format!("SELECT position AS c FROM {child} WHERE {parent} = {id} ORDER BY position")).await;
        let at = positions.get(usize::try_from(self.dice.below(positions.len() as u64)).unwrap())?.clone()?;
        let of_line = format!("{parent} = {id} AND position = {at}");
        let before = self.app.text(&format!("SELECT description AS c FROM {child} WHERE {of_line}")).await.unwrap_or_default();
        match self.dice.below(10) {
            0..4 => {
                self.see(By::App, &before);
                let number = self.mark(By::App, kind, Who::Local(id), "line");
                self.app.run(&format!("UPDATE {child} SET description = 'Said {}' WHERE {of_line}", token(number))).await;
                Some("app: line's description")
            }
            4..8 => {
                let price = 10_000 + self.dice.below(2_000_000);
                let price = self.money(price);
                self.app.run(&format!("UPDATE {child} SET unit_amount = {price} WHERE {of_line}")).await;
                Some("app: line's price")
            }
            8 => {
                let code = self.app.text(&format!("SELECT account_code AS c FROM {child} WHERE {of_line}")).await?;
                let next = positions.iter().flatten().filter_map(|text| text.parse::<u64>().ok()).max()? + 1;
                self.app_line(kind, id, next, &code).await;
                Some("app: line added")
            }
            _ if positions.len() > 1 => {
                self.see(By::App, &before);
                self.app.run(&format!("DELETE FROM {child} WHERE {of_line}")).await;
                Some("app: line removed")
            }
            _ => None,
        }
    }

    async fn app_invoice_status(&mut self) -> Option<&'static str> {
        if self.dice.one_in(2) {
            let id = self.pick("invoices", "status = 'DRAFT'").await?;
            self.app.run(&format!("UPDATE invoices SET status = 'SENT' WHERE id = {id}")).await;
            return Some("app: approved");
        }
        if self.dice.one_in(12) {
            // Sqlite and PostgreSQL take it; Xero cannot: it must be listed.
            let id = self.pick("invoices", "status = 'SENT'").await?;
            self.app.run(&format!("UPDATE invoices SET status = 'PAID' WHERE id = {id}")).await;
            return Some("app: paid by status");
        }
        let id = self.pick("invoices", "status IN ('DRAFT', 'SENT') AND amount_paid = 0 AND amount_credited = 0").await?;
        self.app.run(&format!("UPDATE invoices SET status = 'CANCELLED' WHERE id = {id}")).await;
        Some("app: cancelled")
    }

    async fn app_pay(&mut self) -> Option<&'static str> {
        let id = self.pick("invoices", "status = 'SENT' AND amount_due > 0").await?;
        let due: String = self.app.text(&format!("SELECT amount_due AS c FROM invoices WHERE id = {id}")).await?;
        let due = match &self.app {
            App::Sqlite(_) => due.parse::<u64>().ok()?,
            App::Postgres(_) => due.replace('.', "").parse::<u64>().ok()?,
        };
        // Now and then more than is due.
        let amount = match self.dice.below(12) {
            0 => due + 10_000,
            1..5 => due,
            _ => (due / 20_000) * 10_000,
        };
        if amount == 0 {
            return None;
        }
        let number = self.mark(By::App, "payment", Who::Local(0), "new");
        let (org, bank, amount, text) = (self.org, self.bank, self.money(amount), token(number));
        self.app
            .run(&format!(
                "INSERT INTO payments (org_id, invoice_id, account_id, date, amount, reference) \
                 VALUES ({org}, {id}, {bank}, '2026-06-30', {amount}, 'Paid {text}')"
            ))
            .await;
        let payment = self.new_id("payments").await;
        self.marks[number].who = Who::Local(payment);
        Some("app: payment")
    }

    async fn app_unpay(&mut self) -> Option<&'static str> {
        let id = self.pick("payments", "status = 'COMPLETED' AND invoice_id IS NOT NULL").await?;
        if self.dice.one_in(3) {
            self.forget("payments", id).await;
            self.app.run(&format!("DELETE FROM payments WHERE id = {id}")).await;
            return Some("app: payment's row deleted");
        }
        self.app.run(&format!("UPDATE payments SET status = 'CANCELLED' WHERE id = {id}")).await;
        Some("app: payment cancelled")
    }

    async fn app_new_bank(&mut self) -> Option<&'static str> {
        let customer = self.pick("customers", "status = 'ACTIVE'").await?;
        let (of_type, code) = if self.dice.one_in(3) { ("RECEIVE", "200") } else { ("SPEND", "429") };
        let number = self.mark(By::App, "bank_transaction", Who::Local(0), "new");
        let (org, bank, text) = (self.org, self.bank, token(number));
        let day = 1 + self.dice.below(28);
        self.app
            .run(&format!(
                "INSERT INTO bank_transactions (org_id, type, customer_id, account_id, date, reference) \
                 VALUES ({org}, '{of_type}', {customer}, {bank}, '2026-06-{day:02}', 'Card {text}')"
            ))
            .await;
        let id = self.new_id("bank_transactions").await;
        self.marks[number].who = Who::Local(id);
        self.app_line("bank_transaction", id, 1, code).await;
        Some("app: new bank transaction")
    }

    async fn app_bank(&mut self) -> Option<&'static str> {
        let id = self.pick("bank_transactions", "status = 'COMPLETED' AND type IN ('SPEND', 'RECEIVE')").await?;
        match self.dice.below(8) {
            0 => {
                self.app.run(&format!("UPDATE bank_transactions SET status = 'CANCELLED' WHERE id = {id}")).await;
                Some("app: bank transaction cancelled")
            }
            1 => {
                self.forget("bank_transactions", id).await;
                self.app.run(&format!("DELETE FROM bank_transactions WHERE id = {id}")).await;
                Some("app: bank transaction's row deleted")
            }
            _ => {
                self.set_text("bank_transaction", id, "reference", "Moved #").await;
                Some("app: bank transaction's reference")
            }
        }
    }

    async fn app_delete(&mut self) -> Option<&'static str> {
        let id = self.pick("invoices", "status IN ('DRAFT', 'SENT') AND amount_paid = 0 AND amount_credited = 0").await?;
        // The database refuses while something refers to it.
        let deleted = self.app.try_run(&format!("DELETE FROM invoices WHERE id = {id}")).await;
        deleted.ok().map(|_| {
            for mark in &mut self.marks {
                if mark.kind == "invoice" && mark.who == Who::Local(id) {
                    mark.is_superseded = true;
                }
            }
            "app: invoice's row deleted"
        })
    }

    /// The App takes a record away: what it said of it goes with it.
    async fn forget(&mut self, of: &str, id: i64) {
        for mark in &mut self.marks {
            if table(mark.kind) == of && mark.who == Who::Local(id) {
                mark.is_superseded = true;
            }
        }
    }

    async fn app_archive(&mut self) -> Option<&'static str> {
        if !self.dice.one_in(3) {
            return None;
        }
        let id = self.pick("customers", "status = 'ACTIVE'").await?;
        self.app.run(&format!("UPDATE customers SET status = 'ARCHIVED' WHERE id = {id}")).await;
        Some("app: customer archived")
    }

    // ---- Xero ----

    fn any(&mut self, kind: &'static str) -> Option<Uuid> {
        let all = self.known.get(kind)?;
        let most = all.len() as u64;
        let at = if self.dice.one_in(2) { most.saturating_sub(1 + self.dice.below(15)) } else { self.dice.below(most) };
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

    fn edit_xero(&mut self) -> Option<&'static str> {
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
    fn set_field(&mut self, kind: &'static str, id: Uuid, field: &'static str, member: &str, shape: &str, rest: Value) -> Result<Value, String> {
        let before = self.person.read(endpoint(kind), id)?;
        let number = self.marks.len();
        let mut body = rest;
        body[member] = json!(shape.replace('#', &token(number)));
        let answer = self.person.edit(endpoint(kind), id, &body)?;
        self.see(By::Xero, before[member].as_str().unwrap_or_default());
        self.mark(By::Xero, kind, Who::Xero(id), field);
        Ok(answer)
    }

    fn created(&mut self, kind: &'static str, answer: Result<Value, String>, id: &str, deed: &'static str) -> Option<&'static str> {
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
        let answer = self.person.create("Contacts", &json!({"Name": format!("Xero {text}"), "EmailAddress": "new@xero.test"}));
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
        let old = before[list].as_array().into_iter().flatten().find(|item| item[key] == slot).cloned().unwrap_or_default();
        let mut item = json!({key: slot, member: text});
        for same in ["PhoneAreaCode", "PhoneCountryCode", "AddressLine1", "AddressLine2", "AddressLine3", "AddressLine4", "Region", "PostalCode", "Country", "AttentionTo"] {
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
        if kind == "invoice" && (before["AmountPaid"].to_string() != "0.00" || before["AmountCredited"].to_string() != "0.00") {
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
        let answer = self.set_field("bank_transaction", id, "reference", "Reference", "Shop #", with_required(rest, &before));
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

fn lines_of(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "invoice" => ("invoice_lines", "invoice_id"),
        _ => ("bank_transaction_lines", "bank_transaction_id"),
    }
}

/// What a line is made of, without what follows from it.
fn bare_line(line: &Value) -> Value {
    let mut bare = json!({});
    for member in ["LineItemID", "Description", "Quantity", "UnitAmount", "AccountCode", "TaxType", "DiscountRate", "DiscountAmount", "ItemCode", "Tracking"] {
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
