//! One play of a scenario: both sides at hand, every edit with its token.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use emulator::Person;
use oracle::{By, Mark, Snapshot, Who, token};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use store::Mode;
use uuid::Uuid;

use crate::workload::{self, App};
use crate::world::World;

/// Marks that one step of a workload may make: tokens are numbered by steps.
const PER_STEP: usize = 26;

/// How it ended.
pub struct End {
    /// Both sides and the engine's lists, at rest.
    pub rest: Snapshot,
    /// What went over the wire.
    pub calls: Vec<oracle::Call>,
}

/// Both sides of an organisation, and whoever works there.
pub struct Scene {
    pub(super) world: World,
    pub(super) app: App,
    pub(super) person: Person,
    pub(super) org: i64,
    pub(super) marks: Vec<Mark>,
    tokens: usize,
    is_begun: bool,
    /// What a scenario has to know later, by a name of its own.
    kept: BTreeMap<&'static str, String>,
}

impl Scene {
    pub(super) async fn new(world: World) -> anyhow::Result<Self> {
        let app = App::open(&world.url()).await.map_err(anyhow::Error::msg)?;
        let time = world.stage.time.clone();
        app.set_clock(std::sync::Arc::new(move || time.now_ms())).map_err(anyhow::Error::msg)?;
        let person = world.stage.emulator.person(world.stage.emulator.tenants()[0]);
        let org = world.stage.time.drive(world.operator.connection(world.id)).await?.org.0;
        Ok(Self { world, app, person, org, marks: Vec::new(), tokens: 0, is_begun: false, kept: BTreeMap::new() })
    }

    // ---- time ----

    /// Lets so much time pass. Processes that died are started again.
    pub(super) async fn pass(&mut self, ms: i64) {
        let until = self.world.stage.time.now_ms() + ms;
        while self.world.stage.time.now_ms() < until {
            let next = (self.world.stage.time.now_ms() + 1_000).min(until);
            self.world.stage.time.run_until(next).await;
            if self.is_begun {
                self.world.revive();
            }
        }
    }

    /// The process works for so long, from now on at the latest.
    pub(super) async fn work(&mut self, ms: i64) {
        if !std::mem::replace(&mut self.is_begun, true) {
            self.world.start_processes();
        }
        self.pass(ms).await;
    }

    /// The processes end for good.
    pub(super) fn stop(&mut self) {
        self.is_begun = false;
        self.world.kill_all("its time is over");
    }

    /// A round of the operator's, to whom nothing happens.
    pub(super) async fn sync(&self, mode: Mode) -> anyhow::Result<sync::RunOutcome> {
        let (id, engine) = (self.world.id, &self.world.operator);
        Ok(self.world.stage.time.drive(engine.sync(id, mode, "operator", &|_| {})).await?)
    }

    /// Brings over what was just prepared, and lets the minute's limit go by.
    pub(super) async fn settle(&mut self) -> anyhow::Result<()> {
        self.sync(Mode::Incremental).await?;
        self.sync(Mode::Incremental).await?;
        self.pass(61_000).await;
        let open = self.number("SELECT COUNT(*) AS c FROM captures").await?;
        ensure!(open == 0, "what was prepared did not arrive");
        Ok(())
    }

    // ---- what is remembered ----

    pub(super) fn keep(&mut self, name: &'static str, value: impl ToString) {
        self.kept.insert(name, value.to_string());
    }

    pub(super) fn kept(&self, name: &str) -> &str {
        self.kept.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(super) fn kept_id(&self, name: &str) -> i64 {
        self.kept(name).parse().unwrap_or(0)
    }

    // ---- tokens ----

    /// A new token: its number and its text.
    pub(super) fn token(&mut self) -> (usize, String) {
        self.tokens += 1;
        let number = self.tokens * PER_STEP;
        (number, token(number))
    }

    /// An edit put this token into a field.
    pub(super) fn mark(&mut self, number: usize, by: By, kind: &'static str, who: Who, field: &'static str) {
        let (is_superseded, is_seen, is_in_flight, back_from) = (false, false, false, None);
        self.marks.push(Mark { number, by, kind, who, field, is_superseded, is_seen, is_in_flight, back_from });
    }

    /// A record was taken away.
    pub(super) fn removed(&mut self, by: By, kind: &'static str, who: Who) {
        let (number, _) = self.token();
        self.mark(number, by, kind, who, "removed");
    }

    // ---- the App ----

    pub(super) async fn sql(&self, sql: &str) -> anyhow::Result<u64> {
        self.world.stage.tell_database_time().await?;
        self.app.run(sql).await.map_err(anyhow::Error::msg).with_context(|| sql.to_owned())
    }

    pub(super) async fn number(&self, sql: &str) -> anyhow::Result<i64> {
        self.app.number(sql).await.with_context(|| format!("nothing is found: {sql}"))
    }

    pub(super) async fn text(&self, sql: &str) -> anyhow::Result<String> {
        self.app.text(sql).await.with_context(|| format!("nothing is found: {sql}"))
    }

    async fn newest(&self, table: &str) -> anyhow::Result<i64> {
        self.number(&format!("SELECT MAX(id) AS c FROM {table}")).await
    }

    /// An amount of whole units as a column takes it.
    pub(super) fn amount(&self, whole: i64) -> i64 {
        if matches!(self.app, App::Sqlite(_)) { whole * 10_000 } else { whole }
    }

    /// Active customers that both sides have, the oldest first.
    pub(super) async fn customers(&self) -> anyhow::Result<Vec<i64>> {
        let sql = format!(
            "SELECT c.id AS c FROM customers c JOIN links l ON l.kind = 'customer' AND l.local_id = c.id \
             WHERE c.status = 'ACTIVE' AND c.org_id = {} ORDER BY c.id",
            self.org
        );
        let ids = self.app.texts(&sql).await.map_err(anyhow::Error::msg)?;
        Ok(ids.into_iter().flatten().filter_map(|id| id.parse().ok()).collect())
    }

    pub(super) async fn new_customer(&mut self, name: &str) -> anyhow::Result<i64> {
        let org = self.org;
        self.sql(&format!("INSERT INTO customers (org_id, name) VALUES ({org}, '{name}')")).await?;
        self.newest("customers").await
    }

    /// A document of the App's, approved, with so many lines of 30 each; `number` is an SQL value. Every line has a token.
    pub(super) async fn new_invoice(
        &mut self,
        of_type: &str,
        number: &str,
        customer: i64,
        lines: i64,
    ) -> anyhow::Result<i64> {
        self.sql("BEGIN").await?;
        self.sql(&format!(
            "INSERT INTO invoices (org_id, type, number, customer_id, date, due_date, status, line_amount_types) \
             VALUES ({}, '{of_type}', {number}, {customer}, '2026-06-01', '2026-07-01', 'SENT', 'NO_TAX')",
            self.org
        ))
        .await?;
        let id = self.newest("invoices").await?;
        self.new_lines("invoice", id, lines, if of_type == "ACCREC" { "200" } else { "429" }).await?;
        self.sql("COMMIT").await?;
        Ok(id)
    }

    pub(super) async fn new_lines(
        &mut self,
        of: &'static str,
        id: i64,
        lines: i64,
        account: &str,
    ) -> anyhow::Result<()> {
        for position in 1..=lines {
            let (number, text) = self.token();
            self.sql(&format!(
                "INSERT INTO {of}_lines ({of}_id, position, description, quantity, unit_amount, account_code) \
                 VALUES ({id}, {position}, 'Work {text}', {}, {}, '{account}')",
                self.amount(1),
                self.amount(30)
            ))
            .await?;
            self.mark(number, By::App, of, Who::Local(id), "line");
        }
        Ok(())
    }

    /// A payment of the App's, of whole units.
    pub(super) async fn new_payment(&mut self, invoice: i64, whole: i64) -> anyhow::Result<i64> {
        let bank = self.bank().await?;
        let (number, text) = self.token();
        self.sql(&format!(
            "INSERT INTO payments (org_id, invoice_id, account_id, date, amount, reference) \
             VALUES ({}, {invoice}, {bank}, '2026-06-15', {}, 'Paid {text}')",
            self.org,
            self.amount(whole)
        ))
        .await?;
        let id = self.newest("payments").await?;
        self.mark(number, By::App, "payment", Who::Local(id), "new");
        Ok(id)
    }

    /// The bank account that payments go through.
    pub(super) async fn bank(&self) -> anyhow::Result<i64> {
        self.number(&format!("SELECT MIN(id) AS c FROM accounts WHERE code = '090' AND org_id = {}", self.org)).await
    }

    pub(super) async fn newest_bank_transaction(&self) -> anyhow::Result<i64> {
        self.newest("bank_transactions").await
    }

    /// A text column of the App's gets a token; `#` in the shape stands for it.
    pub(super) async fn set(
        &mut self,
        table: &str,
        kind: &'static str,
        id: i64,
        column: &'static str,
        shape: &str,
    ) -> anyhow::Result<String> {
        let (number, text) = self.token();
        let value = shape.replace('#', &text);
        let changed = self.sql(&format!("UPDATE {table} SET {column} = '{value}' WHERE id = {id}")).await?;
        ensure!(changed == 1, "there is no {kind} {id}");
        self.mark(number, By::App, kind, Who::Local(id), column);
        Ok(value)
    }

    // ---- Xero ----

    /// Xero's id of a record of the App.
    pub(super) async fn xero_id(&self, kind: &str, local: i64) -> anyhow::Result<Uuid> {
        let column = match self.app {
            App::Sqlite(_) => "lower(hex(xero_id))",
            App::Postgres(_) => "CAST(xero_id AS TEXT)",
        };
        let sql = format!("SELECT {column} AS c FROM links WHERE kind = '{kind}' AND local_id = {local}");
        Ok(Uuid::parse_str(&self.text(&sql).await?)?)
    }

    /// A text field of a contact gets a token by somebody in Xero.
    pub(super) fn set_contact(
        &mut self,
        contact: Uuid,
        field: &'static str,
        member: &str,
        shape: &str,
    ) -> anyhow::Result<String> {
        let (number, text) = self.token();
        let value = shape.replace('#', &text);
        self.person.edit("Contacts", contact, &json!({member: value})).map_err(anyhow::Error::msg)?;
        self.mark(number, By::Xero, "customer", Who::Xero(contact), field);
        Ok(value)
    }

    /// Active contacts, in the order of Xero's list.
    pub(super) fn contacts(&self) -> anyhow::Result<Vec<Value>> {
        let mut all = self.person.list("Contacts").map_err(anyhow::Error::msg)?;
        all.retain(|contact| contact["ContactStatus"] == "ACTIVE");
        Ok(all)
    }

    pub(super) fn fault(&self, rule: &str) -> anyhow::Result<()> {
        self.world.stage.emulator.add_fault(rule.parse::<emulator::FaultRule>().map_err(anyhow::Error::msg)?);
        Ok(())
    }

    pub(super) async fn snapshot(&self) -> Snapshot {
        workload::snapshot(&self.app, &self.person).await
    }
}

impl End {
    /// Records of a kind in Xero of which this holds.
    pub(super) fn in_xero(&self, kind: &str, is_it: impl Fn(&Value) -> bool) -> Vec<&Value> {
        let of_kind = self.rest.xero.iter().filter(|((of, _), _)| *of == kind);
        of_kind.map(|(_, record)| record).filter(|record| is_it(record)).collect()
    }

    /// The counterpart of a record of the App.
    pub(super) fn counterpart(&self, kind: &'static str, local: i64) -> anyhow::Result<&Value> {
        let id = self.rest.xero_of(kind, local).with_context(|| format!("{kind} {local} has no counterpart"))?;
        self.rest.xero.get(&(kind, id)).with_context(|| format!("{kind} {id} is not in xero"))
    }

    /// A column of a record of the App; empty for NULL.
    pub(super) fn column(&self, kind: &'static str, local: i64, name: &str) -> &str {
        let row = self.rest.app.get(&(kind, local));
        row.and_then(|row| row.columns.get(name)).map(String::as_str).unwrap_or_default()
    }

    /// Calls that wrote to the books of Xero and were carried out.
    pub(super) fn writes(&self) -> impl Iterator<Item = &oracle::Call> {
        let is_write = |call: &&oracle::Call| call.path.starts_with("/api.xro/") && call.method != "GET";
        self.calls.iter().filter(is_write).filter(|call| call.applied_at_ms.is_some())
    }
}

/// A member with an amount.
pub(super) fn amount_of(record: &Value, member: &str) -> Option<Decimal> {
    record[member].to_string().trim_matches('"').parse::<Decimal>().ok().map(|amount| amount.normalize())
}
