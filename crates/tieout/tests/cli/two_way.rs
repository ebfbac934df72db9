//! Both directions from the command line: plans and what applying them does, one record alone, why a record is as it
//! is, and edits that reach Xero while a server runs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Sandbox, execute, free_port, text};

/// Two customers that both sides have: row in the books, id in Xero.
pub(crate) struct Customers {
    pub(crate) rows: Vec<i64>,
    pub(crate) ids: Vec<Uuid>,
}

impl Customers {
    pub(crate) async fn of(sandbox: &Sandbox, db_url: &str) -> Self {
        let contacts = sandbox.emulator().person(sandbox.tenant()).list("Contacts").unwrap();
        let (mut rows, mut ids) = (Vec::new(), Vec::new());
        for contact in contacts.iter().filter(|contact| contact["ContactStatus"] == "ACTIVE").take(6) {
            let name = contact["Name"].as_str().unwrap().replace('\'', "''");
            let row = text(db_url, &format!("SELECT id FROM customers WHERE name = '{name}'")).await;
            rows.push(row.parse().unwrap());
            ids.push(contact["ContactID"].as_str().unwrap().parse().unwrap());
        }
        Self { rows, ids }
    }

    /// An edit by SQL.
    pub(crate) async fn email(&self, db_url: &str, at: usize, email: &str) {
        execute(db_url, &format!("UPDATE customers SET email = '{email}' WHERE id = {}", self.rows[at])).await;
    }

    pub(crate) async fn email_in_app(&self, db_url: &str, at: usize) -> String {
        text(db_url, &format!("SELECT email FROM customers WHERE id = {}", self.rows[at])).await
    }

    pub(crate) fn edit_in_xero(&self, sandbox: &Sandbox, at: usize, fields: &Value) {
        sandbox.emulator().person(sandbox.tenant()).edit("Contacts", self.ids[at], fields).unwrap();
    }

    pub(crate) fn email_in_xero(&self, sandbox: &Sandbox, at: usize) -> String {
        let contact = sandbox.emulator().person(sandbox.tenant()).read("Contacts", self.ids[at]).unwrap();
        contact["EmailAddress"].as_str().unwrap_or_default().to_owned()
    }
}

/// How many calls have changed something in Xero.
fn writes(sandbox: &Sandbox) -> usize {
    let log = sandbox.emulator().control("GET", "log", &Value::Null).unwrap();
    let is_write = |call: &&Value| {
        call["method"] != "GET" && call["target"].as_str().is_some_and(|target| target.contains("/api.xro/"))
    };
    log.as_array().unwrap().iter().filter(is_write).count()
}

#[testkit::on_both_databases]
async fn a_plan_is_shown_without_a_write_and_then_just_that_is_done(db_url: String) {
    let sandbox = Sandbox::connected(&db_url).await;
    sandbox.run(&["sync", "full"]).await.assert(0, &["COMPLETED", "TO APP: NEW"]);
    let customers = Customers::of(&sandbox, &db_url).await;
    customers.email(&db_url, 0, "first@app.test").await;
    customers.email(&db_url, 1, "second@app.test").await;
    customers.edit_in_xero(&sandbox, 2, &json!({"EmailAddress": "third@xero.test"}));

    let before = writes(&sandbox);
    let plans = sandbox.run(&["sync", "--dry-run", "--json"]).await.assert(0, &[]).json();
    let plan = &plans[0];
    let item = |row: i64| {
        plan["items"].as_array().unwrap().iter().find(|item| item["localId"] == row).unwrap_or(&Value::Null).clone()
    };
    let first = item(customers.rows[0]);
    assert_eq!((&first["side"], &first["action"]), (&"XERO".into(), &"UPDATE".into()), "{plan}");
    assert_eq!(first["fields"], json!(["email"]));
    assert_eq!(item(customers.rows[2])["side"], "APP", "{plan}");
    assert_eq!(plan["totals"], json!({"App:UPDATE": 1, "Xero:UPDATE": 2}), "{plan}");
    let shown = sandbox.run(&["sync", "--dry-run"]).await;
    let shown = shown.assert(0, &["nothing written", "to Xero: 2 update; to the App: 1 update", "tieout sync apply 2"]);
    assert!(shown.out.contains("Calls to Xero: about"), "{}", shown.out);
    let csv = sandbox.run(&["sync", "full", "--dry-run", "-o", "csv"]).await.assert(0, &[]).out;
    assert!(csv.starts_with("plan,connection,side,action,"), "{csv}");
    assert_eq!(writes(&sandbox), before, "a plan writes nothing in Xero");
    assert_ne!(customers.email_in_app(&db_url, 2).await, "third@xero.test", "nor in the books");
    sandbox.run(&["sync", "--dry-run", "--follow"]).await.assert_exit(2, &["--follow"]);

    // What moves after it was shown is left alone.
    customers.email(&db_url, 1, "other@app.test").await;
    let applied = sandbox.run(&["sync", "apply", "1", "--json"]).await.assert(3, &["tieout sync --dry-run"]).json();
    assert_eq!((&applied[0]["done"], &applied[0]["moved"]), (&2.into(), &1.into()), "{applied}");
    assert_eq!(applied[0]["movedItems"][0]["localId"], customers.rows[1]);
    assert_eq!(customers.email_in_xero(&sandbox, 0), "first@app.test");
    assert_ne!(customers.email_in_xero(&sandbox, 1), "other@app.test");
    assert_eq!(customers.email_in_app(&db_url, 2).await, "third@xero.test");
    sandbox.run(&["sync", "apply", "1"]).await.assert(2, &["applied before", "tieout sync --dry-run"]);
    sandbox.run(&["sync", "apply", "99"]).await.assert(1, &["there is no plan 99", "TO-NOT-FOUND"]);

    // The rest is what the next plan is about.
    let rest = sandbox.run(&["sync", "--dry-run", "--json"]).await.assert(0, &[]).json();
    let number = rest[0]["plan"].to_string();
    sandbox.run(&["sync", "apply", &number]).await.assert(0, &["DONE"]);
    assert_eq!(customers.email_in_xero(&sandbox, 1), "other@app.test");
    sandbox.run(&["sync", "--dry-run"]).await.assert(0, &["both sides agree: nothing to do"]);
}

#[testkit::on_both_databases]
async fn edits_are_pushed_and_one_record_is_brought_together_alone(db_url: String) {
    let sandbox = Sandbox::connected(&db_url).await;
    sandbox.run(&["sync", "--full", "--json"]).await.assert(0, &[]);
    let customers = Customers::of(&sandbox, &db_url).await;
    let row = customers.rows[0].to_string();
    let explain =
        async |id: &str| sandbox.run(&["records", "explain", "customer", id, "--json"]).await.assert(0, &[]).json();
    assert_eq!(explain(&row).await["state"], "IN_SYNC");

    customers.email(&db_url, 0, "by@sql.test").await;
    let waiting = explain(&customers.ids[0].to_string()).await;
    assert_eq!((&waiting["state"], &waiting["localId"]), (&"WAITING".into(), &customers.rows[0].into()), "{waiting}");
    assert_eq!(waiting["fields"][0]["field"], "email");
    sandbox
        .run(&["records", "explain", "customer", &row])
        .await
        .assert(0, &["waiting", "by@sql.test", "tieout sync entity"]);
    sandbox.run(&["status"]).await.assert(0, &["changes wait", "1 change of the App not in Xero yet.   tieout push"]);
    let pushed = sandbox.run(&["push", "--json"]).await.assert(0, &[]).json();
    assert_eq!((&pushed[0]["sentUpdated"], &pushed[0]["waiting"]), (&1.into(), &0.into()), "{pushed}");
    assert_eq!(customers.email_in_xero(&sandbox, 0), "by@sql.test");
    sandbox.run(&["status"]).await.assert(0, &["in sync"]);
    sandbox.run(&["runs"]).await.assert(0, &["WRITES", "Xero"]);
    sandbox.run(&["runs", "show", "2"]).await.assert(0, &["sent: 0 new, 1 changed"]);

    customers.edit_in_xero(&sandbox, 1, &json!({"EmailAddress": "by@xero.test"}));
    let id = customers.ids[1].to_string();
    let synced = sandbox.run(&["sync", "entity", "customer", &id, "--json"]).await.assert(0, &[]).json();
    assert_eq!((&synced["wasRead"], &synced["localId"]), (&true.into(), &customers.rows[1].into()), "{synced}");
    assert_eq!(customers.email_in_app(&db_url, 1).await, "by@xero.test");
    sandbox.run(&["sync", "entity", "contact", &row]).await.assert(0, &["read from Xero and merged"]);
    for (words, exit, said) in [
        ("sync entity customer 99999", 1, "there is no customer 99999"),
        ("sync entity customer INV-1", 2, "neither a row's number nor an id of Xero"),
        ("records explain customer 99999", 1, "there is no customer 99999"),
        ("records explain nothing 1", 2, "unknown kind"),
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        sandbox.run(&words).await.assert_exit(exit, &[said]);
    }
}

#[testkit::on_both_databases]
async fn an_edit_by_sql_reaches_xero_while_the_server_runs(db_url: String) {
    let sandbox = Sandbox::connected(&db_url).await;
    sandbox.run(&["sync", "full"]).await.assert(0, &[]);
    let customers = Customers::of(&sandbox, &db_url).await;
    let address = format!("127.0.0.1:{}", free_port().await);
    let mut serving = sandbox.start(&["serve", "--bind", &address]);
    serving.until(|text| text.contains("API on")).await;
    customers.email(&db_url, 0, "at@once.test").await;
    let begun = Instant::now();
    while customers.email_in_xero(&sandbox, 0) != "at@once.test" {
        assert!(begun.elapsed() < Duration::from_secs(20), "it did not arrive");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    serving.signal("TERM");
    serving.ended().await.assert(0, &["stopped"]);
}

#[testkit::on_both_databases]
async fn the_doctor_finds_a_lost_trigger_and_mends_it(db_url: String) {
    let sandbox = Sandbox::connected(&db_url).await;
    sandbox.run(&["doctor"]).await.assert(0, &["every change of the books is noticed"]);
    let drop = match db_url.starts_with("sqlite:") {
        true => "DROP TRIGGER tieout_invoices_update",
        false => "ALTER TABLE invoices DISABLE TRIGGER tieout_update",
    };
    execute(&db_url, drop).await;
    sandbox.run(&["doctor"]).await.assert(1, &["invoices: tieout_", "tieout doctor --fix"]);
    sandbox.run(&["doctor", "--fix"]).await.assert(0, &["installed again", "tieout sync full"]);
    sandbox.run(&["doctor"]).await.assert(0, &["every change of the books is noticed"]);
}
