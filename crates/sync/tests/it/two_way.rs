//! Both sides edited: every edit arrives on the other side, once.

use crate::common::sql::App;
use crate::common::{World, assert_agreement, plan, sync_now};
use emulator::Size;
use model::ConnectionId;
use serde_json::json;
use store::Mode;
use sync::{Engine, PolicySetting};

async fn world(url: String) -> (World, Engine, ConnectionId, App) {
    let world = World::new(plan(Size { lines: None, ..Size::of_invoices(40) }), url.clone());
    let engine = world.engine().await;
    let id = world.connect(&engine).await;
    sync_now(&engine, id, Mode::Full).await;
    let app = App::open(&url).await;
    (world, engine, id, app)
}

/// The Xero id of a linked record.
async fn xero_id(app: &App, kind: &str, local: &str) -> String {
    let column = match app {
        App::Sqlite(_) => "lower(hex(xero_id))",
        App::Postgres(_) => "replace(CAST(xero_id AS TEXT), '-', '')",
    };
    let sql = format!("SELECT {column} AS c FROM links WHERE kind = '{kind}' AND local_id = {local}");
    let hex = app.text(&sql).await.expect("a link");
    uuid::Uuid::parse_str(&hex).unwrap().to_string()
}

async fn active_customer(app: &App) -> (String, String) {
    let local = app.text("SELECT id AS c FROM customers WHERE status = 'ACTIVE' ORDER BY id LIMIT 1").await.unwrap();
    let xero = xero_id(app, "customer", &local).await;
    (local, xero)
}

#[testkit::on_both_databases]
async fn an_email_by_sql_and_a_phone_in_xero_both_arrive_and_nothing_conflicts(url: String) {
    let (world, engine, id, app) = world(url).await;
    let person = world.person();
    let (local, xero) = active_customer(&app).await;

    assert_eq!(app.run(&format!("UPDATE customers SET email = 'new@app.test' WHERE id = {local}")).await, 1);
    let phone = json!({"ContactID": xero, "Phones": [{"PhoneType": "MOBILE", "PhoneNumber": "021 555"}]});
    person.post("Contacts", phone);
    let outcome = sync_now(&engine, id, Mode::Incremental).await;

    assert_eq!(outcome.total().sent_updated, 1, "{outcome:?}");
    let contact = &person.get(&format!("Contacts/{xero}"))["Contacts"][0];
    assert_eq!(contact["EmailAddress"], "new@app.test");
    let number = format!("SELECT number AS c FROM customer_phones WHERE customer_id = {local} AND type = 'MOBILE'");
    assert_eq!(app.text(&number).await.as_deref(), Some("021 555"));
    assert_eq!(app.text("SELECT COUNT(*) AS c FROM conflicts").await.as_deref(), Some("0"));
    assert_agreement(&engine, id).await;

    // Its own write coming back causes nothing.
    let again = sync_now(&engine, id, Mode::Incremental).await;
    assert_eq!((again.total().updated, again.total().sent_updated), (0, 0), "{again:?}");
    assert_eq!(app.text("SELECT COUNT(*) AS c FROM captures").await.as_deref(), Some("0"));
}

#[testkit::on_both_databases]
async fn both_change_the_email_and_the_policy_decides_once(url: String) {
    let (world, engine, id, app) = world(url).await;
    let person = world.person();
    let (local, xero) = active_customer(&app).await;
    engine.set_policy(id, None, Some("email"), Some(PolicySetting::App), "test").await.unwrap();

    app.run(&format!("UPDATE customers SET email = 'app@app.test' WHERE id = {local}")).await;
    person.post("Contacts", json!({"ContactID": xero, "EmailAddress": "xero@xero.test"}));
    sync_now(&engine, id, Mode::Incremental).await;

    assert_eq!(person.get(&format!("Contacts/{xero}"))["Contacts"][0]["EmailAddress"], "app@app.test");
    assert_eq!(app.text("SELECT COUNT(*) AS c FROM conflicts").await.as_deref(), Some("1"));
    let decided = app.text("SELECT decided_by AS c FROM conflicts").await;
    assert_eq!(decided.as_deref(), Some("policy:APP"));
}

#[testkit::on_both_databases]
async fn new_records_of_every_kind_arrive_in_the_order_of_their_dependencies(url: String) {
    let (world, engine, id, app) = world(url).await;
    let person = world.person();
    let org = engine.connection(id).await.unwrap().org;
    app.run(&format!("INSERT INTO customers (org_id, name, email) VALUES ({org}, 'Brand New Ltd', 'b@new.test')"))
        .await;
    let customer = app.text("SELECT MAX(id) AS c FROM customers").await.unwrap();
    let (invoice, line) = (
        format!(
            "INSERT INTO invoices (org_id, type, number, customer_id, date, due_date, status, currency) \
             VALUES ({org}, 'ACCREC', 'APP-0001', {customer}, '2026-06-01', '2026-07-01', 'SENT', 'NZD')"
        ),
        "INSERT INTO invoice_lines (invoice_id, position, description, quantity, unit_amount, account_code) \
         VALUES ((SELECT MAX(id) FROM invoices), 1, 'Work',",
    );
    let (ten, price) = match &app {
        App::Sqlite(_) => ("100000", "125000"),
        App::Postgres(_) => ("10", "12.5"),
    };
    app.run(&invoice).await;
    app.run(&format!("{line} {ten}, {price}, '200')")).await;
    let account = app
        .text("SELECT id AS c FROM accounts WHERE type = 'BANK' AND status = 'ACTIVE' ORDER BY id LIMIT 1")
        .await
        .unwrap();
    app.run(&format!(
        "INSERT INTO payments (org_id, invoice_id, account_id, date, amount) \
         VALUES ({org}, (SELECT MAX(id) FROM invoices), {account}, '2026-06-15', {ten})"
    ))
    .await;

    let outcome = sync_now(&engine, id, Mode::Incremental).await;
    assert_eq!(outcome.total().sent_created, 3, "{outcome:?}");
    let found = person.get("Invoices?InvoiceNumbers=APP-0001&page=1");
    let found = &found["Invoices"][0];
    assert_eq!(
        (found["Status"].as_str(), found["Contact"]["Name"].as_str()),
        (Some("AUTHORISED"), Some("Brand New Ltd"))
    );
    assert_eq!(found["AmountPaid"].to_string(), "10.0");
    assert_agreement(&engine, id).await;
}

/// Nobody knows what Xero has before all of it was read once.
#[testkit::on_both_databases]
async fn nothing_is_created_in_xero_before_the_kind_was_read_whole(url: String) {
    let world = World::new(plan(Size { lines: None, ..Size::of_invoices(20) }), url.clone());
    let engine = world.engine().await;
    let id = world.connect(&engine).await;
    let org = engine.connection(id).await.unwrap().org;
    let app = App::open(&url).await;
    app.run(&format!("INSERT INTO customers (org_id, name) VALUES ({org}, 'Early Bird Ltd')")).await;

    let outcome = sync_now(&engine, id, Mode::Incremental).await;
    assert_eq!(outcome.total().sent_created, 0, "{outcome:?}");
    assert_eq!(
        app.text("SELECT code AS c FROM failures WHERE local_id IS NOT NULL").await.as_deref(),
        Some("TO-WAITING")
    );

    let outcome = sync_now(&engine, id, Mode::Full).await;
    assert_eq!(outcome.total().sent_created, 1, "{outcome:?}");
    assert_eq!(app.text("SELECT COUNT(*) AS c FROM failures WHERE resolved_at IS NULL").await.as_deref(), Some("0"));
}

/// The same invoice on both sides before they were connected, with other lines: linked, and never added up.
#[testkit::on_both_databases]
async fn lines_of_a_matched_invoice_are_a_conflict_and_never_added_up(url: String) {
    let world = World::new(plan(Size { lines: None, ..Size::of_invoices(20) }), url.clone());
    let engine = world.engine().await;
    let id = world.connect(&engine).await;
    let org = engine.connection(id).await.unwrap().org;
    let person = world.person();
    let contact = person.put("Contacts", json!({"Name": "Both Know Ltd"}))["Contacts"][0]["ContactID"].clone();
    let invoice = json!({
        "Type": "ACCREC", "InvoiceNumber": "BOTH-7", "Contact": {"ContactID": contact}, "Date": "2026-06-01",
        "DueDate": "2026-07-01", "Status": "AUTHORISED", "LineAmountTypes": "NoTax",
        "LineItems": [{"Description": "Widget, blue", "Quantity": 1, "UnitAmount": 100, "AccountCode": "200"}]
    });
    person.put("Invoices", invoice);
    let app = App::open(&url).await;
    let (one, hundred) = match &app {
        App::Sqlite(_) => ("10000", "1000000"),
        App::Postgres(_) => ("1", "100"),
    };
    app.run(&format!("INSERT INTO customers (org_id, name) VALUES ({org}, 'Both Know Ltd')")).await;
    app.run(&format!(
        "INSERT INTO invoices (org_id, type, number, customer_id, date, due_date, status, line_amount_types) \
         SELECT {org}, 'ACCREC', 'BOTH-7', MAX(id), '2026-06-01', '2026-07-01', 'SENT', 'NO_TAX' FROM customers"
    ))
    .await;
    app.run(&format!(
        "INSERT INTO invoice_lines (invoice_id, position, description, quantity, unit_amount, account_code) \
         SELECT MAX(id), 1, 'Gadget', {one}, {hundred}, '200' FROM invoices"
    ))
    .await;
    engine.set_policy(id, None, Some("lines"), Some(PolicySetting::Ask), "test").await.unwrap();

    sync_now(&engine, id, Mode::Full).await;
    let found = person.get("Invoices?InvoiceNumbers=BOTH-7&page=1");
    assert_eq!(found["Invoices"].as_array().map(Vec::len), Some(1));
    assert_eq!(found["Invoices"][0]["Total"].to_string(), "100.0");
    let copies = app.text("SELECT COUNT(*) AS c FROM invoices WHERE number = 'BOTH-7'").await;
    assert_eq!(copies.as_deref(), Some("1"));
    let pending = app.text("SELECT field AS c FROM conflicts WHERE state = 'PENDING'").await;
    assert_eq!(pending.as_deref(), Some("lines"));
}

/// A program that writes whole rows puts an old `sync_rev` back; that is no write of the engine's.
#[testkit::on_both_databases]
async fn a_row_written_whole_with_an_old_revision_is_captured(url: String) {
    let (world, engine, id, app) = world(url).await;
    let person = world.person();
    let (local, xero) = active_customer(&app).await;
    let before = app.text(&format!("SELECT sync_rev AS c FROM customers WHERE id = {local}")).await.unwrap();
    person.post("Contacts", json!({"ContactID": xero, "FirstName": "Newer"}));
    sync_now(&engine, id, Mode::Incremental).await;
    app.run(&format!("UPDATE customers SET last_name = 'Whole', sync_rev = {before} WHERE id = {local}")).await;
    let outcome = sync_now(&engine, id, Mode::Incremental).await;
    assert_eq!(outcome.total().sent_updated, 1, "{outcome:?}");
    assert_eq!(person.get(&format!("Contacts/{xero}"))["Contacts"][0]["LastName"], "Whole");
}

/// A record that was linked with another one while its own creation was on its way is a duplicate, and stays listed.
#[test]
fn what_was_linked_elsewhere_while_it_was_created_is_listed_as_a_duplicate() {
    testkit::on_sqlite(None, async |url: String| {
        let (world, engine, id, app) = world(url.clone()).await;
        let org = engine.connection(id).await.unwrap().org;
        app.run(&format!("INSERT INTO customers (org_id, name) VALUES ({org}, 'Twice Ltd')")).await;
        let local = app.text("SELECT MAX(id) AS c FROM customers").await.unwrap();
        let path = url.strip_prefix("sqlite://").unwrap().to_owned();
        let sql = format!(
            "INSERT INTO links SELECT connection_id, kind, x'00112233445566778899aabbccddeeff', {local}, remote_hash, \
             remote_updated_at, base FROM links WHERE kind = 'customer' LIMIT 1"
        );
        world.wire.set_hook(move |request, response| {
            if request.method == http::Method::PUT {
                let other = rusqlite::Connection::open(&path).unwrap();
                assert_eq!(other.execute(&sql, []).unwrap(), 1);
            }
            Ok(response)
        });
        engine.push(id, "test").await.unwrap();
        let open = format!("SELECT code AS c FROM failures WHERE local_id = {local} AND resolved_at IS NULL");
        assert_eq!(app.texts(&open).await, [Some("TO-DUPLICATE".to_owned())]);
    });
}
