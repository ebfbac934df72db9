//! A day at work: random edits of both sides, each with a token of its own by which it can be found again.
//!
//! The App edits by plain SQL, somebody in Xero by Xero's own pages. What an edit writes over is looked at first, so that
//! at the end of the day every edit can be accounted for: a token that somebody on the other side wrote over had arrived.

mod in_xero;

use std::collections::BTreeMap;

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
        // Seeds that are neighbours must not play the same day a few steps later.
        Self(Self(seed).next() ^ Self(!seed).next().rotate_left(32))
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
    /// How many of the newest records most work is done on.
    crowd: u64,
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
            crowd: if seed.is_multiple_of(2) { 4 } else { 15 },
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
        if field != "line"
            && field != "new"
            && let Some(before) = self.last.insert((by, kind, who, field), number)
        {
            self.marks[before].is_superseded = true;
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
        let from =
            if self.dice.one_in(2) { most.saturating_sub(self.dice.below(self.crowd)) } else { self.dice.below(most) };
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
        self.app
            .run(&format!(
                "INSERT INTO customers (org_id, name, email) VALUES ({org}, 'App {name}', '{name}@app.test')"
            ))
            .await;
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
        let column = self.dice.of(&[
            "first_name",
            "last_name",
            "email",
            "account_number",
            "tax_number",
            "company_number",
            "name",
        ]);
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

    async fn app_slot(
        &mut self,
        id: i64,
        child: &str,
        slot: &str,
        column: &str,
        field: &'static str,
    ) -> Option<&'static str> {
        let before = self
            .app
            .text(&format!("SELECT {column} AS c FROM {child} WHERE customer_id = {id} AND type = '{slot}'"))
            .await;
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
        let positions =
            self.app.texts(&format!("SELECT position AS c FROM {child} WHERE {parent} = {id} ORDER BY position")).await;
        let at = positions.get(usize::try_from(self.dice.below(positions.len() as u64)).unwrap())?.clone()?;
        let of_line = format!("{parent} = {id} AND position = {at}");
        let before =
            self.app.text(&format!("SELECT description AS c FROM {child} WHERE {of_line}")).await.unwrap_or_default();
        match self.dice.below(10) {
            0..4 => {
                self.see(By::App, &before);
                let number = self.mark(By::App, kind, Who::Local(id), "line");
                self.app
                    .run(&format!("UPDATE {child} SET description = 'Said {}' WHERE {of_line}", token(number)))
                    .await;
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
        let id =
            self.pick("invoices", "status IN ('DRAFT', 'SENT') AND amount_paid = 0 AND amount_credited = 0").await?;
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
        let id =
            self.pick("invoices", "status IN ('DRAFT', 'SENT') AND amount_paid = 0 AND amount_credited = 0").await?;
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
}

fn lines_of(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "invoice" => ("invoice_lines", "invoice_id"),
        _ => ("bank_transaction_lines", "bank_transaction_id"),
    }
}
