//! A plan writes nothing, shows what a sync would do, and applying it does that and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use crate::common::sql::App;
use crate::common::{World, assert_agreement, plan, sync_now};
use emulator::Size;
use model::{ConnectionId, Kind};
use serde_json::{Value, json};
use store::Mode;
use sync::{Engine, Error, Plan, PlanAction, PlanSide, PolicySetting};
use uuid::Uuid;

struct Town {
    world: World,
    engine: Engine,
    id: ConnectionId,
    app: App,
    person: emulator::Person,
    org: i64,
}

impl Town {
    async fn new(url: String, invoices: u32) -> Self {
        let world = World::new(plan(Size { lines: None, ..Size::of_invoices(invoices) }), url.clone());
        let engine = world.engine().await;
        let id = world.connect(&engine).await;
        sync_now(&engine, id, Mode::Full).await;
        let app = App::open(&url).await;
        let person = world.emulator.person(world.emulator.tenants()[0]);
        let org = engine.connection(id).await.unwrap().org.0;
        Self { world, engine, id, app, person, org }
    }

    fn amount(&self, whole: i64) -> String {
        match &self.app {
            App::Sqlite(_) => (whole * 10_000).to_string(),
            App::Postgres(_) => whole.to_string(),
        }
    }

    async fn one(&self, sql: &str) -> i64 {
        self.app.text(sql).await.unwrap_or_else(|| panic!("nothing: {sql}")).parse().unwrap()
    }

    async fn xero_id(&self, kind: &str, local: i64) -> Uuid {
        let column = match &self.app {
            App::Sqlite(_) => "lower(hex(xero_id))",
            App::Postgres(_) => "replace(CAST(xero_id AS TEXT), '-', '')",
        };
        let sql = format!("SELECT {column} AS c FROM links WHERE kind = '{kind}' AND local_id = {local}");
        Uuid::parse_str(&self.app.text(&sql).await.expect("a link")).unwrap()
    }

    fn writes(&self) -> usize {
        let log = self.world.emulator.log();
        log.iter().filter(|call| call.method != "GET" && call.target.starts_with("/api.xro")).count()
    }

    async fn customer(&self, name: &str) -> i64 {
        let org = self.org;
        self.app.run(&format!("INSERT INTO customers (org_id, name) VALUES ({org}, '{name}')")).await;
        self.one("SELECT MAX(id) AS c FROM customers").await
    }

    async fn invoice(&self, customer: i64, number: &str) -> i64 {
        let (org, one, price) = (self.org, self.amount(1), self.amount(100));
        self.app
            .run(&format!(
                "INSERT INTO invoices (org_id, type, number, customer_id, date, due_date, status, line_amount_types) \
                 VALUES ({org}, 'ACCREC', '{number}', {customer}, '2026-06-01', '2026-07-01', 'SENT', 'NO_TAX');\
                 INSERT INTO invoice_lines (invoice_id, position, description, quantity, unit_amount, account_code) \
                 VALUES ((SELECT MAX(id) FROM invoices), 1, 'Work', {one}, {price}, '200')"
            ))
            .await;
        self.one("SELECT MAX(id) AS c FROM invoices").await
    }

    /// Everything in the database but the plans themselves.
    async fn dump(&self) -> BTreeMap<String, Vec<String>> {
        let names = match &self.app {
            App::Sqlite(_) => "SELECT name AS c FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
            App::Postgres(_) => {
                "SELECT table_name AS c FROM information_schema.tables WHERE table_schema = current_schema() \
                 AND table_name <> 'virtual_time'"
            }
        };
        let mut all = BTreeMap::new();
        for name in self.app.texts(names).await.into_iter().flatten().filter(|name| name != "plans") {
            let rows = match &self.app {
                App::Sqlite(connection) => {
                    let mut statement = connection.prepare(&format!("SELECT * FROM {name}")).unwrap();
                    let columns = statement.column_count();
                    let row = |row: &rusqlite::Row<'_>| {
                        let cells: Vec<String> =
                            (0..columns).map(|at| format!("{:?}", row.get_ref(at).unwrap())).collect();
                        Ok(cells.join(" | "))
                    };
                    statement.query_map([], row).unwrap().map(Result::unwrap).collect()
                }
                App::Postgres(_) => self
                    .app
                    .texts(&format!("SELECT CAST(row_to_json(t) AS TEXT) AS c FROM {name} t"))
                    .await
                    .into_iter()
                    .flatten()
                    .collect(),
            };
            let mut rows: Vec<String> = rows;
            rows.sort();
            all.insert(name, rows);
        }
        all
    }

    async fn revisions(&self) -> BTreeMap<(&'static str, i64), i64> {
        let mut found = BTreeMap::new();
        for (kind, table) in [
            ("customer", "customers"),
            ("invoice", "invoices"),
            ("payment", "payments"),
            ("bank_transaction", "bank_transactions"),
        ] {
            for text in self
                .app
                .texts(&format!("SELECT CAST(id AS TEXT) || ':' || CAST(sync_rev AS TEXT) AS c FROM {table}"))
                .await
            {
                let text = text.unwrap();
                let (id, revision) = text.split_once(':').unwrap();
                found.insert((kind, id.parse().unwrap()), revision.parse().unwrap());
            }
        }
        found
    }
}

/// One of everything, on both sides.
struct Mixed {
    new_customer: i64,
    new_invoice: i64,
    new_payment: i64,
    edited: i64,
    cancelled: i64,
    by_status: i64,
    badly_named: i64,
    waiting: i64,
    namesake: i64,
    both: i64,
    edited_in_xero: i64,
}

async fn mixed(town: &Town) -> Mixed {
    let base = town.customer("Plain Ltd").await;
    let both = town.customer("Both Ltd").await;
    let edited_in_xero = town.customer("Theirs Ltd").await;
    let edited = town.customer("Ours Ltd").await;
    let cancelled = town.invoice(base, "PLAN-1").await;
    let by_status = town.invoice(base, "PLAN-2").await;
    town.engine.push(town.id, "test").await.unwrap();
    town.engine.set_policy(town.id, None, Some("email"), Some(PolicySetting::Ask), "test").await.unwrap();
    sync_now(&town.engine, town.id, Mode::Incremental).await;

    let new_customer = town.customer("Brand New Ltd").await;
    let new_invoice = town.invoice(new_customer, "PLAN-3").await;
    let (org, ten) = (town.org, town.amount(10));
    town.app
        .run(&format!(
            "INSERT INTO payments (org_id, invoice_id, account_id, date, amount) \
             VALUES ({org}, {new_invoice}, (SELECT id FROM accounts WHERE code = '090'), '2026-06-15', {ten})"
        ))
        .await;
    let new_payment = town.one("SELECT MAX(id) AS c FROM payments").await;
    town.app.run(&format!("UPDATE customers SET first_name = 'Ann' WHERE id = {edited}")).await;
    town.app.run(&format!("UPDATE invoices SET status = 'CANCELLED' WHERE id = {cancelled}")).await;
    town.app.run(&format!("UPDATE invoices SET status = 'PAID' WHERE id = {by_status}")).await;
    let badly_named = town.customer("Not < Allowed").await;
    let waiting = town.invoice(badly_named, "PLAN-4").await;
    let namesake = town.customer("Same Name Ltd").await;
    town.app.run(&format!("UPDATE customers SET email = 'app@app.test' WHERE id = {both}")).await;

    let edit = |id: Uuid, body: Value| town.person.edit("Contacts", id, &body).unwrap();
    edit(town.xero_id("customer", both).await, json!({"EmailAddress": "xero@xero.test"}));
    edit(town.xero_id("customer", edited_in_xero).await, json!({"LastName": "Theirs"}));
    town.person.create("Contacts", &json!({"Name": "Only In Xero Ltd"})).unwrap();
    town.person.create("Contacts", &json!({"Name": "Same Name Ltd"})).unwrap();
    Mixed {
        new_customer,
        new_invoice,
        new_payment,
        edited,
        cancelled,
        by_status,
        badly_named,
        waiting,
        namesake,
        both,
        edited_in_xero,
    }
}

/// What a plan says of a record, without the App's own list of what it would create.
fn of(plan: &Plan, kind: Kind, local: i64) -> Vec<(PlanSide, PlanAction, Vec<&str>, Option<&str>)> {
    let items = plan.items.iter().filter(|item| item.kind == kind && item.local_id == Some(local));
    items
        .map(|item| (item.side, item.action, item.fields.iter().map(String::as_str).collect(), item.code.as_deref()))
        .collect()
}

#[testkit::on_both_databases]
async fn a_plan_writes_nothing_and_says_what_would_be_done(url: String) {
    use PlanAction::{Conflict, Create, Link, Refused, Remove, Update, Waiting};
    let town = Town::new(url, 40).await;
    let here = mixed(&town).await;
    let before = (town.dump().await, town.writes());
    let plan = town.engine.plan(town.id, Mode::Incremental, "test").await.unwrap();
    let after = (town.dump().await, town.writes());
    assert_eq!(before.1, after.1, "nothing was written to Xero");
    for (table, rows) in &before.0 {
        assert_eq!(rows, &after.0[table], "rows of {table}");
    }

    let xero = PlanSide::Xero;
    assert_eq!(of(&plan, Kind::Customer, here.new_customer), [(xero, Create, vec![], None)]);
    assert_eq!(of(&plan, Kind::Invoice, here.new_invoice), [(xero, Create, vec![], None)]);
    assert_eq!(of(&plan, Kind::Payment, here.new_payment), [(xero, Create, vec![], None)]);
    assert_eq!(of(&plan, Kind::Customer, here.edited), [(xero, Update, vec!["first_name"], None)]);
    assert_eq!(of(&plan, Kind::Invoice, here.cancelled), [(xero, Remove, vec!["status"], None)]);
    assert_eq!(of(&plan, Kind::Customer, here.badly_named), [(xero, Refused, vec![], Some("TO-BAD-FIELD"))]);
    assert_eq!(of(&plan, Kind::Invoice, here.waiting), [(xero, Waiting, vec![], Some("TO-WAITING"))]);
    assert_eq!(of(&plan, Kind::Customer, here.edited_in_xero), [(PlanSide::App, Update, vec!["last_name"], None)]);
    assert_eq!(of(&plan, Kind::Invoice, here.by_status), [(xero, Refused, vec!["status"], Some("TO-PAID-BY-STATUS"))]);
    let actions =
        |local| of(&plan, Kind::Customer, local).into_iter().map(|(_, action, ..)| action).collect::<Vec<_>>();
    assert_eq!(actions(here.both), [Conflict]);
    assert!(actions(here.namesake).contains(&Link), "{:?}", of(&plan, Kind::Customer, here.namesake));
    let made = plan.items.iter().filter(|item| item.side == PlanSide::App && item.action == Create);
    assert_eq!(made.map(|item| item.label.as_str()).collect::<Vec<_>>(), ["Only In Xero Ltd"]);
    // What others depend on comes first.
    let place =
        |kind, local| plan.items.iter().position(|item| item.kind == kind && item.local_id == Some(local)).unwrap();
    assert!(place(Kind::Customer, here.new_customer) < place(Kind::Invoice, here.new_invoice));
    assert!(place(Kind::Invoice, here.new_invoice) < place(Kind::Payment, here.new_payment));
}

/// Records that were saved, by kind, and which of them were new.
type Saved = Arc<Mutex<Vec<(Kind, bool, Uuid)>>>;

fn watch(town: &Town) -> Saved {
    let saved = Saved::default();
    let seen = Arc::clone(&saved);
    town.world.wire.set_hook(move |request, response| {
        let path = request.url.path();
        let kinds = [
            ("Contacts", Kind::Customer, "ContactID"),
            ("Invoices", Kind::Invoice, "InvoiceID"),
            ("Payments", Kind::Payment, "PaymentID"),
        ];
        let of = kinds.into_iter().find(|(name, ..)| path.contains(name));
        if let (true, Some((name, kind, key))) = (request.method != http::Method::GET, of) {
            let body: Value = serde_json::from_slice(&response.body).unwrap();
            for row in body[name].as_array().unwrap() {
                let id = row[key].as_str().unwrap().parse().unwrap();
                seen.lock().unwrap().push((kind, request.method == http::Method::PUT, id));
            }
        }
        Ok(response)
    });
    saved
}

#[testkit::on_both_databases]
async fn applying_does_what_the_plan_shows_and_nothing_else(url: String) {
    let town = Town::new(url, 40).await;
    let here = mixed(&town).await;
    let plan = town.engine.plan(town.id, Mode::Incremental, "test").await.unwrap();
    let before = town.revisions().await;
    let saved = watch(&town);
    let calls = town.writes();
    let applied = town.engine.apply(town.id, plan.id, "test").await.unwrap();
    assert!(applied.moved.is_empty(), "{:?}", applied.moved);

    // Xero's side: exactly the items.
    let saved = saved.lock().unwrap().clone();
    let shown = |action| {
        let items = plan.items.iter().filter(move |item| item.side == PlanSide::Xero && item.action == action);
        items.map(|item| (item.kind, item.local_id.unwrap())).collect::<BTreeSet<_>>()
    };
    let mut created = BTreeSet::new();
    for (kind, local) in shown(PlanAction::Create) {
        created.insert((kind, town.xero_id(kind.as_str(), local).await));
    }
    let mut changed = BTreeSet::new();
    for (kind, local) in shown(PlanAction::Update).into_iter().chain(shown(PlanAction::Remove)) {
        changed.insert((kind, town.xero_id(kind.as_str(), local).await));
    }
    let of_saved =
        |is_new| saved.iter().filter(|one| one.1 == is_new).map(|(kind, _, id)| (*kind, *id)).collect::<BTreeSet<_>>();
    assert_eq!((of_saved(true), of_saved(false)), (created, changed));
    assert_eq!(saved.len(), of_saved(true).len() + of_saved(false).len(), "each once");
    assert!(town.writes() - calls <= 6, "{} calls", town.writes() - calls);

    // The App's side: rows of items, and nothing else.
    let after = town.revisions().await;
    let touched: BTreeSet<(&str, i64)> =
        after.iter().filter(|(row, revision)| before.get(*row) != Some(*revision)).map(|(row, _)| *row).collect();
    let made: Vec<_> = after.keys().filter(|row| !before.contains_key(*row)).collect();
    let named: BTreeSet<(&str, i64)> =
        plan.items.iter().filter_map(|item| Some((item.kind.as_str(), item.local_id?))).collect();
    let strangers: Vec<_> = touched.iter().filter(|row| !named.contains(*row) && !made.contains(row)).collect();
    assert!(strangers.is_empty(), "{strangers:?}");
    let shown =
        plan.items.iter().filter(|item| item.side == PlanSide::App && item.action == PlanAction::Create).count();
    assert_eq!(made.len(), shown);
    let last_name = format!("SELECT last_name AS c FROM customers WHERE id = {}", here.edited_in_xero);
    assert_eq!(town.app.text(&last_name).await.as_deref(), Some("Theirs"));
    let waiting = format!("SELECT COUNT(*) AS c FROM links WHERE kind = 'invoice' AND local_id = {}", here.waiting);
    assert_eq!(town.one(&waiting).await, 0);
    assert_eq!(town.one("SELECT COUNT(*) AS c FROM conflicts WHERE state = 'PENDING'").await, 1);

    let again = town.engine.apply(town.id, plan.id, "test").await;
    assert!(matches!(again, Err(Error::Invalid(_))), "{again:?}");
    // A sync finds nothing more to send.
    let calls = town.writes();
    sync_now(&town.engine, town.id, Mode::Incremental).await;
    assert_eq!(town.writes(), calls);
}

#[testkit::on_both_databases]
async fn what_moved_since_is_left_alone_and_returned(url: String) {
    let town = Town::new(url, 40).await;
    let here = mixed(&town).await;
    let plan = town.engine.plan(town.id, Mode::Incremental, "test").await.unwrap();
    town.app.run(&format!("UPDATE customers SET first_name = 'Bea' WHERE id = {}", here.edited)).await;
    let theirs = town.xero_id("customer", here.edited_in_xero).await;
    town.person.edit("Contacts", theirs, &json!({"LastName": "Again"})).unwrap();
    let saved = watch(&town);
    let applied = town.engine.apply(town.id, plan.id, "test").await.unwrap();
    let moved: BTreeSet<Option<i64>> = applied.moved.iter().map(|item| item.local_id).collect();
    assert_eq!(moved, BTreeSet::from([Some(here.edited), Some(here.edited_in_xero)]));
    let ours = town.xero_id("customer", here.edited).await;
    assert!(saved.lock().unwrap().iter().all(|(.., id)| *id != ours), "the moved row was not sent");
    let last_name = format!("SELECT COALESCE(last_name, '') AS c FROM customers WHERE id = {}", here.edited_in_xero);
    assert_eq!(town.app.text(&last_name).await.as_deref(), Some(""));
    town.xero_id("customer", here.new_customer).await;
    // The next sync does the rest.
    sync_now(&town.engine, town.id, Mode::Incremental).await;
    assert_eq!(town.person.read("Contacts", ours).unwrap()["FirstName"], "Bea");
    assert_eq!(town.app.text(&last_name).await.as_deref(), Some("Again"));
}

#[testkit::on_both_databases]
async fn a_thousand_changed_invoices_take_twenty_write_calls(url: String) {
    let town = Town::new(url, 1_700).await;
    let changed = town
        .app
        .run(
            "UPDATE invoices SET reference = 'all new' WHERE id IN (SELECT id FROM invoices WHERE type = 'ACCREC' \
             AND status IN ('DRAFT', 'SENT', 'PAID') ORDER BY id LIMIT 1000)",
        )
        .await;
    assert_eq!(changed, 1_000);
    let calls = town.world.emulator.call_count();
    let mut pushed = town.engine.push(town.id, "test").await.unwrap();
    if !pushed.braked.is_empty() {
        assert_eq!(town.writes(), 0);
        let brake = town.engine.brakes(town.id).await.unwrap().pop().unwrap();
        town.engine.decide_brake(town.id, brake.id, true, "test").await.unwrap();
        pushed = town.engine.push(town.id, "test").await.unwrap();
    }
    assert_eq!(pushed.kinds.iter().map(|(_, counts)| counts.sent_updated).sum::<i64>(), 1_000, "{pushed:?}");
    assert!(town.writes() <= 20, "{} write calls", town.writes());
    let all = town.world.emulator.call_count() - calls;
    // Each batch is read again before: its ids take two calls.
    assert!(all <= 60, "{all} calls in all");
    assert_agreement(&town.engine, town.id).await;
}
