//! What the App does, by plain SQL.

use oracle::{By, Who, token};

use super::{Work, places, shaped};
use crate::app::App;

type Did = Result<Option<&'static str>, String>;

impl Work {
    pub(super) async fn edit_app(&mut self, app: &App) -> Did {
        match self.app_dice.below(100) {
            0..10 => self.app_new_customer(app).await,
            10..32 => self.app_customer(app).await,
            32..48 => self.app_new_invoice(app).await,
            48..60 => self.app_reference(app).await,
            60..74 => self.app_line(app).await,
            74..80 => self.app_approve(app).await,
            80..83 => self.app_cancel(app).await,
            83..93 => self.app_pay(app).await,
            93..97 => self.app_new_bank(app).await,
            _ => self.app_bank(app).await,
        }
    }

    async fn pick(&mut self, app: &App, table: &str, condition: &str) -> Option<i64> {
        let all = app.ids(&format!("SELECT id FROM {table} WHERE {condition} ORDER BY id")).await;
        self.app_dice.recent(&all)
    }

    /// A text column gets a token; what it held was seen.
    async fn set_text(
        &mut self,
        app: &App,
        kind: &'static str,
        id: i64,
        column: &'static str,
        shape: &str,
    ) -> Result<(), String> {
        let table = places(kind).0;
        let text = shaped(shape, self.next());
        let look = format!("SELECT {column} FROM {table} WHERE id = {id}{}", app.for_update());
        let write = format!("UPDATE {table} SET {column} = '{text}' WHERE id = {id}");
        let before = app.transact(&[look, write]).await?;
        self.see(By::App, &before[0]);
        self.mark(By::App, kind, Who::Local(id), column);
        Ok(())
    }

    async fn app_new_customer(&mut self, app: &App) -> Did {
        let (org, name) = (self.org, token(self.next()));
        let insert = format!(
            "INSERT INTO customers (org_id, name, email) VALUES ({org}, 'App {name}', '{name}@app.test') RETURNING id"
        );
        let made = app.transact(&[insert]).await?;
        self.mark(By::App, "customer", Who::Local(made[0].parse().unwrap()), "new");
        Ok(Some("app: new customer"))
    }

    async fn app_customer(&mut self, app: &App) -> Did {
        let Some(id) = self.pick(app, "customers", "status = 'ACTIVE'").await else { return Ok(None) };
        let columns = [
            ("first_name", "Ann #"),
            ("last_name", "O Connor #"),
            ("email", "#@app.test"),
            ("account_number", "A-#"),
            ("tax_number", "T-#"),
            ("company_number", "C-#"),
            ("name", "Renamed #"),
        ];
        let Some((column, shape)) = self.app_dice.of(&columns) else { return Ok(None) };
        self.set_text(app, "customer", id, column, shape).await?;
        Ok(Some("app: customer's field"))
    }

    async fn app_new_invoice(&mut self, app: &App) -> Did {
        let Some(customer) = self.pick(app, "customers", "status = 'ACTIVE'").await else { return Ok(None) };
        let (org, number) = (self.org, self.next());
        let is_bill = self.app_dice.one_in(4);
        let status = self.app_dice.of(&["DRAFT", "SENT", "SENT"]).unwrap();
        let (of_type, account) = if is_bill { ("ACCPAY", "429") } else { ("ACCREC", "200") };
        // Bills have numbers that nobody promises to be unique; invoices may be found by number or by reference.
        let names = if is_bill || self.app_dice.one_in(2) { "'N-#', NULL" } else { "NULL, 'R #'" };
        let (names, day) = (shaped(names, number), self.app_dice.between(1, 29));
        let mut statements = vec![format!(
            "INSERT INTO invoices (org_id, type, number, reference, customer_id, date, due_date, status) VALUES \
             ({org}, '{of_type}', {names}, {customer}, '2026-06-{day:02}', '2026-07-{day:02}', '{status}') RETURNING id"
        )];
        let lines = usize::try_from(self.app_dice.between(1, 4)).unwrap();
        for at in 1..=lines {
            let price = app.money(self.app_dice.between(100, 300_000) * 100);
            let (text, one) = (token(number + at), app.money(10_000));
            statements.push(format!(
                "INSERT INTO invoice_lines (invoice_id, position, description, quantity, unit_amount, account_code) \
                 VALUES ({{0}}, {at}, 'Work {text}', {one}, {price}, '{account}')"
            ));
        }
        let who = Who::Local(app.transact(&statements).await?[0].parse().unwrap());
        self.mark(By::App, "invoice", who, "new");
        for _ in 0..lines {
            self.mark(By::App, "invoice", who, "line");
        }
        Ok(Some("app: new invoice"))
    }

    async fn app_reference(&mut self, app: &App) -> Did {
        let condition = "type = 'ACCREC' AND status <> 'CANCELLED'";
        let Some(id) = self.pick(app, "invoices", condition).await else { return Ok(None) };
        self.set_text(app, "invoice", id, "reference", "Ref #").await?;
        Ok(Some("app: reference"))
    }

    async fn app_line(&mut self, app: &App) -> Did {
        let condition = "status IN ('DRAFT', 'SENT') AND amount_paid = 0 AND amount_credited = 0";
        let Some(id) = self.pick(app, "invoices", condition).await else { return Ok(None) };
        let positions =
            app.ids(&format!("SELECT position FROM invoice_lines WHERE invoice_id = {id} ORDER BY position")).await;
        let Some(at) = self.app_dice.of(&positions) else { return Ok(None) };
        let line = format!("invoice_id = {id} AND position = {at}");
        if self.app_dice.one_in(2) {
            let price = app.money(self.app_dice.between(100, 200_000) * 100);
            app.transact(&[format!("UPDATE invoice_lines SET unit_amount = {price} WHERE {line}")]).await?;
            return Ok(Some("app: line's price"));
        }
        let text = shaped("Said #", self.next());
        let look = format!("SELECT description FROM invoice_lines WHERE {line}{}", app.for_update());
        let write = format!("UPDATE invoice_lines SET description = '{text}' WHERE {line} RETURNING position");
        let given = app.transact(&[look, write]).await?;
        // The engine may have taken the line away meanwhile.
        if given[1].is_empty() {
            return Ok(None);
        }
        self.see(By::App, &given[0]);
        self.mark(By::App, "invoice", Who::Local(id), "line");
        Ok(Some("app: line's description"))
    }

    async fn app_approve(&mut self, app: &App) -> Did {
        let Some(id) = self.pick(app, "invoices", "status = 'DRAFT'").await else { return Ok(None) };
        let write = format!("UPDATE invoices SET status = 'SENT' WHERE id = {id} AND status = 'DRAFT'");
        app.transact(&[write]).await?;
        Ok(Some("app: approved"))
    }

    async fn app_cancel(&mut self, app: &App) -> Did {
        let condition = "status IN ('DRAFT', 'SENT') AND amount_paid = 0 AND amount_credited = 0";
        let Some(id) = self.pick(app, "invoices", condition).await else { return Ok(None) };
        let write = format!("UPDATE invoices SET status = 'CANCELLED' WHERE id = {id} AND {condition} RETURNING id");
        if app.transact(&[write]).await?[0].is_empty() {
            return Ok(None);
        }
        self.mark(By::App, "invoice", Who::Local(id), "removed");
        Ok(Some("app: cancelled"))
    }

    async fn app_pay(&mut self, app: &App) -> Did {
        let Some(id) = self.pick(app, "invoices", "status = 'SENT' AND amount_due > 0").await else { return Ok(None) };
        let (org, bank, text) = (self.org, self.bank, token(self.next()));
        // All or half of what is due now, in whole cents.
        let cent = if app.is_postgres() { "0.01" } else { "100" };
        let share = self.app_dice.between(1, 3);
        let amount = match app.is_postgres() {
            true => format!("TRUNC(amount_due / {share}, 2)"),
            false => format!("amount_due / {} * 100", share * 100),
        };
        let insert = format!(
            "INSERT INTO payments (org_id, invoice_id, account_id, date, amount, reference) \
             SELECT {org}, id, {bank}, '2026-06-30', {amount}, 'Paid {text}' FROM invoices \
             WHERE id = {id} AND status = 'SENT' AND amount_due >= {cent} * {share} RETURNING id"
        );
        let made = app.transact(&[insert]).await?;
        if made[0].is_empty() {
            return Ok(None);
        }
        self.mark(By::App, "payment", Who::Local(made[0].parse().unwrap()), "new");
        Ok(Some("app: payment"))
    }

    async fn app_new_bank(&mut self, app: &App) -> Did {
        let Some(customer) = self.pick(app, "customers", "status = 'ACTIVE'").await else { return Ok(None) };
        let (of_type, code) = if self.app_dice.one_in(3) { ("RECEIVE", "200") } else { ("SPEND", "429") };
        let (org, bank, number) = (self.org, self.bank, self.next());
        let day = self.app_dice.between(1, 29);
        let (price, one) = (app.money(self.app_dice.between(100, 90_000) * 100), app.money(10_000));
        let insert = format!(
            "INSERT INTO bank_transactions (org_id, type, customer_id, account_id, date, reference) VALUES \
             ({org}, '{of_type}', {customer}, {bank}, '2026-06-{day:02}', '{}') RETURNING id",
            shaped("Card #", number)
        );
        let line = format!(
            "INSERT INTO bank_transaction_lines \
             (bank_transaction_id, position, description, quantity, unit_amount, account_code) \
             VALUES ({{0}}, 1, 'Work {}', {one}, {price}, '{code}')",
            token(number + 1)
        );
        let who = Who::Local(app.transact(&[insert, line]).await?[0].parse().unwrap());
        self.mark(By::App, "bank_transaction", who, "new");
        self.mark(By::App, "bank_transaction", who, "line");
        Ok(Some("app: new bank transaction"))
    }

    async fn app_bank(&mut self, app: &App) -> Did {
        let condition = "status = 'COMPLETED' AND type IN ('SPEND', 'RECEIVE')";
        let Some(id) = self.pick(app, "bank_transactions", condition).await else { return Ok(None) };
        self.set_text(app, "bank_transaction", id, "reference", "Moved #").await?;
        Ok(Some("app: bank transaction's reference"))
    }
}
