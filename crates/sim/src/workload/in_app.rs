//! What the App does, as its own code would: plain SQL, a record and its lines in one transaction.

mod documents;

use oracle::{By, Who};

use super::app::quoted;
use super::options::{AppDeed, chosen};
use super::{Note, Workload, odd, table};

/// Text columns of a customer with the shape of what is written there.
const TEXTS: [(&str, &str); 7] = [
    ("first_name", "Ann #"),
    ("last_name", "O Connor #"),
    ("email", "#@app.test"),
    ("account_number", "A-#"),
    ("tax_number", "T-#"),
    ("company_number", "C-#"),
    ("name", "Renamed #"),
];

/// A telephone number or an address: child table, slot, column, and the field's name in marks.
const SLOTS: [(&str, &str, &str, &str); 4] = [
    ("customer_addresses", "STREET", "city", "address STREET"),
    ("customer_phones", "MOBILE", "number", "phone MOBILE"),
    ("customer_phones", "DEFAULT", "number", "phone DEFAULT"),
    ("customer_phones", "MOBILE", "number", "phone MOBILE"),
];

impl Workload {
    pub(super) async fn edit_app(&mut self) -> Option<&'static str> {
        match chosen(&mut self.dice, &self.options.app)? {
            AppDeed::NewCustomer => self.app_new_customer().await,
            AppDeed::Customer => self.app_customer().await,
            AppDeed::Slot => self.app_slot().await,
            AppDeed::NewInvoice => self.app_new_invoice(None, false).await,
            AppDeed::Header => self.app_invoice_header().await,
            AppDeed::Lines => self.app_lines("invoice").await,
            AppDeed::Status => self.app_invoice_status().await,
            AppDeed::Pay => self.app_pay(None).await,
            AppDeed::Unpay => self.app_unpay().await,
            AppDeed::NewBank => self.app_new_bank().await,
            AppDeed::Bank => self.app_bank().await,
            AppDeed::BankLines => self.app_lines("bank_transaction").await,
            AppDeed::Delete => self.app_delete().await,
            AppDeed::Archive => self.app_archive().await,
            AppDeed::Restore => self.app_restore().await,
            AppDeed::Same => self.app_same().await,
            AppDeed::Spaces => self.app_spaces().await,
            AppDeed::Back => self.app_back().await,
            AppDeed::Odd => self.app_odd().await,
            AppDeed::Long => self.app_new_invoice(None, true).await,
            AppDeed::Foreign => {
                let code = self.dice.of(&["JPY", "KWD", "USD", "EUR"]);
                self.app_new_invoice(Some(code), false).await
            }
            AppDeed::Sweep => self.app_sweep().await,
        }
    }

    /// Runs a statement; `None` if the database refuses it.
    async fn sql(&self, sql: &str) -> Option<u64> {
        self.app.run(sql).await.ok()
    }

    /// A record that fits, the newest as often as all others.
    async fn pick(&mut self, table: &str, condition: &str) -> Option<i64> {
        let most = self.app.number(&format!("SELECT MAX(id) AS c FROM {table}")).await?;
        let most = u64::try_from(most).ok()?;
        let is_new = self.dice.one_in(2);
        let from =
            if is_new { most.saturating_sub(self.dice.below(self.options.crowd)) } else { self.dice.below(most) };
        let org = self.org;
        let sql = format!(
            "SELECT id AS c FROM {table} WHERE id >= {from} AND org_id = {org} AND ({condition}) ORDER BY id LIMIT 1"
        );
        let found = self.app.number(&sql).await?;
        self.hold(table, found).await;
        Some(found)
    }

    /// Keeps others from writing a row until the end of the transaction. SQLite has one writer anyway.
    pub(super) async fn hold(&self, table: &str, id: i64) {
        if !self.app.is_sqlite() {
            self.app.text(&format!("SELECT id AS c FROM {table} WHERE id = {id} FOR UPDATE")).await;
        }
    }

    /// What a column holds now; empty for NULL.
    async fn held(&self, kind: &str, id: i64, column: &str) -> String {
        let sql = format!("SELECT {column} AS c FROM {} WHERE id = {id}", table(kind));
        self.app.text(&sql).await.unwrap_or_default()
    }

    /// A text column gets a token.
    pub(super) async fn set_text(
        &mut self,
        kind: &'static str,
        id: i64,
        column: &'static str,
        shape: &str,
    ) -> Option<()> {
        let (number, text) = self.token();
        self.write_text(kind, id, column, number, &shape.replace('#', &text)).await
    }

    /// A text column gets this text, in which the token is.
    pub(super) async fn write_text(
        &mut self,
        kind: &'static str,
        id: i64,
        column: &'static str,
        number: usize,
        text: &str,
    ) -> Option<()> {
        let before = self.held(kind, id, column).await;
        self.sql(&format!("UPDATE {} SET {column} = {} WHERE id = {id}", table(kind), quoted(text))).await?;
        self.see(By::App, &before);
        self.mark(number, By::App, kind, Who::Local(id), column);
        Some(())
    }

    async fn app_new_customer(&mut self) -> Option<&'static str> {
        let (number, name) = self.token();
        let org = self.org;
        let own_number = if self.dice.one_in(4) { format!("'K-{name}'") } else { "NULL".into() };
        let id = self
            .app
            .insert(&format!(
                "INSERT INTO customers (org_id, name, email, contact_number) \
                 VALUES ({org}, 'App {name}', '{name}@app.test', {own_number})"
            ))
            .await?;
        self.mark(number, By::App, "customer", Who::Local(id), "new");
        if self.dice.one_in(2) {
            let (number, text) = self.token();
            self.sql(&format!(
                "INSERT INTO customer_phones (customer_id, position, type, number) \
                 VALUES ({id}, 1, 'MOBILE', '021 {text}')"
            ))
            .await?;
            self.mark(number, By::App, "customer", Who::Local(id), "phone MOBILE");
        }
        Some("app: new customer")
    }

    async fn app_customer(&mut self) -> Option<&'static str> {
        let id = self.pick("customers", "status = 'ACTIVE'").await?;
        let (column, shape) = self.dice.of(&TEXTS);
        self.set_text("customer", id, column, shape).await?;
        Some("app: customer's field")
    }

    async fn app_slot(&mut self) -> Option<&'static str> {
        let id = self.pick("customers", "status = 'ACTIVE'").await?;
        let (child, slot, column, field) = self.dice.of(&SLOTS);
        let of_slot = format!("customer_id = {id} AND type = '{slot}'");
        let before = self.app.text(&format!("SELECT {column} AS c FROM {child} WHERE {of_slot}")).await;
        self.see(By::App, before.as_deref().unwrap_or_default());
        if before.is_some() && self.dice.one_in(6) {
            self.notes.push(Note::Unlast(By::App, "customer", Who::Local(id), field));
            self.sql(&format!("DELETE FROM {child} WHERE {of_slot}")).await?;
            return Some("app: slot removed");
        }
        let (number, text) = self.token();
        self.mark(number, By::App, "customer", Who::Local(id), field);
        if self.sql(&format!("UPDATE {child} SET {column} = '{text}' WHERE {of_slot}")).await? == 0 {
            let position = format!("(SELECT COALESCE(MAX(position), 0) + 1 FROM {child} WHERE customer_id = {id})");
            self.sql(&format!(
                "INSERT INTO {child} (customer_id, position, type, {column}) VALUES ({id}, {position}, '{slot}', '{text}')"
            ))
            .await?;
        }
        Some("app: phone or address")
    }

    async fn app_archive(&mut self) -> Option<&'static str> {
        if !self.dice.one_in(3) {
            return None;
        }
        let id = self.pick("customers", "status = 'ACTIVE'").await?;
        self.sql(&format!("UPDATE customers SET status = 'ARCHIVED' WHERE id = {id}")).await?;
        self.removed(By::App, "customer", Who::Local(id));
        Some("app: customer archived")
    }

    async fn app_restore(&mut self) -> Option<&'static str> {
        let id = self.pick("customers", "status = 'ARCHIVED' AND merged_into IS NULL").await?;
        self.sql(&format!("UPDATE customers SET status = 'ACTIVE' WHERE id = {id}")).await?;
        Some("app: customer restored")
    }

    /// A program that writes whole rows: everything as it was.
    async fn app_same(&mut self) -> Option<&'static str> {
        let (kind, columns) = self.dice.of(&[
            ("customer", "name = name, email = email, tax_number = tax_number"),
            ("invoice", "reference = reference, due_date = due_date, status = status"),
            ("bank_transaction", "reference = reference, date = date"),
        ]);
        let id = self.pick(table(kind), "status <> 'CANCELLED'").await?;
        self.sql(&format!("UPDATE {} SET {columns} WHERE id = {id}", table(kind))).await?;
        if kind == "invoice" && self.dice.one_in(2) {
            self.sql(&format!("UPDATE invoice_lines SET description = description WHERE invoice_id = {id}")).await?;
        }
        Some("app: the same again")
    }

    /// A field of nothing but spaces, or with some around what it holds.
    async fn app_spaces(&mut self) -> Option<&'static str> {
        let id = self.pick("customers", "status = 'ACTIVE'").await?;
        let column = self.dice.of(&["first_name", "last_name", "company_number"]);
        let before = self.held("customer", id, column).await;
        if before.is_empty() {
            self.sql(&format!("UPDATE customers SET {column} = '  ' WHERE id = {id}")).await?;
            return Some("app: only spaces");
        }
        self.own_token(By::App, &before).filter(|_| before.len() < 40)?;
        let text = before.trim().replace(' ', "  ");
        self.sql(&format!("UPDATE customers SET {column} = {} WHERE id = {id}", quoted(&format!("{text} ")))).await?;
        Some("app: more spaces")
    }

    /// Writes something new and, in a later transaction or at once, what was there before.
    async fn app_back(&mut self) -> Option<&'static str> {
        let id = self.pick("customers", "status = 'ACTIVE'").await?;
        let column = self.dice.of(&["first_name", "last_name", "email"]);
        let now = self.held("customer", id, column).await;
        let Some(from) = self.own_token(By::App, &now) else {
            let shape = if column == "email" { "#@back.test" } else { "There #" };
            self.set_text("customer", id, column, shape).await?;
            return Some("app: there");
        };
        // What the same program wrote before that, or a value that it has always had.
        let old = if column == "email" { "back@app.test".to_owned() } else { "Back Again".to_owned() };
        self.sql(&format!("UPDATE customers SET {column} = {} WHERE id = {id}", quoted(&old))).await?;
        self.see(By::App, &now);
        let (number, _) = self.token();
        self.mark_back(number, By::App, "customer", Who::Local(id), column, from);
        Some("app: and back")
    }

    async fn app_odd(&mut self) -> Option<&'static str> {
        match self.dice.below(4) {
            0 => {
                let id = self.pick("customers", "status = 'ACTIVE'").await?;
                let (number, token) = self.token();
                let text = odd::name(&mut self.dice, &token);
                self.write_text("customer", id, "name", number, &text).await?;
            }
            1 => {
                let id = self.pick("customers", "status = 'ACTIVE'").await?;
                let column = self.dice.of(&["first_name", "last_name"]);
                let (number, token) = self.token();
                let text = odd::text(&mut self.dice, &token, 255);
                self.write_text("customer", id, column, number, &text).await?;
            }
            2 => {
                let id = self.pick("invoices", "type = 'ACCREC' AND status <> 'CANCELLED'").await?;
                let (number, token) = self.token();
                let text = odd::text(&mut self.dice, &token, 255);
                self.write_text("invoice", id, "reference", number, &text).await?;
            }
            _ => return self.app_odd_line().await,
        }
        Some("app: odd text")
    }

    /// One statement over many rows, as a clean-up does. The brake may stop it.
    async fn app_sweep(&mut self) -> Option<&'static str> {
        let (org, day) = (self.org, 1 + self.dice.below(28));
        let most = self.app.number(&format!("SELECT MAX(id) AS c FROM invoices WHERE org_id = {org}")).await?;
        let from = most - i64::try_from(self.dice.below(120)).ok()?;
        let changed = self
            .sql(&format!(
                "UPDATE invoices SET due_date = '2026-11-{day:02}' WHERE org_id = {org} AND id >= {from} \
                 AND status IN ('DRAFT', 'SENT')"
            ))
            .await?;
        (changed > 0).then_some("app: many rows at once")
    }

    /// The App takes a record away: what it said of it goes with it.
    pub(super) fn forget(&mut self, kind: &'static str, id: i64) {
        self.notes.push(Note::Forget(kind, Who::Local(id)));
        self.removed(By::App, kind, Who::Local(id));
    }
}
